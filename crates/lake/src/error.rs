//! What can go wrong with a lake table, whose fault it is, and whether trying again can help.

use crate::changes::RowKind;
use crate::store::trouble::{StoreTrouble, of_store};
use arrow::error::ArrowError;
use hoga_model::{Fault, Faulty};
use std::path::PathBuf;

pub type Result<T, E = LakeError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    #[error("warehouse \"{}\" {reason}", path.display())]
    Warehouse { path: PathBuf, reason: String },

    #[error(
        "warehouse \"{}\" is in use by another hoga process{holder}; stop it, or choose another directory with --data",
        path.display()
    )]
    WarehouseLocked { path: PathBuf, holder: String },

    #[error("cannot {action} \"{}\": {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    #[error("cannot {action} \"{place}\": {reason}")]
    Store { action: &'static str, place: String, trouble: StoreTrouble, reason: String },

    /// While Paimon's reader or writer asked the store.
    #[error("table \"{table}\": cannot {action}: {reason}")]
    StoreOfTable { table: String, action: &'static str, trouble: StoreTrouble, reason: String },

    #[error("table \"{table}\": {reason}")]
    InvalidSpec { table: String, reason: String },

    #[error("primary-key table \"{table}\": {reason}")]
    PrimaryKey { table: String, reason: String },

    #[error("table \"{table}\", column \"{column}\": type {data_type} has no Paimon type here")]
    UnsupportedType { table: String, column: String, data_type: String },

    #[error(
        "table \"{table}\" exists with other columns: \"{column}\" is {found} in the lake and {expected} in the pipeline; \
         rename the table in the pipeline, or alter the column in the lake"
    )]
    ColumnDiffers { table: String, column: String, expected: String, found: String },

    #[error(
        "table \"{table}\" exists with other {what}: ({found}) in the lake, ({expected}) in the pipeline; \
         rename the table in the pipeline"
    )]
    KeysDiffer { table: String, what: &'static str, expected: String, found: String },

    #[error("a batch for table \"{table}\" does not have its columns: {reason}")]
    BatchSchema { table: String, reason: String },

    #[error(
        "table \"{table}\" has no primary key and takes inserts only: row {row} of a batch is {}; declare a PRIMARY KEY",
        kind.short_name()
    )]
    InsertOnly { table: String, row: usize, kind: RowKind },

    #[error("table \"{table}\": cannot {action}: {source}")]
    Paimon { table: String, action: &'static str, source: Box<paimon::Error> },

    #[error("table \"{table}\": cannot {action}: {source}")]
    Arrow { table: String, action: &'static str, source: ArrowError },

    #[error(
        "table \"{table}\": commit {identifier} of the checkpoint names \"{}\", which does not exist; files of the warehouse were \
         removed after the checkpoint",
        path.display()
    )]
    FilesGone { table: String, identifier: i64, path: PathBuf },

    #[error("table \"{table}\": cannot encode {what}: {reason}")]
    Encoding { table: String, what: &'static str, reason: String },

    #[error("table \"{table}\": another program published a snapshot before each of {tries} tries to publish one")]
    Contended { table: String, tries: usize },

    #[error("table \"{table}\": commit {identifier} cannot be used: {reason}")]
    Prepared { table: String, identifier: i64, reason: String },

    #[error(
        "table \"{table}\": commit identifier {identifier} was used before, for other files (snapshot {snapshot_id}); \
         the checkpoints and the warehouse do not belong together"
    )]
    IdentifierReused { table: String, identifier: i64, snapshot_id: i64 },

    #[error(
        "table \"{table}\": commit identifier {identifier} comes after {latest} was committed, and no snapshot has it; \
         the checkpoints are older than the warehouse"
    )]
    IdentifierPassed { table: String, identifier: i64, latest: i64 },

    #[error(
        "table \"{table}\": none of the last {searched} snapshots is by commit user \"{commit_user}\", so it cannot be known \
         whether commit {identifier} happened"
    )]
    HistoryTooLong { table: String, commit_user: String, identifier: i64, searched: usize },

    #[error("table \"{table}\": {reason}")]
    Tag { table: String, reason: String },

    #[error("table \"{table}\": {reason}")]
    Moment { table: String, reason: String },

    #[error("table \"{table}\": {reason}")]
    Publish { table: String, reason: String },

    #[error("table \"{table}\": the thread that was to {action} ended early: {source}")]
    Worker { table: String, action: &'static str, source: tokio::task::JoinError },
}

impl LakeError {
    pub(crate) fn paimon(table: &str, action: &'static str) -> impl FnOnce(paimon::Error) -> LakeError {
        let table = table.to_owned();
        move |source| match of_store(&source) {
            Some((trouble, reason)) => LakeError::StoreOfTable { table, action, trouble, reason },
            None => LakeError::Paimon { table, action, source: Box::new(source) },
        }
    }

    pub(crate) fn arrow(table: &str, action: &'static str) -> impl FnOnce(ArrowError) -> LakeError {
        let table = table.to_owned();
        move |source| LakeError::Arrow { table, action, source }
    }

    pub(crate) fn worker(table: &str, action: &'static str) -> impl FnOnce(tokio::task::JoinError) -> LakeError {
        let table = table.to_owned();
        move |source| LakeError::Worker { table, action, source }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> LakeError {
        let path = path.into();
        move |source| LakeError::Io { action, path, source }
    }
}

impl Faulty for LakeError {
    fn fault(&self) -> Fault {
        match self {
            LakeError::Warehouse { .. }
            | LakeError::WarehouseLocked { .. }
            | LakeError::InvalidSpec { .. }
            | LakeError::PrimaryKey { .. }
            | LakeError::UnsupportedType { .. }
            | LakeError::ColumnDiffers { .. }
            | LakeError::KeysDiffer { .. }
            | LakeError::Tag { .. }
            | LakeError::Moment { .. }
            | LakeError::IdentifierReused { .. }
            | LakeError::IdentifierPassed { .. } => Fault::User,
            LakeError::Store { trouble, .. } | LakeError::StoreOfTable { trouble, .. } => {
                match trouble.is_the_users() {
                    true => Fault::User,
                    false => Fault::External,
                }
            }
            LakeError::Io { .. }
            | LakeError::FilesGone { .. }
            | LakeError::HistoryTooLong { .. }
            | LakeError::Contended { .. } => Fault::External,
            LakeError::Paimon { source, .. } => match source.as_ref() {
                paimon::Error::ConfigInvalid { .. }
                | paimon::Error::Unsupported { .. }
                | paimon::Error::IdentifierInvalid { .. } => Fault::User,
                paimon::Error::DataTypeInvalid { .. } => Fault::Internal,
                _ => Fault::External,
            },
            LakeError::BatchSchema { .. }
            | LakeError::InsertOnly { .. }
            | LakeError::Arrow { .. }
            | LakeError::Encoding { .. }
            | LakeError::Prepared { .. }
            | LakeError::Publish { .. }
            | LakeError::Worker { .. } => Fault::Internal,
        }
    }

    fn retry(&self) -> bool {
        match self {
            LakeError::Io { .. } | LakeError::Contended { .. } => true,
            // a bucket that comes back, credentials that are renewed
            LakeError::Store { .. } | LakeError::StoreOfTable { .. } => true,
            // A full disk or a slow mount heals; a missing file or a damaged manifest does not.
            LakeError::Paimon { source, .. } => matches!(
                source.as_ref(),
                paimon::Error::IoUnexpected { .. }
                    | paimon::Error::UnexpectedError { .. }
                    | paimon::Error::ResourceExhausted { .. }
            ),
            _ => false,
        }
    }
}
