//! The log: durable, ordered topics that every later stage can be computed from again.
//!
//! In: records of a topic's partition. Out: the same records by offset, as often as asked. State: segment files whose bytes are
//! Kafka record batches v2. Not here: the Kafka wire protocol, consumer groups, what the values mean.
//!
//! Pure modules (no file, clock, thread or `async`): `batch`, `index`, `partitioner`, `retention`, `topic`.

pub mod batch;
pub mod conformance;
mod disk;
mod error;
mod faults;
mod flusher;
mod index;
#[cfg(feature = "cluster")]
pub mod kafka;
mod log;
mod memory;
mod partition;
mod partitioner;
mod recovery;
mod retention;
mod segment;
mod topic;

pub use batch::Compression;
pub use disk::{DiskLog, DiskOptions};
pub use error::LogError;
pub use faults::Faults;
#[cfg(feature = "cluster")]
pub use kafka::{KafkaLog, KafkaOptions};
pub use log::{Appended, DamagedRange, Fetched, Header, Log, Offsets, Record, StoredRecord};
pub use memory::MemoryLog;
pub use partition::Retired;
pub use partitioner::partition_for_key;
pub use recovery::{RecoveryReport, TornTail};
pub use topic::{Retention, TopicInfo, TopicSpec};
