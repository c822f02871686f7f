//! What can be set of a topic in Kafka's words, and what it means here. Pure.
//!
//! `retention.bytes` is a partition's in Kafka and the topic's here. Other settings have one value, Kafka's default for what this log does;
//! setting them to it is allowed, to anything else refused: nothing is silently ignored.

use crate::topic::Retention;

/// Where a setting's value comes from, in Kafka's numbers.
pub(super) const SOURCE_TOPIC: i8 = 1;
pub(super) const SOURCE_STATIC_BROKER: i8 = 4;
pub(super) const SOURCE_DEFAULT: i8 = 5;

pub(super) const RETENTION_MS: &str = "retention.ms";
pub(super) const RETENTION_BYTES: &str = "retention.bytes";

/// What cannot be changed: name and value, as `DescribeConfigs` tells them.
pub(super) const FIXED: [(&str, &str); 6] = [
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("message.timestamp.type", "CreateTime"),
    ("min.insync.replicas", "1"),
    ("unclean.leader.election.enable", "false"),
    ("preallocate", "false"),
];

/// One setting; `None` is back to the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Change<'a> {
    pub(super) fn new(name: &'a str, value: Option<&'a str>) -> Change<'a> {
        Change { name, value }
    }
}

/// The retention after the changes, or why they cannot be made.
pub(super) fn apply(mut retention: Retention, partitions: u32, changes: &[Change<'_>]) -> Result<Retention, String> {
    let default = Retention::default();
    for Change { name, value } in changes {
        match *name {
            RETENTION_MS => {
                retention.max_age_ms = match value {
                    None => default.max_age_ms,
                    Some(value) => limit(name, value)?,
                }
            }
            RETENTION_BYTES => {
                let of_all = |bytes: i64| (bytes as u64).saturating_mul(u64::from(partitions));
                retention.max_bytes = match value {
                    None => default.max_bytes,
                    Some(value) => limit(name, value)?.map(of_all),
                }
            }
            name => match (FIXED.iter().find(|(fixed, _)| *fixed == name), value) {
                (Some(_), None) => {}
                (Some((_, only)), Some(value)) if value == only => {}
                (Some((_, only)), Some(value)) => return Err(format!("{name} is {only} here, not {value}")),
                (None, _) => {
                    return Err(format!("{name} cannot be set here; {RETENTION_MS} and {RETENTION_BYTES} can"));
                }
            },
        }
    }
    Ok(retention)
}

/// The settings of a topic as text: name, value, whether it can be changed.
pub(super) fn describe(retention: Retention, partitions: u32) -> Vec<(&'static str, String, bool)> {
    let or_unlimited = |value: Option<i64>| value.unwrap_or(-1).to_string();
    let share =
        retention.max_bytes.map(|bytes| i64::try_from(bytes / u64::from(partitions.max(1))).unwrap_or(i64::MAX));
    let mut all =
        vec![(RETENTION_MS, or_unlimited(retention.max_age_ms), true), (RETENTION_BYTES, or_unlimited(share), true)];
    all.extend(FIXED.iter().map(|&(name, value)| (name, value.to_owned(), false)));
    all
}

/// -1 is no limit.
fn limit(name: &str, value: &str) -> Result<Option<i64>, String> {
    match value.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(value) if value >= 0 => Ok(Some(value)),
        _ => Err(format!("{name} is -1 or a number from 0, not {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_set() {
        let none = Retention { max_age_ms: None, max_bytes: None };
        let with = |name, value| apply(none, 3, &[Change::new(name, value)]);
        assert_eq!(with("retention.ms", Some("60000")), Ok(Retention { max_age_ms: Some(60_000), ..none }));
        assert_eq!(with("retention.bytes", Some("100")), Ok(Retention { max_bytes: Some(300), ..none }));
        assert_eq!(with("retention.bytes", Some("-1")), Ok(none));
        assert_eq!(with("retention.ms", None), Ok(Retention { max_age_ms: Retention::default().max_age_ms, ..none }));
        assert_eq!(with("cleanup.policy", Some("delete")), Ok(none));
        for (name, value) in [
            ("cleanup.policy", "compact"),
            ("retention.ms", "soon"),
            ("retention.ms", "-2"),
            ("segment.bytes", "1"),
            ("no.such.thing", "1"),
        ] {
            assert!(with(name, Some(value)).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn what_is_told_can_be_set_again() {
        let retention = Retention { max_age_ms: None, max_bytes: Some(3_000) };
        let told = describe(retention, 3);
        let changes: Vec<Change<'_>> = told.iter().map(|(name, value, _)| Change::new(name, Some(value))).collect();
        assert_eq!(apply(Retention::default(), 3, &changes), Ok(retention));
    }
}
