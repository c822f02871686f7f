//! Functions of text, as Flink computes them: characters count, positions count from 1.

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray, StringBuilder};
use arrow::datatypes::Int64Type;
use datafusion::common::Result;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
    Both,
}

/// No text that a function makes is longer: REPEAT and LPAD must not take the machine's memory.
const TEXT_BYTES_MAX: usize = 1 << 20;

fn strings(array: &ArrayRef) -> &StringArray {
    array.as_string::<i32>()
}

/// A text of each text, written into one buffer.
fn map(array: &ArrayRef, write: impl Fn(&str, &mut String)) -> Result<ArrayRef> {
    let texts = strings(array);
    let mut result = StringBuilder::with_capacity(texts.len(), texts.values().len());
    let mut buffer = String::new();
    for text in texts {
        match text {
            Some(text) => {
                buffer.clear();
                write(text, &mut buffer);
                result.append_value(&buffer);
            }
            None => result.append_null(),
        }
    }
    Ok(Arc::new(result.finish()))
}

/// A piece of each text.
fn slices<'a>(texts: &'a StringArray, slice: impl Fn(usize, &'a str) -> Option<&'a str>) -> ArrayRef {
    let mut result = StringBuilder::with_capacity(texts.len(), texts.values().len());
    for (row, text) in texts.iter().enumerate() {
        result.append_option(text.and_then(|text| slice(row, text)));
    }
    Arc::new(result.finish())
}

/// All texts at once if they are ASCII: the offsets stay.
fn ascii_case(array: &ArrayRef, change: fn(&mut [u8]), otherwise: fn(&str) -> String) -> Result<ArrayRef> {
    let texts = strings(array);
    if texts.value_data().is_ascii() {
        let mut bytes = texts.value_data().to_vec();
        change(&mut bytes);
        return Ok(Arc::new(StringArray::try_new(texts.offsets().clone(), bytes.into(), texts.nulls().cloned())?));
    }
    map(array, |text, out| out.push_str(&otherwise(text)))
}

pub(crate) fn upper(array: &ArrayRef) -> Result<ArrayRef> {
    ascii_case(array, |bytes| bytes.make_ascii_uppercase(), str::to_uppercase)
}

pub(crate) fn lower(array: &ArrayRef) -> Result<ArrayRef> {
    ascii_case(array, |bytes| bytes.make_ascii_lowercase(), str::to_lowercase)
}

/// Words are runs of ASCII letters and digits: all else is left as it is, and ends a word.
pub(crate) fn initcap(array: &ArrayRef) -> Result<ArrayRef> {
    map(array, |text, out| {
        let mut inside = false;
        for c in text.chars() {
            out.push(if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
            inside = c.is_ascii_alphanumeric();
        }
    })
}

pub(crate) fn reverse(array: &ArrayRef) -> Result<ArrayRef> {
    map(array, |text, out| out.extend(text.chars().rev()))
}

pub(crate) fn char_length(array: &ArrayRef) -> Result<ArrayRef> {
    let texts = strings(array);
    let length = |text: &str| if text.is_ascii() { text.len() } else { text.chars().count() };
    Ok(Arc::new(texts.iter().map(|text| text.map(|text| length(text) as i32)).collect::<Int32Array>()))
}

/// The first character as a number; 0 for an empty text.
pub(crate) fn ascii(array: &ArrayRef) -> Result<ArrayRef> {
    let first = |text: &str| i32::from(text.bytes().next().unwrap_or(0) as i8);
    Ok(Arc::new(strings(array).iter().map(|text| text.map(first)).collect::<Int32Array>()))
}

pub(crate) fn trim(arguments: &[ArrayRef], side: Side) -> Result<ArrayRef> {
    let texts = strings(&arguments[0]);
    let cut = |text: &'_ str, set: &str| -> (usize, usize) {
        let is_cut = |c: char| set.contains(c);
        let start = if side == Side::Right { 0 } else { text.len() - text.trim_start_matches(is_cut).len() };
        let end = if side == Side::Left { text.len() } else { text.trim_end_matches(is_cut).len() };
        (start, end.max(start))
    };
    let sets = arguments.get(1).map(strings);
    Ok(slices(texts, |row, text| {
        let set = match sets {
            None => " ",
            Some(sets) if sets.is_null(row) => return None,
            Some(sets) => sets.value(row),
        };
        let (start, end) = cut(text, set);
        Some(&text[start..end])
    }))
}

/// The byte where character `index` (from 0) begins, or the end.
fn char_start(text: &str, index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

fn count_chars(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// From a position, so many characters; from the end if it is negative. Flink: 0 is 1, a negative length is NULL… of a text.
pub(crate) fn substring(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let texts = strings(&arguments[0]);
    let starts = arguments[1].as_primitive::<Int64Type>();
    let lengths = arguments.get(2).map(|lengths| lengths.as_primitive::<Int64Type>());
    Ok(slices(texts, |row, text| {
        if starts.is_null(row) {
            return None;
        }
        let length = match lengths {
            None => i64::MAX,
            Some(lengths) if lengths.is_null(row) => return None,
            Some(lengths) => lengths.value(row),
        };
        if length < 0 {
            return None;
        }
        let count = count_chars(text) as i64;
        let start = match starts.value(row) {
            0 => 0,
            position if position > 0 => position - 1,
            position => count + position,
        };
        if start < 0 || start >= count {
            return Some("");
        }
        let from = char_start(text, start as usize);
        let to = from + char_start(&text[from..], usize::try_from(length).unwrap_or(usize::MAX));
        Some(&text[from..to])
    }))
}

pub(crate) fn left(texts: &ArrayRef, counts: &ArrayRef) -> Result<ArrayRef> {
    let counts = counts.as_primitive::<Int64Type>();
    Ok(slices(strings(texts), |row, text| {
        let count = counts.is_valid(row).then(|| counts.value(row))?;
        Some(&text[..char_start(text, usize::try_from(count).unwrap_or(0))])
    }))
}

pub(crate) fn right(texts: &ArrayRef, counts: &ArrayRef) -> Result<ArrayRef> {
    let counts = counts.as_primitive::<Int64Type>();
    Ok(slices(strings(texts), |row, text| {
        let count = counts.is_valid(row).then(|| counts.value(row))?;
        let skipped = count_chars(text).saturating_sub(usize::try_from(count).unwrap_or(0));
        Some(&text[char_start(text, skipped)..])
    }))
}

pub(crate) fn repeat(texts: &ArrayRef, counts: &ArrayRef) -> Result<ArrayRef> {
    let counts = counts.as_primitive::<Int64Type>();
    let mut result = StringBuilder::new();
    for (row, text) in strings(texts).iter().enumerate() {
        match text {
            Some(text) if counts.is_valid(row) => {
                let count = usize::try_from(counts.value(row)).unwrap_or(0);
                if text.len().saturating_mul(count) > TEXT_BYTES_MAX {
                    return datafusion::common::exec_err!("a text of more than {TEXT_BYTES_MAX} bytes");
                }
                result.append_value(text.repeat(count));
            }
            _ => result.append_null(),
        }
    }
    Ok(Arc::new(result.finish()))
}

pub(crate) fn replace(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, from, to) = (strings(&arguments[0]), strings(&arguments[1]), strings(&arguments[2]));
    let mut result = StringBuilder::with_capacity(texts.len(), texts.values().len());
    for ((text, from), to) in texts.iter().zip(from).zip(to) {
        match (text, from, to) {
            (Some(text), Some(""), Some(to)) => result.append_value(between_units(text, to)),
            (Some(text), Some(from), Some(to)) if text.contains(from) => {
                result.append_value(text.replace(from, to));
            }
            (Some(text), Some(_), Some(_)) => result.append_value(text),
            _ => result.append_null(),
        }
    }
    Ok(Arc::new(result.finish()))
}

/// The text as Java holds it: LPAD, RPAD, OVERLAY and REPLACE of nothing count its UTF-16 units.
fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Back from UTF-16. Half a character becomes a question mark, as Java writes it.
fn text_of(units: &[u16]) -> String {
    char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('?')).collect()
}

/// `to` before, between and behind all units.
fn between_units(text: &str, to: &str) -> String {
    let to = units(to);
    let mut result = to.clone();
    for unit in text.encode_utf16() {
        result.push(unit);
        result.extend(&to);
    }
    text_of(&result)
}

/// Where the second stands in the first, from 1; 0 if it does not.
pub(crate) fn position(texts: &ArrayRef, parts: &ArrayRef) -> Result<ArrayRef> {
    let positions = strings(texts).iter().zip(strings(parts)).map(|(text, part)| Some(found_from(text?, part?, 1)));
    Ok(Arc::new(positions.collect::<Int32Array>()))
}

/// The same, of what stands at a position or behind it.
pub(crate) fn locate(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (parts, texts, from) =
        (strings(&arguments[0]), strings(&arguments[1]), arguments[2].as_primitive::<Int64Type>());
    let rows = texts.iter().zip(parts).zip(from.iter());
    let positions = rows.map(|((text, part), from)| Some(found_from(text?, part?, from?)));
    Ok(Arc::new(positions.collect::<Int32Array>()))
}

fn found_from(text: &str, part: &str, from: i64) -> i32 {
    if part.is_empty() {
        return 1;
    }
    let Some(skipped) = from.checked_sub(1).and_then(|skipped| usize::try_from(skipped).ok()) else { return 0 };
    if skipped > count_chars(text) {
        return 0;
    }
    let start = char_start(text, skipped);
    text[start..].find(part).map_or(0, |at| count_chars(&text[..start + at]) as i32 + 1)
}

/// To exactly so many characters; NULL if the length is negative or the filling is empty.
pub(crate) fn pad(arguments: &[ArrayRef], on_left: bool) -> Result<ArrayRef> {
    let (texts, lengths, fills) =
        (strings(&arguments[0]), arguments[1].as_primitive::<Int64Type>(), strings(&arguments[2]));
    let mut result = StringBuilder::new();
    for ((text, length), fill) in texts.iter().zip(lengths.iter()).zip(fills) {
        let (Some(text), Some(length), Some(fill)) = (text, length, fill) else {
            result.append_null();
            continue;
        };
        let Ok(length) = usize::try_from(length) else {
            result.append_null();
            continue;
        };
        let text = units(text);
        let missing = length.saturating_sub(text.len());
        if missing > 0 && fill.is_empty() {
            result.append_null();
            continue;
        }
        if length > TEXT_BYTES_MAX {
            return datafusion::common::exec_err!("a text of more than {TEXT_BYTES_MAX} characters");
        }
        let filling: Vec<u16> = units(fill).into_iter().cycle().take(missing).collect();
        let kept = &text[..length.min(text.len())];
        let padded = if on_left { [&filling, kept].concat() } else { [kept, &filling].concat() };
        result.append_value(text_of(&padded));
    }
    Ok(Arc::new(result.finish()))
}

/// The second text over the first, from a position on, in place of as many characters as it has or as are given.
pub(crate) fn overlay(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, overs, starts) =
        (strings(&arguments[0]), strings(&arguments[1]), arguments[2].as_primitive::<Int64Type>());
    let lengths = arguments.get(3).map(|lengths| lengths.as_primitive::<Int64Type>());
    let mut result = StringBuilder::new();
    for (row, ((text, over), start)) in texts.iter().zip(overs).zip(starts.iter()).enumerate() {
        let length = match lengths {
            None => over.map(|over| over.encode_utf16().count() as i64),
            Some(lengths) => lengths.is_valid(row).then(|| lengths.value(row)),
        };
        let (Some(text), Some(over), Some(start), Some(length)) = (text, over, start, length) else {
            result.append_null();
            continue;
        };
        let all = units(text);
        let count = all.len() as i64;
        if start <= 0 || start > count {
            result.append_value(text);
            continue;
        }
        let resumed = (start - 1).saturating_add(length);
        let rest = if (0..=count).contains(&resumed) { &all[resumed as usize..] } else { &[] };
        result.append_value(text_of(&[&all[..(start - 1) as usize], &units(over), rest].concat()));
    }
    Ok(Arc::new(result.finish()))
}

/// The piece of a number (from 0) between separators; NULL if there is none.
pub(crate) fn split_index(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (separators, indices) = (strings(&arguments[1]), arguments[2].as_primitive::<Int64Type>());
    Ok(slices(strings(&arguments[0]), |row, text| {
        if separators.is_null(row) || indices.is_null(row) || text.is_empty() {
            return None;
        }
        let index = usize::try_from(indices.value(row)).ok()?;
        match separators.value(row) {
            "" => (index == 0).then_some(text),
            // a byte is looked for much faster than a text of one
            separator => match separator.as_bytes() {
                [byte] => text.split(char::from(*byte)).nth(index),
                _ => text.split(separator).nth(index),
            },
        }
    }))
}

/// Each character of the second text becomes the one at its place in the third; without one there it goes.
pub(crate) fn translate(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, from, to) = (strings(&arguments[0]), strings(&arguments[1]), strings(&arguments[2]));
    let mut result = StringBuilder::with_capacity(texts.len(), texts.values().len());
    for ((text, from), to) in texts.iter().zip(from).zip(to) {
        let (Some(text), Some(from), Some(to)) = (text, from, to) else {
            result.append_null();
            continue;
        };
        let change = |c: char| match from.chars().position(|known| known == c) {
            Some(at) => to.chars().nth(at),
            None => Some(c),
        };
        result.append_value(text.chars().filter_map(change).collect::<String>());
    }
    Ok(Arc::new(result.finish()))
}

/// The character of a number; of its lowest byte, as in Flink.
pub(crate) fn chr(numbers: &ArrayRef) -> Result<ArrayRef> {
    let one = |number: i64| if number < 0 { String::new() } else { char::from((number % 256) as u8).to_string() };
    let numbers = numbers.as_primitive::<Int64Type>();
    Ok(Arc::new(numbers.iter().map(|number| number.map(one)).collect::<StringArray>()))
}

pub(crate) fn starts_or_ends(arguments: &[ArrayRef], ends: bool) -> Result<ArrayRef> {
    let is_so = |text: &str, part: &str| if ends { text.ends_with(part) } else { text.starts_with(part) };
    let rows = strings(&arguments[0]).iter().zip(strings(&arguments[1]));
    Ok(Arc::new(rows.map(|(text, part)| Some(is_so(text?, part?))).collect::<arrow::array::BooleanArray>()))
}

/// NULL if one of them is.
pub(crate) fn concat(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let columns: Vec<&StringArray> = arguments.iter().map(strings).collect();
    let rows = columns.first().map_or(0, |column| column.len());
    let bytes = columns.iter().map(|column| column.value_data().len()).sum();
    let mut result = StringBuilder::with_capacity(rows, bytes);
    let mut buffer = String::new();
    for row in 0..rows {
        if columns.iter().any(|column| column.is_null(row)) {
            result.append_null();
            continue;
        }
        buffer.clear();
        columns.iter().for_each(|column| buffer.push_str(column.value(row)));
        result.append_value(&buffer);
    }
    Ok(Arc::new(result.finish()))
}

/// With a separator between; NULLs are left out.
pub(crate) fn concat_ws(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let columns: Vec<&StringArray> = arguments.iter().map(strings).collect();
    let Some((separators, columns)) = columns.split_first() else { return concat(arguments) };
    let mut result = StringBuilder::new();
    let mut buffer = String::new();
    for row in 0..separators.len() {
        if separators.is_null(row) {
            result.append_null();
            continue;
        }
        buffer.clear();
        let mut is_first = true;
        for column in columns.iter().filter(|column| column.is_valid(row)) {
            if !is_first {
                buffer.push_str(separators.value(row));
            }
            is_first = false;
            buffer.push_str(column.value(row));
        }
        result.append_value(&buffer);
    }
    Ok(Arc::new(result.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    fn t(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn n(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    #[track_caller]
    fn check(result: Result<ArrayRef>, expected: Option<&str>) {
        let result = result.expect("computed");
        let result = result.as_string::<i32>();
        assert_eq!(result.is_valid(0).then(|| result.value(0)), expected);
    }

    #[test]
    fn pieces_of_text() {
        let korean = || t(&[Some("가나다라")]);
        check(substring(&[korean(), n(2), n(2)]), Some("나다"));
        check(substring(&[korean(), n(-2)]), Some("다라"));
        check(substring(&[korean(), n(0), n(1)]), Some("가"));
        check(substring(&[korean(), n(9)]), Some(""));
        check(substring(&[korean(), n(1), n(-1)]), None);
        check(left(&korean(), &n(2)), Some("가나"));
        check(right(&korean(), &n(1)), Some("라"));
        check(right(&korean(), &n(9)), Some("가나다라"));
        check(trim(&[t(&[Some("xxaxx")]), t(&[Some("x")])], Side::Right), Some("xxa"));
        check(split_index(&[t(&[Some("a/b/c")]), t(&[Some("/")]), n(1)]), Some("b"));
        check(split_index(&[t(&[Some("a/b/c")]), t(&[Some("/")]), n(3)]), None);
        check(split_index(&[t(&[Some("a b")]), t(&[Some("")]), n(0)]), Some("a b"));
        check(replace(&[t(&[Some("aaa")]), t(&[Some("aa")]), t(&[Some("b")])]), Some("ba"));
        check(replace(&[t(&[Some("abc")]), t(&[Some("")]), t(&[Some("x")])]), Some("xaxbxcx"));
        assert_eq!([found_from("가나가", "가", 2), found_from("abc", "", 1), found_from("abc", "c", 9)], [3, 1, 0]);
    }

    #[test]
    fn made_texts() {
        check(upper(&t(&[Some("abc")])), Some("ABC"));
        check(upper(&t(&[Some("straße")])), Some("STRASSE"));
        check(initcap(&t(&[Some("hello wORLD-x")])), Some("Hello World-X"));
        check(concat(&[t(&[Some("a")]), t(&[None])]), None);
        check(concat_ws(&[t(&[Some("-")]), t(&[Some("a")]), t(&[None]), t(&[Some("b")])]), Some("a-b"));
        check(pad(&[t(&[Some("7")]), n(3), t(&[Some("0")])], true), Some("007"));
        check(pad(&[t(&[Some("1234")]), n(2), t(&[Some("0")])], true), Some("12"));
        check(pad(&[t(&[Some("7")]), n(-1), t(&[Some("0")])], true), None);
        check(overlay(&[t(&[Some("xxxxxtest")]), t(&[Some("xxxx")]), n(6)]), Some("xxxxxxxxx"));
        check(overlay(&[t(&[Some("xxxxxtest")]), t(&[Some("xxxx")]), n(6), n(2)]), Some("xxxxxxxxxst"));
        assert!(repeat(&t(&[Some("abc")]), &n(1_000_000_000)).is_err());
    }
}
