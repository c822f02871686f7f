//! Where a table's rows are: a topic, or the lake. The options of `WITH (…)`, checked and typed.

use crate::diagnostic::Problem;
use crate::name::did_you_mean;
use crate::options::{OptionEntry, Options};

mod kafka;
mod paimon;

pub(crate) use kafka::{METADATA_KEYS, kafka_table};
pub(crate) use paimon::{PaimonShape, paimon_catalog, paimon_table};

/// What kind of table it is.
#[derive(Debug, Clone)]
pub enum Connector {
    Kafka(KafkaTable),
    Paimon(PaimonTable),
}

/// A topic whose record values are JSON objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaTable {
    pub topic: String,
    /// `properties.bootstrap.servers`. The embedded log is reached without it.
    pub bootstrap_servers: Option<String>,
    /// `properties.group.id`.
    pub group_id: Option<String>,
    pub startup: ScanStartup,
    pub bounded: ScanBounded,
    pub json: JsonFormat,
    /// The columns that a written record's key is made of; empty: it has none.
    pub key_fields: Vec<String>,
}

/// Where reading starts when there is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanStartup {
    EarliestOffset,
    LatestOffset,
    /// What the consumer group last committed. Flink's default.
    GroupOffsets,
    /// The first record of this time or later.
    Timestamp {
        timestamp_ms: i64,
    },
}

/// Where reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanBounded {
    Unbounded,
    /// At the offsets that were last when the job started.
    LatestOffset,
}

/// Options of `'format' = 'json'`. The default is Flink's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JsonFormat {
    /// Flink drops a record that is not readable and turns a bad field into NULL; hoga sends it to the dead-letter topic.
    pub ignore_parse_errors: bool,
    /// An absent field is an error rather than NULL.
    pub fail_on_missing_field: bool,
    pub timestamps: JsonTimestamps,
    /// DECIMALs are written with all their digits (`100.00`); else as Java shows them without trailing zeros (`1E+2`).
    pub plain_decimals: bool,
    /// What is NULL is not written.
    pub ignore_null_fields: bool,
}

/// How timestamps are written in JSON text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JsonTimestamps {
    /// `2026-11-21 09:00:00.123`. Flink's default.
    #[default]
    Sql,
    /// `2026-11-21T09:00:00.123Z`.
    Iso8601,
}

/// A lake table. All its options go to Paimon; those that decide how it is written are also typed.
#[derive(Debug, Clone)]
pub struct PaimonTable {
    pub options: Options,
    pub bucket: Bucket,
}

/// Paimon's `bucket` option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// `-1`: for a table without key no buckets at all, for one with a key as many as its rows need.
    Dynamic,
    /// `-2`: writes go to a common bucket until compaction.
    Postponed,
    Fixed(u32),
}

/// Reads options and collects what is wrong with them.
struct OptionReader<'a> {
    options: &'a Options,
    problems: Vec<Problem>,
}

impl<'a> OptionReader<'a> {
    fn new(options: &'a Options) -> OptionReader<'a> {
        OptionReader { options, problems: Vec::new() }
    }

    fn text(&mut self, key: &str) -> Option<&'a str> {
        let entry = self.options.entry(key)?;
        if entry.value.trim().is_empty() {
            self.wrong(entry, format!("option '{key}' is empty"), None);
            return None;
        }
        Some(entry.value.as_str())
    }

    fn required(&mut self, key: &str, hint: &str) -> Option<&'a str> {
        if self.options.entry(key).is_none() {
            self.problems.push(Problem::new(self.options.span, format!("option '{key}' is missing")).hint(hint));
        }
        self.text(key)
    }

    fn boolean(&mut self, key: &str) -> bool {
        self.choice(key, &[("true", true), ("false", false)]).unwrap_or(false)
    }

    /// One of some words, without regard to case.
    fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let entry = self.options.entry(key)?;
        let found = choices.iter().find(|(name, _)| entry.value.eq_ignore_ascii_case(name));
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint = did_you_mean(&entry.value, names.iter().copied());
            self.wrong(entry, format!("'{key}' is {}, not '{}'", one_of(&names), entry.value), hint);
        }
        found.map(|(_, value)| *value)
    }

    fn wrong(&mut self, entry: &OptionEntry, message: String, hint: Option<String>) {
        self.problems.push(Problem::new(entry.value_span, message).maybe_hint(hint));
    }
}

/// `'a', 'b' or 'c'`.
fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => String::new(),
    }
}
