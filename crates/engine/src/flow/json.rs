//! Rows as JSON records, as Flink's `json` format writes them: the columns in order, NULLs and times as its options say.
//!
//! DECIMALs and DOUBLEs are spelled as Java spells them (`1E-8`, `1.0E7`), which is the default of Flink 2.0; DECIMALs
//! without trailing zeros then.

use crate::functions::convert::write_decimal;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow::error::ArrowError;
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use hoga_model::number::java::{double_text, float_text};
use hoga_sql::{JsonFormat, JsonTimestamps};
use std::io::Write;

const MS_PER_DAY: i64 = 86_400_000;

/// One row as an object.
pub(crate) fn push_row(
    out: &mut Vec<u8>,
    batch: &RecordBatch,
    row: usize,
    format: &JsonFormat,
) -> Result<(), ArrowError> {
    let schema = batch.schema_ref();
    let members = schema.fields().iter().map(|field| field.name().as_str()).zip(batch.columns());
    push_object(out, members, row, format)
}

fn push_object<'a>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (&'a str, &'a ArrayRef)>,
    row: usize,
    format: &JsonFormat,
) -> Result<(), ArrowError> {
    out.push(b'{');
    let members = members.filter(|(_, column)| !format.ignore_null_fields || column.is_valid(row));
    for (index, (name, column)) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_text(out, name);
        out.push(b':');
        push_value(out, column, row, format)?;
    }
    out.push(b'}');
    Ok(())
}

fn push_value(out: &mut Vec<u8>, column: &ArrayRef, row: usize, format: &JsonFormat) -> Result<(), ArrowError> {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    let written = match column.data_type() {
        DataType::Boolean => write!(out, "{}", column.as_boolean().value(row)),
        DataType::Int8 => write!(out, "{}", column.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => write!(out, "{}", column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(out, "{}", column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(out, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            out.extend_from_slice(java_number(float_text(value), value.is_finite()).as_bytes());
            Ok(())
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            out.extend_from_slice(java_number(double_text(value), value.is_finite()).as_bytes());
            Ok(())
        }
        DataType::Decimal128(_, scale) => {
            let units = column.as_primitive::<Decimal128Type>().value(row);
            let text = if format.plain_decimals && *scale >= 0 {
                let mut text = String::new();
                write_decimal(&mut text, units, usize::from(scale.unsigned_abs()));
                text
            } else {
                let (units, scale) = without_zeros(units, *scale);
                java_decimal(units, scale)
            };
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        DataType::Utf8 => {
            push_text(out, column.as_string::<i32>().value(row));
            Ok(())
        }
        DataType::Date32 => {
            let days = i64::from(column.as_primitive::<Date32Type>().value(row));
            let date = time_of(days * MS_PER_DAY * 1_000)?;
            write!(out, "\"{}\"", date.date())
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let micros = column.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000);
            push_time(out, micros, zone.is_some(), format.timestamps)?;
            Ok(())
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            {
                let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
                push_time(out, micros, zone.is_some(), format.timestamps)?
            };
            Ok(())
        }
        DataType::List(_) => {
            let elements = column.as_list::<i32>().value(row);
            out.push(b'[');
            for index in 0..elements.len() {
                if index > 0 {
                    out.push(b',');
                }
                push_value(out, &elements, index, format)?;
            }
            out.push(b']');
            Ok(())
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            push_object(out, fields.iter().map(|field| field.name().as_str()).zip(columns), row, format)?;
            Ok(())
        }
        other => return Err(ArrowError::NotYetImplemented(format!("{} as JSON", crate::types::sql_name(other)))),
    };
    written.map_err(|error| ArrowError::IoError("writing into memory".into(), error))
}

/// `yyyy-MM-dd HH:mm:ss`, or with a T between, then the fraction as far as it goes, then `Z` for an instant.
fn push_time(out: &mut Vec<u8>, micros: i64, is_instant: bool, form: JsonTimestamps) -> Result<(), ArrowError> {
    let between = if form == JsonTimestamps::Iso8601 { 'T' } else { ' ' };
    let time = time_of(micros)?;
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let mut text = format!("\"{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}");
    let fraction = micros.rem_euclid(1_000_000);
    if fraction > 0 {
        text.push('.');
        text.push_str(format!("{fraction:06}").trim_end_matches('0'));
    }
    if is_instant {
        text.push('Z');
    }
    text.push('"');
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn time_of(micros: i64) -> Result<NaiveDateTime, ArrowError> {
    let time = DateTime::from_timestamp_micros(micros);
    let out_of_range = || ArrowError::InvalidArgumentError(format!("a time out of range: {micros} µs"));
    time.map(|time| time.naive_utc()).ok_or_else(out_of_range)
}

/// Java's `BigDecimal.stripTrailingZeros`.
fn without_zeros(mut units: i128, mut scale: i8) -> (i128, i8) {
    if units == 0 {
        return (0, 0);
    }
    while units % 10 == 0 && scale > i8::MIN {
        units /= 10;
        scale -= 1;
    }
    (units, scale)
}

/// Java's `BigDecimal.toString`.
fn java_decimal(units: i128, scale: i8) -> String {
    let digits = units.unsigned_abs().to_string();
    let sign = if units < 0 { "-" } else { "" };
    let scale = i64::from(scale);
    let exponent = digits.len() as i64 - 1 - scale;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if scale > 0 && exponent >= -6 {
        let padded = format!("{digits:0>width$}", width = scale as usize + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale as usize);
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let plus = if exponent > 0 { "+" } else { "" };
    format!("{sign}{first}{point}{rest}E{plus}{exponent}")
}

/// What is no number is a string, as Jackson writes it.
fn java_number(text: String, is_finite: bool) -> String {
    if is_finite { text } else { format!("\"{text}\"") }
}

/// A string as Jackson escapes it.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float64Array, StringArray, TimestampMillisecondArray};
    use std::sync::Arc;

    #[test]
    fn a_row() {
        let columns: [(&str, ArrayRef); 5] = [
            ("market", Arc::new(StringArray::from(vec![Some("KRW-\"X\"\n"), None]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![1_785_395_043_830, 0]).with_timezone("UTC"))),
            ("plain", Arc::new(TimestampMillisecondArray::from(vec![1_785_395_043_000, -1]))),
            ("ratio", Arc::new(Float64Array::from(vec![0.1, 1e7]))),
            ("price", Arc::new(Decimal128Array::from(vec![1, 150]).with_precision_and_scale(20, 8).expect("a type"))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
        let batch = batch.expect("a batch");
        let text = |row| {
            let mut out = Vec::new();
            push_row(&mut out, &batch, row, &JsonFormat::default()).expect("JSON");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(
            text(0),
            r#"{"market":"KRW-\"X\"\n","at":"2026-07-30 07:04:03.83Z","plain":"2026-07-30 07:04:03","ratio":0.1,"price":1E-8}"#
        );
        assert_eq!(
            text(1),
            r#"{"market":null,"at":"1970-01-01 00:00:00Z","plain":"1969-12-31 23:59:59.999","ratio":1.0E7,"price":0.0000015}"#
        );
    }

    #[test]
    fn as_the_options_say() {
        let columns: [(&str, ArrayRef); 3] = [
            ("market", Arc::new(StringArray::from(vec![None::<&str>]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![1_785_395_043_830]).with_timezone("UTC"))),
            ("price", Arc::new(Decimal128Array::from(vec![15_000]).with_precision_and_scale(20, 2).expect("a type"))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
        let format = JsonFormat {
            timestamps: JsonTimestamps::Iso8601,
            plain_decimals: true,
            ignore_null_fields: true,
            ..JsonFormat::default()
        };
        let mut out = Vec::new();
        push_row(&mut out, &batch.expect("a batch"), 0, &format).expect("JSON");
        assert_eq!(String::from_utf8(out).expect("text"), r#"{"at":"2026-07-30T07:04:03.83Z","price":150.00}"#);
        assert_eq!(without_zeros(15_000, 2), (15, -1));
        assert_eq!(java_decimal(15, -1), "1.5E+2");
    }

    #[test]
    fn numbers_as_java_spells_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-12.5, "-12.5"),
            (0.001, "0.001"),
            (0.000_99, "9.9E-4"),
            (9_999_999.0, "9999999.0"),
            (12_345_678.9, "1.23456789E7"),
            (1e-10, "1.0E-10"),
            (123.0, "123.0"),
            (f64::NAN, "\"NaN\""),
        ] {
            assert_eq!(java_number(double_text(value), value.is_finite()), text);
        }
        for (units, scale, text) in [
            (0, 8, "0E-8"),
            (150_000_000, 8, "1.50000000"),
            (-5, 2, "-0.05"),
            (7, 0, "7"),
            (12, 9, "1.2E-8"),
            (5, -2, "5E+2"),
        ] {
            assert_eq!(java_decimal(units, scale), text);
        }
    }
}
