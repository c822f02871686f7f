//! One column of a row group as a column chunk: its pages, statistics and indexes. Pure.
//!
//! The `parquet` crate's own writer makes an allocation of every decimal and hashes every value of a dictionary; this one goes
//! over numbers. Pages are those of format 1, which every reader knows.

use super::distinct::Distinct;
use super::encoding::{bits_for, put_hybrid, put_run};
use super::value::Values;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, EncodingMask, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::cmp::Ordering;
use std::ops::Range;
use zstd::bulk::Compressor;

/// Before compression.
const PAGE_BYTES_TARGET: usize = 1024 * 1024;
/// A dictionary is read as a whole before any value.
const DICTIONARY_BYTES_MAX: usize = 1024 * 1024;
/// With more different values than three of four a dictionary is a second copy of the column.
const DISTINCT_MAX_OF_4: usize = 3;
/// Of a text in the statistics.
const BOUND_BYTES_MAX: usize = 64;

/// Rows of one column.
pub(super) struct Column<V: Values> {
    pub(super) kind: V,
    /// Without NULLs.
    pub(super) values: Vec<V::Value>,
    /// For each row whether it has a value; absent if all have.
    pub(super) valid: Option<Vec<bool>>,
}

impl<V: Values> Column<V> {
    fn rows(&self) -> usize {
        self.valid.as_ref().map_or(self.values.len(), Vec::len)
    }
}

/// What is written, and how the file's footer describes it.
pub(super) type Chunk = (Bytes, ColumnCloseResult);

/// How a column is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnLayout<'a> {
    pub(super) wants_dictionary: bool,
    /// Row numbers; a page of large values ends before.
    pub(super) page_ends: &'a [usize],
}

pub(super) fn encode<V: Values>(
    column: &Column<V>,
    description: &ColumnDescPtr,
    layout: ColumnLayout<'_>,
    compressor: &mut Compressor<'_>,
) -> Result<Chunk> {
    if description.max_def_level() == 0 && column.valid.as_ref().is_some_and(|valid| valid.contains(&false)) {
        return Err(ParquetError::General(format!("NULL in column {}, which has none", description.path())));
    }
    let plain_bytes = plain_size(column);
    // what is not written to costs nothing, and what grows is copied into ever new pages of memory
    let mut sink = TrackedWrite::new(Vec::with_capacity(plain_bytes));
    let mut pages = Pages::new(description, compressor, &mut sink);
    let dictionary = layout.wants_dictionary.then(|| Dictionary::of(column)).flatten();
    if let Some(dictionary) = &dictionary {
        pages.put_dictionary(dictionary)?;
    }
    let page_rows_max = match (&dictionary, plain_bytes) {
        (Some(_), _) | (None, 0) => usize::MAX,
        (None, bytes) => (PAGE_BYTES_TARGET * column.rows() / bytes).max(1),
    };
    let (mut values, mut start) = (0..0, 0);
    for end in layout.page_ends {
        while start < *end {
            let rows = start..(*end).min(start.saturating_add(page_rows_max));
            start = rows.end;
            let valid = column.valid.as_ref().map(|valid| &valid[rows.clone()]);
            let count = valid.map_or(rows.len(), |valid| valid.iter().filter(|is_valid| **is_valid).count());
            values = values.end..values.end + count;
            pages.put_data(column, dictionary.as_ref(), valid, values.clone(), rows.len())?;
        }
    }
    let close = pages.close(&column.kind)?;
    Ok((sink.into_inner()?.into(), close))
}

fn plain_size<V: Values>(column: &Column<V>) -> usize {
    // texts differ: a sample says how long they are
    let sample = column.values.iter().step_by(column.values.len().div_ceil(1_024).max(1));
    let (mut out, mut sampled) = (Vec::new(), 0);
    for value in sample {
        column.kind.put(*value, &mut out);
        sampled += 1;
    }
    out.len() * column.values.len() / sampled.max(1)
}

struct Dictionary {
    /// Its values, PLAIN.
    page: Vec<u8>,
    size: usize,
    /// For each value of the column.
    numbers: Vec<u32>,
}

impl Dictionary {
    /// None if it would not pay.
    fn of<V: Values>(column: &Column<V>) -> Option<Dictionary> {
        let size_max = column.values.len() * DISTINCT_MAX_OF_4 / 4 + 1;
        let mut distinct = Distinct::<V>::new();
        let mut numbers = Vec::with_capacity(column.values.len());
        let mut last = None;
        for value in &column.values {
            let number = match last {
                Some((same, number)) if same == *value => number,
                _ => distinct.number(&column.kind, *value),
            };
            last = Some((*value, number));
            numbers.push(number);
            if distinct.values().len() > size_max {
                return None;
            }
        }
        let mut page = Vec::new();
        distinct.values().iter().for_each(|value| column.kind.put(*value, &mut page));
        (page.len() <= DICTIONARY_BYTES_MAX).then(|| Dictionary { page, size: distinct.values().len(), numbers })
    }
}

struct Pages<'a, 'c, V: Values> {
    description: &'a ColumnDescPtr,
    compressor: &'a mut Compressor<'c>,
    writer: SerializedPageWriter<'a, Vec<u8>>,
    column_index: ColumnIndexBuilder,
    offset_index: OffsetIndexBuilder,
    encodings: Vec<Encoding>,
    page_encodings: Vec<PageEncodingStats>,
    dictionary_offset: Option<i64>,
    data_offset: Option<i64>,
    compressed_bytes: usize,
    uncompressed_bytes: usize,
    rows: usize,
    nulls: usize,
    /// Smallest and largest value of each page that has one.
    bounds: Vec<(V::Value, V::Value)>,
    /// The page before compression: the same memory for all.
    page: Vec<u8>,
}

impl<'a, 'c, V: Values> Pages<'a, 'c, V> {
    fn new(
        description: &'a ColumnDescPtr,
        compressor: &'a mut Compressor<'c>,
        sink: &'a mut TrackedWrite<Vec<u8>>,
    ) -> Pages<'a, 'c, V> {
        Pages {
            description,
            compressor,
            writer: SerializedPageWriter::new(sink),
            column_index: ColumnIndexBuilder::new(description.physical_type()),
            offset_index: OffsetIndexBuilder::new(),
            encodings: vec![Encoding::RLE],
            page_encodings: Vec::new(),
            dictionary_offset: None,
            data_offset: None,
            compressed_bytes: 0,
            uncompressed_bytes: 0,
            rows: 0,
            nulls: 0,
            bounds: Vec::new(),
            page: Vec::new(),
        }
    }

    fn put_dictionary(&mut self, dictionary: &Dictionary) -> Result<()> {
        let page = Page::DictionaryPage {
            buf: self.compress(&dictionary.page)?,
            num_values: dictionary.size as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let written = self.put(page, dictionary.page.len())?;
        self.dictionary_offset = Some(written.offset as i64);
        Ok(())
    }

    fn put_data(
        &mut self,
        column: &Column<V>,
        dictionary: Option<&Dictionary>,
        valid: Option<&[bool]>,
        values: Range<usize>,
        rows: usize,
    ) -> Result<()> {
        let mut page = std::mem::take(&mut self.page);
        page.clear();
        if self.description.max_def_level() > 0 {
            put_levels(&mut page, valid, rows);
        }
        let encoding = match dictionary {
            Some(dictionary) => {
                let bits = bits_for(dictionary.size);
                page.push(bits as u8);
                put_hybrid(&mut page, bits, &dictionary.numbers[values.clone()]);
                Encoding::RLE_DICTIONARY
            }
            None => column.kind.put_all(&column.values[values.clone()], &mut page),
        };
        let nulls = rows - values.len();
        match bounds(&column.kind, &column.values[values]) {
            None => self.column_index.append(true, Vec::new(), Vec::new(), nulls as i64),
            Some((min, max)) => {
                let (min_bytes, _) = self.lower_bound(column.kind.bytes(min));
                self.column_index.append(false, min_bytes, column.kind.bytes(max), nulls as i64);
                self.bounds.push((min, max));
            }
        }
        self.rows += rows;
        self.nulls += nulls;
        let data = Page::DataPage {
            buf: self.compress(&page)?,
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let written = self.put(data, page.len())?;
        self.data_offset.get_or_insert(written.offset as i64);
        self.offset_index.append_row_count(rows as i64);
        self.offset_index.append_offset_and_size(written.offset as i64, written.compressed_size as i32);
        self.page = page;
        Ok(())
    }

    fn compress(&mut self, page: &[u8]) -> Result<Bytes> {
        let compressed = self.compressor.compress(page);
        compressed.map(Bytes::from).map_err(|error| ParquetError::External(Box::new(error)))
    }

    fn put(&mut self, page: Page, uncompressed_size: usize) -> Result<PageWriteSpec> {
        let (kind, encoding) = (page.page_type(), page.encoding());
        match self.page_encodings.last_mut() {
            Some(last) if last.page_type == kind && last.encoding == encoding => last.count += 1,
            _ => self.page_encodings.push(PageEncodingStats { page_type: kind, encoding, count: 1 }),
        }
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        let written = self.writer.write_page(CompressedPage::new(page, uncompressed_size))?;
        self.compressed_bytes += written.compressed_size;
        self.uncompressed_bytes += written.uncompressed_size;
        Ok(written)
    }

    fn close(mut self, kind: &V) -> Result<ColumnCloseResult> {
        self.writer.close()?;
        self.column_index.set_boundary_order(order_of(kind, &self.bounds));
        let metadata = ColumnChunkMetaData::builder(self.description.clone())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings_mask(EncodingMask::new_from_encodings(self.encodings.iter()))
            .set_page_encoding_stats(std::mem::take(&mut self.page_encodings))
            .set_total_compressed_size(self.compressed_bytes as i64)
            .set_total_uncompressed_size(self.uncompressed_bytes as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(self.data_offset.unwrap_or_default())
            .set_dictionary_page_offset(self.dictionary_offset)
            .set_statistics(self.statistics(kind))
            .build()?;
        Ok(ColumnCloseResult {
            bytes_written: self.compressed_bytes as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: Some(self.column_index.build()?),
            offset_index: Some(self.offset_index.build()),
        })
    }

    fn statistics(&self, kind: &V) -> Statistics {
        let lesser = |left: V::Value, right: V::Value| if kind.compare(left, right).is_gt() { right } else { left };
        let greater = |left: V::Value, right: V::Value| if kind.compare(left, right).is_lt() { right } else { left };
        let min = self.bounds.iter().map(|(min, _)| *min).reduce(lesser).map(|min| self.lower_bound(kind.bytes(min)));
        let (min, is_exact) = min.map_or((None, false), |(min, is_exact)| (Some(min), is_exact));
        let max = self.bounds.iter().map(|(_, max)| *max).reduce(greater).map(|max| kind.bytes(max));
        let nulls = Some(self.nulls as u64);
        let is_signed = self.description.sort_order().is_signed();
        match self.description.physical_type() {
            Type::INT64 => {
                let long = |bytes: Vec<u8>| bytes.try_into().ok().map(i64::from_le_bytes);
                ValueStatistics::new(min.and_then(long), max.and_then(long), None, nulls, false)
                    .with_backwards_compatible_min_max(is_signed)
                    .into()
            }
            Type::INT32 => {
                let int = |bytes: Vec<u8>| bytes.try_into().ok().map(i32::from_le_bytes);
                ValueStatistics::new(min.and_then(int), max.and_then(int), None, nulls, false)
                    .with_backwards_compatible_min_max(is_signed)
                    .into()
            }
            Type::FIXED_LEN_BYTE_ARRAY => {
                let fixed = |bytes: Vec<u8>| FixedLenByteArray::from(bytes);
                ValueStatistics::new(min.map(fixed), max.map(fixed), None, nulls, false)
                    .with_backwards_compatible_min_max(is_signed)
                    .into()
            }
            _ => ValueStatistics::new(min.map(ByteArray::from), max.map(ByteArray::from), None, nulls, false)
                .with_min_is_exact(is_exact)
                .into(),
        }
    }

    /// A long text's beginning comes before it; and whether nothing was cut off.
    fn lower_bound(&self, mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
        if self.description.physical_type() != Type::BYTE_ARRAY || bytes.len() <= BOUND_BYTES_MAX {
            return (bytes, true);
        }
        let is_boundary = |at: &usize| bytes[*at] & 0xc0 != 0x80; // not inside a character
        let end = (1..=BOUND_BYTES_MAX).rev().find(is_boundary).unwrap_or(BOUND_BYTES_MAX);
        bytes.truncate(end);
        (bytes, false)
    }
}

/// Definition levels: 1 for a value and 0 for a NULL, their length in front.
fn put_levels(page: &mut Vec<u8>, valid: Option<&[bool]>, rows: usize) {
    page.extend_from_slice(&[0; 4]);
    match valid {
        None => put_run(page, 1, 1, rows),
        Some(valid) => put_hybrid(page, 1, &valid.iter().map(|is_valid| u32::from(*is_valid)).collect::<Vec<_>>()),
    }
    let length = page.len() as u32 - 4;
    page[..4].copy_from_slice(&length.to_le_bytes());
}

fn bounds<V: Values>(kind: &V, values: &[V::Value]) -> Option<(V::Value, V::Value)> {
    let (first, rest) = values.split_first()?;
    let (mut min, mut max, mut last) = (*first, *first, *first);
    for value in rest {
        if *value == last {
            continue;
        }
        last = *value;
        if kind.compare(*value, min) == Ordering::Less {
            min = *value;
        } else if kind.compare(*value, max) == Ordering::Greater {
            max = *value;
        }
    }
    Some((min, max))
}

fn order_of<V: Values>(kind: &V, bounds: &[(V::Value, V::Value)]) -> BoundaryOrder {
    let is_sorted = |wrong: Ordering| {
        bounds
            .windows(2)
            .all(|pair| kind.compare(pair[0].0, pair[1].0) != wrong && kind.compare(pair[0].1, pair[1].1) != wrong)
    };
    match (is_sorted(Ordering::Greater), is_sorted(Ordering::Less)) {
        (true, _) => BoundaryOrder::ASCENDING,
        (false, true) => BoundaryOrder::DESCENDING,
        (false, false) => BoundaryOrder::UNORDERED,
    }
}
