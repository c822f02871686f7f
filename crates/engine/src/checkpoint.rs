//! Checkpoints: how far each source has read, what the nodes keep, and what of their rows is on its way into the lake.
//!
//! A checkpoint is {offsets, state, lake commits not yet confirmed}; everything else is computed again from the log. The
//! order of writing is: data files, the file of the state, the checkpoint, the commits. So at any crash one of these holds:
//! - before the checkpoint is durable: the last one counts, the rows since then are computed again, the new data and state
//!   files are orphans;
//! - after it: its commits are done again at start, each of which is a no-op if it had succeeded.

pub mod recover;
pub mod state;
pub mod store;

use crate::flow::outbox::OutboxState;
use hoga_lake::Prepared;
use serde::{Deserialize, Serialize};
use state::{Section, StateFile};
use std::collections::BTreeMap;

/// Rises by one with each checkpoint; it is the commit identifier in Paimon.
pub type CheckpointId = i64;

/// The next offset to read, by partition.
pub type Offsets = BTreeMap<u32, i64>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub id: CheckpointId,
    /// When it was taken, milliseconds since the epoch.
    pub time_ms: i64,
    /// By the name of the source. One that no statement reads any more is kept: who reads it later goes on there.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceState>,
    /// Nodes that keep state, by name.
    #[serde(default)]
    pub nodes: BTreeMap<String, NodeState>,
    #[serde(default)]
    pub sinks: BTreeMap<String, SinkState>,
    #[serde(default)]
    pub dead_letters: OutboxState,
    /// None if no node keeps anything.
    #[serde(default)]
    pub state: Option<StateFile>,
    /// Checkpoints of versions before 0.2 knew jobs; see [`recover::migrate`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<String, recover::OldJobState>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead_letters_end: Offsets,
}

impl Checkpoint {
    /// What a snapshot says of the rows up to it: for each partition of the sources that lead to its table, the next offset
    /// to read, as `hoga.offset.SOURCE.PARTITION`.
    pub fn origin<'a>(&self, sources: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
        let mut properties = BTreeMap::new();
        for (name, state) in sources.filter_map(|name| self.sources.get_key_value(name)) {
            let offset =
                |(partition, offset): (&u32, &i64)| (format!("hoga.offset.{name}.{partition}"), offset.to_string());
            properties.extend(state.offsets.iter().map(offset));
        }
        properties
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceState {
    pub topic: String,
    pub offsets: Offsets,
    /// By partition; one that never had a row is not in it.
    pub watermarks: BTreeMap<u32, i64>,
    /// Of the source; None before the first.
    pub watermark: Option<i64>,
    /// Where a bounded source ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Offsets>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    /// What the node means; state is not given to one that means something else.
    pub fingerprint: String,
    /// Windows up to here were given; None before the first watermark.
    pub watermark: Option<i64>,
    /// Where its state is in the file; None if it kept nothing.
    pub section: Option<Section>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkState {
    /// The data files of the rows up to the offsets, to be committed under the checkpoint's id. None if there were no rows.
    pub pending: Option<Prepared>,
    /// Of a topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<OutboxState>,
}
