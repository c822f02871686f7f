//! ListOffsets: the first offset, the end, the first record of a time or later, and the record with the largest timestamp.

use std::sync::Arc;

use super::fetch::check_epoch;
use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::error::LogError;
use crate::log::Log;
use crate::wire::broker::{Broker, LEADER_EPOCH};
use crate::wire::connection::Client;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const NONE: Place = Place { offset: -1, timestamp_ms: -1 };

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    topics: Vec<(String, Vec<Part>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    partition: i32,
    leader_epoch: i32,
    timestamp_ms: i64,
}

pub(crate) struct Found {
    partition: i32,
    place: Result<Place, ErrorCode>,
}

#[derive(Clone, Copy)]
struct Place {
    offset: i64,
    timestamp_ms: i64,
}

impl Call for Request {
    type Response = Vec<(String, Vec<Found>)>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        reader.i32()?;
        if version >= 2 {
            reader.i8()?;
        }
        let topics = reader.structs(|r| {
            let name = r.string()?;
            let parts = r.structs(|r| {
                let partition = r.i32()?;
                let leader_epoch = if version >= 4 { r.i32()? } else { -1 };
                let timestamp_ms = r.i64()?;
                if version == 0 {
                    r.i32()?;
                }
                Ok(Part { partition, leader_epoch, timestamp_ms })
            })?;
            Ok((name, parts))
        })?;
        reader.tags()?;
        Ok(Request { topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let find = |broker: &Broker, topic: &str, part: Part| Found {
            partition: part.partition,
            place: find(broker, topic, part),
        };
        // by time a segment is read
        let found = broker.blocking(move |broker| {
            let topic = |(topic, parts): (String, Vec<Part>)| {
                let found = parts.into_iter().map(|part| find(broker, &topic, part)).collect();
                (topic, found)
            };
            self.topics.into_iter().map(topic).collect()
        });
        Some(found.await.unwrap_or_default())
    }

    fn write(topics: Self::Response, writer: &mut Response, version: i16) {
        if version >= 2 {
            writer.i32(0);
        }
        writer.structs(&topics, |w, (name, parts)| {
            w.string(name);
            w.structs(parts, |w, part| {
                let place = part.place.unwrap_or(NONE);
                w.i32(part.partition);
                w.error(part.place.err().unwrap_or_default());
                if version == 0 {
                    let offsets = if place.offset >= 0 { &[place.offset][..] } else { &[] };
                    w.array(offsets, |w, offset| w.i64(*offset));
                    return;
                }
                w.i64(place.timestamp_ms);
                w.i64(place.offset);
                if version >= 4 {
                    w.i32(if place.offset >= 0 { LEADER_EPOCH } else { -1 });
                }
            });
        });
    }
}

fn find(broker: &Broker, topic: &str, part: Part) -> Result<Place, ErrorCode> {
    check_epoch(part.leader_epoch)?;
    let partition = u32::try_from(part.partition).map_err(|_| ErrorCode::UnknownTopicOrPartition)?;
    let code = |error: LogError| ErrorCode::from(&error);
    let log = broker.log();
    let offsets = log.offsets(topic, partition).map_err(code)?;
    match part.timestamp_ms {
        LATEST => Ok(Place { offset: offsets.end, timestamp_ms: -1 }),
        EARLIEST => Ok(Place { offset: offsets.start, timestamp_ms: -1 }),
        MAX_TIMESTAMP => match log.max_timestamp_ms(topic, partition).map_err(code)? {
            Some(timestamp_ms) => find_time(log.as_ref(), topic, partition, timestamp_ms).map_err(code),
            None => Ok(NONE),
        },
        timestamp_ms if timestamp_ms >= 0 => find_time(log.as_ref(), topic, partition, timestamp_ms).map_err(code),
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

fn find_time(log: &dyn Log, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Place, LogError> {
    let Some(offset) = log.offset_for_time(topic, partition, timestamp_ms)? else { return Ok(NONE) };
    // clients want the record's own time, not the one they asked for
    let fetched = log.fetch(topic, partition, offset, 0)?;
    Ok(fetched.records.first().map_or(NONE, |found| Place { offset, timestamp_ms: found.record.timestamp_ms }))
}
