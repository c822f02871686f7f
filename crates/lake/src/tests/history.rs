//! System tables: what they say of a table that has been committed to, tagged and compacted.

use super::support::*;
use crate::SystemTable;
use arrow::array::RecordBatch;
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
        let rows = table.system_rows(system).await.unwrap();
        assert_eq!(rows.schema(), system.schema());
        let expected = usize::from(matches!(system, SystemTable::Schemas));
        assert_eq!(rows.num_rows(), expected, "{system:?} before the first commit");
        assert_eq!(SystemTable::of_name(system.name()), Some(system));
    }
    commit(&table, 0..3).await;
    table.create_tag("two", Some(2), Some("90 min")).await.unwrap();
    table.append(batch(&rows(30..35))).unwrap(); // not committed: in no system table

    let snapshots = table.system_rows(SystemTable::Snapshots).await.unwrap();
    let columns = ["snapshot_id", "commit_user", "commit_identifier", "commit_kind", "total_record_count"];
    assert_eq!(shown(&snapshots, &columns), ["1 hoga 1 APPEND 10", "2 hoga 2 APPEND 20", "3 hoga 3 APPEND 30"]);
    let tags = table.system_rows(SystemTable::Tags).await.unwrap();
    assert_eq!(shown(&tags, &["tag_name", "snapshot_id", "record_count", "time_retained"]), ["two 2 20 PT1H30M"]);

    let files = table.system_rows(SystemTable::Files).await.unwrap();
    assert_eq!(files.num_rows(), 9, "three days a commit");
    let columns = ["partition", "file_format", "record_count", "null_value_counts", "min_value_stats"];
    let first = "{1970-01-01} parquet 4 {dt=0, id=0, market=0, price=0, time=0} \
                 {dt=1970-01-01, id=0, market=KRW-0, price=0.00000001, time=1970-01-01 00:00:00.000}";
    let files = shown(&files, &columns);
    assert!(files.iter().any(|file| file == first), "{files:#?}");
    let partitions = table.system_rows(SystemTable::Partitions).await.unwrap();
    assert_eq!(
        shown(&partitions, &["partition", "record_count", "file_count"]),
        ["dt=1970-01-01 10 3", "dt=1970-01-02 10 3", "dt=1970-01-03 10 3"]
    );
    let manifests = table.system_rows(SystemTable::Manifests).await.unwrap();
    let columns = ["num_added_files", "num_deleted_files", "min_partition_stats", "max_partition_stats"];
    assert_eq!(shown(&manifests, &columns), vec!["3 0 {1970-01-01} {1970-01-03}"; 3]);
    let schemas = table.system_rows(SystemTable::Schemas).await.unwrap();
    assert_eq!(shown(&schemas, &["schema_id", "partition_keys", "primary_keys"]), ["0 [\"dt\"] []"]);
}
