//! What `datafusion-pg-catalog` tells that is not so here, put right: column types with their precision, and the one
//! database.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int16Array, Int32Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use pgwire::api::Type;

use super::super::DATABASE;
use super::super::types::{pg_type, type_modifier, type_size};
use super::table_list::{ListedTable, TableList};

type Correction = fn(RecordBatch, &[ListedTable]) -> Result<RecordBatch>;

/// A table of the catalog with a correction on top.
#[derive(Debug)]
pub(super) struct Corrected {
    inner: Arc<dyn PartitionStream>,
    tables: TableList,
    correction: Correction,
}

impl Corrected {
    /// `None`: this table is right as it is.
    pub(super) fn of(name: &str, inner: Arc<dyn PartitionStream>, tables: &TableList) -> Option<Corrected> {
        let correction: Correction = match name.to_ascii_lowercase().as_str() {
            "pg_attribute" => column_types,
            "pg_database" => one_database,
            _ => return None,
        };
        Some(Corrected { inner, tables: tables.clone(), correction })
    }
}

impl PartitionStream for Corrected {
    fn schema(&self) -> &SchemaRef {
        self.inner.schema()
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (tables, correction) = (self.tables.get(), self.correction);
        let corrected = self.inner.execute(context).map(move |batch| correction(batch?, &tables));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.schema()), corrected))
    }
}

/// `pg_attribute` is made table by table and column by column in the order of the list, so its rows and the columns of
/// the list go together.
fn column_types(batch: RecordBatch, tables: &[ListedTable]) -> Result<RecordBatch> {
    let columns: Vec<_> = tables.iter().flat_map(|table| table.columns.fields().iter()).collect();
    if columns.len() != batch.num_rows() {
        return Err(DataFusionError::Execution("the tables changed while they were listed; try again".to_owned()));
    }
    // a type that cannot be sent is listed as text
    let types: Vec<Type> = columns.iter().map(|c| pg_type(c.data_type()).unwrap_or(Type::TEXT)).collect();
    let modifiers = columns.iter().map(|c| type_modifier(c.data_type()));
    let dimensions = types.iter().map(|t| i32::from(t.name().starts_with('_')));
    let batch =
        replace(batch, "atttypid", Arc::new(Int32Array::from_iter_values(types.iter().map(|t| t.oid() as i32))))?;
    let batch = replace(batch, "attlen", Arc::new(Int16Array::from_iter_values(types.iter().map(type_size))))?;
    let batch = replace(batch, "attndims", Arc::new(Int32Array::from_iter_values(dimensions)))?;
    replace(batch, "atttypmod", Arc::new(Int32Array::from_iter_values(modifiers)))
}

/// The crate adds a database `postgres` for tools that expect one.
fn one_database(batch: RecordBatch, _: &[ListedTable]) -> Result<RecordBatch> {
    let Some(names) = batch.column_by_name("datname") else { return Ok(batch) };
    let keep: BooleanArray = names.as_string::<i32>().iter().map(|name| Some(name == Some(DATABASE))).collect();
    Ok(filter_record_batch(&batch, &keep)?)
}

fn replace(batch: RecordBatch, name: &str, column: ArrayRef) -> Result<RecordBatch> {
    let schema = batch.schema();
    let index = schema.index_of(name)?;
    let mut columns = batch.columns().to_vec();
    debug_assert_eq!(columns[index].data_type(), column.data_type());
    columns[index] = column;
    Ok(RecordBatch::try_new(schema, columns)?)
}
