//! Reading a pinned table as a step of a DataFusion plan.

use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::TryStreamExt;
use hoga_lake::ScanPlan;
use std::fmt;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct LakeScan {
    plan: ScanPlan,
    /// Without filter and limit the row count of an append table is known from metadata: `count(*)` reads nothing.
    is_exact: bool,
    properties: Arc<PlanProperties>,
}

impl LakeScan {
    pub(super) fn new(plan: ScanPlan, is_exact: bool) -> LakeScan {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(plan.schema())),
            Partitioning::UnknownPartitioning(plan.partitions().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        LakeScan { plan, is_exact, properties: Arc::new(properties) }
    }
}

impl DisplayAs for LakeScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, rows) = (self.plan.file_count(), self.plan.rows_upper_bound());
        write!(f, "LakeScan: files={files}, rows<={rows}, partitions={}", self.plan.partitions())
    }
}

impl ExecutionPlan for LakeScan {
    fn name(&self) -> &str {
        "LakeScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batches =
            TryStreamExt::map_err(self.plan.open(partition), |error| DataFusionError::External(Box::new(error)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.plan.schema()), batches)))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(self.plan.schema());
        if partition.is_none() {
            let rows = usize::try_from(self.plan.rows_upper_bound()).unwrap_or(usize::MAX);
            statistics.num_rows = if self.is_exact { Precision::Exact(rows) } else { Precision::Inexact(rows) };
        }
        Ok(Arc::new(statistics))
    }
}
