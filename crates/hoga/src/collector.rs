//! The collector: frames of the exchange into the log, each trade once.
//!
//! In: frames from a session or a replay, trades from repair. Out: records in the topics, dead letters, changes of gaps. State: what is not
//! appended yet, the trade ids seen lately, the ledger of gaps. Not here: connections, JSON, files, asking for what was missed
//! ([`crate::repair`]).
//!
//! A frame is durable when the flush after it returned. If the process dies before, the frame is lost like one that was
//! on the wire: the gap of the restart begins before it, and repair asks for it again.

pub mod gap_log;
pub mod listing_log;
pub mod trade_index;

pub use trade_index::TradeSaver;

use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_engine::dead_letter::DeadLetter;
use hoga_engine::stats::Counter;
use hoga_log::{Log, LogError, Record, partition_for_key};
use hoga_model::market::{DEAD_LETTER_TOPIC, GAP_TOPIC, MARKET_TOPIC};
use hoga_model::{Market, StreamKind};
use hoga_upbit::frame::{Event, Message, read_frame};
use hoga_upbit::gap::{Backfilled, Cause, Gap, Ledger, Lost};
use hoga_upbit::listing::{Event as ListEvent, Listing, Listings};
use hoga_upbit::rest::ticks::PastTrade;
use hoga_upbit::standby::TradeIndex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Frames are appended at the latest when this many records wait: one batch in the log then has a sensible size.
const WAITING_RECORDS_MAX: usize = 512;
/// What is held while the log cannot be written. Beyond it the session stops reading, and the exchange's frames wait in
/// the socket.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// What the collector has done, by stream.
#[derive(Debug, Default)]
pub struct CollectorStats {
    pub streams: [StreamStats; 3],
    pub dead_letters: Counter,
    /// Control frames: status answers and refusals.
    pub control: Counter,
}

#[derive(Debug, Default)]
pub struct StreamStats {
    pub received: Counter,
    pub bytes: Counter,
    /// Trades that were in the log already.
    pub duplicates: Counter,
    last_ms: AtomicI64,
}

impl StreamStats {
    /// One more event.
    pub fn note(&self, bytes: u64, recv_ms: i64) {
        self.received.add(1);
        self.bytes.add(bytes);
        self.last_ms.store(recv_ms, Ordering::Relaxed);
    }

    /// When the newest event was received; None before the first.
    pub fn last_ms(&self) -> Option<i64> {
        Some(self.last_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }
}

pub struct Collector {
    log: Arc<dyn Log>,
    trades: TradeIndex,
    pub stats: Arc<CollectorStats>,
    messages: Vec<Message>,
    /// Records by stream, then partition.
    waiting: Vec<Vec<Record>>,
    letters: Vec<Record>,
    /// Changes of gaps by partition.
    gaps: Vec<Vec<Record>>,
    /// Changes of the list of markets by partition.
    listings: Vec<Vec<Record>>,
    waiting_records: usize,
    waiting_bytes: usize,
    pub ledger: Ledger,
    pub clock: ExchangeClock,
}

/// What the newest events say of the time.
#[derive(Debug, Default, Clone, Copy)]
pub struct ExchangeClock {
    /// When the newest event was received.
    pub recv_ms: Option<i64>,
    /// By how much its time of publication was ahead of our clock; usually less than nothing.
    pub ahead_ms: i64,
}

/// A clock that is further off than this is a fault of the event.
const AHEAD_MS_MAX: i64 = 86_400_000;

impl ExchangeClock {
    fn note(&mut self, event: &Event, recv_ms: i64) {
        self.recv_ms = Some(recv_ms);
        let ahead_ms = event.timestamp_ms - recv_ms;
        // a snapshot may have been published hours ago
        if !event.is_snapshot && ahead_ms.abs() <= AHEAD_MS_MAX {
            self.ahead_ms = ahead_ms;
        }
    }

    /// A time of ours that no later time of the exchange's is before.
    pub fn earliest(&self, our_ms: i64) -> i64 {
        our_ms + self.ahead_ms.min(0)
    }

    /// A time of ours that no earlier time of the exchange's is after.
    pub fn latest(&self, our_ms: i64) -> i64 {
        our_ms + self.ahead_ms.max(0)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("the log cannot be written and {waiting_bytes} bytes of events wait: {source}")]
    Full { waiting_bytes: usize, source: LogError },
}

impl Collector {
    pub fn new(log: Arc<dyn Log>, trades: TradeIndex, ledger: Ledger, stats: Arc<CollectorStats>) -> Collector {
        let waiting = vec![Vec::new(); StreamKind::ALL.len() * PARTITIONS as usize];
        Collector {
            log,
            trades,
            stats,
            messages: Vec::new(),
            waiting,
            letters: Vec::new(),
            gaps: vec![Vec::new(); PARTITIONS as usize],
            listings: vec![Vec::new(); PARTITIONS as usize],
            waiting_records: 0,
            waiting_bytes: 0,
            ledger,
            clock: ExchangeClock::default(),
        }
    }

    pub fn trades(&self) -> &TradeIndex {
        &self.trades
    }

    /// The process begins: nobody has listened since `from_ms`.
    pub fn restart(&mut self, from_ms: i64, listings: &Listings, now_ms: i64) -> Result<(), CollectError> {
        let opened = self.ledger.restart(from_ms, |market| listings.is_delisted(market));
        if !opened.is_empty() {
            tracing::info!(
                gaps = opened.len(),
                from_ms,
                "what was not collected since the last run is in the ledger of gaps"
            );
        }
        self.note_gaps(&opened, now_ms);
        self.flush()
    }

    /// What connections bring is lost from the newest event on, or from `covered_ms` if that is earlier; the ledger has it before anything else
    /// happens.
    pub fn lost(&mut self, cause: Cause, covered_ms: Option<i64>, now_ms: i64) -> Result<(), CollectError> {
        let newest_ms = self.clock.recv_ms.unwrap_or(now_ms);
        let from_ms = self.clock.earliest(covered_ms.map_or(newest_ms, |covered_ms| covered_ms.min(newest_ms)));
        let opened = self.ledger.lost(Lost { cause, from_ms });
        self.note_gaps(&opened, now_ms);
        self.flush()
    }

    /// Between these times nothing came, though some connection stood all the time.
    pub fn hole(&mut self, cause: Cause, from_ms: i64, to_ms: i64, now_ms: i64) -> Result<(), CollectError> {
        let lost = Lost { cause, from_ms: self.clock.earliest(from_ms) };
        let found = self.ledger.hole(lost, self.clock.latest(to_ms));
        self.note_gaps(&found, now_ms);
        self.flush()
    }

    /// The exchange's list of markets has changed. Nothing is expected of what is delisted.
    pub fn list_changed(&mut self, changes: &[Listing], now_ms: i64) -> Result<(), CollectError> {
        for change in changes {
            let (partition, record) = listing_log::record(change, now_ms);
            self.waiting_records += 1;
            self.waiting_bytes += bytes_of(&record);
            self.listings[partition as usize].push(record);
            if change.event == ListEvent::Delisting
                && let Ok(market) = Market::parse(&change.market)
            {
                let ended = self.ledger.leave(&market, self.clock.latest(now_ms));
                self.note_gaps(&ended, now_ms);
            }
        }
        self.flush()
    }

    /// These are collected, too; at `since_ms` they were not on the list yet.
    pub fn joined(&mut self, markets: &[Market], since_ms: i64, now_ms: i64) -> Result<(), CollectError> {
        for market in markets {
            let opened = self.ledger.join(market, self.clock.earliest(since_ms));
            self.note_gaps(&opened, now_ms);
        }
        self.flush()
    }

    /// These markets were asked for at `asked_ms` and are silent.
    pub fn unanswered(&mut self, markets: &[Market], asked_ms: i64, now_ms: i64) -> Result<(), CollectError> {
        let opened = self.ledger.unanswered(markets, asked_ms);
        self.note_gaps(&opened, now_ms);
        self.flush()
    }

    /// Takes in trades that the exchange lists, as far as they are new; gives when those were executed. They are in the log, or wait
    /// for it in front of every change of a gap that is noted after them.
    pub fn repair(&mut self, trades: Vec<PastTrade>, recv_ms: i64) -> Result<Vec<i64>, CollectError> {
        let mut repaired = Vec::new();
        for trade in trades {
            if self.trades.insert(&trade.event.market, trade.sequential_id) {
                repaired.push(trade.executed_ms);
                self.push(trade.event, recv_ms);
            }
        }
        self.flush()?;
        Ok(repaired)
    }

    /// Trades of these markets are wanted from `from_ms` to `to_ms`, both inclusive, collected or not: what is not asked for yet is in the
    /// ledger's topic, or waits for it, when this returns. Gives how far all of it is.
    pub fn backfill(
        &mut self,
        markets: &[Market],
        (from_ms, to_ms): (i64, i64),
        now_ms: i64,
    ) -> Result<Backfilled, CollectError> {
        let mut progress = Backfilled::default();
        for market in markets {
            let opened = self.ledger.backfill(market, from_ms, to_ms, &mut progress);
            self.note_gaps(&opened, now_ms);
        }
        self.flush()?;
        Ok(progress)
    }

    /// Puts changes of gaps into the ledger's topic.
    pub fn note_gaps(&mut self, changed: &[Gap], now_ms: i64) {
        for gap in changed {
            let (partition, record) = gap_log::record(gap, now_ms);
            self.waiting_records += 1;
            self.waiting_bytes += bytes_of(&record);
            self.gaps[partition as usize].push(record);
        }
    }

    /// The trades of the log, if none waits: what may be saved.
    pub fn logged_trades(&self) -> Option<&TradeIndex> {
        (self.waiting_records == 0).then_some(&self.trades)
    }

    /// Takes a frame in; it is in the log after the next [`flush`](Collector::flush).
    pub fn accept(&mut self, frame: &Bytes, recv_ms: i64) -> Result<(), CollectError> {
        let mut messages = std::mem::take(&mut self.messages);
        read_frame(frame, &mut messages);
        for message in messages.drain(..) {
            match message {
                Message::Event(event) => self.accept_event(event, recv_ms),
                Message::Status => self.stats.control.add(1),
                // the session ends itself on a refusal; a recording goes on
                Message::Error { name, message } => {
                    tracing::warn!(name, message, "the exchange sent an error frame");
                    self.stats.control.add(1);
                }
                Message::Dead { value, reason } => self.accept_dead(value, reason, recv_ms),
            }
        }
        self.messages = messages;
        if self.waiting_records >= WAITING_RECORDS_MAX { self.flush() } else { Ok(()) }
    }

    /// Appends what waits. While the log cannot be written it stays here, up to a limit.
    pub fn flush(&mut self) -> Result<(), CollectError> {
        if self.waiting_records == 0 {
            return Ok(());
        }
        match self.append_waiting() {
            Ok(()) => Ok(()),
            Err(source) if self.waiting_bytes > WAITING_BYTES_MAX => {
                Err(CollectError::Full { waiting_bytes: self.waiting_bytes, source })
            }
            Err(error) => {
                tracing::error!(%error, waiting_records = self.waiting_records, "the log cannot be written; events wait in memory");
                Ok(())
            }
        }
    }

    /// Appends what waits; what was appended does not wait any more, even if the rest failed.
    pub fn append_waiting(&mut self) -> Result<(), LogError> {
        for (index, records) in self.waiting.iter_mut().enumerate().filter(|(_, records)| !records.is_empty()) {
            let kind = StreamKind::ALL[index / PARTITIONS as usize];
            let partition = index as u32 % PARTITIONS;
            self.log.append(kind.topic(), partition, records)?;
            self.waiting_records -= records.len();
            self.waiting_bytes -= records.iter().map(bytes_of).sum::<usize>();
            records.clear();
        }
        if !self.letters.is_empty() {
            self.log.append(DEAD_LETTER_TOPIC, 0, &self.letters)?;
            self.waiting_records -= self.letters.len();
            self.waiting_bytes -= self.letters.iter().map(bytes_of).sum::<usize>();
            self.letters.clear();
        }
        for (partition, records) in self.listings.iter_mut().enumerate().filter(|(_, records)| !records.is_empty()) {
            self.log.append(MARKET_TOPIC, partition as u32, records)?;
            self.waiting_records -= records.len();
            self.waiting_bytes -= records.iter().map(bytes_of).sum::<usize>();
            records.clear();
        }
        // last: what a gap's end says is true by then
        for (partition, records) in self.gaps.iter_mut().enumerate().filter(|(_, records)| !records.is_empty()) {
            self.log.append(GAP_TOPIC, partition as u32, records)?;
            self.waiting_records -= records.len();
            self.waiting_bytes -= records.iter().map(bytes_of).sum::<usize>();
            records.clear();
        }
        Ok(())
    }

    fn accept_event(&mut self, event: Event, recv_ms: i64) {
        let stats = &self.stats.streams[event.kind as usize];
        stats.note(event.value.len() as u64, recv_ms);
        self.clock.note(&event, recv_ms);
        if self.ledger.is_waiting() {
            let changed = self.ledger.heard(&event.market, self.clock.latest(recv_ms));
            self.note_gaps(&changed, recv_ms);
        }
        let stats = &self.stats.streams[event.kind as usize];
        if let Some(id) = event.sequential_id
            && !self.trades.insert(&event.market, id)
        {
            stats.duplicates.add(1);
            return;
        }
        self.push(event, recv_ms);
    }

    fn push(&mut self, event: Event, recv_ms: i64) {
        let key = Bytes::copy_from_slice(event.market.as_str().as_bytes());
        let partition = partition_for_key(&key, PARTITIONS);
        let record = Record { key: Some(key), value: event.value, timestamp_ms: recv_ms, headers: Vec::new() };
        self.waiting_records += 1;
        self.waiting_bytes += bytes_of(&record);
        self.waiting[event.kind as usize * PARTITIONS as usize + partition as usize].push(record);
    }

    fn accept_dead(&mut self, value: Bytes, reason: String, recv_ms: i64) {
        tracing::warn!(reason, "a frame became a dead letter");
        self.stats.dead_letters.add(1);
        let letter =
            DeadLetter { key: None, value, timestamp_ms: recv_ms, reason, stage: "collect".into(), source: None };
        let record = letter.into_record();
        self.waiting_records += 1;
        self.waiting_bytes += bytes_of(&record);
        self.letters.push(record);
    }
}

fn bytes_of(record: &Record) -> usize {
    record.value.len() + record.key.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests;
