//! Tokens to statements. Each statement is parsed on its own, so a file with ten mistakes reports all ten.
//!
//! DDL is ours, because sqlparser does not know Flink's; expressions and queries are sqlparser's, with places of the original file.

use sqlparser::tokenizer::{Span, Token};

use crate::diagnostic::{Diagnostics, Problem};
use crate::lexer::{Chunk, chunks};
use crate::name::did_you_mean;
use crate::source::Source;
use crate::statement::{Insert, Statement};
use crate::tokens::{Cursor, Parsed, Steps, bare_word};

mod create;
mod data_type;
mod insert;
mod query;
mod refused;
mod simple;
mod table;

pub(crate) use data_type::parse_sql_type;
pub(crate) use query::encode_problem;

/// Collects the mistakes that parsing can go on after.
pub(crate) struct Report<'a> {
    source: &'a Source,
    diagnostics: &'a mut Diagnostics,
    count: usize,
}

impl Report<'_> {
    pub(crate) fn add(&mut self, problem: Problem) {
        self.count += 1;
        self.source.report(problem, self.diagnostics);
    }

    /// The value, or None and the mistake reported.
    pub(crate) fn keep<T>(&mut self, parsed: Parsed<T>) -> Option<T> {
        parsed.map_err(|problem| self.add(problem)).ok()
    }

    /// How many were added so far.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// All statements that could be read; every mistake goes to `diagnostics`.
pub(crate) fn parse(source: &Source, diagnostics: &mut Diagnostics) -> Vec<Statement> {
    let chunks = chunks(source, diagnostics);
    let mut parser = Parser { report: Report { source, diagnostics, count: 0 }, statements: Vec::new(), set: None };
    for chunk in &chunks {
        parser.chunk(chunk);
    }
    parser.finish()
}

struct Parser<'a> {
    report: Report<'a>,
    statements: Vec<Statement>,
    set: Option<OpenSet>,
}

/// An EXECUTE STATEMENT SET whose END has not come yet.
struct OpenSet {
    start: Span,
    inserts: Vec<Insert>,
}

impl Parser<'_> {
    fn chunk(&mut self, chunk: &Chunk) {
        let mut cursor = Cursor::new(&chunk.tokens, chunk.end);
        let start = cursor.next_span();
        if cursor.eat(&["EXECUTE", "STATEMENT", "SET"]) {
            if self.set.is_some() {
                self.report.add(Problem::new(start, "a statement set cannot stand in another one"));
            }
            if let Err(problem) = cursor.expect(&["BEGIN"]) {
                self.report.add(problem);
                return;
            }
            self.set.get_or_insert(OpenSet { start, inserts: Vec::new() });
        }
        if chunk.broken || (self.set.is_some() && cursor.rest().is_empty()) {
            return;
        }
        if self.set.is_some() {
            self.chunk_in_set(cursor);
        } else {
            self.statement(cursor);
        }
    }

    fn chunk_in_set(&mut self, mut cursor: Cursor<'_>) {
        if cursor.eat(&["END"]) {
            self.report.keep(end_of_statement(&cursor));
            if let Some(set) = self.set.take() {
                if set.inserts.is_empty() {
                    self.report.add(Problem::new(set.start, "this statement set has no INSERT INTO"));
                }
                self.statements.push(Statement::Inserts(set.inserts));
            }
        } else if cursor.sees(&["INSERT"]) {
            let ends = cursor.rest().last().is_some_and(|token| bare_word(&token.token).as_deref() == Some("END"));
            let insert = insert::insert(&mut cursor);
            match (self.report.keep(insert), &mut self.set) {
                (Some(insert), Some(set)) => set.inserts.push(insert),
                // only the ; before END is missing
                (None, _) if ends => self.close_set_quietly(),
                _ => {}
            }
        } else {
            let found = cursor.unexpected("INSERT INTO or END");
            self.report.add(found.hint("between BEGIN and END a statement set holds INSERT INTO statements only"));
            // most likely END is missing: read on as if it had been there
            if cursor.word_at(0).is_some_and(|word| simple::STARTERS.contains(&word.as_str())) {
                self.close_set_quietly();
                self.statement(cursor);
            }
        }
    }

    fn close_set_quietly(&mut self) {
        if let Some(set) = self.set.take() {
            self.statements.push(Statement::Inserts(set.inserts));
        }
    }

    fn statement(&mut self, mut cursor: Cursor<'_>) {
        let parsed = statement(&mut cursor, &mut self.report);
        self.statements.extend(self.report.keep(parsed));
    }

    fn finish(mut self) -> Vec<Statement> {
        if let Some(set) = &self.set {
            let span = set.start;
            self.report
                .add(Problem::new(span, "this statement set has no END").hint("write END; after its last INSERT INTO"));
            self.close_set_quietly();
        }
        self.statements
    }
}

fn statement(cursor: &mut Cursor<'_>, report: &mut Report<'_>) -> Parsed<Statement> {
    let Some(word) = cursor.word_at(0) else {
        return Err(cursor.unexpected("a statement"));
    };
    match word.as_str() {
        "CREATE" => create::create(cursor, report),
        "DROP" => simple::drop_object(cursor),
        "USE" => simple::use_object(cursor),
        "SET" => simple::set(cursor),
        "RESET" => simple::reset(cursor),
        "INSERT" => insert::insert(cursor).map(|insert| Statement::Insert(Box::new(insert))),
        _ => Err(refused::statement(cursor).unwrap_or_else(|| unknown_statement(cursor, &word))),
    }
}

fn unknown_statement(cursor: &Cursor<'_>, word: &str) -> Problem {
    cursor.unexpected("a statement").maybe_hint(did_you_mean(word, simple::STARTERS.iter().copied()))
}

/// Nothing may be left before the `;`.
fn end_of_statement(cursor: &Cursor<'_>) -> Parsed<()> {
    let Some(next) = cursor.rest().first() else { return Ok(()) };
    let problem = cursor.unexpected("the end of the statement");
    let starts = bare_word(&next.token).is_some_and(|word| simple::STARTERS.contains(&word.as_str()) || word == "END");
    Err(if starts { problem.hint("write ; before it") } else { problem })
}

/// `( item, item, … )`: the tokens of each item with the token that ends it. Commas inside `()`, `[]` and a type's `<>` do not count.
fn list_items<'t>(cursor: &mut Cursor<'t>) -> Parsed<Vec<Cursor<'t>>> {
    let open = cursor.expect_token(&Token::LParen)?;
    let tokens = cursor.rest();
    let mut items = Vec::new();
    let mut nested: Vec<Token> = Vec::new();
    let mut from = 0;
    for (at, token) in tokens.iter().enumerate() {
        let item = || Cursor::new(tokens.get(from..at).unwrap_or_default(), token.span);
        match &token.token {
            Token::LParen | Token::LBracket => nested.push(token.token.clone()),
            Token::Lt
                if at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|t| opens_type(&t.token)) =>
            {
                nested.push(Token::Lt);
            }
            Token::Gt if nested.last() == Some(&Token::Lt) => drop(nested.pop()),
            // a bracket closes whatever was left open inside it
            Token::RBracket => {
                nested.truncate(nested.iter().rposition(|open| *open == Token::LBracket).unwrap_or(nested.len()))
            }
            Token::RParen => match nested.iter().rposition(|open| *open == Token::LParen) {
                Some(open) => nested.truncate(open),
                None => {
                    items.push(item());
                    cursor.skip(at + 1);
                    return Ok(items);
                }
            },
            Token::Comma if nested.is_empty() => {
                items.push(item());
                from = at + 1;
            }
            _ => {}
        }
    }
    Err(Problem::new(open, "this ( is never closed"))
}

fn opens_type(token: &Token) -> bool {
    bare_word(token).is_some_and(|word| ["ARRAY", "MAP", "MULTISET", "ROW"].contains(&word.as_str()))
}

#[cfg(test)]
mod tests;
