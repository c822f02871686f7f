//! What `bench/open_log.py` measures: `open_log write DIR GB` fills a log (347-byte values, 20 a batch, 3 partitions, not compressed), says so, and goes
//! on appending until it is killed; `open_log open DIR` opens it and prints milliseconds and bytes: of the log, and checked at the start.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Instant;

use bytes::Bytes;
use hoga_log::{Compression, DiskLog, DiskOptions, Log, Record, Retention, TopicSpec};

const PARTITIONS: u32 = 3;
const BATCH: usize = 20;
const VALUE_BYTES: usize = 347;
const TOPIC: &str = "bench";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", dir, gb] => write(dir, gb.parse::<u64>()? * 1_000_000_000),
        ["open", dir] => open(dir),
        _ => Err("usage: open_log write DIR GB | open_log open DIR".into()),
    }
}

fn write(dir: &str, bytes: u64) -> Result<(), Failure> {
    let (log, _) = DiskLog::open(DiskOptions { compression: Compression::None, ..DiskOptions::new(dir) })?;
    let retention = Retention { max_age_ms: None, max_bytes: None };
    log.create_topic(&TopicSpec { name: TOPIC.to_owned(), partitions: PARTITIONS, retention })?;
    let mut number = 0_i64;
    let mut said = false;
    loop {
        for partition in 0..PARTITIONS {
            let records: Vec<Record> = (number..).take(BATCH).map(record).collect();
            log.append(TOPIC, partition, &records)?;
            number += BATCH as i64;
        }
        if !said && number.unsigned_abs() * VALUE_BYTES as u64 > bytes {
            println!("written");
            said = true;
        }
    }
}

fn record(number: i64) -> Record {
    let mut value = format!("{{\"n\":{number},\"pad\":\"");
    value.extend(std::iter::repeat_n('x', VALUE_BYTES - value.len()));
    Record { value: Bytes::from(value), timestamp_ms: 1_785_395_043_831, ..Record::default() }
}

fn open(dir: &str) -> Result<(), Failure> {
    let began = Instant::now();
    let (_log, report) = DiskLog::open(DiskOptions::new(dir))?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    println!("{ms:.1} {} {} {}", report.bytes, report.checked_bytes, report.reindexed.len());
    Ok(())
}
