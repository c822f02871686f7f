//! Performs commands, and the simple query protocol, which sends them one by one. The extended one is [`extended`].

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt, StreamExt, stream};
use pgwire::api::portal::Format;
use pgwire::api::query::{SimpleQueryHandler, send_execution_response, send_query_response, send_ready_for_query};
use pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query as SimpleQuery;
use pgwire::messages::startup::ParameterStatus;

use super::failure::{FAILED_TRANSACTION, Failure, INVALID_CURSOR, NO_ACTIVE_TRANSACTION};
use super::planner::{Execution, Planner, Shape};
use super::session::Session;
use super::statement::{Command, QueryCommand, StatementParser};
use super::tables::{text_columns, text_table};
use crate::procedure::{Call, Procedures};

mod extended;

pub(super) use extended::Prepared;

/// Paimon's name for what a procedure answers.
const CALL_COLUMN: &str = "result";

pub(super) struct QueryHandler {
    planner: Planner,
    parser: StatementParser,
    procedures: Option<Arc<dyn Procedures>>,
}

/// How a command is to be performed.
struct Bound<'a> {
    text: &'a str,
    parameters: Vec<datafusion::common::ScalarValue>,
    shape: Option<&'a Shape>,
    formats: Option<&'a Format>,
}

impl QueryHandler {
    pub(super) fn new(planner: Planner, procedures: Option<Arc<dyn Procedures>>) -> QueryHandler {
        QueryHandler { planner, parser: StatementParser::new(), procedures }
    }

    async fn perform<C>(
        &self,
        client: &mut C,
        session: &Arc<Session>,
        command: &Command,
        bound: Bound<'_>,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let status = client.transaction_status();
        if status == TransactionStatus::Error && !command.ends_transaction() {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Failure::new(FAILED_TRANSACTION, message).into());
        }
        Ok(match command {
            Command::Query(query) => {
                let mut rows = self.query(query, bound, session).await?;
                rows.set_command_tag(query.tag);
                Response::Query(rows)
            }
            Command::Call(call) => Response::Query(self.call(call).await?),
            Command::Show(name) => Response::Query(show(session, name)?),
            Command::Set(name, value) => {
                let reported = match value {
                    Some(value) => session.settings().set(name, value)?,
                    None => session.settings().reset(name),
                };
                report(client, reported).await?;
                Response::Execution(Tag::new(if value.is_some() { "SET" } else { "RESET" }))
            }
            Command::ResetAll => {
                let reported = session.settings().reset_all();
                report(client, reported).await?;
                Response::Execution(Tag::new("RESET"))
            }
            Command::Begin => Response::TransactionStart(Tag::new("BEGIN")),
            Command::Commit | Command::Rollback => {
                session.close_all_cursors();
                client.portal_store().clear_portals();
                let committed = matches!(command, Command::Commit) && status != TransactionStatus::Error;
                Response::TransactionEnd(Tag::new(if committed { "COMMIT" } else { "ROLLBACK" }))
            }
            Command::DiscardAll => {
                session.close_all_cursors();
                deallocate_all(client, session);
                let reported = session.settings().reset_all();
                report(client, reported).await?;
                Response::Execution(Tag::new("DISCARD ALL"))
            }
            Command::Deallocate(name) => {
                match name {
                    Some(name) => {
                        client.portal_store().rm_statement(name);
                        session.forget_prepared(name);
                    }
                    None => deallocate_all(client, session),
                }
                Response::Execution(Tag::new("DEALLOCATE"))
            }
            Command::Nothing(tag) => Response::Execution(Tag::new(tag)),
            Command::DeclareCursor(name, query) => {
                if status == TransactionStatus::Idle {
                    let message = "DECLARE CURSOR can only be used in transaction blocks";
                    return Err(Failure::new(NO_ACTIVE_TRANSACTION, message).with_hint("BEGIN first").into());
                }
                self.declare_cursor(name, query, bound, session).await?;
                Response::Execution(Tag::new("DECLARE CURSOR"))
            }
            Command::Fetch(name, count) => Response::Query(fetch(session, name, *count).await?),
            Command::CloseCursor(name) => {
                match name {
                    Some(name) if !session.close_cursor(name) => return Err(unknown_cursor(name).into()),
                    Some(_) => {}
                    None => session.close_all_cursors(),
                }
                Response::Execution(Tag::new("CLOSE CURSOR"))
            }
        })
    }

    async fn call(&self, call: &Call) -> Result<QueryResponse, Failure> {
        let Some(procedures) = &self.procedures else {
            return Err(Failure::not_supported("there are no procedures here"));
        };
        let lines = procedures.call(call.clone()).await?;
        let mut answer = text_table(text_columns(&[CALL_COLUMN]), lines.into_iter().map(|line| vec![line]).collect());
        answer.set_command_tag("CALL");
        Ok(answer)
    }

    async fn query(
        &self,
        query: &QueryCommand,
        bound: Bound<'_>,
        session: &Arc<Session>,
    ) -> Result<QueryResponse, Failure> {
        let Bound { text, parameters, shape, formats } = bound;
        let described = shape.map(|shape| &shape.schema);
        let QueryCommand { statement, names, .. } = query;
        self.planner.execute(Execution { statement, names, text, parameters, described, formats }, session).await
    }

    async fn declare_cursor(
        &self,
        name: &str,
        query: &QueryCommand,
        bound: Bound<'_>,
        session: &Arc<Session>,
    ) -> Result<(), Failure> {
        // FETCH answers in text: what it will be asked for is not known here
        let bound = Bound { shape: None, formats: None, ..bound };
        let rows = self.query(query, bound, session).await?;
        session.open_cursor(name.to_owned(), rows)
    }
}

#[async_trait]
impl SimpleQueryHandler for QueryHandler {
    async fn on_query<C>(&self, client: &mut C, query: SimpleQuery) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        client.set_state(PgWireConnectionState::QueryInProgress);
        let session = session_of(client)?;
        let text = query.query;
        let commands = self.parser.parse(&text)?;
        if commands.is_empty() {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for command in &commands {
            let bound = Bound { text: &text, parameters: Vec::new(), shape: None, formats: None };
            match self.perform(client, &session, command, bound).await? {
                Response::Query(rows) => send_query_response(client, rows, true).await?,
                other => send_completion(client, other).await?,
            }
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        let status = client.transaction_status();
        send_ready_for_query(client, status).await
    }

    async fn do_query<C>(&self, _client: &mut C, _query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Err(Failure::internal("on_query answers simple queries").into())
    }
}

fn session_of<C: ClientInfo>(client: &C) -> Result<Arc<Session>, Failure> {
    client.session_extensions().get::<Session>().ok_or_else(|| Failure::internal("a connection without a session"))
}

async fn send_completion<C>(client: &mut C, response: Response) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    match response {
        Response::EmptyQuery => {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        Response::Execution(tag) => send_execution_response(client, tag).await?,
        Response::TransactionStart(tag) => {
            send_execution_response(client, tag).await?;
            client.set_transaction_status(TransactionStatus::Transaction);
        }
        Response::TransactionEnd(tag) => {
            send_execution_response(client, tag).await?;
            client.set_transaction_status(TransactionStatus::Idle);
        }
        _ => return Err(Failure::internal("a command answered in an unexpected way").into()),
    }
    Ok(())
}

/// Tells the client that settings it follows have changed.
async fn report<C>(client: &mut C, changed: impl IntoIterator<Item = (&'static str, String)>) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    for (name, value) in changed {
        let message = ParameterStatus::new(name.to_owned(), value);
        client.feed(PgWireBackendMessage::ParameterStatus(message)).await?;
    }
    Ok(())
}

fn deallocate_all<C>(client: &C, session: &Session)
where
    C: ClientPortalStore,
    C::PortalStore: PortalStore,
{
    for name in session.take_prepared() {
        client.portal_store().rm_statement(&name);
    }
}

fn show(session: &Session, name: &str) -> Result<QueryResponse, Failure> {
    let settings = session.settings();
    if name.eq_ignore_ascii_case("all") {
        let rows = settings.all().map(|(name, value, _)| vec![name.to_owned(), value.to_owned(), String::new()]);
        return Ok(text_table(show_columns(name), rows.collect()));
    }
    let value = settings.get(name).ok_or_else(|| Failure::unknown_setting(name))?;
    Ok(text_table(show_columns(name), vec![vec![value.to_owned()]]))
}

fn show_columns(name: &str) -> Vec<FieldInfo> {
    match name.eq_ignore_ascii_case("all") {
        true => text_columns(&["name", "setting", "description"]),
        false => text_columns(&[&name.to_ascii_lowercase().replace(' ', "_")]),
    }
}

fn unknown_cursor(name: &str) -> Failure {
    Failure::new(INVALID_CURSOR, format!("cursor \"{name}\" does not exist"))
}

/// The next rows of a cursor, made as they are sent.
async fn fetch(session: &Session, name: &str, count: Option<usize>) -> PgWireResult<QueryResponse> {
    let cursor = session.cursor(name).ok_or_else(|| unknown_cursor(name))?;
    let fields = cursor.lock().await.row_schema();
    let rows = stream::unfold((cursor, count), |(cursor, left)| async move {
        if left == Some(0) {
            return None;
        }
        let row = cursor.lock().await.data_rows().next().await?;
        Some((row, (cursor, left.map(|left| left - 1))))
    });
    let mut response = QueryResponse::new(fields, rows);
    response.set_command_tag("FETCH");
    Ok(response)
}
