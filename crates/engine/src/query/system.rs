//! A system table as DataFusion sees it: its rows are made when a plan is.

use super::lake_error;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use hoga_lake::{LiveTable, Moment, SystemTable};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct SystemRows {
    live: Arc<LiveTable>,
    system: SystemTable,
    /// None: now.
    moment: Option<Moment>,
    schema: SchemaRef,
}

impl SystemRows {
    pub(super) fn new(live: Arc<LiveTable>, system: SystemTable, moment: Option<Moment>) -> SystemRows {
        SystemRows { live, system, moment, schema: system.schema() }
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
        let rows = Box::pin(self.live.system_rows(self.system, self.moment.as_ref())).await.map_err(lake_error)?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], self.schema(), projection.cloned())?)
    }
}
