//! Trades against Upbit's own minute bars: only minutes that the ledger promises, and that the exchange does not change any more.

use super::finding::{Finding, Problem, Values};
use super::queries::{GapRow, Tables};
use crate::failure::Failure;
use hoga_model::Market;
use hoga_model::number::{PRECISION_MAX, format_decimal, parse_decimal};
use hoga_model::time::{MS_PER_DAY, utc_date};
use hoga_upbit::error::UpbitError;
use hoga_upbit::rest::candles::{CandlesClient, MinuteBar, ROWS_MAX, SCALE};
use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;
/// Tries after 429 or 418, each after the wait that the answer asks for.
const TRIES: u32 = 3;

/// What became of the comparison.
#[derive(Debug, Default)]
pub struct Compared {
    pub findings: Vec<Finding>,
    pub minutes: u64,
    /// Why it ended early, if it did.
    pub unreachable: Option<String>,
    /// What is worth a word and no difference.
    pub notes: Vec<String>,
}

/// One market's spans of time, both ends whole minutes, in which every trade is promised.
type Promised = Vec<(i64, i64)>;

/// Compares the days from `from_ms` to `to_ms`, at most up to `settled_ms`, telling `progress` where it is.
pub async fn compare(
    tables: &Tables,
    client: &mut CandlesClient,
    gaps: &[GapRow],
    (from_ms, to_ms): (i64, i64),
    progress: &mut dyn FnMut(&str),
) -> Result<Compared, Failure> {
    let mut compared = Compared::default();
    let markets = tables.markets(from_ms, to_ms).await?;
    let mut unpromised = 0;
    for (index, market) in markets.iter().enumerate() {
        let promised = promised(gaps, market.as_str(), from_ms, to_ms);
        unpromised += usize::from(promised.is_empty());
        for (from_ms, to_ms) in promised {
            let mut end_ms = to_ms;
            // a day at a time, the newest first, as pages come
            while end_ms > from_ms {
                let begin_ms = from_ms.max((end_ms - 1).div_euclid(MS_PER_DAY) * MS_PER_DAY);
                let place = format!("{market} {} ({} of {})", utc_date(begin_ms), index + 1, markets.len());
                progress(&format!("the exchange's minutes: {place}"));
                match span(tables, client, market, (begin_ms, end_ms), &mut compared).await? {
                    None => {}
                    Some(error @ UpbitError::Answer { status: 404, .. }) => {
                        compared.notes.push(format!("{market} is not compared with the exchange: {error}"));
                        break;
                    }
                    Some(error) => {
                        compared.unreachable = Some(error.to_string());
                        return Ok(compared);
                    }
                }
                end_ms = begin_ms;
            }
        }
    }
    if unpromised > 0 {
        compared.notes.push(format!(
            "{unpromised} of {} markets have no whole minute that the ledger promises and the exchange has settled",
            markets.len()
        ));
    }
    Ok(compared)
}

/// The error is the exchange's, and not a failure.
async fn span(
    tables: &Tables,
    client: &mut CandlesClient,
    market: &Market,
    (from_ms, to_ms): (i64, i64),
    compared: &mut Compared,
) -> Result<Option<UpbitError>, Failure> {
    let theirs = match fetch(client, market, from_ms, to_ms).await {
        Ok(theirs) => theirs,
        Err(error) => return Ok(Some(error)),
    };
    let mut ours = BTreeMap::new();
    for (start_ms, values) in tables.minutes(market, from_ms, to_ms).await? {
        ours.insert(start_ms, values.map(|value| units(&value)));
    }
    compared.minutes += ours.len().max(theirs.len()) as u64;
    compared.findings.extend(differences(market, &ours, &theirs));
    Ok(None)
}

async fn fetch(
    client: &mut CandlesClient,
    market: &Market,
    from_ms: i64,
    to_ms: i64,
) -> Result<BTreeMap<i64, [i128; 5]>, UpbitError> {
    let mut found = BTreeMap::new();
    let mut before_ms = to_ms;
    loop {
        // one more than the minutes that are left: the page then tells of a minute before them, which is the end
        let count = ((before_ms - from_ms) / MINUTE_MS + 1).clamp(1, ROWS_MAX as i64) as usize;
        let page = patiently(client, market, before_ms, count).await?;
        let Some(oldest) = page.iter().map(|bar| bar.start_ms).min() else { return Ok(found) };
        let wanted = page.iter().filter(|bar| (from_ms..to_ms).contains(&bar.start_ms));
        found.extend(wanted.map(|bar| (bar.start_ms, [bar.open, bar.high, bar.low, bar.close, bar.volume])));
        if oldest <= from_ms || oldest >= before_ms || page.len() < count {
            return Ok(found);
        }
        before_ms = oldest;
    }
}

async fn patiently(
    client: &mut CandlesClient,
    market: &Market,
    before_ms: i64,
    count: usize,
) -> Result<Vec<MinuteBar>, UpbitError> {
    for _ in 1..TRIES {
        match client.page(market, before_ms, count).await {
            Err(UpbitError::TooManyRequests { wait_ms, .. }) => {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await
            }
            answer => return answer,
        }
    }
    client.page(market, before_ms, count).await
}

fn differences(market: &Market, ours: &BTreeMap<i64, [i128; 5]>, theirs: &BTreeMap<i64, [i128; 5]>) -> Vec<Finding> {
    const COLUMNS: [&str; 5] = ["open", "high", "low", "close", "volume"];
    let mut starts: Vec<i64> = ours.keys().chain(theirs.keys()).copied().collect();
    starts.sort_unstable();
    starts.dedup();
    let mut findings = Vec::new();
    for start in starts {
        let (found, expected) = (ours.get(&start), theirs.get(&start));
        if found == expected {
            continue;
        }
        let text = |values: Option<&[i128; 5]>, place: usize| values.map(|values| format_decimal(values[place], SCALE));
        let values = COLUMNS.iter().enumerate().map(|(place, &column)| Values {
            column,
            found: text(found, place),
            expected: text(expected, place),
        });
        let problem = match (found, expected) {
            (None, _) => Problem::Missing,
            (_, None) => Problem::Extra,
            _ => Problem::Differs,
        };
        let values = values.filter(|values| problem == Problem::Differs && values.found != values.expected).collect();
        findings.push(Finding::Minute { market: market.to_string(), start, problem, values });
    }
    findings
}

/// A number of the tables; what is none is no number that the exchange can have.
fn units(text: &str) -> i128 {
    parse_decimal(text, PRECISION_MAX, SCALE).unwrap_or(i128::MIN)
}

/// Whole minutes between these times in which every trade of the market is in the tables: since collection began and in what was backfilled, but
/// for the gaps that are not repaired.
fn promised(gaps: &[GapRow], market: &str, from_ms: i64, to_ms: i64) -> Promised {
    let of_market = || gaps.iter().filter(|gap| gap.market == market && gap.channel == "trade");
    let begun = of_market().filter(|gap| gap.cause == "begin").map(|gap| (gap.from_ms, i64::MAX));
    let backfilled = of_market().filter(|gap| gap.cause == "backfill" && gap.state == "repaired");
    let backfilled = backfilled.filter_map(|gap| Some((gap.from_ms, gap.to_ms? + 1)));
    let mut spans: Promised = begun.chain(backfilled).collect();
    spans.sort_unstable();
    let mut joined: Promised = Vec::new();
    for (from, to) in spans {
        match joined.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => joined.push((from, to)),
        }
    }
    for hole in of_market().filter(|gap| matches!(gap.state.as_str(), "open" | "pending" | "lost")) {
        let (hole_from, hole_to) = (hole.from_ms, hole.to_ms.unwrap_or(i64::MAX));
        joined =
            joined.into_iter().flat_map(|(from, to)| [(from, to.min(hole_from)), (from.max(hole_to), to)]).collect();
        joined.retain(|(from, to)| from < to);
    }
    let whole = |(from, to): (i64, i64)| {
        let (from, to) = (from.max(from_ms), to.min(to_ms));
        (from.saturating_add(MINUTE_MS - 1).div_euclid(MINUTE_MS) * MINUTE_MS, to.div_euclid(MINUTE_MS) * MINUTE_MS)
    };
    joined.into_iter().map(whole).filter(|(from, to)| from < to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from_ms: i64, to_ms: Option<i64>, cause: &str, state: &str) -> GapRow {
        let (market, channel) = ("KRW-BTC".to_owned(), "trade".to_owned());
        GapRow { market, channel, from_ms, to_ms, cause: cause.to_owned(), state: state.to_owned() }
    }

    #[test]
    fn only_whole_minutes_without_a_hole_are_promised() {
        let mut gaps = vec![gap(65_000, Some(65_000), "begin", "repaired")];
        assert_eq!(promised(&gaps, "KRW-BTC", 0, 630_000), [(120_000, 600_000)]);
        assert_eq!(promised(&gaps, "KRW-ETH", 0, 630_000), []);
        gaps.push(gap(200_000, Some(201_000), "disconnect", "repaired"));
        gaps.push(gap(310_000, Some(311_000), "disconnect", "lost"));
        assert_eq!(promised(&gaps, "KRW-BTC", 0, 630_000), [(120_000, 300_000), (360_000, 600_000)]);
        gaps.push(gap(480_000, None, "stall", "open"));
        assert_eq!(promised(&gaps, "KRW-BTC", 0, 630_000), [(120_000, 300_000), (360_000, 480_000)]);
        // what was backfilled up to where collection began
        let mut filled = vec![gap(0, Some(64_999), "backfill", "repaired"), gaps[0].clone()];
        assert_eq!(promised(&filled, "KRW-BTC", 0, 630_000), [(0, 600_000)]);
        filled[0].state = "pending".to_owned();
        assert_eq!(promised(&filled, "KRW-BTC", 0, 630_000), [(120_000, 600_000)]);
    }

    #[test]
    fn a_minute_that_one_side_lacks_and_one_that_differs() {
        let market = Market::parse("KRW-BTC").expect("a code");
        let bar = |close: i128| [100, 300, 100, close, 500];
        let ours = BTreeMap::from([(0, bar(100)), (60_000, bar(100)), (120_000, bar(200))]);
        let theirs = BTreeMap::from([(0, bar(100)), (120_000, bar(100)), (180_000, bar(100))]);
        let lines: Vec<String> = differences(&market, &ours, &theirs).iter().map(Finding::to_string).collect();
        assert_eq!(
            lines,
            [
                "minute     KRW-BTC 1970-01-01T00:01:00.000Z is there, and should not be by the exchange",
                "minute     KRW-BTC 1970-01-01T00:02:00.000Z differs: close 0.000002 (the exchange says 0.000001)",
                "minute     KRW-BTC 1970-01-01T00:03:00.000Z is missing, and should be there by the exchange",
            ]
        );
    }
}
