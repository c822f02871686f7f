//! Decoders against bytes that are no request: a fuzz target that runs with the other tests, some hundred thousand decodings each time.

use proptest::prelude::*;

use super::super::Call;
use super::super::{
    alter_configs, api_versions, create_partitions, create_topics, delete_groups, delete_records, delete_topics,
    describe_cluster, describe_configs, describe_groups, describe_log_dirs, find_coordinator, heartbeat,
    incremental_alter_configs, init_producer_id, join_group, leave_group, list_groups, list_offsets, metadata,
    offset_commit, offset_delete, offset_fetch, offset_for_leader_epoch, produce as produce_api, sasl_authenticate,
    sasl_handshake, sync_group,
};
use super::*;

/// Every request of every API and version, from bytes that are random, or are a request with something else in them.
#[test]
fn no_bytes_make_a_decoder_panic() {
    let mut seeds: Vec<Vec<u8>> = vec![vec![], vec![0xff; 64], vec![0x7f; 64], vec![1; 64]];
    let mut frame = BytesMut::new();
    produce("t", 0, batch(3)).encode(&mut frame, 9).unwrap();
    seeds.push(frame.split().to_vec());
    fetch(3, 10).encode(&mut frame, 11).unwrap();
    seeds.push(frame.split().to_vec());
    let config = ProptestConfig { cases: 3_000, ..ProptestConfig::default() };
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xff), any::<u8>()], 0..100),
        (proptest::sample::select(seeds), any::<proptest::sample::Index>(), any::<u8>()).prop_map(
            |(mut seed, at, byte)| {
                if !seed.is_empty() {
                    let at = at.index(seed.len());
                    seed[at] = byte;
                }
                seed
            }
        ),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&bytes, |bytes| {
            for api in APIS {
                for version in 0..=api.max_version {
                    let mut reader = Reader::new(Bytes::from(bytes.clone()));
                    reader.set_flexible(api.is_flexible(version));
                    read_any(api.key, &mut reader, version);
                }
            }
            drop(super::super::RequestHeader::read(&mut Reader::new(Bytes::from(bytes))));
            Ok(())
        })
        .unwrap();
}

fn read_any(key: i16, reader: &mut Reader, version: i16) {
    fn read<C: Call>(reader: &mut Reader, version: i16) {
        drop(C::read(reader, version));
    }
    match key {
        0 => read::<produce_api::Request>(reader, version),
        1 => read::<super::super::fetch::Request>(reader, version),
        2 => read::<list_offsets::Request>(reader, version),
        3 => read::<metadata::Request>(reader, version),
        8 => read::<offset_commit::Request>(reader, version),
        9 => read::<offset_fetch::Request>(reader, version),
        10 => read::<find_coordinator::Request>(reader, version),
        11 => read::<join_group::Request>(reader, version),
        12 => read::<heartbeat::Request>(reader, version),
        13 => read::<leave_group::Request>(reader, version),
        14 => read::<sync_group::Request>(reader, version),
        15 => read::<describe_groups::Request>(reader, version),
        16 => read::<list_groups::Request>(reader, version),
        17 => read::<sasl_handshake::Request>(reader, version),
        18 => read::<api_versions::Request>(reader, version),
        19 => read::<create_topics::Request>(reader, version),
        20 => read::<delete_topics::Request>(reader, version),
        21 => read::<delete_records::Request>(reader, version),
        22 => read::<init_producer_id::Request>(reader, version),
        23 => read::<offset_for_leader_epoch::Request>(reader, version),
        32 => read::<describe_configs::Request>(reader, version),
        33 => read::<alter_configs::Request>(reader, version),
        35 => read::<describe_log_dirs::Request>(reader, version),
        36 => read::<sasl_authenticate::Request>(reader, version),
        37 => read::<create_partitions::Request>(reader, version),
        42 => read::<delete_groups::Request>(reader, version),
        44 => read::<incremental_alter_configs::Request>(reader, version),
        47 => read::<offset_delete::Request>(reader, version),
        60 => read::<describe_cluster::Request>(reader, version),
        key => panic!("API {key} is not tested"),
    }
}
