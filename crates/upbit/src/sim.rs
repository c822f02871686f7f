//! A simulated exchange that speaks Upbit's WebSocket and REST from a seed, for tests, demos and measurements.
//!
//! `serve` listens on one address for both. Everything below `hub` is pure (`rng`, `tick`, `catalog`, `spelling`, `ids`,
//! `totals`, `book`, `history`, `market`, `exchange`, `render`, `recording`, `request`, `fault`, `limit`): a seed and the times decide what
//! happens. It is chosen by name only, never a stand-in for the real exchange.
//!
//! Not simulated: candle streams (`INVALID_PARAM`), price grouping of order books (silence, as for an unsupported level),
//! private streams, the limits of handshakes and messages, compression, REST other than market/all, ticker, trades/ticks and candles/minutes.

pub mod book;
pub mod catalog;
mod client;
mod error;
pub mod exchange;
pub mod fault;
pub mod history;
mod hub;
pub mod ids;
mod limit;
pub mod market;
mod recording;
pub mod render;
pub mod request;
mod rest;
pub mod rng;
mod server;
pub mod spelling;
pub mod tick;
pub mod totals;
mod truth;

pub use catalog::MARKETS_MAX;
pub use error::SimError;
pub use fault::{InvalidFault, SimFault};
pub use hub::SimStats;
pub use recording::{Recorded, record};
pub use server::{RunningSim, serve};
pub use tick::Quote;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// More than any machine reaches; above this a rate is a typing mistake.
pub const RATE_MAX: f64 = 1_000_000.0;

#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Port 0 takes any free one; [`RunningSim::local_addr`] tells which.
    pub listen: SocketAddr,
    pub markets: usize,
    /// For each coin a market in each of these, in this order, until there are `markets`.
    pub quotes: Vec<Quote>,
    /// Events per second, all streams together.
    pub rate: f64,
    pub seed: u64,
    /// Counted from the first subscription. `None`: until it is cancelled.
    pub duration: Option<Duration>,
    /// Gets one JSON line per trade, before anybody is told of it.
    pub truth: Option<PathBuf>,
    pub faults: Vec<SimFault>,
    /// Trades that REST can still tell, per market.
    pub history_trades_max: usize,
    /// Bytes queued for a client that reads slowly; beyond them its socket is dropped.
    pub client_queue_bytes: usize,
    /// A socket without any frame or ping for so long is dropped.
    pub idle_timeout: Duration,
    /// After the duration: sockets and REST are served at least so much longer, so that a client can catch up.
    pub grace: Duration,
}

impl Default for SimConfig {
    fn default() -> SimConfig {
        SimConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            markets: 200,
            quotes: vec![Quote::Krw],
            rate: 2_000.0,
            seed: 1,
            duration: None,
            truth: None,
            faults: Vec::new(),
            history_trades_max: 20_000,
            client_queue_bytes: 64 << 20,
            idle_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(3),
        }
    }
}

impl SimConfig {
    /// What cannot work is refused before anything is opened.
    fn validate(&self) -> Result<(), SimError> {
        let invalid = |name, value: String, expected: &str| {
            Err(SimError::InvalidSetting { name, value, expected: expected.to_owned() })
        };
        if !(1..=MARKETS_MAX).contains(&self.markets) {
            return invalid("a number of markets of", self.markets.to_string(), &format!("1 to {MARKETS_MAX}"));
        }
        if !(self.rate > 0.0 && self.rate <= RATE_MAX) {
            return invalid(
                "a rate of",
                self.rate.to_string(),
                &format!("more than 0 and at most {RATE_MAX} events/s"),
            );
        }
        if self.quotes.is_empty() {
            return invalid("a list of quote currencies of", "nothing".to_owned(), "KRW, BTC or USDT");
        }
        if !self.listen.ip().is_loopback() {
            return Err(SimError::NotLoopback(self.listen));
        }
        Ok(())
    }
}
