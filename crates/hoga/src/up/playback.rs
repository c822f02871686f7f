//! A stretch of another log, record by record into this process's own, as fast as asked: what `hoga replay` collects from.
//!
//! In: records of some topics between two times of receipt; those that the log has no more are made of the lake's rows ([`past`]).
//! Out: the same records (keys, values, times, headers, partitions), in the order of
//! their times over all partitions, and within each as they lay there. State: one fetch a partition. Not here: which log, which topics (`commands::replay`).

pub mod past;

use crate::failure::Failure;
use crate::up::PARTITIONS;
use crate::up::exchange::Exchange;
use hoga_engine::Engine;
use hoga_log::{Log, LogError, Record, StoredRecord};
use hoga_model::StreamKind;
use hoga_upbit::session::SessionState;
use past::{LogBegin, PartitionBegin, Past, identity};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Read ahead of each partition.
const FETCH_BYTES: usize = 256 << 10;
/// Appended at a time at most, of all partitions together.
const BATCH_RECORDS: usize = 1_000;
/// The longest wait between two looks at what is due.
const WAIT_MAX: Duration = Duration::from_millis(20);
/// Clocks go back a little: only a record that is so much later than the end proves that none follows.
const CLOCK_STEP_MS: i64 = 60_000;
/// Between two looks at whether the pipeline has read everything, and progress in the log.
const LAG_INTERVAL: Duration = Duration::from_millis(100);
const RECORDS_PER_REPORT: u64 = 100_000;

/// How much faster than it happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    Times(f64),
    Max,
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Speed::Times(times) => write!(f, "{times} times as fast"),
            Speed::Max => f.write_str("as fast as it goes"),
        }
    }
}

/// What is left to be replayed.
pub struct Playback {
    from: Arc<dyn Log>,
    /// What is not in the log any more.
    older: Vec<Older>,
    partitions: Vec<Cursor>,
    from_ms: i64,
    to_ms: i64,
    speed: Speed,
    /// The process is to end with it, once everything is computed and committed.
    ends: bool,
    /// So far.
    appended: u64,
}

/// Records of a topic that come before those in the log.
struct Older {
    past: Past,
    /// By partition: its place in [`Playback::partitions`].
    cursors: Vec<usize>,
}

/// Where a record waits.
#[derive(Clone, Copy)]
enum Place {
    Older(usize),
    Log(usize),
}

struct Cursor {
    topic: String,
    partition: u32,
    next_offset: i64,
    /// Where the log ended when the replay began.
    end_offset: i64,
    waiting: VecDeque<Record>,
}

impl Playback {
    /// Finds where each topic's partitions begin. Records from `from_ms` on, before `to_ms`.
    ///
    /// # Errors
    /// A topic is not there, or the log cannot be read.
    pub fn open(
        log: Arc<dyn Log>,
        topics: &[String],
        (from_ms, to_ms): (i64, i64),
        speed: Speed,
        ends: bool,
    ) -> Result<Playback, LogError> {
        let mut partitions = Vec::new();
        for topic in topics {
            log.offsets(topic, 0)?;
            let found = log.topics().into_iter().find(|info| info.name == *topic);
            for partition in 0..found.map_or(0, |info| info.partitions) {
                let offsets = log.offsets(topic, partition)?;
                let first = match from_ms {
                    i64::MIN => Some(offsets.start),
                    _ => log.offset_for_time(topic, partition, from_ms)?,
                };
                let next_offset = first.unwrap_or(offsets.end);
                let end_offset = offsets.end;
                partitions.push(Cursor {
                    topic: topic.clone(),
                    partition,
                    next_offset,
                    end_offset,
                    waiting: VecDeque::new(),
                });
            }
        }
        Ok(Playback { from: log, older: Vec::new(), partitions, from_ms, to_ms, speed, ends, appended: 0 })
    }

    /// How many partitions each topic has.
    pub fn partitions(&self) -> BTreeMap<&str, u32> {
        let mut counts = BTreeMap::new();
        for cursor in &self.partitions {
            *counts.entry(cursor.topic.as_str()).or_default() += 1;
        }
        counts
    }

    /// Of the exchange's topics that begin in the log after `from_ms`: where. A replay of the log's own beginning lacks nothing.
    pub fn missing(&self) -> Result<Vec<(StreamKind, LogBegin)>, LogError> {
        let mut missing = Vec::new();
        for kind in StreamKind::ALL.into_iter().filter(|_| self.from_ms > i64::MIN) {
            let partitions = self.partitions.iter().filter(|cursor| cursor.topic == kind.topic());
            let partitions = partitions.map(|cursor| cursor.log_begin(&*self.from)).collect::<Result<Vec<_>, _>>()?;
            let begin = LogBegin { partitions };
            if begin.missing_until_ms(self.from_ms).is_some() {
                missing.push((kind, begin));
            }
        }
        Ok(missing)
    }

    /// Replays this before the topic's records in the log.
    pub fn add(&mut self, past: Past) {
        let of_topic = self.partitions.iter().enumerate().filter(|(_, cursor)| cursor.topic == past.topic);
        let cursors = of_topic.map(|(index, _)| index).collect();
        self.older.push(Older { past, cursors });
    }

    /// From when on, and up to when.
    pub fn between(&self) -> (i64, i64) {
        (self.from_ms, self.to_ms)
    }

    /// Which partitions of the topics `read` stay empty: the pipeline need not wait for their event time.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn silent<'a>(
        &mut self,
        read: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, BTreeSet<u32>>, LogError> {
        let all = || (0..PARTITIONS).collect();
        let mut silent: BTreeMap<String, BTreeSet<u32>> =
            read.into_iter().map(|topic| (topic.to_owned(), all())).collect();
        for cursor in &mut self.partitions {
            cursor.refill(&*self.from, self.from_ms, self.to_ms)?;
            let past = self.older.iter().map(|older| &older.past).find(|past| past.topic == cursor.topic);
            let is_silent = cursor.waiting.is_empty() && past.is_none_or(|past| past.has_none_of(cursor.partition));
            if let Some(of) = silent.get_mut(&cursor.topic).filter(|_| !is_silent) {
                of.remove(&cursor.partition);
            }
        }
        Ok(silent)
    }

    /// Appends all of it to `into`, or until it is cancelled; with `ends`, then waits for the pipeline and cancels.
    pub async fn run(
        mut self,
        into: Arc<dyn Log>,
        engine: &Engine,
        exchange: &Arc<Exchange>,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let (ends, told, stop) = (self.ends, exchange.clone(), cancel.clone());
        let fed = tokio::task::spawn_blocking(move || self.append_all(&*into, &told, &stop)).await;
        let fed = fed.map_err(|error| Failure::external(format!("the replay ended badly: {error}")))?;
        fed?;
        while ends && !cancel.is_cancelled() {
            tokio::time::sleep(LAG_INTERVAL).await;
            if engine.lag().map_err(|error| Failure::of(&error))? == 0 {
                cancel.cancel();
            }
        }
        Ok(())
    }

    fn append_all(&mut self, into: &dyn Log, exchange: &Exchange, cancel: &CancellationToken) -> Result<(), Failure> {
        let mut clock = None;
        let mut reported = 0;
        while let Some(next_ms) = self.next_ms()? {
            let (began, first_ms) = *clock.get_or_insert((Instant::now(), next_ms));
            let due_ms = match self.speed {
                Speed::Max => i64::MAX,
                Speed::Times(times) => {
                    first_ms.saturating_add((began.elapsed().as_secs_f64() * 1_000.0 * times) as i64)
                }
            };
            self.appended += self.append_due(into, due_ms)?;
            if cancel.is_cancelled() {
                return Ok(());
            }
            if self.appended - reported >= RECORDS_PER_REPORT || reported == 0 {
                reported = self.appended;
                exchange.note(&SessionState::Replaying { frames: reported });
            }
            if next_ms > due_ms {
                let Speed::Times(times) = self.speed else { continue };
                let wait = Duration::from_secs_f64((next_ms - due_ms) as f64 / 1_000.0 / times);
                std::thread::sleep(wait.min(WAIT_MAX));
            }
        }
        into.sync().map_err(|error| Failure::of(&error))?;
        exchange.note(&SessionState::Replayed { frames: self.appended });
        Ok(())
    }

    /// Appends one batch of what is due by `due_ms`.
    fn append_due(&mut self, into: &dyn Log, due_ms: i64) -> Result<u64, Failure> {
        let mut batch: BTreeMap<usize, Vec<Record>> = BTreeMap::new();
        let mut count = 0;
        while count < BATCH_RECORDS
            && let Some((_, place)) = self.next()?.filter(|(at_ms, _)| *at_ms <= due_ms)
        {
            let taken = match place {
                Place::Log(index) => self.partitions[index].waiting.pop_front().map(|record| (index, record)),
                Place::Older(index) => self.older[index].pop_front(),
            };
            let Some((index, record)) = taken else { break };
            batch.entry(index).or_default().push(record);
            count += 1;
        }
        for (index, records) in batch {
            let cursor = &self.partitions[index];
            into.append(&cursor.topic, cursor.partition, &records).map_err(|error| Failure::of(&error))?;
        }
        Ok(count as u64)
    }

    fn next_ms(&mut self) -> Result<Option<i64>, Failure> {
        Ok(self.next()?.map(|(at_ms, _)| at_ms))
    }

    /// When the earliest of the next records was received, and where it waits; the older ones of a millisecond first.
    fn next(&mut self) -> Result<Option<(i64, Place)>, Failure> {
        let mut earliest: Option<(i64, Place)> = None;
        let mut see = |at_ms: i64, place: Place| {
            if earliest.is_none_or(|(known_ms, _)| at_ms < known_ms) {
                earliest = Some((at_ms, place));
            }
        };
        for (index, older) in self.older.iter_mut().enumerate() {
            if let Some(at_ms) = older.past.next_ms()? {
                see(at_ms, Place::Older(index));
            }
        }
        for (index, cursor) in self.partitions.iter_mut().enumerate() {
            cursor.refill(&*self.from, self.from_ms, self.to_ms).map_err(|error| Failure::of(&error))?;
            if let Some(record) = cursor.waiting.front() {
                see(record.timestamp_ms, Place::Log(index));
            }
        }
        Ok(earliest)
    }
}

impl Older {
    fn pop_front(&mut self) -> Option<(usize, Record)> {
        let (partition, record) = self.past.waiting.pop_front()?;
        self.cursors.get(partition as usize).map(|cursor| (*cursor, record))
    }
}

impl Cursor {
    /// The partition's first record in the log, and the events of its millisecond.
    fn log_begin(&self, log: &dyn Log) -> Result<PartitionBegin, LogError> {
        let offsets = log.offsets(&self.topic, self.partition)?;
        let mut begin = PartitionBegin { first_ms: i64::MAX, at_first: HashSet::new() };
        if offsets.end == 0 {
            begin.first_ms = i64::MIN;
        }
        let mut offset = offsets.start;
        while offset < offsets.end {
            let fetched = log.fetch(&self.topic, self.partition, offset, FETCH_BYTES)?;
            for StoredRecord { record, .. } in &fetched.records {
                if begin.first_ms == i64::MAX {
                    begin.first_ms = record.timestamp_ms;
                }
                if record.timestamp_ms != begin.first_ms {
                    return Ok(begin);
                }
                begin.at_first.extend(identity(&record.value));
            }
            if fetched.next_offset <= offset {
                break;
            }
            offset = fetched.next_offset;
        }
        Ok(begin)
    }

    /// Reads on until something waits or the end is reached.
    fn refill(&mut self, from: &dyn Log, from_ms: i64, to_ms: i64) -> Result<(), LogError> {
        while self.waiting.is_empty() && self.next_offset < self.end_offset {
            let fetched = from.fetch(&self.topic, self.partition, self.next_offset, FETCH_BYTES)?;
            if let Some(damaged) = fetched.damaged {
                tracing::warn!(%damaged, "records that cannot be read are left out");
            }
            let is_empty = fetched.next_offset <= self.next_offset;
            self.next_offset = if is_empty { self.end_offset } else { fetched.next_offset };
            for stored in fetched.records {
                let at_ms = stored.record.timestamp_ms;
                if stored.offset >= self.end_offset || at_ms >= to_ms.saturating_add(CLOCK_STEP_MS) {
                    self.next_offset = self.end_offset;
                    break;
                }
                if (from_ms..to_ms).contains(&at_ms) {
                    self.waiting.push_back(stored.record);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use bytes::Bytes;
    use hoga_log::{MemoryLog, TopicSpec};

    fn log_of(topics: &[(&str, u32)]) -> Arc<MemoryLog> {
        let log = MemoryLog::default();
        for (topic, partitions) in topics {
            log.create_topic(&TopicSpec::new(topic, *partitions)).unwrap();
        }
        Arc::new(log)
    }

    fn put(log: &dyn Log, topic: &str, partition: u32, times: &[i64]) {
        for time in times {
            let key = Some(Bytes::from(format!("{topic}-{partition}")));
            let record = Record { key, value: Bytes::from(time.to_string()), timestamp_ms: *time, headers: Vec::new() };
            log.append(topic, partition, &[record]).unwrap();
        }
    }

    fn values(log: &dyn Log, topic: &str, partition: u32) -> Vec<i64> {
        let records = log.fetch(topic, partition, 0, 1 << 20).unwrap().records;
        records.iter().map(|stored| stored.record.timestamp_ms).collect()
    }

    fn replayed(source: Arc<MemoryLog>, between: (i64, i64), speed: Speed) -> (Arc<MemoryLog>, Duration) {
        let into = log_of(&[("a", 2), ("b", 1)]);
        let exchange = Exchange::new("replay".to_owned(), true, 1);
        let mut playback = Playback::open(source, &["a".to_owned(), "b".to_owned()], between, speed, false).unwrap();
        assert_eq!(playback.partitions(), BTreeMap::from([("a", 2), ("b", 1)]));
        let began = Instant::now();
        playback.append_all(&*into, &exchange, &CancellationToken::new()).unwrap();
        (into, began.elapsed())
    }

    #[test]
    fn records_keep_partition_order_and_bounds() {
        let source = log_of(&[("a", 2), ("b", 1)]);
        put(&*source, "a", 0, &[10, 30, 29, 50, 49, 51]);
        put(&*source, "a", 1, &[5, 40]);
        put(&*source, "b", 0, &[20, 50 + CLOCK_STEP_MS, 41]);
        let (into, _) = replayed(source.clone(), (10, 50), Speed::Max);
        assert_eq!(values(&*into, "a", 0), [10, 30, 29, 49], "a clock that went back hides nothing");
        assert_eq!(values(&*into, "a", 1), [40]);
        assert_eq!(values(&*into, "b", 0), [20], "what lies a minute behind the end is not read");
        let first = into.fetch("a", 0, 0, 1 << 20).unwrap().records.remove(0).record;
        assert_eq!((first.key.as_deref(), &first.value[..]), (Some(&b"a-0"[..]), &b"10"[..]));
        let (all, _) = replayed(source, (i64::MIN, i64::MAX), Speed::Max);
        assert_eq!(values(&*all, "a", 1), [5, 40]);
        assert_eq!(values(&*all, "b", 0).len(), 3);
    }

    #[test]
    fn what_stays_empty_is_known_before() {
        let source = log_of(&[("a", 2), ("b", 1)]);
        put(&*source, "a", 0, &[10, 30]);
        put(&*source, "a", 1, &[60]);
        let topics = ["a".to_owned(), "b".to_owned()];
        let mut playback = Playback::open(source, &topics, (20, 50), Speed::Max, false).unwrap();
        let silent = playback.silent(["a", "left out"]).unwrap();
        let all = BTreeSet::from([0, 1, 2]);
        assert_eq!(silent, BTreeMap::from([("a".to_owned(), BTreeSet::from([1, 2])), ("left out".to_owned(), all)]));
    }

    #[test]
    fn time_passes_as_fast_as_asked() {
        let source = log_of(&[("a", 2), ("b", 1)]);
        put(&*source, "a", 0, &[0, 1_000, 20_000]);
        put(&*source, "b", 0, &[0, 30_000]);
        let (into, took) = replayed(source, (i64::MIN, i64::MAX), Speed::Times(100.0));
        assert_eq!((values(&*into, "a", 0).len(), values(&*into, "b", 0)), (3, vec![0, 30_000]));
        assert!((300..10_000).contains(&took.as_millis()), "{took:?}");
    }
}
