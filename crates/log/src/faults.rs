//! A disk that fails on demand: for tests, here and in the rooms above, of what happens when it is full or broken.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by a test and the log it opened with `DiskOptions::faults`. By default nothing fails.
#[derive(Debug)]
pub struct Faults {
    room_bytes: AtomicU64,
    fail_sync: AtomicBool,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults { room_bytes: AtomicU64::new(u64::MAX), fail_sync: AtomicBool::new(false) }
    }
}

impl Faults {
    /// From now on this many bytes of record batches can be written; the write that does not fit is cut short and fails, as on a full disk.
    pub fn set_room_bytes(&self, room_bytes: u64) {
        self.room_bytes.store(room_bytes, Ordering::Relaxed);
    }

    /// Whether the next fsyncs of segments fail.
    pub fn set_fail_sync(&self, fail: bool) {
        self.fail_sync.store(fail, Ordering::Relaxed);
    }

    pub(crate) fn write_all_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        let room = self.room_bytes.load(Ordering::Relaxed);
        let len = bytes.len() as u64;
        if room == u64::MAX {
            return file.write_all_at(bytes, position);
        }
        self.room_bytes.store(room.saturating_sub(len), Ordering::Relaxed);
        file.write_all_at(&bytes[..len.min(room) as usize], position)?;
        if len > room { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        if self.fail_sync.load(Ordering::Relaxed) { Err(io::Error::other("injected")) } else { file.sync_data() }
    }
}
