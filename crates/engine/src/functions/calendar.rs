//! Parts and edges of times, as Flink counts them: weeks are ISO's and start on Monday, DAYOFWEEK counts from Sunday.

use super::time_text::calendar;
use crate::types::UTC;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime};
use datafusion::common::{Result, exec_datafusion_err, internal_err};
use std::sync::Arc;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Flink's instants lie in the years 1 to 9999; what lies outside becomes NULL there and here.
const INSTANT_MS_MIN: i64 = -62_135_596_800_000;
const INSTANT_MS_MAX: i64 = 253_402_300_799_999;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Epoch,
}

/// How far one thing is from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Months(i64),
    Milliseconds(i64),
}

impl Unit {
    pub(crate) fn parse(word: &str) -> Option<Unit> {
        Some(match word.to_ascii_uppercase().trim_start_matches("SQL_TSI_") {
            "MICROSECOND" => Unit::Microsecond,
            "MILLISECOND" => Unit::Millisecond,
            "SECOND" => Unit::Second,
            "MINUTE" => Unit::Minute,
            "HOUR" => Unit::Hour,
            "DAY" => Unit::Day,
            "WEEK" => Unit::Week,
            "MONTH" => Unit::Month,
            "QUARTER" => Unit::Quarter,
            "YEAR" => Unit::Year,
            "DOW" | "DAYOFWEEK" => Unit::DayOfWeek,
            "ISODOW" => Unit::IsoDayOfWeek,
            "DOY" | "DAYOFYEAR" => Unit::DayOfYear,
            "ISOYEAR" => Unit::IsoYear,
            "EPOCH" => Unit::Epoch,
            _ => return None,
        })
    }

    /// True for what a time can be cut to, and counted in.
    pub(crate) fn is_edge(self) -> bool {
        !matches!(
            self,
            Unit::Microsecond | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear | Unit::IsoYear | Unit::Epoch
        )
    }

    fn ms(self) -> Option<i64> {
        match self {
            Unit::Millisecond => Some(1),
            Unit::Second => Some(SECOND_MS),
            Unit::Minute => Some(MINUTE_MS),
            Unit::Hour => Some(HOUR_MS),
            Unit::Day => Some(DAY_MS),
            Unit::Week => Some(7 * DAY_MS),
            _ => None,
        }
    }

    fn months(self) -> Option<i64> {
        match self {
            Unit::Month => Some(1),
            Unit::Quarter => Some(3),
            Unit::Year => Some(12),
            _ => None,
        }
    }

    /// So many of this unit.
    pub(crate) fn length(self, count: i64) -> Option<Length> {
        match (self.ms(), self.months()) {
            (Some(ms), _) => count.checked_mul(ms).map(Length::Milliseconds),
            (None, Some(months)) => count.checked_mul(months).map(Length::Months),
            (None, None) => None,
        }
    }
}

/// Milliseconds of a TIMESTAMP(3), as numbers.
fn local_ms(array: &ArrayRef) -> Result<Int64Array> {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Ok(array.as_primitive::<TimestampMillisecondType>().unary(|value| value))
        }
        other => internal_err!("{other} where TIMESTAMP(3) is expected"),
    }
}

/// The day of a time as Flink finds it: cut towards 1970, so the last day of 1969 counts as the first of 1970.
fn day_start(ms: i64) -> i64 {
    ms / DAY_MS * DAY_MS
}

/// A part of each time, BIGINT. Before 1970 Flink's division cuts towards zero: the hour of -1 ms is 0, its milliseconds are -1.
pub(crate) fn part(array: &ArrayRef, unit: Unit) -> Result<ArrayRef> {
    let times = local_ms(array)?;
    let parts: Int64Array = match unit {
        Unit::Microsecond => times.unary(|ms| ms % SECOND_MS * 1_000),
        Unit::Millisecond => times.unary(|ms| ms % SECOND_MS),
        Unit::Second => times.unary(|ms| ms % MINUTE_MS / SECOND_MS),
        Unit::Minute => times.unary(|ms| ms % HOUR_MS / MINUTE_MS),
        Unit::Hour => times.unary(|ms| ms % DAY_MS / HOUR_MS),
        Unit::Epoch => times.unary(|ms| ms / SECOND_MS),
        _ => times.unary(|ms| date_part(calendar(day_start(ms)), unit)),
    };
    Ok(Arc::new(parts))
}

fn date_part(time: NaiveDateTime, unit: Unit) -> i64 {
    match unit {
        Unit::Year => i64::from(time.year()),
        Unit::Quarter => i64::from((time.month() - 1) / 3 + 1),
        Unit::Month => i64::from(time.month()),
        Unit::Week => i64::from(time.iso_week().week()),
        Unit::DayOfYear => i64::from(time.ordinal()),
        Unit::DayOfWeek => i64::from(time.weekday().num_days_from_sunday()) + 1,
        Unit::IsoDayOfWeek => i64::from(time.weekday().number_from_monday()),
        Unit::IsoYear => i64::from(time.iso_week().year()),
        _ => i64::from(time.day()),
    }
}

/// The last edge of the unit at or before each time, or the first at or after it. TIMESTAMP(3).
pub(crate) fn edge(array: &ArrayRef, unit: Unit, up: bool) -> Result<ArrayRef> {
    let times = local_ms(array)?;
    let edges: TimestampMillisecondArray = times.unary(|ms| edge_of(ms, unit, up));
    Ok(Arc::new(edges))
}

fn edge_of(ms: i64, unit: Unit, up: bool) -> i64 {
    if let (Some(size), false) = (unit.ms(), unit == Unit::Week) {
        let floor = ms.div_euclid(size) * size;
        return if up && floor < ms { floor + size } else { floor };
    }
    // from a week on Flink looks at the day alone: any time of a month's first day is an edge
    let ms = day_start(ms);
    let date = calendar(ms).date();
    let floor = match unit {
        // 1970-01-01 was a Thursday, Sunday is the first day of Calcite's week
        Unit::Week => date - chrono::Duration::days(i64::from(date.weekday().num_days_from_sunday())),
        Unit::Month => date.with_day(1).unwrap_or(date),
        Unit::Quarter => NaiveDate::from_ymd_opt(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).unwrap_or(date),
        _ => NaiveDate::from_ymd_opt(date.year(), 1, 1).unwrap_or(date),
    };
    let as_ms = |date: NaiveDate| date.signed_duration_since(NaiveDate::default()).num_milliseconds();
    if !up || as_ms(floor) == ms {
        return as_ms(floor);
    }
    let next = match unit {
        Unit::Week => floor.checked_add_signed(chrono::Duration::days(7)),
        Unit::Month => floor.checked_add_months(Months::new(1)),
        Unit::Quarter => floor.checked_add_months(Months::new(3)),
        _ => floor.checked_add_months(Months::new(12)),
    };
    as_ms(next.unwrap_or(floor))
}

/// Moves times or dates.
pub(crate) fn add_ms(array: &ArrayRef, ms: i64) -> Result<ArrayRef> {
    let out_of_range = || exec_datafusion_err!("a time moved out of the calendar");
    Ok(match array.data_type() {
        DataType::Date32 => {
            let days = i32::try_from(ms / DAY_MS).map_err(|_| out_of_range())?;
            Arc::new(array.as_primitive::<Date32Type>().unary::<_, Date32Type>(|day| day.wrapping_add(days)))
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let times = array.as_primitive::<TimestampMillisecondType>();
            Arc::new(
                times
                    .unary::<_, TimestampMillisecondType>(|time| time.wrapping_add(ms))
                    .with_timezone_opt(zone.clone()),
            )
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let us = ms.checked_mul(1_000).ok_or_else(out_of_range)?;
            let times = array.as_primitive::<TimestampMicrosecondType>();
            Arc::new(
                times
                    .unary::<_, TimestampMicrosecondType>(|time| time.wrapping_add(us))
                    .with_timezone_opt(zone.clone()),
            )
        }
        other => return internal_err!("{other} is no time"),
    })
}

/// Moves times or dates in the calendar: the 31st becomes the month's last day.
pub(crate) fn add_months(array: &ArrayRef, months: i64) -> Result<ArrayRef> {
    if let DataType::Date32 = array.data_type() {
        let dates = array.as_primitive::<Date32Type>();
        let moved = dates.unary::<_, Date32Type>(|day| (months_after(i64::from(day) * DAY_MS, months) / DAY_MS) as i32);
        return Ok(Arc::new(moved));
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            let times = array.as_primitive::<TimestampMillisecondType>();
            Ok(Arc::new(times.unary::<_, TimestampMillisecondType>(|ms| months_after(ms, months))))
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            Ok(Arc::new(times.unary::<_, TimestampMicrosecondType>(|us| {
                months_after(us.div_euclid(1_000), months) * 1_000 + us.rem_euclid(1_000)
            })))
        }
        other => internal_err!("{other} is no local time"),
    }
}

fn months_after(ms: i64, months: i64) -> i64 {
    let count = Months::new(u32::try_from(months.unsigned_abs()).unwrap_or(u32::MAX));
    let time = calendar(ms);
    let moved = if months < 0 { time.checked_sub_months(count) } else { time.checked_add_months(count) };
    moved.map_or(ms, |moved| moved.and_utc().timestamp_millis())
}

/// Moves each TIMESTAMP(3) by its own count of a unit.
pub(crate) fn add_each(counts: &ArrayRef, times: &ArrayRef, unit: Unit) -> Result<ArrayRef> {
    let counts = counts.as_primitive::<Int64Type>();
    let times = local_ms(times)?;
    let moved = |count: i64, ms: i64| match unit.length(count) {
        Some(Length::Months(months)) => months_after(ms, months),
        Some(Length::Milliseconds(length)) => ms.wrapping_add(length),
        None => ms,
    };
    let moved = arrow::compute::binary::<_, _, _, TimestampMillisecondType>(counts, &times, moved)?;
    Ok(Arc::new(moved))
}

/// How many whole units lie between two TIMESTAMP(3), INT.
pub(crate) fn difference(from: &ArrayRef, to: &ArrayRef, unit: Unit) -> Result<ArrayRef> {
    let (from, to) = (local_ms(from)?, local_ms(to)?);
    let between = |from: i64, to: i64| match (unit.ms(), unit.months()) {
        (Some(size), _) => (to - from) / size,
        (None, Some(size)) => whole_months(from, to) / size,
        (None, None) => 0,
    };
    let differences = arrow::compute::binary::<_, _, _, Int32Type>(&from, &to, |from, to| between(from, to) as i32)?;
    Ok(Arc::new(differences))
}

/// Calcite's subtractMonths: by the days, then by the times of day if the months end on the same day.
fn whole_months(from: i64, to: i64) -> i64 {
    let (from_day, to_day) = (from.div_euclid(DAY_MS) * DAY_MS, to.div_euclid(DAY_MS) * DAY_MS);
    let months = months_between_days(from_day, to_day);
    let is_short = months_after(from_day, months) == to_day && to - to_day < from - from_day;
    if is_short { months - 1 } else { months }
}

fn months_between_days(from: i64, to: i64) -> i64 {
    if to < from {
        return -months_between_days(to, from);
    }
    let (a, b) = (calendar(from), calendar(to));
    let months = i64::from(b.year() - a.year()) * 12 + i64::from(b.month()) - i64::from(a.month());
    // a month is over when its last day is reached: from 01-31 to 02-28 it is one
    if months_after(from, months) > to { months - 1 } else { months }
}

/// Epoch numbers as TIMESTAMP_LTZ(3).
pub(crate) fn instants(epoch: &ArrayRef, ms_per_unit: i64) -> Result<TimestampMillisecondArray> {
    let epoch = cast(epoch, &DataType::Int64)?;
    let epoch = epoch.as_primitive::<Int64Type>();
    let in_range =
        |value: i64| value.checked_mul(ms_per_unit).filter(|ms| (INSTANT_MS_MIN..=INSTANT_MS_MAX).contains(ms));
    let all_valid = epoch.iter().flatten().all(|value| in_range(value).is_some());
    let instants: TimestampMillisecondArray =
        if all_valid { epoch.unary(|value| value.wrapping_mul(ms_per_unit)) } else { epoch.unary_opt(in_range) };
    Ok(instants.with_timezone(UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time").and_utc().timestamp_millis()
    }

    #[test]
    fn edges() {
        let check = |time: &str, unit: Unit, down: &str, up: &str| {
            assert_eq!(edge_of(ms(time), unit, false), ms(down), "FLOOR({time} TO {unit:?})");
            assert_eq!(edge_of(ms(time), unit, true), ms(up), "CEIL({time} TO {unit:?})");
        };
        check("2026-07-30 09:31:07", Unit::Minute, "2026-07-30 09:31:00", "2026-07-30 09:32:00");
        check("2026-07-30 09:31:07", Unit::Day, "2026-07-30 00:00:00", "2026-07-31 00:00:00");
        check("2026-07-30 09:31:07", Unit::Month, "2026-07-01 00:00:00", "2026-08-01 00:00:00");
        check("2026-08-30 09:31:07", Unit::Quarter, "2026-07-01 00:00:00", "2026-10-01 00:00:00");
        check("2026-01-01 00:00:00", Unit::Year, "2026-01-01 00:00:00", "2026-01-01 00:00:00");
        check("1970-01-01 09:00:00", Unit::Month, "1970-01-01 00:00:00", "1970-01-01 00:00:00");
        check("1969-12-31 23:59:59", Unit::Month, "1970-01-01 00:00:00", "1970-01-01 00:00:00");
        check("1969-12-31 23:59:59", Unit::Hour, "1969-12-31 23:00:00", "1970-01-01 00:00:00");
    }

    #[test]
    fn months_stop_at_the_end() {
        assert_eq!(months_after(ms("2026-01-31 10:00:00"), 1), ms("2026-02-28 10:00:00"));
        assert_eq!(months_after(ms("2026-03-31 10:00:00"), -1), ms("2026-02-28 10:00:00"));
        assert_eq!(whole_months(ms("2026-01-31 10:00:00"), ms("2026-02-28 10:00:00")), 1);
        assert_eq!(whole_months(ms("2026-01-31 00:00:00"), ms("1969-12-31 23:59:59")), -673);
        assert_eq!(whole_months(ms("2026-02-28 10:00:00"), ms("2026-01-28 10:00:00")), -1);
    }

    #[test]
    fn parts() {
        let time = calendar(ms("2026-01-01 00:00:00"));
        assert_eq!(date_part(time, Unit::Week), 1);
        assert_eq!(date_part(time, Unit::DayOfWeek), 5, "a Thursday, counted from Sunday");
        assert_eq!(date_part(calendar(ms("2027-01-01 00:00:00")), Unit::Week), 53);
        assert_eq!(date_part(time, Unit::Quarter), 1);
        let before: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![-1]));
        let of = |unit| part(&before, unit).expect("a part").as_primitive::<Int64Type>().value(0);
        assert_eq!([Unit::Year, Unit::Day, Unit::Hour, Unit::Millisecond, Unit::Epoch].map(of), [1970, 1, 0, -1, 0]);
    }
}
