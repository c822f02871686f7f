//! Time as hoga passes it around: milliseconds since 1970-01-01T00:00:00Z, from a clock that is handed in.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub const MS_PER_SECOND: i64 = 1_000;
pub const MS_PER_DAY: i64 = 86_400_000;

/// Where the time comes from. Nothing below the binary asks the operating system directly.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch, UTC.
    fn now_ms(&self) -> i64;
}

/// The operating system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}

/// A clock that moves when it is told to: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(now_ms: i64) -> ManualClock {
        ManualClock(AtomicI64::new(now_ms))
    }

    pub fn advance_ms(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A calendar date and the milliseconds since its midnight, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilTime {
    pub year: i64,
    pub month: u32,
    pub day: u32,
    pub ms_of_day: u32,
}

/// Splits an instant into its UTC date and time of day (Howard Hinnant's `civil_from_days`).
pub fn civil_from_ms(ms: i64) -> CivilTime {
    let days = ms.div_euclid(MS_PER_DAY);
    let ms_of_day = ms.rem_euclid(MS_PER_DAY) as u32;
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    CivilTime { year, month, day, ms_of_day }
}

/// Days since the epoch of a date (Howard Hinnant's `days_from_civil`); month and day are not checked.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `yyyy-MM-dd` of an instant, UTC: Upbit's trading day, and the `dt` of every lake table.
pub fn utc_date(ms: i64) -> String {
    let c = civil_from_ms(ms);
    format!("{:04}-{:02}-{:02}", c.year, c.month, c.day)
}

/// `HH:mm:ss` of an instant, UTC.
pub fn utc_time_of_day(ms: i64) -> String {
    let seconds = civil_from_ms(ms).ms_of_day / 1_000;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// `yyyy-MM-ddTHH:mm:ss.SSSZ` of an instant, UTC.
pub fn utc_iso(ms: i64) -> String {
    format!("{}T{}.{:03}Z", utc_date(ms), utc_time_of_day(ms), civil_from_ms(ms).ms_of_day % 1_000)
}

/// Reads `2026-01-31`, or with a time of day behind it (`2026-01-31 13:00:00`, `2026-01-31T13:00:00.250Z`, `…+09:00`), as milliseconds
/// since the epoch. Without a zone it is UTC; digits beyond milliseconds are cut. None for anything else.
pub fn parse_utc(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let [year, month, day] = numbers(date, '-')?;
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let offset_ms = match zone {
        "" | "Z" => 0,
        _ => {
            let [hours, minutes, _] = numbers(&format!("{}:00", zone.get(1..)?), ':')?;
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            sign * (hours * 60 + minutes) * 60_000
        }
    };
    let is_valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    is_valid.then_some(seconds * MS_PER_SECOND + millis - offset_ms)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let part = |part: &str| part.parse::<u32>().ok().map(i64::from);
    text.split(separator).map(part).collect::<Option<Vec<_>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("1970-01-01 00:00:01", Some(1_000)),
            ("2000-02-29T00:00:00Z", Some(951_782_400_000)),
            ("2026-07-30 07:04:03", Some(1_785_395_043_000)),
            ("2026-07-30T07:04:03.8315Z", Some(1_785_395_043_831)),
            ("2026-07-30T16:04:03.8+09:00", Some(1_785_395_043_800)),
            ("2026-13-01", None),
            ("2026-01-01 24:00:00", None),
            ("2026-01-01 23:00:00.", None),
            ("2026-01-01T00:00:00+9", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_utc(text), expected, "{text}");
        }
    }

    #[test]
    fn known_instants() {
        assert_eq!(utc_iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc_iso(1_785_395_043_831), "2026-07-30T07:04:03.831Z");
        assert_eq!(utc_iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(utc_iso(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_date_and_its_days() {
        for days in (-800_000..800_000).step_by(37) {
            let date = civil_from_ms(days * MS_PER_DAY);
            assert_eq!(days_from_civil(date.year, date.month.into(), date.day.into()), days, "{date:?}");
        }
    }
}
