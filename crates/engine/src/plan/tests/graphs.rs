//! One plan for every construct, as `hoga explain` writes it.

mod windows;

use super::super::explain::explain;
use super::super::plan_pipeline;
use expect_test::{Expect, expect};

const TABLES: &str = "CREATE TEMPORARY TABLE trades (`code` STRING, `price` DECIMAL(20, 8), `volume` DECIMAL(24, 8), `side` STRING, `id` BIGINT, `ms` BIGINT,
  `levels` ARRAY<ROW<`p` DECIMAL(20, 8), `n` INT>>, `unused` STRING, `ts` AS TO_TIMESTAMP_LTZ(`ms`, 3), `pt` AS PROCTIME(), WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'upbit-trade', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TEMPORARY TABLE alerts (`code` STRING, `n` BIGINT) WITH ('connector' = 'kafka', 'topic' = 'upbit-alert', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w');
CREATE DATABASE lake.d;
CREATE TABLE lake.d.ticks (`code` STRING, `price` DECIMAL(20, 8), `id` BIGINT) WITH ('bucket' = '-1');
CREATE TABLE lake.d.bars (`code` STRING, `since` TIMESTAMP(3), `high` DECIMAL(20, 8), `n` BIGINT, PRIMARY KEY (`code`, `since`) NOT ENFORCED);
CREATE TABLE lake.d.totals (`code` STRING, `n` BIGINT, `total` DECIMAL(38, 8), PRIMARY KEY (`code`) NOT ENFORCED);
CREATE TABLE lake.d.tops (`code` STRING, `place` BIGINT, `price` DECIMAL(20, 8), `id` BIGINT, PRIMARY KEY (`code`, `place`) NOT ENFORCED);
CREATE TABLE lake.d.names (`code` STRING, PRIMARY KEY (`code`) NOT ENFORCED);
CREATE TABLE lake.d.counts (`n` BIGINT, `k` INT, PRIMARY KEY (`k`) NOT ENFORCED);
";

#[track_caller]
fn check(statements: &str, expected: Expect) {
    let pipeline = hoga_sql::parse_pipeline("test.sql", &format!("{TABLES}{statements}"), &|_| None);
    let text = match pipeline.map(|pipeline| plan_pipeline(&pipeline)) {
        Ok(Ok(plan)) => explain(&plan.graph),
        Ok(Err(mistakes)) | Err(mistakes) => mistakes.to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn projection_and_filter() {
    check(
        "INSERT INTO lake.d.ticks SELECT UPPER(code), price * 2, id FROM trades WHERE price > 1.5 AND code IS NOT NULL;",
        expect![[r#"
            sink lake.d.ticks
            | lake table d.ticks: inserts
            | columns code, price, id
              lake.d.ticks: calc
              | filter (price > 1.50000000)
              | filter code IS NOT NULL
              | project UPPER(code) AS code, CAST((price * 2) AS DECIMAL(20, 8)) AS price, id
                source upbit-trade
                | decode code STRING, price DECIMAL(20, 8), id BIGINT, ms BIGINT
                | project code, price, id, TO_TIMESTAMP_LTZ *1(ms) AS ts
                | watermark ts - 5s, a partition is idle after 10s
                | start at the earliest offset
        "#]],
    );
}

#[test]
fn a_topic_is_read_once_and_decodes_what_all_need() {
    check(
        "INSERT INTO lake.d.ticks (code) SELECT code FROM trades; INSERT INTO alerts SELECT side, id FROM trades WHERE volume > 10;",
        expect![[r#"
            sink lake.d.ticks
            | lake table d.ticks: inserts
            | columns code, price, id
              lake.d.ticks: calc
              | project code, NULL AS price, NULL AS id
                source upbit-trade [read by 2]
                | decode code STRING, volume DECIMAL(24, 8), side STRING, id BIGINT, ms BIGINT
                | project code, volume, side, id, TO_TIMESTAMP_LTZ *1(ms) AS ts
                | watermark ts - 5s, a partition is idle after 10s
                | start at the earliest offset

            sink topic upbit-alert
            | topic upbit-alert: inserts
            | columns code, n
              topic upbit-alert: calc
              | filter (volume > 10.00000000)
              | project side AS code, id AS n
                source upbit-trade [see above]
        "#]],
    );
}

#[test]
fn updating_groups() {
    check(
        "INSERT INTO lake.d.totals SELECT code, COUNT(*), SUM(price) FROM trades GROUP BY code;
         INSERT INTO lake.d.counts SELECT COUNT(*), 1 FROM trades;",
        expect![[r#"
            sink lake.d.totals
            | lake table d.totals, primary key code: inserts, updates and deletes
            | columns code, n, total
              lake.d.totals: aggregate
              | group by code
              | compute COUNT(*) BIGINT, SUM(price) DECIMAL(38, 8)
              | state: every group, for good
              | updates by code
                lake.d.totals: calc
                | project code, price
                  source upbit-trade [read by 2]
                  | decode code STRING, price DECIMAL(20, 8), ms BIGINT
                  | project code, price, TO_TIMESTAMP_LTZ *1(ms) AS ts
                  | watermark ts - 5s, a partition is idle after 10s
                  | start at the earliest offset

            sink lake.d.counts
            | lake table d.counts, primary key k: inserts, updates and deletes
            | columns n, k
              lake.d.counts: calc 2
              | project `count` AS n, 1 AS k
              | updates its one row
                lake.d.counts: aggregate
                | one group
                | compute COUNT(*) BIGINT
                | state: every group, for good
                | updates its one row
                  lake.d.counts: calc
                  | project nothing
                    source upbit-trade [see above]
        "#]],
    );
}

#[test]
fn groups_of_groups_and_distinct() {
    check(
        "INSERT INTO lake.d.totals SELECT side, COUNT(*), SUM(n) FROM (SELECT code, MAX(side) AS side, COUNT(*) AS n FROM trades GROUP BY code) GROUP BY side;",
        expect![[r#"
            sink lake.d.totals
            | lake table d.totals, primary key code: inserts, updates and deletes
            | columns code, n, total
              lake.d.totals: calc 3
              | project side AS code, `count` AS n, CAST(`sum` AS DECIMAL(38, 8)) AS total
              | updates by code
                lake.d.totals: aggregate 2
                | group by side
                | compute COUNT(*) BIGINT, SUM(n) BIGINT
                | state: every group, for good
                | updates by side
                  lake.d.totals: calc 2
                  | project `max` AS side, `count` AS n
                  | updates whole rows
                    lake.d.totals: aggregate
                    | group by code
                    | compute MAX(side) STRING, COUNT(*) BIGINT
                    | state: every group, for good
                    | updates by code
                      lake.d.totals: calc
                      | project code, side
                        source upbit-trade
                        | decode code STRING, side STRING, ms BIGINT
                        | project code, side, TO_TIMESTAMP_LTZ *1(ms) AS ts
                        | watermark ts - 5s, a partition is idle after 10s
                        | start at the earliest offset
        "#]],
    );
    check(
        "INSERT INTO lake.d.names SELECT DISTINCT UPPER(code) FROM trades;",
        expect![[r#"
            sink lake.d.names
            | lake table d.names, primary key code: inserts, updates and deletes
            | columns code
              lake.d.names: aggregate
              | group by `EXPR$0`
              | compute nothing
              | state: every group, for good
              | updates by `EXPR$0`
                lake.d.names: calc
                | project UPPER(code) AS `EXPR$0`
                  source upbit-trade
                  | decode code STRING, ms BIGINT
                  | project code, TO_TIMESTAMP_LTZ *1(ms) AS ts
                  | watermark ts - 5s, a partition is idle after 10s
                  | start at the earliest offset
        "#]],
    );
}

#[test]
fn ranking() {
    check(
        "INSERT INTO lake.d.tops SELECT code, rn, price, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY code ORDER BY price DESC, id) AS rn FROM trades) WHERE rn <= 10 AND id > 5;
         INSERT INTO lake.d.totals (code, n) SELECT code, id FROM (SELECT code, id, ROW_NUMBER() OVER (PARTITION BY code ORDER BY ts DESC) AS rn FROM trades) WHERE rn = 1;
         INSERT INTO lake.d.ticks SELECT code, price, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY pt) AS rn FROM trades) WHERE rn = 1;",
        expect![[r#"
            sink lake.d.tops
            | lake table d.tops, primary key code, place: inserts, updates and deletes
            | columns code, place, price, id
              lake.d.tops: calc 2
              | filter (id > 5)
              | project code, rn AS place, price, id
              | updates by code, place
                lake.d.tops: top n
                | the first 10 rows of each code by price DESC, id, with its number
                | state: rows of every partition, for good
                | updates by code, `row_number`
                  lake.d.tops: calc
                  | project code, price, id
                    source upbit-trade [read by 3]
                    | decode code STRING, price DECIMAL(20, 8), id BIGINT, ms BIGINT
                    | project code, price, id, TO_TIMESTAMP_LTZ *1(ms) AS ts
                    | watermark ts - 5s, a partition is idle after 10s
                    | start at the earliest offset

            sink lake.d.totals
            | lake table d.totals, primary key code: inserts, updates and deletes
            | columns code, n, total
              lake.d.totals: calc 2
              | project code, id AS n, NULL AS total
              | updates by code
                lake.d.totals: top n
                | the first row of each code by `order` DESC
                | state: rows of every partition, for good
                | updates by code
                  lake.d.totals: calc
                  | project code, id, ts AS `order`
                    source upbit-trade [see above]

            sink lake.d.ticks
            | lake table d.ticks: inserts
            | columns code, price, id
              lake.d.ticks: top n
              | the first row of each id as they come
              | state: rows of every partition, for good
                lake.d.ticks: calc
                | project code, price, id
                  source upbit-trade [see above]
        "#]],
    );
}

#[test]
fn union_with_and_two_inserts() {
    check(
        "INSERT INTO lake.d.ticks WITH asks AS (SELECT code, price, id FROM trades WHERE side = 'ASK') SELECT * FROM asks UNION ALL SELECT code, 1, id FROM trades UNION ALL SELECT code, price, 5 FROM trades;
         INSERT INTO lake.d.ticks (code, id) SELECT code, id FROM trades WHERE side = 'BID';",
        expect![[r#"
            sink lake.d.ticks
            | lake table d.ticks: inserts
            | columns code, price, id
              lake.d.ticks: union 2
                lake.d.ticks: union
                  lake.d.ticks: calc
                  | filter (side = 'ASK')
                  | project code, price, id
                    source upbit-trade [read by 4]
                    | decode code STRING, price DECIMAL(20, 8), side STRING, id BIGINT, ms BIGINT
                    | project code, price, side, id, TO_TIMESTAMP_LTZ *1(ms) AS ts
                    | watermark ts - 5s, a partition is idle after 10s
                    | start at the earliest offset
                  lake.d.ticks: calc 2
                  | project code, CAST(1 AS DECIMAL(20, 8)) AS `EXPR$1`, id
                    source upbit-trade [see above]
                  lake.d.ticks: calc 3
                  | project code, price, CAST(5 AS BIGINT) AS `EXPR$2`
                    source upbit-trade [see above]
                lake.d.ticks: calc 4
                | filter (side = 'BID')
                | project code, NULL AS price, id
                  source upbit-trade [see above]
        "#]],
    );
}

#[test]
fn unnest() {
    check(
        "INSERT INTO lake.d.ticks SELECT t.code, l.p, l.n FROM trades AS t CROSS JOIN UNNEST(t.levels) AS l (p, n) WHERE l.p > 0;
         INSERT INTO lake.d.ticks SELECT code, p, o FROM trades LEFT JOIN UNNEST(levels) WITH ORDINALITY AS l (p, n, o) ON TRUE;
         INSERT INTO alerts SELECT x, id FROM trades CROSS JOIN UNNEST(ARRAY[code, side]) AS u (x);",
        expect![[r#"
            sink lake.d.ticks
            | lake table d.ticks: inserts
            | columns code, price, id
              lake.d.ticks: union
                lake.d.ticks: calc
                | filter (p > 0.00000000)
                | project code, p AS price, CAST(n AS BIGINT) AS id
                  lake.d.ticks: unnest
                  | CROSS JOIN UNNEST(levels)
                    source upbit-trade [read by 3]
                    | decode code STRING, side STRING, id BIGINT, ms BIGINT, levels ARRAY<ROW<`p` DECIMAL(20, 8), `n` INT>>
                    | project code, side, id, levels, TO_TIMESTAMP_LTZ *1(ms) AS ts
                    | watermark ts - 5s, a partition is idle after 10s
                    | start at the earliest offset
                lake.d.ticks: calc 2
                | project code, p AS price, CAST(o AS BIGINT) AS id
                  lake.d.ticks: unnest 2
                  | LEFT JOIN UNNEST(levels) WITH ORDINALITY
                    source upbit-trade [see above]

            sink topic upbit-alert
            | topic upbit-alert: inserts
            | columns code, n
              topic upbit-alert: calc 2
              | project x AS code, id AS n
                topic upbit-alert: unnest
                | CROSS JOIN UNNEST(``)
                  topic upbit-alert: calc
                  | project id, ARRAY(code, side) AS ``
                    source upbit-trade [see above]
        "#]],
    );
}
