//! The newest trades of each market, by id: an overlapping connection, a snapshot or a replayed frame then adds nothing. Pure.

use std::collections::{HashMap, HashSet, VecDeque};

use hoga_model::Market;

/// Ids kept for each market. Real duplicates are among the newest few; the most seen late was about a second.
const IDS_PER_MARKET_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub struct TradeIndex {
    markets: HashMap<Market, Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    ids: HashSet<u64>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl TradeIndex {
    /// True if the trade is new.
    pub fn insert(&mut self, market: &Market, id: u64) -> bool {
        // most trades are of a known market: no copy of its name then
        match self.markets.get_mut(market) {
            Some(recent) => recent.insert(id),
            None => self.markets.entry(market.clone()).or_default().insert(id),
        }
    }

    /// Each market's ids, the oldest first.
    pub fn markets(&self) -> impl Iterator<Item = (&Market, impl ExactSizeIterator<Item = u64>)> {
        self.markets.iter().map(|(market, recent)| (market, recent.order.iter().copied()))
    }

    /// One market's ids, the oldest first.
    pub fn ids(&self, market: &Market) -> impl ExactSizeIterator<Item = u64> {
        static NONE: VecDeque<u64> = VecDeque::new();
        self.markets.get(market).map_or(&NONE, |recent| &recent.order).iter().copied()
    }
}

impl Recent {
    fn insert(&mut self, id: u64) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > IDS_PER_MARKET_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}
