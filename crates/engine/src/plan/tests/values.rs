//! What expressions are and give: types and values as real Flink was seen to have them (docs/flink-semantics.md).

use crate::decode::JsonDecoder;
use crate::flow::calc::apply;
use crate::flow::rows::Rows;
use crate::functions::convert::{Conversion, convert};
use crate::plan::column::{Column, schema_of};
use crate::plan::expression::Session;
use crate::plan::source::{source_of, topic_of};
use arrow::array::{Array, AsArray};
use expect_test::{Expect, expect};
use hoga_sql::DataType;
use std::collections::BTreeSet;
use std::fmt::Write;

const COLUMNS: &str = "b BOOLEAN, t TINYINT, i INT, j INT, l BIGINT, f DOUBLE, p DECIMAL(20, 8), v DECIMAL(24, 8), w DECIMAL(38, 16), q DECIMAL(5, 2),
  s STRING, u STRING, n STRING, a ARRAY<INT>, r ROW<x INT, y STRING>, rs ARRAY<ROW<x INT>>, ms BIGINT";
const RECORD: &str = r#"{"b": true, "t": 127, "i": 7, "j": -2, "l": 9223372036854775807, "f": 1.005, "p": 1.5, "v": "2.25", "w": "0.5", "q": "-1.25",
  "s": "KRW-BTC", "u": "가나다라", "a": [10, null, 30], "r": {"x": 1, "y": "z"}, "rs": [{"x": 5}], "ms": 1772982245678}"#;

/// `TYPE = value` of an expression over [`RECORD`], or the mistake.
fn value(expression: &str, zone: &str) -> String {
    let text = format!(
        "CREATE TABLE source ({COLUMNS}, answer AS {expression}) WITH ('connector' = 'kafka', 'topic' = 't', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');"
    );
    let pipeline = match hoga_sql::parse_pipeline("test.sql", &text, &|_| None) {
        Ok(pipeline) => pipeline,
        Err(mistakes) => return mistakes.iter().map(|mistake| format!("! {}", mistake.message)).collect(),
    };
    let table = &pipeline.tables[0];
    let session = Session { zone: zone.parse().expect("a zone") };
    let kafka = topic_of(table).expect("a topic");
    let (source, columns) = match source_of(table, kafka, session, None) {
        Ok(found) => found,
        Err(mistakes) => return mistakes.iter().map(|mistake| format!("! {}", mistake.message)).collect(),
    };
    let index = columns.len() - 1;
    let (source, kept) = source.lower(&columns, &BTreeSet::from([index])).expect("it compiles");
    let kept: Vec<Column> = kept.iter().map(|column| columns[*column].clone()).collect();
    let mut decoder = JsonDecoder::new(source.decoded.clone()).expect("a decoder");
    decoder.push(RECORD.as_bytes()).expect("the record is read");
    let batch = decoder.finish().expect("a batch");
    let applied = apply(&source.computed, &schema_of(&kept), Rows::inserts(batch)).expect("a batch");
    let column = &columns[index];
    if let Some((_, reason)) = applied.failed.first() {
        return format!("{} fails: {reason}", column.data_type);
    }
    let array = applied.rows.batch.column(0);
    if array.is_null(0) {
        return format!("{} = NULL", column.data_type);
    }
    let conversion = Conversion {
        from: column.data_type.clone(),
        to: DataType::String,
        zone: session.zone,
        is_try: false,
        is_strict: false,
    };
    match convert(array, &conversion) {
        Ok(text) => format!("{} = {}", column.data_type, text.as_string::<i32>().value(0)),
        Err(error) => format!("{} ? {error}", column.data_type),
    }
}

#[track_caller]
fn check_in(zone: &str, expressions: &[&str], expected: Expect) {
    let mut out = String::new();
    for expression in expressions {
        let _ = writeln!(out, "{expression} → {}", value(expression, zone));
    }
    expected.assert_eq(&out);
}

#[track_caller]
fn check(expressions: &[&str], expected: Expect) {
    check_in("UTC", expressions, expected);
}

#[test]
fn numbers() {
    check(
        &[
            "p + v",
            "p + i",
            "p + l",
            "p + w",
            "p * i",
            "p * v",
            "p * l",
            "w * w",
            "p / v",
            "p / i",
            "i / p",
            "p / l",
            "w / w",
            "MOD(p, v)",
            "p % v",
            "MOD(-7, 2)",
            "MOD(5, -3)",
            "MOD(l, 2)",
            "i / j",
            "2 / i",
            "2147483647 + i",
            "t + t",
            "i + f",
            "1.50",
            "1e0",
            "9223372036854775808",
            "i / (j + 2)",
            "p / (i - 7)",
            "f / (f - f)",
            "MOD(i, j + 2)",
            "i / 0",
            "LN(0)",
            "SQRT(j)",
            "POWER(0, -1)",
            "-i",
            "-p",
            "p - v",
        ],
        expect![[r#"
            p + v → DECIMAL(25, 8) = 3.75000000
            p + i → DECIMAL(21, 8) = 8.50000000
            p + l → DECIMAL(28, 8) = 9223372036854775808.50000000
            p + w → DECIMAL(38, 15) = 2.000000000000000
            p * i → DECIMAL(31, 8) = 10.50000000
            p * v → DECIMAL(38, 9) = 3.375000000
            p * l → DECIMAL(38, 6) = 13835058055282163710.500000
            w * w → DECIMAL(38, 6) = 0.250000
            p / v → DECIMAL(38, 18) = 0.666666666666666667
            p / i → DECIMAL(31, 19) = 0.2142857142857142857
            i / p → DECIMAL(38, 20) = 4.66666666666666666667
            p / l → DECIMAL(38, 26) = 0.00000000000000000016263033
            w / w → DECIMAL(38, 6) = 1.000000
            MOD(p, v) → DECIMAL(20, 8) = 1.50000000
            p % v → DECIMAL(20, 8) = 1.50000000
            MOD(-7, 2) → INT = -1
            MOD(5, -3) → INT = 2
            MOD(l, 2) → INT = 1
            i / j → INT = -3
            2 / i → INT = 0
            2147483647 + i → INT = -2147483642
            t + t → TINYINT = -2
            i + f → DOUBLE = 8.004999999999999
            1.50 → DECIMAL(3, 2) = 1.50
            1e0 → DOUBLE = 1.0
            9223372036854775808 → ! 9223372036854775808 is out of range: a whole number is a BIGINT at most
            i / (j + 2) → INT fails: Arrow error: Divide by zero error
            p / (i - 7) → DECIMAL(31, 19) fails: Execution error: division by zero
            f / (f - f) → DOUBLE = Infinity
            MOD(i, j + 2) → INT fails: Arrow error: Divide by zero error
            i / 0 → ! division by zero
            LN(0) → DOUBLE = -Infinity
            SQRT(j) → DOUBLE = NaN
            POWER(0, -1) → DOUBLE = Infinity
            -i → INT = -7
            -p → DECIMAL(20, 8) = -1.50000000
            p - v → DECIMAL(25, 8) = -0.75000000
        "#]],
    );
}

#[test]
fn number_functions() {
    check(
        &[
            "ABS(j)",
            "SIGN(q)",
            "FLOOR(q)",
            "CEIL(q)",
            "FLOOR(f)",
            "FLOOR(i)",
            "ROUND(q)",
            "ROUND(q, 1)",
            "ROUND(p, 2)",
            "ROUND(f, 2)",
            "ROUND(i, -1)",
            "ROUND(1234.567, -2)",
            "TRUNCATE(q)",
            "TRUNCATE(42, -1)",
            "GREATEST(i, j)",
            "LEAST(i, NULL)",
            "LEAST(i, p)",
            "LOG10(f)",
            "LOG2(i)",
            "EXP(j)",
            "PI()",
            "CBRT(f)",
            "NVL(i, j)",
            "LENGTH(s)",
        ],
        expect![[r#"
            ABS(j) → INT = 2
            SIGN(q) → DECIMAL(5, 2) = -1.00
            FLOOR(q) → DECIMAL(5, 0) = -2
            CEIL(q) → DECIMAL(5, 0) = -1
            FLOOR(f) → DOUBLE = 1.0
            FLOOR(i) → INT = 7
            ROUND(q) → DECIMAL(4, 0) = -1
            ROUND(q, 1) → DECIMAL(5, 1) = -1.3
            ROUND(p, 2) → DECIMAL(15, 2) = 1.50
            ROUND(f, 2) → DOUBLE = 1.01
            ROUND(i, -1) → INT = 10
            ROUND(1234.567, -2) → DECIMAL(5, 0) = 1200
            TRUNCATE(q) → DECIMAL(4, 0) = -1
            TRUNCATE(42, -1) → INT = 40
            GREATEST(i, j) → INT = 7
            LEAST(i, NULL) → INT = NULL
            LEAST(i, p) → DECIMAL(20, 8) = 1.50000000
            LOG10(f) → DOUBLE = 0.0021660617565076304
            LOG2(i) → DOUBLE = 2.807354922057604
            EXP(j) → DOUBLE = 0.1353352832366127
            PI() → DOUBLE = 3.141592653589793
            CBRT(f) → ! function CBRT runs on Flink only
            NVL(i, j) → ! function NVL runs on Flink only
            LENGTH(s) → ! function LENGTH runs on Flink only
        "#]],
    );
}

#[test]
fn casts() {
    check(
        &[
            "CAST(l AS SMALLINT)",
            "CAST(l AS INT)",
            "TRY_CAST(l AS INT)",
            "CAST(1e10 * f AS INT)",
            "CAST(-1.9e0 * f AS INT)",
            "CAST(q AS INT)",
            "CAST(q AS DECIMAL(5, 1))",
            "CAST(p AS DECIMAL(2, 2))",
            "CAST(f AS DECIMAL(5, 2))",
            "CAST(0.1e0 AS DECIMAL(20, 18))",
            "CAST(p AS STRING)",
            "CAST(f AS STRING)",
            "CAST(b AS STRING)",
            "CAST(i AS STRING)",
            "CAST(s AS INT)",
            "TRY_CAST(s AS INT)",
            "CAST(' 12.7 ' AS INT)",
            "CAST('1e3' AS DOUBLE)",
            "CAST('1.005' AS DECIMAL(5, 2))",
            "CAST('yes' AS BOOLEAN)",
            "CAST(' true' AS BOOLEAN)",
            "CAST('2026-3-8' AS DATE)",
            "CAST('2026-02-30' AS DATE)",
            "CAST('2026-03-08 15:04:05.678' AS TIMESTAMP(3))",
            "CAST('2026-03-08T15:04:05' AS TIMESTAMP(3))",
            "CAST('2026-03-08' AS TIMESTAMP(0))",
            "CAST(s AS VARCHAR(3))",
            "CAST('a' AS CHAR(3))",
            "CAST(i AS BOOLEAN)",
            "CAST(b AS INT)",
            "CAST(l AS TIMESTAMP(3))",
            "CAST(i AS DECIMAL(1, 0))",
            "CAST(99 AS DECIMAL(1, 0))",
            "CAST(a AS ARRAY<BIGINT>)",
            "CAST(NULL AS INT)",
        ],
        expect![[r#"
            CAST(l AS SMALLINT) → SMALLINT = -1
            CAST(l AS INT) → INT = -1
            TRY_CAST(l AS INT) → INT = -1
            CAST(1e10 * f AS INT) → INT = 2147483647
            CAST(-1.9e0 * f AS INT) → INT = -1
            CAST(q AS INT) → INT = -1
            CAST(q AS DECIMAL(5, 1)) → DECIMAL(5, 1) = -1.3
            CAST(p AS DECIMAL(2, 2)) → DECIMAL(2, 2) fails: Execution error: '1.50000000' does not fit into DECIMAL(2, 2)
            CAST(f AS DECIMAL(5, 2)) → DECIMAL(5, 2) = 1.01
            CAST(0.1e0 AS DECIMAL(20, 18)) → DECIMAL(20, 18) = 0.100000000000000000
            CAST(p AS STRING) → STRING = 1.50000000
            CAST(f AS STRING) → STRING = 1.005
            CAST(b AS STRING) → STRING = TRUE
            CAST(i AS STRING) → STRING = 7
            CAST(s AS INT) → INT fails: Execution error: 'KRW-BTC' is no INT
            TRY_CAST(s AS INT) → INT = NULL
            CAST(' 12.7 ' AS INT) → INT = 12
            CAST('1e3' AS DOUBLE) → DOUBLE = 1000.0
            CAST('1.005' AS DECIMAL(5, 2)) → DECIMAL(5, 2) = 1.01
            CAST('yes' AS BOOLEAN) → BOOLEAN = TRUE
            CAST(' true' AS BOOLEAN) → BOOLEAN fails: Execution error: ' true' is no BOOLEAN
            CAST('2026-3-8' AS DATE) → DATE = 2026-03-08
            CAST('2026-02-30' AS DATE) → DATE fails: Execution error: '2026-02-30' is no DATE
            CAST('2026-03-08 15:04:05.678' AS TIMESTAMP(3)) → TIMESTAMP(3) = 2026-03-08 15:04:05.678
            CAST('2026-03-08T15:04:05' AS TIMESTAMP(3)) → TIMESTAMP(3) fails: Execution error: '2026-03-08T15:04:05' is no TIMESTAMP(3)
            CAST('2026-03-08' AS TIMESTAMP(0)) → TIMESTAMP(0) = 2026-03-08 00:00:00
            CAST(s AS VARCHAR(3)) → VARCHAR(3) = KRW
            CAST('a' AS CHAR(3)) → CHAR(3) = a  
            CAST(i AS BOOLEAN) → BOOLEAN = TRUE
            CAST(b AS INT) → INT = 1
            CAST(l AS TIMESTAMP(3)) → ! BIGINT cannot be cast to TIMESTAMP(3)
            CAST(i AS DECIMAL(1, 0)) → DECIMAL(1, 0) = 7
            CAST(99 AS DECIMAL(1, 0)) → DECIMAL(1, 0) fails: Execution error: '99' does not fit into DECIMAL(1, 0)
            CAST(a AS ARRAY<BIGINT>) → ARRAY<BIGINT> = [10, NULL, 30]
            CAST(NULL AS INT) → INT = NULL
        "#]],
    );
}

#[test]
fn texts() {
    check(
        &[
            "UPPER(s)",
            "LOWER(s)",
            "INITCAP('hello wORLD-foo bar_baz 1abc')",
            "TRIM('  a ')",
            "TRIM(BOTH 'xy' FROM 'xyaxyx')",
            "TRIM(LEADING 'x' FROM 'xax')",
            "CHAR_LENGTH(u)",
            "SUBSTRING(s FROM 5)",
            "SUBSTRING('abcdef' FROM 0 FOR 2)",
            "SUBSTRING('abcdef' FROM -2)",
            "SUBSTRING('abcdef' FROM 7)",
            "SUBSTRING(u, 2, 2)",
            "SUBSTRING('abc' FROM 1 FOR -1)",
            "LEFT(u, 2)",
            "RIGHT(s, 3)",
            "POSITION('-' IN s)",
            "LOCATE('a', 'banana', 3)",
            "INSTR(s, 'BTC')",
            "REPLACE(s, '-', '/')",
            "s || '!'",
            "s || n",
            "'a' || i",
            "CONCAT(s, '-', u)",
            "CONCAT_WS('-', s, n, u)",
            "LPAD('7', 3, '0')",
            "RPAD('abc', 2, 'x')",
            "REPEAT('ab', 3)",
            "REPEAT('ab', 0)",
            "SPLIT_INDEX(s, '-', 1)",
            "SPLIT_INDEX(s, '-', 2)",
            "REGEXP_EXTRACT(s, '([A-Z]+)-([A-Z]+)', 2)",
            "REGEXP_EXTRACT(s, 'x')",
            "REGEXP_REPLACE(s, '[A-Z]+', '<$1>')",
            "REGEXP(s, '^KRW')",
            "s LIKE 'KRW-%'",
            "s LIKE '%X%'",
            "'a%c' LIKE 'a!%c' ESCAPE '!'",
            "s NOT LIKE n",
            "OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6)",
            "REVERSE(u)",
            "MD5(s)",
            "ASCII('a')",
            "CHR(97)",
            "STARTSWITH(s, 'KRW')",
            "ENDSWITH(s, 'X')",
            "TRANSLATE(s, 'KB', 'k')",
        ],
        expect![[r#"
            UPPER(s) → STRING = KRW-BTC
            LOWER(s) → STRING = krw-btc
            INITCAP('hello wORLD-foo bar_baz 1abc') → STRING = Hello World-Foo Bar_Baz 1abc
            TRIM('  a ') → STRING = a
            TRIM(BOTH 'xy' FROM 'xyaxyx') → STRING = a
            TRIM(LEADING 'x' FROM 'xax') → STRING = ax
            CHAR_LENGTH(u) → INT = 4
            SUBSTRING(s FROM 5) → STRING = BTC
            SUBSTRING('abcdef' FROM 0 FOR 2) → STRING = ab
            SUBSTRING('abcdef' FROM -2) → STRING = ef
            SUBSTRING('abcdef' FROM 7) → STRING = 
            SUBSTRING(u, 2, 2) → STRING = 나다
            SUBSTRING('abc' FROM 1 FOR -1) → STRING = NULL
            LEFT(u, 2) → STRING = 가나
            RIGHT(s, 3) → STRING = BTC
            POSITION('-' IN s) → INT = 4
            LOCATE('a', 'banana', 3) → INT = 4
            INSTR(s, 'BTC') → INT = 5
            REPLACE(s, '-', '/') → STRING = KRW/BTC
            s || '!' → STRING = KRW-BTC!
            s || n → STRING = NULL
            'a' || i → ! argument 2 of || is a STRING, and this is INT
            CONCAT(s, '-', u) → STRING = KRW-BTC-가나다라
            CONCAT_WS('-', s, n, u) → STRING = KRW-BTC-가나다라
            LPAD('7', 3, '0') → STRING = 007
            RPAD('abc', 2, 'x') → STRING = ab
            REPEAT('ab', 3) → STRING = ababab
            REPEAT('ab', 0) → STRING = 
            SPLIT_INDEX(s, '-', 1) → STRING = BTC
            SPLIT_INDEX(s, '-', 2) → STRING = NULL
            REGEXP_EXTRACT(s, '([A-Z]+)-([A-Z]+)', 2) → STRING = BTC
            REGEXP_EXTRACT(s, 'x') → STRING = NULL
            REGEXP_REPLACE(s, '[A-Z]+', '<$1>') → STRING = <$1>-<$1>
            REGEXP(s, '^KRW') → BOOLEAN = TRUE
            s LIKE 'KRW-%' → BOOLEAN = TRUE
            s LIKE '%X%' → BOOLEAN = FALSE
            'a%c' LIKE 'a!%c' ESCAPE '!' → BOOLEAN = TRUE
            s NOT LIKE n → BOOLEAN = NULL
            OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6) → STRING = xxxxxxxxx
            REVERSE(u) → STRING = 라다나가
            MD5(s) → CHAR(32) = a97f735eb20b5dc4e5dd91873f252f7a
            ASCII('a') → INT = 97
            CHR(97) → STRING = a
            STARTSWITH(s, 'KRW') → BOOLEAN = TRUE
            ENDSWITH(s, 'X') → BOOLEAN = FALSE
            TRANSLATE(s, 'KB', 'k') → STRING = kRW-TC
        "#]],
    );
}

#[test]
fn conditions() {
    check(
        &[
            "CASE WHEN i > 5 THEN 'big' ELSE 'small' END",
            "CASE i WHEN 7 THEN 1 END",
            "COALESCE(n, s)",
            "COALESCE(i, p)",
            "COALESCE(i, 2.50)",
            "COALESCE(1, s)",
            "NULLIF(i, 7)",
            "NULLIF(i, 8)",
            "IF(b, i, j)",
            "IFNULL(n, 'x')",
            "i IN (1, 7)",
            "i IN (2, NULL)",
            "i NOT IN (2, NULL)",
            "i BETWEEN 1 AND 7",
            "i NOT BETWEEN 1 AND 7",
            "n IS NULL",
            "b IS TRUE",
            "NOT b",
            "n = s",
            "i = '7'",
            "i = p",
            "f > 1",
            "i IS DISTINCT FROM NULL",
            "b AND NULL",
            "b OR NULL",
            "s > 'A'",
            "i",
            "i AND b",
            "NULL",
        ],
        expect![[r#"
            CASE WHEN i > 5 THEN 'big' ELSE 'small' END → VARCHAR(5) = big
            CASE i WHEN 7 THEN 1 END → INT = 1
            COALESCE(n, s) → STRING = KRW-BTC
            COALESCE(i, p) → DECIMAL(20, 8) = 7.00000000
            COALESCE(i, 2.50) → DECIMAL(12, 2) = 7.00
            COALESCE(1, s) → ! this is STRING and what stands before it INT
            NULLIF(i, 7) → INT = NULL
            NULLIF(i, 8) → INT = 7
            IF(b, i, j) → INT = 7
            IFNULL(n, 'x') → STRING = x
            i IN (1, 7) → BOOLEAN = TRUE
            i IN (2, NULL) → BOOLEAN = NULL
            i NOT IN (2, NULL) → BOOLEAN = NULL
            i BETWEEN 1 AND 7 → BOOLEAN = TRUE
            i NOT BETWEEN 1 AND 7 → BOOLEAN = FALSE
            n IS NULL → BOOLEAN = TRUE
            b IS TRUE → BOOLEAN = TRUE
            NOT b → BOOLEAN = FALSE
            n = s → BOOLEAN = NULL
            i = '7' → ! INT cannot be compared with STRING
            i = p → BOOLEAN = FALSE
            f > 1 → BOOLEAN = TRUE
            i IS DISTINCT FROM NULL → BOOLEAN = TRUE
            b AND NULL → BOOLEAN = NULL
            b OR NULL → BOOLEAN = TRUE
            s > 'A' → BOOLEAN = TRUE
            i → INT = 7
            i AND b → ! a side of AND is a BOOLEAN, and this is INT
            NULL → ! NULL alone has no type
        "#]],
    );
}

#[test]
fn arrays_and_rows() {
    check(
        &[
            "a[1]",
            "a[2]",
            "a[4]",
            "a[0]",
            "a[i]",
            "rs[1].x",
            "rs[2].x",
            "r.y",
            "r.z",
            "CARDINALITY(a)",
            "ELEMENT(rs).x",
            "ELEMENT(a)",
            "ARRAY[i, j, 3][3]",
            "ARRAY[i, s]",
            "CAST(ROW(i, s) AS STRING)",
            "CAST(rs AS STRING)",
            "ARRAY_CONTAINS(a, 30)",
            "ARRAY_CONTAINS(a, 4)",
            "s[1]",
            "i.x",
        ],
        expect![[r#"
            a[1] → INT = 10
            a[2] → INT = NULL
            a[4] → INT = NULL
            a[0] → ! elements are counted from 1
            a[i] → INT = NULL
            rs[1].x → INT = 5
            rs[2].x → INT = NULL
            r.y → STRING = z
            r.z → ! field "z" does not exist in ROW<`x` INT, `y` STRING>
            CARDINALITY(a) → INT = 3
            ELEMENT(rs).x → INT = 5
            ELEMENT(a) → INT fails: Execution error: ELEMENT of an array with 3 elements
            ARRAY[i, j, 3][3] → INT = 3
            ARRAY[i, s] → ! this is STRING and what stands before it INT
            CAST(ROW(i, s) AS STRING) → STRING = (7, KRW-BTC)
            CAST(rs AS STRING) → STRING = [(5)]
            ARRAY_CONTAINS(a, 30) → BOOLEAN = TRUE
            ARRAY_CONTAINS(a, 4) → BOOLEAN = FALSE
            s[1] → ! STRING has no elements
            i.x → ! INT has no fields, and .x asks for one
        "#]],
    );
}

const TIMES: &[&str] = &[
    "TO_TIMESTAMP_LTZ(ms, 3)",
    "TO_TIMESTAMP_LTZ(ms / 1000, 0)",
    "TO_TIMESTAMP_LTZ(l, 3)",
    "TO_TIMESTAMP_LTZ(ms, 6)",
    "TO_TIMESTAMP_LTZ('2026-03-08 15:04:05')",
    "CAST(TO_TIMESTAMP_LTZ(ms, 3) AS STRING)",
    "CAST(TO_TIMESTAMP_LTZ(ms, 3) AS DATE)",
    "CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP(3))",
    "CAST(TIMESTAMP '2026-03-08 15:04:05' AS TIMESTAMP_LTZ(3))",
    "DATE_FORMAT(TO_TIMESTAMP_LTZ(ms, 3), 'yyyy-MM-dd HH:mm')",
    "DATE_FORMAT('2026-03-08 15:04:05', 'HH:mm')",
    "DATE_FORMAT(s, 'HH:mm')",
    "EXTRACT(HOUR FROM TO_TIMESTAMP_LTZ(ms, 3))",
    "HOUR(TO_TIMESTAMP_LTZ(ms, 3))",
    "DAYOFWEEK(TO_TIMESTAMP_LTZ(ms, 3))",
    "WEEK(TO_TIMESTAMP_LTZ(ms, 3))",
    "EXTRACT(EPOCH FROM TO_TIMESTAMP_LTZ(ms, 3))",
    "EXTRACT(MILLISECOND FROM TO_TIMESTAMP_LTZ(ms, 3))",
    "FLOOR(TO_TIMESTAMP_LTZ(ms, 3) TO DAY)",
    "CEIL(TO_TIMESTAMP_LTZ(ms, 3) TO HOUR)",
    "FLOOR(TO_TIMESTAMP_LTZ(ms, 3) TO MONTH)",
    "TO_TIMESTAMP('2026-03-08 15:04:05')",
    "TO_TIMESTAMP('2026-02-30 01:00:00')",
    "TO_TIMESTAMP('2026-13-01 01:00:00')",
    "TO_TIMESTAMP('2026-03-08')",
    "TO_TIMESTAMP('08/03/2026', 'dd/MM/yyyy')",
    "TO_DATE('2026-03-08')",
    "TO_DATE('x')",
    "TIMESTAMPDIFF(MONTH, DATE '2026-01-31', DATE '2026-02-28')",
    "TIMESTAMPDIFF(SECOND, TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-01 00:01:00.5')",
    "TIMESTAMPADD(MONTH, 1, DATE '2026-01-31')",
    "TIMESTAMPADD(SECOND, 1, DATE '2026-01-31')",
    "TO_TIMESTAMP_LTZ(ms, 3) - INTERVAL '1' DAY",
    "TO_TIMESTAMP_LTZ(ms, 3) + INTERVAL '1' MONTH",
    "DATE '2026-01-31' + INTERVAL '1' MONTH",
    "UNIX_TIMESTAMP('1970-01-01 09:00:00')",
    "FROM_UNIXTIME(0)",
    "TO_TIMESTAMP_LTZ(ms, 3) > TIMESTAMP '2026-03-08 20:00:00'",
    "TO_TIMESTAMP_LTZ(ms, 3) > '2026-03-08 20:00:00'",
    "TO_TIMESTAMP_LTZ(ms, 3) = DATE '2026-03-08'",
    "CURRENT_TIMESTAMP",
    "NOW()",
    "UNIX_TIMESTAMP()",
    "RAND()",
    "INTERVAL '1' DAY",
    "ms + INTERVAL '1' DAY",
];

#[test]
fn times_in_utc() {
    check_in(
        "UTC",
        TIMES,
        expect![[r#"
        TO_TIMESTAMP_LTZ(ms, 3) → TIMESTAMP_LTZ(3) = 2026-03-08 15:04:05.678
        TO_TIMESTAMP_LTZ(ms / 1000, 0) → TIMESTAMP_LTZ(3) = 2026-03-08 15:04:05.000
        TO_TIMESTAMP_LTZ(l, 3) → TIMESTAMP_LTZ(3) = NULL
        TO_TIMESTAMP_LTZ(ms, 6) → ! the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds)
        TO_TIMESTAMP_LTZ('2026-03-08 15:04:05') → TIMESTAMP_LTZ(3) = 2026-03-08 15:04:05.000
        CAST(TO_TIMESTAMP_LTZ(ms, 3) AS STRING) → STRING = 2026-03-08 15:04:05.678
        CAST(TO_TIMESTAMP_LTZ(ms, 3) AS DATE) → DATE = 2026-03-08
        CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP(3)) → TIMESTAMP(3) = 2026-03-08 15:04:05.678
        CAST(TIMESTAMP '2026-03-08 15:04:05' AS TIMESTAMP_LTZ(3)) → TIMESTAMP_LTZ(3) = 2026-03-08 15:04:05.000
        DATE_FORMAT(TO_TIMESTAMP_LTZ(ms, 3), 'yyyy-MM-dd HH:mm') → STRING = 2026-03-08 15:04
        DATE_FORMAT('2026-03-08 15:04:05', 'HH:mm') → STRING = 15:04
        DATE_FORMAT(s, 'HH:mm') → STRING = NULL
        EXTRACT(HOUR FROM TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 15
        HOUR(TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 15
        DAYOFWEEK(TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 1
        WEEK(TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 10
        EXTRACT(EPOCH FROM TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 1772982245
        EXTRACT(MILLISECOND FROM TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 678
        FLOOR(TO_TIMESTAMP_LTZ(ms, 3) TO DAY) → TIMESTAMP_LTZ(3) = 2026-03-08 00:00:00.000
        CEIL(TO_TIMESTAMP_LTZ(ms, 3) TO HOUR) → TIMESTAMP_LTZ(3) = 2026-03-08 16:00:00.000
        FLOOR(TO_TIMESTAMP_LTZ(ms, 3) TO MONTH) → TIMESTAMP_LTZ(3) = 2026-03-01 00:00:00.000
        TO_TIMESTAMP('2026-03-08 15:04:05') → TIMESTAMP(3) = 2026-03-08 15:04:05.000
        TO_TIMESTAMP('2026-02-30 01:00:00') → TIMESTAMP(3) = 2026-02-28 01:00:00.000
        TO_TIMESTAMP('2026-13-01 01:00:00') → TIMESTAMP(3) = NULL
        TO_TIMESTAMP('2026-03-08') → TIMESTAMP(3) = 2026-03-08 00:00:00.000
        TO_TIMESTAMP('08/03/2026', 'dd/MM/yyyy') → TIMESTAMP(3) = 2026-03-08 00:00:00.000
        TO_DATE('2026-03-08') → DATE = 2026-03-08
        TO_DATE('x') → DATE = NULL
        TIMESTAMPDIFF(MONTH, DATE '2026-01-31', DATE '2026-02-28') → INT = 1
        TIMESTAMPDIFF(SECOND, TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-01 00:01:00.5') → INT = 60
        TIMESTAMPADD(MONTH, 1, DATE '2026-01-31') → DATE = 2026-02-28
        TIMESTAMPADD(SECOND, 1, DATE '2026-01-31') → TIMESTAMP(6) = 2026-01-31 00:00:01.000000
        TO_TIMESTAMP_LTZ(ms, 3) - INTERVAL '1' DAY → TIMESTAMP_LTZ(3) = 2026-03-07 15:04:05.678
        TO_TIMESTAMP_LTZ(ms, 3) + INTERVAL '1' MONTH → TIMESTAMP_LTZ(3) = 2026-04-08 15:04:05.678
        DATE '2026-01-31' + INTERVAL '1' MONTH → DATE = 2026-02-28
        UNIX_TIMESTAMP('1970-01-01 09:00:00') → BIGINT = 32400
        FROM_UNIXTIME(0) → STRING = 1970-01-01 00:00:00
        TO_TIMESTAMP_LTZ(ms, 3) > TIMESTAMP '2026-03-08 20:00:00' → BOOLEAN = FALSE
        TO_TIMESTAMP_LTZ(ms, 3) > '2026-03-08 20:00:00' → BOOLEAN = FALSE
        TO_TIMESTAMP_LTZ(ms, 3) = DATE '2026-03-08' → ! TIMESTAMP_LTZ(3) cannot be compared with DATE
        CURRENT_TIMESTAMP → ! CURRENT_TIMESTAMP runs on Flink only: a replay would compute other rows
        NOW() → ! NOW runs on Flink only: a replay would compute other rows
        UNIX_TIMESTAMP() → ! UNIX_TIMESTAMP() runs on Flink only: a replay would compute other rows
        RAND() → ! RAND runs on Flink only: a replay would compute other rows
        INTERVAL '1' DAY → ! an INTERVAL stands here alone
        ms + INTERVAL '1' DAY → ! an INTERVAL moves a time, and this is BIGINT
    "#]],
    );
}

#[test]
fn times_in_seoul() {
    check_in(
        "Asia/Seoul",
        TIMES,
        expect![[r#"
        TO_TIMESTAMP_LTZ(ms, 3) → TIMESTAMP_LTZ(3) = 2026-03-09 00:04:05.678
        TO_TIMESTAMP_LTZ(ms / 1000, 0) → TIMESTAMP_LTZ(3) = 2026-03-09 00:04:05.000
        TO_TIMESTAMP_LTZ(l, 3) → TIMESTAMP_LTZ(3) = NULL
        TO_TIMESTAMP_LTZ(ms, 6) → ! the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds)
        TO_TIMESTAMP_LTZ('2026-03-08 15:04:05') → TIMESTAMP_LTZ(3) = 2026-03-09 00:04:05.000
        CAST(TO_TIMESTAMP_LTZ(ms, 3) AS STRING) → STRING = 2026-03-09 00:04:05.678
        CAST(TO_TIMESTAMP_LTZ(ms, 3) AS DATE) → DATE = 2026-03-09
        CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP(3)) → TIMESTAMP(3) = 2026-03-09 00:04:05.678
        CAST(TIMESTAMP '2026-03-08 15:04:05' AS TIMESTAMP_LTZ(3)) → TIMESTAMP_LTZ(3) = 2026-03-08 15:04:05.000
        DATE_FORMAT(TO_TIMESTAMP_LTZ(ms, 3), 'yyyy-MM-dd HH:mm') → STRING = 2026-03-09 00:04
        DATE_FORMAT('2026-03-08 15:04:05', 'HH:mm') → STRING = 15:04
        DATE_FORMAT(s, 'HH:mm') → STRING = NULL
        EXTRACT(HOUR FROM TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 0
        HOUR(TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 0
        DAYOFWEEK(TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 2
        WEEK(TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 11
        EXTRACT(EPOCH FROM TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 1773014645
        EXTRACT(MILLISECOND FROM TO_TIMESTAMP_LTZ(ms, 3)) → BIGINT = 678
        FLOOR(TO_TIMESTAMP_LTZ(ms, 3) TO DAY) → TIMESTAMP_LTZ(3) = 2026-03-09 00:00:00.000
        CEIL(TO_TIMESTAMP_LTZ(ms, 3) TO HOUR) → TIMESTAMP_LTZ(3) = 2026-03-09 01:00:00.000
        FLOOR(TO_TIMESTAMP_LTZ(ms, 3) TO MONTH) → TIMESTAMP_LTZ(3) = 2026-03-01 00:00:00.000
        TO_TIMESTAMP('2026-03-08 15:04:05') → TIMESTAMP(3) = 2026-03-08 15:04:05.000
        TO_TIMESTAMP('2026-02-30 01:00:00') → TIMESTAMP(3) = 2026-02-28 01:00:00.000
        TO_TIMESTAMP('2026-13-01 01:00:00') → TIMESTAMP(3) = NULL
        TO_TIMESTAMP('2026-03-08') → TIMESTAMP(3) = 2026-03-08 00:00:00.000
        TO_TIMESTAMP('08/03/2026', 'dd/MM/yyyy') → TIMESTAMP(3) = 2026-03-08 00:00:00.000
        TO_DATE('2026-03-08') → DATE = 2026-03-08
        TO_DATE('x') → DATE = NULL
        TIMESTAMPDIFF(MONTH, DATE '2026-01-31', DATE '2026-02-28') → INT = 1
        TIMESTAMPDIFF(SECOND, TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-01 00:01:00.5') → INT = 60
        TIMESTAMPADD(MONTH, 1, DATE '2026-01-31') → DATE = 2026-02-28
        TIMESTAMPADD(SECOND, 1, DATE '2026-01-31') → TIMESTAMP(6) = 2026-01-31 00:00:01.000000
        TO_TIMESTAMP_LTZ(ms, 3) - INTERVAL '1' DAY → TIMESTAMP_LTZ(3) = 2026-03-08 00:04:05.678
        TO_TIMESTAMP_LTZ(ms, 3) + INTERVAL '1' MONTH → TIMESTAMP_LTZ(3) = 2026-04-09 00:04:05.678
        DATE '2026-01-31' + INTERVAL '1' MONTH → DATE = 2026-02-28
        UNIX_TIMESTAMP('1970-01-01 09:00:00') → BIGINT = 0
        FROM_UNIXTIME(0) → STRING = 1970-01-01 09:00:00
        TO_TIMESTAMP_LTZ(ms, 3) > TIMESTAMP '2026-03-08 20:00:00' → BOOLEAN = TRUE
        TO_TIMESTAMP_LTZ(ms, 3) > '2026-03-08 20:00:00' → BOOLEAN = TRUE
        TO_TIMESTAMP_LTZ(ms, 3) = DATE '2026-03-08' → ! TIMESTAMP_LTZ(3) cannot be compared with DATE
        CURRENT_TIMESTAMP → ! CURRENT_TIMESTAMP runs on Flink only: a replay would compute other rows
        NOW() → ! NOW runs on Flink only: a replay would compute other rows
        UNIX_TIMESTAMP() → ! UNIX_TIMESTAMP() runs on Flink only: a replay would compute other rows
        RAND() → ! RAND runs on Flink only: a replay would compute other rows
        INTERVAL '1' DAY → ! an INTERVAL stands here alone
        ms + INTERVAL '1' DAY → ! an INTERVAL moves a time, and this is BIGINT
    "#]],
    );
}
