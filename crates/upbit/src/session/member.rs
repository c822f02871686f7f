//! Keeps one connection of a session up: connects, subscribes, comes back when it is lost, ends when another has taken its place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hoga_model::time::Clock;

use super::connect::{Target, Unreached};
use super::conversation::{Conversation, Ended};
use super::group::{Group, Port, Start, lock};
use super::{Handler, SessionConfig, SessionState};
use crate::backoff::Backoff;
use crate::error::UpbitError;

/// What the connections of a session have in common.
pub(super) struct Shared<'a> {
    pub(super) config: &'a SessionConfig,
    pub(super) target: Target,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started_ms: i64,
    /// Connects so far.
    pub(super) connects: AtomicU64,
    pub(super) group: Mutex<Group<'a>>,
}

/// Runs until it is retired or cancelled, or until going on cannot help; gives the lane back.
pub(super) async fn keep_up(shared: &Shared<'_>, start: Start) -> Result<usize, UpbitError> {
    let Start { lane, line, retire } = start;
    let mut port = Port { group: &shared.group, lane };
    let mut backoff = Backoff::new((shared.started_ms as u64).wrapping_add(lane as u64));
    let mut silent = Vec::new();
    loop {
        let turn = lock(&shared.group).connect_wait();
        tokio::select! {
            biased;
            () = retire.cancelled() => return Ok(lane),
            () = tokio::time::sleep(turn), if !turn.is_zero() => {}
            () = std::future::ready(()), if turn.is_zero() => {}
        }
        let connect = shared.connects.fetch_add(1, Ordering::Relaxed) + 1;
        let ticket = format!("hoga-{}-{connect}", shared.started_ms);
        let subscription = lock(&shared.group).subscription();
        let request = subscription.request_frame(&ticket)?;
        port.on_state(SessionState::Connecting { attempt: backoff.failures().saturating_add(1) });
        let connected = tokio::select! {
            () = retire.cancelled() => return Ok(lane),
            connected = shared.target.connect(shared.config.connect_timeout) => connected,
        };
        let retry_in_ms = match connected {
            Err(Unreached { reason, status }) => {
                let limited = status.and_then(|status| backoff.after_status_ms(status));
                let retry_in_ms = limited.unwrap_or_else(|| backoff.next_ms());
                let mut group = lock(&shared.group);
                if let Some(wait_ms) = limited {
                    group.limited(Duration::from_millis(wait_ms));
                }
                group.unreached(reason, retry_in_ms);
                retry_in_ms
            }
            Ok(socket) => {
                port.on_state(SessionState::Connected);
                lock(&shared.group).opened(lane, &subscription);
                let conversation = Conversation {
                    config: shared.config,
                    markets: &subscription.markets,
                    line: &line,
                    clock: &*shared.clock,
                    cancel: &retire,
                    handler: &mut port,
                    silent: &mut silent,
                };
                match conversation.hold(socket, request).await? {
                    Ended::Cancelled => return Ok(lane),
                    Ended::Lost { loss, reason, had_data } => {
                        if had_data {
                            backoff.reset();
                        }
                        let retry_in_ms = backoff.next_ms();
                        lock(&shared.group).lost(lane, loss, reason, retry_in_ms);
                        retry_in_ms
                    }
                }
            }
        };
        tokio::select! {
            () = retire.cancelled() => return Ok(lane),
            () = tokio::time::sleep(Duration::from_millis(retry_in_ms)) => {}
        }
    }
}
