//! JoinGroup: a member enters a group, or comes back for the next generation; answered when the generation begins.

use std::sync::Arc;

use super::{Call, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::group::{Join, Joined, Protocol};

/// The first version in which a new member is told its id before it may join, so that a lost response leaves no ghost.
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    group: String,
    join: Join,
}

impl Call for Request {
    type Response = Joined;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let group = reader.string()?;
        let session_timeout_ms = reader.i32()?;
        let rebalance_timeout_ms = if version >= 1 { reader.i32()? } else { session_timeout_ms };
        let member_id = reader.string()?;
        let instance_id = if version >= 5 { reader.nullable_string()? } else { None };
        let protocol_type = reader.string()?;
        let protocols = reader.structs(|r| Ok(Protocol { name: r.string()?, metadata: r.owned_bytes()? }))?;
        reader.tags()?;
        let join = Join {
            member_id,
            instance_id,
            client_id: String::new(),
            client_host: String::new(),
            session_timeout_ms,
            rebalance_timeout_ms,
            protocol_type,
            protocols,
            member_id_required: version >= MEMBER_ID_REQUIRED_VERSION,
        };
        Ok(Request { group, join })
    }

    async fn answer(mut self, broker: &Arc<Broker>, client: &mut Client, _: i16) -> Option<Joined> {
        self.join.client_id.clone_from(&client.id);
        self.join.client_host = format!("/{}", client.host);
        Some(broker.groups().join(&self.group, self.join).await)
    }

    fn write(joined: Joined, writer: &mut Response, version: i16) {
        if version >= 2 {
            writer.i32(0);
        }
        writer.error(joined.error);
        writer.i32(joined.generation);
        let is_ok = joined.error == super::ErrorCode::None;
        if version >= 7 {
            writer.nullable_string(is_ok.then_some(joined.protocol_type.as_str()));
            writer.nullable_string(is_ok.then_some(joined.protocol.as_str()));
        } else {
            writer.string(&joined.protocol);
        }
        writer.string(&joined.leader);
        writer.string(&joined.member_id);
        writer.structs(&joined.members, |w, member| {
            w.string(&member.member_id);
            if version >= 5 {
                w.nullable_string(member.instance_id.as_deref());
            }
            w.bytes(&member.metadata);
        });
    }
}
