//! Figures, printed on demand: `cargo test -p hoga-lake figures -- --ignored --nocapture`.

use super::bars::{bar_table_with, changes, upsert};
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

/// Every commit of a primary-key table adds a file that each read merges: how long reads take as they pile up, and with
/// `FILES_MAX=100000` how long they would take if the files were never merged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures; nothing to fail"]
async fn figures_of_a_primary_key() {
    const KEYS: i64 = 300;
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let files_max: usize = std::env::var("FILES_MAX").map_or(16, |text| text.parse().unwrap());
    let table = bar_table_with(&lake, "none", files_max).await;
    let mut out = std::io::stderr();
    let mut say = |text: String| writeln!(out, "{text}").unwrap();
    for commit in 1..=500 {
        let start = Instant::now();
        for part in 0..10 {
            let batch: Vec<_> = (0..KEYS / 10).map(|key| upsert(part * KEYS / 10 + key, 0, commit)).collect();
            table.apply(changes(&batch)).unwrap();
        }
        let applied_us = start.elapsed().as_micros();
        if [1, 10, 50, 100, 200, 500].contains(&commit) {
            let start = Instant::now();
            let rows: usize =
                read(&table.view(), ScanRequest::default()).await.iter().map(|batch| batch.num_rows()).sum();
            let with_tail_ms = start.elapsed().as_secs_f64() * 1e3;
            let start = Instant::now();
            checkpoint(&table, commit).await;
            let commit_ms = start.elapsed().as_secs_f64() * 1e3;
            reset_peak();
            let before = memory_kb("VmRSS");
            let start = Instant::now();
            read(&table.view(), ScanRequest::default()).await;
            say(format!(
                "{commit} commits of {rows} keys: 10 applies {applied_us} µs, read with tail {with_tail_ms:.1} ms, checkpoint \
                 {commit_ms:.1} ms, read {:.1} ms, {} MB more at its peak",
                start.elapsed().as_secs_f64() * 1e3,
                memory_kb("VmHWM").saturating_sub(before) / 1_000
            ));
        } else {
            checkpoint(&table, commit).await;
        }
    }
}

/// Thirty seconds of order books at 667 rows/s: 30 levels of four decimals each.
fn order_books(schema: &SchemaRef, rows: i64, from: i64) -> RecordBatch {
    const LEVELS: i64 = 30;
    let DataType::List(element) = schema.field(1).data_type() else { unreachable!("see below") };
    let DataType::Struct(fields) = element.data_type() else { unreachable!("see below") };
    let level = |salt: i64| -> ArrayRef {
        let values =
            (from * LEVELS..(from + rows) * LEVELS).map(|n| i128::from((n * 7_919 * salt) % 1_000_003) * 10_000);
        Arc::new(Decimal128Array::from_iter_values(values).with_precision_and_scale(20, 8).unwrap())
    };
    let levels = StructArray::new(fields.clone(), (1..=4).map(level).collect(), None);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths((0..rows).map(|_| LEVELS as usize));
    let range = || from..from + rows;
    RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from_iter_values(range().map(|n| format!("KRW-{}", n % 200)))),
            Arc::new(ListArray::new(element.clone(), offsets, Arc::new(levels), None)),
            Arc::new(
                TimestampMillisecondArray::from_iter_values(range().map(|n| 1_795_000_000_000 + n))
                    .with_timezone("UTC"),
            ),
            Arc::new(StringArray::from_iter_values(range().map(|_| "2026-11-21"))),
        ],
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures; nothing to fail"]
async fn figures_of_memory() {
    let price = || DataType::Decimal128(20, 8);
    let level = ["ask_price", "bid_price", "ask_size", "bid_size"].map(|name| Field::new(name, price(), true));
    let levels = Field::new("element", DataType::Struct(level.to_vec().into()), true);
    let schema = Arc::new(Schema::new(vec![
        Field::new("market", DataType::Utf8, false),
        Field::new("orderbook_units", DataType::List(Arc::new(levels)), true),
        Field::new("time", instant(), true),
        Field::new("dt", DataType::Utf8, true),
    ]));
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let spec = TableSpec {
        options: [("file.compression".to_owned(), "zstd".to_owned())].into(),
        ..spec("orderbook", schema.clone())
    };
    let table = lake.ensure_table(&spec, sorted()).await.unwrap();
    let mut out = std::io::stderr();
    for round in 0..4 {
        for n in 0..20_000 / 20 {
            table.append(order_books(&schema, 20, n * 20)).unwrap();
        }
        let status = table.status();
        let before = memory_kb("VmRSS");
        reset_peak();
        let start = Instant::now();
        let sealed = table.seal();
        let prepared = table.prepare(&sealed, round + 1).await.unwrap();
        let (took, peak, after) = (start.elapsed().as_millis(), memory_kb("VmHWM"), memory_kb("VmRSS"));
        let committed = table.commit(&prepared).await.unwrap();
        table.publish(sealed, committed).unwrap();
        writeln!(
            out,
            "{} order books: tail {} MB; prepare {took} ms, {} MB on disk; resident {} MB before, {} MB more at the peak, {} MB \
             more after it; {} MB after the rows are gone",
            prepared.rows,
            status.tail_bytes / 1_000_000,
            prepared.bytes / 1_000_000,
            before / 1_000,
            peak.saturating_sub(before) / 1_000,
            after.saturating_sub(before) / 1_000,
            memory_kb("VmRSS") / 1_000,
        )
        .unwrap();
    }
}

fn memory_kb(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The peak counts from here on.
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}
