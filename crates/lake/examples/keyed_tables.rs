//! Writes primary-key tables for other readers to judge: one table per key type, several commits with updates and
//! deletions over two partitions, and what must be in them as JSON on standard output.
//!
//! `keyed_tables DIR`; tests/test_keyed_tables.py reads the tables with pypaimon.

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use hoga_lake::{ChangeBatch, Lake, LakeOptions, LiveTableOptions, RowKind, TableSpec};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;
const FIRST_DAY_MS: i64 = 20_000 * DAY_MS;
const ROUNDS: i64 = 5;
const MARKETS: i64 = 4;
/// Half of them on each of two days, minutes apart.
const STARTS: i64 = 6;

fn key_types() -> Vec<(&'static str, DataType)> {
    let utc = || Some("UTC".into());
    vec![
        ("timestamp_ltz3", DataType::Timestamp(TimeUnit::Millisecond, utc())),
        ("timestamp_ltz6", DataType::Timestamp(TimeUnit::Microsecond, utc())),
        ("timestamp3", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("bigint", DataType::Int64),
        ("int", DataType::Int32),
        ("string", DataType::Utf8),
        ("date", DataType::Date32),
        ("decimal", DataType::Decimal128(20, 0)),
    ]
}

fn start_ms(start: i64) -> i64 {
    FIRST_DAY_MS + start % 2 * DAY_MS + start * 60_000
}

fn key_column(data_type: &DataType, starts: &[i64]) -> ArrayRef {
    let ms = starts.iter().map(|start| start_ms(*start));
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => Arc::new(
            TimestampMicrosecondArray::from_iter_values(ms.map(|ms| ms * 1_000)).with_timezone_opt(zone.clone()),
        ),
        DataType::Timestamp(_, zone) => {
            Arc::new(TimestampMillisecondArray::from_iter_values(ms).with_timezone_opt(zone.clone()))
        }
        DataType::Int32 => Arc::new(Int32Array::from_iter_values(starts.iter().map(|start| *start as i32))),
        DataType::Utf8 => Arc::new(StringArray::from_iter_values(ms.map(|ms| ms.to_string()))),
        DataType::Date32 => Arc::new(Date32Array::from_iter_values(starts.iter().map(|start| *start as i32))),
        DataType::Decimal128(precision, scale) => Arc::new(
            Decimal128Array::from_iter_values(ms.map(i128::from))
                .with_precision_and_scale(*precision, *scale)
                .expect("a precision that exists"),
        ),
        _ => Arc::new(Int64Array::from_iter_values(ms)),
    }
}

/// What round `round` does to a key: nothing, a deletion, or a price.
fn change(market: i64, start: i64, round: i64) -> Option<(RowKind, i128)> {
    match (market * 7 + start * 3 + round * 2) % 5 {
        0 => Some((RowKind::Delete, 0)),
        1 => None,
        _ => Some((RowKind::UpdateAfter, i128::from(market * 1_000 + start * 10 + round) * 100_000_000 + 1)),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let warehouse = PathBuf::from(std::env::args().nth(1).ok_or("usage: keyed_tables DIR")?);
    let lake = Lake::open(LakeOptions { warehouse, commit_user: "hoga".into() })?;
    let mut rows = BTreeMap::new(); // (market, start) to price, the same for every table
    for (name, data_type) in key_types() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("market", DataType::Utf8, false),
            Field::new("start", data_type.clone(), false),
            Field::new("close", DataType::Decimal128(20, 8), true),
            Field::new("dt", DataType::Utf8, false),
        ]));
        let spec = TableSpec {
            database: "upbit".into(),
            table: format!("by_{name}"),
            schema: schema.clone(),
            partition_keys: vec!["dt".into()],
            primary_keys: vec!["market".into(), "start".into(), "dt".into()],
            options: [("bucket".to_owned(), "2".to_owned())].into(),
            comment: None,
        };
        let table = lake.ensure_table(&spec, LiveTableOptions::default()).await?;
        for round in 0..ROUNDS {
            let keys = (0..MARKETS).flat_map(|market| (0..STARTS).map(move |start| (market, start)));
            let changes: Vec<(i64, i64, RowKind, i128)> = keys
                .filter_map(|(market, start)| {
                    change(market, start, round).map(|(kind, price)| (market, start, kind, price))
                })
                .collect();
            for (market, start, kind, price) in &changes {
                match kind {
                    RowKind::Delete => rows.remove(&(*market, *start)),
                    _ => rows.insert((*market, *start), *price),
                };
            }
            let starts: Vec<i64> = changes.iter().map(|change| change.1).collect();
            let price = Decimal128Array::from_iter_values(changes.iter().map(|change| change.3));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(changes.iter().map(|change| format!("KRW-{}", change.0)))),
                key_column(&data_type, &starts),
                Arc::new(price.with_precision_and_scale(20, 8)?),
                Arc::new(StringArray::from_iter_values(
                    starts.iter().map(|start| hoga_model::time::utc_date(start_ms(*start))),
                )),
            ];
            let batch = RecordBatch::try_new(schema.clone(), columns)?;
            table.apply(ChangeBatch { rows: batch, kinds: Some(changes.iter().map(|change| change.2).collect()) })?;
            let sealed = table.seal();
            let prepared = table.prepare(&sealed, round + 1).await?;
            let committed = table.commit(&prepared).await?;
            table.publish(sealed, committed)?;
        }
    }
    let tables: Vec<String> = key_types().iter().map(|(name, _)| format!("by_{name}")).collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|((market, start), price)| {
            let ms = start_ms(*start);
            serde_json::json!({"market": format!("KRW-{market}"), "start": start, "start_ms": ms,
                "close": format!("{}.{:08}", price / 100_000_000, price % 100_000_000), "dt": hoga_model::time::utc_date(ms)})
        })
        .collect();
    writeln!(std::io::stdout(), "{}", serde_json::json!({"tables": tables, "rows": rows}))?;
    Ok(())
}
