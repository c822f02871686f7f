//! ListGroups: all groups that have members or committed offsets.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::coordinator::Listed;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    states: Vec<String>,
}

impl Call for Request {
    type Response = Vec<Listed>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let states = if version >= 4 { reader.array(Reader::string)? } else { Vec::new() };
        reader.tags()?;
        Ok(Request { states })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let wanted = |group: &Listed| {
            self.states.is_empty() || self.states.iter().any(|state| state.eq_ignore_ascii_case(group.state))
        };
        Some(broker.groups().list().into_iter().filter(wanted).collect())
    }

    fn write(groups: Self::Response, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        writer.error(ErrorCode::None);
        writer.structs(&groups, |w, group| {
            w.string(&group.group);
            w.string(&group.protocol_type);
            if version >= 4 {
                w.string(group.state);
            }
        });
    }
}
