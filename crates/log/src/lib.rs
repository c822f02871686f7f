//! The log: durable, ordered topics that every later stage can be computed from again.
//!
//! In: records of a topic's partition, from the rooms above or over the Kafka protocol (`wire`). Out: the same records by offset, as often as
//! asked. State: segment files whose bytes are Kafka record batches v2. Not here: what the values mean.
//!
//! Pure modules (no file, clock, thread or `async`): `batch`, `index`, `partitioner`, `producers`, `retention`, `topic`; in `wire`: `codec`,
//! `error_code`, `group`, `sasl`.

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
mod producer_ids;
mod producers;
mod recovery;
mod recovery_point;
mod replace;
mod retention;
mod segment;
mod slice;
mod topic;
mod verified;
pub mod wire;

pub use batch::Compression;
pub use disk::{DiskLog, DiskOptions};
pub use error::LogError;
pub use faults::Faults;
#[cfg(feature = "cluster")]
pub use kafka::{KafkaLog, KafkaOptions};
pub use log::{Appended, DamagedRange, Fetched, FetchedBatches, Header, Log, Offsets, Record, StoredRecord};
pub use memory::MemoryLog;
pub use partition::Retired;
pub use partitioner::partition_for_key;
pub use recovery::{RecoveryReport, TornTail};
pub use topic::{Retention, TopicInfo, TopicSpec};
