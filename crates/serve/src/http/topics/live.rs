//! `/api/topics/{name}/live`: new messages as server-sent events.
//!
//! Nothing is queued for a reader: each beat reads the log from where the last one stopped. A reader that does not take its events is not
//! read for; what has become too much meanwhile is passed over and counted, so a slow reader costs neither memory nor disk.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, stream};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::message::Message;
use super::query::{Filter, LiveQuery};
use super::routes::searching;
use super::search::{self, READ_BYTES, Spent};
use super::{BrowseError, LIVE_STREAMS_MAX, TopicBrowser};
use crate::http::Shared;
use crate::http::answer::{Refusal, to_json};

/// How often new messages are sent at most.
pub const LIVE_INTERVAL: Duration = Duration::from_millis(250);
/// Messages of one event: the newest ones; nobody reads more of them that fast.
pub const LIVE_MESSAGES_MAX: usize = 100;
/// Text of one event.
const LIVE_TEXT_BYTES_MAX: usize = 1 << 20;
/// What one beat reads of the log.
const LIVE_READ_BYTES_MAX: u64 = 4 << 20;
/// Messages of a partition that may wait to be read; of more than these the oldest are passed over.
pub const LIVE_BACKLOG_RECORDS_MAX: i64 = 20_000;

pub(in crate::http) async fn live(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    Query(query): Query<LiveQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let request = query.parse(LIVE_MESSAGES_MAX / 2)?;
    let permit = shared.live_streams.clone().try_acquire_owned().map_err(|_| {
        Refusal::unavailable(format!("{LIVE_STREAMS_MAX} live views of topics are open already; close one"))
    })?;
    let browser = shared.topics.clone();
    let (first, positions) = searching(&shared, move || {
        let partitions = search::chosen(&*browser, &topic, request.partition)?;
        let found = search::search(&*browser, &topic, &partitions, &request)?;
        let positions = partitions.iter().map(|partition| (partition.partition, partition.end_offset)).collect();
        let first = Batch { messages: found.messages, dropped: 0, older: Some(found.next) };
        Ok((first, Positions { topic, filter: request.filter, positions }))
    })
    .await?;
    let mut beats = interval(LIVE_INTERVAL);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader { shared, positions: Some(positions), beats, first: Some(first), _permit: permit };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    // a browser that has gone is noticed by writing to it
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// One event.
#[derive(Debug, Serialize)]
struct Batch {
    /// Newest first.
    messages: Vec<Message>,
    /// Messages that were passed over unread, or that match and are more than an event holds.
    dropped: u64,
    /// In the first event alone: the `from` of a search for older ones, or null if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    older: Option<Option<String>>,
}

struct Reader {
    shared: Arc<Shared>,
    /// Away while a beat reads, gone after an error.
    positions: Option<Positions>,
    beats: Interval,
    first: Option<Batch>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// `None` once the listener stops or the topic cannot be read any more.
    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(event("messages", &first));
        }
        loop {
            let cancel = self.shared.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                _ = self.beats.tick() => {}
            }
            let mut positions = self.positions.take()?;
            let browser = self.shared.topics.clone();
            let read = tokio::task::spawn_blocking(move || {
                let batch = positions.beat(&*browser);
                (positions, batch)
            });
            match read.await {
                Ok((positions, Ok(batch))) => {
                    self.positions = Some(positions);
                    if !batch.messages.is_empty() || batch.dropped > 0 {
                        return Some(event("messages", &batch));
                    }
                }
                Ok((_, Err(error))) => {
                    return Some(event("failed", &serde_json::json!({ "error": error.to_string() })));
                }
                Err(error) => {
                    tracing::error!(%error, "reading a topic for a live view ended badly");
                    return None;
                }
            }
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default().event(name).data(to_json(data))
}

/// How far a live view has come.
struct Positions {
    topic: String,
    filter: Filter,
    positions: BTreeMap<u32, i64>,
}

impl Positions {
    /// Reads what is new, within the limits of a beat. Blocks.
    fn beat(&mut self, browser: &dyn TopicBrowser) -> Result<Batch, BrowseError> {
        let mut newest = Newest::default();
        let mut spent = Spent::default();
        let mut waiting: VecDeque<u32> = self.positions.keys().copied().collect();
        while let Some(partition) = waiting.pop_front() {
            let Some(position) = self.positions.get_mut(&partition) else { continue };
            let piece = browser.read(&self.topic, partition, *position, READ_BYTES)?;
            spent.add(&piece);
            for message in piece.messages.iter().filter(|message| self.filter.matches(message)) {
                newest.add(Message::new(partition, message));
            }
            // retention was faster than this reader
            newest.dropped += (piece.start_offset - *position).max(0) as u64;
            let oldest_kept = piece.end_offset - LIVE_BACKLOG_RECORDS_MAX;
            newest.dropped += (oldest_kept - piece.next_offset).max(0) as u64;
            let before = *position;
            *position = piece.next_offset.max(oldest_kept);
            if *position > before && *position < piece.end_offset && spent.bytes < LIVE_READ_BYTES_MAX {
                waiting.push_back(partition);
            }
        }
        Ok(newest.into_batch())
    }
}

/// The newest messages of a beat, as many as an event holds.
#[derive(Default)]
struct Newest {
    messages: VecDeque<Message>,
    bytes: usize,
    dropped: u64,
}

impl Newest {
    fn add(&mut self, message: Message) {
        self.bytes += message.cost_bytes();
        // pieces of several partitions overlap in time
        let at = self.messages.partition_point(|other| other.timestamp <= message.timestamp);
        self.messages.insert(at, message);
        while self.messages.len() > LIVE_MESSAGES_MAX || (self.bytes > LIVE_TEXT_BYTES_MAX && self.messages.len() > 1) {
            self.bytes -= self.messages.pop_front().map_or(0, |message| message.cost_bytes());
            self.dropped += 1;
        }
    }

    fn into_batch(self) -> Batch {
        Batch { messages: self.messages.into_iter().rev().collect(), dropped: self.dropped, older: None }
    }
}
