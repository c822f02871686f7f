//! Reads partitions from any offset, ahead of those who read on.
//!
//! A cursor is a partition that is being read ahead, and the offset it stands at. A fetch that goes on where an earlier one ended takes that
//! one's cursor and usually finds its records in memory; any other fetch moves a cursor, which costs a round trip and the read-ahead.
//! A client of librdkafka can read a partition at one place only, so several readers of one partition need a client each: a lane.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;

use super::context::Context;
use super::error;
use super::options::KafkaOptions;
use super::queue::{Next, PartitionStream};
use crate::error::LogError;
use crate::log::{Offsets, StoredRecord};

/// Places in one partition that are read at the same time without disturbing one another.
const LANES_MAX: usize = 4;
/// A cursor that nobody has used for so long is moved rather than a new lane opened.
const CURSOR_IDLE: Duration = Duration::from_secs(5);
/// Records that are known to be there come within this time, or the fetch fails: a broker may just be replaced.
const FETCH_MAX: Duration = Duration::from_secs(15);
pub(super) const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How long a wait for records goes on without looking whether the connections have something to say.
const WAIT_SLICE: Duration = Duration::from_millis(100);

type Place = (String, u32);

pub(super) struct Reader {
    options: KafkaOptions,
    changes: watch::Sender<u64>,
    lanes: Mutex<Vec<Arc<BaseConsumer<Context>>>>,
    /// By partition, then lane. Empty while the cursor is in use, and before the first.
    cursors: Mutex<HashMap<Place, [Slot; LANES_MAX]>>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Free,
    InUse,
    Here(Cursor),
}

struct Cursor {
    stream: PartitionStream,
    next: i64,
    used: Instant,
}

/// What a read found.
pub(super) struct Read {
    pub(super) records: Vec<StoredRecord>,
    pub(super) next_offset: i64,
}

/// Why a read found nothing.
pub(super) enum Unread {
    /// The broker does not have this offset.
    OutOfRange,
    Failed(LogError),
}

impl Reader {
    pub(super) fn new(options: &KafkaOptions, changes: watch::Sender<u64>) -> Result<Reader, LogError> {
        let reader = Reader { options: options.clone(), changes, lanes: Mutex::default(), cursors: Mutex::default() };
        reader.lane(0)?;
        Ok(reader)
    }

    /// The client that answers questions about topics and offsets.
    pub(super) fn client(&self) -> Result<Arc<BaseConsumer<Context>>, LogError> {
        self.lane(0)
    }

    /// Hears what the connections have to say; to be called now and then.
    pub(super) fn listen(&self) {
        for lane in locked(&self.lanes).iter() {
            while lane.poll(Duration::ZERO).is_some() {}
        }
    }

    /// The partition's offsets, asked of its leader now. The end is that of what is committed.
    pub(super) fn offsets_now(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        let client = self.lane(0)?;
        let deadline = Instant::now() + REQUEST_MAX;
        loop {
            match client.fetch_watermarks(topic, partition as i32, WAIT_SLICE * 30) {
                Ok((start, end)) => return Ok(Offsets { start, end }),
                Err(error) => {
                    self.listen();
                    let doing = format!("read the offsets of {topic}-{partition}");
                    let described = error::of(doing, &error, client.context().trouble());
                    if Instant::now() >= deadline || !hoga_model::Faulty::retry(&described) {
                        return Err(described);
                    }
                    std::thread::sleep(WAIT_SLICE);
                }
            }
        }
    }

    pub(super) fn offset_for_time(
        &self,
        topic: &str,
        partition: u32,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        let client = self.lane(0)?;
        let failed = |error: KafkaError| {
            error::of(format!("look up a time in {topic}-{partition}"), &error, client.context().trouble())
        };
        let mut asked = TopicPartitionList::new();
        // Kafka's own meanings of negative times are not ours
        asked.add_partition_offset(topic, partition as i32, Offset::Offset(timestamp_ms.max(0))).map_err(failed)?;
        let answer = client.offsets_for_times(asked, REQUEST_MAX).map_err(failed)?;
        let element = answer.find_partition(topic, partition as i32);
        match element.map(|element| (element.error(), element.offset())) {
            Some((Ok(()), Offset::Offset(offset))) => Ok(Some(offset)),
            Some((Err(error), _)) => Err(failed(error)),
            Some((Ok(()), _)) | None => Ok(None),
        }
    }

    /// Reads from an offset that is known to exist. Waits only while the records before `known_end` have not come.
    pub(super) fn read(
        &self,
        topic: &str,
        partition: u32,
        from_offset: i64,
        max_bytes: usize,
        known_end: i64,
    ) -> Result<Read, Unread> {
        let place = (topic.to_owned(), partition);
        let (lane, kept) = self.take_cursor(&place, from_offset);
        let cursor = match kept {
            Some(cursor) if cursor.next == from_offset => Ok(cursor),
            other => {
                drop(other);
                self.start(lane, &place, from_offset)
            }
        };
        let mut cursor = match cursor {
            Ok(cursor) => cursor,
            Err(error) => {
                self.put_back(&place, lane, Slot::Free);
                return Err(Unread::Failed(error));
            }
        };
        let read = cursor.read(max_bytes, known_end);
        cursor.used = Instant::now();
        // a cursor that failed begins anew
        let slot = if read.is_ok() { Slot::Here(cursor) } else { Slot::Free };
        self.put_back(&place, lane, slot);
        read.map_err(|failure| match failure {
            (RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange, _) => Unread::OutOfRange,
            (code, reason) => {
                self.listen();
                let trouble = self.lane(lane).ok().and_then(|client| client.context().trouble());
                Unread::Failed(error::of_code(format!("read {topic}-{partition}"), code, reason, trouble))
            }
        })
    }

    fn start(&self, lane: usize, place: &Place, offset: i64) -> Result<Cursor, LogError> {
        let (topic, partition) = place;
        let stream = PartitionStream::start(self.lane(lane)?, topic, *partition, offset, self.changes.clone());
        let stream =
            stream.map_err(|code| error::of_code(format!("read {topic}-{partition}"), code, String::new(), None))?;
        Ok(Cursor { stream, next: offset, used: Instant::now() })
    }

    /// The cursor that stands at the offset; or a place for one; or the cursor that was used least lately.
    fn take_cursor(&self, place: &Place, offset: i64) -> (usize, Option<Cursor>) {
        loop {
            let mut cursors = locked(&self.cursors);
            let slots = cursors.entry(place.clone()).or_default();
            let stands_there = |slot: &Slot| matches!(slot, Slot::Here(cursor) if cursor.next == offset);
            let is_idle = |slot: &Slot| matches!(slot, Slot::Here(cursor) if cursor.used.elapsed() >= CURSOR_IDLE);
            let is_free = |slot: &Slot| matches!(slot, Slot::Free);
            let oldest = || {
                let used = slots.iter().enumerate().filter_map(|(lane, slot)| match slot {
                    Slot::Here(cursor) => Some((cursor.used, lane)),
                    Slot::Free | Slot::InUse => None,
                });
                used.min().map(|(_, lane)| lane)
            };
            let chosen = slots.iter().position(stands_there);
            let chosen = chosen.or_else(|| slots.iter().position(is_idle));
            let chosen = chosen.or_else(|| slots.iter().position(is_free)).or_else(oldest);
            if let Some(lane) = chosen {
                return match std::mem::replace(&mut slots[lane], Slot::InUse) {
                    Slot::Here(cursor) => (lane, Some(cursor)),
                    Slot::Free | Slot::InUse => (lane, None),
                };
            }
            // more readers at once than lanes: rare, and soon over
            drop(cursors);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn put_back(&self, place: &Place, lane: usize, slot: Slot) {
        if let Some(slots) = locked(&self.cursors).get_mut(place) {
            slots[lane] = slot;
        }
    }

    fn lane(&self, index: usize) -> Result<Arc<BaseConsumer<Context>>, LogError> {
        let mut lanes = locked(&self.lanes);
        while lanes.len() <= index {
            let lane = BaseConsumer::from_config_and_context(&self.options.reader(), Context::default());
            lanes.push(Arc::new(lane.map_err(|error| error::of("reach the cluster", &error, None))?));
        }
        Ok(lanes[index].clone())
    }
}

impl Cursor {
    fn read(&mut self, max_bytes: usize, known_end: i64) -> Result<Read, (RDKafkaErrorCode, String)> {
        let deadline = Instant::now() + FETCH_MAX;
        let mut records: Vec<StoredRecord> = Vec::new();
        let mut bytes = 0;
        while records.is_empty() || bytes < max_bytes {
            let is_behind = self.next < known_end;
            match self.stream.next(if is_behind { WAIT_SLICE } else { Duration::ZERO }) {
                // records before the offset asked for share its batch
                Some(Next::Record(stored)) if stored.offset < self.next => {}
                Some(Next::Record(stored)) => {
                    self.next = stored.offset + 1;
                    bytes += stored.record.value.len() + stored.record.key.as_ref().map_or(0, bytes::Bytes::len);
                    records.push(stored);
                }
                Some(Next::End(offset)) => self.next = self.next.max(offset),
                Some(Next::Failed(code, reason)) if !passes_by_itself(code) => return Err((code, reason)),
                Some(Next::Failed(..)) => {}
                // what was found is worth handing over while the rest is on its way
                None if !is_behind || (!records.is_empty() && max_bytes < usize::MAX) => break,
                None if Instant::now() < deadline => {}
                None if !records.is_empty() => break,
                None => return Err((RDKafkaErrorCode::OperationTimedOut, String::new())),
            }
        }
        Ok(Read { records, next_offset: self.next })
    }
}

/// Errors that librdkafka goes on from: a leader that moves, a broker that is gone for a while.
fn passes_by_itself(code: RDKafkaErrorCode) -> bool {
    !matches!(
        code,
        RDKafkaErrorCode::AutoOffsetReset
            | RDKafkaErrorCode::OffsetOutOfRange
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopicOrPartition
    )
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
