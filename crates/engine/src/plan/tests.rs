//! What a pipeline becomes, what is refused and where, and what expressions give.

mod graphs;
mod refusals;
mod soup;
mod values;

use super::{PipelinePlan, plan_pipeline};
use crate::graph::{NodeKind, Sink};

#[test]
fn the_built_in_pipeline() {
    let text = include_str!("../../../../pipeline/upbit.sql");
    let pipeline = hoga_sql::parse_pipeline("upbit.sql", text, &|_| Some("x".into())).expect("it is read");
    let PipelinePlan { graph, checkpoint_interval_ms } = plan_pipeline(&pipeline).expect("it plans");
    let sources = graph.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Source(_)));
    let names: Vec<&str> = sources.map(|node| node.name.as_str()).collect();
    let topics = ["ticker", "trade", "orderbook", "gap", "market", "bar"].map(|topic| format!("source upbit-{topic}"));
    assert_eq!(names, topics);
    let trade = graph.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Sink(Sink::Lake { spec, sort_columns }) if spec.table == "trade" => Some(sort_columns),
        _ => None,
    });
    assert_eq!(trade.map(|columns| columns.join(" ")).as_deref(), Some("market trade_timestamp"));
    assert_eq!(checkpoint_interval_ms, Some(30_000));
}
