//! Our codec against the `kafka-protocol` crate, which is generated from Kafka's own schemas: it writes the requests and reads the responses, in
//! every version that both know. And decoders against bytes that are no request.

#![allow(clippy::unwrap_used, reason = "tests")]

mod decoders;
mod fetches;
mod groups;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hoga_model::time::SystemClock;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};

use super::{APIS, ApiSpec, Client, ErrorCode, Reader, answer};
use crate::batch::{BatchEncoder, Compression};
use crate::disk::{DiskLog, DiskOptions};
use crate::log::{Log, Record};
use crate::topic::TopicSpec;
use crate::wire::broker::{Broker, BrokerOptions};
use crate::wire::piece::Piece;
use crate::wire::sasl::Sasl;

struct Stage {
    broker: Arc<Broker>,
    client: Client,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(DiskLog::open(DiskOptions::new(dir.path())).unwrap().0);
        log.create_topic(&TopicSpec::new("t", 2)).unwrap();
        let mut options = BrokerOptions::new(log, Arc::new(SystemClock));
        options.limits.initial_rebalance_delay_ms = 0;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = "127.0.0.1:9092".parse().unwrap();
        let client = Client {
            id: "test".to_owned(),
            host: "127.0.0.1".parse().unwrap(),
            local: address,
            sasl: Sasl::new(None),
            takes_files: true,
            close: false,
            reservation: None,
        };
        Stage { broker: Broker::open(options).unwrap(), client, runtime, _dir: dir }
    }

    /// The broker's answer to a request that the crate wrote, read by the crate to its last byte.
    fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let mut response = self.answer(frame(version, request)).expect("a response");
        let header = ResponseHeader::decode(&mut response, R::Response::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, 77);
        let answer = R::Response::decode(&mut response, version).unwrap();
        assert!(response.is_empty(), "{} version {version}: {} bytes too many", R::KEY, response.len());
        answer
    }

    fn answer(&mut self, frame: Bytes) -> Option<Bytes> {
        let frame = Bytes::from(Piece::concat(self.pieces(frame)?));
        assert_eq!(i32::from_be_bytes(*frame.first_chunk().unwrap()) as usize, frame.len() - 4);
        Some(frame.slice(4..))
    }

    fn pieces(&mut self, frame: Bytes) -> Option<Vec<Piece>> {
        let mut reader = Reader::new(frame);
        let header = super::RequestHeader::read(&mut reader).unwrap();
        assert_eq!(header.client_id, "test");
        let answered = answer(&self.broker, &mut self.client, &header, reader);
        self.runtime.block_on(answered).unwrap()
    }
}

fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    let mut header = kafka_protocol::messages::RequestHeader::default();
    header.request_api_key = R::KEY;
    header.request_api_version = version;
    header.correlation_id = 77;
    header.client_id = Some(StrBytes::from_static_str("test"));
    let mut frame = BytesMut::new();
    header.encode(&mut frame, R::header_version(version)).unwrap();
    request.encode(&mut frame, version).unwrap();
    frame.freeze()
}

/// The versions of an API that both know.
fn versions<R: Request>() -> std::ops::RangeInclusive<i16> {
    let (_, api) = ApiSpec::find(R::KEY).unwrap();
    <R as Message>::VERSIONS.min..=api.max_version.min(<R as Message>::VERSIONS.max)
}

fn name(text: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(text))
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn batch(count: i64) -> Bytes {
    let records: Vec<Record> = (0..count)
        .map(|n| Record { value: Bytes::from(vec![b'v'; 100]), timestamp_ms: 1_000 + n, ..Record::default() })
        .collect();
    Bytes::copy_from_slice(BatchEncoder::new(Compression::Lz4).encode(0, &records).unwrap().bytes)
}

fn produce(topic: &'static str, partition: i32, records: Bytes) -> ProduceRequest {
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let part = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![part]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

fn produced(response: &ProduceResponse) -> (i16, i64) {
    let part = &response.responses[0].partition_responses[0];
    (part.error_code, part.base_offset)
}

fn fetch(offset: i64, max_wait_ms: i32) -> FetchRequest {
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
    let part = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![part]);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic])
}

#[test]
fn produce_and_fetch() {
    let mut stage = Stage::new();
    for (n, version) in versions::<ProduceRequest>().enumerate() {
        let response = stage.ask(version, &produce("t", 0, batch(10)));
        assert_eq!(produced(&response), (0, n as i64 * 10), "version {version}");
    }
    let end = versions::<ProduceRequest>().count() as i64 * 10;
    for version in versions::<FetchRequest>() {
        let response = stage.ask(version, &fetch(13, 0));
        let part = &response.responses[0].partitions[0];
        assert_eq!((part.error_code, part.high_watermark), (0, end));
        let records = part.records.clone().unwrap();
        let mut header = crate::batch::BatchHeader::parse(&records).unwrap();
        assert_eq!(header.base_offset, 10, "the batch that holds the offset");
        let mut rest = records;
        while !rest.is_empty() {
            header = crate::batch::BatchHeader::parse(&rest).unwrap();
            header.verify(&rest).unwrap();
            rest = rest.slice(header.size_bytes..);
        }
        assert_eq!(header.next_offset(), end);
        let beyond = stage.ask(version, &fetch(end + 1, 1_000));
        assert_eq!(beyond.responses[0].partitions[0].error_code, ErrorCode::OffsetOutOfRange.code());
        let nothing = stage.ask(version, &fetch(end, 0));
        assert_eq!(nothing.responses[0].partitions[0].records.as_ref().map(Bytes::len), Some(0));
    }
}

#[test]
fn bad_batches_are_refused_by_their_own_code() {
    let mut stage = Stage::new();
    let good = batch(3);
    let damaged = |at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1;
        Bytes::from(bytes)
    };
    let resealed = |at: usize, value: &[u8]| {
        let mut bytes = good.to_vec();
        bytes[at..at + value.len()].copy_from_slice(value);
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(bytes)
    };
    let cases = [
        ("the checksum", damaged(70), ErrorCode::CorruptMessage),
        ("magic", damaged(16), ErrorCode::InvalidRecord),
        ("cut off", good.slice(..40), ErrorCode::CorruptMessage),
        ("nothing", Bytes::new(), ErrorCode::CorruptMessage),
        ("two batches", Bytes::from([&good[..], &good[..]].concat()), ErrorCode::InvalidRecord),
        ("fewer records than offsets", resealed(57, &2_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        ("control", resealed(21, &0x20_i16.to_be_bytes()), ErrorCode::InvalidRecord),
        ("transactional", resealed(21, &0x10_i16.to_be_bytes()), ErrorCode::InvalidRecord),
        ("log append time", resealed(21, &0x08_i16.to_be_bytes()), ErrorCode::InvalidTimestamp),
        ("a codec nobody knows", resealed(21, &0x06_i16.to_be_bytes()), ErrorCode::InvalidRecord),
        ("the far future", resealed(35, &i64::MAX.to_be_bytes()), ErrorCode::InvalidTimestamp),
        ("a producer without a sequence", resealed(43, &7_i64.to_be_bytes()), ErrorCode::InvalidRecord),
    ];
    for (what, records, want) in cases {
        let (error, _) = produced(&stage.ask(9, &produce("t", 1, records)));
        assert_eq!(error, want.code(), "{what}");
    }
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    for (topic, partition, want) in
        [("t", 2, unknown), ("t", -1, unknown), ("nope", 0, unknown), ("__consumer_offsets", 0, 17)]
    {
        assert_eq!(produced(&stage.ask(9, &produce(topic, partition, good.clone()))).0, want, "{topic}-{partition}");
    }
    let transactional = produce("t", 1, good.clone()).with_transactional_id(Some(TransactionalId(text("x"))));
    assert_eq!(produced(&stage.ask(9, &transactional)).0, ErrorCode::TransactionalIdAuthorizationFailed.code());
    assert_eq!(produced(&stage.ask(9, &produce("t", 1, good.clone()).with_acks(2))).0, 21);
    assert_eq!(stage.broker.log().offsets("t", 1).unwrap().end, 0, "nothing of it was stored");
    assert_eq!(produced(&stage.ask(9, &produce("t", 1, good))), (0, 0));
    let errors = stage.broker.metrics().errors();
    assert!(errors.contains(&("Produce", ErrorCode::CorruptMessage.code(), 3)), "{errors:?}");
}

#[test]
fn what_does_not_exist_is_refused_and_the_rest_is_answered() {
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
    use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    let mut stage = Stage::new();
    stage.ask(9, &produce("t", 0, batch(10)));
    let asked = [("t", 0, 0), ("t", 2, unknown), ("t", -1, unknown), ("nope", 0, unknown)];
    for version in versions::<FetchRequest>() {
        let part = |number| FetchPartition::default().with_partition(number).with_partition_max_bytes(1 << 20);
        let topics = asked.map(|(topic, number, _)| {
            FetchTopic::default().with_topic(name(topic)).with_partitions(vec![part(number)])
        });
        // an error is told at once, however long the client would wait for bytes
        let request = FetchRequest::default().with_max_wait_ms(60_000).with_min_bytes(1 << 20).with_max_bytes(1 << 20);
        let response = stage.ask(version, &request.with_topics(topics.to_vec()));
        let parts = response.responses.iter().map(|topic| &topic.partitions[0]);
        let found: Vec<_> = parts
            .map(|part| (part.partition_index, part.error_code, part.records.as_ref().is_some_and(|r| !r.is_empty())))
            .collect();
        assert_eq!(found, asked.map(|(_, number, error)| (number, error, error == 0)), "version {version}");
    }
    for version in versions::<ListOffsetsRequest>() {
        let part = |number| ListOffsetsPartition::default().with_partition_index(number).with_timestamp(-1);
        let topics = asked.map(|(topic, number, _)| {
            ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![part(number)])
        });
        let response = stage.ask(version, &ListOffsetsRequest::default().with_topics(topics.to_vec()));
        let parts = response.topics.iter().map(|topic| &topic.partitions[0]);
        let found: Vec<_> = parts.map(|part| (part.partition_index, part.error_code, part.offset)).collect();
        assert_eq!(
            found,
            asked.map(|(_, number, error)| (number, error, if error == 0 { 10 } else { -1 })),
            "version {version}"
        );
    }
    let errors = stage.broker.metrics().errors();
    let refused =
        |api: &str| errors.iter().find(|(name, code, _)| (*name, *code) == (api, unknown)).map(|(_, _, count)| *count);
    assert_eq!(refused("Fetch"), Some(3 * versions::<FetchRequest>().count() as u64), "{errors:?}");
    assert_eq!(refused("ListOffsets"), Some(3 * versions::<ListOffsetsRequest>().count() as u64), "{errors:?}");
}

#[test]
fn a_producer_that_wants_no_answer_is_closed_if_it_is_wrong() {
    let mut stage = Stage::new();
    let mut ask = |records: Bytes| {
        let mut frame = BytesMut::new();
        frame.extend_from_slice(b"\0\0\0\x08\0\0\0\x01\0\x04test");
        produce("t", 0, records).with_acks(0).encode(&mut frame, 8).unwrap();
        assert_eq!(stage.answer(frame.freeze()), None);
        stage.client.close
    };
    assert!(!ask(batch(1)));
    assert!(ask(Bytes::from_static(b"x")));
}

#[test]
fn old_clients_are_told_so() {
    let mut stage = Stage::new();
    // Produce 2: acks, timeout, topics
    let mut frame = b"\0\0\0\x02\0\0\0\x01\0\x04test\0\x01\0\0\0\0\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0".to_vec();
    frame.extend(b"\0\0\0\x02ab");
    let response = stage.answer(Bytes::from(frame)).unwrap();
    // correlation, 1 topic "t", 1 partition, its number, the error, offset and time -1, throttle
    let want = [&b"\0\0\0\x01\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\x2b"[..], &[0xff; 16], &[0; 4]].concat();
    assert_eq!(response, want);
}

#[test]
fn who_and_what_is_there() {
    let mut stage = Stage::new();
    for version in versions::<ApiVersionsRequest>() {
        let request = ApiVersionsRequest::default().with_client_software_name(text("x"));
        let response = stage.ask(version, &request);
        assert_eq!((response.error_code, response.api_keys.len()), (0, APIS.len()));
        assert!(response.api_keys.iter().all(|api| api.min_version == 0));
    }
    for version in versions::<MetadataRequest>() {
        let topic = |text| metadata_request::MetadataRequestTopic::default().with_name(Some(name(text)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic("t"), topic("nope")]));
        let request = if version >= 4 { request } else { request.with_allow_auto_topic_creation(true) };
        let response = stage.ask(version, &request);
        let found: Vec<(i16, usize)> = response.topics.iter().map(|t| (t.error_code, t.partitions.len())).collect();
        assert_eq!(found, [(0, 2), (3, 0)], "version {version}");
        assert_eq!((response.brokers[0].port, response.brokers[0].host.as_str()), (9092, "127.0.0.1"));
        let all = stage
            .ask(version, &MetadataRequest::default().with_topics((version > 0).then_some(vec![]).or(Some(vec![]))));
        assert_eq!(all.topics.len(), if version == 0 { 2 } else { 0 });
    }
    for version in versions::<FindCoordinatorRequest>() {
        let response = stage.ask(version, &FindCoordinatorRequest::default().with_key(text("g")));
        assert_eq!((response.error_code, response.port), (0, 9092));
        if version >= 1 {
            let response = stage.ask(version, &FindCoordinatorRequest::default().with_key(text("x")).with_key_type(1));
            assert_eq!(response.error_code, ErrorCode::TransactionalIdAuthorizationFailed.code());
        }
    }
    for version in versions::<DescribeClusterRequest>() {
        let response = stage.ask(version, &DescribeClusterRequest::default());
        assert_eq!((response.error_code, response.brokers.len(), response.controller_id.0), (0, 1, 1));
    }
    for version in versions::<DescribeLogDirsRequest>() {
        let response = stage.ask(version, &DescribeLogDirsRequest::default().with_topics(None));
        assert_eq!(response.results[0].topics.len(), 2, "t and the committed offsets");
    }
    for version in versions::<InitProducerIdRequest>() {
        let response = stage.ask(version, &InitProducerIdRequest::default().with_transactional_id(None));
        assert_eq!((response.error_code, response.producer_id.0, response.producer_epoch), (0, i64::from(version), 0));
        let transactional = InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text("x"))));
        assert_eq!(stage.ask(version, &transactional).error_code, ErrorCode::TransactionalIdAuthorizationFailed.code());
    }
}

#[test]
fn offsets_by_time_and_by_epoch() {
    use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    let mut stage = Stage::new();
    stage.ask(9, &produce("t", 0, batch(10)));
    let mut ask = |version: i16, timestamp: i64| {
        let part = ListOffsetsPartition::default().with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![part]);
        let response = stage.ask(version, &ListOffsetsRequest::default().with_topics(vec![topic]));
        let part = &response.topics[0].partitions[0];
        (part.error_code, part.offset, part.timestamp)
    };
    for version in versions::<ListOffsetsRequest>() {
        assert_eq!(ask(version, -1), (0, 10, -1));
        assert_eq!(ask(version, -2), (0, 0, -1));
        assert_eq!(ask(version, 1_004), (0, 4, 1_004));
        assert_eq!(ask(version, 0), (0, 0, 1_000));
        assert_eq!(ask(version, 2_000), (0, -1, -1));
    }
    assert_eq!(ask(7, -3), (0, 9, 1_009));
    for version in versions::<OffsetForLeaderEpochRequest>() {
        let part = OffsetForLeaderPartition::default().with_leader_epoch(0).with_current_leader_epoch(0);
        let topic = OffsetForLeaderTopic::default().with_topic(name("t")).with_partitions(vec![part]);
        let response = stage.ask(version, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic]));
        assert_eq!((response.topics[0].partitions[0].error_code, response.topics[0].partitions[0].end_offset), (0, 10));
    }
}

#[test]
fn topics_come_change_and_go() {
    use kafka_protocol::messages::{
        alter_configs_request, create_topics_request, delete_records_request, describe_configs_request,
        incremental_alter_configs_request,
    };
    let mut stage = Stage::new();
    let config = |key, value| {
        create_topics_request::CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    };
    let topic = |partitions, key, value| {
        create_topics_request::CreatableTopic::default()
            .with_name(name("new"))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(vec![config(key, value)])
    };
    for version in versions::<CreateTopicsRequest>() {
        let mut create = |topic, validate_only| {
            let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_validate_only(validate_only);
            stage.ask(version, &request).topics[0].error_code
        };
        assert_eq!(create(topic(3, "retention.ms", "1000"), true), 0);
        assert_eq!(create(topic(3, "retention.ms", "1000"), false), 0, "validating did not create it");
        assert_eq!(create(topic(3, "retention.ms", "1000"), false), ErrorCode::TopicAlreadyExists.code());
        for (bad, want) in [
            (topic(3, "cleanup.policy", "compact").with_name(name("x")), ErrorCode::InvalidConfig),
            (topic(0, "retention.ms", "1").with_name(name("x")), ErrorCode::InvalidPartitions),
            (topic(1, "retention.ms", "1").with_name(name("a/b")), ErrorCode::InvalidTopic),
            (
                topic(1, "retention.ms", "1").with_name(name("x")).with_replication_factor(3),
                ErrorCode::InvalidReplicationFactor,
            ),
            (topic(1_000_000, "retention.ms", "1").with_name(name("x")), ErrorCode::InvalidPartitions),
        ] {
            assert_eq!(create(bad, false), want.code());
        }
        let info = stage.broker.topic("new").unwrap();
        assert_eq!((info.partitions, info.retention.max_age_ms), (3, Some(1_000)));

        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("new"))
            .with_configs(vec![
                incremental_alter_configs_request::AlterableConfig::default()
                    .with_name(text("retention.bytes"))
                    .with_value(Some(text("500"))),
            ]);
        let alter = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        assert_eq!(stage.ask(version.min(1), &alter).responses[0].error_code, 0);
        let retention = stage.broker.topic("new").unwrap().retention;
        assert_eq!((retention.max_age_ms, retention.max_bytes), (Some(1_000), Some(1_500)));
        let resource = describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("new"))
            .with_configuration_keys(Some(vec![text("retention.bytes")]));
        let broker = describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(4)
            .with_resource_name(text("1"))
            .with_configuration_keys(None);
        let describe = DescribeConfigsRequest::default().with_resources(vec![resource, broker]);
        let described = stage.ask(version.clamp(1, 4), &describe);
        assert_eq!(described.results[0].configs[0].value.as_deref(), Some("500"));
        assert!(described.results[1].configs.len() > 5);
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("new"))
            .with_configs(vec![]);
        let alter = AlterConfigsRequest::default().with_resources(vec![resource]);
        assert_eq!(stage.ask(version.min(2), &alter).responses[0].error_code, 0);
        assert_eq!(stage.broker.topic("new").unwrap().retention, crate::topic::Retention::default());

        stage.ask(9, &produce("new", 1, batch(10)));
        let part = delete_records_request::DeleteRecordsPartition::default().with_partition_index(1).with_offset(4);
        let records =
            delete_records_request::DeleteRecordsTopic::default().with_name(name("new")).with_partitions(vec![part]);
        let delete = DeleteRecordsRequest::default().with_topics(vec![records]);
        assert_eq!(stage.ask(version.min(2), &delete).topics[0].partitions[0].low_watermark, 4);
        assert_eq!(stage.broker.log().offsets("new", 1).unwrap().start, 4);

        let delete = DeleteTopicsRequest::default().with_topic_names(vec![name("new"), name("nope")]);
        let deleted = stage.ask(version.clamp(1, 5), &delete);
        assert_eq!((deleted.responses[0].error_code, deleted.responses[1].error_code), (0, 3));
    }
}

#[test]
fn a_topic_gets_more_partitions() {
    use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
    let mut stage = Stage::new();
    stage.ask(9, &produce("t", 1, batch(3)));
    for version in versions::<CreatePartitionsRequest>() {
        let mut create = |topic: &'static str, count: i32, brokers: Option<Vec<Vec<i32>>>, validate_only: bool| {
            let assigned = |ids: Vec<i32>| {
                CreatePartitionsAssignment::default().with_broker_ids(ids.into_iter().map(BrokerId).collect())
            };
            let topic = CreatePartitionsTopic::default()
                .with_name(name(topic))
                .with_count(count)
                .with_assignments(brokers.map(|all| all.into_iter().map(assigned).collect()));
            let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_validate_only(validate_only);
            stage.ask(version, &request).results[0].error_code
        };
        let count = 3 + i32::from(version);
        assert_eq!(create("t", count, None, true), 0);
        for bad in [count - 1, 0, -1, 1_000_000] {
            assert_eq!(create("t", bad, None, false), ErrorCode::InvalidPartitions.code(), "{bad}");
        }
        for brokers in [vec![vec![2]], vec![vec![1], vec![1]], vec![vec![1, 2]]] {
            assert_eq!(create("t", count, Some(brokers), false), ErrorCode::InvalidReplicaAssignment.code());
        }
        assert_eq!(create("nope", 3, None, false), ErrorCode::UnknownTopicOrPartition.code());
        assert_eq!(create("__consumer_offsets", 3, None, false), ErrorCode::PolicyViolation.code());
        assert_eq!(create("t", count, Some(vec![vec![1]]), false), 0, "validating did not add it");
        assert_eq!(stage.broker.topic("t").unwrap().partitions, count as u32);
        assert_eq!(produced(&stage.ask(9, &produce("t", count - 1, batch(2)))), (0, 0));
    }
    assert_eq!(stage.broker.log().offsets("t", 1).unwrap().end, 3, "what was there is there");
    // and all of it after a restart
    let Stage { broker, _dir: dir, .. } = stage;
    drop(broker);
    let log = DiskLog::open(DiskOptions::new(dir.path())).unwrap().0;
    let ends: Vec<i64> = (0..6).map(|partition| log.offsets("t", partition).unwrap().end).collect();
    assert_eq!(ends, [0, 3, 2, 2, 2, 2]);
}
