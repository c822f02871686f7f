//! What every implementation of `Log` must do: run by each of them. Panics with the broken promise.

use bytes::Bytes;

use crate::error::LogError;
use crate::log::{Fetched, Header, Log, Offsets, Record};
use crate::topic::{Retention, TopicSpec};

const TOPIC: &str = "conformance";

/// Runs everything; `fresh` makes an empty log each time.
pub fn run(fresh: &mut dyn FnMut() -> Box<dyn Log>) {
    topics_are_created_once(&*fresh());
    records_come_back_whole(&*fresh());
    partitions_are_apart(&*fresh());
    every_offset_can_be_the_first(&*fresh());
    a_fetch_stops_but_never_empty(&*fresh());
    mistakes_are_named(&*fresh());
    times_are_found(&*fresh());
    changes_are_told(&*fresh());
    appenders_and_readers_together(&*fresh());
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

fn create(log: &dyn Log, partitions: u32) {
    ok(log.create_topic(&TopicSpec::new(TOPIC, partitions)));
}

fn ok<T>(result: Result<T, LogError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("unexpected error: {error}"),
    }
}

fn topics_are_created_once(log: &dyn Log) {
    assert!(log.topics().is_empty());
    create(log, 3);
    ok(log.append(TOPIC, 2, &[record(1)]));
    let retention = Retention { max_age_ms: None, max_bytes: Some(5) };
    ok(log.create_topic(&TopicSpec { retention, ..TopicSpec::new(TOPIC, 3) }));
    ok(log.create_topic(&TopicSpec::new("another.topic_1", 1)));
    let topics = log.topics();
    let names: Vec<(&str, u32)> = topics.iter().map(|t| (t.name.as_str(), t.partitions)).collect();
    assert_eq!(names, [("another.topic_1", 1), (TOPIC, 3)]);
    assert_eq!(topics[1].retention, retention, "the last retention holds");
    assert_eq!(ok(log.offsets(TOPIC, 2)), Offsets { start: 0, end: 1 }, "creating again changes no record");
}

fn records_come_back_whole(log: &dyn Log) {
    create(log, 1);
    let odd = [
        Record::default(),
        Record { key: Some(Bytes::new()), timestamp_ms: i64::MAX, ..Record::default() },
        Record { value: Bytes::from(vec![0xff; 300_000]), timestamp_ms: i64::MIN, ..Record::default() },
        Record {
            headers: vec![
                Header { key: "호가".to_owned(), value: Bytes::new() },
                Header { key: String::new(), value: Bytes::from_static(b"x") },
            ],
            ..Record::default()
        },
    ];
    let batches: Vec<Vec<Record>> = vec![odd.to_vec(), (0..1_000).map(record).collect(), vec![record(7)]];
    let mut end = 0;
    for batch in &batches {
        let appended = ok(log.append(TOPIC, 0, batch));
        assert_eq!((appended.first_offset, appended.last_offset), (end, end + batch.len() as i64 - 1));
        end += batch.len() as i64;
    }
    ok(log.sync());
    let fetched = ok(log.fetch(TOPIC, 0, 0, usize::MAX));
    assert_eq!((fetched.start_offset, fetched.end_offset, fetched.next_offset, &fetched.damaged), (0, end, end, &None));
    let want = batches.concat();
    assert_eq!(fetched.records.len(), want.len());
    for (stored, (offset, record)) in fetched.records.iter().zip((0..).zip(&want)) {
        assert_eq!((stored.offset, &stored.record), (offset, record));
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

fn every_offset_can_be_the_first(log: &dyn Log) {
    create(log, 1);
    let mut end = 0;
    for size in (1..40).chain([1, 1, 200]) {
        let batch: Vec<Record> = (end..end + size).map(record).collect();
        ok(log.append(TOPIC, 0, &batch));
        end += size;
    }
    for from in 0..=end {
        for max_bytes in [0, 100, 5_000] {
            let fetched = ok(log.fetch(TOPIC, 0, from, max_bytes));
            assert_eq!(fetched.records.is_empty(), from == end);
            assert_eq!(fetched.next_offset, from + fetched.records.len() as i64);
            for (stored, offset) in fetched.records.iter().zip(from..) {
                assert_eq!((stored.offset, &stored.record), (offset, &record(offset)));
            }
        }
    }
    let offsets: Vec<i64> =
        ok(fetch_all(log, TOPIC, 0, 3, 700)).iter().flat_map(|f| f.records.iter().map(|r| r.offset)).collect();
    assert_eq!(offsets, (3..end).collect::<Vec<_>>());
}

fn a_fetch_stops_but_never_empty(log: &dyn Log) {
    create(log, 1);
    let large = Record { value: Bytes::from(vec![b'x'; 1 << 20]), ..Record::default() };
    for _ in 0..4 {
        ok(log.append(TOPIC, 0, std::slice::from_ref(&large)));
    }
    for (max_bytes, want) in [(0, 1), (1, 1), (1 << 20, 1), ((1 << 20) + 1, 2), (usize::MAX, 4)] {
        assert_eq!(ok(log.fetch(TOPIC, 0, 0, max_bytes)).records.len(), want, "max_bytes {max_bytes}");
    }
}

fn mistakes_are_named(log: &dyn Log) {
    create(log, 2);
    ok(log.append(TOPIC, 0, &[record(0), record(1)]));
    assert!(matches!(log.append("none", 0, &[record(0)]), Err(LogError::UnknownTopic { .. })));
    assert!(matches!(log.offsets("none", 0), Err(LogError::UnknownTopic { .. })));
    assert!(matches!(log.fetch(TOPIC, 2, 0, 1), Err(LogError::UnknownPartition { partitions: 2, .. })));
    assert!(matches!(log.append(TOPIC, 0, &[]), Err(LogError::EmptyAppend)));
    for offset in [-1, 3, i64::MAX, i64::MIN] {
        let refused = log.fetch(TOPIC, 0, offset, 1);
        assert!(matches!(refused, Err(LogError::OffsetOutOfRange { start: 0, end: 2, .. })), "{offset}: {refused:?}");
    }
    assert!(matches!(
        log.create_topic(&TopicSpec::new(TOPIC, 3)),
        Err(LogError::TopicDiffers { existing: 2, wanted: 3, .. })
    ));
    assert!(matches!(log.create_topic(&TopicSpec::new("a/b", 1)), Err(LogError::TopicName { .. })));
    assert!(matches!(log.create_topic(&TopicSpec::new("a", 0)), Err(LogError::PartitionCount { .. })));
    assert_eq!(ok(log.offsets(TOPIC, 0)), Offsets { start: 0, end: 2 }, "a refused call changes nothing");
}

fn times_are_found(log: &dyn Log) {
    create(log, 1);
    let at = |timestamp_ms: i64| Record { timestamp_ms, value: Bytes::from(vec![b'v'; 500]), ..Record::default() };
    // later ones can be older: reconnects, repairs
    let times: Vec<i64> = (0..600).map(|i| if i % 10 == 9 { 5 } else { i * 10 }).collect();
    for chunk in times.chunks(4) {
        let batch: Vec<Record> = chunk.iter().copied().map(at).collect();
        ok(log.append(TOPIC, 0, &batch));
    }
    for ask in (-10..6_000).step_by(7).chain([i64::MIN, i64::MAX, 5_980, 5_981]) {
        let want = times.iter().position(|&ms| ms >= ask).map(|i| i as i64);
        assert_eq!(ok(log.offset_for_time(TOPIC, 0, ask)), want, "time {ask}");
    }
}

fn changes_are_told(log: &dyn Log) {
    create(log, 1);
    let mut changes = log.changes();
    changes.mark_unchanged();
    assert!(!changes.has_changed().unwrap_or(true));
    ok(log.append(TOPIC, 0, &[record(0)]));
    assert!(changes.has_changed().unwrap_or(false), "an append is told");
    changes.mark_unchanged();
    ok(log.fetch(TOPIC, 0, 0, 1));
    assert!(!changes.has_changed().unwrap_or(true), "a fetch is not");
}

fn appenders_and_readers_together(log: &dyn Log) {
    const APPENDS: i64 = 300;
    create(log, 1);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            scope.spawn(move || {
                for n in 0..APPENDS {
                    let mine = Record { timestamp_ms: writer, ..record(n) };
                    ok(log.append(TOPIC, 0, &[mine.clone(), mine]));
                }
            });
        }
        scope.spawn(|| {
            let mut seen = [0, 0];
            let mut offset = 0;
            while offset < APPENDS * 4 {
                let fetched = ok(log.fetch(TOPIC, 0, offset, 3_000));
                for stored in &fetched.records {
                    let writer = stored.record.timestamp_ms;
                    let count = &mut seen[writer as usize];
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
