//! The threads that move the flow on: each takes a step of every worker of its source, again and again.
//!
//! In: the log's changes. Not here: checkpoints, which hold all workers for a moment.

use super::Engine;
use crate::error::EngineError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a worker rests after a step before it looks again: one step then serves all that came meanwhile. A step of one record costs
/// much of what one of a hundred does.
const LINGER: Duration = Duration::from_millis(2);
/// After a step of so many records the next one has enough to do too: no rest.
const RECORDS_ENOUGH: usize = 512;
/// Records that came within this time are waited for by looking, not by being woken: waking a thread costs the one that appends, too.
const BUSY_FOR: Duration = Duration::from_millis(100);
/// A worker looks at its topic, and at the clock, at least this often, whether it was woken or not.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// After a failed step, before the next try.
const FAULT_WAIT: Duration = Duration::from_secs(1);
/// How long a stopping worker goes on reading what is left in the log.
const DRAIN_MAX: Duration = Duration::from_millis(1_500);

impl Engine {
    pub(super) fn start_threads(
        self: &Arc<Self>,
        cancel: &CancellationToken,
    ) -> Result<Vec<std::thread::JoinHandle<()>>, EngineError> {
        let runtime = tokio::runtime::Handle::current();
        let mut threads = Vec::new();
        for (index, source) in self.flow.sources.iter().enumerate() {
            for first in 0..source.workers().min(self.options.flow.parallelism.max(1)) {
                let (engine, cancel, runtime) = (Arc::clone(self), cancel.clone(), runtime.clone());
                let thread = std::thread::Builder::new()
                    .name(format!("{}-{first}", source.topic))
                    .spawn(move || engine.run_workers(index, first, &cancel, &runtime))
                    .map_err(|error| EngineError::Thread { name: source.name.clone(), source: error })?;
                threads.push(thread);
            }
        }
        Ok(threads)
    }

    fn run_workers(&self, index: usize, first: usize, cancel: &CancellationToken, runtime: &tokio::runtime::Handle) {
        let source = &self.flow.sources[index];
        // not woken by what is appended to other topics
        let mut changes = self.log.changes_of(&source.topic);
        let mut busy_until = Instant::now();
        while !cancel.is_cancelled() {
            changes.borrow_and_update();
            if self.is_tail_full(index) {
                std::thread::sleep(LINGER);
                continue;
            }
            match self.round(index, first) {
                Ok(0) => {
                    source.stats.set_error(None);
                    if source.is_finished() {
                        self.finished.notify_one();
                        return;
                    }
                    while busy_until > Instant::now()
                        && !changes.has_changed().unwrap_or(true)
                        && !cancel.is_cancelled()
                    {
                        std::thread::sleep(LINGER);
                    }
                    if busy_until > Instant::now() {
                        continue;
                    }
                    let wait = async {
                        tokio::select! {
                            _ = tokio::time::timeout(IDLE_WAIT, changes.changed()) => {}
                            () = cancel.cancelled() => {}
                        }
                    };
                    runtime.block_on(wait);
                    std::thread::sleep(LINGER);
                }
                Ok(records) => {
                    source.stats.set_error(None);
                    busy_until = Instant::now() + BUSY_FOR;
                    if records < RECORDS_ENOUGH {
                        std::thread::sleep(LINGER);
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    if source.stats.error().as_ref() != Some(&text) {
                        tracing::error!(source = source.name, %error, "a step failed; its records stay in the log");
                    }
                    source.stats.set_error(Some(text));
                    let wait = async {
                        tokio::select! {
                            () = tokio::time::sleep(FAULT_WAIT) => {}
                            () = cancel.cancelled() => {}
                        }
                    };
                    runtime.block_on(wait);
                }
            }
        }
        let deadline = Instant::now() + DRAIN_MAX;
        while Instant::now() < deadline
            && !self.is_tail_full(index)
            && matches!(self.round(index, first), Ok(records) if records > 0)
        {}
    }

    /// A step of each worker that no other thread is in. So all partitions move on alike, whatever their number is: none waits for a
    /// thread that has another to read, and windows are not held open by one that is behind.
    fn round(&self, source: usize, first: usize) -> Result<usize, EngineError> {
        let workers = self.flow.sources[source].workers();
        let (mut records, mut is_any_taken, mut failed) = (0, false, None);
        for worker in (first..workers).chain(0..first) {
            match self.flow.try_step(source, worker) {
                Ok(Some(read)) => records += read,
                Ok(None) => is_any_taken = true,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            // a checkpoint holds them all: there may be something to read behind it
            None if records == 0 && is_any_taken => self.flow.step(source, first),
            None => Ok(records),
        }
    }

    /// Asks for an early checkpoint when a live tail has grown large; true when a source of it must wait for that.
    fn is_tail_full(&self, source: usize) -> bool {
        // a checkpoint writes all that the nodes keep: it is not taken early for fewer rows than that
        let limit = self.options.live_tail_bytes_max.max(self.flow.state_bytes());
        let mut is_full = false;
        for (index, sink) in self.flow.sinks.iter().enumerate() {
            let Some(table) = sink.table().filter(|_| self.flow.sources_of(index).contains(&source)) else { continue };
            let bytes = table.tail_bytes();
            if bytes > limit {
                self.checkpoint_now.notify_one();
            }
            is_full |= bytes > limit.saturating_mul(2);
        }
        is_full
    }
}
