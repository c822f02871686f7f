//! The protocol as programs use it: prepared statements, binary values, cursors, limits, cancelling.

use std::error::Error;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut};

use super::{ENDLESS, config, connect, connected, failure, started};
use crate::fixtures::WIDE_UNITS;

/// A NUMERIC as its binary digits, put together without any decimal type.
#[derive(Debug, PartialEq)]
struct Numeric(String);

impl<'a> FromSql<'a> for Numeric {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Numeric, Box<dyn Error + Sync + Send>> {
        let word = |at: usize| i16::from_be_bytes([raw[at], raw[at + 1]]);
        let (count, weight, negative, scale) = (word(0), word(2), word(4) as u16 == 0x4000, word(6) as usize);
        let digits: String = (0..count as usize).map(|index| format!("{:04}", word(8 + 2 * index))).collect();
        let point = (i32::from(weight) + 1) * 4;
        let padded = if point < 0 { format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)) } else { digits };
        let point = point.max(0) as usize;
        let padded = format!("{padded:0<width$}", width = point + scale);
        let (whole, fraction) = padded.split_at(point);
        let whole = whole.trim_start_matches('0');
        let sign = if negative { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        Ok(Numeric(format!("{sign}{whole}.{}", &fraction[..scale])))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::NUMERIC
    }
}

/// A value sent as text whatever its type: what psycopg and node-postgres do.
#[derive(Debug)]
struct AsText(&'static str);

impl ToSql for AsText {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> tokio_postgres::types::Format {
        tokio_postgres::types::Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

/// A timestamptz in microseconds of PostgreSQL's epoch.
#[derive(Debug, PartialEq)]
struct PgMicroseconds(i64);

impl<'a> FromSql<'a> for PgMicroseconds {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<PgMicroseconds, Box<dyn Error + Sync + Send>> {
        Ok(PgMicroseconds(i64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_38_digits_arrive_whole() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    let expected = format!("{}.{:016}", WIDE_UNITS / 10_i128.pow(16), WIDE_UNITS % 10_i128.pow(16));
    let row = client.query_one("SELECT acc_trade_price, -acc_trade_price FROM ticker", &[]).await.unwrap();
    assert_eq!(row.get::<_, Numeric>(0).0, expected);
    assert_eq!(row.get::<_, Numeric>(1).0, format!("-{expected}"));
    let row = client.query_one("SELECT sum(acc_trade_price) FROM ticker", &[]).await.unwrap();
    assert_eq!(row.get::<_, Numeric>(0).0, expected);
    let text = client.simple_query("SELECT sum(acc_trade_price) FROM ticker").await.unwrap();
    let SimpleQueryMessage::Row(row) = &text[1] else { panic!("a row: {text:?}") };
    assert_eq!(row.get(0), Some(expected.as_str()));
    let rows = client.query("SELECT trade_volume FROM trade ORDER BY sequential_id", &[]).await.unwrap();
    let volumes: Vec<String> = rows.iter().map(|row| row.get::<_, Numeric>(0).0).collect();
    assert_eq!(volumes, ["0.00000001", "2.50000000", "3000.00000000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_in_binary() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    let row = client
        .query_one(
            "SELECT t.market, t.sequential_id, t.trade_timestamp, k.change_rate, k.is_trading_suspended,
                    b.orderbook_units, array_agg(t.market) OVER () AS markets, t.best_ask_price, count(*) OVER () AS n
             FROM trade t JOIN ticker k ON k.market = t.market JOIN orderbook b ON b.market = t.market
             WHERE t.sequential_id = 17853950438320000",
            &[],
        )
        .await
        .unwrap();
    let types: Vec<&str> = row.columns().iter().map(|column| column.type_().name()).collect();
    let expected = ["text", "int8", "timestamptz", "float8", "bool", "json", "_text", "numeric", "int8"];
    assert_eq!(types, expected);
    assert_eq!(row.get::<_, &str>(0), "KRW-BTC");
    assert_eq!(row.get::<_, i64>(1), 17_853_950_438_320_000);
    assert_eq!(row.get::<_, PgMicroseconds>(2).0, (1_785_395_043_832 - 946_684_800_000) * 1_000);
    assert!((row.get::<_, f64>(3) - 0.0123).abs() < f64::EPSILON);
    assert!(!row.get::<_, bool>(4));
    assert_eq!(row.get::<_, Vec<String>>(6), ["KRW-BTC"]);
    assert_eq!(row.get::<_, Option<Numeric>>(7), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_every_type() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    let statement = client
        .prepare("SELECT sequential_id FROM trade WHERE market = $1 AND trade_price >= $2 AND trade_timestamp > $3 AND sequential_id <> $4 LIMIT $5")
        .await
        .unwrap();
    let types: Vec<&str> = statement.params().iter().map(Type::name).collect();
    assert_eq!(types, ["text", "numeric", "timestamptz", "int8", "int8"]);
    let rows = client
        .query(
            &statement,
            &[&"KRW-BTC", &AsText("148700000.00000001"), &AsText("2026-07-30 16:04:03.831+09"), &5_i64, &10_i64],
        )
        .await
        .unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids, [17_853_950_438_320_000]);

    let row = client
        .query_one(
            "SELECT $1::boolean, $2::double precision, $3::int + 1, $4, $5::text IS NULL",
            &[&true, &0.5_f64, &41_i32, &"text", &None::<String>],
        )
        .await
        .unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, f64>(1), row.get::<_, bool>(4)), (true, 0.5, true));
    assert_eq!((row.get::<_, i64>(2), row.get::<_, &str>(3)), (42, "text"));

    let rows =
        client.query("SELECT DISTINCT market FROM trade WHERE market = ANY($1)", &[&AsText("{KRW-ETH,x}")]).await;
    assert_eq!(rows.unwrap().len(), 1);
    let wrong = client.query("SELECT 1 FROM trade WHERE trade_price > $1", &[&AsText("cheap")]).await.unwrap_err();
    assert_eq!(failure(&wrong).0, "22P02");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_sees_each_execution_anew() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    let now = client.prepare("SELECT now()::text, count(*) FROM trade").await.unwrap();
    let first: String = client.query_one(&now, &[]).await.unwrap().get(0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let second: String = client.query_one(&now, &[]).await.unwrap().get(0);
    assert_ne!(first, second, "the plan of the first execution was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_and_cursors_give_rows_in_pieces() {
    let wire = started(config()).await;
    let mut client = connected(&wire).await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT value FROM generate_series(1, 10) ORDER BY value", &[]).await.unwrap();
    let mut sizes = Vec::new();
    for _ in 0..4 {
        sizes.push(transaction.query_portal(&portal, 4).await.unwrap().len());
    }
    assert_eq!(sizes, [4, 4, 2, 0]);
    transaction.batch_execute("DECLARE c NO SCROLL CURSOR FOR SELECT value FROM generate_series(1, 5)").await.unwrap();
    let mut fetched = Vec::new();
    for _ in 0..4 {
        let rows = transaction.query("FETCH FORWARD 2 FROM c", &[]).await.unwrap();
        fetched.push(rows.len());
    }
    assert_eq!(fetched, [2, 2, 1, 0]);
    transaction.commit().await.unwrap();
    let closed = client.simple_query("FETCH NEXT FROM c").await.unwrap_err();
    assert_eq!(failure(&closed).0, "34000");
}

#[tokio::test(flavor = "multi_thread")]
async fn command_tags_count_rows() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    let messages = client.simple_query("SELECT * FROM trade; BEGIN; SET application_name = 'x'; COMMIT").await.unwrap();
    let counts: Vec<u64> = messages
        .iter()
        .filter_map(|message| if let SimpleQueryMessage::CommandComplete(rows) = message { Some(*rows) } else { None })
        .collect();
    assert_eq!(counts, [3, 0, 0, 0]);
    assert!(client.simple_query("  ;  ").await.unwrap().len() <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_codes() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    for (text, code) in [
        ("SELEC 1", "42601"),
        ("SELECT * FROM nothing", "42P01"),
        ("SELECT nothing FROM trade", "42703"),
        ("SELECT market FROM trade a, trade b", "42702"),
        ("SELECT nothing(1)", "42883"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT trade_price / (trade_price - trade_price) FROM trade", "22012"),
        ("SELECT 'x'::bigint", "22P02"),
        ("SELECT market FROM trade WHERE market = 'x'::int", "22P02"),
        ("INSERT INTO trade (market) VALUES ('x')", "25006"),
        ("CREATE TABLE t (a int)", "25006"),
        ("SELECT * INTO copy FROM trade", "25006"),
        ("EXPLAIN INSERT INTO trade (market) VALUES ('x')", "25006"),
        ("COPY trade TO '/tmp/trade.csv'", "25006"),
        ("SET client_encoding = 'LATIN1'", "0A000"),
        ("SHOW nothing", "42704"),
        ("FETCH 1 FROM nothing", "34000"),
        ("DECLARE c CURSOR FOR SELECT 1", "25P01"),
    ] {
        let simple = failure(&client.simple_query(text).await.expect_err(text));
        assert_eq!(simple.0, code, "{text}: {simple:?}");
        if let Err(error) = client.query(text, &[]).await {
            assert_eq!(failure(&error).0, code, "{text} prepared");
        } else {
            panic!("{text} prepared");
        }
        assert!(!simple.1.contains("DataFusion") && !simple.1.contains("Error during"), "{simple:?}");
    }
    client.simple_query("SELECT 1").await.expect("the connection lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_transaction_waits_for_its_end() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute("SELECT nothing").await.unwrap_err();
    let error = client.batch_execute("SELECT 1").await.unwrap_err();
    assert_eq!(failure(&error).0, "25P02");
    client.batch_execute("ROLLBACK").await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_can_be_cancelled() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    let token = client.cancel_token();
    let running = tokio::spawn(async move {
        let error = client.simple_query(ENDLESS).await.unwrap_err();
        (error, client)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = Instant::now();
    token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    let (error, client) = tokio::time::timeout(Duration::from_secs(10), running).await.expect("it ended").unwrap();
    assert_eq!(failure(&error), ("57014".to_owned(), "canceling statement due to user request".to_owned()));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    client.simple_query("SELECT 1").await.expect("the connection lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_a_time_limit() {
    let wire = started(super::PostgresConfig { statement_timeout: Duration::from_millis(400), ..config() }).await;
    let client = connected(&wire).await;
    let error = client.simple_query(ENDLESS).await.unwrap_err();
    assert_eq!(failure(&error).0, "57014");
    let error = client.query(ENDLESS, &[]).await.unwrap_err();
    assert_eq!(failure(&error).0, "57014", "prepared");
    client.batch_execute("SET statement_timeout = '50ms'").await.unwrap();
    let error = client.simple_query(ENDLESS).await.unwrap_err();
    assert!(failure(&error).1.contains("50 ms"), "{error:?}");
    client.batch_execute("SET statement_timeout = '1h'").await.unwrap();
    let error = client.simple_query(ENDLESS).await.unwrap_err();
    assert!(failure(&error).1.contains("400 ms"), "a session cannot go beyond the server's: {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_too_many_is_told_so() {
    let wire = started(super::PostgresConfig { max_connections: 2, ..config() }).await;
    let first = connected(&wire).await;
    let second = connected(&wire).await;
    let error = connect(&wire, "user=ann dbname=hoga").await.expect_err("no room");
    assert_eq!(failure(&error).0, "53300");
    assert_eq!(first.query_one("SELECT 1", &[]).await.unwrap().get::<_, i64>(0), 1);
    drop(second);
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if connect(&wire, "user=ann dbname=hoga").await.is_ok() {
            return;
        }
    }
    panic!("the place of a client that left is not given to the next");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_do_not_wait_for_each_other() {
    let wire = started(config()).await;
    let (busy, quick) = (connected(&wire).await, connected(&wire).await);
    let token = busy.cancel_token();
    let running = tokio::spawn(async move { busy.simple_query(ENDLESS).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = Instant::now();
    quick.simple_query("SELECT count(*) FROM trade").await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    running.await.unwrap().unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_not_made_before_it_is_read() {
    let wire = started(config()).await;
    let client = connected(&wire).await;
    // 10^12 rows: whoever collected them would never send the first
    let text = "SELECT a.value, 'some text that takes room' AS b FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let rows = client.query_raw(text, std::iter::empty::<&str>()).await.unwrap();
    let taken: Vec<_> = rows.take(10_000).try_collect().await.unwrap();
    assert_eq!(taken.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_a_client_that_left_ends() {
    let wire = started(super::PostgresConfig { max_connections: 1, ..config() }).await;
    let options = format!("host=127.0.0.1 port={} user=ann dbname=hoga", wire.address.port());
    let (client, connection) = tokio_postgres::connect(&options, tokio_postgres::NoTls).await.unwrap();
    let socket = tokio::spawn(connection);
    let running = tokio::spawn(async move { client.simple_query(ENDLESS).await.map(|_| ()) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    // the socket closes without a cancel request and without a goodbye
    socket.abort();
    running.await.unwrap().unwrap_err();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if connect(&wire, "user=ann dbname=hoga").await.is_ok() {
            return;
        }
    }
    panic!("the only place is still taken by a query that nobody waits for");
}
