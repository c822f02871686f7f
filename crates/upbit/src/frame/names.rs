//! The field names of Upbit's WebSocket frames: SIMPLE abbreviation → DEFAULT name, one table per kind.
//!
//! Source: docs.upbit.com/kr/reference/websocket-{ticker,trade,orderbook}; the 2018 `mk` and the ticker fields that
//! were removed on 2021-10-13 come from recordings. One abbreviation can mean two fields: `ttm` is a time in both
//! tickers and trades, the date is `tdt` in a ticker and `td` in a trade.

use hoga_model::StreamKind;

/// (SIMPLE, DEFAULT) pairs.
pub(crate) type Names = [(&'static str, &'static str)];

/// The names of one kind's top-level fields.
pub(crate) fn of_kind(kind: StreamKind) -> &'static Names {
    match kind {
        StreamKind::Ticker => TICKER,
        StreamKind::Trade => TRADE,
        StreamKind::Orderbook => ORDERBOOK,
    }
}

/// No abbreviation, nor `market`, is longer: a longer key is a DEFAULT name or a field we do not know.
pub(crate) const SHORT_BYTES_MAX: usize = 6;

/// No table is longer (a test holds it).
pub(crate) const ROWS_MAX: usize = 40;

/// The array of levels in an order book.
pub(crate) const UNITS: &str = "orderbook_units";

pub(crate) const TICKER: &Names = &[
    ("ty", "type"),
    ("cd", "code"),
    ("op", "opening_price"),
    ("hp", "high_price"),
    ("lp", "low_price"),
    ("tp", "trade_price"),
    ("pcp", "prev_closing_price"),
    ("c", "change"),
    ("cp", "change_price"),
    ("scp", "signed_change_price"),
    ("cr", "change_rate"),
    ("scr", "signed_change_rate"),
    ("tv", "trade_volume"),
    ("atv", "acc_trade_volume"),
    ("atv24h", "acc_trade_volume_24h"),
    ("atp", "acc_trade_price"),
    ("atp24h", "acc_trade_price_24h"),
    ("tdt", "trade_date"),
    ("ttm", "trade_time"),
    ("ttms", "trade_timestamp"),
    ("ab", "ask_bid"),
    ("aav", "acc_ask_volume"),
    ("abv", "acc_bid_volume"),
    ("h52wp", "highest_52_week_price"),
    ("h52wdt", "highest_52_week_date"),
    ("l52wp", "lowest_52_week_price"),
    ("l52wdt", "lowest_52_week_date"),
    ("ts", "trade_status"),
    ("ms", "market_state"),
    ("msfi", "market_state_for_ios"),
    ("its", "is_trading_suspended"),
    ("dd", "delisting_date"),
    ("mw", "market_warning"),
    ("tms", "timestamp"),
    ("st", "stream_type"),
];

pub(crate) const TRADE: &Names = &[
    ("ty", "type"),
    ("cd", "code"),
    ("tms", "timestamp"),
    ("td", "trade_date"),
    ("ttm", "trade_time"),
    ("ttms", "trade_timestamp"),
    ("tp", "trade_price"),
    ("tv", "trade_volume"),
    ("ab", "ask_bid"),
    ("pcp", "prev_closing_price"),
    ("c", "change"),
    ("cp", "change_price"),
    ("sid", "sequential_id"),
    ("bap", "best_ask_price"),
    ("bas", "best_ask_size"),
    ("bbp", "best_bid_price"),
    ("bbs", "best_bid_size"),
    ("st", "stream_type"),
];

pub(crate) const ORDERBOOK: &Names = &[
    ("ty", "type"),
    ("cd", "code"),
    ("tms", "timestamp"),
    ("tas", "total_ask_size"),
    ("tbs", "total_bid_size"),
    ("obu", UNITS),
    ("lv", "level"),
    ("st", "stream_type"),
];

pub(crate) const ORDERBOOK_UNIT: &Names =
    &[("ap", "ask_price"), ("bp", "bid_price"), ("as", "ask_size"), ("bs", "bid_size")];

/// The market's key in REST rows and in the frames of 2018; today's WebSocket says `code` and `cd`.
const MARKET_KEYS: [&str; 2] = ["market", "mk"];

/// The row of `key`, by either of its names.
pub(crate) fn row_of(names: &Names, key: &str) -> Option<usize> {
    if MARKET_KEYS.contains(&key) {
        return names.iter().position(|(_, long)| *long == "code");
    }
    names.iter().position(|(short, long)| *short == key || *long == key)
}
