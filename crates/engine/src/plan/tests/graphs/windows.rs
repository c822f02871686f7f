//! Windows, and what is computed of them.

use super::check;
use expect_test::expect;

#[test]
fn tumble() {
    check(
        "INSERT INTO lake.d.bars SELECT code, window_start, MAX(price), COUNT(*) FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE code IS NOT NULL GROUP BY code, window_start, window_end HAVING COUNT(*) > 1;",
        expect![[r#"
            sink lake.d.bars
            | lake table d.bars, primary key code, since: inserts
            | columns code, since, high, n
              lake.d.bars: calc 2
              | filter (`count` > 1)
              | project code, window_start AS since, `max` AS high, `count` AS n
                lake.d.bars: window aggregate
                | TUMBLE 1m of ts, in UTC
                | group by code
                | compute MAX(price) DECIMAL(20, 8), COUNT(*) BIGINT
                | state: groups of open windows
                  lake.d.bars: calc
                  | filter code IS NOT NULL
                  | project code, price, ts
                    source upbit-trade
                    | decode code STRING, price DECIMAL(20, 8), ms BIGINT
                    | project code, price, TO_TIMESTAMP_LTZ *1(ms) AS ts
                    | watermark ts - 5s, a partition is idle after 10s
                    | start at the earliest offset
        "#]],
    );
}

#[test]
fn hop_cumulate_and_named_arguments() {
    check(
        "INSERT INTO lake.d.bars SELECT code, window_start, MAX(price), COUNT(id) FROM TABLE(HOP(DATA => TABLE trades, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '1' MINUTE, SIZE => INTERVAL '5' MINUTE)) GROUP BY code, window_start, window_end;
         INSERT INTO lake.d.bars SELECT code, window_start, MAX(price) FILTER (WHERE side = 'ASK'), COUNT(DISTINCT id) FROM TABLE(CUMULATE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY code, window_start, window_end;",
        expect![[r#"
            sink lake.d.bars
            | lake table d.bars, primary key code, since: inserts
            | columns code, since, high, n
              lake.d.bars: union
                lake.d.bars: calc 2
                | project code, window_start AS since, `max` AS high, `count` AS n
                  lake.d.bars: window aggregate
                  | HOP 5m every 1m of ts, in UTC
                  | group by code
                  | compute MAX(price) DECIMAL(20, 8), COUNT(id) BIGINT
                  | state: groups of open windows
                    lake.d.bars: calc
                    | project code, price, id, ts
                      source upbit-trade [read by 2]
                      | decode code STRING, price DECIMAL(20, 8), side STRING, id BIGINT, ms BIGINT
                      | project code, price, side, id, TO_TIMESTAMP_LTZ *1(ms) AS ts
                      | watermark ts - 5s, a partition is idle after 10s
                      | start at the earliest offset
                lake.d.bars: calc 4
                | project code, window_start AS since, `max` AS high, `count` AS n
                  lake.d.bars: window aggregate 2
                  | CUMULATE 1d by 1h of ts, in UTC
                  | group by code
                  | compute MAX(price) FILTER (WHERE `filter`) DECIMAL(20, 8), COUNT(DISTINCT id) BIGINT
                  | state: groups of open windows
                    lake.d.bars: calc 3
                    | project code, (side = 'ASK') AS `filter`, price, id, ts
                      source upbit-trade [see above]
        "#]],
    );
}

#[test]
fn session() {
    check(
        "INSERT INTO lake.d.bars SELECT code, window_start, MAX(price), COUNT(*) FROM TABLE(SESSION(TABLE trades PARTITION BY code, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY code, window_start, window_end;",
        expect![[r#"
            sink lake.d.bars
            | lake table d.bars, primary key code, since: inserts
            | columns code, since, high, n
              lake.d.bars: calc
              | project code, window_start AS since, `max` AS high, `count` AS n
                lake.d.bars: window aggregate
                | SESSION gap 30s of ts, in UTC
                | group by code
                | compute MAX(price) DECIMAL(20, 8), COUNT(*) BIGINT
                | state: groups of open windows
                  source upbit-trade
                  | decode code STRING, price DECIMAL(20, 8), ms BIGINT
                  | project code, price, TO_TIMESTAMP_LTZ *1(ms) AS ts
                  | watermark ts - 5s, a partition is idle after 10s
                  | start at the earliest offset
        "#]],
    );
}

#[test]
fn processing_time() {
    check(
        "INSERT INTO lake.d.bars SELECT code, window_start, MAX(price), COUNT(*) FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(pt), INTERVAL '10' SECOND)) GROUP BY code, window_start, window_end;
         INSERT INTO alerts SELECT code, COUNT(*) FROM TABLE(TUMBLE((SELECT code, PROCTIME() AS now_at FROM trades), DESCRIPTOR(now_at), INTERVAL '10' SECOND)) GROUP BY code, window_start, window_end;",
        expect![[r#"
            sink lake.d.bars
            | lake table d.bars, primary key code, since: inserts
            | columns code, since, high, n
              lake.d.bars: calc 2
              | project code, window_start AS since, `max` AS high, `count` AS n
                lake.d.bars: window aggregate
                | TUMBLE 10s of PROCTIME(), in UTC
                | group by code
                | compute MAX(price) DECIMAL(20, 8), COUNT(*) BIGINT
                | state: groups of open windows
                  lake.d.bars: calc
                  | project code, price
                    source upbit-trade [read by 2]
                    | decode code STRING, price DECIMAL(20, 8), ms BIGINT
                    | project code, price, TO_TIMESTAMP_LTZ *1(ms) AS ts
                    | watermark ts - 5s, a partition is idle after 10s
                    | start at the earliest offset

            sink topic upbit-alert
            | topic upbit-alert: inserts
            | columns code, n
              topic upbit-alert: calc 2
              | project code, `count` AS n
                topic upbit-alert: window aggregate
                | TUMBLE 10s of PROCTIME(), in UTC
                | group by code
                | compute COUNT(*) BIGINT
                | state: groups of open windows
                  topic upbit-alert: calc
                  | project code
                    source upbit-trade [see above]
        "#]],
    );
}

#[test]
fn cascade_and_shared_view() {
    check(
        "CREATE TEMPORARY VIEW bars_1m AS SELECT code, window_start AS s, window_end AS e, window_time AS rowtime, MAX(price) AS high, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
         INSERT INTO lake.d.bars SELECT code, s, high, n FROM bars_1m;
         INSERT INTO alerts SELECT code, SUM(n) FROM TABLE(TUMBLE(TABLE bars_1m, DESCRIPTOR(rowtime), INTERVAL '5' MINUTE)) GROUP BY code, window_start, window_end;",
        expect![[r#"
            sink lake.d.bars
            | lake table d.bars, primary key code, since: inserts
            | columns code, since, high, n
              lake.d.bars: calc
              | project code, s AS since, high, n
                view bars_1m: calc [read by 2]
                | project code, window_start AS s, window_time AS rowtime, `max` AS high, `count` AS n
                  view bars_1m: window aggregate
                  | TUMBLE 1m of ts, in UTC
                  | group by code
                  | compute MAX(price) DECIMAL(20, 8), COUNT(*) BIGINT
                  | state: groups of open windows
                    source upbit-trade
                    | decode code STRING, price DECIMAL(20, 8), ms BIGINT
                    | project code, price, TO_TIMESTAMP_LTZ *1(ms) AS ts
                    | watermark ts - 5s, a partition is idle after 10s
                    | start at the earliest offset

            sink topic upbit-alert
            | topic upbit-alert: inserts
            | columns code, n
              topic upbit-alert: calc 3
              | project code, `sum` AS n
                topic upbit-alert: window aggregate
                | TUMBLE 5m of rowtime, in UTC
                | group by code
                | compute SUM(n) BIGINT
                | state: groups of open windows
                  topic upbit-alert: calc 2
                  | project code, n, rowtime
                    topic upbit-alert: calc
                    | project code, rowtime, n
                      view bars_1m: calc [see above]
        "#]],
    );
}

#[test]
fn window_of_window() {
    check(
        "INSERT INTO alerts SELECT MAX(code), MAX(n) FROM (
           SELECT code, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end
         ) GROUP BY window_start, window_end;",
        expect![[r#"
            sink topic upbit-alert
            | topic upbit-alert: inserts
            | columns code, n
              topic upbit-alert: calc 2
              | project `max` AS code, `max` AS n
                topic upbit-alert: window aggregate 2
                | the rows' own windows: window_start, window_end
                | one group
                | compute MAX(code) STRING, MAX(n) BIGINT
                | state: groups of open windows
                  topic upbit-alert: calc
                  | project code, `count` AS n, window_start, window_end
                    topic upbit-alert: window aggregate
                    | TUMBLE 1m of ts, in UTC
                    | group by code
                    | compute COUNT(*) BIGINT
                    | state: groups of open windows
                      source upbit-trade
                      | decode code STRING, ms BIGINT
                      | project code, TO_TIMESTAMP_LTZ *1(ms) AS ts
                      | watermark ts - 5s, a partition is idle after 10s
                      | start at the earliest offset
        "#]],
    );
}

#[test]
fn windows_whose_edges_are_read() {
    check(
        "INSERT INTO alerts SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE window_start > TIMESTAMP '2026-01-01 00:00:00' GROUP BY code, window_start, window_end;
         INSERT INTO lake.d.bars (code, since) SELECT code, window_start FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE));",
        expect![[r#"
            sink topic upbit-alert
            | topic upbit-alert: inserts
            | columns code, n
              topic upbit-alert: calc 2
              | project code, `count` AS n
                topic upbit-alert: window aggregate
                | the rows' own windows: window_start, window_end
                | group by code
                | compute COUNT(*) BIGINT
                | state: groups of open windows
                  topic upbit-alert: calc
                  | filter (window_start > TIMESTAMP '2026-01-01 00:00:00.000')
                  | project code, window_start, window_end
                    topic upbit-alert: assign windows
                    | TUMBLE 1m of ts, in UTC
                      source upbit-trade [read by 2]
                      | decode code STRING, ms BIGINT
                      | project code, TO_TIMESTAMP_LTZ *1(ms) AS ts
                      | watermark ts - 5s, a partition is idle after 10s
                      | start at the earliest offset

            sink lake.d.bars
            | lake table d.bars, primary key code, since: inserts
            | columns code, since, high, n
              lake.d.bars: calc
              | project code, window_start AS since, NULL AS high, NULL AS n
                lake.d.bars: assign windows
                | TUMBLE 1m of ts, in UTC
                  source upbit-trade [see above]
        "#]],
    );
}

#[test]
fn ranking_in_windows() {
    check(
        "INSERT INTO lake.d.ticks SELECT code, price, id FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, code ORDER BY ts, id) AS rn FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         ) WHERE rn <= 1;
         INSERT INTO alerts SELECT code, n FROM (
           SELECT code, n, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS rn FROM (
             SELECT code, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end)
         ) WHERE rn BETWEEN 2 AND 3;",
        expect![[r#"
            sink lake.d.ticks
            | lake table d.ticks: inserts
            | columns code, price, id
              lake.d.ticks: calc 2
              | project code, price, id
                lake.d.ticks: top n
                | the first row of each code by ts, id
                | the rows' own windows: window_start, window_end
                | state: rows of open windows
                  lake.d.ticks: calc
                  | project code, price, id, ts, window_start, window_end
                    lake.d.ticks: assign windows
                    | TUMBLE 1m of ts, in UTC
                      source upbit-trade [read by 2]
                      | decode code STRING, price DECIMAL(20, 8), id BIGINT, ms BIGINT
                      | project code, price, id, TO_TIMESTAMP_LTZ *1(ms) AS ts
                      | watermark ts - 5s, a partition is idle after 10s
                      | start at the earliest offset

            sink topic upbit-alert
            | topic upbit-alert: inserts
            | columns code, n
              topic upbit-alert: calc 3
              | project code, n
                topic upbit-alert: top n
                | rows 2 to 3 by n DESC
                | the rows' own windows: window_start, window_end
                | state: rows of open windows
                  topic upbit-alert: calc 2
                  | project code, `count` AS n, window_start, window_end
                    topic upbit-alert: window aggregate
                    | TUMBLE 1m of ts, in UTC
                    | group by code
                    | compute COUNT(*) BIGINT
                    | state: groups of open windows
                      topic upbit-alert: calc
                      | project code, ts
                        source upbit-trade [see above]
        "#]],
    );
}
