//! CAST as Flink computes it, value by value.
//!
//! Source: Flink 2.0, CastRuleProvider's rules. Integers wrap and decimals are cut as Java's casts do; a DECIMAL that does not
//! fit is NULL, and where a CAST is written out it fails here; a text that is no number or no time fails.

mod decimal;

pub(crate) use decimal::write_decimal;

use super::number_text::{parse_double, parse_long};
use super::time_text::{parse_date, parse_timestamp_us, write_date, write_timestamp};
use super::zone::ZoneClock;
use crate::types::UTC;
use arrow::array::timezone::Tz;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Date32Array, Int64Array, ListArray, PrimitiveArray,
    StringArray, StringBuilder, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};
use datafusion::common::{Result, exec_err, internal_err};
use decimal::{decimal_doubles, to_decimal};
use hoga_model::number::java::{double_text, float_text};
use hoga_sql::DataType;
use std::fmt::Write;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;

/// From which type to which, and how.
#[derive(Debug, Clone)]
pub(crate) struct Conversion {
    pub(crate) from: DataType,
    pub(crate) to: DataType,
    /// TIMESTAMP_LTZ is shown and read in it.
    pub(crate) zone: Tz,
    /// What fails is NULL.
    pub(crate) is_try: bool,
    /// An exact number that is too large for a DECIMAL fails instead of being NULL, as in Flink: a written CAST.
    pub(crate) is_strict: bool,
}

impl Conversion {
    fn inner(&self, from: &DataType, to: &DataType) -> Conversion {
        Conversion { from: from.clone(), to: to.clone(), ..self.clone() }
    }

    /// A failed value: NULL for TRY_CAST, else the reason.
    fn failed<T>(&self, value: &str) -> Result<Option<T>> {
        if self.is_try {
            return Ok(None);
        }
        exec_err!("'{value}' is no {}", self.to)
    }

    /// An exact number that may not fit into a DECIMAL.
    fn exact(&self, value: Option<i128>, given: impl Fn() -> String) -> Result<Option<i128>> {
        if value.is_none() && self.is_strict {
            return exec_err!("'{}' does not fit into {}", given(), self.to);
        }
        Ok(value)
    }
}

pub(crate) fn convert(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    if conversion.from == conversion.to {
        return Ok(Arc::clone(array));
    }
    match &conversion.to {
        DataType::Boolean => to_boolean(array, conversion),
        DataType::TinyInt => Ok(integers(array, conversion)?.unary::<_, Int8Type>(|value| value as i8).into_ref()),
        DataType::SmallInt => Ok(integers(array, conversion)?.unary::<_, Int16Type>(|value| value as i16).into_ref()),
        DataType::Int => Ok(integers(array, conversion)?.unary::<_, Int32Type>(|value| value as i32).into_ref()),
        DataType::BigInt => Ok(Arc::new(integers(array, conversion)?)),
        DataType::Float => to_float(array, conversion),
        DataType::Double => to_double(array, conversion),
        DataType::Decimal { precision, scale } => to_decimal(array, conversion, *precision, *scale),
        DataType::Char(length) => Ok(Arc::new(with_length(to_text(array, conversion)?.as_string(), *length, true))),
        DataType::VarChar(length) => Ok(Arc::new(with_length(to_text(array, conversion)?.as_string(), *length, false))),
        DataType::String => to_text(array, conversion),
        DataType::Date => to_date(array, conversion),
        DataType::Timestamp(precision) => to_timestamp(array, conversion, *precision, false),
        DataType::TimestampLtz(precision) => to_timestamp(array, conversion, *precision, true),
        DataType::Array(_) | DataType::Row(_) => nested(array, conversion),
        other => internal_err!("no cast to {other}"),
    }
}

/// Arrays as references, to end a line.
trait IntoRef {
    fn into_ref(self) -> ArrayRef;
}

impl<T: ArrowPrimitiveType> IntoRef for PrimitiveArray<T> {
    fn into_ref(self) -> ArrayRef {
        Arc::new(self)
    }
}

/// The values that are there, one by one; a result of None is NULL.
fn each<'a, T, P>(
    array: &'a ArrayRef,
    values: impl Iterator<Item = Option<T>> + 'a,
    one: impl Fn(T) -> Result<Option<P::Native>>,
) -> Result<PrimitiveArray<P>>
where
    P: ArrowPrimitiveType,
{
    let mut result = arrow::array::PrimitiveBuilder::<P>::with_capacity(array.len());
    for value in values {
        result.append_option(match value {
            Some(value) => one(value)?,
            None => None,
        });
    }
    Ok(result.finish())
}

fn wide_integers(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &ArrowType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// As BIGINT, cut towards zero; narrower types take its lowest bits.
fn integers(array: &ArrayRef, conversion: &Conversion) -> Result<Int64Array> {
    match array.data_type() {
        ArrowType::Boolean => wide_integers(array),
        ArrowType::Float32 => Ok(saturated(&cast(array, &ArrowType::Float64)?, &conversion.to)),
        ArrowType::Float64 => Ok(saturated(array, &conversion.to)),
        ArrowType::Decimal128(_, scale) => {
            let unit = 10i128.pow(u32::from(scale.unsigned_abs()));
            Ok(array.as_primitive::<Decimal128Type>().unary(|value| (value / unit) as i64))
        }
        ArrowType::Utf8 => {
            let (low, high) = integer_range(&conversion.to);
            each(array, array.as_string::<i32>().iter(), |text| match parse_long(text) {
                Some(value) if (low..=high).contains(&value) => Ok(Some(value)),
                _ => conversion.failed(text),
            })
        }
        _ => wide_integers(array),
    }
}

fn integer_range(to: &DataType) -> (i64, i64) {
    match to {
        DataType::TinyInt => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DataType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        DataType::Int => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

/// Java's cast of a double: to BIGINT it stops at the ends, to the others it stops at those of INT and then wraps.
fn saturated(array: &ArrayRef, to: &DataType) -> Int64Array {
    let values = array.as_primitive::<Float64Type>();
    match to {
        DataType::BigInt => values.unary(|value| value as i64),
        _ => values.unary(|value| i64::from(value as i32)),
    }
}

fn to_boolean(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    let truth = match array.data_type() {
        ArrowType::Utf8 => {
            let mut result = Vec::with_capacity(array.len());
            for text in array.as_string::<i32>() {
                result.push(match text {
                    None => None,
                    Some(text) => match text.to_ascii_lowercase().as_str() {
                        "t" | "true" | "y" | "yes" | "1" => Some(true),
                        "f" | "false" | "n" | "no" | "0" => Some(false),
                        _ => conversion.failed(text)?,
                    },
                });
            }
            BooleanArray::from(result)
        }
        ArrowType::Decimal128(_, _) => BooleanArray::from_iter(
            array.as_primitive::<Decimal128Type>().iter().map(|value| value.map(|value| value != 0)),
        ),
        ArrowType::Float32 | ArrowType::Float64 => {
            let values = cast(array, &ArrowType::Float64)?;
            BooleanArray::from_iter(
                values.as_primitive::<Float64Type>().iter().map(|value| value.map(|value| value != 0.0)),
            )
        }
        _ => BooleanArray::from_iter(wide_integers(array)?.iter().map(|value| value.map(|value| value != 0))),
    };
    Ok(Arc::new(truth))
}

fn to_double(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    match array.data_type() {
        ArrowType::Utf8 => {
            let values =
                each::<_, Float64Type>(array, array.as_string::<i32>().iter(), |text| match parse_double(text) {
                    Some(value) => Ok(Some(value)),
                    None => conversion.failed(text),
                })?;
            Ok(Arc::new(values))
        }
        ArrowType::Decimal128(_, scale) => {
            let values = decimal_doubles(array, *scale);
            Ok(Arc::new(values))
        }
        ArrowType::Boolean => Ok(cast(&cast(array, &ArrowType::Int8)?, &ArrowType::Float64)?),
        _ => Ok(cast(array, &ArrowType::Float64)?),
    }
}

fn to_float(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    if let ArrowType::Utf8 = array.data_type() {
        let values =
            each::<_, Float32Type>(array, array.as_string::<i32>().iter(), |text| match text.trim().parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => conversion.failed(text),
            })?;
        return Ok(Arc::new(values));
    }
    if matches!(array.data_type(), ArrowType::Decimal128(..) | ArrowType::Boolean) {
        return Ok(cast(&to_double(array, conversion)?, &ArrowType::Float32)?);
    }
    Ok(cast(array, &ArrowType::Float32)?)
}

/// `[1, 2, NULL]` and `(1, a, NULL)`.
fn nested_text(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    let text_of = |from: &DataType, array: &ArrayRef| convert(array, &conversion.inner(from, &DataType::String));
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * 16);
    let mut out = String::new();
    let item = |out: &mut String, items: &ArrayRef, index: usize, is_first: bool| {
        let items = items.as_string::<i32>();
        out.push_str(if is_first { "" } else { ", " });
        out.push_str(if items.is_null(index) { "NULL" } else { items.value(index) });
    };
    match &conversion.from {
        DataType::Array(element) => {
            let list = array.as_list::<i32>();
            let items = text_of(&element.data_type, list.values())?;
            for row in 0..list.len() {
                if list.is_null(row) {
                    texts.append_null();
                    continue;
                }
                out.clear();
                let range = list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
                out.push('[');
                range.clone().for_each(|index| item(&mut out, &items, index, index == range.start));
                out.push(']');
                texts.append_value(&out);
            }
        }
        DataType::Row(fields) => {
            let row = array.as_struct();
            let columns = fields.iter().zip(row.columns());
            let columns = columns.map(|(field, column)| text_of(&field.sql_type.data_type, column));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            for index in 0..row.len() {
                if row.is_null(index) {
                    texts.append_null();
                    continue;
                }
                out.clear();
                out.push('(');
                columns.iter().enumerate().for_each(|(at, column)| item(&mut out, column, index, at == 0));
                out.push(')');
                texts.append_value(&out);
            }
        }
        other => return internal_err!("{other} is not nested"),
    }
    Ok(Arc::new(texts.finish()))
}

fn to_text(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    if matches!(conversion.from, DataType::Array(_) | DataType::Row(_)) {
        return nested_text(array, conversion);
    }
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * 16);
    let mut text = String::new();
    let mut add = |value: Option<&dyn Fn(&mut String)>| match value {
        Some(write) => {
            text.clear();
            write(&mut text);
            texts.append_value(&text);
        }
        None => texts.append_null(),
    };
    match array.data_type() {
        ArrowType::Utf8 => return Ok(Arc::clone(array)),
        ArrowType::Boolean => array.as_boolean().iter().for_each(|value| match value {
            Some(value) => texts.append_value(if value { "TRUE" } else { "FALSE" }),
            None => texts.append_null(),
        }),
        ArrowType::Decimal128(_, scale) => {
            let scale = usize::from(scale.unsigned_abs());
            for value in array.as_primitive::<Decimal128Type>() {
                match value {
                    Some(value) => add(Some(&|out| write_decimal(out, value, scale))),
                    None => add(None),
                }
            }
        }
        ArrowType::Float32 => array.as_primitive::<Float32Type>().iter().for_each(|value| match value {
            Some(value) => add(Some(&|out| out.push_str(&float_text(value)))),
            None => add(None),
        }),
        ArrowType::Float64 => array.as_primitive::<Float64Type>().iter().for_each(|value| match value {
            Some(value) => add(Some(&|out| out.push_str(&double_text(value)))),
            None => add(None),
        }),
        ArrowType::Date32 => array.as_primitive::<Date32Type>().iter().for_each(|value| match value {
            Some(days) => add(Some(&|out| write_date(out, i64::from(days)))),
            None => add(None),
        }),
        ArrowType::Timestamp(_, _) => {
            let precision = conversion.from.timestamp_precision().unwrap_or(3);
            let zone = ZoneClock::new(conversion.zone);
            let is_instant = matches!(conversion.from, DataType::TimestampLtz(_));
            for value in micros(array)?.iter() {
                let Some(us) = value else {
                    add(None);
                    continue;
                };
                let (ms, rest) = (us.div_euclid(1_000), us.rem_euclid(1_000));
                let ms = if is_instant { zone.local_ms(ms) } else { ms };
                add(Some(&|out| write_timestamp(out, ms * 1_000 + rest, precision)));
            }
        }
        _ => {
            for value in wide_integers(array)?.iter() {
                match value {
                    Some(value) => add(Some(&|out| {
                        // writing into a String cannot fail
                        let _ = write!(out, "{value}");
                    })),
                    None => add(None),
                }
            }
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// Cut to so many characters; CHAR is also filled with blanks.
fn with_length(texts: &StringArray, length: u32, fills: bool) -> StringArray {
    let length = length as usize;
    let fit = |text: &str| {
        let cut: String = text.chars().take(length).collect();
        let missing = if fills { length.saturating_sub(cut.chars().count()) } else { 0 };
        cut + &" ".repeat(missing)
    };
    texts.iter().map(|text| text.map(fit)).collect()
}

fn micros(array: &ArrayRef) -> Result<Int64Array> {
    let zone = match array.data_type() {
        ArrowType::Timestamp(_, zone) => zone.clone(),
        other => return internal_err!("{other} is no time"),
    };
    let array = cast(array, &ArrowType::Timestamp(TimeUnit::Microsecond, zone))?;
    Ok(array.as_primitive::<TimestampMicrosecondType>().unary(|value| value))
}

fn to_date(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    let dates: Date32Array = match array.data_type() {
        ArrowType::Utf8 => each(array, array.as_string::<i32>().iter(), |text| match parse_date(text) {
            Some(days) => Ok(Some(days)),
            None => conversion.failed(text),
        })?,
        _ => {
            let zone = ZoneClock::new(conversion.zone);
            let is_instant = matches!(conversion.from, DataType::TimestampLtz(_));
            micros(array)?.unary(|us| {
                let ms = us.div_euclid(1_000);
                let ms = if is_instant { zone.local_ms(ms) } else { ms };
                ms.div_euclid(DAY_MS) as i32
            })
        }
    };
    Ok(Arc::new(dates))
}

fn to_timestamp(array: &ArrayRef, conversion: &Conversion, precision: u32, to_instant: bool) -> Result<ArrayRef> {
    let zone = ZoneClock::new(conversion.zone);
    let local: (Int64Array, bool) = match array.data_type() {
        ArrowType::Utf8 => {
            let values = each(array, array.as_string::<i32>().iter(), |text| match parse_timestamp_us(text) {
                Some(us) => Ok(Some(us)),
                None => conversion.failed(text),
            })?;
            (values, false)
        }
        ArrowType::Date32 => (array.as_primitive::<Date32Type>().unary(|days| i64::from(days) * DAY_MS * 1_000), false),
        _ => (micros(array)?, matches!(conversion.from, DataType::TimestampLtz(_))),
    };
    let (values, from_instant) = local;
    let unit = 10i64.pow(6 - precision.min(6));
    let moved: Int64Array = values.unary(|us| {
        let (ms, rest) = (us.div_euclid(1_000), us.rem_euclid(1_000));
        let ms = match (from_instant, to_instant) {
            (true, false) => zone.local_ms(ms),
            (false, true) => zone.utc_ms(ms),
            _ => ms,
        };
        match precision {
            // Flink cuts milliseconds towards 1970
            0..=3 => ms / (unit / 1_000) * unit,
            _ => ms.saturating_mul(1_000).saturating_add(rest).div_euclid(unit).saturating_mul(unit),
        }
    });
    let zone = to_instant.then_some(UTC);
    Ok(match precision {
        0..=3 => {
            let values: TimestampMillisecondArray =
                moved.unary::<_, TimestampMillisecondType>(|us| us.div_euclid(1_000));
            Arc::new(values.with_timezone_opt(zone))
        }
        _ => {
            let values: TimestampMicrosecondArray = moved.unary::<_, TimestampMicrosecondType>(|us| us);
            Arc::new(values.with_timezone_opt(zone))
        }
    })
}

fn nested(array: &ArrayRef, conversion: &Conversion) -> Result<ArrayRef> {
    match (&conversion.from, &conversion.to) {
        (DataType::Array(from), DataType::Array(to)) => {
            let list = array.as_list::<i32>();
            let values = convert(list.values(), &conversion.inner(&from.data_type, &to.data_type))?;
            let field = Arc::new(Field::new("element", values.data_type().clone(), to.nullable));
            Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (DataType::Row(from), DataType::Row(to)) => {
            let row = array.as_struct();
            let mut fields = Vec::new();
            let mut columns = Vec::new();
            for ((from, to), column) in from.iter().zip(to).zip(row.columns()) {
                let column = convert(column, &conversion.inner(&from.sql_type.data_type, &to.sql_type.data_type))?;
                fields.push(Field::new(&to.name, column.data_type().clone(), to.sql_type.nullable));
                columns.push(column);
            }
            if columns.is_empty() {
                return Ok(new_null_array(array.data_type(), array.len()));
            }
            Ok(Arc::new(StructArray::try_new(fields.into(), columns, row.nulls().cloned())?))
        }
        (from, to) => internal_err!("no cast from {from} to {to}"),
    }
}
