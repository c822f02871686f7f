//! Dates and times as text and back, as Flink's CAST reads and writes them.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use std::fmt::Write;

/// `2026-07-30`, also `2026-7-30`; what follows a blank or a T is a time, and not looked at. Days since 1970.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let text = text.trim();
    let date = text.split([' ', 'T']).next()?;
    days(date, false)
}

/// A date may lack its day and its month, that of a timestamp may not.
fn days(text: &str, is_whole: bool) -> Option<i32> {
    let mut parts = text.split('-');
    let year = parts.next()?;
    if year.len() > 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (month, day) = (parts.next(), parts.next());
    if is_whole && day.is_none() {
        return None;
    }
    let month = month.map_or(Some(1), two_digits)?;
    let day = day.map_or(Some(1), two_digits)?;
    if parts.next().is_some() {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month, day)?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn two_digits(text: &str) -> Option<u32> {
    ((1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `2026-07-30 09:00:00.123456`, with fewer digits, or without the time; no T between, no zone. Microseconds since 1970, what is finer is cut.
pub(crate) fn parse_timestamp_us(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let days = i64::from(days(date, true)?);
    let us = match time {
        None => 0,
        Some(time) => time_us(time)?,
    };
    Some(days * 86_400_000_000 + us)
}

fn time_us(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = clock.split(':');
    let hour = two_digits(parts.next()?)?;
    let minute = two_digits(parts.next()?)?;
    let second = two_digits(parts.next()?)?;
    if parts.next().is_some() {
        return None;
    }
    let time = NaiveTime::from_hms_opt(hour, minute, second)?;
    let padded = format!("{fraction:0<6}");
    let us: i64 = padded.get(..6)?.parse().ok()?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + us)
}

pub(crate) fn write_date(out: &mut String, days: i64) {
    let date = NaiveDate::default().checked_add_signed(chrono::Duration::days(days)).unwrap_or_default();
    // writing into a String cannot fail; Flink shows four digits of a year
    let _ = write!(out, "{:04}-{:02}-{:02}", date.year().rem_euclid(10_000), date.month(), date.day());
}

/// With exactly so many digits behind the second.
pub(crate) fn write_timestamp(out: &mut String, us: i64, precision: u32) {
    let time = chrono::DateTime::from_timestamp_micros(us).map(|time| time.naive_utc()).unwrap_or_default();
    write_date(out, us.div_euclid(86_400_000_000));
    let _ = write!(out, " {:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    if precision > 0 {
        let digits = format!("{:09}", time.nanosecond());
        let shown = digits.get(..precision.min(9) as usize).unwrap_or_default();
        let _ = write!(out, ".{shown}");
    }
}

/// The calendar of a time in milliseconds.
pub(crate) fn calendar(ms: i64) -> NaiveDateTime {
    chrono::DateTime::from_timestamp_millis(ms).map(|time| time.naive_utc()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_as_times() {
        assert_eq!(parse_date("1970-01-02"), Some(1));
        assert_eq!(parse_date("1970-1-2 23:00"), Some(1));
        assert_eq!(parse_date("1970-02-30"), None);
        assert_eq!(parse_date("abc"), None);
        assert_eq!(parse_timestamp_us("1970-01-01 00:00:01.5"), Some(1_500_000));
        assert_eq!(parse_timestamp_us("1970-01-01 00:00:01.1234567"), Some(1_123_456));
        assert_eq!(parse_timestamp_us("1970-01-01T00:00:01"), None);
        assert_eq!(parse_timestamp_us("1970-01-02"), Some(86_400_000_000));
        assert_eq!(parse_timestamp_us("1970-01-01 25:00:00"), None);
        assert_eq!(parse_timestamp_us("1970-01"), None, "a timestamp's date is whole");
        assert_eq!(parse_timestamp_us("1970-01-01 10:00"), None, "and its time");
        assert_eq!(parse_date("1970-01"), Some(0));
    }

    #[test]
    fn times_as_texts() {
        let text = |us, precision| {
            let mut out = String::new();
            write_timestamp(&mut out, us, precision);
            out
        };
        assert_eq!(text(1_500_000, 3), "1970-01-01 00:00:01.500");
        assert_eq!(text(-1, 6), "1969-12-31 23:59:59.999999");
        assert_eq!(text(0, 0), "1970-01-01 00:00:00");
        assert_eq!(text(253_402_333_199_999_000, 0), "0000-01-01 08:59:59", "the year 10000");
    }
}
