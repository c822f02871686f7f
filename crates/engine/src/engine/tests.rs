//! Crashes by seed: whatever stops the engine and whenever, every row is there once, and every bad record is one letter.

use super::*;
use crate::plan::plan_pipeline;
use crate::query::{QueryLimits, QueryService};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use hoga_lake::LakeOptions;
use hoga_log::{MemoryLog, Record, TopicSpec};
use hoga_model::time::ManualClock;
use std::collections::BTreeSet;
use std::path::Path;

const PIPELINE: &str = "
CREATE TEMPORARY TABLE source (`id` BIGINT, `code` STRING, `price` DECIMAL(20, 8),
  `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, `ts` AS TO_TIMESTAMP_LTZ(`id`, 3))
WITH ('connector' = 'kafka', 'topic' = 'in', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'w');
CREATE DATABASE lake.upbit;
CREATE TABLE lake.upbit.sink (`market` STRING, `id` BIGINT, `price` DECIMAL(20, 8), `at` TIMESTAMP_LTZ(3), `dt` STRING)
PARTITIONED BY (`dt`) WITH ('bucket' = '-1');
INSERT INTO lake.upbit.sink SELECT `code`, `id`, `price`, `at`, DATE_FORMAT(`ts`, 'yyyy-MM-dd') FROM source WHERE `id` >= 0;
";
const PARTITIONS: u32 = 3;
const SEEDS: std::ops::Range<u64> = 14..24;
const STEPS: usize = 40;

/// A small generator with a seed: the same one fails again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct World {
    folder: tempfile::TempDir,
    log: Arc<MemoryLog>,
    engine: Option<Arc<Engine>>,
    next_id: i64,
    good: BTreeSet<i64>,
    bad: usize,
}

impl World {
    async fn new() -> World {
        let log = Arc::new(MemoryLog::default());
        log.create_topic(&TopicSpec::new("in", PARTITIONS)).expect("a new topic");
        log.create_topic(&TopicSpec::new(DEAD_LETTER_TOPIC, 1)).expect("a new topic");
        let folder = tempfile::tempdir().expect("a folder");
        let mut world = World { folder, log, engine: None, next_id: 0, good: BTreeSet::new(), bad: 0 };
        world.start().await;
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    async fn start(&mut self) {
        let pipeline = hoga_sql::parse_pipeline("test.sql", PIPELINE, &|_| None).expect("a valid pipeline");
        let plan = plan_pipeline(&pipeline).await.expect("a pipeline that can be planned");
        let lake =
            Lake::open(LakeOptions { warehouse: self.path("warehouse"), commit_user: "test".into() }).expect("a lake");
        let options = EngineOptions {
            checkpoint_folder: self.path("checkpoints"),
            checkpoint_interval: Duration::from_secs(3_600),
            live_tail_bytes_max: u64::MAX / 4,
        };
        let clock = Arc::new(ManualClock::at(1_785_395_043_831));
        let opened = Engine::open(plan.jobs, self.log.clone(), &lake, clock, options).await;
        self.engine = Some(Arc::new(opened.expect("recovery").0));
    }

    fn engine(&self) -> Arc<Engine> {
        self.engine.clone().expect("the engine runs")
    }

    fn append(&mut self, dice: &mut Dice) {
        let mut records = Vec::new();
        for _ in 0..=dice.roll(5) {
            let id = self.next_id;
            self.next_id += 1;
            let value = match dice.roll(8) {
                0 => {
                    self.bad += 1;
                    format!("{{\"id\":{id},\"price\":\"x\"")
                }
                1 => {
                    self.bad += 1;
                    format!("{{\"id\":{id},\"price\":true}}")
                }
                // filtered: neither row nor letter
                2 => "{\"id\":-1}".to_owned(),
                _ => {
                    self.good.insert(id);
                    format!("{{\"code\":\"KRW-BTC\",\"id\":{id},\"price\":{id}.5}}")
                }
            };
            records.push(Record { key: None, value: Bytes::from(value), timestamp_ms: 7, headers: Vec::new() });
        }
        self.log.append("in", dice.roll(u64::from(PARTITIONS)) as u32, &records).expect("memory");
    }

    async fn rows(&self) -> Vec<i64> {
        let tables = self.engine().jobs.iter().map(|job| job.table.clone()).collect();
        let limits = QueryLimits { memory_bytes: 1 << 26, partitions: 2, spill_folder: self.path("spill") };
        let service = QueryService::new(tables, &limits).expect("a query service");
        let frame = service.session().expect("a session").sql("SELECT id FROM sink").await.expect("a plan");
        let batches = frame.collect().await.expect("rows");
        let mut ids: Vec<i64> =
            batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        ids.sort_unstable();
        ids
    }

    fn catch_up(&self) {
        let engine = self.engine();
        for job in &engine.jobs {
            while job.step().expect("a step") > 0 {}
        }
    }

    async fn check(&self, seed: u64) {
        self.catch_up();
        assert_eq!(self.rows().await, self.good.iter().copied().collect::<Vec<_>>(), "seed {seed}: rows");
        let letters = self.log.offsets(DEAD_LETTER_TOPIC, 0).expect("the topic").end;
        assert_eq!(letters, self.bad as i64, "seed {seed}: letters");
    }
}

/// A file where a folder belongs: whatever writes there fails, until it is taken away.
struct Blocked<'a> {
    folder: &'a Path,
    aside: std::path::PathBuf,
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

#[tokio::test(flavor = "multi_thread")]
async fn every_row_once_whatever_crashes() {
    for seed in SEEDS {
        let mut dice = Dice(seed);
        let mut world = World::new().await;
        let (mut failed, mut succeeded) = (0, 0);
        for _ in 0..STEPS {
            match dice.roll(10) {
                0..=3 => world.append(&mut dice),
                4 | 5 => drop(world.engine().jobs[0].step().expect("a step")),
                6 => match world.engine().checkpoint().await {
                    true => succeeded += 1,
                    false => panic!("seed {seed}: {:?}", world.engine().checkpoints().last().error),
                },
                7 => {
                    // the checkpoint's file cannot be written, or a commit cannot
                    let snapshots = world.path("warehouse/upbit.db/sink/snapshot");
                    let folder =
                        if dice.roll(2) == 0 || !snapshots.is_dir() { world.path("checkpoints") } else { snapshots };
                    let blocked = Blocked::at(&folder);
                    if !world.engine().checkpoint().await {
                        failed += 1;
                    }
                    drop(blocked);
                }
                8 => {
                    // killed: everything in memory is gone
                    world.engine = None;
                    world.start().await;
                }
                _ => world.check(seed).await,
            }
        }
        world.check(seed).await;
        assert!(world.engine().checkpoint().await, "seed {seed}");
        world.check(seed).await;
        world.engine = None;
        world.start().await;
        world.check(seed).await;
        tracing::debug!(seed, failed, succeeded, "done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_checkpoint_folder_is_refused_not_doubled() {
    let mut world = World::new().await;
    world.append(&mut Dice(3));
    world.append(&mut Dice(4));
    world.catch_up();
    assert!(world.engine().checkpoint().await);
    world.engine = None;
    std::fs::remove_dir_all(world.path("checkpoints")).expect("the folder");
    let pipeline = hoga_sql::parse_pipeline("test.sql", PIPELINE, &|_| None).expect("a valid pipeline");
    let plan = plan_pipeline(&pipeline).await.expect("a plan");
    let lake =
        Lake::open(LakeOptions { warehouse: world.path("warehouse"), commit_user: "test".into() }).expect("a lake");
    let options = EngineOptions {
        checkpoint_folder: world.path("checkpoints"),
        checkpoint_interval: Duration::from_secs(3_600),
        live_tail_bytes_max: 1 << 30,
    };
    let opened = Engine::open(plan.jobs, world.log.clone(), &lake, Arc::new(ManualClock::at(0)), options).await;
    assert!(matches!(opened.map(|_| ()), Err(EngineError::CheckpointLost { committed: 1, newest: 0, .. })));
}

/// Runs until it ends by itself.
async fn run_to_the_end(world: &World) {
    let engine = world.engine();
    let run = tokio::time::timeout(Duration::from_secs(60), engine.run(CancellationToken::new()));
    run.await.expect("an end").expect("no error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_where_its_input_ends_and_has_committed_all_of_it() {
    let mut world = World::new().await;
    let mut dice = Dice(5);
    for _ in 0..20 {
        world.append(&mut dice);
    }
    let engine = world.engine();
    assert!(!engine.jobs[0].is_finished(), "an input without an end");
    engine.end_input().expect("memory");
    let good = world.good.clone();
    // comes after the end, and is for the next run
    for _ in 0..20 {
        world.append(&mut dice);
    }
    run_to_the_end(&world).await;
    assert_eq!(world.rows().await, good.iter().copied().collect::<Vec<_>>());
    assert_eq!(engine.jobs[0].table.tail_bytes(), 0, "everything is committed");
    drop(engine);

    world.engine = None;
    world.start().await;
    world.engine().end_input().expect("memory");
    run_to_the_end(&world).await;
    assert_eq!(world.rows().await, world.good.iter().copied().collect::<Vec<_>>());
}
