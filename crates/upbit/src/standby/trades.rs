//! The newest trades of each market, by id: an overlapping connection, a snapshot, a replayed frame or a repair then adds nothing. Pure.

use std::collections::{BTreeSet, HashMap};

use hoga_model::Market;

/// Ids kept for each market whatever the others have: real duplicates are among the newest few; the most seen late was about a second.
pub const IDS_PER_MARKET_MIN: usize = 1_024;
/// Ids kept in all, as long as no market has fewer than [`IDS_PER_MARKET_MIN`]: 9 MB; twenty minutes of 400 trades a second.
const IDS_MAX: usize = 500_000;

#[derive(Debug, Default)]
pub struct TradeIndex {
    markets: HashMap<Market, Recent>,
    ids: usize,
}

#[derive(Debug, Default)]
struct Recent {
    ids: BTreeSet<u64>,
    /// The largest id that was forgotten: what is above it is known for sure.
    forgotten: Option<u64>,
}

/// What an index can say of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Yes,
    No,
    /// It is among those that were forgotten, or was never there.
    Unsure,
}

impl TradeIndex {
    /// True if the trade is new, as far as is known.
    pub fn insert(&mut self, market: &Market, id: u64) -> bool {
        // most trades are of a known market: no copy of its name then
        let recent = match self.markets.get_mut(market) {
            Some(recent) => recent,
            None => self.markets.entry(market.clone()).or_default(),
        };
        if !recent.ids.insert(id) {
            return false;
        }
        self.ids += 1;
        if self.ids > IDS_MAX && recent.ids.len() > IDS_PER_MARKET_MIN {
            self.ids -= usize::from(recent.forget_smallest());
        }
        true
    }

    pub fn knows(&self, market: &Market, id: u64) -> Known {
        let Some(recent) = self.markets.get(market) else { return Known::No };
        match recent.forgotten {
            _ if recent.ids.contains(&id) => Known::Yes,
            Some(forgotten) if id <= forgotten => Known::Unsure,
            _ => Known::No,
        }
    }

    /// A market's newest ids as they were saved, at most `max` of them: if there are so many, nothing is known of those below.
    pub fn restore(&mut self, market: &Market, ids: Vec<u64>, max: usize) {
        if ids.len() >= max
            && let Some(smallest) = ids.iter().min()
        {
            let recent = self.markets.entry(market.clone()).or_default();
            recent.forgotten = recent.forgotten.max(Some(smallest.saturating_sub(1)));
        }
        for id in ids {
            self.insert(market, id);
        }
    }

    /// How many ids from this one on are known of the market; counts to `max` at most.
    pub fn count_from(&self, market: &Market, id: u64, max: usize) -> usize {
        self.markets.get(market).map_or(0, |recent| recent.ids.range(id..).take(max).count())
    }

    pub fn forgotten(&self, market: &Market) -> Option<u64> {
        self.markets.get(market)?.forgotten
    }

    /// Each market's ids, the smallest first.
    pub fn markets(&self) -> impl Iterator<Item = (&Market, impl ExactSizeIterator<Item = u64>)> {
        self.markets.iter().map(|(market, recent)| (market, recent.ids.iter().copied()))
    }

    /// One market's ids, the smallest first.
    pub fn ids(&self, market: &Market) -> impl ExactSizeIterator<Item = u64> {
        static NONE: BTreeSet<u64> = BTreeSet::new();
        self.markets.get(market).map_or(&NONE, |recent| &recent.ids).iter().copied()
    }
}

impl Recent {
    fn forget_smallest(&mut self) -> bool {
        match self.ids.pop_first() {
            Some(smallest) => {
                self.forgotten = self.forgotten.max(Some(smallest));
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_not_denied() {
        let market = |code| Market::parse(code).expect("a code");
        let (busy, quiet) = (market("KRW-BTC"), market("KRW-ETH"));
        let mut index = TradeIndex::default();
        assert!(index.insert(&quiet, 5) && !index.insert(&quiet, 5));
        for id in 0..IDS_MAX as u64 + 1_000 {
            assert!(index.insert(&busy, 1_000_000 + id));
        }
        assert_eq!(index.ids, IDS_MAX);
        assert_eq!((index.knows(&quiet, 5), index.knows(&quiet, 4)), (Known::Yes, Known::No));
        assert_eq!(index.knows(&busy, 1_000_000), Known::Unsure);
        assert_eq!(index.knows(&busy, 1_000_000 + IDS_MAX as u64), Known::Yes);
        assert_eq!(index.knows(&busy, 9_000_000), Known::No);
        let (mut some, mut all) = (TradeIndex::default(), TradeIndex::default());
        some.restore(&quiet, vec![5, 7], 2);
        all.restore(&quiet, vec![5, 7], 3);
        let known = |index: &TradeIndex| [4, 5, 6].map(|id| index.knows(&quiet, id));
        assert_eq!(known(&some), [Known::Unsure, Known::Yes, Known::No]);
        assert_eq!(known(&all), [Known::No, Known::Yes, Known::No]);
    }
}
