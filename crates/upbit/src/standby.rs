//! Two collectors of one exchange: what the one that does not write keeps in mind, and what of it has to be written when it takes over. Pure.
//!
//! Both receive the same stream on connections of their own. The leader writes; the standby keeps the last minute in a [`Window`]. When the
//! leader is gone, and nothing of it can appear any more, the standby reads what is in the topics into a [`Written`] and writes, of its
//! window and in its order, what that [`Written::admit`]s.
//!
//! What is the same: a trade is (market, sequential_id). A ticker or an order book is (market, timestamp, content); `stream_type` does not
//! count, for what is REALTIME on one connection is the SNAPSHOT of another. A message that nobody can read is its bytes.
//!
//! Why nothing is lost: whatever the leader received and did not write was received by the standby too, not longer before the take-over than
//! the window reaches (`WINDOW_MS`; the leader writes within a second, and is missed after six). If it does not reach so far, for the cluster was
//! out of order for a minute and then the leader died, that is a gap ([`Window::forgotten_ms`]). Why nothing is there twice: everything
//! of the window is compared with the topics, read as far back as the window reaches; what is older than that is a snapshot of something
//! that the leader's memory of each market's last event tells.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use hoga_model::{Market, StreamKind};

use crate::frame::Event;

mod trades;

pub use trades::{IDS_PER_MARKET_MIN, Known, TradeIndex};

/// What a standby keeps while another leads.
pub const WINDOW_MS: i64 = 60_000;
/// And at most so much of it: about a minute of 400 KB/s, three times what the whole exchange sends on a busy day.
pub const WINDOW_BYTES_MAX: usize = 64 << 20;
/// Beside its bytes, what an event costs in memory.
const EVENT_OVERHEAD_BYTES: usize = 160;

/// Something the exchange sent, and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub recv_ms: i64,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Event(Event),
    /// Nobody can read it.
    Dead {
        value: Bytes,
        reason: String,
    },
}

/// The last minute, oldest first.
#[derive(Debug, Default)]
pub struct Window {
    received: VecDeque<Received>,
    bytes: usize,
    /// Events younger than the window's length that were dropped, for it was full.
    overflowed: u64,
    /// When the newest of those that were dropped was received.
    forgotten_ms: Option<i64>,
}

impl Window {
    pub fn push(&mut self, received: Received) {
        self.bytes += bytes_of(&received);
        self.received.push_back(received);
        while self.bytes > WINDOW_BYTES_MAX && self.drop_oldest() {
            self.overflowed += 1;
        }
    }

    /// Puts back what was taken out to be written and was not, in front of what came since.
    pub fn push_front_all(&mut self, received: Vec<Received>) {
        for received in received.into_iter().rev() {
            self.bytes += bytes_of(&received);
            self.received.push_front(received);
        }
    }

    /// Forgets what is older than the window's length: the leader has written it.
    pub fn forget_old(&mut self, now_ms: i64) {
        while self.received.front().is_some_and(|oldest| oldest.recv_ms < now_ms - WINDOW_MS) && self.drop_oldest() {}
    }

    pub fn take(&mut self) -> Vec<Received> {
        self.bytes = 0;
        std::mem::take(&mut self.received).into()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Received> {
        self.received.iter()
    }

    pub fn len(&self) -> usize {
        self.received.len()
    }

    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Up to when what was received is not here any more; None if nothing was dropped.
    pub fn forgotten_ms(&self) -> Option<i64> {
        self.forgotten_ms
    }

    /// From when on the topics have to be read to compare the window with them: the earliest time at which something in it was published,
    /// snapshots aside, which may be hours old. At most `reach_ms` before the oldest was received.
    pub fn published_from_ms(&self, reach_ms: i64) -> Option<i64> {
        let published = self.received.iter().map(|received| match &received.what {
            What::Event(event) if !event.is_snapshot => event.timestamp_ms.min(received.recv_ms),
            What::Event(_) | What::Dead { .. } => received.recv_ms,
        });
        let oldest_ms = self.received.iter().map(|received| received.recv_ms).min()?;
        published.min().map(|from_ms| from_ms.max(oldest_ms - reach_ms))
    }

    fn drop_oldest(&mut self) -> bool {
        match self.received.pop_front() {
            Some(oldest) => {
                self.bytes -= bytes_of(&oldest);
                self.forgotten_ms = self.forgotten_ms.max(Some(oldest.recv_ms));
                true
            }
            None => false,
        }
    }
}

fn bytes_of(received: &Received) -> usize {
    let bytes = match &received.what {
        What::Event(event) => event.value.len(),
        What::Dead { value, reason } => value.len() + reason.len(),
    };
    bytes + EVENT_OVERHEAD_BYTES
}

/// Why something is written or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Write,
    /// It is in the topics.
    Known,
}

/// What is in the topics, as far as it is needed to tell what is not.
#[derive(Debug, Default)]
pub struct Written {
    pub trades: TradeIndex,
    /// Of tickers and order books: when each market's newest was published.
    newest_ms: HashMap<(StreamKind, Market), i64>,
    /// What the topics hold since `from_ms`, by fingerprint; empty once the take-over is done.
    tail: HashSet<u64>,
    from_ms: i64,
}

impl Written {
    /// An empty one that is going to know everything published since then.
    pub fn since(from_ms: i64) -> Written {
        Written { from_ms, ..Written::default() }
    }

    /// Takes note of what is in a topic.
    pub fn note(&mut self, what: &What) {
        match what {
            What::Event(event) => match event.sequential_id {
                Some(id) => {
                    self.trades.insert(&event.market, id);
                }
                None => self.note_newest(event.kind, &event.market, event.timestamp_ms),
            },
            What::Dead { .. } => {}
        }
        self.tail.insert(fingerprint(what));
    }

    pub fn note_newest(&mut self, kind: StreamKind, market: &Market, timestamp_ms: i64) {
        match self.newest_ms.get_mut(&(kind, market.clone())) {
            Some(newest_ms) => *newest_ms = timestamp_ms.max(*newest_ms),
            None => {
                self.newest_ms.insert((kind, market.clone()), timestamp_ms);
            }
        }
    }

    pub fn newest_ms(&self, kind: StreamKind, market: &Market) -> Option<i64> {
        self.newest_ms.get(&(kind, market.clone())).copied()
    }

    /// Every market of which something is known.
    pub fn markets(&self) -> HashSet<Market> {
        let traded = self.trades.markets().map(|(market, _)| market);
        traded.chain(self.newest_ms.keys().map(|(_, market)| market)).cloned().collect()
    }

    /// Whether something from the window is to be written. What is admitted is known from then on.
    pub fn admit(&mut self, what: &What) -> Verdict {
        let is_new = match what {
            What::Event(event) => match event.sequential_id {
                // the index knows old snapshots, but of a busy market not the whole of the window
                Some(id) => self.trades.insert(&event.market, id) & self.tail.insert(fingerprint(what)),
                // the topics were read from `from_ms` on: before it, the newest of the market has to do
                None if event.timestamp_ms < self.from_ms => self.is_newer(event),
                None => self.tail.insert(fingerprint(what)),
            },
            What::Dead { .. } => self.tail.insert(fingerprint(what)),
        };
        self.passed(what, is_new)
    }

    /// Whether something that came while we lead is to be written: everything, except for trades that are known and for snapshots of a
    /// ticker or book that is.
    pub fn admit_live(&mut self, what: &What) -> Verdict {
        let is_new = match what {
            What::Event(event) => match event.sequential_id {
                Some(id) => self.trades.insert(&event.market, id),
                None => !event.is_snapshot || self.is_newer(event),
            },
            What::Dead { .. } => true,
        };
        self.passed(what, is_new)
    }

    /// The take-over is done: what was read for it is not needed any more.
    pub fn forget_tail(&mut self) {
        self.tail = HashSet::new();
        self.from_ms = i64::MAX;
    }

    fn is_newer(&self, event: &Event) -> bool {
        self.newest_ms(event.kind, &event.market).is_none_or(|newest_ms| event.timestamp_ms > newest_ms)
    }

    fn passed(&mut self, what: &What, is_new: bool) -> Verdict {
        if !is_new {
            return Verdict::Known;
        }
        if let What::Event(event) = what
            && event.sequential_id.is_none()
        {
            self.note_newest(event.kind, &event.market, event.timestamp_ms);
        }
        Verdict::Write
    }
}

/// Equal for the same. 64 bits among a minute's messages: two of a million are taken for the same once in 37 million take-overs.
fn fingerprint(what: &What) -> u64 {
    let mut hasher = DefaultHasher::new();
    match what {
        What::Event(event) => {
            (event.kind, &event.market, event.sequential_id).hash(&mut hasher);
            if event.sequential_id.is_none() {
                let (before, after) = around_stream_type(&event.value);
                (event.timestamp_ms, before, after).hash(&mut hasher);
            }
        }
        What::Dead { value, .. } => value.hash(&mut hasher),
    }
    hasher.finish()
}

/// The value without what it says of `stream_type`.
pub(crate) fn around_stream_type(value: &[u8]) -> (&[u8], &[u8]) {
    const NAME: &[u8] = b"\"stream_type\":\"";
    let Some(at) = memchr::memmem::rfind(value, NAME) else { return (value, &[]) };
    let (before, rest) = value.split_at(at);
    let said = &rest[NAME.len()..];
    let end = memchr::memchr(b'"', said).map_or(said.len(), |end| end + 1);
    (before, &said[end..])
}

#[cfg(test)]
mod tests;
