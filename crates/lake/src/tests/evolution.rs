//! Columns that are added to a table with rows: NULL in the old ones, in every file, view and moment.

use super::support::*;
use crate::{LiveTableOptions, Moment, Pace, ScanRequest, SystemTable, TableSpec};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use hoga_model::{Fault, Faulty};
use std::sync::Arc;

/// The trade's columns with `side` after the market and `fee` at the end.
fn wider_schema() -> SchemaRef {
    let mut fields: Vec<Field> = trade_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.insert(1, Field::new("side", DataType::Utf8, true));
    fields.push(Field::new("fee", DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

fn wider_batch(rows: &[Row]) -> RecordBatch {
    let mut columns: Vec<ArrayRef> = batch(rows).columns().to_vec();
    columns.insert(1, Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "BID"))));
    columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))));
    RecordBatch::try_new(wider_schema(), columns).unwrap()
}

/// (id, side, fee), in the order of the ids.
fn wider(batches: &[RecordBatch]) -> Vec<(i64, Option<String>, Option<i64>)> {
    let mut out = Vec::new();
    for batch in batches {
        let (side, id) = (batch.column(1).as_string::<i32>(), batch.column(2).as_primitive::<Int64Type>());
        let fee = batch.column(5 + 1).as_primitive::<Int64Type>();
        out.extend((0..batch.num_rows()).map(|row| {
            (
                id.value(row),
                side.is_valid(row).then(|| side.value(row).to_owned()),
                fee.is_valid(row).then(|| fee.value(row)),
            )
        }));
    }
    out.sort();
    out
}

#[tokio::test]
async fn a_column_that_is_added_is_null_in_the_rows_that_were_there() {
    let dir = tempfile::tempdir().unwrap();
    {
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        commit(&table, 0..2).await;
    }
    let expected: Vec<_> =
        (0..30).map(|id| if id < 20 { (id, None, None) } else { (id, Some("BID".to_owned()), Some(id)) }).collect();
    {
        let lake = open(dir.path());
        let table = lake.ensure_table(&spec("trade", wider_schema()), sorted()).await.unwrap();
        let old = wider(&read(&table.view(), ScanRequest::default()).await);
        assert_eq!(old, expected[..20], "files of the older version");
        table.append(wider_batch(&rows(20..30))).unwrap();
        assert_eq!(wider(&read(&table.view(), ScanRequest::default()).await), expected, "and the tail");
        checkpoint(&table, 3).await;
        assert_eq!(wider(&read(&table.view(), ScanRequest::default()).await), expected, "and files of the newer");
        table.compact(true, 0, Pace::FULL).await.unwrap().unwrap();
        assert_eq!(wider(&read(&table.view(), ScanRequest::default()).await), expected, "merged");

        let past = table.view_at(&Moment::Snapshot(2)).await.unwrap();
        assert_eq!(past.schema(), &trade_schema(), "the columns it had");
        assert_eq!(all(&past).await, in_order(rows(0..20)));
        let schemas = table.system_rows(SystemTable::Schemas, None).await.unwrap();
        assert_eq!(schemas.num_rows(), 2);
        let files = table.system_rows(SystemTable::Files, Some(&Moment::Snapshot(3))).await.unwrap();
        assert_eq!(files.num_rows(), 9, "of both versions, with statistics");
    }
    let lake = open(dir.path());
    let table = lake.open_table("upbit", "trade").await.unwrap();
    assert_eq!(wider(&read(&table.view(), ScanRequest::default()).await), expected, "read without the pipeline");
}

#[tokio::test]
async fn only_columns_that_may_be_null_are_added() {
    let dir = tempfile::tempdir().unwrap();
    {
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        commit(&table, 0..1).await;
    }
    let lake = open(dir.path());
    let refused = async |schema: SchemaRef| {
        let error = lake.ensure_table(&spec("trade", schema), LiveTableOptions::default()).await.unwrap_err();
        assert_eq!(error.fault(), Fault::User);
        error.to_string()
    };
    let changed = |change: &dyn Fn(&mut Vec<Field>)| {
        let mut fields: Vec<Field> = wider_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        change(&mut fields);
        Arc::new(Schema::new(fields)) as SchemaRef
    };
    let message = refused(changed(&|fields| fields[1] = Field::new("side", DataType::Utf8, false))).await;
    assert!(message.contains("\"side\" is new") && message.contains("declare it without NOT NULL"), "{message}");
    let message = refused(changed(&|fields| fields[2] = Field::new("id", DataType::Utf8, true))).await;
    assert!(message.contains("\"id\" is BIGINT in the lake and STRING in the pipeline"), "{message}");
    let message = refused(changed(&|fields| drop(fields.remove(3)))).await;
    assert!(message.contains("\"side\" is absent in the lake"), "{message}");
    let schemas: Vec<_> = std::fs::read_dir(dir.path().join("upbit.db/trade/schema")).unwrap().collect();
    assert_eq!(schemas.len(), 1, "what is refused has changed nothing");
}

#[tokio::test]
async fn a_primary_key_table_gains_a_column() {
    let dir = tempfile::tempdir().unwrap();
    let columns = |wide: bool| -> SchemaRef {
        let mut fields = vec![
            Field::new("market", DataType::Utf8, false),
            Field::new("close", DataType::Int64, true),
            Field::new("dt", DataType::Utf8, false),
        ];
        if wide {
            fields.insert(1, Field::new("open", DataType::Int64, true));
        }
        Arc::new(Schema::new(fields))
    };
    let bars = |wide: bool| TableSpec {
        primary_keys: vec!["market".into(), "dt".into()],
        options: [("bucket".to_owned(), "1".to_owned())].into(),
        ..spec("bar", columns(wide))
    };
    let text = |values: &[&str]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let number = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    {
        let lake = open(dir.path());
        let table = lake.ensure_table(&bars(false), LiveTableOptions::default()).await.unwrap();
        let days = text(&["2026-11-21", "2026-11-21"]);
        let rows = vec![text(&["A", "B"]), number(&[1, 2]), days];
        table.append(RecordBatch::try_new(columns(false), rows).unwrap()).unwrap();
        checkpoint(&table, 1).await;
    }
    let lake = open(dir.path());
    let table = lake.ensure_table(&bars(true), LiveTableOptions::default()).await.unwrap();
    let changed = vec![text(&["B"]), number(&[7]), number(&[3]), text(&["2026-11-21"])];
    table.append(RecordBatch::try_new(columns(true), changed).unwrap()).unwrap();
    for moment in ["in the tail", "committed"] {
        let batches = read(&table.view(), ScanRequest::default()).await;
        let mut found: Vec<_> = batches
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
            .map(|(batch, row)| {
                let open = batch.column(1).as_primitive::<Int64Type>();
                let close = batch.column(2).as_primitive::<Int64Type>();
                let market = batch.column(0).as_string::<i32>().value(row).to_owned();
                (market, open.is_valid(row).then(|| open.value(row)), close.value(row))
            })
            .collect();
        found.sort();
        assert_eq!(found, [("A".to_owned(), None, 1), ("B".to_owned(), Some(7), 3)], "{moment}");
        checkpoint(&table, 2).await;
    }
}
