//! A log in memory behind the topic view.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hoga_serve::http::topics::{BrowseError, Group, LogMessage, Partition, Piece, Topic, TopicBrowser};

#[derive(Default)]
pub(crate) struct TopicLog {
    pub(crate) groups: Mutex<Vec<Group>>,
    topics: Mutex<BTreeMap<String, Vec<StoredPartition>>>,
}

#[derive(Default, Clone)]
struct StoredPartition {
    start_offset: i64,
    /// From `start_offset` on, without a hole.
    messages: Vec<LogMessage>,
}

impl StoredPartition {
    fn end_offset(&self) -> i64 {
        self.start_offset + self.messages.len() as i64
    }
}

impl TopicLog {
    pub(crate) fn create(&self, topic: &str, partitions: usize) {
        self.lock().insert(topic.to_owned(), vec![StoredPartition::default(); partitions]);
    }

    /// Appends one message and gives its offset.
    pub(crate) fn append(
        &self,
        topic: &str,
        partition: usize,
        timestamp_ms: i64,
        key: Option<&str>,
        value: impl Into<Vec<u8>>,
        headers: &[(&str, &str)],
    ) -> i64 {
        let mut topics = self.lock();
        let partitions = topics.get_mut(topic).expect("a topic");
        let offset = partitions[partition].end_offset();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_string().into()));
        partitions[partition].messages.push(LogMessage {
            offset,
            timestamp_ms,
            key: key.map(|key| key.to_owned().into()),
            value: value.into().into(),
            headers: headers.collect(),
        });
        offset
    }

    /// As retention does.
    #[allow(dead_code, reason = "the demo keeps everything")]
    pub(crate) fn forget_before(&self, topic: &str, partition: usize, offset: i64) {
        let mut topics = self.lock();
        let stored = &mut topics.get_mut(topic).expect("a topic")[partition];
        stored.messages.retain(|message| message.offset >= offset);
        stored.start_offset = offset;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<StoredPartition>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, topic: &str, partition: u32, read: impl FnOnce(&StoredPartition) -> T) -> Result<T, BrowseError> {
        let topics = self.lock();
        let found = topics.get(topic).ok_or_else(|| BrowseError::UnknownTopic { topic: topic.to_owned() })?;
        let unknown = || BrowseError::UnknownPartition { topic: topic.to_owned(), partition };
        Ok(read(found.get(partition as usize).ok_or_else(unknown)?))
    }
}

impl TopicBrowser for TopicLog {
    fn topics(&self) -> Result<Vec<Topic>, BrowseError> {
        let partition = |(index, stored): (usize, &StoredPartition)| Partition {
            partition: index as u32,
            start_offset: stored.start_offset,
            end_offset: stored.end_offset(),
            bytes: stored.messages.iter().map(|message| message.value.len() as u64).sum(),
        };
        let topic = |(name, partitions): (&String, &Vec<StoredPartition>)| Topic {
            name: name.clone(),
            partitions: partitions.iter().enumerate().map(partition).collect(),
            retention_ms: Some(604_800_000),
            retention_bytes: Some(10 << 30),
            created_ms: 1_785_395_043_831,
            rate_per_s: 12.5,
        };
        Ok(self.lock().iter().map(topic).collect())
    }

    fn groups(&self) -> Result<Vec<Group>, BrowseError> {
        Ok(self.groups.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn offset_for_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<Option<i64>, BrowseError> {
        self.with(topic, partition, |stored| {
            stored.messages.iter().find(|message| message.timestamp_ms >= timestamp_ms).map(|message| message.offset)
        })
    }

    fn read(&self, topic: &str, partition: u32, from_offset: i64, bytes_max: usize) -> Result<Piece, BrowseError> {
        self.with(topic, partition, |stored| {
            let from_offset = from_offset.clamp(stored.start_offset, stored.end_offset());
            let mut bytes = 0;
            let rest = &stored.messages[(from_offset - stored.start_offset) as usize..];
            let messages: Vec<LogMessage> = rest
                .iter()
                .take_while(|message| {
                    let is_within = bytes < bytes_max;
                    bytes += message.value.len();
                    is_within
                })
                .cloned()
                .collect();
            Piece {
                next_offset: from_offset + messages.len() as i64,
                messages,
                start_offset: stored.start_offset,
                end_offset: stored.end_offset(),
            }
        })
    }
}
