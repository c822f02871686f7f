//! What the tables say at one moment: minutes as their trades make them, bars as they stand, holes in the trades.

use super::bits::Size;
use super::decide::{Found, Hole, Minutes, Values};
use crate::error::EngineError;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use arrow::error::ArrowError;
use datafusion::prelude::SessionContext;
use hoga_model::time::utc_date;
use std::collections::{BTreeMap, HashMap};

/// Some markets, and a time of one UTC day; the end is not in it.
#[derive(Debug, Clone)]
pub(super) struct Extent<'a> {
    pub(super) markets: &'a [&'a str],
    pub(super) day_ms: i64,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Extent<'_> {
    /// The conditions as literals of the columns' own types, so that the lake can leave out files by them.
    fn condition(&self, time: &str) -> String {
        let Extent { day_ms, from_ms, to_ms, .. } = self;
        let instant = |ms: &i64| format!("arrow_cast({ms}, 'Timestamp(Millisecond, Some(\"UTC\"))')");
        format!(
            "dt = '{}' AND {} AND {time} >= {} AND {time} < {}",
            utc_date(*day_ms),
            self.of_markets(),
            instant(from_ms),
            instant(to_ms)
        )
    }

    fn of_markets(&self) -> String {
        // a code comes from a topic that others may write too
        let codes = self.markets.iter().map(|market| format!("'{}'", market.replace('\'', "''")));
        format!("market IN ({})", codes.collect::<Vec<_>>().join(", "))
    }
}

/// The minutes of each market that have trades, by their number in the day. The pipeline's own rules, in the query engine's words: open
/// and close by (trade_timestamp, sequential_id), sums exact.
pub(super) async fn minutes_of_trades(
    session: &SessionContext,
    extent: &Extent<'_>,
) -> Result<HashMap<String, Minutes>, EngineError> {
    let sql = format!(
        "SELECT market, CAST(trade_timestamp AS BIGINT) / {minute} * {minute} AS start, \
           first_value(trade_price ORDER BY trade_timestamp, sequential_id) FILTER (WHERE trade_price IS NOT NULL) AS open, \
           max(trade_price) AS high, min(trade_price) AS low, \
           last_value(trade_price ORDER BY trade_timestamp, sequential_id) FILTER (WHERE trade_price IS NOT NULL) AS close, \
           sum(trade_volume) AS volume, \
           sum(CASE WHEN trade_volume < 1000000000 THEN trade_price * TRY_CAST(trade_volume AS DECIMAL(17, 8)) \
             ELSE TRY_CAST(trade_price AS DECIMAL(13, 8)) * trade_volume END) AS turnover, \
           count(*) AS trade_count, \
           sum(CASE WHEN ask_bid = 'BID' THEN trade_volume ELSE CAST(0 AS DECIMAL(24, 8)) END) AS buy_volume \
         FROM upbit.trade WHERE {condition} GROUP BY 1, 2",
        minute = Size::M1.ms(),
        condition = extent.condition("trade_timestamp"),
    );
    let mut minutes: HashMap<String, Minutes> = HashMap::new();
    for (market, start_ms, found) in bars(session, &sql, false).await? {
        let minute = (start_ms - extent.day_ms).div_euclid(Size::M1.ms());
        if let Ok(minute) = usize::try_from(minute) {
            minutes.entry(market).or_default().insert(minute, found.values);
        }
    }
    Ok(minutes)
}

/// A table's bars, by market and by their number in the day.
pub(super) async fn bars_of_table(
    session: &SessionContext,
    size: Size,
    extent: &Extent<'_>,
) -> Result<HashMap<String, BTreeMap<usize, Found>>, EngineError> {
    let sql = format!(
        "SELECT market, CAST(window_start AS BIGINT) AS start, open, high, low, close, volume, turnover, trade_count, buy_volume, state \
         FROM upbit.{} WHERE {}",
        size.table(),
        extent.condition("window_start"),
    );
    let mut found: HashMap<String, BTreeMap<usize, Found>> = HashMap::new();
    for (market, start_ms, bar) in bars(session, &sql, true).await? {
        let number = (start_ms - extent.day_ms).div_euclid(size.ms());
        if let Ok(number) = usize::try_from(number) {
            found.entry(market).or_default().insert(number, bar);
        }
    }
    Ok(found)
}

/// Times of each market in which trades may be missing: gaps that are open, not repaired yet, or lost.
pub(super) async fn holes(
    session: &SessionContext,
    extent: &Extent<'_>,
) -> Result<HashMap<String, Vec<Hole>>, EngineError> {
    let sql = format!(
        "SELECT market, CAST(gap_from AS BIGINT) AS start, CAST(gap_to AS BIGINT) AS \"end\" FROM upbit.gap \
         WHERE channel = 'trade' AND state IN ('open', 'pending', 'lost') AND {}",
        extent.of_markets(),
    );
    let mut holes: HashMap<String, Vec<Hole>> = HashMap::new();
    for batch in Box::pin(session.sql(&sql).await?.collect()).await? {
        let columns = Columns(&batch);
        let (market, start, end) = (columns.text("market")?, columns.integer("start")?, columns.integer("end")?);
        for row in 0..batch.num_rows() {
            let hole = Hole { from_ms: start.as_primitive::<Int64Type>().value(row), to_ms: integer_at(&end, row) };
            if hole.from_ms < extent.to_ms && hole.to_ms.is_none_or(|to_ms| to_ms >= extent.from_ms) {
                holes.entry(market.as_string::<i32>().value(row).to_owned()).or_default().push(hole);
            }
        }
    }
    Ok(holes)
}

async fn bars(session: &SessionContext, sql: &str, with_state: bool) -> Result<Vec<(String, i64, Found)>, EngineError> {
    let mut bars = Vec::new();
    for batch in Box::pin(session.sql(sql).await?.collect()).await? {
        let columns = Columns(&batch);
        let (market, start) = (columns.text("market")?, columns.integer("start")?);
        let [open, high, low, close] = columns.decimals(["open", "high", "low", "close"], 20, 8)?;
        let [volume, buy_volume] = columns.decimals(["volume", "buy_volume"], 38, 8)?;
        let [turnover] = columns.decimals(["turnover"], 38, 16)?;
        let trade_count = columns.integer("trade_count")?;
        let state = if with_state { Some(columns.text("state")?) } else { None };
        for row in 0..batch.num_rows() {
            let values = Values {
                open: decimal_at(&open, row),
                high: decimal_at(&high, row),
                low: decimal_at(&low, row),
                close: decimal_at(&close, row),
                volume: decimal_at(&volume, row),
                turnover: decimal_at(&turnover, row),
                trade_count: integer_at(&trade_count, row).unwrap_or(0),
                buy_volume: decimal_at(&buy_volume, row),
            };
            let state = state.as_ref().filter(|state| state.is_valid(row));
            let state = state.map(|state| state.as_string::<i32>().value(row).to_owned());
            let market = market.as_string::<i32>().value(row).to_owned();
            bars.push((market, integer_at(&start, row).unwrap_or(0), Found { values, state }));
        }
    }
    Ok(bars)
}

/// A result's columns by name, each in the type that is read.
struct Columns<'a>(&'a RecordBatch);

impl Columns<'_> {
    fn typed(&self, name: &str, data_type: &DataType) -> Result<ArrayRef, EngineError> {
        let column = self.0.column_by_name(name).ok_or_else(|| no_column(name))?;
        Ok(cast(column, data_type)?)
    }

    fn text(&self, name: &str) -> Result<ArrayRef, EngineError> {
        self.typed(name, &DataType::Utf8)
    }

    fn integer(&self, name: &str) -> Result<ArrayRef, EngineError> {
        self.typed(name, &DataType::Int64)
    }

    fn decimals<const N: usize>(
        &self,
        names: [&str; N],
        precision: u8,
        scale: i8,
    ) -> Result<[ArrayRef; N], EngineError> {
        let columns: Vec<ArrayRef> = names
            .iter()
            .map(|name| self.typed(name, &DataType::Decimal128(precision, scale)))
            .collect::<Result<_, _>>()?;
        columns.try_into().map_err(|_| no_column(&names.join(", ")))
    }
}

fn no_column(name: &str) -> EngineError {
    ArrowError::SchemaError(format!("an answer about bars has no column \"{name}\"")).into()
}

fn decimal_at(column: &ArrayRef, row: usize) -> Option<i128> {
    column.is_valid(row).then(|| column.as_primitive::<Decimal128Type>().value(row))
}

fn integer_at(column: &ArrayRef, row: usize) -> Option<i64> {
    column.is_valid(row).then(|| column.as_primitive::<Int64Type>().value(row))
}
