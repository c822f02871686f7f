//! A hole in what was collected: of which market and stream, from when to when, how it was found, what became of it. Pure.
//!
//! Each change of a gap is one record of the topic `upbit-gap`; the last record of a (market, channel, gap_from) is what is true. The
//! table `upbit.gap` is those records by that key. What opens and ends gaps is the [`Ledger`].

use std::fmt;

use hoga_model::{Market, StreamKind};
use serde::{Deserialize, Serialize};

mod backfill;
mod coverage;
mod ledger;

pub use backfill::{BACKFILL_CHUNK_MS, Backfilled};
pub use coverage::{Coverage, Ending};
pub use ledger::{Ledger, Lost};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub market: Market,
    pub channel: StreamKind,
    /// Milliseconds since the epoch, as all times here. Nothing is missing before it.
    pub from_ms: i64,
    /// Nothing is missing after it; None while the hole goes on.
    pub to_ms: Option<i64>,
    pub cause: Cause,
    pub state: State,
    /// Trades that were missing and are in the log now.
    pub trades_repaired: u64,
}

/// How a gap was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Collection of the market begins here, and nothing is promised of the time before. Trades executed in the seconds around it are asked for
    /// as those of a gap are: some were published before it.
    Begin,
    /// Nobody collected between two runs.
    Restart,
    /// The connection was closed or broke.
    Disconnect,
    /// Nothing came on it, not even the answer to a ping.
    Silence,
    /// Pings were answered and no data came.
    Stall,
    /// The exchange sent an error.
    Error,
    /// The market was asked for and never answered.
    Unanswered,
    /// The log could not be written, and what waited for it filled its memory.
    Overflow,
    /// The exchange's list of trades had some that were never received, though the connection stood.
    Missed,
    /// Somebody asked for the trades of this time, collected or not.
    Backfill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Of [`Cause::Begin`], for tickers and order books.
    Begin,
    /// Nothing is received.
    Open,
    /// Events come again; what was missed is still to be asked for.
    Pending,
    /// Every trade that the exchange's own list has in it is in the log.
    Repaired,
    /// The exchange cannot tell any more: it never can for tickers and order books, and for trades after seven days.
    Lost,
}

#[derive(Debug, thiserror::Error)]
pub enum GapError {
    #[error("not a gap: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not a gap: {0}")]
    Market(#[from] hoga_model::market::InvalidMarket),
    #[error("not a gap: no channel \"{0}\"")]
    Channel(String),
}

/// The record's value; the table's columns have the same names.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    market: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    channel: std::borrow::Cow<'a, str>,
    gap_from: i64,
    gap_to: Option<i64>,
    cause: Cause,
    state: State,
    trades_repaired: u64,
}

impl Gap {
    /// The record's value, JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let written = Written {
            market: self.market.as_str().into(),
            channel: self.channel.as_str().into(),
            gap_from: self.from_ms,
            gap_to: self.to_ms,
            cause: self.cause,
            state: self.state,
            trades_repaired: self.trades_repaired,
        };
        // numbers, names and texts: it cannot fail
        serde_json::to_vec(&written).unwrap_or_default()
    }

    pub fn from_json(value: &[u8]) -> Result<Gap, GapError> {
        let written: Written<'_> = serde_json::from_slice(value)?;
        let channel = StreamKind::ALL.into_iter().find(|kind| kind.as_str() == written.channel);
        Ok(Gap {
            market: Market::parse(&written.market)?,
            channel: channel.ok_or_else(|| GapError::Channel(written.channel.into_owned()))?,
            from_ms: written.gap_from,
            to_ms: written.gap_to,
            cause: written.cause,
            state: written.state,
            trades_repaired: written.trades_repaired,
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Begin => "begin",
            Cause::Restart => "restart",
            Cause::Disconnect => "disconnect",
            Cause::Silence => "silence",
            Cause::Stall => "stall",
            Cause::Error => "error",
            Cause::Unanswered => "unanswered",
            Cause::Overflow => "overflow",
            Cause::Missed => "missed",
            Cause::Backfill => "backfill",
        })
    }
}

#[cfg(test)]
mod tests;
