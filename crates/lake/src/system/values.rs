//! Values of Paimon's binary rows as Java prints them in system tables. Pure.

use arrow::datatypes::{Decimal128Type, DecimalType};
use hoga_model::number::java;
use hoga_model::time::{MS_PER_DAY, utc_date, utc_time_of_day};
use paimon::spec::{BinaryRow, DataField, DataType, Datum};
use std::collections::BTreeMap;

/// A row as its CAST to STRING: `{2026-11-26, 7}`.
pub(super) fn row_text(row: &BinaryRow, fields: &[DataField]) -> paimon::Result<String> {
    Ok(format!("{{{}}}", listed(row, fields, cast_text)?))
}

/// A key, whose bytes may be none: `[KRW-BTC, 7]`.
pub(super) fn key_text(bytes: &[u8], fields: &[DataField]) -> paimon::Result<Option<String>> {
    if bytes.is_empty() || fields.is_empty() {
        return Ok(None);
    }
    let row = BinaryRow::from_serialized_bytes(bytes)?;
    if row.arity() == 0 {
        return Ok(None);
    }
    Ok(Some(format!("[{}]", listed(&row, fields, java_text)?)))
}

/// `{a=1, b=null}`.
pub(super) fn map_text(values: &BTreeMap<&str, Option<String>>) -> String {
    let pairs = values.iter().map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null")));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// A column's statistic. None: NULL, or of a type that has none.
pub(super) fn value_text(row: &BinaryRow, place: usize, data_type: &DataType) -> paimon::Result<Option<String>> {
    Ok(value_at(row, place, data_type)?.map(|value| java_text(value, data_type)))
}

fn value_at(row: &BinaryRow, place: usize, data_type: &DataType) -> paimon::Result<Option<Datum>> {
    let is_there = i32::try_from(place).is_ok_and(|place| place < row.arity());
    if !is_there
        || matches!(data_type, DataType::Array(_) | DataType::Map(_) | DataType::Row(_) | DataType::Multiset(_))
    {
        return Ok(None);
    }
    row.get_datum(place, data_type)
}

fn listed(row: &BinaryRow, fields: &[DataField], text: impl Fn(Datum, &DataType) -> String) -> paimon::Result<String> {
    let mut values = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let value = value_at(row, place, field.data_type())?;
        values.push(value.map_or_else(|| "null".to_owned(), |value| text(value, field.data_type())));
    }
    Ok(values.join(", "))
}

/// As Java's own `toString` of the value: an instant is `LocalDateTime`'s.
fn java_text(value: Datum, data_type: &DataType) -> String {
    match value {
        Datum::Timestamp { millis, nanos } | Datum::LocalZonedTimestamp { millis, nanos } => {
            format!("{}T{}", utc_date(millis), shortest_clock_text(millis, i64::from(nanos)))
        }
        value => cast_text(value, data_type),
    }
}

/// As its CAST to STRING.
fn cast_text(value: Datum, data_type: &DataType) -> String {
    match value {
        Datum::Bool(value) => value.to_string(),
        Datum::TinyInt(value) => value.to_string(),
        Datum::SmallInt(value) => value.to_string(),
        Datum::Int(value) => value.to_string(),
        Datum::Long(value) => value.to_string(),
        Datum::Float(value) => java::float_text(value),
        Datum::Double(value) => java::double_text(value),
        Datum::String(value) => value,
        Datum::Date(days) => utc_date(i64::from(days) * MS_PER_DAY),
        Datum::Time(ms) => clock_text(i64::from(ms), 0, 3),
        Datum::Timestamp { millis, nanos } | Datum::LocalZonedTimestamp { millis, nanos } => {
            let digits = match data_type {
                DataType::Timestamp(time) => time.precision(),
                DataType::LocalZonedTimestamp(time) => time.precision(),
                _ => 3,
            };
            format!("{} {}", utc_date(millis), clock_text(millis, i64::from(nanos), digits as usize))
        }
        Datum::Decimal { unscaled, precision, scale } => {
            Decimal128Type::format_decimal(unscaled, precision as u8, scale as i8)
        }
        other => other.to_string(),
    }
}

/// `digits` of the second's fraction.
fn clock_text(ms: i64, nanos: i64, digits: usize) -> String {
    let clock = utc_time_of_day(ms);
    let fraction = format!("{:09}", ms.rem_euclid(1_000) * 1_000_000 + nanos);
    match fraction.get(..digits) {
        None | Some("") => clock,
        Some(fraction) => format!("{clock}.{fraction}"),
    }
}

/// Seconds only if there are any, and of their fraction none, three, six or nine digits.
fn shortest_clock_text(ms: i64, nanos: i64) -> String {
    let fraction = ms.rem_euclid(1_000) * 1_000_000 + nanos;
    let digits = [0, 3, 6].into_iter().find(|digits| fraction % 10_i64.pow(9 - digits) == 0).unwrap_or(9);
    let clock = clock_text(ms, nanos, digits as usize);
    clock.strip_suffix(":00").map_or_else(|| clock.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use paimon::spec::{DoubleType, LocalZonedTimestampType, datums_to_binary_row};

    /// As Flink 2.0.2 with Paimon 1.4.2 shows them in `$files`.
    #[test]
    fn values_are_javas() {
        let double = DataType::Double(DoubleType::new());
        let decimal = DataType::Decimal(paimon::spec::DecimalType::new(20, 8).unwrap());
        let instant = DataType::LocalZonedTimestamp(LocalZonedTimestampType::new(3).unwrap());
        for (value, data_type, expected) in [
            (Datum::Decimal { unscaled: 300_000_000, precision: 20, scale: 8 }, &decimal, "{3.00000000}"),
            (Datum::Decimal { unscaled: -5, precision: 20, scale: 8 }, &decimal, "{-0.00000005}"),
            (Datum::Double(1e7), &double, "{1.0E7}"),
            (Datum::Double(1.25e-4), &double, "{1.25E-4}"),
            (Datum::Double(3.0), &double, "{3.0}"),
            (Datum::LocalZonedTimestamp { millis: 500, nanos: 0 }, &instant, "{1970-01-01 00:00:00.500}"),
        ] {
            let bytes = datums_to_binary_row(&[(&Some(value), data_type)]);
            let row = BinaryRow::from_serialized_bytes(&bytes).unwrap();
            let fields = [DataField::new(0, "a".to_owned(), data_type.clone())];
            assert_eq!(row_text(&row, &fields).unwrap(), expected);
        }
        for (millis, nanos, expected) in [
            (1_795_737_548_206, 0, "2026-11-26T23:59:08.206"),
            (1_795_737_548_000, 0, "2026-11-26T23:59:08"),
            (1_795_737_540_000, 0, "2026-11-26T23:59"),
            (1_795_737_540_000, 1_000, "2026-11-26T23:59:00.000001"),
            (-1, 999_999, "1969-12-31T23:59:59.999999999"),
        ] {
            let exact = DataType::LocalZonedTimestamp(LocalZonedTimestampType::new(9).unwrap());
            let bytes = datums_to_binary_row(&[(&Some(Datum::LocalZonedTimestamp { millis, nanos }), &exact)]);
            let row = BinaryRow::from_serialized_bytes(&bytes).unwrap();
            assert_eq!(value_text(&row, 0, &exact).unwrap().as_deref(), Some(expected));
            let fields = [DataField::new(0, "a".to_owned(), exact)];
            assert_eq!(key_text(&bytes, &fields).unwrap(), Some(format!("[{expected}]")));
        }
        assert_eq!(key_text(&[], &[]).unwrap(), None);
        assert_eq!(map_text(&BTreeMap::from([("b", None), ("a", Some("1".to_owned()))])), "{a=1, b=null}");
    }
}
