//! Files that nobody names are removed a day after they were written: what a process left that died while it wrote, or
//! while it expired snapshots.
//!
//! Never touched: anything younger than the grace period, what is prepared here and not committed, and folders of Paimon's
//! that this crate does not write (branches, indexes, statistics). A table with branches is left alone.

use crate::commit::Committer;
use crate::error::{LakeError, Result};
use crate::expire::Named;
use crate::live::LiveTable;
use crate::sync::bucket_directories;
use paimon::spec::Snapshot;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// A file younger than this may be about to be named.
pub const ORPHAN_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a person who calls for it may ask for: younger files may be a commit's that is being made, here or by another process, and the table would
/// then name files that are gone.
pub const ORPHAN_GRACE_MIN: Duration = Duration::from_secs(60 * 60);

/// What was found, and removed if that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Orphans {
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Metadata,
    Data,
    Draft,
}

#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
}

impl LiveTable {
    /// Removes files last written before `older_than_ms` that no snapshot and no tag names; with `is_dry_run` only counts.
    ///
    /// What an earlier process prepared is known here once it has been committed again: do not call this before recovery.
    pub async fn remove_orphans(&self, older_than_ms: i64, is_dry_run: bool) -> Result<Orphans> {
        let _turn = self.care.lock().await;
        let depth = self.committer.table.schema().partition_keys().len();
        // in this order: what is named meanwhile is among those prepared, or in a snapshot that is read after
        let candidates = self.committer.files.candidates(self.name(), depth, older_than_ms).await?;
        if candidates.is_empty() {
            return Ok(Orphans::default());
        }
        let prepared = self.prepared_files();
        let named = self.committer.all_named().await?;
        let orphans: Vec<Candidate> = candidates
            .into_iter()
            .filter(|candidate| match candidate.kind {
                Kind::Metadata => !named.metadata.contains(&candidate.name),
                Kind::Data => !named.data.contains(&candidate.name) && !prepared.contains(&candidate.name),
                Kind::Draft => true,
            })
            .collect();
        let found = Orphans { files: orphans.len() as u64, bytes: orphans.iter().map(|orphan| orphan.bytes).sum() };
        if !is_dry_run {
            let paths = orphans.into_iter().map(|orphan| orphan.path).collect();
            self.committer.files.delete(self.name(), paths).await?;
        }
        Ok(found)
    }
}

impl Committer {
    /// Every file that a snapshot or a tag names, added or taken out.
    async fn all_named(&self) -> Result<Named> {
        let mut named = Named::default();
        let tagged = self.tagged().await?;
        let snapshots: Vec<Snapshot> =
            self.all_snapshots().await?.into_values().chain(tagged.into_iter().map(|(_, tagged)| tagged)).collect();
        for snapshot in &snapshots {
            self.name_metadata(snapshot, &mut named.metadata).await?;
        }
        for name in
            named.metadata.iter().filter(|name| !name.starts_with("manifest-list-")).cloned().collect::<Vec<_>>()
        {
            named.name_data(&self.read_manifest(&name).await?);
        }
        // not ours to judge
        named.metadata.extend(snapshots.iter().filter_map(|snapshot| snapshot.index_manifest().map(str::to_owned)));
        Ok(named)
    }
}

pub(crate) fn candidates(directory: &Path, depth: usize, older_than_ms: i64) -> Result<Vec<Candidate>> {
    if directory.join("branch").exists() {
        return Ok(Vec::new());
    }
    let limit = UNIX_EPOCH + Duration::from_millis(older_than_ms.max(0) as u64);
    let mut found = Vec::new();
    let mut look = |folder: &Path, kind: fn(&str) -> Option<Kind>| -> Result<()> {
        let failed = || LakeError::io("list the directory", folder);
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed())?,
        };
        for entry in entries {
            let entry = entry.map_err(failed())?;
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                metadata => metadata.map_err(failed())?,
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_old = metadata.modified().map_err(failed())? < limit;
            if let Some(kind) = kind(&name).filter(|_| is_old && metadata.is_file()) {
                found.push(Candidate { path: entry.path(), name, kind, bytes: metadata.len() });
            }
        }
        Ok(())
    };
    look(&directory.join("manifest"), |name| name.starts_with("manifest-").then_some(Kind::Metadata))?;
    look(&directory.join("snapshot"), |name| name.starts_with('.').then_some(Kind::Draft))?;
    for bucket in bucket_directories(directory, depth)? {
        look(&bucket, |_| Some(Kind::Data))?;
    }
    Ok(found)
}
