//! What is refused, and at which place: one line for each mistake.

use super::super::plan_pipeline;
use expect_test::{Expect, expect};
use std::fmt::Write;

const TABLES: &str = "CREATE TEMPORARY TABLE t (`code` STRING, `price` DECIMAL(20, 8), `id` BIGINT, `ms` BIGINT, `a` ARRAY<INT>, `ts` AS TO_TIMESTAMP_LTZ(`ms`, 3), `pt` AS PROCTIME(), WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json');
CREATE TEMPORARY TABLE topic_out (`code` STRING, `n` BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w'); CREATE DATABASE lake.d;
CREATE TABLE lake.d.s (`code` STRING, `n` BIGINT); CREATE TABLE lake.d.k (`code` STRING, `n` BIGINT, PRIMARY KEY (`code`) NOT ENFORCED); CREATE TABLE lake.d.i (`n` INT);
CREATE TABLE lake.d.times (`w` TIMESTAMP_LTZ(3));
";

fn mistakes(statements: &str) -> String {
    let (pipeline, found) = hoga_sql::read_pipeline("t", &format!("{TABLES}{statements}"), &|_| None);
    let planned = pipeline.as_ref().map_or(Ok(()), |pipeline| plan_pipeline(pipeline).map(drop));
    match planned {
        Ok(()) if found.is_empty() => "  planned\n".to_owned(),
        planned => found
            .merged(planned.err().unwrap_or_default())
            .iter()
            .map(|one| {
                let hint = one.hint.as_deref().map(|hint| format!(" [{hint}]")).unwrap_or_default();
                format!("  {}:{}+{} {}{hint}\n", one.line.saturating_sub(5), one.column, one.length, one.message)
            })
            .collect(),
    }
}

#[track_caller]
fn check(statements: &[&str], expected: Expect) {
    let mut out = String::new();
    for statement in statements {
        let _ = write!(out, "{statement}\n{}", mistakes(statement));
    }
    expected.assert_eq(&out);
}

#[test]
fn names() {
    check(
        &[
            "INSERT INTO lake.d.s SELECT cod, idd FROM t;",
            "INSERT INTO lake.d.s SELECT x.code, t.idd FROM t;",
            "INSERT INTO lake.d.s SELECT code, id FROM (SELECT code, id, ms AS id FROM t);",
            "INSERT INTO lake.d.s SELECT x.*, id FROM t;",
            "INSERT INTO lake.d.s SELECT code, id FROM t WHERE codes = 'a' AND prize > 1;",
        ],
        expect![[r#"
            INSERT INTO lake.d.s SELECT cod, idd FROM t;
              1:29+3 column "cod" does not exist [did you mean code?]
              1:34+3 column "idd" does not exist [did you mean id?]
            INSERT INTO lake.d.s SELECT x.code, t.idd FROM t;
              1:29+6 no table or column here is called x
              1:39+3 column "idd" does not exist in t [did you mean id?]
            INSERT INTO lake.d.s SELECT code, id FROM (SELECT code, id, ms AS id FROM t);
              1:35+2 column id is ambiguous [give the columns other names with AS]
            INSERT INTO lake.d.s SELECT x.*, id FROM t;
              1:29+1 no table here is called x
            INSERT INTO lake.d.s SELECT code, id FROM t WHERE codes = 'a' AND prize > 1;
              1:51+5 column "codes" does not exist [did you mean code?]
              1:67+5 column "prize" does not exist [did you mean price?]
        "#]],
    );
}

#[test]
fn types() {
    check(
        &[
            "INSERT INTO lake.d.s SELECT id, code FROM t;",
            "INSERT INTO lake.d.i SELECT id FROM t;",
            "INSERT INTO lake.d.s SELECT code, id + code FROM t;",
            "INSERT INTO lake.d.s SELECT code, id FROM t WHERE id;",
            "INSERT INTO lake.d.s SELECT code, id FROM t WHERE id = code;",
            "INSERT INTO lake.d.s SELECT code, id / 0 FROM t;",
            "INSERT INTO lake.d.s SELECT code, 123456789012345678901234567890123456789.5 FROM t;",
            "INSERT INTO lake.d.s SELECT UPPER(id), ABS(code) FROM t;",
            "INSERT INTO lake.d.s SELECT CASE WHEN id > 1 THEN code ELSE id END, id FROM t;",
            "INSERT INTO lake.d.s SELECT code FROM t;",
            "INSERT INTO lake.d.s SELECT * FROM t;",
            "INSERT INTO lake.d.times SELECT pt FROM t;",
            "INSERT INTO lake.d.s SELECT code, CARDINALITY(code) FROM t;",
        ],
        expect![[r#"
            INSERT INTO lake.d.s SELECT id, code FROM t;
              1:29+2 column 1 of the query is BIGINT, but code of lake.d.s is STRING [write CAST(… AS STRING)]
              1:33+4 column 2 of the query is STRING, but n of lake.d.s is BIGINT [write CAST(… AS BIGINT)]
            INSERT INTO lake.d.i SELECT id FROM t;
              1:29+2 column 1 of the query is BIGINT, but n of lake.d.i is INT [write CAST(… AS INT)]
            INSERT INTO lake.d.s SELECT code, id + code FROM t;
              1:35+9 + takes two numbers, and these are BIGINT and STRING [write CAST(… AS DOUBLE) for a text, INTERVAL '1' SECOND to move a time]
            INSERT INTO lake.d.s SELECT code, id FROM t WHERE id;
              1:51+2 a condition of WHERE is a BOOLEAN, and this is BIGINT
            INSERT INTO lake.d.s SELECT code, id FROM t WHERE id = code;
              1:51+9 BIGINT cannot be compared with STRING [write CAST(… AS BIGINT)]
            INSERT INTO lake.d.s SELECT code, id / 0 FROM t;
              1:40+1 division by zero
            INSERT INTO lake.d.s SELECT code, 123456789012345678901234567890123456789.5 FROM t;
              1:35+41 123456789012345678901234567890123456789.5 has 40 digits, and a DECIMAL has at most 38
            INSERT INTO lake.d.s SELECT UPPER(id), ABS(code) FROM t;
              1:35+2 argument 1 of UPPER is a STRING, and this is BIGINT [write CAST(… AS STRING)]
              1:44+4 argument 1 of ABS is a number, and this is STRING
            INSERT INTO lake.d.s SELECT CASE WHEN id > 1 THEN code ELSE id END, id FROM t;
              1:61+2 this is BIGINT and what stands before it STRING [write CAST(… AS STRING)]
            INSERT INTO lake.d.s SELECT code FROM t;
              1:22+6 "lake.d.s" takes 2 columns, and this query has 1 [its columns are code, n]
            INSERT INTO lake.d.s SELECT * FROM t;
              1:1+36 the query has 7 columns, the table takes 2: code, n
            INSERT INTO lake.d.times SELECT pt FROM t;
              1:33+2 column 1 is PROCTIME() and has no value to write
            INSERT INTO lake.d.s SELECT code, CARDINALITY(code) FROM t;
              1:47+4 CARDINALITY takes an ARRAY, not STRING
        "#]],
    );
}

#[test]
fn flink_only() {
    check(
        &[
            "INSERT INTO lake.d.s SELECT t.code, t.id FROM t JOIN t AS u ON t.id = u.id;",
            "INSERT INTO lake.d.s SELECT t.code, t.id FROM t LEFT JOIN t AS u ON t.id = u.id;",
            "INSERT INTO lake.d.s SELECT t.code, t.id FROM t, t AS u;",
            "INSERT INTO lake.d.s SELECT code, id FROM t WHERE id IN (SELECT id FROM t);",
            "INSERT INTO lake.d.s SELECT code, id FROM t WHERE EXISTS (SELECT id FROM t);",
            "INSERT INTO lake.d.s SELECT code, SUM(id) OVER (PARTITION BY code ORDER BY ts) FROM t;",
            "INSERT INTO lake.d.s SELECT code, ROW_NUMBER() OVER (PARTITION BY code ORDER BY ts) FROM t;",
            "INSERT INTO lake.d.s SELECT code, RANK() OVER (PARTITION BY code ORDER BY ts) FROM t;",
            "INSERT INTO lake.d.s SELECT code, id FROM t UNION SELECT code, id FROM t;",
            "INSERT INTO lake.d.s SELECT code, id FROM t INTERSECT SELECT code, id FROM t;",
            "INSERT INTO lake.d.s SELECT code, id FROM t ORDER BY id LIMIT 5;",
            "INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY GROUPING SETS ((code), ());",
            "INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY CUBE (code);",
            "INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY ROLLUP (code);",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM t GROUP BY code, TUMBLE(ts, INTERVAL '1' MINUTE);",
            "INSERT INTO lake.d.k SELECT code, APPROX_COUNT_DISTINCT(id) FROM t GROUP BY code;",
            "INSERT INTO lake.d.s SELECT SHA1(code), id FROM t;",
            "INSERT INTO lake.d.s SELECT CAST(NOW() AS STRING), id FROM t;",
            "INSERT INTO lake.d.s SELECT code, n FROM lake.d.s;",
            "INSERT INTO lake.d.s VALUES ('a', 1);",
            "INSERT INTO lake.d.s SELECT code, x FROM t CROSS JOIN UNNEST(a) AS u (x, y);",
            "INSERT INTO lake.d.s SELECT code, x FROM t CROSS JOIN UNNEST(code) AS u (x);",
        ],
        expect![[r#"
            INSERT INTO lake.d.s SELECT t.code, t.id FROM t JOIN t AS u ON t.id = u.id;
              1:54+6 JOIN runs on Flink only [an array is flattened with CROSS JOIN UNNEST(…)]
            INSERT INTO lake.d.s SELECT t.code, t.id FROM t LEFT JOIN t AS u ON t.id = u.id;
              1:59+6 LEFT JOIN runs on Flink only [an array is flattened with CROSS JOIN UNNEST(…)]
            INSERT INTO lake.d.s SELECT t.code, t.id FROM t, t AS u;
              1:50+6 JOIN (a comma in FROM) runs on Flink only [an array is flattened with CROSS JOIN UNNEST(…)]
            INSERT INTO lake.d.s SELECT code, id FROM t WHERE id IN (SELECT id FROM t);
              1:51+23 IN (SELECT …) runs on Flink only
            INSERT INTO lake.d.s SELECT code, id FROM t WHERE EXISTS (SELECT id FROM t);
              1:59+16 EXISTS runs on Flink only
            INSERT INTO lake.d.s SELECT code, SUM(id) OVER (PARTITION BY code ORDER BY ts) FROM t;
              1:35+3 SUM … OVER runs on Flink only [ROW_NUMBER() OVER (…) in a subquery with a condition on it is what runs here]
            INSERT INTO lake.d.s SELECT code, ROW_NUMBER() OVER (PARTITION BY code ORDER BY ts) FROM t;
              1:35+10 ROW_NUMBER() OVER without a condition such as rn <= 10 in the query around it runs on Flink only [what runs here: SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x) AS rn FROM t) WHERE rn <= 10]
            INSERT INTO lake.d.s SELECT code, RANK() OVER (PARTITION BY code ORDER BY ts) FROM t;
              1:35+4 RANK … OVER runs on Flink only [ROW_NUMBER() OVER (…) in a subquery with a condition on it is what runs here]
            INSERT INTO lake.d.s SELECT code, id FROM t UNION SELECT code, id FROM t;
              1:1+72 the query updates rows that it gave before, and lake.d.s has no PRIMARY KEY [declare PRIMARY KEY (…) NOT ENFORCED with the query's key, or group by window_start and window_end]
            INSERT INTO lake.d.s SELECT code, id FROM t INTERSECT SELECT code, id FROM t;
              1:55+22 INTERSECT runs on Flink only
            INSERT INTO lake.d.s SELECT code, id FROM t ORDER BY id LIMIT 5;
              1:54+2 ORDER BY runs on Flink only [a stream has no end to sort; the first rows of each key: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)]
              1:63+1 LIMIT runs on Flink only [the first rows of each key: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)]
            INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY GROUPING SETS ((code), ());
              1:76+4 GROUPING SETS runs on Flink only [write one GROUP BY for each and UNION ALL]
            INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY CUBE (code);
              1:66+4 CUBE runs on Flink only [write one GROUP BY for each and UNION ALL]
            INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY ROLLUP (code);
              1:68+4 ROLLUP runs on Flink only [write one GROUP BY for each and UNION ALL]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM t GROUP BY code, TUMBLE(ts, INTERVAL '1' MINUTE);
              1:66+6 TUMBLE in GROUP BY (a legacy group window) runs on Flink only [write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …)) and GROUP BY window_start, window_end]
            INSERT INTO lake.d.k SELECT code, APPROX_COUNT_DISTINCT(id) FROM t GROUP BY code;
              1:35+24 aggregate APPROX_COUNT_DISTINCT runs on Flink only
            INSERT INTO lake.d.s SELECT SHA1(code), id FROM t;
              1:29+4 function SHA1 runs on Flink only [docs/sql.md lists the functions of the embedded engine]
            INSERT INTO lake.d.s SELECT CAST(NOW() AS STRING), id FROM t;
              1:34+3 NOW runs on Flink only: a replay would compute other rows [the time of receipt is METADATA FROM 'timestamp'; PROCTIME() can be the time of a window]
            INSERT INTO lake.d.s SELECT code, n FROM lake.d.s;
              1:42+8 table lake.d.s is not a topic [reading a lake table as a stream runs on Flink only]
            INSERT INTO lake.d.s VALUES ('a', 1);
              1:22+6 INSERT INTO … VALUES runs on Flink only [a pipeline's INSERT INTO reads from a table]
            INSERT INTO lake.d.s SELECT code, x FROM t CROSS JOIN UNNEST(a) AS u (x, y);
              1:68+1 2 names for 1 columns
            INSERT INTO lake.d.s SELECT code, x FROM t CROSS JOIN UNNEST(code) AS u (x);
              1:62+4 UNNEST takes an ARRAY, and this is STRING
        "#]],
    );
}

#[test]
fn groups_and_windows() {
    check(
        &[
            "INSERT INTO lake.d.k SELECT code, id FROM t GROUP BY code;",
            "INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t;",
            "INSERT INTO lake.d.k SELECT code, SUM(COUNT(*)) FROM t GROUP BY code;",
            "INSERT INTO lake.d.s SELECT code, id FROM t WHERE COUNT(*) > 1;",
            "INSERT INTO lake.d.k SELECT code, SUM(code) FROM t GROUP BY code;",
            "INSERT INTO lake.d.k SELECT code, COUNT(code, id) FROM t GROUP BY code;",
            "INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY code HAVING id > 1;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM t GROUP BY code;",
            "INSERT INTO topic_out SELECT code, COUNT(*) FROM t GROUP BY code;",
            "INSERT INTO lake.d.k SELECT UPPER(code), COUNT(*) FROM t GROUP BY code;",
            "INSERT INTO lake.d.k SELECT 'all', COUNT(*) FROM t GROUP BY id;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ms), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(tss), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE((SELECT code, ts + INTERVAL '1' SECOND AS ts FROM t), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '5' MINUTE)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts))) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0' SECOND)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZ => INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY id, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE((SELECT DISTINCT code, ts FROM t), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;",
            "INSERT INTO lake.d.k SELECT code, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY code ORDER BY pt DESC) AS rn FROM t) WHERE rn = 1;",
        ],
        expect![[r#"
            INSERT INTO lake.d.k SELECT code, id FROM t GROUP BY code;
              1:35+2 column id is neither in GROUP BY nor in an aggregate
            INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t;
              1:29+4 column code is neither in GROUP BY nor in an aggregate
            INSERT INTO lake.d.k SELECT code, SUM(COUNT(*)) FROM t GROUP BY code;
              1:39+5 an aggregate cannot stand inside another one [aggregate in a subquery first]
            INSERT INTO lake.d.s SELECT code, id FROM t WHERE COUNT(*) > 1;
              1:51+5 an aggregate cannot stand in WHERE [a condition on an aggregate stands in HAVING]
            INSERT INTO lake.d.k SELECT code, SUM(code) FROM t GROUP BY code;
              1:39+4 SUM takes no STRING
            INSERT INTO lake.d.k SELECT code, COUNT(code, id) FROM t GROUP BY code;
              1:35+14 COUNT takes one argument, and this has 2
            INSERT INTO lake.d.k SELECT code, COUNT(*) FROM t GROUP BY code HAVING id > 1;
              1:72+2 column id is neither in GROUP BY nor in an aggregate
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM t GROUP BY code;
              1:1+63 the query updates rows that it gave before, and lake.d.s has no PRIMARY KEY [declare PRIMARY KEY (…) NOT ENFORCED with the query's key, or group by window_start and window_end]
            INSERT INTO topic_out SELECT code, COUNT(*) FROM t GROUP BY code;
              1:1+64 the query updates rows that it gave before, and topic table topic_out takes inserts only [group by window_start and window_end, or write into a lake table with a PRIMARY KEY]
            INSERT INTO lake.d.k SELECT UPPER(code), COUNT(*) FROM t GROUP BY code;
              1:1+70 the query updates rows and does not write all columns of its key [put the columns of GROUP BY, or of PARTITION BY and the number, into the SELECT list]
            INSERT INTO lake.d.k SELECT 'all', COUNT(*) FROM t GROUP BY id;
              1:1+62 the query updates rows and does not write all columns of its key [put the columns of GROUP BY, or of PARTITION BY and the number, into the SELECT list]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ms), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
              1:82+2 a window is made of a time attribute, and ms is BIGINT [a column with a WATERMARK, window_time of a window below, or PROCTIME(); an expression or a cast over it is none]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(tss), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
              1:82+3 column "tss" of DESCRIPTOR does not exist [did you mean ts?]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE((SELECT code, ts + INTERVAL '1' SECOND AS ts FROM t), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
              1:127+2 a window is made of a time attribute, and ts is an ordinary time [a column with a WATERMARK, window_time of a window below, or PROCTIME(); an expression or a cast over it is none]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '5' MINUTE)) GROUP BY code, window_start, window_end;
              1:114+3 SIZE of HOP is a multiple of its SLIDE
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts))) GROUP BY code, window_start, window_end;
              1:55+6 TUMBLE lacks its SIZE [write TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH)) GROUP BY code, window_start, window_end;
              1:96+3 SIZE of TUMBLE of months runs on Flink only [months differ in length: write days]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0' SECOND)) GROUP BY code, window_start, window_end;
              1:96+3 SIZE of TUMBLE is more than nothing
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZ => INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
              1:106+3 TUMBLE has no argument SIZ [did you mean SIZE?]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY id, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
              1:22+6 SESSION whose PARTITION BY is not the GROUP BY runs on Flink only [write the same columns in both, besides window_start and window_end]
            INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE((SELECT DISTINCT code, ts FROM t), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
              1:108+2 a window is made of a time attribute, and ts is an ordinary time [a column with a WATERMARK, window_time of a window below, or PROCTIME(); an expression or a cast over it is none]
            INSERT INTO lake.d.k SELECT code, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY code ORDER BY pt DESC) AS rn FROM t) WHERE rn = 1;
              1:100+2 ORDER BY PROCTIME() DESC runs on Flink only [order by event time; what came first: ORDER BY PROCTIME()]
        "#]],
    );
}

#[test]
fn ten_mistakes_in_one_file() {
    // mistakes of reading and of planning, but none that only follows from another
    let text = "CREATE TABLE b (x STRNG) WITH ('connector' = 'kafka', 'topic' = 'b', 'format' = 'json');
INSERT INTO lake.d.s SELECT x, id FROM b;
INSERT INTO lake.d.s SELECT cod, id FROM t;";
    check(
        &[text],
        expect![[r#"
        CREATE TABLE b (x STRNG) WITH ('connector' = 'kafka', 'topic' = 'b', 'format' = 'json');
        INSERT INTO lake.d.s SELECT x, id FROM b;
        INSERT INTO lake.d.s SELECT cod, id FROM t;
          1:19+5 unknown type STRNG [did you mean STRING?]
          3:29+3 column "cod" does not exist [did you mean code?]
    "#]],
    );
    let text = "INSERT INTO lake.d.s SELECT cod, idd FROM t WHERE prize > 1;
INSERT INTO lake.d.s SELECT SHA1(code), id / 0 FROM t;
INSERT INTO lake.d.s SELECT t.code, t.id FROM t JOIN t AS u ON t.id = u.id;
INSERT INTO lake.d.s SELECT code, COUNT(*) FROM t GROUP BY code;
INSERT INTO lake.d.i SELECT id FROM t;
INSERT INTO topic_out SELECT code, id + code FROM t;
INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ms), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;";
    check(
        &[text],
        expect![[r#"
        INSERT INTO lake.d.s SELECT cod, idd FROM t WHERE prize > 1;
        INSERT INTO lake.d.s SELECT SHA1(code), id / 0 FROM t;
        INSERT INTO lake.d.s SELECT t.code, t.id FROM t JOIN t AS u ON t.id = u.id;
        INSERT INTO lake.d.s SELECT code, COUNT(*) FROM t GROUP BY code;
        INSERT INTO lake.d.i SELECT id FROM t;
        INSERT INTO topic_out SELECT code, id + code FROM t;
        INSERT INTO lake.d.s SELECT code, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ms), INTERVAL '1' MINUTE)) GROUP BY code, window_start, window_end;
          1:29+3 column "cod" does not exist [did you mean code?]
          1:34+3 column "idd" does not exist [did you mean id?]
          1:51+5 column "prize" does not exist [did you mean price?]
          2:29+4 function SHA1 runs on Flink only [docs/sql.md lists the functions of the embedded engine]
          2:46+1 division by zero
          3:54+6 JOIN runs on Flink only [an array is flattened with CROSS JOIN UNNEST(…)]
          4:1+63 the query updates rows that it gave before, and lake.d.s has no PRIMARY KEY [declare PRIMARY KEY (…) NOT ENFORCED with the query's key, or group by window_start and window_end]
          5:29+2 column 1 of the query is BIGINT, but n of lake.d.i is INT [write CAST(… AS INT)]
          6:36+9 + takes two numbers, and these are BIGINT and STRING [write CAST(… AS DOUBLE) for a text, INTERVAL '1' SECOND to move a time]
          7:82+2 a window is made of a time attribute, and ms is BIGINT [a column with a WATERMARK, window_time of a window below, or PROCTIME(); an expression or a cast over it is none]
    "#]],
    );
}
