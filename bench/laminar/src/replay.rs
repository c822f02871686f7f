//! A source of laminar that gives a file's lines, as its connectors give a topic's records: pulled, so that nothing is lost when the engine is slower.
//! (Its embedded `push_arrow` ends in a broadcast channel that drops the oldest batches unseen.)
//!
//! Last comes one row far behind all others, which moves the watermark and closes their windows; it stays in its own, which never closes.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use laminar_connectors::checkpoint::SourceCheckpoint;
use laminar_connectors::config::{ConnectorConfig, ConnectorInfo};
use laminar_connectors::connector::{
    SourceBatch, SourceConnector, SourceConsistency, SourceContract, SourceInputMode, SourceStart, SourceTopology,
};
use laminar_connectors::error::ConnectorError;
use laminar_connectors::registry::ConnectorRegistry;
use laminar_connectors::schema::json::decoder::JsonDecoder;
use laminar_connectors::schema::resolution::SchemaCapabilities;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

/// The year 2286, in milliseconds.
const CLOSING: &[u8] =
    br#"{"code":"","trade_price":0,"trade_volume":0,"ask_bid":"","trade_timestamp":9999999999999,"sequential_id":0}"#;

/// What is done while the clock runs.
#[derive(Clone, Copy)]
pub enum Level {
    Json,
    Typed,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "json" => Ok(Self::Json),
            "typed" => Ok(Self::Typed),
            other => Err(format!("a level is json or typed, not {other}")),
        }
    }
}

/// Where batches come from; `None` is the end.
pub enum Feed {
    Json(Lines),
    Typed(std::vec::IntoIter<RecordBatch>),
}

impl Feed {
    /// The feed, and how many trades it will give. The file has been read once, so that it is in memory.
    pub fn open(
        file: &Path,
        level: Level,
        schema: SchemaRef,
        batch_rows: usize,
    ) -> Result<(Self, usize), ConnectorError> {
        let trades = BufReader::new(File::open(file)?).split(b'\n').count();
        let mut lines = Lines {
            file: BufReader::new(File::open(file)?),
            decoder: JsonDecoder::new(schema),
            batch_rows,
            text: Vec::new(),
            ended: false,
        };
        let feed = match level {
            Level::Json => Self::Json(lines),
            Level::Typed => {
                let mut batches = Vec::new();
                while let Some(batch) = lines.next()? {
                    batches.push(batch);
                }
                Self::Typed(batches.into_iter())
            }
        };
        Ok((feed, trades))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        match self {
            Self::Json(lines) => lines.next(),
            Self::Typed(batches) => Ok(batches.next()),
        }
    }
}

pub struct Lines {
    file: BufReader<File>,
    decoder: JsonDecoder,
    batch_rows: usize,
    /// The lines of one batch; kept for the next one's.
    text: Vec<u8>,
    ended: bool,
}

impl Lines {
    fn next(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        if self.ended {
            return Ok(None);
        }
        self.text.clear();
        let mut ends = Vec::with_capacity(self.batch_rows);
        while ends.len() < self.batch_rows && self.file.read_until(b'\n', &mut self.text)? > 0 {
            ends.push(self.text.len());
        }
        let mut begin = 0;
        let mut rows: Vec<&[u8]> =
            ends.iter().map(|&end| &self.text[std::mem::replace(&mut begin, end)..end]).collect();
        if rows.is_empty() {
            self.ended = true;
            rows.push(CLOSING);
        }
        self.decoder.decode_slices(&rows).map(Some).map_err(|fault| ConnectorError::ReadError(fault.to_string()))
    }
}

/// The feed on its way to the source that laminar makes and starts.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Option<Feed>>>);

impl Shared {
    pub fn put(&self, feed: Feed) {
        *self.0.lock().expect("nobody panics") = Some(feed);
    }
}

pub fn register(registry: &ConnectorRegistry, shared: Shared) -> Result<(), ConnectorError> {
    let name = "replay".to_string();
    let info = ConnectorInfo {
        schema_capabilities: SchemaCapabilities::declared(false),
        name: name.clone(),
        display_name: name.clone(),
        version: "1".to_string(),
        is_source: true,
        is_sink: false,
        config_keys: Vec::new(),
    };
    registry.register_source(
        name,
        info,
        Arc::new(move |_| {
            Ok(Box::new(Replay { shared: shared.clone(), schema: SchemaRef::new(Schema::empty()), feed: None }))
        }),
    )
}

struct Replay {
    shared: Shared,
    schema: SchemaRef,
    feed: Option<Feed>,
}

#[async_trait]
impl SourceConnector for Replay {
    async fn start(&mut self, request: SourceStart) -> Result<(), ConnectorError> {
        let (config, ..) = request.into_parts();
        self.schema = config
            .arrow_schema()
            .ok_or_else(|| ConnectorError::ReadError("trades are declared with their columns".to_string()))?;
        Ok(())
    }

    /// Nothing until the feed has been put there, which starts the clock.
    async fn poll_batch(&mut self, _max_records: usize) -> Result<Option<SourceBatch>, ConnectorError> {
        if self.feed.is_none() {
            self.feed = self.shared.0.lock().expect("nobody panics").take();
        }
        let Some(feed) = &mut self.feed else { return Ok(None) };
        Ok(feed.next()?.map(SourceBatch::new))
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn checkpoint(&self) -> SourceCheckpoint {
        SourceCheckpoint::new()
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn contract(&self, _: &ConnectorConfig) -> Result<SourceContract, ConnectorError> {
        Ok(SourceContract::new(SourceConsistency::Ephemeral, SourceTopology::Singleton, SourceInputMode::AppendOnly))
    }
}
