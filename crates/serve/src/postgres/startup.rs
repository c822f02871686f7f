//! How a connection begins: who may enter, by which password, and what the client is told first.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{Sink, SinkExt};
use hoga_model::scram::{Exchange, MECHANISM, Verifier};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, METADATA_DATABASE, METADATA_USER, PgWireConnectionState, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator,
};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::{Authentication, PasswordMessageFamily, Startup};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::DATABASE;
use super::failure::{Failure, PROTOCOL_VIOLATION, TOO_MANY_CONNECTIONS, UNDEFINED_DATABASE};
use super::session::{Cancels, Session};
use super::settings::Settings;

const INVALID_PASSWORD: &str = "28P01";
/// A wrong password costs the caller this much, so that guessing is slow.
const WRONG_PASSWORD_DELAY: Duration = Duration::from_millis(500);
const NONCE_BYTES: usize = 18;

/// What all connections share at their beginning.
pub(super) struct Entrance {
    /// `None`: everybody who reaches the listener may enter.
    pub(super) verifier: Option<Verifier>,
    pub(super) cancels: Arc<Cancels>,
    pub(super) process_ids: RandomPidSecretKeyGenerator,
    pub(super) max_connections: usize,
}

/// The beginning of one connection.
pub(super) struct StartupCheck {
    entrance: Arc<Entrance>,
    /// Whether there was room when it came. It is told so, and not just cut off.
    admitted: bool,
    exchange: Mutex<Option<Exchange>>,
}

impl StartupCheck {
    pub(super) fn new(entrance: Arc<Entrance>, admitted: bool) -> StartupCheck {
        StartupCheck { entrance, admitted, exchange: Mutex::new(None) }
    }

    async fn begin<C>(&self, client: &mut C, startup: &Startup) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        protocol_negotiation(client, startup).await?;
        save_startup_parameters_to_metadata(client, startup);
        if !self.admitted {
            let message = format!("sorry, too many clients already: {} are connected", self.entrance.max_connections);
            return Err(Failure::fatal(TOO_MANY_CONNECTIONS, message).into());
        }
        let (user, database) = names(client);
        if ![DATABASE, "postgres", &user].contains(&database.as_str()) {
            let message = format!("database \"{database}\" does not exist");
            return Err(Failure::fatal(UNDEFINED_DATABASE, message).with_hint("there is one database: hoga").into());
        }
        if self.entrance.verifier.is_none() {
            return self.admit(client).await;
        }
        client.set_state(PgWireConnectionState::AuthenticationInProgress);
        let mechanisms = Authentication::SASL(vec![MECHANISM.to_owned()]);
        client.send(PgWireBackendMessage::Authentication(mechanisms)).await?;
        Ok(())
    }

    async fn authenticate<C>(&self, client: &mut C, message: PasswordMessageFamily) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let malformed = || Failure::fatal(PROTOCOL_VIOLATION, "malformed SCRAM message");
        let PasswordMessageFamily::Raw(body) = message else { return Err(malformed().into()) };
        let Some(verifier) = &self.entrance.verifier else { return Err(malformed().into()) };
        let begun = self.exchange.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(exchange) = begun else {
            let first = sasl_initial_response(&body).ok_or_else(malformed)?;
            let nonce = STANDARD.encode(rand::random::<[u8; NONCE_BYTES]>());
            let (exchange, answer) = Exchange::start(first, &nonce, verifier).ok_or_else(malformed)?;
            *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
            let answer = Authentication::SASLContinue(Bytes::from(answer));
            client.send(PgWireBackendMessage::Authentication(answer)).await?;
            return Ok(());
        };
        match exchange.finish(&body, verifier) {
            Some(answer) => {
                let answer = Authentication::SASLFinal(Bytes::from(answer));
                client.feed(PgWireBackendMessage::Authentication(answer)).await?;
                self.admit(client).await
            }
            None => {
                tokio::time::sleep(WRONG_PASSWORD_DELAY).await;
                let (user, _) = names(client);
                tracing::warn!(client = %client.socket_addr(), user, "a wrong password on the PostgreSQL wire");
                let message = format!("password authentication failed for user \"{user}\"");
                Err(Failure::fatal(INVALID_PASSWORD, message).into())
            }
        }
    }

    async fn admit<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (process_id, secret) = self.entrance.process_ids.generate(client);
        let registration = self.entrance.cancels.register(process_id, &secret);
        client.set_pid_and_secret_key(process_id, secret);
        let (user, _) = names(client);
        let settings = Settings::from_startup(client.metadata());
        let reported = Reported::of(&settings);
        client.session_extensions().insert(Session::new(user, process_id, settings, registration));
        finish_authentication(client, &reported).await
    }
}

#[async_trait]
impl StartupHandler for StartupCheck {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => self.begin(client, &startup).await,
            PgWireFrontendMessage::PasswordMessageFamily(message) => self.authenticate(client, message).await,
            _ => Err(Failure::fatal(PROTOCOL_VIOLATION, "a query before the connection was admitted").into()),
        }
    }
}

/// The user, and the database, whose default is the user's name as in PostgreSQL.
fn names<C: ClientInfo>(client: &C) -> (String, String) {
    let metadata = client.metadata();
    let user = metadata.get(METADATA_USER).cloned().unwrap_or_default();
    let database = metadata.get(METADATA_DATABASE).filter(|name| !name.is_empty()).cloned();
    (user.clone(), database.unwrap_or(user))
}

/// Mechanism (a C string), length, data. pgwire's own reading of it panics on a message that is cut short.
fn sasl_initial_response(body: &[u8]) -> Option<&[u8]> {
    let end = body.iter().position(|b| *b == 0)?;
    let (mechanism, rest) = (&body[..end], &body[end + 1..]);
    let (length, data) = rest.split_at_checked(4)?;
    let length = i32::from_be_bytes(length.try_into().ok()?);
    (mechanism == MECHANISM.as_bytes() && usize::try_from(length).ok()? == data.len()).then_some(data)
}

/// The settings a client is told about when it enters.
struct Reported(HashMap<String, String>);

impl Reported {
    fn of(settings: &Settings) -> Reported {
        let reported = settings.all().filter(|(.., reported)| *reported);
        Reported(reported.map(|(name, value, _)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl ServerParameterProvider for Reported {
    fn server_parameters<C>(&self, _client: &C) -> Option<HashMap<String, String>>
    where
        C: ClientInfo,
    {
        Some(self.0.clone())
    }
}
