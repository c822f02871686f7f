//! Keeps the files of a primary-key table few: a partition with too many is written again as its merged rows.
//!
//! Every commit adds a file to each partition it touches, and a read opens them all at once to merge them, so without
//! this reads would slow down with every commit and end at the limit of open files. It is not Paimon's compaction of one
//! level at a time: the partition's files go and its rows come back in new ones, in one COMPACT snapshot, so readers see
//! the same rows before and after. The old files stay on disk for older snapshots.

use crate::commit::Committer;
use crate::error::{LakeError, Result};
use crate::prepare::{data_files, writer_runtime};
use crate::publish::{Change, Condition};
use futures::TryStreamExt;
use paimon::spec::{CommitKind, Snapshot};
use paimon::{CommitMessage, DataSplit};
use std::collections::HashMap;

/// Names these snapshots; it is not the commit user of checkpoints, whose identifiers must rise one by one.
const COMMIT_USER_SUFFIX: &str = "-rewrite";
/// A partition larger than this is left alone: writing it again would take longer than its files cost.
const PARTITION_BYTES_MAX: i64 = 32 * 1024 * 1024;
/// The writer sorts so much at a time; each makes one file, and since the rows come in order of the key, their key ranges
/// do not overlap and reads open them one after the other.
const WRITE_BUFFER: &str = "16 mb";

/// When to look at a table's files again: looking means reading its manifests.
#[derive(Debug)]
pub(crate) struct RewritePolicy {
    /// More files than this in a partition are too many.
    pub(crate) files_max: usize,
    /// Commits until the next look.
    pub(crate) commits_left: std::sync::atomic::AtomicUsize,
}

impl RewritePolicy {
    /// Looks after the first commit, since what is there is not known then.
    pub(crate) fn new(files_max: usize) -> RewritePolicy {
        RewritePolicy { files_max: files_max.max(2), commits_left: Default::default() }
    }

    /// True once every `files_max / 2` commits. One committer at a time asks.
    pub(crate) fn is_due(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        match self.commits_left.load(Relaxed) {
            0 => {
                self.commits_left.store(self.files_max / 2, Relaxed);
                true
            }
            left => {
                self.commits_left.store(left - 1, Relaxed);
                false
            }
        }
    }
}

impl Committer {
    /// The snapshot after the rewrite, which has the rows of `committed`; None if no partition has too many files.
    ///
    /// The caller has the turn to commit. Dying in between leaves files that no snapshot names, or the new snapshot.
    /// Parts that are prepared and not committed keep their place: the rows here get sequence numbers from 0 up, which
    /// are below those of any later change.
    pub(crate) async fn rewrite(&self, committed: &Snapshot, files_max: usize) -> Result<Option<Snapshot>> {
        let (this, snapshot) = (self.clone(), committed.clone());
        let worker = LakeError::worker(&self.name, "merge files");
        tokio::task::spawn_blocking(move || {
            let runtime = writer_runtime(this.files.place())?;
            runtime.block_on(Box::pin(this.rewrite_partitions(&snapshot, files_max)))
        })
        .await
        .map_err(worker)?
    }

    async fn rewrite_partitions(&self, snapshot: &Snapshot, files_max: usize) -> Result<Option<Snapshot>> {
        let failed = || LakeError::paimon(&self.name, "merge files");
        let pinned = self.table.copy_with_pinned_snapshot(snapshot);
        let builder = pinned.new_read_builder();
        let splits = self.splits(&pinned, "merge files").await?;
        let crowded: Vec<DataSplit> =
            by_partition(splits).into_values().filter(|splits| is_crowded(splits, files_max)).flatten().collect();
        if crowded.is_empty() {
            return Ok(None);
        }
        let (files, options) =
            (files_of(&crowded), [("write.parquet-buffer-size".to_owned(), WRITE_BUFFER.to_owned())]);
        let writing = self.table.copy_with_options(options.into());
        let writer = writing
            .new_write_builder()
            .with_commit_user(format!("{}{COMMIT_USER_SUFFIX}", self.commit_user))
            .map_err(failed())?
            .with_overwrite();
        let mut write = writer.new_write().map_err(failed())?;
        let mut rows = builder.new_read().and_then(|read| read.to_arrow(&crowded)).map_err(failed())?;
        let messages: Result<Vec<CommitMessage>> = async {
            while let Some(batch) = rows.try_next().await.map_err(failed())? {
                write.write_arrow_batch(&batch).await.map_err(failed())?;
            }
            write.prepare_commit().await.map_err(failed())
        }
        .await;
        let messages = match messages {
            Ok(messages) if messages.is_empty() => return Ok(None), // every row was deleted
            Ok(messages) => messages,
            Err(error) => {
                write.close().await; // drops only what this call wrote
                return Err(error);
            }
        };
        let written = data_files(&messages);
        self.files.sync_data(self.table.schema().partition_keys().len(), &written)?;
        let user = format!("{}{COMMIT_USER_SUFFIX}", self.commit_user);
        let mut change = Change::append(&user, snapshot.id(), &messages, self.total_buckets());
        change.kind = CommitKind::COMPACT;
        change.only_if = Condition::Latest(snapshot.id());
        crowded.iter().for_each(|split| change.take_out(split));
        let rewritten = self.publish(&change).await?;
        tracing::info!(
            table = self.name,
            files,
            into = written.len(),
            "merged the files of partitions that had too many"
        );
        Ok(rewritten)
    }
}

fn by_partition(splits: Vec<DataSplit>) -> HashMap<Vec<u8>, Vec<DataSplit>> {
    let mut partitions: HashMap<Vec<u8>, Vec<DataSplit>> = HashMap::new();
    for split in splits {
        partitions.entry(split.partition().to_serialized_bytes()).or_default().push(split);
    }
    partitions
}

fn is_crowded(splits: &[DataSplit], files_max: usize) -> bool {
    let bytes: i64 = splits.iter().flat_map(DataSplit::data_files).map(|file| file.file_size).sum();
    files_of(splits) > files_max && bytes <= PARTITION_BYTES_MAX
}

fn files_of(splits: &[DataSplit]) -> usize {
    splits.iter().map(|split| split.data_files().len()).sum()
}
