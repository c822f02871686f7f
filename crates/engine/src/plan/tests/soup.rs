//! Whatever is written, the planner answers: a plan or mistakes, never a panic.

use super::super::explain::explain;
use super::super::plan_pipeline;
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "t",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "code",
    "id",
    "ts",
    "pt",
    "a",
    "price",
    "*",
    "COUNT(*)",
    "SUM(id)",
    "MAX(price)",
    "window_start",
    "window_end",
    "window_time",
    ",",
    "(",
    ")",
    "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
    "TABLE(HOP(TABLE t, DESCRIPTOR(pt), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))",
    "TABLE(SESSION(TABLE t PARTITION BY code, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
    "ROW_NUMBER() OVER (PARTITION BY code ORDER BY id DESC) AS rn",
    "rn",
    "<=",
    "=",
    "+",
    "-",
    "/",
    "1",
    "0",
    "'x'",
    "NULL",
    "AND",
    "OR",
    "NOT",
    "IS NULL",
    "AS x",
    "x",
    "UNION ALL",
    "SELECT code, id FROM t",
    "CROSS JOIN UNNEST(a) AS u (x)",
    "LEFT JOIN UNNEST(a) AS u (x) ON TRUE",
    "(SELECT code, id FROM t)",
    "DISTINCT",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST(",
    "AS BIGINT)",
    "COALESCE(",
    "a[1]",
    "IN (1, 2)",
    "BETWEEN 1 AND 2",
    "LIKE '%'",
    "EXTRACT(DAY FROM ts)",
    "INTERVAL '1' DAY",
    "FILTER (WHERE id > 1)",
];

/// Something that is likely to be read as a query.
fn query() -> impl Strategy<Value = String> {
    let words = || prop::collection::vec(prop::sample::select(WORDS), 0..8).prop_map(|words| words.join(" "));
    (words(), words(), words()).prop_map(|(list, from, rest)| format!("SELECT {list} FROM {from} {rest}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_query_panics(query in query(), keyed in any::<bool>()) {
        let sink = if keyed { "lake.d.k" } else { "lake.d.s" };
        let text = format!(
            "CREATE TEMPORARY TABLE t (code STRING, price DECIMAL(20, 8), id BIGINT, a ARRAY<INT>, ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3), pt AS PROCTIME(), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w'); CREATE DATABASE lake.d; CREATE TABLE lake.d.s (code STRING, n BIGINT); CREATE TABLE lake.d.k (code STRING, n BIGINT, PRIMARY KEY (code) NOT ENFORCED);
INSERT INTO {sink} {query};"
        );
        if let Ok(pipeline) = hoga_sql::parse_pipeline("soup.sql", &text, &|_| None)
            && let Ok(plan) = plan_pipeline(&pipeline)
        {
            prop_assert!(!explain(&plan.graph).is_empty());
        }
    }
}
