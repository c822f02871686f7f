//! The flow: a graph that runs. Workers read the topics; rows and watermarks go from node to node on the worker's thread.
//!
//! In: a [`Graph`], the log, a clock. Out: rows in the sinks, dead letters. State: what the stages and the workers' partial
//! windows keep, the sources' offsets and watermarks. Not here: threads, checkpoints, recovery (`engine`).
//!
//! Locks, always taken in this order: a worker's own, for a whole step; then those of stages, in the order of the graph; under
//! a stage's, the partial windows of its node. A worker puts rows into its partials under no lock but theirs. While all
//! workers' locks are held, nothing moves: that is when a checkpoint looks.

mod accumulator;
mod aggregate;
mod assign;
mod before;
pub(crate) mod calc;
mod case;
mod deduplication;
mod fingerprint;
mod groups;
pub(crate) mod json;
pub(crate) mod outbox;
mod ranking;
mod row_bytes;
pub(crate) mod rows;
mod run;
mod session;
mod sink;
mod slices;
mod snapshot;
mod source;
mod stage;
mod status;
mod top_n;
mod top_n_updating;
mod unknown;
mod unnest;
mod watermark;
mod window;
mod window_aggregate;

pub use fingerprint::sink_topic_meanings;
pub use sink::{SinkRuntime, SinkTarget};
pub use source::{PartitionStatus, SourceRuntime, SourceStatus};
pub use stage::Usage;
pub use status::NodeStatus;
pub use unknown::NewFields;

pub(crate) use snapshot::Snapshot;

use crate::bars::{BarNodes, BarWatch};
use crate::checkpoint::{Checkpoint, Offsets};
use crate::error::EngineError;
use crate::graph::{
    AggregateCall, AggregateFunction, Changes, Graph, Node, NodeId, NodeKind, Sink, WindowShape, WindowSource,
};
use crate::stats::NodeStats;
use aggregate::AggregateStage;
use arrow::datatypes::SchemaRef;
use deduplication::DeduplicationStage;
use hoga_lake::LiveTable;
use hoga_log::Log;
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::Clock;
use outbox::Outbox;
use session::SessionStage;
use stage::Stage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use top_n::TopNStage;
use top_n_updating::UpdatingTopNStage;
use watermark::Combined;
use window_aggregate::{Partial, WindowLayout, WindowStage};

#[derive(Debug, Clone)]
pub struct FlowOptions {
    /// Threads that read a source, at most. It has a few workers more, one a partition at most.
    pub parallelism: usize,
    /// What a worker reads of a partition at once.
    pub fetch_bytes: usize,
    /// What all nodes together may keep; a source whose rows would need more stands still.
    pub state_bytes_max: usize,
    /// Where topics end that are not complete yet, for bounded sources; others end where they do at the start.
    pub input_ends: BTreeMap<String, Offsets>,
    /// Fields of topics that are no news though the pipeline does not declare them, by their paths: the exchange has always sent
    /// them. None: nobody wants to know what is new.
    pub known_fields: Option<BTreeMap<String, BTreeSet<String>>>,
    /// By topic: partitions that somebody knows to stay empty. They are idle from the start, where others are after their time-out.
    pub silent: BTreeMap<String, BTreeSet<u32>>,
    /// True if somebody computes bars again that were touched after they had closed: then the flow keeps which those are.
    pub corrects_bars: bool,
    /// False: a write that fails breaks the flow at once instead of waiting for a better time. For tests.
    pub waits_for_log: bool,
}

impl Default for FlowOptions {
    fn default() -> FlowOptions {
        FlowOptions {
            parallelism: 2,
            fetch_bytes: 1 << 20,
            state_bytes_max: 256 << 20,
            input_ends: BTreeMap::new(),
            known_fields: None,
            silent: BTreeMap::new(),
            corrects_bars: false,
            waits_for_log: true,
        }
    }
}

pub struct Flow {
    nodes: Vec<FlowNode>,
    pub sources: Vec<SourceRuntime>,
    pub sinks: Vec<SinkRuntime>,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    letters: Mutex<Outbox>,
    /// Why nothing goes on: a step failed half-way, so what the nodes keep is not that of any offset.
    broken: OnceLock<String>,
    /// Set when the flow stops: who waits gives up.
    stopping: std::sync::atomic::AtomicBool,
    usage: Mutex<status::UsageMeter>,
    /// Of a pipeline that makes bars.
    bars: Option<BarWatch>,
    options: FlowOptions,
}

struct FlowNode {
    node: Node,
    /// What it is saved under, and then what else it can be restored from.
    fingerprints: Vec<String>,
    /// Who reads it, and as which of their inputs.
    consumers: Vec<(NodeId, usize)>,
    progress: Mutex<Combined>,
    stage: Option<Mutex<Box<dyn Stage>>>,
    /// By worker; None for those whose rows reach the node through another stage, or not at all.
    partials: Vec<Option<Mutex<Partial>>>,
    /// True if the machine's time closes its windows.
    is_processing_time: bool,
    /// Indices of the sources whose rows reach it.
    fed_by: Vec<usize>,
    /// Index in [`Flow::sinks`].
    sink: Option<usize>,
    stats: NodeStats,
}

impl FlowNode {
    fn progress(&self) -> MutexGuard<'_, Combined> {
        // a watermark is one number: nothing can be half done
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock that only a panic inside a step can poison; the step has broken the flow then, and nobody looks any more.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flow {
    /// Makes a flow of a graph and puts it where the checkpoint left it. Topics and tables exist; `tables` are those of the
    /// lake sinks, by the sink's node.
    pub(crate) fn open(
        mut graph: Graph,
        mut tables: BTreeMap<NodeId, Arc<LiveTable>>,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        saved: Option<&Checkpoint>,
        options: FlowOptions,
    ) -> Result<Flow, EngineError> {
        let fingerprints = fingerprint::fingerprints(&graph);
        case::prepare(&mut graph)?;
        let bars = BarNodes::of(&graph).filter(|_| options.corrects_bars).map(BarWatch::new);
        let letters = Outbox::open(Arc::clone(&log), DEAD_LETTER_TOPIC, saved.map(|saved| &saved.dead_letters))?;
        let mut sources: Vec<SourceRuntime> = Vec::new();
        let mut workers = 0;
        for (id, node) in graph.nodes.iter().enumerate() {
            if let NodeKind::Source(source) = &node.kind {
                let saved = saved.and_then(|saved| saved.sources.get(&node.name));
                // who reads a topic a second time would count again what is new in it
                let is_first = sources.iter().all(|one| one.topic != source.topic);
                let known = if is_first { unknown::known_fields(&graph, &source.topic, &options) } else { None };
                let source = SourceRuntime::open(id, node, source, &*log, &*clock, saved, &options, workers, known)?;
                workers += source.workers();
                sources.push(source);
            }
        }
        let reach = Reach::of(&graph, &sources);
        let mut sinks = Vec::new();
        let mut nodes: Vec<FlowNode> = Vec::new();
        let schemas: Vec<SchemaRef> = graph.nodes.iter().map(|node| Arc::clone(&node.schema)).collect();
        let updates: Vec<bool> = graph.nodes.iter().map(|node| node.changes != Changes::Append).collect();
        let mut consumers = consumers_of(&graph);
        let order_counts = order_counts(&graph, &consumers);
        let tells_before = before::rows_before_count(&graph, &consumers, |sink| {
            tables.get(&sink).is_none_or(|table| table.keeps_every_change())
        });
        for (id, (node, fingerprint)) in graph.nodes.into_iter().zip(fingerprints).enumerate() {
            let input = node.inputs.first().map(|input| (&schemas[*input], updates[*input]));
            let fingerprints = match is_deduplication(&node, input, tells_before[id]) {
                true => vec![DeduplicationStage::fingerprint(&fingerprint), fingerprint],
                false => vec![fingerprint],
            };
            let (stage, window, is_processing_time) = stage_of(&node, input, order_counts[id], tells_before[id])?;
            let partial = |worker: usize| {
                let layout = window.as_ref().filter(|_| reach.workers[id].contains(&worker))?;
                Some(Mutex::new(Partial::new(Arc::clone(layout), watermark::WATERMARK_MIN)))
            };
            let sink = match &node.kind {
                NodeKind::Sink(sink) => {
                    let saved = saved.and_then(|saved| saved.sinks.get(&node.name));
                    let table = tables.remove(&id);
                    sinks.push(SinkRuntime::open(id, &node, sink, table, Arc::clone(&log), saved)?);
                    Some(sinks.len() - 1)
                }
                _ => None,
            };
            nodes.push(FlowNode {
                fingerprints,
                consumers: std::mem::take(&mut consumers[id]),
                progress: Mutex::new(Combined::new(node.inputs.len().max(1))),
                partials: (0..workers).map(partial).collect(),
                stage: stage.map(Mutex::new),
                is_processing_time,
                fed_by: reach.sources[id].clone(),
                sink,
                stats: NodeStats::default(),
                node,
            });
        }
        let flow = Flow {
            nodes,
            sources,
            sinks,
            log,
            clock,
            letters: Mutex::new(letters),
            broken: OnceLock::new(),
            stopping: std::sync::atomic::AtomicBool::new(false),
            usage: Mutex::default(),
            bars,
            options,
        };
        Ok(flow)
    }

    /// Why nothing goes on, if so.
    pub fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Which bars were touched after they had closed; None if the pipeline makes none, or nobody corrects them.
    pub fn bars(&self) -> Option<&BarWatch> {
        self.bars.as_ref()
    }

    /// How far the windows of these nodes are closed: their rows are in the sinks.
    pub(crate) fn closed_ms<const N: usize>(&self, windows: &[NodeId; N]) -> [i64; N] {
        windows
            .map(|id| self.nodes[id].stage.as_ref().map_or(watermark::WATERMARK_MIN, |stage| lock(stage).watermark()))
    }

    /// Returns when every step that has begun is over: what it did to one node it has done to all.
    pub(crate) fn wait_for_steps(&self) {
        for worker in self.sources.iter().flat_map(|source| &source.workers) {
            drop(lock(&worker.own));
        }
    }

    /// Whether a source has read all that its topic has.
    pub(crate) fn has_read(&self, source: NodeId) -> Result<bool, EngineError> {
        let Some(index) = self.sources.iter().position(|one| one.node == source) else { return Ok(true) };
        Ok(self.source_status(index)?.lag_records == 0)
    }

    /// Where a source's topic ends now, by partition.
    pub(crate) fn ends_of(&self, source: NodeId) -> Result<Offsets, EngineError> {
        let Some(index) = self.sources.iter().position(|one| one.node == source) else { return Ok(Offsets::new()) };
        let partitions = self.source_status(index)?.partitions;
        Ok(partitions.into_iter().map(|status| (status.partition, status.end)).collect())
    }

    /// Whether a source has read all before these ends.
    pub(crate) fn has_read_to(&self, source: NodeId, ends: &Offsets) -> bool {
        let Some(source) = self.sources.iter().find(|one| one.node == source) else { return true };
        let offsets = source.offsets();
        ends.iter().all(|(partition, end)| offsets.get(partition).is_none_or(|offset| offset >= end))
    }

    /// Who waits for a better time gives up: the process stops.
    pub fn stop(&self) {
        self.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A node's stage, what its partial windows share, and whether the machine's time closes its windows.
type Built = (Option<Box<dyn Stage>>, Option<Arc<WindowLayout>>, bool);

/// `input`: its schema, and whether it takes rows back. `order_counts`: of the node's changes. `tells_before`: whether rows before
/// updates are among them.
fn stage_of(
    node: &Node,
    input: Option<(&SchemaRef, bool)>,
    order_counts: bool,
    tells_before: bool,
) -> Result<Built, EngineError> {
    let Some((input, retracts)) = input else { return Ok((None, None, false)) };
    Ok(match &node.kind {
        // rows that a window took in cannot be taken back: the planner refuses it
        NodeKind::WindowAggregate(_) if retracts => return Err(EngineError::Graph(node.name.clone())),
        NodeKind::WindowAggregate(aggregate) => {
            let is_session = matches!(&aggregate.windows, WindowSource::Assigned(windows) if matches!(windows.shape, WindowShape::Session { .. }));
            match (SessionStage::new(aggregate, input, &node.schema)?, is_session) {
                (Some(stage), true) => {
                    let is_processing_time = stage.is_processing_time();
                    (Some(Box::new(stage)), None, is_processing_time)
                }
                _ => {
                    let layout = WindowLayout::new(aggregate, input, &node.schema)?;
                    let layout = Arc::new(layout.ok_or_else(|| EngineError::Graph(node.name.clone()))?);
                    let is_processing_time = layout.is_processing_time();
                    let stage: Box<dyn Stage> = Box::new(WindowStage::new(Arc::clone(&layout)));
                    (Some(stage), Some(layout), is_processing_time)
                }
            }
        }
        NodeKind::Aggregate(aggregate) => {
            let stage = AggregateStage::new(aggregate, input, &node.schema, retracts, order_counts, tells_before)?;
            (Some(Box::new(stage)), None, false)
        }
        NodeKind::TopN(top) if retracts => {
            let stage = UpdatingTopNStage::new(top, input, &node.schema, tells_before)?;
            (Some(Box::new(stage)), None, false)
        }
        NodeKind::TopN(top) if is_deduplication(node, Some((input, retracts)), tells_before) => {
            (Some(Box::new(DeduplicationStage::new(top, input, &node.schema)?)), None, false)
        }
        NodeKind::TopN(top) => {
            let stage = TopNStage::new(top, input, &node.schema, tells_before)?;
            let is_processing_time = stage.is_processing_time();
            (Some(Box::new(stage)), None, is_processing_time)
        }
        NodeKind::Source(_)
        | NodeKind::Calc(_)
        | NodeKind::Unnest { .. }
        | NodeKind::AssignWindows(_)
        | NodeKind::Union
        | NodeKind::Sink(_) => (None, None, false),
    })
}

/// Whether a node keeps of its rows the places alone.
fn is_deduplication(node: &Node, input: Option<(&SchemaRef, bool)>, tells_before: bool) -> bool {
    let retracts = input.is_some_and(|(_, retracts)| retracts);
    matches!(&node.kind, NodeKind::TopN(top) if !retracts && DeduplicationStage::does(top, tells_before))
}

fn consumers_of(graph: &Graph) -> Vec<Vec<(NodeId, usize)>> {
    let mut consumers = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        for (index, input) in node.inputs.iter().enumerate() {
            consumers[*input].push((id, index));
        }
    }
    consumers
}

/// By node: whether its changes go to an aggregate whose result depends on their order.
fn order_counts(graph: &Graph, consumers: &[Vec<(NodeId, usize)>]) -> Vec<bool> {
    let is_arrival = |call: &AggregateCall| {
        use AggregateFunction::{FirstValue, LastValue, ListAgg};
        matches!(call.function, FirstValue | LastValue | ListAgg { .. })
    };
    let mut counts = vec![false; graph.nodes.len()];
    for id in (0..graph.nodes.len()).rev() {
        counts[id] = consumers[id].iter().any(|(consumer, _)| match &graph.nodes[*consumer].kind {
            NodeKind::Aggregate(aggregate) => aggregate.calls.iter().any(is_arrival),
            kind => !keeps_state(kind) && counts[*consumer],
        });
    }
    counts
}

/// Which sources and workers reach a node.
struct Reach {
    /// Through whatever lies between.
    sources: Vec<Vec<usize>>,
    /// Workers whose rows come through no stage.
    workers: Vec<Vec<usize>>,
}

impl Reach {
    fn of(graph: &Graph, sources: &[SourceRuntime]) -> Reach {
        let mut reach = Reach { sources: Vec::new(), workers: Vec::new() };
        let mut next = 0;
        for node in &graph.nodes {
            let (mut from, mut workers) = (Vec::new(), Vec::new());
            if matches!(node.kind, NodeKind::Source(_)) {
                from.push(next);
                workers.extend(sources[next].worker_ids());
                next += 1;
            }
            for input in &node.inputs {
                from.extend(&reach.sources[*input]);
                if !keeps_state(&graph.nodes[*input].kind) {
                    workers.extend(&reach.workers[*input]);
                }
            }
            from.sort_unstable();
            from.dedup();
            workers.sort_unstable();
            workers.dedup();
            reach.sources.push(from);
            reach.workers.push(workers);
        }
        reach
    }
}

fn keeps_state(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::WindowAggregate(_) | NodeKind::Aggregate(_) | NodeKind::TopN(_))
}

/// True if a sink takes changes.
fn takes_changes(sink: &Sink, changes: &Changes) -> bool {
    match (sink, changes) {
        (_, Changes::Append) => true,
        (Sink::Lake { spec, .. }, Changes::Updating { .. }) => !spec.primary_keys.is_empty(),
        (Sink::Topic { .. }, Changes::Updating { .. }) => false,
    }
}

#[cfg(test)]
pub(crate) mod by_hand;
#[cfg(test)]
mod tests;
