//! Upbit's own minute bars, over HTTP: `/v1/candles/minutes/1`, newest first.
//!
//! In: a market and the time before which bars are wanted. Out: its [`MinuteBar`]s, page by page, as fast as is allowed. A minute without a trade
//! has no bar; the newest minutes may still change. Not here: what they are compared with.

use bytes::Bytes;
use hoga_model::Market;
use hoga_model::json::{JsonError, Scanner};
use hoga_model::number::{PRECISION_MAX, parse_decimal};
use hoga_model::time::{parse_utc, utc_date, utc_time_of_day};

use super::pace::Pace;
use super::{client, page, request};
use crate::error::UpbitError;

/// The most rows of one answer.
pub const ROWS_MAX: usize = 200;
/// Digits after the point that are kept: prices and volumes have no more.
pub const SCALE: u8 = 8;

/// One minute as the exchange tells it. Prices and volume are units of 10^-[`SCALE`], rounded half up where the exchange writes more digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteBar {
    /// Milliseconds since the epoch.
    pub start_ms: i64,
    pub open: i128,
    pub high: i128,
    pub low: i128,
    pub close: i128,
    pub volume: i128,
}

/// Asks for pages, as fast as is allowed.
pub struct CandlesClient {
    client: reqwest::Client,
    base_url: String,
    pace: Pace,
}

impl CandlesClient {
    pub fn new(base_url: &str) -> Result<CandlesClient, UpbitError> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(CandlesClient { client: client(&base_url)?, base_url, pace: Pace::default() })
    }

    /// At most `count` bars that begin before `to_ms`, the newest first. Waits until the exchange's limit has room.
    pub async fn page(&mut self, market: &Market, to_ms: i64, count: usize) -> Result<Vec<MinuteBar>, UpbitError> {
        // without a zone it would be UTC too
        let to = format!("{}T{}Z", utc_date(to_ms), utc_time_of_day(to_ms));
        let count = count.clamp(1, ROWS_MAX);
        let url = format!("{}/v1/candles/minutes/1?market={market}&to={to}&count={count}", self.base_url);
        self.pace.ready().await;
        let answer = request(&self.client, &url).await?;
        self.pace.note(answer.calls_left);
        read_page(&answer.body).map_err(|error| UpbitError::Answer {
            url,
            status: 200,
            message: format!("not a list of minute bars: {error}"),
        })
    }
}

fn read_page(body: &Bytes) -> Result<Vec<MinuteBar>, String> {
    page::rows(body, |json| Row::read(json).map_err(|error| error.to_string())?.into_bar())
}

/// The tokens of one row.
#[derive(Default)]
struct Row<'a> {
    start: Option<&'a str>,
    open: Option<&'a str>,
    high: Option<&'a str>,
    low: Option<&'a str>,
    close: Option<&'a str>,
    volume: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn read(json: &mut Scanner<'a>) -> Result<Row<'a>, JsonError> {
        page::fields(json, |row: &mut Row<'a>, name| match name {
            "candle_date_time_utc" => Some(&mut row.start),
            "opening_price" => Some(&mut row.open),
            "high_price" => Some(&mut row.high),
            "low_price" => Some(&mut row.low),
            "trade_price" => Some(&mut row.close),
            "candle_acc_trade_volume" => Some(&mut row.volume),
            _ => None,
        })
    }

    fn into_bar(self) -> Result<MinuteBar, String> {
        let token = |name: &str, token: Option<&'a str>| {
            token.map(|token| token.trim_matches('"')).ok_or_else(|| format!("\"{name}\" is missing"))
        };
        let number = |name: &str, text: Option<&'a str>| {
            let text = token(name, text)?;
            parse_decimal(text, PRECISION_MAX, SCALE).map_err(|error| format!("{name}: {error}"))
        };
        let start = token("candle_date_time_utc", self.start)?;
        Ok(MinuteBar {
            start_ms: parse_utc(start).ok_or_else(|| format!("candle_date_time_utc: \"{start}\" is not a time"))?,
            open: number("opening_price", self.open)?,
            high: number("high_price", self.high)?,
            low: number("low_price", self.low)?,
            close: number("trade_price", self.close)?,
            volume: number("candle_acc_trade_volume", self.volume)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::rest::tests::{answer, server};

    #[test]
    fn rows_are_read_exactly_in_every_spelling() {
        let row = r#"[{"market":"KRW-BTC","candle_date_time_utc":"2026-07-30T07:04:00","candle_date_time_kst":"2026-07-30T16:04:00","opening_price":91361000.00000000,"high_price":9.1424E7,"low_price":"91361000","trade_price":91400000,"timestamp":1785395099779,"candle_acc_trade_price":1.5,"candle_acc_trade_volume":0.123456785,"unit":1}]"#;
        let [bar] = read_page(&Bytes::from(row)).unwrap()[..] else { panic!("one row") };
        let units = |whole: i128| whole * 100_000_000;
        let (open, close) = (units(91_361_000), units(91_400_000));
        let expected = MinuteBar {
            start_ms: 1_785_395_040_000,
            open,
            high: units(91_424_000),
            low: open,
            close,
            volume: 12_345_679,
        };
        assert_eq!(bar, expected);
        assert_eq!(read_page(&Bytes::from("[]")).unwrap(), []);
        for bad in ["{}", "[{}]", "[", &row.replace("07:04:00", "7 o'clock"), &row.replace("9.1424E7", "\"high\"")] {
            assert!(read_page(&Bytes::from(bad.to_owned())).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_recorded_answer_is_read() {
        let recorded = include_str!("../../tests/fixtures/rest_candles_minutes_2023-10-30.jsonl");
        // a row a line
        let minutes: Vec<&str> = recorded.lines().filter(|line| line.contains("\"unit\":1}")).collect();
        let bars = read_page(&Bytes::from(format!("[{}]", minutes.join(",")))).unwrap();
        assert!(
            !bars.is_empty() && bars.iter().all(|bar| bar.low <= bar.open.min(bar.close) && bar.start_ms % 60_000 == 0)
        );
    }

    #[tokio::test]
    async fn a_page_is_asked_for_by_its_end_in_utc() {
        let (url, mut requests) = server(vec![answer("200 OK", "[]"), answer("200 OK", "{}")]).await;
        let mut client = CandlesClient::new(&format!("{url}/")).unwrap();
        let market = Market::parse("KRW-BTC").unwrap();
        assert_eq!(client.page(&market, 1_785_395_040_000, 900).await.unwrap(), []);
        let asked = requests.recv().await.unwrap();
        let path = "/v1/candles/minutes/1?market=KRW-BTC&to=2026-07-30T07:04:00Z&count=200";
        assert!(asked.starts_with(&format!("GET {path} ")), "{asked}");
        let error = client.page(&market, 0, 1).await.unwrap_err();
        assert!(error.to_string().contains("not a list of minute bars"), "{error}");
    }
}
