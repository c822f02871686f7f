//! One column in the making. Unlike Arrow's builders it can take back its last rows, so that a bad record leaves none.

use super::shape::{Meaning, Shape};
use super::{DecodeError, UnknownFields, wrong_type};
use crate::flow::json::push_text;
use crate::types::UnsupportedType;
use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    ListArray, NullBufferBuilder, StringArray, StructArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use arrow::error::ArrowError;
use hoga_model::json::{Kind, Scanner};
use hoga_model::number::java::double_text;
use hoga_model::number::{NumberError, parse_bigint, parse_decimal};
use std::borrow::Cow;
use std::sync::Arc;

pub(super) struct Column {
    data_type: DataType,
    /// Counted here: it is looked at with every value.
    rows: usize,
    /// One for each row; no bits before the first NULL.
    valid: NullBufferBuilder,
    values: Values,
}

enum Values {
    Boolean(Vec<bool>),
    /// Every integer type, checked for its range when it is read.
    Integer(Vec<i64>),
    Double(Vec<f64>),
    Decimal {
        units: Vec<i128>,
        precision: u8,
        scale: u8,
    },
    Text {
        bytes: Vec<u8>,
        ends: Vec<i32>,
    },
    List {
        element: FieldRef,
        ends: Vec<i32>,
        column: Box<Column>,
    },
    Row {
        fields: Fields,
        shape: Shape,
        columns: Vec<Column>,
        /// Fields that `fields` has not, if anybody wants to know.
        unknown: Option<Box<UnknownFields>>,
    },
}

impl Column {
    /// `counts_unknown`: whether fields of rows that the type has not are counted.
    pub(super) fn new(data_type: &DataType, counts_unknown: bool) -> Result<Column, UnsupportedType> {
        let values = match data_type {
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Values::Integer(Vec::new()),
            DataType::Float32 | DataType::Float64 => Values::Double(Vec::new()),
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                Values::Decimal { units: Vec::new(), precision: *precision, scale: scale.unsigned_abs() }
            }
            DataType::Utf8 => Values::Text { bytes: Vec::new(), ends: Vec::new() },
            DataType::List(element) => Values::List {
                element: Arc::clone(element),
                ends: Vec::new(),
                column: Box::new(Column::new(element.data_type(), counts_unknown)?),
            },
            DataType::Struct(fields) => Values::Row {
                fields: fields.clone(),
                shape: Shape::of(fields.iter().map(|field| field.name())),
                columns: fields
                    .iter()
                    .map(|field| Column::new(field.data_type(), counts_unknown))
                    .collect::<Result<_, _>>()?,
                unknown: counts_unknown.then(Box::default),
            },
            other => {
                let name = crate::types::sql_name(other);
                return Err(UnsupportedType(format!("{name} as a JSON field")));
            }
        };
        Ok(Column { data_type: data_type.clone(), rows: 0, valid: NullBufferBuilder::new(0), values })
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    pub(super) fn push_null(&mut self) {
        self.rows += 1;
        self.valid.append_null();
        match &mut self.values {
            Values::Boolean(values) => values.push(false),
            Values::Integer(values) => values.push(0),
            Values::Double(values) => values.push(0.0),
            Values::Decimal { units, .. } => units.push(0),
            Values::Text { bytes, ends } => ends.push(bytes.len() as i32),
            Values::List { ends, column, .. } => ends.push(column.len() as i32),
            Values::Row { columns, .. } => columns.iter_mut().for_each(Column::push_null),
        }
    }

    /// Reads the next value of `json`, which is not null. On an error the column may hold a part of the row: truncate it.
    pub(super) fn push(&mut self, json: &mut Scanner<'_>, field: &str) -> Result<(), DecodeError> {
        let number_error = |reason: NumberError| DecodeError::Number { field: field.to_owned(), reason };
        match &mut self.values {
            Values::Decimal { units, precision, scale } => {
                units.push(match json.plain_decimal(*precision, *scale) {
                    Some(units) => units,
                    None => {
                        let token = number_token(json, field, &self.data_type)?;
                        parse_decimal(&token, *precision, *scale).map_err(number_error)?
                    }
                });
            }
            Values::Integer(values) => {
                let value = match json.plain_integer() {
                    Some(value) => value,
                    None => parse_bigint(&number_token(json, field, &self.data_type)?).map_err(number_error)?,
                };
                if !fits(value, &self.data_type) {
                    return Err(wrong_type(field, &self.data_type, &value.to_string()));
                }
                values.push(value);
            }
            Values::Double(values) => {
                let token = number_token(json, field, &self.data_type)?;
                values.push(token.parse().map_err(|_| number_error(NumberError::NotANumber(token.into_owned())))?);
            }
            Values::Text { bytes, ends } => {
                match json.peek()? {
                    Kind::String => bytes.extend_from_slice(json.string()?.as_bytes()),
                    Kind::Object | Kind::Array => {
                        let mut text = Vec::new();
                        push_compact(json, &mut text)?;
                        bytes.extend_from_slice(&text);
                    }
                    _ => bytes.extend_from_slice(json.skip()?.as_bytes()),
                }
                ends.push(
                    i32::try_from(bytes.len()).map_err(|_| wrong_type(field, &self.data_type, "over 2 GB of text"))?,
                );
            }
            Values::Boolean(values) => values.push(boolean(json, field, &self.data_type)?),
            Values::List { element, ends, column } => {
                if json.peek()? != Kind::Array {
                    return Err(wrong_type(field, &self.data_type, json.skip()?));
                }
                json.begin_array()?;
                while json.next_element()? {
                    column.push_or_null(json, field, element.is_nullable())?;
                }
                ends.push(column.len() as i32);
            }
            Values::Row { fields, shape, columns, unknown } => {
                if json.peek()? != Kind::Object {
                    return Err(wrong_type(field, &self.data_type, json.skip()?));
                }
                let row = self.rows;
                json.begin_object()?;
                let mut place = 0;
                while let Some(meaning) = shape.next(json, &mut place, |key| meaning_of(key, fields, unknown))? {
                    match meaning {
                        Meaning::Wanted(index) => {
                            columns[index].take_back(row);
                            columns[index].push_or_null(json, fields[index].name(), fields[index].is_nullable())?;
                        }
                        Meaning::Declared => {
                            json.skip()?;
                        }
                        Meaning::Unknown(listed) => {
                            let value = json.skip()?;
                            if let Some(unknown) = unknown.as_mut() {
                                unknown.note(listed, value);
                            }
                        }
                    }
                }
                for (column, field) in columns.iter_mut().zip(fields.iter()).filter(|(column, _)| column.len() == row) {
                    if !field.is_nullable() {
                        return Err(DecodeError::Null { field: field.name().clone() });
                    }
                    column.push_null();
                }
            }
        }
        self.rows += 1;
        self.valid.append_non_null();
        Ok(())
    }

    /// Forgets the row that was read last, if there are more than `rows`: of two equal keys the last one wins.
    #[inline]
    pub(super) fn take_back(&mut self, rows: usize) {
        if self.len() > rows {
            self.truncate(rows);
        }
    }

    /// Forgets every row from `rows` on, and what was read of a value that did not become one.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Integer(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Decimal { units, .. } => units.truncate(rows),
            Values::Text { bytes, ends } => {
                ends.truncate(rows);
                bytes.truncate(end_of(ends));
            }
            Values::List { ends, column, .. } => {
                ends.truncate(rows);
                column.truncate(end_of(ends));
            }
            Values::Row { columns, .. } => columns.iter_mut().for_each(|column| column.truncate(rows)),
        }
    }

    /// Moves the fields of rows that the type has not, with how often they came. `path` is the column's own.
    pub(super) fn take_unknown(&mut self, path: &str, into: &mut UnknownFields, is_known: &dyn Fn(&str) -> bool) {
        match &mut self.values {
            Values::List { column, .. } => column.take_unknown(&format!("{path}[]"), into, is_known),
            Values::Row { fields, columns, unknown, .. } => {
                if let Some(unknown) = unknown.as_mut().filter(|unknown| !unknown.is_empty()) {
                    unknown.move_into(into, |name| format!("{path}.{name}"), is_known);
                }
                for (column, field) in columns.iter_mut().zip(fields.iter()) {
                    column.take_unknown(&format!("{path}.{}", field.name()), into, is_known);
                }
            }
            _ => {}
        }
    }

    /// The rows as an array; the column is empty afterwards.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        let nulls = self.valid.finish().filter(|nulls| nulls.null_count() > 0);
        Ok(match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(take(values)), nulls)),
            Values::Integer(values) => integers(take(values), nulls, &self.data_type),
            Values::Double(values) => match self.data_type {
                DataType::Float32 => {
                    let values: Vec<f32> = take(values).into_iter().map(|value| value as f32).collect();
                    Arc::new(Float32Array::try_new(values.into(), nulls)?)
                }
                _ => Arc::new(Float64Array::try_new(take(values).into(), nulls)?),
            },
            Values::Decimal { units, precision, scale } => Arc::new(
                Decimal128Array::try_new(take(units).into(), nulls)?
                    .with_precision_and_scale(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))?,
            ),
            Values::Text { bytes, ends } => {
                let offsets = offsets(take(ends));
                // every piece was a &str, so the whole is UTF-8; try_new checks it once more, and that is cheap
                Arc::new(StringArray::try_new(offsets, Buffer::from_vec(take(bytes)), nulls)?)
            }
            Values::List { element, ends, column } => {
                let offsets = offsets(take(ends));
                Arc::new(ListArray::try_new(Arc::clone(element), offsets, column.finish()?, nulls)?)
            }
            Values::Row { fields, columns, .. } => {
                let arrays = columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, nulls, rows)?)
            }
        })
    }

    fn push_or_null(&mut self, json: &mut Scanner<'_>, field: &str, nullable: bool) -> Result<(), DecodeError> {
        if json.peek()? == Kind::Null {
            json.null()?;
            if !nullable {
                return Err(DecodeError::Null { field: field.to_owned() });
            }
            self.push_null();
            return Ok(());
        }
        self.push(json, field)
    }
}

/// Of a key of a ROW with these fields.
fn meaning_of(key: &str, fields: &Fields, unknown: &mut Option<Box<UnknownFields>>) -> Meaning {
    match (fields.find(key), unknown) {
        (Some((index, _)), _) => Meaning::Wanted(index),
        (None, Some(unknown)) => Meaning::Unknown(unknown.place_of(key)),
        (None, None) => Meaning::Declared,
    }
}

/// All values; as many will come again.
fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len());
    std::mem::replace(values, next)
}

/// A number, or the content of a string that may be one.
fn number_token<'a>(json: &mut Scanner<'a>, field: &str, expected: &DataType) -> Result<Cow<'a, str>, DecodeError> {
    match json.peek()? {
        Kind::Number => Ok(Cow::Borrowed(json.number()?)),
        Kind::String => Ok(match json.string()? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        }),
        _ => Err(wrong_type(field, expected, json.skip()?)),
    }
}

/// An object or an array written again as Jackson does: without blanks, what has a point or an exponent as a DOUBLE.
fn push_compact(json: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut is_first = true;
    let mut separate = |out: &mut Vec<u8>| {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
    };
    match json.peek()? {
        Kind::Object => {
            json.begin_object()?;
            out.push(b'{');
            while let Some(key) = json.next_key()? {
                separate(out);
                push_text(out, &key);
                out.push(b':');
                push_compact(json, out)?;
            }
            out.push(b'}');
        }
        Kind::Array => {
            json.begin_array()?;
            out.push(b'[');
            while json.next_element()? {
                separate(out);
                push_compact(json, out)?;
            }
            out.push(b']');
        }
        Kind::String => push_text(out, &json.string()?),
        Kind::Number => {
            let number = json.number()?;
            match number.parse::<f64>() {
                Ok(value) if number.contains(['.', 'e', 'E']) => out.extend_from_slice(double_text(value).as_bytes()),
                _ => out.extend_from_slice(number.as_bytes()),
            }
        }
        _ => out.extend_from_slice(json.skip()?.as_bytes()),
    }
    Ok(())
}

fn boolean(json: &mut Scanner<'_>, field: &str, expected: &DataType) -> Result<bool, DecodeError> {
    match json.peek()? {
        Kind::Bool => Ok(json.boolean()?),
        Kind::String => {
            let text = json.string()?;
            match text.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(wrong_type(field, expected, &text)),
            }
        }
        _ => Err(wrong_type(field, expected, json.skip()?)),
    }
}

fn fits(value: i64, data_type: &DataType) -> bool {
    match data_type {
        DataType::Int8 => i8::try_from(value).is_ok(),
        DataType::Int16 => i16::try_from(value).is_ok(),
        DataType::Int32 => i32::try_from(value).is_ok(),
        _ => true,
    }
}

fn integers(values: Vec<i64>, nulls: Option<NullBuffer>, data_type: &DataType) -> ArrayRef {
    // `fits` was asked for every value, so the casts keep them
    match data_type {
        DataType::Int8 => Arc::new(Int8Array::new(values.iter().map(|v| *v as i8).collect(), nulls)),
        DataType::Int16 => Arc::new(Int16Array::new(values.iter().map(|v| *v as i16).collect(), nulls)),
        DataType::Int32 => Arc::new(Int32Array::new(values.iter().map(|v| *v as i32).collect(), nulls)),
        _ => Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls)),
    }
}

fn end_of(ends: &[i32]) -> usize {
    ends.last().map_or(0, |end| *end as usize)
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}
