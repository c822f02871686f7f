//! When a trade was executed, and its sequential_id: execution millisecond × 10,000 + a count within the millisecond. Pure.
//!
//! Ids are unique in a market and reach the wire out of order: in Upbit's recordings a quarter of the trades of a busy
//! market come below an id that was already seen, within a second.

use super::rng::Rng;
use std::collections::BTreeMap;

/// Ids per millisecond that the id's shape has room for.
const PER_MS: u16 = 10_000;

/// No trade is published later than this after its execution, not even a late one.
pub const LATE_MS_MAX: i64 = 5_000;
/// How far behind the newest an unordered trade can be.
const UNORDERED_MS_MAX: i64 = 900;
/// Share of trades that come below the newest id, where the market is busy enough.
const UNORDERED_PPM: u32 = 270_000;
/// From execution to publication.
const PUBLISH_DELAY_MS: (i64, i64) = (15, 60);

#[derive(Debug, Default)]
pub struct TradeIds {
    /// Millisecond → ids given out in it; only those which a new trade can still fall into.
    used: BTreeMap<i64, u16>,
    newest_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeId {
    pub executed_ms: i64,
    pub sequential_id: u64,
}

impl TradeIds {
    /// The id of a trade published at `now_ms`. `is_late`: executed seconds ago. Nothing is executed before `opened_ms`.
    pub fn next(&mut self, now_ms: i64, opened_ms: i64, is_late: bool, rng: &mut Rng) -> TradeId {
        let in_order = now_ms - rng.range(PUBLISH_DELAY_MS.0, PUBLISH_DELAY_MS.1);
        let floor_ms = opened_ms.max(now_ms - UNORDERED_MS_MAX).max(self.newest_ms - UNORDERED_MS_MAX);
        let executed_ms = if is_late {
            now_ms - rng.range(UNORDERED_MS_MAX, LATE_MS_MAX)
        } else if floor_ms < self.newest_ms && rng.chance(UNORDERED_PPM) {
            rng.range(floor_ms, self.newest_ms - 1)
        } else {
            in_order.max(self.newest_ms)
        };
        self.take(executed_ms.max(opened_ms).max(self.newest_ms - LATE_MS_MAX))
    }

    fn take(&mut self, mut executed_ms: i64) -> TradeId {
        // a millisecond that is full passes its trades on to the next one
        while self.used.get(&executed_ms).is_some_and(|count| *count == PER_MS) {
            executed_ms += 1;
        }
        let count = self.used.entry(executed_ms).or_insert(0);
        let sequential_id = executed_ms.max(0) as u64 * u64::from(PER_MS) + u64::from(*count);
        *count += 1;
        if executed_ms > self.newest_ms {
            self.newest_ms = executed_ms;
            while self.used.first_key_value().is_some_and(|(ms, _)| *ms < executed_ms - LATE_MS_MAX) {
                self.used.pop_first();
            }
        }
        TradeId { executed_ms, sequential_id }
    }
}
