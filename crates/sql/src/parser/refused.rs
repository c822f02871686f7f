//! What Flink runs and hoga does not, told by name.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::diagnostic::Problem;
use crate::tokens::{Cursor, Parsed, Steps, TokenStream, bare_word, joined};

/// What to write instead is the same for all of them.
const HINT: &str = "a pipeline is made of CREATE, DROP, USE, SET, RESET, INSERT INTO and EXECUTE STATEMENT SET";

/// First words of Flink statements that stand in no pipeline, and how many words name them.
const STATEMENTS: &[(&str, usize)] = &[
    ("ADD", 2),
    ("ALTER", 2),
    ("ANALYZE", 2),
    ("BEGIN", 3),
    ("CALL", 1),
    ("CLEAR", 1),
    ("COMPILE", 2),
    ("DELETE", 1),
    ("DESC", 1),
    ("DESCRIBE", 1),
    ("EXECUTE", 2),
    ("EXIT", 1),
    ("EXPLAIN", 1),
    ("HELP", 1),
    ("LOAD", 2),
    ("MERGE", 1),
    ("QUIT", 1),
    ("REMOVE", 2),
    ("SHOW", 2),
    ("STOP", 2),
    ("TRUNCATE", 2),
    ("UNLOAD", 2),
    ("UPDATE", 1),
];

/// The refusal of a whole statement, if its first word is one of Flink's.
pub(super) fn statement(cursor: &Cursor<'_>) -> Option<Problem> {
    let word = cursor.word_at(0)?;
    let span = cursor.next_span();
    if ["SELECT", "WITH", "VALUES", "TABLE"].contains(&word.as_str()) {
        return Some(
            Problem::new(span, "a query alone does nothing in a pipeline")
                .hint("write INSERT INTO table SELECT …, or ask with hoga sql"),
        );
    }
    if word == "BEGIN" {
        return Some(
            Problem::new(span, "BEGIN STATEMENT SET is the old spelling")
                .hint("write EXECUTE STATEMENT SET BEGIN … END;"),
        );
    }
    let (_, count) = STATEMENTS.iter().find(|(first, _)| *first == word)?;
    Some(by_name(cursor, *count))
}

/// `… runs on Flink only` for the next words of a statement.
pub(super) fn by_name(cursor: &Cursor<'_>, count: usize) -> Problem {
    let words: Vec<String> = (0..count).map_while(|ahead| cursor.word_at(ahead)).collect();
    let last = cursor.peek_at(words.len().saturating_sub(1)).span;
    Problem::new(joined(cursor.next_span(), last), format!("{} runs on Flink only", words.join(" "))).hint(HINT)
}

/// Clauses inside a query that sqlparser would trip over or silently accept.
pub(super) fn in_query(cursor: &Cursor<'_>) -> Parsed<()> {
    let tokens = cursor.rest();
    for at in 0..tokens.len() {
        let word = |ahead: usize| tokens.get(at + ahead).and_then(|token| bare_word(&token.token));
        let sees = |words: &[&str]| {
            words.iter().enumerate().all(|(ahead, expected)| word(ahead).as_deref() == Some(*expected))
        };
        let opens = |ahead: usize| tokens.get(at + ahead).is_some_and(|token| token.token == Token::LParen);
        let (name, words) = if sees(&["MATCH_RECOGNIZE"]) && opens(1) {
            ("MATCH_RECOGNIZE", 1)
        } else if sees(&["FOR", "SYSTEM_TIME", "AS", "OF"]) {
            ("a temporal join (FOR SYSTEM_TIME AS OF)", 4)
        } else if sees(&["LATERAL", "TABLE"]) {
            ("LATERAL TABLE", 2)
        } else if sees(&["TABLESAMPLE"]) && opens(1) {
            ("TABLESAMPLE", 1)
        } else if sees(&["ML_PREDICT"]) && opens(1) {
            ("ML_PREDICT", 1)
        } else {
            continue;
        };
        let span = |ahead: usize| tokens.get(at + ahead).map(|token: &TokenWithSpan| token.span);
        let first = span(0).unwrap_or(cursor.end_span());
        let last = span(words - 1).unwrap_or(first);
        return Err(Problem::new(joined(first, last), format!("{name} runs on Flink only")));
    }
    Ok(())
}
