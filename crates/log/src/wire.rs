//! The log as a Kafka broker: kcat, librdkafka, the Java clients, Flink and ClickHouse attach to it as to a cluster of one.
//!
//! In: connections. Out: Kafka's protocol over the topics of a `DiskLog`, which the rest of the program uses too. State: groups (in memory),
//! committed offsets (in the internal topic `__consumer_offsets`). Not here: transactions, replication, access lists.
//!
//! The listener has a runtime of its own, whose few threads also write to and read from the page cache: handing a request to another thread and
//! back costs more than the request. What may wait for the disk itself is handed over: old segments, fsync, topics, committed offsets.
//!
//! Batches that this process has checked or written are not read for a fetch: the kernel moves them from the segment file to the socket, as the
//! client takes them (`socket`).
//!
//! `codec` and `api` turn bytes into requests and answers into bytes, without sockets; `broker` is what they are answered from;
//! `group` is the state machine of a consumer group; `connection` moves frames; this file accepts.

mod api;
mod broker;
mod codec;
mod connection;
mod coordinator;
mod error_code;
mod group;
mod limits;
mod metrics;
mod offsets;
mod overview;
mod piece;
mod sasl;
mod socket;
mod tls;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hoga_model::{Fault, Faulty};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
pub use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use broker::{Broker, BrokerOptions};
use connection::Ended;
pub use error_code::ErrorCode;
pub use limits::Limits;
pub use metrics::{Counter, Metrics};
pub use overview::{GroupOverview, MemberOverview};
pub use sasl::{Users, UsersError};
pub use tls::{TlsError, acceptor};

/// After an error of `accept`, which is usually that there are no more file handles.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Threads that serve connections: while one waits for the disk after all, the other goes on.
const WORKER_THREADS: usize = 2;
/// How long connections may finish their requests once the listener is to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error(
        "the Kafka listener on {address} would be open to other machines without a password; name its users in a file or listen on 127.0.0.1"
    )]
    UsersNeeded { address: SocketAddr },
    #[error("cannot listen for Kafka clients on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("cannot start the threads of the Kafka listener: {source}")]
    Threads { source: io::Error },
}

impl Faulty for WireError {
    fn fault(&self) -> Fault {
        match self {
            WireError::UsersNeeded { .. } => Fault::User,
            WireError::Bind { .. } | WireError::Threads { .. } => Fault::External,
        }
    }

    fn retry(&self) -> bool {
        false
    }
}

/// A listener that answers.
#[derive(Debug)]
pub struct RunningWire {
    local_addr: SocketAddr,
    task: JoinHandle<()>,
    /// Until it is dropped.
    runtime: Option<Runtime>,
}

impl RunningWire {
    /// Where it listens; the port is real even if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Completes when `cancel` was given and the connections are closed, two seconds later at the latest.
    pub async fn stopped(mut self) {
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the Kafka listener ended badly");
        }
    }
}

impl Drop for RunningWire {
    fn drop(&mut self) {
        // without waiting: this may be a task of another runtime
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts to listen, and returns at once. Clients are served until `cancel`, or until what is returned is dropped.
pub async fn serve(
    listen: SocketAddr,
    broker: Arc<Broker>,
    tls: Option<TlsAcceptor>,
    cancel: CancellationToken,
) -> Result<RunningWire, WireError> {
    if !listen.ip().is_loopback() && broker.users().is_none() {
        return Err(WireError::UsersNeeded { address: listen });
    }
    let failed = |source| WireError::Bind { address: listen, source };
    let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    let runtime = Builder::new_multi_thread().worker_threads(WORKER_THREADS).thread_name("kafka").enable_all().build();
    let runtime = runtime.map_err(|source| WireError::Threads { source })?;
    let task = runtime.spawn(async move {
        // it belongs to this runtime from here on
        match TcpListener::from_std(listener) {
            Ok(listener) => accept(listener, broker, tls, cancel).await,
            Err(error) => tracing::error!(%error, "the Kafka listener cannot be waited for"),
        }
    });
    Ok(RunningWire { local_addr, task, runtime: Some(runtime) })
}

async fn accept(listener: TcpListener, broker: Arc<Broker>, tls: Option<TlsAcceptor>, cancel: CancellationToken) {
    let tasks = TaskTracker::new();
    let groups = broker.clone();
    let stop = cancel.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = groups.groups().run() => {}
            () = stop.cancelled() => {}
        }
    });
    let places = Arc::new(Semaphore::new(broker.limits().connections));
    let per_ip = Arc::new(PerIp::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cancel.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a Kafka client");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let place = places.clone().try_acquire_owned();
        let of_ip = per_ip.clone().enter(peer.ip(), broker.limits().connections_per_ip);
        let (Ok(place), Some(of_ip)) = (place, of_ip) else {
            broker.metrics().connections_rejected.add(1);
            tracing::debug!(%peer, "a Kafka client was refused: too many connections");
            continue;
        };
        let (broker, tls, stop) = (broker.clone(), tls.clone(), cancel.clone());
        tasks.spawn(async move {
            let _places = (place, of_ip);
            broker.metrics().connections_opened.add(1);
            tokio::select! {
                ended = Box::pin(converse(&broker, stream, peer, tls)) => count_end(&broker, peer, &ended),
                () = stop.cancelled() => {}
            }
            broker.metrics().connections_closed.add(1);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(STOP_GRACE, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "Kafka clients are still being served while the listener stops");
    }
}

async fn converse(broker: &Arc<Broker>, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) -> Ended {
    let local = match stream.set_nodelay(true).and_then(|()| stream.local_addr()) {
        Ok(local) => local,
        Err(error) => return Ended::Io(error),
    };
    let Some(tls) = tls else { return connection::serve(broker, stream, peer, local).await };
    match tokio::time::timeout(broker.limits().handshake_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection::serve(broker, stream, peer, local).await,
        Ok(Err(_)) => Ended::Malformed(codec::Malformed("it does not speak TLS as the listener does")),
        Err(_) => Ended::Stalled,
    }
}

fn count_end(broker: &Broker, peer: SocketAddr, ended: &Ended) {
    let metrics = broker.metrics();
    match ended {
        Ended::Malformed(_) | Ended::Unknown { .. } | Ended::NotAuthenticated { .. } => metrics.protocol_errors.add(1),
        Ended::TooLarge { .. } => metrics.requests_too_large.add(1),
        Ended::Stalled => metrics.stalled.add(1),
        Ended::Gone | Ended::Idle | Ended::Refused | Ended::Io(_) => {}
    }
    tracing::debug!(%peer, reason = %ended, "a Kafka client's connection ended");
}

/// How many connections each address has.
#[derive(Default)]
struct PerIp(Mutex<HashMap<IpAddr, usize>>);

struct OfIp {
    counts: Arc<PerIp>,
    ip: IpAddr,
}

impl PerIp {
    fn enter(self: Arc<PerIp>, ip: IpAddr, limit: usize) -> Option<OfIp> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(OfIp { counts: self, ip })
    }
}

impl Drop for OfIp {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}
