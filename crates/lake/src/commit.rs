//! The commit: prepared files become a snapshot, once, however often it is tried. A pure decision and the act beside it.

use crate::error::{LakeError, Result};
use crate::files::Files;
use crate::prepare::{Prepared, data_files};
use crate::publish::Change;
use crate::rewrite::RewritePolicy;
use crate::scan::Pinned;
use paimon::spec::Snapshot;
use paimon::{CommitMessage, Table};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many snapshots are looked at, from the latest backwards, for the last one of our commit user. One committer per
/// table makes it the first; other engines may have compacted in between.
const LOOKBACK_SNAPSHOTS_MAX: usize = 10_000;

/// What to do about a commit, given the highest identifier our commit user has in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitDecision {
    /// It has not happened: publish a snapshot.
    Commit,
    /// It is our latest commit: nothing to do (once the files are seen to be the same ones).
    AlreadyCommitted,
    /// Later commits have happened. It is done if a snapshot with exactly this identifier exists; otherwise the
    /// checkpoint is older than the table, and committing now would put rows in twice.
    Passed { latest: i64 },
}

/// Decides from the two numbers alone. Identifiers of one commit user rise, and empty checkpoints leave gaps.
pub fn decide(latest_of_user: Option<i64>, wanted: i64) -> CommitDecision {
    match latest_of_user {
        Some(latest) if latest == wanted => CommitDecision::AlreadyCommitted,
        Some(latest) if latest > wanted => CommitDecision::Passed { latest },
        Some(_) | None => CommitDecision::Commit,
    }
}

/// A commit that is in the table.
#[derive(Debug, Clone)]
pub struct Committed {
    pub identifier: i64,
    /// None if there was nothing to commit: an empty commit leaves no snapshot. Of a primary-key table it may be the one
    /// after, with the same rows in fewer files.
    pub snapshot_id: Option<i64>,
    /// True if an earlier attempt had already done it.
    pub was_committed: bool,
    pub(crate) table: String,
    pub(crate) rows: u64,
    pub(crate) snapshot: Option<Snapshot>,
    /// The snapshot as views will read it; [`LiveTable::commit`](crate::LiveTable::commit) adds it.
    pub(crate) pinned: Option<Arc<Pinned>>,
}

/// Publishes snapshots of one table, one at a time.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) files: Files,
    pub(crate) commit_user: String,
    /// The warehouse lock keeps other processes out, this one keeps our own tasks apart.
    pub(crate) one_at_a_time: Arc<tokio::sync::Mutex<()>>,
    /// Present for a primary-key table.
    pub(crate) rewrites: Option<Arc<RewritePolicy>>,
}

impl Committer {
    /// Makes the prepared rows part of the table. Idempotent: the same `Prepared` again changes nothing.
    ///
    /// When it returns, the rows survive a killed process and a power cut (snapshot, manifests and their directory
    /// entries are synced; data files were by `prepare`). If the process dies one line earlier (or this returns an
    /// error), the snapshot may or may not exist: call it again with the same `Prepared`, and it is there exactly once.
    /// Files are never deleted here, since a failed answer does not mean a failed commit.
    pub(crate) async fn commit(&self, prepared: &Prepared) -> Result<Committed> {
        let _turn = self.one_at_a_time.lock().await;
        let invalid = |reason: &str| LakeError::Prepared {
            table: self.name.clone(),
            identifier: prepared.identifier,
            reason: reason.to_owned(),
        };
        if prepared.table != self.name {
            return Err(invalid(&format!("it was prepared for table \"{}\"", prepared.table)));
        }
        let committed = |snapshot: Option<Snapshot>, was_committed| Committed {
            identifier: prepared.identifier,
            snapshot_id: snapshot.as_ref().map(Snapshot::id),
            was_committed,
            table: self.name.clone(),
            rows: prepared.rows,
            snapshot,
            pinned: None,
        };
        let messages = prepared.decode()?;
        if messages.is_empty() {
            return Ok(committed(None, false));
        }
        let history = self.history(prepared.identifier).await?;
        let latest_of_user = history.latest_of_user.as_ref().map(Snapshot::commit_identifier);
        let snapshot = match (decide(latest_of_user, prepared.identifier), history.wanted) {
            (CommitDecision::AlreadyCommitted | CommitDecision::Passed { .. }, Some(snapshot)) => {
                self.check_same_files(&snapshot, &messages, prepared.identifier).await?;
                self.files.sync_metadata(&self.name).await?;
                return Ok(committed(Some(snapshot), true));
            }
            (CommitDecision::Passed { latest }, None) => {
                return Err(LakeError::IdentifierPassed {
                    table: self.name.clone(),
                    identifier: prepared.identifier,
                    latest,
                });
            }
            (CommitDecision::Commit | CommitDecision::AlreadyCommitted, _) => self.append(&messages, prepared).await?,
        };
        let snapshot = snapshot.ok_or_else(|| invalid("it was not published"))?;
        Ok(committed(Some(self.with_few_files(snapshot).await), false))
    }

    /// The commit is done: if files cannot be merged now, they will be after a later one.
    async fn with_few_files(&self, snapshot: Snapshot) -> Snapshot {
        let Some(policy) = self.rewrites.as_ref().filter(|policy| policy.is_due()) else { return snapshot };
        match self.rewrite(&snapshot, policy.files_max).await {
            Ok(rewritten) => rewritten.unwrap_or(snapshot),
            Err(error) => {
                tracing::warn!(table = self.name, %error, "cannot merge files; reads stay slower until it succeeds");
                snapshot
            }
        }
    }

    async fn append(&self, messages: &[CommitMessage], prepared: &Prepared) -> Result<Option<Snapshot>> {
        let is_simple =
            |message: &CommitMessage| message.new_index_files.is_empty() && message.deleted_files.is_empty();
        if !messages.iter().all(is_simple) {
            return Err(LakeError::Prepared {
                table: self.name.clone(),
                identifier: prepared.identifier,
                reason: "it does more than add data files".to_owned(),
            });
        }
        if !prepared.written_here {
            // out of a checkpoint: the files may be gone
            let depth = self.table.schema().partition_keys().len();
            if let Err(path) = self.files.find_prepared(&self.name, depth, data_files(messages)).await? {
                let (table, identifier) = (self.name.clone(), prepared.identifier);
                return Err(LakeError::FilesGone { table, identifier, path });
            }
        }
        let mut change = Change::append(&self.commit_user, prepared.identifier, messages, self.total_buckets());
        change.properties.clone_from(&prepared.properties);
        change.watermark = prepared.watermark;
        self.publish(&change).await
    }

    /// Our latest snapshot, and the one with the wanted identifier.
    async fn history(&self, wanted: i64) -> Result<History> {
        let failed = || LakeError::paimon(&self.name, "read snapshots");
        let manager = self.table.snapshot_manager();
        let mut history = History::default();
        let Some(latest) = manager.get_latest_snapshot().await.map_err(failed())? else { return Ok(history) };
        if history.look_at(&latest, &self.commit_user, wanted) {
            return Ok(history);
        }
        let ids = manager.list_all_ids().await.map_err(failed())?;
        for (searched, id) in ids.into_iter().rev().filter(|id| *id < latest.id()).enumerate() {
            if searched >= LOOKBACK_SNAPSHOTS_MAX {
                return Err(LakeError::HistoryTooLong {
                    table: self.name.clone(),
                    commit_user: self.commit_user.clone(),
                    identifier: wanted,
                    searched,
                });
            }
            let snapshot = match manager.get_snapshot(id).await {
                Err(paimon::Error::SnapshotNotExist { .. }) => continue, // expired since it was listed
                snapshot => snapshot.map_err(failed())?,
            };
            if history.look_at(&snapshot, &self.commit_user, wanted) {
                break;
            }
        }
        Ok(history)
    }

    /// The highest identifier our commit user has in the table.
    pub(crate) async fn latest_identifier(&self) -> Result<Option<i64>> {
        let history = self.history(i64::MAX).await?;
        Ok(history.latest_of_user.as_ref().map(Snapshot::commit_identifier))
    }

    /// Two histories that number their checkpoints alike must not be taken for one: that would lose rows silently.
    async fn check_same_files(&self, snapshot: &Snapshot, messages: &[CommitMessage], identifier: i64) -> Result<()> {
        let mut there = BTreeSet::new();
        for manifest in self.read_list(snapshot.delta_manifest_list()).await? {
            for entry in self.read_manifest(manifest.file_name()).await? {
                there.insert(entry.file().file_name.clone()); // our commits only add files
            }
        }
        let wanted: BTreeSet<String> = data_files(messages).into_iter().map(|(_, name)| name).collect();
        if wanted == there {
            return Ok(());
        }
        Err(LakeError::IdentifierReused { table: self.name.clone(), identifier, snapshot_id: snapshot.id() })
    }
}

#[derive(Debug, Default)]
struct History {
    latest_of_user: Option<Snapshot>,
    wanted: Option<Snapshot>,
}

impl History {
    /// Takes the next older snapshot; true when older ones cannot change the answer.
    fn look_at(&mut self, snapshot: &Snapshot, commit_user: &str, wanted: i64) -> bool {
        if snapshot.commit_user() != commit_user {
            return false;
        }
        self.latest_of_user.get_or_insert_with(|| snapshot.clone());
        if snapshot.commit_identifier() == wanted {
            self.wanted = Some(snapshot.clone());
        }
        snapshot.commit_identifier() <= wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions() {
        for (latest, wanted, expected) in [
            (None, 1, CommitDecision::Commit),
            (Some(6), 7, CommitDecision::Commit),
            (Some(3), 7, CommitDecision::Commit), // 4, 5 and 6 were empty
            (Some(7), 7, CommitDecision::AlreadyCommitted),
            (Some(9), 7, CommitDecision::Passed { latest: 9 }),
        ] {
            assert_eq!(decide(latest, wanted), expected, "latest {latest:?}, wanted {wanted}");
        }
    }
}
