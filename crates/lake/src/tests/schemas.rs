//! Creating, reopening and comparing tables; every type there and back.

use super::support::*;
use crate::{LakeError, LakeOptions, LiveTableOptions, ScanRequest};
use arrow::array::*;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use hoga_model::{Fault, Faulty};
use std::sync::Arc;

fn unit_fields() -> Fields {
    Fields::from(vec![
        Field::new("ask_price", DataType::Decimal128(20, 8), true),
        Field::new("ask_size", DataType::Decimal128(24, 8), false),
        Field::new("note", DataType::Utf8, true),
    ])
}

/// All supported types, with Arrow's usual `item` as the element's name.
fn every_type() -> SchemaRef {
    let item = Field::new("item", DataType::Struct(unit_fields()), false);
    Arc::new(Schema::new(vec![
        Field::new("text", DataType::Utf8, true),
        Field::new("flag", DataType::Boolean, true),
        Field::new("i8", DataType::Int8, true),
        Field::new("i16", DataType::Int16, true),
        Field::new("i32", DataType::Int32, true),
        Field::new("i64", DataType::Int64, false),
        Field::new("f32", DataType::Float32, true),
        Field::new("f64", DataType::Float64, true),
        Field::new("price", DataType::Decimal128(20, 8), true),
        Field::new("turnover", DataType::Decimal128(38, 16), true),
        Field::new("day", DataType::Date32, true),
        Field::new("wall_ms", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("wall_us", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("ltz_ms", instant(), true),
        Field::new("ltz_us", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("units", DataType::List(Arc::new(item)), true),
        Field::new("dt", DataType::Utf8, true),
    ]))
}

/// Row 0 has ordinary values, row 1 extremes, row 2 nulls wherever they are allowed.
fn every_type_batch(schema: &SchemaRef) -> RecordBatch {
    let decimals = |values: Vec<Option<i128>>, precision, scale| {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    let units = StructArray::new(
        unit_fields(),
        vec![
            decimals(vec![Some(1), None, Some(99_999_999_999_999_999_999)], 20, 8),
            decimals(vec![Some(-5), Some(0), Some(7)], 24, 8),
            Arc::new(StringArray::from(vec![Some("한글"), None, Some("")])),
        ],
        None,
    );
    let DataType::List(item) = schema.field(15).data_type().clone() else { unreachable!() };
    let offsets = arrow::buffer::OffsetBuffer::new(vec![0, 2, 3, 3].into());
    let lists = ListArray::new(item, offsets, Arc::new(units), Some(vec![true, true, false].into()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("KRW-BTC"), Some(""), None])),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(Int8Array::from(vec![Some(1), Some(i8::MIN), None])),
        Arc::new(Int16Array::from(vec![Some(1), Some(i16::MAX), None])),
        Arc::new(Int32Array::from(vec![Some(1), Some(i32::MIN), None])),
        Arc::new(Int64Array::from(vec![17_000_000_000_000_001, i64::MAX, i64::MIN])),
        Arc::new(Float32Array::from(vec![Some(0.1), Some(f32::MAX), None])),
        Arc::new(Float64Array::from(vec![Some(0.1), Some(-0.0), None])),
        decimals(vec![Some(8_123_456_700_000_001), Some(-99_999_999_999_999_999_999), None], 20, 8),
        decimals(vec![Some(1), Some(10i128.pow(38) - 1), None], 38, 16),
        Arc::new(Date32Array::from(vec![Some(20_000), Some(-1), None])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(1_785_395_043_831), Some(-1), None])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1_785_395_043_831_007), Some(-1), None])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(1_785_395_043_831), Some(-1), None]).with_timezone("UTC")),
        Arc::new(
            TimestampMicrosecondArray::from(vec![Some(1_785_395_043_831_007), Some(-1), None]).with_timezone("UTC"),
        ),
        Arc::new(lists),
        Arc::new(StringArray::from(vec!["2026-07-30"; 3])),
    ];
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

#[tokio::test]
async fn every_type_comes_back_from_the_files_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let schema = every_type();
    let batch = every_type_batch(&schema);
    {
        let lake = open(dir.path());
        let table = lake.ensure_table(&spec("types", schema.clone()), LiveTableOptions::default()).await.unwrap();
        table.append(batch.clone()).unwrap();
        assert_eq!(read(&table.view(), ScanRequest::default()).await, vec![batch.clone()], "from the tail");
        checkpoint(&table, 1).await;
        assert_eq!(read(&table.view(), ScanRequest::default()).await, vec![batch.clone()], "from the files");
    }
    let lake = open(dir.path());
    let table = lake.ensure_table(&spec("types", schema), LiveTableOptions::default()).await.unwrap();
    assert_eq!(read(&table.view(), ScanRequest::default()).await, vec![batch], "after a restart");
    assert_eq!(lake.list_tables("upbit").await.unwrap(), vec!["types"]);
    assert_eq!(lake.list_databases().await.unwrap(), vec!["upbit"]);
}

/// Replaces one field of the trade schema.
fn with_field(index: usize, field: Field) -> SchemaRef {
    let mut fields: Vec<Field> = trade_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[index] = field;
    Arc::new(Schema::new(fields))
}

#[tokio::test]
async fn a_table_that_differs_is_refused_by_column_and_both_types() {
    let dir = tempfile::tempdir().unwrap();
    {
        let lake = open(dir.path());
        let first = trade_table(&lake).await;
        assert!(Arc::ptr_eq(&first, &trade_table(&lake).await), "asked again, it is the same table");
    }
    let lake = open(dir.path());
    let text = |error: LakeError| {
        assert_eq!(error.fault(), Fault::User);
        error.to_string()
    };
    let ensure = async |spec| lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap_err();

    let decimal = with_field(2, Field::new("price", DataType::Float64, true));
    let message = text(ensure(spec("trade", decimal)).await);
    assert!(message.contains("\"price\" is DECIMAL(20, 8) in the lake and DOUBLE in the pipeline"), "{message}");

    let nullable = with_field(0, Field::new("market", DataType::Utf8, true));
    let message = text(ensure(spec("trade", nullable)).await);
    assert!(message.contains("\"market\" is STRING NOT NULL in the lake and STRING in the pipeline"), "{message}");

    let renamed = with_field(1, Field::new("sequential_id", DataType::Int64, true));
    let message = text(ensure(spec("trade", renamed)).await);
    assert!(message.contains("\"sequential_id\" is absent in the lake"), "{message}");

    let shorter = Arc::new(trade_schema().project(&[0, 1, 2, 4]).unwrap());
    let message = text(ensure(spec("trade", shorter)).await);
    assert!(message.contains("\"time\" is TIMESTAMP_LTZ(3) in the lake and absent in the pipeline"), "{message}");

    let mut unpartitioned = spec("trade", trade_schema());
    unpartitioned.partition_keys.clear();
    let message = text(ensure(unpartitioned).await);
    assert!(message.contains("other partition keys: (dt) in the lake, () in the pipeline"), "{message}");
}

#[tokio::test]
async fn what_cannot_be_a_table_is_refused_with_its_column() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let refused = async |spec| lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap_err().to_string();

    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let message = refused(spec("a", with_field(3, Field::new("time", nanoseconds, true)))).await;
    assert!(message.contains("column \"time\": type Timestamp"), "{message}");
    let seoul = DataType::Timestamp(TimeUnit::Millisecond, Some("Asia/Seoul".into()));
    let message = refused(spec("a", with_field(3, Field::new("time", seoul, true)))).await;
    assert!(message.contains("column \"time\""), "{message}");
    let row = DataType::Struct(Fields::from(vec![Field::new("inner", DataType::UInt64, true)]));
    let list = DataType::List(Arc::new(Field::new("item", row, true)));
    let message = refused(spec("a", with_field(1, Field::new("id", list, true)))).await;
    assert!(message.contains("column \"id[].inner\": type UInt64"), "{message}");

    let mut partitioned = spec("a", trade_schema());
    partitioned.partition_keys = vec!["day".into()];
    assert!(refused(partitioned).await.contains("partition key \"day\" is not a column"));
    assert!(refused(spec("../a", trade_schema())).await.contains("is not a table name"));
    assert_eq!(lake.list_databases().await.unwrap(), Vec::<String>::new(), "nothing was created");
}

#[tokio::test]
async fn a_batch_with_other_columns_is_refused_and_not_added() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let good = batch(&rows(0..2));
    let reordered = good.project(&[1, 0, 2, 3, 4]).unwrap();
    let narrow = good.project(&[0, 1]).unwrap();
    for (wrong, reason) in [(reordered, "\"id\" where \"market\" should be"), (narrow, "2 columns instead of 5")] {
        let error = table.append(wrong).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(table.tail_rows(), 0);
    table.append(good).unwrap();
    assert_eq!(table.tail_rows(), 2);
}

#[tokio::test]
async fn a_warehouse_may_be_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = dir.path().join("내 데이터/a b%20c#d");
    for round in 1..=2 {
        let lake = open(&warehouse);
        let table = trade_table(&lake).await;
        table.append(batch(&rows(round * 10..round * 10 + 10))).unwrap();
        checkpoint(&table, round).await;
        assert_eq!(all(&table.view()).await, in_order(rows(10..round * 10 + 10)));
    }
    assert!(warehouse.join("upbit.db/trade/snapshot/snapshot-2").exists());
}

#[test]
fn a_warehouse_has_one_committer() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let second = crate::Lake::open(LakeOptions { warehouse: dir.path().into(), commit_user: "hoga".into() });
    let error = second.unwrap_err();
    assert_eq!(error.fault(), Fault::User);
    let text = error.to_string();
    assert!(text.contains(&format!("in use by another hoga process (process {})", std::process::id())), "{text}");
    drop(first);
    drop(open(dir.path()));
    let relative = crate::Lake::open(LakeOptions { warehouse: "lake".into(), commit_user: "hoga".into() });
    assert!(relative.unwrap_err().to_string().contains("is not an absolute path"));
}

#[tokio::test]
async fn a_table_that_was_half_created_is_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("upbit.db").join("trade");
    std::fs::create_dir_all(table.join("schema")).unwrap();
    std::fs::write(table.join("schema").join("schema-0"), b"").unwrap();
    let lake = open(folder.path());
    let live = trade_table(&lake).await;
    live.append(batch(&rows(0..3))).unwrap();
    checkpoint(&live, 1).await;
    assert_eq!(all(&live.view()).await, in_order(rows(0..3)));
}

#[tokio::test]
async fn a_torn_schema_beside_data_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("upbit.db").join("trade");
    std::fs::create_dir_all(table.join("schema")).unwrap();
    std::fs::create_dir_all(table.join("snapshot")).unwrap();
    std::fs::write(table.join("schema").join("schema-0"), b"{\"id\":").unwrap();
    let lake = open(folder.path());
    assert!(lake.ensure_table(&spec("trade", trade_schema()), sorted()).await.is_err());
    assert!(table.join("schema").join("schema-0").exists());
}
