//! One simulated market: a price that walks, a book around it, trades that hit the book, and what they add up to.
//!
//! Pure. In: the time, and numbers of its own seed. Out: trades, tickers, books. State: all of a market's day.
//! The price is a random walk in time (not in events: a higher rate does not make it wilder) that is drawn back to an
//! anchor, with a burst now and then that an alert can see.

use super::book::{Book, BookShape, LEVELS, Level, Side, size_for};
use super::catalog::Listing;
use super::ids::TradeIds;
use super::rng::Rng;
use super::tick::{self, ONE};
use super::totals::{Bar, Rolling, Trade, Year};
use hoga_model::time::MS_PER_DAY;

/// The walk's step over one second is uniform within ± this many billionths: about 0.1 % a minute, 4 % a day.
const STEP_PPB: i128 = 260_000;
/// Quiet coins walk up to this many times as fast as the largest.
const STEP_FACTOR_MAX: i64 = 4;
/// In this time the anchor draws the price back by all but 1/e of the distance.
const REVERSION_MS: i128 = 30 * 60_000;
/// A pause longer than this counts as this long, so that a sleeping machine does not make a jump.
const WALK_MS_MAX: i64 = 10_000;
/// The price stays between start / this and start × this.
const RANGE_FACTOR: i128 = 4;

/// Trades double from the smallest order with probability ½, at most this often: 5,000 KRW to 5 billion.
const TRADE_DOUBLINGS_MAX: u32 = 20;
/// In a burst, trades are 2^2 times as large.
const BURST_DOUBLINGS: u32 = 2;
/// Of a hundred takers, how many follow the price's direction.
const FOLLOWERS_PERCENT: u64 = 62;

/// One in this many markets has a thin book, and a wide spread.
const THIN_ONE_IN: u64 = 6;
/// The most traded ones never have.
const THICK_MARKETS: usize = 10;

#[derive(Debug)]
pub struct MarketState {
    listing: Listing,
    index: usize,
    rng: Rng,
    opened_ms: i64,
    /// The price before it is put on a tick, in units of 10^-16.
    fair: i128,
    anchor: i128,
    walked_ms: i64,
    is_rising: bool,
    step_factor: i128,
    burst: Option<Burst>,
    shape: BookShape,
    book: Book,
    ids: TradeIds,
    day: i64,
    day_bar: Option<Bar>,
    /// (day, closing price of the day before), newest last.
    closes: Vec<(i64, i64)>,
    rolling: Rolling,
    year: Year,
    last: LastTrade,
    last_published: Option<Trade>,
}

/// Days of closing prices kept: as many as REST has of trades.
const CLOSES_MAX: usize = 8;

/// A surge or a plunge: the price moves by a fixed step per millisecond until it ends.
#[derive(Debug, Clone, Copy)]
struct Burst {
    until_ms: i64,
    step_per_ms: i128,
}

/// What a ticker tells of the trade with the highest id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastTrade {
    pub sequential_id: u64,
    pub executed_ms: i64,
    pub price: i64,
    pub volume: i64,
    pub side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticker {
    pub market: usize,
    pub published_ms: i64,
    pub last: LastTrade,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub prev_close: i64,
    pub ask_volume: i128,
    pub bid_volume: i128,
    pub turnover: i128,
    pub volume_24h: i128,
    pub turnover_24h: i128,
    pub year: Year,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orderbook {
    pub market: usize,
    pub published_ms: i64,
    pub book: Book,
}

/// A trade with what its frame tells besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeEvent {
    pub trade: Trade,
    pub prev_close: i64,
    pub best_ask: Level,
    pub best_bid: Level,
}

impl MarketState {
    pub fn new(index: usize, listing: Listing, seed: u64, opened_ms: i64) -> MarketState {
        let mut rng = Rng::new(seed, 1 + index as u64);
        let start = listing.start_price;
        let fair = i128::from(start) * i128::from(ONE);
        let is_thin = index >= THICK_MARKETS && rng.below(THIN_ONE_IN) == 0;
        let shape = BookShape {
            quote: listing.quote,
            depth: if is_thin { rng.range(3, LEVELS as i64 - 1) as usize } else { LEVELS },
            spread_ticks: if is_thin { rng.range(2, 6) as u32 } else { 1 },
        };
        let near = |rng: &mut Rng, low_percent: i64, high_percent: i64| {
            let price = i128::from(start) * i128::from(rng.range(low_percent * 100, high_percent * 100)) / 10_000;
            tick::floor(listing.quote, price as i64).max(1)
        };
        let day = opened_ms.div_euclid(MS_PER_DAY);
        let prev_close = near(&mut rng, 96, 104);
        let year = Year {
            high: near(&mut rng, 120, 190),
            high_day: day - rng.range(10, 350),
            low: near(&mut rng, 30, 85),
            low_day: day - rng.range(10, 350),
        };
        // the trade before the opening: a ticker always has one
        let last = LastTrade {
            sequential_id: 0,
            executed_ms: opened_ms - rng.range(1_000, 600_000),
            price: start,
            volume: size_for(rng.heavy_tailed(listing.quote.order_min() as u64, 8), start),
            side: if rng.below(2) == 0 { Side::Ask } else { Side::Bid },
        };
        MarketState {
            index,
            opened_ms,
            fair,
            anchor: fair,
            walked_ms: opened_ms,
            is_rising: false,
            step_factor: i128::from(if index < THICK_MARKETS { 1 } else { rng.range(1, STEP_FACTOR_MAX) }),
            burst: None,
            shape,
            book: Book::around(start, shape, &mut rng),
            ids: TradeIds::default(),
            day,
            day_bar: None,
            closes: vec![(day, prev_close)],
            rolling: Rolling::default(),
            year,
            last,
            last_published: None,
            listing,
            rng,
        }
    }

    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Somebody buys or sells, published at `now_ms`. Call with times that never go back.
    pub fn trade(&mut self, now_ms: i64, is_late: bool) -> TradeEvent {
        self.advance(now_ms);
        let follows = self.rng.below(100) < FOLLOWERS_PERCENT;
        let side = if follows == self.is_rising { Side::Bid } else { Side::Ask };
        let price = self.book.best(side).price;
        let doublings = if self.burst.is_some() { BURST_DOUBLINGS } else { 0 };
        let order_min = (self.listing.quote.order_min() as u64) << doublings;
        let volume = size_for(self.rng.heavy_tailed(order_min, TRADE_DOUBLINGS_MAX), price);
        self.book.take(side, volume, self.shape, &mut self.rng);
        let id = self.ids.next(now_ms, self.opened_ms, is_late, &mut self.rng);
        let trade = Trade {
            market: self.index,
            sequential_id: id.sequential_id,
            executed_ms: id.executed_ms,
            published_ms: now_ms,
            price,
            volume,
            side,
        };
        self.add(&trade);
        self.trade_event(trade)
    }

    /// Orders came or went.
    pub fn stir(&mut self, now_ms: i64) -> Orderbook {
        self.advance(now_ms);
        self.book.stir(self.shape, &mut self.rng);
        self.orderbook(now_ms)
    }

    /// The book as it is.
    pub fn orderbook(&self, now_ms: i64) -> Orderbook {
        Orderbook { market: self.index, published_ms: now_ms, book: self.book.clone() }
    }

    pub fn ticker(&mut self, now_ms: i64) -> Ticker {
        self.roll_day(now_ms);
        self.rolling.forget(now_ms);
        let prev_close = self.prev_close(self.day);
        let still = self.last.price;
        let (open, high, low) = self.day_bar.map_or((still, still, still), |bar| (bar.open, bar.high, bar.low));
        Ticker {
            market: self.index,
            published_ms: now_ms,
            last: self.last,
            open,
            high,
            low,
            prev_close,
            ask_volume: self.day_bar.map_or(0, |bar| bar.ask_volume),
            bid_volume: self.day_bar.map_or(0, |bar| bar.bid_volume),
            turnover: self.day_bar.map_or(0, |bar| bar.turnover),
            volume_24h: self.rolling.volume,
            turnover_24h: self.rolling.turnover,
            year: self.year,
        }
    }

    /// The trade published last, if there was one since the opening.
    pub fn last_trade(&self) -> Option<TradeEvent> {
        self.last_published.map(|trade| self.trade_event(trade))
    }

    /// From now on the price moves by `change_ppm` over `duration_ms`, and trades are larger.
    pub fn start_burst(&mut self, now_ms: i64, change_ppm: i64, duration_ms: i64) {
        let change = self.fair * i128::from(change_ppm) / 1_000_000;
        let step_per_ms = change / i128::from(duration_ms.max(1));
        self.burst = Some(Burst { until_ms: now_ms + duration_ms, step_per_ms });
    }

    /// The close of the day before `day`, as far back as it is kept.
    pub fn prev_close(&self, day: i64) -> i64 {
        let known = self.closes.iter().rev().find(|(of, _)| *of <= day).or(self.closes.first());
        known.map_or(self.listing.start_price, |(_, close)| *close)
    }

    fn trade_event(&self, trade: Trade) -> TradeEvent {
        let prev_close = self.prev_close(trade.executed_ms.div_euclid(MS_PER_DAY));
        TradeEvent { trade, prev_close, best_ask: self.book.asks[0], best_bid: self.book.bids[0] }
    }

    fn advance(&mut self, now_ms: i64) {
        self.roll_day(now_ms);
        let dt_ms = (now_ms - self.walked_ms).clamp(0, WALK_MS_MAX);
        if dt_ms == 0 {
            return;
        }
        self.walked_ms = now_ms;
        let before = self.fair;
        // the step grows with the square root of the time, as a random walk does; 31,623² ≈ 10^9 ms·µs
        let reach_ppb = STEP_PPB * self.step_factor * (dt_ms as u64 * 1_000_000).isqrt() as i128 / 31_623;
        let draw = i128::from(self.rng.range(-1_000_000, 1_000_000));
        self.fair += self.fair / 1_000_000_000 * reach_ppb * draw / 1_000_000;
        self.fair += (self.anchor - self.fair) * i128::from(dt_ms) / REVERSION_MS;
        if let Some(burst) = self.burst {
            self.fair += burst.step_per_ms * i128::from(dt_ms);
            if now_ms >= burst.until_ms {
                self.burst = None;
                self.anchor = (self.anchor + self.fair) / 2;
            }
        }
        let start = i128::from(self.listing.start_price) * i128::from(ONE);
        self.fair = self.fair.clamp(start / RANGE_FACTOR, start * RANGE_FACTOR);
        if self.fair != before {
            self.is_rising = self.fair > before;
        }
        let price = i64::try_from(self.fair / i128::from(ONE)).unwrap_or(i64::MAX);
        self.book.move_to(price, self.shape, &mut self.rng);
    }

    fn roll_day(&mut self, now_ms: i64) {
        let day = now_ms.div_euclid(MS_PER_DAY);
        if day <= self.day {
            return;
        }
        self.day = day;
        self.day_bar = None;
        self.closes.push((day, self.last.price));
        if self.closes.len() > CLOSES_MAX {
            self.closes.remove(0);
        }
    }

    fn add(&mut self, trade: &Trade) {
        // a late trade of yesterday belongs to no sum of today
        if trade.executed_ms.div_euclid(MS_PER_DAY) == self.day {
            match &mut self.day_bar {
                Some(bar) => bar.add(trade),
                None => self.day_bar = Some(Bar::of(self.day * MS_PER_DAY, trade)),
            }
        }
        self.rolling.add(trade);
        self.year.add(trade.price, trade.executed_ms.div_euclid(MS_PER_DAY));
        let Trade { sequential_id, executed_ms, price, volume, side, .. } = *trade;
        if sequential_id > self.last.sequential_id {
            self.last = LastTrade { sequential_id, executed_ms, price, volume, side };
        }
        self.last_published = Some(*trade);
    }
}

#[cfg(test)]
mod tests;
