//! The first rows of each partition by an order. Without windows every change is told; over windows the rows are given once,
//! when the window closes.
//!
//! Equal rows keep the order of their arrival, but for the one case in which Flink does otherwise: the last row by event
//! time of each partition is the one that came last.

use super::groups::{GroupTable, KeyCodec};
use super::ranking::{Changes, Kept, KeptRow, KeptRows, OrderKey, Ranking};
use super::rows::Rows;
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use super::window::{Span, WallClock};
use super::window_aggregate::milliseconds;
use crate::checkpoint::state::{self, Kept as _};
use crate::graph::{AttachedWindow, ColumnId, TopN};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct TopNStage {
    partition: Vec<ColumnId>,
    ranking: Ranking,
    window: Option<AttachedWindow>,
    last_wins: bool,
    input: SchemaRef,
    keys: KeyCodec,
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
    /// Of what is in the lists; counted, since a walk over all of it takes as long as a batch does.
    usage: Usage,
}

/// All rows without a window are in one.
const NO_WINDOW: Span = Span { start: 0, end: 0 };

impl TopNStage {
    pub(crate) fn new(
        node: &TopN,
        input: &SchemaRef,
        schema: &SchemaRef,
        tells_before: bool,
    ) -> Result<TopNStage, ArrowError> {
        let type_of = |column: &ColumnId| input.field(*column).data_type().clone();
        let partition_types: Vec<_> = node.partition.iter().map(type_of).collect();
        Ok(TopNStage {
            partition: node.partition.clone(),
            ranking: Ranking::new(node, input, schema, tells_before)?,
            window: node.window,
            last_wins: node.last_wins,
            input: Arc::clone(input),
            keys: KeyCodec::new(&partition_types)?,
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
        let partition: Vec<ArrayRef> = self.partition.iter().map(|column| Arc::clone(batch.column(*column))).collect();
        let keys = self.keys.encode(&partition)?;
        let order = self.ranking.order_of(batch)?;
        let end = self.ranking.end;
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
            let order = OrderKey::of(order.row(row).data());
            let Some(rank) = rank_of(list, &order, end, self.last_wins) else { continue };
            before.entry((span, list_of)).or_insert_with(|| list.clone());
            let kept = Kept { id: self.next_id, order, row: KeptRow::New(row as u32) };
            self.next_id += 1;
            list.insert(rank, kept);
            list.truncate(end);
        }
        self.store(batch, &before)?;
        Ok(before.into_iter().map(|((span, list), old)| (span, list, old)).collect())
    }

    /// Copies the batch's rows that stayed: the batch itself is let go. `before`: the lists that changed, as they were.
    fn store(&mut self, batch: &RecordBatch, before: &BTreeMap<(Span, u32), Vec<Kept>>) -> Result<(), ArrowError> {
        let source = self.ranking.rows.source(batch.columns())?;
        let mut bytes = Vec::new();
        for ((span, list), old) in before {
            let Some(ranked) = self.ranked.get_mut(span) else { continue };
            let Some(list) = ranked.lists.get_mut(*list as usize) else { continue };
            for kept in list.iter_mut() {
                if let KeptRow::New(row) = kept.row {
                    bytes.clear();
                    source.put(row as usize, &mut bytes);
                    kept.row = KeptRow::Stored(bytes.as_slice().into());
                }
            }
            let (old, new) = (usage_of(old), usage_of(list));
            ranked.usage.groups = ranked.usage.groups + new.groups - old.groups;
            ranked.usage.bytes = ranked.usage.bytes + new.bytes - old.bytes;
        }
        Ok(())
    }

    fn kept_rows(&self) -> KeptRows {
        let kept = self.ranked.values().flat_map(|ranked| ranked.lists.iter().flatten());
        let rows =
            kept.filter_map(|kept| if let KeptRow::Stored(row) = &kept.row { Some(Arc::clone(row)) } else { None });
        self.ranking.kept_rows(rows.collect(), &self.input)
    }

    fn spans(&self, batch: &RecordBatch) -> Result<Option<Vec<Span>>, ArrowError> {
        let Some(window) = self.window else { return Ok(None) };
        let (starts, ends) = (milliseconds(batch.column(window.start))?, milliseconds(batch.column(window.end))?);
        let spans = starts.values().iter().zip(ends.values());
        Ok(Some(spans.map(|(start, end)| Span { start: *start, end: *end }).collect()))
    }
}

fn usage_of(list: &[Kept]) -> Usage {
    let row = |kept: &Kept| if let KeptRow::Stored(row) = &kept.row { row.len() } else { 0 };
    let bytes = list.iter().map(|kept| size_of::<Kept>() + kept.order.bytes() + row(kept)).sum();
    Usage { groups: list.len(), bytes }
}

fn is_over(clock: WallClock, end: i64, watermark: i64) -> bool {
    watermark > WATERMARK_MIN && clock.instant_ms(end - 1) <= watermark
}

/// Where a row belongs in a list of at most `limit`; None if not in it.
fn rank_of(list: &[Kept], order: &OrderKey, limit: usize, last_wins: bool) -> Option<usize> {
    if list.len() >= limit {
        let worst = &list.last()?.order;
        if order > worst || (order == worst && !last_wins) {
            return None;
        }
    }
    let goes_before = |kept: &Kept| if last_wins { kept.order < *order } else { kept.order <= *order };
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
                self.ranking.changes(&old, new, &mut changes);
            }
        }
        self.ranking.rows_of(changes)
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
            ranked.lists.iter().for_each(|list| self.ranking.inserts(list, &mut changes));
        }
        Ok(self.ranking.rows_of(changes)?.into_iter().collect())
    }

    fn watermark(&self) -> i64 {
        self.closed
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for ranked in self.ranked.values() {
            usage += ranked.usage;
            usage.bytes += ranked.table.bytes() + ranked.lists.capacity() * size_of::<Vec<Kept>>();
        }
        usage
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.kept_rows().batches().collect()
    }

    fn kept(&self) -> Option<Arc<dyn state::Kept>> {
        Some(Arc::new(self.kept_rows()))
    }

    fn restore(&mut self, watermark: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in snapshot {
            self.put(batch, &mut Late::default())?;
        }
        self.closed = watermark;
        Ok(())
    }
}
