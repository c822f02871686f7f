//! Small graphs for tests, made without the planner.

use crate::checkpoint::recover::Startup;
use crate::graph::{
    Aggregate, AggregateCall, AggregateFunction, Changes, ColumnId, Graph, Node, NodeId, NodeKind, Operator, Order,
    Sink, Source, SourceColumn, TopN, Watermark, WindowAggregate, WindowShape, WindowSource, WindowTime, Windows,
};
use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator as Comparison;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal, binary, cast};
use hoga_lake::TableSpec;
use std::sync::Arc;

/// Columns of [`source`].
pub(crate) const KEY: ColumnId = 0;
pub(crate) const VALUE: ColumnId = 1;
pub(crate) const TIME: ColumnId = 2;

pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(crate::types::UTC.into()))
}

pub(crate) fn wall_time() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

pub(crate) fn push(graph: &mut Graph, name: &str, kind: NodeKind, inputs: &[NodeId], schema: SchemaRef) -> NodeId {
    let node =
        Node { name: name.into(), kind, inputs: inputs.to_vec(), schema, rowtime: None, changes: Changes::Append };
    graph.nodes.push(node);
    graph.nodes.len() - 1
}

/// A topic of `{"k": …, "v": …, "t": milliseconds}` as rows (k, v, ts).
pub(crate) fn source(graph: &mut Graph, topic: &str, delay_ms: i64, idle_timeout_ms: Option<u64>) -> NodeId {
    let text = Field::new("k", DataType::Utf8, true);
    let raw = Arc::new(Schema::new(vec![
        text.clone(),
        Field::new("v", DataType::Int64, true),
        Field::new("t", DataType::Int64, true),
    ]));
    let schema =
        Arc::new(Schema::new(vec![text, Field::new("v", DataType::Int64, true), Field::new("ts", instant(), true)]));
    let time = cast(column(&raw, 2), &raw, instant()).expect("a cast");
    let project =
        Operator::Project { expressions: vec![column(&raw, 0), column(&raw, 1), time], schema: Arc::clone(&schema) };
    let source = Source {
        topic: topic.into(),
        table: format!("{topic}_table"),
        declared: vec!["k".into(), "v".into(), "t".into()],
        startup: Startup::Earliest,
        is_bounded: false,
        decoded: Arc::clone(&raw),
        raw_schema: raw,
        raw_columns: (0..3).map(SourceColumn::Field).collect(),
        computed: vec![project],
        watermark: Some(Watermark { column: TIME, delay_ms, idle_timeout_ms }),
    };
    let id = push(graph, &format!("source {topic}"), NodeKind::Source(source), &[], schema);
    graph.nodes[id].rowtime = Some(TIME);
    id
}

pub(crate) fn column(schema: &Schema, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(schema.field(index).name(), index))
}

/// Rows whose number in this column is at least so much.
pub(crate) fn at_least(graph: &mut Graph, name: &str, input: NodeId, index: ColumnId, least: i64) -> NodeId {
    let schema = Arc::clone(&graph.nodes[input].schema);
    let least: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::Int64(Some(least))));
    let predicate = binary(column(&schema, index), Comparison::GtEq, least, &schema).expect("a comparison");
    let id = push(graph, name, NodeKind::Calc(vec![Operator::Filter(predicate)]), &[input], schema);
    graph.nodes[id].rowtime = graph.nodes[input].rowtime;
    graph.nodes[id].changes = graph.nodes[input].changes.clone();
    id
}

/// These columns under these names.
pub(crate) fn columns(graph: &mut Graph, name: &str, input: NodeId, wanted: &[(ColumnId, &str)]) -> NodeId {
    let from = Arc::clone(&graph.nodes[input].schema);
    let fields = wanted.iter().map(|(index, name)| from.field(*index).clone().with_name(*name));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let expressions = wanted.iter().map(|(index, _)| column(&from, *index)).collect();
    let project = Operator::Project { expressions, schema: Arc::clone(&schema) };
    let id = push(graph, name, NodeKind::Calc(vec![project]), &[input], schema);
    let position = |column| wanted.iter().position(|(index, _)| *index == column);
    graph.nodes[id].rowtime = graph.nodes[input].rowtime.and_then(position);
    graph.nodes[id].changes = match &graph.nodes[input].changes {
        Changes::Updating { key } => {
            Changes::Updating { key: key.as_ref().and_then(|key| key.iter().map(|c| position(*c)).collect()) }
        }
        Changes::Append => Changes::Append,
    };
    id
}

pub(crate) fn call(function: AggregateFunction, argument: Option<ColumnId>, data_type: DataType) -> AggregateCall {
    AggregateCall { function, argument, filter: None, is_distinct: false, data_type }
}

/// COUNT(*), SUM, MIN, MAX of a BIGINT.
pub(crate) fn four_calls(value: ColumnId) -> Vec<AggregateCall> {
    use AggregateFunction::{Count, Max, Min, Sum};
    let of = |function, argument| call(function, argument, DataType::Int64);
    vec![of(Count, None), of(Sum, Some(value)), of(Min, Some(value)), of(Max, Some(value))]
}

/// GROUP BY windows of the input's rowtime and these keys.
pub(crate) fn window(
    graph: &mut Graph,
    name: &str,
    input: NodeId,
    shape: WindowShape,
    zone: Option<Tz>,
    keys: &[ColumnId],
    calls: Vec<AggregateCall>,
) -> NodeId {
    let rowtime = graph.nodes[input].rowtime.expect("event time");
    let time = graph.nodes[input].schema.field(rowtime).data_type().clone();
    let windows = WindowSource::Assigned(Windows { time: WindowTime::Rowtime(rowtime), shape, zone });
    let mut fields = key_fields(graph, input, keys);
    fields.extend([
        Field::new("window_start", wall_time(), false),
        Field::new("window_end", wall_time(), false),
        Field::new("window_time", time, false),
    ]);
    fields.extend(call_fields(&calls));
    let kind = NodeKind::WindowAggregate(WindowAggregate { windows, keys: keys.to_vec(), calls });
    let id = push(graph, name, kind, &[input], Arc::new(Schema::new(fields)));
    graph.nodes[id].rowtime = Some(keys.len() + 2);
    id
}

pub(crate) fn group_by(
    graph: &mut Graph,
    name: &str,
    input: NodeId,
    keys: &[ColumnId],
    calls: Vec<AggregateCall>,
) -> NodeId {
    let mut fields = key_fields(graph, input, keys);
    fields.extend(call_fields(&calls));
    let kind = NodeKind::Aggregate(Aggregate { keys: keys.to_vec(), calls });
    let id = push(graph, name, kind, &[input], Arc::new(Schema::new(fields)));
    graph.nodes[id].changes = Changes::Updating { key: Some((0..keys.len()).collect()) };
    id
}

/// The row with the greatest value of a column, of each partition.
pub(crate) fn last(graph: &mut Graph, name: &str, input: NodeId, partition: ColumnId, order: ColumnId) -> NodeId {
    let top = TopN {
        partition: vec![partition],
        order: vec![Order { column: order, is_descending: true, nulls_first: false }],
        offset: 1,
        limit: 1,
        with_number: false,
        last_wins: false,
        window: None,
    };
    let schema = Arc::clone(&graph.nodes[input].schema);
    let id = push(graph, name, NodeKind::TopN(top), &[input], schema);
    graph.nodes[id].changes = Changes::Updating { key: Some(vec![partition]) };
    id
}

/// The first rows of all by some columns (descending or not), with their number behind them.
pub(crate) fn ranked(graph: &mut Graph, name: &str, input: NodeId, order: &[(ColumnId, bool)], limit: u64) -> NodeId {
    let order = order.iter().map(|(column, is_descending)| Order {
        column: *column,
        is_descending: *is_descending,
        nulls_first: false,
    });
    let top = TopN {
        partition: Vec::new(),
        order: order.collect(),
        offset: 1,
        limit,
        with_number: true,
        last_wins: false,
        window: None,
    };
    let number = Field::new("row_number", DataType::Int64, true);
    let fields = graph.nodes[input].schema.fields().iter().map(|field| field.as_ref().clone()).chain([number]);
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let key = schema.fields().len() - 1;
    let id = push(graph, name, NodeKind::TopN(top), &[input], schema);
    graph.nodes[id].changes = Changes::Updating { key: Some(vec![key]) };
    id
}

pub(crate) fn to_topic(graph: &mut Graph, input: NodeId, topic: &str) -> NodeId {
    let schema = Arc::clone(&graph.nodes[input].schema);
    push(
        graph,
        topic,
        NodeKind::Sink(Sink::Topic { topic: topic.into(), key: None, json: Default::default() }),
        &[input],
        schema,
    )
}

/// Into a table of this name; with a key, a primary-key table.
pub(crate) fn to_table(graph: &mut Graph, input: NodeId, table: &str, key: &[&str]) -> NodeId {
    let fields = graph.nodes[input].schema.fields().iter().map(|field| {
        let is_key = key.contains(&field.name().as_str());
        Field::new(field.name(), field.data_type().clone(), !is_key)
    });
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let bucket = if key.is_empty() { "-1" } else { "1" };
    let spec = TableSpec {
        database: "upbit".into(),
        table: table.into(),
        schema: Arc::clone(&schema),
        partition_keys: Vec::new(),
        primary_keys: key.iter().map(|name| (*name).to_owned()).collect(),
        options: [("bucket".to_owned(), bucket.to_owned())].into(),
        comment: None,
    };
    let changes = graph.nodes[input].changes.clone();
    let id = push(graph, table, NodeKind::Sink(Sink::Lake { spec, sort_columns: Vec::new() }), &[input], schema);
    graph.nodes[id].changes = changes;
    id
}

fn key_fields(graph: &Graph, input: NodeId, keys: &[ColumnId]) -> Vec<Field> {
    keys.iter().map(|key| graph.nodes[input].schema.field(*key).clone()).collect()
}

fn call_fields(calls: &[AggregateCall]) -> impl Iterator<Item = Field> {
    calls.iter().enumerate().map(|(n, call)| Field::new(format!("c{n}"), call.data_type.clone(), true))
}
