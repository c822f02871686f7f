//! Keeps WebSocket connections to the exchange: connects, subscribes, hands every frame over, comes back when one is lost.
//!
//! One connection, or several that ask for the same: then each frame is handed over once, from whichever is first, and the loss of one is no
//! loss. A connection is renewed before it is too old, or when something else is to be asked for: the new one first, then the old one ends.
//! In: a [`SessionConfig`]. Out: frames and states to a [`Handler`]. State: the connections.
//! Not here: what a frame means to the rest of hoga; what to do about an error ([`run`] only ends, the caller decides).
//! Invariant: no `Origin` header is sent, ever; with one, the exchange allows one request in ten seconds.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hoga_model::Market;
use hoga_model::time::Clock;
use tokio::sync::watch::Receiver;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::error::{BoxError, UpbitError, in_words};
use crate::subscription::Subscription;

mod connect;
mod conversation;
mod group;
mod line;
mod member;
mod watch;

pub use group::SocketStats;

use connect::Target;
use group::{Group, lock};
use member::{Shared, keep_up};

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
/// At most so many connections: five connects a second are allowed, and all of them may have to come back at once.
pub const CONNECTIONS_MAX: usize = 5;
/// Between two looks at what is to be renewed.
const STEP_INTERVAL: Duration = Duration::from_millis(200);
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
    /// Connections that ask for the same, 1 to [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// A connection is renewed before it is older; None: never.
    pub age_max: Option<Duration>,
    /// What else is to be asked for, once there is something.
    pub changes: Option<Receiver<Subscription>>,
    pub stats: Arc<SocketStats>,
}

impl SessionConfig {
    /// Upbit's address and times that suit it; one connection.
    pub fn new(subscription: Subscription) -> SessionConfig {
        SessionConfig {
            url: WEBSOCKET_URL.to_owned(),
            subscription,
            connect_timeout: CONNECT_TIMEOUT,
            ping_interval: PING_INTERVAL,
            silence_timeout: SILENCE_TIMEOUT,
            snapshot_timeout: SNAPSHOT_TIMEOUT,
            connections: 1,
            age_max: None,
            changes: None,
            stats: Arc::default(),
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
    /// A connection that stood has ended, and no other is left.
    Disconnected {
        loss: Loss,
        reason: String,
        retry_in_ms: u64,
        /// Of several: everything that was published before was received. A single one was last heard when its newest event came.
        covered_ms: Option<i64>,
    },
    /// One of several connections has ended, or did not come about; `live` others stand.
    Thinned {
        /// None: it did not come about.
        loss: Option<Loss>,
        reason: String,
        retry_in_ms: u64,
        live: usize,
        /// From when to when nothing came all the same: the others were not there yet.
        hole_ms: Option<(i64, i64)>,
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
    config.subscription.request_frame("hoga")?;
    let connections = config.connections.clamp(1, CONNECTIONS_MAX);
    let subscription = Arc::new(config.subscription.clone());
    let group = Group::new(handler, config.stats.clone(), connections, config.age_max, subscription);
    let started_ms = clock.now_ms();
    let group = Mutex::new(group);
    let shared = Shared { config: &config, target, clock, started_ms, connects: AtomicU64::new(0), group };
    let mut changes = config.changes.clone();
    let has_steps = connections > 1 || config.age_max.is_some() || changes.is_some();
    let mut steps = tokio::time::interval(STEP_INTERVAL);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let starts = lock(&shared.group).start(&cancel);
    let mut kept: FuturesUnordered<_> = starts.into_iter().map(|start| keep_up(&shared, start)).collect();
    loop {
        tokio::select! {
            ended = kept.next() => match ended {
                None => return Ok(()),
                Some(ended) => lock(&shared.group).released(ended?),
            },
            _ = steps.tick(), if has_steps => {
                let start = lock(&shared.group).step(&cancel);
                kept.extend(start.map(|start| keep_up(&shared, start)));
            }
            subscription = changed(&mut changes) => lock(&shared.group).resubscribe(subscription),
        }
    }
}

/// What is to be asked for from now on; waits for ever if nothing else ever is.
async fn changed(changes: &mut Option<Receiver<Subscription>>) -> Subscription {
    if let Some(receiver) = changes
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    *changes = None;
    std::future::pending().await
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
            SessionState::Thinned { loss, reason, retry_in_ms, live, hole_ms } => {
                let lost = if loss.is_some() { "is lost" } else { "does not come about" };
                write!(f, "one of the connections {lost}: {reason}; others go on: {live}")?;
                if let Some((from_ms, to_ms)) = hole_ms {
                    write!(f, ", but nothing came for {}", in_words((to_ms - from_ms).unsigned_abs()))?;
                }
                write!(f, "; next try in {}", in_words(*retry_in_ms))
            }
            SessionState::Replaying { frames } => write!(f, "replaying: {frames} frames so far"),
            SessionState::Replayed { frames } => write!(f, "replayed: {frames} frames"),
        }
    }
}

#[cfg(test)]
mod tests;
