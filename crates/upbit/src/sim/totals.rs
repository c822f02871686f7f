//! What trades add up to: bars of any length, the last 24 hours, the last 52 weeks. Pure and exact.
//!
//! Volumes are units of 10^-8, turnovers (price × volume) units of 10^-16.

use super::book::Side;
use std::collections::VecDeque;

pub const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

/// One trade as it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// Index into the exchange's listings.
    pub market: usize,
    pub sequential_id: u64,
    pub executed_ms: i64,
    pub published_ms: i64,
    pub price: i64,
    pub volume: i64,
    pub side: Side,
}

impl Trade {
    pub fn turnover(&self) -> i128 {
        i128::from(self.price) * i128::from(self.volume)
    }
}

/// Open, high, low, close and sums of some trades. Open and close go by id, in whatever order the trades arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    pub start_ms: i64,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub first_id: u64,
    pub last_id: u64,
    /// Execution of the trade that closes the bar.
    pub last_ms: i64,
    pub ask_volume: i128,
    pub bid_volume: i128,
    pub turnover: i128,
}

impl Bar {
    pub fn of(start_ms: i64, trade: &Trade) -> Bar {
        let mut bar = Bar {
            start_ms,
            open: trade.price,
            high: trade.price,
            low: trade.price,
            close: trade.price,
            first_id: trade.sequential_id,
            last_id: trade.sequential_id,
            last_ms: trade.executed_ms,
            ask_volume: 0,
            bid_volume: 0,
            turnover: 0,
        };
        bar.add(trade);
        bar
    }

    pub fn add(&mut self, trade: &Trade) {
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        if trade.sequential_id < self.first_id {
            (self.first_id, self.open) = (trade.sequential_id, trade.price);
        }
        if trade.sequential_id > self.last_id {
            (self.last_id, self.close, self.last_ms) = (trade.sequential_id, trade.price, trade.executed_ms);
        }
        match trade.side {
            Side::Ask => self.ask_volume += i128::from(trade.volume),
            Side::Bid => self.bid_volume += i128::from(trade.volume),
        }
        self.turnover += trade.turnover();
    }

    /// Puts a later bar's trades into this one.
    pub fn merge(&mut self, later: &Bar) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        (self.last_id, self.close, self.last_ms) = (later.last_id, later.close, later.last_ms);
        self.ask_volume += later.ask_volume;
        self.bid_volume += later.bid_volume;
        self.turnover += later.turnover;
    }

    pub fn volume(&self) -> i128 {
        self.ask_volume + self.bid_volume
    }
}

/// Volume and turnover of the last 24 hours, to the minute.
#[derive(Debug, Default)]
pub struct Rolling {
    /// (minute, volume, turnover), oldest first; at most one per minute of a day.
    minutes: VecDeque<(i64, i128, i128)>,
    pub volume: i128,
    pub turnover: i128,
}

impl Rolling {
    pub fn add(&mut self, trade: &Trade) {
        self.forget(trade.published_ms);
        let minute = trade.published_ms.div_euclid(MINUTE_MS);
        if self.minutes.back().is_none_or(|last| last.0 < minute) {
            self.minutes.push_back((minute, 0, 0));
        }
        if let Some(last) = self.minutes.back_mut() {
            last.1 += i128::from(trade.volume);
            last.2 += trade.turnover();
        }
        self.volume += i128::from(trade.volume);
        self.turnover += trade.turnover();
    }

    /// Drops what is older than 24 hours at `now_ms`.
    pub fn forget(&mut self, now_ms: i64) {
        let oldest = now_ms.div_euclid(MINUTE_MS) - DAY_MINUTES;
        while self.minutes.front().is_some_and(|first| first.0 <= oldest) {
            if let Some((_, volume, turnover)) = self.minutes.pop_front() {
                self.volume -= volume;
                self.turnover -= turnover;
            }
        }
    }
}

/// The highest and lowest price of 52 weeks and the days (since the epoch, UTC) they were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Year {
    pub high: i64,
    pub high_day: i64,
    pub low: i64,
    pub low_day: i64,
}

impl Year {
    pub fn add(&mut self, price: i64, day: i64) {
        if price > self.high {
            (self.high, self.high_day) = (price, day);
        }
        if price < self.low {
            (self.low, self.low_day) = (price, day);
        }
    }
}
