//! Rows of a batch as `DataRow` messages, text or binary, exact. Pure.
//!
//! Each column becomes one [`Writer`] per batch, so that the type is looked at once and not once per value.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::*;
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;

use super::civil::{self, Zone};
use super::failure::Failure;
use super::json;
use super::numeric::Digits;
use super::types::{canonical, pg_type};

/// Writes the value of one row, which is not NULL.
pub(super) type Writer = Box<dyn Fn(usize, &mut BytesMut) + Send + Sync>;

/// Bytes a buffer of rows starts with; one allocation then serves many rows.
const ROW_BUFFER_BYTES: usize = 8 * 1024;

/// The rows of one batch.
pub(super) struct BatchRows {
    columns: Vec<(ArrayRef, Writer)>,
    next: usize,
    rows: usize,
    buffer: BytesMut,
}

impl BatchRows {
    pub(super) fn new(batch: &RecordBatch, fields: &[FieldInfo], zone: &Zone) -> Result<BatchRows, Failure> {
        if batch.num_columns() != fields.len() {
            return Err(Failure::internal("the result has another number of columns than was described"));
        }
        let columns = batch
            .columns()
            .iter()
            .zip(fields)
            .map(|(array, field)| {
                let array = to_canonical(array)?;
                let writer = match field.format() {
                    FieldFormat::Text => text_writer(&array, zone)?,
                    FieldFormat::Binary => binary_writer(&array)?,
                };
                Ok((array, writer))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(BatchRows { columns, next: 0, rows: batch.num_rows(), buffer: BytesMut::with_capacity(ROW_BUFFER_BYTES) })
    }
}

impl Iterator for BatchRows {
    type Item = PgWireResult<DataRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.rows {
            return None;
        }
        let row = self.next;
        self.next += 1;
        for (array, writer) in &self.columns {
            write_sized(array, writer, row, &mut self.buffer);
        }
        Some(Ok(DataRow::new(self.buffer.split(), self.columns.len() as i16)))
    }
}

/// A value with its length before it; NULL is the length -1.
fn write_sized(array: &ArrayRef, writer: &Writer, row: usize, out: &mut BytesMut) {
    let start = out.len();
    out.put_i32(-1);
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return;
    }
    writer(row, out);
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn to_canonical(array: &ArrayRef) -> Result<ArrayRef, Failure> {
    let target = canonical(array.data_type());
    if &target == array.data_type() {
        return Ok(Arc::clone(array));
    }
    cast(array, &target).map_err(|error| Failure::from(datafusion::error::DataFusionError::from(error)))
}

macro_rules! displayed {
    ($array:expr, $type:ty) => {{
        let values = $array.as_primitive::<$type>().clone();
        Box::new(move |row: usize, out: &mut BytesMut| display(out, format_args!("{}", values.value(row)))) as Writer
    }};
}

macro_rules! fixed {
    ($array:expr, $type:ty, $put:ident) => {{
        let values = $array.as_primitive::<$type>().clone();
        Box::new(move |row: usize, out: &mut BytesMut| out.$put(values.value(row))) as Writer
    }};
}

/// Text as PostgreSQL prints it with `DateStyle = ISO`, `IntervalStyle = postgres`, `bytea_output = hex`.
pub(super) fn text_writer(array: &ArrayRef, zone: &Zone) -> Result<Writer, Failure> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, _| ()),
        DataType::Boolean => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| out.put_u8(if values.value(row) { b't' } else { b'f' }))
        }
        DataType::Int16 => displayed!(array, Int16Type),
        DataType::Int32 => displayed!(array, Int32Type),
        DataType::Int64 => displayed!(array, Int64Type),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().clone();
            Box::new(move |row, out| write_float(values.value(row), out))
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().clone();
            Box::new(move |row, out| write_float(values.value(row), out))
        }
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal128Type>().clone(), *scale);
            Box::new(move |row, out| Digits::of_i128(values.value(row), scale).write_text(out))
        }
        DataType::Decimal256(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal256Type>().clone(), *scale);
            Box::new(move |row, out| Digits::of_i256(values.value(row), scale).write_text(out))
        }
        DataType::Utf8 | DataType::Utf8View => string_writer(array),
        DataType::Binary => {
            let values = array.as_binary::<i32>().clone();
            Box::new(move |row, out| {
                out.put_slice(b"\\x");
                values.value(row).iter().for_each(|byte| display(out, format_args!("{byte:02x}")));
            })
        }
        DataType::Date32 => {
            let values = array.as_primitive::<Date32Type>().clone();
            Box::new(move |row, out| civil::write_date(i64::from(values.value(row)), out))
        }
        DataType::Time64(_) => {
            let values = array.as_primitive::<Time64MicrosecondType>().clone();
            Box::new(move |row, out| civil::write_time(values.value(row), out))
        }
        DataType::Timestamp(_, with_zone) => {
            let values = array.as_primitive::<TimestampMicrosecondType>().clone();
            let zone = with_zone.is_some().then(|| zone.clone());
            Box::new(move |row, out| civil::write_timestamp(values.value(row), zone.as_ref(), out))
        }
        DataType::Interval(_) => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>().clone();
            Box::new(move |row, out| {
                let IntervalMonthDayNano { months, days, nanoseconds } = values.value(row);
                civil::write_interval(months, days, nanoseconds / 1_000, out);
            })
        }
        DataType::List(_) if pg_type(array.data_type())? != pgwire::api::Type::JSON => text_array_writer(array, zone)?,
        DataType::List(_) | DataType::Struct(_) | DataType::Map(..) => json::writer(array)?,
        other => return Err(Failure::not_supported(format!("a column of type {other} cannot be sent"))),
    })
}

fn binary_writer(array: &ArrayRef) -> Result<Writer, Failure> {
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| out.put_u8(u8::from(values.value(row))))
        }
        DataType::Int16 => fixed!(array, Int16Type, put_i16),
        DataType::Int32 => fixed!(array, Int32Type, put_i32),
        DataType::Int64 => fixed!(array, Int64Type, put_i64),
        DataType::Float32 => fixed!(array, Float32Type, put_f32),
        DataType::Float64 => fixed!(array, Float64Type, put_f64),
        DataType::Time64(_) => fixed!(array, Time64MicrosecondType, put_i64),
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal128Type>().clone(), *scale);
            Box::new(move |row, out| Digits::of_i128(values.value(row), scale).write_binary(out))
        }
        DataType::Decimal256(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal256Type>().clone(), *scale);
            Box::new(move |row, out| Digits::of_i256(values.value(row), scale).write_binary(out))
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>().clone();
            Box::new(move |row, out| out.put_slice(values.value(row)))
        }
        DataType::Date32 => {
            let values = array.as_primitive::<Date32Type>().clone();
            Box::new(move |row, out| out.put_i32(values.value(row).saturating_sub(civil::PG_EPOCH_DAYS as i32)))
        }
        DataType::Timestamp(..) => {
            let values = array.as_primitive::<TimestampMicrosecondType>().clone();
            Box::new(move |row, out| out.put_i64(values.value(row).saturating_sub(civil::PG_EPOCH_US)))
        }
        DataType::Interval(_) => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>().clone();
            Box::new(move |row, out| {
                let IntervalMonthDayNano { months, days, nanoseconds } = values.value(row);
                out.put_i64(nanoseconds / 1_000);
                out.put_i32(days);
                out.put_i32(months);
            })
        }
        DataType::List(_) if pg_type(array.data_type())? != pgwire::api::Type::JSON => binary_array_writer(array)?,
        // text, and json, are the same in both formats
        _ => text_writer(array, &Zone::Utc)?,
    })
}

fn string_writer(array: &ArrayRef) -> Writer {
    if let Some(values) = array.as_string_view_opt() {
        let values = values.clone();
        return Box::new(move |row, out| out.put_slice(values.value(row).as_bytes()));
    }
    let values = array.as_string::<i32>().clone();
    Box::new(move |row, out| out.put_slice(values.value(row).as_bytes()))
}

/// `{a,b,NULL}`, quoted where PostgreSQL quotes.
fn text_array_writer(array: &ArrayRef, zone: &Zone) -> Result<Writer, Failure> {
    let list = array.as_list::<i32>().clone();
    let elements = Arc::clone(list.values());
    let writer = text_writer(&elements, zone)?;
    Ok(Box::new(move |row, out| {
        let offsets = list.value_offsets();
        let mut element = BytesMut::new();
        out.put_u8(b'{');
        for (count, index) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            if elements.is_null(index) || elements.data_type() == &DataType::Null {
                out.put_slice(b"NULL");
                continue;
            }
            element.clear();
            writer(index, &mut element);
            write_array_element(&element, out);
        }
        out.put_u8(b'}');
    }))
}

fn write_array_element(element: &[u8], out: &mut BytesMut) {
    let special = |b: &u8| matches!(b, b'"' | b'\\' | b'{' | b'}' | b',') || b.is_ascii_whitespace();
    if !element.is_empty() && !element.iter().any(special) && !element.eq_ignore_ascii_case(b"null") {
        out.put_slice(element);
        return;
    }
    out.put_u8(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// `array_send`: dimensions, whether there are NULLs, the type of the elements, then each with its length.
fn binary_array_writer(array: &ArrayRef) -> Result<Writer, Failure> {
    let list = array.as_list::<i32>().clone();
    let elements = Arc::clone(list.values());
    let element_type = pg_type(elements.data_type())?;
    let writer = match elements.data_type() {
        DataType::Null => text_writer(&elements, &Zone::Utc)?,
        _ => binary_writer(&elements)?,
    };
    Ok(Box::new(move |row, out| {
        let offsets = list.value_offsets();
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        out.put_i32(i32::from(!range.is_empty()));
        out.put_i32(i32::from(range.clone().any(|index| elements.is_null(index))));
        out.put_u32(element_type.oid());
        if range.is_empty() {
            return;
        }
        out.put_i32(range.len() as i32);
        out.put_i32(1);
        for index in range {
            write_sized(&elements, &writer, index, out);
        }
    }))
}

/// The shortest text that reads back as the same float, with an exponent where PostgreSQL would use one.
fn write_float<F: Into<f64> + Copy + std::fmt::Display + std::fmt::LowerExp>(value: F, out: &mut BytesMut) {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return out.put_slice(b"NaN");
    }
    if wide.is_infinite() {
        return out.put_slice(if wide > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
    if wide == 0.0 || (1e-4..1e15).contains(&wide.abs()) {
        return display(out, format_args!("{value}"));
    }
    // Rust writes 1e20 and 1e-7 where C writes 1e+20 and 1e-07
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    display(out, format_args!("{mantissa}e{sign}{digits:0>2}"));
}

fn display(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    // writing to memory does not fail
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests;
