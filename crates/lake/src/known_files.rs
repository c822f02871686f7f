//! The files of a snapshot, read from its manifests once, and which of them a query has to read. Everything but the reading is pure.
//!
//! A query that reads manifests takes milliseconds for it, in a surge tens of them. So what is asked for is planned when its snapshot is published.

use crate::bounds::FileBounds;
use crate::error::{LakeError, Result};
use crate::filter::{Filter, FilterOperator, data};
use crate::spread::{is_plain, with_files};
use arrow::datatypes::Schema;
use paimon::spec::{DataFileMeta, Datum, TableSchema};
use paimon::{DataSplit, Table};
use std::cmp::Ordering;
use tokio::sync::OnceCell;

/// Of a table with more files manifests are read for each query: they are skipped by what they say of their files.
const FILES_KEPT_MAX: usize = 2_048;

/// Splits of all files of a snapshot; None if they are too many, or have other columns than the table.
#[derive(Debug, Default)]
pub(crate) struct KnownFiles(OnceCell<Option<Vec<DataSplit>>>);

impl KnownFiles {
    /// Whether somebody has asked for them.
    pub(crate) fn are_wanted(&self) -> bool {
        self.0.get().is_some_and(Option::is_some)
    }

    /// Reads the manifests if nobody has yet. `table` reads one snapshot.
    pub(crate) async fn splits(&self, name: &str, table: &Table) -> Result<Option<&[DataSplit]>> {
        let read = async || {
            let planned = table.new_read_builder().new_scan().plan().await;
            let splits = planned.map_err(LakeError::paimon(name, "plan a scan"))?.into_splits();
            let files = || splits.iter().flat_map(DataSplit::data_files);
            let is_kept =
                files().count() <= FILES_KEPT_MAX && files().all(|file| file.schema_id == table.schema().id());
            Ok(is_kept.then_some(splits))
        };
        Ok(self.0.get_or_try_init(read).await?.as_deref())
    }
}

/// Of these splits what may have rows that pass; of an append table with `limit`, and no filter, as much as has so many rows.
pub(crate) fn chosen(
    splits: &[DataSplit],
    filters: &[Filter],
    limit: Option<usize>,
    schema: &Schema,
    table: &TableSchema,
) -> Vec<DataSplit> {
    let conditions: Vec<FileCondition> =
        filters.iter().filter_map(|filter| FileCondition::of(filter, schema, table)).collect();
    let is_keyed = !table.primary_keys().is_empty();
    let mut left = limit.filter(|_| !is_keyed && filters.is_empty()).map(|limit| limit as i64);
    let mut out = Vec::new();
    for split in splits.iter().filter(|split| conditions.iter().all(|condition| condition.may_pass_in(split))) {
        if left.is_some_and(|left| left <= 0) {
            break;
        }
        let files = match is_plain(split) {
            // versions of a key that do not pass may replace one that does
            false => split.data_files().to_vec(),
            true => {
                let may_pass = |file: &&DataFileMeta| conditions.iter().all(|condition| condition.may_pass(file));
                split.data_files().iter().filter(may_pass).cloned().collect()
            }
        };
        left = left.map(|left| left - split.row_count());
        match files.len() {
            0 => {}
            all if all == split.data_files().len() => out.push(split.clone()),
            _ => out.push(with_files(split, files).unwrap_or_else(|_| split.clone())),
        }
    }
    out
}

/// A filter whose values have an order that statistics share.
pub(crate) struct FileCondition<'a> {
    column: usize,
    operator: FilterOperator,
    values: Vec<Datum>,
    /// The column's place in a partition's value.
    in_partition: Option<usize>,
    table: &'a TableSchema,
}

impl FileCondition<'_> {
    pub(crate) fn of<'a>(filter: &Filter, schema: &Schema, table: &'a TableSchema) -> Option<FileCondition<'a>> {
        let field = schema.fields().get(filter.column)?;
        if field.data_type().is_floating() || field.data_type().is_nested() {
            return None;
        }
        let values = data(filter.values.as_ref()?, field.data_type())?;
        let in_partition = table.partition_keys().iter().position(|key| key == field.name());
        (!values.is_empty()).then_some(FileCondition {
            column: filter.column,
            operator: filter.operator,
            values,
            in_partition,
            table,
        })
    }

    fn may_pass_in(&self, split: &DataSplit) -> bool {
        let Some(place) = self.in_partition else { return true };
        let Some(field) = self.table.fields().get(self.column) else { return true };
        match split.partition().get_datum(place, field.data_type()) {
            Ok(Some(value)) => self.may_be_between(Some(&value), Some(&value)),
            _ => true,
        }
    }

    pub(crate) fn may_pass(&self, file: &DataFileMeta) -> bool {
        match FileBounds::of(file, self.column, self.table) {
            Some(bounds) => self.may_be_between(bounds.min().as_ref(), bounds.max().as_ref()),
            None => true,
        }
    }

    /// Whether a value that passes may lie between these; None is not known.
    fn may_be_between(&self, min: Option<&Datum>, max: Option<&Datum>) -> bool {
        use FilterOperator::{Equal, Greater, GreaterOrEqual, In, IsNotNull, IsNull, Less, LessOrEqual};
        // what cannot be compared says nothing
        let is = |left: Option<&Datum>, right: &Datum, orders: &[Ordering]| {
            left.and_then(|left| left.partial_cmp(right)).is_none_or(|order| orders.contains(&order))
        };
        let (below, above) = ([Ordering::Less, Ordering::Equal], [Ordering::Greater, Ordering::Equal]);
        self.values.iter().any(|value| match self.operator {
            Equal | In => is(min, value, &below) && is(max, value, &above),
            Less => is(min, value, &[Ordering::Less]),
            LessOrEqual => is(min, value, &below),
            Greater => is(max, value, &[Ordering::Greater]),
            GreaterOrEqual => is(max, value, &above),
            IsNull | IsNotNull => true,
        })
    }
}
