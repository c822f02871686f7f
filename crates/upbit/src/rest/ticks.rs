//! Trades of the past, over HTTP: `/v1/trades/ticks`, newest first, of the last seven days.
//!
//! In: a market and a span of time. Out: its trades as events in the WebSocket's own field names, page by page. Not here: which of them
//! are new, and when to ask ([`Pace`] only says how soon one may).

use bytes::Bytes;
use hoga_model::json::{JsonError, Scanner, push_string};
use hoga_model::time::{MS_PER_DAY, utc_time_of_day};
use hoga_model::{Market, StreamKind};

use super::pace::Pace;
use super::{client, page, request};
use crate::error::UpbitError;
use crate::frame::Event;

/// The most rows of one answer.
pub const ROWS_MAX: usize = 500;
/// How far back Upbit tells.
pub const DAYS_MAX: i64 = 7;
/// What `stream_type` says in a trade that came from here. Upbit's own values are SNAPSHOT and REALTIME.
pub const STREAM_TYPE: &str = "REST";

/// A trade that the exchange lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastTrade {
    pub sequential_id: u64,
    pub executed_ms: i64,
    pub event: Event,
}

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Executed before this time of the day, `HH:mm:ss` UTC.
    pub to: Option<String>,
    /// With a smaller id than this.
    pub cursor: Option<u64>,
    pub days_ago: i64,
    pub count: usize,
}

/// Asks for pages, as fast as is allowed.
pub struct TicksClient {
    client: reqwest::Client,
    base_url: String,
    pace: Pace,
}

impl TicksClient {
    pub fn new(base_url: &str) -> Result<TicksClient, UpbitError> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(TicksClient { client: client(&base_url)?, base_url, pace: Pace::default() })
    }

    /// One page, newest first. Waits until the exchange's limit has room.
    pub async fn page(&mut self, market: &Market, page: &PageRequest) -> Result<Vec<PastTrade>, UpbitError> {
        let mut url = format!("{}/v1/trades/ticks?market={market}&count={}", self.base_url, page.count.min(ROWS_MAX));
        if let Some(to) = &page.to {
            url.push_str(&format!("&to={to}"));
        }
        if let Some(cursor) = page.cursor {
            url.push_str(&format!("&cursor={cursor}"));
        }
        if page.days_ago > 0 {
            url.push_str(&format!("&days_ago={}", page.days_ago));
        }
        self.pace.ready().await;
        let answer = request(&self.client, &url).await?;
        self.pace.note(answer.calls_left);
        read_page(market, &answer.body).map_err(|error| UpbitError::Answer {
            url,
            status: 200,
            message: format!("not a list of trades: {error}"),
        })
    }
}

/// Which pages cover a span of time, from its end to its beginning. Pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    from_ms: i64,
    to_ms: i64,
    /// The UTC day that is asked for, in days since the epoch; None before the first page.
    day: Option<i64>,
    cursor: Option<u64>,
    is_done: bool,
    /// Part of the span is older than the exchange can tell.
    is_cut: bool,
}

/// A page whose newest trade may be younger than this is asked for without a time: nothing can be newer than the newest.
const RECENT_MS: i64 = 60_000;

impl Walk {
    /// Every trade executed at or after `from_ms` and at or before `to_ms`.
    pub fn new(from_ms: i64, to_ms: i64) -> Walk {
        Walk { from_ms, to_ms, day: None, cursor: None, is_done: from_ms > to_ms, is_cut: false }
    }

    /// The next page to ask for; None if the span is covered, or what is left of it is too old ([`is_cut`](Walk::is_cut)).
    pub fn next(&mut self, now_ms: i64, count: usize) -> Option<PageRequest> {
        if self.is_done {
            return None;
        }
        let today = now_ms.div_euclid(MS_PER_DAY);
        let is_first = self.day.is_none();
        let day = *self.day.get_or_insert(self.to_ms.min(now_ms).div_euclid(MS_PER_DAY));
        let days_ago = (today - day).max(0);
        if days_ago > DAYS_MAX {
            (self.is_done, self.is_cut) = (true, true);
            return None;
        }
        // `to` is exclusive and has whole seconds
        let end_ms = self.to_ms - self.to_ms.rem_euclid(1_000) + 1_000;
        let has_time = is_first && self.to_ms < now_ms - RECENT_MS && end_ms.div_euclid(MS_PER_DAY) == day;
        Some(PageRequest { to: has_time.then(|| utc_time_of_day(end_ms)), cursor: self.cursor, days_ago, count })
    }

    /// What the page had: how many rows of how many asked for, and the last of them.
    pub fn took(&mut self, rows: usize, count: usize, oldest: Option<&PastTrade>) {
        if oldest.is_some_and(|oldest| oldest.executed_ms < self.from_ms) {
            self.is_done = true;
        } else if rows < count.min(ROWS_MAX) {
            // the day has no more
            self.cursor = None;
            self.day = self.day.map(|day| day - 1);
            self.is_done = self.day.is_none_or(|day| (day + 1) * MS_PER_DAY <= self.from_ms);
        } else {
            self.cursor = oldest.map(|oldest| oldest.sequential_id);
        }
    }

    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

fn read_page(market: &Market, body: &Bytes) -> Result<Vec<PastTrade>, String> {
    page::rows(body, |json| Row::read(json).map_err(|error| error.to_string())?.into_trade(market))
}

/// The tokens of one row.
#[derive(Default)]
struct Row<'a> {
    trade_date: Option<&'a str>,
    trade_time: Option<&'a str>,
    timestamp: Option<&'a str>,
    trade_price: Option<&'a str>,
    trade_volume: Option<&'a str>,
    prev_closing_price: Option<&'a str>,
    change_price: Option<&'a str>,
    ask_bid: Option<&'a str>,
    sequential_id: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn read(json: &mut Scanner<'a>) -> Result<Row<'a>, JsonError> {
        page::fields(json, |row: &mut Row<'a>, name| match name {
            "trade_date_utc" => Some(&mut row.trade_date),
            "trade_time_utc" => Some(&mut row.trade_time),
            "timestamp" => Some(&mut row.timestamp),
            "trade_price" => Some(&mut row.trade_price),
            "trade_volume" => Some(&mut row.trade_volume),
            "prev_closing_price" => Some(&mut row.prev_closing_price),
            "change_price" => Some(&mut row.change_price),
            "ask_bid" => Some(&mut row.ask_bid),
            "sequential_id" => Some(&mut row.sequential_id),
            _ => None,
        })
    }

    /// In the WebSocket's names, every number spelled as it came. REST knows no best prices and no time of publication: that is the
    /// execution's. The change is signed here, and there it is a word and a number.
    fn into_trade(self, market: &Market) -> Result<PastTrade, String> {
        let whole = |name: &str, token: Option<&str>| {
            let token = token.ok_or_else(|| format!("\"{name}\" is missing"))?;
            token.trim_matches('"').parse::<i64>().map_err(|_| format!("{name}: {token} is not a whole number"))
        };
        let executed_ms = whole("timestamp", self.timestamp)?;
        let id = whole("sequential_id", self.sequential_id)?;
        let sequential_id = u64::try_from(id).map_err(|_| format!("sequential_id: {id} is negative"))?;
        let mut value = Vec::with_capacity(384);
        let mut member = |name: &str, token: Option<&str>| {
            if let Some(token) = token {
                value.extend_from_slice(if value.is_empty() { b"{" } else { b"," });
                push_string(&mut value, name);
                value.push(b':');
                value.extend_from_slice(token.as_bytes());
            }
        };
        let time = executed_ms.to_string();
        let id = sequential_id.to_string();
        let change = self.change_price.map(change_of);
        member("type", Some("\"trade\""));
        member("code", Some(&format!("\"{market}\"")));
        member("timestamp", Some(&time));
        member("trade_date", self.trade_date);
        member("trade_time", self.trade_time);
        member("trade_timestamp", Some(&time));
        member("trade_price", self.trade_price);
        member("trade_volume", self.trade_volume);
        member("ask_bid", self.ask_bid);
        member("prev_closing_price", self.prev_closing_price);
        member("change", change.map(|(word, _)| word));
        member("change_price", change.map(|(_, size)| size));
        member("sequential_id", Some(&id));
        member("stream_type", Some(&format!("\"{STREAM_TYPE}\"")));
        value.push(b'}');
        let event = Event {
            kind: StreamKind::Trade,
            market: market.clone(),
            value: value.into(),
            sequential_id: Some(sequential_id),
            is_snapshot: false,
            timestamp_ms: executed_ms,
        };
        Ok(PastTrade { sequential_id, executed_ms, event })
    }
}

/// The word for a signed change, quoted, and its size.
fn change_of(token: &str) -> (&'static str, &str) {
    let size = token.strip_prefix('-').unwrap_or(token);
    let mantissa = size.split(['e', 'E']).next().unwrap_or(size);
    let word = match mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        false => "\"EVEN\"",
        true if size.len() < token.len() => "\"FALL\"",
        true => "\"RISE\"",
    };
    (word, size)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::frame::{Message, read_frame};

    const NOON_MS: i64 = 1_785_412_800_000;

    fn past(id: u64, executed_ms: i64) -> PastTrade {
        let row = format!(r#"[{{"timestamp":{executed_ms},"sequential_id":{id}}}]"#);
        read_page(&Market::parse("KRW-BTC").unwrap(), &Bytes::from(row)).unwrap().remove(0)
    }

    #[test]
    fn rows_become_trades_in_the_websockets_names_with_their_own_numbers() {
        let recorded = include_str!("../../tests/fixtures/rest_2026-07-30.jsonl");
        let lines = recorded.lines().filter(|line| line.contains("trade_date_utc"));
        let mut read = 0;
        for line in lines {
            for trade in read_page(&Market::parse("KRW-BTC").unwrap(), &Bytes::from(line)).unwrap() {
                let mut messages = Vec::new();
                read_frame(&trade.event.value, &mut messages);
                let [Message::Event(event)] = messages.as_slice() else { panic!("{messages:?}") };
                assert_eq!(
                    (event.kind, event.sequential_id, event.timestamp_ms),
                    (StreamKind::Trade, Some(trade.sequential_id), trade.executed_ms)
                );
                assert_eq!(event.value, trade.event.value, "DEFAULT names already");
                read += 1;
            }
        }
        assert!(read > 0, "the recording has trades");
        let row = r#"[{"market":"KRW-BTC","trade_date_utc":"2026-07-30","trade_time_utc":"07:04:03","timestamp":1785395043779,"trade_price":91361000.0,"trade_volume":1.2E-7,"prev_closing_price":91424000.0,"change_price":-63000.0,"ask_bid":"ASK","sequential_id":17853950437790001}]"#;
        let trade = read_page(&Market::parse("KRW-BTC").unwrap(), &Bytes::from(row)).unwrap().remove(0);
        assert_eq!(
            std::str::from_utf8(&trade.event.value).unwrap(),
            r#"{"type":"trade","code":"KRW-BTC","timestamp":1785395043779,"trade_date":"2026-07-30","trade_time":"07:04:03","trade_timestamp":1785395043779,"trade_price":91361000.0,"trade_volume":1.2E-7,"ask_bid":"ASK","prev_closing_price":91424000.0,"change":"FALL","change_price":63000.0,"sequential_id":17853950437790001,"stream_type":"REST"}"#
        );
        assert_eq!(change_of("0E-8"), ("\"EVEN\"", "0E-8"));
        assert_eq!(change_of("5.5e-05"), ("\"RISE\"", "5.5e-05"));
        for bad in
            ["{}", "[{}]", "[", r#"[{"timestamp":1,"sequential_id":-1}]"#, r#"[{"timestamp":1.5,"sequential_id":1}]"#]
        {
            assert!(read_page(&Market::parse("KRW-BTC").unwrap(), &Bytes::from(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_recent_span_is_walked_from_the_newest_trade_to_its_beginning() {
        let mut walk = Walk::new(NOON_MS - 30_000, NOON_MS - 2_000);
        let first = PageRequest { to: None, cursor: None, days_ago: 0, count: 500 };
        assert_eq!(walk.next(NOON_MS, 500), Some(first.clone()));
        walk.took(500, 500, Some(&past(900, NOON_MS - 20_000)));
        assert_eq!(walk.next(NOON_MS, 500), Some(PageRequest { cursor: Some(900), ..first }));
        walk.took(500, 500, Some(&past(400, NOON_MS - 30_001)));
        assert_eq!((walk.next(NOON_MS, 500), walk.is_cut()), (None, false));
        let mut short = Walk::new(NOON_MS - 30_000, NOON_MS);
        short.next(NOON_MS, 500);
        short.took(3, 500, Some(&past(1, NOON_MS - 29_000)));
        assert_eq!(short.next(NOON_MS, 500), None, "the day has no more");
    }

    #[test]
    fn an_old_span_begins_at_its_time_and_days_are_walked_back() {
        let (from_ms, to_ms) = (NOON_MS - 2 * MS_PER_DAY, NOON_MS - MS_PER_DAY);
        let mut walk = Walk::new(from_ms, to_ms);
        let first = PageRequest { to: Some("12:00:01".to_owned()), cursor: None, days_ago: 1, count: 500 };
        assert_eq!(walk.next(NOON_MS, 500), Some(first));
        walk.took(10, 500, Some(&past(1, to_ms - 3_600_000)));
        let before = PageRequest { to: None, cursor: None, days_ago: 2, count: 500 };
        assert_eq!(walk.next(NOON_MS, 500), Some(before.clone()));
        walk.took(500, 500, Some(&past(7, to_ms - 50_000_000)));
        // midnight passes meanwhile
        let later = PageRequest { cursor: Some(7), days_ago: 3, ..before };
        assert_eq!(walk.next(NOON_MS + MS_PER_DAY / 2, 500), Some(later));
        walk.took(0, 500, None);
        assert_eq!((walk.next(NOON_MS, 500), walk.is_cut()), (None, false));
    }

    #[test]
    fn what_is_older_than_seven_days_is_not_asked_for() {
        let mut walk = Walk::new(NOON_MS - 9 * MS_PER_DAY, NOON_MS - 7 * MS_PER_DAY);
        assert_eq!(walk.next(NOON_MS, 500).map(|page| page.days_ago), Some(7));
        walk.took(3, 500, Some(&past(1, NOON_MS - 7 * MS_PER_DAY)));
        assert_eq!((walk.next(NOON_MS, 500), walk.is_cut()), (None, true));
        assert_eq!(Walk::new(5, 4).next(NOON_MS, 500), None);
    }
}
