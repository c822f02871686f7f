//! The grammar of types. It reads from any token stream: a column definition, or a CAST inside a query.

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::diagnostic::Problem;
use crate::name::did_you_mean;
use crate::tokens::{Parsed, Steps, joined};
use crate::types::{
    DECIMAL_PRECISION_DEFAULT, DECIMAL_PRECISION_MAX, DataType, LENGTH_MAX, RowField, SqlType, TIME_PRECISION_MAX,
    TIMESTAMP_PRECISION_DEFAULT, TYPE_DEPTH_MAX,
};

/// A type with its `NOT NULL` or `NULL`.
pub(crate) fn parse_sql_type(tokens: &mut impl Steps) -> Parsed<SqlType> {
    sql_type(tokens, 0)
}

fn sql_type(tokens: &mut impl Steps, depth: usize) -> Parsed<SqlType> {
    if depth > TYPE_DEPTH_MAX {
        return Err(Problem::new(tokens.next_span(), format!("types are nested deeper than {TYPE_DEPTH_MAX} levels")));
    }
    let data_type = data_type(tokens, depth)?;
    let mut sql_type = SqlType { data_type, nullable: nullability(tokens)? };
    // the standard's spelling: INT ARRAY is ARRAY<INT>
    loop {
        let wrap: fn(Box<SqlType>) -> DataType = if tokens.eat(&["ARRAY"]) {
            DataType::Array
        } else if tokens.eat(&["MULTISET"]) {
            DataType::Multiset
        } else {
            return Ok(sql_type);
        };
        sql_type = SqlType { data_type: wrap(Box::new(sql_type)), nullable: nullability(tokens)? };
        if depth_of(&sql_type) > TYPE_DEPTH_MAX {
            return Err(Problem::new(
                tokens.next_span(),
                format!("types are nested deeper than {TYPE_DEPTH_MAX} levels"),
            ));
        }
    }
}

fn depth_of(sql_type: &SqlType) -> usize {
    match &sql_type.data_type {
        DataType::Array(inner) | DataType::Multiset(inner) => 1 + depth_of(inner),
        _ => 0,
    }
}

fn nullability(tokens: &mut impl Steps) -> Parsed<bool> {
    if tokens.eat(&["NOT"]) {
        tokens.expect(&["NULL"])?;
        return Ok(false);
    }
    tokens.eat(&["NULL"]);
    Ok(true)
}

fn data_type(tokens: &mut impl Steps, depth: usize) -> Parsed<DataType> {
    let span = tokens.next_span();
    let Some(word) = tokens.word_at(0) else {
        return Err(tokens.unexpected("a type"));
    };
    tokens.advance();
    Ok(match word.as_str() {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::TinyInt,
        "SMALLINT" => DataType::SmallInt,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => {
            tokens.eat(&["PRECISION"]);
            DataType::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(tokens)?,
        "CHAR" | "CHARACTER" if tokens.eat(&["VARYING"]) => var_char(length(tokens)?),
        "CHAR" | "CHARACTER" => DataType::Char(length(tokens)?),
        "VARCHAR" => var_char(length(tokens)?),
        "STRING" => DataType::String,
        "BINARY" if tokens.eat(&["VARYING"]) => var_binary(length(tokens)?),
        "BINARY" => DataType::Binary(length(tokens)?),
        "VARBINARY" => var_binary(length(tokens)?),
        "BYTES" => DataType::Bytes,
        "DATE" => DataType::Date,
        "TIME" => {
            let digits = time_digits(tokens, "TIME")?.unwrap_or(0);
            without_time_zone(tokens, "TIME")?;
            DataType::Time(digits)
        }
        "TIMESTAMP" => timestamp(tokens)?,
        "TIMESTAMP_LTZ" => {
            DataType::TimestampLtz(time_digits(tokens, "TIMESTAMP_LTZ")?.unwrap_or(TIMESTAMP_PRECISION_DEFAULT))
        }
        "ARRAY" => DataType::Array(Box::new(element(tokens, depth)?)),
        "MULTISET" => DataType::Multiset(Box::new(element(tokens, depth)?)),
        "MAP" => {
            tokens.expect_token(&Token::Lt)?;
            let key = sql_type(tokens, depth + 1)?;
            tokens.expect_token(&Token::Comma)?;
            let value = sql_type(tokens, depth + 1)?;
            tokens.expect_token(&Token::Gt)?;
            DataType::Map(Box::new(key), Box::new(value))
        }
        "ROW" => row(tokens, depth)?,
        other => return Err(unknown_type(other, span)),
    })
}

fn unknown_type(word: &str, span: Span) -> Problem {
    const KNOWN: &[&str] = &[
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "INTEGER",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL",
        "NUMERIC",
        "CHAR",
        "VARCHAR",
        "STRING",
        "BINARY",
        "VARBINARY",
        "BYTES",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "TIMESTAMP_LTZ",
        "ARRAY",
        "MAP",
        "MULTISET",
        "ROW",
    ];
    if ["RAW", "INTERVAL", "VARIANT", "BITMAP", "STRUCTURED", "SYMBOL"].contains(&word) {
        return Problem::new(span, format!("type {word} runs on Flink only"));
    }
    let elsewhere = match word {
        "TEXT" | "CLOB" | "UUID" | "NVARCHAR" => Some("STRING"),
        "LONG" | "INT8" | "INT64" => Some("BIGINT"),
        "INT4" | "INT32" => Some("INT"),
        "BOOL" => Some("BOOLEAN"),
        "REAL" | "FLOAT4" => Some("FLOAT"),
        "FLOAT8" | "FLOAT64" => Some("DOUBLE"),
        "DATETIME" => Some("TIMESTAMP(3)"),
        "TIMESTAMPTZ" | "TIMESTAMP_TZ" => Some("TIMESTAMP_LTZ(3)"),
        "BLOB" | "BYTEA" => Some("BYTES"),
        "STRUCT" => Some("ROW<…>"),
        _ => None,
    };
    let hint =
        elsewhere.map(|name| format!("Flink calls it {name}")).or_else(|| did_you_mean(word, KNOWN.iter().copied()));
    Problem::new(span, format!("unknown type {word}")).maybe_hint(hint)
}

fn element(tokens: &mut impl Steps, depth: usize) -> Parsed<SqlType> {
    tokens.expect_token(&Token::Lt)?;
    let element = sql_type(tokens, depth + 1)?;
    tokens.expect_token(&Token::Gt)?;
    Ok(element)
}

fn row(tokens: &mut impl Steps, depth: usize) -> Parsed<DataType> {
    let close = if tokens.eat_token(&Token::Lt) {
        Token::Gt
    } else if tokens.eat_token(&Token::LParen) {
        Token::RParen
    } else {
        return Err(tokens.unexpected("< or ( after ROW"));
    };
    let mut fields: Vec<RowField> = Vec::new();
    loop {
        let name = tokens.name("a field name")?;
        if fields.iter().any(|field| field.name == name.value) {
            return Err(Problem::new(name.span, format!("field {name} stands twice in this ROW")));
        }
        let sql_type = sql_type(tokens, depth + 1)?;
        let comment = match &tokens.peek().token {
            Token::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        };
        if comment.is_some() {
            tokens.advance();
        }
        fields.push(RowField { name: name.value, sql_type, comment });
        if !tokens.eat_token(&Token::Comma) {
            tokens.expect_token(&close)?;
            return Ok(DataType::Row(fields));
        }
    }
}

fn decimal(tokens: &mut impl Steps) -> Parsed<DataType> {
    if !tokens.eat_token(&Token::LParen) {
        return Ok(DataType::Decimal { precision: DECIMAL_PRECISION_DEFAULT, scale: 0 });
    }
    let (precision, precision_span) = number(tokens)?;
    let scale = if tokens.eat_token(&Token::Comma) { Some(number(tokens)?) } else { None };
    tokens.expect_token(&Token::RParen)?;
    if !(1..=DECIMAL_PRECISION_MAX).contains(&precision) {
        let message = format!("DECIMAL holds 1 to {DECIMAL_PRECISION_MAX} digits, not {precision}");
        return Err(Problem::new(precision_span, message));
    }
    match scale {
        Some((scale, span)) if scale > precision => {
            let message = format!("DECIMAL({precision}, {scale}) has more digits after the point than in all");
            Err(Problem::new(span, message).hint(format!("the scale is at most the precision: {precision}")))
        }
        scale => Ok(DataType::Decimal { precision, scale: scale.map_or(0, |(scale, _)| scale) }),
    }
}

fn timestamp(tokens: &mut impl Steps) -> Parsed<DataType> {
    let digits = time_digits(tokens, "TIMESTAMP")?.unwrap_or(TIMESTAMP_PRECISION_DEFAULT);
    if tokens.eat(&["WITH", "LOCAL", "TIME", "ZONE"]) {
        return Ok(DataType::TimestampLtz(digits));
    }
    without_time_zone(tokens, "TIMESTAMP")?;
    Ok(DataType::Timestamp(digits))
}

fn without_time_zone(tokens: &mut impl Steps, name: &str) -> Parsed<()> {
    if tokens.sees(&["WITH", "TIME", "ZONE"]) {
        let span = joined(tokens.next_span(), tokens.peek_at(2).span);
        return Err(Problem::new(span, format!("Flink SQL has no {name} WITH TIME ZONE"))
            .hint("an instant is TIMESTAMP_LTZ(3), or TIMESTAMP(3) WITH LOCAL TIME ZONE"));
    }
    tokens.eat(&["WITHOUT", "TIME", "ZONE"]);
    Ok(())
}

fn time_digits(tokens: &mut impl Steps, name: &str) -> Parsed<Option<u32>> {
    let Some((digits, span)) = parenthesized(tokens)? else { return Ok(None) };
    if digits > TIME_PRECISION_MAX {
        let message = format!("{name} holds 0 to {TIME_PRECISION_MAX} digits after the second, not {digits}");
        return Err(Problem::new(span, message));
    }
    Ok(Some(digits))
}

/// The `(n)` of CHAR and its kin; 1 without it.
fn length(tokens: &mut impl Steps) -> Parsed<u32> {
    match parenthesized(tokens)? {
        Some((0, span)) => Err(Problem::new(span, "a length is at least 1")),
        Some((length, span)) if length > LENGTH_MAX => {
            Err(Problem::new(span, format!("a length is at most {LENGTH_MAX}")))
        }
        Some((length, _)) => Ok(length),
        None => Ok(1),
    }
}

fn var_char(length: u32) -> DataType {
    if length == LENGTH_MAX { DataType::String } else { DataType::VarChar(length) }
}

fn var_binary(length: u32) -> DataType {
    if length == LENGTH_MAX { DataType::Bytes } else { DataType::VarBinary(length) }
}

fn parenthesized(tokens: &mut impl Steps) -> Parsed<Option<(u32, Span)>> {
    if !tokens.eat_token(&Token::LParen) {
        return Ok(None);
    }
    let number = number(tokens)?;
    tokens.expect_token(&Token::RParen)?;
    Ok(Some(number))
}

fn number(tokens: &mut impl Steps) -> Parsed<(u32, Span)> {
    let TokenWithSpan { token: Token::Number(digits, false), span } = tokens.peek() else {
        return Err(tokens.unexpected("a number"));
    };
    let (span, number) = (*span, digits.parse::<u32>());
    let number = number.map_err(|_| Problem::new(span, format!("expected a whole number, found {digits}")))?;
    tokens.advance();
    Ok((number, span))
}
