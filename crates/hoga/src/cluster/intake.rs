//! Frames on their way from the session, which must not block, to the relay's thread, which does.

use crate::collector::CollectError;
use crate::up::collect::Sink;
use crate::up::exchange::Exchange;
use crate::up::market_list::{MarketList, NoKeeper};
use bytes::Bytes;
use hoga_log::LogError;
use hoga_upbit::error::BoxError;
use hoga_upbit::session::{Handler, SessionState};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What waits while the cluster cannot be written, or a take-over is under way. Beyond it the session stops reading, and the exchange's
/// frames wait in the socket.
pub const WAITING_BYTES_MAX: usize = 64 << 20;
/// Frames handed over at once: the relay looks at its lease in between.
const FRAMES_AT_ONCE: usize = 4_096;
/// A recording waits for room this long, where the exchange would be left to its socket.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Frame {
    pub bytes: Bytes,
    pub recv_ms: i64,
}

#[derive(Debug, Default)]
pub struct Buffer {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Frame>,
    bytes: usize,
    is_closed: bool,
}

/// What `take` gives.
pub struct Taken {
    pub frames: Vec<Frame>,
    /// Nothing will come any more.
    pub is_end: bool,
}

impl Buffer {
    /// Waits for frames, but not longer than this.
    pub fn take(&self, wait: Duration) -> Taken {
        let mut inner = self.lock();
        if inner.frames.is_empty() && !inner.is_closed {
            let waited = self.filled.wait_timeout(inner, wait);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = inner.frames.len().min(FRAMES_AT_ONCE);
        let frames: Vec<Frame> = inner.frames.drain(..count).collect();
        inner.bytes -= frames.iter().map(|frame| frame.bytes.len()).sum::<usize>();
        Taken { frames, is_end: inner.is_closed && inner.frames.is_empty() }
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

    fn push(&self, frame: Frame) -> usize {
        let mut inner = self.lock();
        inner.bytes += frame.bytes.len();
        inner.frames.push_back(frame);
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
    is_recording: bool,
}

impl Intake {
    pub fn new(buffer: Arc<Buffer>, exchange: Arc<Exchange>, is_recording: bool) -> Intake {
        Intake { buffer, exchange, is_recording }
    }

    fn full(&self) -> LogError {
        LogError::Cluster {
            doing: "write to the cluster as fast as events come".to_owned(),
            reason: format!("{} bytes wait in memory", self.buffer.waiting_bytes()),
            hint: "; see what the cluster lacks above",
            fault: hoga_model::Fault::External,
            retry: true,
        }
    }
}

impl Handler for Intake {
    fn on_frame(&mut self, frame: Bytes, recv_ms: i64) -> Result<(), BoxError> {
        let waiting_bytes = self.buffer.push(Frame { bytes: frame, recv_ms });
        let began = Instant::now();
        while self.is_recording
            && self.buffer.waiting_bytes() > WAITING_BYTES_MAX / 2
            && began.elapsed() < ROOM_WAIT_MAX
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        if waiting_bytes > WAITING_BYTES_MAX {
            return Err(Box::new(CollectError::Full { waiting_bytes, source: self.full() }));
        }
        Ok(())
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn on_state(&mut self, state: SessionState) {
        self.exchange.note(&state);
    }
}

impl Sink for Intake {
    // a cluster's collector keeps no list of markets and no ledger of gaps yet
    fn market_list(&mut self) -> MarketList {
        MarketList { listings: Default::default(), keeper: Arc::new(NoKeeper) }
    }

    fn listen(&mut self, _markets: &[hoga_model::Market]) {}

    fn overflowed(&mut self) {}

    /// Done when half of the room is free again. What is left at the end is written when the relay is finished.
    fn drain(&mut self) -> Result<(), LogError> {
        if self.buffer.waiting_bytes() <= WAITING_BYTES_MAX / 2 { Ok(()) } else { Err(self.full()) }
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
            buffer.push(Frame { bytes: Bytes::from_static(b"xy"), recv_ms: at });
        }
        assert_eq!(buffer.waiting_bytes(), 10_000);
        buffer.close();
        let first = buffer.take(Duration::ZERO);
        assert_eq!((first.frames.len(), first.is_end), (FRAMES_AT_ONCE, false));
        let rest = buffer.take(Duration::ZERO);
        assert!(rest.is_end && buffer.waiting_bytes() == 0);
        let times = first.frames.iter().chain(&rest.frames).map(|frame| frame.recv_ms);
        assert!(times.eq(0..5_000));
    }

    #[test]
    fn a_full_buffer_stops_the_session_until_half_is_gone() {
        let buffer = Arc::new(Buffer::default());
        let mut intake = Intake::new(buffer.clone(), Arc::new(Exchange::new("sim".into(), true, 1)), false);
        let frame = Bytes::from(vec![0; 1 << 20]);
        let refused = (0..100).position(|at| intake.on_frame(frame.clone(), at).is_err());
        assert_eq!(refused, Some(64));
        assert!(intake.drain().is_err());
        buffer.take(Duration::ZERO);
        assert!(intake.drain().is_ok());
    }
}
