//! SQL for every PostgreSQL client: psql, JDBC, psycopg, Grafana, notebooks.
//!
//! In: a [`SessionFactory`], which opens a session whose tables are pinned to this moment. Out: a listener.
//! Not here: what a table holds and how much memory a query may use (both are the session's).
//!
//! What a client meets:
//! - **Every statement sees its own moment.** It is planned on a session of its own, also inside `BEGIN … COMMIT`, and
//!   also each execution of a prepared statement. Transactions are accepted and change nothing; this connection reads.
//! - **One database, `hoga`**, with the schema `upbit`, where unqualified names are looked up. The name of the database
//!   may be `hoga`, `postgres` or the user's own (psql's default); another is refused, because it is a typo.
//! - **Any user without a password** while the listener is on loopback. On another address a password is needed, and
//!   checked with SCRAM-SHA-256; there is no TLS, so the rows themselves are readable on the way: use a tunnel.
//! - **Exact types.** DECIMAL is `numeric` with all its digits, text and binary; `0.1` in a statement is a numeric too.
//!   Instants are `timestamptz`, shown in the session's `TimeZone` (default UTC). A literal without an offset is UTC,
//!   whatever the `TimeZone`. ARRAY<ROW> is `json`.
//! - **`CALL sys.compact('upbit.trade')`** and Paimon's other procedures, if the binary has them; alone in its message.
//! - **Rows are made when the client reads.** A query that is ahead of its client waits; one that runs longer than the
//!   statement timeout, is cancelled, or whose client has gone, ends.
//!
//! Queries run on the runtime that called [`serve`]: a heavy one competes with whatever else runs there.

mod catalog;
mod catalog_queries;
mod civil;
mod connection;
mod encode;
mod failure;
mod handler;
mod json;
mod naming;
mod numeric;
mod parameters;
mod planner;
mod scram;
mod session;
mod settings;
mod socket;
mod startup;
mod statement;
mod tables;
mod types;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::{Server, serve_connection};
use self::handler::QueryHandler;
use self::planner::Planner;
use self::session::Cancels;
use self::startup::Entrance;
use crate::{Procedures, Secret, ServeError, SessionFactory};

/// The name of the one database.
const DATABASE: &str = "hoga";
/// The schema in which unqualified names are looked up.
const SCHEMA: &str = "upbit";

const ADDRESS_OPTION: &str = "--postgres ADDR or HOGA_POSTGRES";
const PASSWORD_OPTION: &str = "--postgres-password or HOGA_POSTGRES_PASSWORD";

/// Clients beyond `max_connections` that are told so at the same time, and cancel requests, which need no place.
const EXTRA_CONNECTIONS_MAX: usize = 32;
/// After an accept that failed (no file descriptors, say), before the next.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How long open connections may take to say goodbye when hoga stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How to listen. [`PostgresConfig::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    pub listen: SocketAddr,
    /// Clients at the same time; one more is refused with 53300.
    pub max_connections: usize,
    /// No statement runs longer; a session may set itself a shorter limit (`SET statement_timeout`).
    pub statement_timeout: Duration,
    /// Needed when `listen` is not loopback; then every client gives it.
    pub password: Option<Secret>,
    /// What `CALL` does; None: every call is refused.
    pub procedures: Option<Arc<dyn Procedures>>,
}

impl PostgresConfig {
    pub const MAX_CONNECTIONS: usize = 64;
    pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);

    pub fn new(listen: SocketAddr) -> PostgresConfig {
        PostgresConfig {
            listen,
            max_connections: Self::MAX_CONNECTIONS,
            statement_timeout: Self::STATEMENT_TIMEOUT,
            password: None,
            procedures: None,
        }
    }
}

/// A listener that answers.
#[derive(Debug)]
pub struct RunningPostgres {
    local_addr: SocketAddr,
    task: JoinHandle<()>,
}

impl RunningPostgres {
    /// Where it listens; the port is real even if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Completes when the token given to [`serve`] is cancelled and the connections are closed, two seconds later at
    /// the latest.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the listener of the PostgreSQL wire ended badly");
        }
    }
}

/// Starts to listen, and returns at once. Clients are served until `cancel`.
///
/// # Errors
/// The address is taken, cannot be had, or is open to other machines while there is no password.
pub async fn serve(
    config: PostgresConfig,
    sessions: SessionFactory,
    cancel: CancellationToken,
) -> Result<RunningPostgres, ServeError> {
    let address = config.listen;
    let password = config.password.as_ref().filter(|password| !password.reveal().is_empty());
    if !address.ip().is_loopback() && password.is_none() {
        return Err(ServeError::PasswordNeeded { address, password_option: PASSWORD_OPTION });
    }
    let bind_error = |source| ServeError::bind(address, ADDRESS_OPTION, source);
    let listener = TcpListener::bind(address).await.map_err(bind_error)?;
    let local_addr = listener.local_addr().map_err(bind_error)?;
    let entrance = Entrance {
        verifier: password.map(|password| scram::verifier(password.reveal())),
        cancels: Arc::new(Cancels::default()),
        process_ids: Default::default(),
        max_connections: config.max_connections,
    };
    let server = Server {
        entrance: Arc::new(entrance),
        handler: Arc::new(QueryHandler::new(Planner::new(sessions), config.procedures)),
        statement_timeout: config.statement_timeout,
        stop: cancel,
    };
    let task = tokio::spawn(accept(listener, Arc::new(server), config.max_connections));
    Ok(RunningPostgres { local_addr, task })
}

async fn accept(listener: TcpListener, server: Arc<Server>, max_connections: usize) {
    let places = Arc::new(Semaphore::new(max_connections));
    let extra_places = Arc::new(Semaphore::new(EXTRA_CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the PostgreSQL wire");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let place = Arc::clone(&places).try_acquire_owned();
        let admitted = place.is_ok();
        let Ok(place) = place.or_else(|_| Arc::clone(&extra_places).try_acquire_owned()) else {
            tracing::warn!("connections on the PostgreSQL wire come faster than they can be refused");
            continue;
        };
        let server = Arc::clone(&server);
        connections.spawn(async move {
            converse(server, stream, admitted).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(STOP_GRACE, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "clients of the PostgreSQL wire did not close in time");
    }
}

async fn converse(server: Arc<Server>, stream: TcpStream, admitted: bool) {
    if let Err(error) = serve_connection(server, stream, admitted).await {
        // a client that leaves without a word is its own business
        tracing::debug!(%error, "a connection on the PostgreSQL wire broke");
    }
}
