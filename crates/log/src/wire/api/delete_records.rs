//! DeleteRecords: everything before an offset goes.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::log::Log;
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

/// Up to the end, whatever it is.
const TO_THE_END: i64 = -1;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    topics: Vec<(String, Vec<(i32, i64)>)>,
}

pub(crate) struct Deleted {
    partition: i32,
    /// The first offset that is left.
    start: Result<i64, ErrorCode>,
}

impl Call for Request {
    type Response = Vec<(String, Vec<Deleted>)>;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let topics = reader.structs(|r| Ok((r.string()?, r.structs(|r| Ok((r.i32()?, r.i64()?)))?)))?;
        reader.i32()?;
        reader.tags()?;
        Ok(Request { topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let delete = move |broker: &Broker| {
            let one = |topic: &str, (partition, before)| Deleted {
                partition,
                start: delete(broker, topic, partition, before),
            };
            let topic = |(topic, parts): (String, Vec<(i32, i64)>)| {
                let deleted = parts.into_iter().map(|part| one(&topic, part)).collect();
                (topic, deleted)
            };
            self.topics.into_iter().map(topic).collect()
        };
        Some(broker.blocking(delete).await.unwrap_or_default())
    }

    fn write(topics: Self::Response, writer: &mut Response, _: i16) {
        writer.i32(0);
        writer.structs(&topics, |w, (topic, parts)| {
            w.string(topic);
            w.structs(parts, |w, part| {
                w.i32(part.partition);
                w.i64(part.start.unwrap_or(-1));
                w.error(part.start.err().unwrap_or_default());
            });
        });
    }
}

fn delete(broker: &Broker, topic: &str, partition: i32, before: i64) -> Result<i64, ErrorCode> {
    if broker.is_internal(topic) {
        return Err(ErrorCode::PolicyViolation);
    }
    let partition = u32::try_from(partition).map_err(|_| ErrorCode::UnknownTopicOrPartition)?;
    let code = |error: crate::LogError| ErrorCode::from(&error);
    let before = match before {
        TO_THE_END => broker.log().offsets(topic, partition).map_err(code)?.end,
        before => before,
    };
    broker.log().delete_records(topic, partition, before).map_err(code)
}
