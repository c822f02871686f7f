//! A snapshot made and published: its manifests, its two lists, and one step that cannot overwrite what another committer
//! has published.

use crate::commit::Committer;
use crate::error::{LakeError, Result};
use crate::manifest::{ENTRY_VERSION, Weight, describe, encode_list, encode_manifest, is_removal, settle, to_merge};
use crate::step::step;
use crate::sync::sync_directory;
use hoga_model::time::{Clock, SystemClock};
use paimon::spec::{
    CommitKind, DataFileMeta, FileKind, Manifest, ManifestEntry, ManifestFileMeta, ManifestList, Snapshot,
};
use paimon::{CommitMessage, DataSplit};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

/// Of the snapshots' format.
const SNAPSHOT_VERSION: i32 = 3;
/// Another committer may publish between our look and our publishing, but hardly this often in a row.
const TRIES_MAX: usize = 20;
/// Paimon's name for a table whose rows are in no fixed bucket.
const UNAWARE_BUCKET: &str = "-1";

/// What a snapshot does to a table.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) kind: CommitKind,
    pub(crate) commit_user: String,
    pub(crate) identifier: i64,
    pub(crate) entries: Vec<ManifestEntry>,
    pub(crate) changelog: Vec<ManifestEntry>,
    /// Buckets of the entries.
    pub(crate) buckets: Option<Range<i32>>,
    pub(crate) only_if: Condition,
    /// Of the snapshot; a compaction has none.
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) watermark: Option<i64>,
}

/// Without which a change is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    /// This snapshot is still the latest.
    Latest(i64),
    /// The files that the change takes out were there in this snapshot, and nobody has taken one of them out since.
    FilesSince(i64),
}

impl Change {
    /// Of files that `messages` bring.
    pub(crate) fn append(commit_user: &str, identifier: i64, messages: &[CommitMessage], buckets: i32) -> Change {
        let added = |files: fn(&CommitMessage) -> &Vec<DataFileMeta>| {
            let entries = |message: &CommitMessage| {
                let total = message.total_buckets.unwrap_or(buckets);
                let (partition, bucket) = (message.partition.clone(), message.bucket);
                let entry = move |file: &DataFileMeta| {
                    ManifestEntry::new(FileKind::Add, partition.clone(), bucket, total, file.clone(), ENTRY_VERSION)
                };
                files(message).iter().map(entry).collect::<Vec<_>>()
            };
            messages.iter().flat_map(entries).collect()
        };
        let bucket = || messages.iter().map(|message| message.bucket);
        Change {
            kind: CommitKind::APPEND,
            commit_user: commit_user.to_owned(),
            identifier,
            entries: added(|message| &message.new_files),
            changelog: added(|message| &message.new_changelog_files),
            buckets: bucket().min().zip(bucket().max()).map(|(min, max)| min..max + 1),
            only_if: Condition::None,
            properties: BTreeMap::new(),
            watermark: None,
        }
    }

    /// Takes a split's files out of the table.
    pub(crate) fn take_out(&mut self, split: &DataSplit) {
        let partition = split.partition().to_serialized_bytes();
        let (bucket, total) = (split.bucket(), split.total_buckets());
        self.entries.extend(split.data_files().iter().map(|file| {
            ManifestEntry::new(FileKind::Delete, partition.clone(), bucket, total, file.clone(), ENTRY_VERSION)
        }));
        let buckets = self.buckets.take().unwrap_or(bucket..bucket + 1);
        self.buckets = Some(buckets.start.min(bucket)..buckets.end.max(bucket + 1));
    }

    fn rows(&self) -> i64 {
        let rows = |entry: &ManifestEntry| match is_removal(entry) {
            true => -entry.file().row_count,
            false => entry.file().row_count,
        };
        self.entries.iter().map(rows).sum()
    }
}

impl Committer {
    /// Publishes the change on top of the latest snapshot. None if its condition does not hold (any more).
    ///
    /// When it returns, snapshot and manifests are on disk and synced, and so are the directories' entries of them. Dying in
    /// between leaves manifests that no snapshot names, or the whole.
    pub(crate) async fn publish(&self, change: &Change) -> Result<Option<Snapshot>> {
        let manager = self.table.snapshot_manager();
        for _ in 0..TRIES_MAX {
            let latest = manager.get_latest_snapshot().await.map_err(self.failed("read the latest snapshot"))?;
            if !self.holds(change, latest.as_ref()).await? {
                return Ok(None);
            }
            let snapshot = self.snapshot_of(change, latest.as_ref()).await?;
            if self.publish_file(&snapshot).await? {
                // a hint that is behind costs its reader a look into the folder
                if let Err(error) = manager.write_latest_hint(snapshot.id()).await {
                    tracing::warn!(table = self.name, %error, "cannot write the hint of the latest snapshot");
                }
                return Ok(Some(snapshot));
            }
        }
        Err(LakeError::Contended { table: self.name.clone(), tries: TRIES_MAX })
    }

    async fn holds(&self, change: &Change, latest: Option<&Snapshot>) -> Result<bool> {
        let (base, latest) = match (change.only_if, latest.map_or(0, Snapshot::id)) {
            (Condition::None, _) => return Ok(true),
            (Condition::Latest(base), latest) => return Ok(base == latest),
            (Condition::FilesSince(base), latest) => (base, latest),
        };
        let removed: HashSet<&str> =
            change.entries.iter().filter(|entry| is_removal(entry)).map(|entry| &*entry.file().file_name).collect();
        for id in base + 1..=latest {
            let snapshot = match self.table.snapshot_manager().get_snapshot(id).await {
                Err(paimon::Error::SnapshotNotExist { .. }) => return Ok(false), // nobody knows any more what it did
                snapshot => snapshot.map_err(self.failed("read a snapshot"))?,
            };
            for manifest in self.read_list(snapshot.delta_manifest_list()).await? {
                let entries = self.read_manifest(manifest.file_name()).await?;
                if entries.iter().any(|entry| is_removal(entry) && removed.contains(&*entry.file().file_name)) {
                    return Ok(false);
                }
            }
        }
        Ok(base <= latest) // else the table was rolled back
    }

    /// Buckets of the table, as its options say.
    pub(crate) fn total_buckets(&self) -> i32 {
        let options = self.table.schema().options();
        options.get("bucket").map_or(UNAWARE_BUCKET, String::as_str).trim().parse().unwrap_or(-1)
    }

    /// Writes what the snapshot names, but not the snapshot.
    async fn snapshot_of(&self, change: &Change, latest: Option<&Snapshot>) -> Result<Snapshot> {
        let base = match latest {
            Some(latest) => self.merged(self.manifests_of(latest).await?).await?,
            None => Vec::new(),
        };
        let unique = unique_name();
        let list = |number: usize| format!("manifest-list-{unique}-{number}");
        let delta = self.write_manifest(&change.entries, change.buckets.clone()).await?;
        let changelog = self.write_manifest(&change.changelog, change.buckets.clone()).await?;
        self.write_list(&list(0), &base).await?;
        self.write_list(&list(1), &delta).await?;
        let changelog_size = match changelog.is_empty() {
            true => None,
            false => Some(self.write_list(&list(2), &changelog).await? as i64),
        };
        let rows = change.rows();
        let rows_before = latest.map_or(Some(0), Snapshot::total_record_count);
        let schema_id = self.table.schema().id();
        let same_schema = latest.filter(|latest| latest.schema_id() == schema_id);
        Ok(Snapshot::builder()
            .version(SNAPSHOT_VERSION)
            .id(latest.map_or(0, Snapshot::id) + 1)
            .schema_id(schema_id)
            .base_manifest_list(list(0))
            .delta_manifest_list(list(1))
            .changelog_manifest_list(changelog_size.map(|_| list(2)))
            .changelog_manifest_list_size(changelog_size)
            .changelog_record_count(
                changelog_size.map(|_| change.changelog.iter().map(|entry| entry.file().row_count).sum()),
            )
            .commit_user(change.commit_user.clone())
            .commit_identifier(change.identifier)
            .commit_kind(change.kind.clone())
            .time_millis(SystemClock.now_ms().max(0) as u64)
            .total_record_count(rows_before.map(|before| before + rows))
            .delta_record_count(Some(rows))
            // as in Java: never backwards, and kept by changes that say nothing of it
            .watermark(latest.and_then(Snapshot::watermark).max(change.watermark))
            .properties((!change.properties.is_empty()).then(|| change.properties.clone().into_iter().collect()))
            .statistics(same_schema.and_then(Snapshot::statistics).map(str::to_owned))
            .index_manifest(latest.and_then(Snapshot::index_manifest).map(str::to_owned))
            .next_row_id(latest.and_then(Snapshot::next_row_id))
            .build())
    }

    /// All manifests of a snapshot, oldest first.
    pub(crate) async fn manifests_of(&self, snapshot: &Snapshot) -> Result<Vec<ManifestFileMeta>> {
        let mut manifests = self.read_list(snapshot.base_manifest_list()).await?;
        manifests.extend(self.read_list(snapshot.delta_manifest_list()).await?);
        Ok(manifests)
    }

    pub(crate) async fn read_list(&self, name: &str) -> Result<Vec<ManifestFileMeta>> {
        let path = self.table.snapshot_manager().manifest_path(name);
        ManifestList::read(self.table.file_io(), &path).await.map_err(self.failed("read a manifest list"))
    }

    pub(crate) async fn read_manifest(&self, name: &str) -> Result<Vec<ManifestEntry>> {
        let path = self.table.snapshot_manager().manifest_path(name);
        Manifest::read(self.table.file_io(), &path).await.map_err(self.failed("read a manifest"))
    }

    /// The same entries in fewer manifests, if it is time for that.
    async fn merged(&self, mut manifests: Vec<ManifestFileMeta>) -> Result<Vec<ManifestFileMeta>> {
        let weights: Vec<Weight> = manifests.iter().map(Weight::of).collect();
        let Some(range) = to_merge(&weights) else { return Ok(manifests) };
        let mut entries = Vec::new();
        for manifest in &manifests[range.clone()] {
            entries.extend(self.read_manifest(manifest.file_name()).await?);
        }
        let bounds = |bound: fn(&ManifestFileMeta) -> Option<i32>| {
            manifests[range.clone()].iter().map(bound).collect::<Option<Vec<i32>>>().unwrap_or_default()
        };
        let (min, max) = (bounds(ManifestFileMeta::min_bucket), bounds(ManifestFileMeta::max_bucket));
        let buckets = min.into_iter().min().zip(max.into_iter().max()).map(|(min, max)| min..max + 1);
        let merged = self.write_manifest(&settle(entries), buckets).await?;
        manifests.splice(range, merged);
        Ok(manifests)
    }

    /// None for no entries.
    async fn write_manifest(
        &self,
        entries: &[ManifestEntry],
        buckets: Option<Range<i32>>,
    ) -> Result<Vec<ManifestFileMeta>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let name = format!("manifest-{}-0", unique_name());
        let bytes = encode_manifest(entries).map_err(self.failed("encode a manifest"))?;
        let meta =
            describe(&self.name, &self.table.schema().partition_fields(), (&name, bytes.len()), entries, buckets)?;
        self.write_metadata(&name, bytes).await?;
        Ok(vec![meta])
    }

    async fn write_list(&self, name: &str, manifests: &[ManifestFileMeta]) -> Result<usize> {
        let bytes = encode_list(manifests).map_err(self.failed("encode a manifest list"))?;
        let length = bytes.len();
        self.write_metadata(name, bytes).await?;
        Ok(length)
    }

    async fn write_metadata(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.table.snapshot_manager().manifest_path(name);
        let output = self.table.file_io().new_output(&path).map_err(self.failed("write a manifest"))?;
        output.write(bytes.into()).await.map_err(self.failed("write a manifest"))?;
        step(self.files.place())
    }

    /// False if a snapshot of this number is there already.
    async fn publish_file(&self, snapshot: &Snapshot) -> Result<bool> {
        let json = serde_json::to_vec(snapshot).map_err(|error| LakeError::Encoding {
            table: self.name.clone(),
            what: "a snapshot",
            reason: error.to_string(),
        })?;
        self.files.publish(&self.name, snapshot.id(), json).await
    }

    pub(crate) fn failed(&self, action: &'static str) -> impl FnOnce(paimon::Error) -> LakeError {
        LakeError::paimon(&self.name, action)
    }
}

/// Writes a file under a name that nobody has: a link fails on an existing one, where a rename would replace it. True once it
/// is there for good, false if the name is taken.
pub(crate) fn publish_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<bool> {
    std::fs::create_dir_all(folder).map_err(LakeError::io("create the folder", folder))?;
    let (target, draft) = (folder.join(name), folder.join(format!(".{name}.{}", unique_name())));
    let written = File::create_new(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let linked = written.map_err(LakeError::io("write the snapshot", &draft)).and_then(|()| {
        match std::fs::hard_link(&draft, &target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(LakeError::io("link the snapshot", &target)(error)),
        }
    });
    // a draft that stays is no snapshot; the care of the table removes it one day
    if let Err(error) = std::fs::remove_file(&draft) {
        tracing::debug!(draft = %draft.display(), %error, "cannot remove the snapshot's draft");
    }
    if linked? {
        sync_directory(folder)?;
        return Ok(true);
    }
    Ok(false)
}

/// 128 random bits, written as Paimon writes its names.
pub fn unique_name() -> String {
    let text = format!("{:032x}", rand::random::<u128>());
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
