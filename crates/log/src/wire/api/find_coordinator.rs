//! FindCoordinator: this broker coordinates every group. Transactions have no coordinator, and a client is told so at once.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::{Broker, NO_TRANSACTIONS};
use crate::wire::connection::Client;

const KEY_GROUP: i8 = 0;
const KEY_TRANSACTION: i8 = 1;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    key_type: i8,
}

pub(crate) enum Found {
    Here { node_id: i32, host: String, port: u16 },
    Refused(ErrorCode, &'static str),
}

impl Call for Request {
    type Response = Found;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        reader.string()?;
        let key_type = if version >= 1 { reader.i8()? } else { KEY_GROUP };
        reader.tags()?;
        Ok(Request { key_type })
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, _: i16) -> Option<Found> {
        Some(match self.key_type {
            KEY_GROUP => {
                let (host, port) = broker.address_for(client);
                Found::Here { node_id: broker.node_id(), host, port }
            }
            // a code that clients take for final; CoordinatorNotAvailable would be asked again for ever
            KEY_TRANSACTION => Found::Refused(ErrorCode::TransactionalIdAuthorizationFailed, NO_TRANSACTIONS),
            _ => Found::Refused(ErrorCode::InvalidRequest, "the key type is not known"),
        })
    }

    fn write(found: Found, writer: &mut Response, version: i16) {
        if version >= 1 {
            writer.i32(0);
        }
        let (error, message, node_id, host, port) = match found {
            Found::Here { node_id, host, port } => (ErrorCode::None, None, node_id, host, i32::from(port)),
            Found::Refused(error, message) => (error, Some(message), -1, String::new(), -1),
        };
        writer.error(error);
        if version >= 1 {
            writer.nullable_string(message);
        }
        writer.i32(node_id);
        writer.string(&host);
        writer.i32(port);
    }
}
