//! Flink's types among themselves: which one several have in common, and what arithmetic makes of them.
//!
//! Source: Flink 2.0, LogicalTypeMerging (decimals follow SQL Server's rules) and the documentation of its data types.

use arrow::datatypes::{DataType as ArrowType, Field, TimeUnit};
use hoga_sql::{DECIMAL_PRECISION_MAX, DataType};
use std::sync::Arc;

/// When digits do not fit, so many stay behind the point.
const SCALE_KEPT: u32 = 6;

/// How values of a type lie in memory. What has no place in memory is refused before.
pub(in crate::plan) fn physical_type(data_type: &DataType) -> ArrowType {
    match data_type {
        DataType::Char(_) | DataType::VarChar(_) | DataType::String => ArrowType::Utf8,
        DataType::Array(element) => {
            ArrowType::List(Arc::new(Field::new("element", physical_type(&element.data_type), element.nullable)))
        }
        DataType::Row(fields) => {
            let field = |field: &hoga_sql::RowField| {
                Field::new(&field.name, physical_type(&field.sql_type.data_type), field.sql_type.nullable)
            };
            ArrowType::Struct(fields.iter().map(field).collect())
        }
        other => crate::types::arrow_type(other).unwrap_or(ArrowType::Null),
    }
}

/// True if the engine has columns of this type.
pub(super) fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::Char(_) | DataType::VarChar(_) => true,
        DataType::Array(element) => is_supported(&element.data_type),
        DataType::Row(fields) => fields.iter().all(|field| is_supported(&field.sql_type.data_type)),
        other => crate::types::arrow_type(other).is_ok(),
    }
}

/// A type for messages: Flink's name, strings of whatever length alike.
pub(in crate::plan) fn describe(data_type: &DataType) -> String {
    match data_type {
        DataType::Char(_) | DataType::VarChar(_) => "STRING".to_owned(),
        other => other.to_string(),
    }
}

pub(in crate::plan) fn is_string(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Char(_) | DataType::VarChar(_) | DataType::String)
}

pub(super) fn is_integer(data_type: &DataType) -> bool {
    integer_digits(data_type).is_some()
}

pub(super) fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal { .. })
}

pub(super) fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float | DataType::Double)
}

pub(in crate::plan) fn is_numeric(data_type: &DataType) -> bool {
    is_integer(data_type) || is_decimal(data_type) || is_float(data_type)
}

pub(super) fn is_timestamp(data_type: &DataType) -> bool {
    data_type.timestamp_precision().is_some()
}

/// How many digits an integer type holds.
fn integer_digits(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::TinyInt => Some(3),
        DataType::SmallInt => Some(5),
        DataType::Int => Some(10),
        DataType::BigInt => Some(19),
        _ => None,
    }
}

/// Precision and scale of an exact number.
pub(super) fn decimal_of(data_type: &DataType) -> Option<(u32, u32)> {
    match data_type {
        DataType::Decimal { precision, scale } => Some((*precision, *scale)),
        other => integer_digits(other).map(|digits| (digits, 0)),
    }
}

pub(super) fn decimal(precision: u32, scale: u32) -> DataType {
    DataType::Decimal { precision, scale }
}

/// More than 38 digits: those behind the point give way, down to six.
fn adjusted(precision: u32, scale: u32) -> DataType {
    if precision <= DECIMAL_PRECISION_MAX {
        return decimal(precision, scale);
    }
    let whole = precision - scale;
    let least = scale.min(SCALE_KEPT);
    decimal(DECIMAL_PRECISION_MAX, DECIMAL_PRECISION_MAX.saturating_sub(whole).max(least))
}

pub(super) fn sum_of_decimals((p1, s1): (u32, u32), (p2, s2): (u32, u32)) -> DataType {
    let scale = s1.max(s2);
    adjusted((p1 - s1).max(p2 - s2) + scale + 1, scale)
}

pub(super) fn product_of_decimals((p1, s1): (u32, u32), (p2, s2): (u32, u32)) -> DataType {
    adjusted(p1 + p2 + 1, s1 + s2)
}

pub(super) fn quotient_of_decimals((p1, s1): (u32, u32), (p2, s2): (u32, u32)) -> DataType {
    let scale = (s1 + p2 + 1).max(6);
    adjusted(p1 - s1 + s2 + scale, scale)
}

pub(super) fn remainder_of_decimals((p1, s1): (u32, u32), (p2, s2): (u32, u32)) -> DataType {
    let scale = s1.max(s2);
    adjusted((p1 - s1).min(p2 - s2) + scale, scale)
}

/// SUM of an exact number of this type.
pub(in crate::plan) fn sum_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal { scale, .. } => decimal(DECIMAL_PRECISION_MAX, *scale),
        other => other.clone(),
    }
}

/// AVG: a decimal divided by a count.
pub(in crate::plan) fn average_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal { scale, .. } => quotient_of_decimals((DECIMAL_PRECISION_MAX, *scale), (20, 0)),
        other => other.clone(),
    }
}

/// The type that values of both can be had in: of CASE, COALESCE, comparisons, UNION.
pub(in crate::plan) fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        // texts of different lengths are not filled up with blanks
        (DataType::Char(x) | DataType::VarChar(x), DataType::Char(y) | DataType::VarChar(y)) => {
            Some(DataType::VarChar(*x.max(y)))
        }
        _ if is_string(a) && is_string(b) => Some(DataType::String),
        (DataType::Timestamp(x), DataType::Timestamp(y)) => Some(DataType::Timestamp(*x.max(y))),
        (DataType::TimestampLtz(x), DataType::TimestampLtz(y)) => Some(DataType::TimestampLtz(*x.max(y))),
        (DataType::Date, DataType::Timestamp(x)) | (DataType::Timestamp(x), DataType::Date) => {
            Some(DataType::Timestamp(*x))
        }
        (DataType::Array(x), DataType::Array(y)) => {
            let element = common_type(&x.data_type, &y.data_type)?;
            let nullable = x.nullable || y.nullable;
            Some(DataType::Array(Box::new(hoga_sql::SqlType { data_type: element, nullable })))
        }
        _ => common_number(a, b),
    }
}

/// What both numbers fit in.
pub(super) fn common_number(a: &DataType, b: &DataType) -> Option<DataType> {
    if !is_numeric(a) || !is_numeric(b) {
        return None;
    }
    if is_float(a) || is_float(b) {
        let both_single =
            |x: &DataType, y: &DataType| *x == DataType::Float && (*y == DataType::Float || is_integer(y));
        return Some(if both_single(a, b) || both_single(b, a) { DataType::Float } else { DataType::Double });
    }
    if is_integer(a) && is_integer(b) {
        return Some(if integer_digits(a) >= integer_digits(b) { a.clone() } else { b.clone() });
    }
    let ((p1, s1), (p2, s2)) = (decimal_of(a)?, decimal_of(b)?);
    let scale = s1.max(s2);
    Some(decimal(((p1 - s1).max(p2 - s2) + scale).min(DECIMAL_PRECISION_MAX), scale))
}

/// A time in memory, of a precision.
pub(super) fn time_unit(precision: u32) -> TimeUnit {
    if precision <= 3 { TimeUnit::Millisecond } else { TimeUnit::Microsecond }
}
