//! The input of `hoga run`: one JSON object a line, `{"topic": …, "partition": 0, "key": …, "timestamp_ms": …, "value": …}`.
//!
//! A value that is a JSON string is the text in it; any other value is its own bytes as they stand in the file, so that numbers keep
//! their spelling. `partition` is 0, `key` none and `timestamp_ms` 0 unless said. Empty lines are skipped.

use crate::failure::Failure;
use bytes::Bytes;
use hoga_log::{Log, Record};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    topic: String,
    #[serde(default)]
    partition: u32,
    key: Option<String>,
    #[serde(default)]
    timestamp_ms: i64,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// One record and where it goes.
#[derive(Debug, PartialEq)]
pub struct Placed {
    topic: String,
    partition: u32,
    record: Record,
}

/// All records of a file, in its order.
#[derive(Debug)]
pub struct Input(Vec<Placed>);

pub fn read(path: &Path) -> Result<Input, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::user(format!("cannot read the input \"{}\": {error}; give a file of JSON lines", path.display()))
    })?;
    parse(&text).map_err(|(line, reason)| Failure::user(format!("{}:{line}: {reason}", path.display())))
}

/// Or the number of the first line that is no record, and why.
fn parse(text: &str) -> Result<Input, (usize, String)> {
    let mut placed = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |error: serde_json::Error| (index + 1, error.to_string());
        let line: Line<'_> = serde_json::from_str(line).map_err(wrong)?;
        let raw = line.value.get();
        let value = match raw.as_bytes().first() {
            Some(b'"') => Bytes::from(serde_json::from_str::<String>(raw).map_err(wrong)?),
            _ => Bytes::copy_from_slice(raw.as_bytes()),
        };
        let key = line.key.map(Bytes::from);
        let record = Record { key, value, timestamp_ms: line.timestamp_ms, headers: Vec::new() };
        placed.push(Placed { topic: line.topic, partition: line.partition, record });
    }
    Ok(Input(placed))
}

impl Input {
    /// How many partitions each topic needs.
    pub fn partitions(&self) -> BTreeMap<String, u32> {
        let mut partitions = BTreeMap::new();
        for placed in &self.0 {
            let count = partitions.entry(placed.topic.clone()).or_insert(0);
            *count = (*count).max(placed.partition + 1);
        }
        partitions
    }

    /// Where each partition ends when all of them are in the log.
    pub fn ends(&self) -> BTreeMap<String, BTreeMap<u32, i64>> {
        let mut ends = BTreeMap::<String, BTreeMap<u32, i64>>::new();
        for placed in &self.0 {
            *ends.entry(placed.topic.clone()).or_default().entry(placed.partition).or_default() += 1;
        }
        ends
    }

    /// The records that the log does not have: each partition is filled from its front, so its end says how many it has.
    pub fn missing_in(&self, log: &dyn Log) -> Result<Vec<&Placed>, Failure> {
        let mut present: BTreeMap<(&str, u32), i64> = BTreeMap::new();
        let mut missing = Vec::new();
        for placed in &self.0 {
            let place = (placed.topic.as_str(), placed.partition);
            let left = match present.entry(place) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    entry.insert(log.offsets(place.0, place.1).map_err(|error| Failure::of(&error))?.end)
                }
            };
            if *left > 0 {
                *left -= 1;
            } else {
                missing.push(placed);
            }
        }
        Ok(missing)
    }
}

/// One batch a partition; within each the order stays.
pub fn batches<'a>(placed: &[&'a Placed]) -> Vec<(&'a str, u32, Vec<Record>)> {
    let mut batches: BTreeMap<(&str, u32), Vec<Record>> = BTreeMap::new();
    for placed in placed {
        batches.entry((&placed.topic, placed.partition)).or_default().push(placed.record.clone());
    }
    batches.into_iter().map(|((topic, partition), records)| (topic, partition, records)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use hoga_log::{MemoryLog, TopicSpec};

    const TEXT: &str = r#"{"topic":"a","timestamp_ms":5,"key":"k","value":{"x": 1.50}}

{"topic":"a","partition":2,"value":"not \"JSON"}
{"topic":"b","value":[1]}
{"topic":"a","value":null}
"#;

    #[test]
    fn values_keep_their_bytes() {
        let input = parse(TEXT).unwrap();
        let values: Vec<_> = input.0.iter().map(|placed| placed.record.value.as_ref()).collect();
        assert_eq!(values, [&b"{\"x\": 1.50}"[..], b"not \"JSON", b"[1]", b"null"]);
        assert_eq!(input.0[0].record.key.as_deref(), Some(&b"k"[..]));
        assert_eq!((input.0[0].record.timestamp_ms, input.0[1].partition), (5, 2));
        assert_eq!(input.partitions(), BTreeMap::from([("a".into(), 3), ("b".into(), 1)]));
        assert_eq!(input.ends()["a"], BTreeMap::from([(0, 2), (2, 1)]));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let (line, reason) =
            parse("{\"topic\":\"a\",\"value\":1}\n{\"topic\":\"a\",\"offset\":1,\"value\":1}\n").unwrap_err();
        assert_eq!(line, 2);
        assert!(reason.contains("unknown field `offset`"), "{reason}");
        assert_eq!(parse("{\"topic\":\"a\"}").unwrap_err().0, 1);
    }

    #[test]
    fn a_second_run_appends_only_what_is_missing() {
        let input = parse(TEXT).unwrap();
        let log = MemoryLog::default();
        for (topic, partitions) in input.partitions() {
            log.create_topic(&TopicSpec::new(&topic, partitions)).unwrap();
        }
        for (topic, partition, records) in batches(&input.missing_in(&log).unwrap()[..2]) {
            log.append(topic, partition, &records).unwrap();
        }
        let missing: Vec<_> =
            input.missing_in(&log).unwrap().iter().map(|placed| placed.record.value.clone()).collect();
        assert_eq!(missing, [&b"[1]"[..], b"null"]);
    }
}
