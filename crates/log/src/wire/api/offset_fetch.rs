//! OffsetFetch: how far a group has come, of some partitions or of all that it ever committed.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::offsets::TopicOffsets;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    group: String,
    /// `None` is all.
    topics: Option<Vec<(String, Vec<i32>)>>,
}

impl Call for Request {
    type Response = TopicOffsets;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let group = reader.string()?;
        let topics = reader.nullable_structs(|r| Ok((r.string()?, r.array(Reader::i32)?)))?;
        if version >= 7 {
            // without transactions every offset is stable
            reader.bool()?;
        }
        reader.tags()?;
        Ok(Request { group, topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let groups = broker.groups();
        let Some(topics) = self.topics else { return Some(groups.all_offsets(&self.group)) };
        let one = |(topic, partitions): (String, Vec<i32>)| {
            let offset = |partition| (partition, groups.offset(&self.group, &topic, partition));
            let found = partitions.into_iter().map(offset).collect();
            (topic, found)
        };
        Some(topics.into_iter().map(one).collect())
    }

    fn write(topics: Self::Response, writer: &mut Response, version: i16) {
        if version >= 3 {
            writer.i32(0);
        }
        writer.structs(&topics, |w, (name, parts)| {
            w.string(name);
            w.structs(parts, |w, (partition, committed)| {
                w.i32(*partition);
                w.i64(committed.as_ref().map_or(-1, |found| found.offset));
                if version >= 5 {
                    w.i32(committed.as_ref().map_or(-1, |found| found.leader_epoch));
                }
                w.nullable_string(Some(committed.as_ref().map_or("", |found| found.metadata.as_str())));
                w.error(ErrorCode::None);
            });
        });
        if version >= 2 {
            writer.error(ErrorCode::None);
        }
    }
}
