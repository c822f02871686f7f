//! Columns of a batch by name. A column that is missing, or has another type than the contract says, reads as NULL.

use arrow::array::{
    Array, AsArray, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};

use super::rows::{Book, Exact, Level, Ticker, Trade};
use super::{LEVELS_MAX, rows};

/// A decimal column and its scale.
pub(crate) type Decimals<'a> = (&'a Decimal128Array, u8);

pub(super) struct TickerColumns<'a> {
    market: Texts<'a>,
    timestamp: Option<&'a TimestampMillisecondArray>,
    change: Option<Texts<'a>>,
    market_state: Option<Texts<'a>>,
    signed_change_rate: Option<&'a Float64Array>,
    /// In the order of [`TICKER_DECIMALS`].
    decimals: [Option<Decimals<'a>>; TICKER_DECIMALS.len()],
}

const TICKER_DECIMALS: [&str; 12] = [
    "trade_price",
    "opening_price",
    "high_price",
    "low_price",
    "prev_closing_price",
    "signed_change_price",
    "acc_trade_price_24h",
    "acc_trade_volume_24h",
    "acc_ask_volume",
    "acc_bid_volume",
    "highest_52_week_price",
    "lowest_52_week_price",
];

impl<'a> TickerColumns<'a> {
    /// `None` without a market column: such rows belong to nobody.
    pub(super) fn find(batch: &'a RecordBatch) -> Option<TickerColumns<'a>> {
        Some(TickerColumns {
            market: text_column(batch, "market")?,
            timestamp: instant_column(batch, "timestamp"),
            change: text_column(batch, "change"),
            market_state: text_column(batch, "market_state"),
            signed_change_rate: batch.column_by_name("signed_change_rate").and_then(|c| c.as_any().downcast_ref()),
            decimals: TICKER_DECIMALS.map(|name| decimal_column(batch, name)),
        })
    }

    pub(super) fn market_at(&self, index: usize) -> Option<&'a str> {
        self.market.at(index)
    }

    pub(super) fn timestamp_at(&self, index: usize) -> i64 {
        instant_at(self.timestamp, index).unwrap_or_default()
    }

    pub(super) fn row_at(&self, index: usize) -> Ticker {
        let [price, open, high, low, prev, signed_change, turnover, volume, asks, bids, highest, lowest] =
            self.decimals.map(|column| decimal_at(column, index));
        let owned = |texts: Option<Texts<'a>>| texts.and_then(|texts| texts.at(index)).map(str::to_owned);
        let rate = self.signed_change_rate.filter(|rates| rates.is_valid(index)).map(|rates| rates.value(index));
        Ticker {
            market: self.market_at(index).unwrap_or_default().to_owned(),
            trade_price: price,
            opening_price: open,
            high_price: high,
            low_price: low,
            prev_closing_price: prev,
            change: owned(self.change),
            signed_change_price: signed_change,
            signed_change_rate: rate.filter(|rate| rate.is_finite()),
            acc_trade_price_24h: turnover,
            acc_trade_volume_24h: volume,
            acc_ask_volume: asks,
            acc_bid_volume: bids,
            highest_52_week_price: highest,
            lowest_52_week_price: lowest,
            market_state: owned(self.market_state),
            timestamp: self.timestamp_at(index),
        }
    }
}

pub(super) struct TradeColumns<'a> {
    market: Texts<'a>,
    sequential_id: &'a Int64Array,
    trade_timestamp: Option<&'a TimestampMillisecondArray>,
    trade_price: Option<Decimals<'a>>,
    trade_volume: Option<Decimals<'a>>,
    ask_bid: Option<Texts<'a>>,
}

impl<'a> TradeColumns<'a> {
    /// `None` without the columns that say which trade it is.
    pub(super) fn find(batch: &'a RecordBatch) -> Option<TradeColumns<'a>> {
        Some(TradeColumns {
            market: text_column(batch, "market")?,
            sequential_id: integer_column(batch, "sequential_id")?,
            trade_timestamp: instant_column(batch, "trade_timestamp"),
            trade_price: decimal_column(batch, "trade_price"),
            trade_volume: decimal_column(batch, "trade_volume"),
            ask_bid: text_column(batch, "ask_bid"),
        })
    }

    pub(super) fn market_at(&self, index: usize) -> Option<&'a str> {
        self.market.at(index)
    }

    pub(super) fn row_at(&self, index: usize) -> Option<Trade> {
        Some(Trade {
            sequential_id: integer_at(Some(self.sequential_id), index)?,
            trade_timestamp: instant_at(self.trade_timestamp, index).unwrap_or_default(),
            trade_price: decimal_at(self.trade_price, index),
            trade_volume: decimal_at(self.trade_volume, index),
            ask_bid: self.ask_bid.and_then(|sides| sides.at(index)).map(str::to_owned),
        })
    }
}

pub(super) struct BookColumns<'a> {
    market: Texts<'a>,
    timestamp: Option<&'a TimestampMillisecondArray>,
    total_ask_size: Option<Decimals<'a>>,
    total_bid_size: Option<Decimals<'a>>,
    units: Option<UnitColumns<'a>>,
}

/// The children of `orderbook_units`, all rows' levels one after the other.
struct UnitColumns<'a> {
    list: &'a ListArray,
    ask_price: Option<Decimals<'a>>,
    ask_size: Option<Decimals<'a>>,
    bid_price: Option<Decimals<'a>>,
    bid_size: Option<Decimals<'a>>,
}

impl<'a> BookColumns<'a> {
    pub(super) fn find(batch: &'a RecordBatch) -> Option<BookColumns<'a>> {
        Some(BookColumns {
            market: text_column(batch, "market")?,
            timestamp: instant_column(batch, "timestamp"),
            total_ask_size: decimal_column(batch, "total_ask_size"),
            total_bid_size: decimal_column(batch, "total_bid_size"),
            units: UnitColumns::find(batch),
        })
    }

    pub(super) fn market_at(&self, index: usize) -> Option<&'a str> {
        self.market.at(index)
    }

    pub(super) fn timestamp_at(&self, index: usize) -> i64 {
        instant_at(self.timestamp, index).unwrap_or_default()
    }

    pub(super) fn row_at(&self, index: usize) -> Book {
        let (asks, bids) = self.units.as_ref().map_or_else(Default::default, |units| units.sides_at(index));
        Book {
            market: self.market_at(index).unwrap_or_default().to_owned(),
            timestamp: self.timestamp_at(index),
            total_ask_size: decimal_at(self.total_ask_size, index),
            total_bid_size: decimal_at(self.total_bid_size, index),
            asks,
            bids,
        }
    }
}

impl<'a> UnitColumns<'a> {
    fn find(batch: &'a RecordBatch) -> Option<UnitColumns<'a>> {
        let list = batch.column_by_name("orderbook_units")?.as_list_opt::<i32>()?;
        let fields = list.values().as_struct_opt()?;
        let child = |name: &str| fields.column_by_name(name).and_then(|column| decimals(column.as_ref()));
        Some(UnitColumns {
            list,
            ask_price: child("ask_price"),
            ask_size: child("ask_size"),
            bid_price: child("bid_price"),
            bid_size: child("bid_size"),
        })
    }

    fn sides_at(&self, index: usize) -> (Vec<Level>, Vec<Level>) {
        if self.list.is_null(index) {
            return Default::default();
        }
        let start = self.list.value_offsets()[index] as usize;
        let levels = start..start + (self.list.value_length(index) as usize).min(LEVELS_MAX);
        let side = |prices, sizes| levels.clone().filter_map(|at| level_at(prices, sizes, at)).collect();
        (side(self.ask_price, self.ask_size), side(self.bid_price, self.bid_size))
    }
}

/// `None` for a level that Upbit padded with zeros.
fn level_at(prices: Option<Decimals<'_>>, sizes: Option<Decimals<'_>>, index: usize) -> Option<rows::Level> {
    let price = decimal_at(prices, index)?;
    (price.units != 0).then_some(Level(price, decimal_at(sizes, index)?))
}

/// A text column in either of Arrow's layouts.
#[derive(Clone, Copy)]
pub(super) enum Texts<'a> {
    Plain(&'a StringArray),
    View(&'a StringViewArray),
}

impl<'a> Texts<'a> {
    fn at(self, index: usize) -> Option<&'a str> {
        match self {
            Texts::Plain(array) => array.is_valid(index).then(|| array.value(index)),
            Texts::View(array) => array.is_valid(index).then(|| array.value(index)),
        }
    }
}

fn text_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<Texts<'a>> {
    let column = batch.column_by_name(name)?;
    let plain = column.as_string_opt::<i32>().map(Texts::Plain);
    plain.or_else(|| column.as_string_view_opt().map(Texts::View))
}

pub(crate) fn integer_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    batch.column_by_name(name)?.as_any().downcast_ref()
}

pub(crate) fn integer_at(column: Option<&Int64Array>, index: usize) -> Option<i64> {
    column.filter(|column| column.is_valid(index)).map(|column| column.value(index))
}

pub(crate) fn instant_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a TimestampMillisecondArray> {
    let column = batch.column_by_name(name)?;
    matches!(column.data_type(), DataType::Timestamp(TimeUnit::Millisecond, _)).then_some(())?;
    column.as_any().downcast_ref()
}

pub(crate) fn instant_at(column: Option<&TimestampMillisecondArray>, index: usize) -> Option<i64> {
    column.filter(|column| column.is_valid(index)).map(|column| column.value(index))
}

pub(crate) fn decimal_column<'a>(batch: &'a RecordBatch, name: &str) -> Option<Decimals<'a>> {
    decimals(batch.column_by_name(name)?.as_ref())
}

pub(crate) fn decimal_at(column: Option<Decimals<'_>>, index: usize) -> Option<Exact> {
    let (array, scale) = column?;
    array.is_valid(index).then(|| Exact { units: array.value(index), scale })
}

fn decimals(column: &dyn Array) -> Option<Decimals<'_>> {
    let DataType::Decimal128(_, scale) = column.data_type() else { return None };
    Some((column.as_any().downcast_ref()?, u8::try_from(*scale).ok()?))
}
