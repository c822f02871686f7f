//! Where a job goes on after a start: a pure decision over the checkpoint and the log as they were found.

use super::{JobState, Offsets};
use std::collections::BTreeMap;

/// What the log holds of a partition now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    pub start: i64,
    pub end: i64,
}

/// Where a job without a checkpoint begins: Flink's `scan.startup.mode`.
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
        "job \"{job}\" stopped at offset {wanted} of {topic}-{partition}, but the log ends at {end}: records are missing; \
         restore the log folder, or start with another --data folder"
    )]
    LogTooShort { job: String, topic: String, partition: u32, wanted: i64, end: i64 },
}

pub fn resume(
    job: &str,
    topic: &str,
    saved: Option<&JobState>,
    startup: Startup,
    log: &BTreeMap<u32, Available>,
) -> Result<Resume, RecoverError> {
    let mut resume = Resume { offsets: Offsets::new(), missed: Vec::new() };
    for (&partition, available) in log {
        // a checkpoint of another topic under the same name says nothing about this one
        let saved = saved.filter(|saved| saved.topic == topic).and_then(|saved| saved.offsets.get(&partition));
        let offset = match (saved, startup) {
            (Some(&wanted), _) if wanted > available.end => {
                let (job, topic) = (job.to_owned(), topic.to_owned());
                return Err(RecoverError::LogTooShort { job, topic, partition, wanted, end: available.end });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(offset: i64) -> JobState {
        JobState { topic: "t".into(), offsets: Offsets::from([(0, offset)]), letters: Offsets::new(), pending: None }
    }

    fn resume_at(saved: Option<&JobState>, startup: Startup) -> Result<Resume, RecoverError> {
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
        let other = JobState { topic: "u".into(), ..saved(15) };
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
}
