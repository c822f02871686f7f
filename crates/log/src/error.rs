//! What can go wrong with a log, and who can mend it.

use std::io;
use std::path::{Path, PathBuf};

use hoga_model::{Fault, Faulty};

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("topic \"{topic}\" does not exist; create it first")]
    UnknownTopic { topic: String },
    #[error("topic \"{topic}\" has no partition {partition}: it has {partitions}, counted from 0")]
    UnknownPartition { topic: String, partition: u32, partitions: u32 },
    #[error("topic name \"{name}\" is not possible: {reason}")]
    TopicName { name: String, reason: &'static str },
    #[error("topic \"{topic}\" cannot have {partitions} partitions; choose 1 to {limit}")]
    PartitionCount { topic: String, partitions: u32, limit: u32 },
    #[error(
        "topic \"{topic}\" exists with {existing} partitions, not {wanted}; keys would move: use another topic or a new data folder"
    )]
    TopicDiffers { topic: String, existing: u32, wanted: u32 },
    #[error("log option {option} is {value}; choose {allowed}")]
    Option { option: &'static str, value: u64, allowed: &'static str },
    #[error("offset {offset} of {topic}-{partition} is out of range: the log has {start} up to, not including, {end}")]
    OffsetOutOfRange { topic: String, partition: u32, offset: i64, start: i64, end: i64 },
    #[error("an append held no record")]
    EmptyAppend,
    #[error("one append holds more than {limit} {what}; split it")]
    BatchTooLarge { what: &'static str, limit: usize },
    #[error(
        "producer {producer_id} skipped a batch or repeats an old one: sequence {expected} was expected, {found} came"
    )]
    OutOfOrderSequence { producer_id: i64, expected: i32, found: i32 },
    #[error("producer {producer_id} has epoch {current} now; {found} is over")]
    OldProducerEpoch { producer_id: i64, current: i16, found: i16 },
    #[error("log folder \"{}\" is in use by another process ({holder}); stop it or choose another data folder", dir.display())]
    Locked { dir: PathBuf, holder: String },
    #[error("{topic}-{partition} takes no more records: \"{}\" could not be made durable earlier ({reason}); check the disk, then restart", file.display())]
    Poisoned { topic: String, partition: u32, file: PathBuf, reason: String },
    #[error("cannot {action} \"{}\": {source}{}", path.display(), hint(source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// `retry` is false when the call may have had its effect: look before it is made again.
    #[error("cannot {doing}: {reason}{hint}")]
    Cluster { doing: String, reason: String, hint: &'static str, fault: Fault, retry: bool },
    #[error("another writer has taken over from {writer}: nothing more is written by this one")]
    Fenced { writer: String },
    #[error("a timestamp of {timestamp_ms} ms cannot be kept in Kafka: it must be later than 1970")]
    Timestamp { timestamp_ms: i64 },
    #[error("cannot start the log's {name} thread: {source}")]
    Thread { name: &'static str, source: io::Error },
}

impl LogError {
    /// For `map_err`: what was being done to which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io { action, path: path.to_path_buf(), source }
    }
}

impl Faulty for LogError {
    fn fault(&self) -> Fault {
        match self {
            LogError::TopicName { .. }
            | LogError::PartitionCount { .. }
            | LogError::TopicDiffers { .. }
            | LogError::Option { .. }
            | LogError::UnknownTopic { .. }
            | LogError::Locked { .. } => Fault::User,
            LogError::OffsetOutOfRange { .. }
            | LogError::OutOfOrderSequence { .. }
            | LogError::OldProducerEpoch { .. }
            | LogError::Poisoned { .. }
            | LogError::Io { .. }
            | LogError::Fenced { .. }
            | LogError::Thread { .. } => Fault::External,
            LogError::Cluster { fault, .. } => *fault,
            LogError::Timestamp { .. }
            | LogError::UnknownPartition { .. }
            | LogError::EmptyAppend
            | LogError::BatchTooLarge { .. } => Fault::Internal,
        }
    }

    fn retry(&self) -> bool {
        match self {
            LogError::Io { .. } | LogError::Thread { .. } => true,
            LogError::Cluster { retry, .. } => *retry,
            _ => false,
        }
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room on the disk or lower the topics' retention"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; the disk is mounted read-only",
        io::ErrorKind::PermissionDenied => "; check the owner and mode of the data folder",
        _ => "",
    }
}
