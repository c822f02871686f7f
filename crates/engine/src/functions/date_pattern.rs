//! Java's date patterns as far as they are digits: `yyyy MM dd HH mm ss SSS`, quoted text and punctuation.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern \"{pattern}\": \"{letters}\" runs on Flink only; use yyyy, MM, dd, HH, mm, ss, SSS and '…'")]
pub(crate) struct PatternError {
    pattern: String,
    letters: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Text(String),
}

impl Pattern {
    pub(crate) fn parse(pattern: &str) -> Result<Pattern, PatternError> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let run =
                if first == '\'' { quoted_bytes(rest) } else { rest.len() - rest.trim_start_matches(first).len() };
            let (letters, tail) = rest.split_at(run);
            pieces.push(match letters {
                "yyyy" => Piece::Year,
                "MM" => Piece::Month,
                "dd" => Piece::Day,
                "HH" => Piece::Hour,
                "mm" => Piece::Minute,
                "ss" => Piece::Second,
                "SSS" => Piece::Millisecond,
                "''" => Piece::Text("'".into()),
                quoted if first == '\'' && quoted.len() > 2 && quoted.ends_with('\'') => {
                    Piece::Text(quoted[1..quoted.len() - 1].replace("''", "'"))
                }
                text if !first.is_ascii_alphabetic() && first != '\'' => Piece::Text(text.into()),
                _ => return Err(PatternError { pattern: pattern.into(), letters: letters.into() }),
            });
            rest = tail;
        }
        Ok(Pattern(pieces))
    }

    /// Times in one interval of this length are printed alike.
    pub(crate) fn resolution_ms(&self) -> i64 {
        if self.0.contains(&Piece::Millisecond) {
            1
        } else if self.0.contains(&Piece::Second) {
            1_000
        } else {
            // time zones differ by whole minutes at most
            60_000
        }
    }

    /// About how long a text is.
    pub(crate) fn text_bytes(&self) -> usize {
        self.0.len() * 3
    }

    pub(crate) fn write(&self, time: NaiveDateTime, out: &mut String) {
        for piece in &self.0 {
            // writing into a String cannot fail
            let _ = match piece {
                Piece::Year => write!(out, "{:04}", time.year()),
                Piece::Month => write!(out, "{:02}", time.month()),
                Piece::Day => write!(out, "{:02}", time.day()),
                Piece::Hour => write!(out, "{:02}", time.hour()),
                Piece::Minute => write!(out, "{:02}", time.minute()),
                Piece::Second => write!(out, "{:02}", time.second()),
                Piece::Millisecond => write!(out, "{:03}", time.nanosecond() / 1_000_000),
                Piece::Text(text) => write!(out, "{text}"),
            };
        }
    }
}

impl Pattern {
    /// The time that a text of exactly this form says; what the form does not name is the start of 1970.
    pub(crate) fn read(&self, text: &str) -> Option<NaiveDateTime> {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        let (mut hour, mut minute, mut second, mut ms) = (0, 0, 0, 0);
        let mut rest = text;
        for piece in &self.0 {
            let (target, digits) = match piece {
                Piece::Text(expected) => {
                    rest = rest.strip_prefix(expected.as_str())?;
                    continue;
                }
                Piece::Year => (&mut year, 4),
                Piece::Month => (&mut month, 2),
                Piece::Day => (&mut day, 2),
                Piece::Hour => (&mut hour, 2),
                Piece::Minute => (&mut minute, 2),
                Piece::Second => (&mut second, 2),
                Piece::Millisecond => (&mut ms, 3),
            };
            let number = rest.get(..digits).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
            *target = number.parse::<u32>().ok()?;
            rest = &rest[digits..];
        }
        if !rest.is_empty() {
            return None;
        }
        // Java takes the 30th of February for its last day
        let year = i32::try_from(year).ok()?;
        let days = (28..=day.min(31)).rev().find(|day| NaiveDate::from_ymd_opt(year, month, *day).is_some());
        let day = if (29..=31).contains(&day) { days? } else { day };
        NaiveDate::from_ymd_opt(year, month, day)?.and_hms_milli_opt(hour, minute, second, ms)
    }
}

/// The pattern with every piece told apart, to name a function by.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Year => f.write_str("yyyy")?,
                Piece::Month => f.write_str("MM")?,
                Piece::Day => f.write_str("dd")?,
                Piece::Hour => f.write_str("HH")?,
                Piece::Minute => f.write_str("mm")?,
                Piece::Second => f.write_str("ss")?,
                Piece::Millisecond => f.write_str("SSS")?,
                Piece::Text(text) => write!(f, "'{text}'")?,
            }
        }
        Ok(())
    }
}

/// The length of a quoted text with its quotes; the whole rest if it is not closed.
fn quoted_bytes(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'\'', Some(b'\'')) if at > 1 => at += 2,
            (b'\'', _) => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[track_caller]
    fn check(pattern: &str, expected: &str) {
        let time = DateTime::from_timestamp_millis(1_785_395_043_831).expect("a valid instant").naive_utc();
        let text = match Pattern::parse(pattern) {
            Ok(parsed) => {
                let mut text = String::new();
                parsed.write(time, &mut text);
                text
            }
            Err(error) => format!("error at {}", error.letters),
        };
        assert_eq!(text, expected, "{pattern}");
    }

    #[test]
    fn patterns() {
        check("yyyy-MM-dd", "2026-07-30");
        check("yyyyMMdd HH:mm:ss.SSS", "20260730 07:04:03.831");
        check("yyyy-MM-dd'T'HH:mm", "2026-07-30T07:04");
        check("HH''mm", "07'04");
        check("'it''s' dd", "it's 30");
        check("yyyy년 MM월", "2026년 07월");
        check("yy", "error at yy");
        check("EEE", "error at EEE");
        check("dd 'open", "error at 'open");
    }
}
