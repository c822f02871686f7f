//! The topics of the log on the page: what a room that holds a log has to answer, and the routes that ask it.
//!
//! In: a [`TopicBrowser`]. Out: topics, groups and messages as JSON, new messages as an event stream. State: none. Not here:
//! how a log is read (the binary implements the trait over its log), what a value means.
//!
//! | path | answer |
//! |---|---|
//! | `/api/topics` | every topic: partitions, records, bytes, retention, rate |
//! | `/api/topics/{name}` | one topic, with the offsets and bytes of its partitions |
//! | `/api/topics/{name}/messages?partition=&from=&key=&contains=&limit=` | messages found, and where the search stopped |
//! | `/api/topics/{name}/live?partition=&key=&contains=` | server-sent events: `messages`, `failed` |
//! | `/api/groups` | who reads the topics: members, and lag by partition |

mod live;
mod message;
mod query;
mod routes;
mod search;

use bytes::Bytes;
use hoga_model::{Fault, Faulty};
use serde::Serialize;

pub(super) use live::live;
pub use live::{LIVE_BACKLOG_RECORDS_MAX, LIVE_INTERVAL, LIVE_MESSAGES_MAX};
pub use query::MESSAGES_MAX;
pub(super) use routes::{groups, messages, topic, topics};
pub use search::SEARCH_BYTES_MAX;

/// Searches that read the log at the same time; one more waits its turn.
pub const SEARCHES_MAX: usize = 2;
/// Live views of topics open at the same time; one more gets 503.
pub const LIVE_STREAMS_MAX: usize = 16;

/// A log that can be looked into. Every call may block on a disk: it is made where blocking is allowed.
pub trait TopicBrowser: Send + Sync {
    /// All topics, by name.
    fn topics(&self) -> Result<Vec<Topic>, BrowseError>;

    /// Who reads the topics, by name.
    fn groups(&self) -> Result<Vec<Group>, BrowseError>;

    /// The smallest offset whose message has this timestamp or a later one; `None` if there is none.
    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, BrowseError>;

    /// Reads from `from_offset` on and stops after about `bytes_max`: at least one message, however large. An offset that is gone is read as
    /// the oldest there is, one beyond the end as the end.
    fn read(&self, topic: &str, partition: u32, from_offset: i64, bytes_max: usize) -> Result<Piece, BrowseError>;
}

/// Of a process without a log to look into.
pub(super) struct NoTopics;

impl TopicBrowser for NoTopics {
    fn topics(&self) -> Result<Vec<Topic>, BrowseError> {
        Ok(Vec::new())
    }

    fn groups(&self) -> Result<Vec<Group>, BrowseError> {
        Ok(Vec::new())
    }

    fn offset_for_time(&self, topic: &str, _partition: u32, _timestamp_ms: i64) -> Result<Option<i64>, BrowseError> {
        Err(BrowseError::UnknownTopic { topic: topic.to_owned() })
    }

    fn read(&self, topic: &str, _partition: u32, _from: i64, _bytes_max: usize) -> Result<Piece, BrowseError> {
        Err(BrowseError::UnknownTopic { topic: topic.to_owned() })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Topic {
    pub name: String,
    /// By number, from 0.
    pub partitions: Vec<Partition>,
    /// `None` is for ever.
    pub retention_ms: Option<i64>,
    /// Of the whole topic; `None` is without a limit.
    pub retention_bytes: Option<u64>,
    pub created_ms: i64,
    /// Messages a second over the last few seconds.
    pub rate_per_s: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    pub partition: u32,
    pub start_offset: i64,
    /// The offset that the next message gets.
    pub end_offset: i64,
    /// On disk; 0 where the log is a cluster's.
    pub bytes: u64,
}

/// One who reads topics and remembers how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    pub name: String,
    pub kind: GroupKind,
    /// Kafka's word for a consumer group (`Stable`, `Empty`, …); `Running` or the error for a job.
    pub state: String,
    /// How the group shares out partitions; a job has none.
    pub protocol: Option<String>,
    pub members: Vec<Member>,
    pub offsets: Vec<GroupOffset>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    /// Clients of the Kafka protocol.
    Consumer,
    /// A job of this process's own pipeline.
    Job,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    pub member_id: String,
    pub client_id: String,
    pub host: String,
    pub assigned: Vec<TopicPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: u32,
}

/// How far a group has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupOffset {
    pub topic: String,
    pub partition: u32,
    /// The offset of the next message it reads.
    pub committed_offset: i64,
    pub end_offset: i64,
}

impl GroupOffset {
    /// Messages it has not read.
    fn lag(&self) -> i64 {
        (self.end_offset - self.committed_offset).max(0)
    }
}

/// A message as it is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMessage {
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Bytes>,
    pub value: Bytes,
    pub headers: Vec<(String, Bytes)>,
}

/// What one read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// In offset order, none below the offset asked for.
    pub messages: Vec<LogMessage>,
    /// Where to go on: above the offset asked for, except at the end of the partition.
    pub next_offset: i64,
    pub start_offset: i64,
    pub end_offset: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowseError {
    #[error("topic \"{topic}\" does not exist")]
    UnknownTopic { topic: String },
    #[error("topic \"{topic}\" has no partition {partition}")]
    UnknownPartition { topic: String, partition: u32 },
    #[error("the log cannot be read: {reason}")]
    Failed { reason: String },
}

impl Faulty for BrowseError {
    fn fault(&self) -> Fault {
        match self {
            BrowseError::UnknownTopic { .. } | BrowseError::UnknownPartition { .. } => Fault::User,
            BrowseError::Failed { .. } => Fault::External,
        }
    }
}

/// The topic of that name.
fn find(browser: &dyn TopicBrowser, name: &str) -> Result<Topic, BrowseError> {
    let found = browser.topics()?.into_iter().find(|topic| topic.name == name);
    found.ok_or_else(|| BrowseError::UnknownTopic { topic: name.to_owned() })
}
