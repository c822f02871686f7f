//! A plan for the first rows of an order ("the newest twenty") sees what passes its filter at once.
//!
//! DataFusion's filter collects rows until they are as many as a batch has; of a selective one that is after the last file, and the sort below
//! it, which knows after its first rows what cannot be among the first any more, tells nobody in time (`narrowing.rs`).

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use std::sync::Arc;

/// Fewer rows at a time cost more than they gain.
const BATCH_ROWS_MIN: usize = 32;

#[derive(Debug)]
pub(super) struct EarlyRows;

impl PhysicalOptimizerRule for EarlyRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let batch_rows = config.execution.batch_size;
        let early = plan.transform_up(|node| {
            let sort = node.downcast_ref::<SortExec>();
            let Some((input, fetch)) = sort.and_then(|sort| Some((sort.input(), sort.fetch()?))) else {
                return Ok(Transformed::no(node));
            };
            let rows = fetch.clamp(BATCH_ROWS_MIN, batch_rows.max(BATCH_ROWS_MIN));
            match with_batches_of(input, rows)? {
                Some(input) => Ok(Transformed::yes(Arc::clone(&node).with_new_children(vec![input])?)),
                None => Ok(Transformed::no(node)),
            }
        });
        early.map(|early| early.data)
    }

    fn name(&self) -> &str {
        "early_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same input, its filter giving batches of so many rows; None if it has none.
fn with_batches_of(input: &Arc<dyn ExecutionPlan>, rows: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(filter) = input.downcast_ref::<FilterExec>() {
        return Ok(Some(Arc::new(filter.with_batch_size(rows)?)));
    }
    let passes_on = input.downcast_ref::<ProjectionExec>().is_some()
        || input.downcast_ref::<CooperativeExec>().is_some()
        || input.downcast_ref::<RepartitionExec>().is_some();
    let child = match input.children().as_slice() {
        [child] if passes_on => with_batches_of(child, rows)?,
        _ => None,
    };
    child.map(|child| Arc::clone(input).with_new_children(vec![child])).transpose()
}
