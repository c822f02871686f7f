//! OffsetForLeaderEpoch: where a leader's records end. There has been one leader, with epoch 0.

use std::sync::Arc;

use super::fetch::check_epoch;
use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::log::Log;
use crate::wire::broker::{Broker, LEADER_EPOCH};
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    topics: Vec<(String, Vec<Part>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    partition: i32,
    current_leader_epoch: i32,
    leader_epoch: i32,
}

pub(crate) struct Found {
    partition: i32,
    /// Epoch and end offset.
    end: Result<(i32, i64), ErrorCode>,
}

impl Call for Request {
    type Response = Vec<(String, Vec<Found>)>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        if version >= 3 {
            reader.i32()?;
        }
        let topics = reader.structs(|r| {
            let name = r.string()?;
            let parts = r.structs(|r| {
                let partition = r.i32()?;
                let current_leader_epoch = if version >= 2 { r.i32()? } else { -1 };
                Ok(Part { partition, current_leader_epoch, leader_epoch: r.i32()? })
            })?;
            Ok((name, parts))
        })?;
        reader.tags()?;
        Ok(Request { topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let find = |topic: &str, part: Part| {
            check_epoch(part.current_leader_epoch)?;
            let partition = u32::try_from(part.partition).map_err(|_| ErrorCode::UnknownTopicOrPartition)?;
            let offsets = broker.log().offsets(topic, partition).map_err(|error| ErrorCode::from(&error))?;
            Ok(if part.leader_epoch == LEADER_EPOCH { (LEADER_EPOCH, offsets.end) } else { (-1, -1) })
        };
        let topic = |(topic, parts): (String, Vec<Part>)| {
            let found = |part: Part| Found { partition: part.partition, end: find(&topic, part) };
            let found = parts.into_iter().map(found).collect();
            (topic, found)
        };
        Some(self.topics.into_iter().map(topic).collect())
    }

    fn write(topics: Self::Response, writer: &mut Response, version: i16) {
        if version >= 2 {
            writer.i32(0);
        }
        writer.structs(&topics, |w, (name, parts)| {
            w.string(name);
            w.structs(parts, |w, part| {
                let (epoch, end_offset) = part.end.unwrap_or((-1, -1));
                w.error(part.end.err().unwrap_or_default());
                w.i32(part.partition);
                if version >= 1 {
                    w.i32(epoch);
                }
                w.i64(end_offset);
            });
        });
    }
}
