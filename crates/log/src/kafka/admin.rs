//! Topics of a cluster: made if they are missing, their partitions checked, their retention read and set.

use std::time::Duration;

use futures::executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::context::Context;
use super::error;
use super::options::{KafkaOptions, MESSAGE_BYTES_MAX};
use crate::error::LogError;
use crate::topic::{Retention, TopicSpec};

/// Copies of each partition, as long as there are so many brokers.
const REPLICATION: usize = 3;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) struct Admin {
    client: AdminClient<Context>,
}

/// What a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    Records(Retention),
    /// The last record of each key.
    LastOfKey,
}

impl Admin {
    pub(super) fn new(options: &KafkaOptions) -> Result<Admin, LogError> {
        let client = AdminClient::from_config_and_context(&options.client(), Context::default())
            .map_err(|error| error::of("reach the cluster", &error, None))?;
        Ok(Admin { client })
    }

    /// Creates the topic; true if it was not there.
    pub(super) fn create(&self, spec: &TopicSpec, keeps: Keeps, brokers: usize) -> Result<bool, LogError> {
        let doing = format!("create topic \"{}\"", spec.name);
        let copies = brokers.clamp(1, REPLICATION);
        let mut settings = vec![("max.message.bytes".to_owned(), MESSAGE_BYTES_MAX.to_string())];
        // a record's time is that of its receipt, which the collector knows
        settings.push(("message.timestamp.type".to_owned(), "CreateTime".to_owned()));
        match keeps {
            Keeps::Records(retention) => settings.extend(retention_settings(&retention, spec.partitions)),
            Keeps::LastOfKey => settings.push(("cleanup.policy".to_owned(), "compact".to_owned())),
        }
        if copies > 1 {
            settings.push(("min.insync.replicas".to_owned(), (copies - 1).to_string()));
        }
        let mut topic = NewTopic::new(&spec.name, spec.partitions as i32, TopicReplication::Fixed(copies as i32));
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let created = block_on(self.client.create_topics(&[topic], &request()));
        match created.map_err(|error| error::of(doing.as_str(), &error, self.trouble()))?.pop() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(error::of(doing, &KafkaError::AdminOp(code), self.trouble())),
            Some(Ok(_)) | None => {
                if copies < REPLICATION {
                    tracing::warn!(
                        topic = spec.name,
                        copies,
                        "created with fewer copies than {REPLICATION}, for there are not as many brokers: a broken one can lose records"
                    );
                } else {
                    tracing::info!(topic = spec.name, partitions = spec.partitions, copies, "created the topic");
                }
                Ok(true)
            }
        }
    }

    pub(super) fn retention(&self, topic: &str, partitions: u32) -> Result<Retention, LogError> {
        let entries = self.settings(topic)?;
        let number =
            |name: &str| entries.iter().find(|entry| entry.0 == name).and_then(|entry| entry.1.parse::<i64>().ok());
        let limit = |name: &str| number(name).filter(|value| *value >= 0);
        Ok(Retention {
            max_age_ms: limit("retention.ms"),
            max_bytes: limit("retention.bytes").map(|bytes| bytes.unsigned_abs() * u64::from(partitions)),
        })
    }

    /// The protocol's older call, which librdkafka's wrapper offers, replaces all settings of a topic: those that are set are named again.
    pub(super) fn set_retention(&self, topic: &str, partitions: u32, retention: &Retention) -> Result<(), LogError> {
        let mut settings: Vec<(String, String)> =
            self.settings(topic)?.into_iter().filter(|entry| entry.2).map(|entry| (entry.0, entry.1)).collect();
        let wanted = retention_settings(retention, partitions);
        settings.retain(|(name, _)| !wanted.iter().any(|(replaced, _)| replaced == name));
        settings.extend(wanted);
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in &settings {
            change = change.set(name, value);
        }
        let doing = format!("set the retention of topic \"{topic}\"");
        let changed = block_on(self.client.alter_configs(&[change], &request()));
        match changed.map_err(|error| error::of(doing.as_str(), &error, self.trouble()))?.pop() {
            Some(Err((_, code))) => Err(error::of(doing, &KafkaError::AdminOp(code), self.trouble())),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Name, value, and whether it was set for this topic.
    fn settings(&self, topic: &str) -> Result<Vec<(String, String, bool)>, LogError> {
        let doing = format!("read the settings of topic \"{topic}\"");
        let found = block_on(self.client.describe_configs(&[ResourceSpecifier::Topic(topic)], &request()));
        let resource = match found.map_err(|error| error::of(doing.as_str(), &error, self.trouble()))?.pop() {
            Some(Ok(resource)) => resource,
            Some(Err(code)) => return Err(error::of(doing, &KafkaError::AdminOp(code), self.trouble())),
            None => return Ok(Vec::new()),
        };
        debug_assert!(matches!(&resource.specifier, OwnedResourceSpecifier::Topic(name) if name == topic));
        let entry = |entry: rdkafka::admin::ConfigEntry| {
            let is_set = entry.source == ConfigSource::DynamicTopic;
            entry.value.map(|value| (entry.name, value, is_set))
        };
        Ok(resource.entries.into_iter().filter_map(entry).collect())
    }

    fn trouble(&self) -> Option<super::context::Trouble> {
        self.client.inner().context().trouble()
    }
}

fn request() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

/// Kafka's retention.bytes is of a partition; ours of the topic.
fn retention_settings(retention: &Retention, partitions: u32) -> Vec<(String, String)> {
    let age = retention.max_age_ms.unwrap_or(-1);
    let bytes = retention.max_bytes.map_or(-1, |bytes| bytes.div_ceil(u64::from(partitions.max(1))) as i64);
    vec![("retention.ms".to_owned(), age.to_string()), ("retention.bytes".to_owned(), bytes.to_string())]
}

/// How many partitions a topic has; `None` if there is no such topic. And how many brokers there are.
pub(super) fn describe(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    wait: Duration,
) -> Result<(Option<u32>, usize), LogError> {
    let failed = |found: &KafkaError, trouble| error::of(format!("look up topic \"{topic}\""), found, trouble);
    let metadata = consumer.fetch_metadata(Some(topic), wait).map_err(|error| {
        while consumer.poll(Duration::ZERO).is_some() {}
        failed(&error, consumer.context().trouble())
    })?;
    let brokers = metadata.brokers().len();
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok((None, brokers)) };
    match found.error().map(RDKafkaErrorCode::from) {
        None | Some(RDKafkaErrorCode::NoError | RDKafkaErrorCode::LeaderNotAvailable) => {
            Ok((Some(found.partitions().len() as u32).filter(|count| *count > 0), brokers))
        }
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok((None, brokers)),
        Some(code) => Err(failed(&KafkaError::MetadataFetch(code), None)),
    }
}
