//! The cluster's log as a pipeline sees it: of several processes that run the same statements on one cluster, one writes their topics.
//!
//! A lease for each topic that the pipeline writes says who that is: a group named after the topic and the meaning of the statements that write it,
//! so that another pipeline, which computes other records, has its own. The others compute the same records, read what is written, and keep what is
//! not there yet. Whoever is given the lease first becomes the only writer of a transactional id of the same name, then reads the topic to its end,
//! then writes what it has and the topic has not: as the collectors do (`cluster.rs` has the argument). A record that two processes compute
//! differently, because a statement asks the clock, is written by each that leads.
//!
//! Dead letters are not shared: each process tells its own.

use super::balance::Balance;
use super::relay::spawn;
use super::{STATE_TOPIC, blocking};
use crate::failure::Failure;
use hoga_log::kafka::{FencedWriter, KafkaLog, KafkaOptions, Lease, Part};
use hoga_log::{Appended, Fetched, Log, LogError, Offsets, Record, TopicInfo, TopicSpec};
use hoga_model::time::Clock;
use hoga_model::{Fault, Faulty};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const LEASE_WAIT: Duration = Duration::from_millis(100);
/// How often one that does not write reads what is written.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_WAIT: Duration = Duration::from_millis(500);
const FETCH_BYTES: usize = 1 << 20;
/// At the end, for what was computed to be written, here or by the one that writes.
const FINISH_MAX: Duration = Duration::from_secs(10);

pub struct PipelineLog {
    log: Arc<KafkaLog>,
    topics: BTreeMap<String, Arc<SharedTopic>>,
    is_stopping: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<Result<(), LogError>>>>,
}

/// A topic that others may write too.
struct SharedTopic {
    log: Arc<KafkaLog>,
    options: KafkaOptions,
    clock: Arc<dyn Clock>,
    topic: String,
    /// Of the lease's group and of the transactional id.
    name: String,
    lease: Lease,
    state: Mutex<State>,
}

struct State {
    balance: Balance,
    /// By partition: everything before it was seen.
    read_to: Vec<i64>,
    /// While this process writes: the term of the lease, and the means.
    writer: Option<(u64, FencedWriter)>,
}

impl PipelineLog {
    /// Joins the elections. `written` says of each topic that the pipeline writes what the statements that write it mean.
    pub(super) fn start(
        log: &Arc<KafkaLog>,
        options: &KafkaOptions,
        written: &BTreeMap<String, String>,
        clock: &Arc<dyn Clock>,
        cancel: &CancellationToken,
    ) -> Result<PipelineLog, LogError> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (mut topics, mut threads) = (BTreeMap::new(), Vec::new());
        for (topic, meaning) in written {
            let name = format!("hoga-pipeline-{topic}-{meaning}");
            let partitions = log.topics().iter().find(|info| info.name == *topic).map_or(0, |info| info.partitions);
            let read_to = (0..partitions).map(|partition| Ok(log.offsets_now(topic, partition)?.end));
            let shared = Arc::new(SharedTopic {
                log: log.clone(),
                options: options.clone(),
                clock: clock.clone(),
                topic: topic.clone(),
                lease: Lease::join(options, &name, STATE_TOPIC, clock.now_ms())?,
                name,
                state: Mutex::new(State {
                    balance: Balance::default(),
                    read_to: read_to.collect::<Result<_, LogError>>()?,
                    writer: None,
                }),
            });
            topics.insert(topic.clone(), shared.clone());
            let is_stopping = is_stopping.clone();
            threads.push(spawn("kafka-pipeline", cancel.clone(), move || shared.run(&is_stopping))?);
        }
        Ok(PipelineLog { log: log.clone(), topics, is_stopping, threads: Mutex::new(threads) })
    }

    pub fn as_log(self: Arc<PipelineLog>) -> Arc<dyn Log> {
        self
    }

    /// Waits until what was computed is written, here or by another process, and leaves the elections.
    pub async fn finish(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + FINISH_MAX;
        while Instant::now() < deadline && self.topics.values().any(|shared| shared.unwritten() > 0) {
            tokio::time::sleep(LEASE_WAIT).await;
        }
        for shared in self.topics.values() {
            let unwritten = shared.unwritten();
            if unwritten > 0 {
                tracing::warn!(topic = shared.topic, unwritten, "records were computed here and not seen in the topic");
            }
        }
        self.is_stopping.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = blocking(move || threads.into_iter().map(JoinHandle::join).collect::<Vec<_>>()).await?;
        for ended in ended {
            match ended {
                Ok(ended) => ended.map_err(|error| Failure::of(&error))?,
                Err(_) => return Err(Failure::external("a thread that writes the pipeline's topics ended in a panic")),
            }
        }
        Ok(())
    }
}

impl SharedTopic {
    fn run(&self, is_stopping: &AtomicBool) -> Result<(), LogError> {
        let mut followed = Instant::now();
        while !is_stopping.load(Ordering::Relaxed) {
            self.lease.poll(LEASE_WAIT)?;
            let is_due = followed.elapsed() >= FOLLOW_INTERVAL;
            let done = if self.lease.is_held() {
                self.lead()
            } else if is_due {
                followed = Instant::now();
                self.follow()
            } else {
                Ok(())
            };
            match done {
                Ok(()) => {}
                Err(error) if error.fault() == Fault::User => return Err(error),
                Err(error) => {
                    tracing::warn!(topic = self.topic, %error, "the pipeline's records wait in memory");
                    std::thread::sleep(RETRY_WAIT);
                }
            }
        }
        Ok(())
    }

    /// Another process writes: looks what.
    fn follow(&self) -> Result<(), LogError> {
        let mut state = self.state();
        if state.writer.take().is_some() {
            tracing::warn!(topic = self.topic, "the lease is lost: another process writes the topic");
        }
        self.read_tail(&mut state)?;
        let given_up = state.balance.forget_old(self.clock.now_ms());
        if given_up > 0 {
            tracing::warn!(topic = self.topic, given_up, "records were computed here and nobody wrote them");
        }
        Ok(())
    }

    /// This process is to write. Begins with what the topic lacks.
    fn lead(&self) -> Result<(), LogError> {
        let term = self.lease.term();
        if self.state().writer.as_ref().is_some_and(|(began, _)| *began == term) {
            return Ok(());
        }
        let mut writer = FencedWriter::open(&self.options, &self.name)?;
        let mut state = self.state();
        self.read_tail(&mut state)?;
        let missing = state.balance.take_computed();
        let mut batches: BTreeMap<u32, Vec<Record>> = BTreeMap::new();
        for (partition, record) in &missing {
            batches.entry(*partition).or_default().push(record.clone());
        }
        let parts: Vec<Part<'_>> = batches
            .iter()
            .map(|(partition, records)| Part { topic: &self.topic, partition: *partition, records })
            .collect();
        match if parts.is_empty() { Ok(Vec::new()) } else { writer.append(&parts) } {
            Ok(appended) => {
                for (part, appended) in parts.iter().zip(appended) {
                    note_end(&mut state.read_to, part.partition, appended);
                }
            }
            Err(error) => {
                // what of it is there after all will be found there
                let now_ms = self.clock.now_ms();
                missing.into_iter().for_each(|(partition, record)| state.balance.compute(now_ms, partition, record));
                return Err(error);
            }
        }
        state.writer = Some((term, writer));
        tracing::info!(topic = self.topic, missing = missing.len(), "this process writes the pipeline's topic");
        Ok(())
    }

    /// Takes in what the topic holds, up to its end.
    fn read_tail(&self, state: &mut State) -> Result<(), LogError> {
        for partition in 0..state.read_to.len() as u32 {
            let end = self.log.offsets_now(&self.topic, partition)?.end;
            let mut at = state.read_to[partition as usize];
            while at < end {
                let fetched = match self.log.fetch(&self.topic, partition, at, FETCH_BYTES) {
                    // retention took it
                    Err(LogError::OffsetOutOfRange { start, .. }) if start > at => {
                        at = start;
                        continue;
                    }
                    fetched => fetched?,
                };
                let now_ms = self.clock.now_ms();
                for stored in &fetched.records {
                    state.balance.find(now_ms, partition, stored.offset, &stored.record);
                }
                at = fetched.next_offset;
                state.read_to[partition as usize] = at;
            }
        }
        Ok(())
    }

    /// Writes if it is this process's to do, and keeps the records in mind if not. The offsets are those of the records only if it writes.
    fn append(&self, partition: u32, records: &[Record]) -> Result<Appended, LogError> {
        let mut state = self.state();
        let State { balance, read_to, writer } = &mut *state;
        let is_ours = |term: u64| self.lease.is_held() && self.lease.term() == term;
        if let Some((_, open)) = writer.as_mut().filter(|(term, _)| is_ours(*term)) {
            match open.append(&[Part { topic: &self.topic, partition, records }]).map(|mut all| all.pop()) {
                Ok(Some(appended)) => {
                    note_end(read_to, partition, appended);
                    return Ok(appended);
                }
                Ok(None) => return Err(LogError::EmptyAppend),
                Err(error) if error.retry() => return Err(error),
                // fenced, or nobody knows what became of it: it is looked for when this process leads again
                Err(error) => {
                    tracing::warn!(topic = self.topic, %error, "the pipeline's records wait in memory");
                    *writer = None;
                }
            }
        }
        let now_ms = self.clock.now_ms();
        records.iter().for_each(|record| balance.compute(now_ms, partition, record.clone()));
        let first_offset = read_to.get(partition as usize).copied().unwrap_or(0);
        Ok(Appended { first_offset, last_offset: first_offset + records.len() as i64 - 1 })
    }

    /// As a checkpoint may keep them: what lies before the end was computed here too.
    fn offsets(&self, partition: u32) -> Result<Offsets, LogError> {
        let start = self.log.offsets(&self.topic, partition)?.start;
        let state = self.state();
        let read_to = state.read_to.get(partition as usize).copied().unwrap_or(start);
        let end = state.balance.first_found(partition).map_or(read_to, |found| found.min(read_to));
        Ok(Offsets { start, end: end.max(start) })
    }

    fn unwritten(&self) -> usize {
        self.state().balance.computed_count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note_end(read_to: &mut [i64], partition: u32, appended: Appended) {
    if let Some(read_to) = read_to.get_mut(partition as usize) {
        *read_to = appended.last_offset + 1;
    }
}

impl Log for PipelineLog {
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.log.create_topic(spec)
    }

    fn topics(&self) -> Vec<TopicInfo> {
        self.log.topics()
    }

    fn append(&self, topic: &str, partition: u32, records: &[Record]) -> Result<Appended, LogError> {
        match self.topics.get(topic) {
            Some(shared) => shared.append(partition, records),
            None => self.log.append(topic, partition, records),
        }
    }

    fn fetch(&self, topic: &str, partition: u32, from_offset: i64, max_bytes: usize) -> Result<Fetched, LogError> {
        self.log.fetch(topic, partition, from_offset, max_bytes)
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        match self.topics.get(topic) {
            Some(shared) => shared.offsets(partition),
            None => self.log.offsets(topic, partition),
        }
    }

    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, LogError> {
        self.log.offset_for_time(topic, partition, timestamp_ms)
    }

    fn sync(&self) -> Result<(), LogError> {
        self.log.sync()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.log.changes()
    }

    fn changes_of(&self, topic: &str) -> watch::Receiver<u64> {
        self.log.changes_of(topic)
    }
}
