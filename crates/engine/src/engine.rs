//! The engine: the flow's workers, a thread each, and the coordinator that takes checkpoints of all of it.

mod workers;

use crate::checkpoint::recover;
use crate::checkpoint::state::{self, Kept};
use crate::checkpoint::store::{CheckpointStore, StoreError};
use crate::checkpoint::{Checkpoint, CheckpointId, SinkState, SourceState};
use crate::error::EngineError;
use crate::flow::{Flow, FlowOptions, SinkRuntime, Snapshot};
use crate::graph::{Graph, NodeId, NodeKind, Sink};
use crate::stats::Counter;
use hoga_lake::{Lake, LiveTable, LiveTableOptions, Prepared, Sealed};
use hoga_log::Log;
use hoga_model::time::Clock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// After a failed commit, before the next try; it doubles up to the longest.
const COMMIT_WAIT: Duration = Duration::from_millis(200);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often the end of a replay is looked for, and how often its progress is told.
const CATCH_UP_WAIT: Duration = Duration::from_millis(5);
const CATCH_UP_REPORT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub checkpoint_folder: PathBuf,
    pub checkpoint_interval: Duration,
    /// A table with more uncommitted bytes than this, and than what the nodes keep, is committed early; with twice as many its sources
    /// wait for that.
    pub live_tail_bytes_max: u64,
    /// A query that has changed begins empty instead of being refused.
    pub resets_changed_queries: bool,
    pub flow: FlowOptions,
}

pub struct Engine {
    pub flow: Flow,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    store: CheckpointStore,
    options: EngineOptions,
    /// What the newest written checkpoint says.
    written: Mutex<Written>,
    /// The checkpoint that is being taken. After a failure the same one goes on: its rows are sealed, and if its file is
    /// written its commits are promised, so no other may take its place.
    in_progress: tokio::sync::Mutex<Option<InProgress>>,
    checkpoint_now: Arc<Notify>,
    /// A worker has read all there is of a bounded source.
    finished: Arc<Notify>,
    checkpoints: CheckpointStats,
}

/// What a start found and did.
#[derive(Debug, Default)]
pub struct Recovery {
    pub checkpoint: Option<CheckpointId>,
    /// Rows of commits that a crash had left undone, or that were done and not confirmed.
    pub rows_recommitted: u64,
    /// Records to be read again, by source.
    pub records_to_replay: BTreeMap<String, u64>,
}

/// What is known of checkpoints taken so far.
#[derive(Debug, Default)]
pub struct CheckpointStats {
    pub completed: Counter,
    pub failed: Counter,
    last: Mutex<LastCheckpoint>,
}

impl CheckpointStats {
    pub fn last(&self) -> LastCheckpoint {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Default, Clone)]
pub struct LastCheckpoint {
    pub id: CheckpointId,
    pub completed_ms: i64,
    pub duration_ms: u64,
    /// What the nodes kept, in the file.
    pub state_bytes: u64,
    /// Why the last try failed, until one succeeds.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Written {
    id: CheckpointId,
    /// By name; also those that nothing reads any more.
    sources: BTreeMap<String, SourceState>,
}

struct InProgress {
    id: CheckpointId,
    snapshot: Snapshot,
    /// Of the lake sinks that have rows.
    parts: Vec<Part>,
    state_bytes: u64,
    is_written: bool,
}

/// One table's part of a checkpoint on its way into the lake.
struct Part {
    /// The sink's name.
    sink: String,
    table: Arc<LiveTable>,
    /// None once it is published.
    sealed: Option<Sealed>,
    prepared: Option<Prepared>,
}

impl Engine {
    /// Loads the newest checkpoint, does its commits again, and puts the flow where it left it. Tables are made if they do
    /// not exist; topics must exist.
    pub async fn open(
        graph: Graph,
        log: Arc<dyn Log>,
        lake: &Lake,
        clock: Arc<dyn Clock>,
        options: EngineOptions,
    ) -> Result<(Engine, Recovery), EngineError> {
        let store = CheckpointStore::open(&options.checkpoint_folder)?;
        let (sources, sinks) = names_of(&graph);
        let checkpoint = match store.latest()? {
            Some(found) => Some(recover::migrate(found, &sources, &sinks)?),
            None => None,
        };
        if let Some(found) = &checkpoint {
            recover::check_pending(found, &sinks)?;
        }
        let mut recovery = Recovery { checkpoint: checkpoint.as_ref().map(|found| found.id), ..Recovery::default() };
        let tables = open_tables(&graph, lake, checkpoint.as_ref(), &options, &mut recovery).await?;
        let flow = Flow::open(graph, tables, log.clone(), clock.clone(), checkpoint.as_ref(), options.flow.clone())?;
        if let Some(found) = &checkpoint {
            let state = found.state.as_ref().map(|file| store.read_state(file)).transpose()?.unwrap_or_default();
            let path = found.state.as_ref().map(|file| store.folder().join(&file.file)).unwrap_or_default();
            let damaged = |reason: String| StoreError::State { path: path.clone(), reason }.into();
            flow.restore(found, &state, options.resets_changed_queries, damaged)?;
        }
        for (index, source) in flow.sources.iter().enumerate() {
            recovery.records_to_replay.insert(source.name.clone(), flow.source_status(index)?.lag_records);
        }
        let written = Written {
            id: recovery.checkpoint.unwrap_or(0),
            sources: checkpoint.map(|found| found.sources).unwrap_or_default(),
        };
        let engine = Engine {
            flow,
            log,
            clock,
            store,
            options,
            written: Mutex::new(written),
            in_progress: tokio::sync::Mutex::default(),
            checkpoint_now: Arc::new(Notify::new()),
            finished: Arc::new(Notify::new()),
            checkpoints: CheckpointStats::default(),
        };
        Ok((engine, recovery))
    }

    pub fn checkpoints(&self) -> &CheckpointStats {
        &self.checkpoints
    }

    /// The lake tables that the pipeline writes.
    pub fn tables(&self) -> Vec<Arc<LiveTable>> {
        self.flow.sinks.iter().filter_map(SinkRuntime::table).cloned().collect()
    }

    /// Records in the log that no worker has read yet, of all sources.
    pub fn lag(&self) -> Result<u64, EngineError> {
        let lag = |source: usize| Ok(self.flow.source_status(source)?.lag_records);
        (0..self.flow.sources.len()).map(lag).sum()
    }

    /// Waits until the sources have read what was in the log at the start: then queries see all that they saw before it.
    /// False if it was cancelled first. [`Engine::run`] must be running.
    pub async fn caught_up(&self, cancel: &CancellationToken) -> Result<bool, EngineError> {
        let mut told = Instant::now();
        while self.flow.sources.iter().any(|source| source.is_replaying()) {
            if let Some(reason) = self.flow.broken() {
                return Err(EngineError::Broken(reason.to_owned()));
            }
            if told.elapsed() >= CATCH_UP_REPORT {
                told = Instant::now();
                tracing::info!(records = self.lag()?, "reading the log again from the last checkpoint");
            }
            tokio::select! {
                () = cancel.cancelled() => return Ok(false),
                () = tokio::time::sleep(CATCH_UP_WAIT) => {}
            }
        }
        Ok(true)
    }

    /// Runs until `cancel`, then drains the log for a moment, takes a last checkpoint and returns. A pipeline of bounded
    /// sources alone ends by itself, when all its windows are closed and its rows committed.
    pub async fn run(self: &Arc<Self>, cancel: CancellationToken) -> Result<(), EngineError> {
        let over = cancel.child_token();
        let threads = self.start_threads(&over)?;
        let mut interval = tokio::time::interval(self.options.checkpoint_interval);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        interval.tick().await;
        let mut wait_after_failure = None;
        while !self.is_finished() {
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.finished.notified() => continue,
                _ = interval.tick() => {}
                () = self.checkpoint_now.notified(), if wait_after_failure.is_none() => interval.reset(),
                () = tokio::time::sleep(wait_after_failure.unwrap_or_default()), if wait_after_failure.is_some() => {}
            }
            wait_after_failure = match self.checkpoint().await {
                true => None,
                false => Some(wait_after_failure.map_or(COMMIT_WAIT, |wait: Duration| (wait * 2).min(COMMIT_WAIT_MAX))),
            };
        }
        if cancel.is_cancelled() {
            self.flow.stop();
        }
        // whoever waits for records that do not come
        over.cancel();
        let joined =
            tokio::task::spawn_blocking(move || threads.into_iter().filter_map(|thread| thread.join().err()).count());
        let panicked = joined.await.map_err(|error| EngineError::Join(error.to_string()))?;
        if panicked > 0 {
            tracing::error!(panicked, "threads ended in a panic; their rows are in the log");
        }
        // a failed one goes on once more: what came since it began waits behind it
        while self.checkpoint().await && self.has_news() {}
        Ok(())
    }

    fn is_finished(&self) -> bool {
        !self.flow.sources.is_empty() && self.flow.sources.iter().all(|source| source.is_finished())
    }

    /// True if the newest checkpoint does not cover all that was read.
    fn has_news(&self) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let is_behind = |name: &String, offsets| written.sources.get(name).is_none_or(|saved| saved.offsets != offsets);
        self.flow.broken().is_none() && self.flow.sources.iter().any(|source| is_behind(&source.name, source.offsets()))
    }

    /// Takes a checkpoint now. A failure is logged and shown; the rows stay visible and are tried again with the next.
    async fn checkpoint(&self) -> bool {
        let started = Instant::now();
        let result = self.try_checkpoint().await;
        let succeeded = result.is_ok();
        let duration_ms = started.elapsed().as_millis() as u64;
        let mut last = self.checkpoints.last.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(Some((id, state_bytes))) => {
                self.checkpoints.completed.add(1);
                let completed_ms = self.clock.now_ms();
                *last = LastCheckpoint { id, completed_ms, duration_ms, state_bytes, error: None };
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "checkpoint failed; its rows stay live and are tried again");
                self.checkpoints.failed.add(1);
                last.error = Some(error.to_string());
            }
        }
        succeeded
    }

    /// None if nothing has happened since the last one.
    async fn try_checkpoint(&self) -> Result<Option<(CheckpointId, u64)>, EngineError> {
        let mut slot = self.in_progress.lock().await;
        let taking = match slot.take() {
            Some(unfinished) => slot.insert(unfinished),
            None => match self.begin().await? {
                Some(begun) => slot.insert(begun),
                None => return Ok(None),
            },
        };
        if !taking.is_written {
            self.write(taking).await?;
        }
        for part in &mut taking.parts {
            if let Some(prepared) = &part.prepared
                && part.sealed.is_some()
            {
                let committed = part.table.commit(prepared).await?;
                if let Some(sealed) = part.sealed.take() {
                    part.table.publish(sealed, committed)?;
                }
            }
        }
        let done = (taking.id, taking.state_bytes);
        *slot = None;
        Ok(Some(done))
    }

    /// Stops everything for a moment and captures it. None if no source has moved since the last checkpoint and no row waits.
    async fn begin(self: &Engine) -> Result<Option<InProgress>, EngineError> {
        // workers hold their locks for a step at most, but a step is CPU work: off the async workers
        let mut snapshot = tokio::task::block_in_place(|| self.flow.snapshot())?;
        let mut parts = Vec::new();
        for (sink, (sealed, _)) in self.flow.sinks.iter().zip(&mut snapshot.sinks) {
            if let (Some(table), Some(sealed)) = (sink.table(), sealed.take()) {
                let table = Arc::clone(table);
                parts.push(Part { sink: sink.name.clone(), table, sealed: Some(sealed), prepared: None });
            }
        }
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let has_moved = |(name, state): (&String, &SourceState)| written.sources.get(name) != Some(state);
        let is_news = !parts.is_empty() || snapshot.sources.iter().any(has_moved);
        let begun = InProgress { id: written.id + 1, snapshot, parts, state_bytes: 0, is_written: false };
        Ok(is_news.then_some(begun))
    }

    /// Whatever a commit will name is on disk first: the log, the data files, the state, the checkpoint.
    async fn write(&self, taking: &mut InProgress) -> Result<(), EngineError> {
        // beside each other: a core each, and one wait for the disk
        let state = self.write_state(taking.id, taking.snapshot.state.clone());
        let (synced, prepared, state) = tokio::join!(self.sync_log(), prepare(&mut taking.parts, taking.id), state);
        synced?;
        prepared?;
        let (state, sections) = state?;
        taking.state_bytes = state.as_ref().map_or(0, |state| state.bytes);
        let mut checkpoint = taking.snapshot.checkpoint(taking.id, self.clock.now_ms(), state, sections);
        for (index, (sink, (_, outbox))) in self.flow.sinks.iter().zip(&taking.snapshot.sinks).enumerate() {
            let part = taking.parts.iter_mut().find(|part| part.sink == sink.name);
            let part = part.map(|part| {
                if let Some(prepared) = &mut part.prepared {
                    let sources = self.flow.sources_of(index).iter().map(|source| &self.flow.sources[*source].name);
                    prepared.properties = checkpoint.origin(sources);
                    prepared.watermark = taking.snapshot.sink_watermarks.get(index).copied().flatten();
                }
                &*part
            });
            let pending = part.and_then(|part| part.prepared.clone());
            checkpoint.sinks.insert(sink.name.clone(), SinkState { pending, outbox: outbox.clone() });
        }
        // where nothing reads any more it may be read again one day
        let mut sources = self.written.lock().unwrap_or_else(PoisonError::into_inner).sources.clone();
        sources.append(&mut checkpoint.sources);
        checkpoint.sources = sources.clone();
        self.store.write(&checkpoint)?;
        taking.is_written = true;
        // it is on disk: the memory it took is free
        taking.snapshot.state.clear();
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Written { id: taking.id, sources };
        Ok(())
    }

    async fn write_state(&self, id: CheckpointId, state: Vec<Arc<dyn Kept>>) -> Result<state::Written, EngineError> {
        let store = self.store.clone();
        let written = tokio::task::spawn_blocking(move || store.write_state(id, &state)).await;
        Ok(written.map_err(|error| EngineError::Join(error.to_string()))??)
    }

    async fn sync_log(&self) -> Result<(), EngineError> {
        let log = Arc::clone(&self.log);
        let synced = tokio::task::spawn_blocking(move || log.sync()).await;
        Ok(synced.map_err(|error| EngineError::Join(error.to_string()))??)
    }
}

/// The data files of all tables, one table after the other.
async fn prepare(parts: &mut [Part], id: CheckpointId) -> Result<(), EngineError> {
    for part in parts {
        if let (Some(sealed), None) = (&part.sealed, &part.prepared) {
            part.prepared = Some(part.table.prepare(sealed, id).await?);
        }
    }
    Ok(())
}

/// Pairs of names: sources with their topics, lake sinks with their tables.
type Names = (Vec<(String, String)>, Vec<(String, String)>);

fn names_of(graph: &Graph) -> Names {
    let (mut sources, mut sinks) = (Vec::new(), Vec::new());
    for node in &graph.nodes {
        match &node.kind {
            NodeKind::Source(source) => sources.push((node.name.clone(), source.topic.clone())),
            NodeKind::Sink(Sink::Lake { spec, .. }) => sinks.push((node.name.clone(), spec.full_name())),
            _ => {}
        }
    }
    (sources, sinks)
}

/// Opens the tables of the lake sinks, after doing again what the checkpoint had promised to commit.
async fn open_tables(
    graph: &Graph,
    lake: &Lake,
    checkpoint: Option<&Checkpoint>,
    options: &EngineOptions,
    recovery: &mut Recovery,
) -> Result<BTreeMap<NodeId, Arc<LiveTable>>, EngineError> {
    let newest = recovery.checkpoint.unwrap_or(0);
    let mut tables = BTreeMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let NodeKind::Sink(Sink::Lake { spec, sort_columns }) = &node.kind else { continue };
        let settings = LiveTableOptions { sort_columns: sort_columns.clone(), ..LiveTableOptions::default() };
        let table = lake.ensure_table(spec, settings).await?;
        let saved = checkpoint.and_then(|found| found.sinks.get(&node.name));
        if let Some(prepared) = saved.and_then(|saved| saved.pending.as_ref()) {
            let committed = table.commit(prepared).await?;
            table.publish_recovered(committed)?;
            recovery.rows_recommitted += prepared.rows;
        }
        if let Some(committed) = table.latest_identifier().await?
            && committed > newest
        {
            let folder = options.checkpoint_folder.display().to_string();
            return Err(EngineError::CheckpointLost { table: spec.table.clone(), committed, newest, folder });
        }
        tables.insert(id, table);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests;
