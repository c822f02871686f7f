//! Reading a pinned table as a step of a DataFusion plan.

use super::narrowing::narrowed;
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr_common::physical_expr::snapshot_generation;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::TryStreamExt;
use hoga_lake::ScanPlan;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(super) struct LakeScan {
    plan: ScanPlan,
    /// Without filter and limit the row count of an append table is known from metadata: `count(*)` reads nothing.
    is_exact: bool,
    /// Of the table's columns those that are read, if it is not all.
    projection: Option<Vec<usize>>,
    /// Conditions that become stricter while the query runs: a sort for the first rows knows which can still be among them.
    narrowing: Vec<Arc<dyn PhysicalExpr>>,
    properties: Arc<PlanProperties>,
}

impl LakeScan {
    pub(super) fn new(plan: ScanPlan, projection: Option<Vec<usize>>, is_exact: bool) -> LakeScan {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(plan.schema())),
            Partitioning::UnknownPartitioning(plan.partitions().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        LakeScan { plan, is_exact, projection, narrowing: Vec::new(), properties: Arc::new(properties) }
    }
}

impl DisplayAs for LakeScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, rows) = (self.plan.file_count(), self.plan.rows_upper_bound());
        write!(f, "LakeScan: files={files}, rows<={rows}, partitions={}", self.plan.partitions())?;
        if self.narrowing.is_empty() { Ok(()) } else { f.write_str(", narrowed by what was found") }
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
        let batches = match self.narrowing.is_empty() {
            true => self.plan.open(partition),
            false => self.plan.open_narrowed(partition, &narrowed(&self.narrowing, self.projection.as_ref())),
        };
        let batches = TryStreamExt::map_err(batches, |error| DataFusionError::External(Box::new(error)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.plan.schema()), batches)))
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        pushed: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let filters = pushed.parent_filters.iter().map(|filter| &filter.filter);
        // one that stays as it is was pushed down with the table's other conditions
        let narrowing: Vec<_> = filters.filter(|filter| snapshot_generation(filter) > 0).cloned().collect();
        // whoever asks goes on asking each row
        let mut answer: FilterPushdownPropagation<Arc<dyn ExecutionPlan>> =
            FilterPushdownPropagation::all_unsupported(pushed);
        if !narrowing.is_empty() {
            answer.updated_node = Some(Arc::new(LakeScan { narrowing, ..self.clone() }));
        }
        Ok(answer)
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
