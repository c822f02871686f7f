//! DataFusion's dynamic conditions in the lake's words. Pure.

use super::provider::comparison;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNullExpr, Literal};
use datafusion::physical_expr_common::physical_expr::snapshot_physical_expr;
use datafusion::physical_plan::PhysicalExpr;
use hoga_lake::{Filter, FilterOperator, Narrowed, Narrowing};
use std::sync::Arc;

/// What `conditions` say whenever it is asked. Their columns are those of the scan: `projection` of the table's, or all.
pub(super) fn narrowed(conditions: &[Arc<dyn PhysicalExpr>], projection: Option<&Vec<usize>>) -> Narrowed {
    let (conditions, projection) = (conditions.to_vec(), projection.cloned());
    Narrowed::by(move || {
        let now = |condition: &Arc<dyn PhysicalExpr>| match snapshot_physical_expr(Arc::clone(condition)) {
            Ok(condition) => narrowing(&condition, projection.as_ref()),
            Err(_) => Narrowing::Unknown,
        };
        Narrowing::All(conditions.iter().map(now).collect())
    })
}

fn narrowing(condition: &Arc<dyn PhysicalExpr>, projection: Option<&Vec<usize>>) -> Narrowing {
    let column_of = |expr: &Arc<dyn PhysicalExpr>| {
        let place = expr.downcast_ref::<Column>()?.index();
        projection.map_or(Some(place), |columns| columns.get(place).copied())
    };
    if let Some(is_null) = condition.downcast_ref::<IsNullExpr>() {
        return column_of(is_null.arg()).map_or(Narrowing::Unknown, |column| {
            Narrowing::Filter(Filter { column, operator: FilterOperator::IsNull, values: None })
        });
    }
    let Some(binary) = condition.downcast_ref::<BinaryExpr>() else { return Narrowing::Unknown };
    let both = || vec![narrowing(binary.left(), projection), narrowing(binary.right(), projection)];
    match binary.op() {
        Operator::Or => Narrowing::Any(both()),
        Operator::And => Narrowing::All(both()),
        operator => {
            let literal = binary.right().downcast_ref::<Literal>();
            let values = literal.and_then(|literal| literal.value().to_array().ok());
            match (column_of(binary.left()), comparison(*operator), values) {
                (Some(column), Some(operator), Some(values)) => {
                    Narrowing::Filter(Filter { column, operator, values: Some(values) })
                }
                _ => Narrowing::Unknown,
            }
        }
    }
}
