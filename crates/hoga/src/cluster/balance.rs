//! A topic that several processes compute the same records for and one writes: what this one has computed and the topic does not hold yet, and
//! the other way round. Pure: time and records are handed in.
//!
//! Equal is what has the same key, value and headers; a record that is computed twice is expected twice.

use bytes::Bytes;
use hoga_log::Record;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How long a computed record waits for whoever writes to write it: longer than that one lags behind, or it computes something else.
const COMPUTED_MAX_MS: i64 = 600_000;
/// How long a record of the topic waits to be computed here: a process that catches up is behind by no more, or writes it again if it comes to that.
const FOUND_MAX_MS: i64 = 3_600_000;
/// Of each of the two; the oldest go.
const RECORDS_MAX: usize = 100_000;

#[derive(Default)]
pub struct Balance {
    computed: Waiting<(u32, Record)>,
    /// By partition and offset.
    found: Waiting<(u32, i64)>,
}

impl Balance {
    /// A record that belongs into the topic, with the partition that it would go to.
    pub fn compute(&mut self, now_ms: i64, partition: u32, record: Record) {
        let print = Print::of(&record);
        if self.found.take(&print).is_none() {
            self.computed.push(now_ms, print, (partition, record));
        }
    }

    /// A record that is in the topic.
    pub fn find(&mut self, now_ms: i64, partition: u32, offset: i64, record: &Record) {
        let print = Print::of(record);
        if self.computed.take(&print).is_none() {
            self.found.push(now_ms, print, (partition, offset));
        }
    }

    /// The first offset of a partition whose record is yet to be computed here.
    pub fn first_found(&self, partition: u32) -> Option<i64> {
        self.found.values().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).min()
    }

    /// What was computed and is not in the topic, in that order. It is not waited for any more.
    pub fn take_computed(&mut self) -> Vec<(u32, Record)> {
        std::mem::take(&mut self.computed).into_values()
    }

    pub fn computed_count(&self) -> usize {
        self.computed.by_number.len()
    }

    /// Returns how many computed records nobody wrote for so long that they are given up.
    pub fn forget_old(&mut self, now_ms: i64) -> usize {
        self.found.forget(now_ms - FOUND_MAX_MS);
        self.computed.forget(now_ms - COMPUTED_MAX_MS)
    }
}

/// What makes two records the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Print {
    key: Option<Bytes>,
    value: Bytes,
    headers: Vec<(String, Bytes)>,
}

impl Print {
    fn of(record: &Record) -> Print {
        let headers = record.headers.iter().map(|header| (header.key.clone(), header.value.clone()));
        Print { key: record.key.clone(), value: record.value.clone(), headers: headers.collect() }
    }
}

/// Things in the order they came, found by their print.
struct Waiting<T> {
    by_number: BTreeMap<u64, (i64, Print, T)>,
    by_print: HashMap<Print, VecDeque<u64>>,
    next: u64,
}

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting { by_number: BTreeMap::new(), by_print: HashMap::new(), next: 0 }
    }
}

impl<T> Waiting<T> {
    fn push(&mut self, now_ms: i64, print: Print, value: T) {
        self.by_print.entry(print.clone()).or_default().push_back(self.next);
        self.by_number.insert(self.next, (now_ms, print, value));
        self.next += 1;
        if self.by_number.len() > RECORDS_MAX {
            self.drop_first();
        }
    }

    /// The oldest one with this print.
    fn take(&mut self, print: &Print) -> Option<T> {
        let numbers = self.by_print.get_mut(print)?;
        let number = numbers.pop_front()?;
        if numbers.is_empty() {
            self.by_print.remove(print);
        }
        self.by_number.remove(&number).map(|(_, _, value)| value)
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.by_number.values().map(|(_, _, value)| value)
    }

    fn into_values(self) -> Vec<T> {
        self.by_number.into_values().map(|(_, _, value)| value).collect()
    }

    /// Drops what came before a time; returns how many.
    fn forget(&mut self, before_ms: i64) -> usize {
        let mut dropped = 0;
        while self.by_number.first_key_value().is_some_and(|(_, (at_ms, _, _))| *at_ms < before_ms) {
            self.drop_first();
            dropped += 1;
        }
        dropped
    }

    fn drop_first(&mut self) {
        if let Some((_, (_, print, _))) = self.by_number.pop_first()
            && let Some(numbers) = self.by_print.get_mut(&print)
        {
            numbers.pop_front();
            if numbers.is_empty() {
                self.by_print.remove(&print);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        Record { value: Bytes::copy_from_slice(text.as_bytes()), timestamp_ms: 7, ..Record::default() }
    }

    fn left(balance: &mut Balance) -> Vec<String> {
        balance.take_computed().iter().map(|(_, record)| String::from_utf8_lossy(&record.value).into_owned()).collect()
    }

    #[test]
    fn what_the_topic_holds_is_not_written_again_whoever_was_first() {
        let mut balance = Balance::default();
        balance.compute(0, 0, record("a"));
        balance.compute(0, 1, record("b"));
        balance.compute(0, 1, record("b"));
        balance.find(1, 2, 10, &record("c"));
        balance.find(1, 2, 11, &record("d"));
        // the writer put it elsewhere, at another time
        balance.find(1, 0, 12, &Record { timestamp_ms: 8, ..record("b") });
        balance.compute(2, 0, record("c"));
        assert_eq!(balance.first_found(2), Some(11));
        assert_eq!(balance.first_found(0), None);
        assert_eq!(balance.computed_count(), 2);
        assert_eq!(left(&mut balance), ["a", "b"]);
        assert_eq!(left(&mut balance), Vec::<String>::new());
        balance.compute(3, 0, record("d"));
        assert_eq!(balance.first_found(2), None);
    }

    #[test]
    fn keys_and_headers_make_a_difference() {
        let mut balance = Balance::default();
        let keyed = Record { key: Some(Bytes::new()), ..record("a") };
        let header = hoga_log::Header { key: "h".into(), value: Bytes::new() };
        balance.compute(0, 0, record("a"));
        balance.find(0, 0, 1, &keyed);
        balance.find(0, 0, 2, &Record { headers: vec![header], ..record("a") });
        assert_eq!(balance.computed_count(), 1);
    }

    #[test]
    fn memory_is_bounded_in_time_and_number() {
        let mut balance = Balance::default();
        for n in 0..RECORDS_MAX + 5 {
            balance.compute(n as i64, 0, record(&n.to_string()));
        }
        assert_eq!(balance.computed_count(), RECORDS_MAX);
        assert_eq!(balance.forget_old(COMPUTED_MAX_MS + 10), 5, "0 to 4 went for their number");
        balance.find(0, 0, 1, &record("7"));
        assert_eq!(balance.computed_count(), RECORDS_MAX - 5, "7 is not waited for any more");
        balance.find(0, 0, 2, &record("10"));
        assert_eq!(balance.computed_count(), RECORDS_MAX - 6);
    }
}
