//! Where rows leave the flow: tables of the lake, and topics.

use super::outbox::Outbox;
use super::rows::Rows;
use super::{Flow, json, lock, takes_changes};
use crate::checkpoint::SinkState;
use crate::error::EngineError;
use crate::graph::{ColumnId, Node, NodeId, Sink};
use crate::stats::NodeStats;
use arrow::array::{Array, AsArray};
use bytes::Bytes;
use hoga_lake::{ChangeBatch, LiveTable};
use hoga_log::{Log, Record};
use hoga_sql::JsonFormat;
use std::sync::{Arc, Mutex};

pub struct SinkRuntime {
    pub name: String,
    pub target: SinkTarget,
    pub(super) node: NodeId,
    pub(super) stats: NodeStats,
}

pub enum SinkTarget {
    Lake(Arc<LiveTable>),
    Topic(TopicSink),
}

pub struct TopicSink {
    pub topic: String,
    key: Option<ColumnId>,
    json: JsonFormat,
    pub(super) outbox: Mutex<Outbox>,
}

impl SinkRuntime {
    pub(super) fn open(
        id: NodeId,
        node: &Node,
        sink: &Sink,
        table: Option<Arc<LiveTable>>,
        log: Arc<dyn Log>,
        saved: Option<&SinkState>,
    ) -> Result<SinkRuntime, EngineError> {
        if !takes_changes(sink, &node.changes) {
            return Err(EngineError::Graph(node.name.clone()));
        }
        let target = match (sink, table) {
            (Sink::Lake { .. }, Some(table)) => SinkTarget::Lake(table),
            (Sink::Lake { .. }, None) => return Err(EngineError::Graph(node.name.clone())),
            (Sink::Topic { topic, key, json }, _) => {
                let outbox = Outbox::open(log, topic, saved.and_then(|saved| saved.outbox.as_ref()))?;
                SinkTarget::Topic(TopicSink {
                    topic: topic.clone(),
                    key: *key,
                    json: *json,
                    outbox: Mutex::new(outbox),
                })
            }
        };
        Ok(SinkRuntime { name: node.name.clone(), target, node: id, stats: NodeStats::default() })
    }

    pub fn table(&self) -> Option<&Arc<LiveTable>> {
        match &self.target {
            SinkTarget::Lake(table) => Some(table),
            SinkTarget::Topic(_) => None,
        }
    }

    pub fn rows(&self) -> u64 {
        self.stats.rows_out.get()
    }

    /// Rows are visible on return: in the table's tail, or in the topic.
    pub(super) fn write(&self, flow: &Flow, rows: Rows, now_ms: i64) -> Result<(), EngineError> {
        let count = rows.len() as u64;
        match &self.target {
            SinkTarget::Lake(table) => table.apply(ChangeBatch { rows: rows.batch, kinds: rows.kinds })?,
            SinkTarget::Topic(sink) => {
                let records = records(&rows, sink, now_ms)?;
                let mut outbox = lock(&sink.outbox);
                outbox.push(records);
                flow.until_written(&self.stats, || outbox.flush())?;
            }
        }
        self.stats.rows_out.add(count);
        Ok(())
    }
}

/// The key is the column's text as it is; NULL is none.
fn records(rows: &Rows, sink: &TopicSink, now_ms: i64) -> Result<Vec<Record>, EngineError> {
    let record = |row: usize| {
        let mut value = Vec::with_capacity(256);
        json::push_row(&mut value, &rows.batch, row, &sink.json)?;
        let column = sink.key.and_then(|column| rows.batch.column(column).as_string_opt::<i32>());
        let text = column.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row));
        let key = text.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        Ok(Record { key, value: value.into(), timestamp_ms: now_ms, headers: Vec::new() })
    };
    (0..rows.len()).map(record).collect()
}
