//! Which bytes of a segment this process has checked or written itself: their checksums need no second look. Pure, but for its lock.

use std::sync::{Mutex, PoisonError};

/// Remembered apart from one another; the smallest is forgotten, and checked again when it is read.
const MAX_RANGES: usize = 64;

/// Of one segment; shared by those who read it.
#[derive(Debug)]
pub(crate) struct Verified(Mutex<Ranges>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ranges {
    /// Everything from here on, what is yet to come included: `u64::MAX` is nothing.
    from: u64,
    /// Before it: in order, neither touching each other nor `from`; each begins and ends with a batch.
    below: Vec<(u64, u64)>,
}

impl Verified {
    pub(crate) fn from(position: u64) -> Verified {
        Verified(Mutex::new(Ranges { from: position, below: Vec::new() }))
    }

    pub(crate) fn nothing() -> Verified {
        Verified::from(u64::MAX)
    }

    pub(crate) fn covers(&self, from: u64, to: u64) -> bool {
        self.with(|ranges| ranges.covers(from, to))
    }

    pub(crate) fn add(&self, from: u64, to: u64) {
        self.with(|ranges| ranges.add(from, to));
    }

    /// The file is not what it was.
    pub(crate) fn forget(&self) {
        self.with(|ranges| *ranges = Ranges { from: u64::MAX, below: Vec::new() });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ranges) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ranges {
    fn covers(&self, from: u64, to: u64) -> bool {
        from >= self.from || self.below.iter().any(|range| range.0 <= from && to <= range.1)
    }

    fn add(&mut self, from: u64, to: u64) {
        let (mut from, mut to) = (from, to);
        self.below.retain(|range| {
            let apart = range.1 < from || to < range.0;
            if !apart {
                (from, to) = (from.min(range.0), to.max(range.1));
            }
            apart
        });
        if to >= self.from {
            self.from = self.from.min(from);
            return;
        }
        let at = self.below.partition_point(|range| range.0 < from);
        self.below.insert(at, (from, to));
        if self.below.len() > MAX_RANGES
            && let Some(smallest) = (0..self.below.len()).min_by_key(|i| self.below[*i].1 - self.below[*i].0)
        {
            self.below.remove(smallest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_grow_together() {
        let verified = Verified::from(1_000);
        assert!(verified.covers(1_000, 9_999) && !verified.covers(999, 1_001));
        for (from, to) in [(100, 200), (400, 500), (200, 300)] {
            verified.add(from, to);
        }
        assert!(verified.covers(100, 300) && verified.covers(150, 250) && !verified.covers(250, 450));
        verified.add(250, 420);
        assert!(verified.covers(100, 500) && !verified.covers(99, 101) && !verified.covers(400, 501));
        verified.add(450, 1_000);
        assert!(verified.covers(100, u64::MAX) && !verified.covers(0, 100));
        verified.forget();
        assert!(!verified.covers(5_000, 5_001));
        verified.add(0, 10);
        assert!(verified.covers(0, 10));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_true() {
        let verified = Verified::nothing();
        for i in 0..1_000_u64 {
            // lengths of 1 to 10, 20 apart
            verified.add(i * 20, i * 20 + 1 + i % 10);
        }
        let ranges = verified.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(ranges.below.len(), MAX_RANGES);
        assert!(ranges.below.iter().all(|(from, to)| from % 20 == 0 && to - from == 1 + from / 20 % 10));
        assert!(ranges.below.iter().filter(|(from, to)| to - from == 10).count() > MAX_RANGES / 2, "the small ones go");
    }
}
