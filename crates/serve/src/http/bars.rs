//! `/api/bars`: open, high, low, close and volume per interval, computed from the trade table at the time of asking.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use axum::extract::{Query, State};
use axum::response::Response;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use hoga_model::Market;
use hoga_model::time::{MS_PER_SECOND, utc_date};
use serde::{Deserialize, Serialize};

use super::answer::{self, Refusal};
use super::query::{error_text, run_limited};
use super::{Shared, routes};
use crate::board::{Exact, decimal_at, decimal_column, instant_at, instant_column, integer_at, integer_column};

pub(super) const BARS_MAX: i64 = 1_000;
/// One day: a bar longer than that would need another table.
const BAR_SECONDS_MAX: i64 = 86_400;
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
pub(super) struct BarsQuery {
    market: String,
    #[serde(default = "default_seconds")]
    seconds: i64,
    #[serde(default = "default_count")]
    count: i64,
}

fn default_seconds() -> i64 {
    60
}

fn default_count() -> i64 {
    300
}

#[derive(Debug, Serialize)]
struct Bars {
    market: String,
    seconds: i64,
    /// Oldest first; an interval without a trade has no bar.
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    /// Milliseconds since the epoch.
    start: i64,
    open: Option<Exact>,
    high: Option<Exact>,
    low: Option<Exact>,
    close: Option<Exact>,
    volume: Option<Exact>,
    trade_count: i64,
    /// The last trade in the bar, in the order (trade_timestamp, sequential_id): a reader adds what came after it.
    last_trade_timestamp: i64,
    last_sequential_id: String,
}

pub(super) async fn bars(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BarsQuery>,
) -> Result<Response, Refusal> {
    let market = routes::parse_market(&query.market)?;
    if !(1..=BAR_SECONDS_MAX).contains(&query.seconds) || !(1..=BARS_MAX).contains(&query.count) {
        let reason = format!("seconds must be 1 to {BAR_SECONDS_MAX} and count 1 to {BARS_MAX}");
        return Err(Refusal::bad_request(reason));
    }
    let last_ms = shared.board.lock().last_trade_ms(market.as_str());
    let bars = Box::pin(run_limited(&shared, TIMEOUT, async {
        let session = (shared.sessions)()?;
        // what the exchange calls now: the latest trade, since a replay's market lives in another year
        let last_ms = match last_ms {
            Some(last_ms) => Some(last_ms),
            None => find_last_trade(&session, &market).await?,
        };
        match last_ms {
            Some(last_ms) => compute(&session, &market, query.seconds, query.count, last_ms).await,
            None => Ok(Vec::new()),
        }
    }))
    .await?
    .map_err(|error| Refusal::unavailable(error_text(&error)))?;
    Ok(answer::ok(&Bars { market: market.to_string(), seconds: query.seconds, bars }))
}

async fn find_last_trade(session: &SessionContext, market: &Market) -> Result<Option<i64>, DataFusionError> {
    let sql = format!("SELECT max(trade_timestamp) AS last FROM upbit.trade WHERE market = '{market}'");
    let batches = Box::pin(session.sql(&sql).await?.collect()).await?;
    Ok(batches.iter().find_map(|batch| instant_at(instant_column(batch, "last"), 0)))
}

async fn compute(
    session: &SessionContext,
    market: &Market,
    seconds: i64,
    count: i64,
    last_ms: i64,
) -> Result<Vec<Bar>, DataFusionError> {
    let sql = bars_sql(market, seconds, count, last_ms);
    let batches = Box::pin(session.sql(&sql).await?.collect()).await?;
    Ok(batches.iter().flat_map(read_bars).collect())
}

/// `market` is a valid code, so it cannot end the literal.
fn bars_sql(market: &Market, seconds: i64, count: i64, last_ms: i64) -> String {
    let bar_ms = seconds * MS_PER_SECOND;
    let from_ms = (last_ms.div_euclid(bar_ms) - (count - 1)) * bar_ms;
    // dt is the day of the record, which can only be the trade's day or a later one
    let from_dt = utc_date(from_ms);
    // the literal has the column's own type, so that the lake can leave out files by it
    let from = format!("arrow_cast({from_ms}, 'Timestamp(Millisecond, Some(\"UTC\"))')");
    format!(
        "SELECT CAST(trade_timestamp AS BIGINT) / {bar_ms} * {bar_ms} AS start, \
           first_value(trade_price ORDER BY trade_timestamp, sequential_id) AS open, \
           max(trade_price) AS high, min(trade_price) AS low, \
           last_value(trade_price ORDER BY trade_timestamp, sequential_id) AS close, \
           sum(trade_volume) AS volume, count(*) AS trade_count, \
           max(trade_timestamp) AS last_trade_timestamp, \
           last_value(sequential_id ORDER BY trade_timestamp, sequential_id) AS last_sequential_id \
         FROM upbit.trade \
         WHERE market = '{market}' AND dt >= '{from_dt}' AND trade_timestamp >= {from} \
         GROUP BY 1 ORDER BY 1"
    )
}

fn read_bars(batch: &RecordBatch) -> Vec<Bar> {
    let price = |name, index| decimal_at(decimal_column(batch, name), index);
    let integer = |name, index| integer_at(integer_column(batch, name), index);
    let bar = |index| {
        Some(Bar {
            start: integer("start", index)?,
            open: price("open", index),
            high: price("high", index),
            low: price("low", index),
            close: price("close", index),
            volume: price("volume", index),
            trade_count: integer("trade_count", index)?,
            last_trade_timestamp: instant_at(instant_column(batch, "last_trade_timestamp"), index)?,
            last_sequential_id: integer("last_sequential_id", index)?.to_string(),
        })
    };
    (0..batch.num_rows()).filter_map(bar).collect()
}
