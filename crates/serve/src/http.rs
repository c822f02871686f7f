//! The page, its JSON, its event stream and the metrics, on one HTTP listener.
//!
//! In: batches for the board, sessions for SQL, a health snapshot, a log to look into. Out: HTTP/1.1. State: the open streams. Not here:
//! what the numbers mean (`board`, `health`), what the page looks like (`assets/`).
//!
//! | path | answer |
//! |---|---|
//! | `/`, `/assets/*` | the page, from the binary itself |
//! | `/healthz` | 200 once ready, 503 before |
//! | `/metrics` | Prometheus text |
//! | `/api/status` | [`crate::health::Health`] |
//! | `/api/markets`, `/api/board` | names; last tickers, and book and trades of `?market=` |
//! | `/api/bars?market=&seconds=&count=` | bars computed from the trade table |
//! | `/api/topics…`, `/api/groups` | what the log holds and who reads it: [`topics`] |
//! | `/api/stream?market=` | server-sent events: `markets`, `board`, `trades`, `book`, `health` |
//! | `POST /api/sql` | `{"sql": …}` → `{columns, rows, truncated, elapsed_ms}`, read-only |
//! | `POST /api/sql?format=arrow` or `csv`, or `Accept: application/vnd.apache.arrow.stream` | all rows, sent as they are computed |
//! | `POST /api/login` | `{"token": …}` → a cookie |

mod access;
mod answer;
mod assets;
mod bars;
mod feed;
mod metrics;
mod query;
mod routes;
mod rows;
mod stream;
pub mod topics;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arrow::array::RecordBatch;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use datafusion::error::DataFusionError;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::board::SharedBoard;
use crate::health::{Health, HealthSource};
use crate::{Secret, ServeError, SessionFactory};

use topics::{LIVE_STREAMS_MAX, NoTopics, SEARCHES_MAX, TopicBrowser};

pub use stream::{BOARD_INTERVAL, HEALTH_INTERVAL};

/// Pages open at the same time; one more gets 503.
pub const STREAMS_MAX: usize = 64;
/// Queries of the console and of bars that run at the same time; one more waits its turn.
pub const QUERIES_MAX: usize = 4;
/// Results that are sent whole (`format=arrow`) at the same time; one more gets 503.
pub const EXPORTS_MAX: usize = 4;
/// A longer request body is refused.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// A shorter token is refused at the start: nothing slows a guesser down.
pub const TOKEN_BYTES_MIN: usize = 16;
/// How long requests under way may still take once the listener was told to stop.
pub const DRAIN_MAX: Duration = Duration::from_millis(1_500);

/// Where to listen and who may ask.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    /// Needed on an address that other machines can reach; asked of everyone if it is set.
    pub token: Option<Secret>,
    /// Names, besides localhost and the address itself, under which a browser may ask for the page.
    pub host_names: Vec<String>,
}

/// What the listener shows.
pub struct HttpState {
    pub sessions: SessionFactory,
    pub board: Arc<SharedBoard>,
    pub health: HealthSource,
    /// Turns true when the whole process is ready to serve.
    pub ready: watch::Receiver<bool>,
    pub feeds: Vec<Feed>,
    /// The log behind the topic view.
    pub topics: Arc<dyn TopicBrowser>,
    /// A result that is sent whole is broken off if a batch takes longer, to be computed or to be taken.
    pub statement_timeout: Duration,
}

/// The new rows of one table, as they are appended.
pub struct Feed {
    /// `ticker`, `trade` or `orderbook`.
    pub table: String,
    pub batches: broadcast::Receiver<RecordBatch>,
}

/// A listener that serves until its token is cancelled.
#[derive(Debug)]
pub struct RunningHttp {
    /// The address it got: differs from the one asked for if that had port 0.
    pub local_addr: SocketAddr,
    task: JoinHandle<()>,
}

impl RunningHttp {
    /// Waits until the listener has stopped, at most [`DRAIN_MAX`] after the cancellation.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the page's listener ended badly");
        }
    }
}

/// Starts the listener. On return connections are accepted; `/healthz` answers 503 until `state.ready` is true.
pub async fn serve(config: HttpConfig, state: HttpState, cancel: CancellationToken) -> Result<RunningHttp, ServeError> {
    listen(config, state, router, cancel).await
}

/// Only `/healthz`, `/metrics` and `/api/status`: for a process that has no tables to show.
pub async fn serve_health(
    config: HttpConfig,
    health: HealthSource,
    ready: watch::Receiver<bool>,
    cancel: CancellationToken,
) -> Result<RunningHttp, ServeError> {
    let no_tables = || Err(DataFusionError::Plan("this process has no tables".to_owned()));
    let sessions: SessionFactory = Arc::new(no_tables);
    let state = bare(sessions, health, ready, Duration::ZERO);
    listen(config, state, health_router, cancel).await
}

/// Only SQL: for a command that asks itself what a running process would be asked.
pub async fn serve_sql(
    config: HttpConfig,
    sessions: SessionFactory,
    statement_timeout: Duration,
    cancel: CancellationToken,
) -> Result<RunningHttp, ServeError> {
    let (_, ready) = watch::channel(true);
    let state = bare(sessions, Arc::new(Health::default), ready, statement_timeout);
    listen(config, state, router, cancel).await
}

/// Nothing to show beside what is given.
fn bare(
    sessions: SessionFactory,
    health: HealthSource,
    ready: watch::Receiver<bool>,
    statement_timeout: Duration,
) -> HttpState {
    HttpState {
        sessions,
        board: Arc::default(),
        health,
        ready,
        feeds: Vec::new(),
        topics: Arc::new(NoTopics),
        statement_timeout,
    }
}

async fn listen(
    config: HttpConfig,
    state: HttpState,
    router: fn(Arc<Shared>) -> Router,
    cancel: CancellationToken,
) -> Result<RunningHttp, ServeError> {
    check(&config)?;
    let failed = |source| ServeError::bind(config.listen, "--http", source);
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    let missed = Arc::new(AtomicU64::new(0));
    for feed in state.feeds {
        tokio::spawn(feed::fold(feed, state.board.clone(), missed.clone(), cancel.clone()));
    }
    let shared = Arc::new(Shared {
        access: access::Access::new(&config, local_addr),
        sessions: state.sessions,
        board: state.board,
        health: feed::HealthCache::new(state.health, missed),
        ready: state.ready,
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        streams_refused: AtomicU64::new(0),
        queries: Semaphore::new(QUERIES_MAX),
        exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
        statement_timeout: state.statement_timeout,
        topics: state.topics,
        searches: Arc::new(Semaphore::new(SEARCHES_MAX)),
        live_streams: Arc::new(Semaphore::new(LIVE_STREAMS_MAX)),
        cancel: cancel.clone(),
    });
    // small events must leave at once, not wait for the acknowledgement of the last one
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let server = axum::serve(listener, router(shared)).with_graceful_shutdown(cancel.clone().cancelled_owned());
    let task = tokio::spawn(async move {
        let drained = async {
            cancel.cancelled().await;
            tokio::time::sleep(DRAIN_MAX).await;
        };
        tokio::select! {
            result = server => if let Err(error) = result { tracing::error!(%error, "the page's listener failed") },
            () = drained => tracing::warn!("requests were still under way when the page's listener stopped"),
        }
    });
    Ok(RunningHttp { local_addr, task })
}

/// What every request sees.
struct Shared {
    access: access::Access,
    sessions: SessionFactory,
    board: Arc<SharedBoard>,
    health: feed::HealthCache,
    ready: watch::Receiver<bool>,
    streams: Arc<Semaphore>,
    streams_refused: AtomicU64,
    queries: Semaphore,
    exports: Arc<Semaphore>,
    statement_timeout: Duration,
    topics: Arc<dyn TopicBrowser>,
    searches: Arc<Semaphore>,
    live_streams: Arc<Semaphore>,
    cancel: CancellationToken,
}

fn check(config: &HttpConfig) -> Result<(), ServeError> {
    let address = config.listen;
    match &config.token {
        None if !address.ip().is_loopback() => {
            Err(ServeError::TokenNeeded { address, token_option: "--http-token (HOGA_HTTP_TOKEN)" })
        }
        Some(token) if token.reveal().len() < TOKEN_BYTES_MIN => {
            Err(ServeError::WeakToken { address, length: token.reveal().len(), required: TOKEN_BYTES_MIN })
        }
        _ => Ok(()),
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let open = Router::new()
        .route("/healthz", get(routes::healthz))
        .route("/assets/{*path}", get(assets::asset))
        .route("/api/login", post(access::login));
    let guarded = Router::new()
        .route("/", get(assets::page))
        .route("/metrics", get(routes::metrics))
        .route("/api/status", get(routes::status))
        .route("/api/markets", get(routes::markets))
        .route("/api/board", get(routes::board))
        .route("/api/bars", get(bars::bars))
        .route("/api/stream", get(stream::stream))
        .route("/api/topics", get(topics::topics))
        .route("/api/topics/{name}", get(topics::topic))
        .route("/api/topics/{name}/messages", get(topics::messages))
        .route("/api/topics/{name}/live", get(topics::live))
        .route("/api/groups", get(topics::groups))
        .route("/api/sql", post(query::sql))
        .layer(from_fn_with_state(shared.clone(), access::require_token));
    protect(open.merge(guarded), shared)
}

fn health_router(shared: Arc<Shared>) -> Router {
    let open = Router::new().route("/healthz", get(routes::healthz));
    let guarded = Router::new()
        .route("/metrics", get(routes::metrics))
        .route("/api/status", get(routes::status))
        .layer(from_fn_with_state(shared.clone(), access::require_token));
    protect(open.merge(guarded), shared)
}

fn protect(routes: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    routes
        .fallback(routes::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(shared.clone(), access::require_own_host))
        .layer(from_fn(access::add_headers))
        .with_state(shared)
}
