//! The log as the page's topic view sees it: topics and how fast they grow, messages, who reads them.

use hoga_engine::Engine;
use hoga_engine::flow::PartitionStatus;
use hoga_log::wire::{Broker, GroupOverview};
use hoga_log::{DiskLog, Log, LogError, TopicInfo};
use hoga_model::time::Clock;
use hoga_serve::http::topics::{
    BrowseError, Group, GroupKind, GroupOffset, LogMessage, Member, Partition, Piece, Topic, TopicBrowser,
    TopicPartition,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Samples are taken once a second: rates are over the last five.
const RATE_SAMPLES: usize = 6;

pub struct LogTopics {
    log: Arc<dyn Log>,
    /// The log in the data folder, if it is the one in use: it knows how many bytes it has.
    disk: Option<Arc<DiskLog>>,
    engine: Arc<Engine>,
    /// The Kafka listener, if there is one: it knows the consumer groups.
    broker: Option<Arc<Broker>>,
    clock: Arc<dyn Clock>,
    growth: Mutex<Growth>,
}

impl LogTopics {
    pub fn new(
        log: Arc<dyn Log>,
        disk: Option<Arc<DiskLog>>,
        engine: Arc<Engine>,
        broker: Option<Arc<Broker>>,
        clock: Arc<dyn Clock>,
    ) -> Arc<LogTopics> {
        Arc::new(LogTopics { log, disk, engine, broker, clock, growth: Mutex::default() })
    }

    /// Called once a second.
    pub fn sample(&self) {
        let end = |topic: &TopicInfo, partition| self.log.offsets(&topic.name, partition).map_or(0, |found| found.end);
        let ends = |topic: TopicInfo| {
            let total = (0..topic.partitions).map(|partition| end(&topic, partition)).sum();
            (topic.name, total)
        };
        let totals = self.log.topics().into_iter().map(ends).collect();
        self.growth.lock().unwrap_or_else(PoisonError::into_inner).push(self.clock.now_ms(), totals);
    }

    fn topic(&self, info: TopicInfo) -> Result<Topic, BrowseError> {
        let partition = |partition| {
            let offsets = self.log.offsets(&info.name, partition).map_err(browse_error)?;
            let bytes = match &self.disk {
                Some(disk) => disk.partition_bytes(&info.name, partition).map_err(browse_error)?,
                None => 0,
            };
            Ok(Partition { partition, start_offset: offsets.start, end_offset: offsets.end, bytes })
        };
        let partitions = (0..info.partitions).map(partition).collect::<Result<Vec<_>, BrowseError>>()?;
        let growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Topic {
            rate_per_s: growth.rate_per_s(&info.name),
            name: info.name,
            partitions,
            retention_ms: info.retention.max_age_ms,
            retention_bytes: info.retention.max_bytes,
            created_ms: info.created_ms,
        })
    }

    /// How far somebody is in a partition; `None` if it is gone.
    fn offset(&self, topic: &str, partition: u32, committed_offset: i64) -> Option<GroupOffset> {
        let end_offset = self.log.offsets(topic, partition).ok()?.end;
        Some(GroupOffset { topic: topic.to_owned(), partition, committed_offset, end_offset })
    }

    /// A source of the pipeline reads like a consumer group of one: its offsets are in the checkpoints.
    fn source_group(&self, index: usize) -> Option<Group> {
        let status = self.engine.flow.source_status(index).ok()?;
        let offset = |found: &PartitionStatus| self.offset(&status.topic, found.partition, found.offset);
        let error = self.engine.flow.sources[index].stats.error();
        Some(Group {
            kind: GroupKind::Job,
            state: error.unwrap_or_else(|| "Running".to_owned()),
            protocol: None,
            members: Vec::new(),
            offsets: status.partitions.iter().filter_map(offset).collect(),
            name: status.name,
        })
    }

    fn consumer_group(&self, group: GroupOverview) -> Group {
        let assigned = |(topic, partition)| TopicPartition { topic, partition };
        let member = |member: hoga_log::wire::MemberOverview| Member {
            member_id: member.member_id,
            client_id: member.client_id,
            host: member.client_host,
            assigned: member.assigned.into_iter().map(assigned).collect(),
        };
        let offset = |(topic, partition, committed): (String, u32, i64)| self.offset(&topic, partition, committed);
        Group {
            name: group.name,
            kind: GroupKind::Consumer,
            state: group.state.to_owned(),
            protocol: Some(group.protocol).filter(|protocol| !protocol.is_empty()),
            members: group.members.into_iter().map(member).collect(),
            offsets: group.committed.into_iter().filter_map(offset).collect(),
        }
    }
}

impl TopicBrowser for LogTopics {
    fn topics(&self) -> Result<Vec<Topic>, BrowseError> {
        let topic = |info: TopicInfo| match self.topic(info) {
            // deleted since it was listed
            Err(BrowseError::UnknownTopic { .. }) => None,
            result => Some(result),
        };
        self.log.topics().into_iter().filter_map(topic).collect()
    }

    fn groups(&self) -> Result<Vec<Group>, BrowseError> {
        let consumers = self.broker.iter().flat_map(|broker| broker.group_overviews());
        let jobs = (0..self.engine.flow.sources.len()).filter_map(|index| self.source_group(index));
        Ok(jobs.chain(consumers.map(|group| self.consumer_group(group))).collect())
    }

    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, BrowseError> {
        self.log.offset_for_time(topic, partition, timestamp_ms).map_err(browse_error)
    }

    fn read(&self, topic: &str, partition: u32, from_offset: i64, bytes_max: usize) -> Result<Piece, BrowseError> {
        let fetched = match self.log.fetch(topic, partition, from_offset, bytes_max) {
            Err(LogError::OffsetOutOfRange { start, end, .. }) => {
                let nearest = if from_offset < start { start } else { end };
                self.log.fetch(topic, partition, nearest, bytes_max)
            }
            result => result,
        };
        let fetched = fetched.map_err(browse_error)?;
        let message = |stored: hoga_log::StoredRecord| LogMessage {
            offset: stored.offset,
            timestamp_ms: stored.record.timestamp_ms,
            key: stored.record.key,
            value: stored.record.value,
            headers: stored.record.headers.into_iter().map(|header| (header.key, header.value)).collect(),
        };
        Ok(Piece {
            messages: fetched.records.into_iter().map(message).collect(),
            next_offset: fetched.next_offset,
            start_offset: fetched.start_offset,
            end_offset: fetched.end_offset,
        })
    }
}

fn browse_error(error: LogError) -> BrowseError {
    match error {
        LogError::UnknownTopic { topic } => BrowseError::UnknownTopic { topic },
        LogError::UnknownPartition { topic, partition, .. } => BrowseError::UnknownPartition { topic, partition },
        other => BrowseError::Failed { reason: other.to_string() },
    }
}

/// Offsets given out so far, by topic, at the last few seconds.
#[derive(Debug, Default)]
struct Growth(VecDeque<(i64, BTreeMap<String, i64>)>);

impl Growth {
    fn push(&mut self, time_ms: i64, totals: BTreeMap<String, i64>) {
        self.0.push_back((time_ms, totals));
        if self.0.len() > RATE_SAMPLES {
            self.0.pop_front();
        }
    }

    fn rate_per_s(&self, topic: &str) -> f64 {
        let (Some((oldest_ms, oldest)), Some((newest_ms, newest))) = (self.0.front(), self.0.back()) else {
            return 0.0;
        };
        let total = |totals: &BTreeMap<String, i64>| totals.get(topic).copied().unwrap_or(0);
        let grown = (total(newest) - total(oldest)).max(0);
        if newest_ms <= oldest_ms { 0.0 } else { grown as f64 * 1_000.0 / (newest_ms - oldest_ms) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_grows_by_what_its_partitions_were_given() {
        let mut growth = Growth::default();
        assert_eq!(growth.rate_per_s("a"), 0.0);
        for second in 0..20_i64 {
            growth.push(second * 1_000, BTreeMap::from([("a".to_owned(), second * 30)]));
        }
        assert_eq!((growth.rate_per_s("a"), growth.rate_per_s("b"), growth.0.len()), (30.0, 0.0, RATE_SAMPLES));
    }
}
