//! What a job does to each batch: filters and projections, compiled once from DataFusion's optimised plan.
//!
//! A row that cannot be computed (a cast out of range, a division by zero) is taken out with its reason; the others pass.

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchema, DataFusionError, Result, internal_err};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

#[derive(Debug)]
pub enum Operator {
    Filter(Arc<dyn PhysicalExpr>),
    Project { expressions: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef },
}

/// The rows that came through, and those that could not: their index in the input and why.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) batch: RecordBatch,
    pub(crate) failed: Vec<(usize, String)>,
}

/// Why a plan is not a chain of filters and projections over one scan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("{0} runs on Flink only; the embedded engine runs projections, filters and scalar functions")]
    Unsupported(String),
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}

/// The operators above the plan's only table scan, and the scan's projection into its table's columns.
pub(crate) fn compile(state: &SessionState, plan: &LogicalPlan) -> Result<(Vec<Operator>, Vec<usize>), CompileError> {
    let mut operators = Vec::new();
    let projection = compile_into(state, plan, &mut operators)?;
    Ok((operators, projection))
}

fn compile_into(
    state: &SessionState,
    plan: &LogicalPlan,
    operators: &mut Vec<Operator>,
) -> Result<Vec<usize>, CompileError> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() && scan.filters.is_empty() => {
            let all = || (0..scan.source.schema().fields().len()).collect();
            Ok(scan.projection.clone().unwrap_or_else(all))
        }
        LogicalPlan::SubqueryAlias(alias) => compile_into(state, &alias.input, operators),
        LogicalPlan::Filter(filter) => {
            let projection = compile_into(state, &filter.input, operators)?;
            operators.push(Operator::Filter(physical(state, &filter.predicate, filter.input.schema())?));
            Ok(projection)
        }
        LogicalPlan::Projection(project) => {
            let projection = compile_into(state, &project.input, operators)?;
            let expressions = project
                .expr
                .iter()
                .map(|expression| physical(state, expression, project.input.schema()))
                .collect::<Result<_, CompileError>>()?;
            operators.push(Operator::Project { expressions, schema: Arc::clone(project.schema.inner()) });
            Ok(projection)
        }
        other => Err(CompileError::Unsupported(flink_name(other))),
    }
}

fn physical(state: &SessionState, expression: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, CompileError> {
    Ok(state.create_physical_expr(expression.clone(), schema)?)
}

/// What the user wrote that became this node.
fn flink_name(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => "GROUP BY, DISTINCT or an aggregate".into(),
        LogicalPlan::Join(_) => "JOIN".into(),
        LogicalPlan::Sort(_) => "ORDER BY".into(),
        LogicalPlan::Limit(_) | LogicalPlan::TableScan(_) => "LIMIT".into(),
        LogicalPlan::Union(_) => "UNION".into(),
        LogicalPlan::Window(_) => "OVER".into(),
        LogicalPlan::Unnest(_) => "UNNEST".into(),
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => "a query without a table".into(),
        other => format!("\"{}\"", other.display()),
    }
}

/// Runs a batch through; if some row fails, each row on its own.
pub(crate) fn apply(operators: &[Operator], output: &SchemaRef, batch: &RecordBatch) -> Result<Applied> {
    match apply_all(operators, batch) {
        Ok(batch) => Ok(Applied { batch: with_schema(batch, output)?, failed: Vec::new() }),
        Err(_) => apply_each(operators, output, batch),
    }
}

fn apply_each(operators: &[Operator], output: &SchemaRef, batch: &RecordBatch) -> Result<Applied> {
    let mut passed = Vec::new();
    let mut failed = Vec::new();
    for row in 0..batch.num_rows() {
        match apply_all(operators, &batch.slice(row, 1)).and_then(|one| with_schema(one, output)) {
            Ok(one) => passed.push(one),
            Err(error) => failed.push((row, error.strip_backtrace())),
        }
    }
    Ok(Applied { batch: concat_batches(output, &passed)?, failed })
}

fn apply_all(operators: &[Operator], batch: &RecordBatch) -> Result<RecordBatch> {
    let mut batch = batch.clone();
    for operator in operators {
        batch = match operator {
            Operator::Filter(predicate) => {
                let keep = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
                if keep.data_type() != &DataType::Boolean {
                    return internal_err!("a filter of type {}", keep.data_type());
                }
                filter_record_batch(&batch, keep.as_boolean())?
            }
            Operator::Project { expressions, schema } => {
                let arrays = expressions
                    .iter()
                    .map(|expression| expression.evaluate(&batch)?.into_array(batch.num_rows()))
                    .collect::<Result<Vec<_>>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?
            }
        };
    }
    Ok(batch)
}

/// The same columns under the sink's names and nullability.
fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)?)
}
