//! Functions of time that are written as calls.

use super::super::types::{describe, is_string, is_timestamp};
use super::super::{Bound, cast, time};
use super::{Bind, Call, Found};
use crate::functions::convert::{Conversion, convert};
use crate::functions::date_text;
use hoga_sql::{DataType, Mistake};

pub(super) fn find(call: &mut Call<'_>) -> Found {
    let unit = match call.name {
        "YEAR" | "QUARTER" | "MONTH" | "WEEK" | "HOUR" | "MINUTE" | "SECOND" | "DAYOFYEAR" | "DAYOFWEEK" => call.name,
        "DAYOFMONTH" => "DAY",
        _ => return other(call),
    };
    Some(call.count(1, 1).and_then(|()| {
        let (bound, span) = call.arguments[0].clone();
        time::part_of(unit, bound, call.session, span)
    }))
}

fn other(call: &mut Call<'_>) -> Found {
    Some(match call.name {
        "TO_TIMESTAMP_LTZ" if is_text(call) => instant_of_text(call),
        "TO_TIMESTAMP_LTZ" => time::to_timestamp_ltz(std::mem::take(&mut call.arguments), call.session, call.span),
        "TO_TIMESTAMP" => parsed(call, "yyyy-MM-dd HH:mm:ss", DataType::Timestamp(3)),
        "TO_DATE" => parsed(call, "yyyy-MM-dd", DataType::Date),
        "DATE_FORMAT" => date_format(call),
        "FROM_UNIXTIME" => from_unixtime(call),
        "UNIX_TIMESTAMP" => unix_timestamp(call),
        "CONVERT_TZ" => convert_tz(call),
        _ => return None,
    })
}

fn pattern(call: &Call<'_>, index: usize, default: &str) -> Result<date_text::Pattern, Mistake> {
    let Some((_, span)) = call.arguments.get(index) else {
        return date_text::Pattern::parse(default).map_err(|error| Mistake::new(call.span, error.to_string()));
    };
    let written = call.literal_text(index, "the pattern")?;
    date_text::Pattern::parse(&written).map_err(|error| Mistake::new(*span, error.to_string()))
}

/// A pattern that texts can be read with.
fn reading_pattern(call: &Call<'_>, index: usize, default: &str) -> Result<date_text::Pattern, Mistake> {
    let pattern = pattern(call, index, default)?;
    if pattern.is_readable() {
        return Ok(pattern);
    }
    let span = call.arguments.get(index).map_or(call.span, |(_, span)| *span);
    Err(Mistake::new(span, format!("reading a text as {pattern} runs on Flink only"))
        .hint("texts are read with yyyy, MM, dd, HH, mm, ss, SSS and what stands between"))
}

/// A time read with a pattern; NULL for what does not fit it.
fn parsed(call: &Call<'_>, default: &str, output: DataType) -> Bind {
    call.count(1, 2)?;
    let pattern = reading_pattern(call, 1, default)?;
    let is_default = call.arguments.len() == 1;
    let text = call.text(0)?;
    let is_date = output == DataType::Date;
    let name = format!("{} {pattern}", call.name);
    let bound = call.named(&name, vec![text], DataType::Timestamp(3), move |arguments| {
        date_text::read(&arguments[0], &pattern, is_default)
    })?;
    let bound = Bound { nullable: true, ..bound };
    if is_date { cast::cast(bound, &DataType::Date, call.session, call.span) } else { Ok(bound) }
}

fn is_text(call: &Call<'_>) -> bool {
    call.arguments.first().is_some_and(|(bound, _)| !bound.is_null && is_string(&bound.data_type))
}

/// `TO_TIMESTAMP_LTZ('text'[, pattern[, zone]])`: the text is UTC unless a zone is told.
fn instant_of_text(call: &Call<'_>) -> Bind {
    call.count(1, 3)?;
    let zone = match call.arguments.get(2) {
        None => crate::types::UTC.to_owned(),
        Some(_) => call.literal_text(2, "the zone")?,
    };
    let at = call.arguments.last().map_or(call.span, |(_, span)| *span);
    let zone = zone.parse().map_err(|_| Mistake::new(at, format!("'{zone}' is not a time zone")))?;
    let pattern = reading_pattern(call, 1, "yyyy-MM-dd HH:mm:ss")?;
    let is_default = call.arguments.len() == 1;
    let name = format!("TO_TIMESTAMP_LTZ {pattern}");
    let local = call.named(&name, vec![call.text(0)?], DataType::Timestamp(3), move |arguments| {
        date_text::read(&arguments[0], &pattern, is_default)
    })?;
    cast::cast(Bound { nullable: true, ..local }, &DataType::TimestampLtz(3), super::Session { zone }, call.span)
}

fn date_format(call: &Call<'_>) -> Bind {
    call.count(2, 2)?;
    if is_text(call) {
        return format_text(call);
    }
    let (bound, span) = &call.arguments[0];
    let target = match &bound.data_type {
        _ if bound.is_null => DataType::Timestamp(3),
        DataType::Timestamp(_) => DataType::Timestamp(3),
        DataType::TimestampLtz(_) => DataType::TimestampLtz(3),
        other => {
            return Err(Mistake::new(*span, format!("DATE_FORMAT takes a TIMESTAMP, and this is {}", describe(other)))
                .hint("from a number of milliseconds since 1970: TO_TIMESTAMP_LTZ(n, 3)"));
        }
    };
    let is_instant = matches!(target, DataType::TimestampLtz(_));
    let pattern = pattern(call, 1, "")?;
    let zone = call.session.zone;
    let name = format!("DATE_FORMAT {pattern}");
    call.named(&name, vec![call.cast(0, &target)?], DataType::String, move |arguments| {
        date_text::write(&arguments[0], &pattern, is_instant.then_some(zone))
    })
}

/// Of a text: NULL if it is no time.
fn format_text(call: &Call<'_>) -> Bind {
    let pattern = pattern(call, 1, "")?;
    let usual =
        date_text::Pattern::parse("yyyy-MM-dd HH:mm:ss").map_err(|error| Mistake::new(call.span, error.to_string()))?;
    let name = format!("DATE_FORMAT text {pattern}");
    let bound = call.named(&name, vec![call.text(0)?], DataType::String, move |arguments| {
        date_text::write(&date_text::read(&arguments[0], &usual, true)?, &pattern, None)
    })?;
    Ok(Bound { nullable: true, ..bound })
}

/// Seconds since 1970 as text in the session's zone.
fn from_unixtime(call: &Call<'_>) -> Bind {
    call.count(1, 2)?;
    let pattern = pattern(call, 1, "yyyy-MM-dd HH:mm:ss")?;
    let zone = call.session.zone;
    let name = format!("FROM_UNIXTIME {pattern}");
    call.named(&name, vec![call.integer(0)?], DataType::String, move |arguments| {
        let instants = crate::functions::calendar::instants(&arguments[0], 1_000)?;
        date_text::write(&(std::sync::Arc::new(instants) as super::ArrayRef), &pattern, Some(zone))
    })
}

/// A time's text in one zone as text in another; NULL if it is no time.
fn convert_tz(call: &Call<'_>) -> Bind {
    call.count(3, 3)?;
    let zone = |index: usize| {
        let name = call.literal_text(index, "the zone")?;
        let problem = || Mistake::new(call.arguments[index].1, format!("'{name}' is not a time zone"));
        name.parse::<arrow::array::timezone::Tz>().map_err(|_| problem()).map(|zone| (zone, name.clone()))
    };
    let ((from, from_name), (to, to_name)) = (zone(1)?, zone(2)?);
    let usual =
        date_text::Pattern::parse("yyyy-MM-dd HH:mm:ss").map_err(|error| Mistake::new(call.span, error.to_string()))?;
    let name = format!("CONVERT_TZ '{from_name}' '{to_name}'");
    let bound = call.named(&name, vec![call.text(0)?], DataType::String, move |arguments| {
        let local = date_text::read(&arguments[0], &usual, true)?;
        let conversion = Conversion {
            from: DataType::Timestamp(3),
            to: DataType::TimestampLtz(3),
            zone: from,
            is_try: false,
            is_strict: false,
        };
        date_text::write(&convert(&local, &conversion)?, &usual, Some(to))
    })?;
    Ok(Bound { nullable: true, ..bound })
}

/// Of a text, in the session's zone, as seconds since 1970. Without an argument it is now, and refused.
fn unix_timestamp(call: &Call<'_>) -> Bind {
    if call.arguments.is_empty() {
        return Err(super::not_deterministic("UNIX_TIMESTAMP()", call.span));
    }
    call.count(1, 2)?;
    if is_timestamp(&call.arguments[0].0.data_type) {
        return Err(call.wrong(0, "a STRING"));
    }
    let pattern = reading_pattern(call, 1, "yyyy-MM-dd HH:mm:ss")?;
    let zone = call.session.zone;
    let name = format!("UNIX_TIMESTAMP {pattern}");
    call.named(&name, vec![call.text(0)?], DataType::BigInt, move |arguments| {
        date_text::unix_seconds(&arguments[0], &pattern, zone)
    })
}
