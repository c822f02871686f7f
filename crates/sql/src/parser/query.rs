//! The bridge to sqlparser: an expression or a query out of our tokens, and its errors as ours.

use sqlparser::ast::{Expr, Query};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use crate::diagnostic::Problem;
use crate::dialect::FlinkDialect;
use crate::lexer::lower_first;
use crate::tokens::{Cursor, Parsed, Steps, point};

/// How deep sqlparser may recurse: subqueries in subqueries, parentheses in parentheses.
const QUERY_DEPTH_MAX: usize = 64;

/// Ends the message of our own problem, before its hint, while it travels as sqlparser's error.
const HINT_MARK: char = '\u{1}';
const LINE_MARK: &str = " at Line: ";
const COLUMN_MARK: &str = ", Column: ";

pub(super) fn expression(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    run(cursor, |parser| parser.parse_expr())
}

pub(super) fn query(cursor: &mut Cursor<'_>) -> Parsed<Box<Query>> {
    super::refused::in_query(cursor)?;
    parentheses(cursor)?;
    run(cursor, |parser| parser.parse_query())
}

/// sqlparser reports a parenthesis that is never closed at some later place.
fn parentheses(cursor: &Cursor<'_>) -> Parsed<()> {
    let mut open = Vec::new();
    for token in cursor.rest() {
        match token.token {
            Token::LParen => open.push(token.span),
            Token::RParen if open.pop().is_none() => return Err(Problem::new(token.span, "this ) closes nothing")),
            _ => {}
        }
    }
    open.pop().map_or(Ok(()), |span| Err(Problem::new(span, "this ( is never closed")))
}

fn run<T>(cursor: &mut Cursor<'_>, parse: fn(&mut Parser<'_>) -> Result<T, ParserError>) -> Parsed<T> {
    if cursor.rest().is_empty() {
        return Err(cursor.unexpected("an expression"));
    }
    let mut tokens = cursor.rest().to_vec();
    // sqlparser's own end of input has no place
    tokens.push(TokenWithSpan::new(Token::EOF, cursor.end_span()));
    let dialect = FlinkDialect;
    let mut parser = Parser::new(&dialect).with_recursion_limit(QUERY_DEPTH_MAX).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|error| decode(error, cursor))?;
    cursor.skip(parser.index());
    Ok(parsed)
}

/// A problem of ours found inside sqlparser's parser, in the only form its errors have: text.
pub(crate) fn encode_problem(problem: &Problem) -> ParserError {
    let hint = problem.hint.as_deref().unwrap_or_default();
    let Location { line, column } = problem.span.start;
    ParserError::ParserError(format!("{}{HINT_MARK}{hint}{LINE_MARK}{line}{COLUMN_MARK}{column}", problem.message))
}

fn decode(error: ParserError, cursor: &Cursor<'_>) -> Problem {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return Problem::new(cursor.next_span(), format!("this is nested deeper than {QUERY_DEPTH_MAX} levels"));
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
    };
    let (message, place) =
        match text.rsplit_once(LINE_MARK).and_then(|(message, place)| Some((message, location(place)?))) {
            Some((message, place)) => (message.to_owned(), Some(place)),
            None => (text, None),
        };
    let span = place.map_or(cursor.end_span(), |place| span_at(place, cursor));
    match message.split_once(HINT_MARK) {
        Some((message, hint)) => Problem::new(span, message).maybe_hint((!hint.is_empty()).then(|| hint.to_owned())),
        None => Problem::new(span, reworded(&message)),
    }
}

fn location(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(COLUMN_MARK)?;
    Some(Location::new(line.parse().ok()?, column.parse().ok()?))
}

/// The token that starts at a place.
fn span_at(place: Location, cursor: &Cursor<'_>) -> Span {
    let token = cursor.rest().iter().find(|token| token.span.start == place);
    token.map_or(point(place), |token| token.span)
}

/// sqlparser's `Expected: a, found: b` in our words.
fn reworded(message: &str) -> String {
    let message = message
        .replace("Expected: ", "expected ")
        .replace(", found: EOF", ", found the end")
        .replace(", found: ", ", found ");
    lower_first(message.trim_start_matches("sql parser error: "))
}
