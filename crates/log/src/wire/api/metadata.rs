//! Metadata: the broker, the topics and their partitions. Creates topics that a client may create by naming them, if that is switched on.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::wire::broker::{Broker, LEADER_EPOCH, UNKNOWN_OPERATIONS};
use crate::wire::connection::Client;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// `None` is all topics.
    topics: Option<Vec<String>>,
    allow_auto_creation: bool,
}

pub(crate) struct Cluster {
    node_id: i32,
    host: String,
    port: u16,
    cluster_id: String,
    topics: Vec<Topic>,
}

struct Topic {
    name: String,
    is_internal: bool,
    partitions: Result<u32, ErrorCode>,
}

impl Call for Request {
    type Response = Cluster;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let topics = reader.nullable_structs(Reader::string)?;
        // version 0 has no null: an empty list means all
        let topics = topics.filter(|topics| version >= 1 || !topics.is_empty());
        let allow_auto_creation = if version >= 4 { reader.bool()? } else { true };
        if version >= 8 {
            let (_cluster_operations, _topic_operations) = (reader.bool()?, reader.bool()?);
        }
        reader.tags()?;
        Ok(Request { topics, allow_auto_creation })
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, _: i16) -> Option<Cluster> {
        let topics = match self.topics {
            None => {
                broker.topics().into_iter().map(|info| Topic::new(broker, info.name, Ok(info.partitions))).collect()
            }
            Some(names) => {
                let mut topics = Vec::with_capacity(names.len());
                for name in names {
                    let partitions = match broker.topic(&name) {
                        Some(info) => Ok(info.partitions),
                        None if self.allow_auto_creation => broker.auto_create(&name).await,
                        None => Err(ErrorCode::UnknownTopicOrPartition),
                    };
                    topics.push(Topic::new(broker, name, partitions));
                }
                topics
            }
        };
        let (host, port) = broker.address_for(client);
        Some(Cluster { node_id: broker.node_id(), host, port, cluster_id: broker.cluster_id().to_owned(), topics })
    }

    fn write(cluster: Cluster, writer: &mut Response, version: i16) {
        if version >= 3 {
            writer.i32(0);
        }
        writer.structs([()], |w, ()| {
            w.i32(cluster.node_id);
            w.string(&cluster.host);
            w.i32(i32::from(cluster.port));
            if version >= 1 {
                w.nullable_string(None);
            }
        });
        if version >= 2 {
            writer.nullable_string(Some(&cluster.cluster_id));
        }
        if version >= 1 {
            writer.i32(cluster.node_id);
        }
        writer.structs(&cluster.topics, |w, topic| {
            w.error(topic.partitions.err().unwrap_or_default());
            w.string(&topic.name);
            if version >= 1 {
                w.bool(topic.is_internal);
            }
            w.structs(0..topic.partitions.unwrap_or(0), |w, partition| {
                w.error(ErrorCode::None);
                w.i32(partition as i32);
                w.i32(cluster.node_id);
                if version >= 7 {
                    w.i32(LEADER_EPOCH);
                }
                w.array(&[cluster.node_id], |w, node| w.i32(*node));
                w.array(&[cluster.node_id], |w, node| w.i32(*node));
                if version >= 5 {
                    w.array(&[], |w, node| w.i32(*node));
                }
            });
            if version >= 8 {
                w.i32(UNKNOWN_OPERATIONS);
            }
        });
        if version >= 8 {
            writer.i32(UNKNOWN_OPERATIONS);
        }
    }
}

impl Topic {
    fn new(broker: &Broker, name: String, partitions: Result<u32, ErrorCode>) -> Topic {
        Topic { is_internal: broker.is_internal(&name), name, partitions }
    }
}
