//! One market's order book: 30 levels a side, best first, on ticks, never crossed. Pure.
//!
//! A level is (price, size) in units of 10^-8. A thin book has fewer levels; what is beyond them is (0, 0), the padding
//! that Upbit sends.

use super::rng::Rng;
use super::tick::{self, Quote};

pub const LEVELS: usize = 30;

/// Sizes stay below this many units, so that the sum of 30 of them fits an i64 too.
const SIZE_MAX: i128 = i64::MAX as i128 / 64;

/// A level holds this many of the smallest orders at least.
const LEVEL_ORDERS: u64 = 8;
const LEVEL_DOUBLINGS_MAX: u32 = 14;

/// From this many ticks in a price on, a book has holes: nobody quotes every 1,000 KRW of a bitcoin.
const FINE_PRICE_TICKS: i64 = 20_000;
const HOLE_TICKS_MAX: u64 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    pub price: i64,
    pub size: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    pub asks: [Level; LEVELS],
    pub bids: [Level; LEVELS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The taker sold, at the best bid.
    Ask,
    /// The taker bought, at the best ask.
    Bid,
}

impl Side {
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Ask => "ASK",
            Side::Bid => "BID",
        }
    }
}

/// What a book is made from, for the life of a market.
#[derive(Debug, Clone, Copy)]
pub struct BookShape {
    pub quote: Quote,
    /// Levels a side that are not padding.
    pub depth: usize,
    /// Ticks between the best bid and the best ask.
    pub spread_ticks: u32,
}

impl Book {
    /// A book around a price.
    pub fn around(price: i64, shape: BookShape, rng: &mut Rng) -> Book {
        let mut book = Book { asks: [Level::default(); LEVELS], bids: [Level::default(); LEVELS] };
        book.move_to(price, shape, rng);
        book
    }

    /// Moves the book so that the best bid is the highest tick not above `price`. Levels that stay keep their size.
    pub fn move_to(&mut self, price: i64, shape: BookShape, rng: &mut Rng) {
        let best_bid = tick::floor(shape.quote, price).max(1);
        let best_ask = (0..shape.spread_ticks).fold(best_bid, |price, _| tick::above(shape.quote, price));
        if self.asks[0].price != best_ask {
            self.asks = ladder(&self.asks, best_ask, Side::Ask, shape, rng);
        }
        if self.bids[0].price != best_bid {
            self.bids = ladder(&self.bids, best_bid, Side::Bid, shape, rng);
        }
    }

    /// Takes a trade's volume from the best level of the other side; a level that was eaten is filled again.
    pub fn take(&mut self, side: Side, volume: i64, shape: BookShape, rng: &mut Rng) {
        let level = match side {
            Side::Bid => &mut self.asks[0],
            Side::Ask => &mut self.bids[0],
        };
        level.size = if volume < level.size { level.size - volume } else { draw_size(level.price, shape.quote, rng) };
    }

    /// Orders come and go: a few levels change their size, the best ones most often.
    pub fn stir(&mut self, shape: BookShape, rng: &mut Rng) {
        for _ in 0..=rng.below(3) {
            let reach = 1 + rng.below(LEVELS as u64);
            let index = rng.below(reach) as usize;
            let side = if rng.below(2) == 0 { &mut self.asks } else { &mut self.bids };
            if side[index].price > 0 {
                side[index].size = draw_size(side[index].price, shape.quote, rng);
            }
        }
    }

    /// The price and size a taker of this side meets.
    pub fn best(&self, side: Side) -> Level {
        match side {
            Side::Bid => self.asks[0],
            Side::Ask => self.bids[0],
        }
    }
}

/// Levels outward from `best`, keeping those of `old` that are still on this side of it.
fn ladder(old: &[Level; LEVELS], best: i64, side: Side, shape: BookShape, rng: &mut Rng) -> [Level; LEVELS] {
    // prices grow outward for asks and shrink for bids; `is_inside` is true for those nearer to the middle
    let is_inside = |price: i64, of: i64| if side == Side::Ask { price < of } else { price > of };
    let mut kept = old.iter().filter(|level| level.price > 0 && !is_inside(level.price, best)).peekable();
    let mut new = [Level::default(); LEVELS];
    let mut price = best;
    for level in new.iter_mut().take(shape.depth) {
        if price <= 0 {
            break;
        }
        *level = match kept.peek() {
            Some(next) if !is_inside(price, next.price) => **next,
            _ => Level { price, size: draw_size(price, shape.quote, rng) },
        };
        while kept.peek().is_some_and(|next| !is_inside(level.price, next.price)) {
            kept.next();
        }
        price = outward(level.price, side, shape.quote, rng);
    }
    new
}

/// The next level's price away from the middle; 0 when there is none.
fn outward(price: i64, side: Side, quote: Quote, rng: &mut Rng) -> i64 {
    let is_fine = price / tick::tick_size(quote, price) >= FINE_PRICE_TICKS;
    let ticks = 1 + if is_fine && rng.below(3) == 0 { rng.below(HOLE_TICKS_MAX) } else { 0 };
    (0..ticks).fold(price, |price, _| match side {
        Side::Ask => tick::above(quote, price),
        Side::Bid => tick::below(quote, price),
    })
}

fn draw_size(price: i64, quote: Quote, rng: &mut Rng) -> i64 {
    let amount = rng.heavy_tailed(quote.order_min() as u64 * LEVEL_ORDERS, LEVEL_DOUBLINGS_MAX);
    size_for(amount, price)
}

/// How much of the base currency `amount` units of the quote currency buy; at least one unit.
pub fn size_for(amount: u64, price: i64) -> i64 {
    let size = i128::from(amount) * i128::from(tick::ONE) / i128::from(price.max(1));
    size.clamp(1, SIZE_MAX) as i64
}
