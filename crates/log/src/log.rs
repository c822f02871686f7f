//! What every log can do, and what its promises are: the trait that `disk`, `memory` and `kafka` implement.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::watch;

use crate::error::LogError;
use crate::topic::{TopicInfo, TopicSpec};

/// A record before it has an offset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    pub key: Option<Bytes>,
    /// Kafka's null value is read as an empty one: nothing in hoga writes tombstones.
    pub value: Bytes,
    /// Milliseconds since the epoch: for collected frames the time of receipt.
    pub timestamp_ms: i64,
    pub headers: Vec<Header>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub key: String,
    pub value: Bytes,
}

/// A record with its place in the partition. The bytes are slices of the one buffer that was fetched, which lives as long as
/// any of them: copy what is kept for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    pub offset: i64,
    pub record: Record,
}

/// The offsets that one append was given, both inclusive, without a hole. Between appends a cluster leaves holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub first_offset: i64,
    pub last_offset: i64,
}

/// The oldest offset that can be fetched, and the one that the next record will get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    pub start: i64,
    pub end: i64,
}

/// Offsets that can no longer be read because the bytes on disk are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRange {
    pub topic: String,
    pub partition: u32,
    pub first_offset: i64,
    pub last_offset: i64,
    pub file: PathBuf,
    /// Where the damage begins in the file.
    pub position: u64,
    /// How many bytes were skipped; 0 when they are missing altogether.
    pub bytes: u64,
    pub reason: String,
}

impl std::fmt::Display for DamagedRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "offsets {}..={} of {}-{} are lost: {} bytes at {} in \"{}\": {}",
            self.first_offset,
            self.last_offset,
            self.topic,
            self.partition,
            self.bytes,
            self.position,
            self.file.display(),
            self.reason
        )
    }
}

/// What one fetch found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// In offset order, none below the offset asked for. Empty at the end of the partition, or when nothing after `damaged` was there.
    pub records: Vec<StoredRecord>,
    /// Where to go on: always above the offset asked for, except at the end of the partition, where it is the same.
    pub next_offset: i64,
    pub start_offset: i64,
    pub end_offset: i64,
    /// Damage that lies *before* `records` and was skipped. One fetch reports one range at most: it stops in front of a second one.
    pub damaged: Option<DamagedRange>,
}

/// What one fetch of whole batches found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedBatches {
    /// Record batches v2 one after another. The first may begin before the offset asked for; damaged ones are missing.
    pub batches: Vec<Bytes>,
    pub next_offset: i64,
    pub start_offset: i64,
    pub end_offset: i64,
}

/// An append-only log of topics, each of a fixed number of partitions.
///
/// Durability, in two steps: when `append` has returned, a killed process loses nothing of it (the bytes are with the operating system); when
/// `sync` has returned, lost power loses nothing of what was appended before `sync` was called. If the process dies inside `append`, the batch is
/// there whole or not at all. A batch is visible to `fetch` no later than when its `append` returns.
pub trait Log: Send + Sync {
    /// Creates a topic, or does nothing but adopt the new retention if it exists with as many partitions. The topic survives lost power on return.
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError>;

    /// All topics, by name.
    fn topics(&self) -> Vec<TopicInfo>;

    /// Appends the records as one batch: consecutive offsets, all or none of them. On an error nothing was appended, and the same call can be
    /// made again if the error says `retry()`. (A log that makes every append durable first is the exception: when that fails, the batch may be
    /// there, and the partition takes no more. And a cluster: when it fails without `retry()`, the batch may be there.)
    fn append(&self, topic: &str, partition: u32, records: &[Record]) -> Result<Appended, LogError>;

    /// Reads from `from_offset` on and stops after the batch with which keys and values reach `max_bytes`: at least one batch, however large.
    /// Never waits for new records: see `changes`. Damaged batches are skipped and named in the result; they never make this fail.
    fn fetch(&self, topic: &str, partition: u32, from_offset: i64, max_bytes: usize) -> Result<Fetched, LogError>;

    fn offsets(&self, topic: &str, partition: u32) -> Result<Offsets, LogError>;

    /// The smallest offset whose record has this timestamp or a later one; `None` if there is none.
    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, LogError>;

    /// Returns when everything appended before the call survives lost power.
    fn sync(&self) -> Result<(), LogError>;

    /// A counter that moves after every append to any topic: how a reader at the end waits. Look at the offsets after subscribing and before
    /// waiting, or the append in between is missed.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The same for a reader of one topic: moves after every append to it, and may move after others.
    fn changes_of(&self, _topic: &str) -> watch::Receiver<u64> {
        self.changes()
    }
}
