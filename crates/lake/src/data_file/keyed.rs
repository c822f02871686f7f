//! What the files of a primary-key table have beside the rows: a sequence number and a kind in front of each, and in the manifest the
//! range of their keys. Pure.
//!
//! All rows of a part have one sequence number: each key is there once, so it need only be above those of earlier parts. Paimon's
//! merging (`rewrite.rs`) numbers a partition's rows from 0, so a part of `n` rows takes the last of the next `n` numbers.

use super::statistics::{ValueStats, key_stats};
use crate::changes::{Changes, RowKind, value_kinds};
use crate::manifest::row_of;
use crate::pack::PackedBatch;
use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Field, Int8Type, Schema, SchemaRef};
use paimon::spec::{
    BigIntType, DataField, DataType, SEQUENCE_NUMBER_FIELD_ID, SEQUENCE_NUMBER_FIELD_NAME, TinyIntType,
    VALUE_KIND_FIELD_ID, VALUE_KIND_FIELD_NAME, extract_datum_from_arrow,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use std::sync::Arc;

const SEQUENCE_COLUMN: usize = 0;
const KIND_COLUMN: usize = 1;
/// Columns in front of the table's own.
pub(super) const COLUMNS_IN_FRONT: usize = 2;

/// The columns of a file, of a table's.
pub(super) fn file_columns(schema: &SchemaRef) -> SchemaRef {
    let in_front = [
        Arc::new(Field::new(SEQUENCE_NUMBER_FIELD_NAME, ArrowType::Int64, false)),
        Arc::new(Field::new(VALUE_KIND_FIELD_NAME, ArrowType::Int8, false)),
    ];
    Arc::new(Schema::new(in_front.into_iter().chain(schema.fields().iter().cloned()).collect::<Vec<_>>()))
}

/// The same for Paimon, with its ids.
pub(super) fn file_fields(fields: &[DataField]) -> Vec<DataField> {
    let sequence = DataType::BigInt(BigIntType::with_nullable(false));
    let kind = DataType::TinyInt(TinyIntType::with_nullable(false));
    let in_front = [
        DataField::new(SEQUENCE_NUMBER_FIELD_ID, SEQUENCE_NUMBER_FIELD_NAME.into(), sequence),
        DataField::new(VALUE_KIND_FIELD_ID, VALUE_KIND_FIELD_NAME.into(), kind),
    ];
    in_front.into_iter().chain(fields.iter().cloned()).collect()
}

/// A batch of the tail as a file has its rows. An update's row before stands alone if it is written: nothing comes after it.
pub(crate) fn file_batch(batch: &PackedBatch, changes: &Changes, sequence: i64) -> PackedBatch {
    let sequences: ArrayRef = Arc::new(Int64Array::from_value(sequence, batch.num_rows()));
    let kinds = value_kinds(changes.kinds.iter().map(|kind| match kind {
        RowKind::UpdateBefore => RowKind::Delete,
        kind => *kind,
    }));
    batch.behind([sequences, kinds])
}

/// Types of keys whose bounds are known from a file's footer.
pub(super) fn has_bounds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(kind) => kind.precision() <= 3,
        DataType::LocalZonedTimestamp(kind) => kind.precision() <= 3,
        DataType::VarChar(_)
        | DataType::Char(_)
        | DataType::Boolean(_)
        | DataType::TinyInt(_)
        | DataType::SmallInt(_)
        | DataType::Int(_)
        | DataType::BigInt(_)
        | DataType::Decimal(_)
        | DataType::Date(_) => true,
        _ => false,
    }
}

/// What a manifest says of a file's keys.
pub(super) struct FileKeys {
    /// Serialized rows of the key's columns, without those of the partition.
    pub(super) min: Vec<u8>,
    pub(super) max: Vec<u8>,
    pub(super) stats: ValueStats,
    pub(super) sequence: i64,
    pub(super) deletes: usize,
}

/// The columns of a table's key, without those of the partition, and which of a file's columns they are.
#[derive(Debug, Clone)]
pub(super) struct KeyColumns {
    pub(super) fields: Vec<DataField>,
    pub(super) columns: Vec<usize>,
}

impl KeyColumns {
    /// Of a file that has these rows, in the order of their keys.
    pub(super) fn describe(
        &self,
        schema: &SchemaRef,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
        metadata: &ParquetMetaData,
    ) -> Result<FileKeys> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Err(ParquetError::General("a file without rows".into()));
        };
        let ends = [first, last].map(|(batch, _)| batches[*batch].project(&self.columns));
        let schema: SchemaRef = Arc::new(schema.project(&self.columns)?);
        let ends = PackedBatch::interleave(&schema, &ends.each_ref(), &[(0, first.1), (1, last.1)])?;
        let ends = ends.unpacked(&schema)?;
        let types: Vec<&DataType> = self.fields.iter().map(DataField::data_type).collect();
        let key = |row: usize| -> Result<Vec<u8>> {
            let datums = types.iter().enumerate().map(|(column, data_type)| {
                extract_datum_from_arrow(&ends, row, column, data_type)
                    .map_err(|error| ParquetError::External(Box::new(error)))
            });
            Ok(row_of(&datums.collect::<Result<Vec<_>>>()?, &types))
        };
        let sequence = match metadata.row_groups().first().and_then(|group| group.column(SEQUENCE_COLUMN).statistics())
        {
            Some(Statistics::Int64(found)) => found.max_opt().copied(),
            _ => None,
        };
        let kinds: Vec<_> = batches
            .iter()
            .map(|batch| batch.packed_column(KIND_COLUMN).and_then(|kinds| kinds.as_primitive_opt::<Int8Type>()))
            .collect();
        let delete = RowKind::Delete.code();
        let is_delete = |(batch, row): &&(usize, usize)| kinds[*batch].is_some_and(|kinds| kinds.value(*row) == delete);
        Ok(FileKeys {
            min: key(0)?,
            max: key(1)?,
            stats: key_stats(&self.fields, metadata),
            sequence: sequence.ok_or_else(|| ParquetError::General("no sequence number".into()))?,
            deletes: rows.iter().filter(is_delete).count(),
        })
    }
}
