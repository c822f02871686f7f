//! Functions of time: parts of it, its edges, what moves it.

use super::binder::{Bind, Binder, flink_only};
use super::call::call;
use super::literal::Length;
use super::types::{describe, is_string, is_timestamp, physical_type};
use super::{Bound, Session, cast};
use crate::functions::calendar::{self, Unit};
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

/// `EXTRACT(unit FROM time)`: BIGINT.
pub(super) fn extract(binder: &mut Binder<'_>, unit: &str, value: &Expr) -> Bind {
    let span = binder.place(value);
    let bound = binder.value(value)?;
    part_of(unit, bound, binder.session, span)
}

pub(super) fn part_of(unit: &str, bound: Bound, session: Session, span: Span) -> Bind {
    let Some(unit) = Unit::parse(unit) else {
        return Err(flink_only(&format!("EXTRACT({unit} …)"), span));
    };
    let local = local_time(bound, session, span)?;
    let nullable = local.nullable;
    let physical = physical_type(&DataType::BigInt);
    let expr = call(format!("EXTRACT {unit:?}"), vec![local.expr], physical, move |arguments| {
        calendar::part(&arguments[0], unit)
    });
    Ok(Bound::new(expr, DataType::BigInt, nullable))
}

/// A time as the session's calendar shows it: TIMESTAMP(3).
fn local_time(bound: Bound, session: Session, span: Span) -> Bind {
    if !bound.is_null && !is_timestamp(&bound.data_type) && bound.data_type != DataType::Date {
        return Err(Mistake::new(span, format!("this takes a time, and this is {}", describe(&bound.data_type)))
            .hint("write CAST(… AS TIMESTAMP(3)) for a text, TO_TIMESTAMP_LTZ(n, 3) for a number"));
    }
    cast::cast(bound, &DataType::Timestamp(3), session, span)
}

/// `FLOOR(time TO unit)` and CEIL, in the calendar of the session.
pub(super) fn round_to(binder: &mut Binder<'_>, up: bool, value: &Expr, unit: &str) -> Bind {
    let span = binder.place(value);
    let bound = binder.value(value)?;
    let name = if up { "CEIL" } else { "FLOOR" };
    let Some(unit) = Unit::parse(unit).filter(|unit| unit.is_edge()) else {
        return Err(flink_only(&format!("{name}(… TO {unit})"), span));
    };
    let data_type = bound.data_type.clone();
    let session = binder.session;
    let local = local_time(bound, session, span)?;
    let nullable = local.nullable;
    let physical = physical_type(&DataType::Timestamp(3));
    let expr = call(format!("{name} TO {unit:?}"), vec![local.expr], physical, move |arguments| {
        calendar::edge(&arguments[0], unit, up)
    });
    cast::cast(Bound::new(expr, DataType::Timestamp(3), nullable), &data_type, session, span)
}

/// A time moved by an interval. Months move in the calendar and stop at the month's end.
pub(super) fn moved(value: Bound, length: Length, session: Session) -> Bind {
    let (data_type, nullable) = (value.data_type.clone(), value.nullable);
    let span = Span::empty();
    match length {
        Length::Milliseconds(ms) if data_type == DataType::Date && ms % 86_400_000 != 0 => {
            let time = cast::cast(value, &DataType::Timestamp(6), session, span)?;
            moved(time, length, session)
        }
        Length::Milliseconds(ms) => {
            let physical = physical_type(&data_type);
            let expr = call(format!("+ {ms} ms"), vec![value.expr], physical, move |arguments| {
                calendar::add_ms(&arguments[0], ms)
            });
            Ok(Bound::new(expr, data_type, nullable))
        }
        Length::Months(months) => {
            let local = if let DataType::TimestampLtz(precision) = data_type {
                DataType::Timestamp(precision)
            } else {
                data_type.clone()
            };
            let value = cast::cast(value, &local, session, span)?;
            let physical = physical_type(&local);
            let expr = call(format!("+ {months} months"), vec![value.expr], physical, move |arguments| {
                calendar::add_months(&arguments[0], months)
            });
            cast::cast(Bound::new(expr, local, nullable), &data_type, session, span)
        }
    }
}

/// `TIMESTAMPADD(unit, n, time)` and `TIMESTAMPDIFF(unit, from, to)`: their first argument is a word, not a value.
pub(super) fn with_unit(binder: &mut Binder<'_>, name: &str, arguments: &[&FunctionArg], span: Span) -> Option<Bind> {
    let (is_add, arguments) = match (name, arguments) {
        ("TIMESTAMPADD", [unit, count, time]) => (true, [*unit, *count, *time]),
        ("TIMESTAMPDIFF", [unit, from, to]) => (false, [*unit, *from, *to]),
        ("TIMESTAMPADD" | "TIMESTAMPDIFF", _) => {
            return Some(Err(Mistake::new(span, format!("{name} takes a unit and two arguments"))));
        }
        _ => return None,
    };
    let expression = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let [Some(unit), Some(first), Some(second)] = arguments.map(expression) else {
        return Some(Err(Mistake::new(span, format!("{name} takes a unit and two arguments"))));
    };
    Some(unit_call(binder, name, is_add, (&unit, &first, &second), span))
}

fn unit_call(
    binder: &mut Binder<'_>,
    name: &str,
    is_add: bool,
    (unit, first, second): (&Expr, &Expr, &Expr),
    span: Span,
) -> Bind {
    let word = unit.to_string();
    let Some(unit) = Unit::parse(&word).filter(|unit| unit.is_edge()) else {
        return Err(Mistake::new(binder.place(unit), format!("{word} is no unit of {name}"))
            .hint("SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR"));
    };
    let (a, b) = (binder.value(first)?, binder.value(second)?);
    let session = binder.session;
    if is_add {
        let Some(count) = a.constant_integer() else {
            return add_each(binder, unit, (a, binder.place(first)), (b, binder.place(second)));
        };
        let length =
            unit.length(count).ok_or_else(|| Mistake::new(binder.place(first), "this many are out of range"))?;
        let length = match length {
            calendar::Length::Months(months) => Length::Months(months),
            calendar::Length::Milliseconds(ms) => Length::Milliseconds(ms),
        };
        let b = if is_string(&b.data_type) && !b.is_null {
            cast::cast(b, &DataType::Timestamp(3), session, span)?
        } else {
            b
        };
        if b.is_null || !(is_timestamp(&b.data_type) || b.data_type == DataType::Date) {
            return Err(Mistake::new(
                binder.place(second),
                format!("TIMESTAMPADD moves a time, not {}", describe(&b.data_type)),
            ));
        }
        return moved(b, length, session);
    }
    let nullable = a.nullable || b.nullable;
    let a = local_time(a, session, binder.place(first))?;
    let b = local_time(b, session, binder.place(second))?;
    let expr = call(
        format!("TIMESTAMPDIFF {unit:?}"),
        vec![a.expr, b.expr],
        physical_type(&DataType::Int),
        move |arguments| calendar::difference(&arguments[0], &arguments[1], unit),
    );
    Ok(Bound::new(expr, DataType::Int, nullable))
}

/// TIMESTAMPADD of a number that each row has.
fn add_each(binder: &Binder<'_>, unit: Unit, (count, count_span): (Bound, Span), (time, span): (Bound, Span)) -> Bind {
    if !count.is_null && !super::types::is_integer(&count.data_type) {
        let message = format!("TIMESTAMPADD takes an INT, and this is {}", describe(&count.data_type));
        return Err(Mistake::new(count_span, message));
    }
    let data_type = match &time.data_type {
        data_type if is_timestamp(data_type) => data_type.clone(),
        DataType::Date if unit.length(1).is_some_and(|length| matches!(length, calendar::Length::Months(_))) => {
            DataType::Date
        }
        DataType::Date => DataType::Timestamp(6),
        other => return Err(Mistake::new(span, format!("TIMESTAMPADD moves a time, not {}", describe(other)))),
    };
    let nullable = count.nullable || time.nullable;
    let session = binder.session;
    let count = cast::cast(count, &DataType::BigInt, session, count_span)?;
    let local = cast::cast(time, &DataType::Timestamp(3), session, span)?;
    let physical = physical_type(&DataType::Timestamp(3));
    let expr = call(format!("TIMESTAMPADD {unit:?}"), vec![count.expr, local.expr], physical, move |arguments| {
        calendar::add_each(&arguments[0], &arguments[1], unit)
    });
    cast::cast(Bound::new(expr, DataType::Timestamp(3), nullable), &data_type, session, span)
}

/// `TO_TIMESTAMP_LTZ(n, 0|3)`: what lies outside Flink's years is NULL. Of a text see `functions::temporal`.
pub(super) fn to_timestamp_ltz(arguments: Vec<(Bound, Span)>, session: Session, span: Span) -> Bind {
    let mut arguments = arguments.into_iter();
    let (Some((epoch, epoch_span)), precision, None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(
            Mistake::new(span, "TO_TIMESTAMP_LTZ takes a number and a precision").hint("write TO_TIMESTAMP_LTZ(n, 3)")
        );
    };
    let ms_per_unit = match &precision {
        None => 1,
        Some((precision, precision_span)) => match precision.constant_integer() {
            Some(0) => 1_000,
            Some(3) => 1,
            _ => {
                return Err(Mistake::new(
                    *precision_span,
                    "the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds)",
                ));
            }
        },
    };
    if !epoch.is_null && !super::types::is_numeric(&epoch.data_type) {
        let message = format!("TO_TIMESTAMP_LTZ takes a number or a text, and this is {}", describe(&epoch.data_type));
        return Err(Mistake::new(epoch_span, message));
    }
    let epoch = cast::cast(epoch, &DataType::BigInt, session, epoch_span)?;
    let expr = call(
        format!("TO_TIMESTAMP_LTZ *{ms_per_unit}"),
        vec![epoch.expr],
        physical_type(&DataType::TimestampLtz(3)),
        move |arguments| Ok(Arc::new(calendar::instants(&arguments[0], ms_per_unit)?)),
    );
    Ok(Bound::new(expr, DataType::TimestampLtz(3), true))
}
