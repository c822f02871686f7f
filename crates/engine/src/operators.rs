//! What a calc node does to each batch: filters and projections of compiled expressions.

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

#[derive(Debug)]
pub enum Operator {
    Filter(Arc<dyn PhysicalExpr>),
    Project { expressions: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef },
}
