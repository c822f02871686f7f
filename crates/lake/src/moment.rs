//! A table as it was: the snapshot that a moment names, and a view of it with the columns it had.

use crate::error::{LakeError, Result};
use crate::expire::tags_of;
use crate::live::{LiveTable, State, TableIdentity};
use crate::paimon_schema::arrow_schema;
use crate::scan::{Pinned, View};
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use hoga_model::time::utc_iso;
use paimon::Table;
use paimon::spec::Snapshot;
use std::sync::Arc;

const NANOS_PER_MS: i64 = 1_000_000;
pub(crate) const NOTHING_COMMITTED: &str = "nothing has been committed yet";
/// Snapshots may expire while the one of a time is searched for.
const SEARCHES_MAX: usize = 5;

/// What to read instead of now. Only committed rows have a past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    Snapshot(i64),
    Tag(String),
    /// The newest snapshot that is not younger, milliseconds since the epoch.
    Time(i64),
    /// A tag of this name, else the snapshot of this number.
    Version(String),
}

impl Moment {
    /// The names of Paimon's options for it.
    pub const OPTIONS: [&str; 5] =
        ["scan.snapshot-id", "scan.tag-name", "scan.timestamp-millis", "scan.timestamp", "scan.version"];

    /// What an option with this value says; times without a zone are UTC. The error says what is wrong.
    pub fn of_option(option: &str, value: &str) -> std::result::Result<Moment, String> {
        let value = value.trim();
        let number = |what: &str| value.parse::<i64>().map_err(|_| format!("'{option}' = '{value}' is not {what}"));
        Ok(match option {
            "scan.snapshot-id" => Moment::Snapshot(number("a snapshot's number")?),
            "scan.tag-name" => Moment::Tag(value.to_owned()),
            "scan.timestamp-millis" => Moment::Time(number("a number of milliseconds since 1970")?),
            "scan.timestamp" => {
                let nanos = string_to_timestamp_nanos(value)
                    .map_err(|_| format!("'{option}' = '{value}' is not a time like 2026-11-26 22:00:00"))?;
                Moment::Time(nanos.div_euclid(NANOS_PER_MS))
            }
            "scan.version" => Moment::Version(value.to_owned()),
            _ => return Err(format!("'{option}' names no moment; use one of {}", Moment::OPTIONS.join(", "))),
        })
    }
}

impl LiveTable {
    /// The table as it was, with the columns it had then. Its files stay while the view does: expiry waits for it, and what a
    /// tag keeps is left alone by the cleaner for a day after the tag has gone.
    ///
    /// # Errors
    /// There is no such snapshot or tag, or none so old; the error says which there are.
    pub async fn view_at(&self, moment: &Moment) -> Result<View> {
        let pinned = self.pinned_at(moment).await?;
        let identity = match pinned.snapshot.schema_id() == self.committer.table.schema().id() {
            true => Arc::clone(&self.identity),
            false => {
                let schema = arrow_schema(self.name(), pinned.table.schema())?;
                Arc::new(TableIdentity::new(self.name().to_owned(), schema, &pinned.table)?)
            }
        };
        let state = State::default().with_pinned(Some(Arc::new(pinned)));
        Ok(View { identity, state: Arc::new(state) })
    }

    pub(crate) async fn pinned_at(&self, moment: &Moment) -> Result<Pinned> {
        let found = match moment {
            Moment::Snapshot(id) => self.snapshot_of(*id).await?,
            Moment::Time(ms) => self.snapshot_at(*ms).await?,
            Moment::Tag(tag) => match self.pinned_tag(tag).await? {
                Some(pinned) => return Ok(pinned),
                None => return Err(self.unknown_tag(tag).await?),
            },
            Moment::Version(version) => match (self.pinned_tag(version).await?, version.parse::<i64>()) {
                (Some(pinned), _) => return Ok(pinned),
                (None, Ok(id)) => self.snapshot_of(id).await?,
                (None, Err(_)) => return Err(self.unknown_tag(version).await?),
            },
        };
        if let Some(snapshot) = found {
            let pinned = Pinned::new(&self.table_as_of(&snapshot).await?, snapshot, &self.pins);
            if pinned.is_kept() {
                return Ok(pinned);
            }
        }
        let asked = match moment {
            Moment::Time(ms) => format!("there is no snapshot at or before {}", utc_iso(*ms)),
            Moment::Snapshot(id) => format!("snapshot {id} does not exist (any more)"),
            Moment::Tag(name) | Moment::Version(name) => format!("snapshot {name} does not exist (any more)"),
        };
        Err(self.no_moment(format!("{asked}; {}", self.range().await?)))
    }

    pub(crate) async fn pinned_tag(&self, tag: &str) -> Result<Option<Pinned>> {
        if tag.trim().is_empty() {
            return Ok(None);
        }
        let snapshot = tags_of(&self.committer.table).get(tag).await.map_err(self.committer.failed("read a tag"))?;
        let Some(snapshot) = snapshot else { return Ok(None) };
        let table = self.table_as_of(&snapshot).await?;
        Ok(Some(Pinned::new(&table, snapshot, &self.pins)))
    }

    async fn snapshot_of(&self, id: i64) -> Result<Option<Snapshot>> {
        match self.committer.table.snapshot_manager().get_snapshot(id).await {
            Err(paimon::Error::SnapshotNotExist { .. }) => Ok(None),
            snapshot => snapshot.map(Some).map_err(self.committer.failed("read a snapshot")),
        }
    }

    pub(crate) async fn snapshot_at(&self, ms: i64) -> Result<Option<Snapshot>> {
        let manager = self.committer.table.snapshot_manager();
        let mut searches = 1;
        loop {
            match manager.earlier_or_equal_time_millis(ms).await {
                Err(paimon::Error::SnapshotNotExist { .. }) if searches < SEARCHES_MAX => searches += 1,
                found => return found.map_err(self.committer.failed("find a snapshot by its time")),
            }
        }
    }

    /// The table with the columns of a snapshot.
    async fn table_as_of(&self, snapshot: &Snapshot) -> Result<Table> {
        let table = &self.committer.table;
        if snapshot.schema_id() == table.schema().id() {
            return Ok(table.clone());
        }
        let failed = || self.committer.failed("read an older schema");
        let schema = table.schema_manager().schema(snapshot.schema_id()).await.map_err(failed())?;
        // the options stay today's: how to read is not history
        let schema = schema.copy_with_replaced_options(table.schema().options().clone());
        table.copy_with_resolved_schema(schema, table.branch()).map_err(failed())
    }

    /// Which snapshots there are, for errors.
    async fn range(&self) -> Result<String> {
        let shown = |snapshot: &Snapshot| {
            format!("{} ({})", snapshot.id(), utc_iso(i64::try_from(snapshot.time_millis()).unwrap_or_default()))
        };
        Ok(match self.first_and_last().await? {
            Some((first, last)) => format!("there are {} to {}", shown(&first), shown(&last)),
            None => NOTHING_COMMITTED.to_owned(),
        })
    }

    /// The oldest snapshot that there is, and the newest.
    pub(crate) async fn first_and_last(&self) -> Result<Option<(Snapshot, Snapshot)>> {
        let mut snapshots = self.committer.all_snapshots().await?.into_values();
        let Some(first) = snapshots.next() else { return Ok(None) };
        let last = snapshots.next_back().unwrap_or_else(|| first.clone());
        Ok(Some((first, last)))
    }

    pub(crate) async fn unknown_tag(&self, tag: &str) -> Result<LakeError> {
        let names =
            tags_of(&self.committer.table).list_all_names().await.map_err(self.committer.failed("list tags"))?;
        let known = match names.is_empty() {
            true => "there are no tags; CALL sys.create_tag makes one".to_owned(),
            false => format!("there are \"{}\"", names.join("\", \"")),
        };
        Ok(self.no_moment(format!("tag \"{tag}\" does not exist; {known}")))
    }

    pub(crate) fn no_moment(&self, reason: String) -> LakeError {
        LakeError::Moment { table: self.name().to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_paimons() {
        for (option, value, expected) in [
            ("scan.snapshot-id", "3", Ok(Moment::Snapshot(3))),
            ("scan.tag-name", "x y", Ok(Moment::Tag("x y".to_owned()))),
            ("scan.timestamp-millis", "1500", Ok(Moment::Time(1_500))),
            ("scan.timestamp", "1970-01-01 00:00:01.5", Ok(Moment::Time(1_500))),
            ("scan.timestamp", "1970-01-02", Ok(Moment::Time(86_400_000))),
            ("scan.timestamp", "1970-01-01T09:00:00+09:00", Ok(Moment::Time(0))),
            ("scan.version", "7", Ok(Moment::Version("7".to_owned()))),
            ("scan.snapshot-id", "x", Err("'scan.snapshot-id' = 'x' is not a snapshot's number")),
            ("scan.timestamp", "noon", Err("'scan.timestamp' = 'noon' is not a time like 2026-11-26 22:00:00")),
        ] {
            assert_eq!(Moment::of_option(option, value), expected.map_err(str::to_owned), "{option} {value}");
        }
    }
}
