//! A job: one `INSERT INTO … SELECT`, from a topic into a table.
//!
//! In: records of its topic. Out: rows in the live tail of its table, dead letters. State: the next offset of each
//! partition and, after a restart, how far dead letters were written already. Not here: when a checkpoint is taken.

use crate::checkpoint::Offsets;
use crate::dead_letter::{DeadLetter, Place};
use crate::decode::JsonDecoder;
use crate::error::EngineError;
use crate::operators;
use crate::plan::{JobPlan, SourceColumn};
use crate::stats::JobStats;
use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray,
};
use hoga_lake::{LiveTable, Sealed};
use hoga_log::{Log, StoredRecord};
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one step reads of a partition: enough to be worth a batch, little enough to keep rows coming.
const FETCH_BYTES: usize = 1 << 20;

pub struct Job {
    pub plan: JobPlan,
    pub table: Arc<LiveTable>,
    pub stats: JobStats,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    progress: Mutex<Progress>,
    /// The ends of the partitions when the job was opened.
    replay_end: Offsets,
}

struct Progress {
    offsets: Offsets,
    decoder: JsonDecoder,
    /// Letters up to these source offsets are in the dead-letter topic.
    letters_written: Offsets,
}

/// A consistent point of a job: all rows before the offsets are in `sealed` or were committed earlier.
pub struct Captured {
    pub offsets: Offsets,
    pub letters: Offsets,
    pub sealed: Sealed,
}

impl Job {
    pub fn new(
        plan: JobPlan,
        table: Arc<LiveTable>,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        offsets: Offsets,
        letters_written: Offsets,
    ) -> Result<Job, EngineError> {
        let decoder = JsonDecoder::new(Arc::clone(&plan.decoded))?;
        let mut replay_end = Offsets::new();
        for partition in offsets.keys() {
            replay_end.insert(*partition, log.offsets(&plan.topic, *partition)?.end);
        }
        let progress = Mutex::new(Progress { offsets, decoder, letters_written });
        Ok(Job { plan, table, stats: JobStats::default(), log, clock, progress, replay_end })
    }

    /// Reads once from every partition that has something. Returns the number of records read: 0 means caught up.
    ///
    /// Rows become visible together with the offsets that cover them: a checkpoint sees both or neither.
    pub fn step(&self) -> Result<usize, EngineError> {
        let mut progress = self.progress();
        let partitions: Vec<u32> = progress.offsets.keys().copied().collect();
        let mut records_read = 0;
        for partition in partitions {
            records_read += self.step_partition(&mut progress, partition)?;
        }
        Ok(records_read)
    }

    pub fn capture(&self) -> Captured {
        let progress = self.progress();
        Captured {
            offsets: progress.offsets.clone(),
            letters: progress.letters_written.clone(),
            sealed: self.table.seal(),
        }
    }

    pub fn offsets(&self) -> Offsets {
        self.progress().offsets.clone()
    }

    /// True until the records are read that were in the log when the job was opened.
    pub fn is_replaying(&self) -> bool {
        let offsets = self.offsets();
        self.replay_end.iter().any(|(partition, end)| offsets.get(partition).is_some_and(|offset| offset < end))
    }

    /// Records in the log that this job has not read.
    pub fn lag(&self) -> Result<i64, EngineError> {
        let offsets = self.offsets();
        let mut lag = 0;
        for (partition, offset) in offsets {
            lag += (self.log.offsets(&self.plan.topic, partition)?.end - offset).max(0);
        }
        Ok(lag)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // a step that panicked changed neither offsets nor rows: going on from its start is right
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step_partition(&self, progress: &mut Progress, partition: u32) -> Result<usize, EngineError> {
        let from = progress.offsets.get(&partition).copied().unwrap_or(0);
        let fetched = self.log.fetch(&self.plan.topic, partition, from, FETCH_BYTES)?;
        if fetched.next_offset == from {
            return Ok(0);
        }
        if let Some(damaged) = &fetched.damaged {
            let lost = damaged.last_offset - damaged.first_offset + 1;
            self.stats.damaged.add(lost.unsigned_abs());
            tracing::error!(job = self.plan.name, %damaged, "records of the log are damaged and were skipped");
        }
        let next = fetched.next_offset;
        let (batch, letters) = self.rows_of(progress, partition, &fetched.records)?;
        self.write_letters(progress, partition, letters)?;
        let rows = batch.num_rows();
        if rows > 0 {
            self.table.append(batch)?;
        }
        progress.offsets.insert(partition, next);
        self.count(&fetched.records, rows);
        Ok(fetched.records.len())
    }

    /// The sink's rows of some records, and the letters for those that are none.
    fn rows_of(
        &self,
        progress: &mut Progress,
        partition: u32,
        records: &[StoredRecord],
    ) -> Result<(RecordBatch, Vec<DeadLetter>), EngineError> {
        let mut letters = Vec::new();
        let mut decoded = Vec::with_capacity(records.len());
        for stored in records {
            match progress.decoder.push(&stored.record.value) {
                Ok(()) => decoded.push(stored),
                Err(error) => letters.push(self.letter(partition, stored, error.to_string())),
            }
        }
        let input = self.source_batch(progress.decoder.finish()?, partition, &decoded)?;
        let applied = operators::apply(&self.plan.operators, &self.plan.sink_schema, &input)?;
        letters.extend(applied.failed.into_iter().map(|(row, reason)| self.letter(partition, decoded[row], reason)));
        letters.sort_by_key(|letter| letter.source.as_ref().map(|place| place.offset));
        Ok((applied.batch, letters))
    }

    /// The decoded fields and the metadata columns in the order the operators expect.
    fn source_batch(
        &self,
        decoded: RecordBatch,
        partition: u32,
        records: &[&StoredRecord],
    ) -> Result<RecordBatch, EngineError> {
        let rows = records.len();
        let columns = self
            .plan
            .source_columns
            .iter()
            .map(|column| -> ArrayRef {
                match column {
                    SourceColumn::Field(index) => Arc::clone(decoded.column(*index)),
                    SourceColumn::Timestamp => Arc::new(
                        TimestampMillisecondArray::from_iter_values(records.iter().map(|r| r.record.timestamp_ms))
                            .with_timezone(crate::types::UTC),
                    ),
                    SourceColumn::Offset => Arc::new(Int64Array::from_iter_values(records.iter().map(|r| r.offset))),
                    SourceColumn::Partition => Arc::new(Int32Array::from_value(partition as i32, rows)),
                    SourceColumn::Topic => {
                        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.plan.topic, rows)))
                    }
                }
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.plan.source_schema), columns, &options)?)
    }

    fn letter(&self, partition: u32, stored: &StoredRecord, reason: String) -> DeadLetter {
        DeadLetter {
            key: stored.record.key.clone(),
            value: stored.record.value.clone(),
            timestamp_ms: stored.record.timestamp_ms,
            reason,
            stage: self.stage(),
            source: Some(Place { topic: self.plan.topic.clone(), partition, offset: stored.offset }),
        }
    }

    /// What this job calls itself in its letters.
    pub fn stage(&self) -> String {
        stage_of(&self.plan.name)
    }

    /// Letters are written before the offset moves on: a crash in between writes them again unless recovery finds them.
    fn write_letters(
        &self,
        progress: &mut Progress,
        partition: u32,
        letters: Vec<DeadLetter>,
    ) -> Result<(), EngineError> {
        let written = progress.letters_written.get(&partition).copied();
        let source_offset = |letter: &DeadLetter| letter.source.as_ref().map(|place| place.offset);
        let is_new = |letter: &DeadLetter| written.is_none_or(|written| source_offset(letter) > Some(written));
        let letters: Vec<_> = letters.into_iter().filter(is_new).collect();
        let last = letters.iter().filter_map(source_offset).max();
        let records: Vec<_> = letters.into_iter().map(DeadLetter::into_record).collect();
        if let Some(first) = records.first() {
            let reason = first.headers.first().map(|header| String::from_utf8_lossy(&header.value).into_owned());
            tracing::warn!(
                job = self.plan.name,
                partition,
                letters = records.len(),
                reason,
                "records became dead letters"
            );
            self.log.append(DEAD_LETTER_TOPIC, 0, &records)?;
            self.stats.dead_letters.add(records.len() as u64);
        }
        if let Some(last) = last {
            progress.letters_written.insert(partition, last);
        }
        Ok(())
    }

    fn count(&self, records: &[StoredRecord], rows: usize) {
        self.stats.records_in.add(records.len() as u64);
        self.stats.rows_out.add(rows as u64);
        let now_ms = self.clock.now_ms();
        for stored in records {
            self.stats.visible_after.record_ms(now_ms - stored.record.timestamp_ms);
        }
    }
}

/// The stage under which a job writes dead letters.
pub fn stage_of(job: &str) -> String {
    format!("job {job}")
}

/// How far each job's letters go in a piece of the dead-letter topic: stage → partition → last source offset.
pub fn letters_written(records: &[StoredRecord]) -> BTreeMap<String, Offsets> {
    let mut written: BTreeMap<String, Offsets> = BTreeMap::new();
    for stored in records {
        if let Some((stage, place)) = crate::dead_letter::source_of(&stored.record) {
            let last = written.entry(stage).or_default().entry(place.partition).or_insert(place.offset);
            *last = (*last).max(place.offset);
        }
    }
    written
}
