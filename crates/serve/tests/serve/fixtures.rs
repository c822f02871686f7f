//! Tables in memory, with the columns of `upbit.trade`, `upbit.ticker` and `upbit.orderbook` that matter here.

use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::*;
use datafusion::catalog::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use hoga_serve::SessionFactory;

/// 2026-07-30T07:04:03.831Z
pub(crate) const TRADE_MS: i64 = 1_785_395_043_831;

/// A wide sum: 38 digits, which no double and no 28-digit decimal holds.
pub(crate) const WIDE_UNITS: i128 = 12_345_678_901_234_567_890_123_456_789_012_345_678;

/// Opens a session of its own each time, over the same tables.
pub(crate) fn sessions() -> SessionFactory {
    let tables: Vec<(&str, Arc<MemTable>)> = [("trade", trade()), ("ticker", ticker()), ("orderbook", orderbook())]
        .into_iter()
        .map(|(name, batch)| (name, Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap())))
        .collect();
    Arc::new(move || {
        let config = SessionConfig::new().with_default_catalog_and_schema("hoga", "upbit").with_target_partitions(2);
        let context = SessionContext::new_with_config(config);
        for (name, table) in &tables {
            context.register_table(*name, Arc::clone(table) as _)?;
        }
        Ok(context)
    })
}

fn price() -> DataType {
    DataType::Decimal128(20, 8)
}

fn size() -> DataType {
    DataType::Decimal128(24, 8)
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn decimals(units: &[Option<i128>], data_type: DataType) -> ArrayRef {
    Arc::new(Decimal128Array::from(units.to_vec()).with_data_type(data_type))
}

fn instants(ms: &[i64]) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(ms.to_vec()).with_timezone("UTC"))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn trade() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("market", DataType::Utf8, false),
        Field::new("trade_price", price(), true),
        Field::new("trade_volume", size(), true),
        Field::new("ask_bid", DataType::Utf8, true),
        Field::new("trade_timestamp", instant(), true),
        Field::new("sequential_id", DataType::Int64, false),
        Field::new("best_ask_price", price(), true),
        Field::new("recv_time", instant(), true),
        Field::new("dt", DataType::Utf8, false),
    ]);
    let columns = vec![
        texts(&["KRW-BTC", "KRW-BTC", "KRW-ETH"]),
        decimals(&[Some(14_870_000_000_000_000), Some(14_870_100_000_000_000), Some(450_000_000_000_001)], price()),
        decimals(&[Some(1), Some(250_000_000), Some(300_000_000_000)], size()),
        texts(&["ASK", "BID", "BID"]),
        instants(&[TRADE_MS, TRADE_MS + 1, TRADE_MS + 1_000]),
        Arc::new(Int64Array::from(vec![17_853_950_438_310_000, 17_853_950_438_320_000, 17_853_950_448_310_001])) as _,
        decimals(&[Some(14_870_100_000_000_000), None, Some(450_000_000_000_001)], price()),
        instants(&[TRADE_MS + 20, TRADE_MS + 21, TRADE_MS + 1_020]),
        texts(&["2026-07-30", "2026-07-30", "2026-07-30"]),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn ticker() -> RecordBatch {
    let turnover = DataType::Decimal128(38, 16);
    let schema = Schema::new(vec![
        Field::new("market", DataType::Utf8, false),
        Field::new("acc_trade_price", turnover.clone(), true),
        Field::new("change_rate", DataType::Float64, true),
        Field::new("is_trading_suspended", DataType::Boolean, true),
        Field::new("recv_time", instant(), true),
        Field::new("dt", DataType::Utf8, false),
    ]);
    let columns = vec![
        texts(&["KRW-BTC"]),
        decimals(&[Some(WIDE_UNITS)], turnover),
        Arc::new(Float64Array::from(vec![0.0123])) as _,
        Arc::new(BooleanArray::from(vec![false])) as _,
        instants(&[TRADE_MS]),
        texts(&["2026-07-30"]),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn orderbook() -> RecordBatch {
    let unit = Fields::from(vec![
        Field::new("ask_price", price(), true),
        Field::new("bid_price", price(), true),
        Field::new("ask_size", size(), true),
        Field::new("bid_size", size(), true),
    ]);
    let rows = StructArray::new(
        unit.clone(),
        vec![
            decimals(&[Some(14_870_100_000_000_000), Some(14_870_200_000_000_000)], price()),
            decimals(&[Some(14_870_000_000_000_000), Some(14_869_900_000_000_000)], price()),
            decimals(&[Some(12_345_678), Some(1)], size()),
            decimals(&[Some(5_000_000_000), None], size()),
        ],
        None,
    );
    let element = Arc::new(Field::new_list_field(DataType::Struct(unit), true));
    let units = ListArray::new(Arc::clone(&element), OffsetBuffer::from_lengths([2]), Arc::new(rows), None);
    let schema = Schema::new(vec![
        Field::new("market", DataType::Utf8, false),
        Field::new("timestamp", instant(), true),
        Field::new("orderbook_units", DataType::List(element), true),
        Field::new("dt", DataType::Utf8, false),
    ]);
    let columns = vec![texts(&["KRW-BTC"]), instants(&[TRADE_MS]), Arc::new(units) as _, texts(&["2026-07-30"])];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}
