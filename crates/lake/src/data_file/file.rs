//! Rows of the tail as a Parquet file in memory. Pure.
//!
//! What the file is made of column by column: flat texts, instants, dates, integers and decimals by [`chunk`](super::chunk), all
//! other columns by the `parquet` crate's writer. Its schema and layout are those that Paimon's own writer gives.

use super::chunk::{self, Chunk, ColumnLayout};
use super::gather::{Gathered, can_gather, gather};
use super::page_ends::page_ends;
use crate::pack::PackedBatch;
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, ColumnPath};
use std::collections::HashSet;
use std::sync::Arc;
use zstd::bulk::Compressor;

/// Paimon's default.
pub(crate) const ZSTD_LEVEL: i32 = 1;
/// A reader skips by pages; so many rows at most, as the crate has it.
pub(crate) const PAGE_ROWS: usize = 20_000;

/// Of the crate's writer: its own default.
const WRITE_BATCH_ROWS: usize = 1_024;

/// How a file is written.
pub(crate) struct FileLayout<'a> {
    /// The columns of the batches.
    pub(crate) schema: &'a SchemaRef,
    /// The same columns as Paimon has them: with the ids of its fields.
    pub(crate) file_schema: &'a SchemaRef,
    /// Columns that get no dictionary.
    pub(crate) without_dictionary: &'a [String],
    pub(crate) row_group_rows: usize,
    /// Of a row in memory: a file is hardly larger.
    pub(crate) row_bytes: usize,
    /// How many rows the crate's writer gets at a time.
    pub(crate) chunk_rows: usize,
    /// Of a page at most.
    pub(crate) page_rows: usize,
    /// A text, for whose many rows a page ends ([`page_ends`]).
    pub(crate) sorted_by: Option<usize>,
    pub(crate) zstd_level: i32,
}

/// The file's bytes and what its footer says. `rows` are (batch, row), in their order in the file.
pub(crate) fn encode(
    layout: &FileLayout<'_>,
    batches: &[&PackedBatch],
    rows: &[(usize, usize)],
) -> Result<(Vec<u8>, ParquetMetaData)> {
    let mut file = FileEncoder::new(layout, rows.len() * layout.row_bytes)?;
    for rows in rows.chunks(layout.row_group_rows.max(1)) {
        file.put_group(batches, rows, &mut || {})?;
    }
    file.finish()
}

/// A file, row group by row group.
pub(crate) struct FileEncoder {
    schema: SchemaRef,
    file_schema: SchemaRef,
    /// Columns without a dictionary.
    plain: HashSet<String>,
    chunk_rows: usize,
    page_rows: usize,
    sorted_by: Option<usize>,
    file: SerializedFileWriter<Vec<u8>>,
    factory: ArrowRowGroupWriterFactory,
    compressor: Compressor<'static>,
    groups: usize,
}

impl FileEncoder {
    /// `bytes` of memory are there from the start.
    pub(crate) fn new(layout: &FileLayout<'_>, bytes: usize) -> Result<FileEncoder> {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(layout.zstd_level)?))
            .set_data_page_row_count_limit(layout.page_rows)
            .set_write_batch_size(layout.page_rows.min(WRITE_BATCH_ROWS)); // the limit is looked at after so many
        for column in layout.without_dictionary {
            properties = properties.set_column_dictionary_enabled(ColumnPath::new(vec![column.clone()]), false);
        }
        let sink = Vec::with_capacity(bytes);
        let writer = ArrowWriter::try_new(sink, layout.file_schema.clone(), Some(properties.build()))?;
        let (file, factory) = writer.into_serialized_writer()?;
        Ok(FileEncoder {
            schema: layout.schema.clone(),
            file_schema: layout.file_schema.clone(),
            plain: layout.without_dictionary.iter().cloned().collect(),
            chunk_rows: layout.chunk_rows.max(1),
            page_rows: layout.page_rows.max(1),
            sorted_by: layout.sorted_by,
            file,
            factory,
            compressor: Compressor::new(layout.zstd_level)?,
            groups: 0,
        })
    }

    /// Adds a row group. `between` is called after each column.
    pub(crate) fn put_group(
        &mut self,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
        between: &mut dyn FnMut(),
    ) -> Result<()> {
        let columns = Columns::new(&self.schema, &self.file_schema, self.file.schema_descr().columns(), batches)?;
        let mut writers = self.factory.create_column_writers(self.groups)?;
        self.groups += 1;
        columns.write_others(&self.file_schema, self.chunk_rows, batches, rows, &mut writers)?;
        let page_ends = page_ends(batches, rows, self.sorted_by, self.page_rows);
        let mut writers = writers.into_iter();
        let mut group = self.file.next_row_group()?;
        for (field, column) in columns.all.iter().enumerate() {
            let own = writers.by_ref().take(column.leaves);
            match &column.parts {
                None => {
                    for writer in own {
                        writer.close()?.append_to_row_group(&mut group)?;
                    }
                }
                Some(parts) => {
                    drop(own.collect::<Vec<_>>());
                    let layout = ColumnLayout {
                        wants_dictionary: !self.plain.contains(self.file_schema.field(field).name()),
                        page_ends: &page_ends,
                    };
                    let chunk = encode_column(&column.description, parts, rows, layout, &mut self.compressor)?;
                    group.append_column(&chunk.0, chunk.1)?;
                }
            }
            between();
        }
        group.close()?;
        Ok(())
    }

    /// What came since this was last asked for.
    pub(crate) fn take(&mut self) -> Result<Vec<u8>> {
        self.file.flush()?;
        Ok(std::mem::take(self.file.inner_mut()))
    }

    /// The rest of the file and what its footer says.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, ParquetMetaData)> {
        let metadata = self.file.finish()?;
        Ok((std::mem::take(self.file.inner_mut()), metadata))
    }
}

fn encode_column(
    description: &ColumnDescPtr,
    parts: &[&ArrayRef],
    rows: &[(usize, usize)],
    layout: ColumnLayout<'_>,
    compressor: &mut Compressor<'_>,
) -> Result<Chunk> {
    match gather(description, parts, rows, layout.wants_dictionary) {
        Some(Gathered::Ints(column)) => chunk::encode(&column, description, layout, compressor),
        Some(Gathered::Longs(column)) => chunk::encode(&column, description, layout, compressor),
        Some(Gathered::NarrowDecimals(column)) => chunk::encode(&column, description, layout, compressor),
        Some(Gathered::Decimals(column)) => chunk::encode(&column, description, layout, compressor),
        Some(Gathered::Texts(column)) => chunk::encode(&column, description, layout, compressor),
        None => Err(ParquetError::NYI(format!("column {}", description.path()))),
    }
}

/// A column of the table in the file.
struct FileColumn<'a> {
    /// Of its first leaf.
    description: ColumnDescPtr,
    leaves: usize,
    /// What the batches have of it; None if the crate's writer writes it.
    parts: Option<Vec<&'a ArrayRef>>,
}

struct Columns<'a> {
    all: Vec<FileColumn<'a>>,
    /// Indices of those that the crate's writer writes.
    others: Vec<usize>,
    others_schema: SchemaRef,
    others_batches: Vec<PackedBatch>,
}

impl<'a> Columns<'a> {
    fn new(
        schema: &SchemaRef,
        file_schema: &SchemaRef,
        leaves: &[ColumnDescPtr],
        batches: &[&'a PackedBatch],
    ) -> Result<Columns<'a>> {
        let mut all = Vec::new();
        let mut rest = leaves;
        for (index, field) in file_schema.fields().iter().enumerate() {
            let count = rest.iter().take_while(|leaf| leaf.path().parts().first() == Some(field.name())).count();
            let (own, others) = rest.split_at(count);
            rest = others;
            let description =
                own.first().ok_or_else(|| ParquetError::General(format!("no column {}", field.name())))?;
            let parts: Vec<&ArrayRef> = batches.iter().filter_map(|batch| batch.packed_column(index)).collect();
            let is_ours = count == 1
                && parts.len() == batches.len()
                && can_gather(schema.field(index).data_type(), description, &parts);
            all.push(FileColumn { description: description.clone(), leaves: count, parts: is_ours.then_some(parts) });
        }
        let others: Vec<usize> = (0..all.len()).filter(|index| all[*index].parts.is_none()).collect();
        let others_schema = Arc::new(schema.project(&others)?);
        let others_batches = batches.iter().map(|batch| batch.project(&others)).collect();
        Ok(Columns { all, others, others_schema, others_batches })
    }

    /// Gives the crate's writers their columns, a chunk of rows at a time.
    fn write_others(
        &self,
        file_schema: &SchemaRef,
        chunk_rows: usize,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
        writers: &mut [ArrowColumnWriter],
    ) -> Result<()> {
        if self.others.is_empty() {
            return Ok(());
        }
        debug_assert_eq!(batches.len(), self.others_batches.len());
        let batches: Vec<&PackedBatch> = self.others_batches.iter().collect();
        for chunk in rows.chunks(chunk_rows) {
            let columns = PackedBatch::interleave(&self.others_schema, &batches, chunk)?;
            let columns = columns.unpacked(&self.others_schema)?;
            for (index, column) in self.others.iter().zip(columns.columns()) {
                let first: usize = self.all[..*index].iter().map(|column| column.leaves).sum();
                let leaves = compute_leaves(file_schema.field(*index), column)?;
                for (writer, leaf) in writers[first..].iter_mut().zip(leaves) {
                    writer.write(&leaf)?;
                }
            }
        }
        Ok(())
    }
}
