//! Who leads: a group's members share a topic of one partition, and whoever is given the partition leads.
//!
//! The group's coordinator takes the partition from a member that has not been heard of for `SESSION_TIMEOUT`, or that left. Then the member
//! that has been there longest is given it: of members that hold equally much, librdkafka's sticky assignor takes the one with the least member
//! id (`sort_by_map_elem_val_toppar_list_cnt`), the brokers put the client's id in front of the random part of a member id, and the client's id
//! here ends in the time since when the member has been there.
//!
//! The lease says when to begin and when to stop; that nobody writes who should not is the business of `FencedWriter`, for a lease alone cannot
//! promise it (a process can be stopped between looking at its lease and writing).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::context::{Troubles, log_quietly};
use super::error;
use super::options::KafkaOptions;
use crate::error::LogError;

/// A member that is silent for so long has lost its partition. The least that brokers allow unless they are told otherwise.
pub(super) const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
pub(super) const HEARTBEAT: Duration = Duration::from_millis(300);

/// Membership in the group; dropping it leaves the group, and another member leads at once.
pub struct Lease {
    consumer: BaseConsumer<LeaseContext>,
}

impl Lease {
    /// Joins the group. The topic has one partition. `since_ms` is when this member began to be of use, by the clock of the wall: of those that
    /// wait the one with the earliest is next.
    pub fn join(options: &KafkaOptions, group: &str, topic: &str, since_ms: i64) -> Result<Lease, LogError> {
        let doing = format!("join the group \"{group}\"");
        let context = LeaseContext::default();
        // as many digits for every time until the year 2286: their order is that of the numbers
        let client_id = format!("{}-{:013}", options.client_id, since_ms.max(0));
        let consumer = BaseConsumer::from_config_and_context(&options.member(group, &client_id), context)
            .map_err(|error| error::of(doing.as_str(), &error, None))?;
        consumer.subscribe(&[topic]).map_err(|error| error::of(doing, &error, None))?;
        Ok(Lease { consumer })
    }

    /// Takes part in the group for so long: must be called again and again. Fails on what only the user can mend.
    pub fn poll(&self, wait: Duration) -> Result<(), LogError> {
        match self.consumer.poll(wait) {
            Some(Err(error)) => {
                let code = error::code_of(&error);
                if matches!(
                    code,
                    RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed
                ) {
                    return Err(error::of("take part in the election of a leader", &error, None));
                }
                self.consumer.context().troubles.note(&error, &error.to_string());
                Ok(())
            }
            // records of the topic are not the lease's business
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Why the group may not be heard of at the moment, if something was wrong with the connections lately.
    pub fn trouble(&self) -> Option<String> {
        self.consumer.context().troubles.recent().map(|trouble| trouble.reason)
    }

    pub fn is_held(&self) -> bool {
        self.consumer.context().is_held.load(Ordering::Acquire)
    }

    /// Counts how often the partition was given to us: another number means that it was lost in between.
    pub fn term(&self) -> u64 {
        self.consumer.context().term.load(Ordering::Acquire)
    }
}

#[derive(Debug, Default)]
struct LeaseContext {
    is_held: AtomicBool,
    term: AtomicU64,
    troubles: Troubles,
}

impl ClientContext for LeaseContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_quietly(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.troubles.note(&error, reason);
    }
}

impl ConsumerContext for LeaseContext {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // before the coordinator hears that we agree: nobody else leads while we think that we do
        if let Rebalance::Revoke(partitions) = rebalance
            && partitions.count() > 0
        {
            self.is_held.store(false, Ordering::Release);
        }
    }

    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance
            && partitions.count() > 0
        {
            self.term.fetch_add(1, Ordering::AcqRel);
            self.is_held.store(true, Ordering::Release);
        }
    }
}
