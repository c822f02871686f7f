//! The rows of the board, as the page and `/api/board` get them: Upbit's field names, decimals and ids as text.

use hoga_model::number::format_decimal;
use serde::{Serialize, Serializer};

/// An exact decimal: `units` of 10^-`scale`. In JSON a string, since a double would lose digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    pub units: i128,
    pub scale: u8,
}

/// The last ticker of a market.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ticker {
    pub market: String,
    pub trade_price: Option<Exact>,
    pub opening_price: Option<Exact>,
    pub high_price: Option<Exact>,
    pub low_price: Option<Exact>,
    pub prev_closing_price: Option<Exact>,
    /// `RISE`, `EVEN` or `FALL` against the previous close.
    pub change: Option<String>,
    pub signed_change_price: Option<Exact>,
    /// A fraction: 0.01 is one percent.
    pub signed_change_rate: Option<f64>,
    pub acc_trade_price_24h: Option<Exact>,
    pub acc_trade_volume_24h: Option<Exact>,
    pub acc_ask_volume: Option<Exact>,
    pub acc_bid_volume: Option<Exact>,
    pub highest_52_week_price: Option<Exact>,
    pub lowest_52_week_price: Option<Exact>,
    pub market_state: Option<String>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
}

/// One trade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trade {
    /// Beyond 2^53: a string in JSON.
    #[serde(serialize_with = "as_text")]
    pub sequential_id: i64,
    pub trade_timestamp: i64,
    pub trade_price: Option<Exact>,
    pub trade_volume: Option<Exact>,
    /// The taker's side: `ASK` sold, `BID` bought.
    pub ask_bid: Option<String>,
}

/// The last book of a market, best price first. Levels that Upbit padded with zeros are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Book {
    pub market: String,
    pub timestamp: i64,
    pub total_ask_size: Option<Exact>,
    pub total_bid_size: Option<Exact>,
    pub asks: Vec<Level>,
    pub bids: Vec<Level>,
}

/// Price and size; in JSON a pair of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Level(pub Exact, pub Exact);

impl Trade {
    /// The order of trades inside a market; never the order of arrival.
    pub(super) fn order(&self) -> (i64, i64) {
        (self.trade_timestamp, self.sequential_id)
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_decimal(self.units, self.scale))
    }
}

fn as_text<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
