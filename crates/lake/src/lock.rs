//! The advisory lock of a local warehouse: one process commits to it at a time.

use crate::error::{LakeError, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Beside the databases; Paimon's catalogs list only directories that end in `.db`.
const LOCK_FILE: &str = ".hoga.lock";
/// A process id and a newline; anything longer is not ours and is not shown.
const HOLDER_BYTES_MAX: u64 = 32;

/// Held for as long as any table of the warehouse is open. The operating system gives it back when the process dies,
/// however it dies, so a stale lock file never blocks a restart.
#[derive(Debug)]
pub(crate) struct WarehouseLock {
    _file: File,
}

impl WarehouseLock {
    /// Fails at once, without waiting, if anyone else holds it: two committers on one warehouse lose acknowledged
    /// commits silently, because publishing a snapshot is an existence check and then a rename.
    pub(crate) fn acquire(warehouse: &Path) -> Result<WarehouseLock> {
        let path = warehouse.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LakeError::io("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LakeError::WarehouseLocked { path: warehouse.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => {
                return Err(LakeError::Io { action: "lock", path, source });
            }
        }
        // Only for the message above; the lock holds without it.
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        written.map_err(LakeError::io("write the lock file", &path))?;
        Ok(WarehouseLock { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(HOLDER_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!(" (process {})", text.trim()),
        _ => String::new(),
    }
}
