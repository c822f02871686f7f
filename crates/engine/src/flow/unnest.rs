//! UNNEST: a row for each element of an array.

use super::rows::Rows;
use crate::graph::ColumnId;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use std::sync::Arc;

/// The rows with the element's fields (or the element) behind their columns, then its number from 1 if it is asked for.
pub(crate) fn unnest(
    rows: &Rows,
    array: ColumnId,
    with_ordinality: bool,
    keeps_empty: bool,
    schema: &SchemaRef,
) -> Result<Rows, ArrowError> {
    let lists = rows.batch.column(array).as_list_opt::<i32>();
    let lists = lists.ok_or_else(|| ArrowError::InvalidArgumentError("UNNEST of what is no array".into()))?;
    let offsets = lists.value_offsets();
    let is_rows = matches!(lists.values().data_type(), DataType::Struct(_));
    let mut parents: Vec<u32> = Vec::with_capacity(lists.values().len());
    let mut elements: Vec<Option<u32>> = Vec::with_capacity(lists.values().len());
    let mut numbers: Vec<Option<i32>> = Vec::new();
    for row in 0..lists.len() {
        let (from, to) = if lists.is_valid(row) { (offsets[row], offsets[row + 1]) } else { (0, 0) };
        // a NULL row is no element, as in Flink; a NULL number is one
        let is_element = |element: i32| !is_rows || lists.values().is_valid(element as usize);
        if keeps_empty && !(from..to).any(is_element) {
            parents.push(row as u32);
            elements.push(None);
            numbers.push(None);
        }
        for element in (from..to).filter(|element| is_element(*element)) {
            parents.push(row as u32);
            elements.push(Some(element as u32));
            numbers.push(Some(element - from + 1));
        }
    }
    let parent = rows.take(&parents)?;
    let elements = take(lists.values(), &UInt32Array::from(elements), None)?;
    let mut columns = parent.batch.columns().to_vec();
    match elements.data_type() {
        DataType::Struct(_) => columns.extend(fields(&elements)?),
        _ => columns.push(elements),
    }
    if with_ordinality {
        columns.push(Arc::new(Int32Array::from(numbers)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(parents.len()));
    Ok(parent.with_batch(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?))
}

/// The fields of a column of rows; a NULL row has NULL fields.
fn fields(rows: &ArrayRef) -> Result<Vec<ArrayRef>, ArrowError> {
    let rows = rows.as_struct();
    let Some(nulls) = rows.nulls() else { return Ok(rows.columns().to_vec()) };
    let fields = rows.columns().iter().map(|column| {
        let nulls = arrow::buffer::NullBuffer::union(column.nulls(), Some(nulls));
        Ok(arrow::array::make_array(column.to_data().into_builder().nulls(nulls).build()?))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray};
    use arrow::datatypes::{Field, Int32Type, Int64Type, Schema};

    fn rows() -> Rows {
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), Some(2)]),
            None,
            Some(vec![]),
            Some(vec![None]),
        ]));
        let id: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30, 40]));
        let batch =
            RecordBatch::try_from_iter_with_nullable([("id", id, true), ("list", lists, true)]).expect("a batch");
        Rows { batch, kinds: None, origins: Some(vec![5, 6, 7, 8]) }
    }

    /// The row's own column, the element, its number, the record it came from.
    type Unnested = (Vec<i64>, Vec<Option<i64>>, Vec<Option<i32>>, Vec<u32>);

    fn run(keeps_empty: bool) -> Unnested {
        let rows = rows();
        let mut fields = rows.batch.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("element", DataType::Int64, true)));
        fields.push(Arc::new(Field::new("ordinality", DataType::Int32, true)));
        let out = unnest(&rows, 1, true, keeps_empty, &Arc::new(Schema::new(fields))).expect("rows");
        (
            out.batch.column(0).as_primitive::<Int64Type>().values().to_vec(),
            out.batch.column(2).as_primitive::<Int64Type>().iter().collect(),
            out.batch.column(3).as_primitive::<Int32Type>().iter().collect(),
            out.origins.expect("origins"),
        )
    }

    #[test]
    fn a_row_for_each_element() {
        let expected = (vec![10, 10, 40], vec![Some(1), Some(2), None], vec![Some(1), Some(2), Some(1)], vec![5, 5, 8]);
        assert_eq!(run(false), expected);
    }

    #[test]
    fn a_left_join_keeps_rows_without_elements() {
        let (ids, elements, _, _) = run(true);
        assert_eq!(ids, [10, 10, 20, 30, 40]);
        assert_eq!(elements, [Some(1), Some(2), None, None, None]);
    }
}
