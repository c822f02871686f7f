//! Whole batches by their place in the file, for readers to whom the kernel can send them: no byte of them is read here but some headers.

use std::io;

use super::{Partition, View};
use crate::log::Offsets;
use crate::segment::{Depth, Place, Step};
use crate::slice::FileSlice;

/// For a walk over a few headers: entries of an active segment's index are 4 KiB apart.
const HEADER_CHUNK_BYTES: usize = 4 << 10;

/// What a fetch by place found.
#[derive(Debug)]
pub(crate) struct Sliced {
    pub(crate) slice: FileSlice,
    pub(crate) offsets: Offsets,
}

impl Partition {
    /// The batches from the one that holds `from_offset`, as `fetch_batches` gives them. `None` if they must be read: they have not been
    /// checked by this process, there are none, the first is larger than wanted, or something is wrong, which `fetch_batches` says.
    pub(crate) fn slice(&self, from_offset: i64, max_bytes: usize, at_least_one: bool) -> Option<Sliced> {
        let (place, boundary, offsets) = self.view(|view| view.span(from_offset, max_bytes))?;
        let (from, to) = extent(&place, from_offset, boundary, max_bytes, at_least_one).ok()??;
        let file = place.file().ok()?;
        let len = usize::try_from(to - from).ok()?;
        let covered = place.verified.covers(from, to);
        let slice =
            FileSlice { file, position: from, len, is_recent: place.is_active(), verified: place.verified.clone() };
        covered.then_some(Sliced { slice, offsets })
    }
}

/// Where the batch with an offset begins in the place's segment, and where the last one that is wanted ends. `boundary` is the end of a batch.
fn extent(
    place: &Place,
    from_offset: i64,
    boundary: u64,
    max_bytes: usize,
    at_least_one: bool,
) -> io::Result<Option<(u64, u64)>> {
    let (mut offset, mut from) = place.start();
    if offset != from_offset {
        let mut reader = place.walk((offset, from), Depth::Headers, HEADER_CHUNK_BYTES)?;
        while offset != from_offset {
            match reader.step()? {
                Step::Batch { position, header, .. } if header.next_offset() <= from_offset => {
                    (offset, from) = (header.next_offset(), position + header.size_bytes as u64);
                }
                Step::Batch { position, header, .. } => {
                    (offset, from) = (header.base_offset, position);
                    break;
                }
                Step::Gap(_) | Step::End => return Ok(None),
            }
        }
    }
    if boundary > from {
        return Ok(Some((from, boundary)));
    }
    // less is wanted than lies between two entries of the index
    let mut reader = place.walk((offset, from), Depth::Headers, HEADER_CHUNK_BYTES)?;
    let mut to = from;
    while let Step::Batch { position, header, .. } = reader.step()? {
        let end = position + header.size_bytes as u64;
        let is_first = to == from;
        if end - from > max_bytes as u64 && !(is_first && at_least_one) {
            break;
        }
        to = end;
    }
    Ok((to > from).then_some((from, to)))
}

impl View {
    /// Where to start reading for an offset, and the end of the last batch that lies within so many bytes of there, as far as the index knows.
    fn span(&self, offset: i64, max_bytes: usize) -> Option<(Place, u64, Offsets)> {
        let offsets = self.offsets();
        if !(offsets.start..offsets.end).contains(&offset) {
            return None;
        }
        let place = self.place_of_offset(offset)?;
        let max_position = place.start().1.saturating_add(max_bytes as u64);
        let sealed = self.sealed.partition_point(|segment| segment.index.next_offset <= offset);
        let index = self.sealed.get(sealed).map_or(&self.active.index, |segment| &segment.index);
        Some((place, index.end_within(max_position), offsets))
    }
}
