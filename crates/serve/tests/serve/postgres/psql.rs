//! What a person sees in psql.

use std::process::Command;

use expect_test::{Expect, expect};

use super::{config, started};

/// Output of psql for some commands, and of its errors. `apt install postgresql-client` brings it.
fn psql(port: u16, database: &str, commands: &[&str]) -> String {
    let mut command = Command::new("psql");
    command.args(["-X", "-h", "127.0.0.1", "-U", "ann", "-d", database, "-p", &port.to_string()]);
    command.env("PGCLIENTENCODING", "UTF8").env_remove("PGTZ").env_remove("PGOPTIONS");
    for text in commands {
        command.args(["-c", text]);
    }
    let output = command.output().expect("psql is installed (Debian: postgresql-client)");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    text.concat().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

async fn check(commands: &'static [&'static str], expected: Expect) {
    let wire = started(config()).await;
    let port = wire.address.port();
    let shown = tokio::task::spawn_blocking(move || psql(port, "hoga", commands)).await.unwrap();
    expected.assert_eq(&shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists() {
    check(
        &["\\dt", "\\dt upbit.*", "\\d", "\\dn", "\\l", "\\du", "\\dn+"],
        expect![[r#"
                 List of relations
         Schema |   Name    | Type  | Owner
        --------+-----------+-------+-------
         upbit  | orderbook | table | hoga
         upbit  | ticker    | table | hoga
         upbit  | trade     | table | hoga
        (3 rows)

                 List of relations
         Schema |   Name    | Type  | Owner
        --------+-----------+-------+-------
         upbit  | orderbook | table | hoga
         upbit  | ticker    | table | hoga
         upbit  | trade     | table | hoga
        (3 rows)

                 List of relations
         Schema |   Name    | Type  | Owner
        --------+-----------+-------+-------
         upbit  | orderbook | table | hoga
         upbit  | ticker    | table | hoga
         upbit  | trade     | table | hoga
        (3 rows)

        List of schemas
         Name  | Owner
        -------+-------
         upbit | hoga
        (1 row)

                                                   List of databases
         Name | Owner | Encoding |   Collate   |    Ctype    | ICU Locale | Locale Provider | Access privileges
        ------+-------+----------+-------------+-------------+------------+-----------------+-------------------
         hoga | hoga  | UTF-8    | en_US.UTF-8 | en_US.UTF-8 |            |                 |
        (1 row)

                   List of roles
         Role name | Attributes | Member of
        -----------+------------+-----------
         hoga      |            | {}

                         List of schemas
         Name  | Owner | Access privileges | Description
        -------+-------+-------------------+-------------
         upbit | hoga  |                   |
        (1 row)

    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn describes_a_table_by_its_short_and_its_long_name() {
    check(&["\\d upbit.trade", "\\d orderbook", "\\d+ ticker", "\\d nothing"], expect![[r#"
                                      Table "upbit.trade"
             Column      |            Type             | Collation | Nullable | Default
        -----------------+-----------------------------+-----------+----------+---------
         market          | text                        |           | not null |
         trade_price     | numeric(20,8)               |           |          |
         trade_volume    | numeric(24,8)               |           |          |
         ask_bid         | text                        |           |          |
         trade_timestamp | timestamp(3) with time zone |           |          |
         sequential_id   | bigint                      |           | not null |
         best_ask_price  | numeric(20,8)               |           |          |
         recv_time       | timestamp(3) with time zone |           |          |
         dt              | text                        |           | not null |

                                    Table "upbit.orderbook"
             Column      |            Type             | Collation | Nullable | Default
        -----------------+-----------------------------+-----------+----------+---------
         market          | text                        |           | not null |
         timestamp       | timestamp(3) with time zone |           |          |
         orderbook_units | json                        |           |          |
         dt              | text                        |           | not null |

                                                                   Table "upbit.ticker"
                Column        |            Type             | Collation | Nullable | Default | Storage  | Compression | Stats target | Description
        ----------------------+-----------------------------+-----------+----------+---------+----------+-------------+--------------+-------------
         market               | text                        |           | not null |         | extended |             |              |
         acc_trade_price      | numeric(38,16)              |           |          |         | main     |             |              |
         change_rate          | double precision            |           |          |         | plain    |             |              |
         is_trading_suspended | boolean                     |           |          |         | plain    |             |              |
         recv_time            | timestamp(3) with time zone |           |          |         | extended |             |              |
         dt                   | text                        |           | not null |         | extended |             |              |

        Did not find any relation named "nothing".
    "#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_every_type() {
    check(
        &[
            "SELECT * FROM trade ORDER BY sequential_id",
            "SELECT * FROM upbit.ticker",
            "SELECT market, orderbook_units FROM hoga.upbit.orderbook",
            "SELECT 1, 1, count(*) + 1 FROM trade",
            "SELECT count(*), sum(trade_volume), avg(trade_price), max(trade_timestamp) FROM upbit.trade",
            "SET TIME ZONE 'Asia/Seoul'",
            "SELECT array_agg(market ORDER BY market) AS markets, NULL AS nothing, DATE '2026-07-30' AS day FROM trade",
        ],
        expect![[r#"
             market  |    trade_price     | trade_volume  | ask_bid |      trade_timestamp       |   sequential_id   |   best_ask_price   |         recv_time          |     dt
            ---------+--------------------+---------------+---------+----------------------------+-------------------+--------------------+----------------------------+------------
             KRW-BTC | 148700000.00000000 |    0.00000001 | ASK     | 2026-07-30 07:04:03.831+00 | 17853950438310000 | 148701000.00000000 | 2026-07-30 07:04:03.851+00 | 2026-07-30
             KRW-BTC | 148701000.00000000 |    2.50000000 | BID     | 2026-07-30 07:04:03.832+00 | 17853950438320000 |                    | 2026-07-30 07:04:03.852+00 | 2026-07-30
             KRW-ETH |   4500000.00000001 | 3000.00000000 | BID     | 2026-07-30 07:04:04.831+00 | 17853950448310001 |   4500000.00000001 | 2026-07-30 07:04:04.851+00 | 2026-07-30
            (3 rows)

             market  |             acc_trade_price             | change_rate | is_trading_suspended |         recv_time          |     dt
            ---------+-----------------------------------------+-------------+----------------------+----------------------------+------------
             KRW-BTC | 1234567890123456789012.3456789012345678 |      0.0123 | f                    | 2026-07-30 07:04:03.831+00 | 2026-07-30
            (1 row)

             market  |                                                                             orderbook_units
            ---------+-------------------------------------------------------------------------------------------------------------------------------------------------------------------------
             KRW-BTC | [{"ask_price":148701000,"bid_price":148700000,"ask_size":0.12345678,"bid_size":50},{"ask_price":148702000,"bid_price":148699000,"ask_size":0.00000001,"bid_size":null}]
            (1 row)

             ?column? | ?column? | ?column?
            ----------+----------+----------
                    1 |        1 |        4
            (1 row)

             count |      sum      |          avg           |            max
            -------+---------------+------------------------+----------------------------
                 3 | 3002.50000001 | 100633666.666666670000 | 2026-07-30 07:04:04.831+00
            (1 row)

            SET
                      markets          | nothing |    day
            ---------------------------+---------+------------
             {KRW-BTC,KRW-BTC,KRW-ETH} |         | 2026-07-30
            (1 row)

        "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_transactions() {
    check(
        &[
            "SHOW server_version",
            "SET TIME ZONE 'Asia/Seoul'; SELECT trade_timestamp FROM trade LIMIT 1",
            "BEGIN; SELECT 1 AS one; COMMIT",
            "DISCARD ALL",
            "SELECT version(), current_database(), current_schema, current_user, current_setting('server_version_num')",
            "SELECT current_schemas(true)",
            "SHOW nonsense",
            "SHOW TABLES",
        ],
        expect![[r#"
              server_version
            -------------------
             15.0 (hoga 0.1.0)
            (1 row)

            SET
                  trade_timestamp
            ----------------------------
             2026-07-30 16:04:03.831+09
            (1 row)

            BEGIN
             one
            -----
               1
            (1 row)

            COMMIT
            DISCARD ALL
                       version            | current_database | current_schema | session_user | current_setting
            ------------------------------+------------------+----------------+--------------+-----------------
             PostgreSQL 15.0 (hoga 0.1.0) | hoga             | upbit          | ann          | 150000
            (1 row)

                        current_schemas
            ---------------------------------------
             {pg_catalog,upbit,information_schema}
            (1 row)

             table_catalog | table_schema | table_name | table_type | is_insertable_into | is_typed
            ---------------+--------------+------------+------------+--------------------+----------
             hoga          | upbit        | orderbook  | BASE TABLE | NO                 | NO
             hoga          | upbit        | ticker     | BASE TABLE | NO                 | NO
             hoga          | upbit        | trade      | BASE TABLE | NO                 | NO
            (3 rows)

            ERROR:  unrecognized configuration parameter "nonsense"
        "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_pointed_at() {
    check(
        &[
            "SELEC 1",
            "SELECT\n  trade_prise\nFROM trade",
            "SELECT * FROM trad",
            "SELECT flor(1.5)",
            "SELECT 1 / 0",
            "SELECT 'x'::bigint",
            "SELECT market, count(*) FROM trade",
            "DROP TABLE trade",
            "SELECT * FROM trade WHERE",
        ],
        expect![[r#"
            ERROR:  syntax error: expected: an SQL statement, found: SELEC
            LINE 1: SELEC 1
                    ^
            ERROR:  column "trade_prise" does not exist
            LINE 2:   trade_prise
                      ^
            HINT:  did you mean "trade_price"?
            ERROR:  relation "upbit.trad" does not exist
            LINE 1: SELECT * FROM trad
                                  ^
            HINT:  did you mean "trade"?
            ERROR:  function flor does not exist
            LINE 1: SELECT flor(1.5)
                           ^
            HINT:  did you mean floor?
            ERROR:  division by zero
            ERROR:  invalid input syntax for type bigint: "x"
            ERROR:  column "trade.market" must appear in the GROUP BY clause or be used in an aggregate function
            LINE 1: SELECT market, count(*) FROM trade
                           ^
            HINT:  either add 'trade.market' to GROUP BY clause, or use an aggregate function like ANY_VALUE(trade.market)
            ERROR:  hoga's tables are written by the pipeline; this connection reads
            ERROR:  syntax error: expected: an expression, found: EOF
        "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_hoga() {
    let wire = started(config()).await;
    let port = wire.address.port();
    for database in ["hoga", "postgres", "ann"] {
        let shown = tokio::task::spawn_blocking(move || psql(port, database, &["SELECT 1 AS one"])).await.unwrap();
        assert!(shown.contains("(1 row)"), "{database}: {shown}");
    }
    let shown = tokio::task::spawn_blocking(move || psql(port, "hgoa", &["SELECT 1"])).await.unwrap();
    assert!(shown.contains("database \"hgoa\" does not exist"), "{shown}");
    assert!(shown.contains("there is one database: hoga"), "{shown}");
}
