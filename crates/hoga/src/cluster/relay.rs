//! The thread between session and cluster: a standby that listens, or the leader that writes. It alone may block on the cluster.
//!
//! While it leads, trades that nobody heard are asked for over REST ([`crate::repair`]), as by the collector of a log of its own.

use super::hearing::Hearing;
use super::intake::{Buffer, Entry, Intake};
use super::leader::{Leader, Standby};
use super::{Cluster, GROUP, STATE_TOPIC, blocking};
use crate::collector::{CollectorStats, gap_log, listing_log};
use crate::failure::Failure;
use crate::repair::{RepairStatus, Repairer};
use crate::up::PARTITIONS;
use crate::up::collect::Sink;
use crate::up::exchange::Exchange;
use hoga_log::LogError;
use hoga_log::kafka::{KafkaLog, KafkaOptions, Lease};
use hoga_model::market::GAP_TOPIC;
use hoga_model::time::Clock;
use hoga_model::{Fault, Faulty};
use hoga_serve::health::CollectorHealth;
use hoga_upbit::frame::{Message, read_frame};
use hoga_upbit::listing::Listings;
use hoga_upbit::standby::{Received, What, Window};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long the relay waits for frames before it looks at its lease again.
const FRAMES_WAIT: Duration = Duration::from_millis(20);
const LEASE_WAIT: Duration = Duration::from_millis(100);
/// After a failed write or take-over, before the next try.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// At the end, to write what still waits.
const FINISH_MAX: Duration = Duration::from_secs(15);

/// The relay as the rest of the process sees it.
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
    is_leading: AtomicBool,
    takeovers: AtomicU64,
    window_events: AtomicU64,
    overflowed: AtomicU64,
    waiting_events: AtomicU64,
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

    fn set_trouble(&self, trouble: Option<String>) {
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
        for partition in 0..PARTITIONS {
            gaps.catch_up(&*log, partition, log.offsets_now(GAP_TOPIC, partition)?)?;
        }
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

struct Worker {
    options: KafkaOptions,
    log: Arc<KafkaLog>,
    lease: Arc<Lease>,
    buffer: Arc<Buffer>,
    status: Arc<Status>,
    parts: RelayParts,
    /// What was heard and is not this process's to write.
    window: Window,
    hearing: Hearing,
    /// The ledger as far as it was read.
    gaps: gap_log::Reading,
    rest_url: Arc<OnceLock<String>>,
    repair_status: Arc<RepairStatus>,
    /// Where repair runs.
    runtime: tokio::runtime::Handle,
    /// Not before this is the cluster tried again.
    retry_at: Instant,
}

impl Worker {
    fn run(mut self) -> Result<(), LogError> {
        let mut leader: Option<Leader> = None;
        let mut finish_by = None;
        loop {
            // while nothing can be written the frames stay in the buffer, whose limit is the session's
            let is_stuck = leader.as_ref().is_some_and(Leader::is_stuck);
            let (entries, is_end) = if is_stuck {
                std::thread::sleep(FRAMES_WAIT);
                (Vec::new(), false)
            } else {
                let taken = self.buffer.take(FRAMES_WAIT);
                (taken.entries, taken.is_end)
            };
            leader = self.step_down_if_due(leader);
            self.take(entries, leader.as_mut());
            if Instant::now() >= self.retry_at {
                leader = match leader {
                    Some(leading) => self.write(leading)?,
                    None if self.lease.is_held() => self.take_over()?,
                    None => None,
                };
            }
            // while the group is out of reach nobody may be leading: then only the window's size limits it
            if !self.lease.is_held() && self.lease.trouble().is_none() {
                self.window.forget_old(self.parts.clock.now_ms());
                self.hearing.forget_old(self.parts.clock.now_ms());
            }
            if let Some(leading) = &mut leader {
                self.repair(leading);
            }
            self.tell(leader.as_ref());
            if self.buffer.is_closed() {
                let by = *finish_by.get_or_insert_with(|| Instant::now() + FINISH_MAX);
                if (is_end || Instant::now() >= by)
                    && let Some(ended) = self.ended(&mut leader, by)
                {
                    return ended;
                }
            }
        }
    }

    /// What came goes to the leader, or into the window.
    fn take(&mut self, entries: Vec<Entry>, mut leader: Option<&mut Leader>) {
        let mut messages = Vec::new();
        for entry in entries {
            let (bytes, recv_ms) = match entry {
                Entry::Frame { bytes, recv_ms } => (bytes, recv_ms),
                Entry::Note { note, at_ms } => {
                    self.hearing.take(&note, at_ms);
                    if let Some(leading) = &mut leader {
                        leading.take_note(&note, at_ms);
                    }
                    continue;
                }
            };
            read_frame(&bytes, &mut messages);
            for message in messages.drain(..) {
                let Some(what) = self.read(message, recv_ms) else { continue };
                let received = Received { recv_ms, what };
                match &mut leader {
                    Some(leading) => leading.accept(received, &self.parts.stats),
                    None => self.window.push(received),
                }
            }
        }
    }

    fn read(&mut self, message: Message, recv_ms: i64) -> Option<What> {
        let stats = &self.parts.stats;
        match message {
            Message::Event(event) => {
                stats.streams[event.kind as usize].note(event.value.len() as u64, recv_ms);
                self.hearing.heard(&event, recv_ms);
                Some(What::Event(event))
            }
            Message::Dead { value, reason } => {
                tracing::warn!(reason, "a frame became a dead letter");
                stats.dead_letters.add(1);
                Some(What::Dead { value, reason })
            }
            Message::Status => {
                stats.control.add(1);
                None
            }
            Message::Error { name, message } => {
                tracing::warn!(name, message, "the exchange sent an error frame");
                stats.control.add(1);
                None
            }
        }
    }

    /// Missed trades are asked for as soon as it is known where.
    fn repair(&self, leading: &mut Leader) {
        let Some(rest_url) = self.rest_url.get() else { return };
        let last_run_ms = leading.written_ms;
        leading.repair(|collector| {
            let cancel = self.parts.cancel.child_token();
            let repairer = Repairer {
                collector,
                log: self.log.clone(),
                clock: self.parts.clock.clone(),
                status: self.repair_status.clone(),
                cancel: cancel.clone(),
                verify_interval: self.parts.verify_interval,
                last_run_ms,
                trade_table: None,
            };
            self.runtime.spawn(repairer.run(rest_url.clone()));
            cancel.drop_guard()
        });
    }

    fn step_down_if_due(&mut self, leader: Option<Leader>) -> Option<Leader> {
        let leading = leader?;
        if self.lease.is_held() && self.lease.term() == leading.term {
            return Some(leading);
        }
        tracing::warn!(term = leading.term, waiting = leading.waiting(), "the lease is lost: another collector leads");
        self.window.push_front_all(leading.into_waiting());
        None
    }

    fn write(&mut self, mut leading: Leader) -> Result<Option<Leader>, LogError> {
        let written = leading.flush().and_then(|()| leading.remember_if_due(self.parts.clock.now_ms()));
        match written {
            Ok(()) => {
                self.status.set_trouble(None);
                Ok(Some(leading))
            }
            Err(error) => {
                let can_retry = error.retry();
                self.note_trouble(error)?;
                if can_retry {
                    return Ok(Some(leading));
                }
                // fenced, or nobody knows what became of the last transaction: begin anew, by reading
                self.window.push_front_all(leading.into_waiting());
                Ok(None)
            }
        }
    }

    fn take_over(&mut self) -> Result<Option<Leader>, LogError> {
        let (term, now_ms) = (self.lease.term(), self.parts.clock.now_ms());
        let standby = Standby {
            options: &self.options,
            log: &self.log,
            window: &mut self.window,
            hearing: &self.hearing,
            gaps: &mut self.gaps,
            is_recording: self.parts.is_recording,
        };
        match Leader::take_over(standby, term, now_ms) {
            Ok(leader) => {
                self.status.takeovers.fetch_add(1, Ordering::Relaxed);
                self.status.set_trouble(None);
                self.retry_at = Instant::now();
                Ok(Some(leader))
            }
            Err(error) => {
                self.note_trouble(error)?;
                Ok(None)
            }
        }
    }

    /// Fails on what only the user can mend; anything else is told and tried again.
    fn note_trouble(&mut self, error: LogError) -> Result<(), LogError> {
        if error.fault() == Fault::User {
            return Err(error);
        }
        tracing::error!(%error, "events wait in memory");
        self.status.set_trouble(Some(error.to_string()));
        self.retry_at = Instant::now() + RETRY_WAIT;
        Ok(())
    }

    /// The end of the process: the leader's last write, or its last try.
    fn ended(&self, leader: &mut Option<Leader>, by: Instant) -> Option<Result<(), LogError>> {
        let is_late = Instant::now() >= by;
        let unwritten = match leader {
            Some(leading) => leading.waiting(),
            // it leads and cannot write
            None if self.lease.is_held() => self.window.len(),
            None => 0,
        };
        if unwritten > 0 {
            return is_late.then(|| {
                Err(LogError::Cluster {
                    doing: format!("write {unwritten} events before the end"),
                    reason: self.status.health().trouble.unwrap_or_else(|| "the cluster was too slow".to_owned()),
                    hint: "; they are lost unless another collector has heard them",
                    fault: Fault::External,
                    retry: false,
                })
            });
        }
        let Some(leading) = leader else { return Some(Ok(())) };
        if let Err(error) = leading.remember(self.parts.clock.now_ms()) {
            tracing::warn!(%error, "the next leader reads more of the trade topic than it would have to");
        }
        Some(Ok(()))
    }

    fn tell(&self, leader: Option<&Leader>) {
        let status = &self.status;
        status.is_leading.store(leader.is_some(), Ordering::Relaxed);
        status.window_events.store(self.window.len() as u64, Ordering::Relaxed);
        status.overflowed.store(self.window.overflowed(), Ordering::Relaxed);
        status.waiting_events.store(leader.map_or(0, Leader::waiting) as u64, Ordering::Relaxed);
    }
}
