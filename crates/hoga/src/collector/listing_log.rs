//! The list of markets as the log has it.

use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_log::{Log, LogError, Offsets, Record, partition_for_key};
use hoga_model::market::MARKET_TOPIC;
use hoga_upbit::listing::{Listing, Listings};

const FETCH_BYTES: usize = 4 << 20;

/// The list from its topic.
pub fn load(log: &dyn Log) -> Result<Listings, LogError> {
    load_up_to(log, |partition| log.offsets(MARKET_TOPIC, partition))
}

/// The same, by somebody who knows better how far the partitions go.
pub fn load_up_to(log: &dyn Log, offsets: impl Fn(u32) -> Result<Offsets, LogError>) -> Result<Listings, LogError> {
    let mut values: Vec<Bytes> = Vec::new();
    for partition in 0..PARTITIONS {
        let offsets = offsets(partition)?;
        let mut at = offsets.start;
        while at < offsets.end {
            let fetched = log.fetch(MARKET_TOPIC, partition, at, FETCH_BYTES)?;
            values.extend(fetched.records.into_iter().map(|stored| stored.record.value));
            at = fetched.next_offset;
        }
    }
    let values = values.iter().map(|value| &**value);
    Ok(Listings::load(values, |error| tracing::warn!(%error, "a record of the market topic is left out")))
}

/// The record of a change, and its partition.
pub fn record(listing: &Listing, now_ms: i64) -> (u32, Record) {
    let key = Bytes::copy_from_slice(listing.market.as_bytes());
    let partition = partition_for_key(&key, PARTITIONS);
    (partition, Record { key: Some(key), value: listing.to_json().into(), timestamp_ms: now_ms, headers: Vec::new() })
}
