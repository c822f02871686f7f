//! How a cluster is reached: addresses, TLS, who we are. From here librdkafka's settings are derived.

use std::fmt;
use std::path::PathBuf;

use rdkafka::ClientConfig;

/// librdkafka's limit on one message, and what topics of ours allow: a frame of the exchange is at most 4 MiB.
pub(super) const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// What librdkafka reads ahead of a partition. Nine partitions are read by `hoga up`.
const READ_AHEAD_KIB: u32 = 4 << 10;
/// How long a broker holds an answer back while there is nothing to read. A reader that jumps waits for it, so it is short.
const FETCH_WAIT_MS: u32 = 100;

/// Where a cluster is, and how one logs in.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// `HOST:PORT`, several with commas: any of them is enough to find the others.
    pub brokers: String,
    pub tls: bool,
    /// Certificates (PEM) that a broker's is checked against; without it those of the operating system.
    pub ca_file: Option<PathBuf>,
    pub login: Option<Login>,
    /// What brokers call us in their logs and metrics.
    pub client_id: String,
}

#[derive(Debug, Clone)]
pub struct Login {
    pub mechanism: Mechanism,
    pub username: String,
    pub password: Password,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// Prints as `***`.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    pub fn new(password: String) -> Password {
        Password(password)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Mechanism {
    /// As Kafka names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl KafkaOptions {
    /// Without TLS and login.
    pub fn new(brokers: &str) -> KafkaOptions {
        KafkaOptions {
            brokers: brokers.to_owned(),
            tls: false,
            ca_file: None,
            login: None,
            client_id: "hoga".to_owned(),
        }
    }

    /// What every client has in common.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", &self.client_id);
        let protocol = match (self.tls, self.login.is_some()) {
            (false, false) => "plaintext",
            (true, false) => "ssl",
            (false, true) => "sasl_plaintext",
            (true, true) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(ca_file) = &self.ca_file {
            config.set("ssl.ca.location", ca_file.to_string_lossy());
        }
        if let Some(login) = &self.login {
            config.set("sasl.mechanism", login.mechanism.as_str());
            config.set("sasl.username", &login.username).set("sasl.password", &login.password.0);
        }
        // a broker that comes back is found soon, and a new leader too
        config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
        config.set("topic.metadata.refresh.interval.ms", "30000").set("socket.keepalive.enable", "true");
        config.set("socket.connection.setup.timeout.ms", "5000");
        // our own words say what is wrong; librdkafka's are there at log level debug
        config.set("log.connection.close", "false");
        config
    }

    /// Reads partitions from offsets we name; no group, no commits. Sees what is committed and nothing of what was aborted.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
        config.set("enable.auto.commit", "false").set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", FETCH_WAIT_MS.to_string()).set("fetch.error.backoff.ms", "100");
        // with a full queue librdkafka looks again after so long, instead of after a second
        config.set("fetch.queue.backoff.ms", "10").set("queued.max.messages.kbytes", READ_AHEAD_KIB.to_string());
        config.set("receive.message.max.bytes", "100000000").set("check.crcs", "true");
        config
    }

    /// Writes in transactions: idempotent, acks=all, all or nothing.
    pub(super) fn writer(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.client();
        config.set("transactional.id", transactional_id).set("enable.idempotence", "true").set("acks", "all");
        config.set("compression.codec", "lz4").set("linger.ms", "2");
        config.set("message.max.bytes", MESSAGE_BYTES_MAX.to_string()).set("batch.size", (1 << 20).to_string());
        config.set("transaction.timeout.ms", super::writer::TRANSACTION_MAX.as_millis().to_string());
        config.set("queue.buffering.max.kbytes", (128 << 10).to_string());
        config
    }

    /// Shares a group's topic. The brokers make a member's id of its client's id and a random end.
    pub(super) fn member(&self, group: &str, client_id: &str) -> ClientConfig {
        let mut config = self.client();
        config.set("client.id", client_id);
        config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "latest");
        // sticky: whoever leads goes on leading when another comes
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("session.timeout.ms", super::lease::SESSION_TIMEOUT.as_millis().to_string());
        // a member learns with its next heartbeat that another one is gone
        config.set("heartbeat.interval.ms", super::lease::HEARTBEAT.as_millis().to_string());
        config.set("fetch.wait.max.ms", "500").set("queued.min.messages", "1").set("queued.max.messages.kbytes", "64");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed_and_is_handed_on() {
        let login = Login {
            mechanism: Mechanism::ScramSha512,
            username: "ada".into(),
            password: Password::new("geheim".into()),
        };
        let options = KafkaOptions { login: Some(login), tls: true, ..KafkaOptions::new("k:9092") };
        assert!(!format!("{options:?}").contains("geheim"));
        let config = options.client();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!(config.get("sasl.password"), Some("geheim"));
        assert_eq!(KafkaOptions::new("k").client().get("security.protocol"), Some("plaintext"));
    }
}
