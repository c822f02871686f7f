//! Markets and the three streams that Upbit publishes for each of them.

use std::fmt;

/// Upbit's market codes are `QUOTE-BASE`; the longest seen has 12 bytes. Anything longer than this is not a market.
pub const MARKET_BYTES_MAX: usize = 32;

/// A market code such as `KRW-BTC`: upper-case letters and digits around one hyphen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Market(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a market code; write it like KRW-BTC (quote, hyphen, base, in capitals)")]
pub struct InvalidMarket(pub String);

impl Market {
    pub fn parse(code: &str) -> Result<Market, InvalidMarket> {
        if is_market_code(code) {
            Ok(Market(code.to_owned()))
        } else {
            Err(InvalidMarket(code.chars().take(64).collect()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The quote currency: `KRW` of `KRW-BTC`.
    pub fn quote(&self) -> &str {
        self.0.split_once('-').map_or("", |(quote, _)| quote)
    }

    /// The base currency: `BTC` of `KRW-BTC`.
    pub fn base(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, base)| base)
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Market {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// True for `QUOTE-BASE` in capitals and digits, at most [`MARKET_BYTES_MAX`] bytes.
pub fn is_market_code(code: &str) -> bool {
    let part = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    code.len() <= MARKET_BYTES_MAX && code.split_once('-').is_some_and(|(quote, base)| part(quote) && part(base))
}

/// One row of Upbit's `/v1/market/all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketInfo {
    pub market: Market,
    pub korean_name: String,
    pub english_name: String,
    /// 유의 (investment warning) is set.
    pub warning: bool,
    /// The cautions (주의) that are set, by Upbit's names, sorted.
    pub cautions: Vec<String>,
}

/// The streams hoga collects. Each has a topic of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKind {
    Ticker,
    Trade,
    Orderbook,
}

impl StreamKind {
    pub const ALL: [StreamKind; 3] = [StreamKind::Ticker, StreamKind::Trade, StreamKind::Orderbook];

    /// The value of Upbit's `type` field.
    pub fn as_str(self) -> &'static str {
        match self {
            StreamKind::Ticker => "ticker",
            StreamKind::Trade => "trade",
            StreamKind::Orderbook => "orderbook",
        }
    }

    /// The topic its records go to.
    pub fn topic(self) -> &'static str {
        match self {
            StreamKind::Ticker => "upbit-ticker",
            StreamKind::Trade => "upbit-trade",
            StreamKind::Orderbook => "upbit-orderbook",
        }
    }
}

/// Where a message goes that nobody could read, with the reason in its headers.
pub const DEAD_LETTER_TOPIC: &str = "upbit-dead-letter";

/// Where every change of a gap goes: holes in what was collected, keyed by market.
pub const GAP_TOPIC: &str = "upbit-gap";

/// Where bars go that were computed again, keyed by market.
pub const BAR_TOPIC: &str = "upbit-bar";

/// Where every change of the exchange's list of markets goes, keyed by market.
pub const MARKET_TOPIC: &str = "upbit-market";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for good in ["KRW-BTC", "USDT-1INCH", "BTC-ETH"] {
            assert_eq!(Market::parse(good).map(|m| m.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "KRW", "krw-btc", "KRW-", "-BTC", "KRW-BTC.5", "KRW-BTC-X", "KRW-비트"] {
            assert!(Market::parse(bad).is_err(), "{bad}");
        }
    }
}
