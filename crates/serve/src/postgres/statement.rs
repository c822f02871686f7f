//! What a text of SQL asks for, statement by statement. Pure.
//!
//! Statements that look into the system catalogs go through the rewrite rules of `datafusion-pg-catalog`, which make
//! the queries of psql and of drivers plannable, at the cost of source positions. All others are parsed as they are:
//! those rules would rename columns of an ordinary `SELECT market, *`.

use datafusion::sql::sqlparser::ast::{
    CloseCursor, DescribeAlias, Expr, FetchDirection, Reset, Set, SetSessionAuthorizationParamKind, Statement, Value,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use super::catalog_queries;
use super::failure::{Failure, INVALID_PARAMETER_VALUE, LIMIT_EXCEEDED};
use super::naming::ColumnNames;
use crate::history;
use crate::procedure::Call;

/// A text longer than this is not SQL that a person or a tool wrote.
pub(super) const STATEMENT_BYTES_MAX: usize = 1024 * 1024;

/// Statements in one simple-query message.
const STATEMENTS_MAX: usize = 1_000;

/// Nested expressions and subqueries.
const NESTING_MAX: usize = 100;

#[derive(Debug, Clone)]
pub(super) enum Command {
    /// Goes to DataFusion.
    Query(Box<QueryCommand>),
    /// Goes to the procedures.
    Call(Call),
    Show(String),
    /// `None` as value: back to the default.
    Set(String, Option<String>),
    ResetAll,
    Begin,
    Commit,
    Rollback,
    /// Closes cursors, portals, settings.
    DiscardAll,
    /// Has no effect here, and its tag.
    Nothing(&'static str),
    Deallocate(Option<String>),
    DeclareCursor(String, Box<QueryCommand>),
    /// How many rows; `None`: all that are left.
    Fetch(String, Option<usize>),
    /// `None`: all of them.
    CloseCursor(Option<String>),
}

#[derive(Debug, Clone)]
pub(super) struct QueryCommand {
    pub(super) statement: Statement,
    /// Ends its result.
    pub(super) tag: &'static str,
    pub(super) names: ColumnNames,
}

impl QueryCommand {
    fn boxed(mut statement: Statement, tag: &'static str) -> Box<QueryCommand> {
        let names = ColumnNames::take(&mut statement);
        Box::new(QueryCommand { statement, tag, names })
    }
}

impl Command {
    /// What is still allowed in a transaction that has failed.
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(self, Command::Commit | Command::Rollback)
    }
}

/// Parses all statements of a text.
pub(super) struct StatementParser {
    catalog: PostgresCompatibilityParser,
}

impl StatementParser {
    pub(super) fn new() -> StatementParser {
        StatementParser { catalog: PostgresCompatibilityParser::new() }
    }

    pub(super) fn parse(&self, text: &str) -> Result<Vec<Command>, Failure> {
        if text.len() > STATEMENT_BYTES_MAX {
            return Err(Failure::new(
                LIMIT_EXCEEDED,
                format!("the statement is longer than {STATEMENT_BYTES_MAX} bytes"),
            ));
        }
        if let Some(call) = Call::parse(text) {
            return Ok(vec![Command::Call(call?)]);
        }
        let text = &*history::rewrite(text).map_err(|reason| Failure::new(INVALID_PARAMETER_VALUE, reason))?;
        let dialect = PostgreSqlDialect {};
        let plain = || {
            Parser::new(&dialect)
                .with_recursion_limit(NESTING_MAX)
                .try_with_sql(text)
                .and_then(|mut p| p.parse_statements())
        };
        let statements = match mentions_catalog(text) {
            // a mistake is told with its position, which the rewriting parser does not know
            true => self.catalog.parse(text).or_else(|_| plain()),
            false => plain(),
        };
        let mut statements = statements.map_err(|error| Failure::from(error).located_in(text))?;
        if mentions_catalog(text) {
            statements.iter_mut().for_each(catalog_queries::rewrite);
        }
        if statements.len() > STATEMENTS_MAX {
            return Err(Failure::new(LIMIT_EXCEEDED, format!("more than {STATEMENTS_MAX} statements in one message")));
        }
        statements.into_iter().map(command).collect()
    }
}

/// Whether a text may look into the system catalogs or use PostgreSQL's own functions.
pub(super) fn mentions_catalog(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "pg_",
        "information_schema",
        "regclass",
        "regtype",
        "regproc",
        "regnamespace",
        "current_",
        "session_user",
        "version",
        "quote_ident",
        "format_type",
        "has_",
        "_description",
        "array_upper",
        "array_lower",
        "set_config",
        "inet_",
        "::oid",
        "generate_series",
        "show ",
    ];
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

fn command(statement: Statement) -> Result<Command, Failure> {
    Ok(match statement {
        Statement::Query(_) => Command::Query(QueryCommand::boxed(statement, "SELECT")),
        Statement::Explain { describe_alias: DescribeAlias::Explain, .. } => {
            Command::Query(QueryCommand::boxed(statement, "EXPLAIN"))
        }
        Statement::ExplainTable { .. }
        | Statement::Explain { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowFunctions { .. } => Command::Query(QueryCommand::boxed(statement, "SHOW")),
        Statement::ShowVariable { variable } => {
            Command::Show(variable.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(" "))
        }
        Statement::Set(set) => set_command(set)?,
        Statement::Reset(reset) => match reset.reset {
            Reset::ALL => Command::ResetAll,
            Reset::ConfigurationParameter(name) => Command::Set(name.to_string(), None),
        },
        Statement::StartTransaction { .. } => Command::Begin,
        Statement::Commit { .. } => Command::Commit,
        Statement::Rollback { savepoint: None, .. } => Command::Rollback,
        Statement::Rollback { savepoint: Some(_), .. } => Command::Nothing("ROLLBACK"),
        Statement::Savepoint { .. } => Command::Nothing("SAVEPOINT"),
        Statement::ReleaseSavepoint { .. } => Command::Nothing("RELEASE"),
        Statement::Discard { .. } => Command::DiscardAll,
        Statement::Deallocate { name, .. } => {
            Command::Deallocate((!name.value.eq_ignore_ascii_case("all")).then_some(name.value))
        }
        Statement::LISTEN { .. } => Command::Nothing("LISTEN"),
        Statement::UNLISTEN { .. } => Command::Nothing("UNLISTEN"),
        Statement::Declare { mut stmts } => match (stmts.pop(), stmts.is_empty()) {
            (Some(declare), true) => match (declare.names.into_iter().next(), declare.for_query) {
                (Some(name), Some(query)) => {
                    Command::DeclareCursor(name.value, QueryCommand::boxed(Statement::Query(query), "FETCH"))
                }
                _ => return Err(Failure::not_supported("DECLARE is for cursors: DECLARE name CURSOR FOR SELECT …")),
            },
            _ => return Err(Failure::not_supported("one cursor for each DECLARE")),
        },
        Statement::Fetch { name, direction, .. } => Command::Fetch(name.value, fetch_count(&direction)?),
        Statement::Close { cursor: CloseCursor::All } => Command::CloseCursor(None),
        Statement::Close { cursor: CloseCursor::Specific { name } } => Command::CloseCursor(Some(name.value)),
        Statement::Prepare { .. } | Statement::Execute { .. } => {
            return Err(Failure::not_supported("PREPARE and EXECUTE as SQL are not supported")
                .with_hint("drivers prepare statements through the protocol; that works"));
        }
        Statement::Call(_) => return Err(Failure::not_supported("CALL stands alone in its message")),
        _ => return Err(Failure::read_only()),
    })
}

fn set_command(set: Set) -> Result<Command, Failure> {
    Ok(match set {
        Set::SingleAssignment { variable, values, .. } => {
            let value = values.iter().map(setting_value).collect::<Vec<_>>().join(", ");
            let default = value.eq_ignore_ascii_case("default");
            Command::Set(variable.to_string().replace('"', "").to_lowercase(), (!default).then_some(value))
        }
        Set::SetTimeZone { value, .. } => {
            let value = setting_value(&value);
            let default = ["default", "local"].contains(&value.to_ascii_lowercase().as_str());
            Command::Set("timezone".to_owned(), (!default).then_some(value))
        }
        Set::SetNames { charset_name, .. } => Command::Set("client_encoding".to_owned(), Some(charset_name.value)),
        Set::SetNamesDefault {} => Command::Set("client_encoding".to_owned(), None),
        Set::SetSessionAuthorization(param) => match param.kind {
            SetSessionAuthorizationParamKind::Default => Command::Set("session_authorization".to_owned(), None),
            SetSessionAuthorizationParamKind::User(_) => Command::Nothing("SET"),
        },
        Set::SetRole { .. } | Set::SetTransaction { .. } => Command::Nothing("SET"),
        _ => return Err(Failure::not_supported("this form of SET is not PostgreSQL's")),
    })
}

fn setting_value(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(name) => name.value.clone(),
        other => other.to_string(),
    }
}

fn fetch_count(direction: &FetchDirection) -> Result<Option<usize>, Failure> {
    let count = |limit: &datafusion::sql::sqlparser::ast::ValueWithSpan| {
        let text = limit.value.to_string();
        text.parse::<usize>().map(Some).map_err(|_| Failure::not_supported(format!("FETCH cannot go {text} rows")))
    };
    match direction {
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Ok(Some(1)),
        FetchDirection::All | FetchDirection::ForwardAll => Ok(None),
        FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => count(limit),
        _ => Err(Failure::not_supported("cursors here only go forward")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<String> {
        match StatementParser::new().parse(text) {
            Ok(commands) => commands.iter().map(|command| format!("{command:?}")).collect(),
            Err(failure) => vec![format!("{} {}", failure.code, failure.message)],
        }
    }

    #[test]
    fn what_drivers_send_at_the_start() {
        for (text, command) in [
            ("SET extra_float_digits = 3", "Set(\"extra_float_digits\", Some(\"3\"))"),
            (
                "SET application_name = 'PostgreSQL JDBC Driver'",
                "Set(\"application_name\", Some(\"PostgreSQL JDBC Driver\"))",
            ),
            ("SET TIME ZONE 'Asia/Seoul'", "Set(\"timezone\", Some(\"Asia/Seoul\"))"),
            ("SET timezone TO default", "Set(\"timezone\", None)"),
            ("SET client_encoding TO 'UTF8'", "Set(\"client_encoding\", Some(\"UTF8\"))"),
            ("SET NAMES 'utf8'", "Set(\"client_encoding\", Some(\"utf8\"))"),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "Nothing(\"SET\")"),
            ("SET search_path TO upbit, public", "Set(\"search_path\", Some(\"upbit, public\"))"),
            ("SHOW TRANSACTION ISOLATION LEVEL", "Show(\"TRANSACTION ISOLATION LEVEL\")"),
            ("SHOW standard_conforming_strings", "Show(\"standard_conforming_strings\")"),
            ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "Begin"),
            ("START TRANSACTION", "Begin"),
            ("END", "Commit"),
            ("DISCARD ALL", "DiscardAll"),
            ("DEALLOCATE ALL", "Deallocate(None)"),
            ("DEALLOCATE s1", "Deallocate(Some(\"s1\"))"),
            ("RESET ALL", "ResetAll"),
            ("CLOSE ALL", "CloseCursor(None)"),
            ("UNLISTEN *", "Nothing(\"UNLISTEN\")"),
            ("FETCH FORWARD 100 FROM \"c\"", "Fetch(\"c\", Some(100))"),
            ("FETCH ALL FROM c", "Fetch(\"c\", None)"),
        ] {
            assert_eq!(parsed(text), [command], "{text}");
        }
        assert!(parsed("DECLARE \"c\" NO SCROLL CURSOR FOR SELECT 1")[0].starts_with("DeclareCursor(\"c\""));
    }

    #[test]
    fn writing_is_refused() {
        for text in [
            "INSERT INTO trade VALUES (1)",
            "UPDATE trade SET market = ''",
            "DELETE FROM trade",
            "CREATE TABLE t (a int)",
            "CREATE VIEW v AS SELECT 1",
            "DROP TABLE trade",
            "TRUNCATE trade",
            "ALTER TABLE trade ADD COLUMN a int",
            "COPY trade TO '/tmp/x'",
            "COPY (SELECT 1) TO STDOUT",
            "GRANT SELECT ON trade TO ann",
        ] {
            assert_eq!(parsed(text), [format!("25006 {}", super::super::failure::READ_ONLY_MESSAGE)], "{text}");
        }
    }

    #[test]
    fn several_statements_and_mistakes() {
        assert_eq!(parsed("BEGIN; SELECT 1; COMMIT").len(), 3);
        assert!(parsed(" ; ").is_empty());
        assert!(parsed("SELEC 1")[0].starts_with("42601 syntax error"));
        let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(parsed(&deep)[0].starts_with("54000"), "{}", parsed(&deep)[0]);
        assert!(parsed(&" ".repeat(STATEMENT_BYTES_MAX + 1))[0].starts_with("54000"));
    }
}
