//! Batches as the pipeline's tables have them, from plain values. Used by the tests and by the page's demo.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use hoga_model::number::parse_decimal;
use hoga_model::time::utc_date;

/// market, trade_price, prev_closing_price, turnover, timestamp
pub(crate) struct TickerRow<'a>(
    pub(crate) &'a str,
    pub(crate) &'a str,
    pub(crate) &'a str,
    pub(crate) &'a str,
    pub(crate) i64,
);
/// market, sequential_id, trade_timestamp, trade_price, trade_volume, ask_bid
pub(crate) struct TradeRow<'a>(
    pub(crate) &'a str,
    pub(crate) i64,
    pub(crate) i64,
    pub(crate) &'a str,
    pub(crate) &'a str,
    pub(crate) &'a str,
);
/// market, timestamp, [ask_price, bid_price, ask_size, bid_size]
pub(crate) struct BookRow<'a>(pub(crate) &'a str, pub(crate) i64, pub(crate) Vec<[String; 4]>);

pub(crate) fn tickers(rows: &[TickerRow<'_>]) -> RecordBatch {
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let price = |pick: fn(&TickerRow<'_>) -> String| decimals(rows.iter().map(pick), 20, 8);
    let volume = |factor: f64| {
        let volume = rows.iter().map(|row| format!("{:.8}", number(row.3) / number(row.1) * factor));
        decimals(volume, 24, 8)
    };
    let change = |row: &TickerRow<'_>| {
        format!("{:.8}", row.1.parse::<f64>().unwrap_or(0.0) - row.2.parse::<f64>().unwrap_or(0.0))
    };
    let changes = rows.iter().map(|row| match number(row.1) - number(row.2) {
        rise if rise > 0.0 => "RISE",
        fall if fall < 0.0 => "FALL",
        _ => "EVEN",
    });
    let rates = rows.iter().map(|row| number(row.1) / number(row.2) - 1.0);
    batch(vec![
        ("market", texts(rows.iter().map(|row| row.0))),
        ("opening_price", price(|row| row.2.to_owned())),
        ("high_price", price(|row| larger(row.1, row.2).to_owned())),
        ("low_price", price(|row| larger(row.2, row.1).to_owned())),
        ("trade_price", price(|row| row.1.to_owned())),
        ("prev_closing_price", price(|row| row.2.to_owned())),
        ("change", texts(changes)),
        ("signed_change_price", decimals(rows.iter().map(change), 20, 8)),
        ("signed_change_rate", Arc::new(Float64Array::from_iter_values(rates))),
        ("acc_trade_volume_24h", volume(1.0)),
        ("acc_trade_price_24h", decimals(rows.iter().map(|row| row.3.to_owned()), 38, 16)),
        ("acc_ask_volume", volume(0.48)),
        ("acc_bid_volume", volume(0.52)),
        ("highest_52_week_price", price(|row| larger(row.1, row.2).to_owned())),
        ("lowest_52_week_price", price(|row| larger(row.2, row.1).to_owned())),
        ("market_state", texts(rows.iter().map(|_| "ACTIVE"))),
        ("timestamp", instants(rows.iter().map(|row| row.4))),
    ])
}

pub(crate) fn trades(rows: &[TradeRow<'_>]) -> RecordBatch {
    batch(vec![
        ("market", texts(rows.iter().map(|row| row.0))),
        ("trade_price", decimals(rows.iter().map(|row| row.3.to_owned()), 20, 8)),
        ("trade_volume", decimals(rows.iter().map(|row| row.4.to_owned()), 24, 8)),
        ("ask_bid", texts(rows.iter().map(|row| row.5))),
        ("trade_timestamp", instants(rows.iter().map(|row| row.2))),
        ("sequential_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)))),
        ("dt", texts(rows.iter().map(|row| utc_date(row.2)))),
    ])
}

pub(crate) fn books(rows: &[BookRow<'_>]) -> RecordBatch {
    let levels = || rows.iter().flat_map(|row| &row.2);
    let fields = ["ask_price", "bid_price", "ask_size", "bid_size"].into_iter().enumerate().map(|(index, name)| {
        let precision = if index < 2 { 20 } else { 24 };
        let column = decimals(levels().map(|level| level[index].clone()), precision, 8);
        (Arc::new(Field::new(name, column.data_type().clone(), true)), column)
    });
    let (fields, columns): (Vec<_>, Vec<_>) = fields.unzip();
    let units = StructArray::new(Fields::from(fields), columns, None);
    let item = Arc::new(Field::new("item", units.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.2.len()));
    let total = |index: usize| {
        let sum = |row: &BookRow<'_>| row.2.iter().map(|level| level[index].parse::<f64>().unwrap_or(0.0)).sum::<f64>();
        decimals(rows.iter().map(|row| format!("{:.8}", sum(row))), 24, 8)
    };
    batch(vec![
        ("market", texts(rows.iter().map(|row| row.0))),
        ("timestamp", instants(rows.iter().map(|row| row.1))),
        ("total_ask_size", total(2)),
        ("total_bid_size", total(3)),
        ("orderbook_units", Arc::new(ListArray::new(item, offsets, Arc::new(units), None))),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema: SchemaRef = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(schema, columns).expect("columns of one length")
}

fn texts<T: AsRef<str>>(values: impl Iterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn instants(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn decimals(values: impl Iterator<Item = String>, precision: u8, scale: u8) -> ArrayRef {
    let units = values.map(|text| parse_decimal(&text, precision, scale).expect("a decimal"));
    let array = Decimal128Array::from_iter_values(units).with_data_type(DataType::Decimal128(precision, scale as i8));
    Arc::new(array)
}

fn larger<'a>(a: &'a str, b: &'a str) -> &'a str {
    if a.parse::<f64>().unwrap_or(0.0) >= b.parse::<f64>().unwrap_or(0.0) { a } else { b }
}
