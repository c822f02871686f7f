//! Kafka's record batch v2, the unit that is appended, stored, checked and fetched: its header and how its records are read. Pure.
//!
//! Source: Kafka's documentation, "Message Format", and `org.apache.kafka.common.record.DefaultRecordBatch`.
//! ```text
//!  0 base offset i64 | 8 batch length i32 (of what follows) | 12 leader epoch i32 | 16 magic i8 = 2 | 17 CRC-32C u32 of what follows
//! 21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64
//! 43 producer id i64 | 51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61 records, compressed as a whole
//! ```
//! Base offset and leader epoch are outside the checksum, so that a broker can set them: a reader must check the offset by what it expects.
//! Decoding never panics and never allocates more than the limits below, whatever the bytes are.

mod codecs;
mod encoder;
mod varint;

use bytes::Bytes;

use crate::log::{Header, Record, StoredRecord};
pub use encoder::{BatchEncoder, Encoded};
use varint::Cursor;

/// Bytes before the first record.
pub const HEADER_BYTES: usize = 61;
/// Base offset and batch length, which the batch length does not count.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The largest batch that is written or believed; a longer one is damage.
pub const MAX_BATCH_BYTES: usize = 32 << 20;
/// What a compressed batch may become in memory.
pub const MAX_RECORDS_BYTES: usize = 64 << 20;
/// What one batch may hold; Kafka's format allows more.
pub const MAX_RECORDS_PER_BATCH: usize = 1_000_000;
/// Kafka has no limit; a record with more is refused and, on disk, damage.
pub const MAX_HEADERS_PER_RECORD: usize = 1_000;
/// Length, attributes, two deltas, two lengths and a header count of one byte each.
const MIN_RECORD_BYTES: usize = 7;
const MAGIC: u8 = 2;
/// Where the checksummed part begins.
const CHECKED_FROM: usize = 21;

const ATTRIBUTE_COMPRESSION: i16 = 0b111;
const ATTRIBUTE_LOG_APPEND_TIME: i16 = 1 << 3;
const ATTRIBUTE_TRANSACTIONAL: i16 = 1 << 4;
const ATTRIBUTE_CONTROL: i16 = 1 << 5;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    None,
    /// Fast, and a third of the disk for JSON.
    #[default]
    Lz4,
}

impl Compression {
    fn code(self) -> i16 {
        match self {
            Compression::None => 0,
            Compression::Lz4 => 3,
        }
    }
}

/// Why bytes are not a batch that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchDefect {
    #[error("the batch is cut off: {have} bytes of {need}")]
    Short { have: u64, need: u64 },
    #[error("magic byte {found} instead of 2")]
    Magic { found: u8 },
    #[error("impossible header: {what}")]
    Header { what: &'static str },
    #[error("checksum {computed:08x}, not {stored:08x} as the batch says")]
    Checksum { stored: u32, computed: u32 },
    #[error("base offset {found} where {expected} was expected")]
    Offset { found: i64, expected: i64 },
    #[error("compression {codec} is not known")]
    UnknownCompression { codec: i16 },
    #[error("its records cannot be decompressed: {reason}")]
    Decompression { reason: String },
    #[error("its records decompress to more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("record {index} is malformed: {what}")]
    Record { index: usize, what: &'static str },
    #[error("bytes are missing")]
    Missing,
}

/// The header of a batch, plausible but not yet checked against its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// Header and records together.
    pub size_bytes: usize,
    pub leader_epoch: i32,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp_ms: i64,
    pub max_timestamp_ms: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: usize,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`; the rest of the batch need not be there.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchDefect> {
        let Some(h) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchDefect::Short { have: bytes.len() as u64, need: HEADER_BYTES as u64 });
        };
        if h[16] != MAGIC {
            return Err(BatchDefect::Magic { found: h[16] });
        }
        let length = i32::from_be_bytes(field(h, 8));
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(h, 0)),
            size_bytes: usize::try_from(length).unwrap_or(0) + LENGTH_PREFIX_BYTES,
            leader_epoch: i32::from_be_bytes(field(h, 12)),
            crc: u32::from_be_bytes(field(h, 17)),
            attributes: i16::from_be_bytes(field(h, 21)),
            last_offset_delta: i32::from_be_bytes(field(h, 23)),
            base_timestamp_ms: i64::from_be_bytes(field(h, 27)),
            max_timestamp_ms: i64::from_be_bytes(field(h, 35)),
            producer_id: i64::from_be_bytes(field(h, 43)),
            producer_epoch: i16::from_be_bytes(field(h, 51)),
            base_sequence: i32::from_be_bytes(field(h, 53)),
            record_count: usize::try_from(i32::from_be_bytes(field(h, 57))).unwrap_or(usize::MAX),
        };
        let what = if header.size_bytes < HEADER_BYTES || header.size_bytes > MAX_BATCH_BYTES {
            "batch length"
        } else if header.base_offset < 0 || header.base_offset > i64::MAX - i64::from(i32::MAX) - 1 {
            "base offset"
        } else if header.last_offset_delta < 0 {
            "last offset delta"
        } else if header.record_count > MAX_RECORDS_PER_BATCH
            || header.record_count as i64 > i64::from(header.last_offset_delta) + 1
        {
            "record count"
        } else {
            return Ok(header);
        };
        Err(BatchDefect::Header { what })
    }

    /// The offset after the batch's last one.
    pub fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta) + 1
    }

    /// How its records are compressed; `None` if nobody knows.
    pub fn compression_name(&self) -> Option<&'static str> {
        codecs::NAMES.get((self.attributes & ATTRIBUTE_COMPRESSION) as usize).copied()
    }

    pub fn is_control(&self) -> bool {
        self.attributes & ATTRIBUTE_CONTROL != 0
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & ATTRIBUTE_TRANSACTIONAL != 0
    }

    /// Whether the batch's largest timestamp is that of all its records, set by a broker.
    pub fn has_log_append_time(&self) -> bool {
        self.attributes & ATTRIBUTE_LOG_APPEND_TIME != 0
    }

    /// Whether `batch`, exactly this header's batch, is what was written (but for base offset and leader epoch).
    pub fn verify(&self, batch: &[u8]) -> Result<(), BatchDefect> {
        let checked = batch.get(CHECKED_FROM..self.size_bytes);
        let Some(checked) = checked else {
            return Err(BatchDefect::Short { have: batch.len() as u64, need: self.size_bytes as u64 });
        };
        let computed = crc32c::crc32c(checked);
        if computed == self.crc { Ok(()) } else { Err(BatchDefect::Checksum { stored: self.crc, computed }) }
    }
}

/// Gives a batch its place in the log. Both fields are outside the checksum. `batch` holds a whole header, as `BatchHeader::parse` has seen.
pub(crate) fn set_place(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    if let Some(head) = batch.first_chunk_mut::<HEADER_BYTES>() {
        head[..8].copy_from_slice(&base_offset.to_be_bytes());
        head[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    }
}

/// Reads one verified batch: pushes its records from `from_offset` on and returns the bytes of their keys and values. Uncompressed records
/// are slices of `batch`, others of one new buffer. On a defect `out` is as it was. Control batches (of transactions) hold no records.
pub fn decode_records(
    batch: &Bytes,
    header: &BatchHeader,
    from_offset: i64,
    out: &mut Vec<StoredRecord>,
) -> Result<usize, BatchDefect> {
    if header.attributes & ATTRIBUTE_CONTROL != 0 {
        return Ok(0);
    }
    if batch.len() < header.size_bytes || header.size_bytes < HEADER_BYTES {
        return Err(BatchDefect::Short { have: batch.len() as u64, need: header.size_bytes as u64 });
    }
    let records = batch.slice(HEADER_BYTES..header.size_bytes);
    let records = codecs::decompress(header.attributes & ATTRIBUTE_COMPRESSION, records)?;
    if header.record_count > records.len() / MIN_RECORD_BYTES {
        return Err(BatchDefect::Header { what: "more records than its bytes can hold" });
    }
    let kept = out.len();
    let read = read_records(&records, header, from_offset, out);
    if read.is_err() {
        out.truncate(kept);
    }
    read
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|i| header[at + i])
}

fn read_records(
    records: &Bytes,
    header: &BatchHeader,
    from_offset: i64,
    out: &mut Vec<StoredRecord>,
) -> Result<usize, BatchDefect> {
    let mut cursor = Cursor::new(records);
    let mut bytes = 0;
    let mut previous_delta = -1;
    out.reserve(header.record_count);
    for index in 0..header.record_count {
        let defect = |what| BatchDefect::Record { index, what };
        let length = cursor.length().ok_or_else(|| defect("its length"))?.ok_or_else(|| defect("its length"))?;
        let end = cursor.at() + length;
        let (delta, record) = read_record(records, &mut cursor, header).map_err(defect)?;
        if cursor.at() != end {
            return Err(defect("its length is not that of its fields"));
        }
        if delta <= previous_delta || delta > header.last_offset_delta {
            return Err(defect("its offset is out of order"));
        }
        previous_delta = delta;
        let offset = header.base_offset + i64::from(delta);
        if offset >= from_offset {
            bytes += record.value.len() + record.key.as_ref().map_or(0, Bytes::len);
            out.push(StoredRecord { offset, record });
        }
    }
    if cursor.at() != records.len() {
        return Err(BatchDefect::Header { what: "fewer records than its bytes" });
    }
    Ok(bytes)
}

/// The offset delta and the record after its length.
fn read_record(records: &Bytes, cursor: &mut Cursor<'_>, header: &BatchHeader) -> Result<(i32, Record), &'static str> {
    let slice = |range: Option<std::ops::Range<usize>>| range.map(|range| records.slice(range));
    cursor.byte().ok_or("no attributes")?;
    let timestamp_delta = cursor.varlong().ok_or("its timestamp")?;
    let offset_delta = cursor.varint().ok_or("its offset")?;
    let key = slice(cursor.field().ok_or("its key")?);
    let value = slice(cursor.field().ok_or("its value")?).unwrap_or_default();
    let count = cursor.length().flatten().ok_or("its header count")?;
    if count > MAX_HEADERS_PER_RECORD {
        return Err("more headers than are allowed");
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let key = cursor.field().flatten().ok_or("a header's key")?;
        let key = std::str::from_utf8(&records[key]).map_err(|_| "a header's key is not UTF-8")?.to_owned();
        let value = slice(cursor.field().ok_or("a header's value")?).unwrap_or_default();
        headers.push(Header { key, value });
    }
    let timestamp_ms = if header.attributes & ATTRIBUTE_LOG_APPEND_TIME != 0 {
        header.max_timestamp_ms
    } else {
        header.base_timestamp_ms.wrapping_add(timestamp_delta)
    };
    Ok((offset_delta, Record { key, value, timestamp_ms, headers }))
}

#[cfg(test)]
mod tests;
