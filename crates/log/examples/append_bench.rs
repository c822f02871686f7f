//! How fast the log on disk appends and fetches, and the ratio of compression. Rates are per second of the calling thread's CPU time, so that a
//! busy machine does not change them much; the flusher's and the kernel's writeback are not in them. Opening is wall time.
//!
//! `cargo run --release -p hoga-log --example append_bench -- DIR [SECONDS] [RECORDED.jsonl]`: writes below DIR and removes it again.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hoga_log::{Compression, DiskLog, DiskOptions, Log, Record, TopicSpec};

const FETCH_BYTES: usize = 1 << 20;
const PARTITIONS: u32 = 3;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: append_bench DIR [SECONDS] [RECORDED.jsonl]")?);
    let seconds: u64 = args.next().map_or(Ok(2), |text| text.parse())?;
    let mut sources = vec![("347 B JSON".to_owned(), made(347)), ("1 KB JSON".to_owned(), made(1_000))];
    if let Some(file) = args.next() {
        sources.push((file.rsplit('/').next().unwrap_or_default().to_owned(), recorded(Path::new(&file))?));
    }
    println!(
        "| values | compression | batch | append msg/s | append MB/s | disk/value bytes | fetch msg/s | fetch MB/s | open ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, values) in &sources {
        for compression in [Compression::None, Compression::Lz4] {
            for batch in [1, 20, 500] {
                println!(
                    "| {name} | {compression:?} | {batch} | {} |",
                    measure(&dir, compression, batch, values, Duration::from_secs(seconds))?
                );
            }
        }
    }
    Ok(())
}

fn measure(
    dir: &Path,
    compression: Compression,
    batch: usize,
    values: &[Record],
    time: Duration,
) -> Result<String, Failure> {
    let dir = dir.join("append_bench");
    let options = || DiskOptions { compression, ..DiskOptions::new(&dir) };
    let (log, _) = DiskLog::open(options())?;
    log.create_topic(&TopicSpec::new("bench", PARTITIONS))?;
    let start = Instant::now();
    let cpu = cpu_seconds();
    let (mut messages, mut bytes, mut at) = (0_u64, 0_u64, 0);
    while start.elapsed() < time {
        for partition in 0..PARTITIONS {
            at = if at + batch > values.len() { 0 } else { at };
            let records = &values[at..at + batch];
            at += batch;
            log.append("bench", partition, records)?;
            messages += records.len() as u64;
            bytes += records.iter().map(|record| record.value.len() as u64).sum::<u64>();
        }
    }
    let append = cpu_seconds() - cpu;
    drop(log);
    let opening = Instant::now();
    let (log, report) = DiskLog::open(options())?;
    let open_ms = opening.elapsed().as_secs_f64() * 1e3;
    let cpu = cpu_seconds();
    let mut fetched = 0_u64;
    for partition in 0..PARTITIONS {
        let mut offset = 0;
        loop {
            let found = log.fetch("bench", partition, offset, FETCH_BYTES)?;
            fetched += found.records.len() as u64;
            if found.next_offset == offset {
                break;
            }
            offset = found.next_offset;
        }
    }
    let fetch = cpu_seconds() - cpu;
    if fetched != messages {
        return Err(format!("appended {messages}, fetched {fetched}").into());
    }
    drop(log);
    std::fs::remove_dir_all(&dir)?;
    Ok(format!(
        "{:.0} k | {:.0} | {:.3} | {:.0} k | {:.0} | {open_ms:.0} ({} MB)",
        messages as f64 / append / 1e3,
        bytes as f64 / append / 1e6,
        report.bytes as f64 / bytes as f64,
        messages as f64 / fetch / 1e3,
        bytes as f64 / fetch / 1e6,
        report.bytes / 1_000_000,
    ))
}

/// What this thread has had of a core so far (Linux).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

/// Trades like Upbit's, cut or filled to a length, each with other numbers.
fn made(len: usize) -> Vec<Record> {
    let mut seed = 1_u64;
    let mut random = |limit: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    (0..5_000_u64)
        .map(|n| {
            let market = ["KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-SOL"][random(4) as usize];
            let timestamp_ms = 1_785_395_043_831 + n as i64;
            let mut value = format!(
                "{{\"type\":\"trade\",\"code\":\"{market}\",\"timestamp\":{timestamp_ms},\"trade_price\":{}.0,\"trade_volume\":0.{:08},\
                 \"ask_bid\":\"{}\",\"prev_closing_price\":91424000.0,\"change\":\"FALL\",\"change_price\":{}.0,\"sequential_id\":{}",
                91_000_000 + random(1_000_000),
                random(100_000_000),
                if random(2) == 0 { "ASK" } else { "BID" },
                random(100_000),
                timestamp_ms * 10_000 + random(10_000) as i64
            );
            while value.len() < len - 20 {
                value.push_str(&format!(",\"best_ask_size\":{}.{}", random(100), random(10_000_000)));
            }
            value.push('}');
            Record { key: Some(Bytes::from_static(market.as_bytes())), value: Bytes::from(value), timestamp_ms, headers: Vec::new() }
        })
        .collect()
}

/// A recorded file's lines, again and again up to a few thousand.
fn recorded(file: &Path) -> Result<Vec<Record>, Failure> {
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().cycle().take(text.lines().count() * 20).enumerate();
    Ok(lines
        .map(|(n, line)| Record {
            key: Some(Bytes::from_static(b"KRW-BTC")),
            value: Bytes::from(line.to_owned()),
            timestamp_ms: 1_785_395_043_831 + n as i64,
            headers: Vec::new(),
        })
        .collect())
}
