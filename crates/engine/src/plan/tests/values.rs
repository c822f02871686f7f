//! What expressions are and give: types and values as real Flink was seen to have them (docs/flink-semantics.md).

mod texts;
mod times;

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
    let mut decoder = JsonDecoder::new(source.decoded.clone(), None).expect("a decoder");
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

/// A line for each expression.
fn told_in(zone: &str, expressions: &[&str]) -> String {
    let mut out = String::new();
    for expression in expressions {
        let _ = writeln!(out, "{expression} → {}", value(expression, zone));
    }
    out
}

#[track_caller]
fn check(expressions: &[&str], expected: Expect) {
    expected.assert_eq(&told_in("UTC", expressions));
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
