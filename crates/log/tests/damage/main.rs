//! Damaged files: what was acknowledged before the damage is there, what comes after it is there, the damage is named, nothing panics.
#![allow(clippy::unwrap_used, reason = "tests")]

mod recovery_point;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use hoga_log::batch::{BatchEncoder, BatchHeader};
use hoga_log::conformance::{fetch_all, record};
use hoga_log::{Compression, DamagedRange, DiskLog, DiskOptions, Log, Offsets, Record, RecoveryReport, TopicSpec};

const TOPIC: &str = "t";
/// Of each simulation: another number is another log.
const SEEDS: u64 = 150;
const FIRST_LOG: &str = "t-0/00000000000000000000.log";

/// Where each batch of a written log lies.
#[derive(Debug, Clone)]
struct Place {
    file: PathBuf,
    position: u64,
    size_bytes: u64,
    first: i64,
    next: i64,
}

/// Seeded, so that a failure names its seed and can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn options(dir: &Path, segment_bytes: u64, compression: Compression) -> DiskOptions {
    DiskOptions { segment_bytes, compression, ..DiskOptions::new(dir) }
}

/// Appends batches of the given sizes to a new log and closes it.
fn write_log(options: &DiskOptions, sizes: &[i64]) -> i64 {
    let (log, _) = DiskLog::open(options.clone()).unwrap();
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    let mut end = 0;
    for size in sizes {
        log.append(TOPIC, 0, &(end..end + size).map(record).collect::<Vec<_>>()).unwrap();
        end += size;
    }
    end
}

fn log_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("t-0")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    files
}

fn places(dir: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    for file in log_files(dir) {
        let bytes = std::fs::read(&file).unwrap();
        let mut position = 0;
        while position < bytes.len() {
            let header = BatchHeader::parse(&bytes[position..]).unwrap();
            places.push(Place {
                file: file.clone(),
                position: position as u64,
                size_bytes: header.size_bytes as u64,
                first: header.base_offset,
                next: header.next_offset(),
            });
            position += header.size_bytes;
        }
    }
    places
}

/// Opens, reads everything and checks each record; returns what was readable, the damage fetches told, and the report.
fn read_back(options: DiskOptions) -> (Vec<i64>, Vec<DamagedRange>, RecoveryReport, Offsets) {
    let (log, report) = DiskLog::open(options).unwrap();
    let Offsets { start, end } = log.offsets(TOPIC, 0).unwrap();
    let mut offsets = Vec::new();
    let mut damaged = Vec::new();
    let mut next = start;
    for fetched in fetch_all(&log, TOPIC, 0, start, 2_000).unwrap() {
        if let Some(range) = fetched.damaged {
            assert_eq!(range.first_offset, next, "damage begins where the last fetch ended");
            assert!(log.damaged().contains(&range), "it is counted");
            next = range.last_offset + 1;
            damaged.push(range);
        }
        for stored in &fetched.records {
            assert_eq!((stored.offset, &stored.record), (next, &record(next)), "no offset is left out in silence");
            next += 1;
        }
        assert_eq!(fetched.next_offset, next);
        offsets.extend(fetched.records.iter().map(|stored| stored.offset));
    }
    assert_eq!(next, end);
    // every offset of a short log, some of a long one
    for from in (start..=end).step_by(1 + (end - start) as usize / 50) {
        let fetched = log.fetch(TOPIC, 0, from, 0).unwrap();
        let want = offsets.iter().copied().find(|offset| *offset >= from);
        assert!(fetched.records.first().is_none_or(|stored| Some(stored.offset) == want), "from {from}");
        assert!(fetched.next_offset > from || from == end);
    }
    let counted = log.damaged().len();
    assert!(counted >= damaged.len());
    fetch_all(&log, TOPIC, 0, start, 2_000).unwrap();
    assert_eq!(log.damaged().len(), counted, "damage is counted once");
    (offsets, damaged, report, Offsets { start, end })
}

fn change(file: &Path, position: u64, change: impl FnOnce(&mut [u8])) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes[position as usize..]);
    std::fs::write(file, bytes).unwrap();
}

fn cut(file: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(len).unwrap();
}

fn without(end: i64, lost: std::ops::Range<i64>) -> Vec<i64> {
    (0..end).filter(|offset| !lost.contains(offset)).collect()
}

#[test]
fn every_torn_tail_is_dropped_and_told() {
    let source = tempfile::tempdir().unwrap();
    let end = write_log(&options(source.path(), 1 << 20, Compression::Lz4), &[3, 5, 2]);
    let places = places(source.path());
    let last = places.last().unwrap();
    let whole = std::fs::read(&last.file).unwrap();
    // every length of a torn header, and enough of torn records
    let is_tried = |len: &u64| {
        *len > whole.len() as u64 - 3
            || places.iter().any(|p| (p.position..=p.position + 62).contains(len))
            || len.is_multiple_of(13)
    };
    for len in (0..=whole.len() as u64).filter(is_tried) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("t-0")).unwrap();
        std::fs::copy(source.path().join("topics"), dir.path().join("topics")).unwrap();
        std::fs::write(dir.path().join(FIRST_LOG), &whole[..len as usize]).unwrap();
        let kept = places.iter().take_while(|place| place.position + place.size_bytes <= len).last();
        let (good_bytes, good_end) = kept.map_or((0, 0), |place| (place.position + place.size_bytes, place.next));
        let (read, damaged, report, offsets) = read_back(options(dir.path(), 1 << 20, Compression::Lz4));
        assert_eq!((read, offsets.end), ((0..good_end).collect(), good_end), "cut at {len}");
        assert_eq!(damaged, []);
        let torn: Vec<(u64, u64, i64)> =
            report.torn_tails.iter().map(|t| (t.position, t.bytes, t.next_offset)).collect();
        let want = if len > good_bytes { vec![(good_bytes, len - good_bytes, good_end)] } else { vec![] };
        assert_eq!(torn, want, "cut at {len}");
        assert!(report.torn_tails.iter().all(|tail| tail.file == dir.path().join(FIRST_LOG)));
        // the log goes on where it was cut, and the next start is clean
        let (log, report) = DiskLog::open(options(dir.path(), 1 << 20, Compression::Lz4)).unwrap();
        assert!(report.is_clean());
        log.append(TOPIC, 0, &[record(good_end)]).unwrap();
        drop(log);
        assert_eq!(read_back(options(dir.path(), 1 << 20, Compression::Lz4)).0, (0..=good_end).collect::<Vec<_>>());
    }
    assert_eq!(end, 10);
}

#[test]
fn damage_in_the_active_segment_does_not_take_what_follows() {
    for compression in [Compression::None, Compression::Lz4] {
        let source = tempfile::tempdir().unwrap();
        let options = |dir: &Path| options(dir, 1 << 20, compression);
        let end = write_log(&options(source.path()), &[10, 20, 30, 40, 1]);
        let places = places(source.path());
        let victim = &places[2];
        let bytes = std::fs::read(&victim.file).unwrap();
        for at in (0..61).chain((61..victim.size_bytes).step_by(97)) {
            if (12..16).contains(&at) {
                continue; // the leader epoch means nothing here and is not checked
            }
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("t-0")).unwrap();
            std::fs::copy(source.path().join("topics"), dir.path().join("topics")).unwrap();
            let mut bad = bytes.clone();
            bad[(victim.position + at) as usize] ^= 0x55;
            std::fs::write(dir.path().join(FIRST_LOG), &bad).unwrap();
            let (read, damaged, report, _) = read_back(options(dir.path()));
            assert_eq!(read, without(end, victim.first..victim.next), "byte {at}");
            assert_eq!(report.damaged, damaged);
            assert_eq!((damaged.len(), damaged[0].position, damaged[0].bytes), (1, victim.position, victim.size_bytes));
            assert!(report.torn_tails.is_empty() && !report.is_clean());
            // appends go on behind it, also over a restart
            let (log, _) = DiskLog::open(options(dir.path())).unwrap();
            log.append(TOPIC, 0, &[record(end)]).unwrap();
            drop(log);
            assert_eq!(read_back(options(dir.path())).0, without(end + 1, victim.first..victim.next));
        }
    }
}

#[test]
fn damage_in_a_sealed_segment_is_skipped_by_the_fetch_that_meets_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = || options(dir.path(), 3_000, Compression::None);
    let end = write_log(&options(), &[5; 60]);
    let places = places(dir.path());
    let (first, second) = (&places[3], &places[20]);
    assert!(first.file != *log_files(dir.path()).last().unwrap() && second.file != first.file);
    change(&first.file, first.position + 70, |bytes| bytes[0] ^= 1);
    change(&second.file, second.position, |bytes| bytes[..40].fill(0));
    let (read, damaged, report, _) = read_back(options());
    assert!(report.is_clean(), "sealed segments are not read at the start");
    let lost: Vec<(i64, i64, &Path)> =
        damaged.iter().map(|d| (d.first_offset, d.last_offset, d.file.as_path())).collect();
    assert_eq!(
        lost,
        [(first.first, first.next - 1, first.file.as_path()), (second.first, second.next - 1, second.file.as_path())]
    );
    assert!(damaged[0].reason.contains("checksum") && damaged[1].reason.contains("magic"), "{damaged:?}");
    assert_eq!(
        read,
        without(end, first.first..first.next)
            .into_iter()
            .filter(|o| !(second.first..second.next).contains(o))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_sealed_segment_that_was_cut_or_lost_leaves_a_named_hole() {
    for missing in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = || options(dir.path(), 3_000, Compression::None);
        let end = write_log(&options(), &[5; 60]);
        let places = places(dir.path());
        let files = log_files(dir.path());
        let of_second: Vec<&Place> = places.iter().filter(|place| place.file == files[1]).collect();
        let hole = if missing {
            std::fs::remove_file(&files[1]).unwrap();
            of_second[0].first..of_second.last().unwrap().next
        } else {
            cut(&files[1], of_second[2].position + 10);
            of_second[2].first..of_second.last().unwrap().next
        };
        let (read, damaged, report, _) = read_back(options());
        assert_eq!(read, without(end, hole.clone()));
        assert_eq!(damaged.len(), 1);
        assert_eq!(damaged[0].first_offset..damaged[0].last_offset + 1, hole);
        assert_eq!(report.damaged, damaged, "its length is not what its sidecar says: it was looked at");
    }
}

/// A value that holds a whole batch, as a topic of topics might, is never taken for one of ours.
#[test]
fn a_batch_inside_a_value_is_not_believed() {
    for (claimed, padding) in [(0, 0), (3, 0), (12, 0), (1 << 40, 0), (i64::MAX / 2, 5_000)] {
        let dir = tempfile::tempdir().unwrap();
        let options = || options(dir.path(), 1 << 20, Compression::None);
        let (log, _) = DiskLog::open(options()).unwrap();
        log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
        let mut inner = vec![0; padding];
        inner.extend_from_slice(BatchEncoder::new(Compression::None).encode(claimed, &[record(1)]).unwrap().bytes);
        let outer = Record { value: Bytes::from(inner), ..Record::default() };
        log.append(TOPIC, 0, &[record(0)]).unwrap();
        log.append(TOPIC, 0, &[outer]).unwrap();
        log.append(TOPIC, 0, &[record(2), record(3)]).unwrap();
        drop(log);
        let victim = places(dir.path())[1].clone();
        change(&victim.file, victim.position + 30, |bytes| bytes[0] ^= 0xff);
        let (read, damaged, ..) = read_back(options());
        assert_eq!((read, damaged.len()), (vec![0, 2, 3], 1), "claimed offset {claimed}");
    }
}

/// Nor is a header without its checksum: its offset would hide what really follows.
#[test]
fn a_header_alone_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let options = || options(dir.path(), 1 << 20, Compression::None);
    let (log, _) = DiskLog::open(options()).unwrap();
    log.create_topic(&TopicSpec::new(TOPIC, 1)).unwrap();
    let mut inner = BatchEncoder::new(Compression::None).encode(50, &[record(1)]).unwrap().bytes.to_vec();
    *inner.last_mut().unwrap() ^= 1;
    log.append(TOPIC, 0, &[record(0)]).unwrap();
    log.append(TOPIC, 0, &[Record { value: Bytes::from(inner), ..Record::default() }]).unwrap();
    log.append(TOPIC, 0, &[record(2), record(3)]).unwrap();
    drop(log);
    let victim = places(dir.path())[1].clone();
    // its length, so that the next batch must be searched for
    change(&victim.file, victim.position + 11, |bytes| bytes[0] ^= 0x7f);
    let (read, damaged, ..) = read_back(options());
    assert_eq!((read, damaged.len()), (vec![0, 2, 3], 1));
}

#[test]
fn zeros_after_the_end_are_a_torn_tail() {
    // what some file systems leave after lost power: the length without the data
    let dir = tempfile::tempdir().unwrap();
    let options = || options(dir.path(), 1 << 20, Compression::Lz4);
    let end = write_log(&options(), &[7, 7]);
    let file = dir.path().join(FIRST_LOG);
    let good = std::fs::metadata(&file).unwrap().len();
    cut(&file, good + 3_000_000);
    let (read, _, report, _) = read_back(options());
    assert_eq!(read, (0..end).collect::<Vec<_>>());
    assert_eq!((report.torn_tails[0].position, report.torn_tails[0].bytes), (good, 3_000_000));
}

/// Pieces of a log in any order, with noise between them, as the active segment or a sealed one: the log opens and what it gives is right.
#[test]
fn any_bytes_can_be_opened() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let compression = if seed % 2 == 0 { Compression::None } else { Compression::Lz4 };
        let recovery_point_bytes = if seed % 4 < 2 { 1 } else { u64::MAX };
        let options = || DiskOptions { recovery_point_bytes, ..options(dir.path(), 4_000, compression) };
        write_log(&options(), &[6; 40]);
        let places = places(dir.path());
        let files = log_files(dir.path());
        let victim = &files[random.below(files.len() as u64) as usize];
        let mut bytes = Vec::new();
        for _ in 0..random.below(8) {
            let Place { file, position, size_bytes, .. } = &places[random.below(places.len() as u64) as usize];
            match random.below(3) {
                0 => bytes.extend((0..random.below(300)).map(|_| random.below(256) as u8)),
                1 => {
                    bytes.extend_from_slice(&std::fs::read(file).unwrap()[*position as usize..][..*size_bytes as usize])
                }
                _ => bytes.extend_from_slice(
                    &std::fs::read(file).unwrap()[*position as usize..][..random.below(*size_bytes) as usize],
                ),
            }
        }
        std::fs::write(victim, bytes).unwrap();
        let first = read_back(options()).0;
        assert_eq!(read_back(options()).0, first, "seed {seed}: a second start finds the same");
    }
}

/// Cuts and flips at random places of random logs. What lies before the damage, and every batch that was not touched, is there; the rest is named.
#[test]
fn crash_simulation() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let compression = if random.below(2) == 0 { Compression::None } else { Compression::Lz4 };
        let segment_bytes = [2_000, 9_000, 1 << 20][random.below(3) as usize];
        let recovery_point_bytes = [1, 3_000, u64::MAX][random.below(3) as usize];
        let options = || DiskOptions { recovery_point_bytes, ..options(dir.path(), segment_bytes, compression) };
        let sizes: Vec<i64> = (0..5 + random.below(40)).map(|_| 1 + random.below(20) as i64).collect();
        let end = write_log(&options(), &sizes);
        let places = places(dir.path());
        let mut touched: Vec<bool> = vec![false; places.len()];
        let last_file = log_files(dir.path()).pop().unwrap();
        // a crash tears the end of the active segment
        let active_len = std::fs::metadata(&last_file).unwrap().len();
        if random.below(2) == 0 && active_len > 0 {
            let len = random.below(active_len);
            cut(&last_file, len);
            for (place, touched) in places.iter().zip(&mut touched) {
                *touched |= place.file == last_file && place.position + place.size_bytes > len;
            }
        }
        // and bits rot anywhere, sidecars included
        for _ in 0..random.below(4) {
            let victim = random.below(places.len() as u64) as usize;
            let Place { file, position, size_bytes, .. } = &places[victim];
            let at = random.below(*size_bytes);
            if position + at < std::fs::metadata(file).unwrap().len() {
                change(file, position + at, |bytes| bytes[0] ^= 1 << random.below(8));
                touched[victim] = true;
            }
            let sidecar = file.with_extension("sparse");
            if random.below(2) == 0 && sidecar.exists() {
                let len = std::fs::metadata(&sidecar).unwrap().len();
                change(&sidecar, random.below(len), |bytes| bytes[0] ^= 1 << random.below(8));
            }
        }
        let (read, damaged, report, offsets) = read_back(options());
        for (place, touched) in places.iter().zip(&touched) {
            let all = (place.first..place.next).all(|offset| read.contains(&offset));
            let told = damaged.iter().any(|d| d.first_offset <= place.first && place.next <= d.last_offset + 1)
                || (place.first >= offsets.end && report.torn_tails.iter().any(|t| t.next_offset == offsets.end))
                || (place.first >= offsets.end && place.position == std::fs::metadata(&place.file).unwrap().len());
            assert!(all || *touched, "seed {seed}: {place:?} was not touched and is gone; {damaged:?} {report:?}");
            assert!(all || told, "seed {seed}: {place:?} is gone in silence; {damaged:?} {report:?}");
        }
        assert!(offsets.end <= end, "seed {seed}");
        // appends go on, and a second start finds nothing new to drop
        let (log, second) = DiskLog::open(options()).unwrap();
        assert!(second.torn_tails.is_empty(), "seed {seed}");
        let appended = log.append(TOPIC, 0, &[record(offsets.end)]).unwrap();
        assert_eq!(appended.first_offset, offsets.end, "seed {seed}");
        drop(log);
        let again = read_back(options()).0;
        assert_eq!(again, read.into_iter().chain([offsets.end]).collect::<Vec<_>>(), "seed {seed}");
    }
}
