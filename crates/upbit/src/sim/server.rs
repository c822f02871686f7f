//! The listener: WebSocket and REST on one address, and the task that makes the exchange go.
//!
//! State: the hub behind a lock that is held for at most one batch of events. Ends when it is cancelled, when the truth
//! file cannot be written, or a grace after the duration, when all that was made is sent.

use super::client;
use super::error::SimError;
use super::hub::{Hub, SimStats};
use super::{SimConfig, rest};
use bytes::Bytes;
use hoga_model::time::Clock;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const WEBSOCKET_PATH: &str = "/websocket/v1";
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(2);
/// TCP connections open at once, REST and WebSocket together.
const CONNECTIONS_MAX: usize = 1_024;
/// The largest message a client may send: 855 codes take 10 kB.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// After the duration, a client that reads slowly is waited for at most so long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Closing handshakes are waited for at most so long.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What the connections and the engine have in common.
pub(super) struct Shared {
    hub: Mutex<Hub>,
    pub clock: Arc<dyn Clock>,
    /// True while a fault keeps everybody silent.
    pub silence: watch::Sender<bool>,
    pub idle_timeout: Duration,
    /// Cancelled when every socket has to go at once.
    pub stop: CancellationToken,
    sockets: TaskTracker,
}

impl Shared {
    /// The hub has no state between two calls that a panic could leave half done: a poisoned lock is taken over.
    pub(super) fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A simulated exchange that listens.
pub struct RunningSim {
    local_addr: SocketAddr,
    shared: Arc<Shared>,
    engine: JoinHandle<Result<(), SimError>>,
}

impl RunningSim {
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What `HOGA_UPBIT_WS_URL` has to be.
    pub fn ws_url(&self) -> String {
        format!("ws://{}{WEBSOCKET_PATH}", self.local_addr)
    }

    /// What `HOGA_UPBIT_REST_URL` has to be.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    pub fn stats(&self) -> SimStats {
        self.shared.hub().stats()
    }

    /// Waits until the exchange has ended, and tells what it did. Dropping the future does not stop the exchange.
    pub async fn join(self) -> Result<SimStats, SimError> {
        match self.engine.await {
            Ok(ending) => ending.map(|()| self.shared.hub().stats()),
            Err(error) => Err(SimError::Panicked(error.to_string())),
        }
    }
}

/// Listens, and returns once clients can connect. `cancel` closes all sockets and ends it.
pub async fn serve(
    config: SimConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> Result<RunningSim, SimError> {
    config.validate()?;
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => SimError::AddressInUse(address),
        _ => SimError::Listen { address, source },
    })?;
    let local_addr = listener.local_addr().map_err(|source| SimError::Listen { address, source })?;
    let hub = Hub::new(&config, clock.now_ms())?;
    let shared = Arc::new(Shared {
        hub: Mutex::new(hub),
        clock,
        silence: watch::Sender::new(false),
        idle_timeout: config.idle_timeout,
        stop: CancellationToken::new(),
        sockets: TaskTracker::new(),
    });
    tokio::spawn(accept(listener, Arc::clone(&shared)));
    let engine = tokio::spawn(run(Arc::clone(&shared), config.grace, cancel));
    Ok(RunningSim { local_addr, shared, engine })
}

async fn run(shared: Arc<Shared>, grace: Duration, cancel: CancellationToken) -> Result<(), SimError> {
    let stop = shared.stop.clone().drop_guard();
    let is_over = tokio::select! {
        () = cancel.cancelled() => false,
        made = make_events(&shared) => { made?; true }
    };
    if is_over {
        tracing::info!(stats = ?shared.hub().stats(), "the simulated exchange's duration is over");
        tokio::select! {
            () = cancel.cancelled() => {}
            () = drain(&shared, grace) => {}
        }
    }
    // a silent exchange cannot close its sockets either
    shared.silence.send_replace(false);
    shared.hub().close_all();
    shared.sockets.close();
    if tokio::time::timeout(CLOSE_TIMEOUT, shared.sockets.wait()).await.is_err() {
        tracing::warn!("a client did not take its last frames; its socket is dropped");
    }
    drop(stop);
    Ok(())
}

/// Ends when the duration is over, or with the truth file's error.
async fn make_events(shared: &Shared) -> Result<(), SimError> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now_ms = shared.clock.now_ms();
        let ticked = shared.hub().tick(now_ms)?;
        if ticked.is_over {
            return Ok(());
        }
        shared.silence.send_if_modified(|silent| std::mem::replace(silent, ticked.is_silent) != ticked.is_silent);
        if ticked.is_behind {
            tokio::task::yield_now().await;
        } else {
            ticks.tick().await;
        }
    }
}

/// Waits for the grace, and longer while a client has frames to receive.
async fn drain(shared: &Shared, grace: Duration) {
    let began = Instant::now();
    while began.elapsed() < grace || !shared.hub().is_drained() {
        if began.elapsed() > grace.max(DRAIN_TIMEOUT) {
            tracing::warn!("a client did not take all frames in time");
            return;
        }
        tokio::time::sleep(TICK * 10).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve_connection(stream, shared).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the simulated exchange cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, shared)) }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = shared.stop.cancelled() => {}
        served = connection.with_upgrades() => {
            if let Err(error) = served {
                tracing::debug!(%error, "a connection failed");
            }
        }
    }
}

fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    if request.uri().path() == WEBSOCKET_PATH {
        return upgrade(request, shared);
    }
    let is_get = request.method() == Method::GET;
    let now_ms = shared.clock.now_ms();
    let path = if is_get { request.uri().path() } else { "" };
    let answer = rest::answer(&mut shared.hub(), path, request.uri().query().unwrap_or(""), now_ms);
    let mut response = Response::new(Full::new(answer.body.into()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    if let Some((group, left)) = answer.group {
        let remaining = format!("group={group}; min=600; sec={left}");
        headers.extend(HeaderValue::from_str(&remaining).ok().map(|value| (REMAINING_REQ, value)));
    }
    response
}

const REMAINING_REQ: header::HeaderName = header::HeaderName::from_static("remaining-req");
const LIMIT_BY_IP: header::HeaderName = header::HeaderName::from_static("limit-by-ip");

/// The server's half of the WebSocket handshake (RFC 6455 section 4.2.2).
fn upgrade(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    let headers = request.headers();
    let names = |name: header::HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY).cloned();
    let is_handshake = names(header::UPGRADE, "websocket")
        && names(header::CONNECTION, "upgrade")
        && names(header::SEC_WEBSOCKET_VERSION, "13");
    let Some(key) = key.filter(|_| is_handshake) else {
        return plain(StatusCode::BAD_REQUEST, "Can \"Upgrade\" only to \"WebSocket\".");
    };
    if shared.hub().refused_status() == Some(418) {
        return plain(StatusCode::IM_A_TEAPOT, "Too many API requests.");
    }
    let Some(inbox) = shared.hub().join() else {
        return plain(StatusCode::TOO_MANY_REQUESTS, "Too many API requests.");
    };
    let accept_key = derive_accept_key(key.as_bytes());
    let config =
        WebSocketConfig::default().max_message_size(Some(REQUEST_BYTES_MAX)).max_frame_size(Some(REQUEST_BYTES_MAX));
    let task_shared = Arc::clone(&shared);
    shared.sockets.spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => {
                let stream = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
                client::run(socket, inbox, &task_shared).await;
            }
            Err(error) => {
                tracing::debug!(%error, "a WebSocket handshake failed");
                task_shared.hub().leave(inbox.client);
            }
        }
    });
    let mut response = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.clear();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.extend(HeaderValue::from_str(&accept_key).ok().map(|value| (header::SEC_WEBSOCKET_ACCEPT, value)));
    headers.insert(REMAINING_REQ, HeaderValue::from_static("group=websocket; min=300; sec=3"));
    headers.insert(LIMIT_BY_IP, HeaderValue::from_static("Yes"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
