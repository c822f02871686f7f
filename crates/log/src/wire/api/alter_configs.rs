//! AlterConfigs: the older way to change settings of topics; what is not named goes back to its default.

use std::sync::Arc;

use super::incremental_alter_configs::{Altered, Request as Alter, Resource, Setting};
use super::{Call, Malformed, Reader, Response};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request(Alter);

impl Call for Request {
    type Response = Vec<Altered>;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let resources = reader.structs(|r| {
            let (kind, name) = (r.i8()?, r.string()?);
            let settings =
                r.structs(|r| Ok(Setting { name: r.string()?, operation: 0, value: r.nullable_string()? }))?;
            Ok(Resource { kind, name, settings })
        })?;
        let validate_only = reader.bool()?;
        reader.tags()?;
        Ok(Request(Alter { resources, validate_only, replace: true }))
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, version: i16) -> Option<Self::Response> {
        self.0.answer(broker, client, version).await
    }

    fn write(resources: Self::Response, writer: &mut Response, version: i16) {
        Alter::write(resources, writer, version);
    }
}
