//! The log on disk: `DIR/<topic>-<partition>/<base offset>.log`, files of record batches v2 as Kafka lays them out, plus `DIR/topics`.
//!
//! Kafka's own `DumpLogSegments` reads these files, and a broker can adopt them: the way out to a cluster.

mod folder;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hoga_model::time::{Clock, MS_PER_DAY, SystemClock};
use tokio::sync::watch;

use crate::batch::{BatchHeader, Compression};
use crate::error::LogError;
use crate::faults::Faults;
use crate::flusher::Flusher;
use crate::log::{Appended, DamagedRange, Fetched, FetchedBatches, Log, Offsets, Record};
use crate::partition::{Partition, PartitionOptions, Retired, Sliced, sync_folder};
use crate::producer_ids::ProducerIds;
use crate::recovery::{RecoveryReport, recover_partition};
use crate::replace::replace_file;
use crate::retention::RollLimits;
use crate::topic::{TopicInfo, TopicSpec, encode_topics, folder_name};
use folder::{discard_folder, lock_folder, open_topics, read_topics, remove_deleted, tell};

const DEFAULT_FSYNC_INTERVAL_MS: u64 = 100;
const DEFAULT_SEGMENT_BYTES: u64 = 128 << 20;
const DEFAULT_RECOVERY_POINT_BYTES: u64 = 8 << 20;
const DEFAULT_SEGMENT_AGE_MS: i64 = MS_PER_DAY;
/// Kafka's limit; its tools take positions for 32-bit numbers.
const MAX_SEGMENT_BYTES: u64 = i32::MAX as u64;

const TOPICS_FILE: &str = "topics";

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
    /// About how much of a partition a start checks at most, when the process or the power has gone. It is written down each time that so much more
    /// is durable: smaller values cost writes.
    pub recovery_point_bytes: u64,
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
            recovery_point_bytes: DEFAULT_RECOVERY_POINT_BYTES,
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
            recovery_point_bytes: self.recovery_point_bytes,
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
    /// Shared with the topic that takes its place when partitions are added.
    partitions: Vec<Arc<Partition>>,
    /// So are those who wait for it.
    changes: watch::Sender<u64>,
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
            flushed.save_recovery_points();
        });
        let flusher = flusher.map_err(|source| LogError::Thread { name: "flusher", source })?;
        // what an earlier process has appended: the first checkpoint would have to wait for it
        flusher.mark_dirty();
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
        self.append_by(topic, partition, |partition| partition.append_batch(batch, header))
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

    /// What `fetch_batches` would give, by its place in the segment's file and unread. `None` if it must be read.
    pub(crate) fn slice(
        &self,
        topic: &str,
        partition: u32,
        from_offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Option<Sliced> {
        self.with(topic, partition, |partition| partition.slice(from_offset, max_bytes, at_least_one)).ok()?
    }

    /// About how many bytes of batches there are from an offset on, without reading; 0 at the end only.
    pub fn available_bytes(&self, topic: &str, partition: u32, from_offset: i64) -> Result<u64, LogError> {
        self.with(topic, partition, |partition| partition.available_bytes(from_offset))?
    }

    /// Whether an offset lies in the segment that is being appended to.
    pub fn is_active(&self, topic: &str, partition: u32, offset: i64) -> Result<bool, LogError> {
        self.with(topic, partition, |partition| partition.is_active(offset))
    }

    /// Whether an append waits for the disk.
    pub fn syncs_each_append(&self) -> bool {
        self.shared.options.sync_each_append
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
        found.changes.send_modify(|count| *count += 1);
        shared.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Gives a topic more partitions, so many in all. Survives lost power on return; if the process dies inside, all of them are there or none.
    pub fn add_partitions(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.creating.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shared.find(topic).ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })?;
        let existing = found.info();
        let info = TopicInfo { partitions, ..existing.clone() };
        TopicSpec { name: topic.to_owned(), partitions, retention: info.retention }.check()?;
        if partitions <= existing.partitions {
            let (topic, existing) = (topic.to_owned(), existing.partitions);
            return Err(LogError::TopicDiffers { topic, existing, wanted: partitions });
        }
        let mut all = found.partitions.clone();
        all.extend(shared.make_partitions(topic, existing.partitions..partitions)?);
        shared.publish(Topic { info: Mutex::new(info), partitions: all, changes: found.changes.clone() })
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

    /// Appends, and tells those who wait for it.
    fn append_by(
        &self,
        topic: &str,
        partition: u32,
        append: impl FnOnce(&Partition) -> Result<Appended, LogError>,
    ) -> Result<Appended, LogError> {
        let (found, partition) = self.find(topic, partition)?;
        let appended = append(&found.partitions[partition])?;
        self.flusher.mark_dirty();
        found.changes.send_modify(|count| *count += 1);
        self.shared.changes.send_modify(|count| *count += 1);
        Ok(appended)
    }

    /// Bytes of a topic's segment files; 0 if there is no such topic.
    pub fn topic_bytes(&self, topic: &str) -> u64 {
        self.shared.find(topic).map_or(0, |topic| topic.partitions.iter().map(|partition| partition.bytes()).sum())
    }

    /// All damage met since the log was opened, by recovery or by a fetch.
    pub fn damaged(&self) -> Vec<DamagedRange> {
        self.shared
            .all()
            .iter()
            .flat_map(|topic| topic.partitions.iter().flat_map(|partition| partition.damaged()))
            .collect()
    }

    fn with<T>(&self, topic: &str, partition: u32, work: impl FnOnce(&Partition) -> T) -> Result<T, LogError> {
        let (found, partition) = self.find(topic, partition)?;
        Ok(work(&found.partitions[partition]))
    }

    /// The topic, and the place of the partition in it.
    fn find(&self, topic: &str, partition: u32) -> Result<(Arc<Topic>, usize), LogError> {
        let found = self.shared.find(topic).ok_or_else(|| LogError::UnknownTopic { topic: topic.to_owned() })?;
        let partitions = found.partitions.len() as u32;
        if partition < partitions {
            return Ok((found, partition as usize));
        }
        Err(LogError::UnknownPartition { topic: topic.to_owned(), partition, partitions })
    }
}

impl Log for DiskLog {
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        spec.check()?;
        let shared = &self.shared;
        let _one_at_a_time = shared.creating.lock().unwrap_or_else(PoisonError::into_inner);
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
                let mut infos = shared.infos();
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
        let partitions = shared.make_partitions(&spec.name, 0..spec.partitions)?;
        shared.publish(Topic { info: Mutex::new(info), partitions, changes: watch::Sender::new(0) })
    }

    fn topics(&self) -> Vec<TopicInfo> {
        self.shared.infos()
    }

    fn append(&self, topic: &str, partition: u32, records: &[Record]) -> Result<Appended, LogError> {
        self.append_by(topic, partition, |partition| partition.append(records))
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

    /// Moves after appends to this topic alone, and when it is deleted.
    fn changes_of(&self, topic: &str) -> watch::Receiver<u64> {
        self.shared.find(topic).map_or_else(|| self.changes(), |found| found.changes.subscribe())
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.flusher.stop();
        if let Err(error) = self.shared.flush() {
            tracing::error!(%error, "the log could not be made durable while closing");
        }
        self.shared.save_recovery_points();
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

    fn save_recovery_points(&self) {
        for topic in self.all() {
            topic.partitions.iter().for_each(|partition| partition.save_recovery_point());
        }
    }

    /// Empty partitions of a topic that does not have them yet. The caller holds `creating`.
    fn make_partitions(&self, topic: &str, numbers: Range<u32>) -> Result<Vec<Arc<Partition>>, LogError> {
        let make = |partition| {
            let folder = folder_name(topic, partition);
            // left from a topic of this name whose deletion was cut short
            discard_folder(&self.dir, &folder)?;
            let dir = self.dir.join(folder);
            let found = recover_partition(topic, partition, &dir)?;
            sync_folder(&dir).map_err(LogError::io("make durable", &dir))?;
            Ok(Arc::new(Partition::new(topic, partition, dir, self.options.clone(), found)))
        };
        numbers.map(make).collect()
    }

    /// Writes a topic down, and lets everybody see it. Its folders are there before: a topic in the file has them, also after lost power.
    fn publish(&self, topic: Topic) -> Result<(), LogError> {
        let info = topic.info();
        let mut infos: Vec<TopicInfo> = self.infos().into_iter().filter(|other| other.name != info.name).collect();
        infos.push(info.clone());
        self.write_topics(&infos)?;
        self.topics.write().unwrap_or_else(PoisonError::into_inner).insert(info.name, Arc::new(topic));
        Ok(())
    }

    /// Replaces the topics' file in one step: after a crash it is the old one or the new one.
    fn write_topics(&self, infos: &[TopicInfo]) -> Result<(), LogError> {
        let written = replace_file(&self.dir, TOPICS_FILE, encode_topics(infos).as_bytes());
        let written = written.and_then(|()| sync_folder(&self.dir));
        written.map_err(LogError::io("write", &self.dir.join(TOPICS_FILE)))
    }
}

impl Topic {
    fn info(&self) -> TopicInfo {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
