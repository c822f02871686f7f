//! IncrementalAlterConfigs: changes some settings of topics.

use std::sync::Arc;

use super::describe_configs::RESOURCE_TOPIC;
use super::topic_config::{Change, apply};
use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::topic::Retention;
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

const SET: i8 = 0;
const DELETE: i8 = 1;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(super) resources: Vec<Resource>,
    pub(super) validate_only: bool,
    /// Whether settings that are not named go back to their defaults.
    pub(super) replace: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) kind: i8,
    pub(super) name: String,
    pub(super) settings: Vec<Setting>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) operation: i8,
    pub(super) value: Option<String>,
}

pub(crate) struct Altered {
    kind: i8,
    name: String,
    refusal: Option<(ErrorCode, String)>,
}

impl Call for Request {
    type Response = Vec<Altered>;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let resources = reader.structs(|r| {
            let (kind, name) = (r.i8()?, r.string()?);
            let settings =
                r.structs(|r| Ok(Setting { name: r.string()?, operation: r.i8()?, value: r.nullable_string()? }))?;
            Ok(Resource { kind, name, settings })
        })?;
        let validate_only = reader.bool()?;
        reader.tags()?;
        Ok(Request { resources, validate_only, replace: false })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let Request { resources, validate_only, replace } = self;
        let one = move |broker: &Broker, resource: Resource| {
            let refusal = alter(broker, &resource, validate_only, replace).err();
            Altered { kind: resource.kind, name: resource.name, refusal }
        };
        let all = broker.blocking(move |broker| resources.into_iter().map(|resource| one(broker, resource)).collect());
        Some(all.await.unwrap_or_default())
    }

    fn write(resources: Self::Response, writer: &mut Response, _: i16) {
        writer.i32(0);
        writer.structs(&resources, |w, resource| {
            w.error(resource.refusal.as_ref().map_or(ErrorCode::None, |(error, _)| *error));
            w.nullable_string(resource.refusal.as_ref().map(|(_, message)| message.as_str()));
            w.i8(resource.kind);
            w.string(&resource.name);
        });
    }
}

fn alter(broker: &Broker, resource: &Resource, validate_only: bool, replace: bool) -> Result<(), (ErrorCode, String)> {
    if resource.kind != RESOURCE_TOPIC {
        return Err((ErrorCode::InvalidRequest, "only the settings of topics can be changed while it runs".to_owned()));
    }
    let unknown = || (ErrorCode::UnknownTopicOrPartition, format!("topic \"{}\" does not exist", resource.name));
    let info = broker.topic(&resource.name).ok_or_else(unknown)?;
    let change = |setting: &'_ Setting| match setting.operation {
        SET => Ok((setting.name.clone(), setting.value.clone())),
        DELETE => Ok((setting.name.clone(), None)),
        _ => Err((ErrorCode::InvalidConfig, format!("{} is not a list to append to or subtract from", setting.name))),
    };
    let changes: Vec<(String, Option<String>)> = resource.settings.iter().map(change).collect::<Result<_, _>>()?;
    let changes: Vec<Change<'_>> = changes.iter().map(|(name, value)| Change::new(name, value.as_deref())).collect();
    let before = if replace { Retention::default() } else { info.retention };
    let retention = apply(before, info.partitions, &changes).map_err(|message| (ErrorCode::InvalidConfig, message))?;
    if validate_only { Ok(()) } else { broker.set_retention(&info, retention) }
}
