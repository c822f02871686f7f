//! The care of the lake's tables, behind everything else: small files merged, old partitions and snapshots expired, orphans
//! removed. A failure is counted and told, and stops nothing.

use crate::failure::with_causes;
use hoga_lake::{Expired, LakeError, LiveTable, ORPHAN_GRACE, Orphans, Pace, TableFiles};
use hoga_model::time::Clock;
use hoga_serve::health::CareHealth;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two rounds over all tables.
const ROUND_INTERVAL: Duration = Duration::from_secs(60);
/// Every so many rounds orphans are looked for: it lists every folder.
const ROUNDS_PER_ORPHANS: u64 = 60;
/// Merges of one table in a round; what is left waits for the next.
const MERGES_MAX: usize = 4;

pub struct Care {
    tables: Vec<Arc<LiveTable>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: HashMap<String, TableFiles>,
    done: CareHealth,
}

impl Care {
    pub fn new(tables: Vec<Arc<LiveTable>>, clock: Arc<dyn Clock>) -> Arc<Care> {
        Arc::new(Care { tables, clock, state: Mutex::default() })
    }

    /// What the last look at a table found; `database.table`.
    pub fn files(&self, table: &str) -> Option<TableFiles> {
        self.state().files.get(table).copied()
    }

    pub fn health(&self) -> CareHealth {
        self.state().done.clone()
    }

    /// On a thread of its own, until `cancel`; what is being written then is given up, and an orphan.
    pub fn start(self: Arc<Care>, cancel: CancellationToken) -> JoinHandle<()> {
        tokio::task::spawn_blocking(move || Handle::current().block_on(Box::pin(self.run(cancel))))
    }

    async fn run(&self, cancel: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND_INTERVAL);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for round in 0_u64.. {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = rounds.tick() => {}
            }
            for table in &self.tables {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = Box::pin(self.care_for(table, round)) => {}
                }
            }
        }
    }

    async fn care_for(&self, table: &LiveTable, round: u64) {
        let now_ms = self.clock.now_ms();
        if round > 0 {
            self.merge(table, now_ms).await;
            if let Some(count) = self.told(table, "expire partitions", table.expire_partitions(None, now_ms).await) {
                self.state().done.partitions_expired_total += count;
            }
            if let Some(expired) = self.told(table, "expire snapshots", table.expire_snapshots(None, now_ms).await) {
                let Expired { snapshots, files, .. } = expired;
                let mut state = self.state();
                state.done.snapshots_expired_total += snapshots;
                state.done.files_deleted_total += files;
            }
        }
        if round % ROUNDS_PER_ORPHANS == 1 {
            let older_than_ms = now_ms - ORPHAN_GRACE.as_millis() as i64;
            if let Some(orphans) = self.told(table, "remove orphans", table.remove_orphans(older_than_ms, false).await)
            {
                let Orphans { files, bytes } = orphans;
                self.state().done.files_deleted_total += files;
                if files > 0 {
                    tracing::info!(table = table.name(), files, bytes, "removed files that nobody named");
                }
            }
        }
        if let Some(files) = self.told(table, "list files", table.files().await) {
            self.state().files.insert(table.name().to_owned(), files);
        }
    }

    async fn merge(&self, table: &LiveTable, now_ms: i64) {
        for _ in 0..MERGES_MAX {
            let merged = table.compact(false, now_ms, Pace::BACKGROUND).await;
            let Some(Some(merged)) = self.told(table, "merge files", merged) else { return };
            tracing::debug!(table = table.name(), ?merged, "merged small files");
            let mut state = self.state();
            state.done.compactions_total += 1;
            state.done.files_merged_total += merged.files_before;
        }
    }

    fn told<T>(&self, table: &LiveTable, action: &str, result: Result<T, LakeError>) -> Option<T> {
        result
            .inspect_err(|error| {
                let reason = with_causes(error);
                tracing::warn!(table = table.name(), reason, "cannot {action}; it is tried again in a minute");
                let mut state = self.state();
                state.done.errors_total += 1;
                state.done.error = Some(reason);
            })
            .ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
