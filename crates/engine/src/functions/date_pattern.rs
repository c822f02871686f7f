//! Java's date patterns: numbers, English names of months and days, quoted text and punctuation. No zones, no eras.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern \"{pattern}\": \"{letters}\" runs on Flink only; use yyyy, MM, dd, HH, mm, ss, SSS, E, a and '…'")]
pub(crate) struct PatternError {
    pattern: String,
    letters: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// A number of at least so many digits.
    Number(Part, usize),
    /// The last two digits of the year.
    ShortYear,
    /// So many digits behind the second's point.
    Fraction(usize),
    Month(Length),
    Weekday(Length),
    /// AM or PM.
    HalfDay,
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    DayOfYear,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    HourFromOne,
    /// 1 to 12.
    HalfHour,
    /// 0 to 11.
    HalfHourFromZero,
    Minute,
    Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Short,
    Full,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Pattern {
    pub(crate) fn parse(pattern: &str) -> Result<Pattern, PatternError> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let run =
                if first == '\'' { quoted_bytes(rest) } else { rest.len() - rest.trim_start_matches(first).len() };
            let (letters, tail) = rest.split_at(run);
            pieces.push(match letters {
                "''" => Piece::Text("'".into()),
                quoted if first == '\'' && quoted.len() > 2 && quoted.ends_with('\'') => {
                    Piece::Text(quoted[1..quoted.len() - 1].replace("''", "'"))
                }
                text if !first.is_ascii_alphabetic() && first != '\'' => Piece::Text(text.into()),
                letters => {
                    piece(letters).ok_or_else(|| PatternError { pattern: pattern.into(), letters: letters.into() })?
                }
            });
            rest = tail;
        }
        Ok(Pattern(pieces))
    }

    /// Times in one interval of this length are printed alike.
    pub(crate) fn resolution_ms(&self) -> i64 {
        let has = |wanted: fn(&Piece) -> bool| self.0.iter().any(wanted);
        if has(|piece| matches!(piece, Piece::Fraction(_))) {
            1
        } else if has(|piece| matches!(piece, Piece::Number(Part::Second, _))) {
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
                // four letters of a year are exactly four digits, or a sign tells that there are more
                Piece::Number(Part::Year, 4) if time.year() > 9_999 => write!(out, "+{}", time.year()),
                Piece::Number(part, digits) => write!(out, "{:0digits$}", value(time, *part)),
                Piece::ShortYear => write!(out, "{:02}", time.year().rem_euclid(100)),
                Piece::Fraction(digits) => {
                    let all = format!("{:09}", time.nanosecond());
                    write!(out, "{}", &all[..*digits])
                }
                Piece::Month(length) => write!(out, "{}", named(MONTHS[time.month0() as usize], *length)),
                Piece::Weekday(length) => {
                    write!(out, "{}", named(WEEKDAYS[time.weekday().num_days_from_monday() as usize], *length))
                }
                Piece::HalfDay => write!(out, "{}", if time.hour() < 12 { "AM" } else { "PM" }),
                Piece::Text(text) => write!(out, "{text}"),
            };
        }
    }

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
                Piece::Number(Part::Year, digits @ 4) => (&mut year, *digits),
                Piece::Number(Part::Month, digits @ 2) => (&mut month, *digits),
                Piece::Number(Part::Day, digits @ 2) => (&mut day, *digits),
                Piece::Number(Part::Hour, digits @ 2) => (&mut hour, *digits),
                Piece::Number(Part::Minute, digits @ 2) => (&mut minute, *digits),
                Piece::Number(Part::Second, digits @ 2) => (&mut second, *digits),
                Piece::Fraction(digits @ 3) => (&mut ms, *digits),
                _ => return None,
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

    /// True if a text can be read with it.
    pub(crate) fn is_readable(&self) -> bool {
        let is_plain = |piece: &Piece| {
            use Part::{Day, Hour, Minute, Month, Second, Year};
            matches!(
                piece,
                Piece::Text(_)
                    | Piece::Fraction(3)
                    | Piece::Number(Year, 4)
                    | Piece::Number(Month | Day | Hour | Minute | Second, 2)
            )
        };
        self.0.iter().all(is_plain)
    }
}

/// What a run of one letter means to Java's DateTimeFormatter.
fn piece(letters: &str) -> Option<Piece> {
    let count = letters.len();
    let number = |part: Part| (count <= 2).then_some(Piece::Number(part, count));
    match letters.chars().next()? {
        'y' | 'u' if count == 2 => Some(Piece::ShortYear),
        'y' | 'u' if count <= 4 => Some(Piece::Number(Part::Year, count)),
        'M' | 'L' if count == 3 => Some(Piece::Month(Length::Short)),
        'M' | 'L' if count == 4 => Some(Piece::Month(Length::Full)),
        'M' | 'L' => number(Part::Month),
        'd' => number(Part::Day),
        'D' if count <= 3 => Some(Piece::Number(Part::DayOfYear, count)),
        'H' => number(Part::Hour),
        'k' => number(Part::HourFromOne),
        'h' => number(Part::HalfHour),
        'K' => number(Part::HalfHourFromZero),
        'm' => number(Part::Minute),
        's' => number(Part::Second),
        'S' if count <= 9 => Some(Piece::Fraction(count)),
        'E' if count <= 3 => Some(Piece::Weekday(Length::Short)),
        'E' if count == 4 => Some(Piece::Weekday(Length::Full)),
        'a' if count == 1 => Some(Piece::HalfDay),
        _ => None,
    }
}

fn value(time: NaiveDateTime, part: Part) -> i64 {
    let hour = i64::from(time.hour());
    match part {
        Part::Year => i64::from(time.year()),
        Part::Month => i64::from(time.month()),
        Part::Day => i64::from(time.day()),
        Part::DayOfYear => i64::from(time.ordinal()),
        Part::Hour => hour,
        Part::HourFromOne => (hour + 23) % 24 + 1,
        Part::HalfHour => (hour + 11) % 12 + 1,
        Part::HalfHourFromZero => hour % 12,
        Part::Minute => i64::from(time.minute()),
        Part::Second => i64::from(time.second()),
    }
}

fn named(name: &'static str, length: Length) -> &'static str {
    match length {
        Length::Short => &name[..3],
        Length::Full => name,
    }
}

/// The pattern with every piece told apart, to name a function by.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Number(part, digits) => {
                    let letter = match part {
                        Part::Year => "y",
                        Part::Month => "M",
                        Part::Day => "d",
                        Part::DayOfYear => "D",
                        Part::Hour => "H",
                        Part::HourFromOne => "k",
                        Part::HalfHour => "h",
                        Part::HalfHourFromZero => "K",
                        Part::Minute => "m",
                        Part::Second => "s",
                    };
                    f.write_str(&letter.repeat(*digits))?;
                }
                Piece::ShortYear => f.write_str("yy")?,
                Piece::Fraction(digits) => f.write_str(&"S".repeat(*digits))?,
                Piece::Month(Length::Short) => f.write_str("MMM")?,
                Piece::Month(Length::Full) => f.write_str("MMMM")?,
                Piece::Weekday(Length::Short) => f.write_str("EEE")?,
                Piece::Weekday(Length::Full) => f.write_str("EEEE")?,
                Piece::HalfDay => f.write_str("a")?,
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
        check("yy M d H m s S", "26 7 30 7 4 3 8");
        check("EEE EEEE MMM MMMM a hh h", "Thu Thursday Jul July AM 07 7");
        check("D k K SSSSSS", "211 7 7 831000");
        check("Q", "error at Q");
        check("z", "error at z");
        check("dd 'open", "error at 'open");
    }
}
