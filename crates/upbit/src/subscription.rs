//! The request frame that says which streams of which markets a connection wants. Pure.
//!
//! A second request on one connection *replaces* the first, and there is no answer to it: unknown codes are accepted in
//! silence. So there is one request per connection, and the session watches for the codes that stay silent.

use std::collections::HashSet;

use hoga_model::json::push_string;
use hoga_model::{Market, StreamKind};

use crate::error::UpbitError;

/// No limit is published; the whole exchange (855 codes in 2026) works in one request, and this is twice that.
pub const MARKETS_MAX: usize = 2_000;

/// How the exchange spells its answers; [`read_frame`](crate::frame::read_frame) understands them all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Full names: kept byte for byte, so the cheapest to collect.
    #[default]
    Default,
    /// Abbreviated names: half the bytes on the wire, rewritten on receipt.
    Simple,
    JsonList,
    SimpleList,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Default => "DEFAULT",
            Format::Simple => "SIMPLE",
            Format::JsonList => "JSON_LIST",
            Format::SimpleList => "SIMPLE_LIST",
        }
    }

    pub fn parse(text: &str) -> Option<Format> {
        match text {
            "DEFAULT" => Some(Format::Default),
            "SIMPLE" => Some(Format::Simple),
            "JSON_LIST" => Some(Format::JsonList),
            "SIMPLE_LIST" => Some(Format::SimpleList),
            _ => None,
        }
    }

    pub fn is_simple(self) -> bool {
        matches!(self, Format::Simple | Format::SimpleList)
    }

    pub fn is_list(self) -> bool {
        matches!(self, Format::JsonList | Format::SimpleList)
    }
}

/// What one connection asks for. Snapshots first, then everything as it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub markets: Vec<Market>,
    pub streams: Vec<StreamKind>,
    pub format: Format,
}

impl Subscription {
    /// Ticker, trade and order book of the markets.
    pub fn all_streams(markets: Vec<Market>) -> Subscription {
        Subscription { markets, streams: StreamKind::ALL.to_vec(), format: Format::Default }
    }

    /// The frame to send. `ticket` is any text that names this connection, unique among the user's own.
    ///
    /// Markets and streams that are listed twice are asked for once.
    pub fn request_frame(&self, ticket: &str) -> Result<String, UpbitError> {
        let markets = distinct(&self.markets);
        let streams = distinct(&self.streams);
        let mistake = match (ticket.is_empty(), streams.len(), markets.len()) {
            (true, _, _) => Some("the ticket is empty".to_owned()),
            (_, 0, _) => Some("no stream is chosen".to_owned()),
            (_, _, 0) => return Err(UpbitError::NoMarkets),
            (_, _, count) if count > MARKETS_MAX => {
                Some(format!("{count} markets; one connection takes at most {MARKETS_MAX}"))
            }
            _ => None,
        };
        if let Some(mistake) = mistake {
            return Err(UpbitError::Subscription(mistake));
        }
        let mut codes = Vec::with_capacity(markets.len() * 12);
        for market in &markets {
            codes.push(if codes.is_empty() { b'[' } else { b',' });
            push_string(&mut codes, market.as_str());
        }
        codes.push(b']');
        let codes = String::from_utf8_lossy(&codes);

        let mut quoted_ticket = Vec::new();
        push_string(&mut quoted_ticket, ticket);
        let mut frame = format!("[{{\"ticket\":{}}}", String::from_utf8_lossy(&quoted_ticket));
        for stream in &streams {
            frame.push_str(&format!(",{{\"type\":\"{}\",\"codes\":{codes}}}", stream.as_str()));
        }
        frame.push_str(&format!(",{{\"format\":\"{}\"}}]", self.format.as_str()));
        Ok(frame)
    }
}

fn distinct<T: Clone + Eq + std::hash::Hash>(items: &[T]) -> Vec<T> {
    let mut seen = HashSet::new();
    items.iter().filter(|item| seen.insert(*item)).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn market(code: &str) -> Market {
        Market::parse(code).unwrap()
    }

    #[test]
    fn the_ticket_comes_first_and_the_format_last() {
        let mut subscription = Subscription::all_streams(vec![market("KRW-BTC"), market("KRW-ETH"), market("KRW-BTC")]);
        assert_eq!(
            subscription.request_frame("hoga \"1\"").unwrap(),
            r#"[{"ticket":"hoga \"1\""},{"type":"ticker","codes":["KRW-BTC","KRW-ETH"]},{"type":"trade","codes":["KRW-BTC","KRW-ETH"]},{"type":"orderbook","codes":["KRW-BTC","KRW-ETH"]},{"format":"DEFAULT"}]"#
        );
        subscription.streams = vec![StreamKind::Trade, StreamKind::Trade];
        subscription.format = Format::SimpleList;
        assert_eq!(
            subscription.request_frame("t").unwrap(),
            r#"[{"ticket":"t"},{"type":"trade","codes":["KRW-BTC","KRW-ETH"]},{"format":"SIMPLE_LIST"}]"#
        );
    }

    #[test]
    fn the_whole_exchange_fits_and_nonsense_is_refused() {
        let many = |count: usize| (0..count).map(|n| market(&format!("KRW-A{n}"))).collect::<Vec<_>>();
        let frame = Subscription::all_streams(many(855)).request_frame("t").unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&frame).is_ok());

        let refused =
            |subscription: Subscription, ticket: &str| subscription.request_frame(ticket).unwrap_err().to_string();
        assert_eq!(
            refused(Subscription::all_streams(many(2_001)), "t"),
            "invalid subscription: 2001 markets; one connection takes at most 2000"
        );
        assert_eq!(refused(Subscription::all_streams(many(1)), ""), "invalid subscription: the ticket is empty");
        assert!(refused(Subscription::all_streams(vec![]), "t").starts_with("no market is chosen"));
        let none = Subscription { streams: vec![], ..Subscription::all_streams(many(1)) };
        assert_eq!(refused(none, "t"), "invalid subscription: no stream is chosen");
    }
}
