//! The planner: from a parsed pipeline to the [`Graph`] that computes it, checked before anything runs.
//!
//! In: a parsed pipeline. Out: one graph of all its INSERTs, or everything that is wrong, each mistake at its place.
//! The walk of a query: `query` and `select` read its clauses and `expression` its expressions, each adding drafts of nodes
//! with all their columns (`draft`); at the end `lower` keeps what a sink needs. [`explain`] writes the result as text.
//!
//! Names, types and casts are Flink's and decided here; DataFusion only evaluates the compiled expressions. Nothing is moved
//! but filters below projections: windows, groups and rankings stay where the query has them.
//! Not here: topics and tables as they are on disk.

mod aggregate;
mod column;
mod draft;
pub mod explain;
mod expression;
mod from;
mod grouping;
mod insert;
mod lower;
mod planner;
mod query;
mod reads;
mod select;
mod sink;
mod source;
mod topn;
mod window;
mod windowing;

pub(crate) use expression::read_field;
pub(crate) use reads::{Read, reads_of};

use crate::graph::Graph;
use crate::types::arrow_type;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::tokenizer::Span;
use grouping::is_aggregate;
use hoga_sql::{ColumnKind, Diagnostics, Mistake, Pipeline};
use std::sync::Arc;

/// All that a pipeline does, ready to run.
#[derive(Debug)]
pub struct PipelinePlan {
    pub graph: Graph,
    /// `SET 'execution.checkpointing.interval'`, if the file says it.
    pub checkpoint_interval_ms: Option<u64>,
}

/// Plans every INSERT into one graph. All mistakes of all of them are told together.
pub fn plan_pipeline(pipeline: &Pipeline) -> Result<PipelinePlan, Diagnostics> {
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
        pipeline.diagnostics([Mistake::new(span, error.strip_backtrace())])
    })?;
    Ok(PipelinePlan { graph, checkpoint_interval_ms: pipeline.settings.checkpoint_interval_ms() })
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

fn schema_from(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
mod tests;
