//! `+ - * / %` as Flink computes them: integers wrap, decimals that do not fit are NULL, times move by intervals.

use super::binder::{Bind, Binder};
use super::call::call;
use super::literal::{Length, interval};
use super::types::{
    common_number, decimal_of, describe, is_decimal, is_float, is_integer, is_numeric, is_timestamp, physical_type,
    product_of_decimals, quotient_of_decimals, remainder_of_decimals, sum_of_decimals,
};
use super::{Bound, cast, time};
use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType as ArrowType, Decimal128Type, Float64Type, i256};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, NegativeExpr};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

pub(super) fn arithmetic(binder: &mut Binder<'_>, left: &Expr, op: &BinaryOperator, right: &Expr) -> Bind {
    let minus = *op == BinaryOperator::Minus;
    if minus || *op == BinaryOperator::Plus {
        if let Some(length) = interval(right) {
            let value = binder.value(left)?;
            return moved(binder, value, length?, minus, binder.place(left));
        }
        if let (Some(length), false) = (interval(left), minus) {
            let value = binder.value(right)?;
            return moved(binder, value, length?, false, binder.place(right));
        }
    }
    let (l, r) = (binder.value(left)?, binder.value(right)?);
    let span = binder.place(left);
    let whole = Span::new(span.start, binder.place(right).end);
    let problem = || {
        let message = format!("{op} takes two numbers, and these are {} and {}", shown(&l), shown(&r));
        Mistake::new(whole, message).hint("write CAST(… AS DOUBLE) for a text, INTERVAL '1' SECOND to move a time")
    };
    let is_number = |bound: &Bound| bound.is_null || is_numeric(&bound.data_type);
    if !is_number(&l) || !is_number(&r) {
        return Err(problem());
    }
    compute(binder, l, op, r, binder.place(right), whole)
}

fn shown(bound: &Bound) -> String {
    if bound.is_null { "NULL".to_owned() } else { describe(&bound.data_type) }
}

fn compute(binder: &Binder<'_>, l: Bound, op: &BinaryOperator, r: Bound, right_span: Span, whole: Span) -> Bind {
    let divides = matches!(op, BinaryOperator::Divide | BinaryOperator::Modulo);
    let (l, r) = match (l.is_null, r.is_null) {
        (true, true) => (
            cast::cast(l, &DataType::Int, binder.session, whole)?,
            cast::cast(r, &DataType::Int, binder.session, whole)?,
        ),
        (true, false) => (cast::cast(l, &r.data_type.clone(), binder.session, whole)?, r),
        (false, true) => {
            let target = l.data_type.clone();
            (l, cast::cast(r, &target, binder.session, whole)?)
        }
        (false, false) => (l, r),
    };
    if divides && is_zero(&r) {
        return Err(Mistake::new(right_span, "division by zero"));
    }
    if (is_decimal(&l.data_type) || is_decimal(&r.data_type)) && !is_float(&l.data_type) && !is_float(&r.data_type) {
        return decimals(binder, l, op, r, whole);
    }
    let common = common_number(&l.data_type, &r.data_type)
        .ok_or_else(|| Mistake::new(whole, format!("{op} takes two numbers")))?;
    let nullable = l.nullable || r.nullable;
    // Flink's remainder of integers has the type of what divides
    let remainder = (*op == BinaryOperator::Modulo && is_integer(&common)).then(|| r.data_type.clone());
    let left = cast::cast(l, &common, binder.session, whole)?;
    let right = cast::cast(r, &common, binder.session, whole)?;
    if divides && is_float(&common) {
        let wide = |bound| cast::cast(bound, &DataType::Double, binder.session, whole);
        let modulo = *op == BinaryOperator::Modulo;
        let arguments = vec![wide(left)?.expr, wide(right)?.expr];
        let expr =
            call(format!("{op}"), arguments, ArrowType::Float64, move |arguments| divided_doubles(arguments, modulo));
        return cast::cast(Bound::new(expr, DataType::Double, nullable), &common, binder.session, whole);
    }
    let result = Bound::new(Arc::new(BinaryExpr::new(left.expr, operator(op), right.expr)), common, nullable);
    match remainder {
        Some(remainder) => cast::cast(result, &remainder, binder.session, whole),
        None => Ok(result),
    }
}

/// As Java divides: by zero it is Infinity or NaN.
fn divided_doubles(arguments: &[ArrayRef], modulo: bool) -> Result<ArrayRef> {
    let (left, right) = (arguments[0].as_primitive::<Float64Type>(), arguments[1].as_primitive::<Float64Type>());
    let divide = |l: f64, r: f64| if modulo { l % r } else { l / r };
    Ok(Arc::new(arrow::compute::binary::<_, _, _, Float64Type>(left, right, divide)?))
}

fn operator(op: &BinaryOperator) -> Operator {
    match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        _ => Operator::Modulo,
    }
}

fn is_zero(bound: &Bound) -> bool {
    use datafusion::common::ScalarValue;
    match bound.constant() {
        Some(ScalarValue::Decimal128(Some(value), _, _)) => *value == 0,
        Some(ScalarValue::Float64(Some(value))) => *value == 0.0,
        Some(ScalarValue::Float32(Some(value))) => *value == 0.0,
        _ => bound.constant_integer() == Some(0),
    }
}

/// `MOD(a, b)` and other functions that are an operator.
pub(super) fn of_bound(binder: (super::Session, Span), l: Bound, op: &BinaryOperator, r: Bound) -> Bind {
    let scope = super::Scope::default();
    let binder = Binder::new(&scope, binder.0, binder.1);
    let span = binder.statement;
    if !(l.is_null || is_numeric(&l.data_type)) || !(r.is_null || is_numeric(&r.data_type)) {
        return Err(Mistake::new(
            span,
            format!("this takes two numbers, and these are {} and {}", shown(&l), shown(&r)),
        ));
    }
    compute(&binder, l, op, r, span, span)
}

fn decimals(binder: &Binder<'_>, l: Bound, op: &BinaryOperator, r: Bound, span: Span) -> Bind {
    let (Some(a), Some(b)) = (decimal_of(&l.data_type), decimal_of(&r.data_type)) else {
        return Err(Mistake::new(span, format!("{op} takes two numbers")));
    };
    let output = match op {
        BinaryOperator::Plus | BinaryOperator::Minus => sum_of_decimals(a, b),
        BinaryOperator::Multiply => product_of_decimals(a, b),
        BinaryOperator::Divide => quotient_of_decimals(a, b),
        _ => remainder_of_decimals(a, b),
    };
    let exact = |bound: Bound, (precision, scale): (u32, u32)| {
        cast::cast(bound, &DataType::Decimal { precision, scale }, binder.session, span)
    };
    let (l, r) = (exact(l, a)?, exact(r, b)?);
    let Some((precision, scale)) = decimal_of(&output) else {
        return Err(Mistake::new(span, format!("{op} takes two numbers")));
    };
    let shape = Shape { op: operator(op), left: a.1, right: b.1, precision, scale };
    let physical = physical_type(&output);
    let expr = call(format!("{op}"), vec![l.expr, r.expr], physical, move |arguments| shape.compute(arguments));
    // a result that does not fit is NULL
    Ok(Bound::new(expr, output, true))
}

/// One operation on decimals: the scales that come in, and what goes out.
#[derive(Debug, Clone, Copy)]
struct Shape {
    op: Operator,
    left: u32,
    right: u32,
    precision: u32,
    scale: u32,
}

impl Shape {
    fn compute(&self, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let (left, right) =
            (arguments[0].as_primitive::<Decimal128Type>(), arguments[1].as_primitive::<Decimal128Type>());
        let limit = 10i128.pow(self.precision);
        let fits = |value: i128| (-limit < value && value < limit).then_some(value);
        let mut result = Vec::with_capacity(left.len());
        for (l, r) in left.iter().zip(right.iter()) {
            result.push(match (l, r) {
                (Some(l), Some(r)) => self.one(l, r)?.and_then(fits),
                _ => None,
            });
        }
        let array = Decimal128Array::from(result);
        Ok(Arc::new(array.with_precision_and_scale(self.precision as u8, self.scale as i8)?))
    }

    /// None: it does not fit.
    fn one(&self, l: i128, r: i128) -> Result<Option<i128>> {
        let same = self.left.max(self.right);
        Ok(match self.op {
            Operator::Multiply if self.scale == self.left + self.right => l.checked_mul(r),
            Operator::Multiply => rescale(wide(l) * wide(r), self.left + self.right, self.scale),
            Operator::Divide => {
                if r == 0 {
                    return Err(exec_datafusion_err!("division by zero"));
                }
                // l / 10^left divided by r / 10^right, with scale digits behind the point
                let up = self.scale + self.right;
                let scaled = |value: i128, digits: u32| wide(value).checked_mul(power(digits));
                let (numerator, denominator) = match up.checked_sub(self.left) {
                    Some(up) => (scaled(l, up), Some(wide(r))),
                    None => (Some(wide(l)), scaled(r, self.left - up)),
                };
                numerator.zip(denominator).and_then(|(numerator, denominator)| divided(numerator, denominator))
            }
            Operator::Modulo => {
                if r == 0 {
                    return Err(exec_datafusion_err!("division by zero"));
                }
                rescale(scaled(l, same - self.left) % scaled(r, same - self.right), same, self.scale)
            }
            op if self.scale == same => {
                // the usual case needs no wide numbers
                let scaled = |value: i128, digits: u32| value.checked_mul(10i128.checked_pow(digits)?);
                let both = scaled(l, same - self.left).zip(scaled(r, same - self.right));
                both.and_then(|(l, r)| if op == Operator::Plus { l.checked_add(r) } else { l.checked_sub(r) })
            }
            op => {
                let (l, r) = (scaled(l, same - self.left), scaled(r, same - self.right));
                let sum = if op == Operator::Plus { l + r } else { l - r };
                rescale(sum, same, self.scale)
            }
        })
    }
}

fn wide(value: i128) -> i256 {
    i256::from_i128(value)
}

fn power(digits: u32) -> i256 {
    wide(10).wrapping_pow(digits)
}

fn scaled(value: i128, digits: u32) -> i256 {
    if digits == 0 { wide(value) } else { wide(value) * power(digits) }
}

/// A number of `from` digits behind the point with `to` of them, rounded half up.
fn rescale(value: i256, from: u32, to: u32) -> Option<i128> {
    match from.checked_sub(to) {
        Some(0) => value.to_i128(),
        Some(fewer) => divided(value, power(fewer)),
        None => value.checked_mul(power(to - from))?.to_i128(),
    }
}

/// Divided and rounded half up, away from zero.
fn divided(numerator: i256, denominator: i256) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let twice = remainder.checked_abs()?.checked_mul(wide(2))?;
    let quotient = if twice >= denominator.checked_abs()? {
        let negative = (numerator < i256::ZERO) != (denominator < i256::ZERO);
        quotient.checked_add(if negative { i256::MINUS_ONE } else { i256::ONE })?
    } else {
        quotient
    };
    quotient.to_i128()
}

pub(super) fn sign(binder: &mut Binder<'_>, inner: &Expr, negative: bool) -> Bind {
    let bound = binder.value(inner)?;
    let span = binder.place(inner);
    if bound.is_null || !is_numeric(&bound.data_type) {
        if bound.is_null {
            return Ok(bound);
        }
        return Err(Mistake::new(span, format!("a sign stands before a number, and this is {}", shown(&bound))));
    }
    if !negative {
        return Ok(bound);
    }
    if let Some(value) = bound.constant() {
        let negated = value.arithmetic_negate().map_err(|error| Mistake::new(span, error.strip_backtrace()))?;
        return Ok(Bound::literal(negated, bound.data_type));
    }
    let (data_type, nullable) = (bound.data_type, bound.nullable);
    Ok(Bound::new(Arc::new(NegativeExpr::new(bound.expr)), data_type, nullable))
}

/// A time and an interval.
fn moved(binder: &Binder<'_>, value: Bound, length: Length, back: bool, span: Span) -> Bind {
    let value = if value.is_null { cast::cast(value, &DataType::Timestamp(3), binder.session, span)? } else { value };
    if !is_timestamp(&value.data_type) && value.data_type != DataType::Date {
        let message = format!("an INTERVAL moves a time, and this is {}", shown(&value));
        return Err(Mistake::new(span, message));
    }
    let length = match length {
        Length::Months(months) => Length::Months(if back { -months } else { months }),
        Length::Milliseconds(ms) => Length::Milliseconds(if back { -ms } else { ms }),
    };
    time::moved(value, length, binder.session)
}
