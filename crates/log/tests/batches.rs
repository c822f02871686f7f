//! Whole batches in and out of the log on disk: each idempotent batch once, also over restarts, raw reads over segments and damage, deletion.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use hoga_log::batch::{BatchEncoder, BatchHeader};
use hoga_log::conformance::record;
use hoga_log::{Compression, DiskLog, DiskOptions, Log, LogError, Offsets, Retention, TopicSpec};

const T: &str = "t";

fn open(dir: &Path) -> DiskLog {
    let options = DiskOptions { segment_bytes: 8_000, ..DiskOptions::new(dir) };
    let (log, _) = DiskLog::open(options).unwrap();
    let keep = Retention { max_age_ms: None, max_bytes: None };
    log.create_topic(&TopicSpec { retention: keep, ..TopicSpec::new(T, 1) }).unwrap();
    log
}

/// A producer's batch of ten records, as it comes over the wire: offset 0, and who it is from.
fn batch(producer_id: i64, epoch: i16, base_sequence: i32) -> (Vec<u8>, BatchHeader) {
    let records: Vec<_> = (0..10).map(record).collect();
    let mut bytes = BatchEncoder::new(Compression::None).encode(0, &records).unwrap().bytes.to_vec();
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&base_sequence.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let header = BatchHeader::parse(&bytes).unwrap();
    header.verify(&bytes).unwrap();
    (bytes, header)
}

fn append(log: &DiskLog, producer_id: i64, epoch: i16, base_sequence: i32) -> Result<i64, LogError> {
    let (bytes, header) = batch(producer_id, epoch, base_sequence);
    log.append_batch(T, 0, &bytes, &header).map(|appended| appended.first_offset)
}

/// Everything from an offset on, by raw fetches: the base offset of each batch.
fn batches(log: &DiskLog, from: i64, max_bytes: usize) -> Vec<i64> {
    let (mut offset, mut found) = (from, Vec::new());
    loop {
        let fetched = log.fetch_batches(T, 0, offset, max_bytes, true).unwrap();
        if fetched.next_offset == offset {
            assert_eq!(offset, fetched.end_offset);
            return found;
        }
        for mut bytes in fetched.batches {
            assert!(bytes.len() <= max_bytes || found.is_empty() || bytes.len() < 2_000);
            while !bytes.is_empty() {
                let header = BatchHeader::parse(&bytes).unwrap();
                header.verify(&bytes).unwrap();
                found.push(header.base_offset);
                bytes = bytes.slice(header.size_bytes..);
            }
        }
        offset = fetched.next_offset;
    }
}

fn segments(dir: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir.join("t-0")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    found.sort();
    found
}

#[test]
fn each_batch_is_there_once_whatever_happens_to_the_process() {
    let dir = tempfile::tempdir().unwrap();
    for restart in 0..12 {
        let log = open(dir.path());
        for n in 0..5 {
            let sequence = (restart * 5 + n) * 10;
            assert_eq!(append(&log, 7, 0, sequence).unwrap(), i64::from(sequence));
            assert_eq!(append(&log, 7, 0, sequence).unwrap(), i64::from(sequence), "again: the same place");
        }
        let last = (restart * 5 + 4) * 10;
        match restart % 4 {
            // closed: the sealed segments have their sidecars
            0 => drop(log),
            // killed: nothing is flushed, nothing is closed
            1 => std::mem::forget(log),
            // the sidecars are lost
            2 => {
                drop(log);
                segments(dir.path(), "sparse").iter().for_each(|path| fs::remove_file(path).unwrap());
            }
            // a torn write lies at the end
            _ => {
                drop(log);
                let path = segments(dir.path(), "log").pop().unwrap();
                let mut bytes = fs::read(&path).unwrap();
                bytes.extend_from_slice(&batch(7, 0, last + 10).0[..100]);
                fs::write(&path, bytes).unwrap();
            }
        }
        if restart % 4 == 1 {
            // the lock of the forgotten log is this process's: let go of it as a death would
            fs::remove_file(dir.path().join("LOCK")).unwrap();
        }
        let log = open(dir.path());
        for back in 0..5 {
            let sequence = last - back * 10;
            assert_eq!(append(&log, 7, 0, sequence).unwrap(), i64::from(sequence), "restart {restart}");
        }
        let skipped = append(&log, 7, 0, last + 20);
        assert!(matches!(skipped, Err(LogError::OutOfOrderSequence { found, .. }) if found == last + 20));
    }
    let log = open(dir.path());
    assert!(segments(dir.path(), "log").len() > 3, "it went over segments");
    let want: Vec<i64> = (0..60).map(|n| n * 10).collect();
    assert_eq!(batches(&log, 0, 1 << 20), want);
    assert!(append(&log, 7, 1, 0).is_ok());
    assert!(matches!(append(&log, 7, 0, 600), Err(LogError::OldProducerEpoch { current: 1, found: 0, .. })));
    assert!(append(&log, -1, -1, -1).is_ok(), "others are not asked");
}

#[test]
fn raw_reads_from_any_offset_and_over_damage() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..100 {
        append(&log, -1, -1, n).unwrap();
    }
    for from in 0..1_000 {
        let first = from / 10 * 10;
        for max_bytes in [0, 3_000, 100_000] {
            let found = batches(&log, from, max_bytes);
            assert_eq!(found, (0..100).map(|n| n * 10).filter(|base| *base >= first).collect::<Vec<_>>());
        }
        let available = log.available_bytes(T, 0, from).unwrap();
        let left = (1_000 - first) as u64 / 10 * batch(-1, -1, 0).0.len() as u64;
        assert!((left..left + 70_000).contains(&available), "from {from}: {available} of {left}");
    }
    assert_eq!(log.available_bytes(T, 0, 1_000).unwrap(), 0);
    assert!(log.available_bytes(T, 0, 1_001).is_err());
    assert!(log.fetch_batches(T, 0, 0, 10, false).unwrap().batches.is_empty(), "not even one");
    assert!(log.fetch_batches(T, 0, 1_001, 10, true).is_err());
    drop(log);
    // in the middle of the second segment
    let path = &segments(dir.path(), "log")[1];
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    let log = open(dir.path());
    assert_eq!(batches(&log, 0, 1 << 20).len(), 99, "all but the damaged one");
    assert_eq!(log.damaged().len(), 1);
}

#[test]
fn deleted_records_stay_away() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..100 {
        append(&log, -1, -1, n).unwrap();
    }
    let before = segments(dir.path(), "log").len();
    assert_eq!(log.delete_records(T, 0, 555).unwrap(), 555);
    assert_eq!(log.delete_records(T, 0, 10).unwrap(), 555, "it never goes back");
    assert!(log.delete_records(T, 0, 1_001).is_err() && log.delete_records(T, 0, -5).is_err());
    assert!(segments(dir.path(), "log").len() < before, "whole segments are gone");
    for _ in 0..2 {
        let log = DiskLog::open(DiskOptions::new(dir.path()));
        assert!(log.is_err(), "one at a time");
    }
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.offsets(T, 0).unwrap(), Offsets { start: 555, end: 1_000 });
    assert!(matches!(log.fetch(T, 0, 554, 1), Err(LogError::OffsetOutOfRange { .. })));
    assert_eq!(log.fetch(T, 0, 555, 1).unwrap().records[0].offset, 555);
    assert_eq!(batches(&log, 555, 1 << 20)[0], 550, "whole batches: the client skips the rest");
    let first_ms = record(0).timestamp_ms;
    assert_eq!(log.offset_for_time(T, 0, first_ms).unwrap(), Some(555), "not one that was deleted");
    assert_eq!(log.delete_records(T, 0, 1_000).unwrap(), 1_000);
    assert_eq!(log.fetch_batches(T, 0, 1_000, 10, true).unwrap().batches, Vec::<Bytes>::new());
    assert_eq!(append(&log, -1, -1, 0).unwrap(), 1_000, "offsets go on");
}

#[test]
fn a_deleted_topic_begins_again_empty() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, 3, 0, 0).unwrap();
    log.delete_topic(T).unwrap();
    assert!(matches!(append(&log, 3, 0, 10), Err(LogError::UnknownTopic { .. })));
    assert!(matches!(log.delete_topic(T), Err(LogError::UnknownTopic { .. })));
    assert!(!dir.path().join("t-0").exists());
    // a deletion that was cut short after the topic was taken off the list
    fs::create_dir(dir.path().join("t-0")).unwrap();
    fs::write(dir.path().join("t-0/00000000000000000000.log"), batch(-1, -1, 0).0).unwrap();
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.offsets(T, 0).unwrap(), Offsets { start: 0, end: 0 });
    assert_eq!(append(&log, 3, 0, 77).unwrap(), 0, "the producer is new here");
}
