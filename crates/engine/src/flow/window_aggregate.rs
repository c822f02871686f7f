//! GROUP BY over windows that follow the clock: partial results of each worker, and the windows that are made of them.
//!
//! A worker puts rows into slices of its own ([`Partial`]). When the watermark passes the end of a slice, the slices of all
//! workers go into the node's [`WindowStage`], which gives every window that is over, once.

use super::rows::Rows;
use super::slices::{Columns, Groups, Layout, Slices};
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use super::window::{Slicing, Span, TIME_MAX_MS, WallClock};
use crate::graph::{AttachedWindow, ColumnId, WindowAggregate, WindowSource, WindowTime};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use arrow::error::ArrowError;
use std::collections::HashMap;
use std::sync::Arc;

/// What partials and stage share.
#[derive(Debug)]
pub(crate) struct WindowLayout {
    pub(crate) aggregate: Layout,
    pub(crate) clock: WallClock,
    assigner: Assigner,
    schema: SchemaRef,
}

/// Where a row's slice comes from.
#[derive(Debug, Clone, Copy)]
enum Assigner {
    Rowtime {
        column: ColumnId,
        slicing: Slicing,
    },
    ProcessingTime {
        slicing: Slicing,
    },
    /// The rows say it; the slice is the window.
    Attached {
        start: ColumnId,
        end: ColumnId,
        is_rowtime: bool,
    },
}

/// A slice and the rows of a batch that are in it; None if all of them are.
type SliceRows = (Span, Option<Vec<u32>>);

impl WindowLayout {
    /// None for SESSION windows.
    pub(crate) fn new(
        node: &WindowAggregate,
        input: &Schema,
        schema: &SchemaRef,
    ) -> Result<Option<WindowLayout>, ArrowError> {
        let (assigner, zone) = match &node.windows {
            WindowSource::Assigned(windows) => {
                let Some(slicing) = Slicing::of(windows.shape) else { return Ok(None) };
                let assigner = match windows.time {
                    WindowTime::Rowtime(column) => Assigner::Rowtime { column, slicing },
                    WindowTime::ProcessingTime => Assigner::ProcessingTime { slicing },
                };
                (assigner, windows.zone)
            }
            WindowSource::Attached(AttachedWindow { start, end, zone, is_rowtime }) => {
                (Assigner::Attached { start: *start, end: *end, is_rowtime: *is_rowtime }, *zone)
            }
        };
        Ok(Some(WindowLayout {
            aggregate: Layout::new(input, &node.keys, &node.calls, false)?,
            clock: WallClock(zone),
            assigner,
            schema: Arc::clone(schema),
        }))
    }

    /// True if the machine's time closes the windows.
    pub(crate) fn is_processing_time(&self) -> bool {
        matches!(self.assigner, Assigner::ProcessingTime { .. } | Assigner::Attached { is_rowtime: false, .. })
    }

    /// Whether the watermark has passed the end of a span.
    fn is_over(&self, end: i64, watermark: i64) -> bool {
        watermark > WATERMARK_MIN && self.clock.instant_ms(end - 1) <= watermark
    }

    fn last_end(&self, slice: Span) -> i64 {
        match self.assigner {
            Assigner::Rowtime { slicing, .. } | Assigner::ProcessingTime { slicing } => slicing.last_end(slice),
            Assigner::Attached { .. } => slice.end,
        }
    }

    /// The rows of each slice; None if all rows are in one.
    fn assign(&self, batch: &RecordBatch, now_ms: i64) -> Result<Vec<SliceRows>, ArrowError> {
        match self.assigner {
            Assigner::Rowtime { column, slicing } => {
                let local = self.clock.local_all(milliseconds(batch.column(column))?.values());
                let spans = local.iter().map(|time| slicing.slice_start(*time));
                Ok(group_spans(spans, |start| slicing.slice_at(start)))
            }
            Assigner::ProcessingTime { slicing } => {
                let slice = slicing.slice_at(slicing.slice_start(self.clock.local_ms(now_ms)));
                Ok(vec![(slice, None)])
            }
            Assigner::Attached { start, end, .. } => {
                let (starts, ends) = (milliseconds(batch.column(start))?, milliseconds(batch.column(end))?);
                let spans = starts.values().iter().zip(ends.values());
                Ok(group_spans(spans.map(|(start, end)| Span { start: *start, end: *end }), |span| span))
            }
        }
    }

    /// A closed window's rows.
    fn emit(&self, window: Span, groups: &Groups) -> Result<Rows, ArrowError> {
        window_rows(&self.aggregate, &self.schema, self.clock, groups, &groups.all(), |_| window)
    }
}

/// Rows of groups: the keys, the window's columns, the results.
pub(crate) fn window_rows(
    layout: &Layout,
    schema: &SchemaRef,
    clock: WallClock,
    groups: &Groups,
    wanted: &[u32],
    window: impl Fn(u32) -> Span,
) -> Result<Rows, ArrowError> {
    let mut columns = layout.codec.decode(&groups.table, wanted)?;
    let window_time = schema.field(columns.len() + 2).data_type();
    let is_instant = matches!(window_time, DataType::Timestamp(_, Some(_)));
    let times = |time: &dyn Fn(Span) -> i64| -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from_iter_values(wanted.iter().map(|group| time(window(*group)))))
    };
    let last_ms = |window: Span| if is_instant { clock.instant_ms(window.end - 1) } else { window.end - 1 };
    let time = times(&last_ms);
    columns.extend([times(&|window| window.start), times(&|window| window.end), as_type(&time, window_time)?]);
    columns.extend(groups.evaluate(wanted)?);
    let columns = columns.iter().zip(schema.fields()).map(|(column, field)| as_type(column, field.data_type()));
    Ok(Rows::inserts(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)?))
}

/// Results have the planned types but for their digits or zone.
fn as_type(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    match (column.data_type(), data_type) {
        (found, wanted) if found == wanted => Ok(Arc::clone(column)),
        // a zone says how an instant is printed, and not which it is
        (DataType::Timestamp(TimeUnit::Millisecond, _), DataType::Timestamp(TimeUnit::Millisecond, zone)) => {
            let times = column.as_primitive::<TimestampMillisecondType>().clone();
            Ok(Arc::new(times.with_timezone_opt(zone.clone())))
        }
        _ => cast(column, data_type),
    }
}

/// A column of times; planned to be of milliseconds.
pub(crate) fn milliseconds(column: &ArrayRef) -> Result<&TimestampMillisecondArray, ArrowError> {
    column.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(|| {
        ArrowError::InvalidArgumentError(format!("a time of type {} where milliseconds belong", column.data_type()))
    })
}

/// Rows by their span, in the order in which the spans come up.
fn group_spans<T: Copy + Eq + std::hash::Hash>(
    spans: impl Iterator<Item = T>,
    span: impl Fn(T) -> Span,
) -> Vec<SliceRows> {
    let mut index_of: HashMap<T, usize> = HashMap::new();
    let mut found: Vec<(T, Vec<u32>)> = Vec::new();
    let mut last: Option<(T, usize)> = None;
    for (row, value) in spans.enumerate() {
        let index = match last {
            Some((known, index)) if known == value => index,
            _ => *index_of.entry(value).or_insert_with(|| {
                found.push((value, Vec::new()));
                found.len() - 1
            }),
        };
        last = Some((value, index));
        found[index].1.push(row as u32);
    }
    match found.as_slice() {
        [(only, _)] => vec![(span(*only), None)],
        _ => found.into_iter().map(|(value, rows)| (span(value), Some(rows))).collect(),
    }
}

/// One worker's slices of a window node. The stage takes them out under the lock that the worker puts rows in under, so
/// that a row is either in a window that closes or late, and counted.
#[derive(Debug)]
pub(crate) struct Partial {
    layout: Arc<WindowLayout>,
    slices: Slices,
    /// What is over at this watermark was taken out.
    closed: i64,
}

impl Partial {
    pub(crate) fn new(layout: Arc<WindowLayout>, closed: i64) -> Partial {
        Partial { layout, slices: Slices::default(), closed }
    }

    pub(crate) fn update(&mut self, rows: &Rows, now_ms: i64) -> Result<Late, ArrowError> {
        // another worker's clock may have closed a window that this one's reading is still in
        let now_ms = if self.layout.is_processing_time() { now_ms.max(self.closed.saturating_add(1)) } else { now_ms };
        put(&self.layout, &mut self.slices, self.closed, &rows.batch, now_ms)
    }

    /// Takes out every slice that is over.
    pub(crate) fn close(&mut self, watermark: i64) -> Vec<(Span, Groups)> {
        self.closed = self.closed.max(watermark);
        let layout = &self.layout;
        self.slices.drain_while(|slice| layout.is_over(slice.end, watermark))
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { groups: self.slices.groups(), bytes: self.slices.bytes() }
    }

    pub(crate) fn snapshot(&self) -> Result<Option<RecordBatch>, ArrowError> {
        self.slices.snapshot(&self.layout.aggregate)
    }
}

/// Puts a batch into slices, but for rows whose last window is over.
fn put(
    layout: &WindowLayout,
    slices: &mut Slices,
    closed: i64,
    batch: &RecordBatch,
    now_ms: i64,
) -> Result<Late, ArrowError> {
    let mut late = Late::default();
    if batch.num_rows() == 0 {
        return Ok(late);
    }
    let columns: Columns<'_> = layout.aggregate.read(batch)?;
    for (slice, rows) in layout.assign(batch, now_ms)? {
        let last_end = layout.last_end(slice);
        if layout.is_over(last_end, closed) {
            let count = rows.as_ref().map_or(batch.num_rows(), Vec::len);
            late.add(count, slice, closed.saturating_sub(layout.clock.instant_ms(last_end - 1)));
            late.which.extend(rows.unwrap_or_else(|| (0..batch.num_rows() as u32).collect()));
            continue;
        }
        slices.update(&layout.aggregate, slice, &columns, rows.as_deref())?;
    }
    Ok(late)
}

/// The node itself: slices of all workers, and the windows that are not over yet.
#[derive(Debug)]
pub(crate) struct WindowStage {
    layout: Arc<WindowLayout>,
    slices: Slices,
    closed: i64,
    /// Windows up to this end have been given or were empty.
    given_end: i64,
}

impl WindowStage {
    pub(crate) fn new(layout: Arc<WindowLayout>) -> WindowStage {
        WindowStage { layout, slices: Slices::default(), closed: WATERMARK_MIN, given_end: -TIME_MAX_MS }
    }

    /// Windows with rows that were open before and are over now, first to end first.
    fn windows_over(&mut self, watermark: i64) -> Vec<Span> {
        let slicing = match self.layout.assigner {
            Assigner::Rowtime { slicing, .. } | Assigner::ProcessingTime { slicing } => slicing,
            Assigner::Attached { .. } => {
                return self.slices.spans().take_while(|window| self.layout.is_over(window.end, watermark)).collect();
            }
        };
        let mut windows = Vec::new();
        let mut next = self.slices.end_after(i64::MIN).map(|first| first.max(slicing.next_end(self.given_end)));
        while let Some(end) = next.filter(|end| self.layout.is_over(*end, watermark)) {
            let window = slicing.window_to(end);
            let has_rows = self.slices.within(window).next().is_some();
            // rows that were late for their first windows are in a slice whose end is long over
            if has_rows && !self.layout.is_over(end, self.closed) {
                windows.push(window);
            }
            self.given_end = end;
            // without rows, nothing happens before the next slice: it may be years away
            next = if has_rows { Some(slicing.next_end(end)) } else { self.slices.end_after(end) };
        }
        windows
    }

    fn evaluate(&self, window: Span) -> Result<Option<Rows>, ArrowError> {
        let parts: Vec<&Groups> = match self.layout.assigner {
            Assigner::Attached { .. } => self.slices.get(window).into_iter().collect(),
            _ => self.slices.within(window).collect(),
        };
        match parts.as_slice() {
            [] => Ok(None),
            [one] => self.layout.emit(window, one).map(Some),
            many => {
                let mut all = self.layout.aggregate.groups()?;
                many.iter().try_for_each(|groups| all.merge(groups))?;
                self.layout.emit(window, &all).map(Some)
            }
        }
    }
}

impl Stage for WindowStage {
    fn rows(&mut self, rows: &Rows, now_ms: i64, late: &mut Late) -> Result<Option<Rows>, ArrowError> {
        let layout = Arc::clone(&self.layout);
        late.merge(put(&layout, &mut self.slices, self.closed, &rows.batch, now_ms)?);
        Ok(None)
    }

    fn absorb(&mut self, slices: Vec<(Span, Groups)>) -> Result<(), ArrowError> {
        slices.into_iter().try_for_each(|(slice, groups)| self.slices.merge(slice, groups))
    }

    fn advance(&mut self, watermark: i64) -> Result<Vec<Rows>, ArrowError> {
        let mut closed = Vec::new();
        for window in self.windows_over(watermark) {
            closed.extend(self.evaluate(window)?);
        }
        self.closed = self.closed.max(watermark);
        let layout = &self.layout;
        drop(self.slices.drain_while(|slice| layout.is_over(layout.last_end(slice), watermark)));
        match closed.len() {
            0 | 1 => Ok(closed),
            _ => {
                let batches: Vec<&RecordBatch> = closed.iter().map(|rows| &rows.batch).collect();
                Ok(vec![Rows::inserts(concat_batches(&self.layout.schema, batches)?)])
            }
        }
    }

    fn watermark(&self) -> i64 {
        self.closed
    }

    fn usage(&self) -> Usage {
        Usage { groups: self.slices.groups(), bytes: self.slices.bytes() }
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        Ok(self.slices.snapshot(&self.layout.aggregate)?.into_iter().collect())
    }

    fn restore(&mut self, watermark: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        self.closed = watermark;
        let layout = Arc::clone(&self.layout);
        snapshot.iter().try_for_each(|batch| self.slices.restore(&layout.aggregate, batch))
    }
}
