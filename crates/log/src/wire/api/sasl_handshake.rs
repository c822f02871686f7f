//! SaslHandshake: which mechanism the client will authenticate by.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::sasl::MECHANISMS;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    mechanism: String,
}

impl Call for Request {
    type Response = ErrorCode;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        Ok(Request { mechanism: reader.string()? })
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, _: i16) -> Option<ErrorCode> {
        Some(client.sasl.handshake(&self.mechanism, broker.users()))
    }

    fn write(error: ErrorCode, writer: &mut Response, _: i16) {
        writer.error(error);
        writer.array(&MECHANISMS, |w, mechanism| w.string(mechanism));
    }
}
