//! A node that keeps state: what all of them can do. One thread at a time is in a stage; its lock is the flow's.

use super::rows::Rows;
use super::slices::Groups;
use super::window::Span;
use crate::checkpoint::state::Kept;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use hoga_model::time::utc_iso;
use std::sync::Arc;

/// What a stage holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub groups: usize,
    pub bytes: usize,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.groups += other.groups;
        self.bytes += other.bytes;
    }
}

/// Rows that came after their window was over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) rows: u64,
    /// The last one's window (or its slice), on the windows' clock, and by how much the watermark had passed it.
    pub(crate) last: Option<(Span, i64)>,
    /// Which rows of the batch, if a window that follows the clock dropped them.
    pub(crate) which: Vec<u32>,
}

impl Late {
    pub(crate) fn add(&mut self, rows: usize, window: Span, behind_ms: i64) {
        self.rows += rows as u64;
        self.last = Some((window, behind_ms));
    }

    pub(crate) fn merge(&mut self, other: Late) {
        self.rows += other.rows;
        self.last = other.last.or(self.last);
        self.which.extend(other.which);
    }
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((window, behind_ms)) = self.last else { return write!(f, "none") };
        let local = |ms: i64| utc_iso(ms).trim_end_matches('Z').replace('T', " ");
        write!(
            f,
            "{} rows of window {} to {}, {behind_ms} ms after it closed",
            self.rows,
            local(window.start),
            local(window.end)
        )
    }
}

pub(crate) trait Stage: Send + std::fmt::Debug {
    /// Takes rows in; gives what they change at once, if the node does not wait for windows.
    fn rows(&mut self, rows: &Rows, now_ms: i64, late: &mut Late) -> Result<Option<Rows>, ArrowError>;

    /// Takes in what workers had aggregated.
    fn absorb(&mut self, slices: Vec<(Span, Groups)>) -> Result<(), ArrowError> {
        drop(slices);
        Ok(())
    }

    /// Gives the rows of every window that is over at this watermark and was not before.
    fn advance(&mut self, watermark: i64) -> Result<Vec<Rows>, ArrowError>;

    /// What was closed so far; for a node without windows the smallest watermark.
    fn watermark(&self) -> i64;

    fn usage(&self) -> Usage;

    /// The state as it is; nothing changes. Batches of one schema.
    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError>;

    /// The same rows as [`snapshot`](Self::snapshot), to be made into batches later; None where those are small, or have parts that
    /// workers keep.
    fn kept(&self) -> Option<Arc<dyn Kept>> {
        None
    }

    /// Goes on from a snapshot that was taken at this watermark. The stage is new.
    fn restore(&mut self, watermark: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError>;
}
