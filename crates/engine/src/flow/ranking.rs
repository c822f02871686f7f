//! What is given of a ranked list: the rows between two ranks, and what changes of them mean for those who read them.

use super::row_bytes::RowBytes;
use super::rows::{RowKind, Rows};
use crate::graph::{ColumnId, TopN};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Ranking {
    /// Ranks that are given, counted from 0: from the first, before the end.
    first: usize,
    pub(super) end: usize,
    with_number: bool,
    /// Whether somebody needs the row that an update replaces.
    tells_before: bool,
    schema: SchemaRef,
    /// Of the input.
    pub(super) rows: RowBytes,
    order: Vec<ColumnId>,
    order_rows: RowConverter,
}

/// A row in a list; lists are compared with what they were, so a copy shares its bytes.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: u64,
    pub(super) order: Arc<[u8]>,
    pub(super) row: KeptRow,
}

#[derive(Debug, Clone)]
pub(super) enum KeptRow {
    /// Of the batch that is being worked on.
    New(u32),
    Stored(Arc<[u8]>),
}

/// Rows with their kinds and ranks, on their way out.
#[derive(Default)]
pub(super) struct Changes {
    kinds: Vec<RowKind>,
    ranks: Vec<usize>,
    rows: Vec<Arc<[u8]>>,
}

impl Changes {
    fn push(&mut self, kind: RowKind, kept: &Kept, rank: usize) {
        if let KeptRow::Stored(row) = &kept.row {
            self.kinds.push(kind);
            self.ranks.push(rank);
            self.rows.push(row.clone());
        }
    }
}

impl Ranking {
    pub(super) fn new(
        node: &TopN,
        input: &Schema,
        schema: &SchemaRef,
        tells_before: bool,
    ) -> Result<Ranking, ArrowError> {
        let order_fields = node.order.iter().map(|order| {
            let options = SortOptions { descending: order.is_descending, nulls_first: order.nulls_first };
            SortField::new_with_options(input.field(order.column).data_type().clone(), options)
        });
        Ok(Ranking {
            first: usize::try_from(node.offset.saturating_sub(1)).unwrap_or(usize::MAX),
            end: usize::try_from(node.limit).unwrap_or(usize::MAX),
            with_number: node.with_number,
            tells_before,
            schema: Arc::clone(schema),
            rows: RowBytes::new(input)?,
            order: node.order.iter().map(|order| order.column).collect(),
            order_rows: RowConverter::new(order_fields.collect())?,
        })
    }

    /// What each row is ordered by, as bytes: those of a row that stands before are less.
    pub(super) fn order_of(&self, batch: &RecordBatch) -> Result<arrow::row::Rows, ArrowError> {
        let columns: Vec<ArrayRef> = self.order.iter().map(|column| Arc::clone(batch.column(*column))).collect();
        self.order_rows.convert_columns(&columns)
    }

    fn visible<'a>(&self, list: &'a [Kept]) -> &'a [Kept] {
        list.get(self.first..).unwrap_or_default()
    }

    /// A whole list, given for the first time.
    pub(super) fn inserts(&self, list: &[Kept], out: &mut Changes) {
        for (rank, kept) in self.visible(list).iter().enumerate() {
            out.push(RowKind::Insert, kept, rank);
        }
    }

    /// What a list's change means for those who read it.
    pub(super) fn changes(&self, old: &[Kept], new: &[Kept], out: &mut Changes) {
        let (old, new) = (self.visible(old), self.visible(new));
        if self.with_number || self.end - self.first == 1 {
            for rank in 0..old.len().max(new.len()) {
                match (old.get(rank), new.get(rank)) {
                    (Some(old), Some(new)) if old.id == new.id => {}
                    (Some(old), Some(new)) => {
                        if self.tells_before {
                            out.push(RowKind::UpdateBefore, old, rank);
                        }
                        out.push(RowKind::UpdateAfter, new, rank);
                    }
                    (None, Some(new)) => out.push(RowKind::Insert, new, rank),
                    (Some(old), None) => out.push(RowKind::Delete, old, rank),
                    (None, None) => {}
                }
            }
            return;
        }
        let is_in = |kept: &Kept, list: &[Kept]| list.iter().any(|other| other.id == kept.id);
        old.iter().enumerate().filter(|(_, kept)| !is_in(kept, new)).for_each(|(rank, kept)| {
            out.push(RowKind::Delete, kept, rank);
        });
        new.iter().enumerate().filter(|(_, kept)| !is_in(kept, old)).for_each(|(rank, kept)| {
            out.push(RowKind::Insert, kept, rank);
        });
    }

    /// None if nothing changed.
    pub(super) fn rows_of(&self, changes: Changes) -> Result<Option<Rows>, ArrowError> {
        if changes.kinds.is_empty() {
            return Ok(None);
        }
        let mut columns = self.columns_of(changes.rows.iter().map(|row| &**row))?;
        if self.with_number {
            let numbers = changes.ranks.iter().map(|rank| (self.first + rank + 1) as i64);
            columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(changes.kinds.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Some(Rows::changes(batch, changes.kinds)))
    }

    /// The input's columns of rows as bytes.
    pub(super) fn columns_of<'a>(&self, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        self.rows.columns_of(rows)
    }
}
