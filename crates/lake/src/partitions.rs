//! Partitions that are older than the table keeps them go, as `partition.expiration-time` says: a hot copy of some days.
//!
//! Paimon's rule: a partition goes once the time that its value names, the beginning of the day, is longer ago than the option
//! says. The rows leave the latest snapshot; older snapshots and tags keep them as long as they are there.

use crate::duration::parse_duration_ms;
use crate::error::{LakeError, Result};
use crate::live::LiveTable;
use crate::publish::{Change, Condition};
use hoga_model::time::utc_date;
use paimon::spec::{CommitKind, Datum};
use std::collections::HashSet;

const EXPIRATION: &str = "partition.expiration-time";
const PATTERN: &str = "partition.timestamp-pattern";
const DAY_MS: i64 = 86_400_000;
/// Names these snapshots.
const COMMIT_USER_SUFFIX: &str = "-expire";

/// Whether a day's partition is over. A value that is no date never is.
pub(crate) fn is_over(value: &Datum, now_ms: i64, age_ms: i64) -> bool {
    let limit_ms = now_ms - age_ms;
    match value {
        Datum::Date(days) => i64::from(*days) * DAY_MS < limit_ms,
        Datum::String(text) => {
            let Some(date) = dashed(text) else { return false };
            let limit = utc_date(limit_ms);
            date < limit || (date == limit && limit_ms.rem_euclid(DAY_MS) > 0)
        }
        _ => false,
    }
}

/// `2026-11-26` from itself or from `20261126`.
fn dashed(text: &str) -> Option<String> {
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split('-').collect::<Vec<_>>()[..] {
        [day] if day.len() == 8 && is_digits(day) => Some(format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..])),
        [year, month, day] if [year.len(), month.len(), day.len()] == [4, 2, 2] => {
            [year, month, day].iter().all(|part| is_digits(part)).then(|| text.to_owned())
        }
        _ => None,
    }
}

impl LiveTable {
    /// How many partitions went: those older than `age_ms`, or than the table's option says; without either none does.
    ///
    /// Atomic: one snapshot takes them all out. A commit that comes in between does not matter, unless it takes out the same
    /// files; then it is tried again another time.
    pub async fn expire_partitions(&self, age_ms: Option<i64>, now_ms: i64) -> Result<u64> {
        let schema = self.committer.table.schema();
        let invalid = |reason: String| LakeError::InvalidSpec { table: self.name().to_owned(), reason };
        let age_ms = match (age_ms, schema.options().get(EXPIRATION)) {
            (Some(age_ms), _) => age_ms,
            (None, None) => return Ok(0),
            (None, Some(text)) => parse_duration_ms(text)
                .ok_or_else(|| invalid(format!("'{EXPIRATION}' = '{text}' is not a duration like '7 d'")))?,
        };
        let fields = schema.partition_fields();
        let pattern = schema.options().get(PATTERN).map(|pattern| pattern.trim_start_matches('$').to_owned());
        let place = match &pattern {
            None => Some(0).filter(|_| !fields.is_empty()),
            Some(column) => fields.iter().position(|field| field.name() == column),
        };
        let Some(place) = place else {
            return Err(invalid(format!("partitions expire by one partition key with a date: '{PATTERN}' = '$dt'")));
        };
        let _turn = self.care.lock().await;
        let failed = || self.committer.failed("expire partitions");
        let latest = self.committer.table.snapshot_manager().get_latest_snapshot().await.map_err(failed())?;
        let Some(latest) = latest else { return Ok(0) };
        let table = self.committer.table.copy_with_pinned_snapshot(&latest);
        let splits = self.committer.splits(&table, "expire partitions").await?;
        let user = format!("{}{COMMIT_USER_SUFFIX}", self.committer.commit_user);
        let mut change = Change::append(&user, latest.id(), &[], self.committer.total_buckets());
        let mut partitions = HashSet::new();
        for split in splits {
            let value = split.partition().get_datum(place, fields[place].data_type()).map_err(failed())?;
            if value.is_some_and(|value| is_over(&value, now_ms, age_ms)) {
                partitions.insert(split.partition().to_serialized_bytes());
                change.take_out(&split);
            }
        }
        if partitions.is_empty() {
            return Ok(0);
        }
        change.kind = CommitKind::OVERWRITE;
        change.only_if = Condition::FilesSince(latest.id());
        let published = {
            let _turn = self.committer.one_at_a_time.lock().await;
            self.committer.publish(&change).await?
        };
        self.catch_up().await?;
        Ok(published.map_or(0, |_| partitions.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_over() {
        let noon = 20_000 * DAY_MS + DAY_MS / 2; // 2024-10-04T12:00Z
        let week = 7 * DAY_MS;
        for (value, expected) in [
            ("2024-09-26", true),
            ("2024-09-27", true), // began 7.5 days ago
            ("2024-09-28", false),
            ("20240926", true),
            ("20240928", false),
            ("yesterday", false),
            ("1-1-1", false),
            ("", false),
        ] {
            assert_eq!(is_over(&Datum::String(value.to_owned()), noon, week), expected, "{value}");
        }
        let midnight = 20_000 * DAY_MS;
        assert!(!is_over(&Datum::String("2024-09-27".to_owned()), midnight, week), "exactly seven days");
        assert!(is_over(&Datum::Date(19_993), noon, week));
        assert!(!is_over(&Datum::Date(19_993), midnight, week));
    }
}
