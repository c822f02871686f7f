//! What keeps the answers fresh: the task that folds a table's new rows into the board, and the health of this second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::sync::CancellationToken;

use super::{Feed, STREAMS_MAX, Shared};
use crate::board::SharedBoard;
use crate::health::{Health, HealthSource, PageHealth};

/// Readers within this time share one health.
const HEALTH_MAX_AGE: Duration = Duration::from_millis(500);

/// Between two looks at what came: a task that is woken for each batch costs more than what it does with it, and nobody sees so little later.
const FOLD_PAUSE: Duration = Duration::from_millis(20);

/// Folds until the sender or the process goes. A batch that was missed is counted; the events after it make up for it.
pub(super) async fn fold(mut feed: Feed, board: Arc<SharedBoard>, missed: Arc<AtomicU64>, cancel: CancellationToken) {
    loop {
        let mut received = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            received = feed.batches.recv() => received,
        };
        loop {
            match received {
                Ok(batch) => board.lock().apply(&feed.table, &batch),
                Err(RecvError::Lagged(batches)) => {
                    missed.fetch_add(batches, Ordering::Relaxed);
                    tracing::debug!(table = feed.table, batches, "the board missed batches");
                }
                Err(RecvError::Closed) => return,
            }
            received = match feed.batches.try_recv() {
                Ok(batch) => Ok(batch),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(batches)) => Err(RecvError::Lagged(batches)),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
            };
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(FOLD_PAUSE) => {}
        }
    }
}

pub(super) struct HealthCache {
    source: HealthSource,
    missed: Arc<AtomicU64>,
    last: Mutex<Option<(Instant, Arc<Health>)>>,
}

impl HealthCache {
    pub(super) fn new(source: HealthSource, missed: Arc<AtomicU64>) -> HealthCache {
        HealthCache { source, missed, last: Mutex::new(None) }
    }
}

impl Shared {
    /// The health, at most [`HEALTH_MAX_AGE`] old.
    pub(super) fn health_now(&self) -> Arc<Health> {
        let mut last = self.health.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((taken, health)) = &*last
            && taken.elapsed() < HEALTH_MAX_AGE
        {
            return health.clone();
        }
        let mut health = (self.health.source)();
        health.page = PageHealth {
            streams_open: (STREAMS_MAX - self.streams.available_permits().min(STREAMS_MAX)) as u64,
            streams_refused_total: self.streams_refused.load(Ordering::Relaxed),
            batches_missed_total: self.health.missed.load(Ordering::Relaxed),
            rows_ignored_total: self.board.lock().rows_ignored(),
        };
        let health = Arc::new(health);
        *last = Some((Instant::now(), health.clone()));
        health
    }
}
