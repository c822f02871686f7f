//! CAST of a decimal to DOUBLE by 64-bit arithmetic, where the decimal fits: prices and volumes do. The values are those of Arrow's own cast, which
//! converts 128 bits each time.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ExprSchema, Result, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use std::sync::Arc;

/// Puts [`DecimalToDouble`] where a query computes with such a cast. Not in filters, which scans want to understand.
#[derive(Debug)]
pub(super) struct FastDoubles {
    function: Arc<ScalarUDF>,
}

impl FastDoubles {
    pub(super) fn new() -> FastDoubles {
        let signature = Signature::any(1, Volatility::Immutable);
        FastDoubles { function: Arc::new(ScalarUDF::new_from_impl(DecimalToDouble { signature })) }
    }

    fn replaced(&self, cast: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
        match cast {
            Expr::Cast(Cast { expr, field })
                if field.data_type() == &DataType::Float64
                    && matches!(expr.get_type(schema)?, DataType::Decimal128(..)) =>
            {
                Ok(Transformed::yes(self.function.call(vec![*expr])))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

impl OptimizerRule for FastDoubles {
    fn name(&self) -> &str {
        "fast_doubles"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let [input] = plan.inputs()[..] else { return Ok(Transformed::no(plan)) };
        let (schema, names) = (Arc::clone(input.schema()), NamePreserver::new(&plan));
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let replaced = expr.transform_up(|expr| self.replaced(expr, schema.as_ref()))?;
            Ok(replaced.update_data(|expr| name.restore(expr)))
        })
    }
}

/// Only in plans: nobody can call it by name.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DecimalToDouble {
    signature: Signature,
}

impl ScalarUDFImpl for DecimalToDouble {
    fn name(&self) -> &str {
        "decimal_to_double"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &arguments.args[..] {
            [ColumnarValue::Array(decimals)] => Ok(ColumnarValue::Array(doubles(decimals)?)),
            [scalar @ ColumnarValue::Scalar(_)] => scalar.cast_to(&DataType::Float64, None),
            other => internal_err!("{} of {} arguments", self.name(), other.len()),
        }
    }
}

fn doubles(decimals: &ArrayRef) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = decimals.data_type() else {
        return internal_err!("a decimal of {}", decimals.data_type());
    };
    let unit = 10_f64.powi(i32::from(*scale));
    let double = |value: i128| match i64::try_from(value) {
        Ok(value) => value as f64 / unit,
        Err(_) => value as f64 / unit,
    };
    Ok(Arc::new(decimals.as_primitive::<Decimal128Type>().unary::<_, Float64Type>(double)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, Decimal128Array};
    use arrow::compute::cast;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_arrow_casts(values in prop::collection::vec(prop::option::of(prop_oneof![any::<i64>().prop_map(i128::from), -(10_i128.pow(38) - 1)..10_i128.pow(38)]), 0..50), scale in 0_i8..=38) {
            let decimals: Decimal128Array = values.into_iter().collect();
            let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(38, scale).expect("a decimal"));
            let expected = cast(&decimals, &DataType::Float64).expect("doubles");
            let found = doubles(&decimals).expect("doubles");
            let bits = |array: &ArrayRef| array.as_primitive::<Float64Type>().iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
            prop_assert_eq!(bits(&found), bits(&expected));
            prop_assert_eq!(found.null_count(), expected.null_count());
        }
    }
}
