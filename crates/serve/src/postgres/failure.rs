//! What a client is told when a statement fails: SQLSTATE, a clean message, a hint, a position. Pure.
//!
//! Codes: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use pgwire::error::{ErrorInfo, PgWireError};

use crate::procedure::CallError;

pub(super) const SYNTAX_ERROR: &str = "42601";
pub(super) const UNDEFINED_TABLE: &str = "42P01";
pub(super) const UNDEFINED_COLUMN: &str = "42703";
const UNDEFINED_FUNCTION: &str = "42883";
const UNDEFINED_OBJECT: &str = "42704";
const AMBIGUOUS_COLUMN: &str = "42702";
const GROUPING_ERROR: &str = "42803";
const DATATYPE_MISMATCH: &str = "42804";
const DIVISION_BY_ZERO: &str = "22012";
const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
const INVALID_TEXT_REPRESENTATION: &str = "22P02";
pub(super) const INVALID_PARAMETER_VALUE: &str = "22023";
pub(super) const READ_ONLY: &str = "25006";
pub(super) const FAILED_TRANSACTION: &str = "25P02";
pub(super) const NO_ACTIVE_TRANSACTION: &str = "25P01";
pub(super) const QUERY_CANCELED: &str = "57014";
pub(super) const ADMIN_SHUTDOWN: &str = "57P01";
pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
const OUT_OF_MEMORY: &str = "53200";
pub(super) const LIMIT_EXCEEDED: &str = "54000";
pub(super) const FEATURE_NOT_SUPPORTED: &str = "0A000";
pub(super) const PROTOCOL_VIOLATION: &str = "08P01";
pub(super) const UNDEFINED_DATABASE: &str = "3D000";
pub(super) const INVALID_CURSOR: &str = "34000";
const SYSTEM_ERROR: &str = "58000";
const INTERNAL_ERROR: &str = "XX000";

pub(super) const READ_ONLY_MESSAGE: &str = "hoga's tables are written by the pipeline; this connection reads";

/// Names this close to a wrong one are worth a hint.
const NEAR_NAME_SIMILARITY: f64 = 0.5;

/// One error answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) fatal: bool,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// Where in the statement, both counted from 1.
    pub(super) line_column: Option<(u64, u64)>,
    /// The same as characters from the start, counted from 1; see [`Failure::located_in`].
    position: Option<usize>,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { fatal: false, code, message: message.into(), hint: None, line_column: None, position: None }
    }

    /// Ends the connection as well.
    pub(super) fn fatal(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { fatal: true, ..Failure::new(code, message) }
    }

    pub(super) fn read_only() -> Failure {
        Failure::new(READ_ONLY, READ_ONLY_MESSAGE)
    }

    pub(super) fn not_supported(message: impl Into<String>) -> Failure {
        Failure::new(FEATURE_NOT_SUPPORTED, message)
    }

    pub(super) fn protocol(message: impl Into<String>) -> Failure {
        Failure::new(PROTOCOL_VIOLATION, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Failure {
        Failure::new(INTERNAL_ERROR, message)
    }

    pub(super) fn unknown_setting(name: &str) -> Failure {
        Failure::new(UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Turns line and column into the character that psql points at.
    pub(super) fn located_in(mut self, text: &str) -> Failure {
        if let Some((line, column)) = self.line_column.filter(|(line, column)| *line > 0 && *column > 0) {
            let before: usize =
                text.split('\n').take(line as usize - 1).map(|line| line.chars().count() + 1).sum::<usize>();
            self.position = Some(before + column as usize);
        }
        self
    }

    /// Names the table that was probably meant.
    pub(super) fn with_near_name<'a>(self, wrong: &str, known: impl Iterator<Item = &'a str>) -> Failure {
        let similarity = |name: &str| datafusion::common::utils::datafusion_strsim::normalized_levenshtein(name, wrong);
        let near = known
            .map(|name| (similarity(name), name))
            .filter(|(similarity, _)| *similarity >= NEAR_NAME_SIMILARITY)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match near {
            Some((_, name)) if self.hint.is_none() => self.with_hint(format!("did you mean \"{name}\"?")),
            _ => self,
        }
    }
}

impl From<Failure> for PgWireError {
    fn from(failure: Failure) -> PgWireError {
        let severity = if failure.fatal { "FATAL" } else { "ERROR" };
        let mut info = ErrorInfo::new(severity.to_owned(), failure.code.to_owned(), failure.message);
        info.severity_nonlocalized = Some(severity.to_owned());
        info.hint = failure.hint;
        info.position = failure.position.map(|position| position.to_string());
        PgWireError::UserError(Box::new(info))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        Failure::new(if error.is_mistake { INVALID_PARAMETER_VALUE } else { SYSTEM_ERROR }, error.message)
    }
}

impl From<ParserError> for Failure {
    fn from(error: ParserError) -> Failure {
        match error {
            ParserError::RecursionLimitExceeded => Failure::new(LIMIT_EXCEEDED, "the statement is nested too deeply"),
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
                let (message, line_column) = split_location(&text);
                let mut failure = Failure::new(SYNTAX_ERROR, format!("syntax error: {}", lower_first(message)));
                failure.line_column = line_column;
                failure
            }
        }
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Failure {
        let mut failure = classify(error.find_root());
        if let Some(diagnostic) = error.diagnostic() {
            failure.line_column = diagnostic.span.map(|span| (span.start.line, span.start.column));
            if failure.hint.is_none() {
                failure.hint = diagnostic.helps.first().map(|help| lower_first(&help.message));
            }
        }
        failure
    }
}

fn classify(error: &DataFusionError) -> Failure {
    match error {
        DataFusionError::SQL(error, _) => Failure::from(error.as_ref().clone()),
        DataFusionError::SchemaError(error, _) => schema_failure(error),
        DataFusionError::Plan(message) => plan_failure(message),
        DataFusionError::ArrowError(error, _) => arrow_failure(error),
        DataFusionError::NotImplemented(message) => Failure::new(FEATURE_NOT_SUPPORTED, clean(message)),
        DataFusionError::ResourcesExhausted(message) => {
            Failure::new(OUT_OF_MEMORY, format!("the query needs more memory than it may use: {}", clean(message)))
                .with_hint("narrow it with WHERE on dt or market, or LIMIT")
        }
        DataFusionError::Execution(message) => execution_failure(message),
        DataFusionError::Collection(errors) if !errors.is_empty() => classify(errors[0].find_root()),
        DataFusionError::External(error) => match error.downcast_ref::<ArrowError>() {
            Some(error) => arrow_failure(error),
            None => Failure::new(SYSTEM_ERROR, error.to_string()),
        },
        DataFusionError::IoError(error) => Failure::new(SYSTEM_ERROR, error.to_string()),
        other => Failure::internal(clean(&other.strip_backtrace())),
    }
}

fn schema_failure(error: &SchemaError) -> Failure {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let failure = Failure::new(UNDEFINED_COLUMN, format!("column \"{}\" does not exist", field.flat_name()));
            failure.with_near_name(&field.name, valid_fields.iter().map(|column| column.name.as_str()))
        }
        SchemaError::AmbiguousReference { field } => {
            Failure::new(AMBIGUOUS_COLUMN, format!("column reference \"{}\" is ambiguous", field.name))
        }
        other => Failure::new(AMBIGUOUS_COLUMN, lower_first(&other.to_string())),
    }
}

fn plan_failure(message: &str) -> Failure {
    let message = message.trim();
    if let Some(name) = quoted_between(message, "table '", "' not found") {
        // `hoga.upbit.trad` is how DataFusion resolved it; people wrote the end of that
        let shown = name.strip_prefix("hoga.").unwrap_or(name);
        let shown = shown.split('@').next().unwrap_or(shown); // without the moment that was asked for
        return Failure::new(UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist"));
    }
    if message.contains("has no system table") {
        return Failure::new(UNDEFINED_TABLE, clean(message));
    }
    if let Some(name) = quoted_between(message, "table function '", "' not found") {
        return Failure::new(UNDEFINED_FUNCTION, format!("function {name} does not exist"));
    }
    if let Some(name) = quoted_between(message, "Invalid function '", "'") {
        let near = quoted_between(message, "Did you mean '", "'");
        let failure = Failure::new(UNDEFINED_FUNCTION, format!("function {name} does not exist"));
        return match near {
            Some(near) => failure.with_hint(format!("did you mean {near}?")),
            None => failure,
        };
    }
    if let Some(column) = quoted_between(message, "column \"", "\" must appear in the GROUP BY clause") {
        let message =
            format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
        return Failure::new(GROUPING_ERROR, message);
    }
    if ["DDL not supported", "DML not supported", "Statement not supported"].iter().any(|p| message.starts_with(p)) {
        return Failure::read_only();
    }
    let code = if message.contains("in GROUP BY") || message.contains("must be part of GROUP BY") {
        GROUPING_ERROR
    } else if message.contains("Failed to coerce arguments") || message.contains("No function matches") {
        UNDEFINED_FUNCTION
    } else if message.contains("coerc") || message.contains("Cannot infer common") || message.contains("type") {
        DATATYPE_MISMATCH
    } else {
        SYNTAX_ERROR
    };
    Failure::new(code, clean(message))
}

fn execution_failure(message: &str) -> Failure {
    let code = if message.contains("Divide by zero") || message.contains("divide by zero") {
        return Failure::new(DIVISION_BY_ZERO, "division by zero");
    } else if message.contains("Cannot cast") || message.contains("rror parsing") {
        INVALID_TEXT_REPRESENTATION
    } else if message.contains("verflow") {
        NUMERIC_VALUE_OUT_OF_RANGE
    } else {
        INVALID_PARAMETER_VALUE
    };
    Failure::new(code, clean(message))
}

fn arrow_failure(error: &ArrowError) -> Failure {
    match error {
        ArrowError::DivideByZero => Failure::new(DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(message) => Failure::new(NUMERIC_VALUE_OUT_OF_RANGE, lower_first(message)),
        ArrowError::CastError(message) | ArrowError::ParseError(message) => {
            Failure::new(INVALID_TEXT_REPRESENTATION, cast_message(message))
        }
        ArrowError::NotYetImplemented(message) => Failure::new(FEATURE_NOT_SUPPORTED, lower_first(message)),
        ArrowError::ExternalError(error) => match error.downcast_ref::<DataFusionError>() {
            Some(error) => classify(error.find_root()),
            None => Failure::new(SYSTEM_ERROR, error.to_string()),
        },
        ArrowError::InvalidArgumentError(message) | ArrowError::ComputeError(message) => execution_failure(message),
        other => Failure::internal(lower_first(&other.to_string())),
    }
}

/// Arrow says `Cannot cast string 'x' to value of Int64 type`.
fn cast_message(message: &str) -> String {
    let value = quoted_between(message, "Cannot cast string '", "' to value of ");
    let name = quoted_between(message, "' to value of ", " type").map(|name| match name {
        "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Boolean" => "boolean",
        "Date32" => "date",
        other => other,
    });
    match (value, name) {
        (Some(value), Some(name)) => format!("invalid input syntax for type {name}: \"{value}\""),
        _ => lower_first(message),
    }
}

/// Without the engine's own prefixes, and only the first paragraph.
fn clean(message: &str) -> String {
    let mut text = message.split("\n\n").next().unwrap_or(message).trim();
    loop {
        let shorter = [
            "Error during planning: ",
            "Execution error: ",
            "Arrow error: ",
            "Internal error: ",
            "External error: ",
            "Schema error: ",
            "This feature is not implemented: ",
            "Optimizer rule ",
            "type_coercion\ncaused by\n",
        ]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
        match shorter {
            Some(rest) => text = rest.trim(),
            None => return lower_first(text),
        }
    }
}

/// Splits ` at Line: 1, Column: 8` off the parser's messages.
fn split_location(text: &str) -> (&str, Option<(u64, u64)>) {
    let Some(at) = text.rfind(" at Line: ") else { return (text.trim(), None) };
    let rest = &text[at + " at Line: ".len()..];
    let location = rest.split_once(", Column: ").and_then(|(line, column)| {
        let column: String = column.chars().take_while(char::is_ascii_digit).collect();
        Some((line.trim().parse().ok()?, column.parse().ok()?))
    });
    (text[..at].trim(), location)
}

fn quoted_between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), text.chars().nth(1)) {
        // an acronym keeps its case
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_point_at_the_character() {
        let error = ParserError::ParserError("Expected: an expression, found: FROM at Line: 2, Column: 3".to_owned());
        let failure = Failure::from(error).located_in("SELECT\n  FROM trade");
        assert_eq!(failure.message, "syntax error: expected: an expression, found: FROM");
        assert_eq!((failure.code, failure.position), (SYNTAX_ERROR, Some(10)));
    }

    #[test]
    fn an_engine_error_loses_its_prefixes() {
        let error = DataFusionError::Plan("Error during planning: Something is wrong".to_owned());
        assert_eq!(Failure::from(error).message, "something is wrong");
        let error = DataFusionError::Plan("table 'hoga.upbit.trad' not found".to_owned());
        let failure = Failure::from(error).with_near_name("trad", ["ticker", "trade"].into_iter());
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (UNDEFINED_TABLE, "relation \"upbit.trad\" does not exist")
        );
        assert_eq!(failure.hint.as_deref(), Some("did you mean \"trade\"?"));
    }

    #[test]
    fn a_wrapped_arrow_error_is_found() {
        let error = DataFusionError::from(ArrowError::DivideByZero).context("while folding constants");
        assert_eq!(Failure::from(error).code, DIVISION_BY_ZERO);
    }
}
