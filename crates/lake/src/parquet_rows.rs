//! Rows into a Parquet file of the user's own. Not a table's data file: those are `data_file.rs`'s, and are part of a commit.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// A row group ends with the first of these: readers skip by row groups and hold one, and so does this writer.
const GROUP_ROWS_MAX: usize = 1 << 20;
const GROUP_BYTES_MAX: usize = 64 << 20;
/// Counted as it is in memory, for columns that encode to almost nothing.
const GROUP_MEMORY_MAX: usize = 128 << 20;
const ZSTD_LEVEL: i32 = 3;

/// A Parquet file that is being written: zstd, statistics, row groups of at most a million rows or 64 MB. Memory is bounded by a row group.
pub struct ParquetRows<W: Write + Send>(ArrowWriter<W>);

impl<W: Write + Send> ParquetRows<W> {
    pub fn new(schema: SchemaRef, out: W) -> io::Result<ParquetRows<W>> {
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(io_error)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .set_created_by(format!("hoga {}", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(ParquetRows(ArrowWriter::try_new(out, schema, Some(properties)).map_err(io_error)?))
    }

    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.0.write(batch).map_err(io_error)?;
        if self.0.in_progress_size() >= GROUP_BYTES_MAX || self.0.memory_size() >= GROUP_MEMORY_MAX {
            self.0.flush().map_err(io_error)?;
        }
        Ok(())
    }

    /// Writes the end, without which it is no Parquet file, and gives back what it was written to.
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(io_error)
    }
}

fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn rows_come_back_from_bounded_groups() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("price", DataType::Decimal128(20, 8), true),
        ]));
        let mut file = ParquetRows::new(schema.clone(), Vec::new()).unwrap();
        let (batches, rows_each) = (5, 300_000_i64);
        for batch in 0..batches {
            let ids = Int64Array::from_iter_values(batch * rows_each..(batch + 1) * rows_each);
            let prices = Decimal128Array::from_iter_values((0..rows_each).map(i128::from));
            let prices = prices.with_precision_and_scale(20, 8).unwrap();
            file.write(&RecordBatch::try_new(schema.clone(), vec![Arc::new(ids), Arc::new(prices)]).unwrap()).unwrap();
        }
        let bytes = bytes::Bytes::from(file.finish().unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let groups = reader.metadata().row_groups();
        assert_eq!(groups.len(), 2, "a million rows, then the rest");
        assert!(matches!(groups[0].column(0).compression(), Compression::ZSTD(_)));
        let mut next = 0;
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.schema().fields(), schema.fields());
            let ids = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            assert!(ids.values().iter().copied().eq(next..next + ids.len() as i64));
            next += ids.len() as i64;
        }
        assert_eq!(next, batches * rows_each);
    }
}
