//! The thread that makes appends durable some milliseconds after they happen, so that no append waits for the disk.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) struct Flusher {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Signal {
    dirty: AtomicBool,
    stop: Mutex<bool>,
    changed: Condvar,
}

impl Flusher {
    /// Calls `flush` no later than `interval` after `mark_dirty`, plus the time it takes; sleeps while nothing is dirty.
    pub(crate) fn start(interval: Duration, flush: impl Fn() + Send + 'static) -> io::Result<Flusher> {
        let signal = Arc::new(Signal::default());
        let seen = signal.clone();
        let thread = std::thread::Builder::new().name("hoga-log-flush".to_owned()).spawn(move || {
            while seen.wait_for_work(interval) {
                flush();
            }
        })?;
        Ok(Flusher { signal, thread: Some(thread) })
    }

    pub(crate) fn mark_dirty(&self) {
        if !self.signal.dirty.swap(true, Ordering::AcqRel) {
            // taken so that the flusher is either before its look at `dirty` or already waiting
            drop(self.signal.stop.lock().unwrap_or_else(PoisonError::into_inner));
            self.signal.changed.notify_one();
        }
    }

    /// Returns when the thread has ended; what is still dirty is the caller's to flush.
    pub(crate) fn stop(&mut self) {
        *self.signal.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.signal.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's flusher thread panicked");
        }
    }
}

impl Signal {
    /// Waits for something dirty, then for the interval, so that one fsync serves all appends in it. False when it is time to end.
    fn wait_for_work(&self, interval: Duration) -> bool {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |stop: &mut bool| !*stop && !self.dirty.load(Ordering::Acquire);
        let stop = self.changed.wait_while(stop, idle).unwrap_or_else(PoisonError::into_inner);
        let (stop, _) =
            self.changed.wait_timeout_while(stop, interval, |stop| !*stop).unwrap_or_else(PoisonError::into_inner);
        self.dirty.store(false, Ordering::Release);
        !*stop
    }
}
