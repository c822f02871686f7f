//! A table's folder, wherever it is: what commits and the care of tables do to files by themselves, without the crate.
//!
//! On the local disk every step is synced as `sync.rs` and `publish.rs` say. In a store an object that was accepted is
//! durable, and a folder is a prefix: there is nothing to sync.

use crate::error::{LakeError, Result};
use crate::expire::{Doomed, Expired};
use crate::orphans::{Candidate, Kind};
use crate::publish::publish_file;
use crate::step::step;
use crate::store::{StoreFolder, StoredObject};
use crate::sync::{METADATA_DIRECTORIES, sync_data_directories, sync_directory};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

#[derive(Debug, Clone)]
pub(crate) enum Files {
    Disk(PathBuf),
    Store(StoreFolder),
}

impl Files {
    /// For messages, and for tests to name a table by.
    pub(crate) fn place(&self) -> &Path {
        match self {
            Files::Disk(directory) => directory,
            Files::Store(folder) => folder.place(),
        }
    }

    /// Makes the names of data files durable that were just written. Blocks.
    pub(crate) fn sync_data(&self, depth: usize, files: &[(i32, String)]) -> Result<()> {
        match self {
            Files::Disk(directory) => sync_data_directories(directory, depth, files),
            Files::Store(_) => Ok(()),
        }
    }

    /// The same for data files out of a checkpoint. One that is gone is an error: its path.
    pub(crate) async fn find_prepared(
        &self,
        table: &str,
        depth: usize,
        files: Vec<(i32, String)>,
    ) -> Result<Result<(), PathBuf>> {
        match self {
            Files::Disk(directory) => {
                let directory = directory.clone();
                let look = move || sync_data_directories(&directory, depth, &files);
                match blocking(table, "look for prepared files", look).await {
                    Err(LakeError::Io { path, source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                        Ok(Err(path))
                    }
                    found => found.map(Ok),
                }
            }
            Files::Store(folder) => {
                let objects = folder.list("").await?;
                let there: HashSet<&str> = objects.iter().filter_map(|object| data_file(object, depth)).collect();
                let gone = files.iter().find(|(_, name)| !there.contains(&**name));
                Ok(gone.map_or(Ok(()), |(_, name)| Err(folder.place().join(name))))
            }
        }
    }

    /// Makes the names of manifests and snapshots durable that another process may have written.
    pub(crate) async fn sync_metadata(&self, table: &str) -> Result<()> {
        let Files::Disk(directory) = self else { return Ok(()) };
        let directory = directory.clone();
        let sync = move || {
            sync_directory(&directory.join("manifest"))?;
            sync_directory(&directory.join("snapshot"))
        };
        blocking(table, "sync directories", sync).await
    }

    /// Publishes a snapshot whose manifests are written: durable when it returns true. False if its number is taken.
    pub(crate) async fn publish(&self, table: &str, id: i64, json: Vec<u8>) -> Result<bool> {
        match self {
            Files::Disk(directory) => {
                let directory = directory.clone();
                let publish = move || {
                    sync_directory(&directory.join("manifest"))?; // before anything points into it
                    step(&directory)?;
                    let published = publish_file(&directory.join("snapshot"), &format!("snapshot-{id}"), &json)?;
                    step(&directory)?;
                    Ok(published)
                };
                blocking(table, "publish a snapshot", publish).await
            }
            Files::Store(folder) => folder.create(&format!("snapshot/snapshot-{id}"), &json).await,
        }
    }

    /// Writes a version of the schema: durable when it returns true. False if its number is taken.
    pub(crate) async fn publish_schema(&self, table: &str, id: i64, json: Vec<u8>) -> Result<bool> {
        match self {
            Files::Disk(directory) => {
                let folder = directory.join("schema");
                let write = move || publish_file(&folder, &format!("schema-{id}"), &json);
                blocking(table, "write a schema", write).await
            }
            Files::Store(folder) => folder.create(&format!("schema/schema-{id}"), &json).await,
        }
    }

    /// Names of the consumers that have left their place in the table.
    pub(crate) async fn consumers(&self) -> Result<Vec<String>> {
        let names = match self {
            Files::Disk(directory) => names_in(&directory.join("consumer"))?,
            Files::Store(folder) => folder.list("consumer").await?.into_iter().map(|object| object.path).collect(),
        };
        Ok(names.iter().filter_map(|name| name.strip_prefix("consumer-")).map(str::to_owned).collect())
    }

    /// Deletes what expired: first the snapshots, then what they alone named.
    pub(crate) async fn expire(&self, table: &str, depth: usize, doomed: Doomed) -> Result<Expired> {
        match self {
            Files::Disk(directory) => {
                let directory = directory.clone();
                let carry_out = move || crate::expire::carry_out(&directory, depth, &doomed);
                blocking(table, "expire snapshots", carry_out).await
            }
            Files::Store(folder) => {
                let objects = folder.list("").await?;
                folder.put("snapshot/EARLIEST", doomed.first_kept.to_string().into_bytes()).await?;
                let snapshots: Vec<String> =
                    doomed.snapshots.iter().map(|id| format!("snapshot/snapshot-{id}")).collect();
                folder.delete(&snapshots).await?;
                let is_doomed = |object: &&StoredObject| match object.path.strip_prefix("manifest/") {
                    Some(name) => doomed.metadata.contains(name),
                    None => data_file(object, depth).is_some_and(|name| doomed.data.contains(name)),
                };
                let files: Vec<&StoredObject> = objects.iter().filter(is_doomed).collect();
                folder.delete(&files.iter().map(|object| object.path.clone()).collect::<Vec<_>>()).await?;
                Ok(Expired {
                    snapshots: snapshots.len() as u64,
                    files: files.len() as u64,
                    bytes: files.iter().map(|object| object.bytes).sum(),
                })
            }
        }
    }

    /// Files that may be orphans: last written before `older_than_ms`, in folders that this crate writes.
    pub(crate) async fn candidates(&self, table: &str, depth: usize, older_than_ms: i64) -> Result<Vec<Candidate>> {
        match self {
            Files::Disk(directory) => {
                let directory = directory.clone();
                let look = move || crate::orphans::candidates(&directory, depth, older_than_ms);
                blocking(table, "look for orphan files", look).await
            }
            Files::Store(folder) => {
                let limit = UNIX_EPOCH + Duration::from_millis(older_than_ms.max(0) as u64);
                let objects = folder.list("").await?;
                if objects.iter().any(|object| object.path.starts_with("branch/")) {
                    return Ok(Vec::new());
                }
                let is_old = |object: &StoredObject| object.modified.is_some_and(|modified| modified < limit);
                let candidate = |object: StoredObject| {
                    let (name, kind) = match object.path.strip_prefix("manifest/") {
                        Some(name) if name.starts_with("manifest-") => (name.to_owned(), Kind::Metadata),
                        Some(_) => return None,
                        None => (data_file(&object, depth)?.to_owned(), Kind::Data),
                    };
                    Some(Candidate { path: PathBuf::from(object.path), name, kind, bytes: object.bytes })
                };
                Ok(objects.into_iter().filter(is_old).filter_map(candidate).collect())
            }
        }
    }

    /// Deletes files by the paths that [`candidates`](Self::candidates) gave; those that are gone already are no error.
    pub(crate) async fn delete(&self, table: &str, paths: Vec<PathBuf>) -> Result<()> {
        match self {
            Files::Disk(_) => {
                let delete = move || paths.iter().try_for_each(|path| crate::expire::delete(path).map(drop));
                blocking(table, "delete files", delete).await
            }
            Files::Store(folder) => {
                let paths: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
                folder.delete(&paths).await
            }
        }
    }
}

/// Work with the disk, where it keeps nobody waiting.
async fn blocking<T: Send + 'static>(
    table: &str,
    action: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(LakeError::worker(table, action))?
}

/// Of all entries; none if there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let failed = || LakeError::io("list the directory", folder);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed())?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed())?.file_name();
        names.extend(name.to_str().map(str::to_owned));
    }
    Ok(names)
}

/// The name of a data file, if the object is one: it is in a bucket's folder below those of `depth` partition columns.
fn data_file(object: &StoredObject, depth: usize) -> Option<&str> {
    let parts: Vec<&str> = object.path.split('/').collect();
    let is_data =
        parts.len() == depth + 2 && parts[depth].starts_with("bucket-") && !METADATA_DIRECTORIES.contains(&parts[0]);
    is_data.then(|| parts[depth + 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_files_by_their_path() {
        let name = |path: &str, depth| {
            data_file(&StoredObject { path: path.to_owned(), bytes: 0, modified: None }, depth).map(str::to_owned)
        };
        assert_eq!(name("dt=2026-11-26/bucket-0/data-1.parquet", 1).as_deref(), Some("data-1.parquet"));
        assert_eq!(name("bucket-postpone/data-1.parquet", 0).as_deref(), Some("data-1.parquet"));
        for path in [
            "manifest/manifest-1",
            "snapshot/snapshot-1",
            "schema/bucket-0/x",
            "dt=1/bucket-0",
            "bucket-0/x",
            "dt=1/hour=2/bucket-0/x",
        ] {
            assert_eq!(name(path, 1), None, "{path}");
        }
    }
}
