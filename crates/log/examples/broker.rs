//! The Kafka front alone, on a log of its own: for tests and benches of the protocol, without the rest of hoga.
//!
//! `broker DIR ADDRESS [key=value]…` with `users=FILE`, `cert=FILE` and `key=FILE`, `auto_create=true`, `fsync_ms=N`, `retention_s=N`
//! (how often retention is enforced), and any of the limits below. Prints `ready ADDRESS`, then counters at the end (SIGTERM, SIGINT).
#![allow(clippy::print_stdout, reason = "its output is for a test")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hoga_log::wire::{self, Broker, BrokerOptions, Limits, Users};
use hoga_log::{DiskLog, DiskOptions, Log};
use hoga_model::time::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: broker DIR ADDRESS [key=value]…".into());
    };
    let mut disk = DiskOptions::new(&dir);
    let mut limits = Limits { initial_rebalance_delay_ms: 0, ..Limits::default() };
    let (mut users, mut certificates, mut key, mut auto_create_topics, mut retention_s) = (None, None, None, false, 60);
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("options are key=value")?;
        match name {
            "users" => users = Some(Users::parse(&std::fs::read_to_string(value)?)?),
            "cert" => certificates = Some(value.to_owned()),
            "key" => key = Some(value.to_owned()),
            "auto_create" => auto_create_topics = value.parse()?,
            "fsync_ms" => disk.fsync_interval_ms = value.parse()?,
            "segment_bytes" => disk.segment_bytes = value.parse()?,
            "retention_s" => retention_s = value.parse()?,
            "connections" => limits.connections = value.parse()?,
            "connections_per_ip" => limits.connections_per_ip = value.parse()?,
            "request_bytes" => limits.request_bytes = value.parse()?,
            "queued_response_bytes" => limits.queued_response_bytes = value.parse()?,
            "stall_ms" => limits.stall_timeout = Duration::from_millis(value.parse()?),
            "partitions" => limits.default_partitions = value.parse()?,
            name => return Err(format!("unknown option {name}").into()),
        }
    }
    let began = std::time::Instant::now();
    let (log, report) = DiskLog::open(disk)?;
    let log = Arc::new(log);
    println!("opened {} bytes in {} ms, clean={}", report.bytes, began.elapsed().as_millis(), report.is_clean());
    let clock = Arc::new(SystemClock);
    let options = BrokerOptions { limits, users, auto_create_topics, ..BrokerOptions::new(log.clone(), clock.clone()) };
    let broker = Broker::open(options)?;
    let tls = match (&certificates, &key) {
        (Some(certificates), Some(key)) => Some(wire::acceptor(Path::new(certificates), Path::new(key))?),
        _ => None,
    };
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return stop.cancel();
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    let retired = log.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(retention_s)).await;
            if let Err(error) = retired.enforce_retention(clock.now_ms()) {
                println!("retention: {error}");
            }
        }
    });
    let running = wire::serve(address.parse()?, broker.clone(), tls, cancel).await?;
    println!("ready {}", running.local_addr());
    running.stopped().await;
    log.sync()?;
    let metrics = broker.metrics();
    println!("connections {} open {}", metrics.connections_opened.get(), metrics.open_connections());
    println!("rejected {} protocol_errors {}", metrics.connections_rejected.get(), metrics.protocol_errors.get());
    println!("too_large {} stalled {}", metrics.requests_too_large.get(), metrics.stalled.get());
    println!("requests {:?}", metrics.requests().into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>());
    println!("errors {:?}", metrics.errors());
    Ok(())
}
