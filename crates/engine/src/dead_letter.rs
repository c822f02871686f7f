//! Dead letters: what nobody could read, kept with the reason and the place it came from.

use bytes::Bytes;
use hoga_log::{Header, Record};

/// Header names of the dead-letter topic.
pub mod header {
    pub const REASON: &str = "error.reason";
    /// `collect`, or `job NAME`.
    pub const STAGE: &str = "error.stage";
    pub const TOPIC: &str = "source.topic";
    pub const PARTITION: &str = "source.partition";
    pub const OFFSET: &str = "source.offset";
}

/// A reason longer than this is cut: the value itself is in the letter.
const REASON_BYTES_MAX: usize = 512;

/// Where in the log a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub topic: String,
    pub partition: u32,
    pub offset: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub key: Option<Bytes>,
    /// The message as it came.
    pub value: Bytes,
    pub timestamp_ms: i64,
    pub reason: String,
    pub stage: String,
    /// None if the message never reached a topic.
    pub source: Option<Place>,
}

impl DeadLetter {
    pub fn into_record(self) -> Record {
        let mut reason = self.reason;
        if reason.len() > REASON_BYTES_MAX {
            let cut = (0..=REASON_BYTES_MAX).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
            reason.truncate(cut);
        }
        let text = |key: &str, value: String| Header { key: key.to_owned(), value: Bytes::from(value) };
        let mut headers = vec![text(header::REASON, reason), text(header::STAGE, self.stage)];
        if let Some(place) = self.source {
            headers.push(text(header::TOPIC, place.topic));
            headers.push(text(header::PARTITION, place.partition.to_string()));
            headers.push(text(header::OFFSET, place.offset.to_string()));
        }
        Record { key: self.key, value: self.value, timestamp_ms: self.timestamp_ms, headers }
    }
}

/// The stage and place a letter of the topic names; None for letters of the collector.
pub fn source_of(record: &Record) -> Option<(String, Place)> {
    let text = |key: &str| {
        let header = record.headers.iter().find(|header| header.key == key)?;
        std::str::from_utf8(&header.value).ok()
    };
    let place = Place {
        topic: text(header::TOPIC)?.to_owned(),
        partition: text(header::PARTITION)?.parse().ok()?,
        offset: text(header::OFFSET)?.parse().ok()?,
    };
    Some((text(header::STAGE)?.to_owned(), place))
}
