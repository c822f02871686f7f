//! How the process is: every number that the page's health panel, `/api/status` and `/metrics` show.
//!
//! The binary fills it in; this room only shows it. Ages are milliseconds; `None` means that it has not happened yet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Asked about once a second for all readers together. It must not block: it runs on the serving threads.
pub type HealthSource = Arc<dyn Fn() -> Health + Send + Sync>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub version: String,
    pub uptime_ms: u64,
    pub source: SourceHealth,
    pub streams: Vec<StreamHealth>,
    /// Of a collector that writes into a Kafka cluster; None otherwise.
    pub collector: Option<CollectorHealth>,
    /// Of a collector that repairs what it missed; None otherwise.
    #[serde(default)]
    pub gaps: Option<GapHealth>,
    /// Of a process that computes bars again; None otherwise.
    #[serde(default)]
    pub bars: Option<BarHealth>,
    pub topics: Vec<TopicHealth>,
    /// Fields of the topics' records that the pipeline does not declare.
    #[serde(default)]
    pub new_fields: Vec<NewFieldHealth>,
    /// Values of further ones, over what is listed.
    #[serde(default)]
    pub new_fields_unlisted_total: u64,
    pub jobs: Vec<JobHealth>,
    pub tables: Vec<TableHealth>,
    /// Sources with what their event time waits for.
    #[serde(default)]
    pub event_time: Vec<EventTimeHealth>,
    /// The windows, groups and rankings that the pipeline keeps.
    #[serde(default)]
    pub nodes: Vec<NodeHealth>,
    pub checkpoint: CheckpointHealth,
    /// What the care of the tables did since the start.
    #[serde(default)]
    pub care: CareHealth,
    pub process: ProcessHealth,
    /// Records that nobody could read, since the start.
    pub dead_letters_total: u64,
    /// From the receipt of an event to its being visible to SQL.
    pub visible_latency: LatencyHealth,
    /// The Kafka listener, if there is one.
    #[serde(default)]
    pub kafka: Option<KafkaHealth>,
    /// Filled in by this room.
    pub page: PageHealth,
}

/// Holes in what was collected, and what was done about them since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GapHealth {
    /// Of a market and stream each: nothing is received.
    pub open: u64,
    /// Over, and not repaired yet.
    pub pending: u64,
    pub trades_repaired_total: u64,
    /// Pages of trades that the exchange was asked for.
    pub calls_total: u64,
    /// Those that it refused, for there were too many.
    pub calls_limited_total: u64,
    /// Up to how long ago every received market's trades were compared with the exchange's list.
    pub verified_age_ms: Option<u64>,
    /// The exchange's REST does not answer.
    pub failing: bool,
}

/// Bars that were touched after they had closed, and what was done about them since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BarHealth {
    /// Bars that are still to be compared with their trades, those that are not over yet included.
    pub due: u64,
    pub checked_total: u64,
    /// Written again since they differed.
    pub corrected_total: u64,
    /// In a table though no trade is of them.
    pub unexplained_total: u64,
    /// They cannot be compared, or corrections not be written.
    pub failing: bool,
}

/// What the Kafka listener counts, since the start but for what is open now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KafkaHealth {
    pub connections: u64,
    pub connections_total: u64,
    pub connections_rejected_total: u64,
    /// By the name of the API.
    pub requests_total: Vec<(String, u64)>,
    /// By the name of the API and the protocol's error code.
    pub errors_total: Vec<(String, i16, u64)>,
    pub bytes_in_total: u64,
    pub bytes_out_total: u64,
    /// Of these, what the kernel moved from segment files.
    pub bytes_out_of_files_total: u64,
    pub protocol_errors_total: u64,
    pub requests_too_large_total: u64,
    pub stalled_total: u64,
    pub authentication_failures_total: u64,
    pub fetches_shrunk_total: u64,
    pub groups: u64,
    pub members: u64,
}

/// Where events come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceHealth {
    /// `upbit`, `sim` or `replay:FILE`.
    pub name: String,
    /// True for anything that is not the exchange itself, now.
    pub simulated: bool,
    pub state: ExchangeState,
    /// Why it is unreachable; the page shows it in a red banner.
    pub reason: Option<String>,
    /// When the next attempt is made, from now.
    pub retry_in_ms: Option<u64>,
    /// How often a connection was made again.
    pub reconnects_total: u64,
    #[serde(default)]
    pub connections: ConnectionsHealth,
}

/// The connections to the exchange, which all ask for the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionsHealth {
    /// How many there should be.
    pub wanted: u64,
    /// Those that stand and have brought the first of every market.
    pub settled: u64,
    /// Those that stood and were lost.
    pub lost_total: u64,
    /// Those that were replaced for their age, or for something else was to be asked for.
    pub renewed_total: u64,
    /// Frames that another connection had brought already.
    pub repeated_total: u64,
    /// Why the last one was lost while others stood.
    pub loss: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeState {
    #[default]
    Connecting,
    Connected,
    Unreachable,
    /// A replay played all it had.
    Ended,
}

/// One of ticker, trade, orderbook, as received.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamHealth {
    pub name: String,
    pub received_total: u64,
    pub rate_per_s: f64,
    pub last_event_age_ms: Option<u64>,
}

/// One of several collectors of a cluster, of which one leads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectorHealth {
    /// It writes; the others listen.
    pub leading: bool,
    /// How often it began to lead.
    pub takeovers_total: u64,
    /// Events kept in memory in case the leader dies.
    pub window_events: u64,
    /// Events dropped from there early, for there was no room.
    pub window_overflowed_total: u64,
    /// Events that wait to be written.
    pub waiting_events: u64,
    /// Why it cannot write, if it leads and cannot.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TopicHealth {
    pub name: String,
    pub bytes: u64,
    pub partitions: Vec<PartitionHealth>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionHealth {
    pub partition: u32,
    pub start_offset: i64,
    /// The offset that the next record gets.
    pub end_offset: i64,
}

/// A field that records of a topic have and no table of the pipeline declares, and what would take it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NewFieldHealth {
    pub topic: String,
    /// `name`, or `column[].name` inside the rows of a column.
    pub field: String,
    /// Values since the start, NULLs included.
    pub values_total: u64,
    pub example: Option<String>,
    /// Its column: `` `name` TYPE``. None while only NULL came, and for what is inside a column, which cannot be widened.
    pub column: Option<String>,
    /// Lines for the pipeline file.
    pub pipeline: Vec<PipelineLine>,
    /// For Flink, which leaves a table as it is whatever the file says: to be run first.
    pub alter: Vec<String>,
}

/// A line to add to a statement of the pipeline file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PipelineLine {
    pub statement: String,
    pub line: String,
}

/// One INSERT of the pipeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobHealth {
    pub name: String,
    pub rows_in_total: u64,
    pub rows_out_total: u64,
    pub rate_per_s: f64,
    pub lag_records: u64,
    pub lag_ms: Option<u64>,
    pub dead_letters_total: u64,
    /// Why it stands still, if it does.
    pub error: Option<String>,
}

/// One lake table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableHealth {
    pub name: String,
    pub committed_rows: u64,
    /// Visible to SQL, not yet committed.
    pub live_rows: u64,
    pub last_snapshot_id: Option<i64>,
    pub last_commit_age_ms: Option<u64>,
    /// Data files that the last snapshot names, and their size; of the last look at the table.
    pub files: Option<u64>,
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Snapshots that are kept.
    #[serde(default)]
    pub snapshots: Option<u64>,
}

/// Compaction and expiry of all tables, since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CareHealth {
    pub compactions_total: u64,
    /// Small files that were merged.
    pub files_merged_total: u64,
    pub snapshots_expired_total: u64,
    pub partitions_expired_total: u64,
    /// Files that nobody named any more.
    pub files_deleted_total: u64,
    pub errors_total: u64,
    /// The last of them.
    pub error: Option<String>,
}

/// Event time of one source. Times are milliseconds since the epoch; `None` before the first row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EventTimeHealth {
    pub source: String,
    pub topic: String,
    pub watermark_ms: Option<i64>,
    /// The partition whose rows the watermark waits for.
    pub held_by: Option<u32>,
    pub partitions: Vec<PartitionTimeHealth>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionTimeHealth {
    pub partition: u32,
    /// The next to be read.
    pub offset: i64,
    pub watermark_ms: Option<i64>,
    /// It holds nothing back: nothing came for the time-out.
    pub idle: bool,
}

/// A part of a query that keeps state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeHealth {
    pub name: String,
    /// `window`, `group by`, `top n`.
    pub kind: String,
    pub rows_in_total: u64,
    pub rows_out_total: u64,
    /// Rows that came after their window had closed; they are in no result.
    pub late_rows_total: u64,
    /// The last of them: which window, and how late.
    pub last_late: Option<String>,
    pub groups: u64,
    pub state_bytes: u64,
    pub watermark_ms: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointHealth {
    pub last_id: Option<i64>,
    pub duration_ms: Option<u64>,
    pub age_ms: Option<u64>,
    /// What the nodes kept.
    #[serde(default)]
    pub state_bytes: Option<u64>,
    /// Why the one that is being taken cannot be finished; it is tried again until it is.
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessHealth {
    pub resident_bytes: u64,
    pub cpu_seconds_total: f64,
    /// Of one core, over the last second or so: 0.5 is half a core.
    pub cpu_cores: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyHealth {
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// The listener of the page itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PageHealth {
    pub streams_open: u64,
    pub streams_refused_total: u64,
    /// Batches that the board did not see since it read too slowly; later events make it right again.
    pub batches_missed_total: u64,
    /// Rows that named no valid market.
    pub rows_ignored_total: u64,
}
