//! Plans of single INSERTs as a graph, until the planner makes the graph itself.

use crate::graph::{Changes, Graph, Node, NodeKind, Sink, Source, SourceColumn};
use crate::plan::{self, JobPlan};
use std::sync::Arc;

pub fn graph_of(jobs: Vec<JobPlan>) -> Graph {
    let mut graph = Graph::default();
    for job in jobs {
        let column = |column: &plan::SourceColumn| match column {
            plan::SourceColumn::Field(index) => SourceColumn::Field(*index),
            plan::SourceColumn::Timestamp => SourceColumn::Timestamp,
            plan::SourceColumn::Offset => SourceColumn::Offset,
            plan::SourceColumn::Partition => SourceColumn::Partition,
            plan::SourceColumn::Topic => SourceColumn::Topic,
        };
        let source = Source {
            topic: job.topic.clone(),
            startup: job.startup,
            is_bounded: false,
            decoded: job.decoded,
            raw_schema: Arc::clone(&job.source_schema),
            raw_columns: job.source_columns.iter().map(column).collect(),
            computed: Vec::new(),
            watermark: None,
        };
        let first = graph.nodes.len();
        let mut push = |name: String, kind, inputs, schema| {
            graph.nodes.push(Node { name, kind, inputs, schema, rowtime: None, changes: Changes::Append });
        };
        push(format!("{} for {}", job.topic, job.name), NodeKind::Source(source), vec![], job.source_schema);
        push(format!("query of {}", job.name), NodeKind::Calc(job.operators), vec![first], Arc::clone(&job.sink_schema));
        let sink = Sink::Lake { spec: job.sink, sort_columns: job.sort_columns };
        push(job.name, NodeKind::Sink(sink), vec![first + 1], job.sink_schema);
    }
    graph
}
