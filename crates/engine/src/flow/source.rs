//! A topic on its way in: workers that each own some of its partitions, and the watermark that they make together.
//!
//! A worker fetches a piece of a partition, decodes it once for all statements, computes the declared columns, gives the rows
//! to the graph, and then says how far the partition's event time is: never before the rows are where they belong.

use super::outbox::partitions_of;
use super::rows::Rows;
use super::run::{Records, Step, Unfinished, record_letter};
use super::watermark::{Combined, Progress, WATERMARK_MAX, WATERMARK_MIN, is_idle};
use super::window::TIME_MAX_MS;
use super::window_aggregate::milliseconds;
use super::{Flow, FlowOptions, calc, lock};
use crate::checkpoint::recover::{self, Available};
use crate::checkpoint::{Offsets, SourceState};
use crate::dead_letter::DeadLetter;
use crate::decode::JsonDecoder;
use crate::error::EngineError;
use crate::graph::{self, Node, NodeId, NodeKind, SourceColumn};
use crate::stats::SourceStats;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMillisecondArray,
};
use hoga_log::{Log, StoredRecord};
use hoga_model::time::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// Workers are more than threads, so that threads share the partitions evenly: two threads and three partitions, say.
const WORKERS_PER_THREAD: usize = 2;

pub struct SourceRuntime {
    pub name: String,
    pub topic: String,
    pub(super) node: NodeId,
    pub(super) workers: Vec<Worker>,
    /// By the index of the partition.
    pub(super) progress: Mutex<Combined>,
    /// Partitions by index.
    pub(super) partitions: Vec<u32>,
    pub stats: SourceStats,
    /// The ends of the partitions when the source was opened.
    replay_end: Offsets,
    /// Where a bounded source ends.
    pub(super) bounds: Option<Offsets>,
    idle_timeout_ms: Option<u64>,
}

pub(super) struct Worker {
    /// Counted over all sources.
    id: usize,
    pub(super) own: Mutex<Reading>,
}

/// What a worker keeps of its partitions.
pub(super) struct Reading {
    pub(super) partitions: Vec<Partition>,
    decoder: JsonDecoder,
}

pub(super) struct Partition {
    pub(super) partition: u32,
    /// Into the source's progress.
    index: usize,
    /// The next to read.
    pub(super) offset: i64,
    /// When the last record came, or the source was opened, by the machine's time.
    active_ms: i64,
}

/// How far a partition has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    pub partition: u32,
    pub offset: i64,
    pub end: i64,
    /// None before the first row.
    pub watermark_ms: Option<i64>,
    pub is_idle: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    pub name: String,
    pub topic: String,
    pub partitions: Vec<PartitionStatus>,
    pub watermark_ms: Option<i64>,
    /// The partition that the watermark waits for; None without event time.
    pub held_by: Option<u32>,
    pub lag_records: u64,
}

impl SourceRuntime {
    #[expect(clippy::too_many_arguments, reason = "one place makes it, of what the flow is made of")]
    pub(super) fn open(
        id: NodeId,
        node: &Node,
        source: &graph::Source,
        log: &dyn Log,
        clock: &dyn Clock,
        saved: Option<&SourceState>,
        options: &FlowOptions,
        first_worker: usize,
        known_fields: Option<Arc<BTreeSet<String>>>,
    ) -> Result<SourceRuntime, EngineError> {
        let mut available = BTreeMap::new();
        for partition in 0..partitions_of(log, &source.topic) {
            let offsets = log.offsets(&source.topic, partition)?;
            available.insert(partition, Available { start: offsets.start, end: offsets.end });
        }
        let resume = recover::resume(&node.name, &source.topic, saved, source.startup, &available)?;
        for (partition, first, last) in &resume.missed {
            tracing::error!(
                source = node.name,
                partition,
                first,
                last,
                "retention deleted records before they were read"
            );
        }
        let ends: Offsets = available.iter().map(|(partition, found)| (*partition, found.end)).collect();
        let saved = saved.filter(|saved| saved.topic == source.topic);
        let mut found = ends.clone();
        found.extend(options.input_ends.get(&source.topic).cloned().unwrap_or_default());
        let bounds = saved.and_then(|saved| saved.bounds.clone()).or(Some(found)).filter(|_| source.is_bounded);
        let partitions: Vec<u32> = resume.offsets.keys().copied().collect();
        let mut progress = Combined::new(partitions.len().max(1));
        progress.restore(saved.and_then(|saved| saved.watermark).unwrap_or(WATERMARK_MIN));
        for (index, partition) in partitions.iter().enumerate() {
            if let Some(watermark) = saved.and_then(|saved| saved.watermarks.get(partition)) {
                progress.raise(index, *watermark);
            }
        }
        let idle_timeout_ms = source.watermark.and_then(|watermark| watermark.idle_timeout_ms);
        let workers = options.parallelism.max(1).saturating_mul(WORKERS_PER_THREAD).min(partitions.len().max(1));
        let silent = options.silent.get(&source.topic);
        let now_ms = clock.now_ms();
        let worker = |worker: usize| {
            let own = partitions.iter().enumerate().filter(|(_, partition)| **partition as usize % workers == worker);
            let own = own.map(|(index, partition)| {
                let offset = resume.offsets.get(partition).copied().unwrap_or(0);
                // an empty partition is awaited for the time-out like any other: somebody may just have created it
                let active_ms = if silent.is_some_and(|silent| silent.contains(partition)) { i64::MIN } else { now_ms };
                Partition { partition: *partition, index, offset, active_ms }
            });
            let decoder = JsonDecoder::new(Arc::clone(&source.decoded), known_fields.clone())?;
            let reading = Reading { partitions: own.collect(), decoder };
            Ok(Worker { id: first_worker + worker, own: Mutex::new(reading) })
        };
        Ok(SourceRuntime {
            name: node.name.clone(),
            topic: source.topic.clone(),
            node: id,
            workers: (0..workers).map(worker).collect::<Result<_, EngineError>>()?,
            progress: Mutex::new(progress),
            partitions,
            stats: SourceStats::default(),
            replay_end: ends,
            bounds,
            idle_timeout_ms,
        })
    }

    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn worker_ids(&self) -> impl Iterator<Item = usize> {
        self.workers.iter().map(|worker| worker.id)
    }

    pub fn offsets(&self) -> Offsets {
        let mut offsets = Offsets::new();
        for worker in &self.workers {
            offsets.extend(lock(&worker.own).partitions.iter().map(|own| (own.partition, own.offset)));
        }
        offsets
    }

    /// True until the records are read that were in the log when the source was opened.
    pub fn is_replaying(&self) -> bool {
        let offsets = self.offsets();
        self.replay_end.iter().any(|(partition, end)| offsets.get(partition).is_some_and(|offset| offset < end))
    }

    /// True for a bounded source that has been read, whose last windows are closed.
    pub fn is_finished(&self) -> bool {
        self.bounds.is_some() && (lock(&self.progress).current() == WATERMARK_MAX || self.partitions.is_empty())
    }

    pub fn status(&self, log: &dyn Log) -> Result<SourceStatus, EngineError> {
        let offsets = self.offsets();
        let progress = lock(&self.progress).clone();
        let known = |watermark: i64| (watermark > WATERMARK_MIN).then_some(watermark);
        let mut partitions = Vec::new();
        for (index, partition) in self.partitions.iter().enumerate() {
            let offset = offsets.get(partition).copied().unwrap_or(0);
            partitions.push(PartitionStatus {
                partition: *partition,
                offset,
                end: log.offsets(&self.topic, *partition)?.end,
                watermark_ms: known(progress.watermark(index)),
                is_idle: progress.is_idle(index),
            });
        }
        let lag = |status: &PartitionStatus| u64::try_from(status.end - status.offset).unwrap_or(0);
        Ok(SourceStatus {
            name: self.name.clone(),
            topic: self.topic.clone(),
            lag_records: partitions.iter().map(lag).sum(),
            watermark_ms: known(progress.current()),
            held_by: progress.holder().and_then(|index| self.partitions.get(index).copied()),
            partitions,
        })
    }

    pub(super) fn bound(&self, partition: u32) -> i64 {
        self.bounds.as_ref().and_then(|bounds| bounds.get(&partition)).copied().unwrap_or(i64::MAX)
    }
}

impl Flow {
    /// One worker reads once from each of its partitions that has something. Returns the number of records read: 0 means
    /// caught up.
    ///
    /// What the rows did and the offsets that cover them change under one lock: a checkpoint sees both or neither. On an error
    /// before anything was done the same step can be made again; on one after it the flow is broken.
    pub fn step(&self, source: usize, worker: usize) -> Result<usize, EngineError> {
        self.step_of(source, worker, lock(&self.sources[source].workers[worker].own))
    }

    /// The same, unless another thread is in this worker.
    pub fn try_step(&self, source: usize, worker: usize) -> Result<Option<usize>, EngineError> {
        let reading = match self.sources[source].workers[worker].own.try_lock() {
            Ok(reading) => reading,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        self.step_of(source, worker, reading).map(Some)
    }

    fn step_of(
        &self,
        source: usize,
        worker: usize,
        mut reading: MutexGuard<'_, Reading>,
    ) -> Result<usize, EngineError> {
        let runtime = &self.sources[source];
        let worker = &runtime.workers[worker];
        if let Some(reason) = self.broken() {
            return Err(EngineError::Broken(reason.to_owned()));
        }
        self.check_state(source)?;
        let now_ms = self.clock.now_ms();
        let Reading { partitions, decoder } = &mut *reading;
        let mut records = 0;
        for partition in partitions {
            records += self.step_partition(runtime, worker.id, partition, decoder, now_ms)?;
        }
        let unfinished = Unfinished::begin(self);
        unfinished.end(self.tick(source, now_ms))?;
        Ok(records)
    }

    fn step_partition(
        &self,
        source: &SourceRuntime,
        worker: usize,
        own: &mut Partition,
        decoder: &mut JsonDecoder,
        now_ms: i64,
    ) -> Result<usize, EngineError> {
        let bound = source.bound(own.partition);
        // not by the end that the log knows: a cluster's may be a second old, and a fetch finds what came since
        let fetched = match own.offset < bound {
            true => Some(self.log.fetch(&source.topic, own.partition, own.offset, self.options.fetch_bytes)?),
            false => None,
        };
        let Some(mut fetched) = fetched.filter(|fetched| fetched.next_offset > own.offset) else {
            let unfinished = Unfinished::begin(self);
            unfinished.end(self.rest(source, own, bound, now_ms))?;
            return Ok(0);
        };
        if let Some(damaged) = &fetched.damaged {
            let lost = damaged.last_offset - damaged.first_offset + 1;
            source.stats.damaged.add(lost.unsigned_abs());
            tracing::error!(source = source.name, %damaged, "records of the log are damaged and were skipped");
        }
        fetched.records.retain(|stored| stored.offset < bound);
        let next = fetched.next_offset.min(bound);
        let records = Records { topic: &source.topic, partition: own.partition, stored: &fetched.records };
        let (rows, letters) = self.decode(source, decoder, records)?;
        let unfinished = Unfinished::begin(self);
        let step = Step { worker: Some(worker), records: Some(records), now_ms };
        unfinished.end(self.run_batch(source, own, step, rows, letters, next))?;
        if next >= bound {
            // the last window closes in this step
            let unfinished = Unfinished::begin(self);
            unfinished.end(self.rest(source, own, bound, now_ms))?;
        }
        self.count(source, &fetched.records);
        Ok(fetched.records.len())
    }

    /// The rows of some records, with the declared columns, and the letters for those that are none. Nothing happens yet.
    fn decode(
        &self,
        source: &SourceRuntime,
        decoder: &mut JsonDecoder,
        records: Records<'_>,
    ) -> Result<(Rows, Vec<DeadLetter>), EngineError> {
        let node = &self.nodes[source.node].node;
        let NodeKind::Source(spec) = &node.kind else { return Err(EngineError::Graph(node.name.clone())) };
        let stage = super::run::stage_name(&node.name);
        let letter =
            |record: usize, reason: String| record_letter(records, &records.stored[record], stage.clone(), reason);
        let mut letters = Vec::new();
        let mut origins = Vec::with_capacity(records.stored.len());
        for (index, stored) in records.stored.iter().enumerate() {
            match decoder.push(&stored.record.value) {
                Ok(()) => origins.push(index as u32),
                Err(error) => letters.push(letter(index, error.to_string())),
            }
        }
        source.note_unknown(decoder.take_unknown());
        let raw = raw_batch(spec, decoder.finish()?, records, &origins)?;
        let rows = Rows { batch: raw, kinds: None, origins: Some(origins) };
        let applied = calc::apply(&spec.computed, &node.schema, rows.clone())?;
        let origin = |rows: &Rows, row: usize| rows.origins.as_ref().map_or(0, |origins| origins[row] as usize);
        letters.extend(applied.failed.into_iter().map(|(row, reason)| letter(origin(&rows, row), reason)));
        let mut rows = applied.rows;
        if let Some(watermark) = spec.watermark
            && let Some(is_good) = good_times(rows.batch.column(watermark.column))?
        {
            let name = node.schema.field(watermark.column).name();
            for row in (0..rows.len()).filter(|row| !is_good.value(*row)) {
                letters.push(letter(origin(&rows, row), format!("the rowtime \"{name}\" is NULL or out of range")));
            }
            rows = rows.filter(&is_good)?;
        }
        letters.sort_by_key(|letter| letter.source.as_ref().map(|place| place.offset));
        Ok((rows, letters))
    }

    fn run_batch(
        &self,
        source: &SourceRuntime,
        own: &mut Partition,
        step: Step<'_>,
        rows: Rows,
        letters: Vec<DeadLetter>,
        next: i64,
    ) -> Result<(), EngineError> {
        self.write_letters(source.node, letters)?;
        let NodeKind::Source(spec) = &self.nodes[source.node].node.kind else { return Ok(()) };
        let Some(watermark) = spec.watermark else {
            self.forward(step, source.node, rows)?;
            own.offset = next;
            own.active_ms = step.now_ms;
            return self.wake(source, own.index, step);
        };
        let before = lock(&source.progress).watermark(own.index);
        let times = milliseconds(rows.batch.column(watermark.column))?.clone();
        for piece in pieces(times.values(), before, watermark.delay_ms) {
            self.forward(step, source.node, rows.slice(piece.rows))?;
            self.raise(source, own.index, piece.watermark, step)?;
        }
        own.offset = next;
        own.active_ms = step.now_ms;
        Ok(())
    }

    /// A partition without records: it may be idle, or a bounded one at its end.
    fn rest(&self, source: &SourceRuntime, own: &Partition, bound: i64, now_ms: i64) -> Result<(), EngineError> {
        let step = Step { worker: None, records: None, now_ms };
        if own.offset >= bound {
            return self.raise(source, own.index, WATERMARK_MAX, step);
        }
        if !is_idle(source.idle_timeout_ms, true, now_ms.saturating_sub(own.active_ms)) {
            return Ok(());
        }
        let mut progress = lock(&source.progress);
        if progress.is_idle(own.index) {
            return Ok(());
        }
        progress.set_idle(own.index, true);
        let told = match progress.advance() {
            Some(watermark) => Some(Progress::Watermark(watermark)),
            None => progress.is_all_idle().then_some(Progress::Idle),
        };
        drop(progress);
        told.map_or(Ok(()), |told| self.forward_progress(step, source.node, told))
    }

    fn raise(
        &self,
        source: &SourceRuntime,
        partition: usize,
        watermark: i64,
        step: Step<'_>,
    ) -> Result<(), EngineError> {
        let mut progress = lock(&source.progress);
        let was_idle = progress.is_all_idle();
        progress.raise(partition, watermark);
        let told = progress.advance().or(was_idle.then_some(progress.current()));
        drop(progress);
        // the rows of other partitions are of other workers: nobody's partial windows are meant
        told.map_or(Ok(()), |watermark| self.forward_progress(step, source.node, Progress::Watermark(watermark)))
    }

    /// Records came that said nothing of time.
    fn wake(&self, source: &SourceRuntime, partition: usize, step: Step<'_>) -> Result<(), EngineError> {
        self.raise(source, partition, WATERMARK_MIN, step)
    }

    fn count(&self, source: &SourceRuntime, records: &[StoredRecord]) {
        source.stats.records_in.add(records.len() as u64);
        let now_ms = self.clock.now_ms();
        source.stats.visible_after.record_all(records.iter().map(|stored| now_ms - stored.record.timestamp_ms));
    }
}

/// Rows that go through the flow together, and the partition's watermark after them.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    rows: Range<usize>,
    watermark: i64,
}

/// Cuts a batch in front of every row that the watermark of the rows before it has passed: whether it is late is then
/// decided as if rows came one by one, wherever batches begin. Rows in order make one piece.
fn pieces(times: &[i64], before: i64, delay_ms: i64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut told, mut watermark) = (0, before, before);
    for (row, time) in times.iter().enumerate() {
        if *time <= watermark && watermark > told {
            pieces.push(Piece { rows: start..row, watermark });
            (start, told) = (row, watermark);
        }
        watermark = watermark.max(time.saturating_sub(delay_ms).saturating_sub(1));
    }
    pieces.push(Piece { rows: start..times.len(), watermark });
    pieces
}

/// Which rowtimes can be used; None if all can.
fn good_times(times: &ArrayRef) -> Result<Option<BooleanArray>, EngineError> {
    let times = milliseconds(times)?;
    let is_good = |time: i64| (-TIME_MAX_MS..=TIME_MAX_MS).contains(&time);
    if times.null_count() == 0 && times.values().iter().all(|time| is_good(*time)) {
        return Ok(None);
    }
    Ok(Some((0..times.len()).map(|row| Some(times.is_valid(row) && is_good(times.value(row)))).collect()))
}

/// The decoded fields and the metadata columns in the order that the computed columns expect.
fn raw_batch(
    source: &graph::Source,
    decoded: RecordBatch,
    records: Records<'_>,
    origins: &[u32],
) -> Result<RecordBatch, EngineError> {
    let rows = origins.len();
    let stored = || origins.iter().map(|origin| &records.stored[*origin as usize]);
    let columns = source.raw_columns.iter().map(|column| -> ArrayRef {
        match column {
            SourceColumn::Field(index) => Arc::clone(decoded.column(*index)),
            SourceColumn::Timestamp => Arc::new(
                TimestampMillisecondArray::from_iter_values(stored().map(|stored| stored.record.timestamp_ms))
                    .with_timezone(crate::types::UTC),
            ),
            SourceColumn::Offset => Arc::new(Int64Array::from_iter_values(stored().map(|stored| stored.offset))),
            SourceColumn::Partition => Arc::new(Int32Array::from_value(records.partition as i32, rows)),
            SourceColumn::Topic => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(records.topic, rows))),
        }
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(&source.raw_schema), columns.collect(), &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_where_a_row_may_be_late() {
        let cut = |times: &[i64], before| {
            let found = pieces(times, before, 5);
            found.into_iter().map(|piece| (piece.rows.start, piece.rows.end, piece.watermark)).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[10, 12, 11, 20], WATERMARK_MIN), [(0, 4, 14)], "out of order within the delay");
        assert_eq!(cut(&[10, 20, 14, 13, 30], WATERMARK_MIN), [(0, 2, 14), (2, 5, 24)]);
        assert_eq!(cut(&[3, 4], 14), [(0, 2, 14)], "the watermark before the batch is known to all");
        assert_eq!(cut(&[30, 3, 60, 3], 14), [(0, 1, 24), (1, 3, 54), (3, 4, 54)]);
        assert_eq!(cut(&[], 7), [(0, 0, 7)]);
    }
}
