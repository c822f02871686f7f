//! Batches as Kafka writes them: round trips, compression, and bytes that are no batch.

#![allow(clippy::unwrap_used, reason = "tests")]

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::error::LogError;

fn encode(compression: Compression, base_offset: i64, records: &[Record]) -> Bytes {
    Bytes::copy_from_slice(BatchEncoder::new(compression).encode(base_offset, records).unwrap().bytes)
}

fn decode(batch: &Bytes) -> Result<Vec<StoredRecord>, BatchDefect> {
    let header = BatchHeader::parse(batch)?;
    header.verify(batch)?;
    let mut out = Vec::new();
    decode_records(batch, &header, 0, &mut out)?;
    Ok(out)
}

/// With the checksum made right again: what a bug or an attacker could write.
fn resealed(mut batch: Vec<u8>) -> Bytes {
    if batch.len() > CHECKED_FROM {
        let crc = crc32c::crc32c(&batch[CHECKED_FROM..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    Bytes::from(batch)
}

fn any_record() -> impl Strategy<Value = Record> {
    let bytes = || vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    let header = ("\\PC{0,10}", bytes()).prop_map(|(key, value)| Header { key, value });
    let timestamp = prop_oneof![any::<i64>(), 1_785_395_043_000_i64..1_785_395_053_000];
    (proptest::option::of(bytes()), bytes(), timestamp, vec(header, 0..4))
        .prop_map(|(key, value, timestamp_ms, headers)| Record { key, value, timestamp_ms, headers })
}

/// Written by Kafka's own `MemoryRecords.withRecords` (kafka-clients 4.1.0, CREATE_TIME, base offset 42): two records, the second with a null
/// key and a header; see `tests/kafka/WriteFixtures.java`.
#[test]
fn a_batch_that_kafka_wrote() {
    for (bytes, compression) in [
        (&include_bytes!("../../tests/fixtures/kafka_none.batch")[..], Compression::None),
        (&include_bytes!("../../tests/fixtures/kafka_lz4.batch")[..], Compression::Lz4),
    ] {
        let batch = Bytes::from_static(bytes);
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!((header.base_offset, header.record_count, header.size_bytes), (42, 2, batch.len()));
        assert_eq!(header.attributes & ATTRIBUTE_COMPRESSION, compression.code());
        let records = decode(&batch).unwrap();
        let value = Bytes::from("{\"trade_price\":91361000.0}".repeat(20));
        let want = [
            Record {
                key: Some(Bytes::from_static(b"KRW-BTC")),
                value: value.clone(),
                timestamp_ms: 1_785_395_043_831,
                headers: vec![],
            },
            Record {
                key: None,
                value,
                timestamp_ms: 1_785_395_043_830,
                headers: vec![Header { key: "h".to_owned(), value: Bytes::from_static(b"v") }],
            },
        ];
        assert_eq!(records.iter().map(|r| r.offset).collect::<Vec<_>>(), [42, 43]);
        assert_eq!(records.into_iter().map(|r| r.record).collect::<Vec<_>>(), want);
        if compression == Compression::None {
            let ours = encode(compression, 42, &want);
            // Kafka's client leaves the leader epoch at -1; everything else is the same, byte for byte
            assert_eq!((&ours[..12], &ours[16..]), (&batch[..12], &batch[16..]));
        }
    }
}

/// Of the same two records (kafka-clients 4.3.1).
#[test]
fn every_codec_that_kafka_has() {
    let plain = Bytes::from_static(include_bytes!("../../tests/fixtures/kafka_none.batch"));
    let want = decode(&plain).unwrap();
    for (name, bytes) in [
        ("gzip", &include_bytes!("../../tests/fixtures/kafka_gzip.batch")[..]),
        ("snappy", &include_bytes!("../../tests/fixtures/kafka_snappy.batch")[..]),
        ("lz4", &include_bytes!("../../tests/fixtures/kafka_lz4.batch")[..]),
        ("zstd", &include_bytes!("../../tests/fixtures/kafka_zstd.batch")[..]),
    ] {
        let batch = Bytes::from_static(bytes);
        assert_eq!(BatchHeader::parse(&batch).unwrap().compression_name(), Some(name));
        assert_eq!(decode(&batch).unwrap(), want, "{name}");
        // cut or damaged inside, with a checksum that is right: a defect, no panic
        for at in HEADER_BYTES..batch.len() {
            let mut bad = batch.to_vec();
            bad[at] ^= 0x55;
            drop(decode(&resealed(bad)));
            let mut cut = batch[..at].to_vec();
            cut[8..12].copy_from_slice(&((at - LENGTH_PREFIX_BYTES) as i32).to_be_bytes());
            // some do without their end mark, but nothing else is ever read
            assert!(decode(&resealed(cut)).map_or(true, |read| read == want), "{name} cut at {at}");
        }
    }
}

/// As librdkafka writes it, without xerial's framing.
#[test]
fn bare_snappy() {
    let plain = encode(Compression::None, 42, &[Record::default(), Record::default()]);
    let mut batch = plain[..HEADER_BYTES].to_vec();
    batch.extend(snap::raw::Encoder::new().compress_vec(&plain[HEADER_BYTES..]).unwrap());
    let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[22] = 2;
    assert_eq!(decode(&resealed(batch)).unwrap(), decode(&plain).unwrap());
}

/// 1 GiB of zeros in each codec, and a snappy block that only claims to be large.
#[test]
fn a_small_batch_does_not_become_a_large_one() {
    use std::io::Write;
    let zeros = vec![0_u8; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut lz4 = FrameEncoder::new(Vec::new());
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..1_024 {
        gzip.write_all(&zeros).unwrap();
        lz4.write_all(&zeros).unwrap();
        zstd.write_all(&zeros).unwrap();
    }
    let snappy = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0].to_vec();
    let bombs = [(1, gzip.finish().unwrap()), (2, snappy), (3, lz4.finish().unwrap()), (4, zstd.finish().unwrap())];
    for (codec, bomb) in bombs {
        let mut batch = encode(Compression::None, 0, &[Record::default()])[..HEADER_BYTES].to_vec();
        batch.extend(bomb);
        let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[22] = codec;
        let decoded = decode(&resealed(batch));
        assert_eq!(decoded, Err(BatchDefect::TooLarge { limit: MAX_RECORDS_BYTES }), "codec {codec}");
    }
}

#[test]
fn an_unknown_codec_is_named() {
    let mut batch = encode(Compression::None, 0, &[Record::default()]).to_vec();
    batch[22] = 7;
    assert_eq!(decode(&resealed(batch)), Err(BatchDefect::UnknownCompression { codec: 7 }));
}

#[test]
fn uncompressed_values_are_slices_of_the_batch() {
    let record = Record { value: Bytes::from_static(b"value"), ..Record::default() };
    let batch = encode(Compression::None, 0, &[record]);
    let value = decode(&batch).unwrap()[0].record.value.clone();
    assert!(batch.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn base_offset_and_leader_epoch_are_outside_the_checksum() {
    let mut batch = encode(Compression::Lz4, 7, &[Record::default(), Record::default()]).to_vec();
    batch[..8].copy_from_slice(&1_000_i64.to_be_bytes());
    batch[12..16].copy_from_slice(&9_i32.to_be_bytes());
    let offsets: Vec<i64> = decode(&Bytes::from(batch)).unwrap().iter().map(|r| r.offset).collect();
    assert_eq!(offsets, [1_000, 1_001]);
}

#[test]
fn a_small_batch_holds_no_more_memory_than_its_records() {
    let frame = kafka_frame(&[b'a'; 300], 1);
    let records = codecs::lz4(frame.strip_prefix(&codecs::LZ4_HEADER).unwrap()).unwrap();
    assert_eq!((records.len(), records.capacity()), (300, 300));
}

#[test]
fn limits_are_kept() {
    let mut encoder = BatchEncoder::new(Compression::Lz4);
    let large = Record { value: Bytes::from(vec![0; MAX_BATCH_BYTES / 2]), ..Record::default() };
    assert!(matches!(
        encoder.encode(0, &[large.clone(), large.clone()]),
        Err(LogError::BatchTooLarge { what: "bytes", .. })
    ));
    assert!(encoder.encode(0, std::slice::from_ref(&large)).is_ok(), "the encoder is usable afterwards");
    let headers = vec![Header { key: String::new(), value: Bytes::new() }; MAX_HEADERS_PER_RECORD + 1];
    let many = Record { headers, ..Record::default() };
    assert!(matches!(encoder.encode(0, &[many]), Err(LogError::BatchTooLarge { .. })));
    let many = vec![Record::default(); MAX_RECORDS_PER_BATCH + 1];
    assert!(matches!(encoder.encode(0, &many), Err(LogError::BatchTooLarge { what: "records", .. })));
    assert!(matches!(encoder.encode(0, &[]), Err(LogError::EmptyAppend)));
}

/// A frame as Kafka's clients write it.
fn kafka_frame(plain: &[u8], times: usize) -> Vec<u8> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut frame = FrameEncoder::with_frame_info(info, Vec::new());
    (0..times).for_each(|_| std::io::Write::write_all(&mut frame, plain).unwrap());
    frame.finish().unwrap()
}

/// 300 MB of zeros in 1.2 MB of LZ4: refused at the limit, not decompressed.
#[test]
fn a_decompression_bomb_is_refused() {
    let zeros = vec![0; 1 << 20];
    let mut other = FrameEncoder::new(Vec::new());
    (0..300).for_each(|_| std::io::Write::write_all(&mut other, &zeros).unwrap());
    for frame in [kafka_frame(&zeros, 300), other.finish().unwrap()] {
        let mut batch = encode(Compression::None, 0, &[Record::default()])[..HEADER_BYTES].to_vec();
        batch.extend(frame);
        batch[22] = 3;
        let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        assert_eq!(decode(&resealed(batch)), Err(BatchDefect::TooLarge { limit: MAX_RECORDS_BYTES }));
    }
}

/// Blocks that shrink and blocks that do not, whole and with a bit changed: as the crate's reader reads them.
#[test]
fn frames_of_lz4_are_read_as_by_its_crate() {
    let mut state = 7_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    };
    let plain = [noise(70_000), vec![b'a'; 90_000], noise(100), b"abc".repeat(30_000)].concat();
    let frame = kafka_frame(&plain, 1);
    let by_crate = |frame: &[u8]| {
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut FrameDecoder::new(frame), &mut read).map(|_| Bytes::from(read)).ok()
    };
    assert_eq!(codecs::decompress(3, frame.clone().into()).unwrap(), plain);
    for at in (0..frame.len()).step_by(487) {
        let mut changed = frame.clone();
        changed[at] ^= 0x40;
        assert_eq!(codecs::decompress(3, changed.clone().into()).ok(), by_crate(&changed), "bit changed at {at}");
        assert_eq!(codecs::decompress(3, frame[..at].to_vec().into()).ok(), by_crate(&frame[..at]), "cut at {at}");
    }
}

#[test]
fn a_batch_that_does_not_shrink_is_stored_plain() {
    let batch = encode(Compression::Lz4, 0, &[Record { value: Bytes::from_static(b"x"), ..Record::default() }]);
    assert_eq!(BatchHeader::parse(&batch).unwrap().attributes, 0);
}

#[test]
fn log_append_time_is_the_time_of_all_and_control_batches_hold_nothing() {
    let records = [Record { timestamp_ms: 5, ..Record::default() }, Record { timestamp_ms: 9, ..Record::default() }];
    let plain = encode(Compression::None, 0, &records);
    let with = |attributes: i16| {
        let mut batch = plain.to_vec();
        batch[21..23].copy_from_slice(&attributes.to_be_bytes());
        decode(&resealed(batch)).unwrap()
    };
    assert!(with(ATTRIBUTE_LOG_APPEND_TIME).iter().all(|r| r.record.timestamp_ms == 9));
    assert_eq!(with(ATTRIBUTE_CONTROL), []);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back(records in vec(any_record(), 1..30), base in 0..i64::MAX / 2, lz4: bool, from in 0..40_i64) {
        let compression = if lz4 { Compression::Lz4 } else { Compression::None };
        let mut encoder = BatchEncoder::new(compression);
        // the second batch of an encoder must not remember the first
        for _ in 0..2 {
            let encoded = encoder.encode(base, &records).unwrap();
            prop_assert_eq!(encoded.max_timestamp_ms, records.iter().map(|r| r.timestamp_ms).max().unwrap());
            let batch = Bytes::copy_from_slice(encoded.bytes);
            let header = BatchHeader::parse(&batch).unwrap();
            prop_assert_eq!(header.size_bytes, batch.len());
            prop_assert_eq!(header.next_offset(), base + records.len() as i64);
            header.verify(&batch).unwrap();
            let mut out = Vec::new();
            decode_records(&batch, &header, base + from, &mut out).unwrap();
            let want: Vec<StoredRecord> = records.iter().cloned().zip(base..).filter(|(_, offset)| *offset >= base + from)
                .map(|(record, offset)| StoredRecord { offset, record }).collect();
            prop_assert_eq!(out, want);
        }
    }

    #[test]
    fn any_bytes_are_refused_quietly(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode(&Bytes::from(bytes));
    }

    /// Past the header and the checksum, so that records and LZ4 frames are the ones that are wrong.
    #[test]
    fn any_records_are_refused_quietly(tail in vec(any::<u8>(), 0..300), code in 0..8_u8, count in 0..40_i32) {
        let mut batch = encode(Compression::None, 0, &[Record::default()])[..HEADER_BYTES].to_vec();
        batch.extend(&tail);
        batch[22] = code;
        batch[23..27].copy_from_slice(&1_000_i32.to_be_bytes());
        batch[57..61].copy_from_slice(&count.to_be_bytes());
        let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        let mut out = vec![StoredRecord { offset: 0, record: Record::default() }];
        let batch = resealed(batch);
        let header = BatchHeader::parse(&batch).unwrap();
        let failed = decode_records(&batch, &header, 0, &mut out).is_err();
        prop_assert!(!failed || out.len() == 1, "a defect leaves nothing behind");
    }

    /// One change anywhere in the checked part is noticed; made right again, it never panics.
    #[test]
    fn changed_batches(records in vec(any_record(), 1..8), lz4: bool, at: prop::sample::Index, bit in 0..8_u8) {
        let compression = if lz4 { Compression::Lz4 } else { Compression::None };
        let good = encode(compression, 0, &records);
        let mut bad = good.to_vec();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        let decoded = decode(&Bytes::from(bad.clone()));
        if at >= 16 {
            prop_assert!(decoded.is_err(), "byte {} of {}", at, bad.len());
        }
        let _ = decode(&resealed(bad));
    }
}
