//! Reading the past, as Flink writes it: a table's `/*+ OPTIONS('scan.snapshot-id' = '3') */` and `FOR SYSTEM_TIME AS OF` become
//! a name that the session's tables understand, `"trade@scan.snapshot-id=3"` ([`SessionFactory`](crate::SessionFactory)). And
//! names in backticks become names in double quotes. Pure.
//!
//! What is put in has the length of what it replaces, if it is not longer, and as many lines: places in errors stay right.

use std::borrow::Cow;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

/// Between a table's name and the option that says what to read of it.
const SEPARATOR: char = '@';
const TIMESTAMP: &str = "scan.timestamp";
const MODE: &str = "scan.mode";
/// What can be asked for, and the modes that say the same again.
const OPTIONS: [(&str, &[&str]); 7] = [
    ("scan.snapshot-id", &["from-snapshot", "from-snapshot-full"]),
    ("scan.tag-name", &["from-snapshot", "from-snapshot-full"]),
    ("scan.version", &["from-snapshot", "from-snapshot-full"]),
    ("scan.timestamp-millis", &["from-timestamp"]),
    (TIMESTAMP, &["from-timestamp"]),
    ("incremental-between", &["incremental"]),
    ("incremental-between-timestamp", &["incremental"]),
];
/// Modes that read what is there now.
const NOW: [&str; 2] = ["default", "latest-full"];

/// The statement in the words that the engine knows; the error is the user's mistake.
pub(crate) fn rewrite(sql: &str) -> Result<Cow<'_, str>, String> {
    let mentions =
        |word: &str| sql.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    if !sql.contains('`') && !sql.contains("/*+") && !mentions("system_time") {
        return Ok(Cow::Borrowed(sql));
    }
    // what is no SQL is told by the parser, with its place
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else {
        return Ok(Cow::Borrowed(sql));
    };
    let text = Text { sql, tokens };
    let mut edits = Vec::new();
    let mut index = 0;
    while index < text.tokens.len() {
        index = match text.past(index)? {
            Some((edit, next)) => {
                edits.push(edit);
                next
            }
            None => index + 1,
        };
    }
    edits.extend(text.backticks());
    Ok(Cow::Owned(text.edited(edits)))
}

struct Text<'a> {
    sql: &'a str,
    tokens: Vec<TokenWithSpan>,
}

/// The pairs of a hint: `'scan.snapshot-id' = '3'`.
type Options = Vec<(String, String)>;
/// Bytes from and to, and what stands there instead.
type Edit = (usize, usize, String);

impl Text<'_> {
    /// If a table with a past begins at this token: its edit, and the token to go on with.
    fn past(&self, at: usize) -> Result<Option<(Edit, usize)>, String> {
        let Some(Token::Word(table)) = self.token(at) else { return Ok(None) };
        let mut asked = Vec::new();
        let (mut end, mut is_past) = (at, false);
        if let Some((next, options)) = self.hint(at + 1)? {
            (end, is_past) = (next, true);
            asked.extend(chosen(options)?);
        }
        if let Some((next, time)) = self.system_time(end + 1)? {
            (end, is_past) = (next, true);
            asked.push((TIMESTAMP.to_owned(), time));
        }
        if !is_past {
            return Ok(None);
        }
        if !self.is_table(at) {
            return Err(format!(
                "\"{}\" is not a table's name: OPTIONS and FOR SYSTEM_TIME AS OF stand after one, before its alias",
                table.value
            ));
        }
        let written = match asked.as_slice() {
            [] => shown(table),
            [(option, value)] => {
                let name = format!("{}{SEPARATOR}{option}={value}", name_of(table));
                let alias = if self.has_alias(end + 1) { String::new() } else { format!(" AS {}", shown(table)) };
                format!("{}{alias}", quoted(&name))
            }
            [(one, _), (other, _), ..] => return Err(format!("'{one}' and '{other}' exclude each other")),
        };
        let (from, to) = (self.start(at), self.end(end));
        Ok(Some(((from, to, filled(&written, &self.sql[from..to])), end + 1)))
    }

    /// The options of a hint that comes next, and its token. Hints with other names are comments.
    fn hint(&self, from: usize) -> Result<Option<(usize, Options)>, String> {
        let mut at = from;
        while let Some(Token::Whitespace(space)) = self.token(at) {
            if let Whitespace::MultiLineComment(comment) = space
                && let Some(options) = comment.strip_prefix('+').map(options_of)
                && let Some(options) = options?
            {
                return Ok(Some((at, options)));
            }
            at += 1;
        }
        Ok(None)
    }

    /// `FOR SYSTEM_TIME AS OF TIMESTAMP '…'`, if that comes next: its last token and the time.
    fn system_time(&self, from: usize) -> Result<Option<(usize, String)>, String> {
        let mut at = from;
        for word in ["for", "system_time", "as", "of"] {
            at = self.significant(at);
            match self.token(at) {
                Some(Token::Word(found)) if is_word(found, word) => at += 1,
                _ => return Ok(None),
            }
        }
        at = self.significant(at);
        if matches!(self.token(at), Some(Token::Word(word)) if ["timestamp", "timestamp_ltz"].iter().any(|name| is_word(word, name)))
        {
            at = self.significant(at + 1);
        }
        let usage =
            || "FOR SYSTEM_TIME AS OF takes a time as it is written: TIMESTAMP '2026-11-26 22:00:00' (UTC)".to_owned();
        let Some(Token::SingleQuotedString(time)) = self.token(at) else { return Err(usage()) };
        match self.token(self.significant(at + 1)) {
            Some(Token::Plus | Token::Minus) => Err(usage()),
            _ => Ok(Some((at, time.clone()))),
        }
    }

    /// Whether the name that ends here begins after FROM, JOIN, a comma or a parenthesis.
    fn is_table(&self, name: usize) -> bool {
        let mut at = name;
        loop {
            match self.before(at) {
                Some((dot, Token::Period)) => match self.before(dot) {
                    Some((part, Token::Word(_))) => at = part,
                    _ => return false,
                },
                Some((_, Token::Word(word))) => {
                    return word.quote_style.is_none() && matches!(word.keyword, Keyword::FROM | Keyword::JOIN);
                }
                Some((_, token)) => return matches!(token, Token::Comma | Token::LParen),
                None => return false,
            }
        }
    }

    fn has_alias(&self, from: usize) -> bool {
        match self.token(self.significant(from)) {
            Some(Token::Word(word)) => {
                word.quote_style.is_some()
                    || word.keyword == Keyword::AS
                    || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword)
            }
            _ => false,
        }
    }

    fn backticks(&self) -> Vec<Edit> {
        let edit = |token: &TokenWithSpan| match &token.token {
            Token::Word(word) if word.quote_style == Some('`') => {
                Some((self.byte(token.span.start), self.byte(token.span.end), quoted(&word.value)))
            }
            _ => None,
        };
        self.tokens.iter().filter_map(edit).collect()
    }

    /// With the edits made; one inside another is part of it.
    fn edited(&self, mut edits: Vec<Edit>) -> String {
        edits.sort_by_key(|edit| edit.0);
        let (mut out, mut done) = (String::with_capacity(self.sql.len()), 0);
        for (from, to, new) in edits {
            if from >= done {
                out.push_str(&self.sql[done..from]);
                out.push_str(&new);
                done = to;
            }
        }
        out.push_str(&self.sql[done..]);
        out
    }

    fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|token| &token.token)
    }

    /// The first token from here on that is no white space.
    fn significant(&self, from: usize) -> usize {
        let is_space = |at: &usize| matches!(self.token(*at), Some(Token::Whitespace(_)));
        (from..).find(|at| !is_space(at)).unwrap_or(from)
    }

    fn before(&self, at: usize) -> Option<(usize, &Token)> {
        let mut before = (0..at).rev().map(|index| (index, &self.tokens[index].token));
        before.find(|(_, token)| !matches!(token, Token::Whitespace(_)))
    }

    fn start(&self, at: usize) -> usize {
        self.byte(self.tokens[at].span.start)
    }

    fn end(&self, at: usize) -> usize {
        self.byte(self.tokens[at].span.end)
    }

    /// Lines and columns count from 1, columns in characters.
    fn byte(&self, place: Location) -> usize {
        let line = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let start: usize = self.sql.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = &self.sql[start..];
        start + rest.char_indices().nth(column).map_or(rest.len(), |(index, _)| index)
    }
}

/// The pairs in `OPTIONS('a' = 'b', …)`; None: something else.
fn options_of(hint: &str) -> Result<Option<Options>, String> {
    if !hint.trim_start().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("options")) {
        return Ok(None);
    }
    let usage = || "a hint is /*+ OPTIONS('name' = 'value', …) */".to_owned();
    let tokens = Tokenizer::new(&GenericDialect {}, hint).tokenize().map_err(|_| usage())?;
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let pairs = match tokens.as_slice() {
        [Token::Word(word), rest @ ..] if is_word(word, "options") => match rest {
            [Token::LParen, pairs @ .., Token::RParen] => pairs,
            _ => return Err(usage()),
        },
        _ => return Ok(None),
    };
    let pair = |tokens: &[Token]| match tokens {
        [Token::SingleQuotedString(name), Token::Eq, Token::SingleQuotedString(value)] => {
            Ok((name.clone(), value.clone()))
        }
        _ => Err(usage()),
    };
    pairs.split(|token| *token == Token::Comma).map(pair).collect::<Result<Vec<_>, _>>().map(Some)
}

/// Those options that choose what to read; a mode that fits them says nothing more.
fn chosen(options: Options) -> Result<Options, String> {
    let (modes, chosen): (Vec<_>, Vec<_>) = options.into_iter().partition(|(name, _)| name == MODE);
    for (name, _) in &chosen {
        if !OPTIONS.iter().any(|(known, _)| known == name) {
            let known = OPTIONS.map(|(known, _)| known).join(", ");
            return Err(format!("option '{name}' does nothing in a query here; there are {known}"));
        }
    }
    for (_, mode) in &modes {
        let fits = |option: &(String, String)| {
            OPTIONS.iter().any(|(known, modes)| *known == option.0 && modes.contains(&mode.as_str()))
        };
        if !(chosen.iter().any(fits) || (chosen.is_empty() && NOW.contains(&mode.as_str()))) {
            return Err(format!(
                "'{MODE}' = '{mode}' does not fit: a query here reads a table as it is, or as it was with one of \
                 'from-snapshot' and 'scan.snapshot-id' or 'scan.tag-name', 'from-timestamp' and 'scan.timestamp'"
            ));
        }
    }
    Ok(chosen)
}

fn is_word(word: &Word, name: &str) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name)
}

/// As the engine looks it up: names without quotes are small.
fn name_of(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() }
}

/// As it was written, in PostgreSQL's quotes.
fn shown(word: &Word) -> String {
    if word.quote_style.is_some() { quoted(&word.value) } else { word.value.clone() }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// As long as what it replaces and with as many lines, if it is not too long.
fn filled(new: &str, old: &str) -> String {
    let lines = old.matches('\n').count();
    let width = match old.rsplit_once('\n') {
        Some((_, last)) => last.chars().count(),
        None => old.chars().count().saturating_sub(new.chars().count()),
    };
    format!("{new}{}{}", "\n".repeat(lines), " ".repeat(width))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn flinks_forms_become_names() {
        for (sql, expected) in [
            ("SELECT 1 /* + */ FROM trade", None),
            ("SELECT * FROM trade /*+ STATE_TTL('a' = '1d') */", None),
            (
                "SELECT * FROM trade /*+ OPTIONS('scan.snapshot-id'='3') */ WHERE 1 = 1",
                Some("SELECT * FROM \"trade@scan.snapshot-id=3\" AS trade WHERE 1 = 1"),
            ),
            (
                "SELECT * FROM a.`Trade$files` /*+ OPTIONS ( 'scan.tag-name' = 'x' ) */ t",
                Some("SELECT * FROM a.\"Trade$files@scan.tag-name=x\" t"),
            ),
            (
                "SELECT * FROM x, TRADE FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00' AS t JOIN y ON a = b",
                Some("SELECT * FROM x, \"trade@scan.timestamp=2026-01-01 00:00:00\" AS t JOIN y ON a = b"),
            ),
            (
                "SELECT '`' FROM (trade /*+ OPTIONS('scan.mode'='from-snapshot', 'scan.version'='7') */)",
                Some("SELECT '`' FROM (\"trade@scan.version=7\" AS trade)"),
            ),
            ("SELECT * FROM trade /*+ OPTIONS('scan.mode'='latest-full') */", Some("SELECT * FROM trade")),
            ("SELECT `a`, `b\"c` FROM t", Some("SELECT \"a\", \"b\"\"c\" FROM t")),
            ("SELECT `open", None),
        ] {
            let found = rewrite(sql).unwrap();
            let found = found.split_whitespace().collect::<Vec<_>>().join(" ").replace(" )", ")");
            assert_eq!(found, expected.unwrap_or(sql), "{sql}");
        }
    }

    #[test]
    fn places_stay() {
        let sql = "SELECT 가 FROM trade /*+ OPTIONS('scan.timestamp-millis'='1795731126528') */ WHERE x";
        let found = rewrite(sql).unwrap();
        assert_eq!(sql.find("WHERE"), found.find("WHERE"), "{found}");
        let sql = "SELECT 1\nFROM trade /*+ OPTIONS(\n  'scan.snapshot-id'='1') */ t\nWHERE x";
        let found = rewrite(sql).unwrap();
        let place = |text: &str| text.lines().map(|line| line.find(" t").unwrap_or(0)).collect::<Vec<_>>();
        assert_eq!(place(&found)[2..], place(sql)[2..], "{found}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (sql, why) in [
            ("SELECT * FROM trade t /*+ OPTIONS('scan.snapshot-id'='3') */", "\"t\" is not a table's name"),
            ("SELECT a FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01'", "\"a\" is not a table's name"),
            ("SELECT * FROM t /*+ OPTIONS('scan.snapshot'='3') */", "option 'scan.snapshot' does nothing"),
            ("SELECT * FROM t /*+ OPTIONS(scan.snapshot=3) */", "a hint is "),
            (
                "SELECT * FROM t /*+ OPTIONS('scan.snapshot-id'='3', 'scan.tag-name'='x') */",
                "'scan.snapshot-id' and 'scan.tag-name' exclude each other",
            ),
            ("SELECT * FROM t /*+ OPTIONS('scan.mode'='latest') */", "'scan.mode' = 'latest' does not fit"),
            ("SELECT * FROM t FOR SYSTEM_TIME AS OF now()", "FOR SYSTEM_TIME AS OF takes a time as it is written"),
            (
                "SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01' - INTERVAL '1' DAY",
                "FOR SYSTEM_TIME AS OF takes a time as it is written",
            ),
        ] {
            let refused = rewrite(sql).unwrap_err();
            assert!(refused.starts_with(why), "{sql}: {refused}");
        }
    }
}
