//! Comparisons: both sides in their common type.

use super::binder::{Bind, Binder};
use super::call::call;
use super::types::{common_type, describe, is_float, is_string, is_timestamp};
use super::{Bound, cast};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType as ArrowType, Float64Type, Schema};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{self, BinaryExpr, NotExpr};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

pub(super) fn compare(binder: &mut Binder<'_>, left: &Expr, op: &BinaryOperator, right: &Expr) -> Bind {
    let (l, r) = (binder.value(left)?, binder.value(right)?);
    let op = match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        _ => Operator::GtEq,
    };
    let span = Span::new(binder.place(left).start, binder.place(right).end);
    of_bound(binder, l, op, r, span)
}

pub(super) fn distinct(binder: &mut Binder<'_>, left: &Expr, right: &Expr, is_distinct: bool) -> Bind {
    let (l, r) = (binder.value(left)?, binder.value(right)?);
    let op = if is_distinct { Operator::IsDistinctFrom } else { Operator::IsNotDistinctFrom };
    let span = Span::new(binder.place(left).start, binder.place(right).end);
    Ok(Bound { nullable: false, ..of_bound(binder, l, op, r, span)? })
}

fn of_bound(binder: &Binder<'_>, l: Bound, op: Operator, r: Bound, span: Span) -> Bind {
    let nullable = l.nullable || r.nullable;
    let (l, r) = in_common(binder, l, r, span)?;
    if is_float(&l.data_type) && !matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom) {
        let wide = |bound| cast::cast(bound, &DataType::Double, binder.session, span);
        let arguments = vec![wide(l)?.expr, wide(r)?.expr];
        let expr = call(op.to_string(), arguments, ArrowType::Boolean, move |arguments| doubles(arguments, op));
        return Ok(Bound::new(expr, DataType::Boolean, nullable));
    }
    Ok(Bound::new(Arc::new(BinaryExpr::new(l.expr, op, r.expr)), DataType::Boolean, nullable))
}

/// As Java compares: NaN is neither less nor more than a number, and 0.0 is -0.0.
fn doubles(arguments: &[ArrayRef], op: Operator) -> Result<ArrayRef, DataFusionError> {
    let (left, right) = (arguments[0].as_primitive::<Float64Type>(), arguments[1].as_primitive::<Float64Type>());
    let compare = |l: f64, r: f64| match op {
        Operator::Eq => l == r,
        Operator::NotEq => l != r,
        Operator::Lt => l < r,
        Operator::LtEq => l <= r,
        Operator::Gt => l > r,
        _ => l >= r,
    };
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let values = BooleanBuffer::collect_bool(left.len(), |row| compare(left.value(row), right.value(row)));
    Ok(Arc::new(BooleanArray::new(values, nulls)))
}

fn in_common(binder: &Binder<'_>, l: Bound, r: Bound, span: Span) -> Result<(Bound, Bound), Mistake> {
    let target = match (l.is_null, r.is_null) {
        (true, _) => r.data_type.clone(),
        (_, true) => l.data_type.clone(),
        _ => comparable(&l.data_type, &r.data_type).ok_or_else(|| {
            let (a, b) = (describe(&l.data_type), describe(&r.data_type));
            Mistake::new(span, format!("{a} cannot be compared with {b}")).hint(format!("write CAST(… AS {a})"))
        })?,
    };
    Ok((cast::cast(l, &target, binder.session, span)?, cast::cast(r, &target, binder.session, span)?))
}

/// What both are compared as. A text beside a time is read as one.
fn comparable(a: &DataType, b: &DataType) -> Option<DataType> {
    match (a, b) {
        (DataType::Row(_) | DataType::Map(..), _) | (_, DataType::Row(_) | DataType::Map(..)) => None,
        (text, time) | (time, text) if is_string(text) && (is_timestamp(time) || *time == DataType::Date) => {
            Some(time.clone())
        }
        // a local time is an instant of the session's zone
        (DataType::Timestamp(x), DataType::TimestampLtz(y)) | (DataType::TimestampLtz(x), DataType::Timestamp(y)) => {
            Some(DataType::TimestampLtz(*x.max(y)))
        }
        _ => common_type(a, b),
    }
}

pub(super) fn between(binder: &mut Binder<'_>, value: &Expr, low: &Expr, high: &Expr, negated: bool) -> Bind {
    let (v, l, h) = (binder.value(value)?, binder.value(low)?, binder.value(high)?);
    let span = Span::new(binder.place(value).start, binder.place(high).end);
    let above = of_bound(binder, v.clone(), Operator::GtEq, l, span)?;
    let below = of_bound(binder, v, Operator::LtEq, h, span)?;
    let nullable = above.nullable || below.nullable;
    let both: Arc<dyn datafusion::physical_expr::PhysicalExpr> =
        Arc::new(BinaryExpr::new(above.expr, Operator::And, below.expr));
    let expr = if negated { Arc::new(NotExpr::new(both)) as _ } else { both };
    Ok(Bound::new(expr, DataType::Boolean, nullable))
}

pub(super) fn in_list(binder: &mut Binder<'_>, value: &Expr, list: &[Expr], negated: bool) -> Bind {
    let mut value_bound = binder.value(value)?;
    let mut items = Vec::with_capacity(list.len());
    for item in list {
        items.push((binder.value(item)?, binder.place(item)));
    }
    let mut target = (!value_bound.is_null).then(|| value_bound.data_type.clone());
    for (item, span) in items.iter().filter(|(item, _)| !item.is_null) {
        target = Some(match target {
            None => item.data_type.clone(),
            Some(target) => comparable(&target, &item.data_type).ok_or_else(|| {
                let (a, b) = (describe(&target), describe(&item.data_type));
                Mistake::new(*span, format!("{a} cannot be compared with {b}"))
            })?,
        });
    }
    let span = binder.place(value);
    let target = target.unwrap_or(DataType::Int);
    let nullable = value_bound.nullable || items.iter().any(|(item, _)| item.nullable);
    value_bound = cast::cast(value_bound, &target, binder.session, span)?;
    let items = items.into_iter().map(|(item, span)| Ok(cast::cast(item, &target, binder.session, span)?.expr));
    let items = items.collect::<Result<Vec<_>, Mistake>>()?;
    let columns: Vec<_> = binder.scope.columns.iter().map(|column| column.column.clone()).collect();
    let schema: Arc<Schema> = crate::plan::column::schema_of(&columns);
    let expr = expressions::in_list(value_bound.expr, items, &negated, &schema)
        .map_err(|error| Mistake::new(span, error.strip_backtrace()))?;
    Ok(Bound::new(expr, DataType::Boolean, nullable))
}
