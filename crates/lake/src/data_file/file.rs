//! Rows of the tail as a Parquet file in memory. Pure.
//!
//! What the file is made of column by column: flat texts, instants, dates, integers and decimals by [`chunk`](super::chunk), all
//! other columns by the `parquet` crate's writer. Its schema and layout are those that Paimon's own writer gives.

use super::chunk::{self, Chunk};
use super::gather::{Gathered, can_gather, gather};
use crate::pack::PackedBatch;
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::{ColumnDescPtr, ColumnPath};
use std::collections::HashSet;
use std::sync::Arc;
use zstd::bulk::Compressor;

/// Paimon's default.
const ZSTD_LEVEL: i32 = 1;

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
}

/// The file's bytes and what its footer says. `rows` are (batch, row), in their order in the file.
pub(crate) fn encode(
    layout: &FileLayout<'_>,
    batches: &[&PackedBatch],
    rows: &[(usize, usize)],
) -> Result<(Vec<u8>, ParquetMetaData)> {
    let mut properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?));
    for column in layout.without_dictionary {
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(vec![column.clone()]), false);
    }
    let writer = ArrowWriter::try_new(
        Vec::with_capacity(rows.len() * layout.row_bytes),
        layout.file_schema.clone(),
        Some(properties.build()),
    )?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    let plain: HashSet<&str> = layout.without_dictionary.iter().map(String::as_str).collect();
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    let columns = Columns::new(layout, file.schema_descr().columns(), batches)?;
    for (index, rows) in rows.chunks(layout.row_group_rows.max(1)).enumerate() {
        let mut writers = factory.create_column_writers(index)?;
        columns.write_others(layout, batches, rows, &mut writers)?;
        let mut writers = writers.into_iter();
        let mut group = file.next_row_group()?;
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
                    let wants_dictionary = !plain.contains(layout.file_schema.field(field).name().as_str());
                    let chunk = encode_column(&column.description, parts, rows, wants_dictionary, &mut compressor)?;
                    group.append_column(&chunk.0, chunk.1)?;
                }
            }
        }
        group.close()?;
    }
    let metadata = file.finish()?;
    Ok((std::mem::take(file.inner_mut()), metadata))
}

fn encode_column(
    description: &ColumnDescPtr,
    parts: &[&ArrayRef],
    rows: &[(usize, usize)],
    wants_dictionary: bool,
    compressor: &mut Compressor<'_>,
) -> Result<Chunk> {
    match gather(description, parts, rows, wants_dictionary) {
        Some(Gathered::Ints(column)) => chunk::encode(&column, description, wants_dictionary, compressor),
        Some(Gathered::Longs(column)) => chunk::encode(&column, description, wants_dictionary, compressor),
        Some(Gathered::NarrowDecimals(column)) => chunk::encode(&column, description, wants_dictionary, compressor),
        Some(Gathered::Decimals(column)) => chunk::encode(&column, description, wants_dictionary, compressor),
        Some(Gathered::Texts(column)) => chunk::encode(&column, description, wants_dictionary, compressor),
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
    fn new(layout: &FileLayout<'_>, leaves: &[ColumnDescPtr], batches: &[&'a PackedBatch]) -> Result<Columns<'a>> {
        let mut all = Vec::new();
        let mut rest = leaves;
        for (index, field) in layout.file_schema.fields().iter().enumerate() {
            let count = rest.iter().take_while(|leaf| leaf.path().parts().first() == Some(field.name())).count();
            let (own, others) = rest.split_at(count);
            rest = others;
            let description =
                own.first().ok_or_else(|| ParquetError::General(format!("no column {}", field.name())))?;
            let parts: Vec<&ArrayRef> = batches.iter().filter_map(|batch| batch.packed_column(index)).collect();
            let is_ours = count == 1
                && parts.len() == batches.len()
                && can_gather(layout.schema.field(index).data_type(), description, &parts);
            all.push(FileColumn { description: description.clone(), leaves: count, parts: is_ours.then_some(parts) });
        }
        let others: Vec<usize> = (0..all.len()).filter(|index| all[*index].parts.is_none()).collect();
        let others_schema = Arc::new(layout.schema.project(&others)?);
        let others_batches = batches.iter().map(|batch| batch.project(&others)).collect();
        Ok(Columns { all, others, others_schema, others_batches })
    }

    /// Gives the crate's writers their columns, a chunk of rows at a time.
    fn write_others(
        &self,
        layout: &FileLayout<'_>,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
        writers: &mut [ArrowColumnWriter],
    ) -> Result<()> {
        if self.others.is_empty() {
            return Ok(());
        }
        debug_assert_eq!(batches.len(), self.others_batches.len());
        let batches: Vec<&PackedBatch> = self.others_batches.iter().collect();
        for chunk in rows.chunks(layout.chunk_rows.max(1)) {
            let columns = PackedBatch::interleave(&self.others_schema, &batches, chunk)?;
            let columns = columns.unpacked(&self.others_schema)?;
            for (index, column) in self.others.iter().zip(columns.columns()) {
                let first: usize = self.all[..*index].iter().map(|column| column.leaves).sum();
                let leaves = compute_leaves(layout.file_schema.field(*index), column)?;
                for (writer, leaf) in writers[first..].iter_mut().zip(leaves) {
                    writer.write(&leaf)?;
                }
            }
        }
        Ok(())
    }
}
