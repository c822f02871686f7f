//! STDDEV and VARIANCE, made of two sums and a count: Flink's planner writes them so, in the argument's own arithmetic. That
//! is why the result wraps where products of integers do, and is rounded at every step of a DECIMAL.
//!
//! Source: Calcite's `AggregateReduceFunctionsRule`, which Flink 2.0 applies to streams too.

use super::binder::Bind;
use super::condition::of_branches;
use super::{Bound, Session, arithmetic, cast, functions};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::DataType;
use std::sync::Arc;

/// Which of the four it is, and its type.
#[derive(Debug, Clone)]
pub(in crate::plan) struct Spread {
    /// The root of the variance: a deviation.
    pub(in crate::plan) is_root: bool,
    /// Divided by one less than there are values.
    pub(in crate::plan) is_sample: bool,
    pub(in crate::plan) data_type: DataType,
}

/// What the aggregate gives for it.
pub(in crate::plan) struct Sums {
    pub(in crate::plan) squares: Bound,
    pub(in crate::plan) values: Bound,
    pub(in crate::plan) count: Bound,
}

impl Spread {
    /// What is added up beside the argument.
    pub(in crate::plan) fn square(&self, argument: &Bound, session: Session, span: Span) -> Bind {
        let argument = cast::cast(argument.clone(), &self.data_type, session, span)?;
        arithmetic::of_bound((session, span), argument.clone(), &BinaryOperator::Multiply, argument)
    }

    pub(in crate::plan) fn of_sums(&self, sums: Sums, session: Session, span: Span) -> Bind {
        let compute =
            |left: Bound, op: BinaryOperator, right: Bound| arithmetic::of_bound((session, span), left, &op, right);
        let sum = cast::cast(sums.values, &self.data_type, session, span)?;
        let square_of_sum = compute(sum.clone(), BinaryOperator::Multiply, sum)?;
        let mean_square = compute(square_of_sum, BinaryOperator::Divide, sums.count.clone())?;
        let difference = compute(sums.squares, BinaryOperator::Minus, mean_square)?;
        let divisor = if self.is_sample { one_less(sums.count, session, span)? } else { sums.count };
        let variance = compute(difference, BinaryOperator::Divide, divisor)?;
        let result = if self.is_root {
            let half =
                Bound::literal(ScalarValue::Decimal128(Some(5), 2, 1), DataType::Decimal { precision: 2, scale: 1 });
            functions::call("POWER", vec![(variance, span), (half, span)], session, span)?
        } else {
            variance
        };
        cast::cast(result, &self.data_type, session, span).map(|bound| Bound { nullable: true, ..bound })
    }
}

/// NULL for the sample of one.
fn one_less(count: Bound, session: Session, span: Span) -> Bind {
    let one = || Bound::literal(ScalarValue::Int64(Some(1)), DataType::BigInt);
    let is_one = Arc::new(BinaryExpr::new(Arc::clone(&count.expr), Operator::Eq, one().expr));
    let null = Bound::literal(ScalarValue::Int64(None), DataType::BigInt);
    let less = arithmetic::of_bound((session, span), count, &BinaryOperator::Minus, one())?;
    of_branches(vec![(is_one, null, span)], (less, span), session, span)
}
