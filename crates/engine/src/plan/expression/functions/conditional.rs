//! COALESCE, NULLIF, IF, GREATEST and the like.

use super::super::condition::{coalesce, least_type, of_branches};
use super::super::types::{common_type, describe, physical_type};
use super::super::{Bound, cast};
use super::{Call, Found, compute};
use crate::functions::choose;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

pub(super) fn find(call: &mut Call<'_>) -> Found {
    Some(match call.name {
        "COALESCE" => {
            call.count(1, usize::MAX).and_then(|()| coalesce(call.arguments.clone(), call.session, call.span))
        }
        "IFNULL" => call.count(2, 2).and_then(|()| coalesce(call.arguments.clone(), call.session, call.span)),
        "NULLIF" => null_if(call),
        "IF" => if_else(call),
        "GREATEST" => extreme(call, true),
        "LEAST" => extreme(call, false),
        _ => return None,
    })
}

fn null_if(call: &Call<'_>) -> super::Bind {
    call.count(2, 2)?;
    let ((a, a_span), (b, b_span)) = (call.arguments[0].clone(), call.arguments[1].clone());
    if a.is_null || b.is_null {
        return Ok(a);
    }
    let target = common_type(&a.data_type, &b.data_type).ok_or_else(|| {
        let message = format!("{} cannot be compared with {}", describe(&a.data_type), describe(&b.data_type));
        Mistake::new(call.span, message)
    })?;
    let left = cast::cast(a.clone(), &target, call.session, a_span)?;
    let right = cast::cast(b, &target, call.session, b_span)?;
    let same: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(left.expr, Operator::Eq, right.expr));
    of_branches(vec![(same, super::super::literal::null(), a_span)], (a, a_span), call.session, call.span)
        .map(|bound| Bound { nullable: true, ..bound })
}

fn if_else(call: &Call<'_>) -> super::Bind {
    call.count(3, 3)?;
    let condition = &call.arguments[0].0;
    if !condition.is_null && condition.data_type != DataType::Boolean {
        return Err(call.wrong(0, "a BOOLEAN"));
    }
    let condition = call.cast(0, &DataType::Boolean)?;
    let (then, then_span) = call.arguments[1].clone();
    of_branches(vec![(condition, then, then_span)], call.arguments[2].clone(), call.session, call.span)
}

/// NULL if one of them is.
fn extreme(call: &Call<'_>, greatest: bool) -> super::Bind {
    call.count(1, usize::MAX)?;
    let target = least_type(call.arguments.iter().map(|(bound, span)| (bound, *span)))?
        .ok_or_else(|| Mistake::new(call.span, "all values are NULL, so there is no type"))?;
    if matches!(target, DataType::Array(_) | DataType::Row(_)) {
        return Err(Mistake::new(call.span, format!("{} compares no {}", call.name, describe(&target))));
    }
    let arguments = (0..call.arguments.len()).map(|index| call.cast(index, &target));
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    let expr =
        compute(call.name, arguments, physical_type(&target), move |arguments| choose::extreme(arguments, greatest));
    Ok(Bound::new(expr, target, call.nullable()))
}
