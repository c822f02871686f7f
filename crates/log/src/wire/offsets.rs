//! How far every group has come: kept in memory, and in the internal topic `__consumer_offsets` as Kafka writes it there.
//!
//! State: the topic's last record of a key is the truth; an empty value forgets the key. The topic is compacted by writing everything that is
//! known at its end and deleting what lies before. Durability is the log's: a commit survives a killed process once `commit` has returned.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hoga_model::time::MS_PER_DAY;

use super::codec::{Malformed, Reader, Writer};
use crate::disk::DiskLog;
use crate::error::LogError;
use crate::log::{Log, Record};
use crate::topic::{Retention, TopicSpec};

pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
const PARTITION: u32 = 0;
/// Kafka's `offsets.retention.minutes`: how long a group without members keeps what it committed.
const RETENTION_MS: i64 = 7 * MS_PER_DAY;
/// The topic is compacted when it has grown by this much, and by some times what is worth keeping.
const MIN_GROWTH_BYTES: usize = 1 << 20;
const GROWTH_FACTOR: usize = 4;
const COMPACTION_BATCH_RECORDS: usize = 1_000;
const READ_BYTES: usize = 1 << 20;
const KEY_VERSION: i16 = 1;
const VALUE_VERSION: i16 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    /// -1 if the client does not know it.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) committed_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OffsetKey {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// Offsets by topic and partition; `None` where nothing was committed.
pub(crate) type TopicOffsets = Vec<(String, Vec<(i32, Option<Committed>)>)>;

pub(crate) struct Offsets {
    log: Arc<DiskLog>,
    all: BTreeMap<OffsetKey, Committed>,
    max_entries: usize,
    /// Written since the last compaction.
    grown_bytes: usize,
}

/// Why a commit is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error("more than {limit} offsets are committed; delete groups that are not used")]
    TooMany { limit: usize },
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Offsets {
    /// Reads what was committed before, creating the topic if it is not there.
    pub(crate) fn open(log: Arc<DiskLog>, max_entries: usize) -> Result<Offsets, LogError> {
        let retention = Retention { max_age_ms: None, max_bytes: None };
        log.create_topic(&TopicSpec { name: OFFSETS_TOPIC.to_owned(), partitions: 1, retention })?;
        let mut offsets = Offsets { log, all: BTreeMap::new(), max_entries, grown_bytes: 0 };
        let mut from = offsets.log.offsets(OFFSETS_TOPIC, PARTITION)?.start;
        loop {
            let fetched = offsets.log.fetch(OFFSETS_TOPIC, PARTITION, from, READ_BYTES)?;
            for stored in fetched.records {
                offsets.grown_bytes += stored.record.value.len() + stored.record.key.as_ref().map_or(0, Bytes::len);
                offsets.apply(stored.record);
            }
            if fetched.next_offset == from {
                return Ok(offsets);
            }
            from = fetched.next_offset;
        }
    }

    pub(crate) fn get(&self, key: &OffsetKey) -> Option<&Committed> {
        self.all.get(key)
    }

    /// All of a group, by topic and partition.
    pub(crate) fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = (&'a OffsetKey, &'a Committed)> {
        let first = OffsetKey { group: group.to_owned(), topic: String::new(), partition: i32::MIN };
        self.all.range(first..).take_while(move |(key, _)| key.group == group)
    }

    /// The groups that have committed something.
    pub(crate) fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = self.all.keys().map(|key| key.group.clone()).collect();
        groups.dedup();
        groups
    }

    /// Keeps all of them or none. `is_active` says which groups have members, when old offsets are thrown away.
    pub(crate) fn commit(
        &mut self,
        commits: Vec<(OffsetKey, Committed)>,
        now_ms: i64,
        is_active: impl Fn(&str) -> bool,
    ) -> Result<(), CommitError> {
        let new = commits.iter().filter(|(key, _)| !self.all.contains_key(key)).count();
        if self.all.len() + new > self.max_entries {
            return Err(CommitError::TooMany { limit: self.max_entries });
        }
        let records = commits.iter().map(|(key, committed)| record(key, Some(committed), now_ms)).collect();
        self.append(records)?;
        self.all.extend(commits);
        self.compact_if_grown(now_ms, is_active);
        Ok(())
    }

    /// Forgets what a predicate names.
    pub(crate) fn forget(&mut self, now_ms: i64, gone: impl Fn(&OffsetKey) -> bool) -> Result<(), LogError> {
        let keys: Vec<OffsetKey> = self.all.keys().filter(|key| gone(key)).cloned().collect();
        for keys in keys.chunks(COMPACTION_BATCH_RECORDS) {
            self.append(keys.iter().map(|key| record(key, None, now_ms)).collect())?;
            keys.iter().for_each(|key| drop(self.all.remove(key)));
        }
        Ok(())
    }

    fn append(&mut self, records: Vec<Record>) -> Result<i64, LogError> {
        let bytes: usize = records.iter().map(|r| r.value.len() + r.key.as_ref().map_or(0, Bytes::len)).sum();
        let appended = self.log.append(OFFSETS_TOPIC, PARTITION, &records)?;
        self.grown_bytes += bytes;
        Ok(appended.first_offset)
    }

    fn compact_if_grown(&mut self, now_ms: i64, is_active: impl Fn(&str) -> bool) {
        let live = |(key, committed): (&OffsetKey, &Committed)| {
            key.group.len() + key.topic.len() + committed.metadata.len() + 40
        };
        let live_bytes: usize = if self.grown_bytes < MIN_GROWTH_BYTES { 0 } else { self.all.iter().map(live).sum() };
        if self.grown_bytes < MIN_GROWTH_BYTES.max(live_bytes * GROWTH_FACTOR) {
            return;
        }
        let old = |key: &OffsetKey, committed: &Committed| {
            now_ms.saturating_sub(committed.committed_ms) > RETENTION_MS && !is_active(&key.group)
        };
        self.all.retain(|key, committed| !old(key, committed));
        if let Err(error) = self.compact(now_ms) {
            // the topic is longer than need be, nothing else
            tracing::warn!(%error, "committed offsets could not be compacted");
        }
        self.grown_bytes = 0;
    }

    /// Everything again at the end, durable before what lies in front of it goes.
    fn compact(&mut self, now_ms: i64) -> Result<(), LogError> {
        let mut from = self.log.offsets(OFFSETS_TOPIC, PARTITION)?.end;
        let records: Vec<Record> =
            self.all.iter().map(|(key, committed)| record(key, Some(committed), now_ms)).collect();
        for (index, records) in records.chunks(COMPACTION_BATCH_RECORDS).enumerate() {
            let first_offset = self.append(records.to_vec())?;
            if index == 0 {
                from = first_offset;
            }
        }
        self.log.sync()?;
        self.log.delete_records(OFFSETS_TOPIC, PARTITION, from)?;
        Ok(())
    }

    fn apply(&mut self, record: Record) {
        let Some(Ok(Some(key))) = record.key.map(read_key) else { return };
        if record.value.is_empty() {
            self.all.remove(&key);
        } else if let Ok(committed) = read_value(record.value) {
            self.all.insert(key, committed);
        }
    }
}

fn record(key: &OffsetKey, committed: Option<&Committed>, now_ms: i64) -> Record {
    let value = committed.map_or_else(Bytes::new, |committed| {
        let mut writer = Writer::new(false);
        writer.i16(VALUE_VERSION);
        writer.i64(committed.offset);
        writer.i32(committed.leader_epoch);
        writer.string(&committed.metadata);
        writer.i64(committed.committed_ms);
        writer.into_bytes()
    });
    let mut writer = Writer::new(false);
    writer.i16(KEY_VERSION);
    writer.string(&key.group);
    writer.string(&key.topic);
    writer.i32(key.partition);
    Record { key: Some(writer.into_bytes()), value, timestamp_ms: now_ms, headers: Vec::new() }
}

/// `None`: a key of another kind, which Kafka writes for a group itself.
fn read_key(bytes: Bytes) -> Result<Option<OffsetKey>, Malformed> {
    let mut reader = Reader::new(bytes);
    if !matches!(reader.i16()?, 0 | KEY_VERSION) {
        return Ok(None);
    }
    let (group, topic) = (reader.string()?, reader.string()?);
    Ok(Some(OffsetKey { group, topic, partition: reader.i32()? }))
}

fn read_value(bytes: Bytes) -> Result<Committed, Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    let offset = reader.i64()?;
    let leader_epoch = if version >= 3 { reader.i32()? } else { -1 };
    Ok(Committed { offset, leader_epoch, metadata: reader.string()?, committed_ms: reader.i64()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::disk::DiskOptions;

    const DAY: i64 = MS_PER_DAY;

    fn open(dir: &std::path::Path) -> (Arc<DiskLog>, Offsets) {
        let log = Arc::new(DiskLog::open(DiskOptions::new(dir)).unwrap().0);
        (log.clone(), Offsets::open(log, 1_000).unwrap())
    }

    fn commit(offsets: &mut Offsets, group: &str, partition: i32, offset: i64, now_ms: i64) -> Result<(), CommitError> {
        let key = OffsetKey { group: group.to_owned(), topic: "t".to_owned(), partition };
        let committed = Committed { offset, leader_epoch: -1, metadata: "m".repeat(200), committed_ms: now_ms };
        offsets.commit(vec![(key, committed)], now_ms, |group| group == "active")
    }

    fn offset(offsets: &Offsets, group: &str, partition: i32) -> Option<i64> {
        let key = OffsetKey { group: group.to_owned(), topic: "t".to_owned(), partition };
        offsets.get(&key).map(|committed| committed.offset)
    }

    #[test]
    fn the_last_commit_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        {
            let (_log, mut offsets) = open(dir.path());
            for n in 0..10 {
                commit(&mut offsets, "a", (n % 3) as i32, n, n).unwrap();
            }
            commit(&mut offsets, "b", 0, 77, 0).unwrap();
            offsets.forget(11, |key| key.group == "a" && key.partition == 1).unwrap();
        }
        let (_log, offsets) = open(dir.path());
        assert_eq!([0, 1, 2].map(|p| offset(&offsets, "a", p)), [Some(9), None, Some(8)]);
        assert_eq!(offset(&offsets, "b", 0), Some(77));
        assert_eq!(offsets.groups(), ["a", "b"]);
        assert_eq!(offsets.of_group("a").count(), 2);
    }

    #[test]
    fn the_topic_stays_small_and_old_groups_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut start = 0;
        {
            let (log, mut offsets) = open(dir.path());
            commit(&mut offsets, "old", 0, 5, 0).unwrap();
            commit(&mut offsets, "active", 0, 6, 0).unwrap();
            for n in 0..40_000 {
                commit(&mut offsets, "a", 0, n, 8 * DAY + n).unwrap();
            }
            let bytes = log.partition_bytes(OFFSETS_TOPIC, 0).unwrap();
            assert!(bytes < 3 * MIN_GROWTH_BYTES as u64, "{bytes} bytes");
            start = log.offsets(OFFSETS_TOPIC, 0).unwrap().start.max(start);
            assert!(start > 30_000, "{start}");
        }
        let (_log, offsets) = open(dir.path());
        assert_eq!(offset(&offsets, "a", 0), Some(39_999));
        assert_eq!(offset(&offsets, "old", 0), None, "nobody was in it for a week");
        assert_eq!(offset(&offsets, "active", 0), Some(6));
    }

    #[test]
    fn there_is_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let (_log, mut offsets) = open(dir.path());
        for partition in 0..1_000 {
            commit(&mut offsets, "a", partition, 1, 0).unwrap();
        }
        assert!(matches!(commit(&mut offsets, "b", 0, 1, 0), Err(CommitError::TooMany { limit: 1_000 })));
        commit(&mut offsets, "a", 7, 2, 0).unwrap();
        assert_eq!(offset(&offsets, "a", 7), Some(2));
    }
}
