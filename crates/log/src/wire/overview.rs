//! Consumer groups as a page shows them: state, members with what they read, committed offsets.
//!
//! Source of an assignment's bytes: Kafka's `ConsumerProtocolAssignment.json`; other protocol types (Connect's) have bytes of their own.

use bytes::Bytes;

use super::broker::Broker;
use super::codec::{Malformed, Reader};
use super::group::DescribedMember;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOverview {
    pub name: String,
    /// Kafka's word: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`.
    pub state: &'static str,
    /// How partitions are shared out; empty if nobody is in the group.
    pub protocol: String,
    pub members: Vec<MemberOverview>,
    /// Topic, partition, and the offset of the next record to read.
    pub committed: Vec<(String, u32, i64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberOverview {
    pub member_id: String,
    pub client_id: String,
    pub client_host: String,
    /// Topics and partitions; empty before the leader has shared them out.
    pub assigned: Vec<(String, u32)>,
}

impl Broker {
    /// All groups that have members or committed offsets, by name.
    pub fn group_overviews(&self) -> Vec<GroupOverview> {
        self.groups().list().into_iter().map(|listed| self.group_overview(listed.group)).collect()
    }

    fn group_overview(&self, name: String) -> GroupOverview {
        let described = self.groups().describe(&name);
        let partition = |topic: &str, partition: i32, offset: Option<i64>| {
            Some((topic.to_owned(), u32::try_from(partition).ok()?, offset?))
        };
        let mut committed = Vec::new();
        for (topic, partitions) in self.groups().all_offsets(&name) {
            let offsets = partitions.into_iter().map(|(number, found)| (number, found.map(|found| found.offset)));
            committed.extend(offsets.filter_map(|(number, offset)| partition(&topic, number, offset)));
        }
        GroupOverview {
            name,
            state: described.state,
            protocol: described.protocol,
            members: described.members.into_iter().map(member_overview).collect(),
            committed,
        }
    }
}

fn member_overview(member: DescribedMember) -> MemberOverview {
    MemberOverview {
        // another protocol's bytes name no partitions
        assigned: read_assignment(member.assignment).unwrap_or_default(),
        member_id: member.member_id,
        client_id: member.client_id,
        client_host: member.client_host,
    }
}

fn read_assignment(bytes: Bytes) -> Result<Vec<(String, u32)>, Malformed> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new(bytes);
    reader.i16()?;
    let topics = reader.array(|reader| Ok((reader.string()?, reader.array(Reader::i32)?)))?;
    let pairs = topics.into_iter().flat_map(|(topic, partitions)| {
        partitions.into_iter().filter_map(move |partition| Some((topic.clone(), u32::try_from(partition).ok()?)))
    });
    Ok(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_names_topics_and_partitions() {
        // version 1, one topic "t" with the partitions 0 and 2, no user data
        let bytes = Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x02\xff\xff\xff\xff");
        let read = read_assignment(bytes.clone()).ok();
        assert_eq!(read, Some(vec![("t".to_owned(), 0), ("t".to_owned(), 2)]));
        assert_eq!(read_assignment(Bytes::new()).ok(), Some(Vec::new()));
        for cut in 1..21 {
            assert!(read_assignment(bytes.slice(..cut)).is_err(), "cut at {cut}");
        }
    }
}
