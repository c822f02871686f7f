//! What is given of a ranked list: the rows between two ranks, and what changes of them mean for those who read them.

use super::row_bytes::RowBytes;
use super::rows::{RowKind, Rows};
use crate::checkpoint::state;
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
    pub(super) rows: Arc<RowBytes>,
    order: Vec<ColumnId>,
    order_rows: RowConverter,
}

/// What a row is ordered by: bytes in Arrow's row format, of which none is the beginning of another. Two numbers' fit in here, and are
/// compared without a look elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OrderKey {
    /// The first bytes, filled with zeros.
    first: [u64; 2],
    /// All bytes, if there are more.
    whole: Option<Arc<[u8]>>,
}

impl OrderKey {
    pub(super) fn of(bytes: &[u8]) -> OrderKey {
        let mut first = [0; size_of::<[u64; 2]>()];
        let length = bytes.len().min(first.len());
        first[..length].copy_from_slice(&bytes[..length]);
        let (words, _) = first.as_chunks::<8>();
        OrderKey {
            first: [u64::from_be_bytes(words[0]), u64::from_be_bytes(words[1])],
            whole: (bytes.len() > first.len()).then(|| bytes.into()),
        }
    }

    /// Beside its own size.
    pub(super) fn bytes(&self) -> usize {
        self.whole.as_ref().map_or(0, |whole| whole.len())
    }
}

/// A row in a list; lists are compared with what they were, so a copy shares its bytes.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: u64,
    pub(super) order: OrderKey,
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

/// So many rows of a state are columns at once.
const STATE_BATCH_ROWS: usize = 8_192;

/// The rows of a Top-N at one moment.
pub(super) struct KeptRows {
    pub(super) rows: Vec<Arc<[u8]>>,
    codec: Arc<RowBytes>,
    schema: SchemaRef,
}

impl state::Kept for KeptRows {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + '_> {
        Box::new(self.rows.chunks(STATE_BATCH_ROWS).map(|rows| {
            let columns = self.codec.columns_of(rows.iter().map(|row| &**row))?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
        }))
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
            rows: Arc::new(RowBytes::new(input)?),
            order: node.order.iter().map(|order| order.column).collect(),
            order_rows: RowConverter::new(order_fields.collect())?,
        })
    }

    /// What each row is ordered by: that of a row that stands before is less.
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

    /// Rows as they are kept; `schema` is the input's.
    pub(super) fn kept_rows(&self, rows: Vec<Arc<[u8]>>, schema: &SchemaRef) -> KeptRows {
        KeptRows { rows, codec: Arc::clone(&self.rows), schema: Arc::clone(schema) }
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
