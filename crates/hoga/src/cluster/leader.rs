//! The one that writes: what it has admitted, in which order it goes out, the ledger of gaps, and what it remembers for the next.

use super::books::{Books, Waiting, batches};
use super::hearing::Hearing;
use super::memory::{self, TradeOffsets};
use super::takeover::{self, Found};
use super::{STATE_TOPIC, WRITER};
use crate::collector::{CollectorStats, Holes, Note, gap_log, listing_log};
use crate::repair::lock;
use hoga_log::LogError;
use hoga_log::kafka::{FencedWriter, KafkaLog, KafkaOptions, Part};
use hoga_model::StreamKind;
use hoga_model::market::{GAP_TOPIC, MARKET_TOPIC};
use hoga_upbit::standby::{Received, Verdict, Window};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::DropGuard;

/// Of what waits, one transaction takes so many at most: it stays well below its time limit.
const RECORDS_PER_TRANSACTION_MAX: usize = 20_000;
const SAVE_INTERVAL: Duration = Duration::from_secs(30);

pub struct Leader {
    /// The term of the lease under which it leads.
    pub term: u64,
    /// When the newest event was received that an earlier leader has written.
    pub written_ms: Option<i64>,
    writer: FencedWriter,
    books: Arc<Mutex<Books>>,
    /// Taken from what waits, and not written yet: the transaction failed, and is tried again.
    writing: Vec<Waiting>,
    trade_offsets: TradeOffsets,
    saved: Option<Instant>,
    /// Ends with this leader.
    repairing: Option<DropGuard>,
}

/// What a take-over starts from.
pub struct Standby<'a> {
    pub options: &'a KafkaOptions,
    pub log: &'a KafkaLog,
    /// Left as it is if the take-over fails; empty otherwise.
    pub window: &'a mut Window,
    pub hearing: &'a Hearing,
    /// As far as it was read; the leader takes it.
    pub gaps: &'a mut gap_log::Reading,
    /// A recording says nothing about what the exchange sent since.
    pub is_recording: bool,
}

impl Leader {
    /// Shuts earlier leaders out, reads the topics, finds what of the window they lack, and what nobody has heard.
    pub fn take_over(standby: Standby<'_>, term: u64, now_ms: i64) -> Result<Leader, LogError> {
        let Standby { options, log, window, hearing, gaps, is_recording } = standby;
        let began = Instant::now();
        let writer = FencedWriter::open(options, WRITER)?;
        gaps.catch_up(log, |partition| log.offsets_now(GAP_TOPIC, partition))?;
        let listings = listing_log::load_up_to(log, |partition| log.offsets_now(MARKET_TOPIC, partition))?;
        let Found { written, trade_offsets, newest_ms: written_ms } = takeover::read_topics(log, window, now_ms)?;
        let heard = window.len();
        let missed = written_ms.and_then(|written_ms| hearing.missed(written_ms, window.forgotten_ms()));
        let mut books = Books { written, ..Books::default() };
        let window = window.take();
        if !is_recording {
            // nobody can tell any more what of the ledger was read, if the next leader is this process again
            books.holes = Holes::new(std::mem::take(gaps).ledger);
            books.account(hearing, &window, missed, &listings, now_ms);
        }
        let changes = std::mem::take(&mut books.waiting);
        for received in window {
            if books.written.admit(&received.what) == Verdict::Write {
                books.waiting.push_back(Waiting::Event(received));
            }
        }
        let missing = books.waiting.len();
        // what a gap's end says is true by then
        books.waiting.extend(changes);
        books.written.forget_tail();
        // what was read is worth remembering, whoever remembered it before
        books.changed = books.written.markets();
        tracing::info!(
            term,
            heard,
            missing,
            took_ms = began.elapsed().as_millis() as u64,
            "leading: writing what was heard and is not in the topics"
        );
        let books = Arc::new(Mutex::new(books));
        let (writing, saved, repairing) = (Vec::new(), None, None);
        Ok(Leader { term, written_ms, writer, books, writing, trade_offsets, saved, repairing })
    }

    pub fn accept(&mut self, received: Received, stats: &CollectorStats) {
        lock(&self.books).accept(received, stats);
    }

    /// Takes note of what the session tells.
    pub fn take_note(&mut self, note: &Note, now_ms: i64) {
        lock(&self.books).take_note(note, now_ms);
    }

    pub fn waiting(&self) -> usize {
        self.writing.len() + lock(&self.books).waiting.len()
    }

    /// Whether the last write failed.
    pub fn is_stuck(&self) -> bool {
        !self.writing.is_empty()
    }

    /// Has somebody ask the exchange for what was missed, as long as this leader leads.
    pub fn repair(&mut self, start: impl FnOnce(Arc<Mutex<Books>>) -> DropGuard) {
        if self.repairing.is_none() {
            self.repairing = Some(start(self.books.clone()));
        }
    }

    /// Writes what waits. After an error that says `retry()` it waits still; after another this leader's time is over.
    pub fn flush(&mut self) -> Result<(), LogError> {
        loop {
            if self.writing.is_empty() {
                let waiting = &mut lock(&self.books).waiting;
                let count = waiting.len().min(RECORDS_PER_TRANSACTION_MAX);
                self.writing.extend(waiting.drain(..count));
            }
            if self.writing.is_empty() {
                return Ok(());
            }
            let batches = batches(&self.writing);
            let parts: Vec<Part<'_>> = batches
                .iter()
                .map(|((topic, partition), records)| Part { topic, partition: *partition, records })
                .collect();
            let appended = self.writer.append(&parts)?;
            for (part, appended) in parts.iter().zip(appended) {
                if part.topic == StreamKind::Trade.topic() {
                    self.trade_offsets[part.partition as usize] = appended.last_offset + 1;
                }
            }
            self.writing.clear();
        }
    }

    /// Saves what the next leader needs, if it is time and nothing waits.
    pub fn remember_if_due(&mut self, now_ms: i64) -> Result<(), LogError> {
        let is_due = self.saved.is_none_or(|saved| saved.elapsed() >= SAVE_INTERVAL);
        if is_due { self.remember(now_ms) } else { Ok(()) }
    }

    /// The same, now, if nothing waits: what is remembered must be in the topics.
    pub fn remember(&mut self, now_ms: i64) -> Result<(), LogError> {
        let (records, changed) = {
            let mut books = lock(&self.books);
            if !self.writing.is_empty() || !books.waiting.is_empty() {
                return Ok(());
            }
            let records = memory::records(&books.written, &books.changed, &self.trade_offsets, now_ms);
            (records, std::mem::take(&mut books.changed))
        };
        let records = match records {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "the leader's memory cannot be written down");
                return Ok(());
            }
        };
        if let Err(error) = self.writer.append(&[Part { topic: STATE_TOPIC, partition: 0, records: &records }]) {
            lock(&self.books).changed.extend(changed);
            return Err(error);
        }
        self.saved = Some(Instant::now());
        Ok(())
    }

    /// Steps down: events that were admitted and not written go back to where they came from. Of gaps the next leader makes up its own mind.
    pub fn into_waiting(self) -> Vec<Received> {
        let waiting = std::mem::take(&mut lock(&self.books).waiting);
        let events = self.writing.into_iter().chain(waiting).filter_map(|waiting| match waiting {
            Waiting::Event(received) => Some(received),
            Waiting::Record { .. } => None,
        });
        events.collect()
    }
}
