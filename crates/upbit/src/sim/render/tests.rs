//! Events in all four formats.

use super::*;
use crate::sim::catalog::listings;
use crate::sim::exchange::Exchange;
use crate::sim::tick::Quote;
use hoga_model::StreamKind;
use hoga_model::json::Scanner;
use hoga_model::number::parse_decimal;

const NOON_MS: i64 = 1_785_412_800_000;

/// 2026-07-30, jabdori/maxt @79483f7 (MIT).
const RECORDED_TRADE: &str = r#"{"type":"trade","code":"KRW-BTC","timestamp":1785395043831,"trade_date":"2026-07-30","trade_time":"07:04:03","trade_timestamp":1785395043779,"trade_price":91361000.0,"trade_volume":0.01275549,"ask_bid":"ASK","prev_closing_price":91424000.0,"change":"FALL","change_price":63000.0,"sequential_id":17853950437790001,"best_ask_price":91370000,"best_ask_size":0.0070459,"best_bid_price":91361000,"best_bid_size":0.00196362,"stream_type":"REALTIME"}"#;

/// 2025-09-26, docs.upbit.com.
const RECORDED_TICKER: &str = r#"{"type":"ticker","code":"KRW-BTC","opening_price":158219000.00000000,"high_price":159278000.00000000,"low_price":157588000.00000000,"trade_price":158200000.00000000,"prev_closing_price":158200000.00000000,"acc_trade_price":95088751392.9099200000000000,"change":"EVEN","change_price":0E-8,"signed_change_price":0E-8,"change_rate":0,"signed_change_rate":0,"ask_bid":"ASK","trade_volume":0.00011188,"acc_trade_volume":600.09226312,"trade_date":"20250926","trade_time":"082646","trade_timestamp":1758875206936,"acc_ask_volume":341.67996226,"acc_bid_volume":258.41230086,"highest_52_week_price":169900000.00000000,"highest_52_week_date":"2025-08-14","lowest_52_week_price":80635000.00000000,"lowest_52_week_date":"2024-10-10","market_state":"ACTIVE","is_trading_suspended":false,"delisting_date":null,"market_warning":"NONE","timestamp":1758875206974,"acc_trade_price_24h":331188513477.17233,"acc_trade_volume_24h":2083.83396972,"stream_type":"REALTIME"}"#;

/// Keys of DEFAULT and SIMPLE in Upbit's reference (websocket-ticker, -trade, -orderbook).
const SIMPLE_TRADE: &str = "ty cd tms td ttm ttms tp tv ab pcp c cp sid bap bas bbp bbs st";
const SIMPLE_TICKER: &str = "ty cd op hp lp tp pcp atp c cp scp cr scr ab tv atv tdt ttm ttms aav abv h52wp h52wdt l52wp \
                             l52wdt ms its dd mw tms atp24h atv24h st";
const SIMPLE_ORDERBOOK: &str = "ty cd tms tas tbs obu st lv";

fn fields(frame: &str) -> Vec<(String, String)> {
    let mut json = Scanner::new(frame);
    let mut fields = Vec::new();
    json.begin_object().expect("an object");
    while let Some(key) = json.next_key().expect("a key") {
        fields.push((key.into_owned(), json.skip().expect("a value").to_owned()));
    }
    json.end().expect("nothing behind it");
    fields
}

fn keys(frame: &str) -> Vec<String> {
    fields(frame).into_iter().map(|(key, _)| key).collect()
}

fn render(event: &Event, simple: bool, depth: usize) -> String {
    let mut out = Vec::new();
    push_event(&mut out, event, "KRW-BTC", StreamType::Realtime, simple, depth);
    String::from_utf8(out).expect("UTF-8")
}

fn some_events() -> Vec<Event> {
    let mut exchange = Exchange::open(listings(30, &[Quote::Krw, Quote::Btc]), 1, NOON_MS, 10);
    (0..3_000).filter_map(|index| exchange.next(NOON_MS + index, None, || false)).collect()
}

#[test]
fn frames_have_the_keys_of_recorded_ones_in_their_order() {
    for event in some_events() {
        let simple = keys(&render(&event, true, 30)).join(" ");
        let default = keys(&render(&event, false, 30));
        match event.kind() {
            StreamKind::Trade => {
                assert_eq!(default, keys(RECORDED_TRADE));
                assert_eq!(simple, SIMPLE_TRADE);
            }
            StreamKind::Ticker => {
                assert_eq!(default, keys(RECORDED_TICKER));
                assert_eq!(simple, SIMPLE_TICKER);
            }
            StreamKind::Orderbook => {
                let expected = "type code timestamp total_ask_size total_bid_size orderbook_units stream_type level";
                assert_eq!(default.join(" "), expected);
                assert_eq!(simple, SIMPLE_ORDERBOOK);
            }
        }
    }
}

#[test]
fn the_numbers_of_a_frame_are_those_of_the_event() {
    for event in some_events() {
        let frame = fields(&render(&event, false, 30));
        let token = |name: &str| frame.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let number = |name: &str, scale| parse_decimal(token(name), 38, scale);
        match &event {
            Event::Trade(TradeEvent { trade, prev_close, .. }) => {
                assert_eq!(number("trade_price", SCALE), Ok(trade.price.into()));
                assert_eq!(number("trade_volume", SCALE), Ok(trade.volume.into()));
                assert_eq!(number("change_price", SCALE), Ok(i128::from((trade.price - prev_close).abs())));
                assert_eq!(token("sequential_id"), trade.sequential_id.to_string());
            }
            Event::Ticker(ticker) => {
                assert_eq!(number("acc_trade_price", TURNOVER_SCALE), Ok(ticker.turnover));
                let acc_volume = ticker.ask_volume + ticker.bid_volume;
                assert_eq!(number("acc_trade_volume", SCALE), Ok(acc_volume));
                let change = i128::from(ticker.last.price - ticker.prev_close);
                assert_eq!(number("signed_change_price", SCALE), Ok(change));
                assert_eq!(token("change"), format!("\"{}\"", change_word(change)));
                assert!(token("acc_trade_price").split('.').nth(1).is_none_or(|digits| digits.len() == 16));
            }
            Event::Orderbook(orderbook) => {
                let total: i128 = orderbook.book.asks.iter().map(|level| i128::from(level.size)).sum();
                assert_eq!(number("total_ask_size", SCALE), Ok(total));
                assert_eq!(token("orderbook_units").matches("ask_price").count(), 30);
                let five = fields(&render(&event, false, 5));
                assert_eq!(five[5].1.matches("ask_price").count(), 5);
            }
        }
    }
}

#[test]
fn every_spelling_occurs() {
    let all: String = some_events().iter().map(|event| render(event, false, 30)).collect();
    let price = |text: &str| assert!(all.contains(text), "no {text} in any frame");
    for text in [".0,", ".00000000,", "E8,", "E-4,", "0E-8", "0E-16", "\"change_rate\":0,"] {
        price(text);
    }
}

#[test]
fn change_rates_have_ten_digits_rounded() {
    assert_eq!(change_rate(-224_000, 91_424_000), -24_501_225);
    assert_eq!(change_rate(1, 3), 3_333_333_333);
    assert_eq!(change_rate(2, 3), 6_666_666_667);
    assert_eq!(change_rate(0, 3), 0);
}
