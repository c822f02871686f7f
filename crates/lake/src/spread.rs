//! Which files a scan's partitions read, so that each has as much to do: a large file is read by several, each some of its rows. Pure.

use paimon::spec::DataFileMeta;
use paimon::{DataSplit, DataSplitBuilder, RowRange};
use std::cmp::Reverse;

/// A part is not smaller: opening a file once more costs something too. Tests divide everything.
const PART_BYTES_MIN: i64 = if cfg!(test) { 1 } else { 4 * 1024 * 1024 };

/// Largest first, each to the partition that has the fewest bytes yet; no partition is empty.
pub(crate) fn spread(splits: Vec<DataSplit>, partitions: usize) -> Vec<Vec<DataSplit>> {
    let total: i64 = splits.iter().map(bytes).sum();
    let share = (total / i64::try_from(partitions).unwrap_or(i64::MAX).max(1)).max(PART_BYTES_MIN);
    let mut pieces: Vec<(i64, DataSplit)> = Vec::new();
    for split in splits {
        let (bytes, count) = (bytes(&split), usize::try_from((bytes(&split) + share - 1) / share).unwrap_or(1));
        match divided(&split, count) {
            Some(parts) => pieces.extend(parts.into_iter().map(|part| (bytes / count as i64, part))),
            None => pieces.push((bytes, split)),
        }
    }
    pieces.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let mut out: Vec<(i64, Vec<DataSplit>)> = (0..partitions.min(pieces.len())).map(|_| (0, Vec::new())).collect();
    for (bytes, piece) in pieces {
        if let Some((total, least)) = out.iter_mut().min_by_key(|(total, _)| *total) {
            *total += bytes.max(1);
            least.push(piece);
        }
    }
    out.into_iter().map(|(_, splits)| splits).collect()
}

/// Whether it stands for its files: of the parts of one split, the first does.
pub(crate) fn is_first_part(split: &DataSplit) -> bool {
    split.row_ranges().and_then(|ranges| ranges.first()).is_none_or(|range| range.from() == 0)
}

fn bytes(split: &DataSplit) -> i64 {
    split.data_files().iter().map(|file| file.file_size).sum()
}

/// Whether its files, or ranges of their rows, can be read apart: nothing beside them says which of their rows are deleted or how they are
/// numbered, and of a primary-key table they have one version of a key and no deletes, so that Paimon's reader does not merge them.
pub(crate) fn is_plain(split: &DataSplit) -> bool {
    let is_plain = |file: &DataFileMeta| file.first_row_id.is_none() && file.delete_row_count == Some(0);
    split.row_ranges().is_none()
        && split.data_deletion_files().is_none()
        && split.raw_convertible()
        && split.data_files().iter().all(is_plain)
}

/// The split's rows in parts of as many; None if it stays as it is.
fn divided(split: &DataSplit, count: usize) -> Option<Vec<DataSplit>> {
    let rows = split.row_count();
    let count = i64::try_from(count).ok()?.min(rows);
    if count < 2 || !is_plain(split) || !split.row_counts_known() {
        return None;
    }
    let part = |number: i64| {
        // both ends are in it
        let range = RowRange::new(rows * number / count, rows * (number + 1) / count - 1);
        builder(split, split.data_files().to_vec()).with_row_ranges(vec![range]).build().ok()
    };
    (0..count).map(part).collect()
}

/// The files of splits one by one, those that were made last first.
pub(crate) fn newest_first(splits: &[DataSplit]) -> Vec<DataSplit> {
    let single = |split: &DataSplit| -> Vec<DataSplit> {
        let files = split.data_files().iter().filter(|_| is_plain(split));
        let files: Option<Vec<_>> = files.map(|file| with_files(split, vec![file.clone()]).ok()).collect();
        files.filter(|files| !files.is_empty()).unwrap_or_else(|| vec![split.clone()])
    };
    let mut files: Vec<DataSplit> = splits.iter().flat_map(single).collect();
    files.sort_by_key(|split| Reverse(split.data_files().iter().filter_map(|file| file.creation_time).max()));
    files
}

/// The split with these of its files only.
pub(crate) fn with_files(split: &DataSplit, files: Vec<DataFileMeta>) -> paimon::Result<DataSplit> {
    builder(split, files).build()
}

fn builder(split: &DataSplit, files: Vec<DataFileMeta>) -> DataSplitBuilder {
    DataSplitBuilder::new()
        .with_snapshot(split.snapshot_id())
        .with_partition(split.partition().clone())
        .with_bucket(split.bucket())
        .with_bucket_path(split.bucket_path().to_owned())
        .with_total_buckets(split.total_buckets())
        .with_data_files(files)
        .with_raw_convertible(split.raw_convertible())
}
