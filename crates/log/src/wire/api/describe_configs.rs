//! DescribeConfigs: the settings of topics, and the limits of the broker.

use std::sync::Arc;

use super::topic_config::{SOURCE_DEFAULT, SOURCE_STATIC_BROKER, SOURCE_TOPIC, describe};
use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::topic::Retention;
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

pub(super) const RESOURCE_TOPIC: i8 = 2;
pub(super) const RESOURCE_BROKER: i8 = 4;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    resources: Vec<Resource>,
}

#[derive(Debug, PartialEq, Eq)]
struct Resource {
    kind: i8,
    name: String,
    /// `None` is all.
    keys: Option<Vec<String>>,
}

pub(crate) struct Described {
    kind: i8,
    name: String,
    result: Result<Vec<Entry>, (ErrorCode, String)>,
}

struct Entry {
    name: &'static str,
    value: String,
    read_only: bool,
    source: i8,
}

impl Call for Request {
    type Response = Vec<Described>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let resources = reader
            .structs(|r| Ok(Resource { kind: r.i8()?, name: r.string()?, keys: r.nullable_array(Reader::string)? }))?;
        if version >= 1 {
            reader.bool()?;
        }
        if version >= 3 {
            reader.bool()?;
        }
        reader.tags()?;
        Ok(Request { resources })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let one = |resource: Resource| {
            let entries = entries(broker, resource.kind, &resource.name);
            let wanted = |entry: &Entry| resource.keys.as_ref().is_none_or(|keys| keys.iter().any(|k| k == entry.name));
            let result = entries.map(|entries| entries.into_iter().filter(wanted).collect());
            Described { kind: resource.kind, name: resource.name, result }
        };
        Some(self.resources.into_iter().map(one).collect())
    }

    fn write(resources: Self::Response, writer: &mut Response, version: i16) {
        writer.i32(0);
        writer.structs(&resources, |w, resource| {
            let refusal = resource.result.as_ref().err();
            w.error(refusal.map_or(ErrorCode::None, |(error, _)| *error));
            w.nullable_string(refusal.map(|(_, message)| message.as_str()));
            w.i8(resource.kind);
            w.string(&resource.name);
            w.structs(resource.result.as_deref().unwrap_or_default(), |w, entry| {
                w.string(entry.name);
                w.nullable_string(Some(&entry.value));
                w.bool(entry.read_only);
                if version == 0 {
                    w.bool(entry.source == SOURCE_DEFAULT);
                } else {
                    w.i8(entry.source);
                }
                w.bool(false);
                if version >= 1 {
                    w.structs([], |_, ()| {});
                }
                if version >= 3 {
                    // the type is not told
                    w.i8(0);
                    w.nullable_string(None);
                }
            });
        });
    }
}

fn entries(broker: &Broker, kind: i8, name: &str) -> Result<Vec<Entry>, (ErrorCode, String)> {
    match kind {
        RESOURCE_TOPIC => {
            let info = broker
                .topic(name)
                .ok_or_else(|| (ErrorCode::UnknownTopicOrPartition, format!("topic \"{name}\" does not exist")))?;
            let default = describe(Retention::default(), info.partitions);
            let entry = |(name, value, can_change): (&'static str, String, bool)| {
                let is_default = default.iter().any(|(n, v, _)| *n == name && *v == value);
                let source = if is_default { SOURCE_DEFAULT } else { SOURCE_TOPIC };
                Entry { name, value, read_only: !can_change, source }
            };
            Ok(describe(info.retention, info.partitions).into_iter().map(entry).collect())
        }
        RESOURCE_BROKER if name.is_empty() || name == broker.node_id().to_string() => {
            let entry = |(name, value)| Entry { name, value, read_only: true, source: SOURCE_STATIC_BROKER };
            Ok(broker.limits().describe().into_iter().map(entry).collect())
        }
        RESOURCE_BROKER => Err((ErrorCode::InvalidRequest, format!("there is no broker {name}"))),
        _ => Err((ErrorCode::InvalidRequest, "topics and brokers have settings, nothing else".to_owned())),
    }
}
