//! Where a source goes on after a start, and which state a node gets: pure decisions over the checkpoint and the log as they
//! were found.

use super::{Checkpoint, NodeState, Offsets, SinkState, SourceState};
use hoga_lake::Prepared;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the log holds of a partition now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    pub start: i64,
    pub end: i64,
}

/// Where a source without a checkpoint begins: Flink's `scan.startup.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Startup {
    Earliest,
    Latest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    pub offsets: Offsets,
    /// Records that retention deleted before they were read: partition, first and last offset missed.
    pub missed: Vec<(u32, i64, i64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    #[error(
        "source \"{source_name}\" stopped at offset {wanted} of {topic}-{partition}, but the log ends at {end}: records are missing; \
         restore the log folder, or start with another --data folder"
    )]
    LogTooShort { source_name: String, topic: String, partition: u32, wanted: i64, end: i64 },
    #[error(
        "the query behind \"{node}\" has changed since checkpoint {checkpoint}, and what it keeps belongs to the old one; run the \
         old file, or drop what changed queries keep with --reset-changed-queries (their open windows and groups begin empty where \
         the topic was left), or start with another --data folder"
    )]
    Changed { node: String, checkpoint: i64 },
    #[error(
        "checkpoint {checkpoint} is of an older hoga whose statements had read \"{topic}\" to different offsets; start that hoga once \
         more, let it catch up and stop it, or start with another --data folder"
    )]
    OldOffsetsDiffer { checkpoint: i64, topic: String },
    #[error(
        "checkpoint {checkpoint} has rows for table \"{table}\" that are not committed yet, and no statement writes it any more; start \
         once with the file that did"
    )]
    PendingWithoutSink { checkpoint: i64, table: String },
}

/// The offsets at which a source goes on.
pub fn resume(
    source: &str,
    topic: &str,
    saved: Option<&SourceState>,
    startup: Startup,
    log: &BTreeMap<u32, Available>,
) -> Result<Resume, RecoverError> {
    let mut resume = Resume { offsets: Offsets::new(), missed: Vec::new() };
    for (&partition, available) in log {
        // a checkpoint of another topic under the same name says nothing about this one
        let saved = saved.filter(|saved| saved.topic == topic).and_then(|saved| saved.offsets.get(&partition));
        let offset = match (saved, startup) {
            (Some(&wanted), _) if wanted > available.end => {
                let (source_name, topic) = (source.to_owned(), topic.to_owned());
                return Err(RecoverError::LogTooShort { source_name, topic, partition, wanted, end: available.end });
            }
            (Some(&wanted), _) if wanted < available.start => {
                resume.missed.push((partition, wanted, available.start - 1));
                available.start
            }
            (Some(&wanted), _) => wanted,
            (None, Startup::Earliest) => available.start,
            (None, Startup::Latest) => available.end,
        };
        resume.offsets.insert(partition, offset);
    }
    Ok(resume)
}

/// What becomes of a node's saved state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateDecision {
    /// It means what it meant: it goes on.
    Restore,
    /// It was not there before, or it is to begin again.
    Empty,
    Refuse,
}

pub fn decide_state(saved: Option<&NodeState>, fingerprints: &[String], resets_changed: bool) -> StateDecision {
    match saved {
        None => StateDecision::Empty,
        Some(saved) if fingerprints.contains(&saved.fingerprint) => StateDecision::Restore,
        Some(saved) if saved.section.is_none() || resets_changed => StateDecision::Empty,
        Some(_) => StateDecision::Refuse,
    }
}

/// One INSERT of a checkpoint before 0.2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OldJobState {
    pub topic: String,
    pub offsets: Offsets,
    pub pending: Option<Prepared>,
}

/// A checkpoint of jobs as one of sources and sinks: `sources` are the names and topics of those that read now, `sinks` the
/// names of those that write, with their tables.
pub fn migrate(
    mut checkpoint: Checkpoint,
    sources: &[(String, String)],
    sinks: &[(String, String)],
) -> Result<Checkpoint, RecoverError> {
    let jobs = std::mem::take(&mut checkpoint.jobs);
    if jobs.is_empty() {
        return Ok(checkpoint);
    }
    for (name, topic) in sources {
        let mut read = jobs.values().filter(|job| job.topic == *topic).map(|job| &job.offsets);
        let Some(offsets) = read.next() else { continue };
        if read.any(|other| other != offsets) {
            return Err(RecoverError::OldOffsetsDiffer { checkpoint: checkpoint.id, topic: topic.clone() });
        }
        let state = SourceState { topic: topic.clone(), offsets: offsets.clone(), ..SourceState::default() };
        checkpoint.sources.insert(name.clone(), state);
    }
    for pending in jobs.into_values().filter_map(|job| job.pending) {
        let name = sinks.iter().find(|(_, table)| *table == pending.table).map(|(name, _)| name.clone());
        let name = name.ok_or_else(|| pending_without_sink(checkpoint.id, &pending))?;
        checkpoint.sinks.insert(name, SinkState { pending: Some(pending), outbox: None });
    }
    checkpoint.dead_letters.ends = std::mem::take(&mut checkpoint.dead_letters_end);
    Ok(checkpoint)
}

/// Rows that were sealed must reach their table, whatever became of the statement.
pub fn check_pending(checkpoint: &Checkpoint, sinks: &[(String, String)]) -> Result<(), RecoverError> {
    for (name, state) in &checkpoint.sinks {
        if let Some(pending) = state.pending.as_ref().filter(|pending| pending.rows > 0)
            && !sinks.iter().any(|(sink, table)| sink == name && *table == pending.table)
        {
            return Err(pending_without_sink(checkpoint.id, pending));
        }
    }
    Ok(())
}

fn pending_without_sink(checkpoint: i64, pending: &Prepared) -> RecoverError {
    RecoverError::PendingWithoutSink { checkpoint, table: pending.table.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::state::Section;

    fn saved(offset: i64) -> SourceState {
        SourceState { topic: "t".into(), offsets: Offsets::from([(0, offset)]), ..SourceState::default() }
    }

    fn resume_at(saved: Option<&SourceState>, startup: Startup) -> Result<Resume, RecoverError> {
        resume("j", "t", saved, startup, &BTreeMap::from([(0, Available { start: 10, end: 20 })]))
    }

    #[test]
    fn goes_on_where_the_checkpoint_stopped() {
        assert_eq!(resume_at(Some(&saved(15)), Startup::Latest).map(|r| r.offsets[&0]), Ok(15));
        assert_eq!(resume_at(Some(&saved(20)), Startup::Earliest).map(|r| r.offsets[&0]), Ok(20));
    }

    #[test]
    fn without_a_checkpoint_the_startup_mode_counts() {
        assert_eq!(resume_at(None, Startup::Earliest).map(|r| r.offsets[&0]), Ok(10));
        assert_eq!(resume_at(None, Startup::Latest).map(|r| r.offsets[&0]), Ok(20));
        let other = SourceState { topic: "u".into(), ..saved(15) };
        assert_eq!(resume_at(Some(&other), Startup::Earliest).map(|r| r.offsets[&0]), Ok(10));
    }

    #[test]
    fn what_retention_took_is_reported_and_a_shorter_log_refused() {
        assert_eq!(
            resume_at(Some(&saved(4)), Startup::Earliest).map(|r| (r.offsets[&0], r.missed)),
            Ok((10, vec![(0, 4, 9)]))
        );
        assert!(matches!(
            resume_at(Some(&saved(21)), Startup::Earliest),
            Err(RecoverError::LogTooShort { wanted: 21, end: 20, .. })
        ));
    }

    #[test]
    fn state_goes_only_to_a_node_that_means_the_same() {
        let section = Some(Section { start: 0, end: 9 });
        let saved = NodeState { fingerprint: "1-a".into(), watermark: None, section };
        assert_eq!(decide_state(None, &["1-a".into()], false), StateDecision::Empty);
        assert_eq!(decide_state(Some(&saved), &["1-c".into(), "1-a".into()], false), StateDecision::Restore);
        assert_eq!(decide_state(Some(&saved), &["1-b".into()], false), StateDecision::Refuse);
        assert_eq!(decide_state(Some(&saved), &["1-b".into()], true), StateDecision::Empty);
        let nothing = NodeState { section: None, ..saved };
        assert_eq!(decide_state(Some(&nothing), &["1-b".into()], false), StateDecision::Empty, "nothing is lost");
    }

    #[test]
    fn a_checkpoint_of_jobs_becomes_one_of_sources() {
        let job = |offset| OldJobState { topic: "t".into(), offsets: Offsets::from([(0, offset)]), pending: None };
        let old = |second| Checkpoint {
            id: 7,
            jobs: BTreeMap::from([("a".into(), job(5)), ("b".into(), job(second))]),
            dead_letters_end: Offsets::from([(0, 3)]),
            ..Checkpoint::default()
        };
        let sources = [("s".to_owned(), "t".to_owned())];
        let migrated = migrate(old(5), &sources, &[]).expect("equal offsets");
        assert_eq!(migrated.sources["s"].offsets, Offsets::from([(0, 5)]));
        assert_eq!((migrated.jobs.len(), migrated.dead_letters.ends), (0, Offsets::from([(0, 3)])));
        assert!(matches!(migrate(old(6), &sources, &[]), Err(RecoverError::OldOffsetsDiffer { checkpoint: 7, .. })));
    }
}
