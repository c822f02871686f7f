//! librdkafka's errors in our words: what was tried, why not, what to do about it, and whose fault it is.

use hoga_model::Fault;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::context::Trouble;
use crate::error::LogError;

/// `doing` completes "cannot …".
pub(super) fn of(doing: impl Into<String>, error: &KafkaError, trouble: Option<Trouble>) -> LogError {
    let code = code_of(error);
    let reason = match error {
        KafkaError::Transaction(error) => error.string(),
        KafkaError::ClientConfig(_, reason, key, _) => format!("{key}: {reason}"),
        KafkaError::ClientCreation(reason) | KafkaError::AdminOpCreation(reason) => reason.clone(),
        _ => in_words(code),
    };
    of_code(doing, code, reason, trouble)
}

pub(super) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    match error {
        KafkaError::AdminOp(code) => *code,
        KafkaError::Transaction(error) => error.code(),
        error => error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
    }
}

/// The same for a code that came with a text, or without one.
pub(super) fn of_code(
    doing: impl Into<String>,
    code: RDKafkaErrorCode,
    reason: String,
    trouble: Option<Trouble>,
) -> LogError {
    let doing = doing.into();
    // "timed out" explains nothing while the connections have said why
    let (code, reason) = match trouble {
        Some(trouble) if is_vague(code) => (trouble.code, trouble.reason),
        _ => (code, if reason.is_empty() { in_words(code) } else { reason }),
    };
    let (fault, hint) = judge(code, &reason);
    let retry = fault == Fault::External;
    LogError::Cluster { doing, reason, hint, fault, retry }
}

fn in_words(code: RDKafkaErrorCode) -> String {
    let text = code.to_string();
    // `MessageTimedOut (Local: Message timed out)` → `Local: Message timed out`
    match text.split_once('(') {
        Some((_, inner)) => inner.trim_end_matches(')').to_owned(),
        None => text,
    }
}

fn is_vague(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::RequestTimedOut
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::WaitingForCoordinator
            | Code::NotController
            | Code::LeaderNotAvailable
            | Code::Fail
    )
}

fn judge(code: RDKafkaErrorCode, reason: &str) -> (Fault, &'static str) {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            (Fault::User, "; check HOGA_KAFKA_USERNAME, HOGA_KAFKA_PASSWORD and --kafka-sasl")
        }
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
            (Fault::User, "; choose a mechanism that the brokers have enabled with --kafka-sasl")
        }
        Code::SSL => (Fault::User, "; check --kafka-tls, and --kafka-ca for certificates of your own authority"),
        Code::TopicAuthorizationFailed => (
            Fault::User,
            "; let the user of HOGA_KAFKA_USERNAME Create, Describe, Read and Write the topics upbit-*, or create them for it",
        ),
        Code::TransactionalIdAuthorizationFailed => {
            (Fault::User, "; let the user Describe and Write the transactional ids hoga-*")
        }
        Code::GroupAuthorizationFailed => (Fault::User, "; let the user Read the group hoga-collector"),
        Code::ClusterAuthorizationFailed => {
            (Fault::User, "; let the user Create topics on the cluster, or create them for it")
        }
        Code::InvalidReplicationFactor => (Fault::External, "; too few brokers are up"),
        Code::PolicyViolation | Code::InvalidConfig => {
            (Fault::User, "; create the topic as the cluster's rules want it, then start again")
        }
        Code::UnsupportedFeature | Code::UnsupportedVersion => {
            (Fault::User, "; the brokers are too old: hoga needs Apache Kafka 2.5 or newer")
        }
        Code::CoordinatorNotAvailable | Code::WaitingForCoordinator => (
            Fault::External,
            "; are as many brokers up as offsets.topic.replication.factor and transaction.state.log.replication.factor ask for?",
        ),
        Code::Resolve => (Fault::External, "; check --brokers"),
        // a TLS listener hangs up on plain text, and the other way round
        Code::BrokerTransportFailure if reason.contains("security.protocol") => {
            (Fault::User, "; the brokers want TLS or a login: see --kafka-tls and --kafka-sasl")
        }
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut => (
            Fault::External,
            "; check --brokers, that the addresses the brokers advertise can be reached from here, and whether they want TLS or a login (--kafka-tls, --kafka-sasl)",
        ),
        _ => (Fault::External, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoga_model::Faulty;

    #[test]
    fn the_connections_reason_stands_for_a_timeout() {
        let timeout = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
        let troubles = super::super::context::Troubles::default();
        troubles.note(
            &KafkaError::Global(RDKafkaErrorCode::Authentication),
            "SASL authentication error: Authentication failed",
        );
        let error = of("reach the cluster", &timeout, troubles.recent());
        assert_eq!(error.fault(), Fault::User);
        assert!(!error.retry());
        let text = error.to_string();
        assert!(text.contains("cannot reach the cluster") && text.contains("HOGA_KAFKA_PASSWORD"), "{text}");
        assert!(of("reach the cluster", &timeout, None).retry());
    }
}
