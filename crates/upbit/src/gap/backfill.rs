//! Trades of the past that somebody asks for: gaps of cause `backfill`, an hour each, which repair then takes like any other. Pure.
//!
//! An hour is short enough that a gap of collection does not wait long behind it, and that little is asked for again after a crash. Asking again
//! is answered with how far it is: what is settled already stays so, what waits goes on waiting.

use hoga_model::{Market, StreamKind};

use super::ledger::{Ledger, Line};
use super::{Cause, Gap, State};

/// The longest gap of a backfill; each begins at a full hour, but for the first.
pub const BACKFILL_CHUNK_MS: i64 = 3_600_000;

/// A backfill that is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    to_ms: i64,
    state: State,
    trades_repaired: u64,
}

/// How far the trades are that somebody asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Hours, of all markets.
    pub chunks: u64,
    /// Those of them that wait.
    pub waiting: u64,
    /// Those that the exchange could not tell any more.
    pub lost: u64,
    /// Trades that were missing, in those that are settled.
    pub trades_repaired: u64,
}

impl Ledger {
    /// The trades of the market from `from_ms` to `to_ms`, both inclusive, are wanted. Gives the gaps that are new, for the log, and adds to
    /// `progress` what became of all of it.
    pub fn backfill(&mut self, market: &Market, from_ms: i64, to_ms: i64, progress: &mut Backfilled) -> Vec<Gap> {
        let line = self.line(market, StreamKind::Trade);
        let mut opened = Vec::new();
        let mut at_ms = from_ms;
        while at_ms <= to_ms {
            let next_ms = (at_ms.div_euclid(BACKFILL_CHUNK_MS) + 1) * BACKFILL_CHUNK_MS;
            let key = line.backfill_key(at_ms);
            opened.extend(line.ask(market, key, to_ms.min(next_ms - 1), progress));
            at_ms = next_ms;
        }
        opened
    }
}

impl Line {
    /// What a record of the topic, or repair, says of a backfill.
    pub(super) fn load_backfill(&mut self, gap: Gap) {
        self.pending.remove(&gap.from_ms);
        if gap.state == State::Pending {
            self.pending.insert(gap.from_ms, gap);
        } else if let Some(to_ms) = gap.to_ms {
            let done = Done { to_ms, state: gap.state, trades_repaired: gap.trades_repaired };
            self.backfilled.insert(gap.from_ms, done);
        }
    }

    fn ask(&mut self, market: &Market, from_ms: i64, to_ms: i64, progress: &mut Backfilled) -> Option<Gap> {
        progress.chunks += 1;
        if let Some(done) = self.backfilled.get(&from_ms).filter(|done| done.to_ms >= to_ms) {
            progress.lost += u64::from(done.state == State::Lost);
            progress.trades_repaired += done.trades_repaired;
            return None;
        }
        progress.waiting += 1;
        if self.pending.get(&from_ms).is_some_and(|gap| gap.to_ms >= Some(to_ms)) {
            return None;
        }
        let gap = Gap {
            market: market.clone(),
            channel: StreamKind::Trade,
            from_ms,
            to_ms: Some(to_ms),
            cause: Cause::Backfill,
            state: State::Pending,
            trades_repaired: 0,
        };
        self.pending.insert(from_ms, gap.clone());
        Some(gap)
    }

    /// The start of a backfill, or of one that has no other gap's key: a person may give the very time at which one begins.
    fn backfill_key(&self, from_ms: i64) -> i64 {
        let is_other = |from_ms: i64| {
            self.begun_ms == Some(from_ms)
                || self.newest_from_ms == Some(from_ms)
                || self.open.as_ref().is_some_and(|open| open.from_ms == from_ms)
                || self.pending.get(&from_ms).is_some_and(|gap| gap.cause != Cause::Backfill)
        };
        (0..).map(|earlier| from_ms - earlier).find(|from_ms| !is_other(*from_ms)).unwrap_or(from_ms)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const HOUR: i64 = BACKFILL_CHUNK_MS;

    fn ask(ledger: &mut Ledger, from_ms: i64, to_ms: i64) -> (Vec<(i64, Option<i64>)>, Backfilled) {
        let mut progress = Backfilled::default();
        let opened = ledger.backfill(&Market::parse("KRW-BTC").unwrap(), from_ms, to_ms, &mut progress);
        (opened.iter().map(|gap| (gap.from_ms, gap.to_ms)).collect(), progress)
    }

    #[test]
    fn hours_are_asked_for_once_and_remembered_by_the_topic() {
        let btc = Market::parse("KRW-BTC").unwrap();
        let mut ledger = Ledger::default();
        let mut progress = Backfilled::default();
        let mut records = ledger.backfill(&btc, HOUR / 2, 2 * HOUR, &mut progress);
        let spans: Vec<_> = records.iter().map(|gap| (gap.from_ms, gap.to_ms.unwrap())).collect();
        assert_eq!(spans, [(HOUR / 2, HOUR - 1), (HOUR, 2 * HOUR - 1), (2 * HOUR, 2 * HOUR)]);
        assert_eq!((progress.chunks, progress.waiting, ledger.counts()), (3, 3, (0, 3)));
        assert!(
            !ledger.knows(&btc) && ledger.restart(5, |_| false).is_empty(),
            "nobody collects it: a restart is no hole"
        );
        records.push(ledger.settle(&btc, HOUR, State::Repaired, 7).unwrap());
        records.push(ledger.settle(&btc, HOUR / 2, State::Lost, 0).unwrap());
        // the same again, also by a process that has only the records
        for mut ledger in [ledger, Ledger::load(records)] {
            let (opened, progress) = ask(&mut ledger, HOUR / 2, 2 * HOUR);
            assert_eq!(opened, []);
            assert_eq!(progress, Backfilled { chunks: 3, waiting: 1, lost: 1, trades_repaired: 7 });
            // a later end: only what it adds
            let (opened, _) = ask(&mut ledger, HOUR, 2 * HOUR + 5);
            assert_eq!(opened, [(2 * HOUR, Some(2 * HOUR + 5))]);
            assert_eq!(ledger.counts(), (0, 1));
        }
    }

    #[test]
    fn collection_of_a_market_that_was_backfilled_still_begins() {
        let btc = Market::parse("KRW-BTC").unwrap();
        let mut ledger = Ledger::default();
        ask(&mut ledger, 0, 5);
        ledger.listen(std::slice::from_ref(&btc));
        assert!(ledger.lost(super::super::Lost { cause: Cause::Stall, from_ms: 3 }).is_empty(), "it had not begun");
        let begun = ledger.heard(&btc, HOUR);
        assert_eq!(begun.iter().map(|gap| gap.cause).collect::<Vec<_>>(), [Cause::Begin; 3]);
        // its key stays its own
        let (opened, _) = ask(&mut ledger, HOUR, HOUR + 9);
        assert_eq!(opened, [(HOUR - 1, Some(HOUR + 9))]);
        assert_eq!(ledger.counts(), (0, 3));
    }
}
