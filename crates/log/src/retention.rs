//! Which sealed segments go, and when a segment is sealed. Pure.

use crate::topic::Retention;

/// What the decision needs of one sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    pub(crate) bytes: u64,
    /// `None` when nothing in it can be read.
    pub(crate) max_timestamp_ms: Option<i64>,
}

/// How many of the oldest sealed segments go. Always a run from the front, so that offsets stay without a hole; the active segment never goes.
pub(crate) fn expired(
    sealed: &[SegmentFacts],
    active_bytes: u64,
    retention: Retention,
    partitions: u32,
    now_ms: i64,
) -> usize {
    let by_age = retention.max_age_ms.map_or(0, |max_age_ms| expired_by_age(sealed, max_age_ms, now_ms));
    let by_size = retention.max_bytes.map_or(0, |max_bytes| {
        let share = max_bytes / u64::from(partitions.max(1));
        let mut total = active_bytes + sealed.iter().map(|segment| segment.bytes).sum::<u64>();
        sealed
            .iter()
            .take_while(|segment| {
                let over = total > share;
                total -= segment.bytes;
                over
            })
            .count()
    });
    by_age.max(by_size)
}

/// Whether the active segment is sealed before a batch of `batch_bytes` with this largest timestamp is appended. `age_ms` is the largest timestamp
/// of the segment's first batch: one stray old record in a batch does not seal anything.
pub(crate) fn must_roll(
    limits: RollLimits,
    active_bytes: u64,
    age_ms: Option<i64>,
    batch_bytes: u64,
    now_ms: i64,
) -> bool {
    let too_old = age_ms.is_some_and(|first| now_ms.saturating_sub(first) >= limits.segment_age_ms);
    active_bytes > 0 && (too_old || active_bytes + batch_bytes > limits.segment_bytes)
}

/// Whether the active segment is sealed without an append, so that a quiet topic forgets too.
pub(crate) fn must_seal(
    limits: RollLimits,
    active_bytes: u64,
    timestamps_ms: Option<(i64, i64)>,
    retention: Retention,
    now_ms: i64,
) -> bool {
    let Some((first_ms, max_ms)) = timestamps_ms else { return false };
    let all_expired = retention.max_age_ms.is_some_and(|max_age_ms| now_ms.saturating_sub(max_ms) > max_age_ms);
    all_expired || must_roll(limits, active_bytes, Some(first_ms), 0, now_ms)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RollLimits {
    pub(crate) segment_bytes: u64,
    pub(crate) segment_age_ms: i64,
}

/// A segment goes when its newest record is too old. An unreadable one goes together with the next readable one: nobody knows its age.
fn expired_by_age(sealed: &[SegmentFacts], max_age_ms: i64, now_ms: i64) -> usize {
    let old = |ms: i64| now_ms.saturating_sub(ms) > max_age_ms;
    (0..sealed.len())
        .take_while(|&i| sealed[i..].iter().find_map(|segment| segment.max_timestamp_ms).is_some_and(old))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(list: &[(u64, i64)]) -> Vec<SegmentFacts> {
        list.iter().map(|&(bytes, ms)| SegmentFacts { bytes, max_timestamp_ms: (ms >= 0).then_some(ms) }).collect()
    }

    #[test]
    fn what_goes() {
        let age = |max| Retention { max_age_ms: Some(max), max_bytes: None };
        let size = |max| Retention { max_age_ms: None, max_bytes: Some(max) };
        let three = facts(&[(10, 100), (10, 200), (10, 300)]);
        for (segments, active, retention, partitions, now, want) in [
            (&three, 5, age(1_000), 1, 1_000, 0),
            (&three, 5, age(1_000), 1, 1_101, 1),
            (&three, 5, age(1_000), 1, 9_999, 3),
            (&three, 5, size(35), 1, 0, 0),
            (&three, 5, size(34), 1, 0, 1),
            (&three, 5, size(0), 1, 0, 3),
            (&three, 5, size(75), 3, 0, 1),
            (&three, 5, size(u64::MAX), 1, i64::MAX, 0),
            (&facts(&[(10, 300), (10, 100)]), 0, age(1_000), 1, 1_200, 0),
            (&facts(&[(10, -1), (10, 100)]), 0, age(1_000), 1, 1_100, 0),
            (&facts(&[(10, -1), (10, 100)]), 0, age(1_000), 1, 1_200, 2),
            (&facts(&[]), 99, size(1), 1, 0, 0),
        ] {
            assert_eq!(expired(segments, active, retention, partitions, now), want, "{segments:?} {retention:?} {now}");
        }
        let both = Retention { max_age_ms: Some(1_000), max_bytes: Some(15) };
        assert_eq!(expired(&three, 5, both, 1, 1_150), 2);
    }

    #[test]
    fn when_to_roll() {
        let limits = RollLimits { segment_bytes: 100, segment_age_ms: 50 };
        assert!(!must_roll(limits, 0, None, 500, 0), "an empty segment takes a batch of any size");
        assert!(!must_roll(limits, 60, Some(0), 40, 49));
        assert!(must_roll(limits, 60, Some(0), 41, 49));
        assert!(must_roll(limits, 60, Some(0), 1, 50));
        assert!(!must_roll(limits, 60, Some(i64::MAX), 1, i64::MIN));
        let month = Retention { max_age_ms: Some(30), max_bytes: None };
        assert!(!must_seal(limits, 0, None, month, 9_999));
        assert!(!must_seal(limits, 60, Some((0, 10)), month, 40));
        assert!(must_seal(limits, 60, Some((0, 10)), month, 41), "all of it has expired");
        assert!(must_seal(limits, 60, Some((0, 45)), month, 50), "it is old");
    }
}
