//! What the engine writes into a topic: at once, and once.
//!
//! A record is appended the moment it is computed. After a crash the same rows are computed again, so what lies in the topic
//! behind the end that the checkpoint knew is taken as written: a record with the same bytes is not appended again. That is
//! exactly once for a pipeline whose rows follow from its input alone; one that asks the clock may write a row twice.

use crate::dead_letter::header;
use crate::error::EngineError;
use bytes::Bytes;
use hoga_log::{Log, LogError, Record, partition_for_key};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const FETCH_BYTES: usize = 1 << 20;

/// Where a checkpoint leaves a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxState {
    /// The end of each partition.
    pub ends: BTreeMap<u32, i64>,
    /// Records before the ends that are yet to be computed again after an earlier crash: their fingerprints, and how many.
    pub expected: BTreeMap<String, u32>,
}

pub(crate) struct Outbox {
    log: Arc<dyn Log>,
    topic: String,
    partitions: u32,
    /// Records without a key go round.
    next_partition: u32,
    expected: HashMap<u128, u32>,
    waiting: BTreeMap<u32, Vec<Record>>,
}

impl Outbox {
    /// Finds what was written after the checkpoint; without one, whatever the topic holds.
    pub(crate) fn open(log: Arc<dyn Log>, topic: &str, saved: Option<&OutboxState>) -> Result<Outbox, EngineError> {
        let partitions = partitions_of(&*log, topic);
        let mut expected = HashMap::new();
        for (fingerprint, count) in saved.iter().flat_map(|saved| &saved.expected) {
            if let Ok(fingerprint) = u128::from_str_radix(fingerprint, 16) {
                expected.insert(fingerprint, *count);
            }
        }
        for partition in 0..partitions {
            let available = log.offsets(topic, partition)?;
            let known = saved.and_then(|saved| saved.ends.get(&partition)).copied().unwrap_or(available.start);
            let mut from = known.max(available.start);
            while from < available.end {
                let fetched = log.fetch(topic, partition, from, FETCH_BYTES)?;
                for stored in fetched.records.iter().filter(|stored| !is_of_the_collector(&stored.record)) {
                    *expected.entry(fingerprint(&stored.record)).or_default() += 1;
                }
                from = fetched.next_offset;
            }
        }
        Ok(Outbox { log, topic: topic.to_owned(), partitions, next_partition: 0, expected, waiting: BTreeMap::new() })
    }

    /// Takes records that are to be in the topic, but for those that are there already. [`flush`](Self::flush) appends them.
    pub(crate) fn push(&mut self, records: Vec<Record>) {
        for record in records {
            if self.was_written(&record) {
                continue;
            }
            let partition = match &record.key {
                Some(key) => partition_for_key(key, self.partitions),
                None => self.next_partition,
            };
            self.waiting.entry(partition).or_default().push(record);
        }
        self.next_partition = (self.next_partition + 1).checked_rem(self.partitions).unwrap_or(0);
    }

    /// Appends what waits and returns how many records that were; they survive a killed process on return. On an error the
    /// rest waits for the next call.
    pub(crate) fn flush(&mut self) -> Result<usize, LogError> {
        let mut appended = 0;
        while let Some(first) = self.waiting.first_entry() {
            self.log.append(&self.topic, *first.key(), first.get())?;
            appended += first.remove().len();
        }
        Ok(appended)
    }

    pub(crate) fn state(&self) -> Result<OutboxState, EngineError> {
        let mut ends = BTreeMap::new();
        for partition in 0..self.partitions {
            ends.insert(partition, self.log.offsets(&self.topic, partition)?.end);
        }
        let expected = self.expected.iter().map(|(fingerprint, count)| (format!("{fingerprint:032x}"), *count));
        Ok(OutboxState { ends, expected: expected.collect() })
    }

    fn was_written(&mut self, record: &Record) -> bool {
        if self.expected.is_empty() {
            return false;
        }
        let fingerprint = fingerprint(record);
        let Some(count) = self.expected.get_mut(&fingerprint) else { return false };
        *count -= 1;
        if *count == 0 {
            self.expected.remove(&fingerprint);
        }
        true
    }
}

pub(crate) fn partitions_of(log: &dyn Log, topic: &str) -> u32 {
    log.topics().into_iter().find(|found| found.name == topic).map_or(0, |topic| topic.partitions)
}

/// The collector writes dead letters too; nobody computes those again.
fn is_of_the_collector(record: &Record) -> bool {
    record.headers.iter().any(|header| header.key == header::STAGE && &header.value[..] == b"collect")
}

/// FNV-1a of key, value and headers: stable, since checkpoints hold it.
fn fingerprint(record: &Record) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = OFFSET;
    let mut add = |bytes: &[u8]| {
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    };
    add(&[u8::from(record.key.is_some())]);
    add(record.key.as_ref().unwrap_or(&Bytes::new()));
    add(&record.value);
    for header in &record.headers {
        add(header.key.as_bytes());
        add(&header.value);
    }
    hash
}
