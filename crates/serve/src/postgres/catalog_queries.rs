//! Rewrites for the catalog queries of tools, beyond those of `datafusion-pg-catalog`. Pure.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Array, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Statement, Value, VisitMut,
    VisitorMut,
};

/// Applied after the parser's own rules.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(call) = &*expression else { return ControlFlow::Continue(()) };
        match (call.name.to_string().to_ascii_lowercase().as_str(), &call.args) {
            // members of roles, options of columns, …: `ARRAY(SELECT …)` over system tables that are empty here
            ("array", FunctionArguments::Subquery(query)) if query.to_string().contains("pg_") => {
                *expression = Expr::Array(Array { elem: Vec::new(), named: true });
            }
            // access lists, storage options, role settings: there are none, and some of their columns are missing here
            ("array_to_string", FunctionArguments::List(list)) => {
                if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first() {
                    let text = first.to_string().to_ascii_lowercase();
                    let column = text.split(' ').next().unwrap_or_default();
                    if ["acl", "config", "options"].iter().any(|end| column.ends_with(end)) {
                        *expression = null_text();
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn null_text() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(Value::Null.with_empty_span())),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}
