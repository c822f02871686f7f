//! Counters that the page, `/metrics` and `hoga status` show. Written and read by any thread.

use crate::decode::UnknownFields;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// For what rises and falls.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Of a source: records as they come in.
#[derive(Debug, Default)]
pub struct SourceStats {
    pub records_in: Counter,
    /// Records lost to damage in the log.
    pub damaged: Counter,
    /// From the receipt of an event to its visibility in SQL.
    pub visible_after: Latency,
    /// Fields that no table declares.
    pub(crate) unknown_fields: Mutex<UnknownFields>,
    error: Mutex<Option<String>>,
}

impl SourceStats {
    /// Why the source stands still, if it does.
    pub fn error(&self) -> Option<String> {
        lock(&self.error).clone()
    }

    pub(crate) fn set_error(&self, error: Option<String>) {
        *lock(&self.error) = error;
    }
}

/// Of a node of the flow.
#[derive(Debug, Default)]
pub struct NodeStats {
    pub rows_in: Counter,
    pub rows_out: Counter,
    pub late_rows: Counter,
    pub dead_letters: Counter,
    /// What it keeps, as it was last measured.
    pub groups: Counter,
    pub state_bytes: Counter,
    last_late: Mutex<Option<String>>,
    error: Mutex<Option<String>>,
}

impl NodeStats {
    /// The last rows that came after their window was over, in words.
    pub fn last_late(&self) -> Option<String> {
        lock(&self.last_late).clone()
    }

    /// Why it waits, if it does.
    pub fn error(&self) -> Option<String> {
        lock(&self.error).clone()
    }

    pub(crate) fn add_late(&self, rows: u64, last: String) {
        self.late_rows.add(rows);
        *lock(&self.last_late) = Some(last);
    }

    pub(crate) fn set_error(&self, error: Option<String>) {
        *lock(&self.error) = error;
    }
}

/// Every value in these locks is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds in buckets: one each up to 63 ms, then doubling. Enough for a median and a 99th percentile.
#[derive(Debug)]
pub struct Latency {
    buckets: [AtomicU64; BUCKETS],
}

const LINEAR_MS: u64 = 64;
const DOUBLINGS: usize = 24;
const BUCKETS: usize = LINEAR_MS as usize + DOUBLINGS;

impl Default for Latency {
    fn default() -> Latency {
        Latency { buckets: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Latency {
    /// A negative time (the clock was set back) counts as none. Equal neighbours are written once: what came in one batch
    /// mostly is, and all workers write here.
    pub fn record_all(&self, times_ms: impl Iterator<Item = i64>) {
        let (mut last, mut count) = (0, 0);
        for ms in times_ms {
            let bucket = bucket_of(u64::try_from(ms).unwrap_or(0));
            if bucket != last {
                self.add(last, std::mem::take(&mut count));
                last = bucket;
            }
            count += 1;
        }
        self.add(last, count);
    }

    fn add(&self, bucket: usize, count: u64) {
        if count > 0 {
            self.buckets[bucket].fetch_add(count, Ordering::Relaxed);
        }
    }

    pub fn snapshot(&self) -> Vec<u64> {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect()
    }
}

/// The least time in ms that the share `quantile` of the counts does not exceed; None without counts.
pub fn quantile_ms(counts: &[u64], quantile: f64) -> Option<u64> {
    let total: u64 = counts.iter().sum();
    let wanted = ((total as f64 * quantile).ceil() as u64).max(1);
    let mut seen = 0;
    counts
        .iter()
        .position(|count| {
            seen += count;
            seen >= wanted
        })
        .map(upper_ms)
}

fn bucket_of(ms: u64) -> usize {
    if ms < LINEAR_MS {
        return ms as usize;
    }
    let doublings = (ms / LINEAR_MS).ilog2() as usize;
    (LINEAR_MS as usize + doublings).min(BUCKETS - 1)
}

fn upper_ms(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < LINEAR_MS { bucket } else { (LINEAR_MS << (bucket - LINEAR_MS + 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let latency = Latency::default();
        assert_eq!(quantile_ms(&latency.snapshot(), 0.5), None);
        latency.record_all([1, 1, 2, 2, 2, 3, 3, 3, 4, 500].into_iter());
        let counts = latency.snapshot();
        assert_eq!(quantile_ms(&counts, 0.5), Some(2));
        assert_eq!(quantile_ms(&counts, 0.9), Some(4));
        assert_eq!(quantile_ms(&counts, 0.99), Some(511));
        latency.record_all([i64::MAX, -5].into_iter());
        assert_eq!(latency.snapshot().iter().sum::<u64>(), 12);
    }

    #[test]
    fn every_bucket_holds_its_bound() {
        for ms in [0, 1, 63, 64, 127, 128, 4_000, 1 << 28] {
            assert!(upper_ms(bucket_of(ms)) >= ms, "{ms}");
            assert!(bucket_of(ms) == 0 || upper_ms(bucket_of(ms) - 1) < ms, "{ms}");
        }
    }
}
