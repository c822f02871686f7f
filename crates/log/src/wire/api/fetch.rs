//! Fetch: raw batches from the segment files, waiting until there are enough of them. No session is kept: a client that asks for one is given id 0.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::log::Log;
use crate::wire::broker::{Broker, LEADER_EPOCH};
use crate::wire::connection::Client;

/// The first version whose clients understand batches with magic 2.
const FIRST_BATCH_VERSION: i16 = 4;
/// No fetch waits longer, whatever it asks for.
const MAX_WAIT_MS: i32 = 60_000;
/// How long a waiting fetch looks away after an append that was not for it: a bound on what many waiting readers cost.
const LOOK_AWAY: Duration = Duration::from_millis(1);

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
    batches: Vec<Bytes>,
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
        // held until the response is on its way; when slow readers hold too much, everybody gets less, but always something
        let (granted, reservation) = broker.reserve_response(wanted);
        client.reservation = reservation;
        let topics = if self.is_recent(broker) {
            self.read_batches(broker, granted)
        } else {
            broker.blocking(move |broker| self.read_batches(broker, granted)).await.unwrap_or_default()
        };
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

    fn read_batches(self, broker: &Broker, granted: usize) -> Vec<(String, Vec<Found>)> {
        let mut left = granted;
        let mut empty_so_far = true;
        let mut one = |topic: &str, part: Part| {
            let found = read_one(broker, topic, part, left, empty_so_far);
            let bytes: usize = found.batches.iter().map(Bytes::len).sum();
            left = left.saturating_sub(bytes);
            empty_so_far &= bytes == 0;
            found
        };
        self.topics
            .into_iter()
            .map(|(topic, parts)| {
                let found = parts.into_iter().map(|part| one(&topic, part)).collect();
                (topic, found)
            })
            .collect()
    }
}

fn read_one(broker: &Broker, topic: &str, part: Part, left: usize, at_least_one: bool) -> Found {
    if let Err(error) = check_epoch(part.leader_epoch) {
        return Found::refused(part, error);
    }
    let Ok(partition) = u32::try_from(part.partition) else {
        return Found::refused(part, ErrorCode::UnknownTopicOrPartition);
    };
    let max_bytes = left.min(part.max_bytes.max(0) as usize);
    match broker.log().fetch_batches(topic, partition, part.offset, max_bytes, at_least_one) {
        Ok(fetched) => Found {
            partition: part.partition,
            error: ErrorCode::None,
            start_offset: fetched.start_offset,
            end_offset: fetched.end_offset,
            batches: fetched.batches,
        },
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
