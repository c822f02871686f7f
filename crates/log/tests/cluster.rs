//! The log in a real Kafka cluster: the conformance suite, and what only a cluster can do. Run by `scripts/test` with brokers of its own:
//! `HOGA_TEST_KAFKA=HOST:PORT,… cargo test --release -p hoga-log --test cluster -- --ignored --test-threads 1`. It deletes the topics it uses.
#![cfg(feature = "cluster")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use hoga_log::conformance::{self, Bounds, fetch_all, record};
use hoga_log::kafka::{FencedWriter, Lease, Part};
use hoga_log::{KafkaLog, KafkaOptions, Log, LogError, Record, Retention, TopicSpec};
use hoga_model::Faulty;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, consumer::BaseConsumer, consumer::Consumer};

const TOPICS: [&str; 5] = ["conformance", "another.topic_1", "a", "t", "s"];

fn options() -> KafkaOptions {
    let brokers = std::env::var("HOGA_TEST_KAFKA").expect("HOGA_TEST_KAFKA names the brokers of a cluster for tests");
    KafkaOptions::new(&brokers)
}

/// A log in a cluster without the topics of these tests.
fn fresh() -> KafkaLog {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", options().brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    futures::executor::block_on(admin.delete_topics(&TOPICS, &AdminOptions::new())).unwrap();
    let consumer: BaseConsumer = config.create().unwrap();
    let is_there = |topic: &&str| {
        let found = consumer.fetch_metadata(None, Duration::from_secs(10)).unwrap();
        found.topics().iter().any(|known| known.name() == *topic)
    };
    wait_for("the topics to be gone", || !TOPICS.iter().any(is_there));
    KafkaLog::connect(options()).unwrap()
}

/// Kept for ever: the records of these tests are older than what topics keep by default.
fn topic(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { retention: Retention { max_age_ms: None, max_bytes: None }, ..TopicSpec::new(name, partitions) }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited 60 s for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn values(log: &dyn Log, topic: &str) -> Vec<Bytes> {
    let fetched = fetch_all(log, topic, 0, 0, 1 << 20).unwrap();
    fetched.into_iter().flat_map(|fetched| fetched.records).map(|stored| stored.record.value).collect()
}

fn say(text: &str) -> Vec<Record> {
    vec![Record {
        value: Bytes::copy_from_slice(text.as_bytes()),
        timestamp_ms: 1_785_395_043_000,
        ..Record::default()
    }]
}

#[test]
#[ignore = "needs a Kafka cluster: HOGA_TEST_KAFKA"]
fn conforms() {
    // brokers refuse times that are more than an hour ahead of their clock
    let bounds = Bounds { timestamps_ms: 1..=1_785_395_043_000, is_shared: true, stride: 29 };
    conformance::run(&mut || Box::new(fresh()), &bounds);
}

#[test]
#[ignore = "needs a Kafka cluster: HOGA_TEST_KAFKA"]
fn a_writer_that_was_replaced_writes_nothing_more() {
    let log = fresh();
    log.create_topic(&topic("t", 1)).unwrap();
    let (one, late, two) = (say("first"), say("too late"), say("second"));
    let part = |records| Part { topic: "t", partition: 0, records };
    let mut first = FencedWriter::open(&options(), "hoga-test").unwrap();
    first.append(&[part(&one)]).unwrap();
    let mut second = FencedWriter::open(&options(), "hoga-test").unwrap();
    assert!(matches!(first.append(&[part(&late)]), Err(LogError::Fenced { .. })));
    assert!(matches!(first.append(&[part(&late)]), Err(LogError::Fenced { .. })));
    second.append(&[part(&two)]).unwrap();
    wait_for("the second record", || values(&log, "t").len() == 2);
    assert_eq!(values(&log, "t"), ["first", "second"]);
    // the markers of two transactions are no records, and the end is found behind them
    wait_for("the last marker", || log.offsets_now("t", 0).unwrap().end == 4);
    let fetched = log.fetch("t", 0, 3, 1).unwrap();
    assert_eq!((fetched.records.len(), fetched.next_offset, fetched.end_offset), (0, 4, 4));
}

#[test]
#[ignore = "needs a Kafka cluster: HOGA_TEST_KAFKA"]
fn all_parts_or_none_are_written() {
    let log = fresh();
    for name in ["t", "s"] {
        log.create_topic(&topic(name, 1)).unwrap();
    }
    let mut writer = FencedWriter::open(&options(), "hoga-test").unwrap();
    let good = say("good");
    let too_large = vec![Record { value: Bytes::from(vec![0; 9 << 20]), ..good[0].clone() }];
    let parts = |second| {
        [Part { topic: "t", partition: 0, records: &good }, Part { topic: "s", partition: 0, records: second }]
    };
    assert!(matches!(writer.append(&parts(&too_large)), Err(LogError::BatchTooLarge { .. })));
    assert!(matches!(
        writer.append(&[Part { topic: "t", partition: 0, records: &[Record::default()] }]),
        Err(LogError::Timestamp { timestamp_ms: 0 })
    ));
    log.offsets_now("t", 0).unwrap();
    assert_eq!(values(&log, "t").len(), 0);
    writer.append(&parts(&good)).unwrap();
    for topic in ["t", "s"] {
        wait_for("the record", || values(&log, topic) == ["good"]);
    }
}

#[test]
#[ignore = "needs a Kafka cluster: HOGA_TEST_KAFKA"]
fn records_of_another_process_wake_a_reader() {
    let (log, other) = (fresh(), KafkaLog::connect(options()).unwrap());
    log.create_topic(&topic("t", 1)).unwrap();
    assert!(log.fetch("t", 0, 0, 1).unwrap().records.is_empty());
    let mut changes = log.changes();
    changes.mark_unchanged();
    other.append("t", 0, &[record(1)]).unwrap();
    let began = Instant::now();
    while log.fetch("t", 0, 0, 1).unwrap().records.is_empty() {
        wait_for("the reader to be told", || changes.has_changed().unwrap());
        changes.mark_unchanged();
    }
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "told by its arrival, not by the look at the ends once a second"
    );
}

#[test]
#[ignore = "needs a Kafka cluster: HOGA_TEST_KAFKA"]
fn one_leads_and_the_other_follows_when_it_leaves() {
    let log = fresh();
    log.ensure_state_topic("s").unwrap();
    // the clocks of those that come later may be behind: who leads goes on leading
    let first = Lease::join(&options(), "hoga-test", "s", 3_000).unwrap();
    wait_for("the first to lead", || first.poll(Duration::from_millis(50)).is_ok() && first.is_held());
    let term = first.term();
    let [third, second] = [2_000, 1_000].map(|since_ms| Lease::join(&options(), "hoga-test", "s", since_ms).unwrap());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        first.poll(Duration::from_millis(20)).unwrap();
        second.poll(Duration::from_millis(20)).unwrap();
        third.poll(Duration::from_millis(20)).unwrap();
        let leading = [&first, &second, &third].iter().filter(|lease| lease.is_held()).count();
        assert!(leading < 2, "one leads at a time");
    }
    assert!(first.is_held() && first.term() == term, "who leads goes on leading when another comes");
    drop(first);
    let began = Instant::now();
    wait_for("the second to lead", || {
        third.poll(Duration::from_millis(20)).unwrap();
        assert!(!third.is_held(), "the one that has been there longest is next");
        second.poll(Duration::from_millis(20)).is_ok() && second.is_held()
    });
    assert!(began.elapsed() < Duration::from_secs(4), "who leaves is replaced at once: {:?}", began.elapsed());
}

#[test]
#[ignore = "needs a Kafka cluster: HOGA_TEST_KAFKA"]
fn topics_that_are_there_keep_their_settings() {
    let log = fresh();
    log.create_topic(&topic("t", 2)).unwrap();
    let other = KafkaLog::connect(options()).unwrap();
    let differs = other.ensure_topic(&topic("t", 3)).unwrap_err();
    assert!(matches!(differs, LogError::TopicDiffers { existing: 2, wanted: 3, .. }));
    assert_eq!(differs.fault().exit_code(), 2);
    other.ensure_topic(&topic("t", 2)).unwrap();
}

#[test]
fn who_cannot_be_reached_is_named() {
    let began = Instant::now();
    let error = KafkaLog::connect(KafkaOptions::new("127.0.0.1:1")).err().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && text.contains("refused") && text.contains("--brokers"), "{text}");
    assert_eq!(error.fault().exit_code(), 3);
}
