//! SaslAuthenticate: one message of the mechanism that was agreed on, and the server's.

use std::sync::Arc;

use bytes::Bytes;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use crate::wire::sasl::Step;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    message: Bytes,
}

impl Call for Request {
    type Response = Step;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let message = reader.owned_bytes()?;
        reader.tags()?;
        Ok(Request { message })
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, _: i16) -> Option<Step> {
        let step = client.sasl.step(&self.message, broker.users());
        if matches!(step, Step::Refused(_)) {
            broker.metrics().authentication_failures.add(1);
        }
        Some(step)
    }

    fn write(step: Step, writer: &mut Response, version: i16) {
        let (error, message) = match &step {
            Step::Refused(ErrorCode::IllegalSaslState) => {
                (ErrorCode::IllegalSaslState, Some("SaslHandshake comes first"))
            }
            Step::Refused(error) => (*error, Some("authentication failed: unknown user or wrong password")),
            Step::Continue(_) | Step::Done(_) => (ErrorCode::None, None),
        };
        writer.error(error);
        writer.nullable_string(message);
        match &step {
            Step::Continue(bytes) | Step::Done(bytes) => writer.bytes(bytes),
            Step::Refused(_) => writer.bytes(&[]),
        }
        if version >= 1 {
            // a session lasts as long as its connection
            writer.i64(0);
        }
    }
}
