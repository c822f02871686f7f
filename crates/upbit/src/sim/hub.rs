//! The exchange with everybody who listens to it: makes the events that are due and hands each to its subscribers.
//!
//! In: the time, subscriptions. Out: frames into the clients' queues, lines into the truth file. State: the exchange, the
//! clients, the faults. Not here: sockets, tasks, waiting.
//!
//! The exchange opens with the first subscription to a market it has. Until then it makes nothing, so that a client which
//! was there from the start can have received every trade there is.

mod queue;

pub(super) use queue::{Inbox, Out};

use super::SimConfig;
use super::catalog::{self, Listing};
use super::error::SimError;
use super::exchange::{Event, Exchange};
use super::fault::{Oddities, SURGE_FACTOR, Schedule, Share, Shares, Streams, Timed, frames};
use super::limit::RateLimit;
use super::render::{Format, StreamType, push_event};
use super::request::{DEPTHS, Subscription, split_depth};
use super::truth::TruthFile;
use bytes::Bytes;
use hoga_model::StreamKind;
use queue::{Client, Want, send};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

/// Sockets open at once.
pub(super) const CLIENTS_MAX: usize = 256;
/// Events made in one go, so that a subscriber or a REST call never waits long for its turn.
const BATCH_EVENTS_MAX: usize = 1_024;
/// What the exchange makes up for when it could not run in time. Longer pauses are lost time, not a flood.
const CATCH_UP_MS_MAX: i64 = 1_000;
/// Elements of one frame of snapshots in a LIST format.
const LIST_ELEMENTS_MAX: usize = 50;

/// What the exchange did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimStats {
    pub trades: u64,
    pub tickers: u64,
    pub orderbooks: u64,
    /// Events that were due and not made, because the machine could not keep up with the rate.
    pub events_skipped: u64,
    /// Frames put into the clients' queues, snapshots and faults included.
    pub frames: u64,
    pub frame_bytes: u64,
    pub clients: u64,
    pub clients_overflowed: u64,
    pub is_open: bool,
    /// The duration is over: no event is made any more.
    pub is_over: bool,
}

impl SimStats {
    pub fn events(&self) -> u64 {
        self.trades + self.tickers + self.orderbooks
    }
}

#[derive(Debug)]
pub(super) struct Hub {
    pub listings: Vec<Listing>,
    pub exchange: Exchange,
    seed: u64,
    rate: f64,
    duration_ms: Option<i64>,
    history_trades_max: usize,
    queue_bytes_max: usize,
    shares: Shares,
    schedule: Schedule,
    streams: Streams,
    pub(super) limit: RateLimit,
    /// The market that a fault has taken off the list.
    delisted: Option<usize>,
    /// By how much the exchange's clock is ahead of ours.
    clock_ahead_ms: i64,
    truth: Option<TruthFile>,
    /// By number, so that the same run has the same order.
    clients: BTreeMap<u64, Client>,
    last_client: u64,
    stats: SimStats,
    ticked_ms: i64,
    since_open_ms: i64,
    /// Events that are due; a fraction of one waits for the next tick.
    due: f64,
}

/// What the engine has to know after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticked {
    pub is_over: bool,
    pub is_silent: bool,
    /// More events are due already: tick again without waiting.
    pub is_behind: bool,
}

impl Hub {
    pub(super) fn new(config: &SimConfig, now_ms: i64) -> Result<Hub, SimError> {
        let listings = catalog::listings(config.markets, &config.quotes);
        let truth = config.truth.as_deref().map(TruthFile::create).transpose()?;
        let streams = Streams::new(config.seed);
        Ok(Hub {
            exchange: Exchange::open(listings.clone(), config.seed, now_ms, config.history_trades_max),
            listings,
            seed: config.seed,
            rate: config.rate,
            duration_ms: config.duration.map(|duration| duration.as_millis() as i64),
            history_trades_max: config.history_trades_max,
            queue_bytes_max: config.client_queue_bytes,
            shares: Shares::new(&config.faults),
            schedule: Schedule::new(&config.faults, &streams),
            streams,
            limit: RateLimit::default(),
            delisted: None,
            clock_ahead_ms: 0,
            truth,
            clients: BTreeMap::new(),
            last_client: 0,
            stats: SimStats::default(),
            ticked_ms: now_ms,
            since_open_ms: 0,
            due: 0.0,
        })
    }

    /// A new socket; `None` if there are too many.
    pub(super) fn join(&mut self) -> Option<Inbox> {
        if self.clients.len() >= CLIENTS_MAX {
            return None;
        }
        self.last_client += 1;
        let (sender, receiver) = unbounded_channel();
        let (queued_bytes, dropped) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let client = Client {
            format: Format::Default,
            subscription: None,
            wants: vec![Want::default(); self.listings.len()],
            sender,
            queued_bytes: Arc::clone(&queued_bytes),
            dropped: dropped.clone(),
            held: None,
        };
        self.clients.insert(self.last_client, client);
        Some(Inbox { client: self.last_client, receiver, queued_bytes, dropped })
    }

    pub(super) fn leave(&mut self, client: u64) {
        self.clients.remove(&client);
    }

    /// Replaces the client's subscription, queues the snapshots, and opens the exchange if this is the first one.
    pub(super) fn subscribe(&mut self, id: u64, subscription: Subscription, now_ms: i64) {
        let Some(mut client) = self.clients.remove(&id) else { return };
        client.wants.fill(Want::default());
        client.format = subscription.format;
        let known: Vec<_> = subscription
            .streams
            .iter()
            .map(|stream| {
                let codes = stream.codes.iter().filter(|_| !stream.is_grouped).filter_map(|code| {
                    let (code, depth) = split_depth(code);
                    let depth_index = DEPTHS.iter().position(|known| *known == depth).unwrap_or(DEPTHS.len() - 1);
                    Some((self.index_of(code)?, depth_index))
                });
                codes.collect::<Vec<_>>()
            })
            .collect();
        if !self.stats.is_open && known.iter().any(|codes| !codes.is_empty()) {
            self.open(now_ms);
        }
        for (stream, codes) in subscription.streams.iter().zip(known) {
            if stream.wants_snapshot {
                self.queue_snapshots(&client, stream.kind, &codes);
            }
            for (market, depth_index) in codes.iter().filter(|_| stream.wants_realtime) {
                client.wants[*market].add(stream.kind, *depth_index);
            }
        }
        client.subscription = Some(subscription);
        self.clients.insert(id, client);
    }

    /// Queues the answer to `LIST_SUBSCRIPTIONS`.
    pub(super) fn list_subscriptions(&mut self, id: u64, ticket: &str) {
        let Some(client) = self.clients.get(&id) else { return };
        let streams = client.subscription.iter().flat_map(|subscription| &subscription.streams);
        let simple = client.format.is_simple();
        let answer = if simple {
            let result: Vec<_> = streams.map(|s| json!({"ty": s.kind.as_str(), "cds": s.codes, "lv": 0})).collect();
            json!({"mthd": "LIST_SUBSCRIPTIONS", "rslt": result, "ticket": ticket})
        } else {
            let result: Vec<_> =
                streams.map(|s| json!({"type": s.kind.as_str(), "codes": s.codes, "level": 0})).collect();
            json!({"method": "LIST_SUBSCRIPTIONS", "result": result, "ticket": ticket})
        };
        send(client, answer.to_string().into(), &mut self.stats, self.queue_bytes_max);
    }

    /// Makes the events that are due at `now_ms` and queues their frames. Trades are in the truth file before they are in
    /// any queue; an error means that they are in neither.
    pub(super) fn tick(&mut self, now_ms: i64) -> Result<Ticked, SimError> {
        let from_ms = self.ticked_ms;
        self.ticked_ms = now_ms;
        if !self.stats.is_open || self.stats.is_over {
            return Ok(Ticked { is_over: self.stats.is_over, is_silent: false, is_behind: false });
        }
        let mut passed_ms = (now_ms - from_ms).clamp(0, CATCH_UP_MS_MAX);
        if let Some(duration_ms) = self.duration_ms {
            passed_ms = passed_ms.min(duration_ms - self.since_open_ms);
        }
        self.since_open_ms += passed_ms;
        self.begin_faults();
        let is_silent = self.schedule.has(Timed::Silence);
        if !is_silent {
            let factor = if self.schedule.has(Timed::Surge) { SURGE_FACTOR } else { 1.0 };
            self.due += self.rate * factor * passed_ms as f64 / 1_000.0;
            self.skip_overdue(factor);
        }
        let count = (self.due as usize).min(BATCH_EVENTS_MAX);
        self.due -= count as f64;
        let events = self.make(count, now_ms - passed_ms, now_ms)?;
        if !self.schedule.has(Timed::Stall) {
            let first = self.stats.events() - events.len() as u64;
            (first..).zip(&events).for_each(|(number, event)| self.deliver(event, number));
        }
        self.release_held(now_ms);
        self.clients.retain(|_, client| !client.dropped.is_cancelled());
        let is_behind = self.due >= 1.0;
        self.stats.is_over =
            !is_behind && self.duration_ms.is_some_and(|duration_ms| self.since_open_ms >= duration_ms);
        if self.stats.is_over {
            self.schedule.end();
            self.release_held(i64::MAX);
        }
        Ok(Ticked { is_over: self.stats.is_over, is_silent, is_behind })
    }

    /// True when every queued frame was handed to its socket.
    pub(super) fn is_drained(&self) -> bool {
        self.clients.values().all(|client| client.queued_bytes.load(Ordering::Acquire) == 0)
    }

    /// Asks every client's task to close its socket once its queue is sent.
    pub(super) fn close_all(&mut self) {
        for client in self.clients.values() {
            // a task that has ended already has nothing to close
            let _ = client.sender.send(Out::Close);
        }
    }

    pub(super) fn stats(&self) -> SimStats {
        SimStats { clients: self.clients.len() as u64, ..self.stats }
    }

    fn open(&mut self, now_ms: i64) {
        self.exchange = Exchange::open(self.listings.clone(), self.seed, now_ms, self.history_trades_max);
        self.ticked_ms = now_ms;
        self.stats.is_open = true;
        tracing::info!(markets = self.listings.len(), rate = self.rate, "the simulated exchange opens");
    }

    fn make(&mut self, count: usize, from_ms: i64, to_ms: i64) -> Result<Vec<Event>, SimError> {
        let mut events = Vec::with_capacity(count);
        for index in 1..=count {
            let at_ms = from_ms + (to_ms - from_ms) * index as i64 / count as i64 + self.clock_ahead_ms;
            let is_late = || self.shares.strikes(Share::Late, &mut self.streams.late);
            let Some(event) = self.exchange.next(at_ms, self.delisted, is_late) else { continue };
            match &event {
                Event::Trade(event) => {
                    self.stats.trades += 1;
                    if let Some(truth) = &mut self.truth {
                        truth.push(&event.trade, self.listings[event.trade.market].info.market.as_str());
                    }
                }
                Event::Ticker(_) => self.stats.tickers += 1,
                Event::Orderbook(_) => self.stats.orderbooks += 1,
            }
            events.push(event);
        }
        if let Some(truth) = &mut self.truth {
            truth.write()?;
        }
        Ok(events)
    }

    /// Renders the event once per format and depth that somebody wants.
    fn deliver(&mut self, event: &Event, number: u64) {
        let (kind, market) = (event.kind(), event.market());
        let code = self.listings[market].info.market.as_str();
        let oddities = Oddities::draw(&self.shares, kind == StreamKind::Trade, self.streams.event(number));
        let (shares, rng) = (&self.shares, &mut self.streams.clients);
        let mut rendered: [Option<Bytes>; 16] = Default::default();
        for client in self.clients.values_mut() {
            let depths = client.wants[market].depths(kind);
            for (depth_index, depth) in DEPTHS.iter().enumerate().filter(|(index, _)| depths & 1 << index != 0) {
                let format = client.format;
                let slot = &mut rendered[format as usize * DEPTHS.len() + depth_index];
                let frame = slot.get_or_insert_with(|| oddities.apply(realtime_frame(event, code, format, *depth)));
                // what is lost is lost for one: a second socket may have it
                let is_lost = shares.strikes(Share::Lost, rng);
                let is_held = shares.strikes(Share::Reorder, rng) && client.held.is_none();
                let whole = (!is_lost).then(|| frame.clone());
                let in_turn = if is_held {
                    client.held = whole.map(|frame| (frame, self.ticked_ms));
                    [None, None]
                } else {
                    [whole, client.held.take().map(|(frame, _)| frame)]
                };
                let client = &*client;
                let mut send = |frame: Bytes| send(client, frame, &mut self.stats, self.queue_bytes_max);
                in_turn.into_iter().flatten().for_each(&mut send);
                if oddities.is_doubled {
                    send(frame.clone());
                }
                if oddities.is_malformed {
                    send(oddities.malformed(frame));
                }
                if oddities.has_unknown_frame {
                    send(frames::of_unknown_type());
                }
            }
        }
    }

    /// Sends what was held back in an earlier tick and had nothing after it.
    fn release_held(&mut self, now_ms: i64) {
        for client in self.clients.values_mut() {
            if let Some((frame, _)) = client.held.take_if(|(_, held_ms)| *held_ms < now_ms) {
                send(client, frame, &mut self.stats, self.queue_bytes_max);
            }
        }
    }

    fn queue_snapshots(&mut self, client: &Client, kind: StreamKind, codes: &[(usize, usize)]) {
        if self.schedule.has(Timed::Stall) {
            return;
        }
        let format = client.format;
        let elements_max = if format.is_list() { LIST_ELEMENTS_MAX } else { 1 };
        let mut frame = Vec::new();
        let mut elements = 0;
        for (index, (market, depth_index)) in codes.iter().enumerate() {
            if let Some(event) = self.exchange.snapshot(kind, *market) {
                let code = self.listings[*market].info.market.as_str();
                if format.is_list() {
                    frame.push(if elements == 0 { b'[' } else { b',' });
                }
                push_event(&mut frame, &event, code, StreamType::Snapshot, format.is_simple(), DEPTHS[*depth_index]);
                elements += 1;
            }
            if elements > 0 && (elements == elements_max || index + 1 == codes.len()) {
                if format.is_list() {
                    frame.push(b']');
                }
                send(client, std::mem::take(&mut frame).into(), &mut self.stats, self.queue_bytes_max);
                elements = 0;
            }
        }
    }

    /// A machine that is too slow for the rate makes fewer events, says so once, and counts them.
    fn skip_overdue(&mut self, factor: f64) {
        let due_max = (self.rate * factor * CATCH_UP_MS_MAX as f64 / 1_000.0).max(1.0);
        let skipped = (self.due - due_max).floor();
        if skipped >= 1.0 {
            self.due -= skipped;
            if self.stats.events_skipped == 0 {
                tracing::warn!(rate = self.rate, "this machine is too slow for the simulated exchange's rate");
            }
            self.stats.events_skipped += skipped as u64;
        }
    }

    fn begin_faults(&mut self) {
        for fault in self.schedule.begin(self.since_open_ms) {
            tracing::info!(?fault, at_ms = self.since_open_ms, clients = self.clients.len(), "a fault begins");
            match fault {
                Timed::Disconnect => {
                    while let Some((_, client)) = self.clients.pop_first() {
                        client.dropped.cancel();
                    }
                }
                Timed::Single => {
                    if let Some((_, client)) = self.clients.pop_first() {
                        client.dropped.cancel();
                    }
                }
                // a task that has ended already has nothing to close
                Timed::Close => {
                    while let Some((_, client)) = self.clients.pop_first() {
                        let _ = client.sender.send(Out::Close);
                    }
                }
                Timed::Error => {
                    let frame =
                        json!({"error": {"message": "서버 내부 오류입니다.", "name": "INTERNAL_ERROR"}}).to_string();
                    while let Some((_, client)) = self.clients.pop_first() {
                        let _ = client.sender.send(Out::Fail(frame.clone().into()));
                    }
                }
                Timed::Clock { by_ms } => {
                    self.clock_ahead_ms = if self.clock_ahead_ms == 0 { by_ms } else { 0 };
                }
                Timed::Listing => {
                    let below_first = self.listings.len().saturating_sub(1) as u64;
                    self.delisted = match self.delisted {
                        None if below_first > 0 => Some(1 + self.streams.listing.below(below_first) as usize),
                        _ => None,
                    };
                }
                Timed::Silence | Timed::Stall | Timed::Outage | Timed::Block | Timed::Surge => {}
            }
        }
    }

    /// The index of a market that is on the list now.
    pub(super) fn index_of(&self, code: &str) -> Option<usize> {
        self.exchange.index_of(code).filter(|index| Some(*index) != self.delisted)
    }

    pub(super) fn is_listed(&self, index: usize) -> bool {
        Some(index) != self.delisted
    }

    /// The HTTP status that a fault has for every answer now.
    pub(super) fn refused_status(&self) -> Option<u16> {
        let refusals = [(Timed::Block, 418), (Timed::Outage, 503)];
        refusals.into_iter().find(|(fault, _)| self.schedule.has(*fault)).map(|(_, status)| status)
    }

    /// Whether a fault answers this call with 429.
    pub(super) fn limits_call(&mut self) -> bool {
        self.shares.strikes(Share::Limit, &mut self.streams.calls)
    }

    /// The exchange's own clock.
    pub(super) fn exchange_ms(&self, now_ms: i64) -> i64 {
        now_ms + self.clock_ahead_ms
    }
}

fn realtime_frame(event: &Event, code: &str, format: Format, depth: usize) -> Bytes {
    let mut frame = Vec::with_capacity(if event.kind() == StreamKind::Orderbook { 96 * depth + 256 } else { 1_100 });
    if format.is_list() {
        frame.push(b'[');
    }
    push_event(&mut frame, event, code, StreamType::Realtime, format.is_simple(), depth);
    if format.is_list() {
        frame.push(b']');
    }
    frame.into()
}

#[cfg(test)]
mod tests;
