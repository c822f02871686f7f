//! Small files merged: the same rows, fewer files, whatever is committed meanwhile.

use super::support::*;
use crate::publish::{Change, Condition};
use crate::{Compacted, LiveTable, LiveTableOptions, Pace, ScanRequest};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use paimon::spec::CommitKind;
use std::sync::Arc;

const NOW_MS: i64 = 1_700_000_000_000;
const LATER_MS: i64 = 4_000_000_000_000;

async fn merged(table: &LiveTable) -> Vec<Compacted> {
    let mut all = Vec::new();
    while let Some(compacted) = table.compact(false, NOW_MS, Pace::FULL).await.unwrap() {
        all.push(compacted);
    }
    all
}

#[tokio::test]
async fn many_commits_are_few_files() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    for n in 0..23 {
        commit(&table, n..n + 1).await;
        if n % 5 == 4 {
            table.append(batch(&rows(1_000 + n..1_001 + n))).unwrap(); // a tail over the merged files
            let before = all(&table.view()).await;
            merged(&table).await;
            assert_eq!(all(&table.view()).await, before);
        }
    }
    let files = table.files().await.unwrap();
    assert!(files.files < 3 * 8, "{files:?}");
    let days = ["1970-01-01", "1970-01-02", "1970-01-03"];
    let compacted = table.compact(true, NOW_MS, Pace::FULL).await.unwrap().unwrap();
    assert_eq!(compacted.files_after, days.len() as u64);
    assert_eq!(table.files().await.unwrap().files, days.len() as u64);
    assert_eq!(table.compact(true, NOW_MS, Pace::FULL).await.unwrap(), None, "nothing is left to merge");
    let view = table.view();
    assert_eq!((view.row_count_committed(), view.row_count_tail()), (Some(234), 0));
    // and after a restart
    drop((view, table, lake));
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    assert_eq!(all(&table.view()).await.len(), 234);
}

#[tokio::test]
async fn the_order_of_rows_and_the_statistics_stay() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let mut spec = spec("trade", trade_schema());
    spec.partition_keys.clear();
    let table = lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap();
    for n in 0..9 {
        table.append(batch(&rows(n * 100..n * 100 + 100))).unwrap();
        checkpoint(&table, n + 1).await;
    }
    let [compacted] = merged(&table).await[..] else { panic!("one merge") };
    assert_eq!((compacted.files_before, compacted.files_after, compacted.rows), (9, 1, 900));
    let ids: Vec<i64> = read(&table.view(), ScanRequest { target_partitions: 1, ..Default::default() })
        .await
        .iter()
        .flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!(ids, (0..900).collect::<Vec<_>>());
    let snapshot = table.view().state.pinned.as_ref().unwrap().snapshot.clone();
    assert_eq!(snapshot.commit_kind(), &CommitKind::COMPACT);
    assert_eq!((snapshot.total_record_count(), snapshot.delta_record_count()), (Some(900), Some(0)));
    let [file] = &table.committer.live_files(&snapshot).await.unwrap()[..] else { panic!("one file") };
    let stats = serde_json::to_value(&file.value_stats).unwrap();
    assert!(!stats["_MIN_VALUES"].as_array().unwrap().is_empty(), "{stats}");
    let late = crate::Filter {
        column: 1,
        operator: crate::FilterOperator::GreaterOrEqual,
        values: Some(Arc::new(arrow::array::Int64Array::from(vec![900]))),
    };
    let plan = table.view().scan(ScanRequest { filter: vec![late], ..Default::default() }).await.unwrap();
    assert_eq!(plan.file_count(), 0, "the file's statistics say that it has no such row");
}

/// Of a table whose commits are sorted; the rows of one merged file are sorted like those of one commit.
#[tokio::test]
async fn the_rows_of_a_merged_file_are_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let mut spec = spec("trade", trade_schema());
    spec.partition_keys.clear();
    let table = lake.ensure_table(&spec, sorted()).await.unwrap();
    for n in 0..9 {
        table.append(batch(&rows(n * 100..n * 100 + 100))).unwrap();
        checkpoint(&table, n + 1).await;
    }
    let in_file_order = |batches: Vec<RecordBatch>| -> Vec<(String, i64)> {
        let rows = |batch: &RecordBatch| {
            let markets = batch.column(0).as_string::<i32>().clone();
            let times = batch.column(3).as_primitive::<TimestampMillisecondType>().clone();
            (0..batch.num_rows()).map(move |row| (markets.value(row).to_owned(), times.value(row))).collect::<Vec<_>>()
        };
        batches.iter().flat_map(rows).collect()
    };
    let request = || ScanRequest { target_partitions: 1, ..Default::default() };
    let before = in_file_order(read(&table.view(), request()).await);
    assert!(!before.is_sorted());
    assert_eq!(merged(&table).await.len(), 1);
    assert_eq!(all(&table.view()).await, in_order(rows(0..900)));
    let after = in_file_order(read(&table.view(), request()).await);
    assert!(after.is_sorted(), "{after:?}");
    // one market's rows are asked for
    let market = Arc::new(arrow::array::StringArray::from(vec![after[0].0.clone()]));
    let filter = vec![crate::Filter { column: 0, operator: crate::FilterOperator::Equal, values: Some(market) }];
    let found = in_file_order(read(&table.view(), ScanRequest { filter, ..request() }).await);
    assert_eq!(found, after.iter().filter(|row| row.0 == after[0].0).cloned().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_partition_that_is_complete_is_merged_whole() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    commit(&table, 0..3).await;
    assert_eq!(table.compact(false, NOW_MS, Pace::FULL).await.unwrap(), None, "three files of a day are few");
    let compacted = table.compact(false, LATER_MS, Pace::BACKGROUND).await.unwrap().unwrap();
    assert_eq!((compacted.files_before, compacted.files_after), (9, 3));
    assert_eq!(all(&table.view()).await, in_order(rows(0..30)));
}

/// The rows of a commit that is not published yet are in the tail: a snapshot after it must not be read before it is.
#[tokio::test]
async fn a_merge_between_commit_and_publish() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    commit(&table, 0..8).await;
    table.append(batch(&rows(80..90))).unwrap();
    let sealed = table.seal();
    let prepared = table.prepare(&sealed, 9).await.unwrap();
    let committed = table.commit(&prepared).await.unwrap();
    assert!(!merged(&table).await.is_empty());
    assert_eq!(all(&table.view()).await, in_order(rows(0..90)));
    table.publish(sealed, committed).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..90)));
    table.catch_up().await.unwrap();
    assert_eq!(table.view().snapshot_id(), Some(10));
    assert_eq!(all(&table.view()).await, in_order(rows(0..90)));
    let again = table.commit(&prepared).await.unwrap();
    assert!(again.was_committed, "found behind the merge");
}

#[tokio::test]
async fn appends_meanwhile_do_not_matter_and_removals_do() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    table.append(batch(&rows(0..9))).unwrap();
    checkpoint(&table, 1).await;
    let committer = &table.committer;
    let first = table.view().state.pinned.as_ref().unwrap().snapshot.clone();
    let splits = {
        let pinned = committer.table.copy_with_pinned_snapshot(&first);
        pinned.new_read_builder().new_scan().plan().await.unwrap().into_splits()
    };
    let removing = |files: usize| {
        let mut change = Change::append("other", 1, &[], committer.total_buckets());
        splits.iter().take(files).for_each(|split| change.take_out(split));
        change.kind = CommitKind::COMPACT;
        change.only_if = Condition::FilesSince(first.id());
        change
    };
    table.append(batch(&rows(9..18))).unwrap();
    checkpoint(&table, 2).await;
    assert!(committer.publish(&removing(1)).await.unwrap().is_some(), "an append does not matter");
    assert!(committer.publish(&removing(3)).await.unwrap().is_none(), "one of the files is gone");
    assert_eq!(committer.table.snapshot_manager().list_all_ids().await.unwrap(), [1, 2, 3]);
    let mut future = removing(1);
    future.only_if = Condition::FilesSince(7);
    assert!(committer.publish(&future).await.unwrap().is_none(), "the table was rolled back");
}
