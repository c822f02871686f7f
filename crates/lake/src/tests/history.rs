//! System tables, and a table as it was at a snapshot, a tag and a time.

use super::support::*;
use crate::{Between, ChangeBatch, LiveTableOptions, Moment, Retention, RowKind, Span, SystemTable, TableSpec};
use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, TimestampMillisecondType};
use arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use std::sync::Arc;

/// The values of some columns, a line a row.
fn shown(rows: &RecordBatch, columns: &[&str]) -> Vec<String> {
    let line = |row: usize| {
        let value = |name: &&str| array_value_to_string(rows.column_by_name(name).unwrap(), row).unwrap();
        columns.iter().map(value).collect::<Vec<_>>().join(" ")
    };
    (0..rows.num_rows()).map(line).collect()
}

#[tokio::test]
async fn system_tables_say_what_the_metadata_says() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let table = trade_table(&lake).await;
    for system in SystemTable::ALL {
        let rows = table.system_rows(system, None).await.unwrap();
        assert_eq!(rows.schema(), system.schema());
        let expected = usize::from(matches!(system, SystemTable::Schemas));
        assert_eq!(rows.num_rows(), expected, "{system:?} before the first commit");
        assert_eq!(SystemTable::of_name(system.name()), Some(system));
    }
    commit(&table, 0..3).await;
    table.create_tag("two", Some(2), Some("90 min")).await.unwrap();
    table.append(batch(&rows(30..35))).unwrap(); // not committed: in no system table

    let snapshots = table.system_rows(SystemTable::Snapshots, None).await.unwrap();
    let columns = ["snapshot_id", "commit_user", "commit_identifier", "commit_kind", "total_record_count"];
    assert_eq!(shown(&snapshots, &columns), ["1 hoga 1 APPEND 10", "2 hoga 2 APPEND 20", "3 hoga 3 APPEND 30"]);
    let tags = table.system_rows(SystemTable::Tags, None).await.unwrap();
    assert_eq!(shown(&tags, &["tag_name", "snapshot_id", "record_count", "time_retained"]), ["two 2 20 PT1H30M"]);

    let files = table.system_rows(SystemTable::Files, None).await.unwrap();
    assert_eq!(files.num_rows(), 9, "three days a commit");
    let columns = ["partition", "file_format", "record_count", "null_value_counts", "min_value_stats"];
    let first = "{1970-01-01} parquet 4 {dt=0, id=0, market=0, price=0, time=0} \
                 {dt=1970-01-01, id=0, market=KRW-0, price=0.00000001, time=1970-01-01T00:00}";
    let files = shown(&files, &columns);
    assert!(files.iter().any(|file| file == first), "{files:#?}");
    let partitions = table.system_rows(SystemTable::Partitions, None).await.unwrap();
    assert_eq!(
        shown(&partitions, &["partition", "record_count", "file_count"]),
        ["dt=1970-01-01 10 3", "dt=1970-01-02 10 3", "dt=1970-01-03 10 3"]
    );
    let manifests = table.system_rows(SystemTable::Manifests, None).await.unwrap();
    let columns = ["num_added_files", "num_deleted_files", "min_partition_stats", "max_partition_stats"];
    assert_eq!(shown(&manifests, &columns), vec!["3 0 {1970-01-01} {1970-01-03}"; 3]);
    let schemas = table.system_rows(SystemTable::Schemas, None).await.unwrap();
    assert_eq!(shown(&schemas, &["schema_id", "partition_keys", "primary_keys"]), ["0 [\"dt\"] []"]);
}

#[tokio::test]
async fn a_table_is_read_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let table = trade_table(&lake).await;
    let refused = async |moment: Moment| table.view_at(&moment).await.unwrap_err().to_string();
    let nothing = refused(Moment::Snapshot(1)).await;
    assert!(nothing.ends_with("snapshot 1 does not exist (any more); nothing has been committed yet"), "{nothing}");
    commit(&table, 0..4).await;
    table.create_tag("two", Some(2), None).await.unwrap();
    table.append(batch(&rows(40..45))).unwrap();

    let third = table.view_at(&Moment::Snapshot(3)).await.unwrap();
    assert_eq!((third.snapshot_id(), third.row_count_tail()), (Some(3), 0));
    assert_eq!(all(&third).await, in_order(rows(0..30)), "committed rows only");
    for moment in [Moment::Tag("two".into()), Moment::Version("two".into()), Moment::Version("2".into())] {
        assert_eq!(all(&table.view_at(&moment).await.unwrap()).await, in_order(rows(0..20)), "{moment:?}");
    }
    let snapshots = table.system_rows(SystemTable::Snapshots, None).await.unwrap();
    let times = snapshots.column_by_name("commit_time").unwrap();
    let first_ms = times.as_primitive::<TimestampMillisecondType>().value(0);
    let last = table.view_at(&Moment::Time(i64::MAX)).await.unwrap();
    assert_eq!(last.snapshot_id(), Some(4));
    assert!(refused(Moment::Time(first_ms - 1)).await.contains("there is no snapshot at or before"));

    // expiry leaves what is being read, and then only what the tag names
    let now = Retention { snapshots_min: 1, snapshots_max: 1, age_ms: 0 };
    table.expire_snapshots(Some(now), i64::MAX).await.unwrap();
    assert_eq!(all(&third).await, in_order(rows(0..30)), "still read");
    drop(third);
    table.expire_snapshots(Some(now), i64::MAX).await.unwrap();
    let gone = refused(Moment::Snapshot(3)).await;
    assert!(gone.contains("snapshot 3 does not exist (any more); there are 4 ("), "{gone}");
    let two = table.view_at(&Moment::Tag("two".into())).await.unwrap();
    assert_eq!(all(&two).await, in_order(rows(0..20)));
    let files = table.system_rows(SystemTable::Files, Some(&Moment::Tag("two".into()))).await.unwrap();
    assert_eq!(files.num_rows(), 6);
    let unknown = refused(Moment::Tag("three".into())).await;
    assert!(unknown.ends_with("tag \"three\" does not exist; there are \"two\""), "{unknown}");
    let options = table.system_rows(SystemTable::Options, Some(&Moment::Snapshot(4))).await.unwrap_err().to_string();
    assert!(options.contains("has no past"), "{options}");
}

#[tokio::test]
async fn what_commits_have_left() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let table = trade_table(&lake).await;
    commit(&table, 0..5).await;
    table.create_tag("one", Some(1), None).await.unwrap();
    table.create_tag("three", Some(3), None).await.unwrap();
    table.append(batch(&rows(50..55))).unwrap(); // not committed: in no change
    let snapshots = table.system_rows(SystemTable::Snapshots, None).await.unwrap();
    let times = snapshots.column_by_name("commit_time").unwrap().as_primitive::<TimestampMillisecondType>().clone();
    let between = |after, to| Between { after, to };
    let tags = table.between(&Span::Tags("one".into(), "three".into())).await.unwrap();
    assert_eq!(tags, between(1, 3));
    assert_eq!(table.between(&Span::Times(0, times.value(4))).await.unwrap(), between(0, 5));
    assert!(
        table
            .between(&Span::Tags("one".into(), "x".into()))
            .await
            .unwrap_err()
            .to_string()
            .contains("\"x\" does not exist")
    );
    for (span, expected) in [(tags, 10..30), (between(0, 5), 0..50), (between(2, 2), 0..0)] {
        let changed = table.changed_rows(table.view(), span).await.unwrap();
        let read: Vec<RecordBatch> = changed.open(None).await.unwrap().try_collect().await.unwrap();
        assert_eq!(trades(&read), in_order(rows(expected.clone())), "{span:?}");
        let counted: Vec<RecordBatch> = changed.open(Some(&[])).await.unwrap().try_collect().await.unwrap();
        assert_eq!(counted.iter().map(RecordBatch::num_rows).sum::<usize>(), expected.count(), "{span:?}");
    }
    let gone = table.changed_rows(table.view(), between(3, 9)).await.unwrap_err().to_string();
    assert!(gone.contains("there are changes from '0,5' on"), "{gone}");
}

#[tokio::test]
async fn of_a_key_the_last_state_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let fields = vec![Field::new("n", DataType::Int64, true), Field::new("key", DataType::Utf8, false)];
    let schema = Arc::new(Schema::new(fields));
    let spec = TableSpec {
        partition_keys: Vec::new(),
        primary_keys: vec!["key".into()],
        options: [("bucket".to_owned(), "1".to_owned())].into(),
        ..spec("counted", schema.clone())
    };
    let table = lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap();
    let commits: [&[(&str, i64, RowKind)]; 3] = [
        &[("a", 1, RowKind::Insert), ("b", 1, RowKind::Insert), ("c", 1, RowKind::Insert), ("d", 1, RowKind::Insert)],
        &[
            ("a", 1, RowKind::UpdateBefore),
            ("a", 2, RowKind::UpdateAfter),
            ("b", 1, RowKind::Delete),
            ("e", 1, RowKind::Insert),
        ],
        &[("a", 3, RowKind::UpdateAfter), ("e", 1, RowKind::Delete), ("d", 2, RowKind::UpdateAfter)],
    ];
    for (index, changes) in commits.iter().enumerate() {
        let numbers = Int64Array::from_iter_values(changes.iter().map(|change| change.1));
        let keys = StringArray::from_iter_values(changes.iter().map(|change| change.0));
        let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(numbers), Arc::new(keys)]).unwrap();
        let kinds = Some(changes.iter().map(|change| change.2).collect());
        table.apply(ChangeBatch { rows, kinds }).unwrap();
        checkpoint(&table, index as i64 + 1).await;
    }
    let left = async |after, to, projection: Option<&[usize]>| {
        let changed = table.changed_rows(table.view(), Between { after, to }).await.unwrap();
        let read: Vec<RecordBatch> = changed.open(projection).await.unwrap().try_collect().await.unwrap();
        let mut lines: Vec<String> = read
            .iter()
            .flat_map(|batch| {
                let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
                shown(batch, &names.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(left(0, 1, None).await, ["1 a", "1 b", "1 c", "1 d"]);
    assert_eq!(left(1, 2, None).await, ["1 e", "2 a"], "b is deleted, c and d have not changed");
    assert_eq!(left(1, 3, None).await, ["2 d", "3 a"]);
    assert_eq!(left(0, 3, Some(&[0])).await, ["1", "2", "3"], "the key is not asked for");
}
