//! The SQL of an audit, and its answers read. The work is done where the tables are; what comes back is findings. Pure but for [`Tables`].

use super::finding::{Finding, Problem, Values};
use crate::bars::{self, BAR_VALUES};
use crate::commands::sql::refusal;
use crate::failure::{Failure, with_causes};
use hoga_engine::bars::Size;
use hoga_model::Market;
use std::str::FromStr;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// Findings of one question that are told one by one; the rest is counted.
pub const FINDINGS_MAX: usize = 1_000;

/// The tables of a running hoga, or of a folder.
pub struct Tables {
    client: Client,
    /// Which markets are looked at, as a condition with an AND before it.
    markets: String,
    names: Vec<String>,
}

/// One question's findings, and how many there are in all.
#[derive(Debug, Default)]
pub struct Found {
    pub findings: Vec<Finding>,
    pub total: u64,
}

/// A trade gap, or the beginning of collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    pub market: String,
    pub channel: String,
    pub from_ms: i64,
    pub to_ms: Option<i64>,
    pub cause: String,
    pub state: String,
}

impl Tables {
    pub async fn open(client: Client, markets: &str) -> Result<Tables, Failure> {
        let mut tables = Tables { client, markets: markets_condition(markets)?, names: Vec::new() };
        let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'upbit'";
        tables.names = tables.rows(sql).await?.iter().map(|row| text(row, 0)).collect();
        if !tables.has("trade") {
            return Err(Failure::user("there is no table upbit.trade to be audited; the pipeline has another"));
        }
        Ok(tables)
    }

    pub fn has(&self, table: &str) -> bool {
        self.names.iter().any(|name| name == table)
    }

    /// The days (`yyyy-MM-dd`) with trades between these times, oldest first, and how many trades each has.
    pub async fn days(&self, from_ms: i64, to_ms: i64) -> Result<Vec<(String, u64)>, Failure> {
        let condition = bars::between("trade_timestamp", from_ms, to_ms);
        let sql =
            format!("SELECT dt, count(*) FROM upbit.trade WHERE {condition}{} GROUP BY dt ORDER BY dt", self.markets);
        self.rows(&sql).await?.iter().map(|row| Ok((text(row, 0), number(row, 1)?))).collect()
    }

    /// The markets with trades between these times.
    pub async fn markets(&self, from_ms: i64, to_ms: i64) -> Result<Vec<Market>, Failure> {
        let condition = bars::between("trade_timestamp", from_ms, to_ms);
        let sql =
            format!("SELECT market FROM upbit.trade WHERE {condition}{} GROUP BY market ORDER BY market", self.markets);
        // what is no code was written by somebody else, and the exchange cannot be asked for it
        Ok(self.rows(&sql).await?.iter().filter_map(|row| Market::parse(&text(row, 0)).ok()).collect())
    }

    /// When the newest trade was received.
    pub async fn newest_ms(&self) -> Result<Option<i64>, Failure> {
        self.maybe_number("SELECT max(CAST(recv_time AS BIGINT)) FROM upbit.trade").await
    }

    /// The end of the newest bar of this size that was written: all before it are closed.
    pub async fn closed_ms(&self, size: Size) -> Result<Option<i64>, Failure> {
        self.maybe_number(&format!("SELECT max(CAST(window_end AS BIGINT)) FROM upbit.{}", size.table())).await
    }

    pub async fn count_bars(&self, size: Size, from_ms: i64, to_ms: i64) -> Result<u64, Failure> {
        let condition = bars::between("window_start", from_ms, to_ms);
        let sql = format!("SELECT count(*) FROM upbit.{} WHERE {condition}{}", size.table(), self.markets);
        Ok(self.maybe_number(&sql).await?.unwrap_or(0) as u64)
    }

    /// The bars between these times, starts of bars both, that are not what their trades give. A bar that ends after `closed_ms` may be missing.
    pub async fn bar_differences(
        &self,
        size: Size,
        (from_ms, to_ms): (i64, i64),
        closed_ms: i64,
    ) -> Result<Found, Failure> {
        let rows = self.rows(&bar_differences_sql(size, (from_ms, to_ms), closed_ms, &self.markets)).await?;
        let total = rows.first().map_or(Ok(0), |row| number(row, 4))?;
        let findings = rows.iter().map(|row| read_bar_difference(size, row)).collect::<Result<_, _>>()?;
        Ok(Found { findings, total })
    }

    pub async fn duplicates(&self, from_ms: i64, to_ms: i64) -> Result<Found, Failure> {
        let condition = bars::between("trade_timestamp", from_ms, to_ms);
        let sql = format!(
            "SELECT market, sequential_id, n, count(*) OVER () FROM \
               (SELECT market, sequential_id, count(*) AS n FROM upbit.trade WHERE {condition}{} GROUP BY 1, 2) AS ids \
             WHERE n > 1 ORDER BY 2, 1 LIMIT {FINDINGS_MAX}",
            self.markets
        );
        let rows = self.rows(&sql).await?;
        let total = rows.first().map_or(Ok(0), |row| number(row, 3))?;
        let finding = |row: &SimpleQueryRow| {
            Ok(Finding::Duplicate { market: text(row, 0), sequential_id: number(row, 1)?, rows: number(row, 2)? })
        };
        Ok(Found { findings: rows.iter().map(finding).collect::<Result<_, Failure>>()?, total })
    }

    /// The gaps that overlap this time, and where collection of each market began, whenever that was.
    pub async fn gaps(&self, from_ms: i64, to_ms: i64) -> Result<Vec<GapRow>, Failure> {
        if !self.has("gap") {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT market, channel, CAST(gap_from AS BIGINT), CAST(gap_to AS BIGINT), cause, state FROM upbit.gap \
             WHERE (cause = 'begin' OR (gap_from < {to} AND (gap_to IS NULL OR gap_to >= {from}))){} ORDER BY 3, 1, 2",
            self.markets,
            from = bars::instant(from_ms),
            to = bars::instant(to_ms)
        );
        let row = |row: &SimpleQueryRow| {
            Ok(GapRow {
                market: text(row, 0),
                channel: text(row, 1),
                from_ms: number(row, 2)?,
                to_ms: row.get(3).map(|_| number(row, 3)).transpose()?,
                cause: text(row, 4),
                state: text(row, 5),
            })
        };
        self.rows(&sql).await?.iter().map(row).collect()
    }

    /// One market's minutes by its trades: the start, then open, high, low, close and volume as they are written.
    pub async fn minutes(&self, market: &Market, from_ms: i64, to_ms: i64) -> Result<Vec<(i64, [String; 5])>, Failure> {
        let of_market = bars::of_markets(std::slice::from_ref(market));
        let condition = format!("{}{of_market}", bars::between("trade_timestamp", from_ms, to_ms));
        let minutes = bars::from_trades(Size::M1, &condition);
        let sql = format!("SELECT start_ms, open, high, low, close, volume FROM ({minutes}) AS minutes ORDER BY 1");
        let minute = |row: &SimpleQueryRow| Ok((number(row, 0)?, [1, 2, 3, 4, 5].map(|index| text(row, index))));
        self.rows(&sql).await?.iter().map(minute).collect()
    }

    async fn maybe_number(&self, sql: &str) -> Result<Option<i64>, Failure> {
        let rows = self.rows(sql).await?;
        rows.first().filter(|row| row.get(0).is_some()).map(|row| number(row, 0)).transpose()
    }

    async fn rows(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, Failure> {
        let messages = self.client.simple_query(sql).await.map_err(|error| match error.as_db_error() {
            // our own statement: what is wrong is where it is run, such as a time limit
            Some(_) => Failure::external(format!("the audit's query was refused: {}", refusal(&error))),
            None => Failure::external(format!("hoga went away: {}", with_causes(&error))),
        })?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.collect())
    }
}

/// Behind five columns that say which bar: each value by the table, then by the trades.
fn bar_differences_sql(size: Size, (from_ms, to_ms): (i64, i64), closed_ms: i64, markets: &str) -> String {
    let table = size.table();
    let of_trades = format!("{}{markets}", bars::between("trade_timestamp", from_ms, to_ms));
    let of_table = format!("{}{markets}", bars::between("window_start", from_ms, to_ms));
    let from_trades = bars::from_trades(size, &of_trades);
    let list = BAR_VALUES.join(", ");
    let values: Vec<String> = BAR_VALUES.iter().map(|value| format!("b.{value}, t.{value}")).collect();
    // in parentheses: the parser takes all that follows for the right side
    let differ: Vec<String> =
        BAR_VALUES.iter().map(|value| format!("(b.{value} IS DISTINCT FROM t.{value})")).collect();
    format!(
        "SELECT coalesce(b.market, t.market) AS market, coalesce(b.start_ms, t.start_ms) AS start_ms, \
           b.start_ms IS NULL AS is_missing, t.start_ms IS NULL AS is_extra, count(*) OVER () AS total, {} \
         FROM (SELECT market, CAST(window_start AS BIGINT) AS start_ms, {list} FROM upbit.{table} WHERE {of_table}) AS b \
         FULL JOIN ({from_trades}) AS t ON b.market = t.market AND b.start_ms = t.start_ms \
         WHERE (b.start_ms IS NULL AND t.start_ms + {} <= {closed_ms}) OR (b.start_ms IS NOT NULL AND ({})) \
         ORDER BY 2, 1 LIMIT {FINDINGS_MAX}",
        values.join(", "),
        size.ms(),
        differ.join(" OR ")
    )
}

fn read_bar_difference(size: Size, row: &SimpleQueryRow) -> Result<Finding, Failure> {
    let is = |index: usize| row.get(index) == Some("t");
    let problem = match (is(2), is(3)) {
        (true, _) => Problem::Missing,
        (_, true) => Problem::Extra,
        _ => Problem::Differs,
    };
    let value = |index: usize| row.get(index).map(short);
    let values = BAR_VALUES.iter().enumerate().map(|(place, &column)| Values {
        column,
        found: value(5 + 2 * place),
        expected: value(6 + 2 * place),
    });
    let values = values.filter(|values| problem == Problem::Differs && values.found != values.expected).collect();
    Ok(Finding::Bar { table: size.table(), market: text(row, 0), start: number(row, 1)?, problem, values })
}

/// `all`, or codes and quote currencies with commas, as a condition with an AND before it.
fn markets_condition(chosen: &str) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for item in chosen.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let is_quote = item.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        match Market::parse(item) {
            Ok(market) => parts.push(format!("market = '{market}'")),
            Err(_) if item == "all" => return Ok(String::new()),
            Err(_) if is_quote => parts.push(format!("market LIKE '{item}-%'")),
            Err(error) => return Err(Failure::user(format!("--markets: {error}, or a quote currency (KRW), or all"))),
        }
    }
    match parts.is_empty() {
        true => Err(Failure::user("--markets: no market is chosen; write KRW, all, or a list like KRW-BTC,KRW-ETH")),
        false => Ok(format!(" AND ({})", parts.join(" OR "))),
    }
}

/// A number without the zeros that fill its scale.
pub fn short(text: &str) -> String {
    match text.contains('.') && !text.contains(['e', 'E']) {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

fn text(row: &SimpleQueryRow, index: usize) -> String {
    row.get(index).unwrap_or_default().to_owned()
}

fn number<T: FromStr>(row: &SimpleQueryRow, index: usize) -> Result<T, Failure> {
    let text = row.get(index).unwrap_or_default();
    text.parse().map_err(|_| Failure::external(format!("hoga answers \"{text}\" where a number is expected")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markets_are_chosen_as_for_hoga_up() {
        let condition = |chosen| markets_condition(chosen).map_err(|failure| failure.exit_code());
        assert_eq!(condition("all"), Ok(String::new()));
        assert_eq!(condition("KRW-BTC, USDT").as_deref(), Ok(" AND (market = 'KRW-BTC' OR market LIKE 'USDT-%')"));
        for wrong in ["", ",", "krw", "KRW-BTC'; DROP", "KRW_BTC"] {
            assert_eq!(condition(wrong), Err(2), "{wrong}");
        }
    }

    #[test]
    fn zeros_that_say_nothing_are_left_out() {
        for (text, shown) in [("1.50000000", "1.5"), ("100", "100"), ("2.00", "2"), ("0E-8", "0E-8"), ("0.0", "0")] {
            assert_eq!(short(text), shown);
        }
    }
}
