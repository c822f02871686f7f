//! OffsetCommit: how far a group has come.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::group::MemberRef;
use crate::wire::offsets::Committed;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    group: String,
    member: MemberRef,
    topics: Vec<(String, Vec<(i32, Committed)>)>,
}

impl Call for Request {
    type Response = Vec<(String, Vec<(i32, ErrorCode)>)>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let group = reader.string()?;
        let (generation, member_id) =
            if version >= 1 { (reader.i32()?, reader.string()?) } else { (-1, String::new()) };
        let instance_id = if version >= 7 { reader.nullable_string()? } else { None };
        if (2..=4).contains(&version) {
            // how long to keep it, which the broker decides
            reader.i64()?;
        }
        let topics = reader.structs(|r| {
            let name = r.string()?;
            let parts = r.structs(|r| {
                let partition = r.i32()?;
                let offset = r.i64()?;
                let leader_epoch = if version >= 6 { r.i32()? } else { -1 };
                if version == 1 {
                    r.i64()?;
                }
                let metadata = r.nullable_string()?.unwrap_or_default();
                Ok((partition, Committed { offset, leader_epoch, metadata, committed_ms: 0 }))
            })?;
            Ok((name, parts))
        })?;
        reader.tags()?;
        Ok(Request { group, member: MemberRef { member_id, instance_id, generation }, topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let commit = move |broker: &Broker| {
            let results = broker.groups().commit(&self.group, &self.member, &self.topics, &|topic, partition| {
                broker.topic(topic).is_some_and(|info| (0..info.partitions as i32).contains(&partition))
            });
            // in the order of the request
            let mut results = results.into_iter();
            let mut part = |(partition, _)| (partition, results.next().unwrap_or(ErrorCode::UnknownServerError));
            let topic = |(topic, parts): (String, Vec<(i32, Committed)>)| {
                let parts: Vec<(i32, ErrorCode)> = parts.into_iter().map(&mut part).collect();
                (topic, parts)
            };
            self.topics.into_iter().map(topic).collect()
        };
        Some(broker.blocking(commit).await.unwrap_or_default())
    }

    fn write(topics: Self::Response, writer: &mut Response, version: i16) {
        if version >= 3 {
            writer.i32(0);
        }
        writer.structs(&topics, |w, (name, parts)| {
            w.string(name);
            w.structs(parts, |w, (partition, error)| {
                w.i32(*partition);
                w.error(*error);
            });
        });
    }
}
