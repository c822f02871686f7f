//! SyncGroup: the leader hands in the assignment, and every member gets its own.

use std::sync::Arc;

use bytes::Bytes;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::group::{MemberRef, Sync, Synced};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    group: String,
    sync: Sync,
}

impl Call for Request {
    type Response = Synced;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let group = reader.string()?;
        let generation = reader.i32()?;
        let member_id = reader.string()?;
        let instance_id = if version >= 3 { reader.nullable_string()? } else { None };
        let protocol_type = if version >= 5 { reader.nullable_string()? } else { None };
        let protocol = if version >= 5 { reader.nullable_string()? } else { None };
        let assignments: Vec<(String, Bytes)> = reader.structs(|r| Ok((r.string()?, r.owned_bytes()?)))?;
        reader.tags()?;
        let member = MemberRef { member_id, instance_id, generation };
        Ok(Request { group, sync: Sync { member, protocol_type, protocol, assignments } })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Synced> {
        Some(broker.groups().sync(&self.group, self.sync).await)
    }

    fn write(synced: Synced, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        writer.error(synced.error);
        if version >= 5 {
            let is_ok = synced.error == ErrorCode::None;
            writer.nullable_string(is_ok.then_some(synced.protocol_type.as_str()));
            writer.nullable_string(is_ok.then_some(synced.protocol.as_str()));
        }
        writer.bytes(&synced.assignment);
    }
}
