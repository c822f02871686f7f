//! What producers compress their batches with: gzip, snappy, lz4 and zstd, read under a limit. Pure.
//!
//! Source: `org.apache.kafka.common.compress`. Kafka's Java client frames snappy as xerial's snappy-java does; librdkafka and others send it bare.

use std::cell::RefCell;
use std::io::Read;

use bytes::Bytes;
use lz4_flex::block::CompressTable;

use super::{BatchDefect, MAX_RECORDS_BYTES};

/// Before the blocks of xerial's framing: magic, version and compatible version.
const XERIAL_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
/// 64 MiB, as much as the records may become: a frame can claim a window of 2 GiB.
const MAX_ZSTD_WINDOW_LOG: u32 = 26;

/// In front of the frames that Kafka's clients and this log write: format 1, independent blocks of up to 64 KiB, neither checksums nor a length.
pub(super) const LZ4_HEADER: [u8; 7] = *b"\x04\x22\x4d\x18\x60\x40\x82";
const LZ4_BLOCK_BYTES: usize = 64 << 10;
/// Of a block's length: it is stored as it is.
const LZ4_STORED: u32 = 1 << 31;
/// In place of a block's length.
const LZ4_END: u32 = 0;

/// What this log puts into a block: places in it have to fit 16 bits, which halves the table that is cleared for each.
const LZ4_BLOCK_FILLED: usize = u16::MAX as usize - 1;

thread_local! {
    /// Room for a block: to clear it for each batch would cost more than most of them.
    static BLOCK: RefCell<Box<[u8]>> = RefCell::new(vec![0; LZ4_BLOCK_BYTES].into_boxed_slice());
}

/// The codecs by the number in a batch's attributes.
pub(super) const NAMES: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// The records of a batch, decompressed; plain ones are a slice of it.
pub(super) fn decompress(codec: i16, records: Bytes) -> Result<Bytes, BatchDefect> {
    match codec {
        0 => Ok(records),
        1 => limited(flate2::read::MultiGzDecoder::new(&records[..]), records.len()),
        2 => snappy(&records),
        3 => match records.strip_prefix(&LZ4_HEADER) {
            Some(blocks) => lz4(blocks).map(Bytes::from),
            None => limited(lz4_flex::frame::FrameDecoder::new(&records[..]), records.len()),
        },
        4 => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&records[..]).map_err(unreadable)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(unreadable)?;
            limited(decoder, records.len())
        }
        _ => Err(BatchDefect::UnknownCompression { codec }),
    }
}

fn limited(decoder: impl Read, compressed_bytes: usize) -> Result<Bytes, BatchDefect> {
    // a first guess at what JSON becomes; the limit holds whatever the frame claims
    let mut out = Vec::with_capacity((compressed_bytes * 4).min(MAX_RECORDS_BYTES));
    decoder.take(MAX_RECORDS_BYTES as u64 + 1).read_to_end(&mut out).map_err(unreadable)?;
    if out.len() > MAX_RECORDS_BYTES {
        return Err(BatchDefect::TooLarge { limit: MAX_RECORDS_BYTES });
    }
    Ok(Bytes::from(out))
}

/// The blocks of a frame: the crate's reader of frames copies every byte twice more.
pub(super) fn lz4(frame: &[u8]) -> Result<Vec<u8>, BatchDefect> {
    // a batch of one block takes no more room than its records: it stays as long as one of them does
    let blocks = lz4_blocks(frame).count();
    let most = if blocks > 1 { blocks.saturating_mul(LZ4_BLOCK_BYTES) } else { 0 };
    let mut out = Vec::with_capacity(most.min(MAX_RECORDS_BYTES));
    BLOCK.with_borrow_mut(|room| {
        for block in lz4_blocks(frame) {
            let (is_stored, block) = block.ok_or_else(cut_off)?;
            if block.len() > LZ4_BLOCK_BYTES {
                return Err(unreadable("a block is larger than its frame allows"));
            }
            if is_stored {
                out.extend_from_slice(block);
            } else {
                let written = lz4_flex::block::decompress_into(block, room).map_err(unreadable)?;
                out.extend_from_slice(room.get(..written).ok_or_else(cut_off)?);
            }
            if out.len() > MAX_RECORDS_BYTES {
                return Err(BatchDefect::TooLarge { limit: MAX_RECORDS_BYTES });
            }
        }
        Ok(())
    })?;
    out.shrink_to_fit();
    Ok(out)
}

/// Writes the frames that Kafka writes: independent blocks (its reader refuses linked ones), no checksums.
pub(super) struct Lz4Frames {
    table: CompressTable,
    block: Box<[u8]>,
}

impl Default for Lz4Frames {
    fn default() -> Lz4Frames {
        let most = lz4_flex::block::get_maximum_output_size(LZ4_BLOCK_FILLED);
        Lz4Frames { table: CompressTable::small(), block: vec![0; most].into_boxed_slice() }
    }
}

impl Lz4Frames {
    /// Appends a frame of these bytes.
    pub(super) fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&LZ4_HEADER);
        for chunk in plain.chunks(LZ4_BLOCK_FILLED) {
            let written = lz4_flex::block::compress_into_with_table(chunk, &mut self.block, &mut self.table);
            let (stored, block) = match written.ok().and_then(|written| self.block.get(..written)) {
                Some(block) if block.len() < chunk.len() => (0, block),
                _ => (LZ4_STORED, chunk),
            };
            out.extend_from_slice(&(block.len() as u32 | stored).to_le_bytes());
            out.extend_from_slice(block);
        }
        out.extend_from_slice(&LZ4_END.to_le_bytes());
    }
}

/// Whether each block is stored as it is, and its bytes; None for one that is cut off, which is the last.
fn lz4_blocks(frame: &[u8]) -> impl Iterator<Item = Option<(bool, &[u8])>> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let head = u32::from_le_bytes(*head);
        if head == LZ4_END {
            return None;
        }
        let block = after.split_at_checked((head & !LZ4_STORED) as usize);
        rest = block.map_or(&[], |(_, behind)| behind);
        Some(block.map(|(block, _)| (head & LZ4_STORED != 0, block)))
    })
}

fn snappy(bytes: &[u8]) -> Result<Bytes, BatchDefect> {
    let mut out = Vec::new();
    if !bytes.starts_with(XERIAL_MAGIC) {
        snappy_block(bytes, &mut out)?;
        return Ok(Bytes::from(out));
    }
    let mut rest = bytes.get(XERIAL_HEADER_BYTES..).ok_or_else(cut_off)?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(cut_off)?;
        snappy_block(block, &mut out)?;
        rest = after;
    }
    Ok(Bytes::from(out))
}

fn snappy_block(block: &[u8], out: &mut Vec<u8>) -> Result<(), BatchDefect> {
    let length = snap::raw::decompress_len(block).map_err(unreadable)?;
    // what a block claims is reserved before it is read
    if length > MAX_RECORDS_BYTES - out.len() {
        return Err(BatchDefect::TooLarge { limit: MAX_RECORDS_BYTES });
    }
    let start = out.len();
    out.resize(start + length, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(unreadable)?;
    out.truncate(start + written);
    Ok(())
}

fn unreadable(error: impl std::fmt::Display) -> BatchDefect {
    BatchDefect::Decompression { reason: error.to_string() }
}

fn cut_off() -> BatchDefect {
    unreadable("it is cut off")
}
