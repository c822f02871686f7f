//! The log on disk: `DIR/<topic>-<partition>/<base offset>.log`, files of record batches v2 as Kafka lays them out, plus `DIR/topics`.
//!
//! Kafka's own `DumpLogSegments` reads these files, and a broker can adopt them: the way out to a cluster.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hoga_model::time::{Clock, MS_PER_DAY, SystemClock};
use tokio::sync::watch;

use crate::batch::{BatchHeader, Compression};
use crate::error::LogError;
use crate::faults::Faults;
use crate::flusher::Flusher;
use crate::log::{Appended, DamagedRange, Fetched, FetchedBatches, Log, Offsets, Record};
use crate::partition::{Partition, PartitionOptions, Retired, sync_folder};
use crate::producer_ids::ProducerIds;
use crate::recovery::{Recovered, RecoveryReport, recover_partition};
use crate::retention::RollLimits;
use crate::topic::{Retention, TopicInfo, TopicSpec, decode_topics, encode_topics, folder_name, parse_folder_name};

const DEFAULT_FSYNC_INTERVAL_MS: u64 = 100;
const DEFAULT_SEGMENT_BYTES: u64 = 128 << 20;
const DEFAULT_SEGMENT_AGE_MS: i64 = MS_PER_DAY;
/// Kafka's limit; its tools take positions for 32-bit numbers.
const MAX_SEGMENT_BYTES: u64 = i32::MAX as u64;

const TOPICS_FILE: &str = "topics";
const LOCK_FILE: &str = "LOCK";
/// No partition's folder ends like this.
const DELETED_SUFFIX: &str = ".deleted";

/// How a log on disk behaves; only `dir` has no default.
#[derive(Clone)]
pub struct DiskOptions {
    pub dir: PathBuf,
    pub compression: Compression,
    /// Lost power loses what was appended in this time at most. 0 makes every append durable before it returns.
    pub fsync_interval_ms: u64,
    /// A segment is sealed before it would grow beyond this; a batch that is larger has a segment of its own.
    pub segment_bytes: u64,
    /// A segment is sealed when its records span this much time: what retention cannot delete in part.
    pub segment_age_ms: i64,
    /// For the time a topic was created.
    pub clock: Arc<dyn Clock>,
    /// For tests.
    pub faults: Option<Arc<Faults>>,
}

impl DiskOptions {
    pub fn new(dir: impl Into<PathBuf>) -> DiskOptions {
        DiskOptions {
            dir: dir.into(),
            compression: Compression::default(),
            fsync_interval_ms: DEFAULT_FSYNC_INTERVAL_MS,
            segment_bytes: DEFAULT_SEGMENT_BYTES,
            segment_age_ms: DEFAULT_SEGMENT_AGE_MS,
            clock: Arc::new(SystemClock),
            faults: None,
        }
    }

    fn check(&self) -> Result<PartitionOptions, LogError> {
        if !(1..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes) {
            return Err(LogError::Option {
                option: "segment_bytes",
                value: self.segment_bytes,
                allowed: "1 to 2147483647",
            });
        }
        if self.segment_age_ms <= 0 {
            return Err(LogError::Option { option: "segment_age_ms", value: 0, allowed: "1 or more" });
        }
        Ok(PartitionOptions {
            compression: self.compression,
            roll: RollLimits { segment_bytes: self.segment_bytes, segment_age_ms: self.segment_age_ms },
            sync_each_append: self.fsync_interval_ms == 0,
            faults: self.faults.clone(),
        })
    }
}

/// The log on disk. Dropping it makes everything durable; a process that dies without that loses nothing that `append` returned.
pub struct DiskLog {
    shared: Arc<Shared>,
    flusher: Flusher,
    /// Held as long as the log is open; the operating system lets go of it when the process dies.
    _lock: File,
}

struct Shared {
    options: PartitionOptions,
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// One topic is created at a time.
    creating: Mutex<()>,
    /// One call enforces retention at a time.
    retiring: Mutex<()>,
    producer_ids: Mutex<ProducerIds>,
    changes: watch::Sender<u64>,
}

struct Topic {
    info: Mutex<TopicInfo>,
    partitions: Vec<Partition>,
}

impl DiskLog {
    /// Opens or creates the log in `options.dir` and says what it found. No other process can open it until it is dropped.
    pub fn open(options: DiskOptions) -> Result<(DiskLog, RecoveryReport), LogError> {
        let partition_options = options.check()?;
        let dir = options.dir.clone();
        fs::create_dir_all(&dir).map_err(LogError::io("create the folder", &dir))?;
        let lock = lock_folder(&dir)?;
        remove_deleted(&dir)?;
        let producer_ids = ProducerIds::open(&dir, options.clock.now_ms())?;
        let mut report = RecoveryReport::default();
        let infos = read_topics(&dir, options.clock.now_ms(), &mut report)?;
        let topics = open_topics(&dir, infos, &partition_options, &mut report)?;
        let shared = Arc::new(Shared {
            options: partition_options,
            dir,
            clock: options.clock,
            topics: RwLock::new(topics),
            creating: Mutex::new(()),
            retiring: Mutex::new(()),
            producer_ids: Mutex::new(producer_ids),
            changes: watch::Sender::new(0),
        });
        if report.topics_rebuilt.is_some() {
            shared.write_topics(&shared.infos())?;
        }
        tell(&report);
        let flushed = shared.clone();
        let flusher = Flusher::start(Duration::from_millis(options.fsync_interval_ms), move || {
            if let Err(error) = flushed.flush() {
                tracing::error!(%error, "the log could not be made durable");
            }
        });
        let flusher = flusher.map_err(|source| LogError::Thread { name: "flusher", source })?;
        Ok((DiskLog { shared, flusher, _lock: lock }, report))
    }

    /// Deletes the sealed segments that are older or larger than their topics' retention allows, and seals old ones. Every topic is gone
    /// through even if one fails; the first error is returned.
    pub fn enforce_retention(&self, now_ms: i64) -> Result<Retired, LogError> {
        let _one_at_a_time = self.shared.retiring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = Retired::default();
        let mut first_error = None;
        for topic in self.shared.all() {
            let retention = topic.info().retention;
            for partition in &topic.partitions {
                match partition.retire(retention, topic.partitions.len() as u32, now_ms) {
                    Ok(retired) => {
                        total.segments += retired.segments;
                        total.bytes += retired.bytes;
                    }
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
        }
        if total.segments > 0 {
            tracing::info!(segments = total.segments, bytes = total.bytes, "retention deleted old segments");
        }
        // what was sealed becomes durable and gets its sidecar with the next flush
        self.flusher.mark_dirty();
        first_error.map_or(Ok(total), Err)
    }

    /// Appends one batch as its producer made it, but for the offset and the leader epoch: the same promises as `append`. The caller has
    /// checked the batch against `header`. A batch of an idempotent producer that is there already is not appended again.
    pub fn append_batch(
        &self,
        topic: &str,
        partition: u32,
        batch: &[u8],
        header: &BatchHeader,
    ) -> Result<Appended, LogError> {
        let appended = self.with(topic, partition, |partition| partition.append_batch(batch, header))??;
        self.appended();
        Ok(appended)
    }

    /// Reads whole batches as they are on disk, from the one with `from_offset` on, not more than `max_bytes` of them unless a single one is
    /// larger and `at_least_one`. Never waits.
    pub fn fetch_batches(
        &self,
        topic: &str,
        partition: u32,
        from_offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<FetchedBatches, LogError> {
        self.with(topic, partition, |partition| partition.fetch_batches(from_offset, max_bytes, at_least_one))?
    }

    /// About how many bytes of batches there are from an offset on, without reading; 0 at the end only.
    pub fn available_bytes(&self, topic: &str, partition: u32, from_offset: i64) -> Result<u64, LogError> {
        self.with(topic, partition, |partition| partition.available_bytes(from_offset))?
    }

    /// The largest timestamp of all records; `None` if there are none.
    pub fn max_timestamp_ms(&self, topic: &str, partition: u32) -> Result<Option<i64>, LogError> {
        self.with(topic, partition, Partition::max_timestamp_ms)
    }

    /// Deletes the records before an offset; survives lost power on return. The offset of the first record that is left.
    pub fn delete_records(&self, topic: &str, partition: u32, before_offset: i64) -> Result<i64, LogError> {
        let start = self.with(topic, partition, |partition| partition.delete_records(before_offset))??;
        self.flusher.mark_dirty();
        Ok(start)
    }

    /// Deletes a topic and its files. Once it returns the topic stays away; if the process dies inside, the topic is there whole or not at all.
    pub fn delete_topic(&self, topic: &str) -> Result<(), LogError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.creating.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shared.find(topic).ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })?;
        let infos: Vec<TopicInfo> = shared.infos().into_iter().filter(|info| info.name != topic).collect();
        shared.write_topics(&infos)?;
        shared.topics.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
        for partition in 0..found.partitions.len() as u32 {
            discard_folder(&shared.dir, &folder_name(topic, partition))?;
        }
        // readers that wait on it look again, and find that it is gone
        shared.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    pub fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.shared.find(name).map(|topic| topic.info())
    }

    /// Bytes of a partition's segment files.
    pub fn partition_bytes(&self, topic: &str, partition: u32) -> Result<u64, LogError> {
        self.with(topic, partition, Partition::bytes)
    }

    /// A number for an idempotent producer, which no other has had or will have.
    pub fn next_producer_id(&self) -> Result<i64, LogError> {
        self.shared.producer_ids.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    fn appended(&self) {
        self.flusher.mark_dirty();
        self.shared.changes.send_modify(|count| *count += 1);
    }

    /// Bytes of a topic's segment files; 0 if there is no such topic.
    pub fn topic_bytes(&self, topic: &str) -> u64 {
        self.shared.find(topic).map_or(0, |topic| topic.partitions.iter().map(Partition::bytes).sum())
    }

    /// All damage met since the log was opened, by recovery or by a fetch.
    pub fn damaged(&self) -> Vec<DamagedRange> {
        self.shared.all().iter().flat_map(|topic| topic.partitions.iter().flat_map(Partition::damaged)).collect()
    }

    fn with<T>(&self, topic: &str, partition: u32, work: impl FnOnce(&Partition) -> T) -> Result<T, LogError> {
        let found = self.shared.find(topic).ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })?;
        let partitions = found.partitions.len() as u32;
        match found.partitions.get(partition as usize) {
            Some(found) => Ok(work(found)),
            None => Err(LogError::UnknownPartition { topic: topic.to_owned(), partition, partitions }),
        }
    }
}

impl Log for DiskLog {
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        spec.check()?;
        let shared = &self.shared;
        let _one_at_a_time = shared.creating.lock().unwrap_or_else(PoisonError::into_inner);
        let mut infos = shared.infos();
        if let Some(topic) = shared.find(&spec.name) {
            let existing = topic.info();
            if existing.partitions != spec.partitions {
                return Err(LogError::TopicDiffers {
                    topic: spec.name.clone(),
                    existing: existing.partitions,
                    wanted: spec.partitions,
                });
            }
            if existing.retention != spec.retention {
                infos.iter_mut().filter(|info| info.name == spec.name).for_each(|info| info.retention = spec.retention);
                shared.write_topics(&infos)?;
                topic.info.lock().unwrap_or_else(PoisonError::into_inner).retention = spec.retention;
            }
            return Ok(());
        }
        let info = TopicInfo {
            name: spec.name.clone(),
            partitions: spec.partitions,
            retention: spec.retention,
            created_ms: shared.clock.now_ms(),
        };
        let mut partitions = Vec::new();
        for partition in 0..spec.partitions {
            let folder = folder_name(&spec.name, partition);
            // left from a topic of this name whose deletion was cut short
            discard_folder(&shared.dir, &folder)?;
            let dir = shared.dir.join(folder);
            let found = recover_partition(&spec.name, partition, &dir)?;
            sync_folder(&dir).map_err(LogError::io("make durable", &dir))?;
            partitions.push(Partition::new(&spec.name, partition, dir, shared.options.clone(), found));
        }
        // the folders first: a topic in the file has its folders, also after lost power
        infos.push(info.clone());
        shared.write_topics(&infos)?;
        let topic = Arc::new(Topic { info: Mutex::new(info), partitions });
        shared.topics.write().unwrap_or_else(PoisonError::into_inner).insert(spec.name.clone(), topic);
        Ok(())
    }

    fn topics(&self) -> Vec<TopicInfo> {
        self.shared.infos()
    }

    fn append(&self, topic: &str, partition: u32, records: &[Record]) -> Result<Appended, LogError> {
        let appended = self.with(topic, partition, |partition| partition.append(records))??;
        self.appended();
        Ok(appended)
    }

    fn fetch(&self, topic: &str, partition: u32, from_offset: i64, max_bytes: usize) -> Result<Fetched, LogError> {
        self.with(topic, partition, |partition| partition.fetch(from_offset, max_bytes))?
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        self.with(topic, partition, Partition::offsets)
    }

    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, LogError> {
        self.with(topic, partition, |partition| partition.offset_for_time(timestamp_ms))?
    }

    fn sync(&self) -> Result<(), LogError> {
        self.shared.flush()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.flusher.stop();
        if let Err(error) = self.shared.flush() {
            tracing::error!(%error, "the log could not be made durable while closing");
        }
    }
}

impl Shared {
    fn find(&self, topic: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    fn all(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn infos(&self) -> Vec<TopicInfo> {
        self.all().iter().map(|topic| topic.info()).collect()
    }

    /// Every partition is flushed even if one fails; the first error is returned.
    fn flush(&self) -> Result<(), LogError> {
        let mut first_error = None;
        for topic in self.all() {
            for partition in &topic.partitions {
                if let Err(error) = partition.flush() {
                    first_error = first_error.or(Some(error));
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Replaces the topics' file in one step: after a crash it is the old one or the new one.
    fn write_topics(&self, infos: &[TopicInfo]) -> Result<(), LogError> {
        let path = self.dir.join(TOPICS_FILE);
        let temporary = self.dir.join(format!("{TOPICS_FILE}.tmp"));
        let write = || -> io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(encode_topics(infos).as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            sync_folder(&self.dir)
        };
        write().map_err(LogError::io("write", &path))
    }
}

impl Topic {
    fn info(&self) -> TopicInfo {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn lock_folder(dir: &Path) -> Result<File, LogError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.map_err(LogError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = if holder.is_empty() { "unknown".to_owned() } else { holder };
            return Err(LogError::Locked { dir: dir.to_path_buf(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(LogError::io("lock", &path)(error)),
    }
    // for the message above: who it is; a full disk must not keep the log from opening
    if let Err(error) = file.set_len(0).and_then(|()| write!(file, "process {}", std::process::id())) {
        tracing::warn!(file = %path.display(), %error, "cannot write who holds the log");
    }
    Ok(file)
}

/// Deletes a partition's folder, if it is there. Renamed first: a folder is never there in part under its name.
fn discard_folder(dir: &Path, folder: &str) -> Result<(), LogError> {
    let path = dir.join(folder);
    let away = dir.join(format!("{folder}{DELETED_SUFFIX}"));
    let discard = || -> io::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        if away.exists() {
            fs::remove_dir_all(&away)?;
        }
        fs::rename(&path, &away)?;
        sync_folder(dir)?;
        fs::remove_dir_all(&away)
    };
    discard().map_err(LogError::io("delete the folder", &path))
}

/// Finishes deletions that an earlier process began.
fn remove_deleted(dir: &Path) -> Result<(), LogError> {
    for entry in fs::read_dir(dir).map_err(LogError::io("list the folder", dir))? {
        let path = entry.map_err(LogError::io("list the folder", dir))?.path();
        if path.is_dir() && path.to_string_lossy().ends_with(DELETED_SUFFIX) {
            fs::remove_dir_all(&path).map_err(LogError::io("delete the folder", &path))?;
        }
    }
    Ok(())
}

/// The topics of the file or, if it is damaged or missing, of the folders.
fn read_topics(dir: &Path, now_ms: i64, report: &mut RecoveryReport) -> Result<Vec<TopicInfo>, LogError> {
    let path = dir.join(TOPICS_FILE);
    let reason = match fs::read(&path) {
        Ok(bytes) => match decode_topics(&bytes) {
            Ok(infos) => return Ok(infos),
            Err(reason) => reason,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "it is missing",
        Err(error) => return Err(LogError::io("read", &path)(error)),
    };
    let mut partitions = BTreeMap::<String, u32>::new();
    for entry in fs::read_dir(dir).map_err(LogError::io("list the folder", dir))? {
        let name = entry.map_err(LogError::io("list the folder", dir))?.file_name();
        if let Some((topic, partition)) = name.to_str().and_then(parse_folder_name) {
            let count = partitions.entry(topic.to_owned()).or_default();
            *count = (*count).max(partition + 1);
        }
    }
    // a new folder has neither
    if !partitions.is_empty() || reason != "it is missing" {
        report.topics_rebuilt =
            Some(format!("\"{}\": {reason}; topics taken from the folders, retention is the default", path.display()));
    }
    let info = |(name, partitions)| TopicInfo { name, partitions, retention: Retention::default(), created_ms: now_ms };
    Ok(partitions.into_iter().map(info).collect())
}

/// Opens all partitions, several at once: checking a segment takes a core.
fn open_topics(
    dir: &Path,
    infos: Vec<TopicInfo>,
    options: &PartitionOptions,
    report: &mut RecoveryReport,
) -> Result<BTreeMap<String, Arc<Topic>>, LogError> {
    let jobs: Vec<(&str, u32, PathBuf)> = infos
        .iter()
        .flat_map(|info| (0..info.partitions).map(|p| (info.name.as_str(), p, dir.join(folder_name(&info.name, p)))))
        .collect();
    report.missing_folders = jobs.iter().map(|(_, _, dir)| dir.clone()).filter(|dir| !dir.exists()).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((job, (topic, partition, dir))) = {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(job).map(|found| (job, found))
                } {
                    let found = recover_partition(topic, *partition, dir);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(job, found);
                }
            });
        }
    });
    let mut topics = BTreeMap::<String, Vec<Partition>>::new();
    for (job, found) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (topic, partition, dir) = &jobs[job];
        let found = found?;
        count(&found, report);
        let opened = Partition::new(topic, *partition, dir.clone(), options.clone(), found);
        topics.entry((*topic).to_owned()).or_default().push(opened);
    }
    report.topics = infos.len();
    let with_partitions = |info: &TopicInfo| {
        let partitions = topics.remove(&info.name).unwrap_or_default();
        (info.name.clone(), Arc::new(Topic { info: Mutex::new(info.clone()), partitions }))
    };
    Ok(infos.iter().map(with_partitions).collect())
}

fn count(found: &Recovered, report: &mut RecoveryReport) {
    report.partitions += 1;
    report.segments += found.sealed.len() + 1;
    report.bytes += found.active.index.log_bytes + found.sealed.iter().map(|s| s.index.log_bytes).sum::<u64>();
    report.torn_tails.extend(found.torn_tail.clone());
    report.damaged.extend(found.damaged.iter().cloned());
    report.reindexed.extend(found.reindexed.iter().cloned());
}

fn tell(report: &RecoveryReport) {
    let RecoveryReport { topics, partitions, segments, bytes, .. } = report;
    tracing::info!(topics, partitions, segments, bytes, "log opened");
    for tail in &report.torn_tails {
        tracing::warn!("{tail}");
    }
    for range in &report.damaged {
        tracing::error!("{range}");
    }
    for folder in &report.missing_folders {
        tracing::error!(folder = %folder.display(), "the folder of a partition is missing: its records are lost");
    }
    if let Some(reason) = &report.topics_rebuilt {
        tracing::error!("{reason}");
    }
}
