//! Plans: what each INSERT of a pipeline reads, does and writes, compiled and checked before anything runs.
//!
//! In: a parsed pipeline. Out: one graph of all INSERTs, or everything that is wrong, each mistake at its place.
//! Not here: topics and tables as they are on disk.

mod aggregate;
mod column;
mod draft;
pub mod explain;
mod expression;
mod from;
mod insert;
mod lower;
mod planner;
mod query;
mod select;
mod sink;
mod source;
mod topn;
mod window;
mod windowing;

use aggregate::is_aggregate;

use crate::graph::Graph;
use crate::types::arrow_type;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use hoga_sql::{ColumnKind, Diagnostics, Mistake, Pipeline};
use std::sync::Arc;

/// DataFusion's error at its own place if it knows one, else at `span`.
fn mistake_of(error: &DataFusionError, span: Span) -> Mistake {
    let diagnostic = error.diagnostic();
    let place = diagnostic.and_then(|found| found.span).map(|found| {
        let location = |at: datafusion::common::Location| Location { line: at.line, column: at.column };
        Span::new(location(found.start), location(found.end))
    });
    let message = match diagnostic {
        Some(found) if !found.message.is_empty() => found.message.clone(),
        _ => first_sentence(error),
    };
    let hint = diagnostic.and_then(|found| found.helps.first().map(|help| help.message.clone()));
    Mistake { span: place.filter(|place| place.start.line > 0).unwrap_or(span), message, hint }
}

/// What a pipeline computes, as one graph.
#[derive(Debug)]
pub struct GraphPlan {
    pub graph: Graph,
    /// `SET 'execution.checkpointing.interval'`, if the file says it.
    pub checkpoint_interval_ms: Option<u64>,
}

/// Plans every INSERT into one graph. All mistakes of all of them are told together.
pub fn plan_graph(pipeline: &Pipeline) -> Result<GraphPlan, Diagnostics> {
    let mut planner = planner::Planner::new(pipeline);
    let mut targets = Vec::new();
    for job in &pipeline.jobs {
        // what is wrong is among the planner's problems, and the next INSERT is looked at all the same
        let _ = planner.insert(job, &mut targets);
    }
    let sinks: Vec<_> = targets.into_iter().filter_map(|target| planner.sink(target).ok()).collect();
    planner.check_unused();
    if !planner.problems.is_empty() {
        return Err(pipeline.diagnostics(planner.problems));
    }
    let graph = lower::lower(planner.drafts, &sinks).map_err(|error| {
        let span = pipeline.jobs.first().map_or(Span::empty(), |job| job.span);
        pipeline.diagnostics([mistake_of(&error, span)])
    })?;
    Ok(GraphPlan { graph, checkpoint_interval_ms: pipeline.settings.checkpoint_interval_ms() })
}

/// The first column, which in hoga's tables is the market, and then the first instant.
fn sort_columns(schema: &SchemaRef) -> Vec<String> {
    let is_instant = |field: &&Arc<Field>| matches!(field.data_type(), arrow::datatypes::DataType::Timestamp(_, _));
    let fields = schema.fields();
    fields.first().into_iter().chain(fields.iter().skip(1).find(is_instant)).map(|field| field.name().clone()).collect()
}

/// A declared column as an Arrow field.
fn field_of(name: &str, kind: &ColumnKind, span: Span) -> Result<Field, Mistake> {
    let Some(sql_type) = kind.sql_type() else {
        return Err(Mistake::new(span, format!("column `{name}` is computed and cannot be stored")));
    };
    let arrow =
        arrow_type(&sql_type.data_type).map_err(|error| Mistake::new(span, format!("column `{name}`: {error}")))?;
    Ok(Field::new(name, arrow, sql_type.nullable))
}

fn schema_of(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

use schema_of as schema_from;

/// DataFusion's messages begin with their kind and may end with hints of several lines.
fn first_sentence(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let text = text.lines().next().unwrap_or_default();
    let kinds = ["Error during planning: ", "Schema error: ", "This feature is not implemented: ", "SQL error: "];
    let text = kinds.iter().fold(text, |text, kind| text.strip_prefix(kind).unwrap_or(text));
    text.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
