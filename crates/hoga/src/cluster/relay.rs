//! A standby that listens, or the leader that writes, as the rest of the process sees it: a sink for frames, and two threads that alone may
//! block on the cluster ([`super::worker`], and the one that takes part in the election).

use super::hearing::Hearing;
use super::intake::{Buffer, Intake};
use super::worker::Worker;
use super::{Cluster, GROUP, STATE_TOPIC, blocking};
use crate::collector::{CollectorStats, gap_log, listing_log};
use crate::failure::Failure;
use crate::repair::RepairStatus;
use crate::up::collect::Sink;
use crate::up::exchange::Exchange;
use hoga_log::LogError;
use hoga_log::kafka::{KafkaLog, KafkaOptions, Lease};
use hoga_model::market::GAP_TOPIC;
use hoga_model::time::Clock;
use hoga_serve::health::CollectorHealth;
use hoga_upbit::listing::Listings;
use hoga_upbit::standby::Window;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const LEASE_WAIT: Duration = Duration::from_millis(100);

pub struct Relay {
    buffer: Arc<Buffer>,
    status: Arc<Status>,
    thread: JoinHandle<Result<(), LogError>>,
    lease_thread: JoinHandle<Result<(), LogError>>,
    is_stopping: Arc<AtomicBool>,
    /// The exchange's, once it is known where it is.
    rest_url: Arc<OnceLock<String>>,
    repair_status: Arc<RepairStatus>,
    clock: Arc<dyn Clock>,
    /// As the topic had it at the start.
    listings: Listings,
    is_recording: bool,
}

/// What it works with.
pub struct RelayParts {
    pub stats: Arc<CollectorStats>,
    pub clock: Arc<dyn Clock>,
    /// The frames are those of a recording: nothing is missing before and after it.
    pub is_recording: bool,
    /// How often each market's trades are compared with the exchange's list; None: only gaps are repaired.
    pub verify_interval: Option<Duration>,
    /// Cancelled when the relay ends on what only the user can mend.
    pub cancel: CancellationToken,
}

/// What `/metrics` shows.
#[derive(Debug, Default)]
pub struct Status {
    pub is_leading: AtomicBool,
    pub takeovers: AtomicU64,
    pub window_events: AtomicU64,
    pub overflowed: AtomicU64,
    pub waiting_events: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Status {
    pub fn health(&self) -> CollectorHealth {
        CollectorHealth {
            leading: self.is_leading.load(Ordering::Relaxed),
            takeovers_total: self.takeovers.load(Ordering::Relaxed),
            window_events: self.window_events.load(Ordering::Relaxed),
            window_overflowed_total: self.overflowed.load(Ordering::Relaxed),
            waiting_events: self.waiting_events.load(Ordering::Relaxed),
            trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl Relay {
    /// Joins the election, and takes frames from now on.
    pub async fn start(cluster: &Cluster, parts: RelayParts) -> Result<Relay, Failure> {
        let (log, options) = (cluster.log.clone(), cluster.options.clone());
        let runtime = tokio::runtime::Handle::current();
        let started = blocking(move || Relay::try_start(log, options, parts, runtime)).await?;
        started.map_err(|error| Failure::of(&error))
    }

    fn try_start(
        log: Arc<KafkaLog>,
        options: KafkaOptions,
        parts: RelayParts,
        runtime: tokio::runtime::Handle,
    ) -> Result<Relay, LogError> {
        let (buffer, status) = (Arc::new(Buffer::default()), Arc::new(Status::default()));
        let (rest_url, repair_status) = (Arc::<OnceLock<String>>::default(), Arc::<RepairStatus>::default());
        // the ledger is for ever: whoever takes over reads only what came since
        let mut gaps = gap_log::Reading::default();
        gaps.catch_up(&*log, |partition| log.offsets_now(GAP_TOPIC, partition))?;
        let listings = listing_log::load(&*log)?;
        let is_stopping = Arc::new(AtomicBool::new(false));
        let lease = Arc::new(Lease::join(&options, GROUP, STATE_TOPIC, parts.clock.now_ms())?);
        let cancel = parts.cancel.clone();
        let lease_thread = {
            let (lease, is_stopping) = (lease.clone(), is_stopping.clone());
            spawn("kafka-lease", cancel.clone(), move || stand(&lease, &is_stopping))?
        };
        let (clock, is_recording) = (parts.clock.clone(), parts.is_recording);
        let worker = Worker {
            options,
            log,
            lease,
            buffer: buffer.clone(),
            status: status.clone(),
            parts,
            window: Window::default(),
            hearing: Hearing::default(),
            gaps,
            rest_url: rest_url.clone(),
            repair_status: repair_status.clone(),
            runtime,
            retry_at: Instant::now(),
        };
        let thread = spawn("kafka-relay", cancel, move || worker.run())?;
        Ok(Relay {
            buffer,
            status,
            thread,
            lease_thread,
            is_stopping,
            rest_url,
            repair_status,
            clock,
            listings,
            is_recording,
        })
    }

    /// Where a session's frames go.
    pub fn sink(&self, exchange: Arc<Exchange>) -> Box<dyn Sink> {
        let (clock, listings) = (self.clock.clone(), self.listings.clone());
        Box::new(Intake::new(self.buffer.clone(), exchange, clock, listings, self.is_recording))
    }

    /// From now on missed trades are asked for, while this process leads.
    pub fn begin_repair(&self, rest_url: &str) {
        if !self.is_recording {
            self.rest_url.get_or_init(|| rest_url.to_owned());
        }
    }

    /// What repair has done here; it is up to date while this process leads.
    pub fn repair_status(&self) -> Arc<RepairStatus> {
        self.repair_status.clone()
    }

    pub fn health(&self) -> Arc<dyn Fn() -> CollectorHealth + Send + Sync> {
        let status = self.status.clone();
        Arc::new(move || status.health())
    }

    /// Writes what still waits, hands over to a standby, and tells how it ended.
    pub async fn finish(self) -> Result<(), Failure> {
        self.buffer.close();
        let Relay { thread, lease_thread, is_stopping, .. } = self;
        let ended = blocking(move || {
            let ended = thread.join();
            // the last one to let go of the lease leaves the group
            is_stopping.store(true, Ordering::Relaxed);
            (ended, lease_thread.join())
        });
        match ended.await? {
            (Ok(written), Ok(led)) => written.and(led).map_err(|error| Failure::of(&error)),
            _ => Err(Failure::external("a thread of the collector ended in a panic")),
        }
    }
}

/// Takes part in the election until it is told to stop. Then the lease goes with the last who knows it. It stands from the first moment on, but
/// behind all that have listened longer: whoever leads next must have heard what the leader before it heard, and a newcomer has not.
fn stand(lease: &Lease, is_stopping: &AtomicBool) -> Result<(), LogError> {
    while !is_stopping.load(Ordering::Relaxed) {
        lease.poll(LEASE_WAIT)?;
    }
    Ok(())
}

/// A thread whose failure ends the process.
pub(super) fn spawn(
    name: &'static str,
    cancel: CancellationToken,
    work: impl FnOnce() -> Result<(), LogError> + Send + 'static,
) -> Result<JoinHandle<Result<(), LogError>>, LogError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let ended = work();
        if ended.is_err() {
            cancel.cancel();
        }
        ended
    });
    thread.map_err(|source| LogError::Thread { name, source })
}
