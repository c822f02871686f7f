//! `$audit_log` as DataFusion sees it: one stream that is planned when it is first asked for rows.

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
use hoga_lake::AuditLog;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct AuditTable {
    log: AuditLog,
}

impl AuditTable {
    pub(super) fn new(log: AuditLog) -> AuditTable {
        AuditTable { log }
    }
}

#[async_trait]
impl TableProvider for AuditTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.log.schema())
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
        let schema = project_schema(self.log.schema(), projection)?;
        let rows = AuditRows { log: self.log.clone(), projection: projection.cloned(), schema: Arc::clone(&schema) };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(rows)], None, [], false, None)?))
    }
}

#[derive(Debug)]
struct AuditRows {
    log: AuditLog,
    projection: Option<Vec<usize>>,
    /// Of what is wanted.
    schema: SchemaRef,
}

impl PartitionStream for AuditRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (log, projection) = (self.log.clone(), self.projection.clone());
        let opened = async move { log.open(projection.as_deref()).await.map_err(lake_error) };
        let rows = stream::once(Box::pin(opened)).map_ok(|batches| batches.map_err(lake_error)).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows.boxed()))
    }
}
