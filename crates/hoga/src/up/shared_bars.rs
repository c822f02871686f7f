//! Several processes that correct bars in one cluster's topic: which bars one of them may judge, and who goes first (decision 24).
//!
//! In: corrections that a look found, the time. Out: those to be written now, and those that are not this process's to judge. State: since when
//! a bar is seen wrong. Not here: why they come to agree (the decision), what a bar must be (`hoga_engine::bars`).

use crate::up::PARTITIONS;
use hoga_engine::bars::{Correction, Pass, Size};
use hoga_log::{Log, LogError, partition_for_key};
use hoga_model::StreamKind;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A trade is received at most so long before its time: that is the exchange's, the other is ours.
const CLOCKS_APART_MS: i64 = 60_000;
/// A bar that whoever leads has not corrected for so long is corrected by the others.
const OTHERS_WAIT: Duration = Duration::from_secs(5);
/// What has not been seen wrong for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(120);

pub struct SharedBars {
    /// By partition: of bars that begin before, trades may have been deleted before this process could read them.
    complete_from_ms: Vec<i64>,
    /// Whether this process leads the collectors.
    leads: Arc<dyn Fn() -> bool + Send + Sync>,
    /// When a bar was seen wrong first, and last.
    wrong: HashMap<(String, Size, i64), (Instant, Instant)>,
}

impl SharedBars {
    /// Looks where the topic of trades begins.
    pub fn open(
        log: &dyn Log,
        now_ms: i64,
        leads: Arc<dyn Fn() -> bool + Send + Sync>,
    ) -> Result<SharedBars, LogError> {
        let topic = StreamKind::Trade.topic();
        let complete_from = |partition| {
            let start = log.offsets(topic, partition)?.start;
            if start == 0 {
                // nothing was ever deleted
                return Ok(i64::MIN);
            }
            let first = log.fetch(topic, partition, start, 1)?.records.first().map(|stored| stored.record.timestamp_ms);
            Ok(first.unwrap_or(now_ms).saturating_add(CLOCKS_APART_MS))
        };
        let complete_from_ms = (0..PARTITIONS).map(complete_from).collect::<Result<_, LogError>>()?;
        Ok(SharedBars { complete_from_ms, leads, wrong: HashMap::new() })
    }

    /// Leaves in the pass what is to be written now; true if something else waits for whoever leads.
    pub fn take_turn(&mut self, pass: &mut Pass, now: Instant) -> bool {
        pass.leave(|correction| self.is_known_whole(&correction.market, correction.start_ms));
        if (self.leads)() {
            self.wrong.clear();
            return false;
        }
        let found = pass.corrections.len();
        pass.corrections.retain(|correction| self.is_due(correction, now));
        self.wrong.retain(|_, (_, last)| now.duration_since(*last) < FORGET_AFTER);
        pass.corrections.len() < found
    }

    fn is_known_whole(&self, market: &str, start_ms: i64) -> bool {
        let partition = partition_for_key(market.as_bytes(), PARTITIONS) as usize;
        self.complete_from_ms.get(partition).is_some_and(|from_ms| start_ms >= *from_ms)
    }

    fn is_due(&mut self, correction: &Correction, now: Instant) -> bool {
        let bar = (correction.market.clone(), correction.size, correction.start_ms);
        let (first, last) = self.wrong.entry(bar).or_insert((now, now));
        *last = now;
        now.duration_since(*first) >= OTHERS_WAIT
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use hoga_log::{MemoryLog, TopicSpec};

    #[test]
    fn what_was_deleted_before_nobody_judges() {
        let log = MemoryLog::default();
        log.create_topic(&TopicSpec::new(StreamKind::Trade.topic(), PARTITIONS)).unwrap();
        let mut shared = SharedBars::open(&log, 1_000, Arc::new(|| false)).unwrap();
        assert!(shared.is_known_whole("KRW-BTC", 0), "all that was ever written is read");
        let partition = partition_for_key(b"KRW-BTC", PARTITIONS) as usize;
        shared.complete_from_ms[partition] = 60_000;
        assert!(!shared.is_known_whole("KRW-BTC", 59_999) && shared.is_known_whole("KRW-BTC", 60_000));
    }
}
