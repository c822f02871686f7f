//! Text to tokens: one list per statement, with places of the original file, so that one bad statement spoils no other.
//!
//! In: a [`Source`]. Out: [`Chunk`]s, split at every `;` that is not in a string, a name or a comment.
//! Refused here, by name: what is no Flink SQL at the level of tokens (double quotes, `::`, `!=`), and hints.

use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::diagnostic::{Diagnostics, Problem};
use crate::dialect::FlinkDialect;
use crate::source::{RegionKind, Source, regions};
use crate::tokens::{bare_word, point};

/// No statement of a pipeline comes near: the widest one here, a ticker table, has 200 tokens.
pub(crate) const STATEMENT_TOKENS_MAX: usize = 20_000;

/// Each operator nests the tree one level deeper, and to clone or compare a tree takes stack: 300 levels fill the 2 MB of a
/// thread in a debug build. Counted from comma to comma.
pub(crate) const EXPRESSION_OPERATORS_MAX: usize = 200;

/// UNION and its kin nest a query in the same way, across commas.
pub(crate) const SET_OPERATORS_MAX: usize = 100;

/// Parentheses within parentheses: each level can double sqlparser's work where it must try two readings.
pub(crate) const PARENTHESES_DEPTH_MAX: usize = 24;

/// The tokens of one statement, without its `;`, whitespace and comments.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Where the statement ends: its `;`, or the end of the file.
    pub(crate) end: Span,
    /// The tokens stop early at a mistake that is already reported.
    pub(crate) broken: bool,
}

/// Splits and tokenizes. Statements without any token are left out.
pub(crate) fn chunks(source: &Source, diagnostics: &mut Diagnostics) -> Vec<Chunk> {
    let text = source.expanded();
    let mut chunks = Vec::new();
    let mut start = 0;
    for semicolon in semicolons(text).into_iter().chain([text.len()]) {
        let chunk = chunk(source, start..semicolon, diagnostics);
        if !chunk.tokens.is_empty() || chunk.broken {
            chunks.push(chunk);
        }
        start = semicolon + 1;
    }
    chunks
}

fn semicolons(text: &str) -> Vec<usize> {
    let code = regions(text).into_iter().filter(|region| region.kind == RegionKind::Code);
    code.flat_map(|region| {
        let piece = text.get(region.range.clone()).unwrap_or_default();
        piece.match_indices(';').map(|(at, _)| region.range.start + at).collect::<Vec<_>>()
    })
    .collect()
}

fn chunk(source: &Source, range: std::ops::Range<usize>, diagnostics: &mut Diagnostics) -> Chunk {
    let text = source.expanded().get(range.clone()).unwrap_or_default();
    let first = source.expanded_location(range.start);
    let last = source.expanded_location(range.end);
    let semicolon = Location::new(last.line, last.column + 1);
    let end_of_file = range.end >= source.expanded().len();
    let end = if end_of_file {
        point(source.to_original(last, true))
    } else {
        Span::new(source.to_original(last, false), source.to_original(semicolon, true))
    };
    let place = |within: Location, ends: bool| source.to_original(shifted(first, within), ends);

    let mut raw = Vec::new();
    let dialect = FlinkDialect;
    let outcome = Tokenizer::new(&dialect, text).tokenize_with_location_into_buf_with_mapper(&mut raw, |token| {
        let span = Span::new(place(token.span.start, false), place(token.span.end, true));
        TokenWithSpan::new(token.token, span)
    });
    let mut tokens = Vec::with_capacity(raw.len());
    let mut problems: Vec<Problem> = raw.iter().filter_map(|token| refused_token(token, source)).collect();
    for token in raw {
        push(token, &mut tokens);
    }
    if let Err(error) = outcome {
        problems.push(lexical_problem(&error.message, point(place(error.location, false)), &tokens));
    }
    problems.extend(too_large(&tokens));
    let broken = !problems.is_empty();
    problems.into_iter().for_each(|problem| source.report(problem, diagnostics));
    Chunk { tokens, end, broken }
}

/// A location counted from the start of a piece, as a location of the whole.
fn shifted(first: Location, within: Location) -> Location {
    if within.line <= 1 {
        Location::new(first.line, first.column + within.column.saturating_sub(1))
    } else {
        Location::new(first.line + within.line - 1, within.column)
    }
}

/// Drops whitespace; writes `>>` as two `>`, because Flink knows it only as the end of two types.
fn push(token: TokenWithSpan, tokens: &mut Vec<TokenWithSpan>) {
    match token.token {
        Token::Whitespace(_) => {}
        Token::ShiftRight => {
            let Span { start, end } = token.span;
            let middle = Location::new(start.line, (start.column + 1).min(end.column.max(start.column)));
            tokens.push(TokenWithSpan::new(Token::Gt, Span::new(start, middle)));
            tokens.push(TokenWithSpan::new(Token::Gt, Span::new(middle, end)));
        }
        _ => tokens.push(token),
    }
}

fn refused_token(token: &TokenWithSpan, source: &Source) -> Option<Problem> {
    let span = token.span;
    match &token.token {
        Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.starts_with('+') => {
            let name = comment.trim_start_matches('+').trim().split(['(', ' ']).next().unwrap_or_default().to_owned();
            Some(
                Problem::new(span, format!("hint /*+ {name} */ runs on Flink only"))
                    .hint("write the option in the table's WITH (…)"),
            )
        }
        Token::DoubleQuotedString(text) => Some(
            Problem::new(span, "double quotes mean nothing in Flink SQL")
                .hint(format!("write '{text}' for a text, `{text}` for a name")),
        ),
        Token::Word(word) if word.quote_style.is_none() && !word.value.is_ascii() => Some(
            Problem::new(span, format!("{} needs backticks: names without them are of ASCII letters", word.value))
                .hint(format!("write `{}`", word.value)),
        ),
        Token::Neq if source.original_text(span) == "!=" => {
            Some(Problem::new(span, "Flink SQL has no operator !=").hint("write <>"))
        }
        Token::DoubleColon => Some(Problem::new(span, "Flink SQL has no operator ::").hint("write CAST(… AS …)")),
        Token::DoubleEq => Some(Problem::new(span, "Flink SQL has no operator ==").hint("write =")),
        _ => None,
    }
}

fn lexical_problem(message: &str, span: Span, before: &[TokenWithSpan]) -> Problem {
    let message = match message {
        "Unterminated string literal" => "this text has no closing quote".to_owned(),
        "Unexpected EOF while in a multi-line comment" => "this comment has no closing */".to_owned(),
        other if other.contains("close delimiter '`'") => "this name has no closing backtick".to_owned(),
        other => lower_first(other),
    };
    // one missing quote turns every later text inside out: the first text that runs over a line end is the suspect
    let suspect = before.iter().find(|token| {
        matches!(token.token, Token::SingleQuotedString(_)) && token.span.end.line > token.span.start.line
    });
    let problem = Problem::new(span, message);
    match suspect {
        Some(token) => problem.hint(format!(
            "look at line {}, column {}: the text that starts there runs over the end of its line",
            token.span.start.line, token.span.start.column
        )),
        None => problem,
    }
}

fn too_large(tokens: &[TokenWithSpan]) -> Option<Problem> {
    let span = tokens.first()?.span;
    if tokens.len() > STATEMENT_TOKENS_MAX {
        return Some(Problem::new(
            span,
            format!("this statement has more than {STATEMENT_TOKENS_MAX} words and signs"),
        ));
    }
    let set_operator =
        |token: &&TokenWithSpan| bare_word(&token.token).is_some_and(|word| SET_OPERATORS.contains(&word.as_str()));
    if let Some(token) = tokens.iter().filter(set_operator).nth(SET_OPERATORS_MAX) {
        return Some(Problem::new(token.span, format!("this statement has more than {SET_OPERATORS_MAX} UNIONs")));
    }
    too_deep(tokens)
}

/// Follows how deep the tree of each list item will be, parenthesis by parenthesis.
fn too_deep(tokens: &[TokenWithSpan]) -> Option<Problem> {
    let mut depths = vec![0usize];
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => depths.push(0),
            Token::RParen | Token::RBracket if depths.len() > 1 => {
                let inner = depths.pop().unwrap_or_default();
                depths.last_mut().into_iter().for_each(|depth| *depth += inner);
            }
            Token::Comma => depths.last_mut().into_iter().for_each(|depth| *depth = 0),
            other if deepens(other) => depths.last_mut().into_iter().for_each(|depth| *depth += 1),
            _ => {}
        }
        if depths.len() - 1 > PARENTHESES_DEPTH_MAX {
            let message = format!("parentheses are nested deeper than {PARENTHESES_DEPTH_MAX} levels");
            return Some(Problem::new(token.span, message));
        }
        if depths.iter().sum::<usize>() > EXPRESSION_OPERATORS_MAX {
            let message = format!("this expression has more than {EXPRESSION_OPERATORS_MAX} operators");
            return Some(Problem::new(token.span, message));
        }
    }
    None
}

/// Operators between whole queries.
const SET_OPERATORS: &[&str] = &["UNION", "EXCEPT", "INTERSECT", "MINUS"];

/// True for a token that can put one expression or query inside another.
fn deepens(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            let word = word.value.to_ascii_uppercase();
            ["AND", "OR", "NOT", "IS", "LIKE", "IN", "BETWEEN", "SIMILAR", "AT", "COLLATE", "CASE"]
                .contains(&word.as_str())
        }
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::LBracket
        | Token::RBracket
        | Token::RArrow => false,
        _ => true,
    }
}

pub(crate) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
