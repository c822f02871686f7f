//! Checkpoint files: one JSON file each, written whole or not at all, with a file of state beside it; the last few are kept.

use super::state::{self, Kept, StateFile, Written};
use super::{Checkpoint, CheckpointId};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Older files are a help for people, not for recovery.
const KEPT_FILES: usize = 5;
const PREFIX: &str = "checkpoint-";
const SUFFIX: &str = ".json";

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {action} \"{}\": {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("checkpoint \"{}\" cannot be read: {reason}; restore it from a copy, or start with another --data folder", path.display())]
    Corrupt { path: PathBuf, reason: String },
    #[error("the state file \"{}\" is damaged: {reason}; restore it from a copy, or start with another --data folder", path.display())]
    State { path: PathBuf, reason: String },
}

/// The folder of checkpoints. One process writes it; the log's lock sees to that.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    folder: PathBuf,
}

impl CheckpointStore {
    pub fn open(folder: &Path) -> Result<CheckpointStore, StoreError> {
        fs::create_dir_all(folder).map_err(|source| io_error("create", folder, source))?;
        Ok(CheckpointStore { folder: folder.to_owned() })
    }

    /// The newest checkpoint, if there is one. A temporary file of an interrupted write is not a checkpoint.
    pub fn latest(&self) -> Result<Option<Checkpoint>, StoreError> {
        let Some((_, path)) = self.files(PREFIX, SUFFIX)?.pop() else { return Ok(None) };
        let text = fs::read(&path).map_err(|source| io_error("read", &path, source))?;
        let checkpoint =
            serde_json::from_slice(&text).map_err(|error| StoreError::Corrupt { path, reason: error.to_string() })?;
        Ok(Some(checkpoint))
    }

    /// Writes the state that the checkpoint of this id will name; see [`state::write`].
    pub(crate) fn write_state(&self, id: CheckpointId, nodes: &[Arc<dyn Kept>]) -> Result<Written, StoreError> {
        state::write(&self.folder, id, nodes)
    }

    /// The bytes of a checkpoint's state, proved to be whole.
    pub fn read_state(&self, file: &StateFile) -> Result<Vec<u8>, StoreError> {
        state::read(&self.folder, file)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// On return the checkpoint survives lost power. If the process dies one line earlier, it does not exist.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let path = self.path(checkpoint.id);
        let temporary = path.with_extension("tmp");
        let text = serde_json::to_vec(checkpoint)
            .map_err(|error| StoreError::Corrupt { path: path.clone(), reason: error.to_string() })?;
        let mut file = File::create(&temporary).map_err(|source| io_error("create", &temporary, source))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(|source| io_error("write", &temporary, source))?;
        fs::rename(&temporary, &path).map_err(|source| io_error("rename", &temporary, source))?;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| io_error("sync", &self.folder, source))?;
        self.drop_old(checkpoint.id)
    }

    /// The states of the last checkpoints are large and help nobody: that of the newest is enough.
    fn drop_old(&self, newest: CheckpointId) -> Result<(), StoreError> {
        let files = self.files(PREFIX, SUFFIX)?;
        let excess = files.len().saturating_sub(KEPT_FILES);
        let states = self.files(state::PREFIX, state::SUFFIX)?;
        let old_states = states.iter().filter(|(id, _)| *id < newest);
        for (_, path) in files[..excess].iter().chain(old_states) {
            fs::remove_file(path).map_err(|source| io_error("remove", path, source))?;
        }
        Ok(())
    }

    /// The files whose names have this form, oldest first.
    fn files(&self, prefix: &str, suffix: &str) -> Result<Vec<(CheckpointId, PathBuf)>, StoreError> {
        let entries = fs::read_dir(&self.folder).map_err(|source| io_error("read", &self.folder, source))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| io_error("read", &self.folder, source))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id =
                name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix)).and_then(|id| id.parse().ok());
            if let Some(id) = id {
                files.push((id, path));
            }
        }
        files.sort();
        Ok(files)
    }

    fn path(&self, id: CheckpointId) -> PathBuf {
        self.folder.join(format!("{PREFIX}{id:012}{SUFFIX}"))
    }
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(id: CheckpointId) -> Checkpoint {
        Checkpoint { id, time_ms: 7, ..Checkpoint::default() }
    }

    #[test]
    fn the_newest_whole_file_counts() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = CheckpointStore::open(folder.path())?;
        assert_eq!(store.latest()?, None);
        for id in 1..=12 {
            store.write(&checkpoint(id))?;
        }
        fs::write(folder.path().join("checkpoint-000000000013.tmp"), b"{\"id\":")?;
        assert_eq!(CheckpointStore::open(folder.path())?.latest()?, Some(checkpoint(12)));
        assert_eq!(store.files(PREFIX, SUFFIX)?.len(), KEPT_FILES);
        Ok(())
    }

    #[test]
    fn a_damaged_file_is_named_not_skipped() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = CheckpointStore::open(folder.path())?;
        store.write(&checkpoint(1))?;
        fs::write(folder.path().join("checkpoint-000000000002.json"), b"{\"id\":")?;
        // going back to checkpoint 1 would commit rows of checkpoint 2 twice
        let error = store.latest().map(|_| ()).map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|text| text.contains("checkpoint-000000000002.json")), "{error:?}");
        Ok(())
    }
}
