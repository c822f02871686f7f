//! The Kafka listener over real sockets: clients that are no clients, that stand still, that are too many, and a disk that is full. Whoever
//! behaves is served all the while. Well-behaved requests come from the `kafka-protocol` crate.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hoga_log::batch::BatchEncoder;
use hoga_log::wire::{self, Broker, BrokerOptions, Limits, Metrics, RunningWire, Users, WireError};
use hoga_log::{Compression, DiskLog, DiskOptions, Faults, Log, Record, TopicSpec};
use hoga_model::time::SystemClock;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiVersionsRequest, FetchRequest, MetadataRequest, ProduceRequest, RequestHeader, ResponseHeader,
    SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_millis(400);
const STORAGE_ERROR: i16 = 56;

struct Stage {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    log: Arc<DiskLog>,
    faults: Arc<Faults>,
    cancel: CancellationToken,
    running: Option<RunningWire>,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new(change: impl FnOnce(&mut BrokerOptions)) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let options = DiskOptions { faults: Some(faults.clone()), ..DiskOptions::new(dir.path()) };
        let log = Arc::new(DiskLog::open(options).unwrap().0);
        log.create_topic(&TopicSpec::new("t", 1)).unwrap();
        let mut options = BrokerOptions::new(log.clone(), Arc::new(SystemClock));
        options.limits.stall_timeout = STALL;
        change(&mut options);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let broker = Broker::open(options).unwrap();
        let metrics = broker.metrics().clone();
        let cancel = CancellationToken::new();
        let listen = "127.0.0.1:0".parse().unwrap();
        let running = runtime.block_on(wire::serve(listen, broker, None, cancel.clone())).unwrap();
        let address = running.local_addr();
        Stage { address, metrics, log, faults, cancel, running: Some(running), runtime, _dir: dir }
    }

    /// The files of the topic.
    fn segments(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.log.dir().join("t-0")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
    }

    fn connect(&self) -> Peer {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer(stream)
    }

    /// What must work whatever others do.
    fn check(&self) {
        let began = Instant::now();
        let mut peer = self.connect();
        assert_eq!(peer.ask(3, &ApiVersionsRequest::default()).error_code, 0);
        assert_eq!(peer.produce(1).0, 0);
        assert!(began.elapsed() < Duration::from_secs(5), "others are not to wait: {:?}", began.elapsed());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stopped());
        }
    }
}

struct Peer(TcpStream);

impl Peer {
    fn send<R: Request>(&mut self, version: i16, request: &R) {
        let mut frame = BytesMut::from(&[0; 4][..]);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(7)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = (frame.len() - 4) as i32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.0.write_all(&frame).unwrap();
    }

    fn receive(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame)?;
        Ok(Bytes::from(frame))
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        let mut frame = self.receive().unwrap();
        ResponseHeader::decode(&mut frame, R::Response::header_version(version)).unwrap();
        R::Response::decode(&mut frame, version).unwrap()
    }

    /// Error code and offset.
    fn produce(&mut self, records: usize) -> (i16, i64) {
        self.produce_batch(batch(records))
    }

    fn produce_batch(&mut self, batch: Bytes) -> (i16, i64) {
        let part = PartitionProduceData::default().with_records(Some(batch));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_static_str("t")))
            .with_partition_data(vec![part]);
        let response = self.ask(9, &ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]));
        let part = &response.responses[0].partition_responses[0];
        (part.error_code, part.base_offset)
    }

    /// Whether the other side has closed the connection.
    fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        matches!(self.0.read(&mut byte), Ok(0)) || {
            let error = self.0.read(&mut byte).map_err(|error| error.kind());
            error == Err(io::ErrorKind::ConnectionReset)
        }
    }
}

fn batch(records: usize) -> Bytes {
    let record = Record { value: Bytes::from(vec![b'v'; 1_000]), ..Record::default() };
    let records = vec![record; records];
    let batch = BatchEncoder::new(Compression::None).encode(0, &records).map(|e| Bytes::copy_from_slice(e.bytes));
    batch.unwrap()
}

/// A batch of an idempotent producer.
fn numbered(records: usize, producer: i64, epoch: i16, sequence: i32) -> Bytes {
    let mut bytes = batch(records).to_vec();
    bytes[43..51].copy_from_slice(&producer.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(bytes)
}

fn fetch(max_bytes: i32) -> FetchRequest {
    let part = FetchPartition::default().with_partition_max_bytes(max_bytes);
    let topic = FetchTopic::default().with_topic(TopicName(StrBytes::from_static_str("t"))).with_partitions(vec![part]);
    FetchRequest::default().with_max_bytes(max_bytes).with_min_bytes(1).with_topics(vec![topic])
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_no_request_is_closed_and_counted() {
    let stage = Stage::new(|_| {});
    let framed = |body: &[u8]| [&(body.len() as i32).to_be_bytes()[..], body].concat();
    let nonsense: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0xff; 100],
        vec![0; 100],
        i32::MAX.to_be_bytes().to_vec(),
        i32::MIN.to_be_bytes().to_vec(),
        framed(b"\x03\xe7\0\0\0\0\0\x01\0\0"),
        framed(b"\0\x01\0\x63\0\0\0\x01\0\0"),
        framed(b"\0\x03\0\x05\0\0\0\x01\xff\xff\x7f\xff\xff\xff"),
        framed(b"\0\x12\0\x03\0\0\0\x01\xff\xff\0\xff\xff\xff\xff\x0f"),
        framed(b"\0\x03\0\x01\0\0\0\x01\x7f\xff"),
    ];
    let count = nonsense.len() as u64;
    for bytes in nonsense {
        let mut peer = stage.connect();
        peer.0.write_all(&bytes).unwrap();
        assert!(peer.is_closed(), "{bytes:?}");
        stage.check();
    }
    let metrics = &stage.metrics;
    wait_for("all to be counted", || metrics.protocol_errors.get() + metrics.requests_too_large.get() == count);
    assert!(metrics.requests_too_large.get() >= 2);
    // cut off in the middle, then nothing: closed when the patience is over
    let mut peer = stage.connect();
    peer.0.write_all(&1_000_i32.to_be_bytes()).unwrap();
    assert!(peer.is_closed());
    wait_for("the stalled one to be counted", || metrics.stalled.get() == 1);
    stage.check();
}

/// Java's first words to a broker it does not know.
#[test]
fn a_newer_clients_first_question_is_answered() {
    let stage = Stage::new(|_| {});
    let mut peer = stage.connect();
    peer.send(4, &ApiVersionsRequest::default());
    let answer = peer.receive().unwrap();
    assert_eq!(answer[..6], *b"\0\0\0\x07\0\x23", "correlation id, error 35");
    assert_eq!(peer.ask(3, &ApiVersionsRequest::default()).error_code, 0, "the connection is still there");
}

#[test]
fn a_client_that_never_reads_is_closed_and_keeps_nobody_waiting() {
    let stage = Stage::new(|options| options.limits.queued_response_bytes = 8 << 20);
    let mut writer = stage.connect();
    for _ in 0..40 {
        writer.produce(1_000);
    }
    let mut stuck: Vec<Peer> = (0..8).map(|_| stage.connect()).collect();
    for peer in &mut stuck {
        // more than the sockets' buffers hold
        for _ in 0..10 {
            peer.send(11, &fetch(16 << 20));
        }
    }
    let mut reader = stage.connect();
    let got = reader.ask(11, &fetch(16 << 20));
    let bytes = got.responses[0].partitions[0].records.as_ref().unwrap().len();
    assert!(bytes > 15 << 20, "twice as much as there is memory for: {bytes}");
    stage.check();
    wait_for("all that stand still to be closed", || stage.metrics.stalled.get() == 8);
    assert_eq!(stage.metrics.fetches_shrunk.get(), 0, "who stands still holds no batches in memory");
}

/// More than the buffers of two sockets hold, on its way to a client that has taken its length and nothing more.
fn begun_to_send(stage: &Stage) -> (Peer, usize) {
    let mut writer = stage.connect();
    for _ in 0..30 {
        writer.produce(1_000);
    }
    let mut reader = stage.connect();
    reader.send(11, &fetch(16 << 20));
    let mut length = [0; 4];
    reader.0.read_exact(&mut length).unwrap();
    (reader, i32::from_be_bytes(length) as usize)
}

#[test]
fn what_is_being_sent_outlives_its_segment() {
    let stage = Stage::new(|options| options.limits.stall_timeout = PATIENCE);
    let (mut reader, length) = begun_to_send(&stage);
    let want = stage.log.fetch_batches("t", 0, 0, 16 << 20, true).unwrap().batches.concat();
    assert_eq!(stage.log.delete_records("t", 0, 30_000).unwrap(), 30_000);
    assert_eq!(stage.segments().len(), 1, "the file is gone, but for the next one");
    let mut frame = vec![0; length];
    reader.0.read_exact(&mut frame).unwrap();
    assert!(frame.windows(want.len()).any(|part| part == want), "every byte as it was");
    assert!(stage.metrics.bytes_out_of_files.get() >= want.len() as u64);
    stage.check();
}

#[test]
fn a_segment_that_is_cut_while_it_is_sent_ends_the_connection_and_is_named() {
    let stage = Stage::new(|options| options.limits.stall_timeout = PATIENCE);
    let (mut reader, length) = begun_to_send(&stage);
    let file = std::fs::OpenOptions::new().write(true).open(&stage.segments()[0]).unwrap();
    file.set_len(2_500_000).unwrap();
    let mut frame = Vec::new();
    // what the socket held already comes, then the end
    let ended = reader.0.read_to_end(&mut frame);
    assert!(frame.len() < length, "{} of {length} bytes, {ended:?}", frame.len());
    // the next one sees what is left, and that the rest is lost
    let mut again = stage.connect();
    let got = again.ask(11, &fetch(16 << 20));
    let part = &got.responses[0].partitions[0];
    assert_eq!((part.error_code, part.records.as_ref().unwrap().len()), (0, 2 * batch(1_000).len()));
    let fetched = stage.log.fetch("t", 0, 2_000, usize::MAX).unwrap();
    assert_eq!(fetched.damaged.map(|lost| lost.first_offset), Some(2_000));
    stage.check();
}

#[test]
fn too_many_connections_are_refused() {
    let stage = Stage::new(|options| options.limits = Limits { connections_per_ip: 3, ..options.limits });
    let mut three: Vec<Peer> = (0..3).map(|_| stage.connect()).collect();
    for peer in &mut three {
        peer.ask(3, &ApiVersionsRequest::default());
    }
    assert!(stage.connect().is_closed());
    assert_eq!(stage.metrics.connections_rejected.get(), 1);
    drop(three.pop());
    wait_for("a place to be free", || stage.metrics.open_connections() == 2);
    stage.check();
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let stage = Stage::new(|_| {});
    let mut peer = stage.connect();
    assert_eq!(peer.produce(3), (0, 0));
    stage.faults.set_room_bytes(1_000);
    assert_eq!(peer.produce(3), (STORAGE_ERROR, -1));
    assert_eq!(peer.produce(3), (STORAGE_ERROR, -1));
    let got = peer.ask(11, &fetch(1 << 20));
    assert_eq!(got.responses[0].partitions[0].high_watermark, 3, "what is there can be read");
    stage.faults.set_room_bytes(u64::MAX);
    assert_eq!(peer.produce(3), (0, 3), "without a hole");
    let errors = stage.metrics.errors();
    assert!(errors.contains(&("Produce", STORAGE_ERROR, 2)), "{errors:?}");
    let fetched = stage.log.fetch("t", 0, 0, usize::MAX).unwrap();
    assert_eq!((fetched.records.len(), fetched.damaged), (6, None));
}

#[test]
fn a_producer_of_before_and_a_producer_that_skips_are_told_so() {
    const OUT_OF_ORDER: i16 = 45;
    const OLD_EPOCH: i16 = 47;
    let stage = Stage::new(|_| {});
    let mut peer = stage.connect();
    assert_eq!(peer.produce_batch(numbered(3, 7, 1, 0)), (0, 0));
    assert_eq!(
        peer.produce_batch(numbered(3, 7, 1, 0)),
        (0, 0),
        "again: the same answer, and no second time in the log"
    );
    assert_eq!(peer.produce_batch(numbered(3, 7, 1, 4)), (OUT_OF_ORDER, -1), "3 is next");
    assert_eq!(peer.produce_batch(numbered(3, 7, 0, 3)), (OLD_EPOCH, -1));
    assert_eq!(peer.produce_batch(numbered(3, 7, 1, 3)), (0, 3), "the connection and the producer live on");
    assert_eq!(peer.produce_batch(numbered(1, 7, 2, 0)), (0, 6), "a newer epoch begins anew");
    assert_eq!(peer.produce_batch(numbered(1, 7, 1, 6)), (OLD_EPOCH, -1), "and ends the one before");
    let errors = stage.metrics.errors();
    assert_eq!(errors, [("Produce", OUT_OF_ORDER, 1), ("Produce", OLD_EPOCH, 2)]);
    assert_eq!(
        stage.log.fetch("t", 0, 0, usize::MAX).unwrap().records.len(),
        7,
        "nothing twice, nothing of what was refused"
    );
    stage.check();
}

#[test]
fn who_does_not_say_who_he_is_may_do_nothing() {
    let users = Users::parse("ann:secret").unwrap();
    let stage = Stage::new(|options| options.users = Some(users));
    let mut stranger = stage.connect();
    assert_eq!(stranger.ask(3, &ApiVersionsRequest::default()).error_code, 0, "that may be asked");
    stranger.send(9, &MetadataRequest::default());
    assert!(stranger.is_closed());
    let authenticate = |password: &'static [u8]| {
        let mut peer = stage.connect();
        let mechanism = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"));
        assert_eq!(peer.ask(1, &mechanism).error_code, 0);
        let answer = peer.ask(2, &SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(password)));
        (peer, answer.error_code)
    };
    let (mut wrong, error) = authenticate(b"\0ann\0Secret");
    assert_eq!(error, 58);
    assert!(wrong.is_closed());
    let (mut ann, error) = authenticate(b"\0ann\0secret");
    assert_eq!(error, 0);
    assert_eq!(ann.produce(1), (0, 0));
    assert_eq!(stage.metrics.authentication_failures.get(), 1);
}

#[test]
fn other_machines_need_a_user() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(DiskLog::open(DiskOptions::new(dir.path())).unwrap().0);
    let broker = Broker::open(BrokerOptions::new(log, Arc::new(SystemClock))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listen = "0.0.0.0:0".parse().unwrap();
    let refused = runtime.block_on(wire::serve(listen, broker, None, CancellationToken::new()));
    assert!(matches!(refused, Err(WireError::UsersNeeded { .. })));
}
