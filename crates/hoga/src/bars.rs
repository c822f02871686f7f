//! The bars that the trade table gives, in SQL: what `hoga audit` judges by, apart from the code that makes and corrects bars. Pure.
//!
//! In: a size, a span of time, markets. Out: a SELECT for the query service whose values are exactly those that `pipeline/upbit.sql` writes
//! into the candle tables. Not here: who asks, and what is done with the answer; which sizes there are (`hoga_engine::bars::Size`).

use hoga_engine::bars::Size;
use hoga_model::Market;
use hoga_model::time::utc_date;

/// The columns that are computed, in the order of [`from_trades`] behind `market` and `start_ms`, of the candle tables' own types.
pub const BAR_VALUES: [&str; 8] = ["open", "high", "low", "close", "volume", "turnover", "trade_count", "buy_volume"];

/// A condition for `column` of a table partitioned by its UTC day: from `from_ms` on and before `to_ms`. The literals have the column's own
/// type, so that the lake leaves out partitions and files by it.
pub fn between(column: &str, from_ms: i64, to_ms: i64) -> String {
    let (from_dt, to_dt) = (utc_date(from_ms), utc_date(to_ms - 1));
    let (from, to) = (instant(from_ms), instant(to_ms));
    format!("dt >= '{from_dt}' AND dt <= '{to_dt}' AND {column} >= {from} AND {column} < {to}")
}

/// An instant of the tables' own type.
pub fn instant(ms: i64) -> String {
    format!("arrow_cast({ms}, 'Timestamp(Millisecond, Some(\"UTC\"))')")
}

/// ` AND market IN (…)`; nothing for no market, which means all of them. A valid code cannot end the literal.
pub fn of_markets(markets: &[Market]) -> String {
    if markets.is_empty() {
        return String::new();
    }
    let list: Vec<String> = markets.iter().map(|market| format!("'{market}'")).collect();
    format!(" AND market IN ({})", list.join(", "))
}

/// The bars of this size that the trades of `upbit.trade` under this condition give: `market`, `start_ms` (BIGINT, milliseconds since the
/// epoch) and [`BAR_VALUES`]. The condition must take whole bars in: [`between`] with two starts of bars does.
///
/// As the pipeline computes them: open and close by (trade_timestamp, sequential_id), turnover by trade without a digit lost (one factor
/// is narrowed so that the product has 38 digits), every trade counted.
pub fn from_trades(size: Size, condition: &str) -> String {
    let ms = size.ms();
    let place = "trade_timestamp, sequential_id) FILTER (WHERE trade_price IS NOT NULL)";
    format!(
        "SELECT market, CAST(trade_timestamp AS BIGINT) / {ms} * {ms} AS start_ms, \
           first_value(trade_price ORDER BY {place} AS open, \
           max(trade_price) AS high, min(trade_price) AS low, \
           last_value(trade_price ORDER BY {place} AS close, \
           CAST(sum(trade_volume) AS DECIMAL(38, 8)) AS volume, \
           CAST(sum(CASE WHEN trade_volume < 1000000000 THEN trade_price * TRY_CAST(trade_volume AS DECIMAL(17, 8)) \
             ELSE TRY_CAST(trade_price AS DECIMAL(13, 8)) * trade_volume END) AS DECIMAL(38, 16)) AS turnover, \
           count(*) AS trade_count, \
           CAST(sum(CASE WHEN ask_bid = 'BID' THEN trade_volume ELSE CAST(0 AS DECIMAL(24, 8)) END) AS DECIMAL(38, 8)) \
             AS buy_volume \
         FROM upbit.trade WHERE {condition} GROUP BY 1, 2"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoga_model::time::MS_PER_DAY;

    #[test]
    fn conditions_name_the_days_that_the_span_is_in() {
        assert_eq!(
            between("trade_timestamp", MS_PER_DAY - 1, MS_PER_DAY),
            "dt >= '1970-01-01' AND dt <= '1970-01-01' AND trade_timestamp >= \
             arrow_cast(86399999, 'Timestamp(Millisecond, Some(\"UTC\"))') AND trade_timestamp < \
             arrow_cast(86400000, 'Timestamp(Millisecond, Some(\"UTC\"))')"
        );
        assert_eq!(of_markets(&[]), "");
        let markets = ["KRW-BTC", "KRW-ETH"].map(|code| Market::parse(code).expect("a code"));
        assert_eq!(of_markets(&markets), " AND market IN ('KRW-BTC', 'KRW-ETH')");
    }

    #[test]
    fn a_bar_begins_at_a_multiple_of_its_length() {
        let starts = Size::ALL.map(|size| size.start_ms(1_785_395_043_779));
        assert_eq!(
            starts,
            [1_785_395_040_000, 1_785_394_800_000, 1_785_394_800_000, 1_785_394_800_000, 1_785_369_600_000]
        );
    }
}
