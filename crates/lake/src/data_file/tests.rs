//! Against the `parquet` crate's writer: the same rows, the same statistics.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::file::{FileEncoder, FileLayout, encode};
use super::*;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat_batches, interleave_record_batch};
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use std::sync::Arc;

/// A value of each column: its number decides about all of them.
fn rows_of(numbers: &[Option<i64>], has_nulls: bool) -> RecordBatch {
    let all =
        || numbers.iter().map(|number| number.filter(|_| has_nulls).or((!has_nulls).then(|| number.unwrap_or(-7))));
    let decimals = |precision: u8, of: fn(i64) -> i128| -> ArrayRef {
        let values: Decimal128Array = all().map(|number| number.map(of)).collect();
        Arc::new(values.with_precision_and_scale(precision, 2).unwrap())
    };
    let texts =
        |of: fn(i64) -> String| -> ArrayRef { Arc::new(all().map(|number| number.map(of)).collect::<StringArray>()) };
    let lists = || -> ArrayRef {
        let lengths =
            OffsetBuffer::from_lengths(numbers.iter().map(|number| number.unwrap_or(2).rem_euclid(3) as usize));
        let values = Int64Array::from_iter_values(0..i64::from(*lengths.last().unwrap()));
        let element = Arc::new(Field::new("element", DataType::Int64, true));
        Arc::new(ListArray::new(element, lengths, Arc::new(values), None))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("market", texts(|number| format!("KRW-{}", number.rem_euclid(5)))),
        ("long_text", texts(|number| "äöü".repeat(number.rem_euclid(40) as usize) + &number.to_string())),
        ("id", Arc::new(all().collect::<Int64Array>())),
        ("at", Arc::new(all().collect::<TimestampMillisecondArray>().with_timezone("UTC"))),
        ("little", decimals(9, |number| i128::from(number % 1_000))),
        ("medium", decimals(18, |number| i128::from(number) * 1_000)),
        ("large", decimals(20, i128::from)),
        ("huge", decimals(38, |number| i128::from(number) * 10_i128.pow(30))),
        (
            "sometimes_huge",
            decimals(38, |number| i128::from(number) * if number % 2 == 0 { 10_i128.pow(25) } else { 1 }),
        ),
        ("rate", Arc::new(all().map(|number| number.map(|number| number as f64 / 7.0)).collect::<Float64Array>())),
        ("is_odd", Arc::new(all().map(|number| number.map(|number| number % 2 != 0)).collect::<BooleanArray>())),
        ("day", Arc::new(all().map(|number| number.map(|number| number as i32)).collect::<Date32Array>())),
        ("small", Arc::new(all().map(|number| number.map(|number| (number % 100) as i8)).collect::<Int8Array>())),
        ("count", Arc::new(all().map(|number| number.map(|number| number as i32)).collect::<Int32Array>())),
        ("levels", lists()),
        ("nothing", texts(|_| String::new())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn read(file: Vec<u8>) -> (RecordBatch, ArrowReaderMetadata) {
    let file = Bytes::from(file);
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&file, options).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone()).build().unwrap();
    let schema = metadata.schema().clone();
    (concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap()).unwrap(), metadata)
}

/// Writes the rows both ways and compares.
fn same_as_the_crate(batches: &[RecordBatch], order: &[(usize, usize)], row_group_rows: usize, plain: &[&str]) {
    let schema = batches[0].schema();
    let packed: Vec<PackedBatch> = batches.iter().map(|batch| PackedBatch::of(batch).unwrap()).collect();
    let plain: Vec<String> = plain.iter().map(|column| (*column).to_owned()).collect();
    let layout = FileLayout {
        schema: &schema,
        file_schema: &schema,
        without_dictionary: &plain,
        row_group_rows,
        row_bytes: 100,
        chunk_rows: 300,
        page_rows: file::PAGE_ROWS,
        sorted_by: None,
        zstd_level: file::ZSTD_LEVEL,
    };
    let (file, described) = encode(&layout, &packed.iter().collect::<Vec<_>>(), order).unwrap();
    let expected = interleave_record_batch(&batches.iter().collect::<Vec<_>>(), order).unwrap();
    let (found, metadata) = read(file);
    assert_eq!(found, expected);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group_rows)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).unwrap();
    writer.write(&expected).unwrap();
    let (_, by_the_crate) = read(writer.into_inner().unwrap());
    let (ours, theirs) = (metadata.metadata(), by_the_crate.metadata());
    assert_eq!(ours.num_row_groups(), theirs.num_row_groups());
    assert_eq!(described.num_row_groups(), theirs.num_row_groups());
    for (group, (ours, theirs)) in ours.row_groups().iter().zip(theirs.row_groups()).enumerate() {
        assert_eq!(ours.num_rows(), theirs.num_rows());
        for (ours, theirs) in ours.columns().iter().zip(theirs.columns()) {
            let name = theirs.column_path().string();
            assert_eq!(ours.num_values(), theirs.num_values(), "{name}");
            let (ours, theirs) = (ours.statistics().unwrap(), theirs.statistics().unwrap());
            assert_eq!(ours.null_count_opt(), theirs.null_count_opt(), "{name} of group {group}");
            if theirs.max_is_exact() && theirs.min_is_exact() {
                assert_eq!(ours, theirs, "{name} of group {group}");
            } else {
                assert!(ours.min_bytes_opt() <= theirs.min_bytes_opt().or(ours.min_bytes_opt()), "{name}");
            }
        }
    }
    let pages = |metadata: &ParquetMetaData| -> Vec<Vec<(bool, bool)>> {
        let is_null = |index: &ColumnIndexMetaData, page| index.is_null_page(page);
        metadata.column_index().unwrap()[0]
            .iter()
            .map(|index| {
                (0..index.num_pages() as usize)
                    .map(|page| (is_null(index, page), index.null_counts().is_some()))
                    .collect()
            })
            .collect()
    };
    if order.len() <= 20_000 && row_group_rows >= order.len() {
        assert_eq!(pages(ours), pages(theirs));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_rows(
        batches in prop::collection::vec((prop::collection::vec(prop::option::of(-3_000_i64..3_000), 1..200), any::<bool>()), 1..5),
        row_group_rows in 1_usize..700,
        reversed in any::<bool>(),
        is_plain in any::<bool>(),
    ) {
        let batches: Vec<RecordBatch> = batches.iter().map(|(numbers, has_nulls)| rows_of(numbers, *has_nulls)).collect();
        let mut order: Vec<(usize, usize)> =
            batches.iter().enumerate().flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row))).collect();
        if reversed {
            order.reverse();
        }
        let plain = ["market", "long_text", "id", "large", "huge"];
        same_as_the_crate(&batches, &order, row_group_rows, if is_plain { &plain } else { &[] });
    }
}

#[test]
fn many_pages() {
    let numbers: Vec<Option<i64>> = (0..90_000).map(|n| (n % 11 != 0).then_some(n * n % 50_021)).collect();
    let batches = [rows_of(&numbers[..50_000], true), rows_of(&numbers[50_000..], false)];
    let mut order: Vec<(usize, usize)> = batches
        .iter()
        .enumerate()
        .flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row)))
        .collect();
    order.sort_by_key(|(batch, row)| (row % 7, *batch));
    same_as_the_crate(&batches, &order, 60_000, &["id", "long_text"]);
}

#[test]
fn row_groups_one_after_the_other_in_small_pages() {
    let numbers: Vec<Option<i64>> = (0..1_000).map(|n| (n % 11 != 0).then_some(n)).collect();
    let rows = rows_of(&numbers, true);
    let (schema, packed) = (rows.schema(), PackedBatch::of(&rows).unwrap());
    let layout = FileLayout {
        schema: &schema,
        file_schema: &schema,
        without_dictionary: &["id".to_owned()],
        row_group_rows: usize::MAX,
        row_bytes: 0,
        chunk_rows: 300,
        page_rows: 128,
        sorted_by: Some(0),
        zstd_level: 9,
    };
    let order: Vec<(usize, usize)> = (0..1_000).map(|row| (0, row)).collect();
    let (mut file, mut bytes, mut columns) = (FileEncoder::new(&layout, 0).unwrap(), Vec::new(), 0);
    for rows in order.chunks(600) {
        file.put_group(&[&packed], rows, &mut || columns += 1).unwrap();
        bytes.extend(file.take().unwrap());
    }
    let (rest, _) = file.finish().unwrap();
    bytes.extend(rest);
    assert_eq!(columns, 2 * schema.fields().len());
    let (found, metadata) = read(bytes);
    assert_eq!(found, rows);
    for group in metadata.metadata().offset_index().unwrap() {
        assert!(group.iter().all(|column| column.page_locations().len() >= 3), "{group:?}");
    }
}

#[test]
fn a_null_in_a_column_without_them_is_refused() {
    let loose = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let strict = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let packed = PackedBatch::of(
        &RecordBatch::try_new(loose.clone(), vec![Arc::new(Int64Array::from(vec![Some(1), None]))]).unwrap(),
    );
    let layout = FileLayout {
        schema: &loose,
        file_schema: &strict,
        without_dictionary: &[],
        row_group_rows: 10,
        row_bytes: 8,
        chunk_rows: 10,
        page_rows: file::PAGE_ROWS,
        sorted_by: None,
        zstd_level: file::ZSTD_LEVEL,
    };
    assert!(encode(&layout, &[&packed.unwrap()], &[(0, 0), (0, 1)]).is_err());
}

#[test]
fn folder_names() {
    assert!(is_folder_name("2026-07-30") && is_folder_name("KRW-BTC"));
    assert!(!["", " ", "a/b", "a b", "ä", "..", "a%"].iter().any(|name| is_folder_name(name)));
}
