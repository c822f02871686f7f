//! All markets of the simulated exchange: which one moves next, and how. Pure.
//!
//! In: the time and a seed. Out: one event per call of [`Exchange::next`]. State: the markets and their histories. The
//! same seed and the same times give the same events. Not here: the rate, clients, JSON.

use super::catalog::Listing;
use super::history::History;
use super::market::{MarketState, Orderbook, Ticker, TradeEvent};
use super::rng::Rng;
use hoga_model::StreamKind;
use std::collections::HashMap;

/// Of a hundred events: tickers, then trades; the rest are order books.
const TICKER_PERCENT: u64 = 30;
const TRADE_PERCENT: u64 = 20;

/// Activity of the market at `rank` is proportional to 1 / (rank + this): Zipf's law with a flattened head.
const ZIPF_OFFSET: u64 = 5;
const ZIPF_SCALE: u64 = 1_000_000_000;

/// A burst starts somewhere every so often; the first one soon, in one of the large markets, so that a demo sees it.
const BURST_FIRST_MS: i64 = 5_000;
const BURST_EVERY_MS: (i64, i64) = (12_000, 40_000);
const BURST_LASTS_MS: (i64, i64) = (15_000, 60_000);
const BURST_CHANGE_PPM: (i64, i64) = (40_000, 110_000);
const BURST_LARGE_MARKETS: u64 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Trade(TradeEvent),
    Ticker(Box<Ticker>),
    Orderbook(Box<Orderbook>),
}

impl Event {
    pub fn kind(&self) -> StreamKind {
        match self {
            Event::Trade(_) => StreamKind::Trade,
            Event::Ticker(_) => StreamKind::Ticker,
            Event::Orderbook(_) => StreamKind::Orderbook,
        }
    }

    /// Index into the listings.
    pub fn market(&self) -> usize {
        match self {
            Event::Trade(event) => event.trade.market,
            Event::Ticker(ticker) => ticker.market,
            Event::Orderbook(orderbook) => orderbook.market,
        }
    }
}

#[derive(Debug)]
pub struct Exchange {
    markets: Vec<MarketState>,
    histories: Vec<History>,
    by_code: HashMap<String, usize>,
    /// Cumulative activity; the last one is the sum.
    activity: Vec<u64>,
    rng: Rng,
    /// Time as published: never goes back, whatever the clock does.
    now_ms: i64,
    next_burst_ms: i64,
    had_burst: bool,
}

impl Exchange {
    /// An exchange of at least one market that opens at `opened_ms`: no trade is older.
    pub fn open(listings: Vec<Listing>, seed: u64, opened_ms: i64, history_trades_max: usize) -> Exchange {
        let by_code = listings.iter().enumerate().map(|(index, l)| (l.info.market.to_string(), index)).collect();
        let mut sum = 0;
        let weight = |rank: usize| ZIPF_SCALE / (rank as u64 + ZIPF_OFFSET);
        let activity = (0..listings.len()).map(|rank| {
            sum += weight(rank);
            sum
        });
        Exchange {
            activity: activity.collect(),
            histories: listings.iter().map(|_| History::new(history_trades_max)).collect(),
            markets: listings
                .into_iter()
                .enumerate()
                .map(|(index, listing)| MarketState::new(index, listing, seed, opened_ms))
                .collect(),
            by_code,
            rng: Rng::new(seed, 0),
            now_ms: opened_ms,
            next_burst_ms: opened_ms + BURST_FIRST_MS,
            had_burst: false,
        }
    }

    /// Something happens at `now_ms`; nothing if it falls to the market that is `delisted`. `is_late` says whether a trade at this moment would
    /// be a late one.
    pub fn next(&mut self, now_ms: i64, delisted: Option<usize>, is_late: impl FnOnce() -> bool) -> Option<Event> {
        self.now_ms = self.now_ms.max(now_ms);
        let now_ms = self.now_ms;
        if now_ms >= self.next_burst_ms {
            self.start_burst(now_ms);
        }
        let point = self.rng.below(self.activity.last().copied().unwrap_or(0));
        let index = self.activity.partition_point(|cumulative| *cumulative <= point);
        let draw = self.rng.below(100);
        if Some(index) == delisted {
            return None;
        }
        let market = &mut self.markets[index];
        let event = if draw < TICKER_PERCENT {
            Event::Ticker(Box::new(market.ticker(now_ms)))
        } else if draw < TICKER_PERCENT + TRADE_PERCENT {
            let event = market.trade(now_ms, is_late());
            self.histories[index].add(&event.trade);
            Event::Trade(event)
        } else {
            Event::Orderbook(Box::new(market.stir(now_ms)))
        };
        Some(event)
    }

    /// The state a new subscriber is told first; a trade only if there was one.
    pub fn snapshot(&mut self, kind: StreamKind, index: usize) -> Option<Event> {
        let now_ms = self.now_ms;
        let market = self.markets.get_mut(index)?;
        match kind {
            StreamKind::Trade => market.last_trade().map(Event::Trade),
            StreamKind::Ticker => Some(Event::Ticker(Box::new(market.ticker(now_ms)))),
            StreamKind::Orderbook => Some(Event::Orderbook(Box::new(market.orderbook(now_ms)))),
        }
    }

    pub fn markets(&self) -> &[MarketState] {
        &self.markets
    }

    pub fn index_of(&self, code: &str) -> Option<usize> {
        self.by_code.get(code).copied()
    }

    pub fn history(&self, index: usize) -> Option<&History> {
        self.histories.get(index)
    }

    /// Time as it was last published.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn start_burst(&mut self, now_ms: i64) {
        let among = self.markets.len() as u64;
        let among = if self.had_burst { among } else { among.min(BURST_LARGE_MARKETS) };
        let index = self.rng.below(among) as usize;
        let change_ppm = self.rng.range(BURST_CHANGE_PPM.0, BURST_CHANGE_PPM.1);
        let change_ppm = if self.rng.below(2) == 0 { -change_ppm } else { change_ppm };
        let duration_ms = self.rng.range(BURST_LASTS_MS.0, BURST_LASTS_MS.1);
        self.markets[index].start_burst(now_ms, change_ppm, duration_ms);
        self.had_burst = true;
        self.next_burst_ms = now_ms + self.rng.range(BURST_EVERY_MS.0, BURST_EVERY_MS.1);
    }
}

#[cfg(test)]
mod tests;
