//! CAST and TRY_CAST, and the casts that Flink makes by itself: which exist, and their types.

use super::binder::Bind;
use super::call::call;
use super::types::{decimal_of, describe, is_numeric, is_string, is_timestamp, physical_type};
use super::{Bound, Session};
use crate::functions::convert::{Conversion, convert};
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

/// The value in another type. A value that has none there fails its row, or is NULL where Flink says so (DECIMAL).
pub(in crate::plan) fn cast(bound: Bound, target: &DataType, session: Session, span: Span) -> Bind {
    converted(bound, target, session, span, Manner::Plain)
}

/// CAST as it is written: an exact number that is too large for its DECIMAL fails its row, where Flink has NULL.
pub(super) fn written_cast(bound: Bound, target: &DataType, session: Session, span: Span) -> Bind {
    converted(bound, target, session, span, Manner::Written)
}

/// The same, with NULL for what fails.
pub(super) fn try_cast(bound: Bound, target: &DataType, session: Session, span: Span) -> Bind {
    converted(bound, target, session, span, Manner::Try).map(|bound| Bound { nullable: true, ..bound })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    Written,
    Try,
}

fn converted(bound: Bound, target: &DataType, session: Session, span: Span, manner: Manner) -> Bind {
    if bound.is_null {
        return Ok(Bound::new(typed_null(target), target.clone(), true));
    }
    if bound.data_type == *target {
        return Ok(bound);
    }
    if !exists(&bound.data_type, target) {
        let (from, to) = (describe(&bound.data_type), describe(target));
        let problem = Mistake::new(span, format!("{from} cannot be cast to {to}"));
        let is_time = |data_type: &DataType| is_timestamp(data_type) || *data_type == DataType::Date;
        return Err(match is_numeric(&bound.data_type) && is_time(target) {
            true => problem.hint("from a number of milliseconds since 1970: TO_TIMESTAMP_LTZ(n, 3)"),
            false => problem,
        });
    }
    let nullable = bound.nullable || matches!(target, DataType::Decimal { .. });
    let is_same = same_values(&bound.data_type, target);
    if is_same {
        return Ok(Bound { data_type: target.clone(), ..bound });
    }
    let is_exact = decimal_of(&bound.data_type).is_some() && decimal_of(target).is_some();
    let is_strict = is_exact && matches!(target, DataType::Decimal { .. }) && manner == Manner::Written;
    let is_try = manner == Manner::Try;
    let conversion = Conversion { from: bound.data_type, to: target.clone(), zone: session.zone, is_try, is_strict };
    let name = match manner {
        Manner::Try => format!("TRY_CAST AS {target}"),
        _ if is_strict => format!("STRICT_CAST AS {target}"),
        _ => format!("CAST AS {target}"),
    };
    let expr =
        call(name, vec![bound.expr], physical_type(target), move |arguments| convert(&arguments[0], &conversion));
    Ok(Bound::new(expr, target.clone(), nullable))
}

pub(in crate::plan) fn typed_null(target: &DataType) -> Arc<dyn PhysicalExpr> {
    let null = ScalarValue::try_new_null(&physical_type(target)).unwrap_or(ScalarValue::Null);
    Arc::new(Literal::new(null))
}

/// True if every value of one type is a value of the other, and lies in memory the same way.
fn same_values(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Char(_) | DataType::VarChar(_) | DataType::String, DataType::String) => true,
        (DataType::Char(from) | DataType::VarChar(from), DataType::VarChar(to)) => from <= to,
        (DataType::Timestamp(from), DataType::Timestamp(to))
        | (DataType::TimestampLtz(from), DataType::TimestampLtz(to)) => {
            from <= to && physical_type(&DataType::Timestamp(*from)) == physical_type(&DataType::Timestamp(*to))
        }
        (DataType::Array(from), DataType::Array(to)) => from.data_type == to.data_type && from.nullable == to.nullable,
        _ => false,
    }
}

/// Flink's table of casts, as far as the engine has the types.
fn exists(from: &DataType, to: &DataType) -> bool {
    let plain = |data_type: &DataType| is_numeric(data_type) || *data_type == DataType::Boolean;
    match (from, to) {
        (DataType::Array(from), to) if is_string(to) => exists(&from.data_type, to),
        (DataType::Row(from), to) if is_string(to) => from.iter().all(|from| exists(&from.sql_type.data_type, to)),
        (from, to) if is_string(to) => is_string(from) || plain(from) || is_timestamp(from) || *from == DataType::Date,
        (from, to) if is_string(from) => plain(to) || is_timestamp(to) || *to == DataType::Date,
        (from, to) if plain(from) && plain(to) => true,
        (from, to) if is_timestamp(from) || *from == DataType::Date => is_timestamp(to) || *to == DataType::Date,
        (DataType::Array(from), DataType::Array(to)) => {
            from.data_type == to.data_type || exists(&from.data_type, &to.data_type)
        }
        (DataType::Row(from), DataType::Row(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| {
                    let (from, to) = (&from.sql_type.data_type, &to.sql_type.data_type);
                    from == to || exists(from, to)
                })
        }
        _ => false,
    }
}
