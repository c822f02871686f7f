//! What a flow says of itself, and the watch over what its nodes keep.

use super::stage::Usage;
use super::{Flow, SourceStatus, lock};
use crate::error::EngineError;
use crate::graph::NodeKind;
use std::time::{Duration, Instant};

/// How often the nodes' state is measured; a worker adds little in between.
const MEASURE_INTERVAL: Duration = Duration::from_millis(50);
/// Some nodes are measured by a walk over all they keep: that may take one part of so many of the time.
const MEASURE_SHARE: u32 = 20;

/// One node, for the page and `hoga status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    pub name: String,
    /// `window`, `group by`, `top n`, …
    pub kind: &'static str,
    pub rows_in: u64,
    pub rows_out: u64,
    /// Rows whose window was over when they came.
    pub late_rows: u64,
    /// The last of them, in words.
    pub last_late: Option<String>,
    pub dead_letters: u64,
    /// What it keeps.
    pub groups: u64,
    pub state_bytes: u64,
    /// Event time here; None before the first watermark and for sources, which say it by partition.
    pub watermark_ms: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct UsageMeter {
    /// When to measure again.
    due: Option<Instant>,
    total: usize,
    /// The node that keeps the most.
    largest: Option<(usize, Usage)>,
}

impl Flow {
    pub fn nodes(&self) -> Vec<NodeStatus> {
        let status = |node: &super::FlowNode| {
            let watermark = node.progress().current();
            NodeStatus {
                name: node.node.name.clone(),
                kind: kind_name(&node.node.kind),
                rows_in: node.stats.rows_in.get(),
                rows_out: node.stats.rows_out.get(),
                late_rows: node.stats.late_rows.get(),
                last_late: node.stats.last_late(),
                dead_letters: node.stats.dead_letters.get(),
                groups: node.stats.groups.get(),
                state_bytes: node.stats.state_bytes.get(),
                watermark_ms: (watermark > super::watermark::WATERMARK_MIN).then_some(watermark),
            }
        };
        self.nodes.iter().map(status).collect()
    }

    /// What the nodes keep together, as last measured.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.nodes.iter().map(|node| node.stats.state_bytes.get()).sum()
    }

    pub fn source_status(&self, source: usize) -> Result<SourceStatus, EngineError> {
        self.sources[source].status(&*self.log)
    }

    /// Indices of the sources whose rows reach a sink.
    pub fn sources_of(&self, sink: usize) -> &[usize] {
        &self.nodes[self.sinks[sink].node].fed_by
    }

    /// Dead letters of a sink's own nodes and of its sources, since the start.
    pub fn dead_letters_of(&self, sink: usize) -> u64 {
        self.upstream(sink).map(|node| self.nodes[node].stats.dead_letters.get()).sum()
    }

    /// Why a sink gets nothing, if something in front of it stands still.
    pub fn error_of(&self, sink: usize) -> Option<String> {
        if let Some(reason) = self.broken() {
            return Some(reason.to_owned());
        }
        let of_nodes = self.upstream(sink).find_map(|node| self.nodes[node].stats.error());
        let of_sources = || self.sources_of(sink).iter().find_map(|source| self.sources[*source].stats.error());
        of_nodes.or_else(|| self.sinks[sink].stats.error()).or_else(of_sources)
    }

    /// The sink's node and all in front of it.
    fn upstream(&self, sink: usize) -> impl Iterator<Item = usize> {
        let mut found = vec![self.sinks[sink].node];
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            for input in &self.nodes[node].node.inputs {
                if !found.contains(input) {
                    found.push(*input);
                }
            }
            next += 1;
        }
        found.into_iter()
    }

    /// Refuses the rows of a source that feeds the node with the most state, while all nodes together keep too much.
    pub(super) fn check_state(&self, source: usize) -> Result<(), EngineError> {
        let Ok(mut meter) = self.usage.try_lock() else { return Ok(()) };
        if meter.due.is_none_or(|due| Instant::now() >= due) {
            self.measure(&mut meter);
        }
        let limit = self.options.state_bytes_max;
        let Some((node, usage)) = meter.largest.filter(|_| meter.total > limit) else { return Ok(()) };
        if !self.nodes[node].fed_by.contains(&source) {
            return Ok(());
        }
        Err(EngineError::StateFull {
            node: self.nodes[node].node.name.clone(),
            groups: usage.groups,
            bytes: usage.bytes,
            total: meter.total,
            limit,
        })
    }

    fn measure(&self, meter: &mut UsageMeter) {
        let began = Instant::now();
        let (mut total, mut largest) = (0, None);
        for (id, node) in self.nodes.iter().enumerate() {
            let Some(stage) = &node.stage else { continue };
            // who is at work just now is measured the next time
            let Ok(stage) = stage.try_lock() else {
                total += node.stats.state_bytes.get() as usize;
                continue;
            };
            let mut usage = stage.usage();
            drop(stage);
            for partial in node.partials.iter().flatten() {
                usage += lock(partial).usage();
            }
            // while there are too many touched bars, no more come in
            if let Some(bars) = self.bars.as_ref().filter(|bars| bars.minute_node() == id) {
                let (groups, bytes) = bars.touched.usage();
                usage += Usage { groups, bytes };
            }
            node.stats.groups.set(usage.groups as u64);
            node.stats.state_bytes.set(usage.bytes as u64);
            total += usage.bytes;
            if largest.is_none_or(|(_, most): (usize, Usage)| usage.bytes > most.bytes) {
                largest = Some((id, usage));
            }
        }
        let pause = MEASURE_INTERVAL.max(began.elapsed() * MEASURE_SHARE);
        *meter = UsageMeter { due: Some(Instant::now() + pause), total, largest };
    }
}

fn kind_name(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Source(_) => "source",
        NodeKind::Calc(_) => "calc",
        NodeKind::Unnest { .. } => "unnest",
        NodeKind::AssignWindows(_) => "windows",
        NodeKind::WindowAggregate(_) => "window",
        NodeKind::Aggregate(_) => "group by",
        NodeKind::TopN(_) => "top n",
        NodeKind::Union => "union",
        NodeKind::Sink(_) => "sink",
    }
}
