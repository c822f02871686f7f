//! What SET statements say: Flink's configuration keys with their values, the few that hoga acts on also with a type.

use std::collections::BTreeMap;

use sqlparser::tokenizer::Span;

use crate::diagnostic::Problem;

/// Keys whose value is a duration such as `30 s`.
const DURATION_KEYS: &[&str] = &[
    CHECKPOINT_INTERVAL,
    "execution.checkpointing.min-pause",
    "execution.checkpointing.timeout",
    IDLE_TIMEOUT,
    "table.exec.state.ttl",
    "table.exec.mini-batch.allow-latency",
];
const CHECKPOINT_INTERVAL: &str = "execution.checkpointing.interval";
const IDLE_TIMEOUT: &str = "table.exec.source.idle-timeout";
const PIPELINE_NAME: &str = "pipeline.name";
const LOCAL_TIME_ZONE: &str = "table.local-time-zone";
const RUNTIME_MODE: &str = "execution.runtime-mode";
const UPSERT_MATERIALIZE: &str = "table.exec.sink.upsert-materialize";

/// The settings at one point of the file. Keys that only Flink knows are kept and mean nothing here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `pipeline.name`.
    pub fn pipeline_name(&self) -> Option<&str> {
        self.get(PIPELINE_NAME)
    }

    /// `execution.checkpointing.interval`.
    pub fn checkpoint_interval_ms(&self) -> Option<u64> {
        self.get(CHECKPOINT_INTERVAL).and_then(parse_duration_ms)
    }

    /// `table.local-time-zone`: an IANA name or `GMT+09:00`; not looked up here. None means the machine's zone, as in Flink.
    pub fn local_time_zone(&self) -> Option<&str> {
        self.get(LOCAL_TIME_ZONE).filter(|zone| *zone != "default")
    }

    /// `table.exec.source.idle-timeout`.
    pub fn idle_timeout_ms(&self) -> Option<u64> {
        self.get(IDLE_TIMEOUT).and_then(parse_duration_ms)
    }

    /// False if `table.exec.sink.upsert-materialize` is 'NONE': changes are written as they are, also under another key than the
    /// query's.
    pub fn materializes_upserts(&self) -> bool {
        !self.get(UPSERT_MATERIALIZE).is_some_and(|value| value.eq_ignore_ascii_case("none"))
    }

    pub(crate) fn set(&mut self, key: String, value: String, value_span: Span) -> Result<(), Problem> {
        if DURATION_KEYS.contains(&key.as_str()) && parse_duration_ms(&value).is_none() {
            return Err(Problem::new(value_span, format!("\"{value}\" is not a duration"))
                .hint("write a number and ms, s, min, h or d, such as '30 s'"));
        }
        if key == RUNTIME_MODE && !value.eq_ignore_ascii_case("streaming") {
            return Err(Problem::new(value_span, format!("{RUNTIME_MODE} {value} runs on Flink only"))
                .hint("a pipeline here is 'streaming'"));
        }
        self.values.insert(key, value);
        Ok(())
    }

    /// Forgets one key, or all of them.
    pub(crate) fn reset(&mut self, key: Option<&str>) {
        match key {
            Some(key) => drop(self.values.remove(key)),
            None => self.values.clear(),
        }
    }
}

/// Flink's durations: a whole number and a unit, with or without a blank; milliseconds without a unit. Finer units are cut.
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let (multiply, divide) = match unit.trim().to_ascii_lowercase().as_str() {
        "d" | "day" | "days" => (86_400_000, 1),
        "h" | "hour" | "hours" => (3_600_000, 1),
        "m" | "min" | "minute" | "minutes" => (60_000, 1),
        "s" | "sec" | "second" | "seconds" => (1_000, 1),
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => (1, 1),
        "µs" | "micro" | "micros" | "microsecond" | "microseconds" => (1, 1_000),
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => (1, 1_000_000),
        _ => return None,
    };
    number.checked_mul(multiply).map(|product| product / divide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_flink_writes_them() {
        let cases = [
            ("30 s", Some(30_000)),
            ("30s", Some(30_000)),
            (" 3 min ", Some(180_000)),
            ("500", Some(500)),
            ("1 d", Some(86_400_000)),
            ("1500 micros", Some(1)),
            ("", None),
            ("s", None),
            ("-1 s", None),
            ("1.5 s", None),
            ("30 sekunden", None),
            ("99999999999999999999 s", None),
            ("18446744073709551615 d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration_ms(text), expected, "{text:?}");
        }
    }
}
