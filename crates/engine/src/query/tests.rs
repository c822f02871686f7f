//! SQL over a primary-key table whose newest rows are in memory: each key once, with any filter, limit and count.

use super::*;
use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use hoga_lake::{ChangeBatch, Lake, LakeOptions, LiveTable, LiveTableOptions, RowKind, TableSpec};
use std::sync::Arc;

/// An empty table with a query service; their folder stays as long as it is held.
async fn served_table(name: &str, keys: &[&str]) -> (tempfile::TempDir, Arc<LiveTable>, QueryService) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake =
        Lake::open(LakeOptions { warehouse: folder.path().join("w"), commit_user: "test".into() }).expect("a lake");
    let bucket = (!keys.is_empty()).then(|| ("bucket".to_owned(), "1".to_owned()));
    let spec = TableSpec {
        database: "upbit".into(),
        table: name.into(),
        schema: Arc::new(Schema::new(vec![
            Field::new("market", DataType::Utf8, false),
            Field::new("close", DataType::Int64, true),
            Field::new("dt", DataType::Utf8, false),
        ])),
        partition_keys: vec!["dt".into()],
        primary_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        options: bucket.into_iter().collect(),
        comment: None,
    };
    let table = lake.ensure_table(&spec, LiveTableOptions::default()).await.expect("a new table");
    let limits = QueryLimits { memory_bytes: 64 << 20, partitions: 2, spill_folder: folder.path().join("spill") };
    let service = QueryService::new(vec![Arc::clone(&table)], &limits).expect("a service");
    (folder, table, service)
}

/// Bars by market and day.
async fn served() -> (tempfile::TempDir, Arc<LiveTable>, QueryService) {
    served_table("bar", &["market", "dt"]).await
}

fn apply(table: &LiveTable, changes: &[(&str, i64, RowKind)]) {
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(changes.iter().map(|change| change.0))),
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.1))),
        Arc::new(StringArray::from_iter_values(changes.iter().map(|_| "2026-11-21"))),
    ];
    let rows = RecordBatch::try_new(Arc::clone(table.schema()), columns).expect("the table's columns");
    let kinds = Some(changes.iter().map(|change| change.2).collect());
    table.apply(ChangeBatch { rows, kinds }).expect("changes");
}

async fn commit(table: &LiveTable, identifier: i64) {
    let sealed = table.seal();
    let prepared = table.prepare(&sealed, identifier).await.expect("data files");
    let committed = table.commit(&prepared).await.expect("a commit");
    table.publish(sealed, committed).expect("the oldest part");
}

async fn rows(service: &QueryService, sql: &str) -> Vec<String> {
    let batches = service.session().expect("a session").sql(sql).await.expect(sql).collect().await.expect(sql);
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| array_value_to_string(column, row).expect("a value"));
            rows.push(cells.collect::<Vec<String>>().join(" "));
        }
    }
    rows
}

/// An append table of bars beside the other's queries: many files, each with later values than the one before.
#[tokio::test]
async fn the_first_rows_of_an_order_are_found_without_the_other_files() {
    let (_folder, table, service) = served_table("trade", &[]).await;
    for number in 0..12 {
        let changes: Vec<(&str, i64, RowKind)> =
            (0..10).map(|row| (["a", "b"][row as usize % 2], number * 10 + row, RowKind::Insert)).collect();
        apply(&table, &changes);
        if number < 11 {
            commit(&table, number + 1).await;
        }
    }
    for (order, values) in [
        ("close DESC LIMIT 3", vec!["119", "117", "115"]),
        ("close DESC NULLS LAST LIMIT 7", vec!["119", "117", "115", "113", "111", "109", "107"]),
        ("close LIMIT 2", vec!["1", "3"]),
        ("dt, close DESC LIMIT 2", vec!["119", "117"]),
        ("-close LIMIT 2", vec!["119", "117"]),
    ] {
        let sql = format!("SELECT close FROM trade WHERE market = 'b' ORDER BY {order}");
        assert_eq!(rows(&service, &sql).await, values, "{order}");
    }
    let plan =
        rows(&service, "EXPLAIN SELECT dt, close FROM trade WHERE market = 'b' ORDER BY close DESC LIMIT 3").await;
    assert!(plan.iter().any(|row| row.contains("LakeScan") && row.contains("narrowed")), "{plan:#?}");
}

/// A decimal as a double by 64-bit arithmetic: under the names and in the nodes that a cast would be.
#[tokio::test]
async fn a_decimal_is_a_double_under_the_same_name() {
    let (_folder, table, service) = served_table("trade", &[]).await;
    apply(&table, &[("a", 3, RowKind::Insert), ("a", 4, RowKind::Insert), ("b", 5, RowKind::Insert)]);
    let price = "CAST(CAST(close AS DECIMAL(20, 8)) / 8 AS DOUBLE)";
    let sums = format!("SELECT market, sum({price} * 2) FROM trade WHERE {price} > 0.4 GROUP BY market ORDER BY 2");
    assert_eq!(rows(&service, &sums).await, ["a 1.0", "b 1.25"]);
    assert_eq!(rows(&service, &format!("SELECT {price} FROM trade ORDER BY 1 LIMIT 1")).await, ["0.375"]);
    let plan = rows(&service, &format!("EXPLAIN {sums}")).await.concat();
    let of = |node: &str| plan.lines().find(|line| line.contains(node)).expect(node).to_owned();
    assert!(plan.contains("decimal_to_double("), "{plan}");
    assert!(!of("FilterExec").contains("decimal_to_double"), "{plan}");
    let columns = |sql: &str| {
        let sql = sql.to_owned();
        let session = service.session().expect("a session");
        async move { session.sql(&sql).await.expect("a plan").schema().field(0).name().clone() }
    };
    let named = columns(&format!("SELECT {price} FROM trade")).await;
    assert!(named.ends_with("/ Int64(8)"), "{named}");
    assert_eq!(
        rows(&service, &format!("SELECT \"{named}\" FROM (SELECT {price} FROM trade) WHERE \"{named}\" > 0.6")).await,
        ["0.625"]
    );
}

#[tokio::test]
async fn a_key_is_there_once_and_as_its_last_change_left_it() {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    let (_folder, table, service) = served().await;
    apply(&table, &[("A", 9, Insert), ("B", 9, Insert), ("C", 9, Insert), ("D", 1, Insert)]);
    commit(&table, 1).await;
    apply(&table, &[("A", 9, UpdateBefore), ("A", 3, UpdateAfter), ("B", 9, Delete), ("D", 8, UpdateAfter)]);
    for _ in 0..2 {
        let sorted = rows(&service, "SELECT market, close FROM bar ORDER BY market").await;
        assert_eq!(sorted, ["A 3", "C 9", "D 8"]);
        assert_eq!(rows(&service, "SELECT count(*) FROM bar").await, ["3"]);
        assert_eq!(rows(&service, "SELECT count(*) FROM bar WHERE close > 5").await, ["2"]);
        assert_eq!(rows(&service, "SELECT market FROM bar WHERE close > 5 ORDER BY 1").await, ["C", "D"]);
        assert_eq!(rows(&service, "SELECT sum(close) FROM bar").await, ["20"]);
        assert_eq!(rows(&service, "SELECT close FROM bar WHERE market = 'B'").await, Vec::<String>::new());
        assert_eq!(rows(&service, "SELECT close FROM bar LIMIT 5").await.len(), 3);
        assert_eq!(rows(&service, "SELECT close FROM bar LIMIT 2").await.len(), 2);
        assert_eq!(rows(&service, "SELECT max(close) FROM bar WHERE close < 9").await, ["8"]);
        commit(&table, 2).await; // nothing to commit the second time
    }
}

#[tokio::test]
async fn system_tables_are_found_by_name_and_not_listed() {
    let (_folder, table, service) = served().await;
    for identifier in 1..=2 {
        apply(&table, &[("A", identifier, RowKind::Insert)]);
        commit(&table, identifier).await;
    }
    let kinds = "SELECT s.snapshot_id, s.commit_kind, t.primary_keys FROM bar$snapshots s JOIN upbit.\"bar$schemas\" t \
                 ON s.schema_id = t.schema_id ORDER BY 1";
    let keys = r#"["market","dt"]"#;
    assert_eq!(rows(&service, kinds).await, [format!("1 APPEND {keys}"), format!("2 APPEND {keys}")]);
    let keyed = "SELECT min_key, level, \"deleteRowCount\" FROM \"bar$files\" WHERE record_count = 1";
    assert_eq!(rows(&service, keyed).await, ["[A] 0 0", "[A] 0 0"]);
    assert_eq!(rows(&service, "SELECT count(*) FROM \"bar$partitions\"").await, ["1"]);
    assert_eq!(rows(&service, "SELECT b.close FROM \"bar@scan.snapshot-id=1\" b").await, ["1"]);
    assert_eq!(rows(&service, "SELECT count(*) FROM \"bar$files@scan.snapshot-id=1\"").await, ["1"]);
    let listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'upbit'";
    assert_eq!(rows(&service, listed).await, ["bar"]);
    let session = service.session().expect("a session");
    let refused = session.sql("SELECT * FROM \"bar$snapshot\"").await.expect_err("no such table").to_string();
    assert!(refused.contains("no system table \"snapshot\"; there are \"bar$snapshots\", "), "{refused}");
    let refused =
        session.sql("SELECT * FROM \"bar@scan.snapshot-id=7\"").await.expect_err("no such snapshot").to_string();
    assert!(refused.contains("snapshot 7 does not exist (any more); there are 1 ("), "{refused}");
}

#[tokio::test]
async fn the_audit_log_tells_the_kind_of_each_change() {
    use RowKind::{Delete, Insert, UpdateAfter};
    let (_folder, table, service) = served().await;
    assert_eq!(rows(&service, "SELECT * FROM bar$audit_log").await, Vec::<String>::new());
    apply(&table, &[("A", 1, Insert), ("B", 2, Insert)]);
    commit(&table, 1).await;
    apply(&table, &[("A", 3, UpdateAfter), ("B", 2, Delete)]);
    commit(&table, 2).await;
    apply(&table, &[("C", 4, Insert)]); // not committed
    let now = "SELECT rowkind, market, close FROM \"bar$audit_log\" ORDER BY 2";
    assert_eq!(rows(&service, now).await, ["+U A 3", "-D B 2"]);
    assert_eq!(rows(&service, "SELECT count(*) FROM \"bar$audit_log\"").await, ["2"]);
    assert_eq!(rows(&service, "SELECT close FROM \"bar$audit_log\" WHERE rowkind = '-D'").await, ["2"]);
    let first = "SELECT rowkind, close FROM \"bar$audit_log@scan.snapshot-id=1\" ORDER BY 2";
    assert_eq!(rows(&service, first).await, ["+I 1", "+I 2"]);
    for (between, expected) in
        [("0,2", vec!["+I A 1", "+U A 3", "+I B 2", "-D B 2"]), ("1,2", vec!["+U A 3", "-D B 2"]), ("2,2", vec![])]
    {
        let changes = format!(
            "SELECT rowkind, market, close FROM \"bar$audit_log@incremental-between={between}\" ORDER BY 2, 3, 1"
        );
        assert_eq!(rows(&service, &changes).await, expected, "{between}");
    }
    let left = "SELECT market, close FROM \"bar@incremental-between=1,2\"";
    assert_eq!(rows(&service, left).await, ["A 3"], "of the table itself what the changes have left");
    let session = service.session().expect("a session");
    for (table, why) in [
        (
            "bar$audit_log@incremental-between=0,3",
            "there are no changes between snapshots 0 and 3; there are changes from '0,2' on",
        ),
        ("bar$audit_log@incremental-between=1", "is not two snapshots like '3,7'"),
    ] {
        let refused = session.sql(&format!("SELECT * FROM \"{table}\"")).await.expect_err(table).to_string();
        assert!(refused.contains(why), "{refused}");
    }
}
