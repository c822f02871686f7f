//! A log in memory: for tests of the rooms above, and the measure that the log on disk is held against.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::watch;

use crate::error::LogError;
use crate::log::{Appended, Fetched, Log, Offsets, Record, StoredRecord};
use crate::topic::{TopicInfo, TopicSpec};

/// Keeps everything until it is dropped: no retention, and `sync` has nothing to do.
pub struct MemoryLog {
    topics: RwLock<BTreeMap<String, Topic>>,
    changes: watch::Sender<u64>,
}

struct Topic {
    info: TopicInfo,
    /// A record's index is its offset.
    partitions: Vec<Vec<Record>>,
}

impl Default for MemoryLog {
    fn default() -> MemoryLog {
        MemoryLog { topics: RwLock::default(), changes: watch::Sender::new(0) }
    }
}

impl MemoryLog {
    fn with<T>(
        &self,
        topic: &str,
        partition: u32,
        read: impl FnOnce(&Vec<Record>) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let found = topics.get(topic).ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })?;
        let partitions = found.info.partitions;
        let records = found.partitions.get(partition as usize);
        read(records.ok_or_else(|| LogError::UnknownPartition { topic: topic.to_owned(), partition, partitions })?)
    }
}

impl Log for MemoryLog {
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        spec.check()?;
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(spec.name.clone()).or_insert_with(|| Topic {
            info: TopicInfo {
                name: spec.name.clone(),
                partitions: spec.partitions,
                retention: spec.retention,
                created_ms: 0,
            },
            partitions: vec![Vec::new(); spec.partitions as usize],
        });
        if topic.info.partitions != spec.partitions {
            let (existing, wanted) = (topic.info.partitions, spec.partitions);
            return Err(LogError::TopicDiffers { topic: spec.name.clone(), existing, wanted });
        }
        topic.info.retention = spec.retention;
        Ok(())
    }

    fn topics(&self) -> Vec<TopicInfo> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().map(|topic| topic.info.clone()).collect()
    }

    fn append(&self, topic: &str, partition: u32, records: &[Record]) -> Result<Appended, LogError> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let found = topics.get_mut(topic).ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })?;
        let partitions = found.info.partitions;
        let stored = found.partitions.get_mut(partition as usize);
        let stored =
            stored.ok_or_else(|| LogError::UnknownPartition { topic: topic.to_owned(), partition, partitions })?;
        if records.is_empty() {
            return Err(LogError::EmptyAppend);
        }
        let first_offset = stored.len() as i64;
        stored.extend_from_slice(records);
        let last_offset = stored.len() as i64 - 1;
        drop(topics);
        self.changes.send_modify(|count| *count += 1);
        Ok(Appended { first_offset, last_offset })
    }

    fn fetch(&self, topic: &str, partition: u32, from_offset: i64, max_bytes: usize) -> Result<Fetched, LogError> {
        self.with(topic, partition, |stored| {
            let end_offset = stored.len() as i64;
            let rest = usize::try_from(from_offset).ok().and_then(|from| stored.get(from..));
            let Some(rest) = rest else {
                let topic = topic.to_owned();
                return Err(LogError::OffsetOutOfRange {
                    topic,
                    partition,
                    offset: from_offset,
                    start: 0,
                    end: end_offset,
                });
            };
            let mut bytes = 0;
            let mut records = Vec::new();
            for (record, offset) in rest.iter().zip(from_offset..) {
                records.push(StoredRecord { offset, record: record.clone() });
                bytes += record.value.len() + record.key.as_ref().map_or(0, Bytes::len);
                if bytes >= max_bytes {
                    break;
                }
            }
            let next_offset = from_offset + records.len() as i64;
            Ok(Fetched { records, next_offset, start_offset: 0, end_offset, damaged: None })
        })
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        self.with(topic, partition, |stored| Ok(Offsets { start: 0, end: stored.len() as i64 }))
    }

    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, LogError> {
        self.with(topic, partition, |stored| {
            Ok(stored.iter().position(|record| record.timestamp_ms >= timestamp_ms).map(|offset| offset as i64))
        })
    }

    fn sync(&self) -> Result<(), LogError> {
        Ok(())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms() {
        use crate::conformance::{self, Bounds};
        conformance::run(&mut || Box::new(MemoryLog::default()), &Bounds::NONE);
    }
}
