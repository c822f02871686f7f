//! Rows not yet sealed, kept in few and small batches however tiny the appends are. Pure.
//!
//! Batches lie in arrival order and belong to tiers by size, each [`TIER_FACTOR`] times the one below. When a tier has
//! [`TIER_FACTOR`] batches at the end of the tail, they become one of the next tier. So a row is copied at most once per
//! tier, and the number of batches is logarithmic plus one per few thousand rows.
//!
//! The tail of a primary-key table keeps only the last change of a key when batches become one, unless the table's
//! changelog must hold every change; so a few hundred bars that change all the time stay a few hundred rows.

use crate::changes::{Changes, KeyCodec, RowKind, last_changes};
use crate::pack::PackedBatch;
use arrow::array::{MutableArrayData, RecordBatch, RecordBatchOptions, make_array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use std::sync::Arc;

/// How many batches of one tier become one of the next.
pub(crate) const TIER_FACTOR: usize = 8;
/// No batch grows past this by coalescing; it is also DataFusion's batch size. Larger appended ones stay as they are.
pub(crate) const BATCH_ROWS_MAX: usize = 8_192;
/// Batches of this tier are large enough and are never copied again.
const TOP_TIER: u32 = 4;
/// A batch that is appended with so many rows is of the top tier: what a source reads at once when it is behind is not copied, and a
/// scan hardly gains by larger ones.
const APPENDED_ROWS_ENOUGH: usize = 1_024;
/// An appended batch that pins more than this many times its own bytes (a slice of something large) is copied.
const SLACK_FACTOR: usize = 2;
/// …unless what it pins is small anyway: builders allocate a few KiB per column in advance.
const SLACK_BYTES_ALLOWED: usize = 256 * 1024;

/// A batch and the memory it holds.
#[derive(Debug)]
pub(crate) struct TailBatch {
    pub(crate) batch: PackedBatch,
    pub(crate) bytes: usize,
    /// Present in every batch of a primary-key table, absent in those of an append table.
    pub(crate) changes: Option<Changes>,
    tier: u32,
}

impl TailBatch {
    fn new(batch: PackedBatch, changes: Option<Changes>) -> TailBatch {
        let bytes = batch.bytes() + changes.as_ref().map_or(0, Changes::bytes);
        let tier = tier(batch.num_rows());
        TailBatch { batch, bytes, changes, tier }
    }

    fn keyed(
        schema: &SchemaRef,
        batch: PackedBatch,
        kinds: Vec<RowKind>,
        codec: &KeyCodec,
    ) -> Result<TailBatch, ArrowError> {
        let columns = codec.columns.iter().map(|column| batch.column(*column, schema.field(*column).data_type()));
        let keys = codec.keys_of(&columns.collect::<Result<Vec<_>, _>>()?)?;
        Ok(TailBatch::new(batch, Some(Changes { keys, kinds })))
    }

    fn tier(&self) -> u32 {
        self.tier
    }
}

/// The open part of a table's tail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    batches: Vec<Arc<TailBatch>>,
    /// None for an append table.
    codec: Option<Arc<KeyCodec>>,
}

impl Tail {
    pub(crate) fn new(codec: Option<Arc<KeyCodec>>) -> Tail {
        Tail { batches: Vec::new(), codec }
    }

    pub(crate) fn batches(&self) -> &[Arc<TailBatch>] {
        &self.batches
    }

    /// Adds a batch at the end; on an error the tail is as it was. `kinds` count in a primary-key table only.
    pub(crate) fn push(
        &mut self,
        schema: &SchemaRef,
        batch: RecordBatch,
        kinds: Option<Vec<RowKind>>,
    ) -> Result<(), ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let before = self.batches.len();
        let batch = PackedBatch::of(&compact(batch)?)?;
        let mut appended = match &self.codec {
            None => TailBatch::new(batch, None),
            Some(codec) => {
                let kinds = kinds.unwrap_or_else(|| vec![RowKind::Insert; batch.num_rows()]);
                TailBatch::keyed(schema, batch, kinds, codec)?
            }
        };
        if appended.batch.num_rows() >= APPENDED_ROWS_ENOUGH {
            appended.tier = TOP_TIER;
        }
        self.batches.push(Arc::new(appended));
        match self.coalesce(schema) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.batches.truncate(before);
                Err(error)
            }
        }
    }

    /// Everything, as it is; the tail is empty afterwards.
    pub(crate) fn take(&mut self) -> Vec<Arc<TailBatch>> {
        std::mem::take(&mut self.batches)
    }

    /// Plans all merges on a copy of the pointers, so that a failing one leaves nothing half done.
    fn coalesce(&mut self, schema: &SchemaRef) -> Result<(), ArrowError> {
        let mut merged: Option<Vec<Arc<TailBatch>>> = None;
        for tier in 0..TOP_TIER {
            let batches = merged.as_ref().unwrap_or(&self.batches);
            let run = batches.iter().rev().take_while(|batch| batch.tier() <= tier).count();
            let start = batches.len() - run;
            if batches[start..].iter().filter(|batch| batch.tier() == tier).count() < TIER_FACTOR {
                continue;
            }
            let mut next = batches[..start].to_vec();
            next.extend(concat_groups(schema, &batches[start..], self.codec.as_deref())?);
            merged = Some(next);
        }
        if let Some(merged) = merged {
            self.batches = merged;
        }
        Ok(())
    }
}

/// Joins neighbours into batches of at most [`BATCH_ROWS_MAX`] rows.
fn concat_groups(
    schema: &SchemaRef,
    run: &[Arc<TailBatch>],
    codec: Option<&KeyCodec>,
) -> Result<Vec<Arc<TailBatch>>, ArrowError> {
    let mut groups: Vec<&[Arc<TailBatch>]> = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (index, batch) in run.iter().enumerate() {
        if index > start && rows + batch.batch.num_rows() > BATCH_ROWS_MAX {
            groups.push(&run[start..index]);
            (start, rows) = (index, 0);
        }
        rows += batch.batch.num_rows();
    }
    groups.push(&run[start..]);
    groups
        .into_iter()
        .map(|group| match group {
            [one] => Ok(one.clone()),
            many => match codec {
                None => {
                    let batches: Vec<&PackedBatch> = many.iter().map(|batch| &batch.batch).collect();
                    Ok(Arc::new(TailBatch::new(PackedBatch::concat(schema, &batches)?, None)))
                }
                Some(codec) => concat_changes(schema, many, codec).map(Arc::new),
            },
        })
        .collect()
}

/// Joins batches of changes, oldest first; of each key only the last change, unless all are needed.
fn concat_changes(schema: &SchemaRef, group: &[Arc<TailBatch>], codec: &KeyCodec) -> Result<TailBatch, ArrowError> {
    let batches: Vec<&PackedBatch> = group.iter().map(|batch| &batch.batch).collect();
    let changes: Vec<&Changes> = group.iter().filter_map(|batch| batch.changes.as_ref()).collect();
    if codec.keeps_every_change {
        let kinds = changes.iter().flat_map(|changes| changes.kinds.iter().copied()).collect();
        return TailBatch::keyed(schema, PackedBatch::concat(schema, &batches)?, kinds, codec);
    }
    let is_last = last_changes(changes.iter().copied()).is_last;
    let rows: Vec<(usize, usize)> = is_last
        .iter()
        .enumerate()
        .flat_map(|(batch, rows)| rows.iter().enumerate().filter(|(_, last)| **last).map(move |(row, _)| (batch, row)))
        .collect();
    let kinds = rows.iter().map(|(batch, row)| changes[*batch].kinds[*row]).collect();
    TailBatch::keyed(schema, PackedBatch::interleave(schema, &batches, &rows)?, kinds, codec)
}

/// Copies a batch that keeps much more memory alive than its rows need. Batches of the lowest tier are left alone: at
/// most a handful wait there, and the merge copies them.
fn compact(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    if tier(batch.num_rows()) == 0 {
        return Ok(batch);
    }
    let held = batch.get_array_memory_size();
    if held <= SLACK_BYTES_ALLOWED {
        return Ok(batch);
    }
    let data: Vec<_> = batch.columns().iter().map(|column| column.to_data()).collect();
    let needed = data.iter().map(|data| data.get_slice_memory_size()).sum::<Result<usize, _>>()?;
    if held <= needed.saturating_mul(SLACK_FACTOR) {
        return Ok(batch);
    }
    let rows = batch.num_rows();
    let columns = data
        .iter()
        .map(|data| {
            let mut copy = MutableArrayData::new(vec![data], false, rows);
            copy.extend(0, 0, rows);
            make_array(copy.freeze())
        })
        .collect();
    RecordBatch::try_new_with_options(batch.schema(), columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}

/// 0 below [`TIER_FACTOR`] rows, 1 below its square, …, at most [`TOP_TIER`].
fn tier(rows: usize) -> u32 {
    rows.max(1).ilog(TIER_FACTOR).min(TOP_TIER)
}

#[cfg(test)]
mod tests;
