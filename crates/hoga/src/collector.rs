//! The collector: frames of the exchange into the log, each trade once.
//!
//! In: frames from a session or a replay. Out: records in the topics, dead letters. State: what is not appended yet, and
//! the trade ids seen lately. Not here: connections, JSON, files.
//!
//! A frame is durable when the flush after it returned. If the process dies before, the frame is lost like one that was
//! on the wire: the exchange's own ids show it, and gap repair asks for it again.

pub mod trade_index;

pub use trade_index::TradeSaver;

use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_engine::dead_letter::DeadLetter;
use hoga_engine::stats::Counter;
use hoga_log::{Log, LogError, Record, partition_for_key};
use hoga_model::StreamKind;
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_upbit::frame::{Event, Message, read_frame};
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
    waiting_records: usize,
    waiting_bytes: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("the log cannot be written and {waiting_bytes} bytes of events wait: {source}")]
    Full { waiting_bytes: usize, source: LogError },
}

impl Collector {
    pub fn new(log: Arc<dyn Log>, trades: TradeIndex, stats: Arc<CollectorStats>) -> Collector {
        let waiting = vec![Vec::new(); StreamKind::ALL.len() * PARTITIONS as usize];
        Collector {
            log,
            trades,
            stats,
            messages: Vec::new(),
            waiting,
            letters: Vec::new(),
            waiting_records: 0,
            waiting_bytes: 0,
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
        Ok(())
    }

    fn accept_event(&mut self, event: Event, recv_ms: i64) {
        let stats = &self.stats.streams[event.kind as usize];
        stats.note(event.value.len() as u64, recv_ms);
        if let Some(id) = event.sequential_id
            && !self.trades.insert(&event.market, id)
        {
            stats.duplicates.add(1);
            return;
        }
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
