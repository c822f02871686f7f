//! Whether an update's row before is told. A table that replaces rows by the same key needs the row after alone, as Flink's planner
//! has it for an upserting sink; that is half the rows. Pure.

use crate::graph::{Changes, Graph, Node, NodeId, NodeKind, Operator, Sink};
use datafusion::physical_expr::expressions::Column;
use std::collections::BTreeSet;

/// By node: true if somebody needs the rows before updates. `keeps_every_change`: of a lake sink's table.
pub(super) fn rows_before_count(
    graph: &Graph,
    consumers: &[Vec<(NodeId, usize)>],
    keeps_every_change: impl Fn(NodeId) -> bool,
) -> Vec<bool> {
    let mut counts = vec![true; graph.nodes.len()];
    for id in (0..graph.nodes.len()).rev() {
        counts[id] = match &graph.nodes[id].kind {
            NodeKind::Sink(_) => !replaces(&graph.nodes[id]) || keeps_every_change(id),
            _ => consumers[id].iter().any(|(consumer, _)| match &graph.nodes[*consumer].kind {
                NodeKind::Sink(_) => counts[*consumer],
                NodeKind::Calc(operators) => !operators.iter().all(only_moves_columns) || counts[*consumer],
                _ => true,
            }),
        };
    }
    counts
}

/// True of a table whose primary key is the key that the changes have: the row after takes the place of the row before.
fn replaces(sink: &Node) -> bool {
    let (NodeKind::Sink(Sink::Lake { spec, .. }), Changes::Updating { key: Some(key) }) = (&sink.kind, &sink.changes)
    else {
        return false;
    };
    let key: BTreeSet<&String> = key.iter().map(|column| sink.schema.field(*column).name()).collect();
    key == spec.primary_keys.iter().collect()
}

/// What fails on no row and drops none.
fn only_moves_columns(operator: &Operator) -> bool {
    match operator {
        Operator::Filter(_) => false,
        Operator::Project { expressions, .. } => {
            expressions.iter().all(|expression| expression.downcast_ref::<Column>().is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::by_hand::{KEY, VALUE, at_least, columns, four_calls, group_by, last, source, to_table, to_topic};
    use crate::flow::consumers_of;

    /// Whether the node made first needs its rows before, of a graph of a source, that node and its readers.
    fn counts(readers: impl FnOnce(&mut Graph, NodeId), keeps_every_change: bool) -> bool {
        let mut graph = Graph { nodes: Vec::new() };
        let from = source(&mut graph, "in", 0, None);
        let groups = group_by(&mut graph, "groups", from, &[KEY], four_calls(VALUE));
        readers(&mut graph, groups);
        rows_before_count(&graph, &consumers_of(&graph), |_| keeps_every_change)[groups]
    }

    #[test]
    fn a_table_of_the_same_key_needs_none() {
        let table = |graph: &mut Graph, groups: NodeId, key: &[&str]| {
            to_table(graph, groups, "t", key);
        };
        assert!(!counts(|graph, groups| table(graph, groups, &["k"]), false));
        assert!(counts(|graph, groups| table(graph, groups, &["k"]), true), "its changelog does");
        assert!(counts(|graph, groups| table(graph, groups, &["k", "c0"]), false), "the old row has another key");
        assert!(counts(|graph, groups| table(graph, groups, &["c0"]), false));
    }

    #[test]
    fn what_stands_between() {
        let moved = |graph: &mut Graph, groups| {
            let moved = columns(graph, "moved", groups, &[(1, "n"), (0, "name")]);
            to_table(graph, moved, "t", &["name"]);
        };
        assert!(!counts(moved, false));
        let filtered = |graph: &mut Graph, groups| {
            let many = at_least(graph, "many", groups, 1, 7);
            to_table(graph, many, "t", &["k"]);
        };
        assert!(counts(filtered, false), "the row after may be dropped");
        let ranked = |graph: &mut Graph, groups| {
            let best = last(graph, "best", groups, 0, 1);
            to_table(graph, best, "t", &["k"]);
        };
        assert!(counts(ranked, false), "what is taken back must be known");
    }

    #[test]
    fn one_of_two_readers_is_enough() {
        let both = |graph: &mut Graph, groups| {
            to_table(graph, groups, "t", &["k"]);
            to_topic(graph, groups, "out");
        };
        assert!(counts(both, false));
    }
}
