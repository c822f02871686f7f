//! Where a fetch's batches come from: memory, when they must be checked or cannot be sent from files, and then counted; files otherwise.

use super::*;

/// A batch of one record, too large to be copied.
fn large(byte: u8) -> Bytes {
    let record = Record { value: Bytes::from(vec![byte; 40_000]), timestamp_ms: 1_000, ..Record::default() };
    Bytes::copy_from_slice(BatchEncoder::new(Compression::None).encode(0, &[record]).unwrap().bytes)
}

fn pieces(stage: &mut Stage, offset: i64) -> Vec<Piece> {
    stage.pieces(frame(11, &fetch(offset, 0))).unwrap()
}

/// Bytes from memory and from files.
fn sizes(pieces: &[Piece]) -> (usize, usize) {
    let of = |files| pieces.iter().filter(|p| matches!(p, Piece::File(_)) == files).map(Piece::len).sum();
    (of(false), of(true))
}

fn held(stage: &Stage) -> usize {
    stage.client.reservation.as_ref().map_or(0, |reservation| reservation.num_permits())
}

#[test]
fn written_batches_are_sent_from_the_file_and_hold_no_memory() {
    let mut stage = Stage::new();
    let all: Vec<Bytes> = (0..10).map(large).collect();
    for batch in &all {
        assert_eq!(produced(&stage.ask(9, &produce("t", 0, batch.clone()))).0, 0);
    }
    for from in 0..10 {
        let sent = pieces(&mut stage, from as i64);
        let want: usize = all[from..].iter().map(Bytes::len).sum();
        assert_eq!((sizes(&sent).1, held(&stage)), (want, 0), "from {from}");
        let sent = Piece::concat(sent);
        assert!(sent.windows(100).any(|part| part == &all[from][100..200]));
    }
    // through TLS they are read, without a look at their checksums, and counted
    stage.client.takes_files = false;
    let sent = pieces(&mut stage, 4);
    let want: usize = all[4..].iter().map(Bytes::len).sum();
    assert_eq!((sizes(&sent).1, held(&stage)), (0, want));
    assert!(sizes(&sent).0 > want);
}

#[test]
fn batches_of_an_earlier_process_are_checked_once() {
    let dir = tempfile::tempdir().unwrap();
    let options = || DiskOptions { recovery_point_bytes: 1, ..DiskOptions::new(dir.path()) };
    let log = DiskLog::open(options()).unwrap().0;
    log.create_topic(&TopicSpec::new("t", 2)).unwrap();
    for byte in 0..4 {
        let batch = large(byte);
        log.append_batch("t", 0, &batch, &crate::batch::BatchHeader::parse(&batch).unwrap()).unwrap();
    }
    drop(log);
    let mut stage = Stage::new();
    let log = Arc::new(DiskLog::open(options()).unwrap().0);
    stage.broker = Broker::open(BrokerOptions::new(log, Arc::new(SystemClock))).unwrap();
    let (first, second) = (pieces(&mut stage, 1), pieces(&mut stage, 1));
    let batch = sizes(&second).1 / 3;
    assert!(batch > 40_000, "the second time from the file");
    assert_eq!(sizes(&first).1, 0, "the first time they are read");
    assert_eq!(Piece::concat(first), Piece::concat(second));
    assert_eq!(sizes(&pieces(&mut stage, 0)).1, 0, "the one before was not checked yet");
}

#[test]
fn memory_that_slow_readers_hold_is_not_given_twice() {
    let mut stage = Stage::new();
    let mut options = BrokerOptions::new(stage.broker.log().clone(), Arc::new(SystemClock));
    options.limits.queued_response_bytes = 500_000;
    stage.broker = Broker::open(options).unwrap();
    stage.client.takes_files = false;
    for byte in 0..10 {
        assert_eq!(produced(&stage.ask(9, &produce("t", 0, large(byte)))).0, 0);
    }
    let all = sizes(&pieces(&mut stage, 0)).0;
    let slow = stage.client.reservation.take();
    assert!(all > 400_000 && slow.is_some());
    let less = sizes(&pieces(&mut stage, 0)).0;
    assert!((40_000..50_000).contains(&less), "one batch: {less}");
    assert_eq!((held(&stage), stage.broker.metrics().fetches_shrunk.get()), (0, 1));
    drop(slow);
    assert_eq!(sizes(&pieces(&mut stage, 0)).0, all);
}
