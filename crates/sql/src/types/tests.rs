//! Types as Flink spells them.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use sqlparser::tokenizer::{Span, Token, Tokenizer};

use super::{DataType, LENGTH_MAX, RowField, SqlType};
use crate::dialect::FlinkDialect;
use crate::parser::parse_sql_type;
use crate::tokens::Cursor;

fn parse(text: &str) -> Result<SqlType, String> {
    let tokens = Tokenizer::new(&FlinkDialect, text).tokenize_with_location().map_err(|error| error.to_string())?;
    let mut plain = Vec::new();
    for token in tokens {
        match token.token {
            Token::Whitespace(_) => {}
            // the lexer's job in a file
            Token::ShiftRight => {
                plain.extend([Token::Gt, Token::Gt].map(|gt| sqlparser::tokenizer::TokenWithSpan::new(gt, token.span)));
            }
            _ => plain.push(token),
        }
    }
    let mut cursor = Cursor::new(&plain, Span::empty());
    let parsed = parse_sql_type(&mut cursor).map_err(|problem| problem.message)?;
    if cursor.rest().is_empty() { Ok(parsed) } else { Err(format!("left over: {:?}", cursor.rest())) }
}

#[test]
fn every_type_and_its_canonical_spelling() {
    let cases = [
        ("boolean", "BOOLEAN"),
        ("TINYINT", "TINYINT"),
        ("SMALLINT", "SMALLINT"),
        ("INTEGER", "INT"),
        ("BIGINT NOT NULL", "BIGINT NOT NULL"),
        ("FLOAT NULL", "FLOAT"),
        ("DOUBLE PRECISION", "DOUBLE"),
        ("DECIMAL", "DECIMAL(10, 0)"),
        ("DEC(5)", "DECIMAL(5, 0)"),
        ("NUMERIC(38,38)", "DECIMAL(38, 38)"),
        ("CHAR", "CHAR(1)"),
        ("CHARACTER(3)", "CHAR(3)"),
        ("CHAR VARYING(3)", "VARCHAR(3)"),
        ("VARCHAR", "VARCHAR(1)"),
        ("VARCHAR(2147483647)", "STRING"),
        ("STRING", "STRING"),
        ("BINARY(4)", "BINARY(4)"),
        ("BINARY VARYING(4)", "VARBINARY(4)"),
        ("VARBINARY(2147483647)", "BYTES"),
        ("BYTES", "BYTES"),
        ("DATE", "DATE"),
        ("TIME", "TIME(0)"),
        ("TIME(3) WITHOUT TIME ZONE", "TIME(3)"),
        ("TIMESTAMP", "TIMESTAMP(6)"),
        ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"),
        ("TIMESTAMP WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(6)"),
        ("TIMESTAMP(3) WITH LOCAL TIME ZONE NOT NULL", "TIMESTAMP_LTZ(3) NOT NULL"),
        ("TIMESTAMP_LTZ(9)", "TIMESTAMP_LTZ(9)"),
        ("ARRAY<INT NOT NULL>", "ARRAY<INT NOT NULL>"),
        ("INT ARRAY", "ARRAY<INT>"),
        ("INT NOT NULL ARRAY NOT NULL", "ARRAY<INT NOT NULL> NOT NULL"),
        ("INT MULTISET", "MULTISET<INT>"),
        ("MAP<STRING, ARRAY<BYTES>>", "MAP<STRING, ARRAY<BYTES>>"),
        ("MULTISET<STRING>", "MULTISET<STRING>"),
        ("ROW<a INT, `b c` STRING 'it''s'>", "ROW<`a` INT, `b c` STRING 'it''s'>"),
        ("ROW(a INT NOT NULL, b ROW<c DATE>)", "ROW<`a` INT NOT NULL, `b` ROW<`c` DATE>>"),
        ("ARRAY<ROW<a MAP<STRING, ARRAY<INT>>>>", "ARRAY<ROW<`a` MAP<STRING, ARRAY<INT>>>>"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).map(|parsed| parsed.to_string()), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn wrong_types_say_what_is_wrong() {
    let cases = [
        ("STRNG", "unknown type STRNG"),
        ("DECIMAL(0)", "DECIMAL holds 1 to 38 digits, not 0"),
        ("DECIMAL(39, 2)", "DECIMAL holds 1 to 38 digits, not 39"),
        ("DECIMAL(4, 5)", "DECIMAL(4, 5) has more digits after the point than in all"),
        ("DECIMAL(4, -1)", "expected a number, found -"),
        ("DECIMAL(99999999999)", "expected a whole number, found 99999999999"),
        ("TIME(10)", "TIME holds 0 to 9 digits after the second, not 10"),
        ("TIMESTAMP(10)", "TIMESTAMP holds 0 to 9 digits after the second, not 10"),
        ("TIMESTAMP_LTZ(12)", "TIMESTAMP_LTZ holds 0 to 9 digits after the second, not 12"),
        ("TIMESTAMP(3) WITH TIME ZONE", "Flink SQL has no TIMESTAMP WITH TIME ZONE"),
        ("CHAR(0)", "a length is at least 1"),
        ("VARCHAR(2147483648)", "a length is at most 2147483647"),
        ("INTERVAL DAY", "type INTERVAL runs on Flink only"),
        ("RAW", "type RAW runs on Flink only"),
        ("ARRAY", "expected <, found the end"),
        ("ARRAY<INT", "expected >, found the end"),
        ("MAP<INT>", "expected ,, found >"),
        ("ROW<>", "expected < or ( after ROW, found <>"),
        ("ROW<a INT, a INT>", "field a stands twice in this ROW"),
        ("ROW<INT>", "expected a field name, found the reserved word INT"),
        ("INT NOT", "expected NULL, found the end"),
        ("'INT'", "expected a type, found 'INT'"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
    }
    let deep = format!("{}INT{}", "ARRAY<".repeat(40), ">".repeat(40));
    assert_eq!(parse(&deep), Err("types are nested deeper than 16 levels".to_owned()));
    assert_eq!(parse(&format!("INT{}", " ARRAY".repeat(40))), Err("types are nested deeper than 16 levels".to_owned()));
}

fn sql_types() -> impl Strategy<Value = SqlType> {
    let leaf = prop_oneof![
        Just(DataType::Boolean),
        Just(DataType::TinyInt),
        Just(DataType::SmallInt),
        Just(DataType::Int),
        Just(DataType::BigInt),
        Just(DataType::Float),
        Just(DataType::Double),
        (1u32..=38)
            .prop_flat_map(|precision| (Just(precision), 0..=precision))
            .prop_map(|(precision, scale)| { DataType::Decimal { precision, scale } }),
        (1..LENGTH_MAX).prop_map(DataType::Char),
        (1..LENGTH_MAX).prop_map(DataType::VarChar),
        Just(DataType::String),
        (1..LENGTH_MAX).prop_map(DataType::Binary),
        (1..LENGTH_MAX).prop_map(DataType::VarBinary),
        Just(DataType::Bytes),
        Just(DataType::Date),
        (0u32..=9).prop_map(DataType::Time),
        (0u32..=9).prop_map(DataType::Timestamp),
        (0u32..=9).prop_map(DataType::TimestampLtz),
    ];
    let nullable = |data_type: DataType, nullable: bool| SqlType { data_type, nullable };
    let leaf = (leaf, any::<bool>()).prop_map(move |(data_type, null)| nullable(data_type, null));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let field = (".{1,8}", inner, proptest::option::of(".{0,8}")).prop_map(|(name, sql_type, comment)| RowField {
            name,
            sql_type,
            comment,
        });
        let row = proptest::collection::vec(field, 1..4).prop_filter("names are distinct", |fields| {
            (1..fields.len()).all(|at| fields[..at].iter().all(|other| other.name != fields[at].name))
        });
        let nested = prop_oneof![
            boxed.clone().prop_map(DataType::Array),
            boxed.clone().prop_map(DataType::Multiset),
            (boxed.clone(), boxed).prop_map(|(key, value)| DataType::Map(key, value)),
            row.prop_map(DataType::Row),
        ];
        (nested, any::<bool>()).prop_map(move |(data_type, null)| nullable(data_type, null))
    })
}

proptest! {
    #[test]
    fn what_is_displayed_is_read_back(sql_type in sql_types()) {
        prop_assert_eq!(parse(&sql_type.to_string()), Ok(sql_type));
    }
}
