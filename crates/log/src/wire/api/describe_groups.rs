//! DescribeGroups: state and members of groups.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::{Broker, UNKNOWN_OPERATIONS};
use crate::wire::connection::Client;
use crate::wire::group::Described;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    groups: Vec<String>,
}

impl Call for Request {
    type Response = Vec<(String, Described)>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let groups = reader.array(Reader::string)?;
        if version >= 3 {
            reader.bool()?;
        }
        reader.tags()?;
        Ok(Request { groups })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let describe = |group: String| {
            let described = broker.groups().describe(&group);
            (group, described)
        };
        Some(self.groups.into_iter().map(describe).collect())
    }

    fn write(groups: Self::Response, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        writer.structs(&groups, |w, (name, group)| {
            w.error(ErrorCode::None);
            w.string(name);
            w.string(group.state);
            w.string(&group.protocol_type);
            w.string(&group.protocol);
            w.structs(&group.members, |w, member| {
                w.string(&member.member_id);
                if version >= 4 {
                    w.nullable_string(member.instance_id.as_deref());
                }
                w.string(&member.client_id);
                w.string(&member.client_host);
                w.bytes(&member.metadata);
                w.bytes(&member.assignment);
            });
            if version >= 3 {
                w.i32(UNKNOWN_OPERATIONS);
            }
        });
    }
}
