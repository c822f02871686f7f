//! What is known of the exchange: written by the collection task, read by the page, `/metrics` and `hoga status`.

use hoga_serve::health::{ConnectionsHealth, ExchangeState, SourceHealth};
use hoga_upbit::session::{SessionState, SocketStats};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Exchange {
    name: String,
    simulated: bool,
    /// How many connections there should be.
    connections: usize,
    sockets: Arc<SocketStats>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: ExchangeState,
    reason: Option<String>,
    retry_at: Option<Instant>,
    connects: u64,
    /// Why the connection that was lost last was.
    loss: Option<String>,
}

impl Exchange {
    pub fn new(name: String, simulated: bool, connections: usize) -> Exchange {
        Exchange { name, simulated, connections, sockets: Arc::default(), inner: Mutex::default() }
    }

    /// What the session counts.
    pub fn sockets(&self) -> Arc<SocketStats> {
        self.sockets.clone()
    }

    /// Takes note of a session's state, and tells whoever reads the terminal.
    pub fn note(&self, state: &SessionState) {
        let mut inner = self.lock();
        match state {
            SessionState::Connecting { .. } => {}
            SessionState::Connected => inner.connects += 1,
            SessionState::Subscribed => {
                tracing::info!(source = self.name, "{state}");
                let (connects, loss) = (inner.connects, inner.loss.take());
                *inner = Inner { state: ExchangeState::Connected, connects, loss, ..Inner::default() };
            }
            SessionState::Replaying { .. } => inner.state = ExchangeState::Connected,
            SessionState::Replayed { .. } => {
                tracing::info!(source = self.name, "{state}");
                inner.state = ExchangeState::Ended;
            }
            SessionState::SilentMarkets(_) => tracing::warn!(source = self.name, "{state}"),
            SessionState::Thinned { reason, .. } => {
                tracing::warn!(source = self.name, "{state}");
                inner.loss = Some(reason.clone());
            }
            SessionState::Unreachable { reason, retry_in_ms }
            | SessionState::Disconnected { reason, retry_in_ms, .. } => {
                tracing::warn!(source = self.name, "{state}");
                inner.state = ExchangeState::Unreachable;
                inner.reason = Some(reason.clone());
                inner.retry_at = Some(Instant::now() + Duration::from_millis(*retry_in_ms));
            }
        }
    }

    /// Collection stopped for a reason that trying again does not mend by itself.
    pub fn note_fault(&self, reason: String) {
        let mut inner = self.lock();
        inner.state = ExchangeState::Unreachable;
        inner.reason = Some(reason);
        inner.retry_at = None;
    }

    pub fn health(&self) -> SourceHealth {
        let inner = self.lock();
        let counter = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let expected = self.connections as u64 + counter(&self.sockets.renewals_begun);
        SourceHealth {
            name: self.name.clone(),
            simulated: self.simulated,
            state: inner.state,
            reason: inner.reason.clone(),
            retry_in_ms: inner.retry_at.map(|at| at.saturating_duration_since(Instant::now()).as_millis() as u64),
            reconnects_total: inner.connects.saturating_sub(expected),
            connections: ConnectionsHealth {
                wanted: self.connections as u64,
                settled: counter(&self.sockets.settled),
                lost_total: counter(&self.sockets.lost),
                renewed_total: counter(&self.sockets.renewed),
                repeated_total: counter(&self.sockets.repeated),
                loss: inner.loss.clone(),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
