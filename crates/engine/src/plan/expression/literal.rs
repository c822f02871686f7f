//! Literals and intervals.

use super::Bound;
use super::types::{decimal, time_unit};
use arrow::datatypes::TimeUnit;
use chrono::{NaiveDate, NaiveDateTime};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, DateTimeField, Expr, Interval, UnaryOperator, Value};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DECIMAL_PRECISION_MAX, DataType, Mistake};

pub(super) fn literal(value: &Value, span: Span) -> Result<Bound, Mistake> {
    match value {
        Value::Null => Ok(null()),
        Value::Boolean(value) => Ok(Bound::literal(ScalarValue::Boolean(Some(*value)), DataType::Boolean)),
        Value::SingleQuotedString(text) => Ok(text_literal(text)),
        Value::Number(text, _) => number(text, span),
        other => Err(Mistake::new(span, format!("literal {other} runs on Flink only"))),
    }
}

pub(in crate::plan) fn null() -> Bound {
    let mut null = Bound::literal(ScalarValue::Null, DataType::Boolean);
    null.is_null = true;
    null
}

pub(super) fn text_literal(text: &str) -> Bound {
    let chars = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    Bound::literal(ScalarValue::Utf8(Some(text.to_owned())), DataType::Char(chars))
}

/// A whole number is an INT if that holds it, else a BIGINT; one with a point is a DECIMAL of its digits.
fn number(text: &str, span: Span) -> Result<Bound, Mistake> {
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().map_err(|_| Mistake::new(span, format!("\"{text}\" is not a number")))?;
        return Ok(Bound::literal(ScalarValue::Float64(Some(value)), DataType::Double));
    }
    if let Ok(value) = text.parse::<i32>() {
        return Ok(Bound::literal(ScalarValue::Int32(Some(value)), DataType::Int));
    }
    if let Ok(value) = text.parse::<i64>() {
        return Ok(Bound::literal(ScalarValue::Int64(Some(value)), DataType::BigInt));
    }
    let Some((whole, fraction)) = text.split_once('.') else {
        return Err(Mistake::new(span, format!("{text} is out of range: a whole number is a BIGINT at most"))
            .hint("write it as a DECIMAL, with a point behind"));
    };
    let digits = format!("{whole}{fraction}");
    let count = u32::try_from(digits.len()).unwrap_or(u32::MAX);
    let units: Option<i128> = if digits.is_empty() { None } else { digits.parse().ok() };
    match units {
        Some(units) if count <= DECIMAL_PRECISION_MAX => {
            let scale = u32::try_from(fraction.len()).unwrap_or(0);
            let value = ScalarValue::Decimal128(Some(units), count as u8, scale as i8);
            Ok(Bound::literal(value, decimal(count, scale)))
        }
        _ => Err(Mistake::new(span, format!("{text} has {count} digits, and a DECIMAL has at most 38"))),
    }
}

/// `DATE '…'` and `TIMESTAMP '…'`.
pub(super) fn typed(data_type: &ast::DataType, value: &Value, span: Span) -> Result<Bound, Mistake> {
    let Value::SingleQuotedString(text) = value else {
        return Err(Mistake::new(span, "a date or time is written in single quotes"));
    };
    match data_type {
        ast::DataType::Date => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map_err(|_| Mistake::new(span, format!("'{text}' is not a date")).hint("write DATE '2026-07-30'"))?;
            let days = date.signed_duration_since(NaiveDate::default()).num_days();
            Ok(Bound::literal(ScalarValue::Date32(i32::try_from(days).ok()), DataType::Date))
        }
        ast::DataType::Timestamp(None, _) => {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map_err(|_| {
                Mistake::new(span, format!("'{text}' is not a time")).hint("write TIMESTAMP '2026-07-30 09:00:00'")
            })?;
            let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let precision = u32::try_from(digits).unwrap_or(u32::MAX);
            if precision > 6 {
                return Err(Mistake::new(span, "times finer than microseconds run on Flink only"));
            }
            let value = match time_unit(precision) {
                TimeUnit::Millisecond => {
                    ScalarValue::TimestampMillisecond(Some(time.and_utc().timestamp_millis()), None)
                }
                _ => ScalarValue::TimestampMicrosecond(Some(time.and_utc().timestamp_micros()), None),
            };
            Ok(Bound::literal(value, DataType::Timestamp(precision)))
        }
        other => Err(Mistake::new(span, format!("{other} '…' runs on Flink only"))),
    }
}

/// What an INTERVAL is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Months(i64),
    Milliseconds(i64),
}

/// An interval as it stands in an expression, also with a sign or in parentheses; None if it is something else.
pub(super) fn interval(expr: &Expr) -> Option<Result<Length, Mistake>> {
    match expr {
        Expr::Interval(interval) => Some(length(interval)),
        Expr::Nested(inner) => interval(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => interval(expr).map(|length| {
            Ok(match length? {
                Length::Months(months) => Length::Months(-months),
                Length::Milliseconds(ms) => Length::Milliseconds(-ms),
            })
        }),
        _ => None,
    }
}

/// The milliseconds of an interval of days to seconds.
pub(in crate::plan) fn interval_ms(expr: &Expr, what: &str, fallback: Span) -> Result<i64, Mistake> {
    match interval(expr) {
        Some(Ok(Length::Milliseconds(ms))) => Ok(ms),
        Some(Ok(Length::Months(_))) => {
            Err(Mistake::new(super::binder::place(expr, fallback), format!("{what} of months runs on Flink only"))
                .hint("months differ in length: write days"))
        }
        Some(Err(mistake)) => Err(mistake),
        None => Err(Mistake::new(super::binder::place(expr, fallback), format!("{what} is an INTERVAL"))
            .hint("write INTERVAL '1' MINUTE")),
    }
}

fn length(interval: &Interval) -> Result<Length, Mistake> {
    let span = super::binder::place(&interval.value, Span::empty());
    let wrong = |message: &str| Err(Mistake::new(span, message.to_owned()).hint("write INTERVAL '10' SECOND"));
    let Expr::Value(value) = interval.value.as_ref() else { return wrong("an interval is a text in single quotes") };
    let Value::SingleQuotedString(text) = &value.value else { return wrong("an interval is a text in single quotes") };
    let Some(leading) = &interval.leading_field else { return wrong("an interval has a unit") };
    let (negative, text) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    let length = match &interval.last_field {
        None => single(text, leading),
        Some(last) => range(text, leading, last),
    };
    match length {
        Some(Length::Months(months)) => Ok(Length::Months(if negative { -months } else { months })),
        Some(Length::Milliseconds(ms)) => Ok(Length::Milliseconds(if negative { -ms } else { ms })),
        None => wrong(&format!("'{text}' is not an interval of this unit")),
    }
}

fn unit_ms(field: &DateTimeField) -> Option<i64> {
    match field {
        DateTimeField::Week(None) | DateTimeField::Weeks => Some(7 * 86_400_000),
        DateTimeField::Day | DateTimeField::Days => Some(86_400_000),
        DateTimeField::Hour | DateTimeField::Hours => Some(3_600_000),
        DateTimeField::Minute | DateTimeField::Minutes => Some(60_000),
        DateTimeField::Second | DateTimeField::Seconds => Some(1_000),
        _ => None,
    }
}

fn single(text: &str, field: &DateTimeField) -> Option<Length> {
    match field {
        DateTimeField::Year | DateTimeField::Years => Some(Length::Months(text.parse::<i64>().ok()?.checked_mul(12)?)),
        DateTimeField::Quarter => Some(Length::Months(text.parse::<i64>().ok()?.checked_mul(3)?)),
        DateTimeField::Month | DateTimeField::Months => Some(Length::Months(text.parse().ok()?)),
        DateTimeField::Second | DateTimeField::Seconds => seconds(text).map(Length::Milliseconds),
        other => Some(Length::Milliseconds(text.parse::<i64>().ok()?.checked_mul(unit_ms(other)?)?)),
    }
}

fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    whole.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(format!("{fraction:0<3}").parse().ok()?)
}

/// `'1 02:03:04.5' DAY TO SECOND`, `'1:30' MINUTE TO SECOND`, `'1-6' YEAR TO MONTH`.
fn range(text: &str, first: &DateTimeField, last: &DateTimeField) -> Option<Length> {
    if matches!((first, last), (DateTimeField::Year, DateTimeField::Month)) {
        let (years, months) = text.split_once('-')?;
        return Some(Length::Months(years.parse::<i64>().ok()?.checked_mul(12)?.checked_add(months.parse().ok()?)?));
    }
    let units = [DateTimeField::Day, DateTimeField::Hour, DateTimeField::Minute, DateTimeField::Second];
    let from = units.iter().position(|unit| unit == first)?;
    let to = units.iter().position(|unit| unit == last)?;
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    if from >= to || parts.len() != to - from + 1 {
        return None;
    }
    let mut total: i64 = 0;
    for (part, unit) in parts.iter().zip(&units[from..=to]) {
        let ms = if *unit == DateTimeField::Second {
            seconds(part)?
        } else {
            part.parse::<i64>().ok()?.checked_mul(unit_ms(unit)?)?
        };
        total = total.checked_add(ms)?;
    }
    Some(Length::Milliseconds(total))
}
