//! Instants and local times: between UTC and a time zone, as Java does it.
//!
//! A local time that a clock change skips moves forward by the change; of two equal ones the earlier instant is meant.

use arrow::array::timezone::Tz;
use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, Offset, TimeZone};
use std::cell::Cell;

/// Zones change their offset at multiples of this only.
const OFFSET_UNIT_MS: i64 = 900_000;

/// A zone that remembers the last offset: the times of a batch are close together.
#[derive(Debug, Clone)]
pub(crate) struct ZoneClock {
    zone: Tz,
    unit: Cell<i64>,
    offset_ms: Cell<i64>,
}

impl ZoneClock {
    pub(crate) fn new(zone: Tz) -> ZoneClock {
        ZoneClock { zone, unit: Cell::new(i64::MIN), offset_ms: Cell::new(0) }
    }

    /// The local time of an instant, both in milliseconds.
    pub(crate) fn local_ms(&self, utc_ms: i64) -> i64 {
        let unit = utc_ms.div_euclid(OFFSET_UNIT_MS);
        if unit != self.unit.get() {
            self.unit.set(unit);
            let offset_ms = DateTime::from_timestamp_millis(utc_ms).map_or(0, |utc| {
                i64::from(self.zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()) * 1_000
            });
            self.offset_ms.set(offset_ms);
        }
        utc_ms.saturating_add(self.offset_ms.get())
    }

    /// The instant of a local time, both in milliseconds.
    pub(crate) fn utc_ms(&self, local_ms: i64) -> i64 {
        // right unless the offset changed in between
        let guess = local_ms.saturating_sub(self.offset_ms.get());
        if guess.div_euclid(OFFSET_UNIT_MS) == self.unit.get() && !self.is_near_change(guess) {
            return guess;
        }
        let Some(local) = DateTime::from_timestamp_millis(local_ms).map(|time| time.naive_utc()) else {
            return local_ms;
        };
        let utc_ms = instant_ms(self.zone, local);
        self.local_ms(utc_ms);
        utc_ms
    }

    fn is_near_change(&self, utc_ms: i64) -> bool {
        const DAY_MS: i64 = 86_400_000;
        let offset = |ms: i64| {
            DateTime::from_timestamp_millis(ms)
                .map(|utc| self.zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc())
        };
        offset(utc_ms - DAY_MS) != offset(utc_ms + DAY_MS)
    }
}

fn instant_ms(zone: Tz, local: NaiveDateTime) -> i64 {
    let found = match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time,
        LocalResult::None => {
            // in the gap: the offset before it holds
            let before = zone.offset_from_local_datetime(&(local - Duration::hours(3)));
            let offset = before.earliest().map_or(0, |offset| offset.fix().local_minus_utc());
            return local.and_utc().timestamp_millis() - i64::from(offset) * 1_000;
        }
    };
    found.timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time").and_utc().timestamp_millis()
    }

    #[track_caller]
    fn check(zone: &str, utc: &str, local: &str) {
        let clock = ZoneClock::new(zone.parse().expect("a zone"));
        assert_eq!(clock.local_ms(ms(utc)), ms(local), "{utc} in {zone}");
        assert_eq!(clock.utc_ms(ms(local)), ms(utc), "{local} of {zone}");
    }

    #[test]
    fn instants_and_local_times() {
        check("Asia/Seoul", "2026-07-30 15:30:00", "2026-07-31 00:30:00");
        check("UTC", "1969-12-31 23:59:59", "1969-12-31 23:59:59");
        check("America/New_York", "2026-03-08 06:59:59", "2026-03-08 01:59:59");
        check("America/New_York", "2026-03-08 07:00:00", "2026-03-08 03:00:00");
        check("Asia/Kolkata", "2026-01-01 00:00:00", "2026-01-01 05:30:00");
    }

    #[test]
    fn clock_changes_as_in_java() {
        let clock = ZoneClock::new("America/New_York".parse().expect("a zone"));
        assert_eq!(clock.utc_ms(ms("2026-03-08 02:30:00")), ms("2026-03-08 07:30:00"), "skipped: moved forward");
        assert_eq!(clock.utc_ms(ms("2026-11-01 01:30:00")), ms("2026-11-01 05:30:00"), "twice: the earlier");
    }
}
