//! States that are lists: the values of each group as one LIST column.

use crate::flow::groups::KeyCodec;
use arrow::array::{ArrayRef, AsArray, Int64Array, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use std::sync::Arc;

pub(super) fn list_type(element: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", element.clone(), true)))
}

/// One list for each group, of values that a codec made bytes of.
pub(super) fn of_values<'a>(
    codec: &KeyCodec,
    element: &DataType,
    groups: impl Iterator<Item = Vec<&'a [u8]>>,
) -> Result<ArrayRef, ArrowError> {
    let (mut lengths, mut all) = (Vec::new(), Vec::new());
    for values in groups {
        lengths.push(values.len());
        all.extend(values);
    }
    let mut columns = codec.decode_keys(all.iter().map(|value| Some(*value)))?;
    let values = columns.pop().unwrap_or_else(|| arrow::array::new_empty_array(element));
    list(element, lengths, values)
}

pub(super) fn of_numbers<N: AsRef<[i64]>>(groups: impl Iterator<Item = N>) -> Result<ArrayRef, ArrowError> {
    let (mut lengths, mut all) = (Vec::new(), Vec::new());
    for numbers in groups {
        lengths.push(numbers.as_ref().len());
        all.extend_from_slice(numbers.as_ref());
    }
    list(&DataType::Int64, lengths, Arc::new(Int64Array::from(all)))
}

fn list(element: &DataType, lengths: Vec<usize>, values: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("element", element.clone(), true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, None)?))
}

/// One value for each group, or NULL.
pub(super) fn nullable<'a>(
    codec: &KeyCodec,
    data_type: &DataType,
    groups: impl Iterator<Item = Option<&'a [u8]>>,
) -> Result<ArrayRef, ArrowError> {
    let chosen: Vec<Option<&[u8]>> = groups.collect();
    let known: Vec<&[u8]> = chosen.iter().copied().flatten().collect();
    let mut columns = codec.decode_keys(known.iter().map(|value| Some(*value)))?;
    let values = columns.pop().unwrap_or_else(|| arrow::array::new_empty_array(data_type));
    let mut next = 0;
    let places: UInt32Array = chosen
        .iter()
        .map(|value| {
            value.map(|_| {
                next += 1;
                next - 1
            })
        })
        .collect();
    take(&values, &places, None)
}

/// All values of a list column, and of each its row and the group of its list.
pub(super) fn values_and_rows<'a>(lists: &'a ArrayRef, groups: &[u32]) -> (&'a ArrayRef, Vec<(u32, u32)>) {
    let lists = lists.as_list::<i32>();
    let offsets = lists.value_offsets();
    let mut rows = Vec::new();
    for (list, group) in groups.iter().enumerate() {
        rows.extend((offsets[list]..offsets[list + 1]).map(|row| (row as u32, *group)));
    }
    (lists.values(), rows)
}
