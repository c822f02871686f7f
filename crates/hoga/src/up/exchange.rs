//! What is known of the exchange: written by the collection task, read by the page, `/metrics` and `hoga status`.

use hoga_serve::health::{ExchangeState, SourceHealth};
use hoga_upbit::session::SessionState;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Exchange {
    name: String,
    simulated: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: ExchangeState,
    reason: Option<String>,
    retry_at: Option<Instant>,
    connections: u64,
}

impl Exchange {
    pub fn new(name: String, simulated: bool) -> Exchange {
        Exchange { name, simulated, inner: Mutex::default() }
    }

    /// Takes note of a session's state, and tells whoever reads the terminal.
    pub fn note(&self, state: &SessionState) {
        let mut inner = self.lock();
        match state {
            SessionState::Connecting { .. } => {}
            SessionState::Connected => inner.connections += 1,
            SessionState::Subscribed => {
                tracing::info!(source = self.name, "{state}");
                *inner = Inner { state: ExchangeState::Connected, connections: inner.connections, ..Inner::default() };
            }
            SessionState::Replaying { .. } => inner.state = ExchangeState::Connected,
            SessionState::Replayed { .. } => {
                tracing::info!(source = self.name, "{state}");
                inner.state = ExchangeState::Ended;
            }
            SessionState::SilentMarkets(_) => tracing::warn!(source = self.name, "{state}"),
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
        SourceHealth {
            name: self.name.clone(),
            simulated: self.simulated,
            state: inner.state,
            reason: inner.reason.clone(),
            retry_in_ms: inner.retry_at.map(|at| at.saturating_duration_since(Instant::now()).as_millis() as u64),
            reconnects_total: inner.connections.saturating_sub(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
