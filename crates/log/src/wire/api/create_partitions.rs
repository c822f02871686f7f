//! CreatePartitions: more partitions for a topic. What is in the others stays; a key may belong to another one from then on.

use std::sync::Arc;

use super::{Call, ErrorCode, Malformed, Reader, Response};
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
    /// In all.
    partitions: i32,
    /// Brokers of each new partition, in a layout by hand.
    assigned: Option<Vec<Vec<i32>>>,
}

pub(crate) struct Created {
    name: String,
    result: Result<(), (ErrorCode, String)>,
}

impl Call for Request {
    type Response = Vec<Created>;

    fn read(reader: &mut Reader, _: i16) -> Result<Request, Malformed> {
        let topics = reader.structs(|r| {
            Ok(Wanted {
                name: r.string()?,
                partitions: r.i32()?,
                assigned: r.nullable_structs(|r| r.array(Reader::i32))?,
            })
        })?;
        reader.i32()?;
        let validate_only = reader.bool()?;
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

    fn write(topics: Self::Response, writer: &mut Response, _: i16) {
        writer.i32(0);
        writer.structs(&topics, |w, topic| {
            let refusal = topic.result.as_ref().err();
            w.string(&topic.name);
            w.error(refusal.map_or(ErrorCode::None, |(error, _)| *error));
            w.nullable_string(refusal.map(|(_, message)| message.as_str()));
        });
    }
}

fn create(broker: &Broker, wanted: &Wanted, validate_only: bool) -> Result<(), (ErrorCode, String)> {
    let refuse = |error, message: String| Err((error, message));
    let Some(info) = broker.topic(&wanted.name) else {
        return refuse(ErrorCode::UnknownTopicOrPartition, format!("topic \"{}\" does not exist", wanted.name));
    };
    let existing = info.partitions;
    let partitions = match u32::try_from(wanted.partitions) {
        Ok(partitions) if partitions > existing => partitions,
        _ => return refuse(ErrorCode::InvalidPartitions, format!("the topic has {existing} partitions already")),
    };
    if let Some(assigned) = &wanted.assigned {
        let added = (partitions - existing) as usize;
        if assigned.len() != added || assigned.iter().any(|brokers| brokers != &[broker.node_id()]) {
            let message = format!("there is one broker: each of the {added} new partitions is on it alone");
            return refuse(ErrorCode::InvalidReplicaAssignment, message);
        }
    }
    broker.add_partitions(&info, partitions, validate_only)
}
