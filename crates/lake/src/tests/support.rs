//! A warehouse in a temporary directory, small tables, and rows as plain values.

use crate::{Lake, LakeOptions, LiveTable, LiveTableOptions, ScanRequest, TableSpec, View};
use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMillisecondType,
};
use futures::TryStreamExt;
use std::path::Path;
use std::sync::Arc;

pub(super) const DAY_MS: i64 = 86_400_000;

/// (market, id, price × 10⁸, time in ms); `dt` follows from the time.
pub(super) type Row = (String, i64, i128, i64);

pub(super) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

pub(super) fn trade_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("market", DataType::Utf8, false),
        Field::new("id", DataType::Int64, true),
        Field::new("price", DataType::Decimal128(20, 8), true),
        Field::new("time", instant(), true),
        Field::new("dt", DataType::Utf8, true),
    ]))
}

pub(super) fn spec(table: &str, schema: SchemaRef) -> TableSpec {
    TableSpec {
        database: "upbit".into(),
        table: table.into(),
        schema,
        partition_keys: vec!["dt".into()],
        primary_keys: vec![],
        options: Default::default(),
        comment: Some("a test".into()),
    }
}

pub(super) fn open(warehouse: &Path) -> Lake {
    Lake::open(LakeOptions { warehouse: warehouse.to_owned(), commit_user: "hoga".into() }).unwrap()
}

pub(super) fn sorted() -> LiveTableOptions {
    LiveTableOptions { sort_columns: vec!["market".into(), "time".into()], ..Default::default() }
}

pub(super) async fn trade_table(lake: &Lake) -> Arc<LiveTable> {
    lake.ensure_table(&spec("trade", trade_schema()), sorted()).await.unwrap()
}

/// Row `n` of an endless table: six markets, three days.
pub(super) fn row(n: i64) -> Row {
    (format!("KRW-{}", n * 7 % 6), n, i128::from(n * 31 % 1_000) * 100_000_000 + 1, n % 3 * DAY_MS + n)
}

pub(super) fn rows(range: std::ops::Range<i64>) -> Vec<Row> {
    range.map(row).collect()
}

pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    let price =
        Decimal128Array::from_iter_values(rows.iter().map(|row| row.2)).with_precision_and_scale(20, 8).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.0))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(price),
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.3)).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| hoga_model::time::utc_date(row.3)))),
    ];
    RecordBatch::try_new(trade_schema(), columns).unwrap()
}

pub(super) async fn read(view: &View, request: ScanRequest) -> Vec<RecordBatch> {
    let plan = view.scan(request).await.unwrap();
    let mut batches = Vec::new();
    for partition in 0..plan.partitions() {
        let read: Vec<RecordBatch> = plan.open(partition).try_collect().await.unwrap();
        assert!(read.iter().all(|batch| batch.schema_ref() == plan.schema()), "batches have the plan's schema");
        batches.extend(read);
    }
    batches
}

/// Every row a view has, in the order of the values.
pub(super) async fn all(view: &View) -> Vec<Row> {
    trades(&read(view, ScanRequest { target_partitions: 2, ..Default::default() }).await)
}

pub(super) fn trades(batches: &[RecordBatch]) -> Vec<Row> {
    let mut out = Vec::new();
    for batch in batches {
        let market = batch.column(0).as_string::<i32>();
        let id = batch.column(1).as_primitive::<Int64Type>();
        let price = batch.column(2).as_primitive::<Decimal128Type>();
        let time = batch.column(3).as_primitive::<TimestampMillisecondType>();
        out.extend(
            (0..batch.num_rows()).map(|n| (market.value(n).to_owned(), id.value(n), price.value(n), time.value(n))),
        );
    }
    out.sort();
    out
}

pub(super) fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// A checkpoint of ten rows each; that of number `n`, with the rows from 10 × `n` on, has the identifier `n` + 1.
pub(super) async fn commit(table: &LiveTable, range: std::ops::Range<i64>) {
    for n in range {
        table.append(batch(&rows(n * 10..n * 10 + 10))).unwrap();
        checkpoint(table, n + 1).await;
    }
}

/// Seal, prepare, commit, publish.
pub(super) async fn checkpoint(table: &LiveTable, identifier: i64) -> crate::Prepared {
    let sealed = table.seal();
    let prepared = table.prepare(&sealed, identifier).await.unwrap();
    let committed = table.commit(&prepared).await.unwrap();
    table.publish(sealed, committed).unwrap();
    prepared
}
