//! InitProducerId: an id for an idempotent producer, never given twice. Transactional producers are refused.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    is_transactional: bool,
}

impl Call for Request {
    type Response = Result<i64, ErrorCode>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let is_transactional = reader.nullable_string()?.is_some();
        reader.i32()?;
        if version >= 3 {
            // a producer that starts again after an error names its old id; without transactions it gets a new one, as from Kafka
            let (_id, _epoch) = (reader.i64()?, reader.i16()?);
        }
        reader.tags()?;
        Ok(Request { is_transactional })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        if self.is_transactional {
            return Some(Err(ErrorCode::TransactionalIdAuthorizationFailed));
        }
        let given = broker.blocking(|broker| broker.log().next_producer_id()).await;
        Some(match given {
            Some(Ok(id)) => Ok(id),
            Some(Err(error)) => {
                tracing::error!(%error, "no producer id can be given");
                Err(ErrorCode::from(&error))
            }
            None => Err(ErrorCode::UnknownServerError),
        })
    }

    fn write(id: Self::Response, writer: &mut Response, _: i16) {
        writer.i32(0);
        writer.error(id.err().unwrap_or_default());
        writer.i64(id.unwrap_or(-1));
        writer.i16(if id.is_ok() { 0 } else { -1 });
    }
}
