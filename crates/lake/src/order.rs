//! The order in which a commit's rows are written. Pure.

use crate::pack::PackedBatch;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{SortColumn, SortOptions, concat, lexsort_to_indices};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit, TimestampMillisecondType};
use arrow::error::ArrowError;
use std::collections::{BTreeSet, HashMap};

/// The rows of all batches in sorted order, NULLs first, as (batch, row); without sort columns as they came. Only the
/// sort columns are looked at.
pub(crate) fn sorted_order(
    schema: &SchemaRef,
    batches: &[&PackedBatch],
    sort_columns: &[usize],
) -> Result<Vec<(usize, usize)>, ArrowError> {
    if batches.is_empty() || sort_columns.is_empty() {
        let rows = |(batch, rows): (usize, &&PackedBatch)| (0..rows.num_rows()).map(move |row| (batch, row));
        return Ok(batches.iter().enumerate().flat_map(rows).collect());
    }
    let column = |index: &usize| {
        let data_type = schema.field(*index).data_type();
        batches.iter().map(|batch| batch.column(*index, data_type)).collect::<Result<Vec<_>, _>>()
    };
    let columns = sort_columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    match columns.as_slice() {
        [names, times] if is_text(schema, sort_columns[0]) && is_time(schema, sort_columns[1]) => {
            Ok(by_name_and_time(names, times))
        }
        [numbers, times] if is_number(schema, sort_columns[0]) && is_time(schema, sort_columns[1]) => {
            Ok(by_number_and_time(numbers, times))
        }
        columns => by_comparing(columns, batches),
    }
}

fn is_text(schema: &SchemaRef, column: usize) -> bool {
    schema.field(column).data_type() == &DataType::Utf8
}

fn is_time(schema: &SchemaRef, column: usize) -> bool {
    matches!(schema.field(column).data_type(), DataType::Timestamp(TimeUnit::Millisecond, _))
}

fn is_number(schema: &SchemaRef, column: usize) -> bool {
    schema.field(column).data_type() == &DataType::Int64
}

/// An id and a time. Equal rows keep their order.
fn by_number_and_time(numbers: &[ArrayRef], times: &[ArrayRef]) -> Vec<(usize, usize)> {
    let mut rows: Vec<(Option<i64>, Option<i64>, u32, u32)> =
        Vec::with_capacity(numbers.iter().map(|numbers| numbers.len()).sum());
    for (batch, (numbers, times)) in numbers.iter().zip(times).enumerate() {
        let numbers = numbers.as_primitive::<Int64Type>().iter();
        let times = times.as_primitive::<TimestampMillisecondType>();
        let of_batch = numbers.zip(times).enumerate();
        rows.extend(of_batch.map(|(row, (number, time))| (number, time, batch as u32, row as u32)));
    }
    rows.sort_unstable();
    rows.into_iter().map(|(_, _, batch, row)| (batch as usize, row as usize)).collect()
}

/// A market and a time, as all of hoga's own tables are sorted: the few names become their ranks, and integers are sorted.
/// Equal rows keep their order.
fn by_name_and_time(names: &[ArrayRef], times: &[ArrayRef]) -> Vec<(usize, usize)> {
    let names: Vec<_> = names.iter().map(|names| names.as_string::<i32>()).collect();
    let mut ranks: HashMap<Option<&str>, u32> = HashMap::new();
    let mut rows: Vec<(u32, Option<i64>, u32, u32)> = Vec::with_capacity(names.iter().map(|names| names.len()).sum());
    for (batch, (names, times)) in names.iter().zip(times).enumerate() {
        let times = times.as_primitive::<TimestampMillisecondType>();
        for (row, (name, time)) in names.iter().zip(times).enumerate() {
            let next = ranks.len() as u32;
            rows.push((*ranks.entry(name).or_insert(next), time, batch as u32, row as u32));
        }
    }
    let sorted: BTreeSet<_> = ranks.iter().map(|(name, number)| (*name, *number)).collect();
    let mut rank_of = vec![0; ranks.len()];
    sorted.iter().enumerate().for_each(|(rank, (_, number))| rank_of[*number as usize] = rank as u32);
    rows.iter_mut().for_each(|row| row.0 = rank_of[row.0 as usize]);
    rows.sort_unstable();
    rows.into_iter().map(|(_, _, batch, row)| (batch as usize, row as usize)).collect()
}

fn by_comparing(columns: &[Vec<ArrayRef>], batches: &[&PackedBatch]) -> Result<Vec<(usize, usize)>, ArrowError> {
    let whole = |parts: &Vec<ArrayRef>| {
        let values = concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
        Ok(SortColumn { values, options: Some(SortOptions::default()) })
    };
    let order = lexsort_to_indices(&columns.iter().map(whole).collect::<Result<Vec<_>, ArrowError>>()?, None)?;
    let ends = batches.iter().scan(0, |end, batch| {
        *end += batch.num_rows();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    let place = |row: &u32| {
        let row = *row as usize;
        let batch = ends.partition_point(|end| *end <= row);
        (batch, row + batches[batch].num_rows() - ends[batch])
    };
    Ok(order.values().iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;
    use std::sync::Arc;

    type TestRow = (Option<u8>, Option<i8>);
    const MARKET: usize = 0;
    const ID: usize = 1;
    const TIME: usize = 2;

    fn packed(rows: &[TestRow]) -> PackedBatch {
        let names = StringArray::from_iter(rows.iter().map(|(name, _)| name.map(|name| format!("KRW-{name}"))));
        let times = TimestampMillisecondArray::from_iter(rows.iter().map(|(_, time)| time.map(i64::from)));
        let ids = Int64Array::from_iter(rows.iter().map(|(name, _)| name.map(i64::from)));
        let columns: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(ids), Arc::new(times)];
        PackedBatch::of(&RecordBatch::try_new(schema(), columns).unwrap()).unwrap()
    }

    fn schema() -> SchemaRef {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        Arc::new(Schema::new(vec![
            Field::new("market", DataType::Utf8, true),
            Field::new("id", DataType::Int64, true),
            Field::new("at", time, true),
        ]))
    }

    proptest! {
        /// The quick way is the general one, but for rows that are equal.
        #[test]
        fn market_or_id_and_time(first in prop_oneof![Just(MARKET), Just(ID)], batches in prop::collection::vec(prop::collection::vec((prop::option::of(0_u8..5), prop::option::of(-3_i8..3)), 0..20), 1..4)) {
            let packed: Vec<PackedBatch> = batches.iter().map(|rows| packed(rows)).collect();
            let packed: Vec<&PackedBatch> = packed.iter().collect();
            let order = sorted_order(&schema(), &packed, &[first, TIME]).unwrap();
            let columns = [first, TIME].map(|column| packed.iter().map(|batch| batch.column(column, schema().field(column).data_type()).unwrap()).collect());
            let expected = by_comparing(&columns, &packed).unwrap();
            let values = |order: &[(usize, usize)]| order.iter().map(|(batch, row)| batches[*batch][*row]).collect::<Vec<_>>();
            prop_assert_eq!(values(&order), values(&expected));
            prop_assert!(order.windows(2).all(|pair| values(&pair[..1]) != values(&pair[1..]) || pair[0] < pair[1]), "equal rows keep their order");
        }
    }

    #[test]
    fn one_column_and_none() {
        let batches = [packed(&[(Some(2), None), (None, None)]), packed(&[(Some(1), None)])];
        let batches: Vec<&PackedBatch> = batches.iter().collect();
        assert_eq!(sorted_order(&schema(), &batches, &[MARKET]).unwrap(), [(0, 1), (1, 0), (0, 0)]);
        assert_eq!(sorted_order(&schema(), &batches, &[]).unwrap(), [(0, 0), (0, 1), (1, 0)]);
    }
}
