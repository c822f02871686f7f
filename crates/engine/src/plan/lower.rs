//! From drafts to the graph: only nodes that reach a sink, only columns that someone needs.

use super::column::{Column, TimeAttribute, schema_of};
use super::draft::{Draft, DraftId, DraftKind, Drafts, Step, passes};
use super::expression::{column_indices, with_columns};
use super::reads::keep_read_fields;
use crate::graph::{
    Aggregate, AggregateCall, AttachedWindow, Changes, Graph, Node, NodeId, NodeKind, Order, Sink, TopN,
    WindowAggregate, WindowSource, WindowTime, Windows,
};
use crate::operators::Operator;
use datafusion::common::{Result, internal_datafusion_err};
use std::collections::{BTreeSet, HashMap};

/// The columns that are needed of a draft, by their index in it.
pub(super) type Needed = BTreeSet<usize>;

/// A node and where the draft's columns are in it. None: the column is gone.
struct Lowered {
    node: NodeId,
    map: Vec<Option<usize>>,
}

pub(super) fn lower(mut drafts: Drafts, sinks: &[DraftId]) -> Result<Graph> {
    let needed = needed_columns(&drafts, sinks);
    keep_read_fields(&mut drafts, &needed);
    let mut graph = Graph::default();
    let mut names = HashMap::new();
    let mut lowered: Vec<Option<Lowered>> = Vec::with_capacity(drafts.0.len());
    for (draft, needed) in drafts.0.into_iter().zip(needed) {
        let Some(needed) = needed else {
            lowered.push(None);
            continue;
        };
        let inputs = draft.inputs.iter().map(|input| lowered[*input].as_ref()).collect::<Option<Vec<_>>>();
        let inputs = inputs.ok_or_else(|| internal_datafusion_err!("an input of \"{}\" is not planned", draft.name))?;
        let one = lower_draft(draft, &needed, &inputs, &mut graph, &mut names)?;
        lowered.push(Some(one));
    }
    Ok(graph)
}

/// From the sinks down: what each draft has to give. None: nothing, nobody reads it.
fn needed_columns(drafts: &Drafts, sinks: &[DraftId]) -> Vec<Option<Needed>> {
    let mut needed: Vec<Option<Needed>> = drafts.0.iter().map(|_| None).collect();
    for sink in sinks {
        needed[*sink] = Some(Needed::new());
    }
    for id in (0..drafts.0.len()).rev() {
        let draft = &drafts[id];
        let Some(own) = needed[id].clone() else { continue };
        for (position, input) in draft.inputs.iter().enumerate() {
            let width = drafts[*input].columns.len();
            let wanted = wanted_of_input(draft, &own, width, position);
            needed[*input].get_or_insert_default().extend(wanted);
        }
    }
    needed
}

fn wanted_of_input(draft: &Draft, own: &Needed, width: usize, _position: usize) -> Needed {
    let of_input = || own.iter().copied().filter(|column| *column < width).collect::<Needed>();
    match &draft.kind {
        DraftKind::Source(_) => Needed::new(),
        DraftKind::Sink(..) => (0..width).collect(),
        DraftKind::Union => own.clone(),
        DraftKind::Calc(steps) => wanted_of_steps(steps, own).pop().unwrap_or_default(),
        DraftKind::Unnest { array, .. } => of_input().into_iter().chain([*array]).collect(),
        DraftKind::AssignWindows(windows, _) => of_input().into_iter().chain(rowtime(windows)).collect(),
        DraftKind::TopN(top) => {
            let window = top.window.iter().flat_map(|window| [window.start, window.end]);
            let order = top.order.iter().map(|order| order.column);
            of_input().into_iter().chain(top.partition.iter().copied()).chain(order).chain(window).collect()
        }
        DraftKind::Aggregate(aggregate) => {
            let calls = needed_calls(&aggregate.calls, aggregate.keys.len(), own);
            aggregate.keys.iter().copied().chain(calls.into_iter().flat_map(call_columns)).collect()
        }
        DraftKind::WindowAggregate(aggregate) => {
            let calls = needed_calls(&aggregate.calls, aggregate.keys.len() + 3, own);
            let windows: Vec<usize> = match &aggregate.windows {
                WindowSource::Assigned(windows) => rowtime(windows).into_iter().collect(),
                WindowSource::Attached(window) => vec![window.start, window.end],
            };
            aggregate.keys.iter().copied().chain(windows).chain(calls.into_iter().flat_map(call_columns)).collect()
        }
    }
}

fn rowtime(windows: &Windows) -> Option<usize> {
    match windows.time {
        WindowTime::Rowtime(column) => Some(column),
        WindowTime::ProcessingTime => None,
    }
}

fn needed_calls<'a>(calls: &'a [AggregateCall], before: usize, own: &Needed) -> Vec<&'a AggregateCall> {
    calls.iter().enumerate().filter(|(index, _)| own.contains(&(before + index))).map(|(_, call)| call).collect()
}

fn call_columns(call: &AggregateCall) -> impl Iterator<Item = usize> {
    call.argument.into_iter().chain(call.filter)
}

/// What is needed after the last step, before it, …, and at last of the input.
pub(super) fn wanted_of_steps(steps: &[Step], own: &Needed) -> Vec<Needed> {
    let mut wanted = vec![own.clone()];
    for step in steps.iter().rev() {
        let after = wanted.last().cloned().unwrap_or_default();
        wanted.push(match step {
            Step::Filter(predicate) => after.into_iter().chain(column_indices(predicate)).collect(),
            Step::Project(items) => {
                after.iter().filter_map(|index| items.get(*index)).flat_map(|(expr, _)| column_indices(expr)).collect()
            }
        });
    }
    wanted
}

fn lower_draft(
    draft: Draft,
    needed: &Needed,
    inputs: &[&Lowered],
    graph: &mut Graph,
    names: &mut HashMap<String, usize>,
) -> Result<Lowered> {
    let input = |column: usize| -> Result<usize> {
        let found = inputs.first().and_then(|input| input.map.get(column).copied().flatten());
        found.ok_or_else(|| internal_datafusion_err!("column {column} of \"{}\" is not planned", draft.name))
    };
    let all = |columns: &[usize]| columns.iter().map(|column| input(*column)).collect::<Result<Vec<_>>>();
    let mut input_nodes: Vec<NodeId> = inputs.iter().map(|input| input.node).collect();
    // of the node's columns: which of the draft's they are
    let (kind, kept): (NodeKind, Vec<usize>) = match &draft.kind {
        DraftKind::Source(source) => {
            let (source, kept) = source.lower(&draft.columns, needed)?;
            (NodeKind::Source(source), kept)
        }
        DraftKind::Sink(sink, schema) => {
            let sink = match sink.as_ref() {
                Sink::Lake { spec, sort_columns } => {
                    Sink::Lake { spec: spec.clone(), sort_columns: sort_columns.clone() }
                }
                Sink::Topic { topic, key, json } => Sink::Topic { topic: topic.clone(), key: *key, json: *json },
            };
            let node = Node {
                name: unique(draft.name, names),
                kind: NodeKind::Sink(sink),
                inputs: input_nodes,
                schema: schema.clone(),
                rowtime: None,
                changes: draft.changes,
            };
            graph.nodes.push(node);
            return Ok(Lowered { node: graph.nodes.len() - 1, map: Vec::new() });
        }
        DraftKind::Calc(steps) => {
            let below = inputs.first().ok_or_else(|| internal_datafusion_err!("a calc without an input"))?;
            let (operators, map) = lower_steps(steps, needed, below)?;
            if operators.is_empty() {
                return Ok(Lowered { node: below.node, map });
            }
            (NodeKind::Calc(operators), kept_of(&map))
        }
        DraftKind::Union => {
            let wanted: Vec<usize> = needed.iter().copied().collect();
            for (at, input) in inputs.iter().enumerate() {
                input_nodes[at] = only_columns(graph, input, &wanted, &draft, at, names)?;
            }
            (NodeKind::Union, wanted)
        }
        DraftKind::Unnest { array, with_ordinality, keeps_empty } => {
            let kind = NodeKind::Unnest {
                array: input(*array)?,
                with_ordinality: *with_ordinality,
                keeps_empty: *keeps_empty,
            };
            (kind, passed_and_own(&draft, inputs, graph))
        }
        DraftKind::AssignWindows(windows, _) => {
            (NodeKind::AssignWindows(lower_windows(windows, &input)?), passed_and_own(&draft, inputs, graph))
        }
        DraftKind::TopN(top) => {
            let with_number = top.with_number && needed.contains(&(draft.columns.len() - 1));
            let order = top.order.iter().map(|order| Ok(Order { column: input(order.column)?, ..*order }));
            let window = top.window.map(|window| -> Result<AttachedWindow> {
                Ok(AttachedWindow { start: input(window.start)?, end: input(window.end)?, ..window })
            });
            let lowered = TopN {
                partition: all(&top.partition)?,
                order: order.collect::<Result<_>>()?,
                offset: top.offset,
                limit: top.limit,
                with_number,
                // only what Flink makes a deduplication of
                last_wins: top.last_wins && (top.offset, top.limit) == (1, 1) && (top.window.is_some() || !with_number),
                window: window.transpose()?,
            };
            let mut kept = passed_and_own(&draft, inputs, graph);
            if top.with_number && !with_number {
                kept.pop();
            }
            (NodeKind::TopN(lowered), kept)
        }
        DraftKind::Aggregate(aggregate) => {
            let before = aggregate.keys.len();
            let (calls, mut kept) = lower_calls(&aggregate.calls, before, needed, &input)?;
            kept.splice(0..0, 0..before);
            (NodeKind::Aggregate(Aggregate { keys: all(&aggregate.keys)?, calls }), kept)
        }
        DraftKind::WindowAggregate(aggregate) => {
            let before = aggregate.keys.len() + 3;
            let (calls, mut kept) = lower_calls(&aggregate.calls, before, needed, &input)?;
            kept.splice(0..0, 0..before);
            let windows = match &aggregate.windows {
                WindowSource::Assigned(windows) => WindowSource::Assigned(lower_windows(windows, &input)?),
                WindowSource::Attached(window) => WindowSource::Attached(AttachedWindow {
                    start: input(window.start)?,
                    end: input(window.end)?,
                    ..*window
                }),
            };
            (NodeKind::WindowAggregate(WindowAggregate { windows, keys: all(&aggregate.keys)?, calls }), kept)
        }
    };
    let node = node_of(unique(draft.name, names), kind, input_nodes, &draft.columns, &kept, &draft.changes);
    graph.nodes.push(node);
    let map = (0..draft.columns.len()).map(|column| kept.iter().position(|kept| *kept == column)).collect();
    Ok(Lowered { node: graph.nodes.len() - 1, map })
}

fn node_of(
    name: String,
    kind: NodeKind,
    inputs: Vec<NodeId>,
    columns: &[Column],
    kept: &[usize],
    changes: &Changes,
) -> Node {
    let columns: Vec<Column> = kept.iter().map(|column| columns[*column].clone()).collect();
    let position = |column: &usize| kept.iter().position(|kept| kept == column);
    let changes = match changes {
        Changes::Append => Changes::Append,
        Changes::Updating { key } => {
            Changes::Updating { key: key.as_ref().and_then(|key| key.iter().map(position).collect()) }
        }
    };
    let rowtime = columns.iter().position(|column| column.time == Some(TimeAttribute::Rowtime));
    Node { name, kind, inputs, schema: schema_of(&columns), rowtime, changes }
}

/// For a node that gives its input's columns and then its own: which of the draft's columns those are.
fn passed_and_own(draft: &Draft, inputs: &[&Lowered], graph: &Graph) -> Vec<usize> {
    let Some(input) = inputs.first() else { return Vec::new() };
    let width = graph.nodes[input.node].schema.fields().len();
    let mut passed = vec![0; width];
    for (column, position) in input.map.iter().enumerate() {
        if let Some(position) = position {
            passed[*position] = column;
        }
    }
    passed.extend(input.map.len()..draft.columns.len());
    passed
}

/// The inputs of a union have the same columns: one that has more gets a projection.
fn only_columns(
    graph: &mut Graph,
    input: &Lowered,
    wanted: &[usize],
    draft: &Draft,
    at: usize,
    names: &mut HashMap<String, usize>,
) -> Result<NodeId> {
    let positions = wanted.iter().map(|column| input.map.get(*column).copied().flatten()).collect::<Option<Vec<_>>>();
    let positions = positions.ok_or_else(|| internal_datafusion_err!("a column of a union is not planned"))?;
    let below = &graph.nodes[input.node];
    if positions.iter().copied().eq(0..below.schema.fields().len()) {
        return Ok(input.node);
    }
    let items =
        positions.iter().map(|position| super::expression::column(below.schema.field(*position).name(), *position));
    let columns: Vec<Column> = wanted.iter().map(|column| draft.columns[*column].clone()).collect();
    let operator = Operator::Project { expressions: items.collect(), schema: schema_of(&columns) };
    let kept: Vec<usize> = (0..columns.len()).collect();
    let name = unique(format!("{} input {}", draft.name, at + 1), names);
    let changes = match &below.changes {
        Changes::Append => Changes::Append,
        Changes::Updating { .. } => Changes::Updating { key: None },
    };
    let node = node_of(name, NodeKind::Calc(vec![operator]), vec![input.node], &columns, &kept, &changes);
    graph.nodes.push(node);
    Ok(graph.nodes.len() - 1)
}

fn lower_windows(windows: &Windows, input: &impl Fn(usize) -> Result<usize>) -> Result<Windows> {
    let time = match windows.time {
        WindowTime::Rowtime(column) => WindowTime::Rowtime(input(column)?),
        WindowTime::ProcessingTime => WindowTime::ProcessingTime,
    };
    Ok(Windows { time, ..windows.clone() })
}

fn lower_calls(
    calls: &[AggregateCall],
    before: usize,
    needed: &Needed,
    input: &impl Fn(usize) -> Result<usize>,
) -> Result<(Vec<AggregateCall>, Vec<usize>)> {
    let mut lowered = Vec::new();
    let mut kept = Vec::new();
    for (index, call) in calls.iter().enumerate().filter(|(index, _)| needed.contains(&(before + index))) {
        lowered.push(AggregateCall {
            argument: call.argument.map(input).transpose()?,
            filter: call.filter.map(input).transpose()?,
            ..call.clone()
        });
        kept.push(before + index);
    }
    Ok((lowered, kept))
}

/// Operators over the lowered input, and where the last step's columns are. No operators: the input's rows as they are.
fn lower_steps(steps: &[Step], needed: &Needed, below: &Lowered) -> Result<(Vec<Operator>, Vec<Option<usize>>)> {
    let wanted = wanted_of_steps(steps, needed);
    let mut map = below.map.clone();
    let mut operators = Vec::new();
    for (step, after) in steps.iter().zip(wanted.iter().rev().skip(1)) {
        let lookup = |index: usize| map.get(index).copied().flatten().unwrap_or(usize::MAX);
        match step {
            Step::Filter(predicate) => operators.push(Operator::Filter(with_columns(predicate, &lookup)?)),
            Step::Project(items) => {
                let mut columns = Vec::new();
                let mut expressions = Vec::new();
                let mut next = vec![None; items.len()];
                for index in after {
                    let (expr, column) = &items[*index];
                    next[*index] = Some(expressions.len());
                    expressions.push(with_columns(expr, &lookup)?);
                    columns.push(column.clone());
                }
                let width = map.iter().flatten().count();
                let is_same = width == expressions.len()
                    && operators.is_empty()
                    && expressions.iter().enumerate().all(|(index, expr)| passes(expr) == Some(index));
                if !is_same {
                    operators.push(Operator::Project { expressions, schema: schema_of(&columns) });
                }
                map = next;
            }
        }
    }
    Ok((operators, map))
}

/// The columns of a map in the order of their positions.
fn kept_of(map: &[Option<usize>]) -> Vec<usize> {
    let placed = map.iter().enumerate().filter_map(|(column, position)| position.map(|position| (position, column)));
    let mut kept: Vec<(usize, usize)> = placed.collect();
    kept.sort_unstable();
    kept.into_iter().map(|(_, column)| column).collect()
}

/// The name, or with a number behind it if it was given before.
fn unique(name: String, names: &mut HashMap<String, usize>) -> String {
    let count = names.entry(name.clone()).or_insert(0);
    *count += 1;
    if *count == 1 { name } else { format!("{name} {count}") }
}
