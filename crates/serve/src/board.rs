//! What the page shows of the market: the last ticker, the last book and the latest trades of each market.
//!
//! In: batches of the tables `ticker`, `trade` and `orderbook`, columns by name. Out: rows, and which of them changed
//! since a reader last looked. State: bounded by the limits below. Pure but for [`SharedBoard`], which is the lock
//! around it. Not here: history (that is SQL's), how anything is written on the page.

mod columns;
mod rows;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use hoga_model::MarketInfo;
use hoga_model::market::is_market_code;

use columns::{BookColumns, TickerColumns, TradeColumns};
pub(crate) use columns::{decimal_at, decimal_column, instant_at, instant_column, integer_at, integer_column};
pub use rows::{Book, Exact, Level, Ticker, Trade};

/// Upbit lists 855 pairs; a pipeline that makes more markets than this shows the first ones.
pub const MARKETS_MAX: usize = 4_096;
/// How many trades of each market are kept: a screen or two.
pub const TRADES_PER_MARKET_MAX: usize = 100;
/// Upbit's deepest book.
pub const LEVELS_MAX: usize = 30;

/// A fold over the feed. Every change has a version, so any number of readers can ask what is new for them.
#[derive(Debug, Default)]
pub struct Board {
    markets: HashMap<String, MarketBoard>,
    names: Vec<ListedMarket>,
    names_version: u64,
    version: u64,
    rows_ignored: u64,
}

/// A market as the exchange lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMarket {
    pub info: MarketInfo,
    /// When it came onto the list, in milliseconds since the epoch; None: it was there when we looked first.
    pub listed_at: Option<i64>,
}

#[derive(Debug, Default)]
struct MarketBoard {
    ticker: Option<Versioned<Ticker>>,
    book: Option<Versioned<Book>>,
    /// In the order of the market: (trade_timestamp, sequential_id), which is not the order of arrival.
    trades: VecDeque<Versioned<Trade>>,
}

#[derive(Debug)]
struct Versioned<T> {
    version: u64,
    row: T,
}

impl Board {
    pub fn new() -> Board {
        Board::default()
    }

    /// Folds the rows of one table. Tables the board does not show, and columns it does not find, are passed over.
    pub fn apply(&mut self, table: &str, batch: &RecordBatch) {
        self.version += 1;
        match table {
            "ticker" => self.apply_tickers(batch),
            "trade" => self.apply_trades(batch),
            "orderbook" => self.apply_books(batch),
            _ => {}
        }
    }

    /// Replaces the names of all markets.
    pub fn set_markets(&mut self, markets: Vec<ListedMarket>) {
        self.version += 1;
        self.names_version = self.version;
        self.names = markets;
        self.names.truncate(MARKETS_MAX);
    }

    /// The version of the last change; pass it to the `_since` functions later to get what is newer.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Rows that named no valid market, or one market too many.
    pub fn rows_ignored(&self) -> u64 {
        self.rows_ignored
    }

    /// The names as last set, in Upbit's order.
    pub fn names(&self) -> &[ListedMarket] {
        &self.names
    }

    /// The names, if they were set after `version`.
    pub fn names_since(&self, version: u64) -> Option<&[ListedMarket]> {
        (self.names_version > version).then_some(&*self.names)
    }

    /// The tickers that changed after `version`, in no order. 0 gives all.
    pub fn tickers_since(&self, version: u64) -> Vec<&Ticker> {
        self.markets.values().filter_map(|market| newer(market.ticker.as_ref(), version)).collect()
    }

    /// The book of a market, if it changed after `version`.
    pub fn book_since(&self, market: &str, version: u64) -> Option<&Book> {
        newer(self.markets.get(market)?.book.as_ref(), version)
    }

    /// The trades of a market that arrived after `version`, in the market's order, oldest first.
    pub fn trades_since(&self, market: &str, version: u64) -> Vec<&Trade> {
        let Some(market) = self.markets.get(market) else { return Vec::new() };
        market.trades.iter().filter_map(|trade| newer(Some(trade), version)).collect()
    }

    /// The execution time of the latest trade of a market.
    pub fn last_trade_ms(&self, market: &str) -> Option<i64> {
        self.markets.get(market)?.trades.back().map(|trade| trade.row.trade_timestamp)
    }

    fn apply_tickers(&mut self, batch: &RecordBatch) {
        let Some(columns) = TickerColumns::find(batch) else { return self.ignore(batch.num_rows()) };
        let version = self.version;
        for index in 0..batch.num_rows() {
            let Some(market) = self.market_of(columns.market_at(index)) else { continue };
            let timestamp = columns.timestamp_at(index);
            // a ticker replaces the whole of the last one; a replayed one must not turn back time
            if market.ticker.as_ref().is_none_or(|last| last.row.timestamp <= timestamp) {
                market.ticker = Some(Versioned { version, row: columns.row_at(index) });
            }
        }
    }

    fn apply_books(&mut self, batch: &RecordBatch) {
        let Some(columns) = BookColumns::find(batch) else { return self.ignore(batch.num_rows()) };
        let version = self.version;
        for index in 0..batch.num_rows() {
            let Some(market) = self.market_of(columns.market_at(index)) else { continue };
            let timestamp = columns.timestamp_at(index);
            if market.book.as_ref().is_none_or(|last| last.row.timestamp <= timestamp) {
                market.book = Some(Versioned { version, row: columns.row_at(index) });
            }
        }
    }

    fn apply_trades(&mut self, batch: &RecordBatch) {
        let Some(columns) = TradeColumns::find(batch) else { return self.ignore(batch.num_rows()) };
        let version = self.version;
        for index in 0..batch.num_rows() {
            let Some(market) = self.market_of(columns.market_at(index)) else { continue };
            if let Some(row) = columns.row_at(index) {
                market.insert_trade(Versioned { version, row });
            }
        }
    }

    fn ignore(&mut self, rows: usize) {
        self.rows_ignored += rows as u64;
    }

    fn market_of(&mut self, code: Option<&str>) -> Option<&mut MarketBoard> {
        let code = code.unwrap_or("");
        if !self.markets.contains_key(code) {
            if self.markets.len() >= MARKETS_MAX || !is_market_code(code) {
                self.rows_ignored += 1;
                return None;
            }
            self.markets.insert(code.to_owned(), MarketBoard::default());
        }
        self.markets.get_mut(code)
    }
}

impl MarketBoard {
    fn insert_trade(&mut self, trade: Versioned<Trade>) {
        if self.trades.iter().any(|known| known.row.sequential_id == trade.row.sequential_id) {
            return;
        }
        let key = trade.row.order();
        let behind = self.trades.iter().rev().take_while(|known| known.row.order() > key).count();
        let position = self.trades.len() - behind;
        if self.trades.len() < TRADES_PER_MARKET_MAX {
            self.trades.insert(position, trade);
        } else if position > 0 {
            self.trades.pop_front();
            self.trades.insert(position - 1, trade);
        }
    }
}

fn newer<T>(row: Option<&Versioned<T>>, version: u64) -> Option<&T> {
    row.filter(|row| row.version > version).map(|row| &row.row)
}

/// A board that one task writes and many read.
#[derive(Debug, Default)]
pub struct SharedBoard(Mutex<Board>);

impl SharedBoard {
    pub fn new() -> SharedBoard {
        SharedBoard::default()
    }

    /// Locks the board: hold it for as long as a read takes, never across an `await`.
    pub fn lock(&self) -> MutexGuard<'_, Board> {
        // a reader that panicked left the board as it was: rows are replaced whole
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
