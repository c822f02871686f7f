//! How much of the segment that is appended to is known to be durable and good, so that a start checks only what came after it.
//!
//! `recovery-point` in a partition's folder is the sidecar of the active segment as it was at some moment: index and producers up to a position
//! (`index`). It is written after an fsync of those bytes, and now and then only: 8 MiB further on each time. What a crash can do:
//! - killed process or lost power at any moment: the file is the old one or the new one (it is made durable beside it and renamed), and both
//!   are true of the segment, which only grows. What was appended behind the point is checked byte by byte, as all of the segment was before;
//! - the file is torn, of another segment, or says more than the segment has: everything is checked, as without it;
//! - somebody replaced or cut the segment: the batches between the last entry of the index and the point are read and must end exactly at the
//!   point, or everything is checked, and the file goes before anything is appended;
//! - bits rot before the point: the fetch that meets them skips and names them, as in sealed segments.

use std::fs;
use std::io;
use std::path::Path;

use crate::index::SparseIndex;
use crate::partition::sync_folder;
use crate::producers::Producers;
use crate::replace::replace_file;

const NAME: &str = "recovery-point";

/// Why the whole segment is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// There is no such file: a new segment, or one that was never far.
    Missing,
    /// Its checksum is wrong, or it is of another version.
    Damaged,
    /// It is of a segment that has been sealed since.
    OtherSegment,
    /// The segment has fewer bytes than were durable once.
    BeyondTheEnd,
}

/// A segment from its beginning up to a position, as it was when those bytes were durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveryPoint {
    /// `log_bytes` and `next_offset` are the point.
    pub(crate) index: SparseIndex,
    pub(crate) producers: Producers,
}

/// Whether a recovery file's bytes say something of the segment that begins at `base` and has `file_bytes` now.
pub(crate) fn judge(found: Option<&[u8]>, base: i64, file_bytes: u64) -> Result<RecoveryPoint, Distrust> {
    let bytes = found.ok_or(Distrust::Missing)?;
    let (index, producers) = SparseIndex::decode(bytes).ok_or(Distrust::Damaged)?;
    if index.base_offset != base {
        Err(Distrust::OtherSegment)
    } else if index.log_bytes > file_bytes {
        Err(Distrust::BeyondTheEnd)
    } else {
        Ok(RecoveryPoint { index, producers })
    }
}

/// Whether a new point is worth its write: `interval_bytes` beyond the last one, or as much in a segment that has none.
pub(crate) fn is_due(last: (i64, u64), segment: i64, log_bytes: u64, interval_bytes: u64) -> bool {
    let (last_segment, last_bytes) = last;
    let known = if last_segment == segment { last_bytes } else { 0 };
    log_bytes.saturating_sub(known) >= interval_bytes.max(1)
}

/// The file's bytes, if it is there and can be read.
pub(crate) fn read(dir: &Path) -> Option<Vec<u8>> {
    fs::read(dir.join(NAME)).ok()
}

/// Replaces the file: after lost power it is the old one or the new one.
pub(crate) fn write(dir: &Path, index: &SparseIndex, producers: &Producers) -> io::Result<()> {
    replace_file(dir, NAME, &index.encode(producers))
}

/// Gone for good on return.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(NAME)) {
        Ok(()) => sync_folder(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A segment from offset 100 on, 5 batches of 1,000 bytes.
    fn point() -> RecoveryPoint {
        let mut index = SparseIndex::new(100);
        for i in 0..5 {
            index.note_parts(i as u64 * 1_000, 100 + i * 10, 110 + i * 10, 1_000, i);
        }
        RecoveryPoint { index, producers: Producers::default() }
    }

    #[test]
    fn what_is_believed() {
        let point = point();
        let bytes = point.index.encode(&point.producers);
        assert_eq!(judge(Some(&bytes), 100, 5_000), Ok(point.clone()));
        assert_eq!(judge(Some(&bytes), 100, u64::MAX), Ok(point));
        assert_eq!(judge(None, 100, 5_000), Err(Distrust::Missing));
        assert_eq!(judge(Some(&bytes), 100, 4_999), Err(Distrust::BeyondTheEnd));
        assert_eq!(judge(Some(&bytes), 150, 5_000), Err(Distrust::OtherSegment));
        for at in 0..bytes.len() {
            assert_eq!(judge(Some(&bytes[..at]), 100, 5_000), Err(Distrust::Damaged), "torn at {at}");
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(judge(Some(&bad), 100, 5_000), Err(Distrust::Damaged), "byte {at}");
        }
    }

    #[test]
    fn when_a_point_is_written() {
        assert!(!is_due((7, 0), 7, 99, 100));
        assert!(is_due((7, 0), 7, 100, 100));
        assert!(!is_due((7, 100), 7, 199, 100));
        assert!(is_due((7, 100), 8, 100, 100), "another segment has no point yet");
        assert!(!is_due((7, 100), 7, 50, 0), "never backwards");
        assert!(!is_due((7, 100), 7, 100, 0), "never twice the same");
    }
}
