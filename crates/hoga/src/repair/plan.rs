//! Whose trades are compared next, and over which time. Pure.
//!
//! Gaps first, of the market with the most trades first; then the market that was compared longest ago; then what somebody asked for of the past,
//! an hour at a time. State: how far each market has come.

use crate::collector::ExchangeClock;
use hoga_model::Market;
use hoga_upbit::gap::{Cause, Gap, Ledger};
use hoga_upbit::rest::ticks::ROWS_MAX;
use hoga_upbit::standby::TradeIndex;
use std::collections::HashMap;
use std::time::Duration;

/// A trade is published at most so long after its execution: by so much more is asked for at both ends.
pub const MARGIN_MS: i64 = 10_000;
/// How long after a gap's end the exchange's list has all of its trades.
const SETTLE_MS: i64 = 3_000;
const AHEAD_MS: i64 = 60_000;
/// A gap waits so long for a later one of its market that is not yet in the list.
const TOGETHER_MS: i64 = 10_000;
/// How long a trade that was executed may be on its way to us before it counts as missing.
const ON_THE_WAY_MS: i64 = 7_000;
/// A run that was killed may have lost what it held, however short a time: its last minutes are compared again.
const LAST_RUN_MS: i64 = 600_000;
/// A market that the exchange does not answer for.
const POSTPONED_MS: i64 = 60_000;
/// More rows than are expected, so that one page is enough.
const ROWS_SPARE: usize = 20;
/// Ids are execution milliseconds times this; only a page's size is taken from it.
const IDS_PER_MS: u64 = 10_000;

/// A market's trades between two times, both inclusive; its gaps in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub market: Market,
    pub from_ms: i64,
    pub to_ms: i64,
    /// Up to when the market is compared after this; None for a backfill, which says nothing of the present.
    verified_ms: Option<i64>,
    pub gaps: Vec<Gap>,
    /// Rows of the first page.
    pub rows_first: usize,
}

impl Job {
    pub fn is_backfill(&self) -> bool {
        self.verified_ms.is_none()
    }
}

#[derive(Debug, Default)]
pub struct Plan {
    verify_interval_ms: Option<i64>,
    last_run_ms: Option<i64>,
    verified: HashMap<Market, i64>,
    /// Not before this time.
    postponed: HashMap<Market, i64>,
}

impl Plan {
    pub fn new(verify_interval: Option<Duration>, last_run_ms: Option<i64>) -> Plan {
        let verify_interval_ms = verify_interval.map(|interval| interval.as_millis() as i64);
        Plan { verify_interval_ms, last_run_ms, ..Plan::default() }
    }

    pub fn next(&mut self, ledger: &Ledger, trades: &TradeIndex, clock: &ExchangeClock, now_ms: i64) -> Option<Job> {
        for market in ledger.listening() {
            if !self.verified.contains_key(market) && ledger.is_received(market) {
                let from_ms = self.first_verified_ms(ledger, market, now_ms);
                self.verified.insert(market.clone(), from_ms);
            }
        }
        self.postponed.retain(|_, until_ms| *until_ms > now_ms);
        self.repair(ledger, trades, now_ms)
            .or_else(|| self.verify(ledger, trades, clock, now_ms))
            .or_else(|| self.backfill(ledger, trades, now_ms))
    }

    /// The job is done.
    pub fn done(&mut self, job: &Job) {
        // a market without a place is not received yet: what is compared of it then begins with the end of the run before, not behind this gap
        if let (Some(now_verified_ms), Some(verified_ms)) = (job.verified_ms, self.verified.get_mut(&job.market)) {
            *verified_ms = now_verified_ms.max(*verified_ms);
        }
    }

    /// The market is left alone for a while.
    pub fn postpone(&mut self, market: &Market, now_ms: i64) {
        self.postponed.insert(market.clone(), now_ms + POSTPONED_MS);
    }

    /// Up to when every market that is received was compared.
    pub fn verified_ms(&self, ledger: &Ledger) -> Option<i64> {
        let received = ledger.listening().iter().filter(|market| ledger.is_received(market));
        received.filter_map(|market| self.verified.get(market)).min().copied()
    }

    fn repair(&self, ledger: &Ledger, trades: &TradeIndex, now_ms: i64) -> Option<Job> {
        // an end that is far ahead is one of an exchange whose clock is, or ours is behind: it is not waited for
        let is_due =
            |gap: &&Gap| gap.to_ms.is_some_and(|to_ms| to_ms + SETTLE_MS <= now_ms || to_ms > now_ms + AHEAD_MS);
        let due = ledger.pending().filter(|(market, _)| !self.postponed.contains_key(*market));
        let due = due.map(|(market, gaps)| {
            let of_collection = gaps.filter(|gap| gap.cause != Cause::Backfill).cloned();
            let (due, not_yet): (Vec<Gap>, Vec<Gap>) = of_collection.partition(|gap| is_due(&gap));
            // gaps in a row are one question, and each trade is counted for its own
            let can_wait = due.iter().all(|gap| gap.to_ms.is_some_and(|to_ms| to_ms + TOGETHER_MS > now_ms));
            (market, if not_yet.is_empty() || !can_wait { due } else { Vec::new() })
        });
        let busiest =
            due.filter(|(_, gaps)| !gaps.is_empty()).max_by_key(|(market, _)| (trades.ids(market).len(), *market));
        let (market, gaps) = busiest?;
        let first_ms = gaps.iter().map(|gap| gap.from_ms).min()?;
        let to_ms = gaps.iter().filter_map(|gap| gap.to_ms).max()?;
        // from where it was compared last: so no time is left out between two comparisons
        let verified_ms = self.verify_interval_ms.and_then(|_| self.verified.get(market));
        let from_ms = verified_ms.map_or(first_ms, |verified_ms| first_ms.min(*verified_ms));
        Some(Job {
            market: market.clone(),
            from_ms: from_ms - MARGIN_MS,
            to_ms: to_ms + MARGIN_MS,
            verified_ms: Some(to_ms),
            gaps,
            rows_first: ROWS_MAX,
        })
    }

    fn verify(&self, ledger: &Ledger, trades: &TradeIndex, clock: &ExchangeClock, now_ms: i64) -> Option<Job> {
        let interval_ms = self.verify_interval_ms?;
        let to_ms = clock.earliest(now_ms) - ON_THE_WAY_MS;
        // what is not received is a gap, and compared when that is over
        let received = ledger
            .listening()
            .iter()
            .filter(|market| ledger.is_received(market) && !self.postponed.contains_key(*market));
        let verified = received.filter_map(|market| Some((*self.verified.get(market)?, market)));
        let (verified_ms, market) = verified.min().filter(|(verified_ms, _)| to_ms - verified_ms >= interval_ms)?;
        let from_ms = verified_ms - MARGIN_MS;
        let expected = trades.count_from(market, from_ms.max(0) as u64 * IDS_PER_MS, ROWS_MAX);
        Some(Job {
            market: market.clone(),
            from_ms,
            to_ms,
            verified_ms: Some(to_ms),
            gaps: Vec::new(),
            rows_first: (expected + expected / 8 + ROWS_SPARE).min(ROWS_MAX),
        })
    }

    /// The newest hour of what somebody asked for, of the busiest market.
    fn backfill(&self, ledger: &Ledger, trades: &TradeIndex, now_ms: i64) -> Option<Job> {
        let is_due =
            |gap: &&Gap| gap.cause == Cause::Backfill && gap.to_ms.is_some_and(|to_ms| to_ms + ON_THE_WAY_MS <= now_ms);
        let waiting = ledger.pending().filter(|(market, _)| !self.postponed.contains_key(*market));
        let newest = waiting
            .filter_map(|(market, gaps)| gaps.filter(is_due).max_by_key(|gap| gap.from_ms).map(|gap| (market, gap)));
        let (market, gap) = newest.max_by_key(|(market, _)| (trades.ids(market).len(), *market))?;
        Some(Job {
            market: market.clone(),
            from_ms: gap.from_ms,
            to_ms: gap.to_ms?,
            verified_ms: None,
            gaps: vec![gap.clone()],
            rows_first: ROWS_MAX,
        })
    }

    /// From when on a market is compared that was not yet in this run. What was collected before this one is the ledger's; but not what a
    /// killed run had received and not written.
    fn first_verified_ms(&self, ledger: &Ledger, market: &Market, now_ms: i64) -> i64 {
        let begun_ms = ledger.begun_ms(market).unwrap_or(now_ms) + MARGIN_MS;
        self.last_run_ms.map_or(begun_ms, |last_run_ms| begun_ms.max(last_run_ms - LAST_RUN_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoga_upbit::gap::{BACKFILL_CHUNK_MS, Backfilled, Lost, State};

    fn market(code: &str) -> Market {
        Market::parse(code).expect("a code")
    }

    struct Rig {
        plan: Plan,
        ledger: Ledger,
        trades: TradeIndex,
        markets: Vec<Market>,
    }

    impl Rig {
        fn new(verify_s: Option<u64>) -> Rig {
            let markets = vec![market("KRW-ADA"), market("KRW-BTC")];
            let mut ledger = Ledger::default();
            ledger.listen(&markets);
            for heard in &markets {
                ledger.heard(heard, 0);
                ledger.settle(heard, 0, State::Repaired, 0);
            }
            let mut trades = TradeIndex::default();
            (0..9).for_each(|id| assert!(trades.insert(&markets[1], id)));
            Rig { plan: Plan::new(verify_s.map(Duration::from_secs), None), ledger, trades, markets }
        }

        fn next(&mut self, now_ms: i64) -> Option<Job> {
            self.plan.next(&self.ledger, &self.trades, &ExchangeClock::default(), now_ms)
        }
    }

    #[test]
    fn gaps_of_the_busiest_market_come_first_all_of_them_at_once_once_the_list_has_them() {
        let mut rig = Rig::new(None);
        assert_eq!(rig.next(1_000), None);
        for (from_ms, to_ms) in [(20_000, 30_000), (40_000, 50_000)] {
            rig.ledger.lost(Lost { cause: Cause::Disconnect, from_ms });
            for heard in &rig.markets {
                rig.ledger.heard(heard, to_ms);
            }
        }
        assert_eq!(rig.next(32_000), None, "the list may not have them yet");
        assert_eq!(rig.next(39_000), None, "the other one is near");
        let job = rig.next(60_000).expect("two gaps");
        let gaps: Vec<i64> = job.gaps.iter().map(|gap| gap.from_ms).collect();
        assert_eq!(
            (job.market.as_str(), job.from_ms, job.to_ms, gaps),
            ("KRW-BTC", 10_000, 60_000, vec![20_000, 40_000])
        );
        for gap in &job.gaps {
            rig.ledger.settle(&job.market, gap.from_ms, State::Repaired, 0);
        }
        rig.plan.done(&job);
        let other = rig.next(60_000).expect("the other market's");
        assert_eq!(other.market.as_str(), "KRW-ADA");
        rig.plan.postpone(&other.market, 60_000);
        assert_eq!(rig.next(119_000), None);
        assert!(rig.next(120_001).is_some());
    }

    #[test]
    fn comparisons_of_a_market_follow_one_another_without_a_hole() {
        let mut rig = Rig::new(Some(60));
        assert_eq!(rig.next(50_000), None);
        let first = rig.next(100_000).expect("it is time");
        assert_eq!((first.market.as_str(), first.from_ms, first.to_ms), ("KRW-ADA", 0, 93_000));
        assert_eq!(first.rows_first, ROWS_SPARE);
        rig.plan.done(&first);
        let second = rig.next(100_000).expect("the other one");
        assert_eq!((second.market.as_str(), second.rows_first), ("KRW-BTC", 9 + 1 + ROWS_SPARE), "nine are known");
        rig.plan.done(&second);
        assert_eq!((rig.next(100_000), rig.plan.verified_ms(&rig.ledger)), (None, Some(93_000)));
        // a gap in between is compared with what is before it
        rig.ledger.lost(Lost { cause: Cause::Stall, from_ms: 120_000 });
        assert_eq!(rig.next(300_000), None, "what is not received is not compared");
        rig.ledger.heard(&rig.markets[1], 130_000);
        let job = rig.next(140_000).expect("the gap");
        assert_eq!((job.from_ms, job.to_ms), (83_000, 140_000));
        rig.plan.done(&job);
        rig.ledger.settle(&job.market, 120_000, State::Repaired, 0);
        assert_eq!(rig.next(196_000), None);
        assert_eq!(rig.next(197_000).map(|job| job.from_ms), Some(120_000));
    }

    #[test]
    fn what_somebody_asked_for_comes_last_an_hour_at_a_time_and_moves_nothing_else() {
        let mut rig = Rig::new(Some(60));
        const HOUR: i64 = BACKFILL_CHUNK_MS;
        let now_ms = 10 * HOUR;
        let (btc, new) = (rig.markets[1].clone(), market("KRW-NEW"));
        for each in [&btc, &new] {
            rig.ledger.backfill(each, 2 * HOUR, 4 * HOUR - 1, &mut Backfilled::default());
        }
        rig.ledger.lost(Lost { cause: Cause::Stall, from_ms: now_ms - 30_000 });
        for heard in &rig.markets {
            rig.ledger.heard(heard, now_ms - 20_000);
        }
        let mut taken = Vec::new();
        while let Some(job) = rig.next(now_ms) {
            taken.push((job.market.to_string(), job.is_backfill(), job.from_ms, job.to_ms));
            job.gaps.iter().for_each(|gap| drop(rig.ledger.settle(&job.market, gap.from_ms, State::Repaired, 0)));
            rig.plan.done(&job);
        }
        let backfills: Vec<_> = taken.iter().filter(|(_, is_backfill, ..)| *is_backfill).cloned().collect();
        assert_eq!(taken[taken.len() - 4..], backfills, "after the gaps and comparisons of collection: {taken:?}");
        let hour = |market: &Market, hour: i64| (market.to_string(), true, hour * HOUR, (hour + 1) * HOUR - 1);
        assert_eq!(backfills, [hour(&btc, 3), hour(&btc, 2), hour(&new, 3), hour(&new, 2)]);
        assert!(rig.plan.verified_ms(&rig.ledger) >= Some(now_ms - 20_000), "the past says nothing of the present");
        rig.ledger.backfill(&new, now_ms - 5_000, now_ms - 1_000, &mut Backfilled::default());
        assert_eq!(rig.next(now_ms), None, "trades of the last seconds are on their way");
    }

    #[test]
    fn the_last_minutes_of_a_run_that_was_killed_are_compared_again() {
        let mut rig = Rig::new(Some(60));
        rig.plan = Plan::new(Some(Duration::from_secs(60)), Some(5_000_000));
        assert_eq!(rig.next(6_000_000).map(|job| job.from_ms), Some(5_000_000 - LAST_RUN_MS - MARGIN_MS));
        rig.plan = Plan::new(Some(Duration::from_secs(60)), Some(20_000));
        assert_eq!(rig.next(6_000_000).map(|job| job.from_ms), Some(0), "not from before collection began");
    }

    /// Two hours with faults and kills lost eighteen trades so: of two markets whose gap was repaired between the start and the first event.
    #[test]
    fn a_gap_that_is_repaired_before_its_market_is_heard_does_not_hide_the_run_before_it() {
        let mut rig = Rig::new(Some(60));
        rig.plan = Plan::new(Some(Duration::from_secs(60)), Some(5_000_000));
        rig.ledger.lost(Lost { cause: Cause::Disconnect, from_ms: 4_900_000 });
        for heard in &rig.markets {
            rig.ledger.heard(heard, 4_950_000);
        }
        rig.ledger.lost(Lost { cause: Cause::Disconnect, from_ms: 4_990_000 });
        let waiting = rig.next(5_010_000).expect("the gap that the run before left");
        assert_eq!((waiting.market.as_str(), waiting.from_ms), ("KRW-BTC", 4_900_000 - MARGIN_MS));
        rig.ledger.settle(&waiting.market, 4_900_000, State::Repaired, 0);
        rig.plan.done(&waiting);
        rig.ledger.heard(&waiting.market, 5_020_000);
        let next = rig.next(5_060_000).expect("the gap that is over now");
        assert_eq!((next.market.as_str(), next.from_ms), ("KRW-BTC", 5_000_000 - LAST_RUN_MS - MARGIN_MS));
    }
}
