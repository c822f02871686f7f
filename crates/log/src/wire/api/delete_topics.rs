//! DeleteTopics: topics go with their files. Topics that the program itself needs are kept.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    topics: Vec<String>,
}

impl Call for Request {
    type Response = Vec<(String, Option<(ErrorCode, String)>)>;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let topics = reader.array(Reader::string)?;
        reader.i32()?;
        reader.tags()?;
        Ok(Request { topics })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let one = |broker: &Broker, topic: String| {
            let refusal = broker.delete_topic(&topic).err();
            (topic, refusal)
        };
        let all = broker.blocking(move |broker| self.topics.into_iter().map(|topic| one(broker, topic)).collect());
        Some(all.await.unwrap_or_default())
    }

    fn write(topics: Self::Response, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        writer.structs(&topics, |w, (topic, refusal)| {
            w.string(topic);
            w.error(refusal.as_ref().map_or(ErrorCode::None, |(error, _)| *error));
            if version >= 5 {
                w.nullable_string(refusal.as_ref().map(|(_, message)| message.as_str()));
            }
        });
    }
}
