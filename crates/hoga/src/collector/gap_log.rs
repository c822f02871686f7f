//! The ledger of gaps as the log has it: read at start, and what a run that was killed can say of its end.

use crate::collector::trade_index::IndexError;
use crate::up::PARTITIONS;
use bytes::Bytes;
use hoga_log::{Log, LogError, Offsets, Record, partition_for_key};
use hoga_model::market::GAP_TOPIC;
use hoga_model::{Market, StreamKind};
use hoga_upbit::frame::{Message, read_frame};
use hoga_upbit::gap::{Gap, Ledger};
use std::collections::HashSet;

const FETCH_BYTES: usize = 4 << 20;

/// The ledger from its topic, and when the newest event of any stream was received.
pub fn load(log: &dyn Log) -> Result<(Ledger, Option<i64>), IndexError> {
    let mut reading = Reading::default();
    reading.catch_up(log, |partition| log.offsets(GAP_TOPIC, partition))?;
    Ok((reading.ledger, newest_ms(log)?))
}

/// The ledger as far as its topic was read.
#[derive(Debug, Default)]
pub struct Reading {
    pub ledger: Ledger,
    next: [i64; PARTITIONS as usize],
}

impl Reading {
    /// Reads on, up to the end of each partition.
    pub fn catch_up(
        &mut self,
        log: &dyn Log,
        offsets: impl Fn(u32) -> Result<Offsets, LogError>,
    ) -> Result<(), LogError> {
        for (partition, at) in (0..).zip(&mut self.next) {
            let offsets = offsets(partition)?;
            *at = offsets.start.max(*at);
            while *at < offsets.end {
                let fetched = log.fetch(GAP_TOPIC, partition, *at, FETCH_BYTES)?;
                for stored in &fetched.records {
                    match Gap::from_json(&stored.record.value) {
                        Ok(gap) => self.ledger.replay(gap),
                        Err(error) => {
                            tracing::warn!(%error, partition, offset = stored.offset, "a record of the gap topic is left out")
                        }
                    }
                }
                *at = fetched.next_offset;
            }
        }
        Ok(())
    }
}

/// When the newest record of the three streams was received. Whatever a run received after it is not in the log.
fn newest_ms(log: &dyn Log) -> Result<Option<i64>, LogError> {
    let mut newest_ms = None;
    for kind in StreamKind::ALL {
        for partition in 0..PARTITIONS {
            let offsets = log.offsets(kind.topic(), partition)?;
            if offsets.end > offsets.start {
                let last = log.fetch(kind.topic(), partition, offsets.end - 1, 1)?;
                newest_ms = newest_ms.max(last.records.iter().map(|stored| stored.record.timestamp_ms).max());
            }
        }
    }
    Ok(newest_ms)
}

/// The record of a gap's change, and its partition.
pub fn record(gap: &Gap, now_ms: i64) -> (u32, Record) {
    let key = Bytes::copy_from_slice(gap.market.as_str().as_bytes());
    let partition = partition_for_key(&key, PARTITIONS);
    (partition, Record { key: Some(key), value: gap.to_json().into(), timestamp_ms: now_ms, headers: Vec::new() })
}

/// The ids of the market's trades that the topic has in records from this time on, up to and including `id_max`.
pub fn trade_ids(log: &dyn Log, market: &Market, from_ms: i64, id_max: u64) -> Result<HashSet<u64>, LogError> {
    let topic = StreamKind::Trade.topic();
    let partition = partition_for_key(market.as_str().as_bytes(), PARTITIONS);
    let end = log.offsets(topic, partition)?.end;
    let mut at = log.offset_for_time(topic, partition, from_ms)?.unwrap_or(end);
    let (mut ids, mut messages) = (HashSet::new(), Vec::new());
    while at < end {
        let fetched = log.fetch(topic, partition, at, FETCH_BYTES)?;
        let of_market = |record: &Record| record.key.as_deref() == Some(market.as_str().as_bytes());
        for stored in fetched.records.iter().filter(|stored| of_market(&stored.record)) {
            read_frame(&stored.record.value, &mut messages);
        }
        let found = messages.drain(..).filter_map(|message| match message {
            Message::Event(event) => event.sequential_id.filter(|id| *id <= id_max),
            _ => None,
        });
        ids.extend(found);
        at = fetched.next_offset;
    }
    Ok(ids)
}
