//! Opening what an earlier process left: every batch of the active segment behind the recovery point is checked, sealed segments come from their
//! sidecars.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::BatchDefect;
use crate::error::LogError;
use crate::index::SparseIndex;
use crate::log::DamagedRange;
use crate::partition::start_file;
use crate::producers::Producers;
use crate::recovery_point::{self, Distrust, RecoveryPoint};
use crate::segment::{
    Active, Depth, Gap, Gaps, Sealed, SegmentReader, Step, Walk, log_path, parse_log_name, sidecar_path,
};
use crate::verified::Verified;

/// How much of a segment is read at once while it is checked.
const CHECK_CHUNK_BYTES: usize = 1 << 20;
/// For a walk over headers: larger batches are skipped without reading them.
const HEADER_CHUNK_BYTES: usize = 64 << 10;

/// What opening a log found. Nothing in it is an error: the log is open and takes records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    pub topics: usize,
    pub partitions: usize,
    pub segments: usize,
    pub bytes: u64,
    /// Ends of active segments that were dropped: a write that a crash cut off.
    pub torn_tails: Vec<TornTail>,
    /// Damage with good batches after it, which were kept. Damage inside sealed segments and before recovery points is found when it is fetched.
    pub damaged: Vec<DamagedRange>,
    /// Sealed segments whose sidecar was missing or damaged, so that their headers were read.
    pub reindexed: Vec<PathBuf>,
    /// Bytes of active segments that were checked: all behind the recovery points.
    pub checked_bytes: u64,
    /// Folders of known partitions that are not there; they begin again, empty, at offset 0.
    pub missing_folders: Vec<PathBuf>,
    /// Set when the topics' file was missing or damaged and the topics were taken from the folders, with the default retention.
    pub topics_rebuilt: Option<String>,
}

impl RecoveryReport {
    /// Whether nothing was found that a clean stop would not leave.
    pub fn is_clean(&self) -> bool {
        self.torn_tails.is_empty()
            && self.damaged.is_empty()
            && self.missing_folders.is_empty()
            && self.topics_rebuilt.is_none()
    }
}

/// The dropped end of an active segment. Its bytes held no readable batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    pub file: PathBuf,
    pub position: u64,
    pub bytes: u64,
    /// The offset the next record gets.
    pub next_offset: i64,
    pub reason: String,
}

impl std::fmt::Display for TornTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TornTail { file, position, bytes, next_offset, reason } = self;
        write!(
            f,
            "dropped {bytes} bytes at {position} of \"{}\", offset {next_offset} is next: {reason}",
            file.display()
        )
    }
}

/// A partition as it was found.
pub(crate) struct Recovered {
    pub(crate) sealed: Vec<Arc<Sealed>>,
    pub(crate) active: Active,
    pub(crate) producers: Producers,
    /// The active segment's base offset, and how much of it was known to be durable and good.
    pub(crate) point: (i64, u64),
    /// Records before it were deleted by somebody; 0 if nobody did.
    pub(crate) start_offset: i64,
    pub(crate) torn_tail: Option<TornTail>,
    pub(crate) damaged: Vec<DamagedRange>,
    pub(crate) reindexed: Vec<PathBuf>,
}

/// A gap as the outside sees it.
pub(crate) fn damaged_range(topic: &str, partition: u32, file: &Path, gap: &Gap) -> DamagedRange {
    DamagedRange {
        topic: topic.to_owned(),
        partition,
        first_offset: gap.first_offset,
        last_offset: gap.next_offset - 1,
        file: file.to_path_buf(),
        position: gap.from_position,
        bytes: gap.to_position - gap.from_position,
        reason: gap.defect.to_string(),
    }
}

/// Opens a partition's folder, creating it and its first segment if they are not there.
pub(crate) fn recover_partition(topic: &str, partition: u32, dir: &Path) -> Result<Recovered, LogError> {
    fs::create_dir_all(dir).map_err(LogError::io("create the folder", dir))?;
    let bases = list_segments(dir)?;
    let mut damaged = Vec::new();
    let mut reindexed = Vec::new();
    let mut sealed = Vec::new();
    let mut producers = Producers::default();
    for pair in bases.windows(2) {
        let &[base, next_base] = pair else { continue };
        let path = log_path(dir, base);
        let (segment, scanned) = open_sealed(&path, base, next_base, &mut producers)?;
        damaged.extend(segment.gaps.all().iter().map(|gap| damaged_range(topic, partition, &path, gap)));
        if scanned {
            reindexed.push(path);
        }
        sealed.push(Arc::new(segment));
    }
    let base = bases.last().copied().unwrap_or(0);
    let Opened { active, point, torn_tail } = open_active(dir, base, &mut producers)?;
    damaged.extend(active.gaps.all().iter().map(|gap| damaged_range(topic, partition, &active.path, gap)));
    let start_offset = start_file::read(dir)?.min(active.index.next_offset);
    Ok(Recovered { sealed, active, producers, point: (base, point), start_offset, torn_tail, damaged, reindexed })
}

/// Base offsets of the segments, in order. Sidecars without a segment are left from an interrupted deletion and go.
fn list_segments(dir: &Path) -> Result<Vec<i64>, LogError> {
    let mut bases = Vec::new();
    let mut sidecars = Vec::new();
    for entry in fs::read_dir(dir).map_err(LogError::io("list the folder", dir))? {
        let path = entry.map_err(LogError::io("list the folder", dir))?.path();
        let base = path.file_name().and_then(|name| name.to_str()).and_then(parse_log_name);
        match base {
            Some(base) => bases.push(base),
            None if path.extension().is_some_and(|extension| extension == "sparse") => sidecars.push(path),
            None => {}
        }
    }
    for sidecar in sidecars.iter().filter(|sidecar| !sidecar.with_extension("log").exists()) {
        fs::remove_file(sidecar).map_err(LogError::io("remove the leftover", sidecar))?;
    }
    bases.sort_unstable();
    Ok(bases)
}

/// A sealed segment, and whether it had to be walked. Producers are as they were before it, and then as they are after it.
fn open_sealed(path: &Path, base: i64, next_base: i64, producers: &mut Producers) -> Result<(Sealed, bool), LogError> {
    let file_bytes = fs::metadata(path).map_err(LogError::io("open the segment", path))?.len();
    let sidecar = sidecar_path(path);
    let gaps = Arc::new(Gaps::default());
    let known = fs::read(&sidecar).ok().and_then(|bytes| SparseIndex::decode(&bytes));
    if let Some((index, at_its_end)) = known
        && (index.base_offset, index.next_offset, index.log_bytes) == (base, next_base, file_bytes)
    {
        *producers = at_its_end;
        return Ok((Sealed::new(path, index, gaps), false));
    }
    let file = Arc::new(File::open(path).map_err(LogError::io("open the segment", path))?);
    let mut index = SparseIndex::new(base);
    let mut reader = SegmentReader::new(Walk {
        file: file.clone(),
        position: 0,
        offset: base,
        limit: file_bytes,
        end_offset: Some(next_base),
        gaps: gaps.clone(),
        depth: Depth::Headers,
        chunk_bytes: HEADER_CHUNK_BYTES,
    });
    loop {
        match reader.step().map_err(LogError::io("read the segment", path))? {
            Step::Batch { position, header, .. } => {
                index.note(position, &header);
                producers.note(&header);
            }
            Step::Gap(_) => {}
            Step::End => break,
        }
    }
    index.next_offset = next_base;
    index.log_bytes = file_bytes;
    let index = index.thinned();
    // a sidecar promises that its segment is durable; one that cannot be written is made again at the next start
    let written = file.sync_data().and_then(|()| fs::write(&sidecar, index.encode(producers)));
    if let Err(error) = written {
        tracing::warn!(file = %sidecar.display(), %error, "cannot write the index of a sealed segment");
    }
    Ok((Sealed::new(path, index, gaps), true))
}

struct Opened {
    active: Active,
    /// What was not checked again, from the beginning on.
    point: u64,
    torn_tail: Option<TornTail>,
}

/// The segment to append to, cut back to its last good batch. Producers are as they were before it, and then as they are at its end.
fn open_active(dir: &Path, base: i64, producers: &mut Producers) -> Result<Opened, LogError> {
    let path = &log_path(dir, base);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = Arc::new(file.map_err(LogError::io("open the segment", path))?);
    let file_bytes = file.metadata().map_err(LogError::io("open the segment", path))?.len();
    let gaps = Arc::new(Gaps::default());
    let walk = |(offset, position), limit, gaps: &Arc<Gaps>| {
        SegmentReader::new(Walk {
            file: file.clone(),
            position,
            offset,
            limit,
            end_offset: None,
            gaps: gaps.clone(),
            depth: Depth::Checked,
            chunk_bytes: CHECK_CHUNK_BYTES,
        })
    };
    let mut index = SparseIndex::new(base);
    let known = recovery_point::judge(recovery_point::read(dir).as_deref(), base, file_bytes);
    let point = match known {
        Ok(known) if ends_at_the_point(&known, walk).map_err(LogError::io("read the segment", path))? => {
            *producers = known.producers;
            index = known.index;
            index.log_bytes
        }
        Err(Distrust::Missing) => 0,
        // before anything is cut or appended: it would be believed again when the segment has grown
        found => {
            tracing::debug!(file = %path.display(), found = ?found.err(), "the whole segment is checked");
            recovery_point::remove(dir).map_err(LogError::io("remove the recovery point in", dir))?;
            0
        }
    };
    let mut reader = walk((index.next_offset, point), file_bytes, &gaps);
    let mut defect = BatchDefect::Missing;
    loop {
        match reader.step().map_err(LogError::io("read the segment", path))? {
            Step::Batch { position, header, .. } => {
                index.note(position, &header);
                producers.note(&header);
            }
            Step::Gap(gap) => defect = gap.defect,
            Step::End => break,
        }
    }
    let bytes = file_bytes - index.log_bytes;
    let torn_tail = (bytes > 0).then(|| TornTail {
        file: path.clone(),
        position: index.log_bytes,
        bytes,
        next_offset: index.next_offset,
        reason: defect.to_string(),
    });
    if torn_tail.is_some() {
        let cut = file.set_len(index.log_bytes).and_then(|()| file.sync_data());
        cut.map_err(LogError::io("cut the torn end off", path))?;
    }
    // damage is not to be sent: where there is some, what has been checked now is checked again when it is read
    let verified = Verified::from(if gaps.all().is_empty() { point } else { index.log_bytes });
    let active = Active { path: Arc::from(path.as_path()), file, index, gaps, verified: Arc::new(verified) };
    Ok(Opened { active, point, torn_tail })
}

/// Whether the batches from the last entry of the index on are good and end where the point is: that this is the segment it was written for.
fn ends_at_the_point(
    point: &RecoveryPoint,
    walk: impl Fn((i64, u64), u64, &Arc<Gaps>) -> SegmentReader,
) -> std::io::Result<bool> {
    let RecoveryPoint { index, .. } = point;
    let mut at = index.last_entry();
    // gaps that are none if the point is not believed
    let mut reader = walk(at, index.log_bytes, &Arc::default());
    loop {
        match reader.step()? {
            Step::Batch { position, header, .. } => {
                at = (header.next_offset(), position + header.size_bytes as u64);
            }
            Step::Gap(_) => return Ok(false),
            Step::End => return Ok(at == (index.next_offset, index.log_bytes)),
        }
    }
}
