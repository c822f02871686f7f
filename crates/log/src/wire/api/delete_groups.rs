//! DeleteGroups: forgets groups without members, and their offsets.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    groups: Vec<String>,
}

impl Call for Request {
    type Response = Vec<(String, ErrorCode)>;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let groups = reader.array(Reader::string)?;
        reader.tags()?;
        Ok(Request { groups })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let delete = |broker: &Broker, group: String| {
            let error = broker.groups().delete(&group);
            (group, error)
        };
        let all = broker.blocking(move |broker| self.groups.into_iter().map(|group| delete(broker, group)).collect());
        Some(all.await.unwrap_or_default())
    }

    fn write(groups: Self::Response, writer: &mut Response, _: i16) {
        writer.i32(0);
        writer.structs(&groups, |w, (group, error)| {
            w.string(group);
            w.error(*error);
        });
    }
}
