//! One partition's stream of messages from librdkafka, from an offset we name: the one place of the project with `unsafe`.
//!
//! Why not rdkafka's own `PartitionQueue`: it hides the offset of "end of partition", and without that nobody can tell how far
//! the markers of a transaction reach, which take offsets and are no messages. It also needs a consumer group's assignment.
//!
//! What the `unsafe` blocks rely on (librdkafka's rdkafka.h): a topic and a queue handle stay valid until they are destroyed;
//! a client outlives its handles, for `consumer` is held; a message's bytes live until `rd_kafka_message_destroy`.
#![expect(
    unsafe_code,
    reason = "librdkafka's functions for one partition's queue have no safe wrapper that tells the end's offset"
)]

use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::watch;

use super::context::Context;
use crate::log::{Header, Record, StoredRecord};

/// Messages taken out of librdkafka's queue at once.
const MESSAGES_AT_ONCE: usize = 512;

/// What comes next in a partition.
pub(super) enum Next {
    Record(StoredRecord),
    /// Everything before this offset was handed over.
    End(i64),
    Failed(RDKafkaErrorCode, String),
}

/// A partition that is being read ahead.
pub(super) struct PartitionStream {
    topic: *mut native::rd_kafka_topic_t,
    queue: *mut native::rd_kafka_queue_t,
    partition: i32,
    taken: VecDeque<Message>,
    /// Told when messages come; librdkafka holds its address.
    changes: Box<watch::Sender<u64>>,
    consumer: Arc<BaseConsumer<Context>>,
}

// SAFETY: librdkafka's handles may be used from any thread; a stream is used by one at a time, for every call takes `&mut self`.
unsafe impl Send for PartitionStream {}

impl PartitionStream {
    /// Begins to read ahead at `offset`. At most one stream of a partition may exist in a consumer.
    pub(super) fn start(
        consumer: Arc<BaseConsumer<Context>>,
        topic: &str,
        partition: u32,
        offset: i64,
        changes: watch::Sender<u64>,
    ) -> Result<PartitionStream, RDKafkaErrorCode> {
        let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
        let client = consumer.client().native_ptr();
        let partition = partition as i32;
        // SAFETY: the client is alive; null stands for the default settings
        let (handle, queue) = unsafe {
            (native::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut()), native::rd_kafka_queue_new(client))
        };
        let stream = PartitionStream {
            topic: handle,
            queue,
            partition,
            taken: VecDeque::new(),
            changes: Box::new(changes),
            consumer,
        };
        if stream.topic.is_null() || stream.queue.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let opaque: *const watch::Sender<u64> = &*stream.changes;
        // SAFETY: both handles are valid; the callback's argument is boxed, and the callback is taken back before it is dropped
        let started = unsafe {
            native::rd_kafka_queue_cb_event_enable(stream.queue, Some(on_messages), opaque.cast_mut().cast());
            native::rd_kafka_consume_start_queue(stream.topic, partition, offset, stream.queue)
        };
        if started == 0 {
            return Ok(stream);
        }
        // SAFETY: reads a thread's own variable
        Err(unsafe { native::rd_kafka_last_error() }.into())
    }

    /// The next thing of the partition; `None` if nothing came for so long.
    pub(super) fn next(&mut self, wait: Duration) -> Option<Next> {
        if self.taken.is_empty() {
            self.take(wait);
        }
        self.taken.pop_front().map(|message| message.read())
    }

    fn take(&mut self, wait: Duration) {
        // SAFETY: the queue is valid; a message that is handed over is ours to destroy
        let first = unsafe { native::rd_kafka_consume_queue(self.queue, wait.as_millis() as i32) };
        if first.is_null() {
            return;
        }
        self.taken.push_back(Message(first));
        let mut more = [ptr::null_mut(); MESSAGES_AT_ONCE];
        // SAFETY: the array has as many places as are named; with no time to wait it returns what is there
        let count = unsafe { native::rd_kafka_consume_batch_queue(self.queue, 0, more.as_mut_ptr(), MESSAGES_AT_ONCE) };
        let count = usize::try_from(count).unwrap_or(0);
        self.taken.extend(more.iter().take(count).map(|message| Message(*message)));
    }
}

impl Drop for PartitionStream {
    fn drop(&mut self) {
        self.taken.clear();
        // SAFETY: nothing uses the handles after this; stopping what was not started only sets an error
        unsafe {
            if !self.queue.is_null() {
                native::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            }
            if !self.topic.is_null() {
                native::rd_kafka_consume_stop(self.topic, self.partition);
                native::rd_kafka_topic_destroy(self.topic);
            }
            if !self.queue.is_null() {
                native::rd_kafka_queue_destroy(self.queue);
            }
        }
        // the client goes after its handles
        let _ = &self.consumer;
    }
}

/// Runs on librdkafka's thread when an empty queue gets something.
unsafe extern "C" fn on_messages(_client: *mut native::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `start` gave the address of a boxed sender that lives until the callback is taken back
    let changes = unsafe { &*opaque.cast_const().cast::<watch::Sender<u64>>() };
    changes.send_modify(|count| *count += 1);
}

/// A message or an error of librdkafka, destroyed when it is dropped.
struct Message(*mut native::rd_kafka_message_t);

impl Message {
    fn read(self) -> Next {
        // SAFETY: the pointer is a valid message until `self` is dropped
        let message = unsafe { &*self.0 };
        let code = RDKafkaErrorCode::from(message.err);
        match code {
            RDKafkaErrorCode::NoError => Next::Record(self.record(message)),
            RDKafkaErrorCode::PartitionEOF => Next::End(message.offset),
            // the payload of an error is its text
            // SAFETY: address and length of one message, copied at once
            code => Next::Failed(
                code,
                String::from_utf8_lossy(unsafe { bytes_at(message.payload, message.len) }).into_owned(),
            ),
        }
    }

    fn record(&self, message: &native::rd_kafka_message_t) -> StoredRecord {
        // SAFETY: addresses and lengths of one message, copied below
        let (key, value) = unsafe { (bytes_at(message.key, message.key_len), bytes_at(message.payload, message.len)) };
        let mut both = BytesMut::with_capacity(key.len() + value.len());
        both.extend_from_slice(key);
        both.extend_from_slice(value);
        let both = both.freeze();
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a valid message, and a place for the kind of timestamp
        let timestamp_ms = unsafe { native::rd_kafka_message_timestamp(self.0, &mut kind) };
        let record = Record {
            key: (!message.key.is_null()).then(|| both.slice(..key.len())),
            value: both.slice(key.len()..),
            timestamp_ms,
            headers: self.headers(),
        };
        StoredRecord { offset: message.offset, record }
    }

    fn headers(&self) -> Vec<Header> {
        let mut list = ptr::null_mut();
        // SAFETY: a valid message; the list belongs to it
        let found = unsafe { native::rd_kafka_message_headers(self.0, &mut list) };
        let mut headers = Vec::new();
        if RDKafkaErrorCode::from(found) != RDKafkaErrorCode::NoError {
            return headers;
        }
        loop {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            // SAFETY: past the last one it says so and changes nothing
            let header =
                unsafe { native::rd_kafka_header_get_all(list, headers.len(), &mut name, &mut value, &mut size) };
            if RDKafkaErrorCode::from(header) != RDKafkaErrorCode::NoError {
                return headers;
            }
            // SAFETY: a header's name is a C string, and name and value live as long as the message; both are copied
            let (key, value) = unsafe { (CStr::from_ptr(name), bytes_at(value.cast_mut(), size)) };
            headers.push(Header { key: key.to_string_lossy().into_owned(), value: Bytes::copy_from_slice(value) });
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody reads it any more
        unsafe { native::rd_kafka_message_destroy(self.0) }
    }
}

/// The bytes at an address; none if there is no address.
///
/// # Safety
/// `address` and `len` are of bytes that librdkafka owns and keeps for `'a`.
unsafe fn bytes_at<'a>(address: *mut c_void, len: usize) -> &'a [u8] {
    if address.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the caller promises it
    unsafe { std::slice::from_raw_parts(address.cast_const().cast(), len) }
}
