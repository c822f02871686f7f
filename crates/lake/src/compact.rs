//! Small files of an append table become large ones: same rows, fewer files to open.
//!
//! Files of a partition's bucket, neighbours in time, are read one after the other and written as one; the COMPACT snapshot
//! takes the small ones out and puts the large one in. A merged file carries the newest time of creation of its inputs, so
//! that neighbours stay neighbours. How rows are read, sorted and written: `merged_rows.rs`. Not here: primary-key tables (`rewrite.rs`).

mod merged_rows;
mod stretches;

use crate::care::{bytes_of, rows_of};
use crate::error::{LakeError, Result};
use crate::live::LiveTable;
use crate::prepare::{data_files, writer_runtime};
use crate::publish::{Change, Condition};
use crate::spread::with_files;
use paimon::DataSplit;
use paimon::spec::{CommitKind, DataFileMeta, Snapshot};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// A merged file is about so large.
const FILE_BYTES_TARGET: i64 = 128 * 1024 * 1024;
/// A file of this size is left alone: with one of the same kind it would be too large.
const FULL_FILE_BYTES: i64 = FILE_BYTES_TARGET / 2;
/// How many files of one size become one of the next size; so a row is copied once a size.
const MERGE_FACTOR: usize = 8;
/// Files below this are all of one size.
const SMALLEST_SIZE_BYTES: i64 = 32 * 1024;
/// What one snapshot rewrites at most.
const PASS_BYTES_MAX: i64 = 2 * FILE_BYTES_TARGET;
/// A partition that got no file for so long is taken to be complete: what is left of its small files is merged too.
const CLOSED_AFTER_MS: i64 = 60 * 60 * 1000;
/// Names these snapshots.
const COMMIT_USER_SUFFIX: &str = "-compact";

/// How fast the care of tables works: so much of one core's time at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    busy_part: f64,
}

impl Pace {
    /// As fast as it goes.
    pub const FULL: Pace = Pace { busy_part: 1.0 };
    /// Behind ingest and queries.
    pub const BACKGROUND: Pace = Pace { busy_part: 0.3 };

    fn rest_after(self, busy: Duration) -> Duration {
        busy.mul_f64((1.0 - self.busy_part) / self.busy_part)
    }
}

/// What one compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    pub files_before: u64,
    pub files_after: u64,
    pub rows: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
}

/// Which neighbours among a bucket's files, oldest first, to merge into one file now; None if they are few enough.
///
/// While a partition grows, eight files of a size become one of the next size, so at most some seven of each size are there.
/// Once it is complete, all neighbours that fit into one file are merged.
pub(crate) fn to_merge(bytes: &[i64], is_complete: bool) -> Option<Range<usize>> {
    if is_complete {
        return runs(bytes, FULL_FILE_BYTES).map(|run| fitting(bytes, run)).find(|range| range.len() > 1);
    }
    (0..=size_of(FULL_FILE_BYTES)).find_map(|size| {
        let below = FULL_FILE_BYTES.min(smallest_above(size));
        let crowded = |run: &Range<usize>| {
            bytes[run.clone()].iter().filter(|bytes| size_of(**bytes) == size).count() >= MERGE_FACTOR
        };
        runs(bytes, below).filter(crowded).map(|run| fitting(bytes, run)).find(|range| range.len() > 1)
    })
}

/// Longest sequences of files smaller than `below`.
fn runs(bytes: &[i64], below: i64) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let ends = bytes.iter().map(move |bytes| *bytes >= below).chain([true]).enumerate();
    ends.filter(|(_, is_end)| *is_end).map(move |(end, _)| std::mem::replace(&mut start, end + 1)..end)
}

/// As much of a run, from its first pair that fits, as fits into one file.
fn fitting(bytes: &[i64], run: Range<usize>) -> Range<usize> {
    let mut range = run.start..run.start;
    let mut sum = 0;
    for index in run {
        if sum + bytes[index] > FILE_BYTES_TARGET {
            if range.len() > 1 {
                break;
            }
            (range, sum) = (index..index, 0);
        }
        range.end = index + 1;
        sum += bytes[index];
    }
    range
}

/// 0 below [`SMALLEST_SIZE_BYTES`], then one more for each factor of [`MERGE_FACTOR`].
fn size_of(bytes: i64) -> u32 {
    match bytes / SMALLEST_SIZE_BYTES {
        ..=0 => 0,
        units => units.ilog(MERGE_FACTOR as i64) + 1,
    }
}

fn smallest_above(size: u32) -> i64 {
    SMALLEST_SIZE_BYTES * (MERGE_FACTOR as i64).pow(size)
}

/// Files that become one.
struct Group {
    split: DataSplit,
    files: Vec<DataFileMeta>,
}

impl LiveTable {
    /// Merges small files once and reads from the result. None if there is nothing to merge, if that leaves as many files, or if another program
    /// has changed the same ones meanwhile. With `is_complete` every partition is taken to be complete.
    ///
    /// Commits go on at the same time. Dying in between leaves files that no snapshot names, or the whole. Of a primary-key
    /// table, partitions with more than one file are written again as their merged rows, if they are small.
    pub async fn compact(&self, is_complete: bool, now_ms: i64, pace: Pace) -> Result<Option<Compacted>> {
        let _turn = self.care.lock().await;
        let manager = self.committer.table.snapshot_manager();
        let latest = manager.get_latest_snapshot().await.map_err(self.committer.failed("read the latest snapshot"))?;
        let Some(latest) = latest else { return Ok(None) };
        if self.identity.key.is_some() {
            return if is_complete { self.compact_keyed(&latest).await } else { Ok(None) };
        }
        let (worker, this) = (LakeError::worker(self.name(), "merge files"), self.compactor());
        let merged = tokio::task::spawn_blocking(move || {
            let runtime = writer_runtime(this.writer.files.place())?;
            runtime.block_on(Box::pin(this.merge(&latest, is_complete, now_ms, pace)))
        });
        let Some((change, compacted)) = merged.await.map_err(worker)?? else { return Ok(None) };
        let published = {
            let _turn = self.committer.one_at_a_time.lock().await;
            self.committer.publish(&change).await?
        };
        if published.is_none() {
            tracing::info!(table = self.name(), "files to merge were changed meanwhile; the merge is given up");
            return Ok(None);
        }
        self.catch_up().await?;
        Ok(Some(compacted))
    }

    async fn compact_keyed(&self, latest: &Snapshot) -> Result<Option<Compacted>> {
        let _turn = self.committer.one_at_a_time.lock().await;
        let before = self.committer.live_files(latest).await?;
        let Some(after) = self.committer.rewrite(latest, 1).await? else { return Ok(None) };
        let after = self.committer.live_files(&after).await?;
        self.catch_up().await?;
        // its rows may need several files: whoever merges until nothing is left to merge would do so for ever
        Ok((after.len() < before.len()).then(|| Compacted {
            files_before: before.len() as u64,
            files_after: after.len() as u64,
            rows: rows_of(&after),
            bytes_before: bytes_of(&before),
            bytes_after: bytes_of(&after),
        }))
    }

    fn compactor(&self) -> Compactor {
        Compactor { writer: self.writer.clone(), committer: self.committer.clone() }
    }
}

/// Owns what the blocking thread needs.
struct Compactor {
    writer: crate::prepare::FileWriter,
    committer: crate::commit::Committer,
}

impl Compactor {
    async fn merge(
        &self,
        latest: &Snapshot,
        is_complete: bool,
        now_ms: i64,
        pace: Pace,
    ) -> Result<Option<(Change, Compacted)>> {
        let table = self.committer.table.copy_with_pinned_snapshot(latest);
        let splits = self.committer.splits(&table, "look for small files").await?;
        let groups = groups(splits, is_complete, now_ms);
        if groups.is_empty() {
            return Ok(None);
        }
        let mut compacted = Compacted::default();
        let mut messages = Vec::new();
        for group in &groups {
            let written = self.write(&table, group, pace).await?;
            for message in &written {
                compacted.files_after += message.new_files.len() as u64;
                compacted.bytes_after += bytes_of(&message.new_files);
            }
            messages.extend(written);
            compacted.files_before += group.files.len() as u64;
            compacted.bytes_before += bytes_of(&group.files);
            compacted.rows += rows_of(&group.files);
        }
        let depth = self.committer.table.schema().partition_keys().len();
        self.committer.files.sync_data(depth, &data_files(&messages))?;
        let user = format!("{}{COMMIT_USER_SUFFIX}", self.writer.commit_user);
        let mut change = Change::append(&user, latest.id(), &messages, self.committer.total_buckets());
        change.kind = CommitKind::COMPACT;
        change.only_if = Condition::FilesSince(latest.id());
        groups.iter().for_each(|group| change.take_out(&group.split));
        Ok(Some((change, compacted)))
    }
}

/// What to merge now, of all of a table's files.
fn groups(splits: Vec<DataSplit>, is_complete: bool, now_ms: i64) -> Vec<Group> {
    let mut buckets: BTreeMap<(Vec<u8>, i32), Vec<DataSplit>> = BTreeMap::new();
    for split in splits {
        buckets.entry((split.partition().to_serialized_bytes(), split.bucket())).or_default().push(split);
    }
    let created = |file: &DataFileMeta| file.creation_time.map_or(0, |time| time.timestamp_millis());
    let mut groups = Vec::new();
    let mut pass_bytes = 0;
    for splits in buckets.into_values() {
        if splits.iter().any(|split| split.data_deletion_files().is_some()) {
            continue; // rows that are marked as deleted are another program's doing
        }
        let mut files: Vec<DataFileMeta> = splits.iter().flat_map(|split| split.data_files()).cloned().collect();
        files.sort_by_key(created);
        let is_complete = is_complete || files.last().is_some_and(|last| created(last) + CLOSED_AFTER_MS < now_ms);
        let bytes: Vec<i64> = files.iter().map(|file| file.file_size).collect();
        let Some(range) = to_merge(&bytes, is_complete) else { continue };
        pass_bytes += bytes[range.clone()].iter().sum::<i64>();
        if pass_bytes > PASS_BYTES_MAX && !groups.is_empty() {
            break;
        }
        let files = files[range].to_vec();
        if let Some(Ok(split)) = splits.first().map(|split| with_files(split, files.clone())) {
            groups.push(Group { split, files });
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    const KIB: i64 = 1024;
    const MIB: i64 = 1024 * 1024;

    #[test]
    fn eight_of_a_size() {
        assert_eq!(to_merge(&[], false), None);
        assert_eq!(to_merge(&[10 * KIB; 7], false), None);
        assert_eq!(to_merge(&[10 * KIB; 8], false), Some(0..8));
        assert_eq!(
            to_merge(&[[80 * MIB].as_slice(), &[10 * KIB; 9]].concat(), false),
            Some(1..10),
            "a full file is left"
        );
        assert_eq!(to_merge(&[[MIB; 7].as_slice(), &[10 * KIB; 7]].concat(), false), None);
        let mixed = [[MIB; 4].as_slice(), &[10 * KIB; 2], &[MIB; 4]].concat();
        assert_eq!(to_merge(&mixed, false), Some(0..10), "smaller ones between them come along");
        assert_eq!(to_merge(&[30 * MIB; 8], false), Some(0..4), "as many as fit into one file");
    }

    #[test]
    fn a_complete_partition_has_few_files() {
        assert_eq!(to_merge(&[KIB, 2 * KIB], true), Some(0..2));
        assert_eq!(to_merge(&[KIB], true), None);
        assert_eq!(to_merge(&[KIB, 70 * MIB, KIB], true), None);
        assert_eq!(to_merge(&[50 * MIB, 50 * MIB, 50 * MIB], true), Some(0..2));
    }

    proptest! {
        /// However large the commits are: few files, no file too large, each byte copied a few times.
        #[test]
        fn files_stay_few(sizes in prop::collection::vec(1_i64..3_000_000, 1..3_000)) {
            let (mut files, mut copied) = (Vec::new(), 0);
            let mut merge_all = |files: &mut Vec<i64>, is_complete| {
                while let Some(range) = to_merge(files, is_complete) {
                    let sum: i64 = files[range.clone()].iter().sum();
                    assert!(range.len() > 1 && sum <= FILE_BYTES_TARGET);
                    copied += sum;
                    files.splice(range, [sum]);
                }
            };
            for size in &sizes {
                files.push(*size);
                merge_all(&mut files, false);
                let full = files.iter().filter(|bytes| **bytes >= FULL_FILE_BYTES).count();
                // some seven of each of five sizes; larger ones between them can keep a few more apart
                prop_assert!(files.len() <= 3 * 5 * (MERGE_FACTOR - 1) * (full + 1), "{} files", files.len());
            }
            merge_all(&mut files, true);
            let total: i64 = sizes.iter().sum();
            prop_assert_eq!(files.iter().sum::<i64>(), total);
            prop_assert!(files.len() as i64 <= 2 * total / FULL_FILE_BYTES + 1, "{} files of {total} bytes", files.len());
            prop_assert!(copied <= total * 7, "{copied} of {total} bytes copied");
        }
    }
}
