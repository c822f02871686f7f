//! Asks the exchange for the trades that were missed, and checks that none was.
//!
//! In: the ledger's gaps, the markets that are received. Out: trades into the collector, gaps settled. State: up to when each market's trades
//! were compared with the exchange's list. Not here: which gaps there are (`hoga_upbit::gap`), pages (`hoga_upbit::rest::ticks`).
//!
//! A market's trades are asked for from where they were last compared to the end of its gaps, or, when it has none, up to a few seconds ago.
//! So the comparisons of a market follow one another without a hole, and a frame that was lost on a connection that stood is found too.
//! Trades of a gap are in the log before the record that settles it; a process that dies in between asks again and finds them known.

mod plan;
mod trade_table;

pub use trade_table::TradeTable;

use crate::collector::{CollectError, Collector, Holes, gap_log};
use hoga_log::{Log, LogError};
use hoga_model::Market;
use hoga_model::time::Clock;
use hoga_upbit::backoff::Backoff;
use hoga_upbit::error::UpbitError;
use hoga_upbit::gap::{Cause, Gap, State};
use hoga_upbit::rest::ticks::{PastTrade, TicksClient, Walk};
use hoga_upbit::standby::{Known, TradeIndex};
use plan::{Job, MARGIN_MS, Plan};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub type SharedCollector = Arc<Mutex<Collector>>;

/// A collector is whole between two calls: a poisoned lock is taken over.
pub fn lock<T: ?Sized>(collector: &Mutex<T>) -> MutexGuard<'_, T> {
    collector.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever collects, as repair sees it.
pub trait Repairable: Send {
    fn holes(&self) -> &Holes;

    fn holes_mut(&mut self) -> &mut Holes;

    /// The trades that are collected.
    fn trades(&self) -> &TradeIndex;

    /// Takes in trades that the exchange lists, as far as they are new; gives when those were executed. They are in the log, or wait
    /// for it in front of every change of a gap that is noted after them.
    fn repair(&mut self, trades: Vec<PastTrade>, recv_ms: i64) -> Result<Vec<i64>, CollectError>;

    /// Puts changes of gaps into the ledger's topic.
    fn note_gaps(&mut self, changed: &[Gap], now_ms: i64);

    /// Appends what waits, or sees to it that it is appended.
    fn flush(&mut self) -> Result<(), CollectError>;
}

/// Between two looks when there is nothing to do.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// After 429: at least so long.
const LIMITED_WAIT_MIN_MS: u64 = 1_000;
/// After 418, doubled each time in a row: who goes on asking is blocked for longer.
const BLOCKED_WAIT_MS: u64 = 30_000;
const BLOCKED_DOUBLINGS_MAX: u32 = 5;
/// By how much the clocks of the records in the topic and of the exchange may differ, beside what is known of it.
const CLOCK_SKEW_MS: i64 = 60_000;

/// What `/metrics` and the page show.
#[derive(Debug, Default)]
pub struct RepairStatus {
    pub trades_repaired: AtomicU64,
    pub calls: AtomicU64,
    /// Calls that the exchange refused for there were too many.
    pub calls_limited: AtomicU64,
    pub gaps_open: AtomicU64,
    pub gaps_pending: AtomicU64,
    /// Up to when every received market's trades were compared; 0 before the first time.
    pub verified_ms: AtomicI64,
    /// REST does not answer.
    pub is_failing: AtomicBool,
}

pub struct Repairer {
    pub collector: Arc<Mutex<dyn Repairable>>,
    pub log: Arc<dyn Log>,
    pub clock: Arc<dyn Clock>,
    pub status: Arc<RepairStatus>,
    pub cancel: CancellationToken,
    /// How often each market's trades are compared without a reason; None: only gaps are repaired.
    pub verify_interval: Option<Duration>,
    /// When the newest event of the runs before was received.
    pub last_run_ms: Option<i64>,
    /// What the lake has of the past; None if the pipeline has no such table.
    pub trade_table: Option<TradeTable>,
}

#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Exchange(#[from] UpbitError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error("the table of trades cannot be asked: {0}")]
    Table(String),
    #[error("reading the trade topic ended badly: {0}")]
    Join(#[from] tokio::task::JoinError),
}

impl Repairer {
    /// Runs until it is cancelled.
    pub async fn run(self, rest_url: String) {
        let mut client = match TicksClient::new(&rest_url) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "missed trades cannot be asked for");
                return;
            }
        };
        let mut plan = Plan::new(self.verify_interval, self.last_run_ms);
        let mut backoff = Backoff::new(self.clock.now_ms() as u64);
        let mut blocks = 0;
        loop {
            let now_ms = self.clock.now_ms();
            let job = {
                let collector = lock(&self.collector);
                let Holes { ledger, clock } = collector.holes();
                let (open, pending) = ledger.counts();
                self.status.gaps_open.store(open as u64, Ordering::Relaxed);
                self.status.gaps_pending.store(pending as u64, Ordering::Relaxed);
                let job = plan.next(ledger, collector.trades(), clock, now_ms);
                self.status.verified_ms.store(plan.verified_ms(ledger).unwrap_or(0), Ordering::Relaxed);
                job
            };
            let wait = match job {
                None => IDLE_WAIT,
                Some(job) => match self.carry_out(&job, &mut client).await {
                    Ok(()) => {
                        plan.done(&job);
                        backoff.reset();
                        blocks = 0;
                        self.status.is_failing.store(false, Ordering::Relaxed);
                        Duration::ZERO
                    }
                    Err(error) => {
                        self.status.is_failing.store(true, Ordering::Relaxed);
                        self.wait_after(&error, &job, &mut plan, &mut backoff, &mut blocks)
                    }
                },
            };
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How long nobody is asked after this error.
    fn wait_after(
        &self,
        error: &RepairError,
        job: &Job,
        plan: &mut Plan,
        backoff: &mut Backoff,
        blocks: &mut u32,
    ) -> Duration {
        let wait_ms = match error {
            RepairError::Exchange(UpbitError::TooManyRequests { status, .. }) => {
                self.status.calls_limited.fetch_add(1, Ordering::Relaxed);
                if *status == 418 {
                    *blocks += 1;
                    BLOCKED_WAIT_MS << (*blocks - 1).min(BLOCKED_DOUBLINGS_MAX)
                } else {
                    backoff.next_ms().max(LIMITED_WAIT_MIN_MS)
                }
            }
            RepairError::Exchange(error) if hoga_model::Faulty::retry(error) => backoff.next_ms(),
            // the exchange does not know it any more: it will not tell
            RepairError::Exchange(UpbitError::Answer { status: 404, .. }) if self.give_up(job) => 0,
            RepairError::Table(_) => backoff.next_ms(),
            // this market's own trouble, such as that it is not listed any more: the others go on
            _ => {
                plan.postpone(&job.market, self.clock.now_ms());
                0
            }
        };
        tracing::warn!(%error, market = %job.market, gaps = job.gaps.len(), wait_ms, "missed trades were not got; they are asked for again");
        Duration::from_millis(wait_ms)
    }

    /// The gaps of a market that is not listed any more are lost; false if it is.
    fn give_up(&self, job: &Job) -> bool {
        let mut collector = lock(&self.collector);
        if collector.holes().ledger.is_listening(&job.market) {
            return false;
        }
        let settled = job.gaps.iter();
        let changed: Vec<Gap> = settled
            .filter_map(|gap| {
                collector.holes_mut().ledger.settle(&job.market, gap.from_ms, State::Lost, gap.trades_repaired)
            })
            .collect();
        collector.note_gaps(&changed, self.clock.now_ms());
        if let Err(error) = collector.flush() {
            tracing::error!(%error, "a gap waits for the log");
        }
        true
    }

    /// Compares, repairs, and settles the job's gaps. When it is cancelled on the way, nothing is settled.
    async fn carry_out(&self, job: &Job, client: &mut TicksClient) -> Result<(), RepairError> {
        let (from_ms, to_ms) = (job.from_ms, job.to_ms);
        let mut walk = Walk::new(from_ms, to_ms);
        let mut repaired = Vec::new();
        let mut in_topic: Option<HashSet<u64>> = None;
        // trades of the past may be in the lake and no more in the log
        let in_table = match &self.trade_table {
            Some(table) if job.is_backfill() => Some(table.ids(&job.market, from_ms, to_ms).await?),
            _ => None,
        };
        let mut rows_wanted = job.rows_first;
        while let Some(page) = walk.next(self.clock.now_ms(), rows_wanted) {
            rows_wanted = hoga_upbit::rest::ticks::ROWS_MAX;
            self.status.calls.fetch_add(1, Ordering::Relaxed);
            let trades = tokio::select! {
                () = self.cancel.cancelled() => return Ok(()),
                trades = client.page(&job.market, &page) => trades?,
            };
            walk.took(trades.len(), page.count, trades.last());
            let wanted = |trade: &PastTrade| (from_ms..=to_ms).contains(&trade.executed_ms);
            let mut missing: Vec<PastTrade> = trades.into_iter().filter(wanted).collect();
            let unsure = self.drop_known(&mut missing);
            if let Some(in_table) = &in_table {
                missing.retain(|trade| !in_table.contains(&trade.sequential_id));
            } else if let Some(id_max) = unsure {
                let found = match in_topic.take() {
                    Some(found) => found,
                    None => self.read_topic(&job.market, from_ms, id_max).await?,
                };
                missing.retain(|trade| !found.contains(&trade.sequential_id));
                in_topic = Some(found);
            }
            if !missing.is_empty() {
                repaired.extend(lock(&self.collector).repair(missing, self.clock.now_ms())?);
            }
        }
        self.settle(job, &repaired, walk.is_cut())?;
        Ok(())
    }

    /// Leaves those that are not known; gives up to which id nothing is known for sure, if that matters.
    fn drop_known(&self, trades: &mut Vec<PastTrade>) -> Option<u64> {
        let collector = lock(&self.collector);
        let mut is_unsure = false;
        trades.retain(|trade| match collector.trades().knows(&trade.event.market, trade.sequential_id) {
            Known::Yes => false,
            Known::No => true,
            Known::Unsure => {
                is_unsure = true;
                true
            }
        });
        let market = &trades.first()?.event.market;
        if is_unsure { collector.trades().forgotten(market) } else { None }
    }

    async fn read_topic(&self, market: &Market, from_ms: i64, id_max: u64) -> Result<HashSet<u64>, RepairError> {
        let ahead_ms = lock(&self.collector).holes().clock.ahead_ms.max(0);
        let (log, market) = (self.log.clone(), market.clone());
        let from_ms = from_ms - ahead_ms - CLOCK_SKEW_MS;
        let read = tokio::task::spawn_blocking(move || gap_log::trade_ids(&*log, &market, from_ms, id_max));
        Ok(read.await??)
    }

    /// Each repaired trade counts for one gap; those of none are a gap that nobody had noticed.
    fn settle(&self, job: &Job, repaired: &[i64], is_cut: bool) -> Result<(), RepairError> {
        let now_ms = self.clock.now_ms();
        self.status.trades_repaired.fetch_add(repaired.len() as u64, Ordering::Relaxed);
        let mut counts = vec![0; job.gaps.len()];
        let mut unnoticed: Option<(i64, i64, u64)> = None;
        for executed_ms in repaired {
            match gap_of(&job.gaps, *executed_ms) {
                Some(index) => counts[index] += 1,
                None => {
                    let (from_ms, to_ms, count) = unnoticed.unwrap_or((*executed_ms, *executed_ms, 0));
                    unnoticed = Some((from_ms.min(*executed_ms), to_ms.max(*executed_ms), count + 1));
                }
            }
        }
        let mut collector = lock(&self.collector);
        let state = if is_cut { State::Lost } else { State::Repaired };
        let mut changed: Vec<Gap> = Vec::new();
        for (gap, count) in job.gaps.iter().zip(counts) {
            changed.extend(collector.holes_mut().ledger.settle(&job.market, gap.from_ms, state, count));
        }
        if let Some((from_ms, to_ms, count)) = unnoticed {
            tracing::warn!(market = %job.market, trades = count, from_ms, to_ms, "trades were missing though the connection stood");
            changed.push(collector.holes_mut().ledger.missed(&job.market, from_ms, to_ms, count));
        }
        collector.note_gaps(&changed, now_ms);
        Ok(collector.flush()?)
    }
}

/// The gap that a trade is of: the nearest, if it is near. Around the beginning of collection another gap is the better explanation.
fn gap_of(gaps: &[Gap], executed_ms: i64) -> Option<usize> {
    let distance_ms = |gap: &Gap| {
        let to_ms = gap.to_ms.unwrap_or(i64::MAX);
        (gap.from_ms - executed_ms).max(executed_ms - to_ms).max(0)
    };
    let near = gaps.iter().enumerate().filter(|(_, gap)| distance_ms(gap) <= MARGIN_MS);
    let nearest = near.min_by_key(|(_, gap)| (distance_ms(gap), gap.cause == Cause::Begin));
    nearest.map(|(index, _)| index)
}
