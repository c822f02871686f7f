//! How files of a warehouse on local disk are read: what is in the page cache is copied at once, and only a read that has to wait for the disk
//! is handed to a thread that may.
//!
//! In: ranges that Paimon's readers ask for. Out: their bytes. State: a few buffers for the next reads. Not here: everything else that is done to
//! files (opendal's own service).
//!
//! opendal's reader clears a buffer of up to 2 MiB for each read, keeps sixteen of them, and hands each open and each read to another thread, for
//! files that are in memory, too (decision 27).

use bytes::Bytes;
use opendal_core::raw::{
    Layer, OpCopier, OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir, RpPresign,
    RpRename, RpStat, Service, ServiceInfo, Servicer, new_std_io_error, new_task_join_error, oio,
};
use opendal_core::{Buffer, Capability, Error, OperationContext, Operator, Result};
use opendal_service_fs::Fs;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// One read has so many bytes at most: a longer range is several.
const READ_MAX: usize = 4 << 20;
/// Buffers of so many bytes are used again: fresh memory costs a fault for each of its pages.
const KEPT_MIN: usize = 64 << 10;
/// And so many bytes of them are kept while nobody reads.
const KEPT_MAX: usize = 16 << 20;

/// An operator for absolute paths without their first slash.
pub(crate) fn operator() -> Result<Operator> {
    Ok(Operator::new(Fs::default().root("/"))?.layer(LocalReads))
}

#[derive(Debug)]
struct LocalReads;

impl Layer for LocalReads {
    fn apply_service(&self, service: Servicer) -> Servicer {
        Arc::new(LocalFiles { service, buffers: Arc::default() })
    }
}

/// Buffers that were read into and are free again, each all of its length initialised.
#[derive(Debug, Default)]
struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// One of at least so many bytes, whatever is in them.
    fn take(&self, bytes: usize) -> Vec<u8> {
        if bytes < KEPT_MIN {
            return vec![0; bytes];
        }
        let wanted = bytes.next_power_of_two();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|buffer| buffer.len() == wanted);
        found.map_or_else(|| vec![0; wanted], |at| kept.swap_remove(at))
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() >= KEPT_MIN && kept.iter().map(Vec::len).sum::<usize>() + buffer.len() <= KEPT_MAX {
            kept.push(buffer);
        }
    }
}

/// What was read; its buffer is free again when nobody looks at it any more.
struct Lent {
    buffer: Vec<u8>,
    bytes: usize,
    buffers: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.bytes]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.buffer));
    }
}

/// Reads by itself, and has the service below do everything else.
#[derive(Debug)]
struct LocalFiles {
    service: Servicer,
    buffers: Arc<Buffers>,
}

impl Service for LocalFiles {
    type Reader = oio::PositionReader<LocalFile>;
    type Writer = oio::Writer;
    type Lister = oio::Lister;
    type Deleter = oio::Deleter;
    type Copier = oio::Copier;

    fn info(&self) -> ServiceInfo {
        self.service.info()
    }

    fn capability(&self) -> Capability {
        self.service.capability()
    }

    async fn create_dir(&self, context: &OperationContext, path: &str, args: OpCreateDir) -> Result<RpCreateDir> {
        self.service.create_dir(context, path, args).await
    }

    async fn stat(&self, context: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        self.service.stat(context, path, args).await
    }

    fn read(&self, _context: &OperationContext, path: &str, _args: OpRead) -> Result<Self::Reader> {
        let file = LocalFile { path: Path::new("/").join(path), buffers: self.buffers.clone() };
        Ok(oio::PositionReader::new(file).with_max_buf_size(READ_MAX))
    }

    fn write(&self, context: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        self.service.write(context, path, args)
    }

    fn delete(&self, context: &OperationContext) -> Result<Self::Deleter> {
        self.service.delete(context)
    }

    fn list(&self, context: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        self.service.list(context, path, args)
    }

    fn copy(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
        copier: OpCopier,
    ) -> Result<Self::Copier> {
        self.service.copy(context, from, to, args, copier)
    }

    async fn rename(&self, context: &OperationContext, from: &str, to: &str, args: OpRename) -> Result<RpRename> {
        self.service.rename(context, from, to, args).await
    }

    async fn presign(&self, context: &OperationContext, path: &str, args: OpPresign) -> Result<RpPresign> {
        self.service.presign(context, path, args).await
    }
}

/// A file that may be read.
pub(crate) struct LocalFile {
    path: PathBuf,
    buffers: Arc<Buffers>,
}

/// One that is.
pub(crate) struct OpenFile {
    file: Arc<File>,
    /// Files of a lake do not grow.
    bytes: u64,
    buffers: Arc<Buffers>,
}

impl LocalFile {
    fn failed(&self, error: io::Error) -> Error {
        new_std_io_error(error).with_context("path", self.path.to_string_lossy())
    }
}

impl oio::PositionRead for LocalFile {
    type Handle = OpenFile;

    async fn open(&self) -> Result<OpenFile> {
        let file = match open_cached(&self.path) {
            Some(opened) => opened,
            None => {
                let path = self.path.clone();
                tokio::task::spawn_blocking(move || File::open(path)).await.map_err(new_task_join_error)?
            }
        };
        let file = file.map_err(|error| self.failed(error))?;
        let bytes = file.metadata().map_err(|error| self.failed(error))?.len();
        Ok(OpenFile { file: Arc::new(file), bytes, buffers: self.buffers.clone() })
    }

    async fn read_at(open: &OpenFile, offset: u64, size: usize) -> Result<Buffer> {
        let left = open.bytes.saturating_sub(offset);
        let bytes = usize::try_from(left).map_or(size, |left| left.min(size));
        let mut lent = Lent { buffer: open.buffers.take(bytes), bytes, buffers: open.buffers.clone() };
        let done = read_cached(&open.file, &mut lent.buffer[..bytes], offset);
        if done < bytes {
            let file = open.file.clone();
            let rest = move || {
                file.read_exact_at(&mut lent.buffer[done..bytes], offset + done as u64)?;
                Ok(lent)
            };
            lent = tokio::task::spawn_blocking(rest).await.map_err(new_task_join_error)?.map_err(new_std_io_error)?;
        }
        Ok(Buffer::from(Bytes::from_owner(lent)))
    }
}

/// Opens the file if the way to it is in memory; None: it has to be opened by somebody who may wait.
#[cfg(target_os = "linux")]
fn open_cached(path: &Path) -> Option<io::Result<File>> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;
    match openat2(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => Some(Ok(file.into())),
        Err(Errno::NOENT) => Some(Err(Errno::NOENT.into())),
        // not in memory, or a kernel that does not know how
        Err(_) => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn open_cached(_path: &Path) -> Option<io::Result<File>> {
    None
}

/// Copies what is in the page cache; gives how many bytes from the first on. Whatever fails is tried again by somebody who tells the error.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, bytes: &mut [u8], offset: u64) -> usize {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut done = 0;
    while done < bytes.len() {
        let rest = &mut [io::IoSliceMut::new(&mut bytes[done..])];
        match preadv2(file, rest, offset + done as u64, ReadWriteFlags::NOWAIT) {
            Ok(0) | Err(_) => break,
            Ok(count) => done += count,
        }
    }
    done
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _bytes: &mut [u8], _offset: u64) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use opendal_core::ErrorKind;

    #[tokio::test]
    async fn ranges_are_read_as_they_are_and_what_is_not_there_is_told() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..3 * READ_MAX + 5).map(|at| (at % 251) as u8).collect();
        std::fs::write(&path, &content).expect("a file");
        std::fs::write(folder.path().join("empty"), []).expect("a file");
        let files = operator()?;
        let at = |name: &str| folder.path().join(name).to_string_lossy().trim_start_matches('/').to_owned();

        assert!(files.read(&at("file")).await?.to_vec() == content, "more than one read");
        assert!(files.read(&at("empty")).await?.is_empty());
        let reader = files.reader(&at("file")).await?;
        for (from, to) in [(0, 1), (7, 4_103), (READ_MAX - 3, READ_MAX + 3), (content.len() - 9, content.len())] {
            assert_eq!(reader.read(from as u64..to as u64).await?.to_vec(), &content[from..to]);
        }
        drop(reader);
        let again = files.read_with(&at("file")).range(1..KEPT_MIN as u64 + 2).await?;
        assert_eq!(again.to_vec(), &content[1..KEPT_MIN + 2], "in a buffer that had something else");
        let reader = files.reader(&at("file")).await?;
        let beyond = reader.read(content.len() as u64 - 1..content.len() as u64 + 9).await;
        assert!(beyond.is_err(), "it ends before");
        let missing = files.read(&at("missing")).await.expect_err("it is not there");
        assert!(missing.kind() == ErrorKind::NotFound && missing.to_string().contains("missing"), "{missing}");
        let folder = files.read(&at("")).await;
        assert!(folder.is_err(), "a folder has no bytes");
        // everything else is done by the service below
        files.write(&at("written"), "text").await?;
        assert_eq!(files.read(&at("written")).await?.to_vec(), b"text");
        files.delete(&at("written")).await?;
        assert!(!files.exists(&at("written")).await?);
        Ok(())
    }
}
