//! Arrow's types as Paimon's, and a declared table compared with the one that is there. Pure.

use crate::error::{LakeError, Result};
use crate::spec::TableSpec;
use arrow::datatypes::{DataType as ArrowType, Field, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};
use paimon::spec::{
    ArrayType, BigIntType, BooleanType, DataField, DataType, DateType, DecimalType, DoubleType, FloatType, IntType,
    LocalZonedTimestampType, RowType, Schema, SmallIntType, TableSchema, TimestampType, TinyIntType, VarCharType,
};
use std::sync::Arc;

/// The one zone an instant may name; Paimon keeps instants in UTC.
const UTC: &str = "UTC";
const MILLISECOND_PRECISION: u32 = 3;
const MICROSECOND_PRECISION: u32 = 6;

/// The Paimon schema that creates the table.
pub(crate) fn creation_schema(spec: &TableSpec) -> Result<Schema> {
    let table = spec.full_name();
    let mut builder = Schema::builder()
        .partition_keys(spec.partition_keys.iter().cloned())
        .primary_key(spec.primary_keys.iter().cloned())
        .options(spec.options.iter().map(|(key, value)| (key.clone(), value.clone())))
        .comment(spec.comment.clone());
    for field in spec.schema.fields() {
        builder = builder.column(field.name(), column_type(&table, field.name(), field)?);
    }
    builder.build().map_err(LakeError::paimon(&table, "declare the table"))
}

/// Says whether the existing table is the declared one: same columns in the same order with the same types and
/// nullability, same partition keys, same primary key. Comments and options may differ: they do not change a row.
pub(crate) fn check_same(spec: &TableSpec, existing: &TableSchema) -> Result<()> {
    let table = spec.full_name();
    let absent = || "absent".to_owned();
    let columns = spec.schema.fields().len().max(existing.fields().len());
    let place_of = |name: &str| existing.fields().iter().position(|field| field.name() == name);
    for index in 0..columns {
        let wanted = spec.schema.fields().get(index);
        let found = existing.fields().get(index);
        let differs = |column: &str, expected: String, found: String| LakeError::ColumnDiffers {
            table: table.clone(),
            column: column.to_owned(),
            expected,
            found,
        };
        match (wanted, found) {
            (Some(wanted), Some(found)) if wanted.name() == found.name() => {
                let expected = sql_name(&column_type(&table, wanted.name(), wanted)?);
                let found = sql_name(found.data_type());
                if expected != found {
                    return Err(differs(wanted.name(), expected, found));
                }
            }
            // one that was dropped moves those behind it: it is what to tell
            (Some(wanted), Some(found))
                if place_of(wanted.name()).is_some() && spec.schema.field_with_name(found.name()).is_err() =>
            {
                return Err(differs(found.name(), absent(), sql_name(found.data_type())));
            }
            (Some(wanted), _) => {
                let found = place_of(wanted.name()).map_or_else(absent, |place| format!("column {}", place + 1));
                return Err(differs(wanted.name(), format!("column {}", index + 1), found));
            }
            (None, Some(found)) => return Err(differs(found.name(), absent(), sql_name(found.data_type()))),
            (None, None) => {}
        }
    }
    let keys_differ = |what, expected: &[String], found: &[String]| LakeError::KeysDiffer {
        table: table.clone(),
        what,
        expected: expected.join(", "),
        found: found.join(", "),
    };
    if spec.partition_keys != existing.partition_keys() {
        return Err(keys_differ("partition keys", &spec.partition_keys, existing.partition_keys()));
    }
    if spec.primary_keys != existing.primary_keys() {
        return Err(keys_differ("primary keys", &spec.primary_keys, existing.primary_keys()));
    }
    Ok(())
}

/// The Paimon type of a column; `path` names it in the error, down to the nested field (`orderbook_units.ask_price`).
pub(crate) fn column_type(table: &str, path: &str, field: &Field) -> Result<DataType> {
    let nullable = field.is_nullable();
    let invalid = || LakeError::UnsupportedType {
        table: table.to_owned(),
        column: path.to_owned(),
        data_type: field.data_type().to_string(),
    };
    let checked = |result: paimon::Result<DataType>| result.map_err(|_| invalid());
    Ok(match field.data_type() {
        ArrowType::Utf8 => {
            checked(VarCharType::with_nullable(nullable, VarCharType::MAX_LENGTH).map(DataType::VarChar))?
        }
        ArrowType::Boolean => DataType::Boolean(BooleanType::with_nullable(nullable)),
        ArrowType::Int8 => DataType::TinyInt(TinyIntType::with_nullable(nullable)),
        ArrowType::Int16 => DataType::SmallInt(SmallIntType::with_nullable(nullable)),
        ArrowType::Int32 => DataType::Int(IntType::with_nullable(nullable)),
        ArrowType::Int64 => DataType::BigInt(BigIntType::with_nullable(nullable)),
        ArrowType::Float32 => DataType::Float(FloatType::with_nullable(nullable)),
        ArrowType::Float64 => DataType::Double(DoubleType::with_nullable(nullable)),
        ArrowType::Date32 => DataType::Date(DateType::with_nullable(nullable)),
        ArrowType::Decimal128(precision, scale) => {
            let scale = u32::try_from(*scale).map_err(|_| invalid())?;
            checked(DecimalType::with_nullable(nullable, u32::from(*precision), scale).map(DataType::Decimal))?
        }
        ArrowType::Timestamp(unit, zone) => {
            let precision = match unit {
                TimeUnit::Millisecond => MILLISECOND_PRECISION,
                TimeUnit::Microsecond => MICROSECOND_PRECISION,
                TimeUnit::Second | TimeUnit::Nanosecond => return Err(invalid()),
            };
            match zone.as_deref() {
                None => checked(TimestampType::with_nullable(nullable, precision).map(DataType::Timestamp))?,
                Some(UTC) => checked(
                    LocalZonedTimestampType::with_nullable(nullable, precision).map(DataType::LocalZonedTimestamp),
                )?,
                Some(_) => return Err(invalid()),
            }
        }
        ArrowType::List(element) => {
            DataType::Array(ArrayType::with_nullable(nullable, column_type(table, &format!("{path}[]"), element)?))
        }
        ArrowType::Struct(fields) => {
            let fields = fields
                .iter()
                .enumerate()
                .map(|(position, field)| {
                    let inner = column_type(table, &format!("{path}.{}", field.name()), field)?;
                    Ok(DataField::new(position as i32, field.name().clone(), inner))
                })
                .collect::<Result<Vec<_>>>()?;
            DataType::Row(RowType::with_nullable(nullable, fields))
        }
        _ => return Err(invalid()),
    })
}

/// The columns of an existing table in Arrow's terms: the inverse of [`creation_schema`].
pub(crate) fn arrow_schema(table: &str, existing: &TableSchema) -> Result<SchemaRef> {
    let fields =
        existing.fields().iter().map(|field| arrow_field(table, field.name(), field)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ArrowSchema::new(fields)))
}

fn arrow_field(table: &str, path: &str, field: &DataField) -> Result<Field> {
    Ok(Field::new(field.name(), arrow_type(table, path, field.data_type())?, field.data_type().is_nullable()))
}

fn arrow_type(table: &str, path: &str, data_type: &DataType) -> Result<ArrowType> {
    let unsupported = || LakeError::UnsupportedType {
        table: table.to_owned(),
        column: path.to_owned(),
        data_type: sql_name(data_type),
    };
    let unit = |precision: u32| match precision {
        MILLISECOND_PRECISION => Ok(TimeUnit::Millisecond),
        MICROSECOND_PRECISION => Ok(TimeUnit::Microsecond),
        _ => Err(unsupported()),
    };
    Ok(match data_type {
        DataType::VarChar(_) | DataType::Char(_) => ArrowType::Utf8,
        DataType::Boolean(_) => ArrowType::Boolean,
        DataType::TinyInt(_) => ArrowType::Int8,
        DataType::SmallInt(_) => ArrowType::Int16,
        DataType::Int(_) => ArrowType::Int32,
        DataType::BigInt(_) => ArrowType::Int64,
        DataType::Float(_) => ArrowType::Float32,
        DataType::Double(_) => ArrowType::Float64,
        DataType::Date(_) => ArrowType::Date32,
        DataType::Decimal(decimal) => {
            let digits = |count: u32| u8::try_from(count).map_err(|_| unsupported());
            let scale = i8::try_from(decimal.scale()).map_err(|_| unsupported())?;
            ArrowType::Decimal128(digits(decimal.precision())?, scale)
        }
        DataType::Timestamp(time) => ArrowType::Timestamp(unit(time.precision())?, None),
        DataType::LocalZonedTimestamp(time) => ArrowType::Timestamp(unit(time.precision())?, Some(UTC.into())),
        DataType::Array(array) => {
            let element = array.element_type();
            let arrow = arrow_type(table, &format!("{path}[]"), element)?;
            ArrowType::List(Arc::new(Field::new("element", arrow, element.is_nullable())))
        }
        DataType::Row(row) => {
            let fields =
                row.fields().iter().map(|field| arrow_field(table, &format!("{path}.{}", field.name()), field));
            ArrowType::Struct(fields.collect::<Result<Fields>>()?)
        }
        _ => return Err(unsupported()),
    })
}

/// A type as SQL writes it, without the field ids that two equal types may differ in.
fn sql_name(data_type: &DataType) -> String {
    let not_null = if data_type.is_nullable() { "" } else { " NOT NULL" };
    match data_type {
        DataType::VarChar(text) if text.length() == VarCharType::MAX_LENGTH => format!("STRING{not_null}"),
        DataType::VarChar(text) => format!("VARCHAR({}){not_null}", text.length()),
        DataType::Char(text) => format!("CHAR({}){not_null}", text.length()),
        DataType::Boolean(_) => format!("BOOLEAN{not_null}"),
        DataType::TinyInt(_) => format!("TINYINT{not_null}"),
        DataType::SmallInt(_) => format!("SMALLINT{not_null}"),
        DataType::Int(_) => format!("INT{not_null}"),
        DataType::BigInt(_) => format!("BIGINT{not_null}"),
        DataType::Float(_) => format!("FLOAT{not_null}"),
        DataType::Double(_) => format!("DOUBLE{not_null}"),
        DataType::Date(_) => format!("DATE{not_null}"),
        DataType::Decimal(decimal) => format!("DECIMAL({}, {}){not_null}", decimal.precision(), decimal.scale()),
        DataType::Timestamp(time) => format!("TIMESTAMP({}){not_null}", time.precision()),
        DataType::LocalZonedTimestamp(time) => format!("TIMESTAMP_LTZ({}){not_null}", time.precision()),
        DataType::Array(array) => format!("ARRAY<{}>{not_null}", sql_name(array.element_type())),
        DataType::Row(row) => {
            let fields: Vec<String> =
                row.fields().iter().map(|field| format!("{} {}", field.name(), sql_name(field.data_type()))).collect();
            format!("ROW<{}>{not_null}", fields.join(", "))
        }
        other => format!("{other:?}"),
    }
}
