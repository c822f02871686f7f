//! Rows and watermarks on their way through the graph.

use super::rows::Rows;
use super::stage::{Late, Stage};
use super::watermark::{Progress, WATERMARK_MAX};
use super::{Flow, assign, calc, json, lock, unnest};
use crate::dead_letter::{DeadLetter, Place};
use crate::error::EngineError;
use crate::graph::{NodeId, NodeKind};
use arrow::array::{Array, BooleanArray};
use hoga_log::{Record, StoredRecord};
use std::sync::MutexGuard;
use std::time::Duration;

/// Between tries to write a log that cannot be written.
const LOG_WAIT: Duration = Duration::from_millis(200);

/// Where rows come from while they are on their way.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    /// The worker whose partial windows take the rows; none behind a stage.
    pub(super) worker: Option<usize>,
    /// What the worker read: the records that rows came from.
    pub(super) records: Option<Records<'a>>,
    pub(super) now_ms: i64,
}

#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: u32,
    pub(super) stored: &'a [StoredRecord],
}

impl Step<'_> {
    /// For rows that a stage gives: they are of no record and of no worker.
    fn behind_a_stage(self) -> Step<'static> {
        Step { worker: None, records: None, now_ms: self.now_ms }
    }
}

/// Breaks the flow unless the step came to its end.
pub(super) struct Unfinished<'a> {
    flow: &'a Flow,
    is_done: bool,
    reason: String,
}

impl<'a> Unfinished<'a> {
    pub(super) fn begin(flow: &'a Flow) -> Unfinished<'a> {
        Unfinished { flow, is_done: false, reason: "a thread ended inside a step".into() }
    }

    pub(super) fn end<T>(mut self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        match &result {
            Ok(_) => self.is_done = true,
            Err(error) => self.reason = error.to_string(),
        }
        result
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            tracing::error!(
                reason = self.reason,
                "the pipeline stands still until hoga is started again; nothing is lost: the log goes on"
            );
            // the first reason is the one to mend
            let _ = self.flow.broken.set(std::mem::take(&mut self.reason));
        }
    }
}

impl Flow {
    /// Gives a node's rows to all who read it.
    pub(super) fn forward(&self, step: Step<'_>, from: NodeId, rows: Rows) -> Result<(), EngineError> {
        if rows.len() == 0 {
            return Ok(());
        }
        let node = &self.nodes[from];
        node.stats.rows_out.add(rows.len() as u64);
        if let Some(bars) = &self.bars {
            bars.passed(from, &rows.batch);
        }
        let Some((last, others)) = node.consumers.split_last() else { return Ok(()) };
        for (consumer, _) in others {
            self.take_in(step, *consumer, rows.clone())?;
        }
        self.take_in(step, last.0, rows)
    }

    fn take_in(&self, step: Step<'_>, id: NodeId, rows: Rows) -> Result<(), EngineError> {
        let node = &self.nodes[id];
        node.stats.rows_in.add(rows.len() as u64);
        let schema = &node.node.schema;
        match &node.node.kind {
            NodeKind::Calc(operators) => {
                let input = rows.clone();
                let applied = calc::apply(operators, schema, rows)?;
                if !applied.failed.is_empty() {
                    let letters = applied.failed.into_iter().map(|(row, why)| self.letter(step, id, &input, row, why));
                    self.write_letters(id, letters.collect::<Result<_, _>>()?)?;
                }
                self.forward(step, id, applied.rows)
            }
            NodeKind::Unnest { array, with_ordinality, keeps_empty } => {
                let rows = unnest::unnest(&rows, *array, *with_ordinality, *keeps_empty, schema)?;
                self.forward(step, id, rows)
            }
            NodeKind::AssignWindows(windows) => {
                self.forward(step, id, assign::assign(&rows, windows, step.now_ms, schema)?)
            }
            NodeKind::Union => {
                let batch = calc::with_schema(&rows.batch, schema)?;
                self.forward(step, id, Rows { batch, ..rows })
            }
            NodeKind::WindowAggregate(_) | NodeKind::Aggregate(_) | NodeKind::TopN(_) => {
                self.aggregate(step, id, &rows)
            }
            NodeKind::Sink(_) => {
                let Some(sink) = node.sink.map(|sink| &self.sinks[sink]) else { return Ok(()) };
                let rows = self.without_forbidden_nulls(step, id, rows)?;
                let batch = calc::with_schema(&rows.batch, schema)?;
                if let Some(bars) = &self.bars {
                    bars.passed(id, &batch);
                }
                sink.write(self, Rows { batch, ..rows }, step.now_ms)
            }
            NodeKind::Source(_) => Ok(()),
        }
    }

    /// A NULL for a NOT NULL column of a sink is a dead letter.
    fn without_forbidden_nulls(&self, step: Step<'_>, id: NodeId, rows: Rows) -> Result<Rows, EngineError> {
        let schema = &self.nodes[id].node.schema;
        let strict = schema.fields().iter().zip(rows.batch.columns()).filter(|(field, _)| !field.is_nullable());
        let strict: Vec<_> = strict.filter(|(_, column)| column.null_count() > 0).collect();
        if strict.is_empty() {
            return Ok(rows);
        }
        let forbidden =
            |row: usize| strict.iter().find(|(_, column)| column.is_null(row)).map(|(field, _)| field.name());
        let mut letters = Vec::new();
        for row in 0..rows.len() {
            if let Some(name) = forbidden(row) {
                letters.push(self.letter(step, id, &rows, row, format!("column \"{name}\" is NOT NULL"))?);
            }
        }
        self.write_letters(id, letters)?;
        let keep: BooleanArray = (0..rows.len()).map(|row| Some(forbidden(row).is_none())).collect();
        Ok(rows.filter(&keep)?)
    }

    fn aggregate(&self, step: Step<'_>, id: NodeId, rows: &Rows) -> Result<(), EngineError> {
        let node = &self.nodes[id];
        let mut late = Late::default();
        let partial = step.worker.and_then(|worker| node.partials[worker].as_ref());
        if let Some(partial) = partial {
            late = lock(partial).update(rows, step.now_ms)?;
        } else if let Some(stage) = &node.stage {
            let mut stage = lock(stage);
            let changes = stage.rows(rows, step.now_ms, &mut late)?;
            if let Some(changes) = changes {
                // under the lock: who reads must see changes in their order
                self.forward(step.behind_a_stage(), id, changes)?;
            }
        }
        if late.rows > 0 {
            node.stats.add_late(late.rows, late.to_string());
            if let Some(bars) = self.bars.as_ref().filter(|bars| bars.minute_node() == id) {
                bars.late(&rows.batch, &late.which);
            }
        }
        Ok(())
    }

    /// Tells all who read a node how far event time is.
    pub(super) fn forward_progress(&self, step: Step<'_>, from: NodeId, progress: Progress) -> Result<(), EngineError> {
        self.nodes[from].consumers.iter().try_for_each(|(id, input)| self.advance(step, *id, *input, progress))
    }

    fn advance(&self, step: Step<'_>, id: NodeId, input: usize, progress: Progress) -> Result<(), EngineError> {
        let node = &self.nodes[id];
        // the end of a bounded input closes what the machine's time has not
        let is_end = progress == Progress::Watermark(WATERMARK_MAX);
        if node.is_processing_time && !is_end && self.follows_the_machine(id) {
            return Ok(());
        }
        let mut combined = node.progress();
        match progress {
            Progress::Watermark(watermark) => combined.raise(input, watermark),
            Progress::Idle => combined.set_idle(input, true),
        }
        let told = match combined.advance() {
            Some(watermark) => Some(Progress::Watermark(watermark)),
            None if combined.is_all_idle() => Some(Progress::Idle),
            // it may have been idle until now
            None => (progress != Progress::Idle).then(|| Progress::Watermark(combined.current())),
        };
        drop(combined);
        match told {
            Some(Progress::Watermark(watermark)) => self.close(step, id, watermark),
            Some(Progress::Idle) => self.forward_progress(step, id, Progress::Idle),
            None => Ok(()),
        }
    }

    /// True for a node that cuts windows by the machine's time itself: it begins a time of its own.
    fn follows_the_machine(&self, id: NodeId) -> bool {
        use crate::graph::{WindowSource, WindowTime};
        matches!(
            &self.nodes[id].node.kind,
            NodeKind::WindowAggregate(aggregate)
                if matches!(&aggregate.windows, WindowSource::Assigned(windows) if windows.time == WindowTime::ProcessingTime)
        )
    }

    /// The machine's time as a watermark, for the windows that follow it.
    pub(super) fn tick(&self, source: usize, now_ms: i64) -> Result<(), EngineError> {
        for (id, node) in self.nodes.iter().enumerate() {
            if node.is_processing_time && node.fed_by.contains(&source) && self.follows_the_machine(id) {
                let step = Step { worker: None, records: None, now_ms };
                self.close(step, id, now_ms - 1)?;
            }
        }
        Ok(())
    }

    /// A node's watermark has risen: gives the windows that are over, then tells the others.
    fn close(&self, step: Step<'_>, id: NodeId, watermark: i64) -> Result<(), EngineError> {
        let node = &self.nodes[id];
        let Some(stage) = &node.stage else { return self.forward_progress(step, id, Progress::Watermark(watermark)) };
        let mut stage: MutexGuard<'_, Box<dyn Stage>> = lock(stage);
        if watermark > stage.watermark() || matches!(&node.node.kind, NodeKind::Aggregate(_)) {
            for partial in node.partials.iter().flatten() {
                let closed = lock(partial).close(watermark);
                stage.absorb(closed)?;
            }
            for rows in stage.advance(watermark)? {
                self.forward(step.behind_a_stage(), id, rows)?;
            }
        }
        // under the lock too: rows of this watermark are told before it, those of the next after it
        self.forward_progress(step.behind_a_stage(), id, Progress::Watermark(watermark))
    }

    /// The letter of a row that a node could not compute: the record, if it is known, else the row itself.
    fn letter(
        &self,
        step: Step<'_>,
        id: NodeId,
        rows: &Rows,
        row: usize,
        reason: String,
    ) -> Result<DeadLetter, EngineError> {
        let stage = stage_name(&self.nodes[id].node.name);
        let record = rows.origins.as_ref().zip(step.records).and_then(|(origins, records)| {
            let stored = records.stored.get(*origins.get(row)? as usize)?;
            Some((records, stored))
        });
        if let Some((records, stored)) = record {
            return Ok(record_letter(records, stored, stage, reason));
        }
        let mut value = Vec::new();
        json::push_row(&mut value, &rows.batch, row, &hoga_sql::JsonFormat::default())?;
        Ok(DeadLetter { key: None, value: value.into(), timestamp_ms: step.now_ms, reason, stage, source: None })
    }

    pub(super) fn write_letters(&self, id: NodeId, letters: Vec<DeadLetter>) -> Result<(), EngineError> {
        let Some(first) = letters.first() else { return Ok(()) };
        let node = &self.nodes[id];
        tracing::warn!(
            node = node.node.name,
            letters = letters.len(),
            reason = first.reason,
            "records became dead letters"
        );
        let records: Vec<Record> = letters.into_iter().map(DeadLetter::into_record).collect();
        let mut outbox = lock(&self.letters);
        outbox.push(records);
        let written = self.until_written(&node.stats, || outbox.flush())?;
        node.stats.dead_letters.add(written as u64);
        Ok(())
    }

    /// Tries again until the log takes it: what was computed before is not computed again, so it cannot be left.
    pub(super) fn until_written(
        &self,
        stats: &crate::stats::NodeStats,
        mut write: impl FnMut() -> Result<usize, hoga_log::LogError>,
    ) -> Result<usize, EngineError> {
        use hoga_model::Faulty;
        loop {
            match write() {
                Ok(written) => {
                    stats.set_error(None);
                    return Ok(written);
                }
                Err(error) if self.options.waits_for_log && error.retry() && !self.is_stopping() => {
                    stats.set_error(Some(error.to_string()));
                    std::thread::sleep(LOG_WAIT);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What a node calls itself in its letters.
pub(super) fn stage_name(node: &str) -> String {
    format!("job {node}")
}

pub(super) fn record_letter(records: Records<'_>, stored: &StoredRecord, stage: String, reason: String) -> DeadLetter {
    DeadLetter {
        key: stored.record.key.clone(),
        value: stored.record.value.clone(),
        timestamp_ms: stored.record.timestamp_ms,
        reason,
        stage,
        source: Some(Place { topic: records.topic.to_owned(), partition: records.partition, offset: stored.offset }),
    }
}
