//! The protocol's error codes that this broker answers with, and which error of the log becomes which. Pure.
//!
//! Source: Kafka's protocol guide, "Error Codes".

use crate::error::LogError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(i16)]
pub enum ErrorCode {
    #[default]
    None = 0,
    UnknownServerError = -1,
    OffsetOutOfRange = 1,
    CorruptMessage = 2,
    UnknownTopicOrPartition = 3,
    MessageTooLarge = 10,
    OffsetMetadataTooLarge = 12,
    CoordinatorNotAvailable = 15,
    InvalidTopic = 17,
    InvalidRequiredAcks = 21,
    IllegalGeneration = 22,
    InconsistentGroupProtocol = 23,
    InvalidGroupId = 24,
    UnknownMemberId = 25,
    InvalidSessionTimeout = 26,
    RebalanceInProgress = 27,
    InvalidCommitOffsetSize = 28,
    InvalidTimestamp = 32,
    UnsupportedSaslMechanism = 33,
    IllegalSaslState = 34,
    UnsupportedVersion = 35,
    TopicAlreadyExists = 36,
    InvalidPartitions = 37,
    InvalidReplicationFactor = 38,
    InvalidReplicaAssignment = 39,
    InvalidConfig = 40,
    InvalidRequest = 42,
    UnsupportedForMessageFormat = 43,
    PolicyViolation = 44,
    OutOfOrderSequenceNumber = 45,
    InvalidProducerEpoch = 47,
    TransactionalIdAuthorizationFailed = 53,
    KafkaStorageError = 56,
    SaslAuthenticationFailed = 58,
    NonEmptyGroup = 68,
    GroupIdNotFound = 69,
    FetchSessionIdNotFound = 70,
    FencedLeaderEpoch = 74,
    UnknownLeaderEpoch = 75,
    MemberIdRequired = 79,
    GroupMaxSizeReached = 81,
    FencedInstanceId = 82,
    GroupSubscribedToTopic = 86,
    InvalidRecord = 87,
}

impl ErrorCode {
    pub fn code(self) -> i16 {
        self as i16
    }
}

impl From<&LogError> for ErrorCode {
    fn from(error: &LogError) -> ErrorCode {
        match error {
            LogError::UnknownTopic { .. } | LogError::UnknownPartition { .. } => ErrorCode::UnknownTopicOrPartition,
            LogError::TopicName { .. } => ErrorCode::InvalidTopic,
            LogError::PartitionCount { .. } => ErrorCode::InvalidPartitions,
            LogError::TopicDiffers { .. } => ErrorCode::TopicAlreadyExists,
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            LogError::BatchTooLarge { .. } => ErrorCode::MessageTooLarge,
            LogError::EmptyAppend => ErrorCode::InvalidRecord,
            LogError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            LogError::OldProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            LogError::Poisoned { .. } | LogError::Io { .. } => ErrorCode::KafkaStorageError,
            LogError::Timestamp { .. } => ErrorCode::InvalidTimestamp,
            LogError::Option { .. } | LogError::Locked { .. } | LogError::Thread { .. } => {
                ErrorCode::UnknownServerError
            }
            // of a log in a cluster, which is not served here
            LogError::Cluster { .. } | LogError::Fenced { .. } => ErrorCode::UnknownServerError,
        }
    }
}
