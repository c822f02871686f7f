//! The two query protocols, simple and extended, on one way to perform a command.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt, StreamExt, stream};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{
    ExtendedQueryHandler, SimpleQueryHandler, send_describe_response, send_execution_response, send_query_response,
    send_ready_for_query,
};
use pgwire::api::results::{DescribePortalResponse, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::FORMAT_CODE_BINARY;
use pgwire::messages::extendedquery::{
    Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query as SimpleQuery;
use pgwire::messages::startup::ParameterStatus;

use super::failure::{FAILED_TRANSACTION, Failure, INVALID_CURSOR, NO_ACTIVE_TRANSACTION, SYNTAX_ERROR};
use super::parameters;
use super::planner::{Execution, Planner, Shape};
use super::session::Session;
use super::statement::{Command, QueryCommand, StatementParser};
use super::tables::{text_columns, text_table};
use super::types::describe;
use crate::procedure::{Call, Procedures};

/// Paimon's name for what a procedure answers.
const CALL_COLUMN: &str = "result";

pub(super) struct QueryHandler {
    planner: Planner,
    parser: StatementParser,
    procedures: Option<Arc<dyn Procedures>>,
}

/// A prepared statement: its text and command, and the types it was described with.
#[derive(Debug, Clone)]
pub(super) struct Prepared(Arc<PreparedParts>);

#[derive(Debug)]
struct PreparedParts {
    text: String,
    /// `None`: an empty text.
    command: Option<Command>,
    /// Of a query.
    shape: Option<Shape>,
    /// Of a command that answers rows without being a query: SHOW, FETCH.
    columns: Vec<FieldInfo>,
    session: Arc<Session>,
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

    async fn prepare(
        &self,
        text: String,
        declared: &[Option<Type>],
        session: &Arc<Session>,
    ) -> Result<Prepared, Failure> {
        let mut commands = self.parser.parse(&text)?;
        if commands.len() > 1 {
            return Err(Failure::new(SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement"));
        }
        let command = commands.pop();
        let shape = match &command {
            Some(Command::Query(query)) => Some(self.planner.shape(query, &text, declared, session).await?),
            _ => None,
        };
        let columns = match &command {
            Some(Command::Call(_)) => text_columns(&[CALL_COLUMN]),
            Some(Command::Show(name)) => show_columns(name),
            Some(Command::Fetch(name, _)) => {
                let cursor = session.cursor(name).ok_or_else(|| unknown_cursor(name))?;
                cursor.lock().await.row_schema().to_vec()
            }
            _ => Vec::new(),
        };
        Ok(Prepared(Arc::new(PreparedParts { text, command, shape, columns, session: Arc::clone(session) })))
    }

    /// Runs what a portal holds, at its first Execute.
    async fn start<C>(&self, client: &mut C, portal: &Portal<Prepared>) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = Arc::clone(&portal.statement.statement.0);
        let Some(command) = &prepared.command else { return Ok(Response::EmptyQuery) };
        let expected = prepared.shape.as_ref().map_or(0, |shape| shape.parameters.len());
        if portal.parameters.len() != expected {
            let message =
                format!("the statement has {expected} parameters, the bind message {}", portal.parameters.len());
            return Err(Failure::protocol(message).into());
        }
        let types = prepared.shape.iter().flat_map(|shape| &shape.parameters);
        let parameters = portal
            .parameters
            .iter()
            .zip(types)
            .enumerate()
            .map(|(index, (value, parameter))| {
                let binary = is_binary(&portal.parameter_format, index);
                parameters::read(index + 1, value.as_deref(), binary, parameter)
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        let formats = Some(&portal.result_column_format);
        let bound = Bound { text: &prepared.text, parameters, shape: prepared.shape.as_ref(), formats };
        self.perform(client, &prepared.session, command, bound).await
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

#[async_trait]
impl ExtendedQueryHandler for QueryHandler {
    type Statement = Prepared;
    type QueryParser = PreparedParser;

    fn query_parser(&self) -> Arc<PreparedParser> {
        Arc::new(PreparedParser)
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let session = session_of(client)?;
        let declared: Vec<Option<Type>> = message.type_oids.iter().map(|oid| Type::from_oid(*oid)).collect();
        let name = message.name.unwrap_or_else(|| DEFAULT_NAME.to_owned());
        let prepared = self.prepare(message.query, &declared, &session).await?;
        session.remember_prepared(&name)?;
        client.portal_store().put_statement(Arc::new(StoredStatement::new(name, prepared, declared)));
        client.feed(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    /// As pgwire's own, but the rows are sent as they come: pgwire would collect them first.
    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        client.set_state(PgWireConnectionState::QueryInProgress);
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = client.portal_store().get_portal(name).ok_or_else(|| unknown_cursor(name))?;
        let state = portal.state();
        let mut state = state.lock().await;
        if matches!(*state, PortalExecutionState::Initial) {
            match self.start(client, &portal).await? {
                Response::Query(rows) => *state = PortalExecutionState::Suspended(rows),
                other => {
                    *state = PortalExecutionState::Finished;
                    send_completion(client, other).await?;
                    client.set_state(PgWireConnectionState::ReadyForQuery);
                    return Ok(());
                }
            }
        }
        let limit = usize::try_from(message.max_rows).ok().filter(|limit| *limit > 0);
        let finished = match &mut *state {
            PortalExecutionState::Suspended(rows) => send_rows(client, rows, limit).await?,
            _ => {
                send_execution_response(client, Tag::new("SELECT").with_rows(0)).await?;
                true
            }
        };
        if finished {
            *state = PortalExecutionState::Finished;
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        Ok(())
    }

    /// As pgwire's own, but a cursor of `DECLARE` is a portal too: psycopg asks for its columns this way.
    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let cursor = match &message.name {
            Some(name) if message.target_type == TARGET_TYPE_BYTE_PORTAL => session_of(client)?.cursor(name),
            _ => None,
        };
        match cursor {
            Some(cursor) => {
                let fields = cursor.lock().await.row_schema().to_vec();
                send_describe_response(client, &DescribePortalResponse::new(fields)).await
            }
            None => self._on_describe(client, message).await,
        }
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            session_of(client)?.forget_prepared(name);
            client.portal_store().rm_statement(name);
        } else {
            client.portal_store().rm_portal(name);
        }
        client.feed(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    async fn do_query<C>(&self, _client: &mut C, _portal: &Portal<Prepared>, _max_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Err(Failure::internal("on_execute answers portals").into())
    }
}

/// Answers `Describe` from what was found out at `Parse`.
pub(super) struct PreparedParser;

#[async_trait]
impl QueryParser for PreparedParser {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _client: &C, _sql: &str, _types: &[Option<Type>]) -> PgWireResult<Prepared>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        Err(Failure::internal("on_parse parses").into())
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(statement.0.shape.as_ref().map(|shape| shape.parameters.clone()).unwrap_or_default())
    }

    fn get_result_schema(&self, statement: &Prepared, formats: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match &statement.0.shape {
            Some(shape) => Ok(describe(&shape.schema, &shape.names, formats)?),
            None => Ok(statement.0.columns.clone()),
        }
    }
}

fn session_of<C: ClientInfo>(client: &C) -> Result<Arc<Session>, Failure> {
    client.session_extensions().get::<Session>().ok_or_else(|| Failure::internal("a connection without a session"))
}

fn is_binary(formats: &Format, index: usize) -> bool {
    match formats {
        Format::UnifiedText => false,
        Format::UnifiedBinary => true,
        Format::Individual(codes) => codes.get(index) == Some(&FORMAT_CODE_BINARY),
    }
}

/// Sends rows until there are no more, or `limit` of them. Returns whether there are no more.
async fn send_rows<C>(client: &mut C, response: &mut QueryResponse, limit: Option<usize>) -> PgWireResult<bool>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let tag = response.command_tag().to_owned();
    let rows = response.data_rows();
    let mut sent = 0;
    while limit.is_none_or(|limit| sent < limit) {
        match rows.next().await {
            // waits while the client does not read: the query makes no rows that nobody takes
            Some(row) => client.feed(PgWireBackendMessage::DataRow(row?)).await?,
            None => {
                client.feed(PgWireBackendMessage::CommandComplete(Tag::new(&tag).with_rows(sent).into())).await?;
                return Ok(true);
            }
        }
        sent += 1;
    }
    client.feed(PgWireBackendMessage::PortalSuspended(PortalSuspended::new())).await?;
    Ok(false)
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
