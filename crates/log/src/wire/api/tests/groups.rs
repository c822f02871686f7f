//! Groups and their offsets, in every version.

use kafka_protocol::messages::{
    join_group_request, offset_commit_request, offset_delete_request, offset_fetch_request, sync_group_request,
};

use super::*;

#[test]
fn a_group_from_join_to_deletion() {
    let mut stage = Stage::new();
    let group = || GroupId(text("g"));
    for version in versions::<JoinGroupRequest>() {
        let protocol = join_group_request::JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"meta"));
        let mut join = JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        if version >= 1 {
            join = join.with_rebalance_timeout_ms(10_000);
        }
        let mut joined = stage.ask(version, &join);
        if version >= 4 {
            assert_eq!(joined.error_code, ErrorCode::MemberIdRequired.code());
            joined = stage.ask(version, &join.with_member_id(joined.member_id));
        }
        assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (0, 1, 1), "version {version}");
        let member = joined.member_id;
        let assignment = sync_group_request::SyncGroupRequestAssignment::default()
            .with_member_id(member.clone())
            .with_assignment(Bytes::from_static(b"all"));
        let mut sync = SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(1)
            .with_member_id(member.clone())
            .with_assignments(vec![assignment]);
        if version >= 5 {
            sync = sync.with_protocol_name(Some(text("range"))).with_protocol_type(Some(text("consumer")));
        }
        let synced = stage.ask(version.min(5), &sync);
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
        let beat =
            HeartbeatRequest::default().with_group_id(group()).with_generation_id(1).with_member_id(member.clone());
        assert_eq!(stage.ask(version.min(4), &beat).error_code, 0);
        let described = stage
            .ask(version.min(5), &DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("other"))]));
        assert_eq!((described.groups[0].group_state.as_str(), described.groups[0].members.len()), ("Stable", 1));
        assert_eq!(described.groups[1].group_state.as_str(), "Dead");
        let listed = stage.ask(version.min(4), &ListGroupsRequest::default());
        assert_eq!(listed.groups.len(), 1);

        let commit_version = version.clamp(2, 8);
        let part = offset_commit_request::OffsetCommitRequestPartition::default()
            .with_committed_offset(5)
            .with_committed_metadata(Some(text("note")));
        let topic =
            offset_commit_request::OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![part]);
        let commit = OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(1)
            .with_member_id(member.clone())
            .with_topics(vec![topic]);
        assert_eq!(stage.ask(commit_version, &commit).topics[0].partitions[0].error_code, 0);
        let late = commit.with_generation_id_or_member_epoch(0);
        assert_eq!(stage.ask(commit_version, &late).topics[0].partitions[0].error_code, 22);
        let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
            .with_name(name("t"))
            .with_partition_indexes(vec![0, 1]);
        let fetch = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
        let fetched = stage.ask(version.clamp(1, 7), &fetch);
        let offsets: Vec<i64> = fetched.topics[0].partitions.iter().map(|part| part.committed_offset).collect();
        assert_eq!(offsets, [5, -1]);
        if version >= 2 {
            let all = stage.ask(version.clamp(2, 7), &fetch_all(group()));
            assert_eq!(all.topics[0].partitions.len(), 1);
        }
        let delete = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
        assert_eq!(stage.ask(version.min(2), &delete).results[0].error_code, ErrorCode::NonEmptyGroup.code());
        let mut leave = LeaveGroupRequest::default().with_group_id(group());
        if version.min(4) >= 3 {
            let identity = leave_group_request::MemberIdentity::default().with_member_id(member.clone());
            leave = leave.with_members(vec![identity]);
        } else {
            leave = leave.with_member_id(member);
        }
        assert_eq!(stage.ask(version.min(4), &leave).error_code, 0);
        assert_eq!(stage.ask(version.min(2), &delete).results[0].error_code, 0);
        assert_eq!(stage.ask(version.min(2), &delete).results[0].error_code, ErrorCode::GroupIdNotFound.code());
    }
}

fn fetch_all(group: GroupId) -> OffsetFetchRequest {
    OffsetFetchRequest::default().with_group_id(group).with_topics(None)
}

#[test]
fn single_offsets_are_forgotten_unless_they_are_being_read() {
    let mut stage = Stage::new();
    stage.broker.log().create_topic(&TopicSpec::new("other", 1)).unwrap();
    let group = || GroupId(text("g"));
    let commit = |member: StrBytes, generation: i32| {
        let part = |partition| {
            offset_commit_request::OffsetCommitRequestPartition::default()
                .with_partition_index(partition)
                .with_committed_offset(5)
        };
        let topic = |topic, parts| {
            offset_commit_request::OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(parts)
        };
        OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(member)
            .with_topics(vec![topic("t", vec![part(0), part(1)]), topic("other", vec![part(0)])])
    };
    let delete = |topic, partition| {
        let part = offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(partition);
        let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![part]);
        OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![topic])
    };
    let left = |stage: &mut Stage| -> Vec<(String, i32)> {
        let all = stage.ask(7, &fetch_all(group()));
        let parts = all
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(move |part| (topic.name.to_string(), part.partition_index)));
        parts.collect()
    };
    let of_partition =
        |response: OffsetDeleteResponse| (response.error_code, response.topics[0].partitions[0].error_code);
    assert_eq!(stage.ask(0, &delete("t", 0)).error_code, ErrorCode::GroupIdNotFound.code());
    // nobody is in the group
    stage.ask(8, &commit(StrBytes::default(), -1));
    assert_eq!(of_partition(stage.ask(0, &delete("t", 1))), (0, 0));
    assert_eq!(of_partition(stage.ask(0, &delete("t", 1))), (0, 0), "it is gone already");
    assert_eq!(of_partition(stage.ask(0, &delete("nope", 0))), (0, ErrorCode::UnknownTopicOrPartition.code()));
    assert_eq!(left(&mut stage), [("other".to_owned(), 0), ("t".to_owned(), 0)]);
    // a member reads "t"; then one that does not say what it reads
    for (metadata, of_t, of_other) in [
        (&b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff"[..], (0, ErrorCode::GroupSubscribedToTopic.code()), Some((0, 0))),
        (&b"\0\x01\x7f"[..], (ErrorCode::NonEmptyGroup.code(), 0), None),
    ] {
        let protocol = join_group_request::JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(metadata));
        let join = JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let joined = stage.ask(3, &join);
        assert_eq!(joined.error_code, 0);
        let answer = stage.ask(0, &delete("t", 0));
        let of_topic = answer.topics.first().map_or(0, |topic| topic.partitions[0].error_code);
        assert_eq!((answer.error_code, of_topic), of_t);
        if let Some(want) = of_other {
            assert_eq!(of_partition(stage.ask(0, &delete("other", 0))), want);
        }
        assert_eq!(left(&mut stage), [("t".to_owned(), 0)]);
        let leave = LeaveGroupRequest::default().with_group_id(group()).with_member_id(joined.member_id);
        assert_eq!(stage.ask(2, &leave).error_code, 0);
    }
}
