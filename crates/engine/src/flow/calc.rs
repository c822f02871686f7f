//! Filters and projections on rows. A row that cannot be computed (a cast out of range, a division by zero) is taken out
//! with its reason; the others pass.

use super::rows::Rows;
use crate::operators::Operator;
use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result, internal_err};
use std::sync::Arc;

/// The rows that came through, and those that could not: their index in the input and why.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) rows: Rows,
    pub(crate) failed: Vec<(usize, String)>,
}

/// Runs rows through; if some row fails, each row on its own.
pub(crate) fn apply(operators: &[Operator], output: &SchemaRef, rows: Rows) -> Result<Applied> {
    match apply_all(operators, output, rows.clone()) {
        Ok(rows) => Ok(Applied { rows, failed: Vec::new() }),
        Err(_) => apply_each(operators, output, &rows),
    }
}

/// A batch in which some row fails is rare and small: first find the rows that fail, then run the others together.
fn apply_each(operators: &[Operator], output: &SchemaRef, rows: &Rows) -> Result<Applied> {
    let mut passed = Vec::new();
    let mut failed = Vec::new();
    for row in 0..rows.len() {
        match apply_all(operators, output, Rows::inserts(rows.batch.slice(row, 1))) {
            Ok(_) => passed.push(row as u32),
            Err(error) => failed.push((row, error.strip_backtrace())),
        }
    }
    Ok(Applied { rows: apply_all(operators, output, rows.take(&passed)?)?, failed })
}

fn apply_all(operators: &[Operator], output: &SchemaRef, mut rows: Rows) -> Result<Rows> {
    for operator in operators {
        rows = match operator {
            Operator::Filter(predicate) => {
                let keep = predicate.evaluate(&rows.batch)?.into_array(rows.len())?;
                if keep.data_type() != &DataType::Boolean {
                    return internal_err!("a filter of type {}", keep.data_type());
                }
                let keep = keep.as_boolean();
                if keep.true_count() == keep.len() { rows } else { rows.filter(keep)? }
            }
            Operator::Project { expressions, schema } => {
                let arrays = expressions
                    .iter()
                    .map(|expression| expression.evaluate(&rows.batch)?.into_array(rows.len()))
                    .collect::<Result<Vec<_>>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
                let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
                rows.with_batch(batch)
            }
        };
    }
    let batch = with_schema(&rows.batch, output)?;
    Ok(Rows { batch, ..rows })
}

/// The same columns under the node's names and nullability.
pub(crate) fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) {
        return Ok(batch.clone());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)?)
}
