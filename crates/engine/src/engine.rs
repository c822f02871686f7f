//! The engine: its jobs, one thread each, and the coordinator that takes checkpoints of all of them.

use crate::checkpoint::recover::{self, Available, Resume};
use crate::checkpoint::store::CheckpointStore;
use crate::checkpoint::{Checkpoint, CheckpointId, JobState, Offsets};
use crate::error::EngineError;
use crate::job::{self, Job};
use crate::plan::JobPlan;
use crate::stats::Counter;
use hoga_lake::{Lake, LiveTableOptions, Prepared, Sealed};
use hoga_log::{Log, StoredRecord};
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::Clock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a job rests after a step before it looks again: one step then serves all that came meanwhile.
const LINGER: Duration = Duration::from_millis(1);
/// A job looks at its topic at least this often, whether it was woken or not.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// After a failed step, before the next try.
const FAULT_WAIT: Duration = Duration::from_secs(1);
/// After a failed commit, before the next try; it doubles up to the longest.
const COMMIT_WAIT: Duration = Duration::from_millis(200);
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a stopping job goes on reading what is left in the log.
const DRAIN_MAX: Duration = Duration::from_millis(1_500);
/// How often the end of a replay is looked for, and how often its progress is told.
const CATCH_UP_WAIT: Duration = Duration::from_millis(5);
const CATCH_UP_REPORT: Duration = Duration::from_secs(2);
const LETTERS_FETCH_BYTES: usize = 1 << 20;

#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub checkpoint_folder: PathBuf,
    pub checkpoint_interval: Duration,
    /// A table with more uncommitted bytes than this is committed early; with twice as many its job waits for that.
    pub live_tail_bytes_max: u64,
}

pub struct Engine {
    pub jobs: Vec<Arc<Job>>,
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
    input_ended: Notify,
    checkpoints: CheckpointStats,
}

/// What a start found and did.
#[derive(Debug, Default)]
pub struct Recovery {
    pub checkpoint: Option<CheckpointId>,
    /// Rows of commits that a crash had left undone, or that were done and not confirmed.
    pub rows_recommitted: u64,
    /// Records to be read again, by job.
    pub records_to_replay: BTreeMap<String, i64>,
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
    /// Why the last try failed, until one succeeds.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Written {
    id: CheckpointId,
    /// By job. A job that has nothing here has no checkpoint.
    offsets: BTreeMap<String, Offsets>,
}

struct InProgress {
    id: CheckpointId,
    parts: Vec<Part>,
    dead_letters_end: Offsets,
    is_written: bool,
}

/// One job's part of a checkpoint on its way into the lake.
struct Part {
    job: Arc<Job>,
    offsets: Offsets,
    letters: Offsets,
    /// None once it is published.
    sealed: Option<Sealed>,
    prepared: Option<Prepared>,
}

impl Engine {
    /// Loads the newest checkpoint, does its commits again, and finds where each job goes on. Tables and topics are made
    /// if they do not exist.
    pub async fn open(
        plans: Vec<JobPlan>,
        log: Arc<dyn Log>,
        lake: &Lake,
        clock: Arc<dyn Clock>,
        options: EngineOptions,
    ) -> Result<(Engine, Recovery), EngineError> {
        let store = CheckpointStore::open(&options.checkpoint_folder)?;
        let checkpoint = store.latest()?;
        let mut recovery = Recovery { checkpoint: checkpoint.as_ref().map(|found| found.id), ..Recovery::default() };
        let newest = recovery.checkpoint.unwrap_or(0);
        let letters_end = checkpoint.as_ref().map(|found| found.dead_letters_end.clone()).unwrap_or_default();
        let mut letters_written = letters_since(&*log, &letters_end)?;
        let saved_jobs = checkpoint.iter().flat_map(|found| &found.jobs);
        let saved_offsets = saved_jobs.map(|(name, state)| (name.clone(), state.offsets.clone())).collect();
        let mut jobs = Vec::new();
        for plan in plans {
            let table = lake
                .ensure_table(
                    &plan.sink,
                    LiveTableOptions { sort_columns: plan.sort_columns.clone(), ..LiveTableOptions::default() },
                )
                .await?;
            let saved = checkpoint.as_ref().and_then(|found| found.jobs.get(&plan.name));
            if let Some(prepared) = saved.and_then(|saved| saved.pending.as_ref()) {
                let committed = table.commit(prepared).await?;
                table.publish_recovered(committed)?;
                recovery.rows_recommitted += prepared.rows;
            }
            if let Some(committed) = table.latest_identifier().await?
                && committed > newest
            {
                let folder = options.checkpoint_folder.display().to_string();
                return Err(EngineError::CheckpointLost { table: plan.sink.table, committed, newest, folder });
            }
            let resume = resume_job(&*log, &plan, saved)?;
            for (partition, first, last) in &resume.missed {
                tracing::error!(
                    job = plan.name,
                    partition,
                    first,
                    last,
                    "retention deleted records before they were read"
                );
            }
            let mut written = letters_written.remove(&job::stage_of(&plan.name)).unwrap_or_default();
            for (partition, offset) in saved.iter().flat_map(|saved| &saved.letters) {
                let last = written.entry(*partition).or_insert(*offset);
                *last = (*last).max(*offset);
            }
            let name = plan.name.clone();
            let job = Job::new(plan, table, Arc::clone(&log), Arc::clone(&clock), resume.offsets, written)?;
            recovery.records_to_replay.insert(name, job.lag()?);
            jobs.push(Arc::new(job));
        }
        let engine = Engine {
            jobs,
            log,
            clock,
            store,
            options,
            written: Mutex::new(Written { id: newest, offsets: saved_offsets }),
            in_progress: tokio::sync::Mutex::default(),
            checkpoint_now: Arc::new(Notify::new()),
            input_ended: Notify::new(),
            checkpoints: CheckpointStats::default(),
        };
        Ok((engine, recovery))
    }

    pub fn checkpoints(&self) -> &CheckpointStats {
        &self.checkpoints
    }

    /// Waits until the jobs have read what was in the log at the start: then queries see all that they saw before it.
    /// False if it was cancelled first. [`Engine::run`] must be running.
    pub async fn caught_up(&self, cancel: &CancellationToken) -> Result<bool, EngineError> {
        let mut told = Instant::now();
        while self.jobs.iter().any(|job| job.is_replaying()) {
            if told.elapsed() >= CATCH_UP_REPORT {
                told = Instant::now();
                let records = self.jobs.iter().map(|job| job.lag()).sum::<Result<i64, _>>()?;
                tracing::info!(records, "reading the log again from the last checkpoint");
            }
            tokio::select! {
                () = cancel.cancelled() => return Ok(false),
                () = tokio::time::sleep(CATCH_UP_WAIT) => {}
            }
        }
        Ok(true)
    }

    /// Says that nothing more comes: [`Engine::run`] returns when all that is in the topics now is read and committed.
    pub fn end_input(&self) -> Result<(), EngineError> {
        self.jobs.iter().try_for_each(|job| job.end_input())?;
        self.input_ended.notify_one();
        Ok(())
    }

    /// Runs until `cancel`, or until every job has an input with an end and has read it; then drains the log for a moment,
    /// takes a last checkpoint and returns.
    pub async fn run(self: &Arc<Self>, cancel: CancellationToken) -> Result<(), EngineError> {
        let cancel = cancel.child_token();
        let threads = self.start_threads(&cancel)?;
        let mut interval = tokio::time::interval(self.options.checkpoint_interval);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        interval.tick().await;
        let mut wait_after_failure = None;
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.finished() => break,
                _ = interval.tick() => {}
                () = self.checkpoint_now.notified(), if wait_after_failure.is_none() => interval.reset(),
                () = tokio::time::sleep(wait_after_failure.unwrap_or_default()), if wait_after_failure.is_some() => {}
            }
            wait_after_failure = match self.checkpoint().await {
                true => None,
                false => Some(wait_after_failure.map_or(COMMIT_WAIT, |wait: Duration| (wait * 2).min(COMMIT_WAIT_MAX))),
            };
        }
        cancel.cancel();
        let joined =
            tokio::task::spawn_blocking(move || threads.into_iter().filter_map(|thread| thread.join().err()).count());
        let panicked = joined.await.map_err(|error| EngineError::Join(error.to_string()))?;
        if panicked > 0 {
            tracing::error!(panicked, "job threads ended in a panic; their rows are in the log");
        }
        self.checkpoint().await;
        Ok(())
    }

    /// Looks often only when there is an end to be reached.
    async fn finished(&self) {
        while !self.jobs.iter().all(|job| job.has_end()) {
            self.input_ended.notified().await;
        }
        while !self.jobs.iter().all(|job| job.is_finished()) {
            tokio::time::sleep(CATCH_UP_WAIT).await;
        }
    }

    /// Takes a checkpoint now. A failure is logged and shown; the rows stay visible and are tried again with the next.
    async fn checkpoint(&self) -> bool {
        let started = Instant::now();
        let result = self.try_checkpoint().await;
        let succeeded = result.is_ok();
        let duration_ms = started.elapsed().as_millis() as u64;
        let mut last = self.checkpoints.last.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(Some(id)) => {
                self.checkpoints.completed.add(1);
                *last = LastCheckpoint { id, completed_ms: self.clock.now_ms(), duration_ms, error: None };
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
    async fn try_checkpoint(&self) -> Result<Option<CheckpointId>, EngineError> {
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
                let committed = part.job.table.commit(prepared).await?;
                if let Some(sealed) = part.sealed.take() {
                    part.job.table.publish(sealed, committed)?;
                }
            }
        }
        let id = taking.id;
        *slot = None;
        Ok(Some(id))
    }

    /// Captures every job. None if no offset has moved since the last checkpoint.
    async fn begin(&self) -> Result<Option<InProgress>, EngineError> {
        let parts = self.capture().await?;
        let dead_letters_end = Offsets::from([(0, self.log.offsets(DEAD_LETTER_TOPIC, 0)?.end)]);
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = |part: &Part| written.offsets.get(&part.job.plan.name) != Some(&part.offsets);
        let begun = InProgress { id: written.id + 1, parts, dead_letters_end, is_written: false };
        Ok(begun.parts.iter().any(moved).then_some(begun))
    }

    /// Whatever a commit will name is on disk first: the log, the data files, the checkpoint.
    async fn write(&self, taking: &mut InProgress) -> Result<(), EngineError> {
        self.sync_log().await?;
        for part in &mut taking.parts {
            if let (Some(sealed), None) = (&part.sealed, &part.prepared) {
                part.prepared = Some(part.job.table.prepare(sealed, taking.id).await?);
            }
        }
        let jobs = taking.parts.iter().map(|part| (part.job.plan.name.clone(), part.state())).collect();
        let dead_letters_end = taking.dead_letters_end.clone();
        self.store.write(&Checkpoint { id: taking.id, time_ms: self.clock.now_ms(), jobs, dead_letters_end })?;
        taking.is_written = true;
        let offsets = taking.parts.iter().map(|part| (part.job.plan.name.clone(), part.offsets.clone())).collect();
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Written { id: taking.id, offsets };
        Ok(())
    }

    /// Job locks are held for a step at most, but a step is CPU work: wait for them off the async workers.
    async fn capture(&self) -> Result<Vec<Part>, EngineError> {
        let jobs = self.jobs.clone();
        let capture = move || {
            jobs.into_iter()
                .map(|job| {
                    let captured = job.capture();
                    let sealed = Some(captured.sealed).filter(|sealed| sealed.rows() > 0);
                    Part { job, offsets: captured.offsets, letters: captured.letters, sealed, prepared: None }
                })
                .collect()
        };
        tokio::task::spawn_blocking(capture).await.map_err(|error| EngineError::Join(error.to_string()))
    }

    async fn sync_log(&self) -> Result<(), EngineError> {
        let log = Arc::clone(&self.log);
        let synced = tokio::task::spawn_blocking(move || log.sync()).await;
        Ok(synced.map_err(|error| EngineError::Join(error.to_string()))??)
    }

    fn start_threads(
        self: &Arc<Self>,
        cancel: &CancellationToken,
    ) -> Result<Vec<std::thread::JoinHandle<()>>, EngineError> {
        let runtime = tokio::runtime::Handle::current();
        let start = |job: &Arc<Job>| {
            let (engine, job, cancel, runtime) = (Arc::clone(self), Arc::clone(job), cancel.clone(), runtime.clone());
            let name = job.plan.name.clone();
            std::thread::Builder::new()
                .name(format!("job-{}", job.plan.sink.table))
                .spawn(move || engine.run_job(&job, &cancel, &runtime))
                .map_err(|source| EngineError::Thread { job: name, source })
        };
        self.jobs.iter().map(start).collect()
    }

    fn run_job(&self, job: &Job, cancel: &CancellationToken, runtime: &tokio::runtime::Handle) {
        let mut changes = self.log.changes();
        while !cancel.is_cancelled() {
            changes.borrow_and_update();
            if self.is_tail_full(job) {
                std::thread::sleep(LINGER);
                continue;
            }
            match job.step() {
                Ok(0) => {
                    let wait = async {
                        tokio::select! {
                            _ = tokio::time::timeout(IDLE_WAIT, changes.changed()) => {}
                            () = cancel.cancelled() => {}
                        }
                    };
                    runtime.block_on(wait);
                    std::thread::sleep(LINGER);
                }
                Ok(_) => job.stats.set_error(None),
                Err(error) => {
                    tracing::error!(job = job.plan.name, %error, "a step failed; its records stay in the log and are tried again");
                    job.stats.set_error(Some(error.to_string()));
                    std::thread::sleep(FAULT_WAIT);
                }
            }
        }
        let deadline = Instant::now() + DRAIN_MAX;
        while Instant::now() < deadline && !self.is_tail_full(job) && matches!(job.step(), Ok(records) if records > 0) {
        }
    }

    /// Asks for an early checkpoint when the live tail has grown large; true when the job must wait for it.
    fn is_tail_full(&self, job: &Job) -> bool {
        let bytes = job.table.tail_bytes();
        if bytes > self.options.live_tail_bytes_max {
            self.checkpoint_now.notify_one();
        }
        bytes > self.options.live_tail_bytes_max.saturating_mul(2)
    }
}

impl Part {
    fn state(&self) -> JobState {
        JobState {
            topic: self.job.plan.topic.clone(),
            offsets: self.offsets.clone(),
            letters: self.letters.clone(),
            pending: self.prepared.clone(),
        }
    }
}

fn resume_job(log: &dyn Log, plan: &JobPlan, saved: Option<&JobState>) -> Result<Resume, EngineError> {
    let mut available = BTreeMap::new();
    let partitions =
        log.topics().into_iter().find(|topic| topic.name == plan.topic).map_or(0, |topic| topic.partitions);
    for partition in 0..partitions {
        let offsets = log.offsets(&plan.topic, partition)?;
        available.insert(partition, Available { start: offsets.start, end: offsets.end });
    }
    Ok(recover::resume(&plan.name, &plan.topic, saved, plan.startup, &available)?)
}

/// What jobs wrote to the dead-letter topic after the checkpoint, so that a replay does not write it again.
fn letters_since(log: &dyn Log, end: &Offsets) -> Result<BTreeMap<String, Offsets>, EngineError> {
    let available = log.offsets(DEAD_LETTER_TOPIC, 0)?;
    let mut from = end.get(&0).copied().unwrap_or(available.start).max(available.start);
    let mut records: Vec<StoredRecord> = Vec::new();
    while from < available.end {
        let fetched = log.fetch(DEAD_LETTER_TOPIC, 0, from, LETTERS_FETCH_BYTES)?;
        // a letter's value is not needed, and may be large
        records.extend(fetched.records.into_iter().map(|mut stored| {
            stored.record.value = bytes::Bytes::new();
            stored
        }));
        from = fetched.next_offset;
    }
    Ok(job::letters_written(&records))
}

#[cfg(test)]
mod tests;
