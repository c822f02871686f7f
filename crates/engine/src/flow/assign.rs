//! Windows of single rows: a row for each window that a row is in, late or not.

use super::rows::Rows;
use super::window::{Slicing, Span, WallClock};
use super::window_aggregate::milliseconds;
use crate::graph::{WindowTime, Windows};
use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use std::sync::Arc;

/// The rows with `window_start`, `window_end`, `window_time` behind their columns.
pub(crate) fn assign(rows: &Rows, windows: &Windows, now_ms: i64, schema: &SchemaRef) -> Result<Rows, ArrowError> {
    let slicing = Slicing::of(windows.shape)
        .ok_or_else(|| ArrowError::NotYetImplemented("SESSION windows of single rows".into()))?;
    let clock = WallClock(windows.zone);
    let times = match windows.time {
        WindowTime::Rowtime(column) => clock.local_all(milliseconds(rows.batch.column(column))?.values()),
        WindowTime::ProcessingTime => vec![clock.local_ms(now_ms); rows.len()],
    };
    let mut parents = Vec::with_capacity(times.len());
    let mut spans: Vec<Span> = Vec::with_capacity(times.len());
    for (row, time) in times.iter().enumerate() {
        for window in slicing.windows_of(slicing.slice_at(slicing.slice_start(*time))) {
            parents.push(row as u32);
            spans.push(window);
        }
    }
    let parent = rows.take(&parents)?;
    let mut columns = parent.batch.columns().to_vec();
    let zone = match schema.field(columns.len() + 2).data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let column = |time: &dyn Fn(&Span) -> i64| TimestampMillisecondArray::from_iter_values(spans.iter().map(time));
    let last_ms = |span: &Span| if zone.is_some() { clock.instant_ms(span.end - 1) } else { span.end - 1 };
    let bounds: [ArrayRef; 3] = [
        Arc::new(column(&|span| span.start)),
        Arc::new(column(&|span| span.end)),
        Arc::new(column(&last_ms).with_timezone_opt(zone.clone())),
    ];
    columns.extend(bounds);
    Ok(parent.with_batch(RecordBatch::try_new(Arc::clone(schema), columns)?))
}
