//! Old snapshots go, with the files that only they named. A pure decision and the act beside it.
//!
//! Rules and options are Paimon's (`snapshot.num-retained.min` and `.max`, `snapshot.time-retained`). Kept besides: what tags
//! name, what consumers have not read, what somebody in this process reads, and our last commit, by which the next start knows
//! whether it happened. Snapshots go before the files they name, so every snapshot that is there can be read; a process
//! that dies in between leaves files that nobody names, for the cleaner of orphans.

use crate::commit::Committer;
use crate::duration::parse_duration_ms;
use crate::error::{LakeError, Result};
use crate::live::LiveTable;
use crate::manifest::is_removal;
use crate::step::step;
use crate::sync::{find_data_files, sync_directory};
use paimon::Table;
use paimon::spec::{ManifestEntry, Snapshot};
use paimon::table::{ConsumerManager, TagManager};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// In one call; the next goes on.
const SNAPSHOTS_MAX: i64 = 500;

/// Which snapshots stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// At least so many of the latest.
    pub snapshots_min: i64,
    /// At most so many, however young.
    pub snapshots_max: i64,
    /// Between the two: those younger than this.
    pub age_ms: i64,
}

impl Retention {
    /// Paimon's defaults.
    pub const DEFAULT: Retention = Retention { snapshots_min: 10, snapshots_max: i32::MAX as i64, age_ms: 3_600_000 };

    /// What a table's options say.
    pub(crate) fn of(table: &str, options: &HashMap<String, String>) -> Result<Retention> {
        let invalid = |option: &str, value: &str, wanted: &str| LakeError::InvalidSpec {
            table: table.to_owned(),
            reason: format!("'{option}' = '{value}' is not {wanted}"),
        };
        let count = |option: &str, default: i64| match options.get(option) {
            None => Ok(default),
            Some(text) => match text.trim().parse::<i64>() {
                Ok(count @ 1..) => Ok(count),
                _ => Err(invalid(option, text, "a number of snapshots, at least 1")),
            },
        };
        let age = "snapshot.time-retained";
        Ok(Retention {
            snapshots_min: count("snapshot.num-retained.min", Self::DEFAULT.snapshots_min)?,
            snapshots_max: count("snapshot.num-retained.max", Self::DEFAULT.snapshots_max)?,
            age_ms: match options.get(age) {
                None => Self::DEFAULT.age_ms,
                Some(text) => parse_duration_ms(text).ok_or_else(|| invalid(age, text, "a duration like '1 h'"))?,
            },
        })
    }
}

/// The first snapshot to keep, of those that exist: number and time of each, oldest first. None: all of them.
///
/// `held` is the first that something outside needs.
pub(crate) fn first_to_keep(
    snapshots: &[(i64, i64)],
    retention: Retention,
    held: Option<i64>,
    now_ms: i64,
) -> Option<i64> {
    let ((earliest, _), (latest, _)) = (snapshots.first()?, snapshots.last()?);
    let too_many = (latest - retention.snapshots_max + 1).max(*earliest);
    let enough = (latest - retention.snapshots_min.max(1) + 1)
        .min(held.unwrap_or(i64::MAX))
        .min(earliest + SNAPSHOTS_MAX)
        .max(*earliest);
    let young = |time_ms: i64| now_ms - time_ms < retention.age_ms;
    let first = snapshots.iter().find(|(id, time_ms)| *id >= enough || (*id >= too_many && young(*time_ms)));
    first.map(|(id, _)| *id).filter(|id| id > earliest)
}

/// What one call did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    pub snapshots: u64,
    pub files: u64,
    pub bytes: u64,
}

/// What goes: first the snapshots, then what they alone named.
#[derive(Debug, Default)]
pub(crate) struct Doomed {
    pub(crate) snapshots: Vec<i64>,
    pub(crate) first_kept: i64,
    pub(crate) metadata: HashSet<String>,
    pub(crate) data: HashSet<String>,
}

impl LiveTable {
    /// Deletes what is older than the table's own options say, or than `retention` if it is given.
    ///
    /// Whatever exists afterwards, or if the process dies in between, can be read.
    pub async fn expire_snapshots(&self, retention: Option<Retention>, now_ms: i64) -> Result<Expired> {
        let _turn = self.care.lock().await;
        let retention = retention.map_or_else(|| self.retention(), Ok)?;
        self.catch_up().await?;
        let snapshots = self.committer.all_snapshots().await?;
        let times: Vec<(i64, i64)> =
            snapshots.iter().map(|(id, snapshot)| (*id, snapshot.time_millis() as i64)).collect();
        let held = self.committer.held(&snapshots).await?;
        let Some(wanted) = first_to_keep(&times, retention, held, now_ms) else { return Ok(Expired::default()) };
        let first_kept = self.pins.expire_before(wanted);
        let Some(doomed) = self.committer.doomed(&snapshots, first_kept).await? else { return Ok(Expired::default()) };
        let depth = self.committer.table.schema().partition_keys().len();
        self.committer.files.expire(self.name(), depth, doomed).await
    }
}

impl Committer {
    /// Those that can be read; another process may expire some at the same time.
    pub(crate) async fn all_snapshots(&self) -> Result<BTreeMap<i64, Snapshot>> {
        let manager = self.table.snapshot_manager();
        let mut snapshots = BTreeMap::new();
        for id in manager.list_all_ids().await.map_err(self.failed("list snapshots"))? {
            match manager.get_snapshot(id).await {
                Err(paimon::Error::SnapshotNotExist { .. }) => {}
                snapshot => drop(snapshots.insert(id, snapshot.map_err(self.failed("read a snapshot"))?)),
            }
        }
        Ok(snapshots)
    }

    // tags and consumers one by one: the crate's lists of them are futures that cannot be sent to another thread

    pub(crate) async fn tagged(&self) -> Result<Vec<(String, Snapshot)>> {
        let (tags, mut found) = (tags_of(&self.table), Vec::new());
        for name in tags.list_all_names().await.map_err(self.failed("list tags"))? {
            if let Some(snapshot) = tags.get(&name).await.map_err(self.failed("read a tag"))? {
                found.push((name, snapshot));
            }
        }
        Ok(found)
    }

    /// The first snapshot that a consumer has not read or by which our own commits are known.
    async fn held(&self, snapshots: &BTreeMap<i64, Snapshot>) -> Result<Option<i64>> {
        let ours = snapshots.values().rev().find(|snapshot| snapshot.commit_user() == self.commit_user);
        let mut held = ours.map(Snapshot::id);
        for (_, next) in self.consumers().await? {
            held = held.into_iter().chain([next]).min();
        }
        Ok(held)
    }

    /// Names of the table's consumers, and the first snapshot that each has not read.
    pub(crate) async fn consumers(&self) -> Result<Vec<(String, i64)>> {
        let manager = ConsumerManager::new(self.table.file_io().clone(), self.table.location().to_owned());
        let mut found = Vec::new();
        for name in self.files.consumers().await? {
            let next = manager.get(&name).await.map_err(self.failed("read a consumer"))?;
            found.extend(next.map(|next| (name, next)));
        }
        Ok(found)
    }

    /// None if there is nothing before `first_kept`.
    async fn doomed(&self, snapshots: &BTreeMap<i64, Snapshot>, first_kept: i64) -> Result<Option<Doomed>> {
        let Some(kept) = snapshots.get(&first_kept) else { return Ok(None) };
        let mut doomed = Doomed { first_kept, ..Doomed::default() };
        let mut spared = Named::default();
        self.name_metadata(kept, &mut spared.metadata).await?;
        let tagged = self.tagged().await?;
        let tagged: Vec<&Snapshot> = tagged.iter().map(|(_, tagged)| tagged).filter(|t| t.id() < first_kept).collect();
        for tagged in tagged {
            self.name_metadata(tagged, &mut spared.metadata).await?;
            for manifest in self.manifests_of(tagged).await? {
                spared.name_data(&self.read_manifest(manifest.file_name()).await?);
            }
        }
        // what a snapshot took out was needed by those before it alone
        let mut gone = Named::default();
        for (id, snapshot) in snapshots.range(..=first_kept) {
            if *id < first_kept {
                doomed.snapshots.push(*id);
                self.name_metadata(snapshot, &mut gone.metadata).await?;
                if let Some(list) = snapshot.changelog_manifest_list() {
                    for manifest in self.read_list(list).await? {
                        gone.name_data(&self.read_manifest(manifest.file_name()).await?);
                    }
                }
            }
            if snapshots.range(..*id).next().is_none() {
                continue; // nobody is left who needed what the first took out
            }
            let mut taken_out = Named::default();
            let mut put_in = Named::default();
            for manifest in self.read_list(snapshot.delta_manifest_list()).await? {
                let entries = self.read_manifest(manifest.file_name()).await?;
                let (removed, added): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_removal);
                taken_out.name_data(&removed);
                put_in.name_data(&added); // the same file at another level
            }
            gone.data.extend(taken_out.data.difference(&put_in.data).cloned());
        }
        doomed.metadata = gone.metadata.difference(&spared.metadata).cloned().collect();
        doomed.data = gone.data.difference(&spared.data).cloned().collect();
        Ok((!doomed.snapshots.is_empty()).then_some(doomed))
    }

    /// Names of a snapshot's lists and manifests.
    pub(crate) async fn name_metadata(&self, snapshot: &Snapshot, names: &mut HashSet<String>) -> Result<()> {
        let mut lists = vec![snapshot.base_manifest_list(), snapshot.delta_manifest_list()];
        lists.extend(snapshot.changelog_manifest_list());
        for list in lists {
            names.insert(list.to_owned());
            names.extend(self.read_list(list).await?.iter().map(|manifest| manifest.file_name().to_owned()));
        }
        Ok(())
    }
}

pub(crate) fn tags_of(table: &Table) -> TagManager {
    TagManager::new(table.file_io().clone(), table.location().to_owned())
}

/// Files by their names, which are unique.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) metadata: HashSet<String>,
    pub(crate) data: HashSet<String>,
}

impl Named {
    pub(crate) fn name_data(&mut self, entries: &[ManifestEntry]) {
        let names = |entry: &ManifestEntry| {
            let file = entry.file();
            std::iter::once(file.file_name.clone()).chain(file.extra_files.clone()).collect::<Vec<_>>()
        };
        self.data.extend(entries.iter().flat_map(names));
    }
}

pub(crate) fn carry_out(directory: &Path, depth: usize, doomed: &Doomed) -> Result<Expired> {
    let snapshots = directory.join("snapshot");
    let files = find_data_files(directory, depth, &doomed.data)?;
    write_earliest_hint(&snapshots, doomed.first_kept)?;
    let mut expired = Expired::default();
    for id in &doomed.snapshots {
        delete(&snapshots.join(format!("snapshot-{id}")))?;
        step(directory)?;
        expired.snapshots += 1;
    }
    sync_directory(&snapshots)?; // a power cut must not bring back what names deleted files
    let metadata = doomed.metadata.iter().map(|name| directory.join("manifest").join(name));
    for path in metadata.chain(files) {
        expired.bytes += delete(&path)?;
        step(directory)?;
        expired.files += 1;
    }
    Ok(expired)
}

/// A reader that starts at the earliest snapshot does not take one that is about to go. Replaced as a whole, as Java does.
fn write_earliest_hint(snapshots: &Path, id: i64) -> Result<()> {
    let (hint, draft) =
        (snapshots.join("EARLIEST"), snapshots.join(format!(".EARLIEST.{}", crate::publish::unique_name())));
    std::fs::write(&draft, id.to_string()).map_err(LakeError::io("write the hint", &draft))?;
    std::fs::rename(&draft, &hint).map_err(LakeError::io("write the hint", &hint))
}

/// How many bytes it had; none if it is gone already.
pub(crate) fn delete(path: &Path) -> Result<u64> {
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    match std::fs::remove_file(path) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(LakeError::io("delete", PathBuf::from(path))(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// One snapshot a minute from 100 on, up to `latest`, which is now.
    fn keep(latest: i64, retention: Retention, held: Option<i64>) -> Option<i64> {
        let snapshots: Vec<(i64, i64)> = (100..=latest).map(|id| (id, id * 60_000)).collect();
        first_to_keep(&snapshots, retention, held, latest * 60_000)
    }

    #[test]
    fn as_paimon_does() {
        let default = Retention::DEFAULT;
        assert_eq!(first_to_keep(&[], default, None, 0), None);
        assert_eq!(keep(105, default, None), None, "fewer than ten");
        assert_eq!(keep(150, default, None), None, "all are young");
        assert_eq!(keep(200, default, None), Some(141), "an hour of them");
        assert_eq!(keep(200, Retention { age_ms: 0, ..default }, None), Some(191), "ten of them");
        assert_eq!(keep(200, Retention { snapshots_max: 20, ..default }, None), Some(181), "however young");
        assert_eq!(keep(200, default, Some(120)), Some(120), "somebody has not read it");
        assert_eq!(keep(200, default, Some(50)), None);
        assert_eq!(keep(900, default, None), Some(100 + SNAPSHOTS_MAX), "the next call goes on");
        assert_eq!(keep(200, Retention { snapshots_min: 1, snapshots_max: 1, age_ms: HOUR_MS }, None), Some(200));
    }

    #[test]
    fn options() {
        let of = |pairs: &[(&str, &str)]| {
            Retention::of("t", &pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(of(&[]).ok(), Some(Retention::DEFAULT));
        let all = of(&[
            ("snapshot.num-retained.min", "5"),
            ("snapshot.num-retained.max", "50"),
            ("snapshot.time-retained", "30 min"),
        ]);
        assert_eq!(all.ok(), Some(Retention { snapshots_min: 5, snapshots_max: 50, age_ms: HOUR_MS / 2 }));
        for (option, value) in [("snapshot.num-retained.min", "0"), ("snapshot.time-retained", "soon")] {
            let message = of(&[(option, value)]).map(|_| ()).map_err(|error| error.to_string());
            assert!(message.is_err_and(|text| text.contains(option) && text.contains(value)));
        }
    }
}
