//! How many frames a second one core reads, per kind and format: `cargo run --release --example frame_bench`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use hoga_model::StreamKind;
use hoga_upbit::frame::{Message, read_frame};

const FILES: [&str; 3] = [
    include_str!("../tests/fixtures/ws_documentation_2018_2025.jsonl"),
    include_str!("../tests/fixtures/ws_default_2026-07-30.jsonl"),
    include_str!("../tests/fixtures/ws_simple_2021-04-17.jsonl"),
];
const RUN_TIME: Duration = Duration::from_secs(1);
/// Between two looks at the clock.
const ROUNDS: u32 = 10;

fn main() {
    for (name, kind, marker) in [
        ("DEFAULT ticker", StreamKind::Ticker, "{\"type\":"),
        ("DEFAULT trade", StreamKind::Trade, "{\"type\":"),
        ("DEFAULT orderbook", StreamKind::Orderbook, "{\"type\":"),
        ("SIMPLE trade", StreamKind::Trade, "{\"ty\":"),
        ("SIMPLE orderbook", StreamKind::Orderbook, "{\"ty\":"),
    ] {
        let frames = frames_of(kind, marker);
        let (mut count, mut bytes) = (0_u64, 0_u64);
        let mut out = Vec::new();
        let started = (cpu_time(), Instant::now());
        let spent = || match (started.0, cpu_time()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => started.1.elapsed(),
        };
        while spent() < RUN_TIME {
            for frame in (0..ROUNDS).flat_map(|_| &frames) {
                out.clear();
                read_frame(frame, &mut out);
                count += 1;
                bytes += frame.len() as u64;
            }
        }
        let seconds = spent().as_secs_f64();
        println!(
            "{name:<18} {:>9.0} frames/s {:>7.1} MB/s {:>6.2} us/frame ({} bytes on average, {} samples)",
            count as f64 / seconds,
            bytes as f64 / seconds / 1e6,
            seconds / count as f64 * 1e6,
            bytes / count,
            frames.len(),
        );
    }
}

/// How long this thread has run on a core.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The recorded frames of one kind that begin with `marker`.
fn frames_of(kind: StreamKind, marker: &str) -> Vec<Bytes> {
    let mut out = Vec::new();
    let is_wanted = |line: &&str| {
        out.clear();
        read_frame(&Bytes::copy_from_slice(line.as_bytes()), &mut out);
        line.starts_with(marker) && matches!(&out[..], [Message::Event(event)] if event.kind == kind)
    };
    let lines = FILES.iter().flat_map(|file| file.lines());
    lines.filter(is_wanted).map(|line| Bytes::copy_from_slice(line.as_bytes())).collect()
}
