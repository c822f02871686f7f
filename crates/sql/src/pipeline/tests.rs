//! Names, keys, connectors and jobs.
#![allow(clippy::unwrap_used, reason = "tests")]

use expect_test::expect;

use crate::{Bucket, Connector, JsonTimestamps, Pipeline, ScanBounded, ScanStartup, parse_pipeline};

const KAFKA: &str = "WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json')";
const LAKE: &str = "CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '/w'); CREATE DATABASE lake.d;\n";

fn pipeline(text: &str) -> Pipeline {
    parse_pipeline("t", text, &|_| None).unwrap_or_else(|error| panic!("{error}"))
}

/// The mistakes of a text, on one line each.
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

fn each(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{}\n  {}", text.replace(LAKE, ""), mistakes(text).trim_end().replace('\n', "\n  ")) + "\n").collect()
}

#[test]
fn names_are_resolved_against_the_current_catalog_and_database() {
    let pipeline = pipeline(&format!(
        "CREATE TABLE t (a INT) {KAFKA};
         {LAKE}
         USE CATALOG lake; CREATE TABLE in_default (a INT);
         USE d; CREATE TABLE `in d` (a INT); CREATE TABLE `default`.x (a INT);
         CREATE TEMPORARY VIEW v (b) AS SELECT a FROM default_catalog.default_database.t;
         SET 'pipeline.name' = 'one';
         INSERT INTO `in d` SELECT b FROM v;
         SET 'pipeline.name' = 'two';
         USE CATALOG default_catalog;
         INSERT INTO lake.`default`.in_default (a) WITH t2 AS (SELECT a FROM t) SELECT a FROM t2 WHERE a IN (SELECT b FROM lake.d.v);"
    ));
    let tables: Vec<String> = pipeline.tables.iter().map(|table| table.path.to_string()).collect();
    let jobs: Vec<String> = pipeline
        .jobs
        .iter()
        .map(|job| {
            let inputs: Vec<String> = job.inputs.iter().map(ToString::to_string).collect();
            format!("{} | {} | {} | {}", job.name, inputs.join(" "), job.settings.pipeline_name().unwrap(), job.query)
        })
        .collect();
    expect![[r#"
    "#]]
    .assert_eq(&format!("{}\n{}\n{}\n", tables.join("\n"), pipeline.views[0].path, jobs.join("\n")));
    assert!(pipeline.jobs[1].sql.starts_with("INSERT INTO lake") && pipeline.jobs[1].sql.ends_with("lake.d.v)"));
}

#[test]
fn names_that_lead_nowhere() {
    let shown = each(&[
        format!("{LAKE}USE CATALOG laek;"),
        format!("{LAKE}USE lake.e;"),
        format!("{LAKE}CREATE DATABASE laek.d;"),
        format!("{LAKE}CREATE TABLE lake.e.t (a INT);"),
        format!("{LAKE}CREATE TABLE lake.d.t (a INT); CREATE TABLE lake.d.t (a INT); CREATE TABLE IF NOT EXISTS lake.d.t (b INT);"),
        format!("{LAKE}CREATE DATABASE lake.d; CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '/x');"),
        format!("CREATE TABLE t (a INT) {KAFKA}; INSERT INTO u SELECT a FROM t;"),
        format!("{LAKE}CREATE TABLE lake.d.t (a INT); INSERT INTO lake.d.t SELECT a FROM t;"),
        format!("CREATE TABLE t (a INT) {KAFKA}; CREATE VIEW v AS SELECT a FROM t; INSERT INTO v SELECT a FROM t;"),
        format!("CREATE TABLE t (a INT) {KAFKA}; CREATE VIEW v (x, y) AS SELECT a FROM t; INSERT INTO t SELECT x FROM v;"),
        format!("CREATE TABLE t (a INT) {KAFKA}; INSERT INTO t SELECT a FROM v; CREATE VIEW v AS SELECT a FROM t;"),
        "DROP CATALOG c; DROP TABLE t; DROP VIEW v; DROP DATABASE d;".to_owned(),
        format!("{LAKE}DROP TABLE IF EXISTS lake.d.t; DROP DATABASE lake.d;"),
        format!("{LAKE}USE CATALOG lake; DROP CATALOG lake;"),
        format!("CREATE TABLE t (a INT) {KAFKA}; DROP VIEW t; DROP TABLE t; INSERT INTO t SELECT 1;"),
        // one mistake, one report: what follows from a broken definition is quiet
        format!("CREATE TABLE t (a STRNG) {KAFKA}; INSERT INTO t SELECT b FROM t;"),
        "CREATE CATALOG lake WITH ('type' = 'paimn'); CREATE DATABASE lake.d; CREATE TABLE lake.d.t (a INT); INSERT INTO lake.d.t SELECT 1;".to_owned(),
    ]);
    expect![[r#"
    "#]]
    .assert_eq(&shown);
}

#[test]
fn columns_keys_and_watermarks() {
    let table = |columns: &str| format!("CREATE TABLE t ({columns}) {KAFKA};");
    let lake = |columns: &str| format!("{LAKE}CREATE TABLE lake.d.t ({columns};");
    let shown = each(&[
        table("a BIGINT, ts AS TO_TIMESTAMP_LTZ(a, 3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"),
        table("ts TIMESTAMP(3), WATERMARK FOR ts AS ts"),
        table("ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '0.500' SECOND"),
        table("ts TIMESTAMP(6), WATERMARK FOR ts AS ts"),
        table("ts BIGINT, WATERMARK FOR ts AS ts"),
        table("ts TIMESTAMP(3), WATERMARK FOR tss AS tss"),
        table("ts TIMESTAMP(3), WATERMARK FOR ts AS SOURCE_WATERMARK()"),
        table("ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' MONTH"),
        table("a INT, b AS aa + 1, c AS b + 1, d AS (SELECT 1)"),
        table("a INT METADATA FROM 'offset' VIRTUAL, `partition` INT METADATA VIRTUAL, c INT METADATA FROM 'ofset', d INT METADATA"),
        table("a INT, PRIMARY KEY (a) NOT ENFORCED"),
        lake("a INT, b STRING, PRIMARY KEY (c) NOT ENFORCED) PARTITIONED BY (d)"),
        lake("a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED) PARTITIONED BY (b)"),
        lake("a INT METADATA FROM 'offset')"),
    ]);
    expect![[r#"
    "#]]
    .assert_eq(&shown);
}

#[test]
fn connectors() {
    let topic = |options: &str| format!("CREATE TABLE t (a INT) WITH ({options});");
    let kafka = |options: &str| topic(&format!("'connector' = 'kafka', 'topic' = 't', 'format' = 'json', {options}"));
    let lake = |rest: &str| format!("{LAKE}CREATE TABLE lake.d.t (a INT, dt STRING{rest};");
    let shown = each(&[
        "CREATE TABLE t (a INT);".to_owned(),
        topic("'topic' = 't'"),
        topic("'connector' = 'kafak'"),
        topic("'connector' = 'filesystem'"),
        topic("'connector' = 'paimon'"),
        topic("'connector' = 'kafka'"),
        topic("'connector' = 'kafka', 'topic' = 'a;b', 'format' = 'avro'"),
        topic("'connector' = 'kafka', 'topic' = ' ', 'format' = 'json', 'value.format' = 'json'"),
        kafka("'scan.startup.mode' = 'earliest'"),
        kafka("'scan.startup.mode' = 'timestamp'"),
        kafka("'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = 'now'"),
        kafka("'scan.startup.timestamp-millis' = '1'"),
        kafka("'json.ignore-parse-error' = 'true', 'json.fail-on-missing-field' = 'yes'"),
        kafka("'json.ignore-parse-errors' = 'true', 'json.fail-on-missing-field' = 'true'"),
        kafka("'key.format' = 'raw', 'sink.delivery-guarantee' = 'exactly-once'"),
        "CREATE CATALOG c WITH ('type' = 'hive'); CREATE CATALOG d WITH ('warehouse' = '/w'); CREATE CATALOG e WITH ('type' = 'paimon', 'metastore' = 'hive');".to_owned(),
        lake(") WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json')"),
        format!("{LAKE}CREATE TEMPORARY TABLE lake.d.t (a INT);"),
        format!("{LAKE}CREATE TEMPORARY TABLE lake.d.t (a INT) {KAFKA};"),
        lake(") WITH ('bucket' = '0')"),
        lake(") WITH ('bucket' = '4')"),
        lake(") WITH ('bucket' = '4', 'bucket-key' = 'a')"),
        lake(") WITH ('changelog-producer' = 'input')"),
        lake(", PRIMARY KEY (a) NOT ENFORCED) PARTITIONED BY (dt) WITH ('bucket' = '4')"),
        lake(", PRIMARY KEY (a, dt) NOT ENFORCED) PARTITIONED BY (dt) WITH ('bucket' = '4', 'changelog-producer' = 'input')"),
        lake(") WITH ('primary-key' = 'a')"),
    ]);
    expect![[r#"
    "#]]
    .assert_eq(&shown);
}

#[test]
fn connectors_are_typed() {
    let text = format!(
        "{LAKE}CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 'x', 'format' = 'json', 'properties.group.id' = 'g',
           'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '1700000000000', 'scan.bounded.mode' = 'latest-offset',
           'json.timestamp-format.standard' = 'ISO-8601', 'json.fail-on-missing-field' = 'TRUE');
         CREATE TABLE lake.d.t (a INT, PRIMARY KEY (a) NOT ENFORCED) WITH ('bucket' = '4', 'merge-engine' = 'deduplicate');"
    );
    let pipeline = pipeline(&text);
    let Connector::Kafka(kafka) = pipeline.tables[0].connector() else { panic!("a topic") };
    assert_eq!((kafka.topic.as_str(), kafka.group_id.as_deref()), ("x", Some("g")));
    assert_eq!(kafka.startup, ScanStartup::Timestamp { timestamp_ms: 1_700_000_000_000 });
    assert_eq!(kafka.bounded, ScanBounded::LatestOffset);
    assert!(kafka.json.fail_on_missing_field && !kafka.json.ignore_parse_errors);
    assert_eq!(kafka.json.timestamps, JsonTimestamps::Iso8601);
    let Connector::Paimon(paimon) = pipeline.tables[1].connector() else { panic!("a lake table") };
    assert_eq!((paimon.bucket, paimon.options.get("merge-engine")), (Bucket::Fixed(4), Some("deduplicate")));
    let key = pipeline.tables[1].column("a").and_then(|column| column.kind.sql_type()).unwrap();
    assert!(!key.nullable, "a key column is NOT NULL");
}

#[test]
fn inserts_fit_their_sink() {
    let sink = "CREATE TABLE t (a INT NOT NULL, b STRING, c AS a + 1, d BIGINT METADATA FROM 'offset' VIRTUAL, e TIMESTAMP_LTZ(3) METADATA FROM 'timestamp')";
    let insert = |insert: &str| format!("{sink} {KAFKA};\nINSERT INTO t {insert};");
    let shown: String = [
        "SELECT 1, 'x', ts FROM t",
        "SELECT 1, 'x' FROM t",
        "SELECT * FROM t",
        "(b, a) SELECT 'x', 1 FROM t",
        "(b) SELECT 'x' FROM t",
        "(a, bb) SELECT 1, 'x' FROM t",
        "(a, c) SELECT 1, 2 FROM t",
        "(a, d) SELECT 1, 2 FROM t",
        "(a) SELECT 1, 2 FROM t",
        "(a) (SELECT 1 FROM t UNION ALL SELECT 1, 2 FROM t)",
    ]
    .iter()
    .map(|text| format!("{text}\n  {}", mistakes(&insert(text))))
    .collect();
    expect![[r#"
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_variable_that_is_not_set_is_one_mistake() {
    let text = "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = '${TOPIC}', 'format' = 'json', 'scan.startup.mode' = '${MODE}');\nUSE CATALOG ${CATALOG};";
    let found = mistakes(text);
    assert_eq!(found.lines().count(), 3, "{found}");
}

#[test]
fn mistakes_stand_where_the_user_wrote_them() {
    let value = |name: &str| Some(format!("a-much-longer-value-than-{name}\nwith a line break"));
    let text = "SET 'a' = '${A}'; SET 'b' = '${B}';\n/* 한글 */ USE 한글 x;";
    let error = parse_pipeline("t", text, &value).unwrap_err();
    expect![[r#"
        t:2:18: expected the end of the statement, found x
            /* 한글 */ USE 한글 x;
                                ^"#]]
    .assert_eq(&error.to_string());
}
