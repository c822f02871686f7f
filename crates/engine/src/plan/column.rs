//! What the planner knows of a column: its name, Flink's type, and whether it is event time or the edge of a window.

use crate::plan::expression::physical_type;
use arrow::datatypes::{Field, Schema, SchemaRef};
use hoga_sql::DataType;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
    pub(super) time: Option<TimeAttribute>,
    pub(super) window: Option<WindowRole>,
    /// The event time of rows that are in windows already: no other window can be made of it, but the last row by it is that
    /// which came last.
    pub(super) is_windowed_rowtime: bool,
    /// ROW_NUMBER() OVER (…), until a condition on it says how many rows are wanted.
    pub(super) is_rank: bool,
    /// NULL as it is written: it takes the type of the table that it is written into.
    pub(super) is_null: bool,
}

/// A column that a window can be made of. An expression over it is an ordinary time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeAttribute {
    /// Event time: there is a watermark for it.
    Rowtime,
    /// PROCTIME(): the machine's time. The column has no values that a query could read.
    Proctime,
}

/// What a column is of the window that its row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowRole {
    Start,
    End,
    Time,
}

impl Column {
    pub(super) fn new(name: impl Into<String>, data_type: DataType, nullable: bool) -> Column {
        Column {
            name: name.into(),
            data_type,
            nullable,
            time: None,
            window: None,
            is_windowed_rowtime: false,
            is_rank: false,
            is_null: false,
        }
    }
}

/// Columns as Arrow has them. NULL is allowed in all of them: what is NOT NULL is a matter of the sink.
pub(super) fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new(&column.name, physical_type(&column.data_type), true)).collect();
    Arc::new(Schema::new(fields))
}
