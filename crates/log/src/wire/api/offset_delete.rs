//! OffsetDelete: forgets how far a group has come in single partitions, which nobody in it reads any more.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::coordinator::TopicErrors;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    group: String,
    topics: Vec<(String, Vec<i32>)>,
}

#[derive(Default)]
pub(crate) struct Deleted {
    /// Of the group; then no partition is answered for.
    error: ErrorCode,
    topics: TopicErrors,
}

impl Call for Request {
    type Response = Deleted;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let group = reader.string()?;
        let topics = reader.structs(|r| Ok((r.string()?, r.structs(Reader::i32)?)))?;
        reader.tags()?;
        Ok(Request { group, topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Deleted> {
        let delete = move |broker: &Broker| {
            let exists = |topic: &str, partition: i32| {
                let known = broker.topic(topic).map_or(0, |info| info.partitions);
                u32::try_from(partition).is_ok_and(|partition| partition < known)
            };
            match broker.groups().delete_offsets(&self.group, self.topics, &exists) {
                Ok(topics) => Deleted { error: ErrorCode::None, topics },
                Err(error) => Deleted { error, topics: Vec::new() },
            }
        };
        let failed = || Deleted { error: ErrorCode::UnknownServerError, topics: Vec::new() };
        Some(broker.blocking(delete).await.unwrap_or_else(failed))
    }

    fn write(deleted: Deleted, writer: &mut Response, _: i16) {
        writer.error(deleted.error);
        writer.i32(0);
        writer.structs(&deleted.topics, |w, (topic, parts)| {
            w.string(topic);
            w.structs(parts, |w, (partition, error)| {
                w.i32(*partition);
                w.error(*error);
            });
        });
    }
}
