//! The thread between session and cluster, round by round: what came goes into the window or to the leader, which writes; the lease says which.

use super::hearing::Hearing;
use super::intake::{Buffer, Entry};
use super::leader::{Leader, Standby};
use super::relay::{RelayParts, Status};
use crate::collector::gap_log;
use crate::repair::{RepairStatus, Repairer};
use hoga_log::LogError;
use hoga_log::kafka::{KafkaLog, KafkaOptions, Lease};
use hoga_model::{Fault, Faulty};
use hoga_upbit::frame::{Message, read_frame};
use hoga_upbit::standby::{Received, What, Window};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long it waits for frames before it looks at its lease again.
const FRAMES_WAIT: Duration = Duration::from_millis(20);
/// After a failed write or take-over, before the next try.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// At the end, to write what still waits.
const FINISH_MAX: Duration = Duration::from_secs(15);

pub struct Worker {
    pub options: KafkaOptions,
    pub log: Arc<KafkaLog>,
    pub lease: Arc<Lease>,
    pub buffer: Arc<Buffer>,
    pub status: Arc<Status>,
    pub parts: RelayParts,
    /// What was heard and is not this process's to write.
    pub window: Window,
    pub hearing: Hearing,
    /// The ledger as far as it was read.
    pub gaps: gap_log::Reading,
    pub rest_url: Arc<OnceLock<String>>,
    pub repair_status: Arc<RepairStatus>,
    /// Where repair runs.
    pub runtime: tokio::runtime::Handle,
    /// Not before this is the cluster tried again.
    pub retry_at: Instant,
}

impl Worker {
    pub fn run(mut self) -> Result<(), LogError> {
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
            let now_ms = self.parts.clock.now_ms();
            if !self.lease.is_held() && self.lease.trouble().is_none() {
                self.window.forget_old(now_ms);
                self.hearing.forget_old(now_ms);
            }
            if let Some(leading) = &mut leader {
                self.hearing.forget_old(now_ms);
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
