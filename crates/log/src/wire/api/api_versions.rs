//! ApiVersions: what this broker understands. The first request of every client, before it authenticates.

use super::{APIS, Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request;

impl Call for Request {
    type Response = ErrorCode;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        if version >= 3 {
            let (_software, _version) = (reader.string()?, reader.string()?);
        }
        reader.tags()?;
        Ok(Request)
    }

    async fn answer(self, _: &Arc<Broker>, _: &mut Client, _: i16) -> Option<ErrorCode> {
        Some(ErrorCode::None)
    }

    fn write(error: ErrorCode, writer: &mut Response, version: i16) {
        writer.error(error);
        writer.structs(APIS, |w, api| {
            w.i16(api.key);
            w.i16(0);
            w.i16(api.max_version);
        });
        if version >= 1 {
            writer.i32(0);
        }
    }
}
