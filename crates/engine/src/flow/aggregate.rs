//! GROUP BY without windows: after each batch, the new result of every group that it touched, and the old one before it.
//!
//! Over a query that updates its rows, groups also take rows back. They count them then: a group of none is deleted.
//!
//! What a batch does to a group is told as one change, unless somebody behind depends on the order of changes: then each row's
//! change is told, as Flink does.

use super::groups::EncodedKeys;
use super::rows::{RowKind, Rows};
use super::slices::{Columns, Groups, Layout, spans_and_keys};
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use super::window::Span;
use crate::graph::{Aggregate, AggregateCall, AggregateFunction};
use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, make_comparator};
use arrow::compute::{SortOptions, cast, concat_batches, interleave};
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Groups without rows stay until they are so many, and more than those with rows.
const EMPTY_GROUPS_MAX: usize = 1_024;

/// Where a change's row is from: the results before a batch, or those after it.
const OLD: usize = 0;
const NEW: usize = 1;

#[derive(Debug)]
pub(crate) struct AggregateStage {
    layout: Layout,
    schema: SchemaRef,
    groups: Groups,
    /// True if the input takes rows back. The last accumulator counts each group's rows then.
    retracts: bool,
    /// Groups that have no rows any more.
    empty_groups: usize,
    tells_each_change: bool,
    /// Whether somebody needs the row that an update replaces.
    tells_before: bool,
}

/// How many rows each of some groups has.
struct RowCounts(Option<ArrayRef>);

impl RowCounts {
    /// Without retraction every group that is known has rows.
    fn has_rows(&self, index: usize, is_known: bool) -> bool {
        self.0.as_ref().map_or(is_known, |counts| counts.as_primitive::<Int64Type>().value(index) > 0)
    }
}

impl AggregateStage {
    pub(crate) fn new(
        node: &Aggregate,
        input: &Schema,
        schema: &SchemaRef,
        retracts: bool,
        tells_each_change: bool,
        tells_before: bool,
    ) -> Result<AggregateStage, ArrowError> {
        let mut calls = node.calls.clone();
        if retracts {
            calls.push(row_count());
        }
        let layout = Layout::new(input, &node.keys, &calls, retracts)?;
        let (groups, schema) = (layout.groups()?, Arc::clone(schema));
        Ok(AggregateStage { groups, layout, schema, retracts, empty_groups: 0, tells_each_change, tells_before })
    }

    /// The results of groups, of the planned types.
    fn evaluate(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let fields = self.schema.fields().iter().skip(self.layout.keys.len());
        let results = self.groups.accumulators.iter().zip(fields);
        results.map(|(accumulator, field)| cast(&accumulator.evaluate(groups)?, field.data_type())).collect()
    }

    fn row_counts(&self, groups: &[u32]) -> Result<RowCounts, ArrowError> {
        let counter = self.groups.accumulators.last().filter(|_| self.retracts);
        counter.map(|counter| counter.evaluate(groups)).transpose().map(RowCounts)
    }

    /// Adds and takes back; what is taken back was there before, or comes in the same batch.
    fn put(&mut self, columns: &Columns<'_>, kinds: Option<&[RowKind]>, groups: &[u32]) -> Result<(), ArrowError> {
        let count = self.groups.len();
        let Some(kinds) = kinds else { return self.groups.update_groups(columns, None, groups, count) };
        let split = |is_wanted: fn(RowKind) -> bool| -> (Vec<u32>, Vec<u32>) {
            let rows = kinds.iter().zip(groups).enumerate().filter(|(_, (kind, _))| is_wanted(**kind));
            rows.map(|(row, (_, group))| (row as u32, *group)).unzip()
        };
        let (added, added_groups) = split(RowKind::leaves_a_row);
        let (taken, taken_groups) = split(|kind| !kind.leaves_a_row());
        self.groups.update_groups(columns, Some(&added), &added_groups, count)?;
        if taken.is_empty() {
            return Ok(());
        }
        self.groups.retract_groups(columns, &taken, &taken_groups)
    }

    /// Groups' changes: a new group is an insert, a changed result a pair, an unchanged one nothing, an empty one a delete.
    fn changes(
        &mut self,
        touched: &[u32],
        known: u32,
        old: &[ArrayRef],
        old_counts: &RowCounts,
    ) -> Result<Option<Rows>, ArrowError> {
        let new = self.evaluate(touched)?;
        let new_counts = self.row_counts(touched)?;
        // the first column that differs decides; mostly that is a count, in front
        let compare = old.iter().zip(&new).map(|(old, new)| make_comparator(old, new, SortOptions::default()));
        let compare = compare.collect::<Result<Vec<_>, _>>()?;
        // (which of the two, its row)
        let mut sources = Vec::new();
        let mut kinds = Vec::new();
        let mut groups = Vec::new();
        for (row, group) in touched.iter().enumerate() {
            let was_there = old_counts.has_rows(row, *group < known);
            match (was_there, new_counts.has_rows(row, true)) {
                (false, false) => {
                    self.empty_groups += usize::from(*group >= known);
                    continue;
                }
                (false, true) => {
                    self.empty_groups -= usize::from(*group < known);
                    sources.push((NEW, row));
                    kinds.push(RowKind::Insert);
                    groups.push(*group);
                }
                (true, false) => {
                    self.empty_groups += 1;
                    sources.push((OLD, row));
                    kinds.push(RowKind::Delete);
                    groups.push(*group);
                }
                (true, true) if compare.iter().all(|compare| compare(row, row).is_eq()) => continue,
                (true, true) => {
                    if self.tells_before {
                        sources.push((OLD, row));
                        kinds.push(RowKind::UpdateBefore);
                        groups.push(*group);
                    }
                    sources.push((NEW, row));
                    kinds.push(RowKind::UpdateAfter);
                    groups.push(*group);
                }
            }
        }
        if kinds.is_empty() {
            return Ok(None);
        }
        let mut columns = self.layout.codec.decode(&self.groups.table, &groups)?;
        if sources.iter().copied().eq((0..touched.len()).map(|row| (NEW, row))) {
            columns.extend(new);
        } else {
            for (old, new) in old.iter().zip(&new) {
                columns.push(interleave(&[old.as_ref(), new.as_ref()], &sources)?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(kinds.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Some(Rows::changes(batch, kinds)))
    }

    fn groups_with_rows(&self) -> Result<Vec<u32>, ArrowError> {
        let mut groups = self.groups.all();
        let counts = self.row_counts(&groups)?;
        let mut index = 0..groups.len();
        groups.retain(|_| index.next().is_some_and(|index| counts.has_rows(index, true)));
        Ok(groups)
    }

    /// Keys come and go: those that have gone must not fill the memory.
    fn forget_empty_groups(&mut self) -> Result<(), ArrowError> {
        if self.empty_groups < EMPTY_GROUPS_MAX || self.empty_groups * 2 < self.groups.len() {
            return Ok(());
        }
        let mut kept = self.layout.groups()?;
        kept.merge_some(&self.groups, &self.groups_with_rows()?)?;
        (self.groups, self.empty_groups) = (kept, 0);
        Ok(())
    }
}

fn row_count() -> AggregateCall {
    AggregateCall {
        function: AggregateFunction::Count,
        argument: None,
        filter: None,
        is_distinct: false,
        data_type: DataType::Int64,
    }
}

/// Neighbours of which no two are of one group.
fn runs(keys: &EncodedKeys, rows: usize) -> Vec<Range<usize>> {
    let (mut runs, mut start, mut seen) = (Vec::new(), 0, HashSet::new());
    for row in 0..rows {
        if !seen.insert(keys.key(row)) {
            runs.push(start..row);
            start = row;
            seen.clear();
            seen.insert(keys.key(row));
        }
    }
    runs.push(start..rows);
    runs
}

impl AggregateStage {
    /// Takes rows in and tells one change for each group.
    fn step(&mut self, rows: &Rows) -> Result<Option<Rows>, ArrowError> {
        let columns = self.layout.read(&rows.batch)?;
        let known = self.groups.len() as u32;
        let groups = self.groups.table.intern_rows(&columns.keys, rows.len(), None);
        let count = self.groups.len();
        let mut is_touched = vec![false; count];
        // in the order of their last rows, as if each had been told when it came
        let newest_first = groups.iter().rev().copied();
        let mut touched: Vec<u32> =
            newest_first.filter(|group| !std::mem::replace(&mut is_touched[*group as usize], true)).collect();
        touched.reverse();
        self.groups.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(count));
        let (old, old_counts) = (self.evaluate(&touched)?, self.row_counts(&touched)?);
        self.put(&columns, rows.kinds.as_deref(), &groups)?;
        let changes = self.changes(&touched, known, &old, &old_counts)?;
        self.forget_empty_groups()?;
        Ok(changes)
    }
}

impl Stage for AggregateStage {
    fn rows(&mut self, rows: &Rows, _: i64, _: &mut Late) -> Result<Option<Rows>, ArrowError> {
        if !self.tells_each_change {
            return self.step(rows);
        }
        let columns = self.layout.read(&rows.batch)?;
        let (mut batches, mut kinds) = (Vec::new(), Vec::new());
        for run in runs(&columns.keys, rows.len()) {
            let Some(changes) = self.step(&rows.slice(run))? else { continue };
            kinds.extend(changes.kinds.unwrap_or_else(|| vec![RowKind::Insert; changes.batch.num_rows()]));
            batches.push(changes.batch);
        }
        if batches.is_empty() {
            return Ok(None);
        }
        let batch = concat_batches(&self.schema, &batches)?;
        Ok(Some(Rows::changes(batch, kinds)))
    }

    fn advance(&mut self, _: i64) -> Result<Vec<Rows>, ArrowError> {
        Ok(Vec::new())
    }

    fn watermark(&self) -> i64 {
        WATERMARK_MIN
    }

    fn usage(&self) -> Usage {
        Usage { groups: self.groups.len() - self.empty_groups, bytes: self.groups.bytes() }
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let nowhere = Span { start: 0, end: 0 };
        Ok(vec![self.groups.snapshot(&self.layout, &self.groups_with_rows()?, |_| nowhere)?])
    }

    fn restore(&mut self, _: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in snapshot {
            let (_, keys) = spans_and_keys(&self.layout, batch)?;
            let groups = self.groups.table.intern_rows(&keys, batch.num_rows(), None);
            let count = self.groups.len();
            self.groups.restore(batch, &groups, count, self.layout.keys.len())?;
        }
        Ok(())
    }
}
