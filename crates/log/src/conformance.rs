//! What every implementation of `Log` must do: run by each of them. Panics with the broken promise.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::error::LogError;
use crate::log::{Fetched, Header, Log, Offsets, Record};
use crate::topic::{Retention, TopicSpec};

const TOPIC: &str = "conformance";

/// What a log cannot help doing otherwise than one that owns its disk. The promises are the same.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Times that it can keep.
    pub timestamps_ms: RangeInclusive<i64>,
    /// It is shared with others: offsets may have holes between appends, and `changes` may move without an append.
    pub is_shared: bool,
    /// Calls cost milliseconds: every so-many-th of the thorough ones is made.
    pub stride: usize,
}

impl Bounds {
    pub const NONE: Bounds = Bounds { timestamps_ms: i64::MIN..=i64::MAX, is_shared: false, stride: 1 };
}

/// Runs everything; `fresh` makes an empty log each time.
pub fn run(fresh: &mut dyn FnMut() -> Box<dyn Log>, bounds: &Bounds) {
    topics_are_created_once(&*fresh(), bounds);
    records_come_back_whole(&*fresh(), bounds);
    partitions_are_apart(&*fresh());
    every_offset_can_be_the_first(&*fresh(), bounds);
    a_fetch_stops_but_never_empty(&*fresh(), bounds);
    mistakes_are_named(&*fresh(), bounds);
    times_are_found(&*fresh(), bounds);
    changes_are_told(&*fresh(), bounds);
    appenders_and_readers_together(&*fresh(), bounds);
}

/// A record whose content follows from a number: for tests that compare.
pub fn record(n: i64) -> Record {
    Record {
        key: (n % 5 != 0).then(|| Bytes::from(format!("KRW-{}", n % 7))),
        value: Bytes::from(format!("{{\"n\":{n},\"pad\":\"{}\"}}", "ab".repeat((n % 40) as usize))),
        timestamp_ms: 1_785_395_043_000 + n,
        headers: (0..n % 3)
            .map(|i| Header { key: format!("h{i}"), value: Bytes::from(vec![i as u8; i as usize]) })
            .collect(),
    }
}

/// Everything from an offset to the end, by as many fetches as it takes.
pub fn fetch_all(
    log: &dyn Log,
    topic: &str,
    partition: u32,
    from_offset: i64,
    max_bytes: usize,
) -> Result<Vec<Fetched>, LogError> {
    let mut all = Vec::new();
    let mut offset = from_offset;
    loop {
        let fetched = log.fetch(topic, partition, offset, max_bytes)?;
        if fetched.next_offset == offset {
            assert!(
                fetched.records.is_empty() && fetched.damaged.is_none(),
                "a fetch that found something goes on: {fetched:?}"
            );
            assert_eq!(fetched.end_offset, offset, "a fetch stands still only at the end");
            return Ok(all);
        }
        assert!(fetched.next_offset > offset, "a fetch goes forward");
        offset = fetched.next_offset;
        all.push(fetched);
    }
}

/// Kept for ever: the records' times are months ago, and a cluster deletes by age whenever its brokers look, which may be at any step. Even the
/// newest segment goes in parts: a transaction's marker has the time of today, which seals a segment whose records are old.
const FOR_EVER: Retention = Retention { max_age_ms: None, max_bytes: None };

fn topic(partitions: u32) -> TopicSpec {
    TopicSpec { retention: FOR_EVER, ..TopicSpec::new(TOPIC, partitions) }
}

fn create(log: &dyn Log, partitions: u32) {
    ok(log.create_topic(&topic(partitions)));
}

fn ok<T>(result: Result<T, LogError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("unexpected error: {error}"),
    }
}

/// Appends one batch, checks the offsets it was given, and remembers what stands where.
fn place(log: &dyn Log, bounds: &Bounds, batch: &[Record], placed: &mut Vec<(i64, Record)>) {
    let next = placed.last().map_or(0, |(offset, _)| offset + 1);
    let appended = ok(log.append(TOPIC, 0, batch));
    let first = appended.first_offset;
    assert!(if bounds.is_shared { first >= next } else { first == next }, "first offset {first}, next was {next}");
    assert_eq!(appended.last_offset, first + batch.len() as i64 - 1, "one append has no hole");
    placed.extend((first..).zip(batch.iter().cloned()));
}

fn assert_offsets(offsets: Offsets, end: i64, bounds: &Bounds) {
    let is_right = if bounds.is_shared { offsets.end >= end } else { offsets.end == end };
    assert!(offsets.start == 0 && is_right, "{offsets:?}, not 0 to {end}");
}

fn topics_are_created_once(log: &dyn Log, bounds: &Bounds) {
    assert!(log.topics().is_empty());
    create(log, 3);
    ok(log.append(TOPIC, 2, &[record(1)]));
    // a multiple of the partitions: Kafka's limit is of each
    let retention = Retention { max_age_ms: None, max_bytes: Some(6 << 30) };
    ok(log.create_topic(&TopicSpec { retention, ..topic(3) }));
    ok(log.create_topic(&TopicSpec::new("another.topic_1", 1)));
    let topics = log.topics();
    let names: Vec<(&str, u32)> = topics.iter().map(|t| (t.name.as_str(), t.partitions)).collect();
    assert_eq!(names, [("another.topic_1", 1), (TOPIC, 3)]);
    assert_eq!(topics[1].retention, retention, "the last retention holds");
    // creating again changes no record
    assert_offsets(ok(log.offsets(TOPIC, 2)), 1, bounds);
}

fn records_come_back_whole(log: &dyn Log, bounds: &Bounds) {
    create(log, 1);
    let (oldest_ms, newest_ms) = (*bounds.timestamps_ms.start(), *bounds.timestamps_ms.end());
    let odd = [
        Record { timestamp_ms: oldest_ms.max(0), ..Record::default() },
        Record { key: Some(Bytes::new()), timestamp_ms: newest_ms, ..Record::default() },
        Record { value: Bytes::from(vec![0xff; 300_000]), timestamp_ms: oldest_ms, ..Record::default() },
        Record {
            headers: vec![
                Header { key: "호가".to_owned(), value: Bytes::new() },
                Header { key: String::new(), value: Bytes::from_static(b"x") },
            ],
            timestamp_ms: oldest_ms.max(0),
            ..Record::default()
        },
    ];
    let batches: Vec<Vec<Record>> = vec![odd.to_vec(), (0..1_000).map(record).collect(), vec![record(7)]];
    let mut placed = Vec::new();
    for batch in &batches {
        place(log, bounds, batch, &mut placed);
    }
    ok(log.sync());
    let fetched = ok(log.fetch(TOPIC, 0, 0, usize::MAX));
    let end = placed.last().map_or(0, |(offset, _)| offset + 1);
    assert_offsets(Offsets { start: fetched.start_offset, end: fetched.end_offset }, end, bounds);
    assert_eq!(fetched.damaged, None);
    assert!(fetched.next_offset >= end && fetched.next_offset <= fetched.end_offset);
    assert_eq!(fetched.records.len(), placed.len());
    for (stored, (offset, record)) in fetched.records.iter().zip(&placed) {
        assert_eq!((stored.offset, &stored.record), (*offset, record));
    }
}

fn partitions_are_apart(log: &dyn Log) {
    create(log, 3);
    for n in 0..30 {
        ok(log.append(TOPIC, (n % 3) as u32, &[record(n)]));
    }
    for partition in 0..3 {
        let fetched = ok(log.fetch(TOPIC, partition, 0, usize::MAX));
        let got: Vec<Record> = fetched.records.into_iter().map(|stored| stored.record).collect();
        let want: Vec<Record> = (0..10).map(|i| record(i * 3 + i64::from(partition))).collect();
        assert_eq!(got, want);
    }
}

fn every_offset_can_be_the_first(log: &dyn Log, bounds: &Bounds) {
    create(log, 1);
    let mut placed = Vec::new();
    for size in (1..40).chain([1, 1, 200]) {
        let from = placed.len() as i64;
        let batch: Vec<Record> = (from..from + size).map(record).collect();
        place(log, bounds, &batch, &mut placed);
    }
    let end = ok(log.offsets(TOPIC, 0)).end;
    for from in (0..=end).step_by(bounds.stride).chain([end - 1, end]) {
        for max_bytes in [0, 100, 5_000] {
            let fetched = ok(log.fetch(TOPIC, 0, from, max_bytes));
            let want = &placed[placed.partition_point(|(offset, _)| *offset < from)..];
            assert_eq!(fetched.records.is_empty(), want.is_empty(), "offset {from}");
            assert!(fetched.next_offset >= from + fetched.records.len() as i64);
            assert!(bounds.is_shared || fetched.next_offset == from + fetched.records.len() as i64);
            for (stored, (offset, record)) in fetched.records.iter().zip(want) {
                assert_eq!((stored.offset, &stored.record), (*offset, record));
            }
        }
    }
    let offsets: Vec<i64> =
        ok(fetch_all(log, TOPIC, 0, 3, 700)).iter().flat_map(|f| f.records.iter().map(|r| r.offset)).collect();
    assert_eq!(offsets, placed.iter().map(|(offset, _)| *offset).filter(|offset| *offset >= 3).collect::<Vec<_>>());
}

fn a_fetch_stops_but_never_empty(log: &dyn Log, bounds: &Bounds) {
    create(log, 1);
    let timestamp_ms = *bounds.timestamps_ms.end();
    let large = Record { value: Bytes::from(vec![b'x'; 1 << 20]), timestamp_ms, ..Record::default() };
    for _ in 0..4 {
        ok(log.append(TOPIC, 0, std::slice::from_ref(&large)));
    }
    for (max_bytes, want) in [(0, 1), (1, 1), (1 << 20, 1), ((1 << 20) + 1, 2), (usize::MAX, 4)] {
        let count = ok(log.fetch(TOPIC, 0, 0, max_bytes)).records.len();
        // over a network a fetch may hand over what has come
        let is_right = if bounds.is_shared { (1..=want).contains(&count) } else { count == want };
        assert!(is_right, "max_bytes {max_bytes}: {count} records");
    }
}

fn mistakes_are_named(log: &dyn Log, bounds: &Bounds) {
    create(log, 2);
    ok(log.append(TOPIC, 0, &[record(0), record(1)]));
    assert!(matches!(log.append("none", 0, &[record(0)]), Err(LogError::UnknownTopic { .. })));
    assert!(matches!(log.offsets("none", 0), Err(LogError::UnknownTopic { .. })));
    assert!(matches!(log.fetch(TOPIC, 2, 0, 1), Err(LogError::UnknownPartition { partitions: 2, .. })));
    assert!(matches!(log.append(TOPIC, 0, &[]), Err(LogError::EmptyAppend)));
    let beyond = if bounds.is_shared { 100 } else { 3 };
    for offset in [-1, beyond, i64::MAX, i64::MIN] {
        match log.fetch(TOPIC, 0, offset, 1) {
            Err(LogError::OffsetOutOfRange { start, end, .. }) => assert_offsets(Offsets { start, end }, 2, bounds),
            other => panic!("{offset}: {other:?}"),
        }
    }
    assert!(matches!(
        log.create_topic(&TopicSpec::new(TOPIC, 3)),
        Err(LogError::TopicDiffers { existing: 2, wanted: 3, .. })
    ));
    assert!(matches!(log.create_topic(&TopicSpec::new("a/b", 1)), Err(LogError::TopicName { .. })));
    assert!(matches!(log.create_topic(&TopicSpec::new("a", 0)), Err(LogError::PartitionCount { .. })));
    // a refused call changes nothing
    assert_eq!(ok(log.fetch(TOPIC, 0, 0, usize::MAX)).records.len(), 2);
    assert_offsets(ok(log.offsets(TOPIC, 0)), 2, bounds);
}

fn times_are_found(log: &dyn Log, bounds: &Bounds) {
    create(log, 1);
    let base_ms = (*bounds.timestamps_ms.start()).max(0);
    let at = |timestamp_ms: i64| Record { timestamp_ms, value: Bytes::from(vec![b'v'; 500]), ..Record::default() };
    // later ones can be older: reconnects, repairs
    let times: Vec<i64> = (0..600).map(|i| base_ms + if i % 10 == 9 { 5 } else { i * 10 }).collect();
    let mut placed = Vec::new();
    for chunk in times.chunks(4 * bounds.stride) {
        let batch: Vec<Record> = chunk.iter().copied().map(at).collect();
        place(log, bounds, &batch, &mut placed);
    }
    let asked = (-10..6_000).step_by(7 * bounds.stride).map(|ms| base_ms + ms);
    for ask in asked.chain([i64::MIN, i64::MAX, base_ms + 5_980, base_ms + 5_981]) {
        let want = placed.iter().find(|(_, record)| record.timestamp_ms >= ask).map(|(offset, _)| *offset);
        assert_eq!(ok(log.offset_for_time(TOPIC, 0, ask)), want, "time {ask}");
    }
}

fn changes_are_told(log: &dyn Log, bounds: &Bounds) {
    create(log, 1);
    let mut changes = log.changes();
    changes.mark_unchanged();
    assert!(!changes.has_changed().unwrap_or(true));
    let mut of_topic = log.changes_of(TOPIC);
    of_topic.mark_unchanged();
    ok(log.append(TOPIC, 0, &[record(0)]));
    assert!(changes.has_changed().unwrap_or(false), "an append is told");
    assert!(of_topic.has_changed().unwrap_or(false), "and to those who wait for the topic");
    changes.mark_unchanged();
    ok(log.fetch(TOPIC, 0, 0, 1));
    assert!(bounds.is_shared || !changes.has_changed().unwrap_or(true), "a fetch is not");
}

fn appenders_and_readers_together(log: &dyn Log, bounds: &Bounds) {
    let appends = 300 / bounds.stride.min(10) as i64;
    create(log, 1);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            scope.spawn(move || {
                for n in 0..appends {
                    let mine = Record { timestamp_ms: 1 + writer, ..record(n) };
                    ok(log.append(TOPIC, 0, &[mine.clone(), mine]));
                }
            });
        }
        scope.spawn(|| {
            let mut seen = [0, 0];
            let mut offset = 0;
            while seen[0] + seen[1] < appends * 4 {
                let fetched = ok(log.fetch(TOPIC, 0, offset, 3_000));
                for stored in &fetched.records {
                    let writer = stored.record.timestamp_ms;
                    let count = &mut seen[writer as usize - 1];
                    assert_eq!(
                        stored.record,
                        Record { timestamp_ms: writer, ..record(*count / 2) },
                        "in the order of appends"
                    );
                    *count += 1;
                }
                offset = fetched.next_offset;
            }
        });
    });
}
