//! Appends in transactions: idempotent, acks=all, and all or nothing over any number of partitions.
//!
//! A transactional id is a place for one writer. Opening it ends the transaction that an earlier writer of the same id left open, and from
//! then on the brokers refuse that writer (its epoch is old), wherever it runs and whatever it still has in its buffers. So what is readable
//! when `open` has returned is all that the earlier writers will ever have written: it is safe to read, compare and write the rest.
//! Source: KIP-98 (transactional messaging), KIP-890 (transactions that are verified on the server).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as NativeHeader, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};

use super::context::{Troubles, log_quietly};
use super::error;
use super::options::{KafkaOptions, MESSAGE_BYTES_MAX};
use crate::error::LogError;
use crate::log::{Appended, Record};

/// An open transaction that nobody ends is ended by the brokers after so long; readers wait for it at most that long.
pub(super) const TRANSACTION_MAX: Duration = Duration::from_secs(20);
/// To become the writer of a transactional id: brokers may be electing leaders, or finishing an earlier writer's transaction.
const OPEN_MAX: Duration = Duration::from_secs(30);
/// To end a transaction whose outcome is decided. Longer than the brokers need to replace one of them.
const END_MAX: Duration = Duration::from_secs(60);
const CLOSE_MAX: Duration = Duration::from_secs(1);
const RETRY_WAIT: Duration = Duration::from_millis(50);

/// Records for one partition.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    pub topic: &'a str,
    pub partition: u32,
    pub records: &'a [Record],
}

/// The only writer of its transactional id, until another one is opened.
pub struct FencedWriter {
    producer: BaseProducer<WriterContext>,
    id: String,
    /// After an error that leaves the outcome open, or an epoch that is old.
    is_over: bool,
}

impl FencedWriter {
    /// Becomes the writer of this id. When this returns, no earlier writer of it can make anything readable any more.
    pub fn open(options: &KafkaOptions, transactional_id: &str) -> Result<FencedWriter, LogError> {
        let doing = format!("become the writer \"{transactional_id}\"");
        let config = options.writer(transactional_id);
        let producer = BaseProducer::from_config_and_context(&config, WriterContext::default())
            .map_err(|error| error::of(doing.as_str(), &error, None))?;
        let deadline = Instant::now() + OPEN_MAX;
        loop {
            // the call blocks, and what the connections say is heard between its tries
            let opened = producer.init_transactions(Duration::from_secs(5));
            producer.poll(Duration::ZERO);
            let Err(error) = opened else { break };
            let trouble = producer.context().troubles.recent();
            let described = error::of(doing.as_str(), &error, trouble);
            let again = as_transaction(&error).is_none_or(RDKafkaError::is_retriable);
            if !again || !hoga_model::Faulty::retry(&described) || Instant::now() >= deadline {
                return Err(described);
            }
            std::thread::sleep(RETRY_WAIT);
        }
        Ok(FencedWriter { producer, id: transactional_id.to_owned(), is_over: false })
    }

    /// Writes all of it or nothing, and returns the offsets by part. When this has returned it will be readable, whatever happens; readers of
    /// committed records see it a moment later, when the brokers have written the transaction's markers.
    ///
    /// On an error that says `retry()` nothing of it will ever be readable, and the call can be made again. `Fenced`: another writer has this
    /// id now; nothing of it will be readable. Any other error leaves it open whether it was written: open a new writer and look.
    pub fn append(&mut self, parts: &[Part<'_>]) -> Result<Vec<Appended>, LogError> {
        if self.is_over {
            return Err(LogError::Fenced { writer: self.id.clone() });
        }
        for record in parts.iter().flat_map(|part| part.records) {
            check(record)?;
        }
        self.producer.begin_transaction().map_err(|error| self.gone_wrong(&error, &error))?;
        let acks = Arc::new(Mutex::new(vec![Ack::default(); parts.len()]));
        let sent = self.send(parts, &acks);
        let ended = match sent {
            Ok(()) => self.commit(),
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            return Err(self.undo(error, &acks));
        }
        let acks = acks.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(acks.iter().map(|ack| Appended { first_offset: ack.first, last_offset: ack.last }).collect())
    }

    fn send(&self, parts: &[Part<'_>], acks: &Acks) -> Result<(), KafkaError> {
        for (index, part) in parts.iter().enumerate() {
            for record in part.records {
                let mut message = BaseRecord::with_opaque_to(part.topic, Box::new((acks.clone(), index)))
                    .partition(part.partition as i32)
                    .payload(&record.value[..])
                    .timestamp(record.timestamp_ms);
                if let Some(key) = &record.key {
                    message = message.key(&key[..]);
                }
                if !record.headers.is_empty() {
                    message = message.headers(headers_of(record));
                }
                while let Err((error, refused)) = self.producer.send(message) {
                    if error::code_of(&error) != RDKafkaErrorCode::QueueFull {
                        return Err(error);
                    }
                    message = refused;
                    self.producer.poll(RETRY_WAIT);
                }
            }
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), KafkaError> {
        let deadline = Instant::now() + END_MAX;
        loop {
            match self.producer.commit_transaction(TRANSACTION_MAX) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let again = as_transaction(&error).is_some_and(RDKafkaError::is_retriable);
                    if !again || Instant::now() >= deadline {
                        return Err(error);
                    }
                    self.producer.poll(RETRY_WAIT);
                }
            }
        }
    }

    /// Takes back a transaction that failed, and says what that means for the caller.
    fn undo(&mut self, error: KafkaError, acks: &Acks) -> LogError {
        let first_refusal =
            acks.lock().unwrap_or_else(PoisonError::into_inner).iter().find_map(|ack| ack.refused.clone());
        let cause = first_refusal.unwrap_or(error.clone());
        // a commit that was asked for and not answered cannot be taken back
        let undecided = as_transaction(&error).is_some_and(RDKafkaError::is_retriable);
        if undecided || self.is_fatal(&error) {
            return self.gone_wrong(&error, &cause);
        }
        let deadline = Instant::now() + END_MAX;
        self.drop_unsent(deadline);
        loop {
            match self.producer.abort_transaction(TRANSACTION_MAX) {
                Ok(()) => return self.describe(&cause),
                Err(error) => {
                    let again = as_transaction(&error).is_some_and(RDKafkaError::is_retriable);
                    if !again || Instant::now() >= deadline {
                        // brokers refuse to end a transaction that they never let begin: the cause says why
                        return self.gone_wrong(&error, &cause);
                    }
                }
            }
        }
    }

    /// Takes back what was handed to librdkafka, and waits until it has let go of it.
    fn drop_unsent(&self, deadline: Instant) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(RETRY_WAIT);
        }
    }

    /// This writer cannot go on: fenced, or nobody knows what became of its last transaction.
    fn gone_wrong(&mut self, error: &KafkaError, cause: &KafkaError) -> LogError {
        self.is_over = true;
        match error::code_of(error) {
            RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch => {
                LogError::Fenced { writer: self.id.clone() }
            }
            _ => match self.describe(cause) {
                LogError::Cluster { doing, reason, hint, fault, .. } => {
                    LogError::Cluster { doing, reason, hint, fault, retry: false }
                }
                other => other,
            },
        }
    }

    fn is_fatal(&self, error: &KafkaError) -> bool {
        as_transaction(error).is_some_and(RDKafkaError::is_fatal) || self.producer.client().fatal_error().is_some()
    }

    fn describe(&self, error: &KafkaError) -> LogError {
        if error::code_of(error) == RDKafkaErrorCode::MessageSizeTooLarge {
            return LogError::BatchTooLarge { what: "bytes in one record", limit: MESSAGE_BYTES_MAX };
        }
        error::of("write to the cluster", error, self.producer.context().troubles.recent())
    }
}

impl Drop for FencedWriter {
    fn drop(&mut self) {
        // what is not committed is not to be sent any more
        self.drop_unsent(Instant::now() + CLOSE_MAX);
    }
}

fn as_transaction(error: &KafkaError) -> Option<&RDKafkaError> {
    match error {
        KafkaError::Transaction(error) => Some(error),
        _ => None,
    }
}

/// Kafka refuses times before 1970, and librdkafka takes 0 for "now".
fn check(record: &Record) -> Result<(), LogError> {
    if record.timestamp_ms <= 0 {
        return Err(LogError::Timestamp { timestamp_ms: record.timestamp_ms });
    }
    Ok(())
}

fn headers_of(record: &Record) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    record.headers.iter().fold(headers, |headers, header| {
        headers.insert(NativeHeader { key: &header.key, value: Some(&header.value[..]) })
    })
}

type Acks = Arc<Mutex<Vec<Ack>>>;

/// What brokers said of one part.
#[derive(Debug, Clone)]
struct Ack {
    first: i64,
    last: i64,
    refused: Option<KafkaError>,
}

impl Default for Ack {
    fn default() -> Ack {
        Ack { first: i64::MAX, last: -1, refused: None }
    }
}

#[derive(Debug, Default)]
struct WriterContext {
    troubles: Troubles,
}

impl ClientContext for WriterContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_quietly(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.troubles.note(&error, reason);
    }
}

impl ProducerContext for WriterContext {
    type DeliveryOpaque = Box<(Acks, usize)>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Box<(Acks, usize)>) {
        let (acks, index) = *opaque;
        let mut acks = acks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ack) = acks.get_mut(index) else { return };
        match result {
            Ok(message) => {
                ack.first = ack.first.min(message.offset());
                ack.last = ack.last.max(message.offset());
            }
            // what was purged says nothing of the reason
            Err((error, _)) if ack.refused.is_none() && !is_purge(error) => ack.refused = Some(error.clone()),
            Err(_) => {}
        }
    }
}

fn is_purge(error: &KafkaError) -> bool {
    matches!(error::code_of(error), RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
}
