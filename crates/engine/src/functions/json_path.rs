//! JSON_VALUE: one scalar of a JSON text by a path of names and positions, as Flink (Jackson and Jayway's JsonPath) reads it.
//!
//! Without `lax` a path is strict; NULL is what both modes give for what is not there, no scalar or no JSON. Wildcards,
//! filters and `..` are not read here.

use arrow::array::{ArrayRef, AsArray, StringBuilder};
use datafusion::common::Result;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    /// From 0; from the end if negative.
    Position(i64),
}

impl Path {
    /// None if it has what only Flink reads.
    pub(crate) fn parse(text: &str) -> Option<Path> {
        let text = text.trim_start();
        let mode = ["lax", "strict"].iter().find_map(|mode| {
            let head = text.get(..mode.len()).filter(|head| head.eq_ignore_ascii_case(mode))?;
            text[head.len()..].strip_prefix(char::is_whitespace).map(str::trim_start)
        });
        let mut rest = mode.unwrap_or(text).strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('.') {
                Some(name) => {
                    let end = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
                    (Step::Name(name[..end].to_owned()), &name[end..])
                }
                None => {
                    let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
                    let quoted = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
                    let step = match quoted {
                        Some(name) if !name.contains(['\'', '"', '\\', ',']) => Step::Name(name.to_owned()),
                        Some(_) => return None,
                        None => Step::Position(inside.parse().ok()?),
                    };
                    (step, after)
                }
            };
            if step == Step::Name(String::new()) {
                return None;
            }
            steps.push(step);
            rest = after;
        }
        Some(Path(steps))
    }

    pub(crate) fn values(&self, texts: &ArrayRef) -> Result<ArrayRef> {
        let mut result = StringBuilder::new();
        for text in texts.as_string::<i32>() {
            result.append_option(text.and_then(|text| self.value(text)));
        }
        Ok(Arc::new(result.finish()))
    }

    /// None: not there, no scalar, null, or no JSON. What stands behind the first value is not looked at.
    fn value(&self, text: &str) -> Option<String> {
        let mut value = Value::deserialize(&mut serde_json::Deserializer::from_str(text)).ok()?;
        for step in &self.0 {
            value = match (step, value) {
                (Step::Name(name), Value::Object(mut fields)) => fields.remove(name)?,
                (Step::Position(position), Value::Array(mut elements)) => {
                    let count = i64::try_from(elements.len()).ok()?;
                    let index = if *position < 0 { count + position } else { *position };
                    let index = usize::try_from(index).ok().filter(|index| *index < elements.len())?;
                    elements.swap_remove(index)
                }
                _ => return None,
            };
        }
        match value {
            Value::String(text) => Some(text),
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(number) => Some(number_text(&number.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// Characters of a name that needs no quotes.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// A whole number as it is; another one as Java's BigDecimal writes it: all its digits, and an exponent where the scale is
/// negative or more than six zeros would follow the point.
fn number_text(written: &str) -> String {
    if !written.contains(['.', 'e', 'E']) {
        return if written == "-0" { "0".to_owned() } else { written.to_owned() };
    }
    let (mantissa, exponent) = written.split_once(['e', 'E']).unwrap_or((written, "0"));
    let Ok(exponent) = exponent.parse::<i64>() else { return written.to_owned() };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let scale = fraction.len() as i64 - exponent;
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let sign = if digits == "0" { "" } else { sign };
    let length = digits.len() as i64;
    let adjusted = length - 1 - scale;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if scale > 0 && adjusted >= -6 {
        let zeros = usize::try_from(scale - length + 1).unwrap_or(0);
        let padded = format!("{}{digits}", "0".repeat(zeros));
        let point = padded.len() - usize::try_from(scale).unwrap_or(0);
        return format!("{sign}{}.{}", &padded[..point], &padded[point..]);
    }
    let (first, others) = digits.split_at(1);
    let point = if others.is_empty() { "" } else { "." };
    match adjusted {
        0 => format!("{sign}{first}{point}{others}"),
        adjusted => format!("{sign}{first}{point}{others}E{adjusted:+}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What real Flink answered.
    #[test]
    fn as_flink() {
        let cases = [
            (r#"{"a": 1.50}"#, "$.a", Some("1.50")),
            (r#"{"a": 1e3}"#, "$.a", Some("1E+3")),
            (r#"{"a": 10000000000000000000000}"#, "$.a", Some("10000000000000000000000")),
            (r#"{"a": 0.00000001}"#, "$.a", Some("1E-8")),
            (r#"{"a": 1E+5}"#, "$.a", Some("1E+5")),
            (r#"{"a": true}"#, "$.a", Some("true")),
            (r#"{"a": null}"#, "$.a", None),
            (r#"{"a": "x\u00e9\n"}"#, "$.a", Some("xé\n")),
            (r#"{"a": [1,2]}"#, "$.a", None),
            (r#"{"a": [1,"b"]}"#, "$.a[1]", Some("b")),
            (r#"{"a": [1,"b"]}"#, "$.a[-1]", Some("b")),
            (r#"{"a": [1,"b"]}"#, "$.a[5]", None),
            (r#"{"a": [1,"b"]}"#, r#"$["a"][0]"#, Some("1")),
            (r#"{"a": {"b": 3}}"#, "$['a']['b']", Some("3")),
            (r#"{"a": {"b": 3}}"#, "lax $.a.b", Some("3")),
            (r#"{"a": {"b": 3}}"#, " STRICT  $.a.b", Some("3")),
            (r#"{"a": {"b": 3}}"#, "$", None),
            ("5", "$", Some("5")),
            (r#""x""#, "$", Some("x")),
            ("null", "$", None),
            ("bad", "$.a", None),
            ("", "$.a", None),
            (r#"{"a": 1} x"#, "$.a", Some("1")),
            (r#"{"a": 1, "a": 2}"#, "$.a", Some("2")),
            (r#"{"a-b": 1}"#, "$.a-b", Some("1")),
            (r#"{"한": 1}"#, "$.한", Some("1")),
            (r#"{"a": NaN}"#, "$.a", None),
            ("[1,2]", "$[0]", Some("1")),
            (r#"{"a": {"0": 3}}"#, "$.a[0]", None),
            (r#"{"a": [5]}"#, "$.a.0", None),
            (r#"{"a": -0.0}"#, "$.a", Some("0.0")),
            (r#"{"a": 007}"#, "$.a", None),
            (r#"{"a": 1.0E-10}"#, "$.a", Some("1.0E-10")),
            (r#"{"a": 12345678901234567890.123456789}"#, "$.a", Some("12345678901234567890.123456789")),
            (r#"{"a": 100000000.0}"#, "$.a", Some("100000000.0")),
            (r#"{"a": 1E400}"#, "$.a", Some("1E+400")),
            (r#"{"a": 0.000001}"#, "$.a", Some("0.000001")),
            (r#"{"a": -12.5e1}"#, "$.a", Some("-125")),
        ];
        for (text, path, expected) in cases {
            let path = Path::parse(path).expect("a path");
            assert_eq!(path.value(text).as_deref(), expected, "{text} {path:?}");
        }
    }

    #[test]
    fn paths_of_flink_alone() {
        let others = ["", "a.b", "$.", "$..b", "$.a[*]", "$.a b", "$.a[0,1]", "$.a[?(@.b)]", "$.a[0:2]", "$['a','b']"];
        for path in others {
            assert_eq!(Path::parse(path), None, "{path}");
        }
    }
}
