//! Rows out of many batches as one column of values, in the order in which they are written. Pure.

use super::chunk::Column;
use super::value::{Decimals, Ints, Longs, NarrowDecimals, Texts, Values};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMillisecondType,
};
use hashbrown::HashMap;
use parquet::basic::{ConvertedType, Type};
use parquet::schema::types::ColumnDescriptor;

/// A column that [`chunk`](super::chunk) can encode.
pub(super) enum Gathered<'a> {
    Ints(Column<Ints>),
    Longs(Column<Longs>),
    NarrowDecimals(Column<NarrowDecimals>),
    Decimals(Column<Decimals>),
    Texts(Column<Texts<'a>>),
}

/// Whether [`gather`] knows a column of the type `wanted`, whose batches may have it packed.
pub(super) fn can_gather(wanted: &DataType, description: &ColumnDescriptor, parts: &[&ArrayRef]) -> bool {
    let all_are = |is: fn(&DataType) -> bool| parts.iter().all(|part| is(part.data_type()));
    match (wanted, description.physical_type()) {
        (DataType::Utf8, Type::BYTE_ARRAY) => all_are(|found| found == &DataType::Utf8),
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Date32, Type::INT32) => {
            parts.iter().all(|part| part.data_type() == wanted)
        }
        (DataType::Int64, Type::INT64) => all_are(|found| found == &DataType::Int64),
        (DataType::Timestamp(TimeUnit::Millisecond, _), Type::INT64) => {
            all_are(|found| matches!(found, DataType::Timestamp(TimeUnit::Millisecond, _)))
        }
        (DataType::Decimal128(_, _), Type::INT64) => all_are(|found| found == &DataType::Int64),
        (DataType::Decimal128(_, _), Type::FIXED_LEN_BYTE_ARRAY) => {
            all_are(|found| matches!(found, DataType::Int64 | DataType::Decimal128(_, _)))
        }
        _ => false,
    }
}

/// The rows, each as (batch, row), of a column that [`can_gather`] knows. `repeats`: whether equal texts are worth finding.
pub(super) fn gather<'a>(
    description: &ColumnDescriptor,
    parts: &[&'a ArrayRef],
    rows: &[(usize, usize)],
    repeats: bool,
) -> Option<Gathered<'a>> {
    let width = description.type_length() as usize;
    let is_long = |part: &&ArrayRef| part.data_type() == &DataType::Int64;
    match description.physical_type() {
        Type::BYTE_ARRAY => Some(Gathered::Texts(texts(parts, rows, repeats))),
        Type::INT32 => ints(parts, rows).map(Gathered::Ints),
        Type::INT64 => {
            let parts: Vec<Part<'a, i64>> = parts.iter().map(|part| longs(part)).collect::<Option<_>>()?;
            let as_differences = description.converted_type() != ConvertedType::DECIMAL;
            Some(Gathered::Longs(column(Longs { as_differences }, &parts, rows, |value| value)))
        }
        Type::FIXED_LEN_BYTE_ARRAY if parts.iter().all(is_long) => {
            let parts: Vec<Part<'a, i64>> = parts.iter().map(|part| longs(part)).collect::<Option<_>>()?;
            Some(Gathered::NarrowDecimals(column(NarrowDecimals { width }, &parts, rows, |value| value)))
        }
        Type::FIXED_LEN_BYTE_ARRAY => Some(Gathered::Decimals(decimals(Decimals { width }, parts, rows))),
        _ => None,
    }
}

/// A batch's values, and which of them are NULL.
type Part<'a, T> = (&'a [T], Option<&'a NullBuffer>);

fn longs(part: &ArrayRef) -> Option<Part<'_, i64>> {
    match part.data_type() {
        DataType::Int64 => Some((part.as_primitive::<Int64Type>().values(), part.nulls())),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Some((part.as_primitive::<TimestampMillisecondType>().values(), part.nulls()))
        }
        _ => None,
    }
}

fn ints(parts: &[&ArrayRef], rows: &[(usize, usize)]) -> Option<Column<Ints>> {
    match parts.first()?.data_type() {
        DataType::Int8 => ints_of::<Int8Type>(parts, rows),
        DataType::Int16 => ints_of::<Int16Type>(parts, rows),
        DataType::Int32 => ints_of::<Int32Type>(parts, rows),
        DataType::Date32 => ints_of::<Date32Type>(parts, rows),
        _ => None,
    }
}

fn ints_of<T>(parts: &[&ArrayRef], rows: &[(usize, usize)]) -> Option<Column<Ints>>
where
    T: ArrowPrimitiveType,
    i32: From<T::Native>,
{
    let parts = parts.iter().map(|part| part.as_primitive_opt::<T>());
    let parts = parts.map(|part| part.map(|part| (&**part.values(), part.nulls()))).collect::<Option<Vec<_>>>()?;
    Some(column(Ints, &parts, rows, i32::from))
}

/// `of` makes a value of what the batches hold.
fn column<V: Values, T: Copy>(
    kind: V,
    parts: &[Part<'_, T>],
    rows: &[(usize, usize)],
    of: impl Fn(T) -> V::Value,
) -> Column<V> {
    if parts.iter().all(|(_, nulls)| nulls.is_none()) {
        let values = rows.iter().map(|(part, row)| of(parts[*part].0[*row])).collect();
        return Column { kind, values, valid: None };
    }
    let mut values = Vec::with_capacity(rows.len());
    let valid = rows.iter().map(|(part, row)| {
        let (all, nulls) = parts[*part];
        let is_valid = nulls.is_none_or(|nulls| nulls.is_valid(*row));
        if is_valid {
            values.push(of(all[*row]));
        }
        is_valid
    });
    let valid = valid.collect();
    Column { kind, values, valid: Some(valid) }
}

/// Some batches have the column packed, others have not.
fn decimals(kind: Decimals, parts: &[&ArrayRef], rows: &[(usize, usize)]) -> Column<Decimals> {
    enum Either<'a> {
        Narrow(&'a [i64]),
        Wide(&'a [i128]),
    }
    let either: Vec<Either<'_>> = parts
        .iter()
        .map(|part| match part.data_type() {
            DataType::Int64 => Either::Narrow(part.as_primitive::<Int64Type>().values()),
            _ => Either::Wide(part.as_primitive::<Decimal128Type>().values()),
        })
        .collect();
    let value = |part: usize, row: usize| match either[part] {
        Either::Narrow(values) => i128::from(values[row]),
        Either::Wide(values) => values[row],
    };
    let is_valid = |part: usize, row: usize| parts[part].is_valid(row);
    if parts.iter().all(|part| part.null_count() == 0) {
        return Column { kind, values: rows.iter().map(|(part, row)| value(*part, *row)).collect(), valid: None };
    }
    let valid: Vec<bool> = rows.iter().map(|(part, row)| is_valid(*part, *row)).collect();
    let values = rows.iter().zip(&valid).filter(|(_, is_valid)| **is_valid).map(|((part, row), _)| value(*part, *row));
    Column { kind, values: values.collect(), valid: Some(valid) }
}

fn texts<'a>(parts: &[&'a ArrayRef], rows: &[(usize, usize)], repeats: bool) -> Column<Texts<'a>> {
    let texts: Vec<_> = parts.iter().map(|part| part.as_string::<i32>()).collect();
    let mut all: Vec<&'a str> = Vec::new();
    let mut numbers: HashMap<&'a str, u32> = HashMap::new();
    let (mut values, mut valid) = (Vec::with_capacity(rows.len()), Vec::new());
    let has_nulls = texts.iter().any(|part| part.null_count() > 0);
    let mut last: Option<(&str, u32)> = None;
    for (part, row) in rows {
        let part = texts[*part];
        if has_nulls {
            let is_valid = part.is_valid(*row);
            valid.push(is_valid);
            if !is_valid {
                continue;
            }
        }
        let text = part.value(*row);
        let number = match last {
            Some((same, number)) if same == text => number,
            _ if !repeats => {
                all.push(text);
                all.len() as u32 - 1
            }
            _ => *numbers.entry(text).or_insert_with(|| {
                all.push(text);
                all.len() as u32 - 1
            }),
        };
        last = Some((text, number));
        values.push(number);
    }
    Column { kind: Texts { all }, values, valid: has_nulls.then_some(valid) }
}
