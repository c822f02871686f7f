//! Bars converge: which bars were touched after they had closed, and what they must be instead (decision 20).
//!
//! In: rows that came late for the minute's window, gaps, and corrections, as the flow passes them. Out: bars that differ from their
//! trades. State: [`Touched`], part of every checkpoint. Not here: who writes corrections into their topic, and how often (`hoga`).
//!
//! A bar is settled only when the tables themselves, at one moment, have it as its trades want it. So whatever a crash undoes, or does
//! again in another order, is looked at again: the checkpoint that goes back has the bar in its register still.

mod bits;
mod check;
mod decide;
mod read;
mod touched;

pub use bits::{Bits, Size};
pub use check::{Correction, Pass};
pub use touched::{Taken, Touched};

use crate::graph::{Graph, Node, NodeId, NodeKind, Sink, WindowAggregate, WindowShape, WindowSource, WindowTime};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use hoga_model::StreamKind;
use hoga_model::market::BAR_TOPIC;

const DATABASE: &str = "upbit";

/// Where bars are made, in a graph that makes them as `pipeline/upbit.sql` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BarNodes {
    /// The windows that close the bars, by size.
    windows: [NodeId; Size::ALL.len()],
    /// Market and event time in the rows that the minute's window reads.
    late_columns: (usize, usize),
    /// What writes the table of gaps.
    gap_sink: Option<NodeId>,
    /// The source of corrections.
    corrections: NodeId,
    /// The source of trades.
    trades: NodeId,
}

impl BarNodes {
    /// None if the graph lacks a size, the trades or the topic of corrections: then bars stay as they closed.
    pub(crate) fn of(graph: &Graph) -> Option<BarNodes> {
        let (_, trades) = above(graph, lake_sink(graph, StreamKind::Trade.as_str())?);
        let mut windows = [0; Size::ALL.len()];
        let mut corrections = None;
        for (place, size) in windows.iter_mut().zip(Size::ALL) {
            let (window, source) = above(graph, lake_sink(graph, size.table())?);
            *place = window?;
            corrections = source;
            is_of_topic(&graph.nodes[source?], BAR_TOPIC).then_some(())?;
        }
        let minute = &graph.nodes[windows[0]];
        let NodeKind::WindowAggregate(aggregate) = &minute.kind else { return None };
        let input = &graph.nodes[*minute.inputs.first()?].schema;
        let late_columns = (*aggregate.keys.first()?, minute_time(aggregate)?);
        matches!(input.field(late_columns.0).data_type(), DataType::Utf8).then_some(())?;
        let gap_sink = lake_sink(graph, "gap");
        Some(BarNodes { windows, late_columns, gap_sink, corrections: corrections?, trades: trades? })
    }
}

fn lake_sink(graph: &Graph, table: &str) -> Option<NodeId> {
    let is_it = |node: &Node| matches!(&node.kind, NodeKind::Sink(Sink::Lake { spec, .. }) if spec.database == DATABASE && spec.table == table);
    graph.nodes.iter().position(is_it)
}

/// The window and the source whose rows reach a sink as they are.
fn above(graph: &Graph, sink: NodeId) -> (Option<NodeId>, Option<NodeId>) {
    let (mut window, mut source) = (None, None);
    let mut waiting = graph.nodes[sink].inputs.clone();
    while let Some(id) = waiting.pop() {
        match &graph.nodes[id].kind {
            NodeKind::WindowAggregate(_) => window = Some(id),
            NodeKind::Source(_) => source = Some(id),
            NodeKind::Calc(_) | NodeKind::Union => waiting.extend(&graph.nodes[id].inputs),
            _ => {}
        }
    }
    (window, source)
}

fn is_of_topic(node: &Node, topic: &str) -> bool {
    matches!(&node.kind, NodeKind::Source(source) if source.topic == topic)
}

/// The event time of a window of a minute.
fn minute_time(aggregate: &WindowAggregate) -> Option<usize> {
    let WindowSource::Assigned(windows) = &aggregate.windows else { return None };
    let is_minute = windows.shape == WindowShape::Tumble { size_ms: Size::M1.ms(), offset_ms: 0 };
    match windows.time {
        WindowTime::Rowtime(column) if is_minute => Some(column),
        _ => None,
    }
}

/// The flow's side: it says what passes, inside the step and under its locks.
pub struct BarWatch {
    pub(crate) nodes: BarNodes,
    pub touched: Touched,
}

impl BarWatch {
    pub(crate) fn new(nodes: BarNodes) -> BarWatch {
        BarWatch { nodes, touched: Touched::default() }
    }

    /// The node whose late rows are those that no bar has.
    pub(crate) fn minute_node(&self) -> NodeId {
        self.nodes.windows[0]
    }

    /// These rows of a batch came after their minute had closed.
    pub(crate) fn late(&self, batch: &RecordBatch, rows: &[u32]) {
        let (market, time) = self.nodes.late_columns;
        let markets = batch.column(market).as_string_opt::<i32>();
        let times = batch.column(time).as_primitive_opt::<TimestampMillisecondType>();
        let Some((markets, times)) = markets.zip(times) else { return };
        let rows = rows.iter().map(|row| *row as usize).filter(|row| markets.is_valid(*row) && times.is_valid(*row));
        self.touched.mark(rows.map(|row| (markets.value(row), times.value(row), times.value(row))));
    }

    /// Rows on their way: out of a source, or into a sink.
    pub(crate) fn passed(&self, node: NodeId, batch: &RecordBatch) {
        if node == self.nodes.corrections {
            self.corrected(batch);
        } else if Some(node) == self.nodes.gap_sink {
            self.gap_changed(batch);
        }
    }

    /// A correction is looked at once more when it is in the table: one that is read again after a crash may be older than the bar.
    fn corrected(&self, batch: &RecordBatch) {
        let markets = text(batch, "market");
        let starts = batch.column_by_name("window_start").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let Some((markets, starts)) = markets.zip(starts) else { return };
        let rows = (0..batch.num_rows()).filter(|row| markets.is_valid(*row) && starts.is_valid(*row));
        self.touched.mark(rows.map(|row| (markets.value(row), starts.value(row), starts.value(row))));
    }

    /// A gap says of the bars that it overlaps whether they are complete. Of one that is open the bars after its last trade have no rows.
    fn gap_changed(&self, batch: &RecordBatch) {
        let time = |name: &str| {
            batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<TimestampMillisecondType>())
        };
        let (Some(markets), Some(channels)) = (text(batch, "market"), text(batch, "channel")) else { return };
        let (Some(from), Some(to)) = (time("gap_from"), time("gap_to")) else { return };
        let is_meant = |row: &usize| {
            channels.is_valid(*row)
                && channels.value(*row) == StreamKind::Trade.as_str()
                && markets.is_valid(*row)
                && from.is_valid(*row)
        };
        let gap = |row: usize| {
            let to_ms = if to.is_valid(row) { to.value(row) } else { from.value(row) };
            (markets.value(row), from.value(row), to_ms.max(from.value(row)))
        };
        self.touched.mark((0..batch.num_rows()).filter(is_meant).map(gap));
    }
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a arrow::array::StringArray> {
    batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>())
}

#[cfg(test)]
mod tests;
