//! The collector: frames of the exchange into the log, each trade once.
//!
//! In: frames from a session or a replay, trades from repair. Out: records in the topics, dead letters, changes of gaps. State: what is not
//! appended yet, the trade ids seen lately, the ledger of gaps. Not here: connections, JSON, files, asking for what was missed
//! ([`crate::repair`]).
//!
//! A frame is durable when the flush after it returned. If the process dies before, the frame is lost like one that was
//! on the wire: the gap of the restart begins before it, and repair asks for it again.

pub mod event_log;
pub mod gap_log;
pub mod holes;
pub mod listing_log;
pub mod trade_index;

pub use holes::{ExchangeClock, Holes, Listener, Note};
pub use trade_index::TradeSaver;

use crate::repair::Repairable;
use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_engine::stats::Counter;
use hoga_log::{Log, LogError, Record};
use hoga_model::market::{DEAD_LETTER_TOPIC, GAP_TOPIC, MARKET_TOPIC};
use hoga_model::{Market, StreamKind};
use hoga_upbit::frame::{Event, Message, read_frame};
use hoga_upbit::gap::{Backfilled, Gap, Ledger};
use hoga_upbit::listing::Listings;
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
    holes: Holes,
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
            holes: Holes::new(ledger),
        }
    }

    /// The process begins: nobody has listened since `from_ms`.
    pub fn restart(&mut self, from_ms: i64, listings: &Listings, now_ms: i64) -> Result<(), CollectError> {
        let opened = self.holes.restart(from_ms, |market| listings.is_delisted(market));
        self.note_gaps(&opened, now_ms);
        self.flush()
    }

    /// Takes note of what a session tells; the ledger has it before anything else happens. If the log cannot be written, it waits with the events.
    pub fn note(&mut self, note: &Note, now_ms: i64) -> Result<(), CollectError> {
        if let Note::ListChanged(changes) = note {
            for change in changes {
                let (partition, record) = listing_log::record(change, now_ms);
                self.waiting_records += 1;
                self.waiting_bytes += bytes_of(&record);
                self.listings[partition as usize].push(record);
            }
        }
        let changed = self.holes.take(note, now_ms);
        self.note_gaps(&changed, now_ms);
        self.flush()
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
            let opened = self.holes.ledger.backfill(market, from_ms, to_ms, &mut progress);
            self.note_gaps(&opened, now_ms);
        }
        self.flush()?;
        Ok(progress)
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
                Message::Event(event) => self.accept_event(&event, recv_ms),
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

    fn accept_event(&mut self, event: &Event, recv_ms: i64) {
        let stats = &self.stats.streams[event.kind as usize];
        stats.note(event.value.len() as u64, recv_ms);
        let changed = self.holes.heard(event, recv_ms);
        self.note_gaps(&changed, recv_ms);
        let stats = &self.stats.streams[event.kind as usize];
        if let Some(id) = event.sequential_id
            && !self.trades.insert(&event.market, id)
        {
            stats.duplicates.add(1);
            return;
        }
        self.push(event, recv_ms);
    }

    fn push(&mut self, event: &Event, recv_ms: i64) {
        let (partition, record) = event_log::record(event, recv_ms);
        self.waiting_records += 1;
        self.waiting_bytes += bytes_of(&record);
        self.waiting[event.kind as usize * PARTITIONS as usize + partition as usize].push(record);
    }

    fn accept_dead(&mut self, value: Bytes, reason: String, recv_ms: i64) {
        tracing::warn!(reason, "a frame became a dead letter");
        self.stats.dead_letters.add(1);
        let record = event_log::dead_letter(value, reason, recv_ms);
        self.waiting_records += 1;
        self.waiting_bytes += bytes_of(&record);
        self.letters.push(record);
    }
}

impl Repairable for Collector {
    fn holes(&self) -> &Holes {
        &self.holes
    }

    fn holes_mut(&mut self) -> &mut Holes {
        &mut self.holes
    }

    fn trades(&self) -> &TradeIndex {
        &self.trades
    }

    fn repair(&mut self, trades: Vec<PastTrade>, recv_ms: i64) -> Result<Vec<i64>, CollectError> {
        let mut repaired = Vec::new();
        for trade in trades {
            if self.trades.insert(&trade.event.market, trade.sequential_id) {
                repaired.push(trade.executed_ms);
                self.push(&trade.event, recv_ms);
            }
        }
        self.flush()?;
        Ok(repaired)
    }

    fn note_gaps(&mut self, changed: &[Gap], now_ms: i64) {
        for gap in changed {
            let (partition, record) = gap_log::record(gap, now_ms);
            self.waiting_records += 1;
            self.waiting_bytes += bytes_of(&record);
            self.gaps[partition as usize].push(record);
        }
    }

    /// Appends what waits. While the log cannot be written it stays here, up to a limit.
    fn flush(&mut self) -> Result<(), CollectError> {
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
}

fn bytes_of(record: &Record) -> usize {
    record.value.len() + record.key.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests;
