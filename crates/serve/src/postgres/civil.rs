//! Dates, times and intervals as PostgreSQL prints them (`DateStyle = ISO`), in the zone of the session. Pure.

use std::fmt::Write as _;
use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use hoga_model::time::{MS_PER_DAY, civil_from_ms};

/// PostgreSQL counts from 2000-01-01, Arrow from 1970-01-01.
pub(super) const PG_EPOCH_DAYS: i64 = 10_957;
pub(super) const PG_EPOCH_US: i64 = PG_EPOCH_DAYS * US_PER_DAY;

const US_PER_SECOND: i64 = 1_000_000;
const US_PER_DAY: i64 = 86_400 * US_PER_SECOND;

/// How instants are shown. It never changes an instant.
#[derive(Debug, Clone)]
pub(super) enum Zone {
    Utc,
    Named(Tz),
}

impl Zone {
    /// `Asia/Seoul`, `UTC`, `+09:00`. `None`: no such zone.
    pub(super) fn parse(name: &str) -> Option<Zone> {
        let name = name.trim();
        if ["utc", "gmt", "etc/utc", "z", "zulu", "universal"].contains(&name.to_ascii_lowercase().as_str()) {
            return Some(Zone::Utc);
        }
        Tz::from_str(name).ok().map(Zone::Named)
    }

    fn offset_seconds(&self, us: i64) -> i64 {
        match self {
            Zone::Utc => 0,
            Zone::Named(zone) => DateTime::from_timestamp_micros(us)
                .map_or(0, |at| i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())),
        }
    }
}

pub(super) fn write_date(days: i64, out: &mut BytesMut) {
    let date = civil_from_ms(days.saturating_mul(MS_PER_DAY));
    // PostgreSQL has no year 0: before 1 comes 1 BC
    let (year, era) = if date.year > 0 { (date.year, "") } else { (1 - date.year, " BC") };
    let _ = write!(out, "{year:04}-{:02}-{:02}{era}", date.month, date.day);
}

/// `16:04:03.831`: as many digits of a second as there are.
pub(super) fn write_time(us_of_day: i64, out: &mut BytesMut) {
    let seconds = us_of_day / US_PER_SECOND;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write_fraction(us_of_day % US_PER_SECOND, out);
}

/// With a zone: local time and its offset (`2026-07-30 16:04:03.831+09`); without: as it is stored.
pub(super) fn write_timestamp(us: i64, zone: Option<&Zone>, out: &mut BytesMut) {
    let offset = zone.map(|zone| zone.offset_seconds(us));
    let local = us.saturating_add(offset.unwrap_or(0) * US_PER_SECOND);
    let mut date = BytesMut::new();
    write_date(local.div_euclid(US_PER_DAY), &mut date);
    let (date, era) = match date.strip_suffix(b" BC") {
        Some(date) => (date.to_vec(), " BC"),
        None => (date.to_vec(), ""),
    };
    out.put_slice(&date);
    out.put_u8(b' ');
    write_time(local.rem_euclid(US_PER_DAY), out);
    if let Some(offset) = offset {
        write_offset(offset, out);
    }
    out.put_slice(era.as_bytes());
}

/// `2026-07-30T07:04:03.831+00:00`, as `to_json` writes it.
pub(super) fn write_json_timestamp(us: i64, with_zone: bool, out: &mut BytesMut) {
    write_date(us.div_euclid(US_PER_DAY), out);
    out.put_u8(b'T');
    write_time(us.rem_euclid(US_PER_DAY), out);
    if with_zone {
        out.put_slice(b"+00:00");
    }
}

/// `1 year 2 mons 3 days 04:05:06.7`.
pub(super) fn write_interval(months: i32, days: i32, us: i64, out: &mut BytesMut) {
    let mut text = String::new();
    let mut unit = |value: i32, one: &str| {
        if value != 0 {
            let plural = if value == 1 { "" } else { "s" };
            let space = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{space}{value} {one}{plural}");
        }
    };
    unit(months / 12, "year");
    unit(months % 12, "mon");
    unit(days, "day");
    out.put_slice(text.as_bytes());
    if us != 0 || text.is_empty() {
        if !text.is_empty() {
            out.put_u8(b' ');
        }
        if us < 0 {
            out.put_u8(b'-');
        }
        write_time(us.saturating_abs(), out);
    }
}

fn write_fraction(us: i64, out: &mut BytesMut) {
    if us != 0 {
        let digits = format!("{us:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

fn write_offset(seconds: i64, out: &mut BytesMut) {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    let _ = write!(out, "{sign}{:02}", seconds / 3_600);
    if seconds % 3_600 != 0 {
        let _ = write!(out, ":{:02}", seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        let _ = write!(out, ":{:02}", seconds % 60);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(us: i64, zone: Option<&str>) -> String {
        let zone = zone.map(|name| Zone::parse(name).expect("a zone that exists"));
        let mut out = BytesMut::new();
        write_timestamp(us, zone.as_ref(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn interval(months: i32, days: i32, us: i64) -> String {
        let mut out = BytesMut::new();
        write_interval(months, days, us, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn instants_are_shown_in_the_zone_of_the_session() {
        let us = 1_785_395_043_831_000;
        assert_eq!(shown(us, None), "2026-07-30 07:04:03.831");
        assert_eq!(shown(us, Some("UTC")), "2026-07-30 07:04:03.831+00");
        assert_eq!(shown(us, Some("Asia/Seoul")), "2026-07-30 16:04:03.831+09");
        assert_eq!(shown(us, Some("-03:30")), "2026-07-30 03:34:03.831-03:30");
        assert_eq!(shown(0, Some("America/New_York")), "1969-12-31 19:00:00-05");
        assert_eq!(shown(-1, None), "1969-12-31 23:59:59.999999");
        assert_eq!(shown(-62_135_596_800_000_001, None), "0001-12-31 23:59:59.999999 BC");
        assert!(Zone::parse("Asia/Soul").is_none());
    }

    #[test]
    fn intervals_read_like_postgresql() {
        assert_eq!(interval(14, 3, 14_706_700_000), "1 year 2 mons 3 days 04:05:06.7");
        assert_eq!(interval(0, 0, 0), "00:00:00");
        assert_eq!(interval(0, 1, 0), "1 day");
        assert_eq!(interval(0, 0, -1_000_000), "-00:00:01");
    }
}
