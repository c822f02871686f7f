//! Functions of text.

use super::{Bind, Call, Found};
use crate::functions::text::{self, Side};
use crate::functions::{digest, json_path, pattern, regex};
use datafusion::sql::sqlparser::ast::Value;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

pub(super) fn find(call: &mut Call<'_>) -> Found {
    Some(match call.name {
        "UPPER" => one(call, |arguments| text::upper(&arguments[0])),
        "LOWER" => one(call, |arguments| text::lower(&arguments[0])),
        "INITCAP" => one(call, |arguments| text::initcap(&arguments[0])),
        "REVERSE" => one(call, |arguments| text::reverse(&arguments[0])),
        "BTRIM" | "TRIM" => trimmed(call, Side::Both),
        "LTRIM" => trimmed(call, Side::Left),
        "RTRIM" => trimmed(call, Side::Right),
        "CHAR_LENGTH" | "CHARACTER_LENGTH" => sized(call),
        "ASCII" => with(call, 1, 0, DataType::Int, |arguments| text::ascii(&arguments[0])),
        "SUBSTRING" | "SUBSTR" => substring(call),
        "LEFT" => with(call, 1, 1, DataType::String, |arguments| text::left(&arguments[0], &arguments[1])),
        "RIGHT" => with(call, 1, 1, DataType::String, |arguments| text::right(&arguments[0], &arguments[1])),
        "REPEAT" => with(call, 1, 1, DataType::String, |arguments| text::repeat(&arguments[0], &arguments[1])),
        "REPLACE" => with(call, 3, 0, DataType::String, text::replace),
        "POSITION" => with(call, 2, 0, DataType::Int, |arguments| text::position(&arguments[1], &arguments[0])),
        "LOCATE" if call.arguments.len() == 3 => with(call, 2, 1, DataType::Int, text::locate),
        "LOCATE" => with(call, 2, 0, DataType::Int, |arguments| text::position(&arguments[1], &arguments[0])),
        "INSTR" => with(call, 2, 0, DataType::Int, |arguments| text::position(&arguments[0], &arguments[1])),
        "TRANSLATE" => with(call, 3, 0, DataType::String, text::translate),
        "CHR" => with(call, 0, 1, DataType::String, |arguments| text::chr(&arguments[0])),
        "STARTSWITH" => with(call, 2, 0, DataType::Boolean, |arguments| text::starts_or_ends(arguments, false)),
        "ENDSWITH" => with(call, 2, 0, DataType::Boolean, |arguments| text::starts_or_ends(arguments, true)),
        "LPAD" => padded(call, true),
        "RPAD" => padded(call, false),
        "OVERLAY" => overlay(call),
        "SPLIT_INDEX" => {
            with(call, 2, 1, DataType::String, text::split_index).map(|bound| super::Bound { nullable: true, ..bound })
        }
        "MD5" => with(call, 1, 0, DataType::Char(32), |arguments| digest::md5(&arguments[0])),
        "SHA256" => with(call, 1, 0, DataType::Char(64), |arguments| digest::sha256(&arguments[0])),
        "TO_BASE64" => one(call, |arguments| digest::to_base64(&arguments[0])),
        "FROM_BASE64" => one(call, |arguments| digest::from_base64(&arguments[0])),
        "JSON_VALUE" => json_value(call),
        "CONCAT" | "||" => concat(call),
        "CONCAT_WS" => concat_ws(call),
        "REGEXP_EXTRACT" => regexp_extract(call),
        "REGEXP_REPLACE" => regexp_replace(call),
        "REGEXP" | "REGEXP_LIKE" => regexp(call),
        _ => return None,
    })
}

use arrow::array::ArrayRef;
use datafusion::common::Result as ComputeResult;

fn one(call: &Call<'_>, function: fn(&[ArrayRef]) -> ComputeResult<ArrayRef>) -> Bind {
    with(call, 1, 0, DataType::String, function)
}

fn with(
    call: &Call<'_>,
    texts: usize,
    integers: usize,
    output: DataType,
    function: fn(&[ArrayRef]) -> ComputeResult<ArrayRef>,
) -> Bind {
    call.count(texts + integers, texts + integers)?;
    call.result(call.texts_then_integers(texts)?, output, function)
}

fn sized(call: &Call<'_>) -> Bind {
    with(call, 1, 0, DataType::Int, |arguments| text::char_length(&arguments[0]))
}

/// Blanks, or the characters of a second text.
fn trimmed(call: &Call<'_>, side: Side) -> Bind {
    call.count(1, 2)?;
    call.result(call.texts_then_integers(2)?, DataType::String, move |arguments| text::trim(arguments, side))
}

fn substring(call: &Call<'_>) -> Bind {
    call.count(2, 3)?;
    call.result(call.texts_then_integers(1)?, DataType::String, text::substring)
}

fn padded(call: &Call<'_>, left: bool) -> Bind {
    call.count(3, 3)?;
    let arguments = vec![call.text(0)?, call.integer(1)?, call.text(2)?];
    call.result(arguments, DataType::String, move |arguments| text::pad(arguments, left))
        .map(|bound| super::Bound { nullable: true, ..bound })
}

fn overlay(call: &Call<'_>) -> Bind {
    call.count(3, 4)?;
    call.result(call.texts_then_integers(2)?, DataType::String, text::overlay)
}

fn concat(call: &Call<'_>) -> Bind {
    call.count(1, usize::MAX)?;
    call.result(call.texts_then_integers(usize::MAX)?, DataType::String, text::concat)
}

fn concat_ws(call: &Call<'_>) -> Bind {
    call.count(1, usize::MAX)?;
    let nullable = call.arguments[0].0.nullable;
    call.result(call.texts_then_integers(usize::MAX)?, DataType::String, text::concat_ws)
        .map(|bound| super::Bound { nullable, ..bound })
}

fn json_value(call: &Call<'_>) -> Bind {
    call.count(2, 2)?;
    let source = call.literal_text(1, "the path")?;
    let path = json_path::Path::parse(&source).ok_or_else(|| {
        Mistake::new(call.arguments[1].1, format!("the path '{source}' runs on Flink only"))
            .hint("what runs here: names and positions from the root, such as '$.units[0].price' or 'lax $[''a b'']'")
    })?;
    call.named(&format!("JSON_VALUE '{source}'"), vec![call.text(0)?], DataType::String, move |arguments| {
        path.values(&arguments[0])
    })
    .map(|bound| super::Bound { nullable: true, ..bound })
}

fn compiled(call: &Call<'_>) -> Result<(regex::Pattern, String), Mistake> {
    let source = call.literal_text(1, "the pattern")?;
    let span = call.arguments[1].1;
    let pattern = regex::Pattern::parse(&source).map_err(|error| {
        Mistake::new(span, format!("this pattern runs on Flink only: {error}"))
            .hint("what Java has and Rust's regex has not: looking around, back references, possessive quantifiers")
    })?;
    Ok((pattern, source))
}

fn regexp_extract(call: &Call<'_>) -> Bind {
    call.count(2, 3)?;
    if call.arguments[1].0.constant_text().is_some_and(regex::is_no_pattern) {
        // Flink answers NULL for what is no pattern
        let null = crate::plan::expression::typed_null(&DataType::String);
        return Ok(super::Bound::new(null, DataType::String, true));
    }
    let (pattern, source) = compiled(call)?;
    let group = match call.arguments.get(2) {
        None => 0,
        Some((bound, span)) => bound
            .constant_integer()
            .and_then(|group| usize::try_from(group).ok())
            .ok_or_else(|| Mistake::new(*span, "the group of REGEXP_EXTRACT is a number written out"))?,
    };
    let name = format!("REGEXP_EXTRACT '{source}' {group}");
    call.named(&name, vec![call.text(0)?], DataType::String, move |arguments| pattern.extract(&arguments[0], group))
        .map(|bound| super::Bound { nullable: true, ..bound })
}

fn regexp_replace(call: &Call<'_>) -> Bind {
    call.count(3, 3)?;
    let (pattern, source) = compiled(call)?;
    let replacement = call.literal_text(2, "the replacement")?;
    let name = format!("REGEXP_REPLACE '{source}' '{replacement}'");
    call.named(&name, vec![call.text(0)?], DataType::String, move |arguments| {
        pattern.replace(&arguments[0], &replacement)
    })
}

fn regexp(call: &Call<'_>) -> Bind {
    call.count(2, 2)?;
    let (pattern, source) = compiled(call)?;
    call.named(&format!("REGEXP '{source}'"), vec![call.text(0)?], DataType::Boolean, move |arguments| {
        pattern.matches(&arguments[0])
    })
}

pub(super) fn like(call: &Call<'_>, escape: Option<&Value>, negated: bool) -> Bind {
    let escape = match escape {
        None => None,
        Some(Value::SingleQuotedString(text)) if text.chars().count() == 1 => text.chars().next(),
        Some(_) => return Err(Mistake::new(call.arguments[1].1, "ESCAPE takes one character")),
    };
    let name = format!("{}LIKE ESCAPE {escape:?}", if negated { "NOT " } else { "" });
    let (value, written) = (call.text(0)?, call.text(1)?);
    if let Some(text) = call.arguments[1].0.constant_text() {
        let pattern = pattern::Pattern::parse(text, escape)
            .ok_or_else(|| Mistake::new(call.arguments[1].1, "the escape stands before %, _ or itself"))?;
        let name = format!("{name} '{text}'");
        let function = move |arguments: &[ArrayRef]| -> ComputeResult<ArrayRef> {
            Ok(Arc::new(pattern.matches_all(&arguments[0], negated)))
        };
        return call.named(&name, vec![value], DataType::Boolean, function);
    }
    call.named(&name, vec![value, written], DataType::Boolean, move |arguments| {
        pattern::matches_each(&arguments[0], &arguments[1], escape, negated)
    })
}
