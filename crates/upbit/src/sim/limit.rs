//! How often REST may be asked: ten calls a second in each group; who goes on after 429 is blocked with 418, longer each time. Pure.

use std::collections::{HashMap, VecDeque};

const CALLS_PER_SECOND: u32 = 10;
/// So many refusals within [`PATIENCE_MS`] are an answer to nobody's mistake any more.
const REFUSED_MAX: usize = 20;
const PATIENCE_MS: i64 = 10_000;
const BLOCK_MS: i64 = 2_000;
const BLOCK_DOUBLINGS_MAX: u32 = 6;

#[derive(Debug, Default)]
pub(super) struct RateLimit {
    /// By group: the second, and the calls in it.
    calls: HashMap<&'static str, (i64, u32)>,
    refused: VecDeque<i64>,
    blocks: u32,
    blocked_until_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So many calls are left in this second.
    Allowed {
        left: u32,
    },
    TooMany,
    Blocked,
}

impl RateLimit {
    pub(super) fn call(&mut self, group: &'static str, now_ms: i64) -> Verdict {
        if now_ms < self.blocked_until_ms {
            return Verdict::Blocked;
        }
        let second = now_ms.div_euclid(1_000);
        let (of, calls) = self.calls.entry(group).or_default();
        if *of != second {
            (*of, *calls) = (second, 0);
        }
        if *calls < CALLS_PER_SECOND {
            *calls += 1;
            return Verdict::Allowed { left: CALLS_PER_SECOND - *calls };
        }
        self.refused.push_back(now_ms);
        while self.refused.front().is_some_and(|at_ms| *at_ms < now_ms - PATIENCE_MS) {
            self.refused.pop_front();
        }
        if self.refused.len() > REFUSED_MAX {
            self.refused.clear();
            self.blocked_until_ms = now_ms + (BLOCK_MS << self.blocks.min(BLOCK_DOUBLINGS_MAX));
            self.blocks += 1;
            return Verdict::Blocked;
        }
        Verdict::TooMany
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_then_too_many_then_blocked_for_longer_each_time() {
        let mut limit = RateLimit::default();
        let calls: Vec<Verdict> = (0..12).map(|_| limit.call("trade", 500)).collect();
        assert_eq!((calls[0], calls[9]), (Verdict::Allowed { left: 9 }, Verdict::Allowed { left: 0 }));
        assert_eq!(calls[10..], [Verdict::TooMany, Verdict::TooMany]);
        assert_eq!(limit.call("candle", 500), Verdict::Allowed { left: 9 }, "each group has its own");
        assert_eq!(limit.call("trade", 1_000), Verdict::Allowed { left: 9 });
        let mut blocks = Vec::new();
        let mut began = None;
        for now_ms in (1_000..40_000).step_by(10) {
            let blocked = limit.call("trade", now_ms) == Verdict::Blocked;
            match (began, blocked) {
                (None, true) => began = Some(now_ms),
                (Some(at_ms), false) => {
                    blocks.push(now_ms - at_ms);
                    began = None;
                }
                _ => {}
            }
        }
        assert_eq!(blocks[..3], [2_000, 4_000, 8_000]);
    }
}
