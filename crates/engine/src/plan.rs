//! Plans: what each INSERT of a pipeline reads, does and writes, compiled and checked before anything runs.
//!
//! In: a parsed pipeline. Out: one [`JobPlan`] per INSERT, or everything that is wrong, each mistake at its place.
//! Not here: topics and tables as they are on disk.

mod aggregate;
mod catalog;
mod check;
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
mod types;
mod window;
mod windowing;

use aggregate::is_aggregate;

use crate::checkpoint::recover::Startup;
use crate::graph::Graph;
use crate::operators::{self, CompileError, Operator};
use crate::types::arrow_type;
use arrow::datatypes::{Field, Schema, SchemaRef};
use catalog::SourceTable;
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use hoga_lake::TableSpec;
use hoga_sql::{
    ColumnKind, Connector, Diagnostics, Job, KafkaTable, Mistake, Pipeline, ScanBounded, ScanStartup, Table, TablePath,
};
use std::collections::HashSet;
use std::sync::Arc;

/// All that a pipeline does, ready to run.
#[derive(Debug)]
pub struct PipelinePlan {
    pub jobs: Vec<JobPlan>,
    /// `SET 'execution.checkpointing.interval'`, if the file says it.
    pub checkpoint_interval_ms: Option<u64>,
}

/// One `INSERT INTO table SELECT … FROM topic`.
#[derive(Debug)]
pub struct JobPlan {
    /// Stable over restarts and over edits elsewhere in the file: checkpoints know the job by it.
    pub name: String,
    pub topic: String,
    pub startup: Startup,
    /// The fields to decode, no others.
    pub decoded: SchemaRef,
    /// What the operators read: decoded fields and metadata.
    pub source_schema: SchemaRef,
    pub source_columns: Vec<SourceColumn>,
    pub operators: Vec<Operator>,
    pub sink: TableSpec,
    pub sink_schema: SchemaRef,
    /// Rows of a commit are sorted by these, so that readers can skip.
    pub sort_columns: Vec<String>,
}

/// Where a column that the operators read comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceColumn {
    /// A decoded field, by its index.
    Field(usize),
    /// When the record was received.
    Timestamp,
    Offset,
    Partition,
    Topic,
}

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

/// Plans every INSERT. All mistakes of all of them are told together.
pub async fn plan_pipeline(pipeline: &Pipeline) -> Result<PipelinePlan, Diagnostics> {
    let mut problems = Vec::new();
    let mut jobs = Vec::new();
    let mut sinks = HashSet::new();
    check::tables(pipeline, &mut problems);
    for job in &pipeline.jobs {
        if !sinks.insert(job.sink.clone()) {
            let message = format!("a second INSERT INTO {}", job.sink);
            problems.push(Mistake::new(job.span, message).hint("two INSERTs into one table run on Flink only"));
            continue;
        }
        match plan_job(pipeline, job).await {
            Ok(plan) => jobs.push(plan),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        return Ok(PipelinePlan { jobs, checkpoint_interval_ms: pipeline.settings.checkpoint_interval_ms() });
    }
    Err(pipeline.diagnostics(problems))
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

async fn plan_job(pipeline: &Pipeline, job: &Job) -> Result<JobPlan, Mistake> {
    let sink_table = table_of(pipeline, &job.sink, job.span)?;
    let sink = sink::table_spec(sink_table, job.span)?;
    let source = source_of(pipeline, job)?;
    let Connector::Kafka(kafka) = source.connector() else {
        let message = format!("table {} is not a topic", source.path);
        return Err(Mistake::new(job.span, message).hint("reading a lake table as a stream runs on Flink only"));
    };
    let state = catalog::planning_state(pipeline, job)?;
    let query = ast::Statement::Query(job.query.clone());
    let planned = state.statement_to_plan(Statement::Statement(Box::new(query))).await;
    let plan = planned.map_err(|error| mistake_of(&error, job.span))?;
    check::functions(&plan, job.span)?;
    let sink_schema = Arc::clone(&sink.schema);
    let plan = sink::cast_to_sink(plan, job, &sink_schema)?;
    let (operators, projection) = compile(&state, &plan, job.span)?;
    let columns = SourceTable::of(source, job.span)?;
    let (decoded, source_schema, source_columns) = columns.project(&projection);
    Ok(JobPlan {
        name: format!("{} -> {}", kafka.topic, sink.full_name()),
        topic: kafka.topic.clone(),
        startup: startup(kafka, job.span)?,
        decoded,
        source_schema,
        source_columns,
        operators,
        sort_columns: sort_columns(&sink_schema),
        sink,
        sink_schema,
    })
}

fn compile(state: &SessionState, plan: &LogicalPlan, span: Span) -> Result<(Vec<Operator>, Vec<usize>), Mistake> {
    let optimized = state.optimize(plan).map_err(|error| mistake_of(&error, span))?;
    operators::compile(state, &optimized).map_err(|error| match error {
        CompileError::Unsupported(_) => Mistake::new(span, error.to_string()),
        CompileError::DataFusion(error) => mistake_of(&error, span),
    })
}

fn table_of<'a>(pipeline: &'a Pipeline, path: &TablePath, span: Span) -> Result<&'a Table, Mistake> {
    // the resolver saw to it that the name exists; as a sink or source of a job it must be a table
    pipeline.table(path).ok_or_else(|| Mistake::new(span, format!("{path} is not a table")))
}

/// The one topic a job reads, also through views.
fn source_of<'a>(pipeline: &'a Pipeline, job: &Job) -> Result<&'a Table, Mistake> {
    let mut inputs = job.inputs.clone();
    while let Some(view) = inputs.iter().find_map(|path| pipeline.view(path)) {
        inputs.retain(|path| *path != view.path);
        inputs.extend(view.inputs.iter().cloned());
    }
    inputs.dedup();
    match inputs.as_slice() {
        [one] => table_of(pipeline, one, job.span),
        [] => Err(Mistake::new(job.span, "the query reads no table")),
        _ => {
            let problem = Mistake::new(job.span, "the query reads more than one table");
            Err(problem.hint("joins and unions run on Flink only"))
        }
    }
}

fn startup(kafka: &KafkaTable, span: Span) -> Result<Startup, Mistake> {
    if kafka.bounded != ScanBounded::Unbounded {
        return Err(Mistake::new(span, "scan.bounded.mode runs on Flink only"));
    }
    match kafka.startup {
        // group offsets are the checkpoint's here, and without one Flink starts at the earliest too
        ScanStartup::EarliestOffset | ScanStartup::GroupOffsets => Ok(Startup::Earliest),
        ScanStartup::LatestOffset => Ok(Startup::Latest),
        ScanStartup::Timestamp { .. } => Err(Mistake::new(span, "scan.startup.mode = 'timestamp' runs on Flink only")),
    }
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
