//! The recovery point: what is behind it is checked at the start, what is before it when it is fetched, and nothing is ever wrong for it.

use super::*;

const POINT: &str = "t-0/recovery-point";

/// A point after every flush; segments of 1 MiB.
fn eager(dir: &Path) -> DiskOptions {
    DiskOptions { recovery_point_bytes: 1, fsync_interval_ms: 1, ..options(dir, 1 << 20, Compression::None) }
}

/// No new points: those that are there stay.
fn lazy(dir: &Path) -> DiskOptions {
    DiskOptions { recovery_point_bytes: u64::MAX, ..eager(dir) }
}

/// Closed with a point at its end: 40 batches of 100 records, more than the 64 KiB between two entries of the index.
fn closed(dir: &Path) -> (i64, u64) {
    let end = write_log(&eager(dir), &[100; 40]);
    let bytes = std::fs::metadata(dir.join(FIRST_LOG)).unwrap().len();
    assert!(bytes > 3 * (64 << 10), "{bytes}");
    (end, bytes)
}

fn append(options: DiskOptions, offsets: std::ops::Range<i64>) {
    let (log, _) = DiskLog::open(options).unwrap();
    for offset in offsets {
        assert_eq!(log.append(TOPIC, 0, &[record(offset)]).unwrap().first_offset, offset);
    }
}

#[test]
fn only_what_is_behind_the_point_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (end, bytes) = closed(dir.path());
    let (read, damaged, report, _) = read_back(lazy(dir.path()));
    assert_eq!((read, damaged, report.checked_bytes), ((0..end).collect(), vec![], 0));
    append(lazy(dir.path()), end..end + 50);
    let more = std::fs::metadata(dir.path().join(FIRST_LOG)).unwrap().len() - bytes;
    let (read, _, report, _) = read_back(lazy(dir.path()));
    assert_eq!((read, report.checked_bytes), ((0..end + 50).collect(), more));
    assert!(report.is_clean());
    // a damaged batch behind it is found at the start, a torn one is cut off
    let places = places(dir.path());
    let victim = places[places.len() - 10].clone();
    change(&victim.file, victim.position + 70, |bytes| bytes[0] ^= 1);
    let last = places.last().unwrap();
    cut(&last.file, last.position + 20);
    let (read, damaged, report, _) = read_back(lazy(dir.path()));
    assert_eq!(read, without(end + 49, victim.first..victim.next));
    assert_eq!((report.damaged.as_slice(), report.torn_tails.len()), (damaged.as_slice(), 1));
}

#[test]
fn damage_before_the_point_is_found_by_the_fetch_that_meets_it() {
    let dir = tempfile::tempdir().unwrap();
    let (end, _) = closed(dir.path());
    let victim = places(dir.path())[3].clone();
    change(&victim.file, victim.position + 70, |bytes| bytes[0] ^= 1);
    let (read, damaged, report, _) = read_back(eager(dir.path()));
    assert!(report.is_clean() && report.checked_bytes == 0, "{report:?}");
    assert_eq!(read, without(end, victim.first..victim.next));
    assert_eq!(damaged.len(), 1);
    assert_eq!((damaged[0].position, damaged[0].bytes), (victim.position, victim.size_bytes));
    // as if there were no point
    std::fs::remove_file(dir.path().join(POINT)).unwrap();
    let (again, told, report, _) = read_back(lazy(dir.path()));
    assert_eq!((again, told), (read, damaged.clone()));
    assert_eq!(report.damaged, damaged);
}

#[test]
fn a_point_that_is_torn_or_does_not_fit_only_costs_time() {
    let source = tempfile::tempdir().unwrap();
    let (end, bytes) = closed(source.path());
    let point = std::fs::read(source.path().join(POINT)).unwrap();
    let log = std::fs::read(source.path().join(FIRST_LOG)).unwrap();
    let mut flipped = point.clone();
    flipped[20] ^= 1;
    let last = places(source.path()).last().unwrap().clone();
    let mut rotten = log.clone();
    rotten[last.position as usize + 70] ^= 1;
    let shorter = &log[..last.position as usize + 5];
    let torn = |len: usize| point[..len].to_vec();
    let short_end = last.first;
    for (what, point, log, want) in [
        ("empty", torn(0), log.as_slice(), end),
        ("torn", torn(point.len() / 2), &log, end),
        ("torn at its end", torn(point.len() - 1), &log, end),
        ("a bit is wrong", flipped, &log, end),
        ("beyond the end", point.clone(), shorter, short_end),
        ("a rotten bit just before it", point.clone(), &rotten, short_end),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("t-0")).unwrap();
        std::fs::copy(source.path().join("topics"), dir.path().join("topics")).unwrap();
        std::fs::write(dir.path().join(FIRST_LOG), log).unwrap();
        std::fs::write(dir.path().join(POINT), point).unwrap();
        let (read, damaged, report, _) = read_back(lazy(dir.path()));
        assert_eq!((read, damaged), ((0..want).collect(), vec![]), "{what}");
        assert!(report.checked_bytes + report.torn_tails.iter().map(|t| t.bytes).sum::<u64>() == log.len() as u64);
        assert!(!dir.path().join(POINT).exists(), "{what}: it must not be believed when the segment has grown");
        // beyond where the point was, in other batches
        append(lazy(dir.path()), want..want + 300);
        assert!(std::fs::metadata(dir.path().join(FIRST_LOG)).unwrap().len() > bytes);
        assert_eq!(read_back(lazy(dir.path())).0, (0..want + 300).collect::<Vec<_>>(), "{what}");
    }
}

/// A segment of another log below a point: as long, other batches.
#[test]
fn a_replaced_segment_is_noticed() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, bytes) = closed(dir.path());
    let end = write_log(&eager(other.path()), &[90; 60]);
    assert!(std::fs::metadata(other.path().join(FIRST_LOG)).unwrap().len() > bytes);
    std::fs::copy(other.path().join(FIRST_LOG), dir.path().join(FIRST_LOG)).unwrap();
    let (read, damaged, report, _) = read_back(lazy(dir.path()));
    assert_eq!((read, damaged), ((0..end).collect(), vec![]));
    assert!(report.is_clean() && report.checked_bytes > bytes);
}

/// The folder as it is at any moment is what kill -9 leaves; lost power may take what lies behind the point as well. Copied file by file while
/// the log goes on, the point may also be newer than the segment: never wrong either.
#[test]
fn killed_at_any_moment() {
    for seed in 0..25 {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let segment_bytes = [20_000, 1 << 20][random.below(2) as usize];
        let live = DiskOptions { recovery_point_bytes: 1 + random.below(9_000), segment_bytes, ..eager(dir.path()) };
        let (log, _) = DiskLog::open(live).unwrap();
        log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
        let mut end = 0;
        for round in 0..4 {
            for _ in 0..random.below(60) {
                let next = end + 1 + random.below(60) as i64;
                log.append(TOPIC, 0, &(end..next).map(record).collect::<Vec<_>>()).unwrap();
                end = next;
            }
            if random.below(2) == 0 {
                log.sync().unwrap();
            }
            let copy = tempfile::tempdir().unwrap();
            std::fs::create_dir(copy.path().join("t-0")).unwrap();
            std::fs::copy(dir.path().join("topics"), copy.path().join("topics")).unwrap();
            for entry in std::fs::read_dir(dir.path().join("t-0")).unwrap() {
                let path = entry.unwrap().path();
                // the temporary file of a point may be gone by now
                std::fs::copy(&path, copy.path().join("t-0").join(path.file_name().unwrap())).ok();
            }
            let mut want = end;
            if random.below(2) == 0 {
                let last = log_files(copy.path()).pop().unwrap();
                let len = random.below(std::fs::metadata(&last).unwrap().len() + 1);
                let kept = places(copy.path())
                    .iter()
                    .rfind(|p| p.file != last || p.position + p.size_bytes <= len)
                    .map(|p| p.next);
                let base: i64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                want = kept.unwrap_or(base);
                cut(&last, len);
            }
            let reopened = || DiskOptions { segment_bytes, ..lazy(copy.path()) };
            let (read, damaged, ..) = read_back(reopened());
            assert_eq!((read, damaged), ((0..want).collect(), vec![]), "seed {seed}, round {round}");
            append(reopened(), want..want + 5);
            assert_eq!(read_back(reopened()).0, (0..want + 5).collect::<Vec<_>>(), "seed {seed}, round {round}");
        }
    }
}
