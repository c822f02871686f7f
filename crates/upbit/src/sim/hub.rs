//! The exchange with everybody who listens to it: makes the events that are due and hands each to its subscribers.
//!
//! In: the time, subscriptions. Out: frames into the clients' queues, lines into the truth file. State: the exchange, the
//! clients, the faults. Not here: sockets, tasks, waiting.
//!
//! The exchange opens with the first subscription to a market it has. Until then it makes nothing, so that a client which
//! was there from the start can have received every trade there is.

use super::SimConfig;
use super::catalog::{self, Listing};
use super::error::SimError;
use super::exchange::{Event, Exchange};
use super::fault::{FaultPlan, malformed_frame, unknown_type_frame, with_unknown_field};
use super::render::{Format, StreamType, push_event};
use super::request::{DEPTHS, Subscription, split_depth};
use super::rng::Rng;
use super::truth::TruthFile;
use bytes::Bytes;
use hoga_model::StreamKind;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Sockets open at once.
pub(super) const CLIENTS_MAX: usize = 256;
/// Events made in one go, so that a subscriber or a REST call never waits long for its turn.
const BATCH_EVENTS_MAX: usize = 1_024;
/// What the exchange makes up for when it could not run in time. Longer pauses are lost time, not a flood.
const CATCH_UP_MS_MAX: i64 = 1_000;
/// Elements of one frame of snapshots in a LIST format.
const LIST_ELEMENTS_MAX: usize = 50;
/// The generator of the faults has a stream of its own: with or without faults, the trades are the same.
const FAULT_STREAM: u64 = u64::MAX;

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

/// What a client's task gets to send.
#[derive(Debug)]
pub(super) enum Out {
    Frame(Bytes),
    /// Close with code 1000 after all that was queued before.
    Close,
}

/// A client's end of its queue.
#[derive(Debug)]
pub(super) struct Inbox {
    pub client: u64,
    pub receiver: UnboundedReceiver<Out>,
    /// Bytes queued and not yet handed to the socket: the receiver subtracts what it has flushed.
    pub queued_bytes: Arc<AtomicUsize>,
    /// Cancelled when the socket must be dropped at once, without a close frame.
    pub dropped: CancellationToken,
}

#[derive(Debug)]
struct Client {
    format: Format,
    subscription: Option<Subscription>,
    /// By market.
    wants: Vec<Want>,
    sender: UnboundedSender<Out>,
    queued_bytes: Arc<AtomicUsize>,
    dropped: CancellationToken,
}

/// Which live streams of one market a client has asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Want {
    ticker: bool,
    trade: bool,
    /// One bit per entry of [`DEPTHS`].
    orderbook_depths: u8,
}

impl Want {
    /// As bits of [`DEPTHS`]; trades and tickers have but one shape, which is the last.
    fn depths(self, kind: StreamKind) -> u8 {
        match kind {
            StreamKind::Trade => u8::from(self.trade) << (DEPTHS.len() - 1),
            StreamKind::Ticker => u8::from(self.ticker) << (DEPTHS.len() - 1),
            StreamKind::Orderbook => self.orderbook_depths,
        }
    }

    fn add(&mut self, kind: StreamKind, depth_index: usize) {
        match kind {
            StreamKind::Trade => self.trade = true,
            StreamKind::Ticker => self.ticker = true,
            StreamKind::Orderbook => self.orderbook_depths |= 1 << depth_index,
        }
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
    faults: FaultPlan,
    fault_rng: Rng,
    truth: Option<TruthFile>,
    clients: HashMap<u64, Client>,
    last_client: u64,
    stats: SimStats,
    ticked_ms: i64,
    since_open_ms: i64,
    next_disconnect_ms: i64,
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
        let faults = FaultPlan::new(&config.faults);
        Ok(Hub {
            exchange: Exchange::open(listings.clone(), config.seed, now_ms, config.history_trades_max),
            listings,
            seed: config.seed,
            rate: config.rate,
            duration_ms: config.duration.map(|duration| duration.as_millis() as i64),
            history_trades_max: config.history_trades_max,
            queue_bytes_max: config.client_queue_bytes,
            fault_rng: Rng::new(config.seed, FAULT_STREAM),
            next_disconnect_ms: faults.disconnect_every_ms.unwrap_or(i64::MAX),
            faults,
            truth,
            clients: HashMap::new(),
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
                    Some((self.exchange.index_of(code)?, depth_index))
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
        let is_silent = self.faults.is_silent(self.since_open_ms);
        if !is_silent {
            self.due += self.rate * passed_ms as f64 / 1_000.0;
            self.skip_overdue();
        }
        self.disconnect_if_due();
        let count = (self.due as usize).min(BATCH_EVENTS_MAX);
        self.due -= count as f64;
        let events = self.make(count, now_ms - passed_ms, now_ms)?;
        for event in &events {
            self.deliver(event);
        }
        self.clients.retain(|_, client| !client.dropped.is_cancelled());
        let is_behind = self.due >= 1.0;
        self.stats.is_over =
            !is_behind && self.duration_ms.is_some_and(|duration_ms| self.since_open_ms >= duration_ms);
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
            let at_ms = from_ms + (to_ms - from_ms) * index as i64 / count as i64;
            let event = self.exchange.next(at_ms, || self.fault_rng.chance(self.faults.late_ppm));
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
    fn deliver(&mut self, event: &Event) {
        let (kind, market) = (event.kind(), event.market());
        let code = self.listings[market].info.market.as_str();
        let is_malformed = self.fault_rng.chance(self.faults.malformed_ppm);
        let is_doubled = kind == StreamKind::Trade && self.fault_rng.chance(self.faults.duplicate_ppm);
        let is_unknown = self.fault_rng.chance(self.faults.unknown_ppm);
        let has_unknown_field = is_unknown && self.fault_rng.below(2) == 0;
        let malformation = Rng::new(self.fault_rng.next_u64(), 0);
        let mut rendered: [Option<Bytes>; 16] = Default::default();
        for client in self.clients.values() {
            let depths = client.wants[market].depths(kind);
            for (depth_index, depth) in DEPTHS.iter().enumerate().filter(|(index, _)| depths & 1 << index != 0) {
                let format = client.format;
                let slot = &mut rendered[format as usize * DEPTHS.len() + depth_index];
                let frame = slot.get_or_insert_with(|| {
                    let frame = realtime_frame(event, code, format, *depth);
                    if has_unknown_field { with_unknown_field(&frame) } else { frame }
                });
                let mut send = |frame: Bytes| send(client, frame, &mut self.stats, self.queue_bytes_max);
                send(frame.clone());
                if is_doubled {
                    send(frame.clone());
                }
                if is_malformed {
                    send(malformed_frame(frame, &mut malformation.clone()));
                }
                if is_unknown && !has_unknown_field {
                    send(unknown_type_frame());
                }
            }
        }
    }

    fn queue_snapshots(&mut self, client: &Client, kind: StreamKind, codes: &[(usize, usize)]) {
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
    fn skip_overdue(&mut self) {
        let due_max = (self.rate * CATCH_UP_MS_MAX as f64 / 1_000.0).max(1.0);
        let skipped = (self.due - due_max).floor();
        if skipped >= 1.0 {
            self.due -= skipped;
            if self.stats.events_skipped == 0 {
                tracing::warn!(rate = self.rate, "this machine is too slow for the simulated exchange's rate");
            }
            self.stats.events_skipped += skipped as u64;
        }
    }

    fn disconnect_if_due(&mut self) {
        if self.since_open_ms < self.next_disconnect_ms {
            return;
        }
        let every_ms = self.faults.disconnect_every_ms.unwrap_or(i64::MAX).max(1);
        self.next_disconnect_ms = self.next_disconnect_ms.saturating_add(every_ms);
        tracing::info!(clients = self.clients.len(), "fault: every socket is dropped");
        for (_, client) in self.clients.drain() {
            client.dropped.cancel();
        }
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

/// Queues a frame. A queue that is full drops the client, never the frame: nothing is lost without the client noticing.
fn send(client: &Client, frame: Bytes, stats: &mut SimStats, queue_bytes_max: usize) {
    if client.dropped.is_cancelled() {
        return;
    }
    let queued_bytes = client.queued_bytes.fetch_add(frame.len(), Ordering::AcqRel) + frame.len();
    if queued_bytes > queue_bytes_max {
        tracing::warn!(queued_bytes, "a client reads too slowly; its socket is dropped");
        stats.clients_overflowed += 1;
        client.dropped.cancel();
        return;
    }
    stats.frames += 1;
    stats.frame_bytes += frame.len() as u64;
    // a task that has ended has no use for it
    let _ = client.sender.send(Out::Frame(frame));
}

#[cfg(test)]
mod tests;
