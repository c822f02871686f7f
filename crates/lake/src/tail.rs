//! Rows not yet sealed, kept in few and small batches however tiny the appends are. Pure.
//!
//! Batches lie in arrival order and belong to tiers by size, each [`TIER_FACTOR`] times the one below. When a tier has
//! [`TIER_FACTOR`] batches at the end of the tail, they become one of the next tier. So a row is copied at most once per
//! tier, and the number of batches is logarithmic plus one per few thousand rows.

use arrow::array::{MutableArrayData, RecordBatch, RecordBatchOptions, make_array};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use std::sync::Arc;

/// How many batches of one tier become one of the next.
pub(crate) const TIER_FACTOR: usize = 8;
/// No batch grows past this by coalescing; it is also DataFusion's batch size. Larger appended ones stay as they are.
pub(crate) const BATCH_ROWS_MAX: usize = 8_192;
/// Batches of this tier (4,096 rows and up) are large enough and are never copied again.
const TOP_TIER: u32 = 4;
/// An appended batch that pins more than this many times its own bytes (a slice of something large) is copied.
const SLACK_FACTOR: usize = 2;
/// …unless what it pins is small anyway: builders allocate a few KiB per column in advance.
const SLACK_BYTES_ALLOWED: usize = 256 * 1024;

/// A batch and the memory it holds.
#[derive(Debug)]
pub(crate) struct TailBatch {
    pub(crate) batch: RecordBatch,
    pub(crate) bytes: usize,
}

impl TailBatch {
    fn new(batch: RecordBatch) -> Arc<TailBatch> {
        let bytes = batch.get_array_memory_size();
        Arc::new(TailBatch { batch, bytes })
    }

    fn tier(&self) -> u32 {
        tier(self.batch.num_rows())
    }
}

/// The open part of a table's tail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    batches: Vec<Arc<TailBatch>>,
}

impl Tail {
    pub(crate) fn batches(&self) -> &[Arc<TailBatch>] {
        &self.batches
    }

    /// Adds a batch at the end; on an error the tail is as it was.
    pub(crate) fn push(&mut self, schema: &SchemaRef, batch: RecordBatch) -> Result<(), ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let before = self.batches.len();
        self.batches.push(TailBatch::new(compact(batch)?));
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
            next.extend(concat_groups(schema, &batches[start..])?);
            merged = Some(next);
        }
        if let Some(merged) = merged {
            self.batches = merged;
        }
        Ok(())
    }
}

/// Joins neighbours into batches of at most [`BATCH_ROWS_MAX`] rows.
fn concat_groups(schema: &SchemaRef, run: &[Arc<TailBatch>]) -> Result<Vec<Arc<TailBatch>>, ArrowError> {
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
            many => Ok(TailBatch::new(concat_batches(schema, many.iter().map(|batch| &batch.batch))?)),
        })
        .collect()
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
