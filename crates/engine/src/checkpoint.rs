//! Checkpoints: how far each job has read, and what of it is on its way into the lake.
//!
//! A checkpoint is {offsets, lake commits not yet confirmed}; everything else is read again from the log. Its file is
//! written after the data files and before the commits, so at any crash one of these holds:
//! - before the file is durable: the last checkpoint counts, the rows since then are read again, the new data files are
//!   orphans that a cleaner removes later;
//! - after it: its commits are done again at start, each of which is a no-op if it had succeeded.

pub mod recover;
pub mod store;

use hoga_lake::Prepared;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rises by one with each checkpoint; it is the commit identifier in Paimon.
pub type CheckpointId = i64;

/// The next offset to read, by partition.
pub type Offsets = BTreeMap<u32, i64>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub id: CheckpointId,
    /// When it was taken, milliseconds since the epoch.
    pub time_ms: i64,
    pub jobs: BTreeMap<String, JobState>,
    /// The end of the dead-letter topic, by partition: what was written after it may be written again by a replay.
    pub dead_letters_end: Offsets,
}

/// One job, by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    pub topic: String,
    pub offsets: Offsets,
    /// The last source offset that has a dead letter, by partition. It can lie after `offsets`: a replay after a crash
    /// passes letters that are in the topic already.
    pub letters: Offsets,
    /// The data files of the rows up to `offsets`, to be committed under the checkpoint's id. None if there were no rows.
    pub pending: Option<Prepared>,
}
