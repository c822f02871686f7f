//! What a topic is: its name, its partitions, how long it is kept, and the text of the file that remembers them. Pure.
//!
//! The file is text for people, with a checksum, because a flipped bit in a name would be a topic lost:
//! ```text
//! hoga topics 1
//! upbit-trade partitions=3 max_age_ms=604800000 max_bytes=10737418240 created_ms=1785395043831
//! crc32c=1f2e3d4c
//! ```

use hoga_model::time::MS_PER_DAY;

use crate::error::LogError;

/// Kafka's limit on a topic's name: with `-<partition>` it must be a file name.
const MAX_TOPIC_NAME_BYTES: usize = 249;
/// Each partition holds a file handle and an encode buffer.
const MAX_PARTITIONS: u32 = 1_024;
const DEFAULT_MAX_AGE_MS: i64 = 7 * MS_PER_DAY;
const DEFAULT_MAX_BYTES: u64 = 10 << 30;

const FIRST_LINE: &str = "hoga topics 1";

/// How long records stay; `None` is for ever. Whole sealed segments go, so somewhat more is kept than this says by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub max_age_ms: Option<i64>,
    /// Of the whole topic; each partition has an equal share.
    pub max_bytes: Option<u64>,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { max_age_ms: Some(DEFAULT_MAX_AGE_MS), max_bytes: Some(DEFAULT_MAX_BYTES) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: u32,
    pub retention: Retention,
}

impl TopicSpec {
    /// With the default retention.
    pub fn new(name: &str, partitions: u32) -> TopicSpec {
        TopicSpec { name: name.to_owned(), partitions, retention: Retention::default() }
    }

    pub(crate) fn check(&self) -> Result<(), LogError> {
        check_name(&self.name)?;
        if self.partitions == 0 || self.partitions > MAX_PARTITIONS {
            return Err(LogError::PartitionCount {
                topic: self.name.clone(),
                partitions: self.partitions,
                limit: MAX_PARTITIONS,
            });
        }
        Ok(())
    }
}

/// A topic as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    pub name: String,
    pub partitions: u32,
    pub retention: Retention,
    pub created_ms: i64,
}

/// Kafka's rule for topic names.
pub(crate) fn check_name(name: &str) -> Result<(), LogError> {
    let reason = if name.is_empty() || name == "." || name == ".." {
        "it is empty or a folder"
    } else if name.len() > MAX_TOPIC_NAME_BYTES {
        "it is longer than 249 bytes"
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        "only letters, digits, '.', '_' and '-' are allowed"
    } else {
        return Ok(());
    };
    Err(LogError::TopicName { name: name.to_owned(), reason })
}

/// The name of a partition's folder, and back. The last `-` divides, so names may hold more of them.
pub(crate) fn folder_name(topic: &str, partition: u32) -> String {
    format!("{topic}-{partition}")
}

pub(crate) fn parse_folder_name(folder: &str) -> Option<(&str, u32)> {
    let (topic, digits) = folder.rsplit_once('-')?;
    let partition: u32 = digits.parse().ok()?;
    (partition < MAX_PARTITIONS && check_name(topic).is_ok() && folder == folder_name(topic, partition))
        .then_some((topic, partition))
}

pub(crate) fn encode_topics(topics: &[TopicInfo]) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    for topic in topics {
        text.push_str(&format!(
            "{} partitions={} max_age_ms={} max_bytes={} created_ms={}\n",
            topic.name,
            topic.partitions,
            or_none(topic.retention.max_age_ms.map(|v| v.to_string())),
            or_none(topic.retention.max_bytes.map(|v| v.to_string())),
            topic.created_ms
        ));
    }
    let crc = crc32c::crc32c(text.as_bytes());
    text.push_str(&format!("crc32c={crc:08x}\n"));
    text
}

/// What `encode_topics` wrote, or why the bytes are not that.
pub(crate) fn decode_topics(bytes: &[u8]) -> Result<Vec<TopicInfo>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let body = text.strip_suffix('\n').ok_or("it is cut off")?;
    let (lines, crc_line) = body.rsplit_once('\n').ok_or("it is cut off")?;
    let stored = crc_line.strip_prefix("crc32c=").ok_or("it has no checksum")?;
    let stored = u32::from_str_radix(stored, 16).map_err(|_| "its checksum is not a number")?;
    // the checksum covers the last newline before it
    let covered = text.get(..lines.len() + 1).ok_or("it is cut off")?;
    if crc32c::crc32c(covered.as_bytes()) != stored {
        return Err("its checksum is wrong");
    }
    let mut lines = lines.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err("its first line is of another version");
    }
    lines.map(|line| decode_line(line).ok_or("a line of it is not a topic")).collect()
}

fn decode_line(line: &str) -> Option<TopicInfo> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    check_name(&name).ok()?;
    let mut field = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=');
    let partitions: u32 = field("partitions")?.parse().ok()?;
    let max_age_ms = optional(field("max_age_ms")?)?;
    let max_bytes = optional(field("max_bytes")?)?;
    let created_ms = field("created_ms")?.parse().ok()?;
    (1..=MAX_PARTITIONS).contains(&partitions).then_some(TopicInfo {
        name,
        partitions,
        retention: Retention { max_age_ms, max_bytes },
        created_ms,
    })
}

fn optional<T: std::str::FromStr>(word: &str) -> Option<Option<T>> {
    if word == "none" { Some(None) } else { word.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn two() -> Vec<TopicInfo> {
        vec![
            TopicInfo {
                name: "upbit-trade".into(),
                partitions: 3,
                retention: Retention::default(),
                created_ms: 1_785_395_043_831,
            },
            TopicInfo {
                name: "a".into(),
                partitions: 1,
                retention: Retention { max_age_ms: None, max_bytes: None },
                created_ms: 0,
            },
        ]
    }

    #[test]
    fn the_file_comes_back() {
        assert_eq!(decode_topics(encode_topics(&two()).as_bytes()), Ok(two()));
        assert_eq!(decode_topics(encode_topics(&[]).as_bytes()), Ok(vec![]));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = encode_topics(&two()).into_bytes();
        for at in 0..good.len() {
            assert!(decode_topics(&good[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // upper-case hex digits are the same checksum
                assert!(decode_topics(&bad).is_err() || decode_topics(&bad) == Ok(two()), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn names() {
        for good in ["upbit-trade", "a", "A.b_c-9", &"x".repeat(249)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "호가", &"x".repeat(250)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_folder_name("upbit-trade-2"), Some(("upbit-trade", 2)));
        for bad in ["upbit", "upbit-", "-1", "upbit-02", "upbit-+2", "upbit-99999", "up bit-1"] {
            assert_eq!(parse_folder_name(bad), None, "{bad}");
        }
    }
}
