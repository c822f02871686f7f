//! Conditions on times that every row of a file meets, as its statistics say: its reader need not look at them. Pure.
//!
//! A reader with a condition reads the condition's column first, row by row, and then what is left of the others: on ranges of time, which
//! mostly hold files whole, that costs more than all the rest of a query.

use crate::bounds::FileBounds;
use crate::filter::{Filter, FilterOperator, data};
use arrow::datatypes::Schema;
use paimon::DataSplit;
use paimon::spec::{DataFileMeta, Datum, TableSchema};

/// For each filter whether all rows of all files of the split meet it.
pub(crate) fn met_by(split: &DataSplit, filters: &[Filter], schema: &Schema, table: &TableSchema) -> Vec<bool> {
    let is_met = |filter: &Filter| {
        let files = split.data_files();
        wanted(filter, schema).is_some_and(|at| files.iter().all(|file| meets(file, filter, at, table)))
    };
    filters.iter().map(is_met).collect()
}

/// Milliseconds and nanoseconds of one.
type Instant = (i64, i32);

/// The time that a range's filter compares with.
fn wanted(filter: &Filter, schema: &Schema) -> Option<Instant> {
    use FilterOperator::{Greater, GreaterOrEqual, Less, LessOrEqual};
    let is_range = matches!(filter.operator, Less | LessOrEqual | Greater | GreaterOrEqual);
    let field = schema.fields().get(filter.column).filter(|_| is_range)?;
    match data(filter.values.as_ref()?, field.data_type())?.as_slice() {
        [value] => instant(value),
        _ => None,
    }
}

fn instant(value: &Datum) -> Option<Instant> {
    match value {
        Datum::Timestamp { millis, nanos } | Datum::LocalZonedTimestamp { millis, nanos } => Some((*millis, *nanos)),
        _ => None,
    }
}

fn meets(file: &DataFileMeta, filter: &Filter, at: Instant, table: &TableSchema) -> bool {
    let Some(bounds) = FileBounds::of(file, filter.column, table).filter(FileBounds::has_no_nulls) else {
        return false;
    };
    let (min, max) = (|| instant(&bounds.min()?), || instant(&bounds.max()?));
    match filter.operator {
        FilterOperator::Greater => min().is_some_and(|min| min > at),
        FilterOperator::GreaterOrEqual => min().is_some_and(|min| min >= at),
        FilterOperator::Less => max().is_some_and(|max| max < at),
        FilterOperator::LessOrEqual => max().is_some_and(|max| max <= at),
        _ => false,
    }
}
