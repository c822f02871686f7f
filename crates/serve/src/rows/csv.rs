//! Rows as CSV. Numbers are written as they are, exactly; instants as `2026-11-27T00:00:00.123Z`.

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

pub(super) struct CsvWriter<W: Write> {
    out: W,
    line: String,
    cell: String,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the line of names.
    pub(super) fn new(out: W, schema: &Schema) -> Result<CsvWriter<W>, ArrowError> {
        let mut writer = CsvWriter { out, line: String::new(), cell: String::new() };
        for field in schema.fields() {
            writer.cell.clear();
            writer.cell.push_str(field.name());
            writer.end_cell();
        }
        writer.end_line();
        writer.send()?;
        Ok(writer)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let options = FormatOptions::default();
        let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let formatters = formatters.collect::<Result<Vec<_>, _>>()?;
        let nulls: Vec<_> = batch.columns().iter().map(|column| column.logical_nulls()).collect();
        for index in 0..batch.num_rows() {
            for (formatter, nulls) in formatters.iter().zip(&nulls) {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                    self.line.push(',');
                    continue;
                }
                self.cell = formatter.value(index).try_to_string()?;
                self.end_cell();
            }
            self.end_line();
        }
        self.send()
    }

    pub(super) fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    pub(super) fn into_inner(self) -> W {
        self.out
    }

    /// Quotation marks where a reader needs them, and around an empty text, which is not NULL.
    fn end_cell(&mut self) {
        if self.cell.is_empty() || self.cell.contains([',', '"', '\n', '\r']) {
            self.line.push('"');
            self.line.push_str(&self.cell.replace('"', "\"\""));
            self.line.push('"');
        } else {
            self.line.push_str(&self.cell);
        }
        self.line.push(',');
    }

    /// A comma too many is after the last cell.
    fn end_line(&mut self) {
        if self.line.ends_with(',') {
            self.line.pop();
        }
        self.line.push('\n');
    }

    fn send(&mut self) -> Result<(), ArrowError> {
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, StringArray, TimestampMillisecondArray};
    use arrow::datatypes::{DataType, Field, TimeUnit};

    use super::*;

    #[test]
    fn null_and_empty_differ_and_digits_stay() {
        let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let schema = Schema::new(vec![
            Field::new("a \"name\"", DataType::Utf8, true),
            Field::new("price", DataType::Decimal128(38, 16), true),
            Field::new("at", instant, true),
        ]);
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(StringArray::from(vec![Some("a,b\n\"c\""), Some(""), None])),
            Arc::new(
                Decimal128Array::from(vec![Some(12_345_678_901_234_567_890_123_456_789_012_345_678), Some(-1), None])
                    .with_precision_and_scale(38, 16)
                    .unwrap(),
            ),
            Arc::new(
                TimestampMillisecondArray::from(vec![Some(1_785_395_043_831), Some(0), None]).with_timezone("UTC"),
            ),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let mut writer = CsvWriter::new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let expected = "\"a \"\"name\"\"\",price,at\n\
             \"a,b\n\"\"c\"\"\",1234567890123456789012.3456789012345678,2026-07-30T07:04:03.831Z\n\
             \"\",-0.0000000000000001,1970-01-01T00:00:00Z\n,,\n";
        assert_eq!(String::from_utf8(writer.out).unwrap(), expected);
    }
}
