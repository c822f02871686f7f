//! Where bars are made, found in a plan.

use super::*;

fn graph(text: &str) -> Graph {
    let pipeline = hoga_sql::parse_pipeline("upbit.sql", text, &|_| Some("x".into())).expect("it is read");
    crate::plan::plan_pipeline(&pipeline).expect("it plans").graph
}

#[test]
fn the_built_in_pipeline_makes_bars_that_can_be_corrected() {
    let text = include_str!("../../../../pipeline/upbit.sql");
    let graph = graph(text);
    let nodes = BarNodes::of(&graph).expect("bars");
    let name = |id: NodeId| graph.nodes[id].name.as_str();
    assert!(nodes.windows.iter().all(|id| matches!(graph.nodes[*id].kind, NodeKind::WindowAggregate(_))));
    let distinct: std::collections::BTreeSet<_> = nodes.windows.iter().collect();
    assert_eq!(distinct.len(), Size::ALL.len());
    assert_eq!((name(nodes.corrections), name(nodes.trades)), ("source upbit-bar", "source upbit-trade"));
    assert!(nodes.gap_sink.is_some());
    let input = &graph.nodes[graph.nodes[nodes.windows[0]].inputs[0]].schema;
    let (market, time) = nodes.late_columns;
    assert_eq!((input.field(market).name().as_str(), input.field(time).name().as_str()), ("code", "ts"));
}

#[test]
fn another_pipeline_makes_none() {
    let text = include_str!("../../../../pipeline/upbit.sql");
    let topic = text.replace("'topic' = 'upbit-bar'", "'topic' = 'other'");
    assert_eq!(BarNodes::of(&graph(&topic)), None);
    let table = text.replace("lake.upbit.candle_15m", "lake.upbit.quarters");
    assert_eq!(BarNodes::of(&graph(&table)), None);
}
