//! A pipeline of every kind of node and sink in a folder of its own, and what can happen to it.

use super::model::{self, Results, Row};
use super::*;
use crate::flow::by_hand::{KEY, VALUE};
use crate::graph::{AggregateFunction, WindowShape};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use bytes::Bytes;
use futures::TryStreamExt;
use hoga_lake::{LakeOptions, ScanRequest};
use hoga_log::{Appended, Fetched, LogError, MemoryLog, Offsets, Record, TopicInfo, TopicSpec};
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::ManualClock;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const PARTITIONS: u32 = 3;
const START_MS: i64 = 1_785_395_040_000;

/// A small generator with a seed: the same one fails again.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed ^ 0x9e37_79b9_7f4a_7c15);
        for _ in 0..4 {
            dice.roll(2);
        }
        dice
    }

    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// How often what happened, over all seeds.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    crashes: u64,
    crashes_inside: u64,
    checkpoints: u64,
    failed: u64,
    torn: u64,
    checks: u64,
    windows: u64,
    alerts: u64,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Seen) {
        self.crashes += other.crashes;
        self.crashes_inside += other.crashes_inside;
        self.checkpoints += other.checkpoints;
        self.failed += other.failed;
        self.torn += other.torn;
        self.checks += other.checks;
        self.windows += other.windows;
        self.alerts += other.alerts;
    }
}

impl Seen {
    pub(super) fn is_rich(&self) -> bool {
        let Seen { crashes, crashes_inside, checkpoints, failed, torn, checks, windows, alerts } = *self;
        [crashes, crashes_inside, checkpoints, failed, torn, checks, windows, alerts].iter().all(|count| *count > 20)
    }
}

/// A log in memory that can fail: the append that counts down to nothing does.
struct FaultyLog {
    inner: MemoryLog,
    /// Appends to topics of the engine before one fails; a large number is never.
    appends_left: AtomicU64,
}

const NEVER: u64 = u64::MAX / 2;

impl Log for FaultyLog {
    fn create_topic(&self, spec: &TopicSpec) -> Result<(), LogError> {
        self.inner.create_topic(spec)
    }

    fn topics(&self) -> Vec<TopicInfo> {
        self.inner.topics()
    }

    fn append(&self, topic: &str, partition: u32, records: &[Record]) -> Result<Appended, LogError> {
        if topic != "in" && self.appends_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(LogError::UnknownTopic { topic: "the disk is full".into() });
        }
        self.inner.append(topic, partition, records)
    }

    fn fetch(&self, topic: &str, partition: u32, from: i64, max_bytes: usize) -> Result<Fetched, LogError> {
        self.inner.fetch(topic, partition, from, max_bytes)
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Offsets, LogError> {
        self.inner.offsets(topic, partition)
    }

    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, LogError> {
        self.inner.offset_for_time(topic, partition, timestamp_ms)
    }

    fn sync(&self) -> Result<(), LogError> {
        self.inner.sync()
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.changes()
    }
}

pub(super) struct World {
    folder: tempfile::TempDir,
    log: Arc<FaultyLog>,
    engine: Option<Arc<Engine>>,
    fetch_bytes: usize,
    parallelism: usize,
    pub(super) is_bounded: bool,
    rows: Vec<Row>,
    /// The time of each partition.
    clocks: [i64; PARTITIONS as usize],
    bad: usize,
    pub(super) seen: Seen,
}

impl World {
    pub(super) async fn new(dice: &mut Dice) -> World {
        let log = FaultyLog { inner: MemoryLog::default(), appends_left: AtomicU64::new(NEVER) };
        log.create_topic(&TopicSpec::new("in", PARTITIONS)).expect("a new topic");
        for topic in ["alerts", "hops", DEAD_LETTER_TOPIC] {
            log.create_topic(&TopicSpec::new(topic, 1)).expect("a new topic");
        }
        let mut world = World {
            folder: memory_folder(),
            log: Arc::new(log),
            engine: None,
            fetch_bytes: 1 + dice.roll(400) as usize,
            parallelism: 1 + dice.roll(3) as usize,
            is_bounded: false,
            rows: Vec::new(),
            clocks: [START_MS; PARTITIONS as usize],
            bad: 0,
            seen: Seen::default(),
        };
        world.start().await;
        world
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn engine(&self) -> Arc<Engine> {
        self.engine.clone().expect("the engine runs")
    }

    pub(super) async fn open(&self) -> Result<Engine, EngineError> {
        let lake =
            Lake::open(LakeOptions { warehouse: self.path("warehouse"), commit_user: "test".into() }).expect("a lake");
        let options = EngineOptions {
            checkpoint_folder: self.path("checkpoints"),
            checkpoint_interval: Duration::from_secs(3_600),
            live_tail_bytes_max: u64::MAX / 4,
            resets_changed_queries: false,
            flow: FlowOptions {
                parallelism: self.parallelism,
                fetch_bytes: self.fetch_bytes,
                waits_for_log: false,
                ..FlowOptions::default()
            },
        };
        let clock = Arc::new(ManualClock::at(START_MS));
        Engine::open(graph(self.is_bounded), self.log.clone(), &lake, clock, options).await.map(|(engine, _)| engine)
    }

    pub(super) async fn start(&mut self) {
        self.engine = Some(Arc::new(self.open().await.expect("recovery")));
    }

    pub(super) fn stop(&mut self) {
        self.engine = None;
    }

    /// Killed: everything in memory is gone.
    pub(super) async fn crash(&mut self) {
        self.seen.crashes += 1;
        self.stop();
        self.start().await;
    }

    pub(super) fn append(&mut self, dice: &mut Dice) {
        let partition = dice.roll(u64::from(PARTITIONS)) as u32;
        let mut records = Vec::new();
        for _ in 0..=dice.roll(6) {
            let text = match dice.roll(10) {
                0 => {
                    self.bad += 1;
                    "{\"k\":\"a\",\"v\":".to_owned()
                }
                1 => {
                    self.bad += 1;
                    "{\"k\":\"a\",\"v\":1}".to_owned()
                }
                _ => {
                    let clock = &mut self.clocks[partition as usize];
                    *clock += dice.roll(40) as i64;
                    let time = (*clock - dice.roll(model::DELAY_MS as u64) as i64).max(START_MS);
                    let row =
                        Row { partition, key: format!("k{}", dice.roll(4)), value: dice.roll(110) as i64 - 10, time };
                    let text = format!("{{\"k\":\"{}\",\"v\":{},\"t\":{}}}", row.key, row.value, row.time);
                    self.rows.push(row);
                    text
                }
            };
            records.push(Record { value: Bytes::from(text), timestamp_ms: 7, ..Record::default() });
        }
        self.log.append("in", partition, &records).expect("memory");
    }

    pub(super) fn step(&self, dice: &mut Dice) {
        let flow = &self.engine().flow;
        let source = &flow.sources[0];
        flow.step(0, dice.roll(source.workers() as u64) as usize).expect("a step");
    }

    pub(super) fn catch_up(&self) {
        let engine = self.engine();
        let workers = engine.flow.sources[0].workers();
        while (0..workers).map(|worker| engine.flow.step(0, worker).expect("a step")).sum::<usize>() > 0 {}
    }

    pub(super) async fn checkpoint(&mut self) {
        let engine = self.engine();
        assert!(engine.checkpoint().await, "{:?}", engine.checkpoints().last().error);
        self.seen.checkpoints += 1;
    }

    /// Only the capture: rows go on meanwhile.
    pub(super) async fn begin_checkpoint(&mut self) {
        let engine = self.engine();
        let mut slot = engine.in_progress.lock().await;
        if slot.is_none() {
            *slot = engine.begin().await.expect("a capture");
        }
    }

    /// Up to the file: its commits are promised, and not done.
    pub(super) async fn write_checkpoint(&mut self) {
        self.begin_checkpoint().await;
        let engine = self.engine();
        let mut slot = engine.in_progress.lock().await;
        if let Some(taking) = slot.as_mut().filter(|taking| !taking.is_written) {
            engine.write(taking).await.expect("a file");
        }
    }

    /// The checkpoint's file cannot be written, or a commit cannot.
    pub(super) async fn fail_checkpoint(&mut self, dice: &mut Dice) {
        let table = ["rows", "bars", "totals", "by_max"][dice.roll(4) as usize];
        let snapshots = self.path(&format!("warehouse/upbit.db/{table}/snapshot"));
        let folder = if dice.roll(2) == 0 || !snapshots.is_dir() { self.path("checkpoints") } else { snapshots };
        let blocked = Blocked::at(&folder);
        if !self.engine().checkpoint().await {
            self.seen.failed += 1;
        }
        drop(blocked);
    }

    /// An append to a topic fails in the middle of a step: the flow stands still until the next start.
    pub(super) async fn crash_inside_a_step(&mut self, dice: &mut Dice) {
        self.log.appends_left.store(dice.roll(3), Ordering::Relaxed);
        let engine = self.engine();
        for worker in 0..engine.flow.sources[0].workers() {
            drop(engine.flow.step(0, worker));
        }
        if engine.flow.broken().is_some() {
            self.seen.crashes_inside += 1;
            assert!(engine.flow.step(0, 0).is_err() && engine.flow.snapshot().is_err(), "nothing of it is kept");
            drop(engine);
            self.log.appends_left.store(NEVER, Ordering::Relaxed);
            self.crash().await;
        }
        self.log.appends_left.store(NEVER, Ordering::Relaxed);
    }

    /// A state file that is not whole is named at the start, and nothing is changed; from a copy it goes on.
    pub(super) async fn tear_the_state_and_mend_it(&mut self, dice: &mut Dice) {
        self.stop();
        if let Some(path) = self.state_file() {
            let whole = std::fs::read(&path).expect("bytes");
            let mut torn = whole.clone();
            match dice.roll(2) {
                0 => torn.truncate(dice.roll(whole.len() as u64) as usize),
                _ => torn[dice.roll(whole.len() as u64) as usize] ^= 1 << dice.roll(8),
            }
            std::fs::write(&path, &torn).expect("writable");
            let error = self.open().await.map(drop).map_err(|error| error.to_string());
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            assert!(error.as_ref().is_err_and(|text| text.contains(name)), "{error:?}");
            std::fs::write(&path, &whole).expect("writable");
            self.seen.torn += 1;
        }
        self.start().await;
    }

    /// Of the newest checkpoint.
    fn state_file(&self) -> Option<PathBuf> {
        let store = CheckpointStore::open(&self.path("checkpoints")).expect("the folder");
        let state = store.latest().expect("a checkpoint")?.state?;
        Some(self.path("checkpoints").join(state.file))
    }

    pub(super) async fn check(&mut self, seed: u64) {
        self.catch_up();
        let expected = model::results(&self.rows, self.bad, PARTITIONS, false);
        let found = self.results().await;
        assert_eq!(found, expected, "seed {seed}");
        self.seen.checks += 1;
        self.seen.windows += (expected.bars.len() + expected.long_bars.len() + expected.hops.len()) as u64;
        self.seen.alerts += expected.alerts.len() as u64;
    }

    /// After the end of a bounded pipeline.
    pub(super) async fn check_all_windows(&self, seed: u64) {
        assert_eq!(self.results().await, model::results(&self.rows, self.bad, PARTITIONS, true), "seed {seed}");
    }

    async fn results(&self) -> Results {
        let text = |batch: &RecordBatch, row: usize, columns: &[usize]| {
            let value = |column: &usize| {
                let column = batch.column(*column);
                match column.data_type() {
                    DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
                    DataType::Timestamp(..) => column.as_primitive::<TimestampMillisecondType>().value(row).to_string(),
                    _ => column.as_primitive::<Int64Type>().value(row).to_string(),
                }
            };
            columns.iter().map(value).collect::<Vec<_>>().join(" ")
        };
        let table = async |name: &str, columns: &[usize]| -> Vec<String> {
            let batches = self.read(name).await;
            let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
            rows.map(|(batch, row)| text(batch, row, columns)).collect()
        };
        let topic = |name: &str| -> Vec<String> {
            let fetched = self.log.fetch(name, 0, 0, usize::MAX).expect("memory");
            let value = |record: &Record| String::from_utf8(record.value.to_vec()).expect("JSON");
            fetched.records.iter().map(|stored| value(&stored.record)).collect()
        };
        let mut results = Results {
            rows: table("rows", &[0, 1, 2]).await,
            bars: table("bars", &[0, 1, 4, 5, 6, 7]).await,
            long_bars: table("long_bars", &[0, 1, 4, 5, 6, 7]).await,
            totals: table("totals", &[0, 1, 2, 3, 4]).await,
            last: table("last", &[0, 1]).await,
            by_max: table("by_max", &[0, 1, 2, 3, 4, 5]).await,
            ranks: table("ranks", &[0, 1, 2]).await,
            alerts: topic("alerts"),
            hops: topic("hops"),
            letters: topic(DEAD_LETTER_TOPIC).len(),
        };
        results.sort();
        results
    }

    async fn read(&self, name: &str) -> Vec<RecordBatch> {
        let tables = self.engine().tables();
        let table = tables.iter().find(|table| table.table() == name).expect("the table");
        let plan = table.view().scan(ScanRequest { target_partitions: 1, ..ScanRequest::default() }).await;
        let plan = plan.expect("a scan");
        let mut batches = Vec::new();
        for partition in 0..plan.partitions() {
            let read: Vec<RecordBatch> = plan.open(partition).try_collect().await.expect("rows");
            batches.extend(read);
        }
        batches
    }
}

/// A folder in memory where there is one: syncing it costs nothing.
pub(super) fn memory_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

/// One topic into an append table, bars and bars of bars, running totals, the last of each, alerts, and hopping windows.
fn graph(is_bounded: bool) -> Graph {
    let mut graph = Graph::default();
    let source = by_hand::source(&mut graph, "in", model::DELAY_MS, None);
    if let NodeKind::Source(source) = &mut graph.nodes[source].kind {
        source.is_bounded = is_bounded;
    }
    let good = by_hand::at_least(&mut graph, "good", source, VALUE, model::LEAST);
    by_hand::to_table(&mut graph, good, "rows", &[]);
    let tumble = |size_ms| WindowShape::Tumble { size_ms, offset_ms: 0 };
    let calls = by_hand::four_calls(VALUE);
    let bars = by_hand::window(&mut graph, "bar windows", good, tumble(model::BAR_MS), None, &[KEY], calls);
    by_hand::to_table(&mut graph, bars, "bars", &["k", "window_start"]);
    use AggregateFunction::{Max, Min, Sum};
    let sums = [(Sum, 4), (Sum, 5), (Min, 6), (Max, 7)];
    let sums = sums.map(|(function, column)| by_hand::call(function, Some(column), DataType::Int64)).to_vec();
    let long = by_hand::window(&mut graph, "long windows", bars, tumble(model::LONG_BAR_MS), None, &[0], sums);
    by_hand::to_table(&mut graph, long, "long_bars", &["k", "window_start"]);
    let totals = by_hand::group_by(&mut graph, "running", good, &[KEY], by_hand::four_calls(VALUE));
    by_hand::to_table(&mut graph, totals, "totals", &["k"]);
    // over what is updated: groups come and go, and so do the first rows
    let mut of_totals = [(Sum, 2), (Min, 1), (Max, 1), (AggregateFunction::Count, 1)]
        .map(|(function, column)| by_hand::call(function, Some(column), DataType::Int64))
        .to_vec();
    of_totals[3].is_distinct = true;
    of_totals.insert(0, by_hand::call(AggregateFunction::Count, None, DataType::Int64));
    let by_max = by_hand::group_by(&mut graph, "by greatest", totals, &[4], of_totals);
    let names = [(0, "greatest"), (1, "keys"), (2, "sum"), (3, "least"), (4, "most"), (5, "counts")];
    let by_max = by_hand::columns(&mut graph, "by greatest columns", by_max, &names);
    by_hand::to_table(&mut graph, by_max, "by_max", &["greatest"]);
    let ranks = by_hand::ranked(&mut graph, "ranking", totals, &[(2, true), (0, false)], model::RANKS as u64);
    let ranks = by_hand::columns(&mut graph, "ranking columns", ranks, &[(5, "rank"), (0, "k"), (2, "sum")]);
    by_hand::to_table(&mut graph, ranks, "ranks", &["rank"]);
    let last = by_hand::last(&mut graph, "greatest", good, KEY, VALUE);
    let last = by_hand::columns(&mut graph, "greatest columns", last, &[(KEY, "k"), (VALUE, "v")]);
    by_hand::to_table(&mut graph, last, "last", &["k"]);
    let alerts = by_hand::at_least(&mut graph, "high", good, VALUE, model::ALERT_FROM);
    let alerts = by_hand::columns(&mut graph, "high columns", alerts, &[(KEY, "k"), (VALUE, "v")]);
    by_hand::to_topic(&mut graph, alerts, "alerts");
    let (size_ms, slide_ms) = model::HOP_MS;
    let hop = WindowShape::Hop { size_ms, slide_ms, offset_ms: 0 };
    let hops = by_hand::window(&mut graph, "hop windows", good, hop, None, &[], by_hand::four_calls(VALUE));
    let hops = by_hand::columns(&mut graph, "hop columns", hops, &[(3, "n"), (4, "s")]);
    by_hand::to_topic(&mut graph, hops, "hops");
    graph
}

/// A file where a folder belongs: whatever writes there fails, until it is taken away.
struct Blocked<'a> {
    folder: &'a Path,
    aside: PathBuf,
}

impl Blocked<'_> {
    fn at(folder: &Path) -> Blocked<'_> {
        let aside = folder.with_extension("aside");
        std::fs::rename(folder, &aside).expect("the folder exists");
        std::fs::write(folder, b"in the way").expect("writable");
        Blocked { folder, aside }
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        std::fs::remove_file(self.folder).expect("our file");
        std::fs::rename(&self.aside, self.folder).expect("our folder");
    }
}
