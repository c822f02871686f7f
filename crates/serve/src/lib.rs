//! Answers questions about the market: PostgreSQL wire for SQL, HTTP for the page, its JSON and the metrics.
//!
//! In: DataFusion sessions pinned to one moment, batches of new rows, a snapshot of the process's health. Out: two
//! listeners. Not here: how a table is read (`engine`, `lake`), who starts and stops what (the binary).

pub mod board;
mod error;
pub mod health;
mod history;
pub mod http;
pub mod postgres;
mod procedure;
pub mod rows;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

pub use error::ServeError;
pub use hoga_model::Secret;
pub use procedure::{Answer, Argument, Call, CallError, Procedures};

/// Makes a session in which every table is pinned to the moment of the call (catalog `hoga`, schema `upbit`). Beside `trade`
/// stand its system tables, `trade$files`, and its past by Paimon's options, `trade@scan.snapshot-id=3`.
pub type SessionFactory = Arc<dyn Fn() -> Result<SessionContext, DataFusionError> + Send + Sync>;
