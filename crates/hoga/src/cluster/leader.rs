//! The one that writes: what it has admitted, in which order it goes out, and what it remembers for the next.

use super::memory::{self, TradeOffsets};
use super::{STATE_TOPIC, WRITER, takeover};
use crate::collector::CollectorStats;
use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_engine::dead_letter::DeadLetter;
use hoga_log::kafka::{FencedWriter, KafkaLog, KafkaOptions, Part};
use hoga_log::{LogError, Record, partition_for_key};
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::{Market, StreamKind};
use hoga_upbit::standby::{Received, Verdict, What, Window, Written};
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

/// Of what waits, one transaction takes so many at most: it stays well below its time limit.
const RECORDS_PER_TRANSACTION_MAX: usize = 20_000;
const SAVE_INTERVAL: Duration = Duration::from_secs(30);

pub struct Leader {
    /// The term of the lease under which it leads.
    pub term: u64,
    writer: FencedWriter,
    written: Written,
    /// Admitted, not written yet; oldest first.
    waiting: Vec<Received>,
    trade_offsets: TradeOffsets,
    /// Markets of which the memory that was saved last is old.
    changed: HashSet<Market>,
    saved: Option<Instant>,
}

impl Leader {
    /// Shuts earlier leaders out, reads the topics, and finds what of the window they lack. The window is left as it was if this fails.
    pub fn take_over(
        options: &KafkaOptions,
        log: &KafkaLog,
        window: &mut Window,
        term: u64,
        now_ms: i64,
    ) -> Result<Leader, LogError> {
        let began = Instant::now();
        let writer = FencedWriter::open(options, WRITER)?;
        let (mut written, trade_offsets) = takeover::read_topics(log, window, now_ms)?;
        let heard = window.len();
        let is_missing = |received: &Received| written.admit(&received.what) == Verdict::Write;
        let mut waiting = window.take();
        waiting.retain(is_missing);
        written.forget_tail();
        tracing::info!(
            term,
            heard,
            missing = waiting.len(),
            took_ms = began.elapsed().as_millis() as u64,
            "leading: writing what was heard and is not in the topics"
        );
        // what was read is worth remembering, whoever remembered it before
        let changed = written.markets();
        Ok(Leader { term, writer, written, waiting, trade_offsets, changed, saved: None })
    }

    pub fn accept(&mut self, received: Received, stats: &CollectorStats) {
        match self.written.admit_live(&received.what) {
            Verdict::Write => {
                note_market(&mut self.changed, &received.what);
                self.waiting.push(received);
            }
            Verdict::Known => {
                if let What::Event(event) = &received.what {
                    stats.streams[event.kind as usize].duplicates.add(1);
                }
            }
        }
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes what waits. After an error that says `retry()` it waits still; after another this leader's time is over.
    pub fn flush(&mut self) -> Result<(), LogError> {
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(RECORDS_PER_TRANSACTION_MAX);
            let batches = batches(&self.waiting[..count]);
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
            self.waiting.drain(..count);
        }
        Ok(())
    }

    /// Saves what the next leader needs, if it is time and nothing waits.
    pub fn remember_if_due(&mut self, now_ms: i64) -> Result<(), LogError> {
        let is_due = self.waiting.is_empty() && self.saved.is_none_or(|saved| saved.elapsed() >= SAVE_INTERVAL);
        if is_due { self.remember(now_ms) } else { Ok(()) }
    }

    /// The same, now. Nothing may wait.
    pub fn remember(&mut self, now_ms: i64) -> Result<(), LogError> {
        let records = match memory::records(&self.written, &self.changed, &self.trade_offsets, now_ms) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "the leader's memory cannot be written down");
                return Ok(());
            }
        };
        self.writer.append(&[Part { topic: STATE_TOPIC, partition: 0, records: &records }])?;
        self.changed.clear();
        self.saved = Some(Instant::now());
        Ok(())
    }

    /// Steps down: what was admitted and not written goes back to where it came from.
    pub fn into_waiting(self) -> Vec<Received> {
        self.waiting
    }
}

fn note_market(changed: &mut HashSet<Market>, what: &What) {
    if let What::Event(event) = what
        && !changed.contains(&event.market)
    {
        changed.insert(event.market.clone());
    }
}

/// Records by topic and partition, each in the order of receipt.
fn batches(waiting: &[Received]) -> BTreeMap<(&'static str, u32), Vec<Record>> {
    let mut batches: BTreeMap<(&'static str, u32), Vec<Record>> = BTreeMap::new();
    for received in waiting {
        let (place, record) = match &received.what {
            What::Event(event) => {
                let key = Bytes::copy_from_slice(event.market.as_str().as_bytes());
                let partition = partition_for_key(&key, PARTITIONS);
                let record = Record {
                    key: Some(key),
                    value: event.value.clone(),
                    timestamp_ms: received.recv_ms,
                    headers: Vec::new(),
                };
                ((event.kind.topic(), partition), record)
            }
            What::Dead { value, reason } => {
                let letter = DeadLetter {
                    key: None,
                    value: value.clone(),
                    timestamp_ms: received.recv_ms,
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
            waiting.push(Received { recv_ms: at as i64, what: What::Event(event) });
        }
        waiting.push(Received { recv_ms: 9, what: What::Dead { value: Bytes::from("{"), reason: "cut".into() } });
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
