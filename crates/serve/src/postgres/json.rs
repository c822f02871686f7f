//! Nested values (ROW, ARRAY<ROW>, MAP) as JSON text. Pure.
//!
//! Decimals are JSON numbers with all their digits: a reader that keeps number tokens loses nothing.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::*;

use super::civil::{self, Zone};
use super::encode::{Writer, text_writer};
use super::failure::Failure;
use super::numeric::Digits;
use super::types::canonical;

pub(super) fn writer(array: &ArrayRef) -> Result<Writer, Failure> {
    let target = canonical(array.data_type());
    let array = &match &target == array.data_type() {
        true => Arc::clone(array),
        false => datafusion::arrow::compute::cast(array, &target)
            .map_err(|error| Failure::from(datafusion::error::DataFusionError::from(error)))?,
    };
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| out.put_slice(if values.value(row) { b"true" } else { b"false" }))
        }
        DataType::Int16 | DataType::Int32 | DataType::Int64 => text_writer(array, &Zone::Utc)?,
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal128Type>().clone(), *scale);
            Box::new(move |row, out| Digits::of_i128(values.value(row), scale).write_shortest(out))
        }
        DataType::Decimal256(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal256Type>().clone(), *scale);
            Box::new(move |row, out| Digits::of_i256(values.value(row), scale).write_shortest(out))
        }
        DataType::Timestamp(_, zone) => {
            let (values, with_zone) = (array.as_primitive::<TimestampMicrosecondType>().clone(), zone.is_some());
            Box::new(move |row, out| {
                out.put_u8(b'"');
                civil::write_json_timestamp(values.value(row), with_zone, out);
                out.put_u8(b'"');
            })
        }
        DataType::Struct(_) => object_writer(array)?,
        DataType::List(_) => list_writer(array)?,
        DataType::Map(..) => map_writer(array)?,
        DataType::Float32 | DataType::Float64 => {
            let text = text_writer(array, &Zone::Utc)?;
            Box::new(move |row, out| {
                let start = out.len();
                text(row, out);
                // NaN and Infinity are no JSON numbers
                if out[start..].iter().any(|b| matches!(b, b'N' | b'I')) {
                    let word = out.split_off(start);
                    write_string(&word, out);
                }
            })
        }
        _ => {
            let text = text_writer(array, &Zone::Utc)?;
            Box::new(move |row, out| {
                let start = out.len();
                text(row, out);
                let value = out.split_off(start);
                write_string(&value, out);
            })
        }
    })
}

fn object_writer(array: &ArrayRef) -> Result<Writer, Failure> {
    let object = array.as_struct();
    let members = object
        .fields()
        .iter()
        .zip(object.columns())
        .map(|(field, column)| {
            let mut name = BytesMut::new();
            write_string(field.name().as_bytes(), &mut name);
            Ok((name.freeze(), Arc::clone(column), writer(column)?))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(Box::new(move |row, out| {
        out.put_u8(b'{');
        for (count, (name, column, writer)) in members.iter().enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            out.put_slice(name);
            out.put_u8(b':');
            write_or_null(column, writer, row, out);
        }
        out.put_u8(b'}');
    }))
}

fn list_writer(array: &ArrayRef) -> Result<Writer, Failure> {
    let list = array.as_list::<i32>().clone();
    let elements = Arc::clone(list.values());
    let element = writer(&elements)?;
    Ok(Box::new(move |row, out| {
        let offsets = list.value_offsets();
        out.put_u8(b'[');
        for (count, index) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            write_or_null(&elements, &element, index, out);
        }
        out.put_u8(b']');
    }))
}

fn map_writer(array: &ArrayRef) -> Result<Writer, Failure> {
    let map = array.as_map().clone();
    let (keys, values) = (Arc::clone(map.keys()), Arc::clone(map.values()));
    let key = text_writer(&keys, &Zone::Utc)?;
    let value = writer(&values)?;
    Ok(Box::new(move |row, out| {
        let offsets = map.value_offsets();
        out.put_u8(b'{');
        for (count, index) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            let mut name = BytesMut::new();
            key(index, &mut name);
            write_string(&name, out);
            out.put_u8(b':');
            write_or_null(&values, &value, index, out);
        }
        out.put_u8(b'}');
    }))
}

fn write_or_null(array: &ArrayRef, writer: &Writer, row: usize, out: &mut BytesMut) {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        out.put_slice(b"null");
    } else {
        writer(row, out);
    }
}

fn write_string(text: &[u8], out: &mut BytesMut) {
    // every text of ours is UTF-8, and a string is always JSON
    let quoted = serde_json::to_string(&String::from_utf8_lossy(text)).unwrap_or_default();
    out.put_slice(quoted.as_bytes());
}
