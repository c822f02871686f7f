//! Reads what the topics hold, as far as a take-over needs it: once nobody else can write any more.

use super::memory::{self, TradeOffsets};
use crate::up::PARTITIONS;
use hoga_log::kafka::KafkaLog;
use hoga_log::{Log, LogError, StoredRecord};
use hoga_model::StreamKind;
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_upbit::frame::{Message, read_frame};
use hoga_upbit::standby::{What, Window, Written};
use std::sync::{Mutex, PoisonError};

/// By how much the clocks of two collectors and the exchange's may differ: so much more of the topics is read.
const CLOCK_SKEW_MS: i64 = 10_000;
/// An event of the window that was published longer before it than this is taken for a late repetition, not searched for in the topics.
const REACH_MS: i64 = 300_000;
const FETCH_BYTES: usize = 4 << 20;
/// So many records read without a word make people nervous.
const REPORT_RECORDS: u64 = 1_000_000;

/// Of each partition at least so many of its last offsets are read, which tells when the newest record was received.
const NEWEST_OFFSETS: i64 = 64;

/// What the topics hold.
pub struct Found {
    pub written: Written,
    /// How far into the trade topic `written` reaches.
    pub trade_offsets: TradeOffsets,
    /// When the newest event was received. Everything that its leader received before is written.
    pub newest_ms: Option<i64>,
}

/// Reads what is written already. Partitions are read side by side: what counts is the time until somebody writes again.
pub fn read_topics(log: &KafkaLog, window: &Window, now_ms: i64) -> Result<Found, LogError> {
    let from_ms = window.published_from_ms(REACH_MS).unwrap_or(now_ms);
    let mut written = Written::since(from_ms);
    let saved = memory::load(log, &mut written)?;
    if saved.is_none() {
        tracing::info!("no leader has left its memory here: reading the trade topic from its start");
    }
    let reading = Reading { log, since_ms: from_ms - CLOCK_SKEW_MS, saved, written: Mutex::new(written) };
    let mut places = vec![(DEAD_LETTER_TOPIC, 0)];
    places.extend(StreamKind::ALL.iter().flat_map(|kind| (0..PARTITIONS).map(|partition| (kind.topic(), partition))));
    let reached: Vec<(&str, u32, Result<Reached, LogError>)> = std::thread::scope(|scope| {
        let reading = &reading;
        let threads: Vec<_> = places
            .iter()
            .map(|(topic, partition)| (*topic, *partition, scope.spawn(|| reading.read(topic, *partition))))
            .collect();
        let joined = threads.into_iter().map(|(topic, partition, thread)| {
            let panicked = |_| Err(LogError::Thread { name: "reading", source: std::io::Error::other("it panicked") });
            (topic, partition, thread.join().unwrap_or_else(panicked))
        });
        joined.collect()
    });
    let (mut trade_offsets, mut newest_ms) = ([0; PARTITIONS as usize], None);
    for (topic, partition, reached) in reached {
        let reached = reached?;
        if topic == StreamKind::Trade.topic() {
            trade_offsets[partition as usize] = reached.offset;
        }
        // pipelines write dead letters, too
        if topic != DEAD_LETTER_TOPIC {
            newest_ms = newest_ms.max(reached.newest_ms);
        }
    }
    let written = reading.written.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Found { written, trade_offsets, newest_ms })
}

/// Of one partition.
struct Reached {
    /// Everything before it is known.
    offset: i64,
    newest_ms: Option<i64>,
}

struct Reading<'a> {
    log: &'a KafkaLog,
    /// From when on records are read whatever is known.
    since_ms: i64,
    saved: Option<TradeOffsets>,
    written: Mutex<Written>,
}

impl Reading<'_> {
    /// Reads what is needed of one partition.
    fn read(&self, topic: &str, partition: u32) -> Result<Reached, LogError> {
        let now = self.log.offsets_now(topic, partition)?;
        let recent = self.log.offset_before_time(topic, partition, self.since_ms)?.unwrap_or(now.end);
        let from = if topic == StreamKind::Trade.topic() {
            // a reach beyond the end is of another topic of the same name
            let known = self.saved.map(|saved| saved[partition as usize]).filter(|known| *known <= now.end);
            // a busy market has more trades in a minute than the memory holds
            known.unwrap_or(now.start).min(recent)
        } else {
            recent
        };
        let mut at = from.min(now.end - NEWEST_OFFSETS).max(now.start);
        let (mut records, mut newest_ms) = (0, None);
        while at < now.end {
            let fetched = self.log.fetch(topic, partition, at, FETCH_BYTES)?;
            self.note(topic, &fetched.records);
            newest_ms = newest_ms.max(fetched.records.iter().map(|stored| stored.record.timestamp_ms).max());
            let before = records / REPORT_RECORDS;
            records += fetched.records.len() as u64;
            if records / REPORT_RECORDS > before {
                tracing::info!(topic, partition, records, left = now.end - at, "reading what is written already");
            }
            at = fetched.next_offset;
        }
        Ok(Reached { offset: at, newest_ms })
    }

    fn note(&self, topic: &str, records: &[StoredRecord]) {
        let mut messages = Vec::new();
        for stored in records {
            if topic != DEAD_LETTER_TOPIC {
                read_frame(&stored.record.value, &mut messages);
            }
        }
        let events = messages.into_iter().filter_map(|message| match message {
            Message::Event(event) => Some(What::Event(event)),
            _ => None,
        });
        let letters = records.iter().filter(|_| topic == DEAD_LETTER_TOPIC);
        let letters = letters.map(|stored| What::Dead { value: stored.record.value.clone(), reason: String::new() });
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        events.chain(letters).for_each(|what| written.note(&what));
    }
}
