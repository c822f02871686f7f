//! Which columns of a commit get a Parquet dictionary: those whose values come again. Pure.
//!
//! The writer gives one to every column, and of a price or a volume it becomes a second copy of the column: found by hashing
//! every value into a table that no cache holds, for indices that are hardly smaller than the values.

use crate::pack::PackedBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::collections::HashSet;
use std::sync::Arc;

/// Rows that are looked at, at most; evenly spaced.
const SAMPLE_ROWS: usize = 1_024;
/// With more different values than this among 16 rows a column has thousands of them.
const DISTINCT_MAX_OF_16: usize = 15;
/// Below this every dictionary is small.
const ROWS_MIN: usize = 4 * SAMPLE_ROWS;

/// Names of columns that are better off without one. `rows` are all that will be written; nested columns are not looked at.
pub(crate) fn without_dictionary(
    schema: &SchemaRef,
    batches: &[&PackedBatch],
    rows: &[(usize, usize)],
) -> Result<Vec<String>, ArrowError> {
    if rows.len() < ROWS_MIN {
        return Ok(Vec::new());
    }
    let flat: Vec<usize> =
        (0..schema.fields().len()).filter(|index| is_flat(schema.field(*index).data_type())).collect();
    let flat_schema = Arc::new(schema.project(&flat)?);
    let flat_batches: Vec<PackedBatch> = batches.iter().map(|batch| batch.project(&flat)).collect();
    let sample: Vec<(usize, usize)> = rows.iter().step_by(rows.len().div_ceil(SAMPLE_ROWS)).copied().collect();
    let sample = PackedBatch::interleave(&flat_schema, &flat_batches.iter().collect::<Vec<_>>(), &sample)?;
    let mut found = Vec::new();
    for (index, field) in flat_schema.fields().iter().enumerate() {
        let values = sample.column(index, field.data_type())?;
        let values = RowConverter::new(vec![SortField::new(field.data_type().clone())])?.convert_columns(&[values])?;
        let distinct: HashSet<&[u8]> = values.iter().map(|value| value.data()).collect();
        if distinct.len() * 16 > sample.num_rows() * DISTINCT_MAX_OF_16 {
            found.push(field.name().clone());
        }
    }
    Ok(found)
}

fn is_flat(data_type: &DataType) -> bool {
    !data_type.is_nested() && data_type != &DataType::Boolean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};

    #[test]
    fn what_comes_again_has_one() {
        let check = |rows: i64, expected: &[&str]| {
            let markets = StringArray::from_iter_values((0..rows).map(|row| format!("KRW-{}", row % 200)));
            let prices = Decimal128Array::from_iter_values((0..rows).map(|row| i128::from(row % 4_000)));
            let nothing = Int64Array::from(vec![None; rows as usize]);
            let ids = Int64Array::from_iter_values(0..rows);
            let columns: [(&str, ArrayRef); 4] = [
                ("market", Arc::new(markets)),
                ("price", Arc::new(prices)),
                ("nothing", Arc::new(nothing)),
                ("id", Arc::new(ids)),
            ];
            let batch =
                RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
            let packed = PackedBatch::of(&batch).unwrap();
            let order: Vec<_> = (0..rows as usize).map(|row| (0, row)).collect();
            assert_eq!(without_dictionary(&batch.schema(), &[&packed], &order).unwrap(), expected);
        };
        check(40_000, &["id"]);
        check(1_000, &[]);
    }
}
