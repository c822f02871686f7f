//! The first rows of each partition by an order. Without windows every change is told; over windows the rows are given once,
//! when the window closes.
//!
//! Equal rows keep the order of their arrival, but for the one case in which Flink does otherwise: the last row by event
//! time of each partition is the one that came last.

use super::groups::{GroupTable, KeyCodec};
use super::rows::RowKind;
use super::rows::Rows;
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use super::window::{Span, WallClock};
use super::window_aggregate::milliseconds;
use crate::graph::{AttachedWindow, ColumnId, TopN};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{Row, RowConverter, SortField};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct TopNStage {
    partition: Vec<ColumnId>,
    order: Vec<ColumnId>,
    /// Ranks that are given, counted from 0: from the first, before the end.
    first: usize,
    end: usize,
    with_number: bool,
    window: Option<AttachedWindow>,
    last_wins: bool,
    input: SchemaRef,
    schema: SchemaRef,
    keys: KeyCodec,
    order_rows: RowConverter,
    rows: RowConverter,
    ranked: BTreeMap<Span, Ranked>,
    closed: i64,
    next_id: u64,
}

/// The best rows of each partition, of one window or of all time.
#[derive(Debug, Default)]
struct Ranked {
    table: GroupTable,
    /// By partition, best first.
    lists: Vec<Vec<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    id: u64,
    order: Box<[u8]>,
    row: KeptRow,
}

#[derive(Debug, Clone)]
enum KeptRow {
    /// Of the batch that is being worked on.
    New(u32),
    Stored(Box<[u8]>),
}

/// All rows without a window are in one.
const NO_WINDOW: Span = Span { start: 0, end: 0 };

impl TopNStage {
    pub(crate) fn new(
        node: &TopN,
        input: &SchemaRef,
        rowtime: Option<ColumnId>,
        schema: &SchemaRef,
    ) -> Result<TopNStage, ArrowError> {
        let type_of = |column: ColumnId| input.field(column).data_type().clone();
        let order_fields = node.order.iter().map(|order| {
            let options = SortOptions { descending: order.is_descending, nulls_first: order.nulls_first };
            SortField::new_with_options(type_of(order.column), options)
        });
        let all_fields = input.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let partition_types: Vec<_> = node.partition.iter().map(|column| type_of(*column)).collect();
        let by_time = matches!(node.order.as_slice(), [one] if Some(one.column) == rowtime && one.is_descending);
        Ok(TopNStage {
            partition: node.partition.clone(),
            order: node.order.iter().map(|order| order.column).collect(),
            first: usize::try_from(node.offset.saturating_sub(1)).unwrap_or(usize::MAX),
            end: usize::try_from(node.limit).unwrap_or(usize::MAX),
            with_number: node.with_number,
            window: node.window,
            last_wins: by_time && node.limit == 1 && (node.window.is_some() || !node.with_number),
            input: Arc::clone(input),
            schema: Arc::clone(schema),
            keys: KeyCodec::new(&partition_types)?,
            order_rows: RowConverter::new(order_fields.collect())?,
            rows: RowConverter::new(all_fields.collect())?,
            ranked: BTreeMap::new(),
            closed: WATERMARK_MIN,
            next_id: 0,
        })
    }

    pub(crate) fn is_processing_time(&self) -> bool {
        self.window.is_some_and(|window| !window.is_rowtime)
    }

    /// Puts a batch into the lists. Returns the lists that changed, with what they gave before.
    fn put(&mut self, batch: &RecordBatch, late: &mut Late) -> Result<Vec<(Span, u32, Vec<Kept>)>, ArrowError> {
        let columns = |columns: &[ColumnId]| -> Vec<ArrayRef> {
            columns.iter().map(|column| Arc::clone(batch.column(*column))).collect()
        };
        let keys = self.keys.encode(&columns(&self.partition))?;
        let order = self.order_rows.convert_columns(&columns(&self.order))?;
        let spans = self.spans(batch)?;
        let clock = WallClock(self.window.and_then(|window| window.zone));
        let mut before: BTreeMap<(Span, u32), Vec<Kept>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            let span = spans.as_ref().map_or(NO_WINDOW, |spans| spans[row]);
            if self.window.is_some() && is_over(clock, span.end, self.closed) {
                late.add(1, span, self.closed.saturating_sub(clock.instant_ms(span.end - 1)));
                continue;
            }
            let ranked = self.ranked.entry(span).or_default();
            let list_of = ranked.table.intern(keys.key(row));
            if ranked.lists.len() <= list_of as usize {
                ranked.lists.push(Vec::new());
            }
            let list = &mut ranked.lists[list_of as usize];
            let Some(rank) = rank_of(list, &order.row(row), self.end, self.last_wins) else { continue };
            before.entry((span, list_of)).or_insert_with(|| list.clone());
            let kept = Kept { id: self.next_id, order: order.row(row).data().into(), row: KeptRow::New(row as u32) };
            self.next_id += 1;
            list.insert(rank, kept);
            list.truncate(self.end);
        }
        self.store(batch, before.keys())?;
        Ok(before.into_iter().map(|((span, list), old)| (span, list, old)).collect())
    }

    /// Copies the batch's rows that stayed: the batch itself is let go.
    fn store<'a>(
        &mut self,
        batch: &RecordBatch,
        lists: impl Iterator<Item = &'a (Span, u32)>,
    ) -> Result<(), ArrowError> {
        let mut places: Vec<&mut KeptRow> = Vec::new();
        let mut wanted: BTreeMap<Span, Vec<u32>> = BTreeMap::new();
        lists.for_each(|(span, list)| wanted.entry(*span).or_default().push(*list));
        for (span, ranked) in &mut self.ranked {
            let Some(wanted) = wanted.get(span) else { continue };
            let mut wanted = wanted.iter().peekable();
            for (index, list) in ranked.lists.iter_mut().enumerate() {
                if wanted.next_if(|list| **list as usize == index).is_some() {
                    places
                        .extend(list.iter_mut().map(|kept| &mut kept.row).filter(|row| matches!(row, KeptRow::New(_))));
                }
            }
        }
        let rows = places.iter().map(|place| if let KeptRow::New(row) = place { *row } else { 0 });
        let rows = UInt32Array::from_iter_values(rows);
        let columns = batch.columns().iter().map(|column| take(column, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        let stored = self.rows.convert_columns(&columns)?;
        for (place, row) in places.into_iter().zip(&stored) {
            *place = KeptRow::Stored(row.data().into());
        }
        Ok(())
    }

    fn spans(&self, batch: &RecordBatch) -> Result<Option<Vec<Span>>, ArrowError> {
        let Some(window) = self.window else { return Ok(None) };
        let (starts, ends) = (milliseconds(batch.column(window.start))?, milliseconds(batch.column(window.end))?);
        let spans = starts.values().iter().zip(ends.values());
        Ok(Some(spans.map(|(start, end)| Span { start: *start, end: *end }).collect()))
    }

    fn visible<'a>(&self, list: &'a [Kept]) -> &'a [Kept] {
        list.get(self.first..).unwrap_or_default()
    }

    /// What a list's change means for those who read it.
    fn changes(&self, old: &[Kept], new: &[Kept], out: &mut Changes) {
        let (old, new) = (self.visible(old), self.visible(new));
        if self.with_number || self.end - self.first == 1 {
            for rank in 0..old.len().max(new.len()) {
                match (old.get(rank), new.get(rank)) {
                    (Some(old), Some(new)) if old.id == new.id => {}
                    (Some(old), Some(new)) => {
                        out.push(RowKind::UpdateBefore, old, rank);
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

    fn rows_of(&self, changes: Changes) -> Result<Rows, ArrowError> {
        let parser = self.rows.parser();
        let mut columns = self.rows.convert_rows(changes.rows.iter().map(|row| parser.parse(row)))?;
        if self.with_number {
            let numbers = changes.ranks.iter().map(|rank| (self.first + rank + 1) as i64);
            columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(changes.kinds.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let is_append = changes.kinds.iter().all(|kind| *kind == RowKind::Insert);
        Ok(Rows { batch, kinds: (!is_append).then_some(changes.kinds), origins: None })
    }
}

/// Rows with their kinds and ranks, on their way out.
#[derive(Default)]
struct Changes {
    kinds: Vec<RowKind>,
    ranks: Vec<usize>,
    rows: Vec<Box<[u8]>>,
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

fn is_over(clock: WallClock, end: i64, watermark: i64) -> bool {
    watermark > WATERMARK_MIN && clock.instant_ms(end - 1) <= watermark
}

/// Where a row belongs in a list of at most `limit`; None if not in it.
fn rank_of(list: &[Kept], order: &Row<'_>, limit: usize, last_wins: bool) -> Option<usize> {
    let order = order.data();
    if list.len() >= limit {
        let worst = &*list.last()?.order;
        if order > worst || (order == worst && !last_wins) {
            return None;
        }
    }
    let goes_before = |kept: &Kept| if last_wins { &*kept.order < order } else { &*kept.order <= order };
    let rank = list.partition_point(goes_before);
    (rank < limit).then_some(rank)
}

impl Stage for TopNStage {
    fn rows(&mut self, rows: &Rows, _: i64, late: &mut Late) -> Result<Option<Rows>, ArrowError> {
        let changed = self.put(&rows.batch, late)?;
        if self.window.is_some() {
            return Ok(None);
        }
        let mut changes = Changes::default();
        for (span, list, old) in changed {
            if let Some(new) = self.ranked.get(&span).and_then(|ranked| ranked.lists.get(list as usize)) {
                self.changes(&old, new, &mut changes);
            }
        }
        if changes.kinds.is_empty() { Ok(None) } else { self.rows_of(changes).map(Some) }
    }

    fn advance(&mut self, watermark: i64) -> Result<Vec<Rows>, ArrowError> {
        self.closed = self.closed.max(watermark);
        let Some(window) = self.window else { return Ok(Vec::new()) };
        let mut changes = Changes::default();
        while let Some(first) = self.ranked.first_entry() {
            if !is_over(WallClock(window.zone), first.key().end, watermark) {
                break;
            }
            let ranked = first.remove();
            for list in &ranked.lists {
                for (rank, kept) in self.visible(list).iter().enumerate() {
                    changes.push(RowKind::Insert, kept, rank);
                }
            }
        }
        if changes.kinds.is_empty() { Ok(Vec::new()) } else { Ok(vec![self.rows_of(changes)?]) }
    }

    fn watermark(&self) -> i64 {
        self.closed
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for ranked in self.ranked.values() {
            usage.bytes += ranked.table.bytes() + ranked.lists.capacity() * size_of::<Vec<Kept>>();
            for kept in ranked.lists.iter().flatten() {
                let row = if let KeptRow::Stored(row) = &kept.row { row.len() } else { 0 };
                usage += Usage { groups: 1, bytes: size_of::<Kept>() + kept.order.len() + row };
            }
        }
        usage
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let parser = self.rows.parser();
        let kept = self.ranked.values().flat_map(|ranked| ranked.lists.iter().flatten());
        let rows =
            kept.filter_map(|kept| if let KeptRow::Stored(row) = &kept.row { Some(parser.parse(row)) } else { None });
        let columns = self.rows.convert_rows(rows)?;
        let rows = columns.first().map_or(0, |column| column.len());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(vec![RecordBatch::try_new_with_options(Arc::clone(&self.input), columns, &options)?])
    }

    fn restore(&mut self, watermark: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in snapshot {
            self.put(batch, &mut Late::default())?;
        }
        self.closed = watermark;
        Ok(())
    }
}
