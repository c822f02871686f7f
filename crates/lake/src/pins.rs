//! Snapshots that somebody in this process reads: their files stay. Pure but for a lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of one table.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<Readers>);

#[derive(Debug, Default)]
struct Readers {
    /// How many read which snapshot.
    pinned: BTreeMap<i64, usize>,
    /// Snapshots below are gone or about to go.
    first_kept: i64,
}

/// While it lives, its snapshot and all after it are kept.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    snapshot_id: i64,
}

impl Pins {
    /// None if the snapshot has expired: then only a tag can keep its files.
    pub(crate) fn pin(self: &Arc<Pins>, snapshot_id: i64) -> Option<Pin> {
        let mut readers = self.lock();
        if snapshot_id < readers.first_kept {
            return None;
        }
        *readers.pinned.entry(snapshot_id).or_default() += 1;
        Some(Pin { pins: self.clone(), snapshot_id })
    }

    /// Says that snapshots before `wanted` will be deleted; the answer is the first that has to be kept. From then on nobody
    /// can pin one before it.
    pub(crate) fn expire_before(&self, wanted: i64) -> i64 {
        let mut readers = self.lock();
        let first_kept = readers.pinned.first_key_value().map_or(wanted, |(oldest, _)| wanted.min(*oldest));
        readers.first_kept = readers.first_kept.max(first_kept);
        first_kept
    }

    fn lock(&self) -> MutexGuard<'_, Readers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut readers = self.pins.lock();
        if let Some(count) = readers.pinned.get_mut(&self.snapshot_id) {
            *count -= 1;
            if *count == 0 {
                readers.pinned.remove(&self.snapshot_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_read_is_kept() {
        let pins = Arc::new(Pins::default());
        let (five, again, seven) = (pins.pin(5).unwrap(), pins.pin(5).unwrap(), pins.pin(7).unwrap());
        assert_eq!(pins.expire_before(6), 5);
        drop(five);
        assert_eq!(pins.expire_before(6), 5, "one more reads it");
        drop(again);
        assert_eq!(pins.expire_before(6), 6);
        assert!(pins.pin(5).is_none(), "too late");
        assert_eq!(pins.expire_before(9), 7);
        drop(seven);
        assert_eq!(pins.expire_before(9), 9);
        assert!(pins.pin(9).is_some());
    }
}
