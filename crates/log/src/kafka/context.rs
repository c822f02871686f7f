//! What librdkafka tells beside messages: its log, and why brokers cannot be reached. Remembered, so that an error can say it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The same trouble is told again after so long.
const TELL_AGAIN: Duration = Duration::from_secs(30);
/// Trouble older than this explains nothing any more.
const REMEMBERED: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Context {
    troubles: Troubles,
}

/// The last thing that went wrong with a client's connections.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    last: Mutex<Option<Trouble>>,
}

#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: String,
    noticed: Instant,
    told: Instant,
}

impl Context {
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.troubles.recent()
    }
}

impl Troubles {
    pub(super) fn recent(&self) -> Option<Trouble> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|trouble| trouble.noticed.elapsed() < REMEMBERED)
    }

    pub(super) fn note(&self, error: &KafkaError, reason: &str) {
        let code = super::error::code_of(error);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // "all brokers are down" follows on the reason, and says less
        if code == RDKafkaErrorCode::AllBrokersDown && last.is_some() {
            return;
        }
        let now = Instant::now();
        let known = last.as_ref().filter(|known| known.code == code && known.told.elapsed() < TELL_AGAIN);
        let told = known.map_or(now, |known| known.told);
        if known.is_none() {
            tracing::warn!(reason, "trouble with the Kafka cluster; it is tried again");
        }
        *last = Some(Trouble { code, reason: plain(reason), noticed: now, told });
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_quietly(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.troubles.note(&error, reason);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        Err("tokens are not supported".into())
    }
}

impl ConsumerContext for Context {}

/// librdkafka's own lines repeat what the callbacks say: for those who look closer.
pub(super) fn log_quietly(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
}

/// Without librdkafka's names of threads and its clock: `sasl_plaintext://127.0.0.1:9092/bootstrap: Connect to …: Connection refused (after 1ms in state CONNECT)`.
fn plain(reason: &str) -> String {
    let cut = reason.split(" (after ").next().unwrap_or(reason);
    cut.trim_end_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_survives_the_news_that_all_brokers_are_down() {
        let troubles = Troubles::default();
        let refused = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        troubles.note(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), refused);
        troubles.note(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        let last = troubles.recent().map(|trouble| trouble.reason);
        assert_eq!(
            last.as_deref(),
            Some("127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused")
        );
    }
}
