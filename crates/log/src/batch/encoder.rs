//! Writes record batches v2 into a buffer that is used again and again: no allocation per record or per batch. Pure.

use super::codecs::Lz4Frames;
use super::varint::{put_varlong, varlong_len};
use super::{
    Compression, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC, MAX_BATCH_BYTES, MAX_HEADERS_PER_RECORD,
    MAX_RECORDS_PER_BATCH,
};
use crate::error::LogError;
use crate::log::Record;

/// What buffers keep between batches; after a larger one they shrink to this.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// One batch, ready to be written.
#[derive(Debug)]
pub struct Encoded<'a> {
    pub bytes: &'a [u8],
    pub max_timestamp_ms: i64,
}

pub struct BatchEncoder {
    compression: Compression,
    /// The batch; its header is filled in last.
    out: Vec<u8>,
    /// Records before compression.
    plain: Vec<u8>,
    lz4: Option<Box<Lz4Frames>>,
}

impl BatchEncoder {
    pub fn new(compression: Compression) -> BatchEncoder {
        BatchEncoder { compression, out: Vec::new(), plain: Vec::new(), lz4: None }
    }

    /// One batch of all the records. A batch that compression would make longer is stored plain.
    pub fn encode(&mut self, base_offset: i64, records: &[Record]) -> Result<Encoded<'_>, LogError> {
        let base_timestamp_ms = records.first().ok_or(LogError::EmptyAppend)?.timestamp_ms;
        if records.len() > MAX_RECORDS_PER_BATCH {
            return Err(LogError::BatchTooLarge { what: "records", limit: MAX_RECORDS_PER_BATCH });
        }
        self.out.clear();
        self.out.shrink_to(KEPT_BUFFER_BYTES);
        self.out.resize(HEADER_BYTES, 0);
        let max_timestamp_ms = match self.compression {
            Compression::None => put_records(&mut self.out, base_timestamp_ms, records)?,
            Compression::Lz4 => {
                self.plain.clear();
                self.plain.shrink_to(KEPT_BUFFER_BYTES);
                put_records(&mut self.plain, base_timestamp_ms, records)?
            }
        };
        let mut attributes = Compression::None;
        if self.compression == Compression::Lz4 {
            self.lz4.get_or_insert_default().compress(&self.plain, &mut self.out);
            if self.out.len() < HEADER_BYTES + self.plain.len() {
                attributes = Compression::Lz4;
            } else {
                self.out.truncate(HEADER_BYTES);
                self.out.extend_from_slice(&self.plain);
            }
        }
        self.put_header(base_offset, attributes, base_timestamp_ms, max_timestamp_ms, records.len() as i32);
        Ok(Encoded { bytes: &self.out, max_timestamp_ms })
    }

    fn put_header(
        &mut self,
        base_offset: i64,
        compression: Compression,
        base_timestamp_ms: i64,
        max_timestamp_ms: i64,
        count: i32,
    ) {
        let length = (self.out.len() - LENGTH_PREFIX_BYTES) as i32;
        let out = &mut self.out;
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &base_offset.to_be_bytes());
        put(8, &length.to_be_bytes());
        // leader epoch 0 at 12: this log has one leader and never another
        put(16, &[MAGIC]);
        put(21, &compression.code().to_be_bytes());
        put(23, &(count - 1).to_be_bytes());
        put(27, &base_timestamp_ms.to_be_bytes());
        put(35, &max_timestamp_ms.to_be_bytes());
        // no idempotent producer: id, epoch and sequence are -1
        put(43, &[0xff; 14]);
        put(57, &count.to_be_bytes());
        let crc = crc32c::crc32c(&self.out[super::CHECKED_FROM..]);
        self.out[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Appends the records and returns their largest timestamp.
fn put_records(out: &mut Vec<u8>, base_timestamp_ms: i64, records: &[Record]) -> Result<i64, LogError> {
    let mut max_timestamp_ms = i64::MIN;
    for (offset_delta, record) in records.iter().enumerate() {
        let offset_delta = offset_delta as i64;
        // wraps for timestamps further apart than 64 bits; reading wraps back
        let timestamp_delta = record.timestamp_ms.wrapping_sub(base_timestamp_ms);
        let length = record_len(record, timestamp_delta, offset_delta);
        if length > MAX_BATCH_BYTES || out.len() + length > MAX_BATCH_BYTES - HEADER_BYTES {
            return Err(LogError::BatchTooLarge { what: "bytes", limit: MAX_BATCH_BYTES });
        }
        if record.headers.len() > MAX_HEADERS_PER_RECORD {
            return Err(LogError::BatchTooLarge { what: "headers of a record", limit: MAX_HEADERS_PER_RECORD });
        }
        put_varlong(out, length as i64);
        out.push(0);
        put_varlong(out, timestamp_delta);
        put_varlong(out, offset_delta);
        match &record.key {
            Some(key) => put_field(out, key),
            None => put_varlong(out, -1),
        }
        put_field(out, &record.value);
        put_varlong(out, record.headers.len() as i64);
        for header in &record.headers {
            put_field(out, header.key.as_bytes());
            put_field(out, &header.value);
        }
        max_timestamp_ms = max_timestamp_ms.max(record.timestamp_ms);
    }
    Ok(max_timestamp_ms)
}

fn put_field(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varlong(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// The record after its own length.
fn record_len(record: &Record, timestamp_delta: i64, offset_delta: i64) -> usize {
    let field_len = |len: usize| varlong_len(len as i64) + len;
    let headers: usize = record.headers.iter().map(|h| field_len(h.key.len()) + field_len(h.value.len())).sum();
    1 + varlong_len(timestamp_delta)
        + varlong_len(offset_delta)
        + record.key.as_ref().map_or(1, |key| field_len(key.len()))
        + field_len(record.value.len())
        + varlong_len(record.headers.len() as i64)
        + headers
}
