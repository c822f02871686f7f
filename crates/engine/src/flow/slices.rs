//! Aggregates of spans of time: for each slice or window its groups and their accumulators.
//!
//! In: rows with the spans that they are in. Out: the groups of spans, as columns. State: all of it; a worker has one of its
//! own for each window node, so that rows are aggregated without a lock that another worker waits for.

use super::accumulator::{Accumulator, Input, accumulator, state_field};
use super::groups::{EncodedKeys, GroupTable, KeyCodec};
use super::window::Span;
use crate::graph::{AggregateCall, ColumnId};
use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// What an aggregate reads and keeps, the same for all its spans.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) keys: Vec<ColumnId>,
    pub(crate) codec: KeyCodec,
    calls: Vec<AggregateCall>,
    arguments: Vec<Option<DataType>>,
    /// True if its input takes rows back.
    retracts: bool,
    /// Of a snapshot: the span, the keys, the accumulators' states.
    pub(crate) state_schema: SchemaRef,
}

impl Layout {
    /// Fails on a call that has no accumulator.
    pub(crate) fn new(
        input: &Schema,
        keys: &[ColumnId],
        calls: &[AggregateCall],
        retracts: bool,
    ) -> Result<Layout, ArrowError> {
        let type_of = |column: &ColumnId| input.field(*column).data_type().clone();
        let key_types: Vec<DataType> = keys.iter().map(type_of).collect();
        let arguments: Vec<_> = calls.iter().map(|call| call.argument.as_ref().map(type_of)).collect();
        let mut fields =
            vec![Field::new("span_start", DataType::Int64, false), Field::new("span_end", DataType::Int64, false)];
        fields.extend(key_types.iter().enumerate().map(|(n, key)| state_field(format!("key_{n}"), key.clone())));
        for (call, (n, argument)) in calls.iter().zip(arguments.iter().enumerate()) {
            let types = accumulator(call, argument.as_ref(), retracts)?.state_types();
            fields.extend(types.into_iter().enumerate().map(|(m, state)| state_field(format!("call_{n}_{m}"), state)));
        }
        Ok(Layout {
            keys: keys.to_vec(),
            codec: KeyCodec::new(&key_types)?,
            calls: calls.to_vec(),
            arguments,
            retracts,
            state_schema: Arc::new(Schema::new(fields)),
        })
    }

    pub(crate) fn groups(&self) -> Result<Groups, ArrowError> {
        let calls = self.calls.iter().zip(&self.arguments);
        let accumulators = calls.map(|(call, argument)| accumulator(call, argument.as_ref(), self.retracts));
        Ok(Groups { table: GroupTable::default(), accumulators: accumulators.collect::<Result<_, _>>()? })
    }

    /// The columns of a batch that the calls read.
    pub(crate) fn read<'a>(&self, batch: &'a RecordBatch) -> Result<Columns<'a>, ArrowError> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|key| Arc::clone(batch.column(*key))).collect();
        let calls = self.calls.iter().map(|call| {
            let values = call.argument.map(|column| batch.column(column));
            (values, call.filter.map(|column| batch.column(column).as_boolean()))
        });
        Ok(Columns { rows: batch.num_rows(), keys: self.codec.encode(&keys)?, calls: calls.collect() })
    }
}

/// What a batch gives to an aggregate: keys as bytes, and of each call the argument and the filter.
pub(crate) struct Columns<'a> {
    pub(crate) rows: usize,
    pub(crate) keys: EncodedKeys,
    calls: Vec<(Option<&'a ArrayRef>, Option<&'a BooleanArray>)>,
}

/// Groups and their accumulators.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) table: GroupTable,
    pub(crate) accumulators: Vec<Box<dyn Accumulator>>,
}

impl Groups {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Adds some rows (all if None) and returns their groups.
    pub(crate) fn update(&mut self, columns: &Columns<'_>, rows: Option<&[u32]>) -> Result<Vec<u32>, ArrowError> {
        let groups = self.table.intern_rows(&columns.keys, columns.rows, rows);
        self.update_groups(columns, rows, &groups, self.table.len())?;
        Ok(groups)
    }

    /// Adds rows whose groups are known; there are `count` groups.
    pub(crate) fn update_groups(
        &mut self,
        columns: &Columns<'_>,
        rows: Option<&[u32]>,
        groups: &[u32],
        count: usize,
    ) -> Result<(), ArrowError> {
        for (accumulator, (values, filter)) in self.accumulators.iter_mut().zip(&columns.calls) {
            accumulator.resize(count);
            accumulator.update(Input { values: *values, filter: *filter, rows, groups })?;
        }
        Ok(())
    }

    /// Takes back rows whose groups are known.
    pub(crate) fn retract_groups(
        &mut self,
        columns: &Columns<'_>,
        rows: &[u32],
        groups: &[u32],
    ) -> Result<(), ArrowError> {
        for (accumulator, (values, filter)) in self.accumulators.iter_mut().zip(&columns.calls) {
            accumulator.retract(Input { values: *values, filter: *filter, rows: Some(rows), groups })?;
        }
        Ok(())
    }

    /// Takes in all groups of another one.
    pub(crate) fn merge(&mut self, other: &Groups) -> Result<(), ArrowError> {
        self.merge_some(other, &other.all())
    }

    /// Takes in some groups of another one.
    pub(crate) fn merge_some(&mut self, other: &Groups, wanted: &[u32]) -> Result<(), ArrowError> {
        let groups: Vec<u32> = wanted.iter().map(|group| self.table.intern(other.table.key(*group))).collect();
        for (accumulator, state) in self.accumulators.iter_mut().zip(&other.accumulators) {
            accumulator.resize(self.table.len());
            accumulator.merge(&state.state(wanted)?, &groups)?;
        }
        Ok(())
    }

    pub(crate) fn all(&self) -> Vec<u32> {
        (0..self.len() as u32).collect()
    }

    pub(crate) fn evaluate(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.accumulators.iter().map(|accumulator| accumulator.evaluate(groups)).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes() + self.accumulators.iter().map(|accumulator| accumulator.bytes()).sum::<usize>()
    }

    /// A snapshot of some groups; `spans` are theirs.
    pub(crate) fn snapshot(
        &self,
        layout: &Layout,
        groups: &[u32],
        span: impl Fn(u32) -> Span,
    ) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| span(*group).start))),
            Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| span(*group).end))),
        ];
        columns.extend(layout.codec.decode(&self.table, groups)?);
        for accumulator in &self.accumulators {
            columns.extend(accumulator.state(groups)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(groups.len()));
        RecordBatch::try_new_with_options(Arc::clone(&layout.state_schema), columns, &options)
    }

    /// Takes in rows of a snapshot whose groups are known; there are `count` groups.
    pub(crate) fn restore(
        &mut self,
        snapshot: &RecordBatch,
        groups: &[u32],
        count: usize,
        keys: usize,
    ) -> Result<(), ArrowError> {
        let mut next = 2 + keys;
        for accumulator in &mut self.accumulators {
            let width = accumulator.state_types().len();
            accumulator.resize(count);
            accumulator.merge(&snapshot.columns()[next..next + width], groups)?;
            next += width;
        }
        Ok(())
    }
}

/// The spans of a snapshot's rows, and their keys as bytes.
pub(crate) fn spans_and_keys(layout: &Layout, snapshot: &RecordBatch) -> Result<(Vec<Span>, EncodedKeys), ArrowError> {
    let starts = snapshot.column(0).as_primitive::<Int64Type>().values();
    let ends = snapshot.column(1).as_primitive::<Int64Type>().values();
    let spans = starts.iter().zip(ends).map(|(start, end)| Span { start: *start, end: *end }).collect();
    Ok((spans, layout.codec.encode(&snapshot.columns()[2..2 + layout.keys.len()])?))
}

/// Groups by span, those that end first in front.
#[derive(Debug, Default)]
pub(crate) struct Slices(BTreeMap<Span, Groups>);

impl Slices {
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        self.0.keys().copied()
    }

    /// The groups of the spans that end after `window` starts, and not after it ends.
    pub(crate) fn within(&self, window: Span) -> impl Iterator<Item = &Groups> {
        let after = Span { end: window.start + 1, start: i64::MIN };
        self.0.range(after..=Span { end: window.end, start: i64::MAX }).map(|(_, groups)| groups)
    }

    pub(crate) fn get(&self, span: Span) -> Option<&Groups> {
        self.0.get(&span)
    }

    /// The first end of a span after this time.
    pub(crate) fn end_after(&self, time: i64) -> Option<i64> {
        self.0.range(Span { end: time + 1, start: i64::MIN }..).next().map(|(span, _)| span.end)
    }

    /// Adds some rows (all if None) to one span.
    pub(crate) fn update(
        &mut self,
        layout: &Layout,
        span: Span,
        columns: &Columns<'_>,
        rows: Option<&[u32]>,
    ) -> Result<(), ArrowError> {
        self.at(layout, span)?.update(columns, rows).map(drop)
    }

    /// Takes in another's groups of a span.
    pub(crate) fn merge(&mut self, span: Span, groups: Groups) -> Result<(), ArrowError> {
        match self.0.entry(span) {
            Entry::Vacant(place) => drop(place.insert(groups)),
            Entry::Occupied(mut held) => held.get_mut().merge(&groups)?,
        }
        Ok(())
    }

    /// Takes out spans from the first on, as long as they satisfy a condition.
    pub(crate) fn drain_while(&mut self, is_wanted: impl Fn(Span) -> bool) -> Vec<(Span, Groups)> {
        let mut drained = Vec::new();
        while let Some(first) = self.0.first_entry().filter(|first| is_wanted(*first.key())) {
            drained.push(first.remove_entry());
        }
        drained
    }

    pub(crate) fn groups(&self) -> usize {
        self.0.values().map(Groups::len).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.values().map(Groups::bytes).sum()
    }

    /// All groups with their spans; None if there are none.
    pub(crate) fn snapshot(&self, layout: &Layout) -> Result<Option<RecordBatch>, ArrowError> {
        let batches = self.0.iter().map(|(span, groups)| groups.snapshot(layout, &groups.all(), |_| *span));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        if batches.is_empty() { Ok(None) } else { concat_batches(&layout.state_schema, &batches).map(Some) }
    }

    /// Takes in a snapshot.
    pub(crate) fn restore(&mut self, layout: &Layout, snapshot: &RecordBatch) -> Result<(), ArrowError> {
        let (spans, keys) = spans_and_keys(layout, snapshot)?;
        let mut first = 0;
        for run in spans.chunk_by(|one, other| one == other) {
            let held = self.at(layout, run[0])?;
            let rows: Vec<u32> = (first..first + run.len()).map(|row| row as u32).collect();
            let groups = held.table.intern_rows(&keys, run.len(), Some(&rows));
            let count = held.table.len();
            held.restore(&snapshot.slice(first, run.len()), &groups, count, layout.keys.len())?;
            first += run.len();
        }
        Ok(())
    }

    fn at(&mut self, layout: &Layout, span: Span) -> Result<&mut Groups, ArrowError> {
        Ok(match self.0.entry(span) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => place.insert(layout.groups()?),
        })
    }
}
