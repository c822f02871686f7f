//! Reading a partition, by offset and by time. The view is locked only to find where to read; files are read without any lock.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;

use super::{Partition, View, lock};
use crate::batch::{self, BatchHeader};
use crate::error::LogError;
use crate::log::{DamagedRange, Fetched, Offsets};
use crate::recovery::damaged_range;
use crate::segment::{Gap, Place, SegmentReader, Step};

/// A fetch reads this much of a file at once, or what was asked for if that is less.
const MAX_CHUNK_BYTES: usize = 256 << 10;
const MIN_CHUNK_BYTES: usize = 16 << 10;
/// What is remembered of damage, for the status page; more is still skipped and reported by fetches.
const MAX_REMEMBERED_RANGES: usize = 10_000;

impl Partition {
    pub(crate) fn fetch(&self, from_offset: i64, max_bytes: usize) -> Result<Fetched, LogError> {
        let mut fetch = Fetch {
            partition: self,
            max_bytes,
            bytes: 0,
            fetched: Fetched {
                records: Vec::new(),
                next_offset: from_offset,
                start_offset: 0,
                end_offset: 0,
                damaged: None,
            },
        };
        loop {
            match fetch.segment() {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(fetch.fetched),
                // what was read before the error is good; the next fetch meets the error again
                Err(_) if fetch.fetched.next_offset > from_offset => return Ok(fetch.fetched),
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn offset_for_time(&self, timestamp_ms: i64) -> Result<Option<i64>, LogError> {
        let start = self.offsets().start;
        let mut from_offset = start;
        while let Some(place) = self.view(|view| view.place_of_time(timestamp_ms, from_offset)) {
            let io = |error| LogError::io("read the segment", &place.path)(error);
            let mut reader = match place.open(MAX_CHUNK_BYTES) {
                Ok(reader) => reader,
                // retention took it, or somebody deleted it: what is wanted now is in a later one
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    from_offset = place.end_offset;
                    continue;
                }
                Err(error) => return Err(io(error)),
            };
            loop {
                match reader.step().map_err(io)? {
                    Step::Batch { header, bytes, .. } if header.max_timestamp_ms >= timestamp_ms => {
                        if let Some(offset) = first_at_or_after(&bytes, &header, timestamp_ms, start) {
                            return Ok(Some(offset));
                        }
                    }
                    Step::Batch { .. } | Step::Gap(_) => {}
                    Step::End => break,
                }
            }
            // the record that promised this is damaged: a later segment may hold another
            from_offset = place.end_offset;
        }
        Ok(None)
    }

    /// Damage as readers see it; told to the log file and kept once.
    pub(super) fn note_damage(&self, path: &Path, gap: &Gap) -> DamagedRange {
        let range = damaged_range(&self.topic, self.partition, path, gap);
        let mut damaged = lock(&self.damaged);
        if damaged.len() < MAX_REMEMBERED_RANGES && !damaged.contains_key(&range.first_offset) {
            tracing::error!(%range, "records are lost: their bytes are damaged");
            damaged.insert(range.first_offset, range.clone());
        }
        range
    }
}

struct Fetch<'a> {
    partition: &'a Partition,
    max_bytes: usize,
    bytes: usize,
    fetched: Fetched,
}

impl Fetch<'_> {
    /// Reads on in the segment that holds the next offset; breaks when enough was read or nothing is left.
    fn segment(&mut self) -> Result<ControlFlow<()>, LogError> {
        let (place, offsets) =
            self.partition.view(|view| (view.place_of_offset(self.fetched.next_offset), view.offsets()));
        let Offsets { start, end } = offsets;
        let offset = self.fetched.next_offset;
        if !(start..=end).contains(&offset) {
            let Partition { topic, partition, .. } = self.partition;
            return Err(LogError::OffsetOutOfRange { topic: topic.clone(), partition: *partition, offset, start, end });
        }
        (self.fetched.start_offset, self.fetched.end_offset) = (start, end);
        let Some(place) = place else { return Ok(ControlFlow::Break(())) };
        let chunk_bytes = self.max_bytes.saturating_sub(self.bytes).clamp(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
        match place.open(chunk_bytes) {
            Ok(mut reader) => self.walk(&mut reader, &place.path),
            // retention took it since we looked: look again, and find the new start
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.partition.offsets().start > offset => {
                Ok(ControlFlow::Continue(()))
            }
            // it was deleted below us: as lost as damaged bytes
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(self.skip(&place.path, &place.lost_from(offset)))
            }
            Err(error) => Err(LogError::io("open the segment", &place.path)(error)),
        }
    }

    fn walk(&mut self, reader: &mut SegmentReader, path: &Path) -> Result<ControlFlow<()>, LogError> {
        loop {
            let fetched = &mut self.fetched;
            let gap = match reader.step().map_err(LogError::io("read the segment", path))? {
                Step::End => return Ok(ControlFlow::Continue(())),
                Step::Batch { header, .. } if header.next_offset() <= fetched.next_offset => continue,
                Step::Batch { position, header, bytes } => {
                    match batch::decode_records(&bytes, &header, fetched.next_offset, &mut fetched.records) {
                        Ok(decoded) => {
                            fetched.next_offset = header.next_offset();
                            self.bytes += decoded;
                            if self.bytes >= self.max_bytes && !fetched.records.is_empty() {
                                return Ok(ControlFlow::Break(()));
                            }
                            continue;
                        }
                        Err(defect) => Gap {
                            from_position: position,
                            to_position: position + header.size_bytes as u64,
                            first_offset: header.base_offset,
                            next_offset: header.next_offset(),
                            defect,
                        },
                    }
                }
                Step::Gap(gap) => gap,
            };
            if gap.next_offset > self.fetched.next_offset && self.skip(path, &gap).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Goes on behind damage. A second range, or one after records, is left for the next fetch.
    fn skip(&mut self, path: &Path, gap: &Gap) -> ControlFlow<()> {
        if !self.fetched.records.is_empty() || self.fetched.damaged.is_some() {
            return ControlFlow::Break(());
        }
        self.fetched.next_offset = gap.next_offset;
        self.fetched.damaged = Some(self.partition.note_damage(path, gap));
        ControlFlow::Continue(())
    }
}

impl View {
    /// Where to start reading for an offset; `None` at the end of the log.
    pub(super) fn place_of_offset(&self, offset: i64) -> Option<Place> {
        let segment = self.sealed.partition_point(|segment| segment.index.next_offset <= offset);
        if let Some(sealed) = self.sealed.get(segment) {
            return Some(sealed.place(sealed.index.at_offset(offset)));
        }
        (offset < self.active.index.next_offset).then(|| self.active.place(self.active.index.at_offset(offset)))
    }

    /// Where to start looking for the first record of this time or later, in segments that go on after `from_offset`.
    fn place_of_time(&self, timestamp_ms: i64, from_offset: i64) -> Option<Place> {
        let holds = |next: i64, max: Option<i64>| next > from_offset && max.is_some_and(|max| max >= timestamp_ms);
        let sealed = self.sealed.iter().find(|s| holds(s.index.next_offset, s.index.max_timestamp_ms()));
        if let Some(sealed) = sealed {
            return Some(sealed.place(sealed.index.at_time(timestamp_ms)));
        }
        let active = &self.active;
        holds(active.index.next_offset, active.index.max_timestamp_ms())
            .then(|| active.place(active.index.at_time(timestamp_ms)))
    }
}

fn first_at_or_after(batch: &Bytes, header: &BatchHeader, timestamp_ms: i64, start: i64) -> Option<i64> {
    let mut records = Vec::new();
    // an unreadable batch holds no record that a fetch could give
    batch::decode_records(batch, header, start, &mut records).ok()?;
    records.iter().find(|stored| stored.record.timestamp_ms >= timestamp_ms).map(|stored| stored.offset)
}
