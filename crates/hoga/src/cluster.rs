//! Collecting into a Kafka cluster: topics, who leads, and what a take-over writes.
//!
//! In: frames of this process's own session, whether it leads or not. Out: records in the cluster's topics, while it leads.
//! State: the window of a standby, or what the leader has admitted and not written. Not here: what is the same event
//! (`hoga_upbit::standby`, pure), transactions and leases (`hoga_log::kafka`).
//!
//! Any number of collectors run against one cluster. A lease (a group with one partition) names the leader. Before a leader writes it
//! becomes the only writer of the transactional id [`WRITER`]: from then on nothing that an earlier leader still has in its buffers can
//! become readable. Then it reads what the topics hold and writes what it knows and they do not. So by induction over leaders nothing is
//! there twice: each compares with a state that can no longer change behind its back, and admits each event once after that. It holds for
//! readers with `isolation.level=read_committed`, which is librdkafka's default (kcat, ClickHouse, hoga) and an option of Java's (Flink).

mod balance;
mod books;
mod hearing;
mod intake;
mod leader;
mod memory;
mod pipeline;
mod relay;
mod takeover;
mod worker;

use crate::config::UpConfig;
use crate::failure::Failure;
use crate::up::PARTITIONS;
use hoga_log::kafka::{KafkaLog, KafkaOptions, Login, Mechanism, Password};
use hoga_log::{Log, LogError, Retention, TopicSpec};
use hoga_model::StreamKind;
use hoga_model::market::{BAR_TOPIC, DEAD_LETTER_TOPIC, GAP_TOPIC, MARKET_TOPIC};
use hoga_model::time::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use pipeline::PipelineLog;
pub use relay::{Relay, RelayParts};

/// The transactional id of whoever leads.
pub const WRITER: &str = "hoga-collector";
/// The group whose one partition is the lease.
pub const GROUP: &str = "hoga-collector";
/// The lease's topic; what the leader remembers of each market is kept in it, compacted.
pub const STATE_TOPIC: &str = "upbit-collector";

/// A cluster that was reached, with hoga's topics in it.
pub struct Cluster {
    pub log: Arc<KafkaLog>,
    options: KafkaOptions,
}

impl Cluster {
    /// Finds the brokers, logs in, and makes the topics that are missing.
    pub async fn open(config: &UpConfig) -> Result<Cluster, Failure> {
        let options = options(config)?;
        let retention = Retention {
            max_age_ms: Some(config.log_retention.as_millis() as i64),
            max_bytes: Some(config.log_retention_bytes),
        };
        let connect = move || -> Result<Cluster, LogError> {
            let log = KafkaLog::connect(options.clone())?;
            for kind in StreamKind::ALL {
                log.ensure_topic(&TopicSpec { retention, ..TopicSpec::new(kind.topic(), PARTITIONS) })?;
            }
            log.ensure_topic(&TopicSpec { retention, ..TopicSpec::new(DEAD_LETTER_TOPIC, 1) })?;
            log.ensure_topic(&TopicSpec { retention, ..TopicSpec::new(BAR_TOPIC, PARTITIONS) })?;
            let for_ever = Retention { max_age_ms: None, max_bytes: None };
            for topic in [GAP_TOPIC, MARKET_TOPIC] {
                log.ensure_topic(&TopicSpec { retention: for_ever, ..TopicSpec::new(topic, PARTITIONS) })?;
            }
            log.ensure_state_topic(STATE_TOPIC)?;
            Ok(Cluster { log: Arc::new(log), options })
        };
        blocking(connect).await?.map_err(|error| Failure::of(&error))
    }

    /// The cluster's topics as they are; nothing is made or written.
    pub async fn open_to_read(config: &UpConfig) -> Result<Arc<dyn Log>, Failure> {
        let options = options(config)?;
        let connected = blocking(move || KafkaLog::connect(options)).await?;
        Ok(Arc::new(connected.map_err(|error| Failure::of(&error))?))
    }

    /// What the brokers call themselves together.
    pub async fn id(&self) -> Result<String, Failure> {
        let log = self.log.clone();
        blocking(move || log.cluster_id()).await?.map_err(|error| Failure::of(&error))
    }

    /// The log for a pipeline, which may not be the only one that writes its topics: by topic, what the statements that write it mean.
    pub async fn pipeline_log(
        &self,
        written: BTreeMap<String, String>,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> Result<Arc<PipelineLog>, Failure> {
        let (log, options) = (self.log.clone(), self.options.clone());
        let start = move || PipelineLog::start(&log, &options, &written, &clock, &cancel);
        blocking(start).await?.map(Arc::new).map_err(|error| Failure::of(&error))
    }

    pub fn as_log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }
}

/// Calls of the cluster block on the network: off the async workers.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::external(format!("work on the cluster ended badly: {error}")))
}

fn options(config: &UpConfig) -> Result<KafkaOptions, Failure> {
    let Some(brokers) = &config.brokers else {
        return Err(Failure::user("--brokers is missing: name brokers of the cluster, as kafka-1:9092,kafka-2:9092"));
    };
    let mut options = KafkaOptions::new(brokers);
    options.tls = config.kafka_tls;
    options.ca_file.clone_from(&config.kafka_ca);
    options.client_id = "hoga".to_owned();
    if let Some(mechanism) = &config.kafka_sasl {
        options.login = Some(Login {
            mechanism: match mechanism.as_str() {
                "plain" => Mechanism::Plain,
                "scram-sha-256" => Mechanism::ScramSha256,
                _ => Mechanism::ScramSha512,
            },
            username: config.kafka_username.clone().unwrap_or_default(),
            password: Password::new(config.kafka_password.clone().unwrap_or_default()),
        });
    }
    Ok(options)
}
