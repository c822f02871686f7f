//! Commits happen once, wherever the process dies.

use super::support::*;
use crate::{LakeError, Prepared};
use std::path::Path;

/// What a checkpoint file does to a `Prepared`.
fn through_checkpoint(prepared: &Prepared) -> Prepared {
    serde_json::from_str(&serde_json::to_string(prepared).unwrap()).unwrap()
}

fn snapshots(warehouse: &Path) -> usize {
    let names = std::fs::read_dir(warehouse.join("upbit.db/trade/snapshot")).unwrap();
    names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().starts_with("snapshot-")).count()
}

#[tokio::test]
async fn killed_between_prepare_and_commit() {
    let dir = tempfile::tempdir().unwrap();
    let prepared = {
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        table.append(batch(&rows(0..50))).unwrap();
        checkpoint(&table, 1).await;
        table.append(batch(&rows(50..80))).unwrap();
        let prepared = table.prepare(&table.seal(), 2).await.unwrap();
        assert_eq!((prepared.rows, prepared.files), (30, 3), "three days, a file each");
        assert!(prepared.bytes > 0);
        prepared
    };
    for attempt in 0..3 {
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        let committed = table.commit(&through_checkpoint(&prepared)).await.unwrap();
        assert_eq!((committed.snapshot_id, committed.was_committed), (Some(2), attempt > 0));
        table.publish_recovered(committed).unwrap();
        assert_eq!(all(&table.view()).await, in_order(rows(0..80)), "attempt {attempt}");
        assert_eq!(table.latest_identifier().await.unwrap(), Some(2));
    }
    assert_eq!(snapshots(dir.path()), 2);
}

#[tokio::test]
async fn killed_between_commit_and_publish() {
    let dir = tempfile::tempdir().unwrap();
    let prepared = {
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        table.append(batch(&rows(0..50))).unwrap();
        let prepared = table.prepare(&table.seal(), 7).await.unwrap();
        table.commit(&prepared).await.unwrap();
        assert_eq!(table.view().snapshot_id(), None, "not published");
        assert_eq!(all(&table.view()).await, in_order(rows(0..50)), "still from the tail");
        prepared
    };
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let committed = table.commit(&through_checkpoint(&prepared)).await.unwrap();
    assert!(committed.was_committed);
    table.publish_recovered(committed).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..50)));
    assert_eq!(snapshots(dir.path()), 1);
}

#[tokio::test]
async fn the_same_commit_again_in_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    table.append(batch(&rows(0..10))).unwrap();
    let sealed = table.seal();
    let prepared = table.prepare(&sealed, 1).await.unwrap();
    let first = table.commit(&prepared).await.unwrap();
    let second = table.commit(&prepared).await.unwrap();
    assert_eq!((first.was_committed, second.was_committed), (false, true));
    assert_eq!(first.snapshot_id, second.snapshot_id);
    table.publish(sealed, second).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..10)));
}

#[tokio::test]
async fn an_earlier_commit_is_found_behind_later_ones() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let mut prepared = Vec::new();
    for n in [1, 2, 4] {
        table.append(batch(&rows(n * 10..n * 10 + 10))).unwrap();
        prepared.push(checkpoint(&table, n).await);
    }
    let committed = table.commit(&through_checkpoint(&prepared[1])).await.unwrap();
    assert_eq!((committed.snapshot_id, committed.was_committed), (Some(2), true));
    let mut never = through_checkpoint(&prepared[1]);
    never.identifier = 3;
    let error = table.commit(&never).await.unwrap_err();
    assert!(matches!(error, LakeError::IdentifierPassed { identifier: 3, latest: 4, .. }), "{error}");
}

#[tokio::test]
async fn an_identifier_of_another_history_is_not_taken_for_ours() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    table.append(batch(&rows(0..10))).unwrap();
    checkpoint(&table, 1).await;
    table.append(batch(&rows(10..20))).unwrap();
    let sealed = table.seal();
    let again = table.prepare(&sealed, 1).await.unwrap();
    let error = table.commit(&again).await.unwrap_err();
    assert!(matches!(error, LakeError::IdentifierReused { identifier: 1, snapshot_id: 1, .. }), "{error}");
    assert_eq!(all(&table.view()).await, in_order(rows(0..20)), "the rows are still there");
    let prepared = table.prepare(&sealed, 2).await.unwrap();
    let committed = table.commit(&prepared).await.unwrap();
    table.publish(sealed, committed).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..20)));
}

#[tokio::test]
async fn an_empty_checkpoint_leaves_no_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let prepared = checkpoint(&table, 1).await;
    assert!(prepared.messages.is_empty());
    assert_eq!(table.view().snapshot_id(), None);
    table.append(batch(&rows(0..3))).unwrap();
    checkpoint(&table, 2).await;
    checkpoint(&table, 3).await;
    assert_eq!(table.view().snapshot_id(), Some(1));
    assert_eq!(snapshots(dir.path()), 1);
    assert_eq!(all(&table.view()).await, in_order(rows(0..3)));
}

#[tokio::test]
async fn a_recovered_commit_whose_files_are_gone_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    table.append(batch(&rows(0..10))).unwrap();
    let prepared = through_checkpoint(&table.prepare(&table.seal(), 1).await.unwrap());
    std::fs::remove_dir_all(dir.path().join("upbit.db/trade/dt=1970-01-02")).unwrap();
    let error = table.commit(&prepared).await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    assert_eq!(table.latest_identifier().await.unwrap(), None, "no snapshot names missing files");
}

#[tokio::test]
async fn a_lost_snapshot_does_not_lock_the_table_out() {
    let dir = tempfile::tempdir().unwrap();
    {
        let lake = open(dir.path());
        let table = trade_table(&lake).await;
        for n in 1..=2 {
            table.append(batch(&rows(n * 10..n * 10 + 10))).unwrap();
            checkpoint(&table, n).await;
        }
    }
    // A power cut kept the hint and lost the directory entry of the snapshot it names.
    std::fs::remove_file(dir.path().join("upbit.db/trade/snapshot/snapshot-2")).unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    assert_eq!(table.view().snapshot_id(), Some(1));
    assert_eq!(all(&table.view()).await, in_order(rows(10..20)));
}

#[tokio::test]
async fn parts_are_published_in_order_and_only_with_their_own_commit() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    table.append(batch(&rows(0..5))).unwrap();
    let first = table.seal();
    table.append(batch(&rows(5..12))).unwrap();
    let second = table.seal();
    let prepared_first = table.prepare(&first, 1).await.unwrap();
    let prepared_second = table.prepare(&second, 2).await.unwrap();
    let committed_first = table.commit(&prepared_first).await.unwrap();
    let committed_second = table.commit(&prepared_second).await.unwrap();
    let error = table.publish(second, committed_second).unwrap_err();
    assert!(error.to_string().contains("an earlier sealed part"), "{error}");
    assert_eq!(all(&table.view()).await, in_order(rows(0..12)));
    table.publish(first, committed_first).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..12)), "the second part is still in the tail");

    let third = table.seal();
    let error = table.publish(third, table.commit(&prepared_first).await.unwrap()).unwrap_err();
    assert!(error.to_string().contains("is not of these sealed rows"), "{error}");
    table.reset_tail();
    assert_eq!(all(&table.view()).await, in_order(rows(0..5)), "what was committed, not published, waits for recovery");
    let committed = table.commit(&prepared_second).await.unwrap();
    table.publish_recovered(committed).unwrap();
    assert_eq!(all(&table.view()).await, in_order(rows(0..12)));
}

#[tokio::test]
async fn subscribers_get_every_batch_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    table.append(batch(&rows(0..2))).unwrap();
    let mut receiver = table.subscribe();
    table.append(batch(&rows(2..4))).unwrap();
    table.append(batch(&rows(4..5))).unwrap();
    assert_eq!(receiver.recv().await.unwrap(), batch(&rows(2..4)));
    assert_eq!(receiver.recv().await.unwrap(), batch(&rows(4..5)));
    let status = table.status();
    assert_eq!((status.appended_rows, status.tail_rows, status.committed_rows), (5, 5, Some(0)));
    checkpoint(&table, 1).await;
    let status = table.status();
    assert_eq!((status.tail_rows, status.tail_bytes, status.committed_rows), (0, 0, Some(5)));
    assert!(status.last_commit_ms > Some(1_700_000_000_000));
}

#[tokio::test]
async fn a_large_part_is_written_by_two_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let table = trade_table(&lake).await;
    let row = |n: i64| (format!("{:0>1000}", n * 7 % 6), n, i128::from(n), n);
    let rows: Vec<Row> = (0..60_000).map(row).collect();
    for some in rows.chunks(5_000) {
        table.append(batch(some)).unwrap();
    }
    let prepared = checkpoint(&table, 1).await;
    assert_eq!((prepared.rows, prepared.files), (60_000, 2), "one day, two files");
    assert!(all(&table.view()).await == in_order(rows), "every row once");
    table.append(batch(&[row(60_000)])).unwrap();
    assert_eq!(checkpoint(&table, 2).await.files, 1);
}
