//! The one that writes: what it has admitted, in which order it goes out, the ledger of gaps, and what it remembers for the next.

use super::hearing::{Hearing, Missed};
use super::memory::{self, TradeOffsets};
use super::takeover::{self, Found};
use super::{STATE_TOPIC, WRITER, intake};
use crate::collector::{CollectError, CollectorStats, Holes, Note, gap_log, listing_log};
use crate::repair::{Repairable, lock};
use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_engine::dead_letter::DeadLetter;
use hoga_log::kafka::{FencedWriter, KafkaLog, KafkaOptions, Part};
use hoga_log::{LogError, Record, partition_for_key};
use hoga_model::market::{DEAD_LETTER_TOPIC, GAP_TOPIC, MARKET_TOPIC};
use hoga_model::{Market, StreamKind};
use hoga_upbit::gap::{Cause, Gap};
use hoga_upbit::listing::{Listing, Listings};
use hoga_upbit::rest::ticks::PastTrade;
use hoga_upbit::standby::{Received, TradeIndex, Verdict, What, Window, Written};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::DropGuard;

/// Of what waits, one transaction takes so many at most: it stays well below its time limit.
const RECORDS_PER_TRANSACTION_MAX: usize = 20_000;
const SAVE_INTERVAL: Duration = Duration::from_secs(30);
/// Repair waits while so many events do.
const REPAIR_WAITING_MAX: usize = 100_000;

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

/// What the leader has admitted, and what it knows of holes; repair works with it, too, but never while the cluster is waited for.
#[derive(Default)]
pub struct Books {
    written: Written,
    holes: Holes,
    /// Admitted, oldest first.
    waiting: VecDeque<Waiting>,
    /// Markets of which the memory that was saved last is old.
    changed: HashSet<Market>,
}

enum Waiting {
    Event(Received),
    /// Of gaps and of the list of markets.
    Record {
        topic: &'static str,
        partition: u32,
        record: Record,
    },
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
        for partition in 0..PARTITIONS {
            gaps.catch_up(log, partition, log.offsets_now(GAP_TOPIC, partition)?)?;
        }
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

impl Books {
    /// Opens and ends gaps as a leader that begins has to: `missed` is what nobody heard, and what is in the window was heard.
    fn account(
        &mut self,
        hearing: &Hearing,
        window: &[Received],
        missed: Option<Missed>,
        listings: &Listings,
        now_ms: i64,
    ) {
        self.holes.clock = hearing.clock;
        let mut changed = self.holes.take(&Note::Listening(hearing.listening.clone()), now_ms);
        if let Some(Missed { cause, from_ms }) = missed {
            changed.extend(match cause {
                Cause::Restart => self.holes.restart(from_ms, |market| listings.is_delisted(market)),
                _ => self.holes.take(&Note::Lost { cause, covered_ms: Some(from_ms) }, now_ms),
            });
        }
        let since_ms = hearing.since_ms().unwrap_or(i64::MAX);
        for received in window.iter().filter(|received| received.recv_ms >= since_ms) {
            if let What::Event(event) = &received.what {
                changed.extend(self.holes.heard(event, received.recv_ms));
            }
        }
        if let Some(note) = hearing.unanswered() {
            changed.extend(self.holes.take(&note, now_ms));
        }
        self.note_listings(hearing.unwritten(listings), now_ms);
        self.note_gaps(&changed, now_ms);
    }

    fn accept(&mut self, received: Received, stats: &CollectorStats) {
        if let What::Event(event) = &received.what {
            let changed = self.holes.heard(event, received.recv_ms);
            self.note_gaps(&changed, received.recv_ms);
        }
        match self.written.admit_live(&received.what) {
            Verdict::Write => {
                self.note_market(&received.what);
                self.waiting.push_back(Waiting::Event(received));
            }
            Verdict::Known => {
                if let What::Event(event) = &received.what {
                    stats.streams[event.kind as usize].duplicates.add(1);
                }
            }
        }
    }

    fn take_note(&mut self, note: &Note, now_ms: i64) {
        if let Note::ListChanged(changes) = note {
            self.note_listings(changes.iter(), now_ms);
        }
        let changed = self.holes.take(note, now_ms);
        self.note_gaps(&changed, now_ms);
    }

    fn note_listings<'a>(&mut self, changes: impl Iterator<Item = &'a Listing>, now_ms: i64) {
        for change in changes {
            let (partition, record) = listing_log::record(change, now_ms);
            self.waiting.push_back(Waiting::Record { topic: MARKET_TOPIC, partition, record });
        }
    }

    fn note_market(&mut self, what: &What) {
        if let What::Event(event) = what
            && !self.changed.contains(&event.market)
        {
            self.changed.insert(event.market.clone());
        }
    }
}

impl Repairable for Books {
    fn holes(&self) -> &Holes {
        &self.holes
    }

    fn holes_mut(&mut self) -> &mut Holes {
        &mut self.holes
    }

    fn trades(&self) -> &TradeIndex {
        &self.written.trades
    }

    fn repair(&mut self, trades: Vec<PastTrade>, recv_ms: i64) -> Result<Vec<i64>, CollectError> {
        if self.waiting.len() > REPAIR_WAITING_MAX {
            let waiting_bytes = self.waiting.iter().map(Waiting::bytes).sum();
            return Err(CollectError::Full { waiting_bytes, source: intake::full(waiting_bytes) });
        }
        let mut repaired = Vec::new();
        for trade in trades {
            let received = Received { recv_ms, what: What::Event(trade.event) };
            if self.written.admit_live(&received.what) == Verdict::Write {
                repaired.push(trade.executed_ms);
                self.note_market(&received.what);
                self.waiting.push_back(Waiting::Event(received));
            }
        }
        Ok(repaired)
    }

    fn note_gaps(&mut self, changed: &[Gap], now_ms: i64) {
        for gap in changed {
            let (partition, record) = gap_log::record(gap, now_ms);
            self.waiting.push_back(Waiting::Record { topic: GAP_TOPIC, partition, record });
        }
    }

    /// Whoever holds the writer sees to it.
    fn flush(&mut self) -> Result<(), CollectError> {
        Ok(())
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        match self {
            Waiting::Event(Received { what: What::Event(event), .. }) => event.value.len(),
            Waiting::Event(Received { what: What::Dead { value, .. }, .. }) => value.len(),
            Waiting::Record { record, .. } => record.value.len(),
        }
    }
}

/// Records by topic and partition, each in the order of receipt.
fn batches(waiting: &[Waiting]) -> BTreeMap<(&'static str, u32), Vec<Record>> {
    let mut batches: BTreeMap<(&'static str, u32), Vec<Record>> = BTreeMap::new();
    for waiting in waiting {
        let (place, record) = match waiting {
            Waiting::Record { topic, partition, record } => ((*topic, *partition), record.clone()),
            Waiting::Event(Received { recv_ms, what: What::Event(event) }) => {
                let key = Bytes::copy_from_slice(event.market.as_str().as_bytes());
                let partition = partition_for_key(&key, PARTITIONS);
                let record =
                    Record { key: Some(key), value: event.value.clone(), timestamp_ms: *recv_ms, headers: Vec::new() };
                ((event.kind.topic(), partition), record)
            }
            Waiting::Event(Received { recv_ms, what: What::Dead { value, reason } }) => {
                let letter = DeadLetter {
                    key: None,
                    value: value.clone(),
                    timestamp_ms: *recv_ms,
                    reason: reason.clone(),
                    stage: "collect".into(),
                    source: None,
                };
                ((DEAD_LETTER_TOPIC, 0), letter.into_record())
            }
        };
        batches.entry(place).or_default().push(record);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoga_upbit::frame::{Message, read_frame};

    #[test]
    fn records_go_where_their_key_belongs_in_the_order_of_receipt() {
        let mut waiting = Vec::new();
        for (at, code) in ["KRW-BTC", "KRW-ETH", "KRW-BTC"].iter().enumerate() {
            let text = format!(r#"{{"type":"ticker","code":"{code}","trade_price":1.0,"timestamp":{at}}}"#);
            let mut messages = Vec::new();
            read_frame(&Bytes::from(text), &mut messages);
            let Some(Message::Event(event)) = messages.pop() else { unreachable!("an event") };
            waiting.push(Waiting::Event(Received { recv_ms: at as i64, what: What::Event(event) }));
        }
        let dead = What::Dead { value: Bytes::from("{"), reason: "cut".into() };
        waiting.push(Waiting::Event(Received { recv_ms: 9, what: dead }));
        let batches = batches(&waiting);
        let btc = &batches[&("upbit-ticker", partition_for_key(b"KRW-BTC", PARTITIONS))];
        let times: Vec<i64> = btc
            .iter()
            .filter(|record| record.key.as_deref() == Some(b"KRW-BTC"))
            .map(|record| record.timestamp_ms)
            .collect();
        assert_eq!(times, [0, 2]);
        assert_eq!(batches[&(DEAD_LETTER_TOPIC, 0)][0].value, "{");
        assert_eq!(batches.values().map(Vec::len).sum::<usize>(), 4);
    }
}
