//! NOT, AND, OR, IS …, CASE and what is made of them.

use super::binder::{Bind, Binder};
use super::types::{common_type, describe};
use super::{Bound, Session, cast};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, IsNotNullExpr, IsNullExpr, NotExpr};
use datafusion::sql::sqlparser::ast::{BinaryOperator, CaseWhen, Expr};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

pub(super) fn not(binder: &mut Binder<'_>, inner: &Expr) -> Bind {
    let bound = binder.condition(inner, "what NOT stands before")?;
    Ok(Bound::new(Arc::new(NotExpr::new(bound.expr)), DataType::Boolean, bound.nullable))
}

pub(super) fn and_or(binder: &mut Binder<'_>, left: &Expr, op: &BinaryOperator, right: &Expr) -> Bind {
    let what = format!("a side of {op}");
    let (l, r) = (binder.condition(left, &what)?, binder.condition(right, &what)?);
    let operator = if *op == BinaryOperator::And { Operator::And } else { Operator::Or };
    let nullable = l.nullable || r.nullable;
    Ok(Bound::new(Arc::new(BinaryExpr::new(l.expr, operator, r.expr)), DataType::Boolean, nullable))
}

pub(super) fn is_null(binder: &mut Binder<'_>, inner: &Expr, negated: bool) -> Bind {
    let bound = binder.value(inner)?;
    let expr: Arc<dyn PhysicalExpr> =
        if negated { Arc::new(IsNotNullExpr::new(bound.expr)) } else { Arc::new(IsNullExpr::new(bound.expr)) };
    Ok(Bound::new(expr, DataType::Boolean, false))
}

/// IS [NOT] TRUE, FALSE or UNKNOWN.
pub(super) fn is_truth(binder: &mut Binder<'_>, inner: &Expr, truth: Option<bool>, negated: bool) -> Bind {
    let bound = binder.condition(inner, "what IS asks about")?;
    let expected = Bound::literal(ScalarValue::Boolean(truth), DataType::Boolean);
    let op = if negated { Operator::IsDistinctFrom } else { Operator::IsNotDistinctFrom };
    Ok(Bound::new(Arc::new(BinaryExpr::new(bound.expr, op, expected.expr)), DataType::Boolean, false))
}

pub(super) fn case(
    binder: &mut Binder<'_>,
    operand: Option<&Expr>,
    conditions: &[CaseWhen],
    otherwise: Option<&Expr>,
    span: Span,
) -> Bind {
    let mut branches = Vec::with_capacity(conditions.len());
    for branch in conditions {
        let condition = match operand {
            None => binder.condition(&branch.condition, "a condition of CASE")?,
            Some(operand) => super::compare::compare(binder, operand, &BinaryOperator::Eq, &branch.condition)?,
        };
        branches.push((condition.expr, binder.value(&branch.result)?, binder.place(&branch.result)));
    }
    let otherwise = match otherwise {
        Some(expr) => (binder.value(expr)?, binder.place(expr)),
        None => (super::literal::null(), span),
    };
    of_branches(branches, otherwise, binder.session, span)
}

type Branch = (Arc<dyn PhysicalExpr>, Bound, Span);

/// CASE over bound branches; its type is what all results have in common.
pub(super) fn of_branches(branches: Vec<Branch>, otherwise: (Bound, Span), session: Session, span: Span) -> Bind {
    let results = branches.iter().map(|(_, bound, span)| (bound, *span)).chain([(&otherwise.0, otherwise.1)]);
    let Some(target) = least_type(results)? else {
        return Err(Mistake::new(span, "all results are NULL, so there is no type").hint("write CAST(NULL AS STRING)"));
    };
    let nullable = branches.iter().any(|(_, bound, _)| bound.nullable) || otherwise.0.nullable;
    let branches = branches
        .into_iter()
        .map(|(condition, bound, span)| Ok((condition, cast::cast(bound, &target, session, span)?.expr)))
        .collect::<Result<Vec<_>, Mistake>>()?;
    let otherwise = cast::cast(otherwise.0, &target, session, otherwise.1)?;
    let expr = CaseExpr::try_new(None, branches, Some(otherwise.expr))
        .map_err(|error| Mistake::new(span, error.strip_backtrace()))?;
    Ok(Bound::new(Arc::new(expr), target, nullable))
}

/// The type that all have in common; None if all are NULL.
pub(super) fn least_type<'a>(values: impl Iterator<Item = (&'a Bound, Span)>) -> Result<Option<DataType>, Mistake> {
    let mut target: Option<DataType> = None;
    for (bound, span) in values.filter(|(bound, _)| !bound.is_null) {
        target = Some(match target {
            None => bound.data_type.clone(),
            Some(target) => common_type(&target, &bound.data_type).ok_or_else(|| {
                let (a, b) = (describe(&bound.data_type), describe(&target));
                Mistake::new(span, format!("this is {a} and what stands before it {b}"))
                    .hint(format!("write CAST(… AS {b})"))
            })?,
        });
    }
    Ok(target)
}

/// The first value that is not NULL.
pub(super) fn coalesce(values: Vec<(Bound, Span)>, session: Session, span: Span) -> Bind {
    let Some(target) = least_type(values.iter().map(|(bound, span)| (bound, *span)))? else {
        return Err(Mistake::new(span, "all values are NULL, so there is no type").hint("write CAST(NULL AS STRING)"));
    };
    let nullable = values.iter().all(|(bound, _)| bound.nullable);
    let values = values.into_iter().map(|(bound, span)| Ok(cast::cast(bound, &target, session, span)?.expr));
    let mut values = values.collect::<Result<Vec<_>, Mistake>>()?;
    let Some(last) = values.pop() else { return Err(Mistake::new(span, "COALESCE takes at least one value")) };
    if values.is_empty() {
        return Ok(Bound::new(last, target, nullable));
    }
    let branches = values
        .into_iter()
        .map(|value| (Arc::new(IsNotNullExpr::new(Arc::clone(&value))) as Arc<dyn PhysicalExpr>, value))
        .collect();
    let expr =
        CaseExpr::try_new(None, branches, Some(last)).map_err(|error| Mistake::new(span, error.strip_backtrace()))?;
    Ok(Bound::new(Arc::new(expr), target, nullable))
}
