//! The Kafka listener on the log: its files are read, the broker opened, its counters put into the words of the page.

use crate::config::KafkaConfig;
use crate::failure::Failure;
use hoga_log::DiskLog;
use hoga_log::wire::{self, Broker, BrokerOptions, Limits, RunningWire, Users};
use hoga_model::time::Clock;
use hoga_serve::health::KafkaHealth;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What was opened of it.
pub struct Kafka {
    pub broker: Arc<Broker>,
    running: RunningWire,
    is_encrypted: bool,
    has_users: bool,
}

impl Kafka {
    /// `None` if it is switched off.
    pub async fn start(
        config: &KafkaConfig,
        log: Arc<DiskLog>,
        clock: Arc<dyn Clock>,
        kept_topics: Vec<String>,
        cancel: CancellationToken,
    ) -> Result<Option<Kafka>, Failure> {
        let Some(listen) = config.listen else { return Ok(None) };
        let users = config.users.as_deref().map(read_users).transpose()?;
        let tls = config.tls.as_ref().map(|(certificates, key)| wire::acceptor(certificates, key)).transpose();
        let tls = tls.map_err(|error| Failure::user(format!("kafka-tls: {error}")))?;
        let (is_encrypted, has_users) = (tls.is_some(), users.is_some());
        if has_users && !is_encrypted && !listen.ip().is_loopback() {
            tracing::warn!("passwords of Kafka clients may travel in the clear; set kafka-tls-cert and kafka-tls-key");
        }
        let mut options = BrokerOptions::new(log, clock);
        options.limits = Limits { connections: config.max_connections, ..Limits::default() };
        options.advertised.clone_from(&config.advertised);
        options.users = users;
        options.auto_create_topics = config.auto_create_topics;
        options.kept_topics = kept_topics;
        let broker = Broker::open(options).map_err(|error| Failure::of(&error))?;
        let running = wire::serve(listen, broker.clone(), tls, cancel).await;
        let running = running.map_err(|error| {
            let failure = Failure::of(&error);
            if matches!(error, wire::WireError::Bind { .. }) {
                return Failure::external(format!(
                    "{}; choose another address with --kafka, or --kafka off",
                    failure.message()
                ));
            }
            Failure::user(format!("{} (--kafka-users)", failure.message()))
        })?;
        Ok(Some(Kafka { broker, running, is_encrypted, has_users }))
    }

    /// One line for people and scripts.
    pub fn line(&self) -> String {
        let address: SocketAddr = self.running.local_addr();
        let note = match (self.has_users, self.is_encrypted) {
            (false, false) => "",
            (true, false) => "   (SASL)",
            (false, true) => "   (TLS)",
            (true, true) => "   (SASL, TLS)",
        };
        format!("kafka     kcat -b {address} -L{note}")
    }

    pub async fn stopped(self) {
        self.running.stopped().await;
    }
}

/// The listener's counters as the page and `/metrics` show them.
pub fn health(broker: &Broker) -> KafkaHealth {
    let metrics = broker.metrics();
    let (groups, members) = broker.group_counts();
    let used = |requests: Vec<(&'static str, u64)>| requests.into_iter().filter(|(_, count)| *count > 0);
    KafkaHealth {
        connections: metrics.open_connections(),
        connections_total: metrics.connections_opened.get(),
        connections_rejected_total: metrics.connections_rejected.get(),
        requests_total: used(metrics.requests()).map(|(api, count)| (api.to_owned(), count)).collect(),
        errors_total: metrics.errors().into_iter().map(|(api, code, count)| (api.to_owned(), code, count)).collect(),
        bytes_in_total: metrics.bytes_in.get(),
        bytes_out_total: metrics.bytes_out.get(),
        bytes_out_of_files_total: metrics.bytes_out_of_files.get(),
        protocol_errors_total: metrics.protocol_errors.get(),
        requests_too_large_total: metrics.requests_too_large.get(),
        stalled_total: metrics.stalled.get(),
        authentication_failures_total: metrics.authentication_failures.get(),
        fetches_shrunk_total: metrics.fetches_shrunk.get(),
        groups: groups as u64,
        members: members as u64,
    }
}

fn read_users(path: &std::path::Path) -> Result<Users, Failure> {
    let failed = |reason: String| Failure::user(format!("kafka-users: \"{}\": {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Users::parse(&text).map_err(|error| failed(error.to_string()))
}
