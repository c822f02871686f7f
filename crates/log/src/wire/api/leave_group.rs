//! LeaveGroup: members go for good, by themselves or, static ones, by an administrator.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::group::Leaver;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    group: String,
    leavers: Vec<Leaver>,
}

pub(crate) struct Left {
    error: ErrorCode,
    members: Vec<(Leaver, ErrorCode)>,
}

impl Call for Request {
    type Response = Left;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let group = reader.string()?;
        let leavers = if version >= 3 {
            reader.structs(|r| Ok(Leaver { member_id: r.string()?, instance_id: r.nullable_string()? }))?
        } else {
            vec![Leaver { member_id: reader.string()?, instance_id: None }]
        };
        reader.tags()?;
        Ok(Request { group, leavers })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, version: i16) -> Option<Left> {
        let results = broker.groups().leave(&self.group, &self.leavers);
        let members: Vec<(Leaver, ErrorCode)> = self.leavers.into_iter().zip(results).collect();
        // before members had errors of their own, the one member's was the request's
        let error = members.first().filter(|_| version < 3).map_or(ErrorCode::None, |(_, error)| *error);
        Some(Left { error, members })
    }

    fn write(left: Left, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        writer.error(left.error);
        if version >= 3 {
            writer.structs(&left.members, |w, (leaver, error)| {
                w.string(&leaver.member_id);
                w.nullable_string(leaver.instance_id.as_deref());
                w.error(*error);
            });
        }
    }
}
