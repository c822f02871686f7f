//! The values of `Bind`, as DataFusion takes them: each exact, whatever type and format the driver chose. Pure.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use postgres_types::{Kind, Type};

use super::civil::{PG_EPOCH_DAYS, PG_EPOCH_US};
use super::failure::{Failure, INVALID_PARAMETER_VALUE};
use super::numeric::{self, Decimal};
use super::types::pg_type;

const INVALID_BINARY_REPRESENTATION: &str = "22P03";
const INVALID_TEXT_REPRESENTATION: &str = "22P02";

/// The type a parameter is described with: what the client said, else what the statement needs, else text.
pub(super) fn parameter_type(declared: Option<&Type>, inferred: Option<&DataType>) -> Type {
    match declared {
        Some(declared) if *declared != Type::UNKNOWN => declared.clone(),
        _ => inferred.and_then(|inferred| pg_type(inferred).ok()).unwrap_or(Type::TEXT),
    }
}

/// A NULL of a parameter's type: what a statement is planned with before its values are known.
pub(super) fn null(parameter: &Type) -> Result<ScalarValue, Failure> {
    ScalarValue::try_from(&arrow_type(parameter)?).map_err(Failure::from)
}

/// One value. `number` counts from 1, for the message.
pub(super) fn read(
    number: usize,
    bytes: Option<&[u8]>,
    binary: bool,
    parameter: &Type,
) -> Result<ScalarValue, Failure> {
    let Some(bytes) = bytes else { return null(parameter) };
    let value = match binary {
        true => read_binary(bytes, parameter)?,
        false => read_text(text(number, bytes)?, parameter)?,
    };
    value.ok_or_else(|| {
        let code = if binary { INVALID_BINARY_REPRESENTATION } else { INVALID_TEXT_REPRESENTATION };
        Failure::new(code, format!("the value of parameter ${number} is no valid {}", parameter.name()))
    })
}

fn text(number: usize, bytes: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(bytes)
        .map_err(|_| Failure::new("22021", format!("the value of parameter ${number} is not valid UTF-8")))
}

fn arrow_type(parameter: &Type) -> Result<DataType, Failure> {
    if let Kind::Array(element) = parameter.kind() {
        return Ok(DataType::List(Arc::new(Field::new_list_field(arrow_type(element)?, true))));
    }
    Ok(match *parameter {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 | Type::OID | Type::REGCLASS | Type::REGTYPE | Type::REGNAMESPACE => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 16),
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => utc(TimeUnit::Microsecond),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::CHAR
        | Type::NAME
        | Type::UNKNOWN
        | Type::JSON
        | Type::JSONB
        | Type::UUID => DataType::Utf8,
        _ => {
            let message = format!("parameters of type {} are not supported", parameter.name());
            return Err(Failure::not_supported(message).with_hint("cast it in the statement: $1::text"));
        }
    })
}

fn utc(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

fn read_text(text: &str, parameter: &Type) -> Result<Option<ScalarValue>, Failure> {
    if let Kind::Array(element) = parameter.kind() {
        let Some(items) = split_array(text) else { return Ok(None) };
        let values = items
            .iter()
            .map(|item| match item {
                Some(item) => read_text(item, element),
                None => null(element).map(Some),
            })
            .collect::<Result<Option<Vec<_>>, Failure>>()?;
        return values.map(|values| list(values, element)).transpose();
    }
    let target = arrow_type(parameter)?;
    Ok(match target {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(text.to_owned()))),
        DataType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Some(ScalarValue::Boolean(Some(true))),
            "f" | "false" | "n" | "no" | "off" | "0" => Some(ScalarValue::Boolean(Some(false))),
            _ => None,
        },
        DataType::Decimal128(..) => numeric::read_text(text).map(decimal),
        DataType::Binary => read_bytea(text).map(|bytes| ScalarValue::Binary(Some(bytes))),
        DataType::Int16 => text.trim().parse().ok().map(|n| ScalarValue::Int16(Some(n))),
        DataType::Int32 => text.trim().parse().ok().map(|n| ScalarValue::Int32(Some(n))),
        DataType::Int64 => text.trim().parse().ok().map(|n| ScalarValue::Int64(Some(n))),
        DataType::Float32 => text.trim().parse().ok().map(|n| ScalarValue::Float32(Some(n))),
        DataType::Float64 => text.trim().parse().ok().map(|n| ScalarValue::Float64(Some(n))),
        // dates, times and intervals: Arrow's parser
        _ => ScalarValue::Utf8(Some(text.trim().to_owned()))
            .cast_to(&target)
            .ok()
            .filter(|value| !value.is_null())
            .map(in_milliseconds),
    })
}

fn read_binary(bytes: &[u8], parameter: &Type) -> Result<Option<ScalarValue>, Failure> {
    if let Kind::Array(element) = parameter.kind() {
        return read_binary_array(bytes, element);
    }
    let int8 = || bytes.try_into().ok().map(i64::from_be_bytes);
    let int4 = || bytes.try_into().ok().map(i32::from_be_bytes);
    Ok(match *parameter {
        Type::BOOL if bytes.len() == 1 => Some(ScalarValue::Boolean(Some(bytes[0] != 0))),
        Type::INT2 => bytes.try_into().ok().map(|b| ScalarValue::Int16(Some(i16::from_be_bytes(b)))),
        Type::INT4 | Type::OID | Type::REGCLASS | Type::REGTYPE | Type::REGNAMESPACE => {
            int4().map(|n| ScalarValue::Int32(Some(n)))
        }
        Type::INT8 => int8().map(|n| ScalarValue::Int64(Some(n))),
        Type::FLOAT4 => bytes.try_into().ok().map(|b| ScalarValue::Float32(Some(f32::from_be_bytes(b)))),
        Type::FLOAT8 => bytes.try_into().ok().map(|b| ScalarValue::Float64(Some(f64::from_be_bytes(b)))),
        Type::NUMERIC => numeric::read_binary(bytes).map(decimal),
        Type::BYTEA => Some(ScalarValue::Binary(Some(bytes.to_vec()))),
        Type::DATE => int4().map(|days| ScalarValue::Date32(Some(days.saturating_add(PG_EPOCH_DAYS as i32)))),
        Type::TIME => int8().map(|us| ScalarValue::Time64Microsecond(Some(us))),
        Type::TIMESTAMP => int8()
            .map(|us| in_milliseconds(ScalarValue::TimestampMicrosecond(Some(us.saturating_add(PG_EPOCH_US)), None))),
        Type::TIMESTAMPTZ => int8().map(|us| {
            let zone = Some("UTC".into());
            in_milliseconds(ScalarValue::TimestampMicrosecond(Some(us.saturating_add(PG_EPOCH_US)), zone))
        }),
        Type::INTERVAL if bytes.len() == 16 => {
            let us = i64::from_be_bytes(bytes[..8].try_into().unwrap_or_default());
            let days = i32::from_be_bytes(bytes[8..12].try_into().unwrap_or_default());
            let months = i32::from_be_bytes(bytes[12..].try_into().unwrap_or_default());
            us.checked_mul(1_000).map(|ns| ScalarValue::new_interval_mdn(months, days, ns))
        }
        Type::UUID if bytes.len() == 16 => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            Some(ScalarValue::Utf8(Some(parts.join("-"))))
        }
        Type::JSONB => match bytes.split_first() {
            Some((1, json)) => read_text(text(0, json)?, &Type::JSON)?,
            _ => None,
        },
        _ if arrow_type(parameter)? == DataType::Utf8 => read_text(text(0, bytes)?, &Type::TEXT)?,
        _ => None,
    })
}

fn read_binary_array(bytes: &[u8], element: &Type) -> Result<Option<ScalarValue>, Failure> {
    let mut rest = bytes;
    let mut word = || {
        let (head, tail) = rest.split_at_checked(4)?;
        rest = tail;
        head.try_into().ok().map(i32::from_be_bytes)
    };
    let (Some(dimensions), Some(_has_nulls), Some(_element_oid)) = (word(), word(), word()) else { return Ok(None) };
    if dimensions == 0 {
        return list(Vec::new(), element).map(Some);
    }
    if dimensions != 1 {
        return Err(Failure::not_supported("array parameters of more than one dimension are not supported"));
    }
    let (Some(count), Some(_lower_bound)) = (word(), word()) else { return Ok(None) };
    let mut values = Vec::new();
    for _ in 0..count {
        let Some((head, tail)) = rest.split_at_checked(4) else { return Ok(None) };
        let length = i32::from_be_bytes(head.try_into().unwrap_or_default());
        rest = tail;
        let value = match usize::try_from(length) {
            Err(_) => Some(null(element)?),
            Ok(length) => {
                let Some((value, tail)) = rest.split_at_checked(length) else { return Ok(None) };
                rest = tail;
                read_binary(value, element)?
            }
        };
        match value {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    list(values, element).map(Some)
}

fn list(values: Vec<ScalarValue>, element: &Type) -> Result<ScalarValue, Failure> {
    // decimals come with the scale they were written with; a list has one
    let target = match values.iter().map(ScalarValue::data_type).next() {
        Some(DataType::Decimal128(..)) => {
            let known = values.iter().filter(|value| !value.is_null());
            let scale = known.filter_map(|value| match value.data_type() {
                DataType::Decimal128(_, scale) => Some(scale),
                _ => None,
            });
            DataType::Decimal128(38, scale.max().unwrap_or(0))
        }
        Some(DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Microsecond, zone),
        _ => arrow_type(element)?,
    };
    let values = values.iter().map(|value| value.cast_to(&target)).collect::<Result<Vec<_>, _>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, &target)))
}

fn decimal(value: Decimal) -> ScalarValue {
    let digits = value.units.unsigned_abs().checked_ilog10().map_or(1, |log| log as u8 + 1);
    ScalarValue::Decimal128(Some(value.units), digits.max(value.scale), value.scale as i8)
}

/// The unit of the tables, when nothing is lost: then a filter is compared with the column as it is stored.
fn in_milliseconds(value: ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::TimestampMicrosecond(Some(us), zone) if us % 1_000 == 0 => {
            ScalarValue::TimestampMillisecond(Some(us / 1_000), zone)
        }
        other => other,
    }
}

fn read_bytea(text: &str) -> Option<Vec<u8>> {
    let Some(hex) = text.strip_prefix("\\x") else { return Some(text.as_bytes().to_vec()) };
    if hex.len() % 2 != 0 || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

/// `{a,"b c",NULL}`, one dimension. `None`: malformed.
fn split_array(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut chars = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(items);
    }
    loop {
        let mut item = String::new();
        let mut quoted = false;
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.next_if_eq(&'"').is_some() {
            quoted = true;
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => item.push(chars.next()?),
                    other => item.push(other),
                }
            }
        }
        loop {
            match chars.next() {
                None | Some(',') if !quoted && item.trim().is_empty() => return None,
                end @ (None | Some(',')) => {
                    let item = if quoted { item } else { item.trim().to_owned() };
                    items.push((quoted || !item.eq_ignore_ascii_case("null")).then_some(item));
                    if end.is_none() {
                        return Some(items);
                    }
                    break;
                }
                Some('{' | '}' | '"') => return None,
                Some('\\') => item.push(chars.next()?),
                Some(c) if quoted && c.is_whitespace() => {}
                Some(_) if quoted => return None,
                Some(other) => item.push(other),
            }
        }
    }
}

/// How many parameters a statement may have: as many as the protocol can count.
pub(super) const PARAMETERS_MAX: usize = u16::MAX as usize;

/// The number of `$7`, counted from 1.
pub(super) fn placeholder_number(id: &str) -> Result<usize, Failure> {
    let number = id.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
    number.filter(|n| (1..=PARAMETERS_MAX).contains(n)).ok_or_else(|| {
        Failure::new(INVALID_PARAMETER_VALUE, format!("\"{id}\" is no parameter; they are written $1, $2, …"))
    })
}

#[cfg(test)]
mod tests;
