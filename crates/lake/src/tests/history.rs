//! System tables, and a table as it was at a snapshot, a tag and a time.

use super::support::*;
use crate::{Moment, Retention, SystemTable};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use arrow::util::display::array_value_to_string;

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
