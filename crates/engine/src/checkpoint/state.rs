//! The file of a checkpoint's state: for each node its columns as an Arrow IPC stream, one behind the other.
//!
//! It is written and synced before the checkpoint that names it, with its length and checksum; a torn, missing or changed
//! file is told by its name and never read.

use super::CheckpointId;
use super::store::{StoreError, io_error};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, Write};
use std::path::Path;
use std::sync::Arc;

/// Names the file in the checkpoint's folder and proves it whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    pub file: String,
    pub bytes: u64,
    pub crc32c: u32,
}

/// A node's part of the file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub start: u64,
    pub end: u64,
}

pub(super) const PREFIX: &str = "state-";
pub(super) const SUFFIX: &str = ".arrow";

pub(super) fn file_name(id: CheckpointId) -> String {
    format!("{PREFIX}{id:012}{SUFFIX}")
}

/// What a node kept at one moment. It is made into batches only while it is written: what is large would be in memory twice.
pub(crate) trait Kept: Send + Sync {
    fn is_empty(&self) -> bool;

    /// Of one schema; the same each time.
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + '_>;
}

impl Kept for Vec<RecordBatch> {
    fn is_empty(&self) -> bool {
        self.iter().all(|batch| batch.num_rows() == 0)
    }

    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + '_> {
        Box::new(self.iter().cloned().map(Ok))
    }
}

/// The file, and where in it each node's part is.
pub(crate) type Written = (Option<StateFile>, Vec<Option<Section>>);

/// Writes what nodes kept; durable on return, but for the folder's entry. None if there is nothing to write. The sections are in
/// the order of `nodes`.
pub(crate) fn write(folder: &Path, id: CheckpointId, nodes: &[Arc<dyn Kept>]) -> Result<Written, StoreError> {
    if nodes.iter().all(|kept| kept.is_empty()) {
        return Ok((None, vec![None; nodes.len()]));
    }
    let name = file_name(id);
    let path = folder.join(&name);
    let failed = |source| io_error("write", &path, source);
    let file = File::create(&path).map_err(|source| io_error("create", &path, source))?;
    let mut out = Checked { inner: BufWriter::new(file), bytes: 0, crc32c: 0 };
    let mut sections = Vec::with_capacity(nodes.len());
    for kept in nodes {
        if kept.is_empty() {
            sections.push(None);
            continue;
        }
        let start = out.bytes;
        write_stream(&mut out, &**kept).map_err(failed)?;
        sections.push(Some(Section { start, end: out.bytes }));
    }
    let (bytes, crc32c) = (out.bytes, out.crc32c);
    let file = out.inner.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok((Some(StateFile { file: name, bytes, crc32c }), sections))
}

fn write_stream(out: &mut Checked, kept: &dyn Kept) -> io::Result<()> {
    let mut batches = kept.batches();
    let Some(first) = batches.next().transpose().map_err(io::Error::other)? else { return Ok(()) };
    let mut stream = StreamWriter::try_new(out, first.schema_ref()).map_err(io::Error::other)?;
    let mut put = |batch: &RecordBatch| stream.write(batch).map_err(io::Error::other);
    put(&first)?;
    for batch in batches {
        put(&batch.map_err(io::Error::other)?)?;
    }
    stream.finish().map_err(io::Error::other)
}

/// The file's bytes, proved to be what was written.
pub fn read(folder: &Path, state: &StateFile) -> Result<Vec<u8>, StoreError> {
    let path = folder.join(&state.file);
    let damaged = |reason: String| StoreError::State { path: path.clone(), reason };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Err(damaged("it is missing".into())),
        Err(source) => return Err(io_error("read", &path, source)),
    };
    if bytes.len() as u64 != state.bytes {
        return Err(damaged(format!("it has {} bytes, not {}", bytes.len(), state.bytes)));
    }
    let found = crc32c::crc32c(&bytes);
    if found != state.crc32c {
        return Err(damaged(format!("its checksum is {found:08x}, not {:08x}", state.crc32c)));
    }
    Ok(bytes)
}

/// A node's batches out of the file's bytes.
pub fn section(bytes: &[u8], section: Section) -> Result<Vec<RecordBatch>, String> {
    let range = usize::try_from(section.start).ok().zip(usize::try_from(section.end).ok());
    let part = range.and_then(|(start, end)| bytes.get(start..end)).ok_or("a section outside of the file")?;
    let stream = StreamReader::try_new(Cursor::new(part), None).map_err(|error| error.to_string())?;
    stream.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())
}

/// Counts and sums up what goes through it.
struct Checked {
    inner: BufWriter<File>,
    bytes: u64,
    crc32c: u32,
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};

    fn batch(from: i64) -> RecordBatch {
        let number: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + 100));
        let text: ArrayRef = Arc::new(StringArray::from_iter_values((from..from + 100).map(|n| format!("row {n}"))));
        RecordBatch::try_from_iter([("number", number), ("text", text)]).expect("a batch")
    }

    fn kept(nodes: &[Vec<RecordBatch>]) -> Vec<Arc<dyn Kept>> {
        nodes.iter().map(|batches| Arc::new(batches.clone()) as Arc<dyn Kept>).collect()
    }

    #[test]
    fn what_was_written_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let nodes = vec![vec![batch(0), batch(100)], Vec::new(), vec![batch(7)]];
        let (file, sections) = write(folder.path(), 3, &kept(&nodes)).expect("written");
        let file = file.expect("a file");
        let bytes = read(folder.path(), &file).expect("whole");
        assert_eq!(section(&bytes, sections[0].expect("rows")), Ok(nodes[0].clone()));
        assert_eq!(sections[1], None);
        assert_eq!(section(&bytes, sections[2].expect("rows")), Ok(nodes[2].clone()));
        assert_eq!(write(folder.path(), 4, &kept(&[Vec::new()])).expect("nothing"), (None, vec![None]));
    }

    #[test]
    fn damage_is_told_by_the_files_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, _) = write(folder.path(), 3, &kept(&[vec![batch(0)]])).expect("written");
        let file = file.expect("a file");
        let path = folder.path().join(&file.file);
        let whole = std::fs::read(&path).expect("bytes");
        let told = |expected: &str| {
            let error = read(folder.path(), &file).map(drop).map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|text| text.contains("state-000000000003.arrow") && text.contains(expected)),
                "{error:?}"
            );
        };
        for at in (0..whole.len()).step_by(97) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, &flipped).expect("writable");
            told("checksum");
            std::fs::write(&path, &whole[..at]).expect("writable");
            told("bytes");
        }
        std::fs::remove_file(&path).expect("removable");
        told("missing");
    }
}
