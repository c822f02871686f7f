//! CreateTopics: new topics with their partitions and retention. A setting that would be ignored is refused.

use std::sync::Arc;

use super::topic_config::{Change, SOURCE_TOPIC, apply, describe};
use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::topic::{Retention, TopicSpec};
use crate::wire::broker::Broker;
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    topics: Vec<Wanted>,
    validate_only: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    partitions: i32,
    replication_factor: i16,
    /// Partitions in a layout by hand.
    assigned: Vec<(i32, Vec<i32>)>,
    configs: Vec<(String, Option<String>)>,
}

pub(crate) struct Created {
    name: String,
    result: Result<TopicSpec, (ErrorCode, String)>,
}

impl Call for Request {
    type Response = Vec<Created>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let topics = reader.structs(|r| {
            Ok(Wanted {
                name: r.string()?,
                partitions: r.i32()?,
                replication_factor: r.i16()?,
                assigned: r.structs(|r| Ok((r.i32()?, r.array(Reader::i32)?)))?,
                configs: r.structs(|r| Ok((r.string()?, r.nullable_string()?)))?,
            })
        })?;
        reader.i32()?;
        let validate_only = if version >= 1 { reader.bool()? } else { false };
        reader.tags()?;
        Ok(Request { topics, validate_only })
    }

    async fn answer(self, broker: &Arc<Broker>, _: &mut Client, _: i16) -> Option<Self::Response> {
        let create = move |broker: &Broker| {
            let one = |wanted: Wanted| {
                let result = create(broker, &wanted, self.validate_only);
                Created { name: wanted.name, result }
            };
            self.topics.into_iter().map(one).collect()
        };
        Some(broker.blocking(create).await.unwrap_or_default())
    }

    fn write(topics: Self::Response, writer: &mut Response, version: i16) {
        if version >= 2 {
            writer.i32(0);
        }
        writer.structs(&topics, |w, topic| {
            let refusal = topic.result.as_ref().err();
            w.string(&topic.name);
            w.error(refusal.map_or(ErrorCode::None, |(error, _)| *error));
            if version >= 1 {
                w.nullable_string(refusal.map(|(_, message)| message.as_str()));
            }
            if version >= 5 {
                let created = topic.result.as_ref().ok();
                w.i32(created.map_or(-1, |spec| spec.partitions as i32));
                w.i16(if created.is_some() { 1 } else { -1 });
                let settings = created.map_or_else(Vec::new, |spec| describe(spec.retention, spec.partitions));
                w.structs(&settings, |w, (name, value, can_change)| {
                    w.string(name);
                    w.nullable_string(Some(value));
                    w.bool(!can_change);
                    w.i8(SOURCE_TOPIC);
                    w.bool(false);
                });
            }
        });
    }
}

fn create(broker: &Broker, wanted: &Wanted, validate_only: bool) -> Result<TopicSpec, (ErrorCode, String)> {
    let refuse = |error, message: &str| Err((error, message.to_owned()));
    if broker.topic(&wanted.name).is_some() {
        return refuse(ErrorCode::TopicAlreadyExists, &format!("topic \"{}\" exists already", wanted.name));
    }
    if broker.is_internal(&wanted.name) {
        return refuse(ErrorCode::InvalidTopic, "this name is the broker's own");
    }
    let by_hand = !wanted.assigned.is_empty();
    let one_broker = wanted.assigned.iter().all(|(_, brokers)| brokers == &[broker.node_id()]);
    if !matches!(wanted.replication_factor, -1 | 1) || !one_broker {
        return refuse(ErrorCode::InvalidReplicationFactor, "there is one broker: the replication factor is 1");
    }
    let partitions = match wanted.partitions {
        _ if by_hand => wanted.assigned.len() as u32,
        -1 => broker.limits().default_partitions,
        partitions => u32::try_from(partitions).unwrap_or(0),
    };
    let changes: Vec<Change> = wanted.configs.iter().map(|(name, value)| Change::new(name, value.as_deref())).collect();
    let retention = apply(Retention::default(), partitions, &changes).map_err(|m| (ErrorCode::InvalidConfig, m))?;
    let spec = TopicSpec { name: wanted.name.clone(), partitions, retention };
    broker.create_topic(&spec, validate_only)?;
    Ok(spec)
}
