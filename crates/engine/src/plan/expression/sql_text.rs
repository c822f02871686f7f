//! A compiled expression as SQL text, for whoever reads a plan.

use super::call::Call;
use crate::functions::convert::write_decimal;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NegativeExpr, NotExpr,
};
use datafusion::physical_expr_common::physical_expr::fmt_sql;
use hoga_sql::quoted;
use std::sync::Arc;

pub(in crate::plan) fn sql_text(expr: &Arc<dyn PhysicalExpr>) -> String {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return quoted(column.name());
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return literal_text(literal.value());
    }
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return format!("({} {} {})", sql_text(binary.left()), binary.op(), sql_text(binary.right()));
    }
    if let Some(not) = expr.downcast_ref::<NotExpr>() {
        return format!("NOT {}", sql_text(not.arg()));
    }
    if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
        return format!("-{}", sql_text(negative.arg()));
    }
    if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
        return format!("{} IS NULL", sql_text(is_null.arg()));
    }
    if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
        return format!("{} IS NOT NULL", sql_text(is_not_null.arg()));
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        let not = if list.negated() { "NOT " } else { "" };
        return format!("{} {not}IN ({})", sql_text(list.expr()), list_text(list.list()));
    }
    if let Some(case) = expr.downcast_ref::<CaseExpr>() {
        return case_text(case);
    }
    match expr.downcast_ref::<Call>() {
        Some(call) => call_text(&call.name, &call.arguments),
        None => fmt_sql(expr.as_ref()).to_string(),
    }
}

fn list_text(items: &[Arc<dyn PhysicalExpr>]) -> String {
    items.iter().map(sql_text).collect::<Vec<_>>().join(", ")
}

fn case_text(case: &CaseExpr) -> String {
    let mut text = "CASE".to_owned();
    for (when, then) in case.when_then_expr() {
        text.push_str(&format!(" WHEN {} THEN {}", sql_text(when), sql_text(then)));
    }
    if let Some(otherwise) = case.else_expr() {
        text.push_str(&format!(" ELSE {}", sql_text(otherwise)));
    }
    text + " END"
}

fn call_text(name: &str, arguments: &[Arc<dyn PhysicalExpr>]) -> String {
    let is_operator = name.bytes().all(|byte| b"+-*/%<>=!|".contains(&byte));
    match (arguments, name.split_once(" AS ")) {
        ([value], Some((cast, target))) => format!("{cast}({} AS {target})", sql_text(value)),
        ([left, right], None) if is_operator => format!("({} {name} {})", sql_text(left), sql_text(right)),
        ([row], None) if name.starts_with('.') => format!("{}{name}", sql_text(row)),
        ([array, position], None) if name == "[]" => format!("{}[{}]", sql_text(array), sql_text(position)),
        _ => format!("{name}({})", list_text(arguments)),
    }
}

fn literal_text(value: &ScalarValue) -> String {
    match value {
        value if value.is_null() => "NULL".to_owned(),
        ScalarValue::Utf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::Boolean(Some(value)) => value.to_string().to_uppercase(),
        ScalarValue::Decimal128(Some(units), _, scale) => {
            let mut text = String::new();
            write_decimal(&mut text, *units, usize::from(scale.unsigned_abs()));
            text
        }
        ScalarValue::TimestampMillisecond(Some(ms), zone) => time_text(*ms, zone.is_some()),
        ScalarValue::TimestampMicrosecond(Some(us), zone) => time_text(us.div_euclid(1_000), zone.is_some()),
        other => other.to_string(),
    }
}

fn time_text(ms: i64, is_instant: bool) -> String {
    let mut text = String::new();
    crate::functions::write_timestamp(&mut text, ms.saturating_mul(1_000), 3);
    format!("TIMESTAMP{} '{text}'", if is_instant { "_LTZ" } else { "" })
}
