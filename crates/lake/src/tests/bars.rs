//! A small table of bars with a primary key, its changes as plain values, and a map as the model of it.

use super::support::*;
use crate::{
    ChangeBatch, Filter, FilterOperator, Lake, LiveTable, LiveTableOptions, RowKind, ScanRequest, TableSpec, View,
};
use arrow::array::*;
use arrow::datatypes::{DataType, Decimal128Type, Field, Schema, SchemaRef, TimestampMillisecondType};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const MARKETS: i64 = 4;
pub(super) const STARTS: i64 = 6;
const ONE: i128 = 100_000_000;

/// (market, start of the window); `dt` follows from the start.
pub(super) type Key = (i64, i64);
/// (close, note)
pub(super) type Value = (i64, Option<String>);
pub(super) type Change = (Key, RowKind, Value);
pub(super) type Model = BTreeMap<Key, Value>;

pub(super) fn start_ms(start: i64) -> i64 {
    start % 2 * DAY_MS + start * 60_000
}

pub(super) fn bar_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("close", DataType::Decimal128(20, 8), true),
        Field::new("market", DataType::Utf8, false),
        Field::new("window_start", instant(), false),
        Field::new("note", DataType::Utf8, true),
        Field::new("dt", DataType::Utf8, false),
    ]))
}

pub(super) fn bar_spec(options: &[(&str, &str)]) -> TableSpec {
    TableSpec {
        primary_keys: ["market", "window_start", "dt"].map(str::to_owned).into(),
        options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        ..spec("candle_1m", bar_schema())
    }
}

pub(super) async fn bar_table(lake: &Lake, changelog_producer: &str) -> Arc<LiveTable> {
    bar_table_with(lake, changelog_producer, 3).await
}

/// Of two buckets: Paimon's writer writes it.
pub(super) async fn bar_table_with(lake: &Lake, changelog_producer: &str, files_max: usize) -> Arc<LiveTable> {
    bar_table_in(lake, "2", changelog_producer, files_max).await
}

/// Of one bucket our own hand writes it, unless its changelog has every change.
pub(super) async fn bar_table_in(
    lake: &Lake,
    buckets: &str,
    changelog_producer: &str,
    files_max: usize,
) -> Arc<LiveTable> {
    let spec = bar_spec(&[("bucket", buckets), ("changelog-producer", changelog_producer)]);
    let options = LiveTableOptions { partition_files_max: files_max, ..Default::default() };
    lake.ensure_table(&spec, options).await.unwrap()
}

fn market(market: i64) -> String {
    format!("KRW-{market}")
}

fn batch(rows: &[(Key, Value)]) -> RecordBatch {
    let close = Decimal128Array::from_iter_values(rows.iter().map(|row| i128::from(row.1.0) * ONE));
    let starts = || rows.iter().map(|row| start_ms(row.0.1));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(close.with_precision_and_scale(20, 8).unwrap()),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| market(row.0.0)))),
        Arc::new(TimestampMillisecondArray::from_iter_values(starts()).with_timezone("UTC")),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1.1.clone()))),
        Arc::new(StringArray::from_iter_values(starts().map(hoga_model::time::utc_date))),
    ];
    RecordBatch::try_new(bar_schema(), columns).unwrap()
}

pub(super) fn changes(changes: &[Change]) -> ChangeBatch {
    let rows: Vec<(Key, Value)> = changes.iter().map(|change| (change.0, change.2.clone())).collect();
    ChangeBatch { rows: batch(&rows), kinds: Some(changes.iter().map(|change| change.1).collect()) }
}

pub(super) fn upsert(market: i64, start: i64, close: i64) -> Change {
    ((market, start), RowKind::UpdateAfter, (close, None))
}

pub(super) fn delete(market: i64, start: i64) -> Change {
    ((market, start), RowKind::Delete, (0, None))
}

pub(super) fn change_model(model: &mut Model, changes: &[Change]) {
    for (key, kind, value) in changes {
        match kind {
            RowKind::Insert | RowKind::UpdateAfter => model.insert(*key, value.clone()),
            RowKind::UpdateBefore | RowKind::Delete => model.remove(key),
        };
    }
}

/// Rows as text, column by column, in the order of the text.
pub(super) fn cells(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for batch in batches {
        rows.extend((0..batch.num_rows()).map(|row| {
            let cell = |column: &ArrayRef| match column.is_null(row) {
                true => "NULL".to_owned(),
                false => arrow::util::display::array_value_to_string(column, row).unwrap(),
            };
            batch.columns().iter().map(cell).collect()
        }));
    }
    rows.sort();
    rows
}

/// The model's rows with those columns.
pub(super) fn model_cells(model: &Model, projection: Option<&[usize]>) -> Vec<Vec<String>> {
    let rows: Vec<(Key, Value)> = model.iter().map(|(key, value)| (*key, value.clone())).collect();
    let batch = batch(&rows);
    cells(&[projection.map_or(batch.clone(), |columns| batch.project(columns).unwrap())])
}

/// One condition, for the lake and for the model.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    CloseAbove(i64),
    CloseBelow(i64),
    Market(i64),
    StartFrom(i64),
    Day(i64),
    NoNote,
}

impl Condition {
    pub(super) fn filter(&self) -> Filter {
        let close = |close: i64| -> ArrayRef {
            let close = Decimal128Array::from_iter_values([i128::from(close) * ONE]);
            Arc::new(close.with_precision_and_scale(20, 8).unwrap())
        };
        let text = |text: String| -> ArrayRef { Arc::new(StringArray::from_iter_values([text])) };
        let (column, operator, values): (usize, FilterOperator, Option<ArrayRef>) = match self {
            Condition::CloseAbove(limit) => (0, FilterOperator::Greater, Some(close(*limit))),
            Condition::CloseBelow(limit) => (0, FilterOperator::Less, Some(close(*limit))),
            Condition::Market(n) => (1, FilterOperator::Equal, Some(text(market(*n)))),
            Condition::StartFrom(start) => {
                let start = TimestampMillisecondArray::from_iter_values([start_ms(*start)]).with_timezone("UTC");
                (2, FilterOperator::GreaterOrEqual, Some(Arc::new(start)))
            }
            Condition::Day(day) => {
                (4, FilterOperator::Equal, Some(text(hoga_model::time::utc_date(day * DAY_MS).to_string())))
            }
            Condition::NoNote => (3, FilterOperator::IsNull, None),
        };
        Filter { column, operator, values }
    }

    fn holds(&self, key: &Key, value: &Value) -> bool {
        match self {
            Condition::CloseAbove(limit) => value.0 > *limit,
            Condition::CloseBelow(limit) => value.0 < *limit,
            Condition::Market(market) => key.0 == *market,
            Condition::StartFrom(start) => start_ms(key.1) >= start_ms(*start),
            Condition::Day(day) => start_ms(key.1) / DAY_MS == *day,
            Condition::NoNote => value.1.is_none(),
        }
    }

    /// As DataFusion does above the scan, on a batch with all columns.
    fn mask(&self, batch: &RecordBatch) -> BooleanArray {
        let close = batch.column(0).as_primitive::<Decimal128Type>();
        let starts = batch.column(2).as_primitive::<TimestampMillisecondType>();
        let (markets, notes) = (batch.column(1).as_string::<i32>(), batch.column(3).as_string::<i32>());
        let holds = |row: usize| {
            let start = (0..STARTS).find(|start| start_ms(*start) == starts.value(row)).unwrap();
            let note = notes.is_valid(row).then(|| notes.value(row).to_owned());
            let market = markets.value(row).trim_start_matches("KRW-").parse().unwrap();
            self.holds(&(market, start), &((close.value(row) / ONE) as i64, note))
        };
        (0..batch.num_rows()).map(|row| Some(holds(row))).collect()
    }
}

/// What is read of a view, with any projection, conditions and limit, against the model.
pub(super) async fn check_scan(
    view: &View,
    model: &Model,
    projection: Option<Vec<usize>>,
    conditions: &[Condition],
    limit: Option<usize>,
) {
    let what = format!("columns {projection:?}, where {conditions:?}, limit {limit:?}");
    let request = ScanRequest {
        projection: projection.clone(),
        filter: conditions.iter().map(Condition::filter).collect(),
        limit,
        target_partitions: 2,
    };
    let read = read(view, request).await;
    let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
    let mut wanted = model.clone();
    wanted.retain(|key, value| conditions.iter().all(|condition| condition.holds(key, value)));
    // Whatever is read is a row of the table as it is: no older version of it, and none twice.
    let mut there = model_cells(model, projection.as_deref());
    for row in cells(&read) {
        let place = there.binary_search(&row).unwrap_or_else(|_| panic!("{row:?} is not there; {what}"));
        there.remove(place);
    }
    let enough = limit.filter(|_| conditions.is_empty()).unwrap_or(usize::MAX).min(wanted.len());
    assert!(rows >= enough, "{rows} rows instead of {enough}; {what}");
    if limit.is_none() && conditions.is_empty() {
        assert_eq!(rows, model.len(), "{what}");
    }
    if limit.is_none() && projection.is_none() {
        let filtered: Vec<RecordBatch> = read
            .iter()
            .map(|batch| {
                conditions.iter().fold(batch.clone(), |batch, condition| {
                    arrow::compute::filter_record_batch(&batch, &condition.mask(&batch)).unwrap()
                })
            })
            .collect();
        assert_eq!(cells(&filtered), model_cells(&wanted, None), "{what}");
    }
}
