//! Which trades are in the log already: the last ids of each market. A snapshot after a reconnect, an overlapping socket
//! or a replayed frame then adds nothing.
//!
//! It is a function of the trade topic. The file is only a shortcut: it saves reading the whole topic at start, and
//! losing it costs that time and nothing else.

use crate::up::PARTITIONS;
use hoga_log::{Log, LogError};
use hoga_model::{Fault, Faulty, Market, StreamKind};
use hoga_upbit::frame::{Message, read_frame};
use hoga_upbit::standby::{IDS_PER_MARKET_MIN, TradeIndex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FETCH_BYTES: usize = 4 << 20;
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot write \"{}\": {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Faulty for IndexError {
    fn fault(&self) -> Fault {
        match self {
            IndexError::Log(error) => error.fault(),
            IndexError::Write { .. } => Fault::External,
        }
    }
}

/// The file: the largest ids, and the offsets up to which they come from the topic.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    offsets: BTreeMap<u32, i64>,
    markets: BTreeMap<String, Vec<u64>>,
}

/// Ids saved of each market: a second's worth of a file, and more than a reconnect repeats. A repair that goes further back reads the topic.
const IDS_SAVED_MAX: usize = IDS_PER_MARKET_MIN;

/// The index as the log has it now: from the file, and the topic from there on.
pub fn load(path: &Path, log: &dyn Log) -> Result<TradeIndex, IndexError> {
    let topic = StreamKind::Trade.topic();
    let saved = std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Saved>(&text).ok());
    let mut index = TradeIndex::default();
    let mut from = BTreeMap::new();
    if let Some(saved) = saved.filter(|saved| is_of_this_log(saved, log)) {
        for (code, ids) in saved.markets {
            if let Ok(market) = Market::parse(&code) {
                index.restore(&market, ids, IDS_SAVED_MAX);
            }
        }
        from = saved.offsets;
    }
    for partition in 0..PARTITIONS {
        let offsets = log.offsets(topic, partition)?;
        let mut at = from.get(&partition).copied().unwrap_or(offsets.start).max(offsets.start);
        while at < offsets.end {
            let fetched = log.fetch(topic, partition, at, FETCH_BYTES)?;
            for stored in &fetched.records {
                insert_record(&mut index, &stored.record.value);
            }
            at = fetched.next_offset;
        }
    }
    Ok(index)
}

/// Writes the file whole or not at all. The index must hold the whole topic and nothing that is not in it yet.
fn save(index: &TradeIndex, path: &Path, log: &dyn Log) -> Result<(), IndexError> {
    let mut offsets = BTreeMap::new();
    for partition in 0..PARTITIONS {
        offsets.insert(partition, log.offsets(StreamKind::Trade.topic(), partition)?.end);
    }
    let markets = index.markets().map(|(market, ids)| {
        let skipped = ids.len().saturating_sub(IDS_SAVED_MAX);
        (market.as_str().to_owned(), ids.skip(skipped).collect())
    });
    let saved = Saved { offsets, markets: markets.collect() };
    let temporary = path.with_extension("tmp");
    let write = || {
        std::fs::write(&temporary, serde_json::to_vec(&saved)?)?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| IndexError::Write { path: path.to_owned(), source })
}

fn insert_record(index: &mut TradeIndex, value: &bytes::Bytes) {
    let mut messages = Vec::new();
    read_frame(value, &mut messages);
    for message in messages {
        if let Message::Event(event) = message
            && let Some(id) = event.sequential_id
        {
            index.insert(&event.market, id);
        }
    }
}

/// Saves the index now and then.
pub struct TradeSaver {
    path: PathBuf,
    log: Arc<dyn Log>,
    saved: Instant,
}

impl TradeSaver {
    pub fn new(path: PathBuf, log: Arc<dyn Log>) -> TradeSaver {
        TradeSaver { path, log, saved: Instant::now() }
    }

    /// Call it when every trade of the index is in the log. A failure only makes the next start slower.
    pub fn save(&mut self, index: &TradeIndex) {
        self.saved = Instant::now();
        if let Err(error) = save(index, &self.path, &*self.log) {
            tracing::warn!(%error, "the index of trades was not saved; the next start reads the trade topic instead");
        }
    }

    /// The same, if it is time.
    pub fn save_if_due(&mut self, index: &TradeIndex) {
        if self.saved.elapsed() >= SAVE_INTERVAL {
            self.save(index);
        }
    }
}

/// A file that knows more than the log is of another log.
fn is_of_this_log(saved: &Saved, log: &dyn Log) -> bool {
    let end = |partition| log.offsets(StreamKind::Trade.topic(), partition).map(|offsets| offsets.end);
    saved.offsets.iter().all(|(partition, offset)| end(*partition).is_ok_and(|end| *offset <= end))
}
