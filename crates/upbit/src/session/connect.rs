//! Opens one WebSocket: name lookup, TCP, TLS (rustls with ring, Mozilla's roots), handshake.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::error::{UpbitError, cause_chain, in_words};
use crate::frame::FRAME_BYTES_MAX;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Requests and pings are all that is ever written.
const WRITE_BUFFER_BYTES_MAX: usize = 1 << 20;

/// Where to connect to, checked.
pub(super) struct Target {
    url: String,
    connector: Connector,
}

/// Why there is no connection, and the HTTP status if there was an answer.
pub(super) struct Unreached {
    pub(super) reason: String,
    pub(super) status: Option<u16>,
}

impl Target {
    pub(super) fn new(url: &str) -> Result<Target, UpbitError> {
        let unusable = |reason: String| UpbitError::Url { url: url.to_owned(), reason };
        let request = url.into_client_request().map_err(|error| unusable(cause_chain(&error)))?;
        let connector = match request.uri().scheme_str() {
            Some("ws") => Connector::Plain,
            Some("wss") => Connector::Rustls(tls_config().map_err(|error| unusable(error.to_string()))?),
            _ => return Err(unusable("it must start with wss:// or ws://".to_owned())),
        };
        Ok(Target { url: url.to_owned(), connector })
    }

    pub(super) async fn connect(&self, timeout: Duration) -> Result<Socket, Unreached> {
        // a request of its own each time: it holds the handshake's random key
        let request = self.url.as_str().into_client_request().map_err(|error| self.unreached(&error))?;
        let connecting =
            connect_async_tls_with_config(request, Some(socket_config()), true, Some(self.connector.clone()));
        match tokio::time::timeout(timeout, Box::pin(connecting)).await {
            Ok(Ok((socket, _response))) => Ok(socket),
            Ok(Err(error)) => Err(self.unreached(&error)),
            Err(_elapsed) => {
                let waited = in_words(timeout.as_millis() as u64);
                Err(Unreached { reason: format!("{}: no answer within {waited}", self.url), status: None })
            }
        }
    }

    fn unreached(&self, error: &Error) -> Unreached {
        let (explanation, status) = match error {
            Error::Http(response) => {
                let status = response.status();
                let hint = match status.as_u16() {
                    429 | 418 => "too many connects from this address",
                    404 => "nothing is served at this path",
                    _ => "the server did not switch to WebSocket",
                };
                (format!("HTTP {status}, {hint}"), Some(status.as_u16()))
            }
            Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => {
                (format!("nothing listens there ({io})"), None)
            }
            other => (cause_chain(other), None),
        };
        Unreached { reason: format!("{}: {explanation}", self.url), status }
    }
}

/// Limits on what the other side may make us hold.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
}

/// The provider is named here, so that nothing depends on what the process has installed as its default.
fn tls_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
