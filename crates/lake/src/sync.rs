//! Directory entries made durable. Paimon syncs the files it writes, but not the directories that name them: after a
//! power cut a committed snapshot could point to names that are not there.

use crate::error::{LakeError, Result};
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Subdirectories of a table that never hold data files.
pub(crate) const METADATA_DIRECTORIES: [&str; 9] =
    ["schema", "snapshot", "manifest", "index", "tag", "branch", "changelog", "consumer", "statistics"];

/// Syncs one directory; a directory that does not exist has no entry to lose.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    match File::open(path) {
        Ok(directory) => directory.sync_all().map_err(LakeError::io("sync the directory", path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LakeError::Io { action: "open the directory", path: path.to_owned(), source: error }),
    }
}

/// Syncs the directories that hold `files` (bucket and file name) and the ones above them, up to the table's.
///
/// They are looked for by name: the crate does not say where it put a file, and a partition's directory name has
/// escapes of its own.
pub(crate) fn sync_data_directories(table: &Path, partition_depth: usize, files: &[(i32, String)]) -> Result<()> {
    let mut partitions = Vec::new();
    collect_partitions(table, partition_depth, &mut partitions)?;
    let mut directories = std::collections::BTreeSet::new();
    for (bucket, name) in files {
        let bucket_directory = format!("bucket-{bucket}");
        let Some(partition) = partitions.iter().rev().find(|dir| dir.join(&bucket_directory).join(name).exists())
        else {
            return Err(LakeError::Io {
                action: "find the data file just written in",
                path: table.join(name),
                source: std::io::ErrorKind::NotFound.into(),
            });
        };
        directories.insert(partition.join(&bucket_directory));
        directories.extend(partition.ancestors().take_while(|dir| dir.starts_with(table)).map(Path::to_owned));
    }
    directories.iter().try_for_each(|directory| sync_directory(directory))
}

/// Where these data files are; those that are gone are left out.
pub(crate) fn find_data_files(table: &Path, partition_depth: usize, names: &HashSet<String>) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if names.is_empty() {
        return Ok(found);
    }
    for bucket in bucket_directories(table, partition_depth)? {
        let list = || LakeError::io("list the directory", &bucket);
        for entry in std::fs::read_dir(&bucket).map_err(list())? {
            let entry = entry.map_err(list())?;
            if entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// All folders of data files.
pub(crate) fn bucket_directories(table: &Path, partition_depth: usize) -> Result<Vec<PathBuf>> {
    let mut partitions = Vec::new();
    collect_partitions(table, partition_depth, &mut partitions)?;
    let mut buckets = Vec::new();
    for partition in partitions {
        let list = || LakeError::io("list the directory", &partition);
        for entry in std::fs::read_dir(&partition).map_err(list())? {
            let entry = entry.map_err(list())?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with("bucket-")) {
                buckets.push(entry.path());
            }
        }
    }
    Ok(buckets)
}

fn collect_partitions(directory: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<()> {
    if depth == 0 {
        out.push(directory.to_owned());
        return Ok(());
    }
    let list = || LakeError::io("list the directory", directory);
    let mut below = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(list())? {
        let entry = entry.map_err(list())?;
        let is_metadata = METADATA_DIRECTORIES.iter().any(|name| entry.file_name() == *name);
        if !is_metadata && entry.file_type().map_err(list())?.is_dir() {
            below.push(entry.path());
        }
    }
    below.sort(); // dates sort as text: the newest partition, where the files are, comes last
    below.iter().try_for_each(|path| collect_partitions(path, depth - 1, out))
}
