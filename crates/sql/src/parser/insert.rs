//! INSERT INTO table [(columns)] query.

use sqlparser::tokenizer::Token;

use super::{end_of_statement, query, refused, simple};
use crate::diagnostic::Problem;
use crate::statement::{Insert, ObjectKind};
use crate::tokens::{Cursor, Parsed, Steps, TokenStream, bare_word};

pub(super) fn insert(cursor: &mut Cursor<'_>) -> Parsed<Insert> {
    let start = cursor.next_span().start;
    if cursor.sees(&["INSERT", "OVERWRITE"]) {
        return Err(refused::by_name(cursor, 2));
    }
    cursor.expect(&["INSERT"])?;
    cursor.expect(&["INTO"])?;
    let sink = simple::path(cursor, ObjectKind::Table, 3)?;
    if cursor.sees(&["PARTITION"]) {
        return Err(refused::by_name(cursor, 1).hint("write the partition's columns in the SELECT list"));
    }
    let columns = column_list(cursor)?;
    if cursor.sees(&["VALUES"]) {
        let span = cursor.next_span();
        return Err(Problem::new(span, "INSERT INTO … VALUES runs on Flink only")
            .hint("a pipeline's INSERT INTO reads from a table"));
    }
    let query = query::query(cursor)?;
    end_of_statement(cursor)?;
    Ok(Insert { sink, columns, query, span: cursor.span_since(start) })
}

/// `(a, b)`, unless the parenthesis opens the query itself.
fn column_list(cursor: &mut Cursor<'_>) -> Parsed<Option<Vec<sqlparser::ast::Ident>>> {
    if cursor.peek().token != Token::LParen {
        return Ok(None);
    }
    let query_follows = (1..).map(|ahead| cursor.peek_at(ahead)).find(|token| token.token != Token::LParen);
    let word = query_follows.and_then(|token| bare_word(&token.token));
    match word.as_deref() {
        Some("SELECT" | "WITH" | "VALUES") => Ok(None),
        _ => simple::names(cursor).map(Some),
    }
}
