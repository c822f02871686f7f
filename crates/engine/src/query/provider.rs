//! A lake table as DataFusion sees it, pinned to one view.

use super::scan::LakeScan;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use hoga_lake::{Filter, FilterOperator, ScanRequest, View};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct PinnedTable {
    view: View,
}

impl PinnedTable {
    pub(super) fn new(view: View) -> PinnedTable {
        PinnedTable { view }
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }
}

#[async_trait]
impl TableProvider for PinnedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.view.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.view.schema();
        let request = ScanRequest {
            projection: projection.cloned(),
            filter: filters.iter().flat_map(|filter| lake_filters(filter, schema)).collect(),
            limit,
            target_partitions: state.config().target_partitions(),
        };
        let plan = self.view.scan(request).await.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let is_exact = filters.is_empty() && limit.is_none() && plan.counts_exactly();
        Ok(Arc::new(LakeScan::new(plan, projection.cloned(), is_exact)))
    }

    /// The lake skips what cannot match; what remains is filtered here.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let schema = self.view.schema();
        let support = |filter: &&Expr| match lake_filters(filter, schema).is_empty() {
            true => TableProviderFilterPushDown::Unsupported,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(support).collect())
    }
}

/// The conditions among `filter`'s conjuncts that the lake understands: column, comparison, literal.
fn lake_filters(filter: &Expr, schema: &SchemaRef) -> Vec<Filter> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let mut both = lake_filters(left, schema);
            both.extend(lake_filters(right, schema));
            both
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let found = match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value, _)) => comparison(*op).map(|op| (column, op, value)),
                (Expr::Literal(value, _), Expr::Column(column)) => {
                    op.swap().and_then(comparison).map(|op| (column, op, value))
                }
                _ => None,
            };
            let found = found.and_then(|(column, operator, value)| lake_filter(column, operator, Some(value), schema));
            found.into_iter().collect()
        }
        Expr::Between(between) if !between.negated => match (&*between.expr, &*between.low, &*between.high) {
            (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) => {
                let low = lake_filter(column, FilterOperator::GreaterOrEqual, Some(low), schema);
                let high = lake_filter(column, FilterOperator::LessOrEqual, Some(high), schema);
                low.into_iter().chain(high).collect()
            }
            _ => Vec::new(),
        },
        Expr::InList(list) if !list.negated => {
            let literal = |item: &Expr| match item {
                Expr::Literal(value, _) => Some(value.clone()),
                _ => None,
            };
            let values: Option<Vec<ScalarValue>> = list.list.iter().map(literal).collect();
            match (&*list.expr, values) {
                (Expr::Column(column), Some(values)) => in_filter(column, values, schema).into_iter().collect(),
                _ => Vec::new(),
            }
        }
        Expr::IsNull(inner) => null_filter(inner, FilterOperator::IsNull, schema),
        Expr::IsNotNull(inner) => null_filter(inner, FilterOperator::IsNotNull, schema),
        _ => Vec::new(),
    }
}

pub(super) fn comparison(operator: Operator) -> Option<FilterOperator> {
    Some(match operator {
        Operator::Eq => FilterOperator::Equal,
        Operator::Lt => FilterOperator::Less,
        Operator::LtEq => FilterOperator::LessOrEqual,
        Operator::Gt => FilterOperator::Greater,
        Operator::GtEq => FilterOperator::GreaterOrEqual,
        _ => return None,
    })
}

fn lake_filter(
    column: &Column,
    operator: FilterOperator,
    value: Option<&ScalarValue>,
    schema: &SchemaRef,
) -> Option<Filter> {
    let values = match value {
        Some(value) => Some(value.to_array().ok()?),
        None => None,
    };
    Some(Filter { column: schema.index_of(&column.name).ok()?, operator, values })
}

fn in_filter(column: &Column, values: Vec<ScalarValue>, schema: &SchemaRef) -> Option<Filter> {
    let values = ScalarValue::iter_to_array(values).ok()?;
    Some(Filter { column: schema.index_of(&column.name).ok()?, operator: FilterOperator::In, values: Some(values) })
}

fn null_filter(inner: &Expr, operator: FilterOperator, schema: &SchemaRef) -> Vec<Filter> {
    match inner {
        Expr::Column(column) => lake_filter(column, operator, None, schema).into_iter().collect(),
        _ => Vec::new(),
    }
}
