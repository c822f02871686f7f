//! Whole batches in and out of a partition, as the Kafka protocol moves them: nothing is decoded but headers, and each is checked by its CRC.

use std::io;
use std::sync::PoisonError;

use bytes::Bytes;

use super::{Appender, Partition, Placed, Retired, View, lock, start_file};
use crate::batch::{self, BatchHeader};
use crate::error::LogError;
use crate::log::{Appended, FetchedBatches, Offsets};
use crate::producers::Verdict;
use crate::segment::{Place, SegmentReader, Step};

/// The epoch of the only leader a partition has.
const LEADER_EPOCH: i32 = 0;
/// What is kept of the buffer for one batch.
const KEPT_BUFFER_BYTES: usize = 1 << 20;
/// A fetch starts at an entry of the index: this much may lie before the batch that was asked for.
const SKIPPED_BYTES: usize = 64 << 10;
const MIN_CHUNK_BYTES: usize = 16 << 10;
/// Deleting records seals a smaller active segment only if nothing is left in it: or a client could make a file a record.
const MIN_SEALED_BYTES: u64 = 1 << 20;

impl Partition {
    /// Appends a producer's batch, whose header and checksum have been looked at, once: a duplicate gets the offsets it has already.
    pub(crate) fn append_batch(&self, bytes: &[u8], header: &BatchHeader) -> Result<Appended, LogError> {
        let mut appender = lock(&self.appender);
        let appended = |first_offset: i64| Appended {
            first_offset,
            last_offset: first_offset + i64::from(header.last_offset_delta),
        };
        let BatchHeader { producer_id, producer_epoch, base_sequence, .. } = *header;
        match appender.producers.judge(header) {
            Verdict::Append => {}
            Verdict::Duplicate { first_offset } => return Ok(appended(first_offset)),
            Verdict::OldEpoch { current } => {
                return Err(LogError::OldProducerEpoch { producer_id, current, found: producer_epoch });
            }
            Verdict::OutOfOrder { expected } => {
                return Err(LogError::OutOfOrderSequence { producer_id, expected, found: base_sequence });
            }
        }
        let first_offset = self.begin_append(&mut appender)?;
        let Appender { batch, producers, tail_is_dirty, .. } = &mut *appender;
        batch.clear();
        batch.shrink_to(KEPT_BUFFER_BYTES);
        batch.extend_from_slice(bytes);
        batch::set_place(batch, first_offset, LEADER_EPOCH);
        let Appended { last_offset, .. } = appended(first_offset);
        let placed = Placed { bytes: batch, last_offset, max_timestamp_ms: header.max_timestamp_ms };
        self.write(placed, producers, tail_is_dirty)?;
        appender.producers.note(&BatchHeader { base_offset: first_offset, ..*header });
        Ok(appended(first_offset))
    }

    /// Batches as they are on disk, from the one that holds `from_offset`. Damaged ones are left out.
    pub(crate) fn fetch_batches(
        &self,
        from_offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<FetchedBatches, LogError> {
        let mut next_offset = from_offset;
        loop {
            let (place, offsets) = self.view(|view| (view.place_of_offset(next_offset), view.offsets()));
            self.check_range(next_offset, offsets)?;
            let Offsets { start: start_offset, end: end_offset } = offsets;
            let fetched = |batches, next_offset| FetchedBatches { batches, next_offset, start_offset, end_offset };
            let Some(place) = place else { return Ok(fetched(Vec::new(), next_offset)) };
            let chunk_bytes = max_bytes.saturating_add(SKIPPED_BYTES).max(MIN_CHUNK_BYTES);
            let mut reader = match place.open(chunk_bytes) {
                Ok(reader) => reader,
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.offsets().start > next_offset => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    next_offset = self.note_damage(&place.path, &place.lost_from(next_offset)).last_offset + 1;
                    continue;
                }
                Err(error) => return Err(LogError::io("open the segment", &place.path)(error)),
            };
            let run = self.run(&mut reader, &place, &mut next_offset, max_bytes, at_least_one);
            match run.map_err(LogError::io("read the segment", &place.path))? {
                Run::Batches { from, batches } => {
                    place.verified.add(from, from + batches.len() as u64);
                    return Ok(fetched(vec![batches], next_offset));
                }
                Run::TooLarge => return Ok(fetched(Vec::new(), next_offset)),
                // nothing readable in this segment: go on with the next
                Run::Nothing => {}
            }
        }
    }

    /// The batches that lie together from `next_offset` on, as one slice of what was read at once.
    fn run(
        &self,
        reader: &mut SegmentReader,
        place: &Place,
        next_offset: &mut i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> io::Result<Run> {
        let mut found: Option<(u64, Bytes)> = None;
        while found.is_none() || reader.next_is_loaded() {
            match reader.step()? {
                Step::Batch { header, .. } if header.next_offset() <= *next_offset => {}
                Step::Batch { position, header, .. } => {
                    let end = position + header.size_bytes as u64;
                    let from = found.as_ref().map_or(position, |(from, _)| *from);
                    if (end - from) as usize > max_bytes && (found.is_some() || !at_least_one) {
                        return Ok(found.map_or(Run::TooLarge, Run::batches));
                    }
                    let Some(batches) = reader.loaded(from, end) else { break };
                    found = Some((from, batches));
                    *next_offset = header.next_offset();
                }
                Step::Gap(gap) if gap.next_offset <= *next_offset => {}
                // the next fetch begins with the damage
                Step::Gap(_) if found.is_some() => break,
                Step::Gap(gap) => {
                    self.note_damage(&place.path, &gap);
                    *next_offset = gap.next_offset;
                }
                Step::End => {
                    if found.is_none() {
                        *next_offset = (*next_offset).max(place.end_offset);
                    }
                    break;
                }
            }
        }
        Ok(found.map_or(Run::Nothing, Run::batches))
    }

    /// How many bytes a fetch from an offset could give, at most 4 KiB too many (64 KiB in old segments).
    pub(crate) fn available_bytes(&self, from_offset: i64) -> Result<u64, LogError> {
        let (offsets, bytes) = self.view(|view| (view.offsets(), view.bytes_from(from_offset)));
        self.check_range(from_offset, offsets)?;
        Ok(bytes)
    }

    pub(crate) fn is_active(&self, offset: i64) -> bool {
        self.view(|view| offset >= view.active.index.base_offset)
    }

    pub(crate) fn max_timestamp_ms(&self) -> Option<i64> {
        self.view(|view| {
            let sealed = view.sealed.iter().filter_map(|segment| segment.index.max_timestamp_ms()).max();
            sealed.max(view.active.index.max_timestamp_ms())
        })
    }

    /// Deletes the records before an offset, for good when it returns; whole segments go, of the first one that is left the rest is hidden.
    /// The offset of the first record that is left.
    pub(crate) fn delete_records(&self, before_offset: i64) -> Result<i64, LogError> {
        let appender = lock(&self.appender);
        self.check_poison()?;
        let offsets = self.offsets();
        if before_offset <= offsets.start && before_offset >= 0 {
            return Ok(offsets.start);
        }
        self.check_range(before_offset, Offsets { start: 0, ..offsets })?;
        start_file::write(&self.dir, before_offset)?;
        let tail = self.tail();
        let whole = before_offset == tail.next_offset && tail.position > 0;
        if !appender.tail_is_dirty && (whole || (before_offset > tail.base_offset && tail.position > MIN_SEALED_BYTES))
        {
            self.roll(&appender.producers)?;
        }
        let gone = {
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            view.start_offset = before_offset;
            let gone = view.sealed.partition_point(|segment| segment.index.next_offset <= before_offset);
            view.sealed.iter().take(gone).cloned().collect()
        };
        let Retired { .. } = self.remove(gone)?;
        Ok(before_offset)
    }

    fn check_range(&self, offset: i64, Offsets { start, end }: Offsets) -> Result<(), LogError> {
        if (start..=end).contains(&offset) {
            return Ok(());
        }
        Err(LogError::OffsetOutOfRange { topic: self.topic.clone(), partition: self.partition, offset, start, end })
    }
}

enum Run {
    /// All of them checked, and where they lie.
    Batches {
        from: u64,
        batches: Bytes,
    },
    /// The first batch has more bytes than are wanted.
    TooLarge,
    Nothing,
}

impl Run {
    fn batches((from, batches): (u64, Bytes)) -> Run {
        Run::Batches { from, batches }
    }
}

impl View {
    fn bytes_from(&self, offset: i64) -> u64 {
        let first = self.sealed.partition_point(|segment| segment.index.next_offset <= offset);
        let active = &self.active.index;
        let sealed = self.sealed.get(first..).unwrap_or_default();
        let skipped = match sealed.first() {
            Some(segment) => segment.index.at_offset(offset).1,
            None if offset < active.next_offset => active.at_offset(offset).1,
            None => active.log_bytes,
        };
        sealed.iter().map(|segment| segment.index.log_bytes).sum::<u64>() + active.log_bytes - skipped
    }
}
