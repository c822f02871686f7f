//! What a listener counts. Plain counters: how they are shown is for others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::api::{APIS, ApiSpec};
use super::error_code::ErrorCode;

/// Counts up for ever.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

/// Everything since the listener began, but for `open_connections` (opened minus closed).
#[derive(Debug, Default)]
pub struct Metrics {
    pub connections_opened: Counter,
    pub connections_closed: Counter,
    /// Refused because of a limit on connections.
    pub connections_rejected: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    /// Of these, the ones that went from segment files into sockets without being read.
    pub bytes_out_of_files: Counter,
    /// Connections closed because what came is not the protocol.
    pub protocol_errors: Counter,
    /// Connections closed because a request was larger than allowed.
    pub requests_too_large: Counter,
    /// Connections closed because the client stood still inside a request or did not take its response.
    pub stalled: Counter,
    pub authentication_failures: Counter,
    /// Fetches that got less than they asked for because readers held too much.
    pub fetches_shrunk: Counter,
    requests: [Counter; APIS.len()],
    errors: Mutex<BTreeMap<(usize, ErrorCode), u64>>,
}

impl Metrics {
    pub fn open_connections(&self) -> u64 {
        self.connections_opened.get().saturating_sub(self.connections_closed.get())
    }

    /// Requests by the API's name.
    pub fn requests(&self) -> Vec<(&'static str, u64)> {
        APIS.iter().zip(&self.requests).map(|(api, count)| (api.name, count.get())).collect()
    }

    /// Error codes that were answered: API's name, code, how often.
    pub fn errors(&self) -> Vec<(&'static str, i16, u64)> {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.iter().map(|((api, error), count)| (APIS[*api].name, error.code(), *count)).collect()
    }

    pub(crate) fn count_request(&self, key: i16) {
        if let Some((index, _)) = ApiSpec::find(key) {
            self.requests[index].add(1);
        }
    }

    pub(crate) fn count_error(&self, api: usize, error: ErrorCode) {
        *self.errors.lock().unwrap_or_else(PoisonError::into_inner).entry((api, error)).or_default() += 1;
    }
}
