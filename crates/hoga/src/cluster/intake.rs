//! Frames on their way from the session, which must not block, to the relay's thread, which does.

use crate::collector::{CollectError, Listener, Note};
use crate::up::collect::Sink;
use crate::up::exchange::Exchange;
use crate::up::market_list::{ListKeeper, MarketList};
use bytes::Bytes;
use hoga_log::LogError;
use hoga_model::Market;
use hoga_model::time::Clock;
use hoga_upbit::error::BoxError;
use hoga_upbit::listing::{Listing, Listings};
use hoga_upbit::session::{Handler, SessionState};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What waits while the cluster cannot be written, or a take-over is under way. Beyond it the session stops reading, and the exchange's
/// frames wait in the socket.
pub const WAITING_BYTES_MAX: usize = 64 << 20;
/// So much is handed over at once: the relay looks at its lease in between.
const ENTRIES_AT_ONCE: usize = 4_096;
/// A recording waits for room this long, where the exchange would be left to its socket.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(60);

/// What a session hands over, in its order.
#[derive(Debug)]
pub enum Entry {
    Frame { bytes: Bytes, recv_ms: i64 },
    Note { note: Note, at_ms: i64 },
}

impl Entry {
    /// Notes are few, and must not be refused.
    fn bytes(&self) -> usize {
        match self {
            Entry::Frame { bytes, .. } => bytes.len(),
            Entry::Note { .. } => 0,
        }
    }
}

#[derive(Debug, Default)]
pub struct Buffer {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    bytes: usize,
    is_closed: bool,
}

/// What `take` gives.
pub struct Taken {
    pub entries: Vec<Entry>,
    /// Nothing will come any more.
    pub is_end: bool,
}

impl Buffer {
    /// Waits for something, but not longer than this.
    pub fn take(&self, wait: Duration) -> Taken {
        let mut inner = self.lock();
        if inner.entries.is_empty() && !inner.is_closed {
            let waited = self.filled.wait_timeout(inner, wait);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = inner.entries.len().min(ENTRIES_AT_ONCE);
        let entries: Vec<Entry> = inner.entries.drain(..count).collect();
        inner.bytes -= entries.iter().map(Entry::bytes).sum::<usize>();
        Taken { entries, is_end: inner.is_closed && inner.entries.is_empty() }
    }

    /// No frame comes after this.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub fn waiting_bytes(&self) -> usize {
        self.lock().bytes
    }

    fn push(&self, entry: Entry) -> usize {
        let mut inner = self.lock();
        inner.bytes += entry.bytes();
        inner.entries.push_back(entry);
        self.filled.notify_one();
        inner.bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session's end of the buffer.
pub struct Intake {
    buffer: Arc<Buffer>,
    exchange: Arc<Exchange>,
    clock: Arc<dyn Clock>,
    listener: Listener,
    /// As the topic has it.
    listings: Listings,
    is_recording: bool,
}

impl Intake {
    pub fn new(
        buffer: Arc<Buffer>,
        exchange: Arc<Exchange>,
        clock: Arc<dyn Clock>,
        listings: Listings,
        is_recording: bool,
    ) -> Intake {
        let listener = Listener::new(clock.now_ms());
        Intake { buffer, exchange, clock, listener, listings, is_recording }
    }

    fn note(&self, note: Note) {
        self.buffer.push(Entry::Note { note, at_ms: self.clock.now_ms() });
    }
}

/// What is written faster than a cluster takes it.
pub fn full(waiting_bytes: usize) -> LogError {
    LogError::Cluster {
        doing: "write to the cluster as fast as events come".to_owned(),
        reason: format!("{waiting_bytes} bytes wait in memory"),
        hint: "; see what the cluster lacks above",
        fault: hoga_model::Fault::External,
        retry: true,
    }
}

impl Handler for Intake {
    fn on_frame(&mut self, frame: Bytes, recv_ms: i64) -> Result<(), BoxError> {
        let waiting_bytes = self.buffer.push(Entry::Frame { bytes: frame, recv_ms });
        let began = Instant::now();
        while self.is_recording
            && self.buffer.waiting_bytes() > WAITING_BYTES_MAX / 2
            && began.elapsed() < ROOM_WAIT_MAX
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        if waiting_bytes > WAITING_BYTES_MAX {
            return Err(Box::new(CollectError::Full { waiting_bytes, source: full(waiting_bytes) }));
        }
        Ok(())
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn on_state(&mut self, state: SessionState) {
        self.exchange.note(&state);
        if let Some(note) = self.listener.note_of(&state, self.clock.now_ms()) {
            self.note(note);
        }
    }
}

/// The list of markets is kept by whoever leads.
struct Keeper(Arc<Buffer>);

impl ListKeeper for Keeper {
    fn changed(&self, changes: &[Listing], now_ms: i64) {
        if !changes.is_empty() {
            self.0.push(Entry::Note { note: Note::ListChanged(changes.to_vec()), at_ms: now_ms });
        }
    }

    fn joined(&self, markets: &[Market], since_ms: i64, now_ms: i64) {
        self.0.push(Entry::Note { note: Note::Joined { markets: markets.to_vec(), since_ms }, at_ms: now_ms });
    }
}

impl Sink for Intake {
    fn market_list(&mut self) -> MarketList {
        let keeper = Arc::new(Keeper(self.buffer.clone()));
        MarketList { listings: std::mem::take(&mut self.listings), keeper }
    }

    fn listen(&mut self, markets: &[Market]) {
        self.note(Note::Listening(markets.to_vec()));
    }

    fn overflowed(&mut self) {
        let note = self.listener.overflowed();
        self.note(note);
    }

    /// Done when half of the room is free again. What is left at the end is written when the relay is finished.
    fn drain(&mut self) -> Result<(), LogError> {
        let waiting_bytes = self.buffer.waiting_bytes();
        if waiting_bytes <= WAITING_BYTES_MAX / 2 { Ok(()) } else { Err(full(waiting_bytes)) }
    }

    fn save(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_in_order_and_the_end_after_the_last() {
        let buffer = Buffer::default();
        for at in 0..5_000 {
            buffer.push(Entry::Frame { bytes: Bytes::from_static(b"xy"), recv_ms: at });
        }
        assert_eq!(buffer.waiting_bytes(), 10_000);
        buffer.close();
        let first = buffer.take(Duration::ZERO);
        assert_eq!((first.entries.len(), first.is_end), (ENTRIES_AT_ONCE, false));
        let rest = buffer.take(Duration::ZERO);
        assert!(rest.is_end && buffer.waiting_bytes() == 0);
        let times = first.entries.iter().chain(&rest.entries).map(|entry| match entry {
            Entry::Frame { recv_ms, .. } => *recv_ms,
            Entry::Note { .. } => panic!("no note was pushed"),
        });
        assert!(times.eq(0..5_000));
    }

    #[test]
    fn a_full_buffer_stops_the_session_until_half_is_gone() {
        let buffer = Arc::new(Buffer::default());
        let exchange = Arc::new(Exchange::new("sim".into(), true, 1));
        let clock = Arc::new(hoga_model::time::SystemClock);
        let mut intake = Intake::new(buffer.clone(), exchange, clock, Listings::default(), false);
        let frame = Bytes::from(vec![0; 1 << 20]);
        let refused = (0..100).position(|at| intake.on_frame(frame.clone(), at).is_err());
        assert_eq!(refused, Some(64));
        assert!(intake.drain().is_err());
        intake.overflowed();
        let taken = buffer.take(Duration::ZERO);
        let last = taken.entries.last();
        assert!(matches!(last, Some(Entry::Note { note: Note::Lost { .. }, .. })), "after what was received: {last:?}");
        assert!(intake.drain().is_ok());
    }
}
