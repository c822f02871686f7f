//! Bars that had closed before a trade came are computed again: looks for them, and writes those that differ into their topic.
//!
//! In: the engine's register of touched bars. Out: records of `upbit-bar`, which the pipeline puts into the tables like any other. Not here:
//! what a bar must be (`hoga_engine::bars`). A process that dies between two lines looks again after the start: to write a correction twice
//! is harmless, and none is settled before it was seen in its table.

use crate::cluster::Relay;
use crate::failure::{Failure, with_causes};
use crate::up::PARTITIONS;
use crate::up::shared_bars::SharedBars;
use crate::up::topology::Rooms;
use bytes::Bytes;
use hoga_engine::bars::Correction;
use hoga_engine::{Engine, EngineError, QueryService};
use hoga_log::{Log, LogError, Record, partition_for_key};
use hoga_model::market::BAR_TOPIC;
use hoga_model::time::Clock;
use hoga_serve::health::BarHealth;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Between two looks when nothing is to be done: what was touched meanwhile is one look.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// After a look nothing is done for so many times as long as it took.
const RESTS_PER_LOOK: u32 = 4;
const REST_MIN: Duration = Duration::from_millis(50);
const REST_MAX: Duration = Duration::from_secs(30);
/// In a cluster: for trades that are in the topic to be in the table.
const TRADES_WAIT: Duration = Duration::from_millis(20);
const TRADES_WAIT_MAX: Duration = Duration::from_secs(2);
/// After a failure, doubled each time in a row.
const FAILED_WAIT: Duration = Duration::from_secs(1);
const FAILED_WAIT_MAX: Duration = Duration::from_secs(60);

/// What was done since the start.
#[derive(Debug, Default)]
pub struct BarStatus {
    checked: AtomicU64,
    corrected: AtomicU64,
    unexplained: AtomicU64,
    is_failing: AtomicBool,
}

pub struct BarCorrector {
    pub engine: Arc<Engine>,
    pub queries: Arc<QueryService>,
    pub log: Arc<dyn Log>,
    pub clock: Arc<dyn Clock>,
    pub status: Arc<BarStatus>,
    /// In a cluster, where others correct too.
    pub shared: Option<SharedBars>,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// There was nothing to look at, or it is too early.
    Nothing,
    Done,
}

/// Who computes bars again. In a cluster only those whose bars mean the same: they run the built-in pipeline.
pub(super) fn corrector(rooms: &Rooms, relay: Option<&Relay>) -> Result<Option<BarCorrector>, Failure> {
    if !rooms.corrects_bars {
        return Ok(None);
    }
    let shared = match relay.map(Relay::health) {
        Some(health) => {
            let leads = Arc::new(move || health().leading);
            let now_ms = rooms.clock.now_ms();
            let opened = tokio::task::block_in_place(|| SharedBars::open(&*rooms.log, now_ms, leads));
            Some(opened.map_err(|error| Failure::of(&error))?)
        }
        None => None,
    };
    Ok(Some(BarCorrector {
        engine: rooms.engine.clone(),
        queries: rooms.queries.clone(),
        log: rooms.log.clone(),
        clock: rooms.clock.clone(),
        status: Arc::new(BarStatus::default()),
        shared,
    }))
}

#[derive(Debug, thiserror::Error)]
enum CorrectError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot write corrected bars: {0}")]
    Log(#[from] LogError),
    #[error("writing corrected bars ended badly: {0}")]
    Join(#[from] tokio::task::JoinError),
}

impl BarCorrector {
    /// Until `cancel`; None if the pipeline makes no bars.
    pub fn start(self, cancel: CancellationToken) -> Option<JoinHandle<()>> {
        if self.engine.flow.bars().is_none() {
            tracing::info!("the pipeline makes no bars as upbit.sql does: late trades change none");
            return None;
        }
        Some(tokio::spawn(self.run(cancel)))
    }

    async fn run(mut self, cancel: CancellationToken) {
        let mut after = None;
        let mut failures = 0;
        let mut wait = IDLE_WAIT;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            let begun = Instant::now();
            let looked = tokio::select! {
                // what was not written is looked at after the next start
                () = cancel.cancelled() => return,
                looked = Box::pin(self.look(&mut after)) => looked,
            };
            wait = match looked {
                Ok(Looked::Nothing) => IDLE_WAIT,
                Ok(Looked::Done) => (begun.elapsed() * RESTS_PER_LOOK).clamp(REST_MIN, REST_MAX),
                Err(error) => {
                    tracing::error!(
                        reason = with_causes(&error),
                        "bars were not compared with their trades; they are again in a while"
                    );
                    failures += 1;
                    self.status.is_failing.store(true, Ordering::Relaxed);
                    wait = (FAILED_WAIT * 2_u32.saturating_pow(failures - 1)).min(FAILED_WAIT_MAX);
                    continue;
                }
            };
            failures = 0;
            self.status.is_failing.store(false, Ordering::Relaxed);
        }
    }

    async fn look(&mut self, after: &mut Option<(i64, String)>) -> Result<Looked, CorrectError> {
        // one that knows fewer trades than another would undo what that one has written
        if self.shared.is_some() && !self.has_all_trades().await? {
            return Ok(Looked::Nothing);
        }
        let looked = self.engine.check_bars(&self.queries, after.as_ref()).await?;
        let Some(mut pass) = looked else { return Ok(Looked::Nothing) };
        let is_early = self.shared.as_mut().is_some_and(|shared| shared.take_turn(&mut pass, Instant::now()));
        if !pass.corrections.is_empty() {
            let (log, now_ms) = (self.log.clone(), self.clock.now_ms());
            let records = by_partition(&pass.corrections, now_ms);
            tokio::task::spawn_blocking(move || append(&*log, &records)).await??;
            let markets = pass.corrections.chunk_by(|one, other| one.market == other.market).count();
            tracing::info!(bars = pass.corrections.len(), markets, "bars that had closed were computed again");
        }
        pass.settle(&self.engine);
        self.status.checked.fetch_add(pass.bars_checked as u64, Ordering::Relaxed);
        self.status.corrected.fetch_add(pass.corrections.len() as u64, Ordering::Relaxed);
        self.status.unexplained.fetch_add(pass.unexplained as u64, Ordering::Relaxed);
        *after = pass.last();
        Ok(if is_early && pass.corrections.is_empty() { Looked::Nothing } else { Looked::Done })
    }

    /// Whether the trades that are in the topic now are in the table in a moment.
    async fn has_all_trades(&self) -> Result<bool, EngineError> {
        let Some(ends) = self.engine.trade_ends()? else { return Ok(true) };
        let until = Instant::now() + TRADES_WAIT_MAX;
        while !self.engine.has_trades(&ends) {
            if Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(TRADES_WAIT).await;
        }
        Ok(true)
    }
}

fn by_partition(corrections: &[Correction], now_ms: i64) -> Vec<Vec<Record>> {
    let mut partitions = vec![Vec::new(); PARTITIONS as usize];
    for correction in corrections {
        let key = Bytes::copy_from_slice(correction.market.as_bytes());
        let partition = partition_for_key(&key, PARTITIONS) as usize;
        let value = correction.to_json().into();
        partitions[partition].push(Record { key: Some(key), value, timestamp_ms: now_ms, headers: Vec::new() });
    }
    partitions
}

fn append(log: &dyn Log, partitions: &[Vec<Record>]) -> Result<(), LogError> {
    for (partition, records) in partitions.iter().enumerate().filter(|(_, records)| !records.is_empty()) {
        log.append(BAR_TOPIC, partition as u32, records)?;
    }
    Ok(())
}

/// None if nobody corrects bars.
pub fn health(status: &BarStatus, engine: &Engine) -> Option<BarHealth> {
    let bars = engine.flow.bars()?;
    Some(BarHealth {
        due: bars.touched.count() as u64,
        checked_total: status.checked.load(Ordering::Relaxed),
        corrected_total: status.corrected.load(Ordering::Relaxed),
        unexplained_total: status.unexplained.load(Ordering::Relaxed),
        failing: status.is_failing.load(Ordering::Relaxed),
    })
}
