//! Statements one by one: what is refused, and where; and that no text does harm.
#![allow(clippy::unwrap_used, reason = "tests")]

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::lexer::{EXPRESSION_OPERATORS_MAX, SET_OPERATORS_MAX};
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
    let shown: String = texts
        .iter()
        .map(|text| format!("{text}\n  {}", mistakes(text).replace('\n', "\n  ").trim_end()))
        .map(|s| s + "\n")
        .collect();
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
            CREATE FUNCTION f AS 'x'
              1:1+15 CREATE FUNCTION runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            CREATE TEMPORARY SYSTEM FUNCTION f AS 'x'
              1:1+32 CREATE TEMPORARY SYSTEM FUNCTION runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            CREATE OR REPLACE TABLE t (a INT)
              1:1+23 CREATE OR REPLACE TABLE runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            CREATE MATERIALIZED TABLE t
              1:1+25 CREATE MATERIALIZED TABLE runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            CREATE TEMPORARY CATALOG c
              1:18+7 expected TABLE or VIEW, found CATALOG
            CREATE TABLE t AS SELECT 1
              1:16+2 CREATE TABLE … AS SELECT runs on Flink only [write the columns out]
            CREATE TABLE t LIKE u
              1:16+4 CREATE TABLE … LIKE runs on Flink only [write the columns out]
            CREATE TABLE t (a INT) WITH ('connector' = 'kafka') LIKE u
              1:29+23 option 'topic' is missing [name the topic: 'topic' = 'upbit-trade']
              1:29+23 option 'format' is missing [write 'format' = 'json']
              1:53+4 CREATE TABLE … LIKE runs on Flink only [write the columns out]
            CREATE TABLE t (a INT) DISTRIBUTED BY (a) INTO 4 BUCKETS
              1:24+11 DISTRIBUTED runs on Flink only [the bucket of a Paimon table is its option 'bucket']
            DROP FUNCTION f
              1:1+13 DROP FUNCTION runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            USE MODULES core
              1:1+11 USE MODULES runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            SHOW TABLES
              1:1+11 SHOW TABLES runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            DESCRIBE t
              1:1+8 DESCRIBE runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            EXPLAIN SELECT 1
              1:1+7 EXPLAIN runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            SELECT 1
              1:1+6 a query alone does nothing in a pipeline [write INSERT INTO table SELECT …, or ask with hoga sql]
            WITH a AS (SELECT 1) SELECT * FROM a
              1:1+4 a query alone does nothing in a pipeline [write INSERT INTO table SELECT …, or ask with hoga sql]
            BEGIN STATEMENT SET
              1:1+5 BEGIN STATEMENT SET is the old spelling [write EXECUTE STATEMENT SET BEGIN … END;]
            EXECUTE PLAN 'x'
              1:1+12 EXECUTE PLAN runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            ADD JAR 'x'
              1:1+7 ADD JAR runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            INSERT OVERWRITE t SELECT 1
              1:1+16 INSERT OVERWRITE runs on Flink only [a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET]
            INSERT INTO t PARTITION (a = 1) SELECT 1
              1:15+9 PARTITION runs on Flink only [write the partition's columns in the SELECT list]
            INSERT INTO t VALUES (1)
              1:15+6 INSERT INTO … VALUES runs on Flink only [a pipeline's INSERT INTO reads from a table]
            CREAT TABLE t (a INT)
              1:1+5 expected a statement, found CREAT [did you mean CREATE?]
            42
              1:1+2 expected a statement, found 42
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
            CREATE TABLE t (a INT
              1:16+1 this ( is never closed
            CREATE TABLE t (a INT,) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json')
              1:23+1 expected a column, found the end
            CREATE TABLE t (a INT b STRING, c INT UNIQUE, d INT DEFAULT 1, a INT, UNIQUE (a), PRIMARY KEY (a), e STRNG, f INT PRIMARY KEY, 'g' INT, h INT METADATA FROM x)
              1:23+1 expected , or ), found b
              1:39+6 expected COMMENT, PRIMARY KEY or the end of the column, found UNIQUE [Flink SQL has no such clause]
              1:53+7 expected COMMENT, PRIMARY KEY or the end of the column, found DEFAULT [Flink SQL has no such clause]
              1:71+6 Flink SQL has no UNIQUE [write PRIMARY KEY (…) NOT ENFORCED]
              1:83+15 a primary key in Flink is NOT ENFORCED, and says so [write PRIMARY KEY (…) NOT ENFORCED]
              1:102+5 unknown type STRNG [did you mean STRING?]
              1:126+1 expected NOT ENFORCED, found the end [a primary key in Flink is NOT ENFORCED, and says so]
              1:128+3 expected a column name, found 'g'
              1:157+1 expected a metadata key in single quotes, found x [write 'x']
            CREATE TABLE t (a TIMESTAMP(3), WATERMARK FOR a AS a, WATERMARK FOR a AS a, WATERMARK FOR a.b AS a, WATERMARK FOR a a)
              1:55+9 a table has one watermark, this is the second
              1:92+1 a watermark on a field of a ROW runs on Flink only [make it a column of its own: ts AS event.ts]
              1:117+1 expected AS, found a
            CREATE TABLE a.b.c.d (a INT)
              1:14+7 table name a.b.c.d has more than 3 parts
            CREATE TABLE timestamp (a INT)
              1:14+9 expected a table name, found the reserved word timestamp [write it in backticks: `timestamp`]
            CREATE TABLE t (a INT) WITH ('a' 'b', c = 'd', 'e' = f, 'x' = 'y', 'x' = 'y', 'k' = 'v' 'w')
              1:34+3 expected =, found 'b'
              1:39+1 expected an option in single quotes, found c [write 'c']
              1:54+1 expected a value in single quotes, found f [write 'f']
              1:68+3 option 'x' stands twice
              1:89+3 expected , or ), found 'w'
            CREATE TABLE t (a AS , b AS a +, c AS CAST(a AS STRNG), d AS (SELECT 1))
              1:22+1 expected an expression, found the end
              1:32+1 expected an expression, found the end
              1:49+5 unknown type STRNG [did you mean STRING?]
              1:57+15 a computed column cannot hold a query
            CREATE CATALOG c WITH
              1:22+1 expected (, found the end
            CREATE DATABASE a.b.c
              1:17+5 database name a.b.c has more than 2 parts
            CREATE VIEW v AS SELECT a FROM
              1:31+1 expected identifier, found the end
            CREATE VIEW v SELECT 1
              1:15+6 expected AS, found SELECT
            DROP TABLE
              1:11+1 expected a table name, found the end
            DROP CATALOG a.b
              1:14+3 catalog name a.b has more than 1 part
            USE CATALOG
              1:12+1 expected a catalog name, found the end
            SET a = 'b'
              1:5+1 expected a key in single quotes, found a [write 'a']
            SET 'a' = b
              1:11+1 expected a value in single quotes, found b [write 'b']
            SET
              1:4+1 expected 'key' = 'value', found the end [SET alone lists settings in Flink's client only]
            SET 'a' = 'b' SET 'c' = 'd'
              1:15+3 expected the end of the statement, found SET [write ; before it]
            INSERT t SELECT 1
              1:8+1 expected INTO, found t
            INSERT INTO t (a, a) SELECT 1, 2
              1:19+1 column a stands twice
            INSERT INTO t SELECT 1 INSERT INTO t SELECT 1
              1:38+6 expected the end of the statement, found SELECT
            EXECUTE STATEMENT SET INSERT INTO t SELECT 1
              1:23+6 expected BEGIN, found INSERT
            EXECUTE STATEMENT SET BEGIN END
              1:1+7 this statement set has no INSERT INTO
            EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT 1
              1:1+7 this statement set has no END [write END; after its last INSERT INTO]
              1:41+1 table "t" does not exist
            EXECUTE STATEMENT SET BEGIN SELECT 1; END
              1:1+7 this statement set has no INSERT INTO
              1:29+6 expected INSERT INTO or END, found SELECT [between BEGIN and END a statement set holds INSERT INTO statements only]
            EXECUTE STATEMENT SET BEGIN
            INSERT INTO t SELECT a FROM t END;
            SET 'a' = 'b';
              2:31+3 expected the end of the statement, found END [write ; before it]
            END
              1:1+3 expected a statement, found END
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
            "CREATE TABLE `한글` (한글 INT)",
        ],
        expect![[r#"
            SET 'a = 'b';
            SET 'c' = 'd';
              2:13+1 this text has no closing quote [look at line 1, column 12: the text that starts there runs over the end of its line]
            SET 'a' = 'b'; SET 'c' = 'd
              1:26+1 this text has no closing quote
            USE `a
              1:5+1 this name has no closing backtick
            USE a; /* open
              1:5+1 database "default_catalog.a" does not exist [create it with CREATE DATABASE IF NOT EXISTS default_catalog.a]
              1:15+1 this comment has no closing */
            SET "a" = 'b'
              1:5+3 double quotes mean nothing in Flink SQL [write 'a' for a text, `a` for a name]
            USE a /*+ OPTIONS('x' = 'y') */
              1:7+25 hint /*+ OPTIONS */ runs on Flink only [write the option in the table's WITH (…)]
            USE a#b
              1:6+1 expected the end of the statement, found #
            SET 'a' = X'zz'
              1:11+5 expected a value in single quotes, found X'zz'
            USE $$a
              1:8+1 unterminated dollar-quoted string
            USE 한글
              1:5+2 한글 needs backticks: names without them are of ASCII letters [write `한글`]
            CREATE TABLE `한글` (한글 INT)
              1:20+2 한글 needs backticks: names without them are of ASCII letters [write `한글`]
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
        "SELECT CAST(a AS DECIMAL(50, 2)) FROM t",
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
        "SELECT (a)) FROM t",
        "SELECT a AS timestamp FROM t",
        "SELECT a FROM t FOR UPDATE",
        "DELETE FROM t",
    ]
    .iter()
    .map(|text| format!("{text}\n  {}", query(text)))
    .collect();
    expect![[r#"
        SELECT FROM t
          2:31+1 expected an expression, found FROM
        SELECT a,, b FROM t
          2:28+1 expected an expression, found ,
        SELECT a FROM t WHERE
          2:40+1 expected an expression, found the end
        SELECT a FROM t WHERE a = = 1
          2:45+1 expected an expression, found =
        SELECT CAST(a AS STRNG) FROM t
          2:36+5 unknown type STRNG [did you mean STRING?]
        SELECT CAST(a AS TEXT) FROM t
          2:36+4 unknown type TEXT [Flink calls it STRING]
        SELECT CAST(a, INT) FROM t
          2:32+1 expected AS, found ,
        SELECT CAST(a AS DECIMAL(50, 2) FROM t
          2:30+1 this ( is never closed
        SELECT CAST(a AS DECIMAL(50, 2)) FROM t
          2:44+2 DECIMAL holds 1 to 38 digits, not 50
        SELECT a::INT FROM t
          2:27+2 Flink SQL has no operator :: [write CAST(… AS …)]
        SELECT a FROM t WHERE a != 1
          2:43+2 Flink SQL has no operator != [write <>]
        SELECT a FROM t WHERE a == 1
          2:43+2 Flink SQL has no operator == [write =]
        SELECT "a" FROM t
          2:26+3 double quotes mean nothing in Flink SQL [write 'a' for a text, `a` for a name]
        SELECT b ILIKE 'x' FROM t
          2:26+11 Flink SQL has no ILIKE [write LOWER(…) LIKE LOWER(…)]
        SELECT timestamp FROM t
          2:26+9 expected a column name, found the reserved word timestamp [write it in backticks: `timestamp`]
        SELECT t.value FROM t
          2:28+5 expected a column name, found the reserved word value [write it in backticks: `value`]
        SELECT a FROM T
          2:33+1 table "T" does not exist [did you mean t?]
        SELECT a FROM tt
          2:33+2 table "tt" does not exist [did you mean t?]
        SELECT a FROM nowhere.t
          2:33+9 database "default_catalog.nowhere" does not exist [create it with CREATE DATABASE IF NOT EXISTS default_catalog.nowhere]
        SELECT a FROM defaultcatalog.default_database.t
          2:33+33 catalog "defaultcatalog" does not exist [did you mean default_catalog?]
        SELECT a FROM a.b.c.t
          2:33+7 table name a.b.c.t has more than 3 parts
        SELECT a FROM t MATCH_RECOGNIZE (PARTITION BY b ORDER BY ts)
          2:35+15 MATCH_RECOGNIZE runs on Flink only
        SELECT a FROM t JOIN t FOR SYSTEM_TIME AS OF t.ts AS v ON TRUE
          2:42+21 a temporal join (FOR SYSTEM_TIME AS OF) runs on Flink only
        SELECT a FROM t, LATERAL TABLE(f(a))
          2:36+13 LATERAL TABLE runs on Flink only
        SELECT a FROM f(1)
          2:33+1 table function f runs on Flink only [a window function stands in TABLE(…)]
        SELECT a FROM TABLE(f(1))
          2:39+1 table function F runs on Flink only [TABLE(…) takes one of TUMBLE, HOP, CUMULATE, SESSION]
        SELECT a FROM t TABLESAMPLE (10 PERCENT)
          2:35+11 TABLESAMPLE runs on Flink only
        SELECT /*+ OPTIONS('a' = 'b') */ a FROM t
          2:26+25 hint /*+ OPTIONS */ runs on Flink only [write the option in the table's WITH (…)]
        SELECT a FROM t QUALIFY 1 = 1
          2:19+6 QUALIFY is not in the Flink SQL that hoga runs
        SELECT a, b FROM t
          2:19+6 "t" takes 1 column, and this query has 2 [its columns are a]
        SELECT a FROM t UNION ALL SELECT a, b FROM t
          2:45+6 "t" takes 1 column, and this query has 2 [its columns are a]
        SELECT a FROM t WHERE a IN (SELECT x FROM missing)
          2:61+7 table "missing" does not exist
        SELECT a FROM t; SELECT
          2:36+6 a query alone does nothing in a pipeline [write INSERT INTO table SELECT …, or ask with hoga sql]
        SELECT a FROM (SELECT a FROM t
          2:33+1 this ( is never closed
        SELECT (a)) FROM t
          2:29+1 this ) closes nothing
        SELECT a AS timestamp FROM t
          2:31+9 expected a column name, found the reserved word timestamp [write it in backticks: `timestamp`]
        SELECT a FROM t FOR UPDATE
          2:19+15 FOR UPDATE is not in the Flink SQL that hoga runs
        DELETE FROM t
          2:19+13 a statement inside a query is not in the Flink SQL that hoga runs
    "#]]
    .assert_eq(&shown);
}

#[test]
fn deep_and_wide_statements_are_refused_not_run() {
    let many = |part: &str, count: usize| part.repeat(count);
    let cases = [
        format!("SELECT {}1{}", many("(", 500), many(")", 500)),
        format!("SELECT a FROM {}t{}", many("(", 24), many(")", 24)),
        format!("SELECT {}a FROM t", many("NOT ", 190)),
        format!("SELECT {}1 FROM t", many("- ", 190)),
        format!("SELECT a{} FROM t", many(" + 1", 190)),
        format!("SELECT a{} FROM t", many(" + 1", 50_000)),
        format!("SELECT {}a FROM t", many("(a + ", 24)),
        format!("SELECT a FROM t WHERE {}", many("a IN (1, 2) AND ", 190)),
        format!("SELECT {}1{} FROM t", many("CASE WHEN a THEN ", 300), many(" END", 300)),
        format!("SELECT {}a{} FROM t", many("CAST(", 20), many(" AS INT)", 20)),
        format!("SELECT {}a{} FROM t", many("f(", 24), many(")", 24)),
        format!("SELECT a FROM t WHERE {}a{}", many("EXISTS (SELECT 1 WHERE ", 20), many(")", 20)),
        format!("SELECT a FROM {}t{}", many("(SELECT a FROM ", 20), many(")", 20)),
        format!("SELECT a FROM t{}", many(" UNION ALL SELECT a FROM t", SET_OPERATORS_MAX)),
        format!("SELECT a{} FROM t", many(".a", 5_000)),
        format!("SELECT a{} FROM t", many(", a", 20_000)),
        format!("SELECT a{} FROM t", many("[1]", 2_000)),
    ];
    let started = std::time::Instant::now();
    for case in cases {
        let _ = query(&case);
    }
    assert!(started.elapsed().as_secs() < 60, "some nesting takes exponential time");
}

#[test]
fn the_largest_statement_allowed_fits_the_stack() {
    let text = format!("{TOPIC}INSERT INTO t (a) SELECT a{} FROM t;", " + 1".repeat(EXPRESSION_OPERATORS_MAX - 10));
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
        let pipeline = parse_pipeline("t", &text, &|_| None).unwrap();
        pipeline.jobs[0].query.clone().to_string().len()
    });
    assert!(thread.unwrap().join().unwrap() > EXPRESSION_OPERATORS_MAX);
}

/// Words that make a random text look like SQL, so that it gets deep into the parser.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "CREATE",
        "TABLE",
        "TEMPORARY",
        "CATALOG",
        "DATABASE",
        "VIEW",
        "IF",
        "NOT",
        "EXISTS",
        "WITH",
        "(",
        ")",
        ",",
        ";",
        "'",
        "''",
        "'a'",
        "`",
        "`a`",
        "=",
        "INSERT INTO",
        "SELECT",
        "FROM",
        "t",
        "a",
        "*",
        ".",
        "1",
        "CAST(",
        "AS",
        "INT",
        "ARRAY<",
        "ROW<",
        ">",
        ">>",
        "WATERMARK FOR",
        "PRIMARY KEY",
        "NOT ENFORCED",
        "PARTITIONED BY",
        "METADATA FROM",
        "EXECUTE STATEMENT SET BEGIN",
        "END",
        "SET",
        "USE",
        "DROP",
        "--",
        "/*",
        "*/",
        "/*+",
        "\n",
        "${",
        "}",
        "${A}",
        "${A:-b}",
        "TABLE(TUMBLE(TABLE",
        "UNNEST(",
        "CASE",
        "WHEN",
        "INTERVAL '1' DAY",
        "한글",
        "\u{0}",
        "\\",
        "$",
        "$$",
        "\"",
        "UNION ALL",
        "JOIN",
        "ON",
        "::",
        "E'",
        "X'",
        "U&'",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

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
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A file cut anywhere is the file of someone who is still typing.
    #[test]
    fn a_cut_file_does_no_harm(at in 0usize..13_000) {
        let upbit = include_str!("../../../../pipeline/upbit.sql");
        let cut: String = upbit.chars().take(at).collect();
        let _ = mistakes(&cut);
    }
}
