//! One connection from its first byte to its last: messages in turn, each with a time limit, ended early when it is
//! cancelled, when the client goes away and when hoga stops.
//!
//! The wait is around the whole handling of a message, so it covers planning, running and sending alike. Dropping a
//! half-done answer is safe: messages enter the send buffer whole.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, DefaultClient, NoopHandler, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage, SslNegotiationMetaMessage};
use pgwire::tokio::server::{PgWireMessageServerCodec, process_error, process_message};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use super::failure::{ADMIN_SHUTDOWN, Failure, PROTOCOL_VIOLATION, QUERY_CANCELED};
use super::handler::{Prepared, QueryHandler};
use super::session::Session;
use super::socket::SharedSocket;
use super::startup::{Entrance, StartupCheck};

/// From connect to admitted.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);
/// What somebody may send before being admitted.
const STARTUP_BYTES_MAX: usize = 64 * 1024;
/// One message of an admitted client: a statement, or the values of its parameters.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rows wait here until the client reads; a query that is ahead of its client by this much waits.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// What all connections share.
pub(super) struct Server {
    pub(super) entrance: Arc<Entrance>,
    pub(super) handler: Arc<QueryHandler>,
    pub(super) statement_timeout: Duration,
    pub(super) stop: CancellationToken,
}

type Wire = Framed<SharedSocket, PgWireMessageServerCodec<Prepared>>;

/// Serves one client until it leaves.
pub(super) async fn serve_connection(server: Arc<Server>, stream: TcpStream, admitted: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let client = DefaultClient::new(stream.peer_addr()?, false);
    let socket = SharedSocket::new(stream, STARTUP_BYTES_MAX);
    let mut wire = Framed::new(socket.clone(), PgWireMessageServerCodec::new(client));
    wire.set_backpressure_boundary(SEND_BUFFER_BYTES);
    let startup = Arc::new(StartupCheck::new(Arc::clone(&server.entrance), admitted));
    let connection = Connection { server, socket, startup };
    match timeout(STARTUP_TIMEOUT, connection.enter(&mut wire)).await {
        Ok(Ok(Some(session))) => connection.converse(&mut wire, &session).await,
        Ok(Ok(None)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(error),
    }
}

struct Connection {
    server: Arc<Server>,
    socket: SharedSocket,
    startup: Arc<StartupCheck>,
}

/// Why the handling of a message ended.
enum End {
    Done(PgWireResult<()>),
    Stopped(Failure),
    ClientGone,
}

impl Connection {
    /// Encryption is declined, cancel requests are obeyed, others are let in. `None`: it is over.
    async fn enter(&self, wire: &mut Wire) -> std::io::Result<Option<Arc<Session>>> {
        while let Some(message) = wire.next().await {
            let answered = match message {
                Ok(PgWireFrontendMessage::SslNegotiation(request)) => {
                    match request {
                        SslNegotiationMetaMessage::PostgresSsl(_) => {
                            wire.send(PgWireBackendMessage::SslResponse(SslResponse::Refuse)).await?;
                        }
                        SslNegotiationMetaMessage::PostgresGss(_) => {
                            wire.send(PgWireBackendMessage::GssEncResponse(GssEncResponse::Refuse)).await?;
                        }
                        _ => wire.set_state(PgWireConnectionState::AwaitingStartup),
                    }
                    continue;
                }
                Ok(PgWireFrontendMessage::CancelRequest(request)) => {
                    self.server.entrance.cancels.cancel(request.pid, &request.secret_key);
                    return Ok(None);
                }
                Ok(message) => self.handle(message, wire).await,
                Err(error) => Err(as_fatal(error)),
            };
            if let Err(error) = answered {
                process_error(wire, error, false).await?;
                return Ok(None);
            }
            if let Some(session) = wire.session_extensions().get::<Session>() {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    async fn converse(&self, wire: &mut Wire, session: &Session) -> std::io::Result<()> {
        loop {
            self.socket.allow(MESSAGE_BYTES_MAX);
            let message = tokio::select! {
                message = wire.next() => message,
                () = self.server.stop.cancelled() => return self.say_goodbye(wire).await,
            };
            let message = match message {
                None | Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
                Some(Err(error)) => return process_error(wire, as_fatal(error), false).await,
                Some(Ok(message)) => message,
            };
            let is_extended = message.is_extended_query();
            let failure = match self.run(message, wire, session).await {
                End::Done(Ok(())) => continue,
                End::Done(Err(error)) => error,
                End::Stopped(failure) => failure.into(),
                End::ClientGone => return Ok(()),
            };
            // as in PostgreSQL, an error closes what was open
            wire.portal_store().clear_portals();
            session.close_all_cursors();
            let is_fatal = matches!(&failure, PgWireError::UserError(info) if info.is_fatal());
            tokio::select! {
                sent = process_error(wire, failure, is_extended) => sent?,
                () = self.socket.closed() => return Ok(()),
            }
            if is_fatal {
                return Ok(());
            }
        }
    }

    async fn run(&self, message: PgWireFrontendMessage, wire: &mut Wire, session: &Session) -> End {
        let limit = session.settings().statement_timeout(self.server.statement_timeout);
        let canceled = session.canceled();
        let canceled = canceled.notified();
        // The watchers come first: a busy query uses up the task's budget at each turn, and a timer that is asked after
        // it would never be heard.
        tokio::select! {
            biased;
            () = canceled => {
                End::Stopped(Failure::new(QUERY_CANCELED, "canceling statement due to user request"))
            }
            () = tokio::time::sleep(limit) => {
                let message = format!("canceling statement due to statement timeout ({} ms)", limit.as_millis());
                End::Stopped(Failure::new(QUERY_CANCELED, message))
            }
            () = self.socket.closed() => End::ClientGone,
            () = self.server.stop.cancelled() => End::Stopped(goodbye()),
            done = self.handle(message, wire) => End::Done(done),
        }
    }

    async fn handle(&self, message: PgWireFrontendMessage, wire: &mut Wire) -> PgWireResult<()> {
        let handler = &self.server.handler;
        // boxed: this future holds a whole query, and lives as long as the connection
        Box::pin(process_message(
            message,
            wire,
            Arc::clone(&self.startup),
            Arc::clone(handler),
            Arc::clone(handler),
            Arc::new(NoopHandler),
            Arc::new(NoopHandler),
        ))
        .await
    }

    async fn say_goodbye(&self, wire: &mut Wire) -> std::io::Result<()> {
        tokio::select! {
            sent = process_error(wire, goodbye().into(), false) => sent,
            () = self.socket.closed() => Ok(()),
        }
    }
}

fn goodbye() -> Failure {
    Failure::fatal(ADMIN_SHUTDOWN, "terminating connection: hoga is stopping")
}

/// After bytes that are no message there is no telling where the next one starts.
fn as_fatal(error: PgWireError) -> PgWireError {
    Failure::fatal(PROTOCOL_VIOLATION, error.to_string()).into()
}
