//! Expressions: from what was written to what is computed for each batch, with Flink's types.
//!
//! In: an expression of the query and the columns it may name. Out: a [`Bound`], a compiled expression with its Flink type, or
//! the mistake at its place. DataFusion only evaluates: names, types, casts and functions are decided here, because Flink's
//! rules for them are others and because a mistake must be told where it stands.

mod arithmetic;
mod binder;
mod call;
mod cast;
mod compare;
mod condition;
mod functions;
mod literal;
mod nested;
mod spread;
mod sql_text;
mod sql_type;
mod time;
mod types;

pub(super) use binder::{Aggregates, Binder, Scope, ScopeColumn, flink_only, place};
pub(super) use cast::{cast, typed_null};
pub(super) use literal::{interval_ms, null};
pub(crate) use nested::read_field;
pub(super) use spread::{Spread, Sums};
pub(super) use sql_text::sql_text;
pub(super) use types::{average_type, common_type, describe, is_numeric, is_string, physical_type, sum_type};

use super::column::{TimeAttribute, WindowRole};
use arrow::array::timezone::Tz;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use hoga_sql::DataType;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A compiled expression and what is known of its value.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) expr: Arc<dyn PhysicalExpr>,
    /// For NULL as it is written, any.
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
    pub(super) is_null: bool,
    pub(super) time: Option<TimeAttribute>,
    pub(super) window: Option<WindowRole>,
    pub(super) is_windowed_rowtime: bool,
    pub(super) is_rank: bool,
}

/// What SET says that expressions depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    /// `table.local-time-zone`.
    pub(super) zone: Tz,
}

impl Bound {
    pub(super) fn new(expr: Arc<dyn PhysicalExpr>, data_type: DataType, nullable: bool) -> Bound {
        let (is_null, is_windowed_rowtime, is_rank) = (false, false, false);
        Bound { expr, data_type, nullable, is_null, time: None, window: None, is_windowed_rowtime, is_rank }
    }

    /// The column of a projection that this becomes.
    pub(super) fn column(&self, name: impl Into<String>) -> super::column::Column {
        let mut column = super::column::Column::new(name, self.data_type.clone(), self.nullable);
        (column.time, column.window, column.is_rank) = (self.time, self.window, self.is_rank);
        column.is_windowed_rowtime = self.is_windowed_rowtime;
        column
    }

    /// A column of the input as it is.
    pub(super) fn of_column(found: &super::column::Column, index: usize) -> Bound {
        let mut bound = Bound::new(column(&found.name, index), found.data_type.clone(), found.nullable);
        (bound.time, bound.window, bound.is_rank) = (found.time, found.window, found.is_rank);
        bound.is_windowed_rowtime = found.is_windowed_rowtime;
        bound
    }

    pub(super) fn literal(value: ScalarValue, data_type: DataType) -> Bound {
        let nullable = value.is_null();
        Bound::new(Arc::new(Literal::new(value)), data_type, nullable)
    }

    /// The value, if it is known now.
    pub(super) fn constant(&self) -> Option<&ScalarValue> {
        self.expr.downcast_ref::<Literal>().map(Literal::value)
    }

    /// The text, if it is known now.
    pub(super) fn constant_text(&self) -> Option<&str> {
        match self.constant() {
            Some(ScalarValue::Utf8(Some(text))) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is known now.
    pub(super) fn constant_integer(&self) -> Option<i64> {
        match self.constant()? {
            ScalarValue::Int8(value) => value.map(i64::from),
            ScalarValue::Int16(value) => value.map(i64::from),
            ScalarValue::Int32(value) => value.map(i64::from),
            ScalarValue::Int64(value) => *value,
            _ => None,
        }
    }
}

/// A column of the input, by its index.
pub(super) fn column(name: &str, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, index))
}

/// The columns that an expression reads.
pub(super) fn column_indices(expr: &Arc<dyn PhysicalExpr>) -> BTreeSet<usize> {
    collect_columns(expr).iter().map(Column::index).collect()
}

/// The expression over other columns.
pub(super) fn with_columns(
    expr: &Arc<dyn PhysicalExpr>,
    place: &dyn Fn(usize) -> usize,
) -> Result<Arc<dyn PhysicalExpr>> {
    let moved = |expr: Arc<dyn PhysicalExpr>| {
        let Some(found) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        Ok(Transformed::yes(column(found.name(), place(found.index()))))
    };
    Arc::clone(expr).transform(moved).data()
}
