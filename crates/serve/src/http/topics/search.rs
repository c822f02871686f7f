//! Looking for messages: towards newer or older ones, through several partitions at once, with an end in sight.
//!
//! A search reads at most about [`SEARCH_BYTES_MAX`] of the log, however rare what it looks for is; its answer says where it stopped and
//! what to ask to go on. Each partition is walked in offset order; between partitions the timestamps decide.

use std::cmp::Reverse;
use std::collections::VecDeque;

use serde::Serialize;

use super::message::Message;
use super::query::{Filter, Request, Start, next_text};
use super::{BrowseError, LogMessage, Partition, Piece, TopicBrowser, find};

/// Keys, values and headers that one search reads; it may end one read later.
pub const SEARCH_BYTES_MAX: u64 = 32 << 20;
/// Text of one answer, shared by the partitions.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// One read of a partition.
pub(super) const READ_BYTES: usize = 256 << 10;
/// What a message, and a read that finds none, cost beside the bytes: a log of empty messages has an end too.
const RECORD_OVERHEAD_BYTES: u64 = 32;
const READ_OVERHEAD_BYTES: u64 = 4 << 10;
/// Towards older ones a partition is read in windows, since a log is only read forwards: first this many offsets, then as many as hold
/// `WINDOW_BYTES`; a window that turns out larger than `WINDOW_BYTES_MAX` is given up for a smaller one.
const FIRST_WINDOW_OFFSETS: i64 = 32;
const WINDOW_OFFSETS_MAX: i64 = 4_096;
const WINDOW_BYTES: u64 = 1 << 20;
const WINDOW_BYTES_MAX: u64 = 8 << 20;

#[derive(Debug, Serialize)]
pub(super) struct Found {
    /// Oldest first, or newest first if the search went towards older ones.
    pub(super) messages: Vec<Message>,
    pub(super) searched_records: u64,
    pub(super) searched_bytes: u64,
    pub(super) stopped: Stopped,
    /// The `from` of the search that goes on where this one stopped; none at the end.
    pub(super) next: Option<String>,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stopped {
    /// Nothing is left in that direction.
    End,
    /// As many messages as were asked for, or as much text as an answer may have.
    Limit,
    /// [`SEARCH_BYTES_MAX`] was read.
    Bytes,
}

/// What a search costs so far.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// Looked at.
    records: u64,
    /// Read, some of them twice: a log is read in pieces.
    pub(super) bytes: u64,
}

impl Spent {
    pub(super) fn add(&mut self, piece: &Piece) {
        let size = |message: &LogMessage| {
            let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            (message.key.as_ref().map_or(0, bytes::Bytes::len) + message.value.len() + headers) as u64
        };
        self.bytes += READ_OVERHEAD_BYTES;
        self.bytes += piece.messages.iter().map(|message| RECORD_OVERHEAD_BYTES + size(message)).sum::<u64>();
    }
}

/// The partitions that are asked for.
pub(super) fn chosen(
    browser: &dyn TopicBrowser,
    topic: &str,
    partition: Option<u32>,
) -> Result<Vec<Partition>, BrowseError> {
    let mut partitions = find(browser, topic)?.partitions;
    if let Some(wanted) = partition {
        partitions.retain(|found| found.partition == wanted);
        if partitions.is_empty() {
            return Err(BrowseError::UnknownPartition { topic: topic.to_owned(), partition: wanted });
        }
    }
    Ok(partitions)
}

/// Searches `partitions` as they were when they were looked up: what is appended meanwhile is not in the answer.
pub(super) fn search(
    browser: &dyn TopicBrowser,
    topic: &str,
    partitions: &[Partition],
    request: &Request,
) -> Result<Found, BrowseError> {
    let is_down = request.from.is_down();
    let kept_bytes_max = ANSWER_BYTES_MAX / partitions.len().max(1);
    let mut walks = Vec::new();
    for partition in partitions {
        let position = position(browser, topic, partition, &request.from)?;
        walks.push(Walk {
            partition: partition.partition,
            position,
            limit: if is_down { partition.start_offset } else { partition.end_offset },
            window: FIRST_WINDOW_OFFSETS,
            found: VecDeque::new(),
            found_bytes: 0,
            messages_max: request.limit,
            bytes_max: kept_bytes_max,
        });
    }
    let mut spent = Spent::default();
    // in turns, so that a long partition does not take what all of them may read
    while spent.bytes < SEARCH_BYTES_MAX {
        let mut is_idle = true;
        for walk in walks.iter_mut().filter(|walk| walk.goes_on(is_down)) {
            is_idle = false;
            match is_down {
                true => walk.step_down(browser, topic, &request.filter, &mut spent)?,
                false => walk.step_up(browser, topic, &request.filter, &mut spent)?,
            }
            if spent.bytes >= SEARCH_BYTES_MAX {
                break;
            }
        }
        if is_idle {
            break;
        }
    }
    let ran_out = walks.iter().any(|walk| walk.goes_on(is_down));
    let messages = merge(&mut walks, request.limit, is_down);
    let is_complete = walks.iter().all(|walk| walk.found.is_empty() && walk.is_through(is_down));
    let stopped = match (is_complete, ran_out && messages.len() < request.limit) {
        (true, _) => Stopped::End,
        (false, true) => Stopped::Bytes,
        (false, false) => Stopped::Limit,
    };
    let next = walks.iter().map(|walk| (walk.partition, walk.next_position(is_down)));
    let next = (!is_complete).then(|| next_text(is_down, next));
    Ok(Found { messages, searched_records: spent.records, searched_bytes: spent.bytes, stopped, next })
}

/// Where a walk begins: towards newer ones the first offset to read, towards older ones the offset to read below.
fn position(browser: &dyn TopicBrowser, topic: &str, partition: &Partition, from: &Start) -> Result<i64, BrowseError> {
    let Partition { partition, start_offset, end_offset, .. } = *partition;
    let wanted = match from {
        Start::Newest => end_offset,
        Start::Oldest => start_offset,
        Start::Offset(offset) => *offset,
        Start::TimeMs(timestamp_ms) => browser.offset_for_time(topic, partition, *timestamp_ms)?.unwrap_or(end_offset),
        // a partition that is not named has nothing to go on with
        Start::Up(offsets) => offsets.get(&partition).copied().unwrap_or(end_offset),
        Start::Down(offsets) => offsets.get(&partition).copied().unwrap_or(start_offset),
    };
    Ok(wanted.clamp(start_offset, end_offset.max(start_offset)))
}

/// One partition's part of a search.
struct Walk {
    partition: u32,
    /// Towards newer ones the next offset to read, towards older ones the offset to read below.
    position: i64,
    /// Where there is nothing more.
    limit: i64,
    window: i64,
    /// In the order of the answer.
    found: VecDeque<Message>,
    found_bytes: usize,
    messages_max: usize,
    bytes_max: usize,
}

impl Walk {
    fn is_through(&self, is_down: bool) -> bool {
        if is_down { self.position <= self.limit } else { self.position >= self.limit }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.messages_max || self.found_bytes >= self.bytes_max
    }

    fn goes_on(&self, is_down: bool) -> bool {
        !self.is_through(is_down) && !self.is_full()
    }

    fn keep(&mut self, message: Message) {
        self.found_bytes += message.cost_bytes();
        self.found.push_back(message);
    }

    fn step_up(
        &mut self,
        browser: &dyn TopicBrowser,
        topic: &str,
        filter: &Filter,
        spent: &mut Spent,
    ) -> Result<(), BrowseError> {
        let piece = browser.read(topic, self.partition, self.position, READ_BYTES)?;
        spent.add(&piece);
        let limit = self.limit;
        for message in piece.messages.iter().take_while(|message| message.offset < limit) {
            spent.records += 1;
            if !filter.matches(message) {
                continue;
            }
            self.keep(Message::new(self.partition, message));
            if self.is_full() {
                self.position = message.offset + 1;
                return Ok(());
            }
        }
        // a read that does not get on is the end
        self.position = if piece.next_offset > self.position { piece.next_offset } else { self.limit };
        Ok(())
    }

    /// Reads one window forwards and keeps the newest of it.
    fn step_down(
        &mut self,
        browser: &dyn TopicBrowser,
        topic: &str,
        filter: &Filter,
        spent: &mut Spent,
    ) -> Result<(), BrowseError> {
        let low = (self.position - self.window).max(self.limit);
        let (mut read_messages, bytes_before) = (0, spent.bytes);
        let mut newest: VecDeque<Message> = VecDeque::new();
        let (mut newest_bytes, mut is_cut) = (0, false);
        let mut at = low;
        while at < self.position {
            let piece = browser.read(topic, self.partition, at, READ_BYTES)?;
            spent.add(&piece);
            read_messages += piece.messages.len() as u64;
            if spent.bytes - bytes_before > WINDOW_BYTES_MAX && self.window > 1 {
                self.window = (self.window / 8).max(1);
                return Ok(());
            }
            for message in piece.messages.iter().take_while(|message| message.offset < self.position) {
                spent.records += 1;
                if !filter.matches(message) {
                    continue;
                }
                let message = Message::new(self.partition, message);
                newest_bytes += message.cost_bytes();
                newest.push_back(message);
                while newest.len() > 1 && self.is_too_much(newest.len(), newest_bytes) {
                    newest_bytes -= newest.pop_front().map_or(0, |message| message.cost_bytes());
                    is_cut = true;
                }
            }
            // a read that does not get on is the end
            at = if piece.next_offset > at { piece.next_offset } else { self.position };
        }
        self.position = match newest.front() {
            Some(oldest) if is_cut => oldest.offset,
            _ => low,
        };
        newest.into_iter().rev().for_each(|message| self.keep(message));
        let message_bytes = (spent.bytes - bytes_before) / read_messages.max(1);
        let offsets = i64::try_from(WINDOW_BYTES / message_bytes.max(1)).unwrap_or(WINDOW_OFFSETS_MAX);
        self.window = offsets.clamp(1, WINDOW_OFFSETS_MAX);
        Ok(())
    }

    /// Whether so much more would be over the walk's share of an answer.
    fn is_too_much(&self, messages: usize, bytes: usize) -> bool {
        self.found.len() + messages > self.messages_max || self.found_bytes + bytes > self.bytes_max
    }

    /// Where the next search goes on: at the first message that this answer left out, or behind what was read.
    fn next_position(&self, is_down: bool) -> i64 {
        match self.found.front() {
            Some(left_out) if is_down => left_out.offset + 1,
            Some(left_out) => left_out.offset,
            None => self.position,
        }
    }
}

/// Takes out of the walks, in order of time, as many messages as an answer may hold.
fn merge(walks: &mut [Walk], messages_max: usize, is_down: bool) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let mut bytes = 0;
    while messages.len() < messages_max && bytes < ANSWER_BYTES_MAX {
        let waiting = walks.iter_mut().filter(|walk| !walk.found.is_empty());
        let time = |walk: &&mut Walk| walk.found.front().map_or(0, |message| message.timestamp);
        let first = match is_down {
            true => waiting.min_by_key(|walk| (Reverse(time(walk)), walk.partition)),
            false => waiting.min_by_key(|walk| (time(walk), walk.partition)),
        };
        let Some(message) = first.and_then(|walk| walk.found.pop_front()) else { break };
        bytes += message.cost_bytes();
        messages.push(message);
    }
    messages
}
