//! SQL types as Arrow types: the one place that says how a column of the pipeline lies in memory.

use arrow::datatypes::{DataType as ArrowType, Field, Fields, SchemaRef, TimeUnit};
use hoga_sql::DataType;
use std::sync::Arc;

/// Instants are kept in UTC; a session's time zone changes only how they are printed.
pub const UTC: &str = "UTC";

/// Why a type of the pipeline has no place here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("type {0} runs on Flink only; the embedded engine has no column for it")]
pub struct UnsupportedType(pub String);

pub fn arrow_type(sql: &DataType) -> Result<ArrowType, UnsupportedType> {
    let unsupported = || UnsupportedType(sql.to_string());
    Ok(match sql {
        DataType::Boolean => ArrowType::Boolean,
        DataType::TinyInt => ArrowType::Int8,
        DataType::SmallInt => ArrowType::Int16,
        DataType::Int => ArrowType::Int32,
        DataType::BigInt => ArrowType::Int64,
        DataType::Float => ArrowType::Float32,
        DataType::Double => ArrowType::Float64,
        DataType::Decimal { precision, scale } => {
            let digits = |count: u32| u8::try_from(count).map_err(|_| unsupported());
            ArrowType::Decimal128(digits(*precision)?, i8::try_from(*scale).map_err(|_| unsupported())?)
        }
        DataType::String => ArrowType::Utf8,
        DataType::Date => ArrowType::Date32,
        DataType::Timestamp(precision) => ArrowType::Timestamp(time_unit(*precision).ok_or_else(unsupported)?, None),
        DataType::TimestampLtz(precision) => {
            ArrowType::Timestamp(time_unit(*precision).ok_or_else(unsupported)?, Some(UTC.into()))
        }
        DataType::Array(element) => {
            ArrowType::List(Arc::new(Field::new("element", arrow_type(&element.data_type)?, element.nullable)))
        }
        DataType::Row(fields) => ArrowType::Struct(
            fields
                .iter()
                .map(|field| {
                    Ok(Field::new(&field.name, arrow_type(&field.sql_type.data_type)?, field.sql_type.nullable))
                })
                .collect::<Result<Fields, UnsupportedType>>()?,
        ),
        _ => return Err(unsupported()),
    })
}

/// The type's name in Flink's spelling, for messages: what a user wrote, not what Arrow calls it.
pub fn sql_name(arrow: &ArrowType) -> String {
    match arrow {
        ArrowType::Boolean => "BOOLEAN".into(),
        ArrowType::Int8 => "TINYINT".into(),
        ArrowType::Int16 => "SMALLINT".into(),
        ArrowType::Int32 => "INT".into(),
        ArrowType::Int64 => "BIGINT".into(),
        ArrowType::Float32 => "FLOAT".into(),
        ArrowType::Float64 => "DOUBLE".into(),
        ArrowType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => "STRING".into(),
        ArrowType::Date32 => "DATE".into(),
        ArrowType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(*unit)),
        ArrowType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(*unit)),
        ArrowType::List(element) => format!("ARRAY<{}>", sql_name(element.data_type())),
        ArrowType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| format!("`{}` {}", f.name(), sql_name(f.data_type()))).collect();
            format!("ROW<{}>", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// Column names of a schema, for messages.
pub fn column_names(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

fn time_unit(precision: u32) -> Option<TimeUnit> {
    match precision {
        0..=3 => Some(TimeUnit::Millisecond),
        4..=6 => Some(TimeUnit::Microsecond),
        _ => None,
    }
}

fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}
