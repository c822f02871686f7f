//! Flows of small graphs: windows against a naive model, late rows, idle partitions, restarts, the budget.

use super::by_hand::{self, KEY, TIME, VALUE};
use super::*;
use crate::checkpoint::state;
use crate::graph::{AggregateFunction, WindowTime, Windows};
use arrow::datatypes::DataType;
use bytes::Bytes;
use hoga_log::{MemoryLog, Record, TopicSpec};
use hoga_model::time::{ManualClock, utc_iso};
use proptest::prelude::*;
use std::collections::BTreeMap as Map;

const PARTITIONS: u32 = 3;
const START_MS: i64 = 1_785_395_040_000;

struct World {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
    options: FlowOptions,
    make: fn() -> Graph,
    flow: Flow,
}

impl World {
    fn new(make: fn() -> Graph) -> World {
        World::with(make, FlowOptions { fetch_bytes: 100, waits_for_log: false, ..FlowOptions::default() })
    }

    fn with(make: fn() -> Graph, options: FlowOptions) -> World {
        let log = Arc::new(MemoryLog::default());
        log.create_topic(&TopicSpec::new("in", PARTITIONS)).expect("a topic");
        log.create_topic(&TopicSpec::new("out", 1)).expect("a topic");
        log.create_topic(&TopicSpec::new(DEAD_LETTER_TOPIC, 1)).expect("a topic");
        let clock = Arc::new(ManualClock::at(START_MS));
        let flow = open(make(), &log, &clock, None, &options);
        World { log, clock, options, make, flow }
    }

    fn put(&self, partition: u32, key: &str, value: i64, time: i64) {
        self.put_text(partition, &format!("{{\"k\":\"{key}\",\"v\":{value},\"t\":{time}}}"));
    }

    fn put_text(&self, partition: u32, text: &str) {
        let record = Record { value: Bytes::from(text.to_owned()), timestamp_ms: START_MS, ..Record::default() };
        self.log.append("in", partition, &[record]).expect("memory");
    }

    /// Steps all workers until nothing is left.
    fn run(&self) {
        let all = |flow: &Flow| -> Vec<(usize, usize)> {
            let sources = flow.sources.iter().enumerate();
            sources.flat_map(|(index, source)| (0..source.workers()).map(move |worker| (index, worker))).collect()
        };
        while all(&self.flow).into_iter().map(|(s, w)| self.flow.step(s, w).expect("a step")).sum::<usize>() > 0 {}
        // once more: the first may have waited for the last
        all(&self.flow).into_iter().for_each(|(s, w)| assert_eq!(self.flow.step(s, w).expect("a step"), 0));
    }

    /// What came out, sorted.
    fn out(&self) -> Vec<String> {
        let fetched = self.log.fetch("out", 0, 0, usize::MAX).expect("memory");
        let text = |record: &Record| String::from_utf8(record.value.to_vec()).expect("JSON");
        let mut out: Vec<String> = fetched.records.iter().map(|stored| text(&stored.record)).collect();
        out.sort();
        out
    }

    fn node(&self, name: &str) -> NodeStatus {
        self.flow.nodes().into_iter().find(|node| node.name == name).expect("the node")
    }

    fn checkpoint(&self, folder: &std::path::Path) -> (Checkpoint, Vec<u8>) {
        let snapshot = self.flow.snapshot().expect("a snapshot");
        let (file, sections) = state::write(folder, 1, &snapshot.state).expect("written");
        let bytes = file.as_ref().map(|file| state::read(folder, file).expect("whole")).unwrap_or_default();
        let mut checkpoint = snapshot.checkpoint(1, 0, file, sections);
        for (sink, (_, outbox)) in self.flow.sinks.iter().zip(&snapshot.sinks) {
            let saved = crate::checkpoint::SinkState { pending: None, outbox: outbox.clone() };
            checkpoint.sinks.insert(sink.name.clone(), saved);
        }
        (checkpoint, bytes)
    }

    /// The process was killed: another one goes on from the checkpoint.
    fn restart(&mut self, (checkpoint, state): &(Checkpoint, Vec<u8>)) {
        let text = serde_json::to_string(checkpoint).expect("JSON");
        let checkpoint: Checkpoint = serde_json::from_str(&text).expect("the same");
        self.flow = open((self.make)(), &self.log, &self.clock, Some(&checkpoint), &self.options);
        let damaged = |reason: String| EngineError::Graph(reason);
        self.flow.restore(&checkpoint, state, false, damaged).expect("the state");
    }
}

fn open(
    graph: Graph,
    log: &Arc<MemoryLog>,
    clock: &Arc<ManualClock>,
    saved: Option<&Checkpoint>,
    options: &FlowOptions,
) -> Flow {
    Flow::open(graph, Map::new(), log.clone(), clock.clone(), saved, options.clone()).expect("a flow")
}

fn windowed(shape: WindowShape, idle_timeout_ms: Option<u64>) -> Graph {
    let mut graph = Graph::default();
    let source = by_hand::source(&mut graph, "in", 50, idle_timeout_ms);
    let window = by_hand::window(&mut graph, "bars", source, shape, None, &[KEY], by_hand::four_calls(VALUE));
    let wanted = [(0, "k"), (1, "s"), (2, "e"), (4, "n"), (5, "sum"), (6, "min"), (7, "max")];
    let out = by_hand::columns(&mut graph, "columns", window, &wanted);
    by_hand::to_topic(&mut graph, out, "out");
    graph
}

fn tumble() -> Graph {
    windowed(WindowShape::Tumble { size_ms: 100, offset_ms: 0 }, None)
}

fn tumble_with_idle_partitions() -> Graph {
    windowed(WindowShape::Tumble { size_ms: 100, offset_ms: 0 }, Some(1_000))
}

fn hop() -> Graph {
    windowed(WindowShape::Hop { size_ms: 150, slide_ms: 50, offset_ms: 10 }, None)
}

fn cumulate() -> Graph {
    windowed(WindowShape::Cumulate { max_size_ms: 200, step_ms: 50, offset_ms: 0 }, None)
}

fn session() -> Graph {
    windowed(WindowShape::Session { gap_ms: 40 }, None)
}

/// Windows of windows, and a filter in between.
fn cascade() -> Graph {
    let mut graph = Graph::default();
    let source = by_hand::source(&mut graph, "in", 50, None);
    let small = WindowShape::Tumble { size_ms: 50, offset_ms: 0 };
    let small = by_hand::window(&mut graph, "small", source, small, None, &[KEY], by_hand::four_calls(VALUE));
    let all = by_hand::at_least(&mut graph, "all", small, 4, 1);
    let large = WindowShape::Tumble { size_ms: 200, offset_ms: 0 };
    use AggregateFunction::{Max, Min, Sum};
    let calls = [(Sum, 4), (Sum, 5), (Min, 6), (Max, 7)];
    let calls = calls.map(|(function, column)| by_hand::call(function, Some(column), DataType::Int64));
    let large = by_hand::window(&mut graph, "large", all, large, None, &[0], calls.to_vec());
    let wanted = [(0, "k"), (1, "s"), (2, "e"), (4, "n"), (5, "sum"), (6, "min"), (7, "max")];
    let out = by_hand::columns(&mut graph, "columns", large, &wanted);
    by_hand::to_topic(&mut graph, out, "out");
    graph
}

/// A row as it was put: partition, key, value, time.
type Put = (u32, u8, i64, i64);

/// Rows whose times rise by partition, but for at most the delay: none is late.
fn puts() -> impl Strategy<Value = Vec<Put>> {
    let row = (0..PARTITIONS, 0_u8..4, -100_i64..100, 0_i64..30, 0_i64..50);
    prop::collection::vec(row, 1..120).prop_map(|rows| {
        let mut clocks = [0_i64; PARTITIONS as usize];
        rows.into_iter()
            .map(|(partition, key, value, forward, back)| {
                let clock = &mut clocks[partition as usize];
                *clock += forward;
                (partition, key, value, START_MS + (*clock - back).max(0))
            })
            .collect()
    })
}

/// The event time after all rows; None if a partition has none.
fn watermark(puts: &[Put]) -> Option<i64> {
    let of = |partition| puts.iter().filter(|put| put.0 == partition).map(|put| put.3).max();
    (0..PARTITIONS).map(of).collect::<Option<Vec<_>>>()?.into_iter().min().map(|time| time - 50 - 1)
}

/// All windows that a time can be in, by looking at every one.
fn naive_windows(shape: WindowShape, time: i64) -> Vec<(i64, i64)> {
    let (step, sizes, offset): (i64, Vec<i64>, i64) = match shape {
        WindowShape::Tumble { size_ms, offset_ms } => (size_ms, vec![size_ms], offset_ms),
        WindowShape::Hop { size_ms, slide_ms, offset_ms } => (slide_ms, vec![size_ms], offset_ms),
        WindowShape::Cumulate { max_size_ms, step_ms, offset_ms } => {
            (max_size_ms, (1..=max_size_ms / step_ms).map(|n| n * step_ms).collect(), offset_ms)
        }
        WindowShape::Session { .. } => return Vec::new(),
    };
    let starts = (time - 400..=time).filter(|start| (start - offset).rem_euclid(step) == 0);
    starts.flat_map(|start| sizes.iter().map(move |size| (start, start + size))).filter(|w| time < w.1).collect()
}

fn naive(shape: WindowShape, puts: &[Put]) -> Vec<String> {
    let mut windows: Map<(i64, i64, u8), Vec<i64>> = Map::new();
    if let WindowShape::Session { gap_ms } = shape {
        for key in 0..4 {
            let mut rows: Vec<(i64, i64)> = puts.iter().filter(|put| put.1 == key).map(|put| (put.3, put.2)).collect();
            rows.sort_unstable();
            for run in rows.chunk_by(|one, next| next.0 - one.0 <= gap_ms) {
                let span = (run[0].0, run[run.len() - 1].0 + gap_ms, key);
                windows.insert(span, run.iter().map(|row| row.1).collect());
            }
        }
    } else {
        for (_, key, value, time) in puts {
            for (start, end) in naive_windows(shape, *time) {
                windows.entry((start, end, *key)).or_default().push(*value);
            }
        }
    }
    let watermark = watermark(puts);
    let text = |time: i64| {
        let text = utc_iso(time).replace('T', " ").trim_end_matches('Z').to_owned();
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    let closed = windows.into_iter().filter(|((_, end, _), _)| watermark.is_some_and(|watermark| end - 1 <= watermark));
    let mut out: Vec<String> = closed
        .map(|((start, end, key), values)| {
            let (count, sum) = (values.len(), values.iter().sum::<i64>());
            let (min, max) = (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0));
            format!(
                "{{\"k\":\"k{key}\",\"s\":\"{}\",\"e\":\"{}\",\"n\":{count},\"sum\":{sum},\"min\":{min},\"max\":{max}}}",
                text(start),
                text(end)
            )
        })
        .collect();
    out.sort();
    out
}

fn put_all(world: &World, puts: &[Put]) {
    for (partition, key, value, time) in puts {
        world.put(*partition, &format!("k{key}"), *value, *time);
    }
}

/// Straight, and killed at some point after a checkpoint: the windows are the naive model's.
fn check(make: fn() -> Graph, shape: WindowShape, puts: &[Put], saved_at: usize, killed_at: usize) {
    let expected = naive(shape, puts);
    let world = World::new(make);
    put_all(&world, puts);
    world.run();
    assert_eq!(world.out(), expected, "straight");
    let late: u64 = world.flow.nodes().iter().map(|node| node.late_rows).sum();
    assert_eq!(late, 0);

    let folder = tempfile::tempdir().expect("a folder");
    let mut world = World::new(make);
    let (saved_at, killed_at) = (saved_at % (puts.len() + 1), killed_at % (puts.len() + 1));
    let (saved_at, killed_at) = (saved_at.min(killed_at), saved_at.max(killed_at));
    put_all(&world, &puts[..saved_at]);
    while world.flow.step(0, 0).expect("a step") > 0 {}
    let saved = world.checkpoint(folder.path());
    put_all(&world, &puts[saved_at..killed_at]);
    while world.flow.step(0, 1).expect("a step") > 0 {}
    let _ = world.flow.step(0, 0).expect("a step");
    world.restart(&saved);
    put_all(&world, &puts[killed_at..]);
    world.run();
    let late: u64 = world.flow.nodes().iter().map(|node| node.late_rows).sum();
    assert_eq!((world.out(), late), (expected, 0), "killed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn windows_are_those_of_the_naive_model(puts in puts(), saved_at in 0_usize..200, killed_at in 0_usize..200) {
        check(tumble, WindowShape::Tumble { size_ms: 100, offset_ms: 0 }, &puts, saved_at, killed_at);
        check(hop, WindowShape::Hop { size_ms: 150, slide_ms: 50, offset_ms: 10 }, &puts, saved_at, killed_at);
        check(cumulate, WindowShape::Cumulate { max_size_ms: 200, step_ms: 50, offset_ms: 0 }, &puts, saved_at, killed_at);
        check(session, WindowShape::Session { gap_ms: 40 }, &puts, saved_at, killed_at);
        check(cascade, WindowShape::Tumble { size_ms: 200, offset_ms: 0 }, &puts, saved_at, killed_at);
    }
}

#[test]
fn late_rows_are_counted_and_in_no_window() {
    let world = World::new(tumble);
    for partition in 0..PARTITIONS {
        world.put(partition, "a", 1, START_MS + 500);
    }
    world.run();
    world.put(0, "a", 7, START_MS + 399);
    world.put(0, "a", 7, START_MS + 449);
    world.run();
    let bars = world.node("bars");
    // the watermark is START + 449: the window to START + 400 is over, that to START + 500 is not
    assert_eq!(bars.late_rows, 1);
    assert_eq!(
        bars.last_late.as_deref(),
        Some("1 rows of window 2026-07-30 07:04:00.300 to 2026-07-30 07:04:00.400, 50 ms after it closed")
    );
    for partition in 0..PARTITIONS {
        world.put(partition, "b", 1, START_MS + 700);
    }
    world.run();
    assert_eq!(
        world.out(),
        [
            "{\"k\":\"a\",\"s\":\"2026-07-30 07:04:00.4\",\"e\":\"2026-07-30 07:04:00.5\",\"n\":1,\"sum\":7,\"min\":7,\"max\":7}",
            "{\"k\":\"a\",\"s\":\"2026-07-30 07:04:00.5\",\"e\":\"2026-07-30 07:04:00.6\",\"n\":3,\"sum\":3,\"min\":1,\"max\":1}"
        ]
    );
}

#[test]
fn a_silent_partition_holds_windows_back_until_it_is_idle() {
    let world = World::new(tumble_with_idle_partitions);
    for partition in 0..PARTITIONS {
        world.put(partition, "a", 1, START_MS);
    }
    world.run();
    world.put(0, "a", 1, START_MS + 1_000);
    world.put(1, "a", 1, START_MS + 1_000);
    world.run();
    let status = world.flow.source_status(0).expect("a status");
    assert_eq!((status.held_by, world.out().len()), (Some(2), 0), "partition 2 said {START_MS} last");
    world.clock.advance_ms(999);
    world.put(0, "a", 1, START_MS + 1_001);
    world.put(1, "a", 1, START_MS + 1_001);
    world.run();
    assert_eq!(world.out().len(), 0);
    world.clock.advance_ms(1);
    world.run();
    let status = world.flow.source_status(0).expect("a status");
    assert!(status.partitions[2].is_idle && !status.partitions[0].is_idle);
    assert_eq!(world.out().len(), 1, "it holds nothing back now");
}

#[test]
fn an_empty_partition_is_awaited_before_it_is_idle() {
    let mut world = World::new(tumble_with_idle_partitions);
    world.put(0, "a", 1, START_MS);
    world.put(0, "a", 1, START_MS + 1_000);
    world.run();
    let held_by = |world: &World| world.flow.source_status(0).expect("a status").held_by;
    assert_eq!((held_by(&world), world.out().len()), (Some(1), 0), "partition 1 may be slower");
    world.clock.advance_ms(999);
    world.put(1, "a", 2, START_MS + 10);
    world.put(0, "a", 1, START_MS + 1_000);
    world.run();
    assert_eq!((held_by(&world), world.out().len()), (Some(2), 0));
    world.clock.advance_ms(1);
    world.put(1, "a", 1, START_MS + 1_000);
    world.run();
    assert_eq!(world.out().len(), 1, "partition 2 has been silent for the time-out");
    assert!(world.out()[0].contains("\"n\":2,\"sum\":3"), "{:?}", world.out());

    // another process waits as long, also for a partition of which it has read everything
    let folder = tempfile::tempdir().expect("a folder");
    let saved = world.checkpoint(folder.path());
    world.restart(&saved);
    world.put(0, "a", 1, START_MS + 2_000);
    world.run();
    assert_eq!((held_by(&world), world.out().len()), (Some(2), 1));
    world.clock.advance_ms(1_000);
    world.run();
    world.put(0, "a", 1, START_MS + 2_001);
    world.put(1, "a", 1, START_MS + 2_001);
    world.run();
    assert_eq!((world.out().len(), world.node("bars").late_rows), (2, 0));
}

#[test]
fn a_partition_that_is_known_to_stay_empty_is_idle_from_the_start() {
    let silent = Map::from([("in".to_owned(), [1, 2].into())]);
    let options = FlowOptions { fetch_bytes: 100, waits_for_log: false, silent, ..FlowOptions::default() };
    let world = World::with(tumble_with_idle_partitions, options);
    world.put(0, "a", 1, START_MS);
    world.put(0, "a", 1, START_MS + 1_000);
    world.run();
    assert_eq!(world.out().len(), 1);
}

#[test]
fn a_bad_record_and_a_row_without_time_are_letters() {
    let world = World::new(tumble);
    world.put_text(0, "{\"k\":");
    world.put_text(0, "{\"k\":\"a\",\"v\":1}");
    world.put_text(0, "{\"k\":\"a\",\"v\":1,\"t\":9223372036854775807}");
    world.put(0, "a", 1, START_MS);
    world.run();
    let letters = world.log.fetch(DEAD_LETTER_TOPIC, 0, 0, usize::MAX).expect("memory").records;
    let places: Vec<_> = letters.iter().filter_map(|letter| crate::dead_letter::source_of(&letter.record)).collect();
    assert_eq!(places.iter().map(|(_, place)| place.offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(world.node("source in").dead_letters, 3);
}

fn bounded() -> Graph {
    let mut graph = tumble();
    if let NodeKind::Source(source) = &mut graph.nodes[0].kind {
        source.is_bounded = true;
    }
    graph
}

#[test]
fn a_bounded_source_ends_where_the_topic_ended() {
    let mut world = World::new(tumble);
    for n in 0..30 {
        world.put(n % 2, "a", 1, START_MS + i64::from(n) * 10);
    }
    world.make = bounded;
    world.flow = open(bounded(), &world.log, &world.clock, None, &world.options);
    world.put(0, "late", 1, START_MS);
    world.run();
    assert!(world.flow.sources[0].is_finished());
    let sums: Vec<String> =
        world.out().iter().map(|row| row.split("\"n\":").nth(1).map_or("", |n| &n[..2]).to_owned()).collect();
    assert_eq!(sums, ["10", "10", "10"], "all windows closed; what came after the start is not read");
}

fn processing_time() -> Graph {
    let mut graph = tumble();
    if let NodeKind::WindowAggregate(aggregate) = &mut graph.nodes[1].kind {
        let shape = WindowShape::Tumble { size_ms: 100, offset_ms: 0 };
        aggregate.windows = WindowSource::Assigned(Windows { time: WindowTime::ProcessingTime, shape, zone: None });
    }
    graph
}

#[test]
fn windows_of_the_machines_time_close_by_the_clock() {
    let world = World::new(processing_time);
    world.put(0, "a", 1, 0);
    world.put(1, "a", 2, 0);
    world.run();
    world.clock.advance_ms(99);
    world.put(2, "a", 3, 0);
    world.run();
    assert_eq!(world.out().len(), 0);
    world.clock.advance_ms(1);
    world.run();
    assert_eq!(
        world.out(),
        [
            "{\"k\":\"a\",\"s\":\"2026-07-30 07:04:00\",\"e\":\"2026-07-30 07:04:00.1\",\"n\":3,\"sum\":6,\"min\":1,\"max\":3}"
        ]
    );
}

#[test]
fn too_much_state_stops_the_source_and_says_why() {
    let options = FlowOptions { state_bytes_max: 20_000, waits_for_log: false, ..FlowOptions::default() };
    let world = World::with(tumble, options);
    for n in 0..2_000 {
        world.put(0, &format!("key {n}"), 1, START_MS);
    }
    while matches!(world.flow.step(0, 0), Ok(records) if records > 0) {}
    std::thread::sleep(std::time::Duration::from_millis(60));
    let error = world.flow.step(0, 0).map(drop).map_err(|error| error.to_string());
    assert!(
        error.as_ref().is_err_and(|text| text.contains("\"bars\" keeps")
            && text.contains("2000 groups")
            && text.contains("--state-memory")),
        "{error:?}"
    );
    assert!(world.flow.snapshot().is_ok(), "what it has can be saved");
}

#[test]
fn a_changed_query_is_refused_by_name() {
    let mut world = World::new(tumble);
    world.put(0, "a", 1, START_MS);
    world.run();
    let folder = tempfile::tempdir().expect("a folder");
    let (checkpoint, state) = world.checkpoint(folder.path());
    let damaged = |reason: String| EngineError::Graph(reason);
    let changed = || {
        let mut graph = tumble();
        if let NodeKind::WindowAggregate(aggregate) = &mut graph.nodes[1].kind {
            aggregate.calls[3].function = AggregateFunction::LastValue;
        }
        graph
    };
    world.flow = open(changed(), &world.log, &world.clock, Some(&checkpoint), &world.options);
    let error = world.flow.restore(&checkpoint, &state, false, damaged).map_err(|error| error.to_string());
    assert!(error.as_ref().is_err_and(|text| text.contains("\"bars\" has changed since checkpoint 1")), "{error:?}");
    world.flow = open(changed(), &world.log, &world.clock, Some(&checkpoint), &world.options);
    world.flow.restore(&checkpoint, &state, true, damaged).expect("dropped");
    // another reader of the topic changes nothing of what the query means
    let with_more = || {
        let mut graph = tumble();
        let raw = by_hand::at_least(&mut graph, "more", 0, TIME - 1, 5);
        by_hand::group_by(&mut graph, "other", raw, &[KEY], by_hand::four_calls(VALUE));
        graph
    };
    world.flow = open(with_more(), &world.log, &world.clock, Some(&checkpoint), &world.options);
    world.flow.restore(&checkpoint, &state, false, damaged).expect("the same query");
}
