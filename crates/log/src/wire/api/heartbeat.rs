//! Heartbeat: a member is alive, and learns whether a rebalance is on.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::group::MemberRef;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    group: String,
    member: MemberRef,
}

impl Call for Request {
    type Response = ErrorCode;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let group = reader.string()?;
        let generation = reader.i32()?;
        let member_id = reader.string()?;
        let instance_id = if version >= 3 { reader.nullable_string()? } else { None };
        reader.tags()?;
        Ok(Request { group, member: MemberRef { member_id, instance_id, generation } })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<ErrorCode> {
        Some(broker.groups().heartbeat(&self.group, &self.member))
    }

    fn write(error: ErrorCode, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        writer.error(error);
    }
}
