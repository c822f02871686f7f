//! The type of a CAST: back from sqlparser's tree, where `hoga_sql` put it.

use datafusion::sql::sqlparser::ast::{self, ArrayElemTypeDef, BinaryLength, CharacterLength, ExactNumberInfo};
use hoga_sql::{DataType, RowField};

/// The Flink type that [`DataType::to_ast`] made this of; None for what is not one.
pub(super) fn sql_type(written: &ast::DataType) -> Option<DataType> {
    let small = |number: u64| u32::try_from(number).ok();
    let length = |length: &CharacterLength| match length {
        CharacterLength::IntegerLength { length, .. } => small(*length),
        CharacterLength::Max => None,
    };
    Some(match written {
        ast::DataType::Boolean => DataType::Boolean,
        ast::DataType::TinyInt(None) => DataType::TinyInt,
        ast::DataType::SmallInt(None) => DataType::SmallInt,
        ast::DataType::Int(None) => DataType::Int,
        ast::DataType::BigInt(None) => DataType::BigInt,
        ast::DataType::Float(ExactNumberInfo::None) => DataType::Float,
        ast::DataType::Double(ExactNumberInfo::None) => DataType::Double,
        ast::DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            DataType::Decimal { precision: small(*precision)?, scale: u32::try_from(*scale).ok()? }
        }
        ast::DataType::Char(Some(characters)) => DataType::Char(length(characters)?),
        ast::DataType::Varchar(Some(characters)) => DataType::VarChar(length(characters)?),
        ast::DataType::String(None) => DataType::String,
        ast::DataType::Binary(Some(bytes)) => DataType::Binary(small(*bytes)?),
        ast::DataType::Varbinary(Some(BinaryLength::IntegerLength { length })) => DataType::VarBinary(small(*length)?),
        ast::DataType::Bytes(None) => DataType::Bytes,
        ast::DataType::Date => DataType::Date,
        ast::DataType::Time(Some(digits), _) => DataType::Time(small(*digits)?),
        ast::DataType::Timestamp(digits, _) => DataType::Timestamp(small(digits.unwrap_or(6))?),
        ast::DataType::Custom(name, arguments) if name.to_string().eq_ignore_ascii_case("TIMESTAMP_LTZ") => {
            DataType::TimestampLtz(arguments.first().map_or(Some(6), |digits| digits.parse().ok())?)
        }
        ast::DataType::Array(ArrayElemTypeDef::AngleBracket(element)) => {
            DataType::Array(Box::new(sql_type(element)?.nullable()))
        }
        ast::DataType::Map(key, value) => {
            DataType::Map(Box::new(sql_type(key)?.nullable()), Box::new(sql_type(value)?.nullable()))
        }
        ast::DataType::Struct(fields, _) => {
            let field = |field: &ast::StructField| {
                let name = field.field_name.as_ref()?.value.clone();
                Some(RowField { name, sql_type: sql_type(&field.field_type)?.nullable(), comment: None })
            };
            DataType::Row(fields.iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
