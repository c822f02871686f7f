//! Fetch: raw batches from the segment files, waiting until there are enough of them. No session is kept: a client that asks for one is given id 0.
//!
//! Batches whose checksums need no look stay in their files until the socket takes them; the others, and small ones, are read into memory, which is
//! counted until the client has them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::error::LogError;
use crate::log::{Log, Offsets};
use crate::partition::Sliced;
use crate::wire::broker::{Broker, LEADER_EPOCH};
use crate::wire::connection::Client;
use crate::wire::piece::Piece;

/// The first version whose clients understand batches with magic 2.
const FIRST_BATCH_VERSION: i16 = 4;
/// No fetch waits longer, whatever it asks for.
const MAX_WAIT_MS: i32 = 60_000;
/// How long a waiting fetch looks away after an append that was not for it: a bound on what many waiting readers cost.
const LOOK_AWAY: Duration = Duration::from_millis(1);
/// Fewer bytes are copied: that costs less than a system call of their own.
const MIN_FILE_BYTES: usize = 16 << 10;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    max_wait_ms: i32,
    min_bytes: i32,
    max_bytes: i32,
    session_id: i32,
    topics: Vec<(String, Vec<Part>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    partition: i32,
    leader_epoch: i32,
    offset: i64,
    max_bytes: i32,
}

pub(crate) struct Answer {
    error: ErrorCode,
    topics: Vec<(String, Vec<Found>)>,
}

struct Found {
    partition: i32,
    error: ErrorCode,
    start_offset: i64,
    end_offset: i64,
    batches: Vec<Piece>,
}

impl Call for Request {
    type Response = Answer;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        reader.i32()?;
        let (max_wait_ms, min_bytes) = (reader.i32()?, reader.i32()?);
        let max_bytes = if version >= 3 { reader.i32()? } else { i32::MAX };
        if version >= 4 {
            // without transactions both isolation levels see the same
            reader.i8()?;
        }
        let session_id = if version >= 7 { reader.i32()? } else { 0 };
        if version >= 7 {
            reader.i32()?;
        }
        let topics = reader.structs(|r| {
            let name = r.string()?;
            let parts = r.structs(|r| {
                let partition = r.i32()?;
                let leader_epoch = if version >= 9 { r.i32()? } else { -1 };
                let offset = r.i64()?;
                if version >= 5 {
                    r.i64()?;
                }
                Ok(Part { partition, leader_epoch, offset, max_bytes: r.i32()? })
            })?;
            Ok((name, parts))
        })?;
        if version >= 7 {
            reader.structs(|r| {
                r.string()?;
                r.array(Reader::i32)
            })?;
        }
        if version >= 11 {
            reader.string()?;
        }
        reader.tags()?;
        Ok(Request { max_wait_ms, min_bytes, max_bytes, session_id, topics })
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, version: i16) -> Option<Answer> {
        if self.session_id != 0 {
            return Some(Answer { error: ErrorCode::FetchSessionIdNotFound, topics: Vec::new() });
        }
        if version < FIRST_BATCH_VERSION {
            let refuse = |part: &Part| Found::refused(*part, ErrorCode::UnsupportedVersion);
            let topics =
                self.topics.iter().map(|(name, parts)| (name.clone(), parts.iter().map(refuse).collect())).collect();
            return Some(Answer { error: ErrorCode::None, topics });
        }
        let available = self.wait(broker).await;
        let wanted = (self.max_bytes.max(0) as usize).min(broker.limits().fetch_bytes).min(available as usize);
        let takes_files = client.takes_files;
        let (topics, reservation) = if self.is_recent(broker) {
            self.read_batches(broker, wanted, takes_files)
        } else {
            broker.blocking(move |broker| self.read_batches(broker, wanted, takes_files)).await.unwrap_or_default()
        };
        client.reservation = reservation;
        Some(Answer { error: ErrorCode::None, topics })
    }

    fn write(answer: Answer, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        if version >= 7 {
            writer.error(answer.error);
            writer.i32(0);
        }
        writer.structs(answer.topics, |w, (name, parts)| {
            w.string(&name);
            w.structs(parts, |w, part| {
                w.i32(part.partition);
                w.error(part.error);
                w.i64(part.end_offset);
                if version >= 4 {
                    w.i64(part.end_offset);
                }
                if version >= 5 {
                    w.i64(part.start_offset);
                }
                if version >= 4 {
                    w.array_length(None);
                }
                if version >= 11 {
                    w.i32(-1);
                }
                w.records(part.batches);
            });
        });
    }
}

impl Found {
    fn refused(part: Part, error: ErrorCode) -> Found {
        Found { partition: part.partition, error, start_offset: -1, end_offset: -1, batches: Vec::new() }
    }
}

impl Request {
    /// Returns when there is enough to read, when something is wrong, or when the time is over; how much there is.
    async fn wait(&self, broker: &Broker) -> u64 {
        let deadline = Instant::now() + Duration::from_millis(self.max_wait_ms.clamp(0, MAX_WAIT_MS) as u64);
        let min_bytes = self.min_bytes.max(0) as u64;
        let mut changes = match self.topics.as_slice() {
            [(topic, _)] => broker.log().changes_of(topic),
            _ => broker.log().changes(),
        };
        loop {
            let available = match self.available(broker) {
                Some(available) if available >= min_bytes => return available,
                Some(available) => available,
                None => return u64::MAX,
            };
            let changed = tokio::time::timeout_at(deadline, changes.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return available;
            }
            if self.available(broker).is_some_and(|now| now < min_bytes && now == available) {
                tokio::time::sleep_until((Instant::now() + LOOK_AWAY).min(deadline)).await;
            }
        }
    }

    /// Bytes that could be read now; `None` if a partition has an error to be told.
    fn available(&self, broker: &Broker) -> Option<u64> {
        let mut total = 0;
        for (topic, parts) in &self.topics {
            for part in parts {
                let partition = u32::try_from(part.partition).ok()?;
                check_epoch(part.leader_epoch).ok()?;
                let bytes = broker.log().available_bytes(topic, partition, part.offset).ok()?;
                total += bytes.min(part.max_bytes.max(1) as u64);
            }
        }
        Some(total)
    }

    /// Whether all that is asked for lies in active segments: they were written, or checked at start, not long ago, and are in memory.
    fn is_recent(&self, broker: &Broker) -> bool {
        let mut parts = self.topics.iter().flat_map(|(topic, parts)| parts.iter().map(move |part| (topic, part)));
        parts.all(|(topic, part)| {
            let partition = u32::try_from(part.partition).unwrap_or(u32::MAX);
            // what is not there is not read
            broker.log().is_active(topic, partition, part.offset).unwrap_or(true)
        })
    }

    fn read_batches(self, broker: &Broker, wanted: usize, takes_files: bool) -> Read {
        let mut budget = Budget { broker, takes_files, left: wanted, is_empty: true, is_shrunk: false, held: None };
        let topics = self
            .topics
            .into_iter()
            .map(|(topic, parts)| {
                let found = parts.into_iter().map(|part| read_one(broker, &topic, part, &mut budget)).collect();
                (topic, found)
            })
            .collect();
        if budget.is_shrunk {
            broker.metrics().fetches_shrunk.add(1);
        }
        (topics, budget.held)
    }
}

/// What was found, and the memory that it takes.
type Read = (Vec<(String, Vec<Found>)>, Option<OwnedSemaphorePermit>);

/// What a response may still hold.
struct Budget<'a> {
    broker: &'a Broker,
    takes_files: bool,
    left: usize,
    /// The first batch of a response is given whatever its size.
    is_empty: bool,
    /// Memory was short.
    is_shrunk: bool,
    /// Held until the response is sent. When slow readers hold too much, everybody gets less, but always something.
    held: Option<OwnedSemaphorePermit>,
}

impl Budget<'_> {
    fn batches(&mut self, topic: &str, partition: u32, part: Part) -> Result<(Vec<Piece>, Offsets), LogError> {
        let max_bytes = self.left.min(part.max_bytes.max(0) as usize);
        if max_bytes == 0 && !self.is_empty {
            // what is wrong with it is told all the same
            self.broker.log().available_bytes(topic, partition, part.offset)?;
            return Ok((Vec::new(), self.broker.log().offsets(topic, partition)?));
        }
        let found = match self.broker.log().slice(topic, partition, part.offset, max_bytes, self.is_empty) {
            Some(Sliced { slice, offsets }) if self.takes_files && slice.len >= MIN_FILE_BYTES => {
                Some((vec![Piece::File(slice)], offsets))
            }
            Some(sliced) => self.read_slice(&sliced),
            None => None,
        };
        let (pieces, offsets) = match found {
            Some(found) => found,
            None => self.read_and_check(topic, partition, part.offset, max_bytes)?,
        };
        let bytes: usize = pieces.iter().map(Piece::len).sum();
        self.left = self.left.saturating_sub(bytes);
        self.is_empty &= bytes == 0;
        Ok((pieces, offsets))
    }

    /// `None` if there is no memory for it, or if the file is not what it was.
    fn read_slice(&mut self, sliced: &Sliced) -> Option<(Vec<Piece>, Offsets)> {
        let memory = self.reserve(sliced.slice.len)?;
        let batches = sliced.slice.read().ok()?;
        self.hold(memory, batches.len());
        Some((vec![Piece::Bytes(batches)], sliced.offsets))
    }

    fn read_and_check(
        &mut self,
        topic: &str,
        partition: u32,
        offset: i64,
        max_bytes: usize,
    ) -> Result<(Vec<Piece>, Offsets), LogError> {
        let log = self.broker.log();
        // no more than there is, or memory would be short for nothing
        let there_is = log.available_bytes(topic, partition, offset)?;
        let wanted = max_bytes.min(usize::try_from(there_is).unwrap_or(usize::MAX));
        let memory = self.reserve(wanted);
        let granted = if memory.is_some() { wanted } else { 0 };
        let found = log.fetch_batches(topic, partition, offset, granted, self.is_empty)?;
        if let Some(memory) = memory {
            self.hold(memory, found.batches.iter().map(Bytes::len).sum());
        }
        let pieces = found.batches.into_iter().map(Piece::Bytes).collect();
        Ok((pieces, Offsets { start: found.start_offset, end: found.end_offset }))
    }

    /// Asked no more once there was too little.
    fn reserve(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let memory = if self.is_shrunk { None } else { self.broker.reserve_response(bytes) };
        self.is_shrunk |= memory.is_none();
        memory
    }

    /// Keeps what is used of the memory that was reserved.
    fn hold(&mut self, mut memory: OwnedSemaphorePermit, bytes: usize) {
        drop(memory.split(memory.num_permits().saturating_sub(bytes)));
        match &mut self.held {
            Some(held) => held.merge(memory),
            None => self.held = Some(memory),
        }
    }
}

fn read_one(broker: &Broker, topic: &str, part: Part, budget: &mut Budget<'_>) -> Found {
    if let Err(error) = check_epoch(part.leader_epoch) {
        return Found::refused(part, error);
    }
    let Ok(partition) = u32::try_from(part.partition) else {
        return Found::refused(part, ErrorCode::UnknownTopicOrPartition);
    };
    match budget.batches(topic, partition, part) {
        Ok((batches, Offsets { start, end })) => {
            Found { partition: part.partition, error: ErrorCode::None, start_offset: start, end_offset: end, batches }
        }
        Err(error) => {
            let offsets = broker.log().offsets(topic, partition);
            let (start_offset, end_offset) = offsets.map_or((-1, -1), |offsets| (offsets.start, offsets.end));
            Found { start_offset, end_offset, ..Found::refused(part, ErrorCode::from(&error)) }
        }
    }
}

/// A partition here has had one leader, ever.
pub(super) fn check_epoch(epoch: i32) -> Result<(), ErrorCode> {
    if epoch > LEADER_EPOCH { Err(ErrorCode::UnknownLeaderEpoch) } else { Ok(()) }
}
