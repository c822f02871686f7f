//! A graph as text: each sink with what comes to it, in SQL's words.

use super::expression::sql_text;
use super::grouping::function_name;
use crate::graph::{
    AggregateCall, AggregateFunction, AttachedWindow, Changes, Graph, Node, NodeId, NodeKind, Order, Sink, Source,
    SourceColumn, TopN, WindowShape, WindowSource, WindowTime, Windows,
};
use crate::operators::Operator;
use crate::types::sql_name;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use hoga_sql::quoted;
use std::fmt::Write;
use std::sync::Arc;

/// The plan as text, one tree for each sink, its inputs below it. A node that several read is written out once.
pub fn explain(graph: &Graph) -> String {
    let mut readers = vec![0; graph.nodes.len()];
    for input in graph.nodes.iter().flat_map(|node| &node.inputs) {
        readers[*input] += 1;
    }
    let mut tree = Tree { graph, readers, written: vec![false; graph.nodes.len()], out: String::new() };
    let sinks = graph.nodes.iter().enumerate().filter(|(_, node)| matches!(node.kind, NodeKind::Sink(_)));
    for (id, _) in sinks {
        if !tree.out.is_empty() {
            tree.out.push('\n');
        }
        tree.node(id, 0);
    }
    tree.out
}

struct Tree<'a> {
    graph: &'a Graph,
    readers: Vec<usize>,
    written: Vec<bool>,
    out: String,
}

impl Tree<'_> {
    fn node(&mut self, id: NodeId, depth: usize) {
        let node = &self.graph.nodes[id];
        let shared = if self.readers[id] > 1 { format!(" [read by {}]", self.readers[id]) } else { String::new() };
        if self.written[id] {
            self.line(depth, &format!("{} [see above]", node.name));
            return;
        }
        self.written[id] = true;
        self.line(depth, &format!("{}{shared}", node.name));
        for text in details(self.graph, node) {
            self.line(depth, &format!("| {text}"));
        }
        for input in &node.inputs {
            self.node(*input, depth + 1);
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        // writing into a String cannot fail
        let _ = writeln!(self.out, "{:width$}{text}", "", width = depth * 2);
    }
}

fn details(graph: &Graph, node: &Node) -> Vec<String> {
    let input = node.inputs.first().map(|input| &graph.nodes[*input].schema);
    let names = |columns: &[usize]| match input {
        Some(schema) => columns.iter().map(|column| name(schema, *column)).collect::<Vec<_>>().join(", "),
        None => String::new(),
    };
    let mut lines = match &node.kind {
        NodeKind::Source(source) => source_lines(node, source),
        NodeKind::Calc(operators) => operators.iter().map(operator_line).collect(),
        NodeKind::Unnest { array, with_ordinality, keeps_empty } => {
            let join = if *keeps_empty { "LEFT JOIN" } else { "CROSS JOIN" };
            let ordinality = if *with_ordinality { " WITH ORDINALITY" } else { "" };
            vec![format!("{join} UNNEST({}){ordinality}", names(&[*array]))]
        }
        NodeKind::AssignWindows(windows) => vec![window_text(windows, input)],
        NodeKind::WindowAggregate(aggregate) => {
            let windows = match &aggregate.windows {
                WindowSource::Assigned(windows) => window_text(windows, input),
                WindowSource::Attached(window) => attached(window, input),
            };
            let keys = if aggregate.keys.is_empty() {
                "one group".to_owned()
            } else {
                format!("group by {}", names(&aggregate.keys))
            };
            vec![
                windows,
                keys,
                format!("compute {}", calls(&aggregate.calls, input)),
                "state: groups of open windows".to_owned(),
            ]
        }
        NodeKind::Aggregate(aggregate) => {
            let keys = if aggregate.keys.is_empty() {
                "one group".to_owned()
            } else {
                format!("group by {}", names(&aggregate.keys))
            };
            vec![keys, format!("compute {}", calls(&aggregate.calls, input)), "state: every group, for good".to_owned()]
        }
        NodeKind::TopN(top) => top_lines(top, input, &names),
        NodeKind::Union => Vec::new(),
        NodeKind::Sink(sink) => sink_lines(node, sink),
    };
    if !matches!(node.kind, NodeKind::Source(_) | NodeKind::Sink(_))
        && let Changes::Updating { key } = &node.changes
    {
        lines.push(match key {
            Some(key) if key.is_empty() => "updates its one row".to_owned(),
            Some(key) => {
                let key: Vec<String> = key.iter().map(|column| name(&node.schema, *column)).collect();
                format!("updates by {}", key.join(", "))
            }
            None => "updates whole rows".to_owned(),
        });
    }
    lines
}

fn name(schema: &SchemaRef, column: usize) -> String {
    schema.fields().get(column).map_or_else(|| format!("#{column}"), |field| quoted(field.name()))
}

fn source_lines(node: &Node, source: &Source) -> Vec<String> {
    let mut lines = Vec::new();
    let of_record = source.raw_schema.fields().iter().zip(&source.raw_columns).map(|(field, column)| {
        let name = quoted(field.name());
        match column {
            SourceColumn::Field(_) => format!("{name} {}", sql_name(field.data_type())),
            SourceColumn::Timestamp => format!("{name} (record's timestamp)"),
            SourceColumn::Offset => format!("{name} (record's offset)"),
            SourceColumn::Partition => format!("{name} (record's partition)"),
            SourceColumn::Topic => format!("{name} (topic)"),
        }
    });
    lines.push(format!("decode {}", of_record.collect::<Vec<_>>().join(", ")));
    lines.extend(source.computed.iter().map(operator_line));
    if let Some(watermark) = source.watermark {
        let idle = match watermark.idle_timeout_ms {
            Some(ms) => format!("a partition is idle after {}", duration(ms)),
            None => "no partition is ever idle".to_owned(),
        };
        let column = name(&node.schema, watermark.column);
        lines.push(format!("watermark {column} - {}, {idle}", duration(watermark.delay_ms.unsigned_abs())));
    }
    let start = match source.startup {
        crate::checkpoint::recover::Startup::Earliest => "earliest",
        crate::checkpoint::recover::Startup::Latest => "latest",
    };
    let end = if source.is_bounded { ", ends at the offsets of the start" } else { "" };
    lines.push(format!("start at the {start} offset{end}"));
    lines
}

fn operator_line(operator: &Operator) -> String {
    match operator {
        Operator::Filter(predicate) => format!("filter {}", sql_text(predicate)),
        Operator::Project { expressions, schema } => {
            let items = expressions.iter().zip(schema.fields()).map(|(expr, field)| item(expr, field.name()));
            let items: Vec<String> = items.collect();
            if items.is_empty() { "project nothing".to_owned() } else { format!("project {}", items.join(", ")) }
        }
    }
}

fn item(expr: &Arc<dyn PhysicalExpr>, name: &str) -> String {
    let passed = expr.downcast_ref::<Column>();
    match passed {
        Some(column) if column.name() == name => quoted(name),
        Some(column) => format!("{} AS {}", quoted(column.name()), quoted(name)),
        None => format!("{} AS {}", sql_text(expr), quoted(name)),
    }
}

fn window_text(windows: &Windows, input: Option<&SchemaRef>) -> String {
    let time = match (&windows.time, input) {
        (WindowTime::Rowtime(column), Some(schema)) => name(schema, *column),
        (WindowTime::Rowtime(_), None) => "rowtime".to_owned(),
        (WindowTime::ProcessingTime, _) => "PROCTIME()".to_owned(),
    };
    let ms = |ms: i64| duration(ms.unsigned_abs());
    let offset = |ms: i64| match ms {
        0 => String::new(),
        negative if negative < 0 => format!(", offset -{}", duration(negative.unsigned_abs())),
        positive => format!(", offset {}", duration(positive.unsigned_abs())),
    };
    let zone = windows.zone.map(|zone| format!(", in {zone}")).unwrap_or_default();
    let shape = match windows.shape {
        WindowShape::Tumble { size_ms, offset_ms } => format!("TUMBLE {}{}", ms(size_ms), offset(offset_ms)),
        WindowShape::Hop { size_ms, slide_ms, offset_ms } => {
            format!("HOP {} every {}{}", ms(size_ms), ms(slide_ms), offset(offset_ms))
        }
        WindowShape::Cumulate { max_size_ms, step_ms, offset_ms } => {
            format!("CUMULATE {} by {}{}", ms(max_size_ms), ms(step_ms), offset(offset_ms))
        }
        WindowShape::Session { gap_ms } => format!("SESSION gap {}", ms(gap_ms)),
    };
    format!("{shape} of {time}{zone}")
}

fn attached(window: &AttachedWindow, input: Option<&SchemaRef>) -> String {
    let Some(schema) = input else { return "the rows' own windows".to_owned() };
    format!("the rows' own windows: {}, {}", name(schema, window.start), name(schema, window.end))
}

fn calls(calls: &[AggregateCall], input: Option<&SchemaRef>) -> String {
    if calls.is_empty() {
        return "nothing".to_owned();
    }
    let column = |column: usize| input.map_or_else(String::new, |schema| name(schema, column));
    let one = |call: &AggregateCall| {
        let argument = call.argument.map_or_else(|| "*".to_owned(), column);
        let distinct = if call.is_distinct { "DISTINCT " } else { "" };
        let separator = match &call.function {
            AggregateFunction::ListAgg { separator } => format!(", '{separator}'"),
            _ => String::new(),
        };
        let filter = call.filter.map(|filter| format!(" FILTER (WHERE {})", column(filter))).unwrap_or_default();
        let function = function_name(&call.function).to_uppercase();
        format!("{function}({distinct}{argument}{separator}){filter} {}", sql_name(&call.data_type))
    };
    calls.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn top_lines(top: &TopN, input: Option<&SchemaRef>, names: &dyn Fn(&[usize]) -> String) -> Vec<String> {
    let order = |order: &Order| {
        let nulls = if order.nulls_first == order.is_descending {
            if order.nulls_first { " NULLS FIRST" } else { " NULLS LAST" }
        } else {
            ""
        };
        format!("{}{}{nulls}", names(&[order.column]), if order.is_descending { " DESC" } else { "" })
    };
    let by = if top.order.is_empty() {
        "as they come".to_owned()
    } else {
        format!("by {}", top.order.iter().map(order).collect::<Vec<_>>().join(", "))
    };
    let which = match (top.offset, top.limit) {
        (1, 1) => "the first row".to_owned(),
        (1, limit) => format!("the first {limit} rows"),
        (offset, limit) => format!("rows {offset} to {limit}"),
    };
    let partition =
        if top.partition.is_empty() { String::new() } else { format!(" of each {}", names(&top.partition)) };
    let number = if top.with_number { ", with its number" } else { "" };
    let mut lines = vec![format!("{which}{partition} {by}{number}")];
    match &top.window {
        Some(window) => {
            lines.push(attached(window, input));
            lines.push("state: rows of open windows".to_owned());
        }
        None => lines.push("state: rows of every partition, for good".to_owned()),
    }
    lines
}

fn sink_lines(node: &Node, sink: &Sink) -> Vec<String> {
    let columns: Vec<String> = node.schema.fields().iter().map(|field| quoted(field.name())).collect();
    let changes = if node.changes == Changes::Append { "inserts" } else { "inserts, updates and deletes" };
    match sink {
        Sink::Lake { spec, .. } => {
            let key = if spec.primary_keys.is_empty() {
                String::new()
            } else {
                format!(", primary key {}", spec.primary_keys.join(", "))
            };
            vec![
                format!("lake table {}.{}{key}: {changes}", spec.database, spec.table),
                format!("columns {}", columns.join(", ")),
            ]
        }
        Sink::Topic { topic, key, .. } => {
            let key = key.map_or_else(String::new, |column| format!(", key {}", name(&node.schema, column)));
            vec![format!("topic {topic}{key}: {changes}"), format!("columns {}", columns.join(", "))]
        }
    }
}

/// `5s`, `1m`, `1d`: in the largest unit that it is a whole number of.
fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match UNITS.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}
