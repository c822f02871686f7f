//! Figures, printed on demand: `cargo test -p hoga-lake figures -- --ignored --nocapture`.

use super::support::*;
use crate::{ScanRequest, TableSpec};
use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

/// As wide as the ticker: 36 columns of its types.
fn ticker_schema() -> SchemaRef {
    let mut fields = vec![Field::new("market", DataType::Utf8, false)];
    fields.extend((0..8).map(|n| Field::new(format!("text_{n}"), DataType::Utf8, true)));
    fields.extend((0..10).map(|n| Field::new(format!("price_{n}"), DataType::Decimal128(20, 8), true)));
    fields.extend((0..6).map(|n| Field::new(format!("turnover_{n}"), DataType::Decimal128(38, 16), true)));
    fields.extend((0..4).map(|n| Field::new(format!("rate_{n}"), DataType::Float64, true)));
    fields.extend((0..3).map(|n| Field::new(format!("flag_{n}"), DataType::Boolean, true)));
    fields
        .extend((0..3).map(|n| Field::new(if n == 0 { "time".into() } else { format!("time_{n}") }, instant(), true)));
    fields.push(Field::new("dt", DataType::Utf8, true));
    Arc::new(Schema::new(fields))
}

fn tickers(schema: &SchemaRef, from: i64, rows: i64) -> RecordBatch {
    let range = || from..from + rows;
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let salt = index as i64;
        match field.data_type() {
            DataType::Utf8 if index == 0 => {
                Arc::new(StringArray::from_iter_values(range().map(|n| format!("KRW-{}", n % 200)))) as ArrayRef
            }
            DataType::Utf8 if field.name() == "dt" => {
                Arc::new(StringArray::from_iter_values(range().map(|_| "2026-11-21")))
            }
            DataType::Utf8 => Arc::new(StringArray::from_iter_values(range().map(|n| format!("v{}", n % (salt + 2))))),
            DataType::Decimal128(precision, scale) => {
                let values = range().map(|n| i128::from((n * 7_919 + salt) % 100_000) * 1_000_000);
                Arc::new(
                    Decimal128Array::from_iter_values(values).with_precision_and_scale(*precision, *scale).unwrap(),
                )
            }
            DataType::Float64 => Arc::new(Float64Array::from_iter_values(range().map(|n| (n % 997) as f64 / 1e4))),
            DataType::Boolean => Arc::new(BooleanArray::from_iter(range().map(|n| Some(n % 3 == 0)))),
            _ => Arc::new(
                TimestampMillisecondArray::from_iter_values(range().map(|n| 1_795_000_000_000 + n))
                    .with_timezone("UTC"),
            ),
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures; nothing to fail"]
async fn figures() {
    const ROWS: i64 = 60_000;
    const STEP: i64 = 2;
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let schema = ticker_schema();
    let spec = TableSpec { table: "ticker".into(), ..spec("ticker", schema.clone()) };
    let table = lake.ensure_table(&spec, sorted()).await.unwrap();
    let batches: Vec<RecordBatch> = (0..ROWS / STEP).map(|n| tickers(&schema, n * STEP, STEP)).collect();
    let mut out = std::io::stderr();
    let mut say = |text: String| writeln!(out, "{text}").unwrap();
    say(format!(
        "{} columns, profile: {}",
        schema.fields().len(),
        if cfg!(debug_assertions) { "dev" } else { "release" }
    ));

    let (start, mut longest) = (Instant::now(), 0);
    for batch in batches {
        let one = Instant::now();
        table.append(batch).unwrap();
        longest = longest.max(one.elapsed().as_micros());
    }
    let each = start.elapsed().as_micros() as f64 / (ROWS / STEP) as f64;
    let status = table.status();
    say(format!(
        "append of {STEP} rows: {each:.1} µs on average, {longest} µs at most; {} batches, {} MB",
        status.tail_batches,
        status.tail_bytes / 1_000_000
    ));
    for name in ["tail", "committed"] {
        for (what, projection) in [("all columns", None), ("3 columns", Some(vec![0, 9, 35])), ("count", Some(vec![]))]
        {
            let start = Instant::now();
            let request = ScanRequest { projection, target_partitions: 2, ..Default::default() };
            let rows: usize = read(&table.view(), request).await.iter().map(|batch| batch.num_rows()).sum();
            say(format!("{name}: view and scan of {rows} rows, {what}: {:.2} ms", start.elapsed().as_secs_f64() * 1e3));
        }
        if name == "tail" {
            let start = Instant::now();
            let sealed = table.seal();
            let prepared = table.prepare(&sealed, 1).await.unwrap();
            let prepared_ms = start.elapsed().as_millis();
            let committed = table.commit(&prepared).await.unwrap();
            table.publish(sealed, committed).unwrap();
            say(format!(
                "prepare of {} rows: {prepared_ms} ms, {} bytes ({} a row); commit and publish: {} ms",
                prepared.rows,
                prepared.bytes,
                prepared.bytes / prepared.rows,
                start.elapsed().as_millis() - prepared_ms
            ));
        }
    }
}
