//! Times to text and back by a pattern: DATE_FORMAT, TO_TIMESTAMP and their like.

pub(crate) use super::date_pattern::Pattern;
use super::time_text::{calendar, parse_timestamp_us};
use super::zone::ZoneClock;
use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringBuilder, TimestampMillisecondArray};
use arrow::datatypes::TimestampMillisecondType;
use datafusion::common::Result;
use std::sync::Arc;

/// Times as text; instants in their zone.
pub(crate) fn write(times: &ArrayRef, pattern: &Pattern, zone: Option<Tz>) -> Result<ArrayRef> {
    let millis = times.as_primitive::<TimestampMillisecondType>();
    let mut texts = StringBuilder::with_capacity(millis.len(), millis.len() * pattern.text_bytes());
    let clock = zone.map(ZoneClock::new);
    let mut text = String::new();
    // a column of arrivals holds few distinct seconds: format again only when the printed part changes
    let mut last: Option<i64> = None;
    for value in millis.iter() {
        let Some(ms) = value else {
            texts.append_null();
            continue;
        };
        let unit = ms.div_euclid(pattern.resolution_ms());
        if last != Some(unit) {
            text.clear();
            let local_ms = clock.as_ref().map_or(ms, |clock| clock.local_ms(ms));
            pattern.write(calendar(local_ms), &mut text);
            last = Some(unit);
        }
        texts.append_value(&text);
    }
    Ok(Arc::new(texts.finish()))
}

/// Texts as TIMESTAMP(3); NULL for those that do not fit. The usual form may also lack its time or have a fraction.
pub(crate) fn read(texts: &ArrayRef, pattern: &Pattern, is_default: bool) -> Result<ArrayRef> {
    let one = |text: &str| {
        let exact = pattern.read(text).map(|time| time.and_utc().timestamp_millis());
        exact.or_else(|| is_default.then(|| parse_timestamp_us(text).map(|us| us.div_euclid(1_000))).flatten())
    };
    let times: TimestampMillisecondArray = texts.as_string::<i32>().iter().map(|text| text.and_then(one)).collect();
    Ok(Arc::new(times))
}

/// Texts as seconds since 1970, read in a zone. What does not fit is Long.MIN_VALUE, as in Flink.
pub(crate) fn unix_seconds(texts: &ArrayRef, pattern: &Pattern, zone: Tz) -> Result<ArrayRef> {
    let clock = ZoneClock::new(zone);
    let mut seconds = Vec::with_capacity(texts.len());
    for text in texts.as_string::<i32>() {
        seconds.push(text.map(|text| match pattern.read(text) {
            Some(time) => clock.utc_ms(time.and_utc().timestamp_millis()).div_euclid(1_000),
            None => i64::MIN,
        }));
    }
    Ok(Arc::new(Int64Array::from(seconds)))
}
