//! What the leader remembers of each market, kept in the lease's topic: the newest trades' ids, when its last ticker and book were
//! published, and how far into the trade topic that reaches. The next leader begins with it instead of reading whole topics.
//!
//! It is a function of the topics; losing it costs reading the trade topic from its start, and nothing else. All of one save is one
//! transaction, with the offsets: it is there whole or as it was before.

use bytes::Bytes;
use hoga_log::kafka::KafkaLog;
use hoga_log::{LogError, Record};
use hoga_model::{Market, StreamKind};
use hoga_upbit::standby::Written;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::STATE_TOPIC;
use crate::up::PARTITIONS;
use hoga_log::Log;

/// Ids kept of each market: real duplicates are among the newest few.
const IDS_SAVED_MAX: usize = 128;
const FETCH_BYTES: usize = 4 << 20;
/// The key of the record that says how far the others reach. No market has such a code.
const OFFSETS_KEY: &str = "offsets";

/// Of the trade topic: the first offset that the memory does not know, by partition.
pub type TradeOffsets = [i64; PARTITIONS as usize];

#[derive(Debug, Default, Serialize, Deserialize)]
struct OfMarket {
    trades: Vec<u64>,
    ticker_ms: Option<i64>,
    orderbook_ms: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reach {
    trade: BTreeMap<u32, i64>,
}

/// Adds what an earlier leader saved; returns how far it reaches, None if nothing is there.
pub fn load(log: &KafkaLog, written: &mut Written) -> Result<Option<TradeOffsets>, LogError> {
    let mut newest: HashMap<Bytes, Bytes> = HashMap::new();
    let offsets = log.offsets_now(STATE_TOPIC, 0)?;
    let mut at = offsets.start;
    while at < offsets.end {
        let fetched = log.fetch(STATE_TOPIC, 0, at, FETCH_BYTES)?;
        for stored in fetched.records {
            newest.insert(stored.record.key.unwrap_or_default(), stored.record.value);
        }
        at = fetched.next_offset;
    }
    Ok(read(&newest, written))
}

fn read(newest: &HashMap<Bytes, Bytes>, written: &mut Written) -> Option<TradeOffsets> {
    for (key, value) in newest {
        let market = std::str::from_utf8(key).ok().and_then(|code| Market::parse(code).ok());
        let (Some(market), Ok(saved)) = (market, serde_json::from_slice::<OfMarket>(value)) else { continue };
        written.trades.restore(&market, saved.trades, IDS_SAVED_MAX);
        for (kind, newest_ms) in [(StreamKind::Ticker, saved.ticker_ms), (StreamKind::Orderbook, saved.orderbook_ms)] {
            if let Some(newest_ms) = newest_ms {
                written.note_newest(kind, &market, newest_ms);
            }
        }
    }
    let reach = newest.get(OFFSETS_KEY.as_bytes()).and_then(|value| serde_json::from_slice::<Reach>(value).ok())?;
    let offset = |partition| reach.trade.get(&(partition as u32)).copied();
    let offsets: Vec<i64> = (0..PARTITIONS as usize).filter_map(offset).collect();
    offsets.try_into().ok()
}

/// The records that say what is known of these markets. Everything `written` knows must be in the topics, and all of the trade topic before
/// `offsets` must be known.
pub fn records(
    written: &Written,
    markets: &HashSet<Market>,
    offsets: &TradeOffsets,
    now_ms: i64,
) -> Result<Vec<Record>, serde_json::Error> {
    let mut records = Vec::with_capacity(markets.len() + 1);
    let record = |key: &str, value: Vec<u8>| Record {
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Bytes::from(value),
        timestamp_ms: now_ms,
        headers: Vec::new(),
    };
    for market in markets {
        let ids = written.trades.ids(market);
        let skipped = ids.len().saturating_sub(IDS_SAVED_MAX);
        let saved = OfMarket {
            trades: ids.skip(skipped).collect(),
            ticker_ms: written.newest_ms(StreamKind::Ticker, market),
            orderbook_ms: written.newest_ms(StreamKind::Orderbook, market),
        };
        records.push(record(market.as_str(), serde_json::to_vec(&saved)?));
    }
    let reach = Reach { trade: (0..).zip(offsets.iter().copied()).collect() };
    records.push(record(OFFSETS_KEY, serde_json::to_vec(&reach)?));
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoga_upbit::standby::Known;

    #[test]
    fn what_is_saved_comes_back_and_the_last_of_a_key_counts() {
        let (btc, eth) = (Market::parse("KRW-BTC").expect("a code"), Market::parse("KRW-ETH").expect("a code"));
        let mut written = Written::since(0);
        for id in 0..500 {
            written.trades.insert(&btc, id);
        }
        written.note_newest(StreamKind::Ticker, &eth, 77);
        let mut newest = HashMap::new();
        for (offsets, at) in [([1, 2, 3], 5), ([4, 5, 6], 6)] {
            let markets = HashSet::from([btc.clone(), eth.clone()]);
            for saved in records(&written, &markets, &offsets, at).expect("it is JSON") {
                newest.insert(saved.key.expect("a key"), saved.value);
            }
        }
        let mut again = Written::since(0);
        assert_eq!(read(&newest, &mut again), Some([4, 5, 6]));
        assert_eq!(again.newest_ms(StreamKind::Ticker, &eth), Some(77));
        assert!(!again.trades.insert(&btc, 499) && !again.trades.insert(&btc, 500 - 128));
        assert_eq!(again.trades.knows(&btc, 1), Known::Unsure, "only the newest are kept");
        newest.remove(OFFSETS_KEY.as_bytes());
        assert_eq!(read(&newest, &mut again), None);
    }
}
