//! The sparse index of one segment: which position to start reading at for an offset or a time, and its sidecar file's bytes. Pure.
//!
//! A sidecar (`<base offset>.sparse`) is written when a segment is sealed and durable. It is a cache: lost, cut or damaged ones are made again.
//! ```text
//! magic "HOGAIDX2" | base offset, next offset, log bytes, first timestamp, max timestamp: i64 each | has timestamps u8 | entry count u32
//! entries (offset, position, max timestamp before: i64 each) | producers at the segment's end (see `producers`) | CRC-32C u32 of all before
//! ```
//! All big endian. "HOGAIDX1" had no producers; there were none in the log then.

use crate::batch::BatchHeader;
use crate::producers::Producers;

/// How far apart entries are while a segment is appended to: what a reader at the tail skips over.
pub(crate) const ACTIVE_INTERVAL_BYTES: u64 = 4 << 10;
/// How far apart they stay in a sealed segment: 48 KB of memory for 128 MiB, 4 MB for a topic of 10 GB. Kafka maps its index files
/// instead; readers of old data go on for long and need the index once.
pub(crate) const SEALED_INTERVAL_BYTES: u64 = 64 << 10;

const MAGIC: &[u8; 8] = b"HOGAIDX2";
const MAGIC_WITHOUT_PRODUCERS: &[u8; 8] = b"HOGAIDX1";
const FIXED_BYTES: usize = 8 + 5 * 8 + 1 + 4;
const ENTRY_BYTES: usize = 24;
const CRC_BYTES: usize = 4;

/// A batch begins at `position` with `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) offset: i64,
    pub(crate) position: u64,
    /// The largest timestamp of all batches before this one: never falls from entry to entry, so that it can be searched.
    pub(crate) max_timestamp_before_ms: i64,
}

/// What is known of a segment without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    pub(crate) base_offset: i64,
    pub(crate) next_offset: i64,
    /// Where the last batch ends.
    pub(crate) log_bytes: u64,
    /// The largest of the first batch, which is the segment's age, and the largest of all; `None` while the segment is empty.
    pub(crate) timestamps_ms: Option<(i64, i64)>,
    entries: Vec<IndexEntry>,
}

impl SparseIndex {
    pub(crate) fn new(base_offset: i64) -> SparseIndex {
        SparseIndex { base_offset, next_offset: base_offset, log_bytes: 0, timestamps_ms: None, entries: Vec::new() }
    }

    pub(crate) fn max_timestamp_ms(&self) -> Option<i64> {
        self.timestamps_ms.map(|(_, max)| max)
    }

    /// Takes in the batch at `position`; batches come in order, damaged ones are left out.
    pub(crate) fn note(&mut self, position: u64, header: &BatchHeader) {
        self.note_parts(
            position,
            header.base_offset,
            header.next_offset(),
            header.size_bytes as u64,
            header.max_timestamp_ms,
        );
    }

    pub(crate) fn note_parts(&mut self, position: u64, first: i64, next: i64, size_bytes: u64, max_timestamp_ms: i64) {
        let far = self.entries.last().is_none_or(|last| position - last.position >= ACTIVE_INTERVAL_BYTES);
        if far {
            let max_timestamp_before_ms = self.max_timestamp_ms().unwrap_or(i64::MIN);
            self.entries.push(IndexEntry { offset: first, position, max_timestamp_before_ms });
        }
        let (first_ms, max_ms) = self.timestamps_ms.unwrap_or((max_timestamp_ms, max_timestamp_ms));
        self.timestamps_ms = Some((first_ms, max_ms.max(max_timestamp_ms)));
        self.next_offset = next;
        self.log_bytes = position + size_bytes;
    }

    /// Where to start reading for an offset: the last known batch at or before it.
    pub(crate) fn at_offset(&self, offset: i64) -> (i64, u64) {
        self.entry_before(self.entries.partition_point(|entry| entry.offset <= offset))
    }

    /// Where to start reading for the first record of this time or later.
    pub(crate) fn at_time(&self, timestamp_ms: i64) -> (i64, u64) {
        self.entry_before(self.entries.partition_point(|entry| entry.max_timestamp_before_ms < timestamp_ms))
    }

    /// The end of the last batch that ends at a position or before it, as far as it is known: the segment's end, or where an entry begins.
    pub(crate) fn end_within(&self, position: u64) -> u64 {
        if self.log_bytes <= position {
            return self.log_bytes;
        }
        self.entry_before(self.entries.partition_point(|entry| entry.position <= position)).1
    }

    /// Where the last stretch begins that has no entry of its own: offset and position.
    pub(crate) fn last_entry(&self) -> (i64, u64) {
        self.entry_before(self.entries.len())
    }

    /// With fewer entries, for a segment that is no longer appended to.
    pub(crate) fn thinned(&self) -> SparseIndex {
        let mut last = None;
        let far = |entry: &&IndexEntry| {
            let keep = last.is_none_or(|last| entry.position - last >= SEALED_INTERVAL_BYTES);
            if keep {
                last = Some(entry.position);
            }
            keep
        };
        let entries = self.entries.iter().filter(far).copied().collect();
        SparseIndex { entries, ..*self }
    }

    /// The sidecar of a segment, with what is known of producers at its end.
    pub(crate) fn encode(&self, producers: &Producers) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.entries.len() * ENTRY_BYTES + CRC_BYTES);
        bytes.extend_from_slice(MAGIC);
        let (first_ms, max_ms) = self.timestamps_ms.unwrap_or_default();
        for value in [self.base_offset, self.next_offset, self.log_bytes as i64, first_ms, max_ms] {
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        bytes.push(u8::from(self.timestamps_ms.is_some()));
        bytes.extend_from_slice(&(self.entries.len() as u32).to_be_bytes());
        for entry in &self.entries {
            for value in [entry.offset, entry.position as i64, entry.max_timestamp_before_ms] {
                bytes.extend_from_slice(&value.to_be_bytes());
            }
        }
        producers.encode(&mut bytes);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// What `encode` wrote, or `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(SparseIndex, Producers)> {
        let (body, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
            return None;
        }
        let (fixed, entries) = body.split_first_chunk::<FIXED_BYTES>()?;
        let (magic, fixed) = fixed.split_first_chunk::<8>()?;
        let (values, rest) = fixed.split_first_chunk::<40>()?;
        let values: Vec<i64> = values.as_chunks::<8>().0.iter().map(|v| i64::from_be_bytes(*v)).collect();
        let (has_timestamps, count) = rest.split_first()?;
        let count = u32::from_be_bytes(*count.first_chunk()?) as usize;
        let (entries, producers) = entries.split_at_checked(count.checked_mul(ENTRY_BYTES)?)?;
        let producers = match magic {
            MAGIC => Producers::decode(producers)?,
            MAGIC_WITHOUT_PRODUCERS if producers.is_empty() => Producers::default(),
            _ => return None,
        };
        let (numbers, _) = entries.as_chunks::<8>();
        let number = |i: usize| i64::from_be_bytes(numbers[i]);
        let entries = (0..count)
            .map(|i| IndexEntry {
                offset: number(3 * i),
                position: number(3 * i + 1) as u64,
                max_timestamp_before_ms: number(3 * i + 2),
            })
            .collect();
        let index = SparseIndex {
            base_offset: values[0],
            next_offset: values[1],
            log_bytes: values[2] as u64,
            timestamps_ms: (*has_timestamps == 1).then_some((values[3], values[4])),
            entries,
        };
        Some((index, producers))
    }

    /// The entry before the `index`-th one, or the segment's beginning.
    fn entry_before(&self, index: usize) -> (i64, u64) {
        match index.checked_sub(1).and_then(|i| self.entries.get(i)) {
            Some(entry) => (entry.offset, entry.position),
            None => (self.base_offset, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Batches of 10 records and 3,000 bytes; timestamps rise and then fall back.
    fn sample(batches: i64) -> SparseIndex {
        let mut index = SparseIndex::new(100);
        for i in 0..batches {
            let ms = if i % 7 == 6 { 0 } else { i * 10 };
            index.note_parts(i as u64 * 3_000, 100 + i * 10, 110 + i * 10, 3_000, ms + 5);
        }
        index
    }

    #[test]
    fn finds_the_batch_or_one_before_it() {
        for index in [sample(500), sample(500).thinned()] {
            for offset in 100..5_100 {
                let (found, position) = index.at_offset(offset);
                assert!(found <= offset);
                assert_eq!(position, (found - 100) as u64 / 10 * 3_000);
                assert!(offset - found < (SEALED_INTERVAL_BYTES as i64 / 3_000 + 2) * 10);
            }
            assert_eq!((index.next_offset, index.log_bytes), (5_100, 1_500_000));
        }
    }

    #[test]
    fn a_time_is_never_started_after_its_first_record() {
        for index in [sample(500), sample(500).thinned()] {
            for ms in 0..5_000 {
                let (found, _) = index.at_time(ms);
                let first = (0..500).find(|i| (if i % 7 == 6 { 5 } else { i * 10 + 5 }) >= ms).unwrap_or(500);
                assert!(found <= 100 + first * 10, "time {ms}");
            }
        }
    }

    #[test]
    fn the_sidecar_comes_back_and_damage_is_noticed() {
        for index in [SparseIndex::new(7), sample(1), sample(300).thinned()] {
            let bytes = index.encode(&Producers::default());
            assert_eq!(SparseIndex::decode(&bytes).unwrap(), (index, Producers::default()));
            for at in 0..bytes.len() {
                assert_eq!(SparseIndex::decode(&bytes[..at]), None);
                let mut bad = bytes.clone();
                bad[at] ^= 0x10;
                assert_eq!(SparseIndex::decode(&bad), None, "byte {at}");
            }
        }
    }
}
