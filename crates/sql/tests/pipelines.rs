//! Whole files: the pipeline we ship, the one we replace, and one with ten mistakes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use expect_test::{expect, expect_file};
use hoga_sql::{CatalogKind, ColumnKind, Connector, Pipeline, ScanStartup, Table, parse_pipeline};

const UPBIT: &str = include_str!("../../../pipeline/upbit.sql");
const SEED: &str = include_str!("fixtures/seed-pipeline.sql");
const TEN_MISTAKES: &str = include_str!("golden/ten-mistakes.sql");

fn warehouse_only(name: &str) -> Option<String> {
    (name == "WAREHOUSE").then(|| "/tmp/warehouse".to_owned())
}

fn columns(table: &Table) -> String {
    let line = |kind: &ColumnKind| match kind {
        ColumnKind::Physical(sql_type) => sql_type.to_string(),
        ColumnKind::Metadata { sql_type, key, is_virtual } => format!("{sql_type} METADATA FROM '{key}' {is_virtual}"),
        ColumnKind::Computed(expr) => format!("AS {expr}"),
    };
    table.columns.iter().map(|column| format!("{} {}\n", column.name, line(&column.kind))).collect()
}

fn table<'p>(pipeline: &'p Pipeline, name: &str) -> &'p Table {
    pipeline.tables.iter().find(|table| table.path.table == name).expect("the table is in the file")
}

#[test]
fn the_shipped_pipeline() {
    let pipeline =
        parse_pipeline("pipeline/upbit.sql", UPBIT, &warehouse_only).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(pipeline.settings.checkpoint_interval_ms(), Some(30_000));
    assert_eq!(pipeline.settings.local_time_zone(), Some("UTC"));
    assert_eq!(pipeline.catalogs[0].kind, CatalogKind::Paimon { warehouse: "/tmp/warehouse".to_owned() });
    let is_read = |table: &&hoga_sql::Table| pipeline.jobs.iter().all(|job| job.sink != table.path);
    let topics: Vec<String> = pipeline
        .tables
        .iter()
        .filter(is_read)
        .filter_map(|table| match table.connector() {
            Connector::Kafka(kafka) => {
                assert_eq!(kafka.startup, ScanStartup::EarliestOffset);
                assert_eq!(kafka.bootstrap_servers.as_deref(), Some("127.0.0.1:9092"));
                assert!(kafka.json.ignore_parse_errors && table.temporary);
                let delay_ms = match kafka.topic.as_str() {
                    // no window is over gaps and the list of markets
                    "upbit-gap" | "upbit-market" => None,
                    "upbit-bar" => Some(0),
                    _ => Some(5_000),
                };
                assert_eq!(table.watermark.as_ref().map(|watermark| watermark.delay_ms), delay_ms);
                Some(kafka.topic.clone())
            }
            Connector::Paimon(_) => None,
        })
        .collect();
    assert_eq!(topics, ["upbit-ticker", "upbit-trade", "upbit-orderbook", "upbit-gap", "upbit-bar", "upbit-market"]);
    let jobs: Vec<String> = pipeline
        .jobs
        .iter()
        .map(|job| format!("{} {} <- {} ({})", job.statement_set.unwrap(), job.sink, job.inputs[0], job.columns.len()))
        .collect();
    expect![[r#"
        0 lake.upbit.ticker <- default_catalog.default_database.ticker_topic (34)
        0 lake.upbit.trade <- default_catalog.default_database.trade_topic (19)
        0 lake.upbit.orderbook <- default_catalog.default_database.orderbook_topic (9)
        0 lake.upbit.gap <- default_catalog.default_database.gap_topic (9)
        0 lake.upbit.market <- default_catalog.default_database.market_topic (12)
        0 lake.upbit.candle_1m <- default_catalog.default_database.bars_1m (13)
        0 lake.upbit.candle_5m <- default_catalog.default_database.bars_5m (13)
        0 lake.upbit.candle_15m <- default_catalog.default_database.bars_15m (13)
        0 lake.upbit.candle_1h <- default_catalog.default_database.bars_1h (13)
        0 lake.upbit.candle_1d <- default_catalog.default_database.bars_1d (13)
        0 default_catalog.default_database.alert_topic <- default_catalog.default_database.bars_1m (7)
        0 default_catalog.default_database.alert_topic <- default_catalog.default_database.placed_trades (7)
        0 default_catalog.default_database.alert_topic <- default_catalog.default_database.market_topic (7)"#]]
    .assert_eq(&jobs.join("\n"));
    expect_file!["golden/upbit-orderbook.txt"].assert_eq(&format!(
        "{}--\n{}--\n{}\n",
        columns(table(&pipeline, "orderbook_topic")),
        columns(table(&pipeline, "orderbook")),
        pipeline.jobs[2].query
    ));
}

/// The select lists name every column like the sink's column it goes to: a swapped pair would be silent otherwise.
#[test]
fn every_selected_column_has_the_name_of_its_sink_column() {
    let pipeline =
        parse_pipeline("pipeline/upbit.sql", UPBIT, &warehouse_only).unwrap_or_else(|error| panic!("{error}"));
    let of_the_lake = |job: &&hoga_sql::Job| job.sink.catalog == "lake";
    for job in pipeline.jobs.iter().filter(of_the_lake) {
        for select in selects(job.query.body.as_ref()) {
            let names: Vec<String> = select
                .projection
                .iter()
                .map(|item| match item {
                    sqlparser::ast::SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                    sqlparser::ast::SelectItem::UnnamedExpr(sqlparser::ast::Expr::Identifier(name)) => {
                        name.value.clone()
                    }
                    other => panic!("{other} has no name"),
                })
                .collect();
            assert_eq!(names, job.columns, "{}", job.sink);
        }
    }
}

fn selects(body: &sqlparser::ast::SetExpr) -> Vec<&sqlparser::ast::Select> {
    match body {
        sqlparser::ast::SetExpr::Select(select) => vec![select],
        sqlparser::ast::SetExpr::SetOperation { left, right, .. } => [selects(left), selects(right)].concat(),
        other => panic!("{other} is not a SELECT"),
    }
}

#[test]
fn a_warehouse_must_be_given() {
    let error = parse_pipeline("pipeline/upbit.sql", UPBIT, &|_| None).expect_err("WAREHOUSE has no default");
    let shown = error.to_string();
    let place = shown.lines().next().unwrap().splitn(4, ':').nth(3).unwrap();
    assert_eq!((error.len(), place), (1, " variable WAREHOUSE is not set and has no default"));
}

#[test]
fn the_seed_pipeline_parses() {
    let value =
        |name: &str| Some(if name == "SCAN_MODE" { "earliest-offset".to_owned() } else { format!("value-of-{name}") });
    let pipeline = parse_pipeline("seed-pipeline.sql", SEED, &value).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((pipeline.tables.len(), pipeline.jobs.len()), (5, 3));
    let bars = &pipeline.jobs[2];
    assert_eq!(bars.inputs[0].to_string(), "default_catalog.default_database.kafka_trade");
    assert!(!format!("{:?}", pipeline.catalogs).contains("value-of-MINIO_ROOT_PASSWORD"), "a secret is printed");
    expect_file!["golden/seed-bars.txt"].assert_eq(&format!("{}\n", bars.query));
}

#[test]
fn ten_mistakes_are_all_reported() {
    let error = parse_pipeline("ten-mistakes.sql", TEN_MISTAKES, &|_| None).expect_err("the file is wrong");
    expect_file!["golden/ten-mistakes.txt"].assert_eq(&format!("{error}\n"));
    assert_eq!(error.len(), 10);
}
