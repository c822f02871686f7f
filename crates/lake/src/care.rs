//! What all care of a table needs: its files, and reading on from the snapshots that care makes.

use crate::commit::Committer;
use crate::error::{LakeError, Result};
use crate::expire::{Retention, tags_of};
use crate::live::{LiveTable, lock};
use crate::prepare::{Prepared, data_files};
use paimon::spec::{DataFileMeta, Snapshot};
use paimon::{DataSplit, Table};
use std::collections::HashSet;

/// How much a table's latest snapshot holds on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableFiles {
    pub files: u64,
    pub bytes: u64,
    /// Kept on disk.
    pub snapshots: u64,
}

pub(crate) fn bytes_of(files: &[DataFileMeta]) -> u64 {
    files.iter().map(|file| file.file_size.max(0) as u64).sum()
}

pub(crate) fn rows_of(files: &[DataFileMeta]) -> u64 {
    files.iter().map(|file| file.row_count.max(0) as u64).sum()
}

impl Committer {
    /// All of a table that is pinned to a snapshot.
    pub(crate) async fn splits(&self, pinned: &Table, action: &'static str) -> Result<Vec<DataSplit>> {
        let plan = pinned.new_read_builder().new_scan().plan().await.map_err(self.failed(action))?;
        Ok(plan.into_splits())
    }

    /// The data files of a snapshot.
    pub(crate) async fn live_files(&self, snapshot: &Snapshot) -> Result<Vec<DataFileMeta>> {
        let splits = self.splits(&self.table.copy_with_pinned_snapshot(snapshot), "list files").await?;
        Ok(splits.iter().flat_map(|split| split.data_files()).cloned().collect())
    }
}

impl LiveTable {
    /// Whether it has a primary key.
    pub fn is_keyed(&self) -> bool {
        self.identity.key.is_some()
    }

    /// Which snapshots the table's options keep.
    pub fn retention(&self) -> Result<Retention> {
        Retention::of(self.name(), self.committer.table.schema().options())
    }

    /// Tags a snapshot, by default the latest; its files stay until the tag goes. A tag is not moved.
    pub async fn create_tag(&self, tag: &str, snapshot_id: Option<i64>, time_retained: Option<&str>) -> Result<i64> {
        let _turn = self.care.lock().await; // no expiry in between
        let failed = || self.committer.failed("create a tag");
        let (manager, tags) = (self.committer.table.snapshot_manager(), tags_of(&self.committer.table));
        let invalid = |reason: String| LakeError::Tag { table: self.name().to_owned(), reason };
        let snapshot = match snapshot_id {
            None => manager.get_latest_snapshot().await.map_err(failed())?,
            Some(id) => match manager.get_snapshot(id).await {
                Err(paimon::Error::SnapshotNotExist { .. }) => None,
                snapshot => Some(snapshot.map_err(failed())?),
            },
        };
        let Some(snapshot) = snapshot else {
            return Err(invalid(snapshot_id.map_or_else(
                || "there is no snapshot to tag yet".to_owned(),
                |id| format!("snapshot {id} does not exist (any more)"),
            )));
        };
        if tags.tag_exists(tag).await.map_err(failed())? {
            return Err(invalid(format!("tag \"{tag}\" exists; delete it first")));
        }
        tags.create_with_retention(tag, &snapshot, time_retained).await.map_err(failed())?;
        Ok(snapshot.id())
    }

    /// Files that only the tag named are left to the cleaner of orphans.
    pub async fn delete_tag(&self, tag: &str) -> Result<()> {
        let _turn = self.care.lock().await;
        let tags = tags_of(&self.committer.table);
        let failed = || self.committer.failed("delete a tag");
        if !tags.tag_exists(tag).await.map_err(failed())? {
            let reason = format!("tag \"{tag}\" does not exist");
            return Err(LakeError::Tag { table: self.name().to_owned(), reason });
        }
        tags.delete(tag).await.map_err(failed())
    }

    /// Reads its manifests.
    pub async fn files(&self) -> Result<TableFiles> {
        let failed = || self.committer.failed("list files");
        let manager = self.committer.table.snapshot_manager();
        let Some(latest) = manager.get_latest_snapshot().await.map_err(failed())? else {
            return Ok(TableFiles::default());
        };
        let files = self.committer.live_files(&latest).await?;
        Ok(TableFiles {
            files: files.len() as u64,
            bytes: bytes_of(&files),
            snapshots: manager.list_all_ids().await.map_err(failed())?.len() as u64,
        })
    }

    /// Files that are prepared and not known to be committed.
    pub(crate) fn prepared_files(&self) -> HashSet<String> {
        lock(&self.prepared).values().flatten().cloned().collect()
    }

    /// Nothing removes these files until they are committed.
    pub(crate) fn remember_prepared(&self, prepared: &Prepared) -> Result<()> {
        let files = data_files(&prepared.decode()?).into_iter().map(|(_, name)| name).collect();
        lock(&self.prepared).insert(prepared.identifier, files);
        Ok(())
    }

    /// Reads from the latest snapshot on, if none of those since the published one is a checkpoint's: the rows of such a one
    /// are in the tail until it is published.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let failed = || self.committer.failed("read snapshots");
        let Some(published) = self.view().snapshot_id() else { return Ok(()) };
        let manager = self.committer.table.snapshot_manager();
        let Some(latest) = manager.get_latest_snapshot().await.map_err(failed())? else { return Ok(()) };
        for id in published + 1..=latest.id() {
            match manager.get_snapshot(id).await {
                Ok(snapshot) if snapshot.commit_user() != self.committer.commit_user => {}
                Ok(_) | Err(paimon::Error::SnapshotNotExist { .. }) => return Ok(()),
                Err(error) => return Err(failed()(error)),
            }
        }
        if latest.id() <= published {
            return Ok(());
        }
        let pinned = self.pin_next(latest).await;
        let _tail = lock(&self.tail);
        self.replace(|state| {
            let is_next = state.pinned.as_ref().is_some_and(|pinned| pinned.snapshot.id() == published);
            state.with_pinned(if is_next { Some(pinned) } else { state.pinned.clone() })
        });
        Ok(())
    }
}
