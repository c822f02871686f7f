//! `hoga sim`.

use clap::Args;
use std::path::PathBuf;

/// 2026-03-09T00:00:00Z, a UTC day's first bar.
const RECORDING_FROM_MS: i64 = 1_773_014_400_000;

#[derive(Debug, Args)]
#[command(after_help = hoga_upbit::sim::SimFault::help())]
pub struct SimArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8765")]
    pub listen: std::net::SocketAddr,
    /// Number of markets, all quoted in KRW
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub markets: usize,
    /// Events a second: tickers, trades and order books together
    #[arg(long, value_name = "N", default_value_t = 500.0)]
    pub rate: f64,
    /// The same seed makes the same prices
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Make events for this long from the first subscription on, then end (30s, 5m); without it, until Ctrl-C
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// Write every trade made to this file, one JSON object a line, before it is sent
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Serve nobody: write the records of --duration, made at once, to a file that hoga run --input reads
    #[arg(long, value_name = "FILE.jsonl", requires = "duration", conflicts_with_all = ["truth", "fault"])]
    pub record: Option<PathBuf>,
    /// --record: when the exchange opens, in milliseconds since 1970; the same time makes the same bytes
    #[arg(long, value_name = "MS", requires = "record", default_value_t = RECORDING_FROM_MS)]
    pub record_from: i64,
    /// After the duration, keep sockets open and answer REST for this long, so that clients can catch up [default: 3s]
    #[arg(long, value_name = "TIME")]
    pub grace: Option<String>,
    /// Misbehave: FAULT=VALUE, listed below; may be repeated or a list with commas
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
}
