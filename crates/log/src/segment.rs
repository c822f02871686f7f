//! One segment file and how it is walked: batch by batch, over damage, never past what was published.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use crate::batch::{BatchDefect, BatchHeader, HEADER_BYTES};
use crate::index::SparseIndex;
use crate::verified::Verified;

/// Damage that is remembered per segment, so that it is searched once; more is searched again at each fetch.
const MAX_REMEMBERED_GAPS: usize = 1_024;
/// How much is read at once while looking for the next batch after damage.
const SEARCH_BYTES: usize = 1 << 20;
/// An LZ4 byte becomes 255 at most, a record has 7 at least: damage of n bytes can hide no more records than n times this. A batch further ahead
/// is not ours but a value that looks like one.
const MAX_RECORDS_PER_BYTE: u64 = 37;
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;

/// `00000000000000000042.log`, as Kafka names it.
pub(crate) fn log_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.log"))
}

pub(crate) fn parse_log_name(name: &str) -> Option<i64> {
    let digits = name.strip_suffix(".log")?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

pub(crate) fn sidecar_path(log: &Path) -> PathBuf {
    log.with_extension("sparse")
}

/// A run of bytes that holds no readable batch, and the offsets that are lost with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from_position: u64,
    pub(crate) to_position: u64,
    pub(crate) first_offset: i64,
    /// The first offset after the damage.
    pub(crate) next_offset: i64,
    pub(crate) defect: BatchDefect,
}

/// The damage found in one segment so far, by position.
#[derive(Debug, Default)]
pub(crate) struct Gaps(Mutex<BTreeMap<u64, Gap>>);

impl Gaps {
    pub(crate) fn at(&self, position: u64) -> Option<Gap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&position).cloned()
    }

    pub(crate) fn remember(&self, gap: &Gap) {
        let mut gaps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gaps.len() < MAX_REMEMBERED_GAPS && !gaps.contains_key(&gap.from_position) {
            gaps.insert(gap.from_position, gap.clone());
        }
    }

    pub(crate) fn all(&self) -> Vec<Gap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// The segment that is appended to. Its index says where the next batch goes and which offset it gets.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) path: Arc<Path>,
    pub(crate) file: Arc<File>,
    pub(crate) index: SparseIndex,
    pub(crate) gaps: Arc<Gaps>,
    pub(crate) verified: Arc<Verified>,
}

impl Active {
    /// Seals it as it stands.
    pub(crate) fn seal(self) -> Sealed {
        let file = Mutex::new(Arc::downgrade(&self.file));
        Sealed { path: self.path, index: self.index.thinned(), gaps: self.gaps, verified: self.verified, file }
    }

    pub(crate) fn place(&self, start: (i64, u64)) -> Place {
        Place {
            path: self.path.clone(),
            end_offset: self.index.next_offset,
            verified: self.verified.clone(),
            source: Source::Active(self.file.clone()),
            start,
            limit: self.index.log_bytes,
            gaps: self.gaps.clone(),
        }
    }
}

/// A segment that is only read, until retention takes it away.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) path: Arc<Path>,
    /// `next_offset` is where the next segment begins, even if the records before it are lost; `log_bytes` is the whole file.
    pub(crate) index: SparseIndex,
    pub(crate) gaps: Arc<Gaps>,
    verified: Arc<Verified>,
    /// Open while somebody reads: a log of ten thousand segments must not hold ten thousand files.
    file: Mutex<Weak<File>>,
}

impl Sealed {
    pub(crate) fn new(path: &Path, index: SparseIndex, gaps: Arc<Gaps>) -> Sealed {
        let verified = Arc::new(Verified::nothing());
        Sealed { path: Arc::from(path), index, gaps, verified, file: Mutex::new(Weak::new()) }
    }

    pub(crate) fn place(self: &Arc<Sealed>, start: (i64, u64)) -> Place {
        Place {
            path: self.path.clone(),
            end_offset: self.index.next_offset,
            verified: self.verified.clone(),
            source: Source::Sealed(self.clone()),
            start,
            limit: self.index.log_bytes,
            gaps: self.gaps.clone(),
        }
    }

    fn file(&self) -> io::Result<Arc<File>> {
        let mut shared = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = shared.upgrade() {
            return Ok(file);
        }
        let file = Arc::new(File::open(&self.path)?);
        *shared = Arc::downgrade(&file);
        Ok(file)
    }
}

/// Where a reader starts in a segment, taken from the partition's view so that the file is read without its lock.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: Arc<Path>,
    /// Where the segment ends, as far as this reader may see.
    pub(crate) end_offset: i64,
    pub(crate) verified: Arc<Verified>,
    source: Source,
    start: (i64, u64),
    limit: u64,
    gaps: Arc<Gaps>,
}

#[derive(Debug)]
enum Source {
    Active(Arc<File>),
    Sealed(Arc<Sealed>),
}

impl Place {
    /// Offset and position of the batch it begins with.
    pub(crate) fn start(&self) -> (i64, u64) {
        self.start
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.source, Source::Active(_))
    }

    /// Opens it if it is not open. `NotFound` means that retention took it meanwhile.
    pub(crate) fn file(&self) -> io::Result<Arc<File>> {
        match &self.source {
            Source::Active(file) => Ok(file.clone()),
            Source::Sealed(sealed) => sealed.file(),
        }
    }

    /// The damage when the file is not there any more.
    pub(crate) fn lost_from(&self, offset: i64) -> Gap {
        Gap {
            from_position: 0,
            to_position: 0,
            first_offset: offset,
            next_offset: self.end_offset,
            defect: BatchDefect::Missing,
        }
    }

    /// A walk that checks everything; errors as `file`.
    pub(crate) fn open(&self, chunk_bytes: usize) -> io::Result<SegmentReader> {
        self.walk(self.start, Depth::Checked, chunk_bytes)
    }

    /// A walk from a batch at this offset and position on.
    pub(crate) fn walk(
        &self,
        (offset, position): (i64, u64),
        depth: Depth,
        chunk_bytes: usize,
    ) -> io::Result<SegmentReader> {
        Ok(SegmentReader::new(Walk {
            file: self.file()?,
            position,
            offset,
            limit: self.limit,
            end_offset: Some(self.end_offset),
            gaps: self.gaps.clone(),
            depth,
            chunk_bytes,
        }))
    }
}

/// How much of each batch a walk looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Headers only: of a segment that was durable once, or of batches that have been checked.
    Headers,
    /// Everything: header, checksum.
    Checked,
}

/// What a walk meets next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Batches are consecutive. The bytes are empty in a walk over headers.
    Batch {
        position: u64,
        header: BatchHeader,
        bytes: Bytes,
    },
    Gap(Gap),
    End,
}

/// Where a walk begins and ends.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) file: Arc<File>,
    pub(crate) position: u64,
    /// The offset of the batch at `position`.
    pub(crate) offset: i64,
    /// Bytes of the file that may be read.
    pub(crate) limit: u64,
    /// The offset the segment ends before. `None` while it is not known, in recovery: then what follows the last batch is a gap up to `limit`
    /// with no offset in it.
    pub(crate) end_offset: Option<i64>,
    pub(crate) gaps: Arc<Gaps>,
    pub(crate) depth: Depth,
    /// How much is read at once; larger batches are read whole.
    pub(crate) chunk_bytes: usize,
}

/// A walk over the batches of one segment.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    walk: Walk,
    chunk: Bytes,
    chunk_at: u64,
}

impl SegmentReader {
    pub(crate) fn new(walk: Walk) -> SegmentReader {
        SegmentReader { walk, chunk: Bytes::new(), chunk_at: 0 }
    }

    /// The next batch, or the damage in its place. An error is the disk's, not the data's.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let Walk { position, offset, end_offset, .. } = self.walk;
        if end_offset.is_some_and(|end| offset >= end) {
            return Ok(Step::End);
        }
        let defect = match self.batch_at(position)? {
            Some(Ok((header, _))) if header.base_offset != offset || self.is_past_end(&header) => {
                BatchDefect::Offset { found: header.base_offset, expected: offset }
            }
            Some(Ok((header, bytes))) => {
                self.walk.position += header.size_bytes as u64;
                self.walk.offset = header.next_offset();
                return Ok(Step::Batch { position, header, bytes });
            }
            Some(Err(defect)) => defect,
            None if end_offset.is_none() => return Ok(Step::End),
            None => BatchDefect::Missing,
        };
        let gap = match self.walk.gaps.at(position) {
            Some(known) => known,
            None => self.gap(defect)?,
        };
        self.walk.position = gap.to_position;
        self.walk.offset = gap.next_offset;
        Ok(Step::Gap(gap))
    }

    /// Whether the next step needs no further read.
    pub(crate) fn next_is_loaded(&self) -> bool {
        let at = self.walk.position.checked_sub(self.chunk_at).and_then(|at| usize::try_from(at).ok());
        let rest = at.and_then(|at| self.chunk.get(at..)).unwrap_or_default();
        BatchHeader::parse(rest).is_ok_and(|header| header.size_bytes <= rest.len())
    }

    /// What lies between two positions, if it was read together with the walk's place.
    pub(crate) fn loaded(&self, from: u64, to: u64) -> Option<Bytes> {
        let at = |position: u64| usize::try_from(position.checked_sub(self.chunk_at)?).ok();
        let (from, to) = (at(from)?, at(to)?);
        (from <= to && to <= self.chunk.len()).then(|| self.chunk.slice(from..to))
    }

    /// The damage at the walk's place: up to the next batch that can be trusted, or to the end.
    fn gap(&mut self, defect: BatchDefect) -> io::Result<Gap> {
        let Walk { position, offset, limit, end_offset, .. } = self.walk;
        let next = self.find_next_batch()?;
        let (to_position, next_offset) = next.unwrap_or((limit, end_offset.unwrap_or(offset)));
        let gap = Gap { from_position: position, to_position, first_offset: offset, next_offset, defect };
        if next.is_some() || end_offset.is_some() {
            self.walk.gaps.remember(&gap);
        }
        Ok(gap)
    }

    /// Position and base offset of the next batch after the damage at the walk's place.
    fn find_next_batch(&mut self) -> io::Result<Option<(u64, i64)>> {
        let Walk { position, limit, .. } = self.walk;
        // where the damaged batch says that it ends: no value inside it can be taken for a batch then
        let head = self.load(position, HEADER_BYTES)?;
        if let Ok(damaged) = BatchHeader::parse(&head)
            && let Some(found) = self.trusted_batch_at(position + damaged.size_bytes as u64)?
        {
            return Ok(Some(found));
        }
        let mut at = position + 1;
        loop {
            let window = self.load(at, SEARCH_BYTES)?;
            if window.len() < HEADER_BYTES || at >= limit {
                return Ok(None);
            }
            let starts = window.len() - HEADER_BYTES + 1;
            for i in 0..starts {
                if window[i + MAGIC_AT] == MAGIC
                    && let Some(found) = self.trusted_batch_at(at + i as u64)?
                {
                    return Ok(Some(found));
                }
            }
            at += starts as u64;
        }
    }

    /// The batch at a position after damage, if its bytes and its offset can be believed.
    fn trusted_batch_at(&mut self, at: u64) -> io::Result<Option<(u64, i64)>> {
        let hidden = (at - self.walk.position).saturating_mul(MAX_RECORDS_PER_BYTE);
        let offset = self.walk.offset;
        let head = self.load(at, HEADER_BYTES)?;
        let Ok(header) = BatchHeader::parse(&head) else { return Ok(None) };
        if header.base_offset <= offset || (header.base_offset - offset) as u64 > hidden || self.is_past_end(&header) {
            return Ok(None);
        }
        let size = header.size_bytes;
        let bytes = self.load(at, size)?;
        Ok(header.verify(&bytes).is_ok().then_some((at, header.base_offset)))
    }

    fn is_past_end(&self, header: &BatchHeader) -> bool {
        self.walk.end_offset.is_some_and(|end| header.next_offset() > end)
    }

    /// The batch at a position; `None` where the file ends.
    fn batch_at(&mut self, position: u64) -> io::Result<Option<Result<(BatchHeader, Bytes), BatchDefect>>> {
        let left = self.walk.limit.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        let head = self.load(position, HEADER_BYTES)?;
        let header = match BatchHeader::parse(&head) {
            Ok(header) => header,
            Err(defect) => return Ok(Some(Err(defect))),
        };
        let need = header.size_bytes as u64;
        if need > left {
            return Ok(Some(Err(BatchDefect::Short { have: left, need })));
        }
        if self.walk.depth == Depth::Headers {
            return Ok(Some(Ok((header, Bytes::new()))));
        }
        let bytes = self.load(position, header.size_bytes)?;
        Ok(Some(header.verify(&bytes).map(|()| (header, bytes.slice(..header.size_bytes)))))
    }

    /// What lies at a position: `need` bytes or more, fewer only where the file or the limit ends.
    fn load(&mut self, position: u64, need: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.walk.limit.saturating_sub(position)).unwrap_or(usize::MAX);
        let need = need.min(left);
        if let Some(from) = position.checked_sub(self.chunk_at).and_then(|from| usize::try_from(from).ok())
            && from.checked_add(need).is_some_and(|end| end <= self.chunk.len())
        {
            return Ok(self.chunk.slice(from..));
        }
        self.chunk = read_at(&self.walk.file, position, need.max(self.walk.chunk_bytes).min(left))?;
        self.chunk_at = position;
        Ok(self.chunk.clone())
    }
}

/// Up to `len` bytes; fewer if somebody cut the file. Into memory that was used before, mostly: a zeroed buffer of this size is made of
/// new pages each time, which costs more than the copy.
fn read_at(file: &File, position: u64, len: usize) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(len);
    while buffer.len() < len {
        let at = position + buffer.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut buffer), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    buffer.truncate(len);
    Ok(Bytes::from(buffer))
}
