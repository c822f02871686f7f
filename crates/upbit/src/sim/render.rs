//! Events as the bytes of a frame: DEFAULT or SIMPLE names, numbers spelled as one of Upbit's servers spells them. Pure.
//!
//! The order of the keys and the look of each number are those of recorded frames (docs.upbit.com 2024–2025, and frames
//! of 2026). A market is always told by the same server, so one subscription to several markets sees all of them.

use super::book::{Book, LEVELS, Level};
use super::exchange::Event;
use super::market::{Orderbook, Ticker, TradeEvent};
use super::spelling::{Spelling, push_integer, push_number};
use super::tick::SCALE;
pub use crate::subscription::Format;
use hoga_model::json::push_string;
use hoga_model::time::{MS_PER_DAY, civil_from_ms, utc_date, utc_time_of_day};

/// Digits of a turnover: price (8) × volume (8).
pub const TURNOVER_SCALE: u8 = 16;
/// Digits of a change rate.
pub const RATE_SCALE: u8 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamType {
    Snapshot,
    Realtime,
}

/// One element: the JSON object of an event, without the array of a LIST format. `depth` cuts an order book.
pub fn push_event(out: &mut Vec<u8>, event: &Event, code: &str, stream_type: StreamType, simple: bool, depth: usize) {
    let server = Server::of(event.market());
    let mut object = Object::begin(out, simple);
    match event {
        Event::Trade(event) => push_trade(&mut object, event, code, server),
        Event::Ticker(ticker) => push_ticker(&mut object, ticker, code, server),
        Event::Orderbook(orderbook) => push_orderbook(&mut object, orderbook, code, server, depth),
    }
    let stream_type = match stream_type {
        StreamType::Snapshot => "SNAPSHOT",
        StreamType::Realtime => "REALTIME",
    };
    object.text("stream_type", "st", stream_type);
    if matches!(event, Event::Orderbook(_)) {
        object.integer("level", "lv", 0);
    }
    object.end();
}

fn push_trade(object: &mut Object, event: &TradeEvent, code: &str, server: Server) {
    let TradeEvent { trade, prev_close, best_ask, best_bid } = event;
    let change = i128::from(trade.price) - i128::from(*prev_close);
    object.text("type", "ty", "trade");
    object.text("code", "cd", code);
    object.integer("timestamp", "tms", trade.published_ms);
    object.text("trade_date", "td", &utc_date(trade.executed_ms));
    object.text("trade_time", "ttm", &utc_time_of_day(trade.executed_ms));
    object.integer("trade_timestamp", "ttms", trade.executed_ms);
    object.number("trade_price", "tp", trade.price.into(), SCALE, server.trade_price());
    object.number("trade_volume", "tv", trade.volume.into(), SCALE, server.volume());
    object.text("ask_bid", "ab", trade.side.as_str());
    object.number("prev_closing_price", "pcp", (*prev_close).into(), SCALE, server.trade_price());
    object.text("change", "c", change_word(change));
    object.number("change_price", "cp", change.abs(), SCALE, server.trade_price());
    object.integer("sequential_id", "sid", trade.sequential_id as i64);
    object.number("best_ask_price", "bap", best_ask.price.into(), SCALE, server.book_price());
    object.number("best_ask_size", "bas", best_ask.size.into(), SCALE, server.volume());
    object.number("best_bid_price", "bbp", best_bid.price.into(), SCALE, server.book_price());
    object.number("best_bid_size", "bbs", best_bid.size.into(), SCALE, server.volume());
}

fn push_ticker(object: &mut Object, ticker: &Ticker, code: &str, server: Server) {
    let last = ticker.last;
    let change = i128::from(last.price) - i128::from(ticker.prev_close);
    let rate = change_rate(change, ticker.prev_close);
    let price = server.ticker_price();
    object.text("type", "ty", "ticker");
    object.text("code", "cd", code);
    object.number("opening_price", "op", ticker.open.into(), SCALE, price);
    object.number("high_price", "hp", ticker.high.into(), SCALE, price);
    object.number("low_price", "lp", ticker.low.into(), SCALE, price);
    object.number("trade_price", "tp", last.price.into(), SCALE, price);
    object.number("prev_closing_price", "pcp", ticker.prev_close.into(), SCALE, Spelling::Full);
    object.number("acc_trade_price", "atp", ticker.turnover, TURNOVER_SCALE, Spelling::Full);
    object.text("change", "c", change_word(change));
    object.number("change_price", "cp", change.abs(), SCALE, Spelling::Full);
    object.number("signed_change_price", "scp", change, SCALE, Spelling::Full);
    object.rate("change_rate", "cr", rate.abs());
    object.rate("signed_change_rate", "scr", rate);
    object.text("ask_bid", "ab", last.side.as_str());
    object.number("trade_volume", "tv", last.volume.into(), SCALE, server.volume());
    object.number("acc_trade_volume", "atv", ticker.ask_volume + ticker.bid_volume, SCALE, server.total());
    object.text("trade_date", "tdt", &compact_date(last.executed_ms));
    object.text("trade_time", "ttm", &compact_time(last.executed_ms));
    object.integer("trade_timestamp", "ttms", last.executed_ms);
    object.number("acc_ask_volume", "aav", ticker.ask_volume, SCALE, server.total());
    object.number("acc_bid_volume", "abv", ticker.bid_volume, SCALE, server.total());
    object.number("highest_52_week_price", "h52wp", ticker.year.high.into(), SCALE, Spelling::Full);
    object.text("highest_52_week_date", "h52wdt", &utc_date(ticker.year.high_day * MS_PER_DAY));
    object.number("lowest_52_week_price", "l52wp", ticker.year.low.into(), SCALE, Spelling::Full);
    object.text("lowest_52_week_date", "l52wdt", &utc_date(ticker.year.low_day * MS_PER_DAY));
    object.text("market_state", "ms", "ACTIVE");
    object.raw("is_trading_suspended", "its", "false");
    object.raw("delisting_date", "dd", "null");
    object.text("market_warning", "mw", "NONE");
    object.integer("timestamp", "tms", ticker.published_ms);
    object.number("acc_trade_price_24h", "atp24h", ticker.turnover_24h, TURNOVER_SCALE, Spelling::Plain);
    object.number("acc_trade_volume_24h", "atv24h", ticker.volume_24h, SCALE, server.total());
}

fn push_orderbook(object: &mut Object, orderbook: &Orderbook, code: &str, server: Server, depth: usize) {
    let Book { asks, bids } = &orderbook.book;
    let depth = depth.min(LEVELS);
    let total = |levels: &[Level]| levels.iter().map(|level| i128::from(level.size)).sum();
    object.text("type", "ty", "orderbook");
    object.text("code", "cd", code);
    object.integer("timestamp", "tms", orderbook.published_ms);
    object.number("total_ask_size", "tas", total(&asks[..depth]), SCALE, Spelling::Plain);
    object.number("total_bid_size", "tbs", total(&bids[..depth]), SCALE, Spelling::Plain);
    object.key("orderbook_units", "obu");
    object.out.push(b'[');
    for (ask, bid) in asks.iter().zip(bids).take(depth) {
        let mut unit = Object::begin(object.out, object.simple);
        unit.number("ask_price", "ap", ask.price.into(), SCALE, server.book_price());
        unit.number("bid_price", "bp", bid.price.into(), SCALE, server.book_price());
        unit.number("ask_size", "as", ask.size.into(), SCALE, server.volume());
        unit.number("bid_size", "bs", bid.size.into(), SCALE, server.volume());
        unit.end();
        object.out.push(b',');
    }
    object.out.pop();
    object.out.push(b']');
}

/// Which of Upbit's servers tells a market, by the year whose frames it spells numbers like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Of2025,
    Of2026July,
    Of2026September,
}

impl Server {
    fn of(market: usize) -> Server {
        match market % 3 {
            0 => Server::Of2026September,
            1 => Server::Of2025,
            _ => Server::Of2026July,
        }
    }

    fn trade_price(self) -> Spelling {
        match self {
            Server::Of2025 => Spelling::Full,
            Server::Of2026July | Server::Of2026September => Spelling::Point,
        }
    }

    fn ticker_price(self) -> Spelling {
        match self {
            Server::Of2025 | Server::Of2026September => Spelling::Full,
            Server::Of2026July => Spelling::Plain,
        }
    }

    fn book_price(self) -> Spelling {
        match self {
            Server::Of2025 => Spelling::Point,
            Server::Of2026July => Spelling::Plain,
            Server::Of2026September => Spelling::Double,
        }
    }

    fn volume(self) -> Spelling {
        match self {
            Server::Of2025 | Server::Of2026July => Spelling::Plain,
            Server::Of2026September => Spelling::Double,
        }
    }

    fn total(self) -> Spelling {
        match self {
            Server::Of2025 | Server::Of2026September => Spelling::Full,
            Server::Of2026July => Spelling::Plain,
        }
    }
}

/// Writes one JSON object key by key, straight into the frame.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    simple: bool,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub fn begin(out: &'a mut Vec<u8>, simple: bool) -> Object<'a> {
        out.push(b'{');
        Object { out, simple, is_empty: true }
    }

    pub fn end(self) {
        self.out.push(b'}');
    }

    pub fn text(&mut self, name: &str, short: &str, value: &str) {
        self.key(name, short);
        push_string(self.out, value);
    }

    pub fn raw(&mut self, name: &str, short: &str, json: &str) {
        self.key(name, short);
        self.out.extend_from_slice(json.as_bytes());
    }

    pub fn integer(&mut self, name: &str, short: &str, value: i64) {
        self.key(name, short);
        if value < 0 {
            self.out.push(b'-');
        }
        push_integer(self.out, value.unsigned_abs());
    }

    pub fn number(&mut self, name: &str, short: &str, units: i128, scale: u8, spelling: Spelling) {
        self.key(name, short);
        push_number(self.out, units, scale, spelling);
    }

    /// A change rate: ten digits, and a bare 0 for none.
    fn rate(&mut self, name: &str, short: &str, units: i128) {
        let spelling = if units == 0 { Spelling::Plain } else { Spelling::Full };
        self.number(name, short, units, RATE_SCALE, spelling);
    }

    fn key(&mut self, name: &str, short: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(if self.simple { short } else { name }.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

pub fn change_word(change: i128) -> &'static str {
    match change {
        0 => "EVEN",
        1.. => "RISE",
        _ => "FALL",
    }
}

/// The change as a fraction of the price before, in units of 10^-10, rounded half away from zero.
pub fn change_rate(change: i128, prev_close: i64) -> i128 {
    let prev_close = i128::from(prev_close.max(1));
    let scaled = change.abs() * 10_i128.pow(u32::from(RATE_SCALE));
    let rate = (scaled * 2 + prev_close) / (prev_close * 2);
    if change < 0 { -rate } else { rate }
}

/// `yyyyMMdd`, as tickers write a date.
pub fn compact_date(ms: i64) -> String {
    let civil = civil_from_ms(ms);
    format!("{:04}{:02}{:02}", civil.year, civil.month, civil.day)
}

/// `HHmmss`, as tickers write a time.
pub fn compact_time(ms: i64) -> String {
    let seconds = civil_from_ms(ms).ms_of_day / 1_000;
    format!("{:02}{:02}{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests;
