//! Flink's data types: what a column holds, and how Flink spells it.
//!
//! Source: Flink 2.0, "Data Types" (table/types), and the summary strings of its LogicalType classes.

use std::fmt;

use sqlparser::ast::{self, ArrayElemTypeDef, BinaryLength, CharacterLength, ExactNumberInfo, Ident, TimezoneInfo};

use crate::name::quoted_always;

/// DECIMAL holds at most this many digits.
pub const DECIMAL_PRECISION_MAX: u32 = 38;
/// TIME and TIMESTAMP hold at most nanoseconds.
pub const TIME_PRECISION_MAX: u32 = 9;
/// The longest CHAR, VARCHAR, BINARY, VARBINARY: VARCHAR of this length is STRING, VARBINARY is BYTES.
pub(crate) const LENGTH_MAX: u32 = i32::MAX as u32;
/// Types inside types: deeper ones are a mistake or an attack on the stack.
pub(crate) const TYPE_DEPTH_MAX: usize = 16;

/// DECIMAL without digits.
pub(crate) const DECIMAL_PRECISION_DEFAULT: u32 = 10;
/// TIMESTAMP without digits: microseconds.
pub(crate) const TIMESTAMP_PRECISION_DEFAULT: u32 = 6;

/// A type and whether NULL is among its values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SqlType {
    pub data_type: DataType,
    /// True unless the type says NOT NULL.
    pub nullable: bool,
}

/// A Flink data type, synonyms resolved (`INTEGER` is [`DataType::Int`], `VARCHAR(2147483647)` is [`DataType::String`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataType {
    Boolean,
    /// 8-bit signed integer.
    TinyInt,
    /// 16-bit signed integer.
    SmallInt,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    BigInt,
    /// 32-bit floating point.
    Float,
    /// 64-bit floating point.
    Double,
    /// `precision` digits in all (1 to 38), `scale` of them after the point.
    Decimal {
        precision: u32,
        scale: u32,
    },
    /// Exactly so many characters.
    Char(u32),
    /// At most so many characters.
    VarChar(u32),
    String,
    /// Exactly so many bytes.
    Binary(u32),
    /// At most so many bytes.
    VarBinary(u32),
    Bytes,
    Date,
    /// Time of day; the number is the digits after the second.
    Time(u32),
    /// A calendar date and time without a zone; the number is the digits after the second.
    Timestamp(u32),
    /// An instant, shown in the session's time zone; the number is the digits after the second.
    TimestampLtz(u32),
    Array(Box<SqlType>),
    Map(Box<SqlType>, Box<SqlType>),
    /// A bag: each value with its count.
    Multiset(Box<SqlType>),
    Row(Vec<RowField>),
}

/// One field of a ROW.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowField {
    pub name: String,
    pub sql_type: SqlType,
    pub comment: Option<String>,
}

impl DataType {
    /// This type, NULL allowed.
    pub fn nullable(self) -> SqlType {
        SqlType { data_type: self, nullable: true }
    }

    /// The precision, if this is a TIMESTAMP or TIMESTAMP_LTZ.
    pub fn timestamp_precision(&self) -> Option<u32> {
        match self {
            DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => Some(*precision),
            _ => None,
        }
    }

    /// The same type in sqlparser's tree, as it stands in a CAST of a query. What sqlparser has no variant for is
    /// `Custom`: `TIMESTAMP_LTZ` with its precision, `MULTISET` with its element. NOT NULL inside is dropped.
    pub fn to_ast(&self) -> ast::DataType {
        let precision = |digits: &u32| Some(u64::from(*digits));
        match self {
            DataType::Boolean => ast::DataType::Boolean,
            DataType::TinyInt => ast::DataType::TinyInt(None),
            DataType::SmallInt => ast::DataType::SmallInt(None),
            DataType::Int => ast::DataType::Int(None),
            DataType::BigInt => ast::DataType::BigInt(None),
            DataType::Float => ast::DataType::Float(ExactNumberInfo::None),
            DataType::Double => ast::DataType::Double(ExactNumberInfo::None),
            DataType::Decimal { precision, scale } => {
                ast::DataType::Decimal(ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)))
            }
            DataType::Char(length) => ast::DataType::Char(Some(characters(*length))),
            DataType::VarChar(length) => ast::DataType::Varchar(Some(characters(*length))),
            DataType::String => ast::DataType::String(None),
            DataType::Binary(length) => ast::DataType::Binary(precision(length)),
            DataType::VarBinary(length) => {
                ast::DataType::Varbinary(Some(BinaryLength::IntegerLength { length: u64::from(*length) }))
            }
            DataType::Bytes => ast::DataType::Bytes(None),
            DataType::Date => ast::DataType::Date,
            DataType::Time(digits) => ast::DataType::Time(precision(digits), TimezoneInfo::None),
            DataType::Timestamp(digits) => ast::DataType::Timestamp(precision(digits), TimezoneInfo::None),
            DataType::TimestampLtz(digits) => custom("TIMESTAMP_LTZ", digits.to_string()),
            DataType::Array(element) => {
                ast::DataType::Array(ArrayElemTypeDef::AngleBracket(Box::new(element.data_type.to_ast())))
            }
            DataType::Map(key, value) => {
                ast::DataType::Map(Box::new(key.data_type.to_ast()), Box::new(value.data_type.to_ast()))
            }
            DataType::Multiset(element) => custom("MULTISET", element.to_string()),
            DataType::Row(fields) => {
                let field = |field: &RowField| ast::StructField {
                    field_name: Some(Ident::with_quote('`', field.name.clone())),
                    field_type: field.sql_type.data_type.to_ast(),
                    options: None,
                };
                ast::DataType::Struct(fields.iter().map(field).collect(), ast::StructBracketKind::AngleBrackets)
            }
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.data_type, if self.nullable { "" } else { " NOT NULL" })
    }
}

/// Flink's canonical spelling, which Flink and our parser read back as the same type.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Boolean => f.write_str("BOOLEAN"),
            DataType::TinyInt => f.write_str("TINYINT"),
            DataType::SmallInt => f.write_str("SMALLINT"),
            DataType::Int => f.write_str("INT"),
            DataType::BigInt => f.write_str("BIGINT"),
            DataType::Float => f.write_str("FLOAT"),
            DataType::Double => f.write_str("DOUBLE"),
            DataType::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            DataType::Char(length) => write!(f, "CHAR({length})"),
            DataType::VarChar(length) => write!(f, "VARCHAR({length})"),
            DataType::String => f.write_str("STRING"),
            DataType::Binary(length) => write!(f, "BINARY({length})"),
            DataType::VarBinary(length) => write!(f, "VARBINARY({length})"),
            DataType::Bytes => f.write_str("BYTES"),
            DataType::Date => f.write_str("DATE"),
            DataType::Time(digits) => write!(f, "TIME({digits})"),
            DataType::Timestamp(digits) => write!(f, "TIMESTAMP({digits})"),
            DataType::TimestampLtz(digits) => write!(f, "TIMESTAMP_LTZ({digits})"),
            DataType::Array(element) => write!(f, "ARRAY<{element}>"),
            DataType::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            DataType::Multiset(element) => write!(f, "MULTISET<{element}>"),
            DataType::Row(fields) => {
                f.write_str("ROW<")?;
                for (index, field) in fields.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{} {}", quoted_always(&field.name), field.sql_type)?;
                    if let Some(comment) = &field.comment {
                        write!(f, " '{}'", comment.replace('\'', "''"))?;
                    }
                }
                f.write_str(">")
            }
        }
    }
}

fn characters(length: u32) -> CharacterLength {
    CharacterLength::IntegerLength { length: u64::from(length), unit: None }
}

fn custom(name: &str, modifier: String) -> ast::DataType {
    ast::DataType::Custom(ast::ObjectName::from(vec![Ident::new(name)]), vec![modifier])
}

#[cfg(test)]
mod tests;
