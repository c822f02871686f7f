//! Rows as JSON records again: every column a field, NULLs left out, times as milliseconds, numbers as they are.
//!
//! In: batches whose columns have the fields' names. Out: keys, times, values. Not here: which columns those are, where they go.

use crate::flow::json::push_row;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use arrow::error::ArrowError;
use hoga_sql::JsonFormat;
use std::sync::Arc;

/// A row as a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRecord {
    pub key: String,
    pub at_ms: i64,
    pub value: Vec<u8>,
}

/// `key` names the text column that is the key as well, `at` the one of the record's time, which is no field. Rows without one of
/// them are none.
///
/// # Errors
/// A column is missing or has a type that JSON does not.
pub fn records_of(batch: &RecordBatch, key: &str, at: &str) -> Result<Vec<RowRecord>, ArrowError> {
    let times =
        cast(batch.column(batch.schema_ref().index_of(at)?), &DataType::Timestamp(TimeUnit::Millisecond, None))?;
    let times = cast(&times, &DataType::Int64)?;
    let times = times.as_primitive::<Int64Type>();
    let keys = cast(batch.column(batch.schema_ref().index_of(key)?), &DataType::Utf8)?;
    let keys = keys.as_string::<i32>();
    let fields = fields_of(batch, at)?;
    let format = JsonFormat { plain_decimals: true, ignore_null_fields: true, ..JsonFormat::default() };
    let mut records = Vec::with_capacity(batch.num_rows());
    for row in (0..batch.num_rows()).filter(|row| times.is_valid(*row) && keys.is_valid(*row)) {
        let mut value = Vec::new();
        push_row(&mut value, &fields, row, &format)?;
        records.push(RowRecord { key: keys.value(row).to_owned(), at_ms: times.value(row), value });
    }
    Ok(records)
}

/// The first column as numbers; NULLs are left out.
pub fn bigints_of(batch: &RecordBatch) -> Result<Vec<i64>, ArrowError> {
    let numbers = cast(batch.column(0), &DataType::Int64)?;
    Ok(numbers.as_primitive::<Int64Type>().iter().flatten().collect())
}

/// All columns but `without`, times as numbers.
fn fields_of(batch: &RecordBatch, without: &str) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    let named = batch.schema_ref().fields().iter().zip(batch.columns());
    for (field, column) in named.filter(|(field, _)| field.name() != without) {
        let column = match field.data_type() {
            DataType::Timestamp(_, zone) => {
                let in_ms = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
                cast(&in_ms, &DataType::Int64)?
            }
            DataType::Utf8View | DataType::LargeUtf8 => cast(column, &DataType::Utf8)?,
            _ => Arc::clone(column),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        ArrayRef, Decimal128Array, Float64Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    };

    #[test]
    fn a_row_is_the_record_it_was() {
        let price =
            Decimal128Array::from(vec![15_820_000_000_000_000, 1]).with_precision_and_scale(20, 8).expect("a type");
        let columns: [(&str, ArrayRef); 6] = [
            ("type", Arc::new(StringArray::from(vec!["trade", "trade"]))),
            ("code", Arc::new(StringArray::from(vec!["KRW-BTC", "KRW-ETH"]))),
            ("trade_price", Arc::new(price)),
            ("change_rate", Arc::new(Float64Array::from(vec![Some(0.0045660377), None]))),
            (
                "timestamp",
                Arc::new(TimestampMicrosecondArray::from(vec![1_785_395_043_831_000, 0]).with_timezone("UTC")),
            ),
            ("received", Arc::new(TimestampMillisecondArray::from(vec![Some(7), None]).with_timezone("UTC"))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let records = records_of(&batch, "code", "received").expect("records");
        assert_eq!(records.len(), 1, "a row without a time of receipt is none");
        assert_eq!((records[0].key.as_str(), records[0].at_ms), ("KRW-BTC", 7));
        let text = String::from_utf8(records[0].value.clone()).expect("text");
        let expected = r#"{"type":"trade","code":"KRW-BTC","trade_price":158200000.00000000,"change_rate":0.0045660377,"timestamp":1785395043831}"#;
        assert_eq!(text, expected);
        assert!(records_of(&batch, "market", "received").is_err());
    }
}
