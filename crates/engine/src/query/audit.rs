//! The changes of a table, and the rows they have left, as DataFusion sees them: one stream that is planned when it is first asked for rows.

use super::lake_error;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, project_schema};
use futures::{StreamExt, TryStreamExt, stream};
use hoga_lake::{AuditLog, BatchStream, ChangedRows};
use std::sync::Arc;

/// What is read.
#[derive(Debug, Clone)]
pub(super) enum ChangesTable {
    /// `$audit_log`.
    Log(AuditLog),
    /// The table itself, with `incremental-between`.
    Rows(ChangedRows),
}

impl ChangesTable {
    fn all_columns(&self) -> &SchemaRef {
        match self {
            ChangesTable::Log(log) => log.schema(),
            ChangesTable::Rows(rows) => rows.schema(),
        }
    }

    async fn open(&self, projection: Option<&[usize]>) -> hoga_lake::Result<BatchStream> {
        match self {
            ChangesTable::Log(log) => log.open(projection).await,
            ChangesTable::Rows(rows) => rows.open(projection).await,
        }
    }
}

#[async_trait]
impl TableProvider for ChangesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.all_columns())
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(self.all_columns(), projection)?;
        let rows = ChangedStream { table: self.clone(), projection: projection.cloned(), schema: Arc::clone(&schema) };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(rows)], None, [], false, None)?))
    }
}

#[derive(Debug)]
struct ChangedStream {
    table: ChangesTable,
    projection: Option<Vec<usize>>,
    /// Of what is wanted.
    schema: SchemaRef,
}

impl PartitionStream for ChangedStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (table, projection) = (self.table.clone(), self.projection.clone());
        let opened = async move { table.open(projection.as_deref()).await.map_err(lake_error) };
        let rows = stream::once(Box::pin(opened)).map_ok(|batches| batches.map_err(lake_error)).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows.boxed()))
    }
}
