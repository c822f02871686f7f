//! Two committers of one table at once: every acknowledged commit is in it, once.

use super::support::*;
use crate::live::TableIdentity;
use crate::{Lake, LiveTable, StoreOptions};
use std::sync::Arc;

/// Of each committer.
const COMMITS: i64 = 30;

/// As another process would open it, but for the lock of a folder.
async fn another(table: &LiveTable, commit_user: &str) -> LiveTable {
    let opened = table.committer.table.clone();
    let identity = TableIdentity::new(table.name().to_owned(), table.schema().clone(), &opened).unwrap();
    let latest = opened.snapshot_manager().get_latest_snapshot().await.unwrap();
    LiveTable::new(identity, opened, table.committer.files.clone(), latest, sorted(), commit_user, None).unwrap()
}

/// Both commit ten rows at a time, as fast as they can.
async fn race(table: Arc<LiveTable>, commits: i64) {
    let other = Arc::new(another(&table, "other").await);
    let racers = [(table.clone(), 0), (other, commits)].map(|(table, first)| {
        tokio::spawn(async move {
            for n in 0..commits {
                table.append(batch(&rows((first + n) * 10..(first + n + 1) * 10))).unwrap();
                Box::pin(checkpoint(&table, n + 1)).await;
            }
        })
    });
    for racer in racers {
        racer.await.unwrap();
    }
    let fresh = another(&table, "reader").await;
    assert_eq!(all(&fresh.view()).await, in_order(rows(0..2 * commits * 10)));
    let ids = table.committer.table.snapshot_manager().list_all_ids().await.unwrap();
    assert_eq!(ids, (1..=2 * commits).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_on_a_local_disk() {
    let dir = tempfile::tempdir().unwrap();
    let table = trade_table(&open(dir.path())).await;
    race(table, COMMITS).await;
}

/// `HOGA_TEST_S3=http://127.0.0.1:19000 cargo test … -- --ignored a_thousand`, against `scripts/peers/minio start`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes, and a MinIO"]
async fn a_thousand_on_disk_and_in_a_store() {
    let dir = tempfile::tempdir().unwrap();
    race(trade_table(&open(dir.path())).await, 500).await;
    let mut store = StoreOptions::at(&format!("s3://hoga/{}", crate::unique_name())).unwrap();
    store.endpoint = Some(std::env::var("HOGA_TEST_S3").expect("HOGA_TEST_S3 says where the store is"));
    store.access_key = Some("hoga-test".to_owned());
    store.secret_key = Some(hoga_model::Secret::new("hoga-test-secret"));
    let lake = Lake::open_store(store, "hoga".to_owned()).await.unwrap();
    race(trade_table(&lake).await, 500).await;
}
