//! Expiry and cleaning: what goes, what stays, and a process that dies at every step.

use super::support::*;
use crate::step::die_after;
use crate::{Expired, LiveTable, LiveTableOptions, Pace, Retention};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const NOW_MS: i64 = 4_000_000_000_000; // long after any snapshot of a test
const LAST_THREE: Retention = Retention { snapshots_min: 3, snapshots_max: 1_000, age_ms: 0 };

fn table_folder(warehouse: &Path) -> PathBuf {
    warehouse.join("upbit.db/trade")
}

/// All files of the table, by their path in it, without schema and hints.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false if name.starts_with("schema") || name.ends_with("ST") => {}
                false => drop(found.insert(name)),
            }
        }
    }
    found
}

/// Every snapshot that is there can be read; the rows of each.
async fn readable(table: &LiveTable) -> Vec<(i64, usize)> {
    let mut found = Vec::new();
    for (id, snapshot) in table.committer.all_snapshots().await.unwrap() {
        let pinned = table.committer.table.copy_with_pinned_snapshot(&snapshot);
        let builder = pinned.new_read_builder();
        let plan = builder.new_scan().plan().await.unwrap();
        let batches = builder.new_read().unwrap().to_arrow(plan.splits()).unwrap();
        let batches: Vec<_> = futures::TryStreamExt::try_collect(batches).await.unwrap();
        found.push((id, batches.iter().map(arrow::array::RecordBatch::num_rows).sum()));
    }
    found
}

#[tokio::test]
async fn old_snapshots_go_with_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    commit(&table, 0..8).await;
    table.compact(true, NOW_MS, Pace::FULL).await.unwrap().unwrap();
    commit(&table, 8..10).await;
    let before = files(&table_folder(dir.path()));
    let expired = table.expire_snapshots(Some(LAST_THREE), NOW_MS).await.unwrap();
    assert_eq!(expired.snapshots, 8, "of eleven");
    assert!(expired.bytes > 0);
    let after = files(&table_folder(dir.path()));
    assert_eq!(before.len() - after.len(), expired.files as usize + 8);
    let data = |files: &BTreeSet<String>| files.iter().filter(|name| name.contains("bucket-")).count();
    assert_eq!((data(&before), data(&after)), (3 * 8 + 3 + 6, 3 + 6), "what the merge had replaced is gone");
    assert_eq!(readable(&table).await, [(9, 80), (10, 90), (11, 100)]);
    assert_eq!(std::fs::read_to_string(table_folder(dir.path()).join("snapshot/EARLIEST")).unwrap(), "9");
    assert_eq!(all(&table.view()).await, in_order(rows(0..100)));
    assert_eq!(table.expire_snapshots(Some(LAST_THREE), NOW_MS).await.unwrap(), Expired::default());
    assert_eq!(table.remove_orphans(NOW_MS, false).await.unwrap().files, 0, "expiry leaves nothing behind");
    assert_eq!(table.expire_snapshots(None, NOW_MS).await.unwrap().snapshots, 0, "ten stay by default");
}

#[tokio::test]
async fn readers_tags_and_consumers_keep_their_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    commit(&table, 0..4).await;
    let view = table.view(); // reads snapshot 4
    commit(&table, 4..8).await;
    assert_eq!(table.create_tag("training", Some(2), None).await.unwrap(), 2);
    table.compact(true, NOW_MS, Pace::FULL).await.unwrap().unwrap();
    commit(&table, 8..12).await;
    table.expire_snapshots(Some(LAST_THREE), NOW_MS).await.unwrap();
    assert_eq!(readable(&table).await.first(), Some(&(4, 40)));
    assert_eq!(all(&view).await, in_order(rows(0..40)));
    drop(view);
    let consumers = table_folder(dir.path()).join("consumer");
    std::fs::create_dir_all(&consumers).unwrap();
    std::fs::write(consumers.join("consumer-notebook"), r#"{"nextSnapshot": 7}"#).unwrap();
    table.expire_snapshots(Some(LAST_THREE), NOW_MS).await.unwrap();
    assert_eq!(readable(&table).await.first(), Some(&(7, 70)));
    std::fs::remove_dir_all(&consumers).unwrap();
    table.expire_snapshots(Some(LAST_THREE), NOW_MS).await.unwrap();
    assert_eq!(readable(&table).await.first(), Some(&(11, 100)));

    assert_eq!(table.remove_orphans(NOW_MS, false).await.unwrap().files, 0, "the tag's files are named");
    let (_, tagged) = &table.committer.tagged().await.unwrap()[0];
    let pinned = table.committer.table.copy_with_pinned_snapshot(tagged);
    let builder = pinned.new_read_builder();
    let plan = builder.new_scan().plan().await.unwrap();
    let batches = builder.new_read().unwrap().to_arrow(plan.splits()).unwrap();
    let batches: Vec<_> = futures::TryStreamExt::try_collect(batches).await.unwrap();
    assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 20);
    assert!(table.create_tag("training", None, None).await.unwrap_err().to_string().contains("exists"));
    table.delete_tag("training").await.unwrap();
    assert!(table.delete_tag("training").await.unwrap_err().to_string().contains("does not exist"));
    assert!(table.remove_orphans(NOW_MS, true).await.unwrap().files > 0);
    table.remove_orphans(NOW_MS, false).await.unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..120)));
}

#[tokio::test]
async fn our_last_commit_stays_known() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    commit(&table, 0..2).await;
    table.append(batch(&rows(20..30))).unwrap();
    let prepared = checkpoint(&table, 3).await;
    table.compact(true, NOW_MS, Pace::FULL).await.unwrap().unwrap();
    table.expire_snapshots(Some(Retention { snapshots_min: 1, ..LAST_THREE }), NOW_MS).await.unwrap();
    assert_eq!(readable(&table).await, [(3, 30), (4, 30)]);
    assert!(table.commit(&prepared).await.unwrap().was_committed);
}

#[tokio::test]
async fn what_is_prepared_is_no_orphan() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    commit(&table, 0..2).await;
    table.append(batch(&rows(20..30))).unwrap();
    let sealed = table.seal();
    let prepared = table.prepare(&sealed, 3).await.unwrap();
    let stray = table_folder(dir.path()).join("dt=1970-01-01/bucket-0/data-stray-0.parquet");
    std::fs::write(&stray, "half a file").unwrap();
    let draft = table_folder(dir.path()).join("snapshot/.snapshot-3.draft");
    std::fs::write(&draft, "half a snapshot").unwrap();
    assert_eq!(table.remove_orphans(0, false).await.unwrap().files, 0, "they are young");
    assert_eq!(table.remove_orphans(NOW_MS, true).await.unwrap().files, 2);
    assert!(stray.exists(), "that was a dry run");
    let removed = table.remove_orphans(NOW_MS, false).await.unwrap();
    assert_eq!((removed.files, removed.bytes), (2, 26));
    assert!(!stray.exists() && !draft.exists());
    let committed = table.commit(&prepared).await.unwrap();
    table.publish(sealed, committed).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..30)));
}

#[tokio::test]
async fn old_partitions_go() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let mut spec = spec("trade", trade_schema());
    spec.options.insert("partition.expiration-time".into(), "1 d".into());
    let table = lake.ensure_table(&spec, LiveTableOptions::default()).await.unwrap();
    commit(&table, 0..3).await; // three days from 1970-01-01 on
    table.append(batch(&rows(30..33))).unwrap();
    assert_eq!(table.expire_partitions(None, 2 * DAY_MS).await.unwrap(), 1);
    let kept: Vec<Row> = rows(0..30).into_iter().filter(|row| row.3 >= DAY_MS).chain(rows(30..33)).collect();
    assert_eq!(all(&table.view()).await, in_order(kept), "and the tail is as it was");
    assert_eq!(table.expire_partitions(None, 2 * DAY_MS).await.unwrap(), 0);
    assert_eq!(readable(&table).await.last(), Some(&(4, 20)));
    assert_eq!(table.expire_partitions(Some(10 * DAY_MS), 3 * DAY_MS).await.unwrap(), 0, "as the call says");
}

/// A process that dies at every step of a commit, a merge or snapshot expiry, again and again: whatever is
/// there afterwards can be read, the rows are all there once, and the cleaner leaves exactly what is named.
#[tokio::test]
async fn death_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut identifier = 0;
    let mut deaths = 0;
    let mut rows_committed = 0;
    for steps in 0.. {
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        let folder = table.committer.files.place().to_owned();
        // the commit of a checkpoint, then all of the care
        table.append(batch(&rows(rows_committed..rows_committed + 10))).unwrap();
        identifier += 1;
        let sealed = table.seal();
        let prepared = table.prepare(&sealed, identifier).await.unwrap();
        die_after(&folder, Some(steps));
        let result = async {
            let committed = table.commit(&prepared).await?;
            table.publish(sealed, committed)?;
            table.compact(true, NOW_MS, Pace::FULL).await?;
            table.expire_snapshots(Some(LAST_THREE), NOW_MS).await
        };
        let result = result.await;
        die_after(&folder, None);
        drop((table, lake));
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        let committed = table.commit(&prepared).await.unwrap(); // out of the checkpoint
        table.publish_recovered(committed).unwrap();
        table.catch_up().await.unwrap();
        rows_committed += 10;
        assert_eq!(all(&table.view()).await, in_order(rows(0..rows_committed)), "after {steps} steps");
        for (id, rows) in readable(&table).await {
            assert_eq!(rows % 10, 0, "snapshot {id} after {steps} steps");
        }
        table.remove_orphans(NOW_MS, false).await.unwrap();
        assert_eq!(all(&table.view()).await, in_order(rows(0..rows_committed)), "cleaned after {steps} steps");
        readable(&table).await;
        deaths += usize::from(result.is_err());
        if result.is_ok() {
            break;
        }
    }
    assert!(deaths >= 20, "{deaths} deaths");
}
