//! A data file that is written row group by row group, since it is too large to be put together in memory.
//!
//! Effect: a file that no snapshot names yet; if writing it fails, or the process dies, it is an orphan.

use super::file::{FileEncoder, FileLayout};
use super::{BUCKET, DataFileWriter};
use crate::error::{LakeError, Result};
use crate::pack::PackedBatch;
use paimon::CommitMessage;
use paimon::io::FileWrite;

/// Rows that the crate's writer gets at a time.
const CHUNK_ROWS: usize = 8_192;

/// How it is written.
pub(crate) struct GrowingLayout<'a> {
    pub(crate) without_dictionary: &'a [String],
    /// Of a page at most.
    pub(crate) page_rows: usize,
    /// The column that rows are sorted by first.
    pub(crate) sorted_by: Option<usize>,
    pub(crate) zstd_level: i32,
}

pub(crate) struct GrowingFile {
    writer: DataFileWriter,
    encoder: FileEncoder,
    output: Box<dyn FileWrite>,
    name: String,
    bytes: usize,
    /// As a commit message has it.
    partition: Vec<u8>,
}

impl DataFileWriter {
    /// A file of an append table, for the partition of these rows. None, having written nothing, if its name is no folder's or there are several.
    pub(crate) async fn start(
        &self,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
        layout: GrowingLayout<'_>,
    ) -> Result<Option<GrowingFile>> {
        let partition = match self.partitions(batches, rows)?.as_deref() {
            Some([partition]) => partition.values.clone(),
            _ => return Ok(None),
        };
        let layout = FileLayout {
            schema: &self.schema,
            file_schema: &self.file_schema,
            without_dictionary: layout.without_dictionary,
            row_group_rows: usize::MAX, // as they come
            row_bytes: 0,
            chunk_rows: CHUNK_ROWS,
            page_rows: layout.page_rows,
            sorted_by: layout.sorted_by,
            zstd_level: layout.zstd_level,
        };
        let encoder = FileEncoder::new(&layout, 0).map_err(self.cannot_encode())?;
        let failed = || LakeError::paimon(&self.name, "write data files");
        let (directory, name) = (self.directory(&partition), DataFileWriter::new_name());
        let files = self.table.file_io();
        files.mkdirs(&format!("{directory}/")).await.map_err(failed())?;
        let output = files.new_output(&format!("{directory}/{name}")).map_err(failed())?;
        let output = output.writer().await.map_err(failed())?;
        let partition = self.partition_row(&partition);
        Ok(Some(GrowingFile { writer: self.clone(), encoder, output, name, bytes: 0, partition }))
    }
}

impl GrowingFile {
    /// Adds rows of the file's partition, in their order; `between` is called after each column.
    pub(crate) async fn put_group(
        &mut self,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
        between: &mut dyn FnMut(),
    ) -> Result<()> {
        self.encoder.put_group(batches, rows, between).map_err(self.writer.cannot_encode())?;
        let bytes = self.encoder.take().map_err(self.writer.cannot_encode())?;
        self.bytes += bytes.len();
        self.output.write(bytes.into()).await.map_err(LakeError::paimon(&self.writer.name, "write data files"))
    }

    /// Durable on return, but for the names of its folders.
    pub(crate) async fn finish(mut self) -> Result<CommitMessage> {
        let (bytes, metadata) = self.encoder.finish().map_err(self.writer.cannot_encode())?;
        self.bytes += bytes.len();
        let failed = || LakeError::paimon(&self.writer.name, "write data files");
        self.output.write(bytes.into()).await.map_err(failed())?;
        self.output.close().await.map_err(failed())?;
        let file = self.writer.describe(&self.name, self.bytes, &metadata, None)?;
        Ok(CommitMessage::new(self.partition, BUCKET, vec![file]))
    }
}
