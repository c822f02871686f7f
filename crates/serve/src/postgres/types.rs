//! Which PostgreSQL type a column has, and how it is described to a client. Pure.
//!
//! A column that is nested (ROW, ARRAY<ROW>, MAP) is `json`: psql, JDBC, psycopg and node-postgres can all show it,
//! which is not so for arrays of anonymous composites.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, IntervalUnit, Schema, TimeUnit};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::messages::data::FORMAT_CODE_BINARY;

use super::failure::Failure;
use super::naming::ColumnNames;

const VARIABLE_SIZE: i16 = -1;
const NO_MODIFIER: i32 = -1;

/// The few types that every value is brought to before it is written (see [`canonical`]).
pub(super) fn pg_type(data_type: &DataType) -> Result<Type, Failure> {
    Ok(match canonical(data_type) {
        DataType::Null | DataType::Utf8 | DataType::Utf8View => Type::TEXT,
        DataType::Boolean => Type::BOOL,
        DataType::Int16 => Type::INT2,
        DataType::Int32 => Type::INT4,
        DataType::Int64 => Type::INT8,
        DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Decimal128(..) | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Binary => Type::BYTEA,
        DataType::Date32 => Type::DATE,
        DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) => Type::INTERVAL,
        DataType::List(element) => array_type(&pg_type(element.data_type())?),
        DataType::Struct(_) | DataType::Map(..) => Type::JSON,
        other => return Err(Failure::not_supported(format!("a column of type {other} cannot be sent"))),
    })
}

/// Nested values other than a list of plain ones travel as JSON text.
fn array_type(element: &Type) -> Type {
    match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::TEXT => Type::TEXT_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        _ => Type::JSON,
    }
}

/// The Arrow type a column is cast to before it is written: one per PostgreSQL type.
pub(super) fn canonical(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Dictionary(_, value) => canonical(value),
        DataType::RunEndEncoded(_, value) => canonical(value.data_type()),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => {
            let element = field.as_ref().clone().with_data_type(canonical(field.data_type()));
            DataType::List(Arc::new(element))
        }
        other => other.clone(),
    }
}

/// `pg_attribute.atttypmod`: precision and scale of a NUMERIC, the digits of a second of a timestamp.
pub(super) fn type_modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4
        }
        DataType::Timestamp(TimeUnit::Second, _) => 0,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 3,
        _ => NO_MODIFIER,
    }
}

/// `pg_type.typlen`: the bytes of a value, -1 when they vary.
pub(super) fn type_size(pg_type: &Type) -> i16 {
    match *pg_type {
        Type::BOOL => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => VARIABLE_SIZE,
    }
}

/// What `information_schema` and people call a type.
pub(super) fn type_name(pg_type: &Type) -> &'static str {
    match *pg_type {
        Type::BOOL => "boolean",
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::NUMERIC => "numeric",
        Type::BYTEA => "bytea",
        Type::DATE => "date",
        Type::TIME => "time without time zone",
        Type::TIMESTAMP => "timestamp without time zone",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        Type::INTERVAL => "interval",
        Type::JSON => "json",
        Type::TEXT => "text",
        _ => "ARRAY",
    }
}

/// The name in `pg_type` of a type as it is written in a statement.
pub(super) fn type_by_name<'a>(written: &str, base: &'a str) -> &'a str {
    match base {
        "bigint" | "int8" => "int8",
        "integer" | "int" | "int4" => "int4",
        "smallint" | "int2" => "int2",
        "double" | "float8" | "float" => "float8",
        "real" | "float4" => "float4",
        "decimal" | "numeric" | "dec" => "numeric",
        "boolean" | "bool" => "bool",
        "character" | "char" if !written.contains("varying") => "bpchar",
        "character" | "varchar" => "varchar",
        "timestamp" if written.contains("with time zone") => "timestamptz",
        "time" if written.contains("with time zone") => "timetz",
        other => other,
    }
}

/// The columns of a result, as `RowDescription` tells them. `formats` is what the client asked for in `Bind`.
pub(super) fn describe(
    schema: &Schema,
    names: &ColumnNames,
    formats: Option<&Format>,
) -> Result<Vec<FieldInfo>, Failure> {
    let count = schema.fields().len();
    schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let pg_type = pg_type(field.data_type())?;
            let size = type_size(&pg_type);
            let name = names.get(index, count).unwrap_or(field.name()).to_owned();
            Ok(FieldInfo::new(name, None, None, pg_type, format_of(formats, index)?)
                .with_type_size(size)
                .with_type_modifier(type_modifier(field.data_type())))
        })
        .collect()
}

fn format_of(formats: Option<&Format>, index: usize) -> Result<FieldFormat, Failure> {
    Ok(match formats {
        None | Some(Format::UnifiedText) => FieldFormat::Text,
        Some(Format::UnifiedBinary) => FieldFormat::Binary,
        // pgwire's own `format_for` would panic here
        Some(Format::Individual(codes)) => match codes.get(index) {
            Some(&FORMAT_CODE_BINARY) => FieldFormat::Binary,
            Some(_) => FieldFormat::Text,
            None => {
                let message = format!("the bind message has {} result formats, the query more columns", codes.len());
                return Err(Failure::protocol(message));
            }
        },
    })
}
