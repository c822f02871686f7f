//! What can go wrong in the engine.

use crate::checkpoint::recover::RecoverError;
use crate::checkpoint::store::StoreError;
use crate::types::UnsupportedType;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use hoga_lake::LakeError;
use hoga_log::LogError;
use hoga_model::{Fault, Faulty};

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Recover(#[from] RecoverError),
    #[error(transparent)]
    Type(#[from] UnsupportedType),
    #[error(
        "table \"{table}\" has rows of checkpoint {committed}, but the newest checkpoint is {newest}: restore the folder \"{folder}\", or start with another --data folder"
    )]
    CheckpointLost { table: String, committed: i64, newest: i64, folder: String },
    #[error("computing a batch failed: {0}")]
    Arrow(#[from] ArrowError),
    #[error("computing a batch failed: {0}")]
    DataFusion(#[from] DataFusionError),
    #[error("cannot start a thread for source \"{name}\": {source}")]
    Thread { name: String, source: std::io::Error },
    #[error("node \"{0}\" of the plan cannot run")]
    Graph(String),
    #[error(
        "the pipeline stands still since a step failed: {0}; start hoga again, it goes on from the last checkpoint"
    )]
    Broken(String),
    #[error(
        "\"{node}\" keeps {bytes} bytes for {groups} groups, all queries together {total} of {limit}: its source stands still, what \
         comes is kept in the log; raise --state-memory and start again, or let the query keep less (a shorter window, fewer keys)"
    )]
    StateFull { node: String, groups: usize, bytes: usize, total: usize, limit: usize },
    #[error("an internal task ended: {0}")]
    Join(String),
}

impl Faulty for EngineError {
    fn fault(&self) -> Fault {
        match self {
            EngineError::Log(error) => error.fault(),
            EngineError::Lake(error) => error.fault(),
            EngineError::Store(StoreError::Io { .. }) | EngineError::Thread { .. } => Fault::External,
            EngineError::Store(StoreError::Corrupt { .. } | StoreError::State { .. })
            | EngineError::StateFull { .. }
            | EngineError::Recover(_)
            | EngineError::Type(_)
            | EngineError::CheckpointLost { .. } => Fault::User,
            EngineError::Arrow(_)
            | EngineError::DataFusion(_)
            | EngineError::Join(_)
            | EngineError::Graph(_)
            | EngineError::Broken(_) => Fault::Internal,
        }
    }

    fn retry(&self) -> bool {
        match self {
            EngineError::Log(error) => error.retry(),
            EngineError::Lake(error) => error.retry(),
            other => other.fault() == Fault::External,
        }
    }
}
