//! A condition that becomes stricter while a query runs, as that of "the newest twenty" does: files that cannot have such rows are not opened any more. Pure.

use crate::bounds::FileBounds;
use crate::filter::{Filter, FilterOperator};
use crate::known_files::FileCondition;
use arrow::datatypes::Schema;
use paimon::spec::{DataFileMeta, TableSchema};
use std::fmt;
use std::sync::Arc;

/// What rows have to meet now.
#[derive(Debug, Clone)]
pub enum Narrowing {
    All(Vec<Narrowing>),
    Any(Vec<Narrowing>),
    Filter(Filter),
    /// A condition that cannot be told: every row may meet it.
    Unknown,
}

impl Narrowing {
    pub(crate) fn may_pass(&self, file: &DataFileMeta, schema: &Schema, table: &TableSchema) -> bool {
        match self {
            Narrowing::All(all) => all.iter().all(|one| one.may_pass(file, schema, table)),
            Narrowing::Any(any) => any.iter().any(|one| one.may_pass(file, schema, table)),
            Narrowing::Filter(filter) if filter.operator == FilterOperator::IsNull => {
                !FileBounds::of(file, filter.column, table).is_some_and(|bounds| bounds.has_no_nulls())
            }
            Narrowing::Filter(filter) => {
                FileCondition::of(filter, schema, table).is_none_or(|condition| condition.may_pass(file))
            }
            Narrowing::Unknown => true,
        }
    }
}

/// Asked before each file is opened.
#[derive(Clone)]
pub struct Narrowed(Arc<dyn Fn() -> Narrowing + Send + Sync>);

impl Narrowed {
    pub fn by(ask: impl Fn() -> Narrowing + Send + Sync + 'static) -> Narrowed {
        Narrowed(Arc::new(ask))
    }

    pub(crate) fn now(&self) -> Narrowing {
        (self.0)()
    }
}

impl fmt::Debug for Narrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Narrowed")
    }
}
