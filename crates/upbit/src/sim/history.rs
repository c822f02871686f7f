//! What REST can still tell of one market: its newest trades in order of id, and its minute bars. Pure, bounded.

use super::book::Side;
use super::totals::{Bar, MINUTE_MS, Trade};
use std::collections::VecDeque;

/// Minute bars kept per market: a day and an hour.
pub const BARS_MAX: usize = 1_500;

/// A trade without what its market and its id tell already: 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastTrade {
    pub sequential_id: u64,
    pub price: i64,
    pub volume: i64,
    pub side: Side,
}

impl PastTrade {
    pub fn executed_ms(&self) -> i64 {
        (self.sequential_id / 10_000) as i64
    }
}

#[derive(Debug)]
pub struct History {
    /// Oldest id first.
    trades: VecDeque<PastTrade>,
    trades_max: usize,
    /// Oldest first; only minutes with a trade.
    bars: VecDeque<Bar>,
}

impl History {
    pub fn new(trades_max: usize) -> History {
        History { trades: VecDeque::new(), trades_max, bars: VecDeque::new() }
    }

    pub fn add(&mut self, trade: &Trade) {
        let Trade { sequential_id, price, volume, side, .. } = *trade;
        // late trades are a few places from the end, so a search from the back is short
        let newer = self.trades.iter().rev().take_while(|other| other.sequential_id > sequential_id).count();
        self.trades.insert(self.trades.len() - newer, PastTrade { sequential_id, price, volume, side });
        if self.trades.len() > self.trades_max {
            self.trades.pop_front();
        }
        let start_ms = trade.executed_ms - trade.executed_ms.rem_euclid(MINUTE_MS);
        let newer = self.bars.iter().rev().take_while(|bar| bar.start_ms > start_ms).count();
        let at = self.bars.len() - newer;
        match at.checked_sub(1).and_then(|index| self.bars.get_mut(index)) {
            Some(bar) if bar.start_ms == start_ms => bar.add(trade),
            _ => self.bars.insert(at, Bar::of(start_ms, trade)),
        }
        if self.bars.len() > BARS_MAX {
            self.bars.pop_front();
        }
    }

    /// Trades with `from_id` ≤ id < `below_id`, newest first.
    pub fn trades(&self, from_id: u64, below_id: u64) -> impl Iterator<Item = &PastTrade> {
        let end = self.trades.partition_point(|trade| trade.sequential_id < below_id);
        self.trades.range(..end).rev().take_while(move |trade| trade.sequential_id >= from_id)
    }

    /// Bars of `unit_minutes` that start before `to_ms`, newest first; at most `count`.
    pub fn bars(&self, unit_minutes: i64, to_ms: i64, count: usize) -> Vec<Bar> {
        let unit_ms = unit_minutes * MINUTE_MS;
        let mut merged: Vec<Bar> = Vec::new();
        for minute in &self.bars {
            let start_ms = minute.start_ms - minute.start_ms.rem_euclid(unit_ms);
            match merged.last_mut() {
                Some(bar) if bar.start_ms == start_ms => bar.merge(minute),
                _ => merged.push(Bar { start_ms, ..*minute }),
            }
        }
        merged.into_iter().rev().filter(|bar| bar.start_ms < to_ms).take(count).collect()
    }
}
