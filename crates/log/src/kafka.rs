//! The log in an Apache Kafka cluster, by librdkafka. Nothing is stored here.
//!
//! In: appends, fetches by offset. Out: the same as of every `Log`. State: what was learned of topics and offsets, records read ahead.
//! Not here: which records, and who may write them (`FencedWriter` and `Lease` are the means, the topology decides).
//!
//! Differences that a reader should know: offsets have holes (the markers of transactions take offsets); an append is a transaction, so it
//! costs milliseconds; calls block on the network, for up to a minute while brokers are being replaced: keep them off async workers.
//! `topics` knows those that were created or asked for through this log, not everything else a company keeps in its cluster.

mod admin;
mod context;
mod error;
mod lease;
mod options;
mod queue;
mod reader;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use tokio::sync::watch;

use admin::{Admin, Keeps};
use reader::{REQUEST_MAX, Reader, Unread, locked};

use crate::error::LogError;
use crate::log::{Appended, Fetched, Log, Offsets, Record};
use crate::topic::{Retention, TopicInfo, TopicSpec};

pub use lease::Lease;
pub use options::{KafkaOptions, Login, Mechanism, Password};
pub use writer::{FencedWriter, Part};

/// To find the cluster at start.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How often the ends of the partitions that are read are asked for.
const OFFSETS_INTERVAL: Duration = Duration::from_secs(1);
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
const FETCH_BYTES: usize = 256 << 10;
/// A topic that was just created is known to all brokers within this time.
const SPREAD_MAX: Duration = Duration::from_secs(15);

pub struct KafkaLog {
    shared: Arc<Shared>,
    admin: Admin,
    options: KafkaOptions,
    /// Opened by the first append.
    writer: Mutex<Option<FencedWriter>>,
    watcher: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    reader: Reader,
    changes: watch::Sender<u64>,
    topics: Mutex<BTreeMap<String, TopicInfo>>,
    offsets: Mutex<HashMap<(String, u32), Known>>,
    is_stopping: AtomicBool,
}

/// What is known of a partition's offsets. Neither goes back: an answer of the brokers can be older than an append of ours, of which they tell
/// only a moment after its transaction has ended.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// `None` until the leader was asked: an append says only where the end is.
    start: Option<i64>,
    end: i64,
}

impl Known {
    /// Takes in where the partition begins and ends; true if the end moved.
    fn learn(&mut self, start: Option<i64>, end: i64) -> bool {
        self.start = self.start.max(start);
        let moved = end > self.end;
        self.end = self.end.max(end);
        moved
    }

    fn offsets(self) -> Option<Offsets> {
        self.start.map(|start| Offsets { start, end: self.end })
    }
}

impl KafkaLog {
    /// Finds the cluster and logs in; fails with the reason if that cannot be done in a few seconds.
    pub fn connect(options: KafkaOptions) -> Result<KafkaLog, LogError> {
        let changes = watch::Sender::new(0);
        let shared = Arc::new(Shared {
            reader: Reader::new(&options, changes.clone())?,
            changes,
            topics: Mutex::default(),
            offsets: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        });
        reach(&options, &shared.reader)?;
        let watcher = {
            let shared = shared.clone();
            std::thread::Builder::new().name("kafka-offsets".to_owned()).spawn(move || shared.watch())
        };
        let watcher = watcher.map_err(|source| LogError::Thread { name: "offsets", source })?;
        Ok(KafkaLog { shared, admin: Admin::new(&options)?, options, writer: Mutex::default(), watcher: Some(watcher) })
    }

    /// Creates a topic if it is not there. One that is there keeps its settings: they are its owner's. Fails if it has another number of partitions.
    pub fn ensure_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.make(spec, Keeps::Records(spec.retention)).map(|_| ())
    }

    /// A topic of one partition that keeps the last record of each key.
    pub fn ensure_state_topic(&self, name: &str) -> Result<(), LogError> {
        let retention = Retention { max_age_ms: None, max_bytes: None };
        self.make(&TopicSpec { retention, ..TopicSpec::new(name, 1) }, Keeps::LastOfKey).map(|_| ())
    }

    /// The partition's offsets as its leader knows them now; `offsets` may be a second old.
    pub fn offsets_now(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        self.check(topic, partition)?;
        self.shared.ask_offsets(topic, partition)
    }

    /// An offset before which no record has this timestamp or a later one; `None` if no record has. One question to the partition's leader,
    /// where `offset_for_time` reads on to the record itself: what the leader finds may be a transaction's marker a little before it.
    pub fn offset_before_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, LogError> {
        self.check(topic, partition)?;
        self.shared.reader.offset_for_time(topic, partition, timestamp_ms)
    }

    /// What the brokers call their cluster.
    pub fn cluster_id(&self) -> Result<String, LogError> {
        let id = self.shared.reader.client()?.client().fetch_cluster_id(REQUEST_MAX);
        id.ok_or_else(|| {
            let timed_out = rdkafka::error::RDKafkaErrorCode::OperationTimedOut;
            error::of_code("ask for the cluster's id", timed_out, String::new(), None)
        })
    }

    /// True if the topic was made.
    fn make(&self, spec: &TopicSpec, keeps: Keeps) -> Result<bool, LogError> {
        spec.check()?;
        let (existing, brokers) = self.describe(&spec.name)?;
        let mut made = false;
        let partitions = match existing {
            Some(partitions) => partitions,
            None => {
                made = self.admin.create(spec, keeps, brokers)?;
                self.wait_until_known(&spec.name)?
            }
        };
        if partitions != spec.partitions {
            let (topic, wanted) = (spec.name.clone(), spec.partitions);
            return Err(LogError::TopicDiffers { topic, existing: partitions, wanted });
        }
        let info = TopicInfo { name: spec.name.clone(), partitions, retention: spec.retention, created_ms: 0 };
        locked(&self.shared.topics).insert(spec.name.clone(), info);
        Ok(made)
    }

    fn wait_until_known(&self, topic: &str) -> Result<u32, LogError> {
        let deadline = Instant::now() + SPREAD_MAX;
        loop {
            if let Some(partitions) = self.describe(topic)?.0 {
                // and each has a leader
                let leaderless = |partition: &u32| self.shared.reader.offsets_now(topic, *partition).is_err();
                if !(0..partitions).any(|partition| leaderless(&partition)) {
                    return Ok(partitions);
                }
            }
            if Instant::now() >= deadline {
                return Err(LogError::UnknownTopic { topic: topic.to_owned() });
            }
            std::thread::sleep(WATCH_INTERVAL);
        }
    }

    fn describe(&self, topic: &str) -> Result<(Option<u32>, usize), LogError> {
        let client = self.shared.reader.client()?;
        admin::describe(&client, topic, REQUEST_MAX)
    }

    /// That the partition exists. A topic that nobody has told of is looked up.
    fn check(&self, topic: &str, partition: u32) -> Result<(), LogError> {
        let known = locked(&self.shared.topics).get(topic).map(|info| info.partitions);
        let partitions = match known {
            Some(partitions) => partitions,
            None => {
                crate::topic::check_name(topic)?;
                let Some(partitions) = self.describe(topic)?.0 else {
                    return Err(LogError::UnknownTopic { topic: topic.to_owned() });
                };
                let retention = self.admin.retention(topic, partitions)?;
                let info = TopicInfo { name: topic.to_owned(), partitions, retention, created_ms: 0 };
                locked(&self.shared.topics).insert(topic.to_owned(), info);
                partitions
            }
        };
        if partition < partitions {
            return Ok(());
        }
        Err(LogError::UnknownPartition { topic: topic.to_owned(), partition, partitions })
    }
}

/// One answer of the cluster, or the reason why there is none.
fn reach(options: &KafkaOptions, reader: &Reader) -> Result<(), LogError> {
    let client = reader.client()?;
    let deadline = Instant::now() + CONNECT_MAX;
    loop {
        let Err(error) = client.fetch_metadata(None, Duration::from_secs(2)) else { return Ok(()) };
        reader.listen();
        let described = error::of(format!("reach Kafka at {}", options.brokers), &error, client.context().trouble());
        if Instant::now() >= deadline || !hoga_model::Faulty::retry(&described) {
            return Err(described);
        }
    }
}

impl Shared {
    fn ask_offsets(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        let now = self.reader.offsets_now(topic, partition)?;
        let (known, moved) = self.learn(topic, partition, Some(now.start), now.end);
        if moved {
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(known.offsets().unwrap_or(now))
    }

    /// Takes in what was heard of a partition: all that is known of it, and whether its end moved.
    fn learn(&self, topic: &str, partition: u32, start: Option<i64>, end: i64) -> (Known, bool) {
        let mut offsets = locked(&self.offsets);
        let known = offsets.entry((topic.to_owned(), partition)).or_default();
        let moved = known.learn(start, end);
        (*known, moved)
    }

    fn known_offsets(&self, topic: &str, partition: u32) -> Option<Offsets> {
        locked(&self.offsets).get(&(topic.to_owned(), partition)).and_then(|known| known.offsets())
    }

    /// Keeps the known ends fresh, and hears what the connections say.
    fn watch(&self) {
        let mut asked = Instant::now();
        while !self.is_stopping.load(Ordering::Relaxed) {
            std::thread::sleep(WATCH_INTERVAL);
            self.reader.listen();
            if asked.elapsed() < OFFSETS_INTERVAL {
                continue;
            }
            let is_read = |known: &Known| known.start.is_some();
            let places: Vec<(String, u32)> = locked(&self.offsets)
                .iter()
                .filter(|(_, known)| is_read(known))
                .map(|(place, _)| place.clone())
                .collect();
            for (topic, partition) in places {
                if self.is_stopping.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.ask_offsets(&topic, partition) {
                    tracing::debug!(%error, "the end of a partition is not known anew");
                    break;
                }
            }
            asked = Instant::now();
        }
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take()
            && watcher.join().is_err()
        {
            tracing::error!("the thread that watches offsets ended in a panic");
        }
    }
}

impl Log for KafkaLog {
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        if self.make(spec, Keeps::Records(spec.retention))? {
            return Ok(());
        }
        if self.admin.retention(&spec.name, spec.partitions)? != spec.retention {
            self.admin.set_retention(&spec.name, spec.partitions, &spec.retention)?;
        }
        Ok(())
    }

    fn topics(&self) -> Vec<TopicInfo> {
        locked(&self.shared.topics).values().cloned().collect()
    }

    /// One transaction. On an error without `retry()` the records may be there.
    fn append(&self, topic: &str, partition: u32, records: &[Record]) -> Result<Appended, LogError> {
        self.check(topic, partition)?;
        if records.is_empty() {
            return Err(LogError::EmptyAppend);
        }
        let mut writer = locked(&self.writer);
        let open = match &mut *writer {
            Some(open) => open,
            // a name of our own: this writer replaces nobody and is replaced by nobody
            none => none.insert(FencedWriter::open(&self.options, &own_writer_name())?),
        };
        let appended = open.append(&[Part { topic, partition, records }]);
        if matches!(&appended, Err(error) if !hoga_model::Faulty::retry(error)) {
            *writer = None;
        }
        drop(writer);
        let appended = *appended?.first().ok_or(LogError::EmptyAppend)?;
        self.shared.learn(topic, partition, None, appended.last_offset + 1);
        self.shared.changes.send_modify(|count| *count += 1);
        Ok(appended)
    }

    fn fetch(&self, topic: &str, partition: u32, from_offset: i64, max_bytes: usize) -> Result<Fetched, LogError> {
        self.check(topic, partition)?;
        let known = match self.shared.known_offsets(topic, partition) {
            Some(known) if (known.start..=known.end).contains(&from_offset) => known,
            _ => self.shared.ask_offsets(topic, partition)?,
        };
        let out_of_range = |known: Offsets| LogError::OffsetOutOfRange {
            topic: topic.to_owned(),
            partition,
            offset: from_offset,
            start: known.start,
            end: known.end,
        };
        if !(known.start..=known.end).contains(&from_offset) {
            return Err(out_of_range(known));
        }
        match self.shared.reader.read(topic, partition, from_offset, max_bytes, known.end) {
            Ok(read) => {
                let (records, next_offset, start_offset) = (read.records, read.next_offset, known.start);
                let end_offset = if next_offset > known.end {
                    self.shared.learn(topic, partition, None, next_offset).0.end
                } else {
                    known.end
                };
                Ok(Fetched { records, next_offset, start_offset, end_offset, damaged: None })
            }
            Err(Unread::OutOfRange) => Err(out_of_range(self.shared.ask_offsets(topic, partition)?)),
            Err(Unread::Failed(error)) => Err(error),
        }
    }

    /// At most a second old, except for what was appended here; the first question for a partition asks its leader.
    fn offsets(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        match self.shared.known_offsets(topic, partition) {
            Some(known) => Ok(known),
            None => self.offsets_now(topic, partition),
        }
    }

    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, LogError> {
        let end = self.offsets_now(topic, partition)?.end;
        let Some(mut at) = self.offset_before_time(topic, partition, timestamp_ms)? else { return Ok(None) };
        while at < end {
            let fetched = self.fetch(topic, partition, at, FETCH_BYTES)?;
            let found = fetched.records.iter().find(|stored| stored.record.timestamp_ms >= timestamp_ms);
            if let Some(found) = found {
                return Ok(Some(found.offset));
            }
            at = fetched.next_offset;
        }
        Ok(None)
    }

    /// Nothing to do: an append returns when the brokers that must have it have it.
    fn sync(&self) -> Result<(), LogError> {
        Ok(())
    }

    /// Moves with appends of this process and, for partitions that were fetched from, when records of others arrive.
    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

/// Unique among processes and within this one; the cluster forgets it after a week.
fn own_writer_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    // the standard library's hasher is seeded by the operating system
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("hoga-log-{random:016x}")
}
