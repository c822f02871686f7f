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
    texts
        .iter()
        .map(|text| format!("{}\n  {}", text.replace(LAKE, ""), mistakes(text).trim_end().replace('\n', "\n  ")) + "\n")
        .collect()
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
        default_catalog.default_database.t
        lake.`default`.in_default
        lake.d.`in d`
        lake.`default`.x
        lake.d.v
        insert-into_lake.d.in d | lake.d.v | one | SELECT b FROM `lake`.`d`.`v`
        insert-into_lake.default.in_default | default_catalog.default_database.t lake.d.v | two | WITH t2 AS (SELECT a FROM `default_catalog`.`default_database`.`t`) SELECT a FROM t2 WHERE a IN (SELECT b FROM `lake`.`d`.`v`)
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
        USE CATALOG laek;
          2:13+4 catalog "laek" does not exist [did you mean lake?]
        USE lake.e;
          2:5+6 database "lake.e" does not exist [create it with CREATE DATABASE IF NOT EXISTS lake.e]
        CREATE DATABASE laek.d;
          2:17+6 catalog "laek" does not exist [did you mean lake?]
        CREATE TABLE lake.e.t (a INT);
          2:14+8 database "lake.e" does not exist [create it with CREATE DATABASE IF NOT EXISTS lake.e]
        CREATE TABLE lake.d.t (a INT); CREATE TABLE lake.d.t (a INT); CREATE TABLE IF NOT EXISTS lake.d.t (b INT);
          2:45+8 table "lake.d.t" already exists [CREATE TABLE IF NOT EXISTS keeps the first one]
        CREATE DATABASE lake.d; CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '/x');
          2:17+6 database "lake.d" already exists [CREATE DATABASE IF NOT EXISTS keeps the first one]
          2:40+4 catalog "lake" already exists [CREATE CATALOG IF NOT EXISTS keeps the first one]
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); INSERT INTO u SELECT a FROM t;
          1:100+1 table "u" does not exist
        CREATE TABLE lake.d.t (a INT); INSERT INTO lake.d.t SELECT a FROM t;
          2:67+1 table "t" does not exist [did you mean lake.d.t?]
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); CREATE VIEW v AS SELECT a FROM t; INSERT INTO v SELECT a FROM t;
          1:134+1 "v" is a view: nothing can be inserted into it
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); CREATE VIEW v (x, y) AS SELECT a FROM t; INSERT INTO t SELECT x FROM v;
          1:112+6 this view names 2 columns, and this query has 1
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); INSERT INTO t SELECT a FROM v; CREATE VIEW v AS SELECT a FROM t;
          1:116+1 table "v" does not exist
        DROP CATALOG c; DROP TABLE t; DROP VIEW v; DROP DATABASE d;
          1:14+1 catalog "c" does not exist [create it with CREATE CATALOG c WITH (…)]
          1:28+1 table "t" does not exist
          1:41+1 view "v" does not exist
          1:58+1 database "default_catalog.d" does not exist [create it with CREATE DATABASE IF NOT EXISTS default_catalog.d]
        DROP TABLE IF EXISTS lake.d.t; DROP DATABASE lake.d;
          2:22+8 DROP TABLE in the lake would delete its data at every start [drop it once, by hand, outside the pipeline]
          2:46+6 DROP DATABASE in the lake would delete its data at every start [drop it once, by hand, outside the pipeline]
        USE CATALOG lake; DROP CATALOG lake;
          2:32+4 catalog "lake" is the current one [USE another one first]
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); DROP VIEW t; DROP TABLE t; INSERT INTO t SELECT 1;
          1:98+1 "t" is not a view
          1:127+1 table "t" does not exist
        CREATE TABLE t (a STRNG) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); INSERT INTO t SELECT b FROM t;
          1:19+5 unknown type STRNG [did you mean STRING?]
        CREATE CATALOG lake WITH ('type' = 'paimn'); CREATE DATABASE lake.d; CREATE TABLE lake.d.t (a INT); INSERT INTO lake.d.t SELECT 1;
          1:36+7 catalog type 'paimn' runs on Flink only [did you mean paimon?]
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
        table(
            "a INT METADATA FROM 'offset' VIRTUAL, `partition` INT METADATA VIRTUAL, c INT METADATA FROM 'ofset', d INT METADATA",
        ),
        table("a INT, PRIMARY KEY (a) NOT ENFORCED"),
        lake("a INT, b STRING, PRIMARY KEY (c) NOT ENFORCED) PARTITIONED BY (d)"),
        lake("a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED) PARTITIONED BY (b)"),
        lake("a INT METADATA FROM 'offset')"),
    ]);
    expect![[r#"
        CREATE TABLE t (a BIGINT, ts AS TO_TIMESTAMP_LTZ(a, 3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          ok
        CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          ok
        CREATE TABLE t (ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '0.500' SECOND) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          ok
        CREATE TABLE t (ts TIMESTAMP(6), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:48+2 a watermark column is TIMESTAMP(3) or TIMESTAMP_LTZ(3), and ts is TIMESTAMP(6) [from milliseconds since 1970: ts AS TO_TIMESTAMP_LTZ(column, 3)]
        CREATE TABLE t (ts BIGINT, WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:42+2 a watermark column is TIMESTAMP(3) or TIMESTAMP_LTZ(3), and ts is BIGINT [from milliseconds since 1970: ts AS TO_TIMESTAMP_LTZ(column, 3)]
        CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR tss AS tss) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:48+3 column "tss" of WATERMARK does not exist [did you mean ts?]
        CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS SOURCE_WATERMARK()) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:54+18 this watermark runs on Flink only [write ts or ts - INTERVAL '5' SECOND]
        CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' MONTH) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:54+23 this watermark runs on Flink only [write ts or ts - INTERVAL '5' SECOND]
        CREATE TABLE t (a INT, b AS aa + 1, c AS b + 1, d AS (SELECT 1)) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:29+2 column "aa" does not exist in this table [did you mean a?]
          1:42+1 column b is computed itself: a computed column reads stored columns and METADATA
          1:49+15 a computed column cannot hold a query
        CREATE TABLE t (a INT METADATA FROM 'offset' VIRTUAL, `partition` INT METADATA VIRTUAL, c INT METADATA FROM 'ofset', d INT METADATA) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:109+7 a topic has no metadata 'ofset' [did you mean offset?]
          1:118+1 a topic has no metadata 'd' [it has topic, partition, headers, leader-epoch, offset, timestamp, timestamp-type]
        CREATE TABLE t (a INT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:37+1 a topic of plain JSON has no PRIMARY KEY: nothing there replaces a record
        CREATE TABLE lake.d.t (a INT, b STRING, PRIMARY KEY (c) NOT ENFORCED) PARTITIONED BY (d);
          2:54+1 column "c" of PRIMARY KEY does not exist
          2:87+1 column "d" of PARTITIONED BY does not exist
        CREATE TABLE lake.d.t (a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED) PARTITIONED BY (b);
          2:56+1 PRIMARY KEY takes columns that are stored, and b is not
          2:89+1 PARTITIONED BY takes columns that are stored, and b is not
        CREATE TABLE lake.d.t (a INT METADATA FROM 'offset');
          2:44+8 a lake table has no METADATA columns
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
        kafka("'key.format' = 'raw', 'key.fields' = 'a', 'json.encode.decimal-as-plain-number' = 'true'"),
        kafka("'key.format' = 'avro', 'key.fields' = 'a;b', 'value.fields-include' = 'EXCEPT_KEY'"),
        kafka("'key.fields' = 'a', 'scan.watermark.emit.strategy' = 'on-event'"),
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
        CREATE TABLE t (a INT);
          1:14+1 option 'connector' is missing [write WITH ('connector' = 'kafka', …), or create the table in a catalog of 'type' = 'paimon']
        CREATE TABLE t (a INT) WITH ('topic' = 't');
          1:29+15 option 'connector' is missing [write WITH ('connector' = 'kafka', …), or create the table in a catalog of 'type' = 'paimon']
        CREATE TABLE t (a INT) WITH ('connector' = 'kafak');
          1:44+7 connector 'kafak' runs on Flink only [did you mean kafka?]
        CREATE TABLE t (a INT) WITH ('connector' = 'filesystem');
          1:44+12 connector 'filesystem' runs on Flink only [hoga reads 'kafka' and Paimon catalogs]
        CREATE TABLE t (a INT) WITH ('connector' = 'paimon');
          1:44+8 connector 'paimon' runs on Flink only [create the table in a catalog of 'type' = 'paimon', without 'connector']
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka');
          1:29+23 option 'topic' is missing [name the topic: 'topic' = 'upbit-trade']
          1:29+23 option 'format' is missing [write 'format' = 'json']
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 'a;b', 'format' = 'avro');
          1:63+5 "a;b" is not the name of a topic [a table reads one topic]
          1:81+6 format 'avro' runs on Flink only [write 'format' = 'json']
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = ' ', 'format' = 'json', 'value.format' = 'json');
          1:63+3 option 'topic' is empty
          1:87+14 'format' and 'value.format' mean the same: write one
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'scan.startup.mode' = 'earliest');
          1:109+10 'scan.startup.mode' is 'earliest-offset', 'latest-offset', 'group-offsets' or 'timestamp', not 'earliest'
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'scan.startup.mode' = 'timestamp');
          1:29+92 option 'scan.startup.timestamp-millis' is missing [startup mode 'timestamp' needs it]
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = 'now');
          1:156+5 "now" is not a time in milliseconds since 1970
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'scan.startup.timestamp-millis' = '1');
          1:87+31 'scan.startup.timestamp-millis' needs 'scan.startup.mode' = 'timestamp'
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'json.ignore-parse-error' = 'true', 'json.fail-on-missing-field' = 'yes');
          1:87+25 unknown option 'json.ignore-parse-error' of connector 'kafka' [did you mean json.ignore-parse-errors?]
          1:154+5 'json.fail-on-missing-field' is 'true' or 'false', not 'yes'
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'json.ignore-parse-errors' = 'true', 'json.fail-on-missing-field' = 'true');
          1:155+6 json.fail-on-missing-field and json.ignore-parse-errors cannot both be true
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'key.format' = 'raw', 'sink.delivery-guarantee' = 'exactly-once');
          1:102+5 'key.format' needs 'key.fields'
          1:109+25 option 'sink.delivery-guarantee' runs on Flink only
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'key.format' = 'raw', 'key.fields' = 'a', 'json.encode.decimal-as-plain-number' = 'true');
          ok
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'key.format' = 'avro', 'key.fields' = 'a;b', 'value.fields-include' = 'EXCEPT_KEY');
          1:102+6 key format 'avro' runs on Flink only [write 'key.format' = 'raw']
          1:125+5 a raw key is made of one column
          1:157+12 'value.fields-include' = 'EXCEPT_KEY' runs on Flink only ['ALL' keeps the key's columns in the value]
        CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json', 'key.fields' = 'a', 'scan.watermark.emit.strategy' = 'on-event');
          1:102+3 'key.fields' needs 'key.format' [write 'key.format' = 'raw']
        CREATE CATALOG c WITH ('type' = 'hive'); CREATE CATALOG d WITH ('warehouse' = '/w'); CREATE CATALOG e WITH ('type' = 'paimon', 'metastore' = 'hive');
          1:33+6 catalog type 'hive' runs on Flink only
          1:64+20 option 'type' is missing [write 'type' = 'paimon']
          1:108+41 option 'warehouse' is missing [name the folder or bucket: 'warehouse' = 's3://bucket/path']
          1:142+6 'metastore' is 'filesystem', not 'hive'
        CREATE TABLE lake.d.t (a INT, dt STRING) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          2:62+7 a topic cannot be kept in Paimon catalog "lake" [write CREATE TEMPORARY TABLE, or create it in the default catalog]
        CREATE TEMPORARY TABLE lake.d.t (a INT);
          2:24+8 a temporary table is not kept in the lake, so it needs a 'connector' [write CREATE TABLE for a lake table]
        CREATE TEMPORARY TABLE lake.d.t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          ok
        CREATE TABLE lake.d.t (a INT, dt STRING) WITH ('bucket' = '0');
          2:59+3 'bucket' cannot be '0' [write '-1', or a number of buckets from 1]
        CREATE TABLE lake.d.t (a INT, dt STRING) WITH ('bucket' = '4');
          2:59+3 a fixed 'bucket' on an append table needs a 'bucket-key' [write 'bucket' = '-1', or name its 'bucket-key']
        CREATE TABLE lake.d.t (a INT, dt STRING) WITH ('bucket' = '4', 'bucket-key' = 'a');
          ok
        CREATE TABLE lake.d.t (a INT, dt STRING) WITH ('changelog-producer' = 'input');
          2:71+7 'changelog-producer' = 'input' needs a PRIMARY KEY [Paimon refuses it for an append table]
        CREATE TABLE lake.d.t (a INT, dt STRING, PRIMARY KEY (a) NOT ENFORCED) PARTITIONED BY (dt) WITH ('bucket' = '4');
          2:109+3 a fixed 'bucket' needs partition column dt in the PRIMARY KEY [a key must not move between partitions]
        CREATE TABLE lake.d.t (a INT, dt STRING, PRIMARY KEY (a, dt) NOT ENFORCED) PARTITIONED BY (dt) WITH ('bucket' = '4', 'changelog-producer' = 'input');
          ok
        CREATE TABLE lake.d.t (a INT, dt STRING) WITH ('primary-key' = 'a');
          2:48+13 write PRIMARY KEY (…) NOT ENFORCED instead of option 'primary-key'
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
        SELECT 1, 'x', ts FROM t
          ok
        SELECT 1, 'x' FROM t
          2:15+6 "t" takes 3 columns, and this query has 2 [its columns are a, b, e]
        SELECT * FROM t
          ok
        (b, a) SELECT 'x', 1 FROM t
          ok
        (b) SELECT 'x' FROM t
          2:16+1 column a is NOT NULL and is not in this list
        (a, bb) SELECT 1, 'x' FROM t
          2:19+2 column "bb" does not exist in default_catalog.default_database.t [did you mean b?]
        (a, c) SELECT 1, 2 FROM t
          2:19+1 column c is computed or virtual: nothing can be inserted into it
        (a, d) SELECT 1, 2 FROM t
          2:19+1 column d is computed or virtual: nothing can be inserted into it
        (a) SELECT 1, 2 FROM t
          2:19+6 "t" takes 1 column, and this query has 2 [its columns are a]
        (a) (SELECT 1 FROM t UNION ALL SELECT 1, 2 FROM t)
          2:46+6 "t" takes 1 column, and this query has 2 [its columns are a]
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
    let text = "SET 'a' = '${A}'; SET 'b' = '${B}';\n/* 한글 */ USE `한글` x;";
    let error = parse_pipeline("t", text, &value).unwrap_err();
    expect![[r#"
        t:2:19: expected the end of the statement, found x
            /* 한글 */ USE `한글` x;
                                  ^"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn words_that_are_no_columns() {
    let table = |columns: &str| format!("CREATE TABLE t ({columns}) {KAFKA};");
    let shown = each(&[
        table("a ARRAY<ROW<x INT>>, ts TIMESTAMP(3), x AS a[1].x, d AS TIMESTAMPDIFF(MONTH, ts, ts)"),
        table("ts TIMESTAMP(3), d AS TIMESTAMPADD(DAY, 1, tss)"),
        format!(
            "CREATE TABLE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) {KAFKA};
             INSERT INTO t SELECT TIMESTAMPDIFF(DAY, ts, ts), ts FROM TABLE(SESSION(TABLE t PARTITION BY (k), DESCRIPTOR(ts), INTERVAL '1' HOUR));"
        ),
    ]);
    expect![[r#"
        CREATE TABLE t (a ARRAY<ROW<x INT>>, ts TIMESTAMP(3), x AS a[1].x, d AS TIMESTAMPDIFF(MONTH, ts, ts)) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          ok
        CREATE TABLE t (ts TIMESTAMP(3), d AS TIMESTAMPADD(DAY, 1, tss)) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
          1:60+3 column "tss" does not exist in this table [did you mean ts?]
        CREATE TABLE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
                     INSERT INTO t SELECT TIMESTAMPDIFF(DAY, ts, ts), ts FROM TABLE(SESSION(TABLE t PARTITION BY (k), DESCRIPTOR(ts), INTERVAL '1' HOUR));
          ok
    "#]].assert_eq(&shown);
}

/// A file with mistakes still gives the planner what could be read.
#[test]
fn what_could_be_read() {
    let text = format!(
        "CREATE TABLE t (a INT) {KAFKA}; CREATE TABLE u (a STRNG) {KAFKA}; INSERT INTO t SELECT a FROM u; INSERT INTO t SELECT a FROM t;"
    );
    let (pipeline, mistakes) = crate::read_pipeline("t", &text, &|_| None);
    let pipeline = pipeline.unwrap();
    assert_eq!((pipeline.tables.len(), pipeline.jobs.len(), mistakes.len()), (1, 1, 1));
}
