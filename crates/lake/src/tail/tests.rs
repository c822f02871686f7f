//! Tiny appends coalesce, nothing is lost or copied too often.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use proptest::prelude::*;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("text", DataType::Utf8, true)]))
}

fn batch(from: i64, rows: usize) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(from..from + rows as i64);
    let text = StringArray::from_iter_values((0..rows).map(|row| format!("row {row}")));
    RecordBatch::try_new(schema(), vec![Arc::new(numbers) as ArrayRef, Arc::new(text)]).unwrap()
}

fn numbers(tail: &Tail) -> Vec<i64> {
    tail.batches()
        .iter()
        .flat_map(|b| b.batch.column(0, &DataType::Int64).unwrap().as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

#[test]
fn tiny_appends_leave_few_batches() {
    let (mut tail, mut most) = (Tail::default(), 0);
    for n in 0..20_000 {
        tail.push(&schema(), batch(2 * n, 2), None).unwrap();
        most = most.max(tail.batches().len());
    }
    assert_eq!(numbers(&tail), (0..40_000).collect::<Vec<_>>());
    assert!(most <= 4 + 5 * TIER_FACTOR, "{most} batches");
    assert!(tail.batches().iter().all(|b| b.batch.num_rows() <= BATCH_ROWS_MAX));
}

#[test]
fn a_slice_does_not_keep_its_parent_alive() {
    let large = batch(0, 200_000);
    let mut tail = Tail::default();
    tail.push(&schema(), large.slice(100_000, 100), None).unwrap();
    assert_eq!(numbers(&tail), (100_000..100_100).collect::<Vec<_>>());
    assert!(tail.batches()[0].bytes < 64 * 1024, "{} bytes for 100 rows", tail.batches()[0].bytes);
}

#[test]
fn columns_packed_in_some_batches_only_are_joined() {
    let schema = Arc::new(Schema::new(vec![Field::new("price", DataType::Decimal128(38, 8), true)]));
    let large = i128::from(i64::MAX) * 10;
    let mut tail = Tail::default();
    for n in 0..TIER_FACTOR as i128 {
        let price = if n == 3 { large } else { n };
        let prices = arrow::array::Decimal128Array::from(vec![price; TIER_FACTOR]);
        let prices = prices.with_precision_and_scale(38, 8).unwrap();
        tail.push(&schema, RecordBatch::try_new(schema.clone(), vec![Arc::new(prices)]).unwrap(), None).unwrap();
    }
    assert_eq!(tail.batches().len(), 1);
    let joined = tail.batches()[0].batch.unpacked(&schema).unwrap();
    let prices = joined.column(0).as_primitive::<arrow::datatypes::Decimal128Type>().values();
    assert_eq!((prices[0], prices[3 * TIER_FACTOR], prices[8 * TIER_FACTOR - 1]), (0, large, 7));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    /// Any sizes: the rows stay, in order; batches stay few and coalescing never builds one past the limit.
    #[test]
    fn order_and_bounds(sizes in prop::collection::vec(prop_oneof![0usize..4, 0usize..100, 0usize..5_000], 0..200)) {
        let (mut tail, mut next) = (Tail::default(), 0i64);
        for rows in &sizes {
            tail.push(&schema(), batch(next, *rows), None).unwrap();
            next += *rows as i64;
        }
        prop_assert_eq!(numbers(&tail), (0..next).collect::<Vec<_>>());
        prop_assert!(tail.batches().iter().all(|b| b.batch.num_rows() <= BATCH_ROWS_MAX));
        let large = next as usize / 4_096 + 1;
        prop_assert!(tail.batches().len() <= large * TIER_FACTOR * TOP_TIER as usize, "{} batches of {} rows", tail.batches().len(), next);
    }
}
