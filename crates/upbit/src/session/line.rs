//! What is known of one connection while it is held: written by its conversation, read by the group.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Times are the clock's milliseconds; 0 is never.
#[derive(Debug, Default)]
pub(super) struct Line {
    heard_ms: AtomicI64,
    data_ms: AtomicI64,
    settled_ms: AtomicI64,
    is_complete: AtomicBool,
}

impl Line {
    /// A new connection: nothing has come on it.
    pub(super) fn reset(&self) {
        [&self.heard_ms, &self.data_ms, &self.settled_ms].into_iter().for_each(|ms| ms.store(0, Ordering::Relaxed));
        self.is_complete.store(false, Ordering::Relaxed);
    }

    /// Something came, were it the answer to a ping. What was sent before it has come too.
    pub(super) fn note_heard(&self, now_ms: i64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn note_data(&self, now_ms: i64) {
        self.data_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Every market has answered that is going to; `is_complete`: every one. Only the first time counts.
    pub(super) fn note_settled(&self, now_ms: i64, is_complete: bool) {
        if self.settled_ms().is_none() {
            self.is_complete.store(is_complete, Ordering::Relaxed);
            self.settled_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Relaxed)
    }

    pub(super) fn heard_ms(&self) -> i64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    /// Of the newest ticker, trade or book.
    pub(super) fn data_ms(&self) -> i64 {
        self.data_ms.load(Ordering::Relaxed)
    }

    pub(super) fn settled_ms(&self) -> Option<i64> {
        Some(self.settled_ms.load(Ordering::Relaxed)).filter(|ms| *ms != 0)
    }
}
