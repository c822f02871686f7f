//! The stream graph: all that a pipeline computes, as nodes between topics and sinks. Made by `plan`, run by `flow`.
//!
//! A node stands after its inputs. What two statements share is one node: a topic is read and decoded once, a view that
//! keeps state is computed once. Rows are Arrow batches; a batch of an updating node says of each row what kind of change
//! it is. Times inside are milliseconds: rowtime columns are `Timestamp(Millisecond, _)`.
//!
//! Pure: nothing here knows a file, a clock or a thread.

use crate::checkpoint::recover::Startup;
pub use crate::operators::Operator;
use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, SchemaRef};
use hoga_lake::TableSpec;
use hoga_sql::JsonFormat;
use std::collections::BTreeSet;

/// The index of a node in [`Graph::nodes`].
pub type NodeId = usize;
/// The index of a column in a node's schema.
pub type ColumnId = usize;

/// Every node stands after its inputs.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
}

impl Graph {
    /// Every topic that it reads or writes, once.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.source_topics().chain(self.sink_topics()).collect::<BTreeSet<_>>().into_iter()
    }

    /// By statement, so a topic may come twice.
    pub fn source_topics(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Source(source) => Some(source.topic.as_str()),
            _ => None,
        })
    }

    /// By statement, so a topic may come twice.
    pub fn sink_topics(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink(Sink::Topic { topic, .. }) => Some(topic.as_str()),
            _ => None,
        })
    }

    /// Every source ends, also where the file says that its topic has no end.
    pub fn bound_sources(&mut self) {
        for node in &mut self.nodes {
            if let NodeKind::Source(source) = &mut node.kind {
                source.is_bounded = true;
            }
        }
    }
}

#[derive(Debug)]
pub struct Node {
    /// Stable over restarts and over edits elsewhere in the file, and unique: a checkpoint knows the node's state by it.
    pub name: String,
    pub kind: NodeKind,
    pub inputs: Vec<NodeId>,
    /// The rows it gives. A sink gives none: here it is the schema that it writes.
    pub schema: SchemaRef,
    /// The event time of the rows it gives, if they have one: never below the node's watermark, but for late rows.
    pub rowtime: Option<ColumnId>,
    pub changes: Changes,
}

/// What kinds of rows a node gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// Inserts only.
    Append,
    /// Inserts, updates (the row before, then the row after, side by side) and deletes. At any time there is at most one row
    /// for each value of `key`; no columns: one row in all. None: the query lost the key, a change is known by its whole row.
    /// Of a lake sink the key is part of the table's primary key: if it is all of it, the row before an update says nothing
    /// new; if not, the row before is a delete of its own primary key. None: only inserts and deletes come, of rows that the
    /// file says to have primary keys of their own.
    Updating { key: Option<Vec<ColumnId>> },
}

#[derive(Debug)]
pub enum NodeKind {
    Source(Source),
    /// Filters and projections.
    Calc(Vec<Operator>),
    /// A row for each element of an array column; the element's fields (or the element) come after the row's columns.
    Unnest {
        array: ColumnId,
        with_ordinality: bool,
        /// LEFT JOIN UNNEST … ON TRUE: a row without elements stays, with NULLs.
        keeps_empty: bool,
    },
    /// A row for each window that a row is in: its columns, then `window_start`, `window_end`, `window_time`.
    /// Only where the query keeps single rows; under a GROUP BY it is part of the aggregate. SESSION is not found here.
    AssignWindows(Windows),
    WindowAggregate(WindowAggregate),
    Aggregate(Aggregate),
    TopN(TopN),
    /// The inputs' rows, in no order.
    Union,
    Sink(Sink),
}

/// A topic, read from its log partitions, decoded, with its computed columns and its watermark.
#[derive(Debug)]
pub struct Source {
    pub topic: String,
    /// The table's name in the pipeline.
    pub table: String,
    /// The fields that the table has of a record, read by anybody or not.
    pub declared: Vec<String>,
    pub startup: Startup,
    /// Ends at the offsets that the topic had at the start: then the watermark is at its maximum, and every window closes.
    pub is_bounded: bool,
    /// The fields to decode: what all statements together need, no others.
    pub decoded: SchemaRef,
    /// Decoded fields and metadata: what `computed` reads.
    pub raw_schema: SchemaRef,
    pub raw_columns: Vec<SourceColumn>,
    /// Makes the node's schema of it; empty if it is the same.
    pub computed: Vec<Operator>,
    pub watermark: Option<Watermark>,
}

/// Where a column of a topic comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceColumn {
    /// A decoded field, by its index.
    Field(usize),
    /// When the record was received.
    Timestamp,
    Offset,
    Partition,
    Topic,
}

/// The watermark of a partition is its largest rowtime less the delay, less one millisecond as in Flink; that of the source is the least of its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// In the source's schema. A row whose rowtime is NULL becomes a dead letter.
    pub column: ColumnId,
    pub delay_ms: i64,
    /// A partition without records for so long (of the machine's time) holds nothing back. None: it does for ever.
    pub idle_timeout_ms: Option<u64>,
}

/// How rows are put into windows. Start and end are wall-clock times without a zone, `TIMESTAMP(3)`, as in Flink.
#[derive(Debug, Clone)]
pub struct Windows {
    pub time: WindowTime,
    pub shape: WindowShape,
    /// For an instant (TIMESTAMP_LTZ): windows start at this zone's midnight. None for TIMESTAMP.
    pub zone: Option<Tz>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowTime {
    /// The event time of a row: a column of the input.
    Rowtime(ColumnId),
    /// PROCTIME(): the machine's time when the row is read.
    ProcessingTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowShape {
    Tumble {
        size_ms: i64,
        offset_ms: i64,
    },
    /// `size_ms` is a multiple of `slide_ms`, as Flink wants it.
    Hop {
        size_ms: i64,
        slide_ms: i64,
        offset_ms: i64,
    },
    /// `max_size_ms` is a multiple of `step_ms`.
    Cumulate {
        max_size_ms: i64,
        step_ms: i64,
        offset_ms: i64,
    },
    /// One for each key: rows at most `gap_ms` apart.
    Session {
        gap_ms: i64,
    },
}

/// GROUP BY window_start, window_end, keys: closes a window when the watermark passes its end, and gives its groups once.
/// Its schema: the keys, `window_start`, `window_end`, `window_time`, then one column a call.
#[derive(Debug)]
pub struct WindowAggregate {
    pub windows: WindowSource,
    pub keys: Vec<ColumnId>,
    pub calls: Vec<AggregateCall>,
}

#[derive(Debug)]
pub enum WindowSource {
    /// Rows are put into windows here.
    Assigned(Windows),
    /// Rows come with their windows: a GROUP BY over rows that a windowed query gave.
    Attached(AttachedWindow),
}

/// GROUP BY without a window: an updated row for each group that a batch touches. Without keys there is one group.
/// Its schema: the keys, then one column a call.
#[derive(Debug)]
pub struct Aggregate {
    pub keys: Vec<ColumnId>,
    pub calls: Vec<AggregateCall>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    pub function: AggregateFunction,
    /// COUNT(*) has none.
    pub argument: Option<ColumnId>,
    /// A BOOLEAN column: FILTER (WHERE …).
    pub filter: Option<ColumnId>,
    pub is_distinct: bool,
    /// Flink's type of the result.
    pub data_type: DataType,
}

/// STDDEV and VARIANCE are none of them: the planner makes them of sums, as Flink's does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AggregateFunction {
    Count,
    Sum,
    Min,
    Max,
    Avg,
    FirstValue,
    LastValue,
    ListAgg { separator: String },
}

/// ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) with a condition on the number: the first rows of each partition.
/// With `limit` 1 it is a deduplication. Its schema: the input's columns, then the number if it is wanted (BIGINT).
#[derive(Debug)]
pub struct TopN {
    pub partition: Vec<ColumnId>,
    pub order: Vec<Order>,
    /// The first rank that is kept, counted from 1, and the last.
    pub offset: u64,
    pub limit: u64,
    pub with_number: bool,
    /// Of rows that are equal in the order, the one that came last stands first: Flink's deduplication by event time, descending.
    pub last_wins: bool,
    /// Rows of windows: given once, when the window closes.
    pub window: Option<AttachedWindow>,
}

/// The columns that say a row's window, and what is needed to know when it closes.
#[derive(Debug, Clone, Copy)]
pub struct AttachedWindow {
    pub start: ColumnId,
    pub end: ColumnId,
    /// As in [`Windows`]: that of the windows' instants.
    pub zone: Option<Tz>,
    /// False for windows of the machine's time.
    pub is_rowtime: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub column: ColumnId,
    pub is_descending: bool,
    pub nulls_first: bool,
}

/// Where rows go. The input has the sink's columns in their order.
#[derive(Debug)]
pub enum Sink {
    /// A lake table; with a primary key it takes changes, without one only inserts.
    Lake { spec: TableSpec, sort_columns: Vec<String> },
    /// A topic of JSON records; takes only inserts. The key of a record is this text column, if there is one.
    Topic { topic: String, key: Option<ColumnId>, json: JsonFormat },
}
