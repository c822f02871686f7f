//! Columns of the tail at half their size: decimals whose values fit 64 bits are kept in 64 bits. Pure.
//!
//! Prices and volumes are DECIMAL(20, 8) and wider, 16 bytes a value, since some market may need it; hardly any value does.
//! An order book of 30 levels is 120 of them, and books are most of what waits for a commit.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions,
    StructArray,
};
use arrow::compute::{FilterBuilder, concat, interleave};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, SchemaRef};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Rows of a table whose columns are packed where that is possible.
#[derive(Debug)]
pub(crate) struct PackedBatch {
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl PackedBatch {
    pub(crate) fn of(batch: &RecordBatch) -> Result<PackedBatch, ArrowError> {
        let columns = batch.columns().iter().map(pack).collect::<Result<_, _>>()?;
        Ok(PackedBatch { columns, rows: batch.num_rows() })
    }

    pub(crate) fn num_rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.get_array_memory_size()).sum()
    }

    /// One column as it is kept: in the table's type or in a smaller one.
    pub(crate) fn packed_column(&self, index: usize) -> Option<&ArrayRef> {
        self.columns.get(index)
    }

    /// One column, in the table's type.
    pub(crate) fn column(&self, index: usize, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        match self.columns.get(index) {
            Some(column) => unpack(column, data_type),
            None => Err(ArrowError::SchemaError(format!("the tail has no column {index}"))),
        }
    }

    /// The same rows with other columns in front of theirs.
    pub(crate) fn behind(&self, columns: impl IntoIterator<Item = ArrayRef>) -> PackedBatch {
        PackedBatch { columns: columns.into_iter().chain(self.columns.iter().cloned()).collect(), rows: self.rows }
    }

    /// These columns alone.
    pub(crate) fn project(&self, columns: &[usize]) -> PackedBatch {
        let columns = columns.iter().filter_map(|column| self.columns.get(*column)).cloned();
        PackedBatch { columns: columns.collect(), rows: self.rows }
    }

    /// The rows that a mask keeps.
    pub(crate) fn filter(&self, mask: &BooleanArray) -> Result<PackedBatch, ArrowError> {
        let mask = FilterBuilder::new(mask).optimize().build();
        let columns = self.columns.iter().map(|column| mask.filter(column)).collect::<Result<_, _>>()?;
        Ok(PackedBatch { columns, rows: mask.count() })
    }

    /// All rows and columns, in the table's types.
    pub(crate) fn unpacked(&self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let columns = schema.fields().iter().enumerate().map(|(index, field)| self.column(index, field.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_, _>>()?, &options)
    }

    /// All rows of several batches, in their order.
    pub(crate) fn concat(schema: &SchemaRef, batches: &[&PackedBatch]) -> Result<PackedBatch, ArrowError> {
        let rows = batches.iter().map(|batch| batch.rows).sum();
        PackedBatch::joined(schema, batches, rows, |parts| concat(parts))
    }

    /// Chosen rows of several batches, each as (batch, row).
    pub(crate) fn interleave(
        schema: &SchemaRef,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
    ) -> Result<PackedBatch, ArrowError> {
        PackedBatch::joined(schema, batches, rows.len(), |parts| interleave(parts, rows))
    }

    /// A column that is not packed in all of the batches is unpacked before it is joined, and packed again if it can be.
    fn joined(
        schema: &SchemaRef,
        batches: &[&PackedBatch],
        rows: usize,
        join: impl Fn(&[&dyn Array]) -> Result<ArrayRef, ArrowError>,
    ) -> Result<PackedBatch, ArrowError> {
        let column = |index: usize, wanted: &DataType| {
            let parts: Vec<&dyn Array> =
                batches.iter().filter_map(|batch| batch.columns.get(index)).map(AsRef::as_ref).collect();
            if parts.windows(2).all(|pair| pair[0].data_type() == pair[1].data_type()) {
                return join(&parts);
            }
            let parts = batches.iter().map(|batch| batch.column(index, wanted)).collect::<Result<Vec<_>, _>>()?;
            pack(&join(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
        };
        let columns = schema.fields().iter().enumerate().map(|(index, field)| column(index, field.data_type()));
        Ok(PackedBatch { columns: columns.collect::<Result<_, _>>()?, rows })
    }
}

/// The column with its decimals in 64 bits, where all of them fit; otherwise as it is.
fn pack(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Decimal128(_, _) => Ok(pack_decimals(column.as_primitive()).unwrap_or_else(|| column.clone())),
        DataType::List(element) => {
            let list = column.as_list::<i32>();
            let values = pack(list.values())?;
            if values.data_type() == element.data_type() {
                return Ok(column.clone());
            }
            let element = Arc::new(Field::clone(element).with_data_type(values.data_type().clone()));
            Ok(Arc::new(ListArray::try_new(element, list.offsets().clone(), values, list.nulls().cloned())?))
        }
        DataType::Struct(fields) => {
            let row = column.as_struct();
            let columns = row.columns().iter().map(pack).collect::<Result<Vec<_>, _>>()?;
            with_columns(row, fields, columns)
        }
        _ => Ok(column.clone()),
    }
}

/// The column as it was, in its own type again.
fn unpack(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    match (column.data_type(), wanted) {
        (found, wanted) if found == wanted => Ok(column.clone()),
        (DataType::Int64, DataType::Decimal128(precision, scale)) => {
            let packed = column.as_primitive::<Int64Type>();
            let values = packed.values().iter().map(|value| i128::from(*value)).collect();
            let decimals = Decimal128Array::try_new(values, packed.nulls().cloned())?;
            Ok(Arc::new(decimals.with_precision_and_scale(*precision, *scale)?))
        }
        (DataType::List(_), DataType::List(element)) => {
            let list = column.as_list::<i32>();
            let values = unpack(list.values(), element.data_type())?;
            Ok(Arc::new(ListArray::try_new(element.clone(), list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let row = column.as_struct();
            let columns = row.columns().iter().zip(fields).map(|(column, field)| unpack(column, field.data_type()));
            with_columns(row, fields, columns.collect::<Result<Vec<_>, _>>()?)
        }
        (found, wanted) => Err(ArrowError::CastError(format!("{found} is not a packed {wanted}"))),
    }
}

/// None if a value needs more than 64 bits.
fn pack_decimals(decimals: &Decimal128Array) -> Option<ArrayRef> {
    let fits = |value: &i128| i64::try_from(*value).is_ok();
    if decimals.values().iter().all(fits) {
        let values = decimals.values().iter().map(|value| *value as i64).collect();
        return Some(Arc::new(Int64Array::new(values, decimals.nulls().cloned())));
    }
    // what stands under a NULL does not count
    let values = decimals.iter().map(|value| value.map(i64::try_from).transpose().ok()).collect::<Option<Vec<_>>>()?;
    Some(Arc::new(Int64Array::from(values)))
}

fn with_columns(row: &StructArray, fields: &Fields, columns: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    let field = |(field, column): (&Arc<Field>, &ArrayRef)| {
        if field.data_type() == column.data_type() {
            return field.clone();
        }
        Arc::new(Field::clone(field).with_data_type(column.data_type().clone()))
    };
    let fields: Fields = fields.iter().zip(&columns).map(field).collect();
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len())?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use arrow::array::{StringArray, new_null_array};
    use arrow::datatypes::DECIMAL128_MAX_PRECISION;

    fn decimals(values: Vec<Option<i128>>) -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(DECIMAL128_MAX_PRECISION, 8).unwrap())
    }

    fn book(prices: ArrayRef) -> ArrayRef {
        let price = Field::new("price", prices.data_type().clone(), true);
        let nulls = Some(vec![true; prices.len() - 1].into_iter().chain([false]).collect::<Vec<_>>().into());
        let rows: ArrayRef = Arc::new(StructArray::try_new(vec![price].into(), vec![prices], nulls).unwrap());
        let element = Arc::new(Field::new("element", rows.data_type().clone(), true));
        Arc::new(
            ListArray::try_new(element, arrow::buffer::OffsetBuffer::from_lengths([2, 0, rows.len() - 2]), rows, None)
                .unwrap(),
        )
    }

    #[track_caller]
    fn comes_back(column: &ArrayRef, is_smaller: bool) {
        let packed = pack(column).unwrap();
        assert_eq!(packed.data_type() != column.data_type(), is_smaller, "{:?}", packed.data_type());
        assert_eq!(&unpack(&packed, column.data_type()).unwrap(), column);
    }

    #[test]
    fn what_fits_is_packed_and_everything_comes_back() {
        let small = vec![Some(0), None, Some(-1), Some(i128::from(i64::MAX)), Some(i128::from(i64::MIN)), Some(7)];
        let large = small.iter().copied().chain([Some(i128::from(i64::MAX) + 1)]).collect::<Vec<_>>();
        comes_back(&decimals(small.clone()), true);
        comes_back(&decimals(large.clone()), false);
        comes_back(&book(decimals(small)), true);
        comes_back(&book(decimals(large)), false);
        comes_back(&decimals(Vec::new()), true);
        comes_back(&(Arc::new(StringArray::from(vec!["a"])) as ArrayRef), false);
        comes_back(&new_null_array(&DataType::Decimal128(20, 8), 3), true);
    }

    #[test]
    fn what_stands_under_a_null_does_not_count() {
        let values = vec![1, i128::MAX, 3];
        let column = Decimal128Array::new(values.into(), Some(vec![true, false, true].into()));
        let column: ArrayRef = Arc::new(column.with_precision_and_scale(20, 8).unwrap());
        comes_back(&column, true);
    }

    #[test]
    fn a_column_of_another_type_is_refused() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        assert!(unpack(&text, &DataType::Decimal128(20, 8)).is_err());
    }
}
