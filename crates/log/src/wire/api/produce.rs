//! Produce: a producer's batches, checked and appended as they are. Nothing is decompressed here.

use std::sync::Arc;

use bytes::Bytes;

use super::{Call, ErrorCode, Malformed, Reader, Response};
use crate::batch::{BatchDefect, BatchHeader};
use crate::log::Log;
use crate::wire::broker::{Broker, NO_TRANSACTIONS};
use crate::wire::connection::Client;

/// The first version whose batches have magic 2; older ones hold message sets, which are refused.
const FIRST_BATCH_VERSION: i16 = 3;
/// Kafka's `message.timestamp.after.max.ms`: a batch from the far future would outlive every retention.
const MAX_FUTURE_MS: i64 = 3_600_000;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    transactional_id: Option<String>,
    acks: i16,
    topics: Vec<(String, Vec<Part>)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    partition: i32,
    records: Option<Bytes>,
}

pub(crate) struct Produced {
    partition: i32,
    result: Result<Stored, Refusal>,
}

struct Stored {
    base_offset: i64,
    log_start_offset: i64,
}

struct Refusal {
    error: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(error: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { error, message: message.into() }
    }
}

impl Call for Request {
    type Response = Vec<(String, Vec<Produced>)>;

    fn read(reader: &mut Reader, version: i16) -> Result<Request, Malformed> {
        let transactional_id = if version >= FIRST_BATCH_VERSION { reader.nullable_string()? } else { None };
        let acks = reader.i16()?;
        reader.i32()?;
        let topics = reader.structs(|r| {
            let name = r.string()?;
            let parts = r.structs(|r| Ok(Part { partition: r.i32()?, records: r.nullable_bytes()? }))?;
            Ok((name, parts))
        })?;
        reader.tags()?;
        Ok(Request { transactional_id, acks, topics })
    }

    async fn answer(self, broker: &Arc<Broker>, client: &mut Client, version: i16) -> Option<Self::Response> {
        let acks = self.acks;
        // into the page cache at once; what waits for the disk is done elsewhere
        let response = if broker.log().syncs_each_append() {
            broker.blocking(move |broker| self.append(broker, version)).await.unwrap_or_default()
        } else {
            self.append(broker, version)
        };
        if acks != 0 {
            return Some(response);
        }
        // nobody waits for an error code: a closed connection is how such a producer learns of it
        let refused = response.iter().flat_map(|(_, parts)| parts).any(|part| part.result.is_err());
        client.close |= refused;
        None
    }

    fn write(topics: Self::Response, writer: &mut Response, version: i16) {
        writer.structs(&topics, |w, (name, parts)| {
            w.string(name);
            w.structs(parts, |w, part| {
                let stored = part.result.as_ref().ok();
                let refusal = part.result.as_ref().err();
                w.i32(part.partition);
                w.error(refusal.map_or(ErrorCode::None, |refusal| refusal.error));
                w.i64(stored.map_or(-1, |stored| stored.base_offset));
                if version >= 2 {
                    // the records keep the producer's timestamps
                    w.i64(-1);
                }
                if version >= 5 {
                    w.i64(stored.map_or(-1, |stored| stored.log_start_offset));
                }
                if version >= 8 {
                    w.structs([], |_, ()| {});
                    w.nullable_string(refusal.map(|refusal| refusal.message.as_str()));
                }
            });
        });
        if version >= 1 {
            writer.i32(0);
        }
    }
}

impl Request {
    fn append(self, broker: &Broker, version: i16) -> Vec<(String, Vec<Produced>)> {
        let refusal = if self.transactional_id.is_some() {
            Some((ErrorCode::TransactionalIdAuthorizationFailed, NO_TRANSACTIONS))
        } else if !(-1..=1).contains(&self.acks) {
            Some((ErrorCode::InvalidRequiredAcks, "acks is 0, 1 or all"))
        } else if version < FIRST_BATCH_VERSION {
            Some((ErrorCode::UnsupportedForMessageFormat, "message formats 0 and 1 are not stored; use a newer client"))
        } else {
            None
        };
        let one = |topic: &str, part: Part| {
            let result = match refusal {
                Some((error, message)) => Err(Refusal::new(error, message)),
                None => append_one(broker, topic, part.partition, part.records.as_ref()),
            };
            Produced { partition: part.partition, result }
        };
        self.topics
            .into_iter()
            .map(|(topic, parts)| {
                let produced = parts.into_iter().map(|part| one(&topic, part)).collect();
                (topic, produced)
            })
            .collect()
    }
}

fn append_one(broker: &Broker, topic: &str, partition: i32, records: Option<&Bytes>) -> Result<Stored, Refusal> {
    let refused = |error: crate::LogError| Refusal::new(ErrorCode::from(&error), error.to_string());
    let partition = u32::try_from(partition)
        .map_err(|_| Refusal::new(ErrorCode::UnknownTopicOrPartition, "a partition is not negative"))?;
    if broker.is_internal(topic) {
        return Err(Refusal::new(ErrorCode::InvalidTopic, "only the broker writes to this topic"));
    }
    let batch = records.map(Bytes::as_ref).unwrap_or_default();
    let header = check_batch(batch, broker.limits().batch_bytes, broker.now_ms())?;
    let appended = broker.log().append_batch(topic, partition, batch, &header).map_err(refused)?;
    let offsets = broker.log().offsets(topic, partition).map_err(refused)?;
    Ok(Stored { base_offset: appended.first_offset, log_start_offset: offsets.start })
}

/// Exactly one batch that may be stored.
fn check_batch(batch: &[u8], max_bytes: usize, now_ms: i64) -> Result<BatchHeader, Refusal> {
    let invalid = |what: &str| Refusal::new(ErrorCode::InvalidRecord, what);
    if batch.len() > max_bytes {
        let message = format!("the batch has {} bytes; {max_bytes} are allowed", batch.len());
        return Err(Refusal::new(ErrorCode::MessageTooLarge, message));
    }
    let header = BatchHeader::parse(batch).map_err(|defect| match defect {
        BatchDefect::Magic { .. } => invalid("only record batches with magic 2 are stored"),
        defect => Refusal::new(ErrorCode::CorruptMessage, defect.to_string()),
    })?;
    if header.size_bytes != batch.len() {
        return Err(invalid("there must be exactly one batch for a partition"));
    }
    header.verify(batch).map_err(|defect| Refusal::new(ErrorCode::CorruptMessage, defect.to_string()))?;
    if header.is_control() || header.is_transactional() {
        return Err(Refusal::new(ErrorCode::InvalidRecord, NO_TRANSACTIONS));
    }
    if header.record_count == 0 || header.record_count as i64 != i64::from(header.last_offset_delta) + 1 {
        return Err(invalid("the record count is not that of the offsets"));
    }
    if header.has_log_append_time() {
        return Err(Refusal::new(ErrorCode::InvalidTimestamp, "a producer's batch has the time of creation"));
    }
    if header.max_timestamp_ms > now_ms.saturating_add(MAX_FUTURE_MS) {
        return Err(Refusal::new(ErrorCode::InvalidTimestamp, "its timestamp is more than an hour in the future"));
    }
    if header.compression_name().is_none() {
        return Err(invalid("its compression is not known"));
    }
    if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(invalid("an idempotent producer's batch has an epoch and a sequence"));
    }
    Ok(header)
}
