//! Events of the exchange, and what could not be read of it, as the log has them.

use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_engine::dead_letter::DeadLetter;
use hoga_log::{Record, partition_for_key};
use hoga_upbit::frame::Event;

/// The record of an event in its stream's topic, and its partition.
pub fn record(event: &Event, recv_ms: i64) -> (u32, Record) {
    let key = Bytes::copy_from_slice(event.market.as_str().as_bytes());
    let partition = partition_for_key(&key, PARTITIONS);
    (partition, Record { key: Some(key), value: event.value.clone(), timestamp_ms: recv_ms, headers: Vec::new() })
}

/// The record of a frame that is no event, in the topic of dead letters.
pub fn dead_letter(value: Bytes, reason: String, recv_ms: i64) -> Record {
    let stage = "collect".into();
    DeadLetter { key: None, value, timestamp_ms: recv_ms, reason, stage, source: None }.into_record()
}
