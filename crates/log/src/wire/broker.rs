//! What all connections share: the log, the groups, the limits and the counters, and who the broker says it is.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hoga_model::time::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Client;
use super::coordinator::Coordinator;
use super::error_code::ErrorCode;
use super::limits::Limits;
use super::metrics::Metrics;
use super::offsets::OFFSETS_TOPIC;
use super::sasl::Users;
use crate::disk::DiskLog;
use crate::error::LogError;
use crate::log::Log;
use crate::topic::{Retention, TopicInfo, TopicSpec};

/// The epoch of the only leader there ever was.
pub(crate) const LEADER_EPOCH: i32 = 0;
/// Nobody's rights are told.
pub(crate) const UNKNOWN_OPERATIONS: i32 = i32::MIN;
pub(crate) const NO_TRANSACTIONS: &str =
    "transactions are not supported by this log; use an idempotent producer without a transactional id";
const NODE_ID: i32 = 1;
const CLUSTER_ID: &str = "hoga";

/// How a broker behaves; only the log and the clock have no default.
#[derive(Clone)]
pub struct BrokerOptions {
    pub log: Arc<DiskLog>,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    /// What clients are told to connect to. `None`: the address through which they came.
    pub advertised: Option<(String, u16)>,
    /// `None`: everybody who reaches the listener may do everything.
    pub users: Option<Users>,
    /// Whether a topic comes into being when a client asks for it.
    pub auto_create_topics: bool,
    /// Topics that the program itself needs: clients can neither delete them nor add partitions.
    pub kept_topics: Vec<String>,
}

impl BrokerOptions {
    pub fn new(log: Arc<DiskLog>, clock: Arc<dyn Clock>) -> BrokerOptions {
        BrokerOptions {
            log,
            clock,
            limits: Limits::default(),
            advertised: None,
            users: None,
            auto_create_topics: false,
            kept_topics: Vec::new(),
        }
    }
}

pub struct Broker {
    options: BrokerOptions,
    groups: Coordinator,
    metrics: Arc<Metrics>,
    /// Bytes that requests may still take.
    request_bytes: Arc<Semaphore>,
    /// Bytes that batches for readers may still take.
    response_bytes: Arc<Semaphore>,
    /// One client creates topics at a time, so that their number is known.
    creating: Mutex<()>,
}

impl Broker {
    /// Reads what groups have committed before.
    pub fn open(options: BrokerOptions) -> Result<Arc<Broker>, LogError> {
        let Limits { queued_request_bytes, queued_response_bytes, .. } = options.limits;
        Ok(Arc::new(Broker {
            groups: Coordinator::open(options.log.clone(), options.clock.clone(), &options.limits)?,
            metrics: Arc::default(),
            request_bytes: Arc::new(Semaphore::new(queued_request_bytes)),
            response_bytes: Arc::new(Semaphore::new(queued_response_bytes)),
            creating: Mutex::new(()),
            options,
        }))
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Groups and members in them.
    pub fn group_counts(&self) -> (usize, usize) {
        self.groups.counts()
    }

    pub(crate) fn log(&self) -> &Arc<DiskLog> {
        &self.options.log
    }

    pub(crate) fn groups(&self) -> &Coordinator {
        &self.groups
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    pub(crate) fn users(&self) -> Option<&Users> {
        self.options.users.as_ref()
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.options.clock.now_ms()
    }

    pub(crate) fn node_id(&self) -> i32 {
        NODE_ID
    }

    pub(crate) fn cluster_id(&self) -> &str {
        CLUSTER_ID
    }

    /// Where a client is to connect to.
    pub(crate) fn address_for(&self, client: &Client) -> (String, u16) {
        self.options.advertised.clone().unwrap_or_else(|| {
            let address = client.local;
            // librdkafka prefers IPv4 and does not look behind a mapped address
            let ip = match address.ip() {
                IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
                ip => ip,
            };
            (ip.to_string(), address.port())
        })
    }

    pub(crate) fn topics(&self) -> Vec<TopicInfo> {
        self.log().topics()
    }

    pub(crate) fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.log().topic(name)
    }

    pub(crate) fn is_internal(&self, topic: &str) -> bool {
        topic == OFFSETS_TOPIC
    }

    /// Creates a topic that is not there; or only says whether it could be.
    pub(crate) fn create_topic(&self, spec: &TopicSpec, validate_only: bool) -> Result<(), (ErrorCode, String)> {
        let refused = |error: LogError| (ErrorCode::from(&error), error.to_string());
        let _one_at_a_time = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        spec.check().map_err(refused)?;
        let topics = self.topics();
        if topics.iter().any(|info| info.name == spec.name) {
            return Err((ErrorCode::TopicAlreadyExists, format!("topic \"{}\" exists already", spec.name)));
        }
        if topics.len() >= self.limits().topics {
            return Err((ErrorCode::PolicyViolation, format!("there may be {} topics", self.limits().topics)));
        }
        self.check_partitions(&topics, spec.partitions)?;
        if validate_only { Ok(()) } else { self.log().create_topic(spec).map_err(refused) }
    }

    /// Gives a topic so many partitions in all, more than it has; or only says whether it could.
    pub(crate) fn add_partitions(
        &self,
        info: &TopicInfo,
        partitions: u32,
        validate_only: bool,
    ) -> Result<(), (ErrorCode, String)> {
        let refused = |error: LogError| (ErrorCode::from(&error), error.to_string());
        let _one_at_a_time = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_foreign(&info.name)?;
        TopicSpec { name: info.name.clone(), partitions, retention: info.retention }.check().map_err(refused)?;
        self.check_partitions(&self.topics(), partitions - info.partitions)?;
        if validate_only { Ok(()) } else { self.log().add_partitions(&info.name, partitions).map_err(refused) }
    }

    /// That so many more partitions are within the limit.
    fn check_partitions(&self, topics: &[TopicInfo], more: u32) -> Result<(), (ErrorCode, String)> {
        let limit = self.limits().partitions;
        if topics.iter().map(|info| info.partitions as usize).sum::<usize>() + more as usize > limit {
            return Err((ErrorCode::PolicyViolation, format!("there may be {limit} partitions in all")));
        }
        Ok(())
    }

    /// That the program does not need the topic as it is.
    fn check_foreign(&self, topic: &str) -> Result<(), (ErrorCode, String)> {
        if self.is_internal(topic) || self.options.kept_topics.iter().any(|kept| kept == topic) {
            let message = format!("topic \"{topic}\" is needed by the program itself");
            return Err((ErrorCode::PolicyViolation, message));
        }
        Ok(())
    }

    /// The partitions of a topic that a client named, created if that is switched on.
    pub(crate) async fn auto_create(self: &Arc<Self>, topic: &str) -> Result<u32, ErrorCode> {
        if !self.options.auto_create_topics || self.is_internal(topic) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        let spec = TopicSpec::new(topic, self.limits().default_partitions);
        let partitions = spec.partitions;
        let created = self.blocking(move |broker| broker.create_topic(&spec, false)).await;
        match created {
            Some(Ok(()) | Err((ErrorCode::TopicAlreadyExists, _))) => Ok(partitions),
            Some(Err((error, _))) => Err(error),
            None => Err(ErrorCode::UnknownServerError),
        }
    }

    pub(crate) fn delete_topic(&self, topic: &str) -> Result<(), (ErrorCode, String)> {
        let refused = |error: LogError| (ErrorCode::from(&error), error.to_string());
        self.check_foreign(topic)?;
        self.log().delete_topic(topic).map_err(refused)?;
        self.groups.forget_topic(topic).map_err(refused)
    }

    pub(crate) fn set_retention(&self, info: &TopicInfo, retention: Retention) -> Result<(), (ErrorCode, String)> {
        let refused = |error: LogError| (ErrorCode::from(&error), error.to_string());
        if self.is_internal(&info.name) {
            return Err((ErrorCode::PolicyViolation, "the broker keeps this topic by itself".to_owned()));
        }
        let spec = TopicSpec { name: info.name.clone(), partitions: info.partitions, retention };
        self.log().create_topic(&spec).map_err(refused)
    }

    /// Does what touches the disk away from the tasks that serve connections. `None` if it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Broker) -> T + Send + 'static,
    ) -> Option<T> {
        let broker = self.clone();
        match tokio::task::spawn_blocking(move || work(&broker)).await {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::error!(%error, "a request could not be worked on");
                None
            }
        }
    }

    /// Memory for a part of a response, if there is some.
    pub(crate) fn reserve_response(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.response_bytes.clone().try_acquire_many_owned(permits).ok()
    }

    /// Memory for more of a request; waits until there is some.
    pub(crate) async fn reserve_request(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.request_bytes.clone().acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX)).await.ok()
    }
}
