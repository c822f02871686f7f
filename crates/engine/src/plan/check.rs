//! Checks beside planning: what a table or a query may hold in the embedded engine.

use super::{catalog::SourceTable, mistake_of};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{Connector, Mistake, Pipeline};

/// Tables that no job uses are checked too: a mistake in them is a mistake in the file.
pub(super) fn tables(pipeline: &Pipeline, problems: &mut Vec<Mistake>) {
    let used =
        |path: &hoga_sql::TablePath| pipeline.jobs.iter().any(|job| job.sink == *path || job.inputs.contains(path));
    for table in pipeline.tables.iter().filter(|table| !used(&table.path)) {
        let checked = match table.connector() {
            Connector::Kafka(_) => SourceTable::of(table, table.span).map(drop),
            Connector::Paimon(_) => super::sink::table_spec(table, table.span).map(drop),
        };
        problems.extend(checked.err());
    }
}

/// Refuses every function whose results are not known to be Flink's.
pub(super) fn functions(plan: &LogicalPlan, span: Span) -> Result<(), Mistake> {
    let mut refused = None;
    let visit = |expression: &Expr| {
        let name = match expression {
            Expr::ScalarFunction(call) if !crate::functions::is_supported(call.name()) => call.name(),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        refused = Some(name.to_uppercase());
        Ok(TreeNodeRecursion::Stop)
    };
    let mut visit = visit;
    let walked = plan.apply(|node| node.apply_expressions(|expression| expression.apply(&mut visit)));
    walked.map_err(|error| mistake_of(&error, span))?;
    match refused {
        None => Ok(()),
        Some(name) => Err(Mistake::new(span, format!("function {name} runs on Flink only"))
            .hint("docs/sql.md lists the functions of the embedded engine")),
    }
}
