//! What a node means, as a number: the same query over the same columns has the same one, wherever in the file it stands and
//! whatever else reads its topic. A checkpoint's state is given only to a node that means what it meant.

use crate::graph::{ColumnId, Graph, NodeId, NodeKind, Sink, Source, WindowSource, WindowTime, Windows};
use crate::operators::Operator;
use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Raised when the layout of a node's state changes.
const STATE_VERSION: u32 = 1;

/// By node.
pub(crate) fn fingerprints(graph: &Graph) -> Vec<String> {
    let mut texts: Vec<u64> = Vec::with_capacity(graph.nodes.len());
    for id in 0..graph.nodes.len() {
        let mut text = meaning(graph, id);
        for input in &graph.nodes[id].inputs {
            let _ = write!(text, " < {:016x}", texts[*input]);
        }
        texts.push(hash(text.as_bytes()));
    }
    texts.into_iter().map(|hash| format!("{STATE_VERSION}-{hash:016x}")).collect()
}

/// By topic that the graph writes: what the statements that write it mean, inputs included.
pub fn sink_topic_meanings(graph: &Graph) -> BTreeMap<String, String> {
    let mut meanings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, fingerprint) in graph.nodes.iter().zip(fingerprints(graph)) {
        if let NodeKind::Sink(Sink::Topic { topic, .. }) = &node.kind {
            meanings.entry(topic.clone()).or_default().push(fingerprint);
        }
    }
    let joined = meanings.into_iter().map(|(topic, mut all)| {
        // wherever in the file they stand
        all.sort();
        (topic, format!("{:016x}", hash(all.concat().as_bytes())))
    });
    joined.collect()
}

/// The node without its inputs. Columns are named, not numbered: numbers move when another statement reads more of a topic.
fn meaning(graph: &Graph, id: NodeId) -> String {
    let node = &graph.nodes[id];
    let input = node.inputs.first().map(|input| graph.nodes[*input].schema.as_ref());
    let empty = Schema::empty();
    let input = input.unwrap_or(&empty);
    match &node.kind {
        NodeKind::Source(source) => source_meaning(source),
        NodeKind::Calc(operators) => operators_meaning(operators),
        NodeKind::Unnest { array, with_ordinality, keeps_empty } => {
            format!("unnest {} {with_ordinality} {keeps_empty}", name(input, *array))
        }
        NodeKind::AssignWindows(windows) => format!("assign {}", windows_meaning(input, windows)),
        NodeKind::WindowAggregate(aggregate) => {
            let windows = match &aggregate.windows {
                WindowSource::Assigned(windows) => windows_meaning(input, windows),
                WindowSource::Attached(window) => {
                    let columns = [window.start, window.end].map(|column| name(input, column));
                    format!("attached {columns:?} {} {}", zone(window.zone), window.is_rowtime)
                }
            };
            format!("window {windows} by {} {}", names(input, &aggregate.keys), calls(input, &aggregate.calls))
        }
        NodeKind::Aggregate(aggregate) => {
            format!("group by {} {}", names(input, &aggregate.keys), calls(input, &aggregate.calls))
        }
        NodeKind::TopN(top) => {
            let order = top
                .order
                .iter()
                .map(|order| format!("{} {} {}", name(input, order.column), order.is_descending, order.nulls_first));
            let window = top.window.map(|window| names(input, &[window.start, window.end]));
            let all: Vec<ColumnId> = (0..input.fields().len()).collect();
            format!(
                "top {} {} by {} order {:?} window {window:?} rows {}",
                top.offset,
                top.limit,
                names(input, &top.partition),
                order.collect::<Vec<_>>(),
                names(input, &all)
            )
        }
        NodeKind::Union => "union".into(),
        NodeKind::Sink(_) => "sink".into(),
    }
}

/// Without its columns: which of them a reader means, the reader's own expressions say.
fn source_meaning(source: &Source) -> String {
    let watermark = source.watermark.map(|watermark| watermark.delay_ms);
    format!("source {} {watermark:?}", source.topic)
}

fn windows_meaning(input: &Schema, windows: &Windows) -> String {
    let time = match windows.time {
        WindowTime::Rowtime(column) => name(input, column),
        WindowTime::ProcessingTime => "processing time".into(),
    };
    format!("{time} {:?} {}", windows.shape, zone(windows.zone))
}

fn calls(input: &Schema, calls: &[crate::graph::AggregateCall]) -> String {
    let call = |call: &crate::graph::AggregateCall| {
        let column = |column: Option<ColumnId>| column.map(|column| name(input, column));
        format!(
            "{:?}({:?}) {:?} {} {}",
            call.function,
            column(call.argument),
            column(call.filter),
            call.is_distinct,
            call.data_type
        )
    };
    calls.iter().map(call).collect::<Vec<_>>().join(", ")
}

fn operators_meaning(operators: &[Operator]) -> String {
    let operator = |operator: &Operator| match operator {
        Operator::Filter(predicate) => format!("where {}", expression(predicate)),
        Operator::Project { expressions, schema } => {
            let expressions = expressions.iter().zip(schema.fields());
            let columns = expressions.map(|(value, field)| format!("{} as {}", expression(value), field.name()));
            columns.collect::<Vec<_>>().join(", ")
        }
    };
    operators.iter().map(operator).collect::<Vec<_>>().join("; ")
}

/// An expression with its columns by name.
fn expression(expression: &Arc<dyn PhysicalExpr>) -> String {
    let without_numbers = Arc::clone(expression).transform(|node| {
        let any: &dyn std::any::Any = node.as_ref();
        Ok(match any.downcast_ref::<Column>() {
            Some(column) => {
                let unnumbered: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), 0));
                Transformed::yes(unnumbered)
            }
            None => Transformed::no(node),
        })
    });
    without_numbers.map_or_else(|_| expression.to_string(), |found| found.data.to_string())
}

fn name(schema: &Schema, column: ColumnId) -> String {
    schema.fields().get(column).map_or_else(String::new, |field| format!("{} {}", field.name(), field.data_type()))
}

fn names(schema: &Schema, columns: &[ColumnId]) -> String {
    columns.iter().map(|column| name(schema, *column)).collect::<Vec<_>>().join(", ")
}

fn zone(zone: Option<arrow::array::timezone::Tz>) -> String {
    zone.map_or_else(|| "no zone".into(), |zone| format!("{zone:?}"))
}

/// FNV-1a: stable over versions, since checkpoints hold it.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
