//! What is done to each batch of rows: filters and projections, compiled once by the planner. `flow` runs them.

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

#[derive(Debug)]
pub enum Operator {
    Filter(Arc<dyn PhysicalExpr>),
    Project { expressions: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef },
}
