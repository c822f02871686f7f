//! `'connector' = 'kafka'`. Source: Flink's Kafka SQL connector 4.0 and its JSON format.

use super::{JsonFormat, JsonTimestamps, KafkaTable, OptionReader, ScanBounded, ScanStartup};
use crate::diagnostic::Problem;
use crate::name::did_you_mean;
use crate::options::{OptionEntry, Options};

/// The options hoga acts on.
const KNOWN: &[&str] = &[
    "connector",
    "topic",
    "format",
    "value.format",
    "scan.startup.mode",
    "scan.startup.timestamp-millis",
    "scan.bounded.mode",
    "json.ignore-parse-errors",
    "json.fail-on-missing-field",
    "json.timestamp-format.standard",
    "json.encode.decimal-as-plain-number",
    "json.encode.ignore-null-fields",
    "key.format",
    "key.fields",
    "value.fields-include",
    "properties.bootstrap.servers",
    "properties.group.id",
];

/// Options that tune Flink and change no row.
const WITHOUT_EFFECT: &[&str] = &[
    "scan.watermark.emit.strategy",
    "scan.topic-partition-discovery.interval",
    "scan.parallelism",
    "sink.parallelism",
    "json.decode.json-parser.enabled",
];

/// Options of the connector that would change rows and that hoga does not do.
const FLINK_ONLY: &[&str] = &[
    "topic-pattern",
    "key.fields-prefix",
    "scan.startup.specific-offsets",
    "scan.bounded.specific-offsets",
    "scan.bounded.timestamp-millis",
    "sink.partitioner",
    "sink.semantic",
    "sink.delivery-guarantee",
    "sink.transactional-id-prefix",
    "json.map-null-key.mode",
    "json.map-null-key.literal",
];

/// The columns that `METADATA` can name.
pub(crate) const METADATA_KEYS: &[&str] =
    &["topic", "partition", "headers", "leader-epoch", "offset", "timestamp", "timestamp-type"];

/// The typed table, or everything that is wrong with the options.
pub(crate) fn kafka_table(options: &Options) -> Result<KafkaTable, Vec<Problem>> {
    let mut problems: Vec<Problem> = options.iter().filter_map(unknown).collect();
    let mut reader = OptionReader::new(options);
    let topic = reader.required("topic", "name the topic: 'topic' = 'upbit-trade'");
    if let (Some(topic), Some(entry)) = (topic, options.entry("topic"))
        && !is_topic_name(topic)
    {
        let hint = if topic.contains(';') { "a table reads one topic" } else { "letters, digits, '.', '_' and '-'" };
        reader.wrong(entry, format!("\"{topic}\" is not the name of a topic"), Some(hint.to_owned()));
    }
    format(&mut reader);
    let startup = startup(&mut reader);
    let bounded = reader.choice(
        "scan.bounded.mode",
        &[("unbounded", ScanBounded::Unbounded), ("latest-offset", ScanBounded::LatestOffset)],
    );
    let json = JsonFormat {
        ignore_parse_errors: reader.boolean("json.ignore-parse-errors"),
        fail_on_missing_field: reader.boolean("json.fail-on-missing-field"),
        timestamps: reader
            .choice(
                "json.timestamp-format.standard",
                &[("SQL", JsonTimestamps::Sql), ("ISO-8601", JsonTimestamps::Iso8601)],
            )
            .unwrap_or(JsonTimestamps::Sql),
        plain_decimals: reader.boolean("json.encode.decimal-as-plain-number"),
        ignore_null_fields: reader.boolean("json.encode.ignore-null-fields"),
    };
    if let (true, true, Some(entry)) =
        (json.ignore_parse_errors, json.fail_on_missing_field, options.entry("json.fail-on-missing-field"))
    {
        reader.wrong(
            entry,
            "json.fail-on-missing-field and json.ignore-parse-errors cannot both be true".to_owned(),
            None,
        );
    }
    let key_fields = key_fields(&mut reader);
    let bootstrap_servers = reader.text("properties.bootstrap.servers").map(str::to_owned);
    let group_id = reader.text("properties.group.id").map(str::to_owned);
    problems.append(&mut reader.problems);
    match topic {
        Some(topic) if problems.is_empty() => Ok(KafkaTable {
            topic: topic.to_owned(),
            bootstrap_servers,
            group_id,
            startup,
            bounded: bounded.unwrap_or(ScanBounded::Unbounded),
            json,
            key_fields,
        }),
        _ => Err(problems),
    }
}

/// The columns that a written record's key is made of. One text as it is: `'key.format' = 'raw'`.
fn key_fields(reader: &mut OptionReader<'_>) -> Vec<String> {
    let (format, fields) = (reader.options.entry("key.format"), reader.options.entry("key.fields"));
    if let Some(entry) = reader.options.entry("value.fields-include").filter(|entry| entry.value != "ALL") {
        let message = format!("'value.fields-include' = '{}' runs on Flink only", entry.value);
        reader.wrong(entry, message, Some("'ALL' keeps the key's columns in the value".to_owned()));
    }
    match (format, fields) {
        (None, None) => Vec::new(),
        (Some(format), Some(fields)) => {
            if format.value != "raw" {
                let message = format!("key format '{}' runs on Flink only", format.value);
                reader.wrong(format, message, Some("write 'key.format' = 'raw'".to_owned()));
            }
            let names: Vec<String> = fields.value.split(';').map(|name| name.trim().to_owned()).collect();
            if names.len() != 1 || names[0].is_empty() {
                reader.wrong(fields, "a raw key is made of one column".to_owned(), None);
            }
            names
        }
        (Some(one), None) => {
            reader.wrong(one, "'key.format' needs 'key.fields'".to_owned(), None);
            Vec::new()
        }
        (None, Some(one)) => {
            reader.wrong(
                one,
                "'key.fields' needs 'key.format'".to_owned(),
                Some("write 'key.format' = 'raw'".to_owned()),
            );
            Vec::new()
        }
    }
}

fn unknown(entry: &OptionEntry) -> Option<Problem> {
    let key = entry.key.as_str();
    if KNOWN.contains(&key) || WITHOUT_EFFECT.contains(&key) || key.starts_with("properties.") {
        return None;
    }
    if FLINK_ONLY.contains(&key) {
        return Some(Problem::new(entry.key_span, format!("option '{key}' runs on Flink only")));
    }
    let hint = did_you_mean(key, KNOWN.iter().copied());
    Some(Problem::new(entry.key_span, format!("unknown option '{key}' of connector 'kafka'")).maybe_hint(hint))
}

fn format(reader: &mut OptionReader<'_>) {
    let (format, value_format) = (reader.options.entry("format"), reader.options.entry("value.format"));
    match (format, value_format) {
        (Some(_), Some(second)) => {
            reader.problems.push(Problem::new(second.key_span, "'format' and 'value.format' mean the same: write one"));
        }
        (None, None) => drop(reader.required("format", "write 'format' = 'json'")),
        (Some(entry), None) | (None, Some(entry)) if entry.value != "json" => {
            let message = format!("format '{}' runs on Flink only", entry.value);
            reader.wrong(entry, message, Some("write 'format' = 'json'".to_owned()));
        }
        _ => {}
    }
}

fn startup(reader: &mut OptionReader<'_>) -> ScanStartup {
    #[derive(Clone, Copy)]
    enum Mode {
        Plain(ScanStartup),
        Timestamp,
    }
    let mode = reader.choice(
        "scan.startup.mode",
        &[
            ("earliest-offset", Mode::Plain(ScanStartup::EarliestOffset)),
            ("latest-offset", Mode::Plain(ScanStartup::LatestOffset)),
            ("group-offsets", Mode::Plain(ScanStartup::GroupOffsets)),
            ("timestamp", Mode::Timestamp),
        ],
    );
    const MILLIS: &str = "scan.startup.timestamp-millis";
    match mode {
        Some(Mode::Timestamp) => {
            let millis = reader.required(MILLIS, "startup mode 'timestamp' needs it");
            let timestamp_ms = millis.and_then(|millis| millis.parse().ok());
            if let (Some(millis), None, Some(entry)) = (millis, timestamp_ms, reader.options.entry(MILLIS)) {
                reader.wrong(entry, format!("\"{millis}\" is not a time in milliseconds since 1970"), None);
            }
            ScanStartup::Timestamp { timestamp_ms: timestamp_ms.unwrap_or(0) }
        }
        mode => {
            if let Some(entry) = reader.options.entry(MILLIS) {
                reader
                    .problems
                    .push(Problem::new(entry.key_span, format!("'{MILLIS}' needs 'scan.startup.mode' = 'timestamp'")));
            }
            match mode {
                Some(Mode::Plain(startup)) => startup,
                _ => ScanStartup::GroupOffsets,
            }
        }
    }
}

/// Kafka's rule for topic names.
fn is_topic_name(name: &str) -> bool {
    const TOPIC_CHARS_MAX: usize = 249;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= TOPIC_CHARS_MAX && name.chars().all(allowed) && !matches!(name, "." | "..")
}
