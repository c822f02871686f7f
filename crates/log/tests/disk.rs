//! The log on disk, opened, closed, filled and refused, through its public interface.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hoga_log::conformance::{self, fetch_all, record};
use hoga_log::{Compression, DiskLog, DiskOptions, Faults, Log, LogError, Offsets, Record, Retention, TopicSpec};
use hoga_model::{Fault, Faulty};
use proptest::collection::vec;
use proptest::prelude::*;

const TOPIC: &str = "t";
const HOUR_MS: i64 = 3_600_000;

fn small(dir: &Path) -> DiskOptions {
    DiskOptions { segment_bytes: 6_000, fsync_interval_ms: 5, ..DiskOptions::new(dir) }
}

fn open_clean(options: DiskOptions) -> DiskLog {
    let (log, report) = DiskLog::open(options).unwrap();
    assert!(report.is_clean(), "{report:?}");
    log
}

fn values(log: &dyn Log, from: i64) -> Vec<Record> {
    fetch_all(log, TOPIC, 0, from, 1_000).unwrap().into_iter().flat_map(|f| f.records).map(|r| r.record).collect()
}

fn segments(dir: &Path, extension: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join("t-0"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(extension))
        .collect();
    names.sort();
    names
}

#[test]
fn conforms() {
    for (compression, segment_bytes, fsync_interval_ms) in
        [(Compression::None, 128 << 20, 100), (Compression::Lz4, 9_000, 20)]
    {
        let mut folders = Vec::new();
        let mut fresh = || -> Box<dyn Log> {
            folders.push(tempfile::tempdir().unwrap());
            let dir = folders.last().unwrap().path();
            Box::new(open_clean(DiskOptions { compression, segment_bytes, fsync_interval_ms, ..DiskOptions::new(dir) }))
        };
        conformance::run(&mut fresh, &conformance::Bounds::NONE);
    }
}

#[test]
fn without_an_interval_every_append_is_durable_first() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open_clean(DiskOptions { fsync_interval_ms: 0, faults: Some(faults.clone()), ..small(dir.path()) });
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    log.append(TOPIC, 0, &[record(0)]).unwrap();
    faults.set_fail_sync(true);
    assert!(matches!(log.append(TOPIC, 0, &[record(1)]), Err(LogError::Poisoned { .. })));
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut want = Vec::new();
    for round in 0..5_i64 {
        let log = open_clean(small(dir.path()));
        log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
        assert_eq!(values(&log, 0), want);
        for n in 0..40 {
            let batch: Vec<Record> = (0..n % 9 + 1).map(|i| record(round * 1_000 + n * 10 + i)).collect();
            log.append(TOPIC, 0, &batch).unwrap();
            want.extend(batch);
        }
        assert_eq!(values(&log, 0), want);
    }
    let logs = segments(dir.path(), ".log");
    assert!(logs.len() > 5, "{logs:?}");
    assert_eq!(
        segments(dir.path(), ".sparse").len(),
        logs.len() - 1,
        "every sealed segment has its sidecar, the active one has none"
    );
}

#[test]
fn a_process_that_is_killed_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(DiskOptions { fsync_interval_ms: 60_000, ..small(dir.path()) });
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    for n in 0..100 {
        log.append(TOPIC, 0, &[record(n)]).unwrap();
    }
    // what a killed process leaves: the files as the operating system has them, without the work of closing
    let copy = tempfile::tempdir().unwrap();
    copy_folder(dir.path(), copy.path());
    let (reopened, report) = DiskLog::open(small(copy.path())).unwrap();
    assert!(report.is_clean() && !report.reindexed.is_empty(), "sealed segments had no sidecar yet: {report:?}");
    assert_eq!(values(&reopened, 0), (0..100).map(record).collect::<Vec<_>>());
    drop(reopened);
    let (_, report) = DiskLog::open(small(copy.path())).unwrap();
    assert_eq!(report.reindexed, Vec::<std::path::PathBuf>::new(), "they have now");
}

#[test]
fn the_flusher_makes_sealed_segments_durable_without_being_asked() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(small(dir.path()));
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    for n in 0..200 {
        log.append(TOPIC, 0, &[record(n)]).unwrap();
    }
    let sealed = segments(dir.path(), ".log").len() - 1;
    let until = Instant::now() + Duration::from_secs(20);
    while segments(dir.path(), ".sparse").len() < sealed {
        assert!(Instant::now() < until, "no sidecars after 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(small(dir.path()));
    let refused = DiskLog::open(small(dir.path())).err().unwrap();
    assert_eq!(refused.fault(), Fault::User);
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    drop(log);
    open_clean(small(dir.path()));
}

#[test]
fn a_full_disk_is_an_error_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let options = DiskOptions { faults: Some(faults.clone()), segment_bytes: 1 << 20, ..small(dir.path()) };
    let log = open_clean(options);
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    let mut want = Vec::new();
    for n in 0..60 {
        let batch = [record(n), record(n + 1)];
        if n % 3 == 1 {
            // every length of a write that was cut short, also none at all
            faults.set_room_bytes(n as u64);
            let error = log.append(TOPIC, 0, &batch).unwrap_err();
            assert_eq!((error.fault(), error.retry()), (Fault::External, true));
            assert!(error.to_string().contains("make room"), "{error}");
            assert_eq!(log.offsets(TOPIC, 0).unwrap().end, want.len() as i64);
            faults.set_room_bytes(u64::MAX);
        }
        log.append(TOPIC, 0, &batch).unwrap();
        want.extend(batch);
    }
    faults.set_room_bytes(30);
    log.append(TOPIC, 0, &[record(9)]).unwrap_err();
    assert_eq!(values(&log, 0), want);
    drop(log);
    assert_eq!(values(&open_clean(small(dir.path())), 0), want, "nothing of the failed writes is left");
}

#[test]
fn a_failed_fsync_ends_appends_but_not_reads() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open_clean(DiskOptions { faults: Some(faults.clone()), fsync_interval_ms: 60_000, ..small(dir.path()) });
    log.create_topic(&TopicSpec::new(TOPIC, 2)).unwrap();
    log.append(TOPIC, 0, &[record(0)]).unwrap();
    faults.set_fail_sync(true);
    let error = log.sync().unwrap_err();
    assert!(matches!(error, LogError::Poisoned { partition: 0, .. }), "{error}");
    faults.set_fail_sync(false);
    let error = log.append(TOPIC, 0, &[record(1)]).unwrap_err();
    assert_eq!((error.fault(), error.retry()), (Fault::External, false));
    assert!(log.sync().is_err(), "a later fsync that works proves nothing about the lost one");
    assert_eq!(values(&log, 0), [record(0)]);
    log.append(TOPIC, 1, &[record(1)]).unwrap();
    drop(log);
    let log = open_clean(small(dir.path()));
    log.append(TOPIC, 0, &[record(1)]).unwrap();
}

#[test]
fn retention_takes_whole_sealed_segments_and_moves_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(DiskOptions { compression: Compression::None, ..small(dir.path()) });
    let retention = Retention { max_age_ms: Some(10 * HOUR_MS), max_bytes: None };
    log.create_topic(&TopicSpec { retention, ..TopicSpec::new(TOPIC, 1) }).unwrap();
    let at = |hour: i64| Record { timestamp_ms: hour * HOUR_MS, value: Bytes::from(vec![7; 100]), ..record(0) };
    for hour in 0..40 {
        log.append(TOPIC, 0, &vec![at(hour); 30]).unwrap();
    }
    assert_eq!(log.enforce_retention(10 * HOUR_MS).unwrap().segments, 0);
    let retired = log.enforce_retention(30 * HOUR_MS).unwrap();
    assert!(retired.segments > 0 && retired.bytes > 0);
    let Offsets { start, end } = log.offsets(TOPIC, 0).unwrap();
    assert!(start > 0 && start <= 20 * 30, "nothing younger than 10 hours went: start {start}");
    assert!(
        matches!(log.fetch(TOPIC, 0, start - 1, 1), Err(LogError::OffsetOutOfRange { start: s, .. }) if s == start)
    );
    assert_eq!(log.fetch(TOPIC, 0, start, 1).unwrap().records[0].offset, start);
    assert_eq!(log.offset_for_time(TOPIC, 0, 0).unwrap(), Some(start));
    drop(log);

    let log = open_clean(small(dir.path()));
    assert_eq!(log.offsets(TOPIC, 0).unwrap(), Offsets { start, end });
    let by_size = Retention { max_age_ms: None, max_bytes: Some(0) };
    log.create_topic(&TopicSpec { retention: by_size, ..TopicSpec::new(TOPIC, 1) }).unwrap();
    log.enforce_retention(0).unwrap();
    assert_eq!(segments(dir.path(), ".log").len(), 1, "the active segment stays");
    log.create_topic(&TopicSpec { retention, ..TopicSpec::new(TOPIC, 1) }).unwrap();
    log.enforce_retention(1_000 * HOUR_MS).unwrap();
    assert_eq!(log.offsets(TOPIC, 0).unwrap(), Offsets { start: end, end }, "a quiet topic forgets too");
    log.append(TOPIC, 0, &[at(1_000)]).unwrap();
    assert_eq!(log.fetch(TOPIC, 0, end, 1).unwrap().records[0].offset, end, "offsets go on");
    drop(log);
    assert_eq!(segments(dir.path(), ".sparse"), Vec::<String>::new());
    assert_eq!(open_clean(small(dir.path())).offsets(TOPIC, 0).unwrap(), Offsets { start: end, end: end + 1 });
}

#[test]
fn segments_roll_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(DiskOptions { segment_age_ms: HOUR_MS, ..DiskOptions::new(dir.path()) });
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    for minutes in [0, 30, 59, 60, 61, 200] {
        log.append(TOPIC, 0, &[Record { timestamp_ms: minutes * 60_000, ..record(0) }]).unwrap();
    }
    assert_eq!(segments(dir.path(), ".log").len(), 3);
}

/// A reader that fetches while retention deletes below it: what it gets is right, and it is told when its place is gone.
#[test]
fn fetches_race_with_retention() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(small(dir.path()));
    let retention = Retention { max_age_ms: None, max_bytes: Some(20_000) };
    log.create_topic(&TopicSpec { retention, ..TopicSpec::new(TOPIC, 1) }).unwrap();
    const RECORDS: i64 = 6_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..RECORDS {
                log.append(TOPIC, 0, &[record(n)]).unwrap();
                if n % 50 == 0 {
                    log.enforce_retention(0).unwrap();
                }
            }
        });
        let mut offset = 0;
        while offset < RECORDS {
            match log.fetch(TOPIC, 0, offset, 4_000) {
                Ok(fetched) => {
                    assert_eq!(fetched.damaged, None);
                    fetched.records.iter().for_each(|r| assert_eq!(r.record, record(r.offset)));
                    offset = fetched.next_offset;
                }
                Err(LogError::OffsetOutOfRange { start, .. }) => {
                    assert!(start > offset);
                    offset = start;
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
}

/// Somebody deletes a file below a running log.
#[test]
fn a_segment_that_vanished_is_skipped_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(small(dir.path()));
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    for n in 0..400 {
        log.append(TOPIC, 0, &[record(n)]).unwrap();
    }
    log.sync().unwrap();
    let victim = segments(dir.path(), ".log")[1].clone();
    let (first, next): (i64, i64) =
        (victim[..20].parse().unwrap(), segments(dir.path(), ".log")[2][..20].parse().unwrap());
    std::fs::remove_file(dir.path().join("t-0").join(&victim)).unwrap();
    let fetched = fetch_all(&log, TOPIC, 0, 0, 1_000).unwrap();
    let damaged: Vec<(i64, i64)> =
        fetched.iter().filter_map(|f| f.damaged.as_ref()).map(|d| (d.first_offset, d.last_offset)).collect();
    assert_eq!(damaged, [(first, next - 1)]);
    let offsets: Vec<i64> = fetched.iter().flat_map(|f| f.records.iter().map(|r| r.offset)).collect();
    assert_eq!(offsets, (0..first).chain(next..400).collect::<Vec<_>>());
}

#[test]
fn lost_topics_come_from_the_folders() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_clean(small(dir.path()));
    log.create_topic(&TopicSpec::new(TOPIC, 3)).unwrap();
    log.append(TOPIC, 2, &[record(1)]).unwrap();
    drop(log);
    for damage in [None, Some(&b"hoga topics 1\nu partitions=3"[..])] {
        match damage {
            None => std::fs::remove_file(dir.path().join("topics")).unwrap(),
            Some(bytes) => std::fs::write(dir.path().join("topics"), bytes).unwrap(),
        }
        let (log, report) = DiskLog::open(small(dir.path())).unwrap();
        assert!(report.topics_rebuilt.is_some() && !report.is_clean());
        assert_eq!(log.topics()[0].partitions, 3);
        assert_eq!(log.fetch(TOPIC, 2, 0, 1).unwrap().records[0].record, record(1));
        drop(log);
        open_clean(small(dir.path()));
    }
    std::fs::remove_dir_all(dir.path().join("t-1")).unwrap();
    let (_, report) = DiskLog::open(small(dir.path())).unwrap();
    assert_eq!(report.missing_folders, [dir.path().join("t-1")]);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = DiskLog::open(DiskOptions::new(&file)).err().unwrap();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    for options in
        [DiskOptions { segment_bytes: 0, ..small(dir.path()) }, DiskOptions { segment_age_ms: 0, ..small(dir.path()) }]
    {
        assert_eq!(DiskLog::open(options).err().unwrap().fault(), Fault::User);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    Reopen,
    Sync,
    /// Loses sidecars, as a copy or a careless hand may.
    LoseSidecars,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model is a `Vec` of all records; every offset is a place to start.
    #[test]
    fn equals_a_list(
        steps in vec(prop_oneof![8 => (1..40_u8).prop_map(Step::Append), 1 => Just(Step::Reopen), 1 => Just(Step::Sync), 1 => Just(Step::LoseSidecars)], 1..40),
        lz4: bool,
        segment_bytes in prop_oneof![1 => Just(1_u64), 6 => 1_000..20_000_u64],
        max_bytes in prop_oneof![Just(0_usize), 1..9_000_usize],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let compression = if lz4 { Compression::Lz4 } else { Compression::None };
        let options = DiskOptions { compression, segment_bytes, ..DiskOptions::new(dir.path()) };
        let mut log = open_clean(options.clone());
        log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
        let mut model: Vec<Record> = Vec::new();
        for step in steps {
            match step {
                Step::Append(count) => {
                    let first = model.len() as i64;
                    let batch: Vec<Record> = (first..first + i64::from(count)).map(record).collect();
                    let appended = log.append(TOPIC, 0, &batch).unwrap();
                    prop_assert_eq!((appended.first_offset, appended.last_offset), (first, first + i64::from(count) - 1));
                    model.extend(batch);
                }
                Step::Sync => log.sync().unwrap(),
                Step::Reopen | Step::LoseSidecars => {
                    drop(log);
                    if matches!(step, Step::LoseSidecars) {
                        segments(dir.path(), ".sparse").iter().for_each(|name| std::fs::remove_file(dir.path().join("t-0").join(name)).unwrap());
                    }
                    log = open_clean(options.clone());
                }
            }
        }
        prop_assert_eq!(log.offsets(TOPIC, 0).unwrap(), Offsets { start: 0, end: model.len() as i64 });
        for from in 0..=model.len() {
            let fetched = log.fetch(TOPIC, 0, from as i64, max_bytes).unwrap();
            prop_assert_eq!(fetched.records.is_empty(), from == model.len());
            for (stored, offset) in fetched.records.iter().zip(from..) {
                prop_assert_eq!((stored.offset, &stored.record), (offset as i64, &model[offset]));
            }
        }
        prop_assert_eq!(values(&log, 0), model);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
