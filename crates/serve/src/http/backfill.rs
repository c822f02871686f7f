//! `POST /api/backfill`: trades of the past are wanted. Asking again tells how far it is.
//!
//! In: a [`Backfills`]. Out: `{"markets", "chunks", "waiting", "lost", "trades_repaired", "failing"}`. Not here: what is asked of the exchange, and
//! when (the binary implements the trait over its ledger of gaps).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::answer::{self, Refusal};

/// Which trades are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillRequest {
    /// Codes with commas, quote currencies, or `all`.
    pub markets: String,
    /// When they were executed, in milliseconds since the epoch, both ends inclusive.
    pub from_ms: i64,
    pub to_ms: i64,
}

/// How far they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillProgress {
    pub markets: u64,
    /// Hours, of all markets together.
    pub chunks: u64,
    /// Those of them that are still to be asked for.
    pub waiting: u64,
    /// Those that the exchange could not tell any more.
    pub lost: u64,
    /// Trades that were missing and are in the log now, in the hours that are done.
    pub trades_repaired: u64,
    /// The exchange's REST does not answer now.
    pub failing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackfillError {
    /// The caller's mistake.
    #[error("{0}")]
    Mistake(String),
    /// It can be asked again later.
    #[error("{0}")]
    Unavailable(String),
}

pub type BackfillAnswer = Pin<Box<dyn Future<Output = Result<BackfillProgress, BackfillError>> + Send>>;

/// Takes trades of the past to be wanted. When it has answered, a crash forgets nothing of it.
pub trait Backfills: Send + Sync {
    fn ask(&self, request: BackfillRequest) -> BackfillAnswer;
}

/// Of a process that repairs nothing.
pub struct NoBackfills(pub &'static str);

impl Backfills for NoBackfills {
    fn ask(&self, _request: BackfillRequest) -> BackfillAnswer {
        let reason = self.0.to_owned();
        Box::pin(async move { Err(BackfillError::Mistake(reason)) })
    }
}

pub(super) async fn backfill(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<BackfillRequest>,
) -> Result<Response, Refusal> {
    match shared.backfills.ask(request).await {
        Ok(progress) => Ok(answer::ok(&progress)),
        Err(BackfillError::Mistake(reason)) => Err(Refusal::bad_request(reason)),
        Err(BackfillError::Unavailable(reason)) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}
