//! Rows on their way between nodes: a batch, what kind of change each row is, and which record it came from.

use arrow::array::{Array, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{filter_record_batch, take_arrays};
use arrow::error::ArrowError;
pub(crate) use hoga_lake::RowKind;
use std::ops::Range;

#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) batch: RecordBatch,
    /// One for each row; None means that all are inserts.
    pub(crate) kinds: Option<Vec<RowKind>>,
    /// For each row the record that it came from, by its index in what the worker read; None behind a node that keeps state.
    pub(crate) origins: Option<Vec<u32>>,
}

impl Rows {
    pub(crate) fn inserts(batch: RecordBatch) -> Rows {
        Rows { batch, kinds: None, origins: None }
    }

    /// What a node that keeps state changes, a kind for each row.
    pub(crate) fn changes(batch: RecordBatch, kinds: Vec<RowKind>) -> Rows {
        let is_append = kinds.iter().all(|kind| *kind == RowKind::Insert);
        Rows { batch, kinds: (!is_append).then_some(kinds), origins: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Another batch of the same rows.
    pub(crate) fn with_batch(&self, batch: RecordBatch) -> Rows {
        Rows { batch, kinds: self.kinds.clone(), origins: self.origins.clone() }
    }

    /// Those rows that are kept. Of an update of which one half is kept a delete or an insert remains.
    pub(crate) fn filter(&self, keep: &BooleanArray) -> Result<Rows, ArrowError> {
        let is_kept = |row: usize| keep.is_valid(row) && keep.value(row);
        let kept = |row: &usize| is_kept(*row);
        let kinds = self.kinds.as_ref().map(|kinds| {
            (0..kinds.len())
                .filter(kept)
                .map(|row| match kinds[row] {
                    RowKind::UpdateBefore if !is_kept_at(row + 1, kinds.len(), is_kept) => RowKind::Delete,
                    RowKind::UpdateAfter if row == 0 || !is_kept(row - 1) => RowKind::Insert,
                    kind => kind,
                })
                .collect()
        });
        let origins = self.origins.as_ref();
        let origins = origins.map(|origins| (0..origins.len()).filter(kept).map(|row| origins[row]).collect());
        Ok(Rows { batch: filter_record_batch(&self.batch, keep)?, kinds, origins })
    }

    /// Neighbours. Halves of an update must not be parted.
    pub(crate) fn slice(&self, rows: Range<usize>) -> Rows {
        Rows {
            batch: self.batch.slice(rows.start, rows.len()),
            kinds: self.kinds.as_ref().map(|kinds| kinds[rows.clone()].to_vec()),
            origins: self.origins.as_ref().map(|origins| origins[rows].to_vec()),
        }
    }

    /// These rows, each as often as it is named; origins and kinds go with them.
    pub(crate) fn take(&self, rows: &[u32]) -> Result<Rows, ArrowError> {
        let indices = UInt32Array::from(rows.to_vec());
        let columns = take_arrays(self.batch.columns(), &indices, None)?;
        // a batch may have rows and no columns
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(Rows {
            batch: RecordBatch::try_new_with_options(self.batch.schema(), columns, &options)?,
            kinds: self.kinds.as_ref().map(|kinds| rows.iter().map(|row| kinds[*row as usize]).collect()),
            origins: self.origins.as_ref().map(|origins| rows.iter().map(|row| origins[*row as usize]).collect()),
        })
    }
}

fn is_kept_at(row: usize, rows: usize, is_kept: impl Fn(usize) -> bool) -> bool {
    row < rows && is_kept(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use std::sync::Arc;

    #[test]
    fn half_an_update_is_a_delete_or_an_insert() {
        use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
        let column: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 3, 4, 5, 6]));
        let rows = Rows {
            batch: RecordBatch::try_from_iter([("n", column)]).expect("a batch"),
            kinds: Some(vec![Insert, UpdateBefore, UpdateAfter, UpdateBefore, UpdateAfter, UpdateBefore, UpdateAfter]),
            origins: None,
        };
        let keep =
            BooleanArray::from(vec![Some(true), Some(true), None, Some(false), Some(true), Some(true), Some(true)]);
        let kept = rows.filter(&keep).expect("rows");
        assert_eq!(kept.batch.column(0).as_primitive::<Int64Type>().values(), &[0, 1, 4, 5, 6]);
        assert_eq!(kept.kinds, Some(vec![Insert, Delete, Insert, UpdateBefore, UpdateAfter]));
    }
}
