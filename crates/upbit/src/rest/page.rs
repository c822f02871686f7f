//! A page of an answer: a JSON array of objects, whose values are kept as the tokens that came.

use bytes::Bytes;
use hoga_model::json::{JsonError, Scanner};

/// The rows of a page, or why it is none.
pub(super) fn rows<'a, T>(
    body: &'a Bytes,
    mut read: impl FnMut(&mut Scanner<'a>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut json = Scanner::from_bytes(body).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    json.begin_array().map_err(|error| error.to_string())?;
    while json.next_element().map_err(|error| error.to_string())? {
        rows.push(read(&mut json)?);
    }
    json.end().map_err(|error| error.to_string())?;
    Ok(rows)
}

/// One row: the token of each field that has a slot; others are skipped.
pub(super) fn fields<'a, R: Default>(
    json: &mut Scanner<'a>,
    slot: for<'r> fn(&'r mut R, &str) -> Option<&'r mut Option<&'a str>>,
) -> Result<R, JsonError> {
    let mut row = R::default();
    json.begin_object()?;
    while let Some(key) = json.next_key()? {
        let token = json.skip()?;
        if let Some(slot) = slot(&mut row, &key) {
            *slot = Some(token);
        }
    }
    Ok(row)
}
