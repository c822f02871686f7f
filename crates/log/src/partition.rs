//! One partition on disk: appends one batch after another, makes them durable, seals segments and retires them. Reading is in `fetch`.
//!
//! State: the appender (one at a time), the view (what readers may see; locked for nanoseconds, never during file reads) and what is durable.
//! A batch is in the view only after it was written whole, so a reader cannot meet a half-written one.

mod batches;
mod fetch;
mod slices;
pub(crate) mod start_file;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use crate::batch::{BatchEncoder, Compression};
use crate::error::LogError;
use crate::faults::Faults;
use crate::index::SparseIndex;
use crate::log::{Appended, DamagedRange, Offsets, Record};
use crate::producers::Producers;
use crate::recovery::Recovered;
use crate::recovery_point;
use crate::retention::{RollLimits, SegmentFacts, expired, must_roll, must_seal};
use crate::segment::{Active, Sealed, log_path, sidecar_path};
use crate::topic::Retention;
use crate::verified::Verified;

pub(crate) use slices::Sliced;

/// Kafka's offset indexes hold offsets as 32-bit distances from the segment's first.
const MAX_SEGMENT_OFFSETS: i64 = i32::MAX as i64;

/// How all partitions of a log behave.
#[derive(Debug, Clone)]
pub(crate) struct PartitionOptions {
    pub(crate) compression: Compression,
    pub(crate) roll: RollLimits,
    /// Durable before `append` returns.
    pub(crate) sync_each_append: bool,
    pub(crate) recovery_point_bytes: u64,
    pub(crate) faults: Option<Arc<Faults>>,
}

pub(crate) struct Partition {
    topic: String,
    partition: u32,
    dir: PathBuf,
    options: PartitionOptions,
    appender: Mutex<Appender>,
    view: RwLock<View>,
    durable: Mutex<Durable>,
    /// The last recovery point: the base offset of its segment, and how much of it. Held while one is written.
    point: Mutex<(i64, u64)>,
    /// Sealed since the last flush: not durable yet, without a sidecar.
    unflushed: Mutex<Vec<Unflushed>>,
    /// Why appends are refused for good: after a failed fsync nobody knows what is on the disk.
    poisoned: OnceLock<(PathBuf, String)>,
    /// Damage met so far, by first offset.
    damaged: Mutex<BTreeMap<i64, DamagedRange>>,
}

struct Appender {
    encoder: BatchEncoder,
    /// A producer's batch while it gets its place.
    batch: Vec<u8>,
    producers: Producers,
    /// A write failed and its bytes could not be cut off yet.
    tail_is_dirty: bool,
}

struct Unflushed {
    segment: Arc<Sealed>,
    file: Arc<File>,
    sidecar: Vec<u8>,
}

struct View {
    /// Records before it were deleted, though their segment may still be there.
    start_offset: i64,
    /// Oldest first, each ending where the next begins.
    sealed: Vec<Arc<Sealed>>,
    active: Active,
}

struct Durable {
    /// The active segment's base offset and how much of it is durable.
    segment: i64,
    bytes: u64,
    /// Names of new segment files are not durable before their folder is.
    folder_is_dirty: bool,
}

/// Where the next batch goes.
struct Tail {
    file: Arc<File>,
    path: Arc<Path>,
    base_offset: i64,
    next_offset: i64,
    position: u64,
    timestamps_ms: Option<(i64, i64)>,
}

/// A whole batch, with the offsets it has.
struct Placed<'a> {
    bytes: &'a [u8],
    last_offset: i64,
    max_timestamp_ms: i64,
}

/// What retention took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retired {
    pub segments: usize,
    pub bytes: u64,
}

impl Partition {
    pub(crate) fn new(
        topic: &str,
        partition: u32,
        dir: PathBuf,
        options: PartitionOptions,
        found: Recovered,
    ) -> Partition {
        let Recovered { sealed, active, producers, point, start_offset, damaged, .. } = found;
        Partition {
            topic: topic.to_owned(),
            partition,
            dir,
            appender: Mutex::new(Appender {
                encoder: BatchEncoder::new(options.compression),
                batch: Vec::new(),
                producers,
                tail_is_dirty: false,
            }),
            options,
            durable: Mutex::new(Durable { segment: active.index.base_offset, bytes: 0, folder_is_dirty: true }),
            view: RwLock::new(View { start_offset, sealed, active }),
            point: Mutex::new(point),
            unflushed: Mutex::default(),
            poisoned: OnceLock::new(),
            damaged: Mutex::new(damaged.into_iter().map(|range| (range.first_offset, range)).collect()),
        }
    }

    pub(crate) fn append(&self, records: &[Record]) -> Result<Appended, LogError> {
        let mut appender = lock(&self.appender);
        let first_offset = self.begin_append(&mut appender)?;
        let Appender { encoder, producers, tail_is_dirty, .. } = &mut *appender;
        let encoded = encoder.encode(first_offset, records)?;
        let last_offset = first_offset + records.len() as i64 - 1;
        let batch = Placed { bytes: encoded.bytes, last_offset, max_timestamp_ms: encoded.max_timestamp_ms };
        self.write(batch, producers, tail_is_dirty)?;
        Ok(Appended { first_offset, last_offset })
    }

    /// Ready for a batch: the offset that it will have.
    fn begin_append(&self, appender: &mut Appender) -> Result<i64, LogError> {
        self.check_poison()?;
        let tail = self.tail();
        if appender.tail_is_dirty {
            tail.file.set_len(tail.position).map_err(LogError::io("repair the end of", &tail.path))?;
            appender.tail_is_dirty = false;
        }
        Ok(tail.next_offset)
    }

    /// Writes a batch at the end and shows it to readers. The caller holds the appender and has begun.
    fn write(&self, batch: Placed<'_>, producers: &Producers, tail_is_dirty: &mut bool) -> Result<(), LogError> {
        let Placed { bytes, last_offset, max_timestamp_ms } = batch;
        let size_bytes = bytes.len() as u64;
        let mut tail = self.tail();
        let first_offset = tail.next_offset;
        let age_ms = tail.timestamps_ms.map(|(first, _)| first);
        if must_roll(self.options.roll, tail.position, age_ms, size_bytes, max_timestamp_ms)
            || last_offset - tail.base_offset > MAX_SEGMENT_OFFSETS
        {
            self.roll(producers)?;
            tail = self.tail();
        }
        if let Err(error) = self.write_all_at(&tail.file, bytes, tail.position) {
            *tail_is_dirty = tail.file.set_len(tail.position).is_err();
            return Err(LogError::io("append to", &tail.path)(error));
        }
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        view.active.index.note_parts(tail.position, first_offset, last_offset + 1, size_bytes, max_timestamp_ms);
        drop(view);
        if self.options.sync_each_append { self.flush() } else { Ok(()) }
    }

    pub(crate) fn offsets(&self) -> Offsets {
        self.view(View::offsets)
    }

    /// Bytes of its segment files.
    pub(crate) fn bytes(&self) -> u64 {
        self.view(|view| {
            view.sealed.iter().map(|sealed| sealed.index.log_bytes).sum::<u64>() + view.active.index.log_bytes
        })
    }

    /// Damage that recovery and fetches have met.
    pub(crate) fn damaged(&self) -> Vec<DamagedRange> {
        lock(&self.damaged).values().cloned().collect()
    }

    /// Makes everything appended before the call durable. After a failed fsync the partition takes no more appends: the kernel may have
    /// dropped the pages that it could not write, so trying again would report success for lost bytes.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        let mut durable = lock(&self.durable);
        self.check_poison()?;
        // the tail first: a segment that is sealed between these two lines is in both, in the other order it would be in neither
        let tail = self.tail();
        let sealed = std::mem::take(&mut *lock(&self.unflushed));
        durable.folder_is_dirty |= !sealed.is_empty();
        for Unflushed { segment, file, sidecar } in &sealed {
            self.sync_data(file).map_err(|error| self.poison(&segment.path, &error))?;
            self.write_sidecar(segment, sidecar);
        }
        if (tail.base_offset, tail.position) != (durable.segment, durable.bytes) {
            self.sync_data(&tail.file).map_err(|error| self.poison(&tail.path, &error))?;
            (durable.segment, durable.bytes) = (tail.base_offset, tail.position);
        }
        if durable.folder_is_dirty {
            sync_folder(&self.dir).map_err(|error| self.poison(&self.dir, &error))?;
            durable.folder_is_dirty = false;
        }
        Ok(())
    }

    /// Makes what has been appended durable and writes down how far it is, if that is much more than the last time: what a start need not check.
    /// It may fail: then the next start checks more.
    pub(crate) fn save_recovery_point(&self) {
        let mut last = lock(&self.point);
        let due = |index: &SparseIndex| {
            recovery_point::is_due(*last, index.base_offset, index.log_bytes, self.options.recovery_point_bytes)
        };
        if !self.view(|view| due(&view.active.index)) {
            return;
        }
        // index and producers belong together, and both to bytes that the fsync below makes durable
        let (index, producers) = {
            let appender = lock(&self.appender);
            (self.view(|view| view.active.index.thinned()), appender.producers.clone())
        };
        if self.flush().is_err() {
            return;
        }
        // also when it fails: a disk that is full is not asked each time
        *last = (index.base_offset, index.log_bytes);
        if let Err(error) = recovery_point::write(&self.dir, &index, &producers) {
            tracing::warn!(folder = %self.dir.display(), %error, "cannot write the recovery point");
        }
    }

    /// Seals the active segment if it is old, then deletes the sealed ones that retention does not keep.
    pub(crate) fn retire(&self, retention: Retention, partitions: u32, now_ms: i64) -> Result<Retired, LogError> {
        let appender = lock(&self.appender);
        let tail = self.tail();
        let seal = must_seal(self.options.roll, tail.position, tail.timestamps_ms, retention, now_ms);
        if seal && !appender.tail_is_dirty && self.poisoned.get().is_none() {
            self.roll(&appender.producers)?;
        }
        drop(appender);
        let gone: Vec<Arc<Sealed>> = self.view(|view| {
            let deleted = view.sealed.partition_point(|segment| segment.index.next_offset <= view.start_offset);
            let facts = |s: &Arc<Sealed>| SegmentFacts {
                bytes: s.index.log_bytes,
                max_timestamp_ms: s.index.max_timestamp_ms(),
            };
            let facts: Vec<SegmentFacts> = view.sealed.iter().map(facts).collect();
            let count = expired(&facts, view.active.index.log_bytes, retention, partitions, now_ms);
            view.sealed.iter().take(count.max(deleted)).cloned().collect()
        });
        self.remove(gone)
    }

    /// Deletes segments, the oldest ones that there are.
    fn remove(&self, gone: Vec<Arc<Sealed>>) -> Result<Retired, LogError> {
        let mut retired = Retired::default();
        for segment in gone {
            // Out of the view first, so that a reader who finds no file finds the new start when it looks again. If the process dies before
            // the file is gone, the next start has the segment back, without a hole, and retention takes it again.
            self.view
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .sealed
                .retain(|kept| !Arc::ptr_eq(kept, &segment));
            if let Err(error) =
                remove_if_there(&segment.path).and_then(|()| remove_if_there(&sidecar_path(&segment.path)))
            {
                self.view.write().unwrap_or_else(PoisonError::into_inner).sealed.insert(0, segment);
                return Err(error);
            }
            retired.segments += 1;
            retired.bytes += segment.index.log_bytes;
        }
        Ok(retired)
    }

    /// Seals the active segment and begins a new one. The caller holds the appender, whose producers are those at the segment's end.
    fn roll(&self, producers: &Producers) -> Result<(), LogError> {
        let base_offset = self.tail().next_offset;
        let path = log_path(&self.dir, base_offset);
        // no record of this offset was ever acknowledged: a file of this name is left from a roll that failed
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let file = Arc::new(file.map_err(LogError::io("create the segment", &path))?);
        // all of it is going to be written by this process
        let verified = Arc::new(Verified::from(0));
        let index = SparseIndex::new(base_offset);
        let next = Active { path: Arc::from(path), file, index, gaps: Arc::default(), verified };
        let mut unflushed = lock(&self.unflushed);
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut view.active, next);
        let file = last.file.clone();
        let sealed = Arc::new(last.seal());
        let sidecar = sealed.index.encode(producers);
        view.sealed.push(sealed.clone());
        unflushed.push(Unflushed { segment: sealed, file, sidecar });
        Ok(())
    }

    /// A cache: if it cannot be written, the next start reads the segment's headers instead.
    fn write_sidecar(&self, segment: &Sealed, bytes: &[u8]) {
        let path = sidecar_path(&segment.path);
        if !segment.path.exists() {
            return; // retention was faster
        }
        if let Err(error) = fs::write(&path, bytes) {
            tracing::warn!(file = %path.display(), %error, "cannot write the index of a sealed segment");
        }
    }

    fn write_all_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        match &self.options.faults {
            Some(faults) => faults.write_all_at(file, bytes, position),
            None => file.write_all_at(bytes, position),
        }
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        match &self.options.faults {
            Some(faults) => faults.sync_data(file),
            None => file.sync_data(),
        }
    }

    fn poison(&self, file: &Path, error: &io::Error) -> LogError {
        let Partition { topic, partition, .. } = self;
        tracing::error!(topic, partition, file = %file.display(), %error, "fsync failed: the partition takes no more appends");
        let (file, reason) = self.poisoned.get_or_init(|| (file.to_path_buf(), error.to_string()));
        self.poison_error(file, reason)
    }

    fn check_poison(&self) -> Result<(), LogError> {
        self.poisoned.get().map_or(Ok(()), |(file, reason)| Err(self.poison_error(file, reason)))
    }

    fn poison_error(&self, file: &Path, reason: &str) -> LogError {
        LogError::Poisoned {
            topic: self.topic.clone(),
            partition: self.partition,
            file: file.to_path_buf(),
            reason: reason.to_owned(),
        }
    }

    fn tail(&self) -> Tail {
        self.view(|View { active, .. }| Tail {
            file: active.file.clone(),
            path: active.path.clone(),
            base_offset: active.index.base_offset,
            next_offset: active.index.next_offset,
            position: active.index.log_bytes,
            timestamps_ms: active.index.timestamps_ms,
        })
    }

    fn view<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl View {
    fn offsets(&self) -> Offsets {
        let first = self.sealed.first().map_or(self.active.index.base_offset, |segment| segment.index.base_offset);
        Offsets { start: first.max(self.start_offset), end: self.active.index.next_offset }
    }
}

pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A lock whose last holder panicked is taken all the same: what it guards is changed in one step, after everything that can fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove_if_there(path: &Path) -> Result<(), LogError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LogError::io("delete", path)(error)),
        _ => Ok(()),
    }
}
