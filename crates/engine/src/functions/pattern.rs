//! LIKE: `%` is any text, `_` any character.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::common::{Result, exec_datafusion_err};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    One,
    Any,
}

impl Pattern {
    /// None if the escape stands before what needs none.
    pub(crate) fn parse(text: &str, escape: Option<char>) -> Option<Pattern> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut chars = text.chars();
        while let Some(next) = chars.next() {
            let literal = match next {
                next if Some(next) == escape => {
                    chars.next().filter(|after| matches!(after, '%' | '_') || Some(*after) == escape)?
                }
                '%' => {
                    if pieces.last() != Some(&Piece::Any) {
                        pieces.push(Piece::Any);
                    }
                    continue;
                }
                '_' => {
                    pieces.push(Piece::One);
                    continue;
                }
                other => other,
            };
            match pieces.last_mut() {
                Some(Piece::Text(text)) => text.push(literal),
                _ => pieces.push(Piece::Text(literal.to_string())),
            }
        }
        Some(Pattern(pieces))
    }

    pub(crate) fn matches_all(&self, array: &ArrayRef, negated: bool) -> BooleanArray {
        let texts = array.as_string::<i32>();
        texts.iter().map(|text| text.map(|text| self.matches(text) != negated)).collect()
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self.0.as_slice() {
            [] => text.is_empty(),
            [Piece::Text(whole)] => text == whole,
            [Piece::Any] => true,
            [Piece::Text(start), Piece::Any] => text.starts_with(start.as_str()),
            [Piece::Any, Piece::Text(end)] => text.ends_with(end.as_str()),
            [Piece::Any, Piece::Text(inside), Piece::Any] => text.contains(inside.as_str()),
            pieces => matches_pieces(pieces, text),
        }
    }
}

/// Goes back to the last `%` only: what an earlier one took cannot help.
fn matches_pieces(pieces: &[Piece], text: &str) -> bool {
    let (mut at, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let step = match pieces.get(at) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Piece::Any) => {
                retry = Some((at + 1, rest));
                Some(rest)
            }
            Some(Piece::One) => without_first(rest),
            Some(Piece::Text(text)) => rest.strip_prefix(text.as_str()),
        };
        match (step, retry) {
            (Some(after), _) => (at, rest) = (at + 1, after),
            (None, Some((after_any, from))) => match without_first(from) {
                Some(from) => {
                    retry = Some((after_any, from));
                    (at, rest) = (after_any, from);
                }
                None => return false,
            },
            (None, None) => return false,
        }
    }
}

fn without_first(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

/// Patterns that are not known before.
pub(crate) fn matches_each(
    texts: &ArrayRef,
    patterns: &ArrayRef,
    escape: Option<char>,
    negated: bool,
) -> Result<ArrayRef> {
    let mut matched = Vec::with_capacity(texts.len());
    for (text, pattern) in texts.as_string::<i32>().iter().zip(patterns.as_string::<i32>()) {
        matched.push(match (text, pattern) {
            (Some(text), Some(pattern)) => {
                let parsed = Pattern::parse(pattern, escape)
                    .ok_or_else(|| exec_datafusion_err!("'{pattern}': the escape stands before %, _ or itself"))?;
                Some(parsed.matches(text) != negated)
            }
            _ => None,
        });
    }
    Ok(Arc::new(BooleanArray::from(matched)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let cases = [
            ("KRW-%", "KRW-BTC", true),
            ("KRW-%", "BTC-KRW-", false),
            ("%BTC", "KRW-BTC", true),
            ("%-B%", "KRW-BTC", true),
            ("K_W%", "KRW-BTC", true),
            ("_", "가", true),
            ("_", "", false),
            ("a%b%c", "aXbYbZc", true),
            ("a%b%c", "aXbYbZ", false),
            ("%_%", "", false),
            ("", "", true),
            ("%%", "", true),
        ];
        for (pattern, text, expected) in cases {
            let parsed = Pattern::parse(pattern, None).expect("a pattern");
            assert_eq!(parsed.matches(text), expected, "{text} LIKE {pattern}");
        }
        let escaped = Pattern::parse("10!%%", Some('!')).expect("a pattern");
        assert!(escaped.matches("10% off") && !escaped.matches("100"));
        assert_eq!(Pattern::parse("a!b", Some('!')), None);
    }
}
