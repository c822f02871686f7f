//! The extended query protocol: statements that are prepared, described, and executed as portals.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt, StreamExt};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{ExtendedQueryHandler, send_describe_response, send_execution_response};
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

use super::{Bound, CALL_COLUMN, QueryHandler, send_completion, session_of, show_columns, unknown_cursor};
use crate::postgres::failure::{Failure, SYNTAX_ERROR};
use crate::postgres::parameters;
use crate::postgres::planner::Shape;
use crate::postgres::session::Session;
use crate::postgres::statement::Command;
use crate::postgres::tables::text_columns;
use crate::postgres::types::describe;

/// A prepared statement: its text and command, and the types it was described with.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct Prepared(Arc<PreparedParts>);

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

impl QueryHandler {
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
pub(in crate::postgres) struct PreparedParser;

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
