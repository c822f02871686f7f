//! Keeps one WebSocket connection to the exchange: connects, subscribes, hands every frame over, comes back when it is lost.
//!
//! In: a [`SessionConfig`]. Out: frames and states to a [`Handler`]. State: the back-off.
//! Not here: what a frame means to the rest of hoga; what to do about an error ([`run`] only ends, the caller decides).
//! Invariant: no `Origin` header is sent, ever; with one, the exchange allows one request in ten seconds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hoga_model::Market;
use hoga_model::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::error::{BoxError, UpbitError, in_words};
use crate::subscription::Subscription;

mod connect;
mod conversation;
mod watch;

use connect::{Target, Unreached};
use conversation::{Conversation, Ended};

/// Upbit's own WebSocket address.
pub const WEBSOCKET_URL: &str = "wss://api.upbit.com/websocket/v1";

/// Documented: a connection dies after 120 s without data; measured: after 60 s. A ping every 10 s keeps it.
pub const PING_INTERVAL: Duration = Duration::from_secs(10);
/// A connection on which nothing came for so long, not even the answer to a ping, is dead.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(25);
/// The first data of a market comes within 0.4 s of the request; after so long it will not come.
pub const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pings are answered, but of what usually comes so much did not come: the streams are dead. Within [`STALL_TIMEOUT_MIN`] and `_MAX`.
pub const STALL_FRAMES: f64 = 100.0;
pub const STALL_TIMEOUT_MIN: Duration = Duration::from_secs(5);
pub const STALL_TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// For a connection that never brought any data.
pub const NO_DATA_TIMEOUT: Duration = Duration::from_secs(30);
/// For name lookup, TCP, TLS and the WebSocket handshake together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// `on_idle` is called after so many frames even if more are ready: it bounds how long a frame waits to be flushed.
pub const FRAMES_PER_BATCH_MAX: usize = 1_024;

/// Who takes the frames. Called from one task; it should not block for long, for nothing is read meanwhile.
pub trait Handler: Send {
    /// One frame, whatever it holds, with the clock's time when it was read from the socket.
    fn on_frame(&mut self, frame: Bytes, recv_ms: i64) -> Result<(), BoxError>;

    /// No further frame is ready now (or a batch is full): what was gathered should be flushed.
    fn on_idle(&mut self) -> Result<(), BoxError>;

    fn on_state(&mut self, state: SessionState);
}

#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// `wss://…`, or `ws://…` for a simulator.
    pub url: String,
    pub subscription: Subscription,
    pub connect_timeout: Duration,
    pub ping_interval: Duration,
    pub silence_timeout: Duration,
    pub snapshot_timeout: Duration,
}

impl SessionConfig {
    /// Upbit's address and times that suit it.
    pub fn new(subscription: Subscription) -> SessionConfig {
        SessionConfig {
            url: WEBSOCKET_URL.to_owned(),
            subscription,
            connect_timeout: CONNECT_TIMEOUT,
            ping_interval: PING_INTERVAL,
            silence_timeout: SILENCE_TIMEOUT,
            snapshot_timeout: SNAPSHOT_TIMEOUT,
        }
    }
}

/// How a connection that stood was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The exchange closed it, or the network did.
    Disconnect,
    /// Nothing came any more, not even the answer to a ping.
    Silence,
    /// Pings were answered, and nothing else came.
    Stall,
    /// The exchange sent an error frame on a connection that had worked.
    Error,
}

/// Where a session, or a replay, is. Its `Display` is a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// `attempt` counts from 1, again after every connection that brought data.
    Connecting {
        attempt: u32,
    },
    Connected,
    /// The request was sent. The exchange does not acknowledge it: data, silence or an error frame follows.
    Subscribed,
    /// These markets sent nothing since the request. Named again only after a reconnect, if they are others then.
    SilentMarkets(Vec<Market>),
    /// No connection came about.
    Unreachable {
        reason: String,
        retry_in_ms: u64,
    },
    /// A connection that stood has ended.
    Disconnected {
        loss: Loss,
        reason: String,
        retry_in_ms: u64,
    },
    /// So many frames of a recording were handed over.
    Replaying {
        frames: u64,
    },
    /// The recording has ended.
    Replayed {
        frames: u64,
    },
}

/// Runs until it is cancelled (`Ok`) or until going on cannot help: the exchange refused the request, the handler failed, the configuration is wrong. An unreachable exchange or a lost connection is no error: it tries again.
///
/// Every frame that was read is handed over before this returns, and `on_idle` is called after the last of them.
pub async fn run(
    config: SessionConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    handler: &mut dyn Handler,
) -> Result<(), UpbitError> {
    let target = Target::new(&config.url)?;
    let started_ms = clock.now_ms();
    let mut backoff = Backoff::new(started_ms as u64);
    let mut silent = Vec::new();
    for connection in 1_u64.. {
        let ticket = format!("hoga-{started_ms}-{connection}");
        let request = config.subscription.request_frame(&ticket)?;
        handler.on_state(SessionState::Connecting { attempt: backoff.failures().saturating_add(1) });
        let connected = tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            connected = target.connect(config.connect_timeout) => connected,
        };
        let (state, retry_in_ms) = match connected {
            Err(Unreached { reason, status }) => {
                let limited = status.and_then(|status| backoff.after_status_ms(status));
                let retry_in_ms = limited.unwrap_or_else(|| backoff.next_ms());
                (SessionState::Unreachable { reason, retry_in_ms }, retry_in_ms)
            }
            Ok(socket) => {
                handler.on_state(SessionState::Connected);
                let conversation = Conversation {
                    config: &config,
                    clock: &*clock,
                    cancel: &cancel,
                    handler: &mut *handler,
                    silent: &mut silent,
                };
                match conversation.hold(socket, request).await? {
                    Ended::Cancelled => return Ok(()),
                    Ended::Lost { loss, reason, had_data } => {
                        if had_data {
                            backoff.reset();
                        }
                        let retry_in_ms = backoff.next_ms();
                        (SessionState::Disconnected { loss, reason, retry_in_ms }, retry_in_ms)
                    }
                }
            }
        };
        handler.on_state(state);
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(retry_in_ms)) => {}
        }
    }
    Ok(())
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionState::Connecting { attempt: 1 } => write!(f, "connecting to the exchange"),
            SessionState::Connecting { attempt } => write!(f, "connecting to the exchange, attempt {attempt}"),
            SessionState::Connected => write!(f, "connected to the exchange"),
            SessionState::Subscribed => write!(f, "the request is sent"),
            SessionState::SilentMarkets(markets) => {
                write!(f, "no data from")?;
                for (index, market) in markets.iter().enumerate() {
                    write!(f, "{} {market}", if index == 0 { "" } else { "," })?;
                }
                write!(f, "; the exchange does not say why: not listed, or nothing happens there")
            }
            SessionState::Unreachable { reason, retry_in_ms } => {
                write!(f, "cannot reach the exchange: {reason}; next try in {}", in_words(*retry_in_ms))
            }
            SessionState::Disconnected { reason, retry_in_ms, .. } => {
                write!(f, "the connection was lost: {reason}; next try in {}", in_words(*retry_in_ms))
            }
            SessionState::Replaying { frames } => write!(f, "replaying: {frames} frames so far"),
            SessionState::Replayed { frames } => write!(f, "replayed: {frames} frames"),
        }
    }
}

#[cfg(test)]
mod tests;
