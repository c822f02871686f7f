//! Statements one by one: what is refused, and where; and that no text does harm.
#![allow(clippy::unwrap_used, reason = "tests")]

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::lexer::STATEMENT_OPERATORS_MAX;
use crate::parse_pipeline;

/// Every mistake of a text on one line each: place, message, hint.
fn mistakes(text: &str) -> String {
    match parse_pipeline("t", text, &|_| None) {
        Ok(_) => "ok\n".to_owned(),
        Err(found) => found
            .iter()
            .map(|one| {
                let hint = one.hint.as_deref().map(|hint| format!(" [{hint}]")).unwrap_or_default();
                format!("{}:{}+{} {}{hint}\n", one.line, one.column, one.length, one.message)
            })
            .collect(),
    }
}

fn check(texts: &[&str], expected: Expect) {
    let shown: String = texts.iter().map(|text| format!("{text}\n  {}", mistakes(text).replace('\n', "\n  ").trim_end())).map(|s| s + "\n").collect();
    expected.assert_eq(&shown);
}

const TOPIC: &str = "CREATE TEMPORARY TABLE t (a INT, b STRING, u ARRAY<ROW<x INT>>, ts TIMESTAMP_LTZ(3)) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');\n";

/// Queries against the topic `t (a, b, u, ts)`; the place is in the second line, after `INSERT INTO t (a) `.
fn query(query: &str) -> String {
    mistakes(&format!("{TOPIC}INSERT INTO t (a) {query};"))
}

#[test]
fn statements_that_are_accepted() {
    let texts = [
        "",
        ";;; -- nothing\n/* at all */",
        "CREATE CATALOG c WITH ('type' = 'generic_in_memory')",
        "CREATE CATALOG IF NOT EXISTS c COMMENT 'mine' WITH ('type' = 'paimon', 'warehouse' = '/w');",
        "CREATE CATALOG c WITH ('type'='paimon', 'warehouse'='/w'); CREATE DATABASE IF NOT EXISTS c.d COMMENT 'x' WITH ('k' = 'v'); USE CATALOG c; USE d; CREATE TABLE t (a INT); DROP CATALOG IF EXISTS other;",
        "CREATE TABLE t (a INT) COMMENT 'c' WITH ('connector'='kafka','topic'='t','value.format'='json','properties.security.protocol'='SASL_SSL');",
        "SET 'a' = 'b'; RESET 'a'; RESET;",
        "DROP TABLE IF EXISTS t; DROP TEMPORARY TABLE IF EXISTS t; DROP VIEW IF EXISTS v; DROP DATABASE IF EXISTS d CASCADE; DROP CATALOG IF EXISTS c;",
    ];
    for text in texts {
        assert_eq!(mistakes(text), "ok\n", "{text}");
    }
}

#[test]
fn queries_that_are_accepted() {
    let queries = [
        "SELECT a FROM t",
        "SELECT CAST(b AS TIMESTAMP(3)) FROM t",
        "SELECT CAST(ts AS TIMESTAMP(3) WITH LOCAL TIME ZONE) FROM t",
        "SELECT TRY_CAST(b AS DECIMAL(20, 8)) FROM t WHERE a <> 1 AND b LIKE '한%' OR a IS NOT NULL",
        "SELECT CAST(u AS ARRAY<ROW<x BIGINT>>) FROM t",
        "SELECT CASE WHEN a > 1 THEN 1 ELSE 2 END FROM t",
        "SELECT TO_TIMESTAMP_LTZ(a, 3) FROM t",
        "SELECT u[1].x FROM t",
        "SELECT r.x FROM t CROSS JOIN UNNEST(u) AS r (x)",
        "SELECT a FROM t UNION ALL SELECT a FROM t",
        "(SELECT a FROM t)",
        "WITH w AS (SELECT a FROM t) SELECT a FROM w",
        "SELECT a FROM default_database.t",
        "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
        "SELECT * FROM TABLE(HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '10' SECOND, SIZE => INTERVAL '1' MINUTE))",
        "SELECT a FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY b ORDER BY ts DESC) AS n FROM t) WHERE n = 1",
        "SELECT COUNT(*) FILTER (WHERE a > 0) FROM t GROUP BY b",
        "SELECT ts - INTERVAL '5' SECOND FROM t",
        "SELECT CURRENT_TIMESTAMP FROM t",
        "SELECT EXTRACT(HOUR FROM ts) FROM t",
        "SELECT a % 2 FROM t",
    ];
    for text in queries {
        assert_eq!(query(text), "ok\n", "{text}");
    }
}

#[test]
fn statements_that_are_refused_by_name() {
    check(
        &[
            "ALTER TABLE t RENAME TO u",
            "CREATE FUNCTION f AS 'x'",
            "CREATE TEMPORARY SYSTEM FUNCTION f AS 'x'",
            "CREATE OR REPLACE TABLE t (a INT)",
            "CREATE MATERIALIZED TABLE t",
            "CREATE TEMPORARY CATALOG c",
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE t LIKE u",
            "CREATE TABLE t (a INT) WITH ('connector' = 'kafka') LIKE u",
            "CREATE TABLE t (a INT) DISTRIBUTED BY (a) INTO 4 BUCKETS",
            "DROP FUNCTION f",
            "USE MODULES core",
            "SHOW TABLES",
            "DESCRIBE t",
            "EXPLAIN SELECT 1",
            "SELECT 1",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "BEGIN STATEMENT SET",
            "EXECUTE PLAN 'x'",
            "ADD JAR 'x'",
            "INSERT OVERWRITE t SELECT 1",
            "INSERT INTO t PARTITION (a = 1) SELECT 1",
            "INSERT INTO t VALUES (1)",
            "CREAT TABLE t (a INT)",
            "42",
        ],
        expect![[r#"
            ALTER TABLE t RENAME TO u
              1:1+11 ALTER TABLE runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
        "#]],
    );
}

#[test]
fn statements_with_mistakes() {
    check(
        &[
            "CREATE TABLE t (a INT",
            "CREATE TABLE t (a INT,) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json')",
            "CREATE TABLE t (a INT b STRING, c INT UNIQUE, d INT DEFAULT 1, a INT, UNIQUE (a), PRIMARY KEY (a), e STRNG, f INT PRIMARY KEY, 'g' INT, h INT METADATA FROM x)",
            "CREATE TABLE t (a TIMESTAMP(3), WATERMARK FOR a AS a, WATERMARK FOR a AS a, WATERMARK FOR a.b AS a, WATERMARK FOR a a)",
            "CREATE TABLE a.b.c.d (a INT)",
            "CREATE TABLE timestamp (a INT)",
            "CREATE TABLE t (a INT) WITH ('a' 'b', c = 'd', 'e' = f, 'x' = 'y', 'x' = 'y', 'k' = 'v' 'w')",
            "CREATE TABLE t (a AS , b AS a +, c AS CAST(a AS STRNG), d AS (SELECT 1))",
            "CREATE CATALOG c WITH",
            "CREATE DATABASE a.b.c",
            "CREATE VIEW v AS SELECT a FROM",
            "CREATE VIEW v SELECT 1",
            "DROP TABLE",
            "DROP CATALOG a.b",
            "USE CATALOG",
            "SET a = 'b'",
            "SET 'a' = b",
            "SET",
            "SET 'a' = 'b' SET 'c' = 'd'",
            "INSERT t SELECT 1",
            "INSERT INTO t (a, a) SELECT 1, 2",
            "INSERT INTO t SELECT 1 INSERT INTO t SELECT 1",
            "EXECUTE STATEMENT SET INSERT INTO t SELECT 1",
            "EXECUTE STATEMENT SET BEGIN END",
            "EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT 1",
            "EXECUTE STATEMENT SET BEGIN SELECT 1; END",
            "EXECUTE STATEMENT SET BEGIN\nINSERT INTO t SELECT a FROM t END;\nSET 'a' = 'b';",
            "END",
        ],
        expect![[r#"
        "#]],
    );
}

#[test]
fn words_and_signs_with_mistakes() {
    check(
        &[
            "SET 'a = 'b';\nSET 'c' = 'd';",
            "SET 'a' = 'b'; SET 'c' = 'd",
            "USE `a",
            "USE a; /* open",
            "SET \"a\" = 'b'",
            "USE a /*+ OPTIONS('x' = 'y') */",
            "USE a#b",
            "SET 'a' = X'zz'",
            "USE $$a",
            "USE 한글",
        ],
        expect![[r#"
        "#]],
    );
}

#[test]
fn queries_with_mistakes() {
    let shown: String = [
        "SELECT FROM t",
        "SELECT a,, b FROM t",
        "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE a = = 1",
        "SELECT CAST(a AS STRNG) FROM t",
        "SELECT CAST(a AS TEXT) FROM t",
        "SELECT CAST(a, INT) FROM t",
        "SELECT CAST(a AS DECIMAL(50, 2) FROM t",
        "SELECT a::INT FROM t",
        "SELECT a FROM t WHERE a != 1",
        "SELECT a FROM t WHERE a == 1",
        "SELECT \"a\" FROM t",
        "SELECT b ILIKE 'x' FROM t",
        "SELECT timestamp FROM t",
        "SELECT t.value FROM t",
        "SELECT a FROM T",
        "SELECT a FROM tt",
        "SELECT a FROM nowhere.t",
        "SELECT a FROM defaultcatalog.default_database.t",
        "SELECT a FROM a.b.c.t",
        "SELECT a FROM t MATCH_RECOGNIZE (PARTITION BY b ORDER BY ts)",
        "SELECT a FROM t JOIN t FOR SYSTEM_TIME AS OF t.ts AS v ON TRUE",
        "SELECT a FROM t, LATERAL TABLE(f(a))",
        "SELECT a FROM f(1)",
        "SELECT a FROM TABLE(f(1))",
        "SELECT a FROM t TABLESAMPLE (10 PERCENT)",
        "SELECT /*+ OPTIONS('a' = 'b') */ a FROM t",
        "SELECT a FROM t QUALIFY 1 = 1",
        "SELECT a, b FROM t",
        "SELECT a FROM t UNION ALL SELECT a, b FROM t",
        "SELECT a FROM t WHERE a IN (SELECT x FROM missing)",
        "SELECT a FROM t; SELECT",
        "SELECT a FROM (SELECT a FROM t",
        "SELECT a FROM t FOR UPDATE",
        "DELETE FROM t",
    ]
    .iter()
    .map(|text| format!("{text}\n  {}", query(text)))
    .collect();
    expect![[r#"
    "#]]
    .assert_eq(&shown);
}

#[test]
fn deep_and_wide_statements_are_refused_not_run() {
    let many = |part: &str, count: usize| part.repeat(count);
    let cases = [
        format!("SELECT {}1{}", many("(", 500), many(")", 500)),
        format!("SELECT a FROM {}t{}", many("(", 24), many(")", 24)),
        format!("SELECT {}a FROM t", many("NOT ", 390)),
        format!("SELECT {}1 FROM t", many("- ", 390)),
        format!("SELECT a{} FROM t", many(" + 1", 390)),
        format!("SELECT a{} FROM t", many(" + 1", 50_000)),
        format!("SELECT {}1{} FROM t", many("CASE WHEN a THEN ", 300), many(" END", 300)),
        format!("SELECT {}a{} FROM t", many("CAST(", 20), many(" AS INT)", 20)),
        format!("SELECT {}a{} FROM t", many("f(", 24), many(")", 24)),
        format!("SELECT a FROM t WHERE {}a{}", many("EXISTS (SELECT 1 WHERE ", 20), many(")", 20)),
        format!("SELECT a FROM {}t{}", many("(SELECT a FROM ", 20), many(")", 20)),
        format!("SELECT a FROM t{}", many(" UNION ALL SELECT a FROM t", 390)),
        format!("SELECT a{} FROM t", many(".a", 5_000)),
        format!("SELECT a{} FROM t", many(", a", 20_000)),
        format!("SELECT a{} FROM t", many("[1]", 2_000)),
    ];
    let started = std::time::Instant::now();
    for case in cases {
        let case_started = std::time::Instant::now();
        let _ = query(&case);
        eprintln!("{:?} {}", case_started.elapsed(), case.chars().take(60).collect::<String>());
    }
    assert!(started.elapsed().as_secs() < 60, "some nesting takes exponential time");
}

#[test]
fn the_largest_statement_allowed_fits_the_stack() {
    let text = format!("{TOPIC}INSERT INTO t (a) SELECT a{} FROM t;", " + 1".repeat(STATEMENT_OPERATORS_MAX - 10));
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
        let pipeline = parse_pipeline("t", &text, &|_| None).unwrap();
        pipeline.jobs[0].query.clone().to_string().len()
    });
    assert!(thread.unwrap().join().unwrap() > STATEMENT_OPERATORS_MAX);
}

/// Words that make a random text look like SQL, so that it gets deep into the parser.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "CREATE", "TABLE", "TEMPORARY", "CATALOG", "DATABASE", "VIEW", "IF", "NOT", "EXISTS", "WITH", "(", ")", ",", ";", "'", "''",
        "'a'", "`", "`a`", "=", "INSERT INTO", "SELECT", "FROM", "t", "a", "*", ".", "1", "CAST(", "AS", "INT", "ARRAY<", "ROW<",
        ">", ">>", "WATERMARK FOR", "PRIMARY KEY", "NOT ENFORCED", "PARTITIONED BY", "METADATA FROM", "EXECUTE STATEMENT SET BEGIN",
        "END", "SET", "USE", "DROP", "--", "/*", "*/", "/*+", "\n", "${", "}", "${A}", "${A:-b}", "TABLE(TUMBLE(TABLE", "UNNEST(",
        "CASE", "WHEN", "INTERVAL '1' DAY", "한글", "\u{0}", "\\", "$", "$$", "\"", "UNION ALL", "JOIN", "ON", "::", "E'", "X'", "U&'",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = mistakes(&text);
    }

    #[test]
    fn no_broken_sql_panics(text in pieces()) {
        let _ = mistakes(&text);
        let _ = mistakes(&format!("{TOPIC}{text}"));
        let _ = query(&text);
    }

    /// Every place is inside the file.
    #[test]
    fn places_are_in_the_file(text in pieces()) {
        if let Err(found) = parse_pipeline("t", &text, &|_| None) {
            for one in found.iter() {
                let line = text.split('\n').nth(one.line as usize - 1);
                prop_assert!(line.is_some(), "{one}");
                prop_assert!(one.column as usize <= line.unwrap_or_default().chars().count() + 1, "{one}");
            }
        }
    }

    /// A file cut anywhere is the file of someone who is still typing.
    #[test]
    fn a_cut_file_does_no_harm(at in 0usize..13_000) {
        let upbit = include_str!("../../../../pipeline/upbit.sql");
        let cut: String = upbit.chars().take(at).collect();
        let _ = mistakes(&cut);
    }
}
