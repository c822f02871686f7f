//! A system table as DataFusion sees it: its rows are made when a plan is.

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use hoga_lake::{LiveTable, SystemTable};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct SystemRows {
    live: Arc<LiveTable>,
    system: SystemTable,
    schema: SchemaRef,
}

impl SystemRows {
    pub(super) fn new(live: Arc<LiveTable>, system: SystemTable) -> SystemRows {
        SystemRows { live, system, schema: system.schema() }
    }
}

#[async_trait]
impl TableProvider for SystemRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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
        let rows = Box::pin(self.live.system_rows(self.system)).await;
        let rows = rows.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], self.schema(), projection.cloned())?)
    }
}
