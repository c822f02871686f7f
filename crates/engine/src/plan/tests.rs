//! The built-in pipeline plans, decodes only what it needs, and mistakes are told with their places.

use super::*;
use expect_test::{Expect, expect};

mod graphs;
mod refusals;
mod soup;
mod values;

const TABLES: &str =
    "CREATE TEMPORARY TABLE source (`id` BIGINT, `code` STRING, `price` DECIMAL(20, 8), `unused` STRING,
  `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, `ts` AS TO_TIMESTAMP_LTZ(`id`, 3))
WITH ('connector' = 'kafka', 'topic' = 'in', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w');
CREATE DATABASE lake.upbit;
CREATE TABLE lake.upbit.sink (`market` STRING, `id` BIGINT, `price` DECIMAL(20, 8)) WITH ('bucket' = '-1');
";

async fn plan(text: &str) -> Result<PipelinePlan, Diagnostics> {
    let pipeline = hoga_sql::parse_pipeline("test.sql", text, &|_| Some("x".into()))?;
    plan_pipeline(&pipeline).await
}

async fn check(inserts: &str, expected: Expect) {
    let text = match plan(&format!("{TABLES}{inserts}")).await {
        Ok(plan) => format!("{:?}", plan.jobs.iter().map(|job| job.decoded.fields().len()).collect::<Vec<_>>()),
        Err(mistakes) => mistakes
            .iter()
            .map(|mistake| {
                let hint = mistake.hint.as_ref().map_or(String::new(), |hint| format!(" [{hint}]"));
                format!("{}:{}: {}{hint}\n", mistake.line, mistake.column, mistake.message)
            })
            .collect(),
    };
    expected.assert_eq(&text);
}

#[tokio::test]
async fn the_built_in_pipeline() {
    let plan = plan(include_str!("../../../../pipeline/upbit.sql")).await.expect("it plans");
    let names: Vec<_> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(
        names,
        ["upbit-ticker -> upbit.ticker", "upbit-trade -> upbit.trade", "upbit-orderbook -> upbit.orderbook"]
    );
    assert_eq!(plan.jobs[1].sort_columns, ["market", "trade_timestamp"]);
    assert_eq!(plan.checkpoint_interval_ms, Some(30_000));
}

#[tokio::test]
async fn only_needed_fields_are_decoded() {
    check("INSERT INTO lake.upbit.sink (`market`) SELECT `code` FROM source;", expect!["[1]"]).await;
    check(
        "INSERT INTO lake.upbit.sink SELECT UPPER(`code`), `id`, NULL FROM source WHERE `price` > 1.5;",
        expect!["[3]"],
    )
    .await;
}

#[tokio::test]
async fn mistakes() {
    check(
        "INSERT INTO lake.upbit.sink SELECT `code`, `idd`, `price` FROM source;",
        expect![[r#"
        7:44: column 'idd' not found
    "#]],
    )
    .await;
    check("INSERT INTO lake.upbit.sink SELECT `code`, `code`, `price` FROM source;", expect![[r#"
        7:1: Projections require unique expression names but the expression "default_catalog.default_database.source.code" at position 0 and "default_catalog.default_database.source.code" at position 1 have the same name. Consider aliasing ("AS") one of them
    "#]]).await;
    check(
        "INSERT INTO lake.upbit.sink SELECT MD5(`code`), `id`, `price` FROM source;",
        expect![[r#"
        7:1: function MD5 runs on Flink only [docs/sql.md lists the functions of the embedded engine]
    "#]],
    )
    .await;
    check(
        "INSERT INTO lake.upbit.sink SELECT `code`, COUNT(*), MAX(`price`) FROM source GROUP BY `code`;",
        expect![[r#"
            7:1: GROUP BY, DISTINCT or an aggregate runs on Flink only; the embedded engine runs projections, filters and scalar functions
        "#]],
    )
    .await;
    check(
        "INSERT INTO lake.upbit.sink SELECT `code`, `id`, `price` FROM source LIMIT 5;",
        expect![[r#"
        7:1: LIMIT runs on Flink only; the embedded engine runs projections, filters and scalar functions
    "#]],
    )
    .await;
}
