//! Whole batches as they lie in a segment's file: the kernel can send them without this process touching them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::verified::Verified;

/// Batches that this process has checked or written, by their place. The file stays readable as long as this lives, also when retention
/// deletes it meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct FileSlice {
    pub(crate) file: Arc<File>,
    pub(crate) position: u64,
    pub(crate) len: usize,
    /// Of the segment that was appended to a moment ago: its pages are in memory.
    pub(crate) is_recent: bool,
    pub(crate) verified: Arc<Verified>,
}

impl FileSlice {
    /// The bytes themselves. `UnexpectedEof` if somebody has cut the file: what was known of it is forgotten then.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.len];
        self.file.read_exact_at(&mut bytes, self.position).inspect_err(|_| self.verified.forget())?;
        Ok(Bytes::from(bytes))
    }

    /// Moves up to `max_bytes` of it into a socket that does not block; how many were taken. It may wait for the disk if the pages are not in memory.
    #[cfg(target_os = "linux")]
    pub(crate) fn send(&self, socket: impl std::os::fd::AsFd, max_bytes: usize) -> io::Result<usize> {
        let mut position = self.position;
        let sent = rustix::fs::sendfile(socket, &*self.file, Some(&mut position), self.len.min(max_bytes))?;
        if sent == 0 && self.len > 0 {
            self.verified.forget();
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(sent)
    }

    /// Without its first bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.len);
        self.position += bytes as u64;
        self.len -= bytes;
    }
}
