//! The bars: what laminar is told in SQL, and its rows as text.
//!
//! Open and close are found as pipeline/upbit.sql finds them: MIN and MAX of one text that begins with (trade_timestamp, sequential_id) and ends with the
//! price. At 0.33.0 laminar's windows know no other aggregates than COUNT, SUM, AVG, MIN and MAX; its FIRST_VALUE is refused. Its JSON decoder has no DECIMAL.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMillisecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use laminar_db::FromBatch;
use std::str::FromStr;

/// What prices and volumes are. The decoder knows no decimals, so the query casts: the price from its text; the volume from its DOUBLE, which is exact below
/// 2^53 / 10^8 units, since the decoder writes 0.00000042 as the text 4.2e-7, which the cast refuses (and the engine then leaves out all rows of that cycle).
#[derive(Clone, Copy)]
pub enum Numbers {
    Double,
    Decimal,
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "double" => Ok(Self::Double),
            "decimal" => Ok(Self::Decimal),
            other => Err(format!("numbers are double or decimal, not {other}")),
        }
    }
}

impl Numbers {
    pub fn source(self) -> String {
        let price = match self {
            Self::Double => "DOUBLE",
            Self::Decimal => "VARCHAR",
        };
        format!(
            "CREATE SOURCE trades (code VARCHAR, trade_price {price}, trade_volume DOUBLE, ask_bid VARCHAR, trade_timestamp TIMESTAMP, sequential_id BIGINT,
               WATERMARK FOR trade_timestamp AS trade_timestamp - INTERVAL '5' SECOND) FROM \"replay\""
        )
    }

    pub fn stream(self) -> String {
        let (number, price, volume, zero) = match self {
            Self::Double => ("DOUBLE", "trade_price", "trade_volume", "CAST(0 AS DOUBLE)"),
            Self::Decimal => (
                "DECIMAL(20, 8)",
                "CAST(trade_price AS DECIMAL(20, 8))",
                "CAST(trade_volume AS DECIMAL(17, 8))",
                "CAST(0 AS DECIMAL(17, 8))",
            ),
        };
        // a power of ten gives both numbers 19 digits
        let place = "CONCAT(CAST(1000000000000000000 + CAST(trade_timestamp AS BIGINT) AS VARCHAR), CAST(1000000000000000000 + sequential_id AS VARCHAR), CAST(trade_price AS VARCHAR))";
        format!(
            "CREATE STREAM bars AS
             SELECT code, tumble(trade_timestamp, INTERVAL '1' MINUTE) AS window_start,
               CAST(SUBSTR(MIN({place}), 39) AS {number}) AS open, MAX({price}) AS high, MIN({price}) AS low, CAST(SUBSTR(MAX({place}), 39) AS {number}) AS close,
               SUM({volume}) AS volume, SUM({price} * {volume}) AS turnover, COUNT(*) AS trade_count,
               SUM(CASE WHEN ask_bid = 'BID' THEN {volume} ELSE {zero} END) AS buy_volume
             FROM trades
             GROUP BY code, tumble(trade_timestamp, INTERVAL '1' MINUTE)
             EMIT ON WINDOW CLOSE"
        )
    }
}

/// Bars that came together.
pub struct Bars(RecordBatch);

impl FromBatch for Bars {
    fn from_batch(batch: &RecordBatch, row: usize) -> Self {
        Self(batch.slice(row, 1))
    }

    fn from_batch_all(batch: &RecordBatch) -> Vec<Self> {
        vec![Self(batch.clone())]
    }
}

impl Bars {
    fn column(&self, name: &str) -> &ArrayRef {
        self.0.column_by_name(name).unwrap_or_else(|| panic!("the bars have no {name}: {:?}", self.0.schema()))
    }

    /// Trades that are in them.
    pub fn trades(&self) -> usize {
        self.column("trade_count").as_primitive::<Int64Type>().iter().flatten().sum::<i64>() as usize
    }

    /// One line a bar: market, start in milliseconds, open, high, low, close, volume, turnover, trades, volume that was bought.
    pub fn print(&self) {
        let starts =
            arrow::compute::cast(self.column("window_start"), &DataType::Timestamp(TimeUnit::Millisecond, None))
                .expect("a time");
        let starts = starts.as_primitive::<TimestampMillisecondType>();
        let options = FormatOptions::default();
        let names = ["open", "high", "low", "close", "volume", "turnover", "trade_count", "buy_volume"];
        let columns = names.map(|name| ArrayFormatter::try_new(self.column(name), &options).expect("a number"));
        let markets = ArrayFormatter::try_new(self.column("code"), &options).expect("text");
        for row in 0..self.0.num_rows() {
            let values = columns.each_ref().map(|column| column.value(row).to_string());
            println!("{} {} {}", markets.value(row), starts.value(row), values.join(" "));
        }
    }
}
