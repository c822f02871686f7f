//! The connections of a session together: which frames are repetitions, what the end of one means, which is renewed next.
//!
//! In: what each connection brings and how it fares, the time. Out: frames and states for the session's handler; what a step asks for. State: the
//! connections. Not here: sockets, waiting.
//!
//! A connection has a lane for as long as somebody keeps it up, through all its reconnects; one that is renewed gets a second lane, and gives
//! up the first when nothing can be missed any more.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hoga_model::{Market, StreamKind};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::{Handler, Loss, SessionState};
use crate::error::BoxError;
use crate::frame::{Message, read_frame};
use crate::gap::{Coverage, Ending};
use crate::overlap::{LANES, Overlap};
use crate::standby::around_stream_type;
use crate::subscription::Subscription;

/// The old connection stays until it was heard so much later than the new one brought everything.
const OVERLAP_MS: i64 = 1_000;
/// Connects of one session are at least so far apart: five a second are allowed.
const CONNECT_SPACING: Duration = Duration::from_millis(200);

/// What `/metrics` shows of a session's connections.
#[derive(Debug, Default)]
pub struct SocketStats {
    /// Those that brought the first of every market.
    pub settled: AtomicU64,
    /// Those that stood and were lost.
    pub lost: AtomicU64,
    /// Those that were replaced before the exchange could end them, and those of which it began.
    pub renewed: AtomicU64,
    pub renewals_begun: AtomicU64,
    /// Frames that another connection had brought already.
    pub repeated: AtomicU64,
}

pub(super) struct Group<'a> {
    handler: &'a mut dyn Handler,
    stats: Arc<SocketStats>,
    /// How many there should be.
    connections: usize,
    age_max: Option<Duration>,
    subscription: Arc<Subscription>,
    lanes: [Lane; LANES],
    overlap: Overlap,
    coverage: Coverage,
    /// The lane that is given up, and the one that takes its place.
    renewal: Option<(usize, usize)>,
    /// The silent markets that were told last.
    told_silent: Vec<Market>,
    connect_at: Instant,
}

#[derive(Debug, Default)]
struct Lane {
    line: Arc<Line>,
    /// Somebody keeps it up.
    is_taken: bool,
    /// The connection stands.
    is_open: bool,
    /// Since when somebody keeps it up without a loss, and how long it may be.
    since: Option<Instant>,
    age_max: Option<Duration>,
    subscription: Option<Arc<Subscription>>,
    markets: HashSet<Market>,
    silent: HashSet<Market>,
    retire: CancellationToken,
}

/// Somebody is to keep a lane up.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) lane: usize,
    pub(super) line: Arc<Line>,
    /// Cancelled when another has taken its place.
    pub(super) retire: CancellationToken,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        handler: &'a mut dyn Handler,
        stats: Arc<SocketStats>,
        connections: usize,
        age_max: Option<Duration>,
        subscription: Arc<Subscription>,
    ) -> Group<'a> {
        // of a session before this one nothing stands any more
        stats.settled.store(0, Ordering::Relaxed);
        Group {
            handler,
            stats,
            connections,
            age_max,
            subscription,
            lanes: Default::default(),
            overlap: Overlap::default(),
            coverage: Coverage::default(),
            renewal: None,
            told_silent: Vec::new(),
            connect_at: Instant::now(),
        }
    }

    /// All connections, for a start.
    pub(super) fn start(&mut self, cancel: &CancellationToken) -> Vec<Start> {
        let connections = self.connections as u32;
        // the first renewals are spread, so that all that follow are
        let ages = (1..=connections).map(|part| self.age_max.map(|age_max| age_max * part / connections));
        let ages: Vec<_> = ages.collect();
        ages.into_iter().filter_map(|age_max| self.take_lane(age_max, cancel)).collect()
    }

    /// How long the next connect has to wait for those before it.
    pub(super) fn connect_wait(&mut self) -> Duration {
        let now = Instant::now();
        let at = self.connect_at.max(now);
        self.connect_at = at + CONNECT_SPACING;
        at - now
    }

    /// The exchange said that it was asked too often: nobody asks for so long.
    pub(super) fn limited(&mut self, wait: Duration) {
        self.connect_at = self.connect_at.max(Instant::now() + wait);
    }

    pub(super) fn subscription(&self) -> Arc<Subscription> {
        self.subscription.clone()
    }

    /// Every connection is renewed, one after the other, and the new ones ask for this.
    pub(super) fn resubscribe(&mut self, subscription: Subscription) {
        self.subscription = Arc::new(subscription);
    }

    /// A connection is about to ask for this.
    pub(super) fn opened(&mut self, lane: usize, subscription: &Arc<Subscription>) {
        let state = &mut self.lanes[lane];
        state.line.reset();
        state.is_open = true;
        state.since = Some(Instant::now());
        state.markets = subscription.markets.iter().cloned().collect();
        state.subscription = Some(subscription.clone());
        self.overlap.open(lane);
    }

    /// A connection did not come about.
    pub(super) fn unreached(&mut self, reason: String, retry_in_ms: u64) {
        let state = match self.open_lanes() {
            0 => SessionState::Unreachable { reason, retry_in_ms },
            live => SessionState::Thinned { loss: None, reason, retry_in_ms, live, hole_ms: None },
        };
        self.handler.on_state(state);
    }

    /// A connection that stood is lost.
    pub(super) fn lost(&mut self, lane: usize, loss: Loss, reason: String, retry_in_ms: u64) {
        self.stats.lost.fetch_add(1, Ordering::Relaxed);
        let ending = self.end(lane, loss == Loss::Stall);
        let live = self.open_lanes();
        let state = match ending {
            Ending::Dark { from_ms } => {
                // alone, its newest event says it: what it was heard for after that is an answer to a ping
                let covered_ms = from_ms.filter(|_| self.connections > 1);
                SessionState::Disconnected { loss, reason, retry_in_ms, covered_ms }
            }
            Ending::Covered => SessionState::Thinned { loss: Some(loss), reason, retry_in_ms, live, hole_ms: None },
            Ending::Hole { from_ms, to_ms } => {
                SessionState::Thinned { loss: Some(loss), reason, retry_in_ms, live, hole_ms: Some((from_ms, to_ms)) }
            }
        };
        self.handler.on_state(state);
    }

    /// Nobody keeps the lane up any more.
    pub(super) fn released(&mut self, lane: usize) {
        if self.lanes[lane].is_open {
            let ending = self.end(lane, false);
            if let Ending::Hole { from_ms, to_ms } = ending {
                tracing::warn!(from_ms, to_ms, "a connection was renewed too late");
            }
        }
        self.lanes[lane] = Lane::default();
        self.tell_silent();
    }

    /// Does what is due; a lane that somebody is to keep up, if there is a new one. Called several times a second.
    pub(super) fn step(&mut self, cancel: &CancellationToken) -> Option<Start> {
        (0..LANES).for_each(|lane| self.look_at(lane));
        if let Some((old, new)) = self.renewal {
            self.finish_renewal(old, new);
            return None;
        }
        let old = self.due_lane()?;
        let start = self.take_lane(self.age_max, cancel)?;
        tracing::info!(lane = old, "a connection is renewed: the new one first");
        self.renewal = Some((old, start.lane));
        self.stats.renewals_begun.fetch_add(1, Ordering::Relaxed);
        Some(start)
    }

    fn finish_renewal(&mut self, old: usize, new: usize) {
        let heard_ms = self.lanes[old].line.heard_ms();
        let is_replaced = match self.lanes[new].line.settled_ms() {
            Some(settled_ms) => heard_ms >= settled_ms + OVERLAP_MS || !self.lanes[old].is_open,
            // the old one is lost meanwhile: one of the two goes on trying
            None => !self.lanes[old].is_open,
        };
        if is_replaced {
            self.stats.renewed.fetch_add(1, Ordering::Relaxed);
            self.lanes[old].retire.cancel();
            self.renewal = None;
        }
    }

    /// The oldest connection that is to be renewed, if any.
    fn due_lane(&self) -> Option<usize> {
        let now = Instant::now();
        let is_due = |lane: &&usize| {
            let lane = &self.lanes[**lane];
            let is_old = lane.age_max.zip(lane.since).is_some_and(|(age_max, since)| now >= since + age_max);
            let asks_for_another =
                lane.subscription.as_ref().is_some_and(|asked| !Arc::ptr_eq(asked, &self.subscription));
            lane.is_open && !lane.retire.is_cancelled() && (is_old || asks_for_another)
        };
        let lanes: Vec<usize> = (0..LANES).collect();
        lanes.iter().filter(is_due).min_by_key(|lane| self.lanes[**lane].since).copied()
    }

    fn take_lane(&mut self, age_max: Option<Duration>, cancel: &CancellationToken) -> Option<Start> {
        let lane = self.lanes.iter().position(|lane| !lane.is_taken)?;
        let retire = cancel.child_token();
        let line = Arc::new(Line::default());
        self.lanes[lane] =
            Lane { is_taken: true, age_max, retire: retire.clone(), line: line.clone(), ..Lane::default() };
        Some(Start { lane, line, retire })
    }

    /// A frame came; false if another connection has brought it.
    pub(super) fn is_new(&mut self, lane: usize, frame: &Bytes, recv_ms: i64) -> bool {
        let is_alone = self.connections == 1 && self.renewal.is_none();
        if self.overlap.is_idle(is_alone) {
            return true;
        }
        self.look_at(lane);
        if self.tells_nothing(lane, frame) {
            return false;
        }
        // of a snapshot of one that begins, nobody can say whether it tells anything new while the others begin too
        let is_kept = self.connections > 1 && self.coverage.is_empty();
        !self.overlap.repeats(lane, frame, recv_ms, is_kept)
    }

    /// The snapshot of a ticker or book that another connection has been receiving: it has brought it, or brings it.
    fn tells_nothing(&self, lane: usize, frame: &Bytes) -> bool {
        let (before, after) = around_stream_type(frame);
        let said = frame.get(before.len()..frame.len() - after.len()).unwrap_or_default();
        if !said.ends_with(b"\"SNAPSHOT\"") {
            return false;
        }
        let mut messages = Vec::new();
        read_frame(frame, &mut messages);
        let [Message::Event(event)] = messages.as_slice() else { return false };
        let receives = |(other, state): (usize, &Lane)| {
            other != lane
                && self.coverage.is_settled(other)
                && state.markets.contains(&event.market)
                && !state.silent.contains(&event.market)
        };
        event.kind != StreamKind::Trade && self.lanes.iter().enumerate().any(receives)
    }

    /// Takes note of a connection that has brought the first of every market.
    fn look_at(&mut self, lane: usize) {
        if self.lanes[lane].is_open
            && !self.coverage.is_settled(lane)
            && let Some(settled_ms) = self.lanes[lane].line.settled_ms()
        {
            self.coverage.settled(lane, settled_ms);
            if self.lanes[lane].line.is_complete() {
                self.lanes[lane].silent.clear();
            }
            self.stats.settled.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn end(&mut self, lane: usize, is_stalled: bool) -> Ending {
        self.look_at(lane);
        self.stats.settled.fetch_sub(u64::from(self.coverage.is_settled(lane)), Ordering::Relaxed);
        self.lanes[lane].is_open = false;
        self.overlap.close(lane);
        let lanes = &self.lanes;
        self.coverage.ended(lane, |other| {
            let line = &lanes[other].line;
            // of those that stand nobody knows yet whether they have stalled
            if other != lane || is_stalled { line.data_ms() } else { line.heard_ms() }
        })
    }

    fn open_lanes(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.is_open).count()
    }

    /// These markets have not answered on this connection.
    fn silent(&mut self, lane: usize, markets: Vec<Market>) {
        self.look_at(lane);
        self.lanes[lane].silent = markets.iter().cloned().collect();
        if self.open_lanes() <= 1 {
            self.told_silent.clone_from(&markets);
            self.handler.on_state(SessionState::SilentMarkets(markets));
        } else {
            self.tell_silent();
        }
    }

    /// Markets that are silent on every connection that would know.
    fn tell_silent(&mut self) {
        let settled = (0..LANES).filter(|lane| self.coverage.is_settled(*lane)).map(|lane| &self.lanes[lane]);
        let settled: Vec<&Lane> = settled.collect();
        let Some((first, others)) = settled.split_first() else { return };
        let receives = |lane: &&Lane, market: &Market| lane.markets.contains(market) && !lane.silent.contains(market);
        let silent = first.silent.iter().filter(|market| !others.iter().any(|lane| receives(lane, market)));
        let mut silent: Vec<Market> = silent.cloned().collect();
        silent.sort();
        if !silent.is_empty() && silent != self.told_silent {
            self.handler.on_state(SessionState::SilentMarkets(silent.clone()));
        }
        self.told_silent = silent;
    }
}

/// One connection's way to the handler that they share.
pub(super) struct Port<'a, 'b> {
    pub(super) group: &'a Mutex<Group<'b>>,
    pub(super) lane: usize,
}

impl Handler for Port<'_, '_> {
    fn on_frame(&mut self, frame: Bytes, recv_ms: i64) -> Result<(), BoxError> {
        let mut group = lock(self.group);
        if !group.is_new(self.lane, &frame, recv_ms) {
            group.stats.repeated.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        group.handler.on_frame(frame, recv_ms)
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        lock(self.group).handler.on_idle()
    }

    fn on_state(&mut self, state: SessionState) {
        let mut group = lock(self.group);
        match state {
            SessionState::SilentMarkets(markets) => group.silent(self.lane, markets),
            state => group.handler.on_state(state),
        }
    }
}

/// Nothing is left half-done where it could panic.
pub(super) fn lock<'a, 'b>(group: &'a Mutex<Group<'b>>) -> MutexGuard<'a, Group<'b>> {
    group.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
