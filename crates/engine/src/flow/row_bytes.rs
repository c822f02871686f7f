//! Whole rows as bytes, to be kept and given again: unlike Arrow's row format they have no order, and are quick to write and to read.
//! Equal rows have equal bytes.
//!
//! Of each column a byte that says whether there is a value, then its bytes: numbers and times as they are, texts behind their length,
//! anything else in Arrow's row format behind its length. Nothing of it is on disk.

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, NullBufferBuilder, StringArray, make_array, new_empty_array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct RowBytes(Vec<(DataType, Kind)>);

#[derive(Debug)]
enum Kind {
    /// So many bytes each.
    Fixed(usize),
    Text,
    Other(RowConverter),
}

/// The columns of a batch, to be written from.
pub(super) struct Source<'a>(Vec<View<'a>>);

enum View<'a> {
    Fixed { bytes: Buffer, width: usize, nulls: Option<&'a NullBuffer> },
    Text(&'a StringArray),
    Other(Rows),
}

/// A column in the making.
enum Column<'a> {
    Fixed { bytes: Vec<u8>, width: usize, valid: NullBufferBuilder },
    Text { bytes: Vec<u8>, offsets: Vec<i32>, valid: NullBufferBuilder },
    Other(Vec<&'a [u8]>),
}

impl RowBytes {
    pub(super) fn new(schema: &Schema) -> Result<RowBytes, ArrowError> {
        let kind = |data_type: &DataType| {
            Ok::<_, ArrowError>(match (data_type, data_type.primitive_width()) {
                (DataType::Utf8, _) => Kind::Text,
                (_, Some(width)) => Kind::Fixed(width),
                _ => Kind::Other(RowConverter::new(vec![SortField::new(data_type.clone())])?),
            })
        };
        let columns = schema.fields().iter().map(|field| Ok((field.data_type().clone(), kind(field.data_type())?)));
        columns.collect::<Result<_, ArrowError>>().map(RowBytes)
    }

    pub(super) fn source<'a>(&self, columns: &'a [ArrayRef]) -> Result<Source<'a>, ArrowError> {
        let view = |((_, kind), column): (&(DataType, Kind), &'a ArrayRef)| {
            Ok(match kind {
                Kind::Fixed(width) => {
                    let data = column.to_data();
                    let bytes = data.buffers().first().ok_or_else(wrong_row)?;
                    let bytes = bytes.slice_with_length(data.offset() * width, data.len() * width);
                    View::Fixed { bytes, width: *width, nulls: column.nulls() }
                }
                Kind::Text => View::Text(column.as_string::<i32>()),
                Kind::Other(converter) => View::Other(converter.convert_columns(std::slice::from_ref(column))?),
            })
        };
        self.0.iter().zip(columns).map(view).collect::<Result<_, ArrowError>>().map(Source)
    }

    /// The columns of rows.
    pub(super) fn columns_of<'a>(&self, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut columns: Vec<Column<'a>> = self.0.iter().map(|(_, kind)| Column::new(kind)).collect();
        for mut row in rows {
            for column in &mut columns {
                row = column.take(row).ok_or_else(wrong_row)?;
            }
        }
        let finish = |((data_type, kind), column): (&(DataType, Kind), Column<'a>)| column.finish(data_type, kind);
        self.0.iter().zip(columns).map(finish).collect()
    }
}

impl Source<'_> {
    /// Appends a row.
    pub(super) fn put(&self, row: usize, out: &mut Vec<u8>) {
        for view in &self.0 {
            match view {
                View::Fixed { nulls: Some(nulls), .. } if nulls.is_null(row) => out.push(0),
                View::Fixed { bytes, width, .. } => {
                    out.push(1);
                    out.extend_from_slice(&bytes[row * width..(row + 1) * width]);
                }
                View::Text(texts) if texts.is_null(row) => out.push(0),
                View::Text(texts) => put_behind_length(texts.value(row).as_bytes(), out),
                // which says itself whether it is NULL
                View::Other(rows) => put_behind_length(rows.row(row).data(), out),
            }
        }
    }
}

fn put_behind_length(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What stands behind a length, and the rest.
fn behind_length(row: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = row.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

impl<'a> Column<'a> {
    fn new(kind: &Kind) -> Column<'a> {
        let valid = NullBufferBuilder::new(0);
        match kind {
            Kind::Fixed(width) => Column::Fixed { bytes: Vec::new(), width: *width, valid },
            Kind::Text => Column::Text { bytes: Vec::new(), offsets: vec![0], valid },
            Kind::Other(_) => Column::Other(Vec::new()),
        }
    }

    /// Takes this column's value from the front of a row; gives the rest. None if it is no such row.
    fn take(&mut self, row: &'a [u8]) -> Option<&'a [u8]> {
        let (is_there, mut rest) = row.split_first()?;
        let is_there = *is_there == 1;
        match self {
            Column::Fixed { bytes, width, valid } => {
                valid.append(is_there);
                if is_there {
                    let (value, behind) = rest.split_at_checked(*width)?;
                    bytes.extend_from_slice(value);
                    rest = behind;
                } else {
                    bytes.resize(bytes.len() + *width, 0);
                }
            }
            Column::Text { bytes, offsets, valid } => {
                valid.append(is_there);
                if is_there {
                    let (value, behind) = behind_length(rest)?;
                    bytes.extend_from_slice(value);
                    rest = behind;
                }
                offsets.push(i32::try_from(bytes.len()).ok()?);
            }
            Column::Other(rows) => {
                let (value, behind) = behind_length(rest)?;
                rows.push(value);
                rest = behind;
            }
        }
        Some(rest)
    }

    fn finish(self, data_type: &DataType, kind: &Kind) -> Result<ArrayRef, ArrowError> {
        match (self, kind) {
            (Column::Fixed { bytes, width, mut valid }, _) => {
                let rows = bytes.len() / width;
                let data = ArrayData::builder(data_type.clone()).len(rows).add_buffer(Buffer::from_vec(bytes));
                Ok(make_array(data.nulls(valid.finish()).align_buffers(true).build()?))
            }
            (Column::Text { bytes, offsets, mut valid }, _) => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), valid.finish())?))
            }
            (Column::Other(rows), Kind::Other(converter)) => {
                let parser = converter.parser();
                let columns = converter.convert_rows(rows.into_iter().map(|row| parser.parse(row)))?;
                Ok(columns.into_iter().next().unwrap_or_else(|| new_empty_array(data_type)))
            }
            (Column::Other(_), _) => Err(wrong_row()),
        }
    }
}

fn wrong_row() -> ArrowError {
    ArrowError::InvalidArgumentError("a row of other columns than its node has".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray,
    };
    use proptest::prelude::*;

    fn batch(values: &[Option<i64>]) -> RecordBatch {
        let all = || values.iter().copied();
        let columns: [(&str, ArrayRef); 7] = [
            ("long", Arc::new(all().collect::<Int64Array>())),
            (
                "text",
                Arc::new(
                    all().map(|value| value.map(|n| "ä".repeat(n.rem_euclid(50) as usize))).collect::<StringArray>(),
                ),
            ),
            ("flag", Arc::new(all().map(|value| value.map(|n| n > 0)).collect::<BooleanArray>())),
            ("at", Arc::new(all().collect::<TimestampMillisecondArray>().with_timezone("UTC"))),
            ("price", Arc::new(all().map(|value| value.map(|n| i128::from(n) << 40)).collect::<Decimal128Array>())),
            ("rate", Arc::new(all().map(|value| value.map(|n| n as f64 / 3.0)).collect::<Float64Array>())),
            ("small", Arc::new(values.iter().map(|value| value.map_or(-1, |n| n as i32)).collect::<Int32Array>())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).expect("a batch")
    }

    proptest! {
        #[test]
        fn rows_come_back(values in prop::collection::vec(prop::option::of(-1_000_i64..1_000), 1..60), skipped in 0_usize..5) {
            let skipped = skipped.min(values.len() - 1);
            let batch = batch(&values).slice(skipped, values.len() - skipped);
            let codec = RowBytes::new(&batch.schema()).expect("a codec");
            let source = codec.source(batch.columns()).expect("columns");
            let rows: Vec<Vec<u8>> = (0..batch.num_rows()).map(|row| {
                let mut bytes = Vec::new();
                source.put(row, &mut bytes);
                bytes
            }).collect();
            let columns = codec.columns_of(rows.iter().map(Vec::as_slice)).expect("columns");
            prop_assert_eq!(&RecordBatch::try_new(batch.schema(), columns).expect("a batch"), &batch);
            for (one, other) in rows.iter().zip(&values[skipped..]).zip(rows.iter().zip(&values[skipped..]).skip(1)) {
                prop_assert_eq!(one.0 == other.0, one.1 == other.1);
            }
        }
    }

    #[test]
    fn other_rows_are_refused() {
        let codec = RowBytes::new(&batch(&[]).schema()).expect("a codec");
        assert!(codec.columns_of([&[1, 2, 3][..]].into_iter()).is_err());
        assert_eq!(codec.columns_of(std::iter::empty()).expect("columns")[1].len(), 0);
    }
}
