//! What a checkpoint takes out of a flow at rest, and how a flow gets it back.

use super::sink::SinkTarget;
use super::watermark::WATERMARK_MIN;
use super::{Flow, lock};
use crate::checkpoint::recover::{RecoverError, StateDecision, decide_state};
use crate::checkpoint::state::{self, Kept, Section, StateFile};
use crate::checkpoint::{Checkpoint, CheckpointId, NodeState, Offsets, SourceState};
use crate::error::EngineError;
use crate::flow::outbox::OutboxState;
use hoga_lake::Sealed;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Under this name the register of touched bars is among the nodes' states.
const TOUCHED_BARS: &str = "bars that were touched";
/// Of its layout.
const TOUCHED_BARS_VERSION: &str = "bars-1";

/// A consistent point: all that the rows before the offsets have done, and nothing else.
pub(crate) struct Snapshot {
    pub(crate) sources: BTreeMap<String, SourceState>,
    /// Nodes that keep state; their sections are not known yet.
    pub(crate) nodes: Vec<(String, NodeState)>,
    /// By node, as above.
    pub(crate) state: Vec<Arc<dyn Kept>>,
    /// By sink: the rows that wait to be committed, of tables; the topic's ends, of topics.
    pub(crate) sinks: Vec<(Option<Sealed>, Option<OutboxState>)>,
    /// By sink: the event time of its rows, which an idle source does not hold back. None before the first.
    pub(crate) sink_watermarks: Vec<Option<i64>>,
    pub(crate) dead_letters: OutboxState,
}

impl Snapshot {
    /// As a checkpoint file says it; `sections` are where the nodes' state is in the state file.
    pub(crate) fn checkpoint(
        &self,
        id: CheckpointId,
        time_ms: i64,
        file: Option<StateFile>,
        sections: Vec<Option<Section>>,
    ) -> Checkpoint {
        let nodes = self.nodes.iter().zip(sections);
        let nodes = nodes.map(|((name, node), section)| (name.clone(), NodeState { section, ..node.clone() }));
        Checkpoint {
            id,
            time_ms,
            sources: self.sources.clone(),
            nodes: nodes.collect(),
            dead_letters: self.dead_letters.clone(),
            state: file,
            ..Checkpoint::default()
        }
    }
}

impl Flow {
    /// Stops all workers for a moment and takes everything. Fails if the flow is broken: what it keeps is of no offset.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, EngineError> {
        let workers: Vec<_> =
            self.sources.iter().map(|source| source.workers.iter().map(|worker| lock(&worker.own)).collect()).collect();
        if let Some(reason) = self.broken() {
            return Err(EngineError::Broken(reason.to_owned()));
        }
        let mut sources = BTreeMap::new();
        for (source, workers) in self.sources.iter().zip(&workers) {
            let workers: &Vec<std::sync::MutexGuard<'_, super::source::Reading>> = workers;
            let own = workers.iter().flat_map(|reading| &reading.partitions);
            let offsets: Offsets = own.map(|own| (own.partition, own.offset)).collect();
            let progress = lock(&source.progress);
            let known = |watermark: i64| (watermark > WATERMARK_MIN).then_some(watermark);
            let watermarks = source.partitions.iter().enumerate();
            let watermarks =
                watermarks.filter_map(|(index, partition)| Some((*partition, known(progress.watermark(index))?)));
            let state = SourceState {
                topic: source.topic.clone(),
                offsets,
                watermarks: watermarks.collect(),
                watermark: known(progress.current()),
                bounds: source.bounds.clone(),
            };
            sources.insert(source.name.clone(), state);
        }
        let (mut nodes, mut state) = (Vec::new(), Vec::<Arc<dyn Kept>>::new());
        for node in &self.nodes {
            let Some(stage) = &node.stage else { continue };
            let stage = lock(stage);
            let kept: Arc<dyn Kept> = match stage.kept() {
                Some(kept) => kept,
                None => {
                    let mut batches = stage.snapshot()?;
                    for partial in node.partials.iter().flatten() {
                        batches.extend(lock(partial).snapshot()?);
                    }
                    Arc::new(batches)
                }
            };
            let watermark = Some(stage.watermark()).filter(|watermark| *watermark > WATERMARK_MIN);
            let fingerprint = node.fingerprints[0].clone();
            let saved = NodeState { fingerprint, watermark, section: None };
            nodes.push((node.node.name.clone(), saved));
            state.push(kept);
        }
        if let Some(bars) = &self.bars {
            let saved = NodeState { fingerprint: TOUCHED_BARS_VERSION.into(), watermark: None, section: None };
            nodes.push((TOUCHED_BARS.into(), saved));
            state.push(Arc::new(bars.touched.snapshot()?.into_iter().collect::<Vec<_>>()));
        }
        let mut sinks = Vec::new();
        for sink in &self.sinks {
            sinks.push(match &sink.target {
                SinkTarget::Lake(table) => (Some(table.seal()).filter(|sealed| sealed.rows() > 0), None),
                SinkTarget::Topic(topic) => (None, Some(lock(&topic.outbox).state()?)),
            });
        }
        let event_time = |sink: &super::SinkRuntime| {
            Some(self.nodes[sink.node].progress().current()).filter(|watermark| *watermark > WATERMARK_MIN)
        };
        let sink_watermarks = self.sinks.iter().map(event_time).collect();
        Ok(Snapshot { sources, nodes, state, sinks, sink_watermarks, dead_letters: lock(&self.letters).state()? })
    }

    /// Gives the nodes what they kept, and tells them the time that their inputs had. Before the first step.
    pub(crate) fn restore(
        &self,
        checkpoint: &Checkpoint,
        state: &[u8],
        resets_changed: bool,
        damaged: impl Fn(String) -> EngineError,
    ) -> Result<(), EngineError> {
        self.restore_watermarks();
        for node in &self.nodes {
            let Some(stage) = &node.stage else { continue };
            let saved = checkpoint.nodes.get(&node.node.name);
            let (watermark, batches) = match (decide_state(saved, &node.fingerprints, resets_changed), saved) {
                (StateDecision::Refuse, _) => {
                    let (node, checkpoint) = (node.node.name.clone(), checkpoint.id);
                    return Err(RecoverError::Changed { node, checkpoint }.into());
                }
                (StateDecision::Restore, Some(saved)) => {
                    let read = |section: Section| state::section(state, section);
                    let batches = saved.section.map_or_else(|| Ok(Vec::new()), read);
                    (saved.watermark, batches.map_err(|reason| damaged(format!("{}: {reason}", node.node.name)))?)
                }
                _ => {
                    if saved.is_some() {
                        tracing::warn!(node = node.node.name, "its query has changed; what it kept is dropped");
                    }
                    (None, Vec::new())
                }
            };
            let watermark = watermark.unwrap_or(WATERMARK_MIN).max(self.event_time_of(node));
            lock(stage).restore(watermark, &batches)?;
            for partial in node.partials.iter().flatten() {
                lock(partial).close(watermark);
            }
        }
        if let (Some(bars), Some(saved)) = (&self.bars, checkpoint.nodes.get(TOUCHED_BARS)) {
            let batches = saved.section.map_or_else(|| Ok(Vec::new()), |section| state::section(state, section));
            let batches = batches.map_err(|reason| damaged(format!("{TOUCHED_BARS}: {reason}")))?;
            if !batches.iter().all(|batch| bars.touched.restore(batch)) {
                return Err(damaged(format!("{TOUCHED_BARS}: other columns than this program writes")));
            }
        }
        let is_known = |name: &String| {
            self.nodes.iter().any(|node| node.node.name == *name) || (self.bars.is_some() && name == TOUCHED_BARS)
        };
        for name in checkpoint.nodes.keys().filter(|name| !is_known(name)) {
            tracing::warn!(node = name, "no query keeps this any more; it is dropped");
        }
        Ok(())
    }

    fn event_time_of(&self, node: &super::FlowNode) -> i64 {
        if node.is_processing_time { WATERMARK_MIN } else { node.progress().current() }
    }

    /// Each node's watermark follows from the sources'.
    fn restore_watermarks(&self) {
        for source in &self.sources {
            let watermark = lock(&source.progress).current();
            self.nodes[source.node].progress().restore(watermark);
        }
        for node in &self.nodes {
            // the machine's time is not in the checkpoint
            if node.node.inputs.is_empty() || node.is_processing_time {
                continue;
            }
            let mut progress = node.progress();
            for (index, input) in node.node.inputs.iter().enumerate() {
                let watermark = self.nodes[*input].progress().current();
                progress.raise(index, watermark);
            }
            progress.advance();
        }
    }
}
