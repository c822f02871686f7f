//! REST as the simulated exchange answers it: market/all, ticker, trades/ticks, candles/minutes. Pure.
//!
//! In: a path, a query, the time. Out: a status and a body with the key order, number spelling and error bodies of the
//! recorded answers. One call to trades/ticks tells of one UTC day, as Upbit documents `days_ago`.

use super::book::Side;
use super::history::PastTrade;
use super::hub::Hub;
use super::limit::Verdict;
use super::market::Ticker;
use super::render::{Object, RATE_SCALE, TURNOVER_SCALE, change_rate, change_word, compact_date, compact_time};
use super::spelling::Spelling;
use super::tick::SCALE;
use super::totals::Bar;
use hoga_model::StreamKind;
use hoga_model::time::{MS_PER_DAY, days_from_civil, utc_date, utc_time_of_day};

/// The most rows of one answer.
const TICKS_MAX: usize = 500;
const CANDLES_MAX: usize = 200;
const DAYS_AGO_MAX: i64 = 7;
const CANDLE_MINUTES: [i64; 8] = [1, 3, 5, 10, 15, 30, 60, 240];
const KST_MS: i64 = 9 * 3_600_000;

/// One in this many markets has a caution (233 of 855 on 2026-09-23).
const CAUTION_ONE_IN: usize = 4;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The rate limit the call counts against, and how many calls are left in this second.
    pub group: Option<(&'static str, u32)>,
}

/// Answers `GET path?query`.
pub(super) fn answer(hub: &mut Hub, path: &str, query: &str, now_ms: i64) -> Answer {
    match hub.refused_status() {
        Some(418) => return Problem::Blocked.answer(None),
        Some(_) => return Problem::Outage.answer(None),
        None => {}
    }
    let query = Query::parse(query);
    let unit = path.strip_prefix("/v1/candles/minutes/");
    let group = match (path, unit) {
        ("/v1/market/all", _) => "market",
        ("/v1/ticker", _) => "ticker",
        ("/v1/trades/ticks", _) => "trade",
        (_, Some(_)) => "candle",
        _ => return Problem::NotRouted.answer(None),
    };
    let left = match hub.limit.call(group, now_ms) {
        Verdict::Allowed { left } if !hub.limits_call() => left,
        Verdict::Allowed { .. } | Verdict::TooMany => return Problem::TooMany.answer(Some((group, 0))),
        Verdict::Blocked => return Problem::Blocked.answer(Some((group, 0))),
    };
    let rows = match (path, unit) {
        ("/v1/market/all", _) => market_all(hub, &query),
        ("/v1/ticker", _) => ticker(hub, &query),
        (_, Some(unit)) => candles(hub, unit, &query),
        _ => ticks(hub, &query, now_ms),
    };
    let group = Some((group, left));
    match rows {
        Ok(body) => Answer { status: 200, body, group },
        Err(problem) => problem.answer(group),
    }
}

/// Why a call is refused; the bodies are recorded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    NotRouted,
    UnknownCode,
    MissingParameter,
    WrongType,
    TooMany,
    Blocked,
    Outage,
}

impl Problem {
    fn answer(self, group: Option<(&'static str, u32)>) -> Answer {
        let (status, body) = match self {
            Problem::NotRouted => {
                (404, r#"{"error":{"name":"not_found","message":"no Route matched with those values"}}"#)
            }
            Problem::UnknownCode => (404, r#"{"error":{"name":404,"message":"Code not found"}}"#),
            Problem::MissingParameter => (
                400,
                r#"{"error":{"name":400,"message":"Missing request parameter error. Check the required parameters!"}}"#,
            ),
            Problem::WrongType => {
                (400, r#"{"error":{"name":400,"message":"Type mismatch error. Check the parameters type!"}}"#)
            }
            // no recording of a 418 and a 503 exists; the 429 is plain text
            Problem::TooMany => (429, "Too many API requests."),
            Problem::Blocked => (418, "Too many API requests."),
            Problem::Outage => (503, "<html><body>503 Service Temporarily Unavailable</body></html>"),
        };
        Answer { status, body: body.as_bytes().to_vec(), group }
    }
}

fn market_all(hub: &Hub, query: &Query) -> Result<Vec<u8>, Problem> {
    let has_details = ["is_details", "isDetails"].iter().any(|name| query.get(name) == Some("true"));
    let listed = hub.listings.iter().enumerate().filter(|(index, _)| hub.is_listed(*index));
    Ok(array(listed, |out, (index, listing)| {
        let mut row = Object::begin(out, false);
        row.text("market", "", listing.info.market.as_str());
        row.text("korean_name", "", &listing.info.korean_name);
        row.text("english_name", "", &listing.info.english_name);
        if has_details {
            let (warning, caution) = (listing.info.warning, index % CAUTION_ONE_IN == CAUTION_ONE_IN - 1);
            row.raw("market_event", "", &format!(
                "{{\"warning\":{warning},\"caution\":{{\"PRICE_FLUCTUATIONS\":false,\"TRADING_VOLUME_SOARING\":false,\
                 \"DEPOSIT_AMOUNT_SOARING\":false,\"GLOBAL_PRICE_DIFFERENCES\":{caution},\
                 \"CONCENTRATION_OF_SMALL_ACCOUNTS\":false}}}}"
            ));
        }
        row.end();
    }))
}

fn ticker(hub: &mut Hub, query: &Query) -> Result<Vec<u8>, Problem> {
    let codes = query.required("markets")?;
    let indices = codes.split(',').map(|code| hub.index_of(code.trim()).ok_or(Problem::UnknownCode));
    let indices: Vec<usize> = indices.collect::<Result<_, _>>()?;
    let mut tickers = Vec::with_capacity(indices.len());
    for index in indices {
        if let Some(super::exchange::Event::Ticker(ticker)) = hub.exchange.snapshot(StreamKind::Ticker, index) {
            tickers.push(ticker);
        }
    }
    Ok(array(tickers.iter(), |out, ticker| push_ticker(out, ticker, hub.listings[ticker.market].info.market.as_str())))
}

fn push_ticker(out: &mut Vec<u8>, ticker: &Ticker, code: &str) {
    let last = ticker.last;
    let change = i128::from(last.price) - i128::from(ticker.prev_close);
    let rate = change_rate(change, ticker.prev_close);
    let mut row = Object::begin(out, false);
    let price = |row: &mut Object, name: &str, units: i128| row.number(name, "", units, SCALE, Spelling::Point);
    row.text("market", "", code);
    row.text("trade_date", "", &compact_date(last.executed_ms));
    row.text("trade_time", "", &compact_time(last.executed_ms));
    row.text("trade_date_kst", "", &compact_date(last.executed_ms + KST_MS));
    row.text("trade_time_kst", "", &compact_time(last.executed_ms + KST_MS));
    row.integer("trade_timestamp", "", last.executed_ms);
    price(&mut row, "opening_price", ticker.open.into());
    price(&mut row, "high_price", ticker.high.into());
    price(&mut row, "low_price", ticker.low.into());
    price(&mut row, "trade_price", last.price.into());
    price(&mut row, "prev_closing_price", ticker.prev_close.into());
    row.text("change", "", change_word(change));
    price(&mut row, "change_price", change.abs());
    row.number("change_rate", "", rate.abs(), RATE_SCALE, Spelling::Python);
    price(&mut row, "signed_change_price", change);
    row.number("signed_change_rate", "", rate, RATE_SCALE, Spelling::Python);
    row.number("trade_volume", "", last.volume.into(), SCALE, Spelling::Python);
    row.number("acc_trade_price", "", ticker.turnover, TURNOVER_SCALE, Spelling::Point);
    row.number("acc_trade_price_24h", "", ticker.turnover_24h, TURNOVER_SCALE, Spelling::Point);
    row.number("acc_trade_volume", "", ticker.ask_volume + ticker.bid_volume, SCALE, Spelling::Point);
    row.number("acc_trade_volume_24h", "", ticker.volume_24h, SCALE, Spelling::Point);
    price(&mut row, "highest_52_week_price", ticker.year.high.into());
    row.text("highest_52_week_date", "", &utc_date(ticker.year.high_day * MS_PER_DAY));
    price(&mut row, "lowest_52_week_price", ticker.year.low.into());
    row.text("lowest_52_week_date", "", &utc_date(ticker.year.low_day * MS_PER_DAY));
    row.integer("timestamp", "", ticker.published_ms);
    row.end();
}

fn ticks(hub: &Hub, query: &Query, now_ms: i64) -> Result<Vec<u8>, Problem> {
    let exchange = &hub.exchange;
    let code = query.required("market")?;
    let index = hub.index_of(code).ok_or(Problem::UnknownCode)?;
    let count = query.count(TICKS_MAX)?;
    let days_ago = query.number("days_ago")?.or(query.number("daysAgo")?).unwrap_or(0);
    if !(0..=DAYS_AGO_MAX).contains(&days_ago) {
        return Err(Problem::WrongType);
    }
    let day = hub.exchange_ms(now_ms).max(exchange.now_ms()).div_euclid(MS_PER_DAY) - days_ago;
    let to_ms = match query.get("to") {
        Some(text) => parse_time_of_day(text).ok_or(Problem::WrongType)?,
        None => MS_PER_DAY,
    };
    let first_id = |ms: i64| (day * MS_PER_DAY + ms).max(0) as u64 * 10_000;
    let below_id = first_id(to_ms).min(query.number("cursor")?.map_or(u64::MAX, |cursor| cursor.max(0) as u64));
    let prev_close = exchange.markets()[index].prev_close(day);
    let rows = exchange.history(index).into_iter().flat_map(|history| history.trades(first_id(0), below_id));
    Ok(array(rows.take(count), |out, trade| push_tick(out, trade, code, prev_close)))
}

fn push_tick(out: &mut Vec<u8>, trade: &PastTrade, code: &str, prev_close: i64) {
    let executed_ms = trade.executed_ms();
    let mut row = Object::begin(out, false);
    row.text("market", "", code);
    row.text("trade_date_utc", "", &utc_date(executed_ms));
    row.text("trade_time_utc", "", &utc_time_of_day(executed_ms));
    row.integer("timestamp", "", executed_ms);
    row.number("trade_price", "", trade.price.into(), SCALE, Spelling::Python);
    row.number("trade_volume", "", trade.volume.into(), SCALE, Spelling::Python);
    row.number("prev_closing_price", "", prev_close.into(), SCALE, Spelling::Python);
    row.number("change_price", "", i128::from(trade.price) - i128::from(prev_close), SCALE, Spelling::Python);
    row.text("ask_bid", "", Side::as_str(trade.side));
    row.integer("sequential_id", "", trade.sequential_id as i64);
    row.end();
}

fn candles(hub: &Hub, unit: &str, query: &Query) -> Result<Vec<u8>, Problem> {
    let exchange = &hub.exchange;
    let unit: i64 = unit.parse().map_err(|_| Problem::WrongType)?;
    if !CANDLE_MINUTES.contains(&unit) {
        return Err(Problem::WrongType);
    }
    let code = query.required("market")?;
    let index = hub.index_of(code).ok_or(Problem::UnknownCode)?;
    let count = query.count(CANDLES_MAX)?;
    let to_ms = match query.get("to").filter(|to| !to.is_empty()) {
        Some(text) => parse_instant(text).ok_or(Problem::WrongType)?,
        None => i64::MAX,
    };
    let bars = exchange.history(index).map(|history| history.bars(unit, to_ms, count)).unwrap_or_default();
    Ok(array(bars.iter(), |out, bar| push_candle(out, bar, code, unit)))
}

fn push_candle(out: &mut Vec<u8>, bar: &Bar, code: &str, unit: i64) {
    let local = |ms: i64| format!("{}T{}", utc_date(ms), utc_time_of_day(ms));
    let mut row = Object::begin(out, false);
    row.text("market", "", code);
    row.text("candle_date_time_utc", "", &local(bar.start_ms));
    row.text("candle_date_time_kst", "", &local(bar.start_ms + KST_MS));
    for (name, price) in
        [("opening_price", bar.open), ("high_price", bar.high), ("low_price", bar.low), ("trade_price", bar.close)]
    {
        row.number(name, "", price.into(), SCALE, Spelling::Full);
    }
    row.integer("timestamp", "", bar.last_ms);
    row.number("candle_acc_trade_price", "", bar.turnover, TURNOVER_SCALE, Spelling::Full);
    row.number("candle_acc_trade_volume", "", bar.volume(), SCALE, Spelling::Full);
    row.integer("unit", "", unit);
    row.end();
}

fn array<T>(rows: impl Iterator<Item = T>, mut push: impl FnMut(&mut Vec<u8>, T)) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, row) in rows.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(&mut out, row);
    }
    out.push(b']');
    out
}

struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Query(pairs.map(|(name, value)| (percent_decode(name), percent_decode(value))).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).filter(|value| !value.is_empty()).ok_or(Problem::MissingParameter)
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.map(|value| value.parse().map_err(|_| Problem::WrongType)).transpose()
    }

    /// 1 if it is missing; more than the most rows are as many as there can be.
    fn count(&self, max: usize) -> Result<usize, Problem> {
        let count = self.number("count")?.unwrap_or(1);
        usize::try_from(count).ok().filter(|count| *count > 0).map(|count| count.min(max)).ok_or(Problem::WrongType)
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high).zip(digit(low)).map(|(high, low)| (high * 16 + low) as u8)
            }
            _ => None,
        };
        if escaped.is_some() {
            rest = &tail[2..];
        }
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `HHmmss` or `HH:mm:ss` as milliseconds of the day.
fn parse_time_of_day(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits[at..at + 2].parse::<i64>().ok();
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    (hours < 24 && minutes < 60 && seconds < 60).then_some((hours * 3_600 + minutes * 60 + seconds) * 1_000)
}

/// `yyyy-MM-ddTHH:mm:ss` with a space for the T, a fraction, and `Z`, `+09:00` or nothing (UTC) behind, as the epoch's ms.
fn parse_instant(text: &str) -> Option<i64> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let time = parse_time_of_day(rest.get(..8)?)?;
    let zone = rest.get(8..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset_ms = match zone {
        "" | "Z" => 0,
        _ => {
            // a plus that nobody escaped is a space in a query
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let minutes = zone.get(1..)?;
            sign * parse_time_of_day(&format!("{minutes}:00"))?
        }
    };
    ((1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| days_from_civil(year, month, day) * MS_PER_DAY + time - offset_ms)
}

#[cfg(test)]
mod tests;
