//! What somebody asks of a topic's messages, as typed into an address and as understood. Pure.
//!
//! `from` is `newest`, `oldest`, `offset:N` (in every partition asked for), `time:MS`, or what an answer gave as `next`:
//! `up:0=5,1=9` (towards newer ones, from these offsets on) or `down:0=5,1=9` (towards older ones, below these offsets).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::answer::Refusal;
use super::LogMessage;

/// Messages of one answer.
pub const MESSAGES_MAX: usize = 500;
const MESSAGES_DEFAULT: usize = 50;
/// A longer key or text to look for is refused.
const FILTER_BYTES_MAX: usize = 1_024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MessagesQuery {
    partition: Option<u32>,
    from: Option<String>,
    key: Option<String>,
    contains: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct LiveQuery {
    partition: Option<u32>,
    key: Option<String>,
    contains: Option<String>,
}

/// What is asked for, valid in itself; whether there is such a partition is for the log to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// `None` is all of them.
    pub(super) partition: Option<u32>,
    pub(super) from: Start,
    pub(super) filter: Filter,
    pub(super) limit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    Newest,
    Oldest,
    Offset(i64),
    TimeMs(i64),
    /// Towards newer messages, by partition the first offset to read.
    Up(BTreeMap<u32, i64>),
    /// Towards older messages, by partition the offset to read below.
    Down(BTreeMap<u32, i64>),
}

impl Start {
    pub(super) fn is_down(&self) -> bool {
        matches!(self, Start::Newest | Start::Down(_))
    }
}

/// Which messages are wanted; both must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Filter {
    /// The whole key.
    key: Option<Vec<u8>>,
    /// Somewhere in the value, as it is written.
    contains: Option<Vec<u8>>,
}

impl Filter {
    fn new(key: Option<String>, contains: Option<String>) -> Result<Filter, Refusal> {
        let bytes = |name: &str, text: Option<String>| match text {
            Some(text) if text.len() > FILTER_BYTES_MAX => {
                Err(Refusal::bad_request(format!("{name} is longer than {FILTER_BYTES_MAX} bytes")))
            }
            Some(text) if !text.is_empty() => Ok(Some(text.into_bytes())),
            _ => Ok(None),
        };
        Ok(Filter { key: bytes("key", key)?, contains: bytes("contains", contains)? })
    }

    pub(super) fn matches(&self, message: &LogMessage) -> bool {
        let has_key = self.key.as_ref().is_none_or(|key| message.key.as_ref().is_some_and(|found| found == key));
        has_key && self.contains.as_ref().is_none_or(|text| holds(&message.value, text))
    }
}

fn holds(value: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return true };
    let mut from = 0;
    while let Some(at) = value[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if value[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

impl MessagesQuery {
    pub(super) fn parse(self) -> Result<Request, Refusal> {
        let limit = self.limit.unwrap_or(MESSAGES_DEFAULT);
        if !(1..=MESSAGES_MAX).contains(&limit) {
            return Err(Refusal::bad_request(format!("limit must be 1 to {MESSAGES_MAX}")));
        }
        let from = self.from.as_deref().unwrap_or("newest");
        let from = parse_from(from).ok_or_else(|| {
            Refusal::bad_request(
                "from must be newest, oldest, offset:NUMBER, time:MILLISECONDS or the next of an answer",
            )
        })?;
        Ok(Request { partition: self.partition, from, filter: Filter::new(self.key, self.contains)?, limit })
    }
}

impl LiveQuery {
    /// As the search for the newest `limit` messages, with which a live view begins.
    pub(super) fn parse(self, limit: usize) -> Result<Request, Refusal> {
        let filter = Filter::new(self.key, self.contains)?;
        Ok(Request { partition: self.partition, from: Start::Newest, filter, limit })
    }
}

fn parse_from(text: &str) -> Option<Start> {
    match text {
        "newest" => return Some(Start::Newest),
        "oldest" => return Some(Start::Oldest),
        _ => {}
    }
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "offset" => parse_offset(rest).map(Start::Offset),
        "time" => rest.parse().ok().map(Start::TimeMs),
        "up" => parse_offsets(rest).map(Start::Up),
        "down" => parse_offsets(rest).map(Start::Down),
        _ => None,
    }
}

fn parse_offset(text: &str) -> Option<i64> {
    text.parse().ok().filter(|offset| *offset >= 0)
}

fn parse_offsets(text: &str) -> Option<BTreeMap<u32, i64>> {
    let pair = |pair: &str| {
        let (partition, offset) = pair.split_once('=')?;
        Some((partition.parse().ok()?, parse_offset(offset)?))
    };
    text.split(',').map(pair).collect()
}

/// The text that `parse_from` reads as these offsets.
pub(super) fn next_text(is_down: bool, offsets: impl Iterator<Item = (u32, i64)>) -> String {
    let pairs: Vec<String> = offsets.map(|(partition, offset)| format!("{partition}={offset}")).collect();
    format!("{}:{}", if is_down { "down" } else { "up" }, pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_is_what_was_typed_or_given_as_next() {
        assert_eq!(parse_from("newest"), Some(Start::Newest));
        assert_eq!(parse_from("offset:7"), Some(Start::Offset(7)));
        assert_eq!(parse_from("time:-1"), Some(Start::TimeMs(-1)));
        let offsets = BTreeMap::from([(0, 5), (2, 9)]);
        assert_eq!(parse_from(&next_text(false, offsets.clone().into_iter())), Some(Start::Up(offsets.clone())));
        assert_eq!(parse_from(&next_text(true, offsets.clone().into_iter())), Some(Start::Down(offsets)));
        for bad in
            ["", "latest", "offset:", "offset:-1", "offset:x", "time:now", "up:", "up:0", "down:0=1,", "down:0=-1"]
        {
            assert_eq!(parse_from(bad), None, "{bad}");
        }
    }

    #[test]
    fn filters() {
        let message = |key: Option<&'static str>, value: &'static str| LogMessage {
            offset: 0,
            timestamp_ms: 0,
            key: key.map(|key| key.into()),
            value: value.into(),
            headers: Vec::new(),
        };
        let filter = |key: &str, contains: &str| Filter::new(Some(key.to_owned()), Some(contains.to_owned())).ok();
        let matches = |key, contains, of: &LogMessage| filter(key, contains).is_some_and(|filter| filter.matches(of));
        let trade = message(Some("KRW-BTC"), r#"{"ask_bid":"ASK","x":"aab"}"#);
        assert!(matches("KRW-BTC", "", &trade) && matches("", "\"ASK\"", &trade) && matches("", "aab", &trade));
        assert!(!matches("KRW-BT", "", &trade) && !matches("KRW-BTC", "BID", &trade) && !matches("", "}x", &trade));
        assert!(matches("", "", &message(None, "")) && !matches("KRW-BTC", "", &message(None, "")));
        assert!(Filter::new(Some("x".repeat(1_025)), None).is_err());
    }
}
