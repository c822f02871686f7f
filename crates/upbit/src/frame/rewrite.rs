//! Rewrites one object that is not DEFAULT into DEFAULT field names; every value keeps its own bytes.
//!
//! In: the text of one object that was already scanned without a mistake. Out: a new object, or nothing if all its
//! names were DEFAULT already. Key order is kept, a missing `type` comes first, unknown keys stay.

use hoga_model::StreamKind;
use hoga_model::json::{JsonError, Kind, Scanner, push_string};

use super::names::{self, Names};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum RewriteError {
    Json(JsonError),
    /// Two keys stand for one field (`code` and `cd`) with different values: nobody can say which of them is true.
    Twice(&'static str),
}

impl From<JsonError> for RewriteError {
    fn from(error: JsonError) -> RewriteError {
        RewriteError::Json(error)
    }
}

/// `None` if the object says everything in DEFAULT names, so that its own bytes can be kept. Times above `ms_max` are microseconds, and are
/// written in milliseconds.
pub(super) fn rewrite(
    object: &str,
    kind: StreamKind,
    type_is_missing: bool,
    ms_max: Option<i64>,
) -> Result<Option<Vec<u8>>, RewriteError> {
    let renamed = type_is_missing || ms_max.is_some();
    let mut writer = Writer { out: Vec::with_capacity(object.len() * 2), renamed, ms_max };
    writer.out.push(b'{');
    if type_is_missing {
        writer.out.extend_from_slice(b"\"type\":");
        push_string(&mut writer.out, kind.as_str());
    }
    let mut json = Scanner::new(object);
    writer.fields(&mut json, names::of_kind(kind))?;
    json.end()?;
    Ok(writer.renamed.then_some(writer.out))
}

struct Writer {
    out: Vec<u8>,
    renamed: bool,
    ms_max: Option<i64>,
}

impl Writer {
    /// Reads an object and writes its members and the closing brace; the opening one is already written.
    fn fields<'a>(&mut self, json: &mut Scanner<'a>, names: &'static Names) -> Result<(), RewriteError> {
        let mut seen: [Option<&'a str>; names::ROWS_MAX] = [None; names::ROWS_MAX];
        json.begin_object()?;
        while let Some(key) = json.next_key()? {
            let Some(row) = names::row_of(names, &key) else {
                self.key(&key);
                self.out.extend_from_slice(json.skip()?.as_bytes());
                continue;
            };
            let name = names[row].1;
            self.renamed |= *key != *name;
            if let Some(first) = seen[row] {
                if json.skip()? != first {
                    return Err(RewriteError::Twice(name));
                }
                self.renamed = true;
                continue;
            }
            self.key(name);
            if name == names::UNITS && json.peek()? == Kind::Array {
                self.units(json)?;
                seen[row] = Some(""); // no value is empty: a second one always differs
            } else {
                let value = json.skip()?;
                let written = if matches!(name, "timestamp" | "trade_timestamp") { self.in_ms(value) } else { value };
                self.out.extend_from_slice(written.as_bytes());
                // a time in quotes loses the closing one with its last digits
                if written.len() < value.len() && value.ends_with('"') {
                    self.out.push(b'"');
                }
                seen[row] = Some(value);
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The token without its last three digits, if it is a time in microseconds.
    fn in_ms<'a>(&self, token: &'a str) -> &'a str {
        let digits = token.trim_matches('"');
        let is_micro = digits.parse::<i64>().is_ok_and(|time| self.ms_max.is_some_and(|ms_max| time > ms_max));
        let quotes = usize::from(token.len() > digits.len());
        if is_micro { &token[..quotes + digits.len() - 3] } else { token }
    }

    fn units(&mut self, json: &mut Scanner<'_>) -> Result<(), RewriteError> {
        json.begin_array()?;
        self.out.push(b'[');
        while json.next_element()? {
            if self.out.last() != Some(&b'[') {
                self.out.push(b',');
            }
            if json.peek()? == Kind::Object {
                self.out.push(b'{');
                self.fields(json, names::ORDERBOOK_UNIT)?;
            } else {
                self.out.extend_from_slice(json.skip()?.as_bytes());
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn key(&mut self, key: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        push_string(&mut self.out, key);
        self.out.push(b':');
    }
}
