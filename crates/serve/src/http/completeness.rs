//! `/api/completeness`: per market and UTC day, the share of the time whose trades are all there, by the ledger of gaps.
//!
//! In: the rows of `upbit.gap` and `upbit.trade`. Out: for each market and day the time that is promised (since collection began, and what was
//! backfilled), and how much of it is in a gap that is open, pending or lost. What the shares are is pure ([`Line`]). Not here: how gaps come about.
//!
//! | path | answer |
//! |---|---|
//! | `/api/completeness?days=14` | `{now, days: ["2026-11-27", …], markets: [{market, begin, cells: [{share, promised_ms, missing_ms} or null, …]}]}` |
//! | `/api/completeness/{market}?day=2026-11-27` | `{market, day, trades, trades_repaired, gaps: [{from, to, cause, state, trades_repaired}]}` |
//!
//! Times are milliseconds since the epoch. Null: nothing was promised of that day.

mod share;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use hoga_model::Market;
use hoga_model::time::{MS_PER_DAY, parse_utc, utc_date};
use serde::{Deserialize, Serialize};

use super::answer::{self, Refusal};
use super::query::{error_text, run_limited};
use super::{Shared, routes};
use crate::board::{integer_at, integer_column};
use share::{Cell, Line};

const DAYS_DEFAULT: i64 = 14;
const DAYS_MAX: i64 = 60;
/// Gaps of one market and day that are told; a tooltip has room for fewer.
const GAPS_MAX: usize = 50;
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
pub(super) struct DaysQuery {
    days: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Completeness {
    now: i64,
    /// Oldest first; the last is today.
    days: Vec<String>,
    /// By name.
    markets: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    market: String,
    begin: Option<i64>,
    cells: Vec<Option<Cell>>,
}

pub(super) async fn completeness(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<DaysQuery>,
) -> Result<Response, Refusal> {
    let days = query.days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Refusal::bad_request(format!("days must be 1 to {DAYS_MAX}")));
    }
    let found = run_limited(&shared, TIMEOUT, async {
        let session = (shared.sessions)()?;
        Ok((now_ms(&session).await?, lines(&session).await?))
    });
    let (now, lines) = Box::pin(found).await?.map_err(|error| Refusal::unavailable(error_text(&error)))?;
    let today = now.div_euclid(MS_PER_DAY);
    let days: Vec<i64> = (today - days + 1..=today).map(|day| day * MS_PER_DAY).collect();
    let markets = lines.into_iter().map(|(market, line)| {
        let cells = days.iter().map(|day_ms| line.cell(*day_ms, now)).collect();
        Row { market, begin: line.begun_ms(), cells }
    });
    let markets = markets.filter(|row| row.cells.iter().any(Option::is_some)).collect();
    Ok(answer::ok(&Completeness { now, days: days.into_iter().map(utc_date).collect(), markets }))
}

/// This room has no clock; the session has one.
async fn now_ms(session: &SessionContext) -> Result<i64, DataFusionError> {
    let sql = "SELECT CAST(arrow_cast(now(), 'Timestamp(Millisecond, Some(\"UTC\"))') AS BIGINT) AS now";
    let batches = Box::pin(session.sql(sql).await?.collect()).await?;
    let now = batches.first().and_then(|batch| integer(batch, "now", 0));
    now.ok_or_else(|| DataFusionError::Plan("the session does not know the time".to_owned()))
}

/// What the ledger says of each market's trades. Gaps that are repaired say nothing here.
async fn lines(session: &SessionContext) -> Result<BTreeMap<String, Line>, DataFusionError> {
    let sql = "SELECT arrow_cast(market, 'Utf8') AS market, CAST(gap_from AS BIGINT) AS gap_from, \
                 CAST(gap_to AS BIGINT) AS gap_to, arrow_cast(cause, 'Utf8') AS cause, arrow_cast(state, 'Utf8') AS state \
               FROM upbit.gap WHERE channel = 'trade' \
                 AND (cause IN ('begin', 'backfill') OR state IN ('open', 'pending', 'lost'))";
    let batches = Box::pin(session.sql(sql).await?.collect()).await?;
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for batch in &batches {
        for index in 0..batch.num_rows() {
            let (Some(market), Some(from_ms)) = (text(batch, "market", index), integer(batch, "gap_from", index))
            else {
                continue;
            };
            let to_ms = integer(batch, "gap_to", index);
            let (cause, state) = (text(batch, "cause", index), text(batch, "state", index));
            let line = lines.entry(market.to_owned()).or_default();
            line.add((from_ms, to_ms), cause.unwrap_or_default(), state.unwrap_or_default());
        }
    }
    lines.values_mut().for_each(Line::finish);
    Ok(lines)
}

#[derive(Deserialize)]
pub(super) struct DayQuery {
    day: String,
}

#[derive(Debug, Default, Serialize)]
struct OfMarket {
    market: String,
    day: String,
    trades: i64,
    /// Those that came over REST.
    trades_repaired: i64,
    /// Of the trades, that overlap the day, oldest first; at most so many.
    gaps: Vec<GapOfDay>,
}

#[derive(Debug, Serialize)]
struct GapOfDay {
    from: i64,
    to: Option<i64>,
    cause: String,
    state: String,
    trades_repaired: i64,
}

pub(super) async fn of_market(
    State(shared): State<Arc<Shared>>,
    Path(market): Path<String>,
    Query(query): Query<DayQuery>,
) -> Result<Response, Refusal> {
    let market = routes::parse_market(&market)?;
    let day_ms = parse_utc(&query.day).filter(|ms| ms % MS_PER_DAY == 0);
    let Some(day_ms) = day_ms else { return Err(Refusal::bad_request("day must be like 2026-01-31")) };
    let found = run_limited(&shared, TIMEOUT, async {
        let session = (shared.sessions)()?;
        Box::pin(detail(&session, &market, day_ms)).await
    });
    let found = Box::pin(found).await?.map_err(|error| Refusal::unavailable(error_text(&error)))?;
    Ok(answer::ok(&found))
}

/// `market` is a valid code, so it cannot end the literal.
async fn detail(session: &SessionContext, market: &Market, day_ms: i64) -> Result<OfMarket, DataFusionError> {
    let day = utc_date(day_ms);
    let sql = format!(
        "SELECT count(*) AS trades, count(*) FILTER (WHERE stream_type = 'REST') AS repaired \
         FROM upbit.trade WHERE market = '{market}' AND dt = '{day}'"
    );
    let counts = session.sql(&sql).await?.collect().await?;
    let count = |name: &str| counts.first().and_then(|batch| integer(batch, name, 0)).unwrap_or(0);
    let instant = |ms: i64| format!("arrow_cast({ms}, 'Timestamp(Millisecond, Some(\"UTC\"))')");
    let sql = format!(
        "SELECT CAST(gap_from AS BIGINT) AS gap_from, CAST(gap_to AS BIGINT) AS gap_to, trades_repaired, \
           arrow_cast(cause, 'Utf8') AS cause, arrow_cast(state, 'Utf8') AS state \
         FROM upbit.gap WHERE market = '{market}' AND channel = 'trade' AND gap_from < {} \
           AND (gap_to IS NULL OR gap_to >= {}) ORDER BY 1 LIMIT {GAPS_MAX}",
        instant(day_ms + MS_PER_DAY),
        instant(day_ms)
    );
    let batches = session.sql(&sql).await?.collect().await?;
    let gap = |batch: &RecordBatch, index: usize| {
        Some(GapOfDay {
            from: integer(batch, "gap_from", index)?,
            to: integer(batch, "gap_to", index),
            cause: text(batch, "cause", index)?.to_owned(),
            state: text(batch, "state", index)?.to_owned(),
            trades_repaired: integer(batch, "trades_repaired", index).unwrap_or(0),
        })
    };
    let gaps = batches.iter().flat_map(|batch| (0..batch.num_rows()).filter_map(move |index| gap(batch, index)));
    let gaps = gaps.collect();
    Ok(OfMarket { market: market.to_string(), trades: count("trades"), trades_repaired: count("repaired"), day, gaps })
}

fn text<'a>(batch: &'a RecordBatch, name: &str, index: usize) -> Option<&'a str> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    column.is_valid(index).then(|| column.value(index))
}

fn integer(batch: &RecordBatch, name: &str, index: usize) -> Option<i64> {
    integer_at(integer_column(batch, name), index)
}
