//! DescribeLogDirs: how much each partition takes on disk.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// `None` is all.
    topics: Option<Vec<(String, Vec<i32>)>>,
}

pub(crate) struct Folder {
    path: String,
    topics: Vec<(String, Vec<(i32, u64)>)>,
}

impl Call for Request {
    type Response = Folder;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let topics = reader.nullable_structs(|r| Ok((r.string()?, r.array(Reader::i32)?)))?;
        reader.tags()?;
        Ok(Request { topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Folder> {
        let all = |info: crate::TopicInfo| (info.name, (0..info.partitions as i32).collect());
        let wanted = self.topics.unwrap_or_else(|| broker.topics().into_iter().map(all).collect());
        let sizes = |(topic, partitions): (String, Vec<i32>)| {
            let size = |partition: i32| {
                let bytes = broker.log().partition_bytes(&topic, u32::try_from(partition).ok()?).ok()?;
                Some((partition, bytes))
            };
            let sizes: Vec<(i32, u64)> = partitions.into_iter().filter_map(size).collect();
            (topic, sizes)
        };
        let topics = wanted.into_iter().map(sizes).filter(|(_, sizes)| !sizes.is_empty()).collect();
        Some(Folder { path: broker.log().dir().display().to_string(), topics })
    }

    fn write(folder: Folder, writer: &mut Response, _: i16) {
        writer.i32(0);
        writer.structs([folder], |w, folder| {
            w.error(ErrorCode::None);
            w.string(&folder.path);
            w.structs(&folder.topics, |w, (topic, partitions)| {
                w.string(topic);
                w.structs(partitions, |w, (partition, bytes)| {
                    w.i32(*partition);
                    w.i64(i64::try_from(*bytes).unwrap_or(i64::MAX));
                    w.i64(0);
                    w.bool(false);
                });
            });
        });
    }
}
