//! What a listener takes at most, each with a name. Pure.

use std::time::Duration;

use crate::batch::MAX_BATCH_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Clients at once; more are closed as they come.
    pub connections: usize,
    pub connections_per_ip: usize,
    /// A produce request; it may hold a batch for each of many partitions.
    pub produce_bytes: usize,
    /// Any other request.
    pub request_bytes: usize,
    /// One batch. Kafka's default is 1 MiB; producers keep to theirs.
    pub batch_bytes: usize,
    /// Requests that are in memory at once; more wait in their sockets.
    pub queued_request_bytes: usize,
    /// One fetch's batches, whatever it asks for (but one batch at least).
    pub fetch_bytes: usize,
    /// Batches in memory for readers, slow ones included; when it is used up, fetches get single batches.
    pub queued_response_bytes: usize,
    pub topics: usize,
    /// Of all topics together: each holds a file.
    pub partitions: usize,
    /// Of a topic that is created without saying how many.
    pub default_partitions: u32,
    pub groups: usize,
    pub members_per_group: usize,
    /// (group, topic, partition).
    pub committed_offsets: usize,
    /// How long a group's first generation waits for more members.
    pub initial_rebalance_delay_ms: i64,
    /// A client that says nothing for so long is closed.
    pub idle_timeout: Duration,
    /// A client that has begun a request, or does not take its response, for so long is closed.
    pub stall_timeout: Duration,
    /// TLS and SASL must be over by then.
    pub handshake_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1_000,
            connections_per_ip: 500,
            produce_bytes: MAX_BATCH_BYTES + (1 << 20),
            request_bytes: 4 << 20,
            batch_bytes: MAX_BATCH_BYTES,
            queued_request_bytes: 128 << 20,
            fetch_bytes: 16 << 20,
            queued_response_bytes: 64 << 20,
            topics: 1_000,
            partitions: 4_000,
            default_partitions: 1,
            groups: 1_000,
            members_per_group: 500,
            committed_offsets: 100_000,
            initial_rebalance_delay_ms: 200,
            idle_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// As settings of the broker, in Kafka's words where Kafka has one.
    pub(crate) fn describe(&self) -> Vec<(&'static str, String)> {
        vec![
            ("max.connections", self.connections.to_string()),
            ("max.connections.per.ip", self.connections_per_ip.to_string()),
            ("socket.request.max.bytes", self.produce_bytes.to_string()),
            ("message.max.bytes", self.batch_bytes.to_string()),
            ("fetch.max.bytes", self.fetch_bytes.to_string()),
            ("queued.max.request.bytes", self.queued_request_bytes.to_string()),
            ("queued.max.response.bytes", self.queued_response_bytes.to_string()),
            ("num.partitions", self.default_partitions.to_string()),
            ("group.max.size", self.members_per_group.to_string()),
            ("group.initial.rebalance.delay.ms", self.initial_rebalance_delay_ms.to_string()),
            ("connections.max.idle.ms", self.idle_timeout.as_millis().to_string()),
        ]
    }
}
