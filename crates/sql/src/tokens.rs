//! A cursor over the tokens of one statement, for the parts of the dialect that we parse ourselves.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Word};

use crate::diagnostic::Problem;

/// The result of parsing a piece: the piece, or the one mistake that stopped it.
pub(crate) type Parsed<T> = Result<T, Problem>;

/// What the type grammar needs from a token stream: our own cursor has it, and sqlparser's parser inside an expression.
pub(crate) trait TokenStream {
    /// The token `ahead` of the next one; past the end an end-of-statement token with a real place.
    fn peek_at(&self, ahead: usize) -> &TokenWithSpan;
    fn advance(&mut self);
}

/// Whitespace and comments are already gone; the last token is [`Token::EOF`] and stands where the statement ends.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    tokens: &'t [TokenWithSpan],
    at: usize,
    end: TokenWithSpan,
}

impl TokenStream for Cursor<'_> {
    fn peek_at(&self, ahead: usize) -> &TokenWithSpan {
        self.tokens.get(self.at + ahead).unwrap_or(&self.end)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len());
    }
}

impl<'t> Cursor<'t> {
    /// `end` is the token after the last one: the `;`, or the comma or parenthesis that ends a list item.
    pub(crate) fn new(tokens: &'t [TokenWithSpan], end: Span) -> Cursor<'t> {
        Cursor { tokens, at: 0, end: TokenWithSpan::new(Token::EOF, end) }
    }

    /// The tokens not yet consumed.
    pub(crate) fn rest(&self) -> &'t [TokenWithSpan] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn end_span(&self) -> Span {
        self.end.span
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at = (self.at + count).min(self.tokens.len());
    }

    /// The span from a place up to the last consumed token.
    pub(crate) fn span_since(&self, start: Location) -> Span {
        let last = self.at.checked_sub(1).and_then(|index| self.tokens.get(index));
        Span::new(start, last.map_or(start, |token| token.span.end))
    }
}

/// Parsing steps that every token stream shares.
pub(crate) trait Steps: TokenStream {
    fn peek(&self) -> &TokenWithSpan {
        self.peek_at(0)
    }

    fn next_span(&self) -> Span {
        self.peek().span
    }

    /// The word ahead in capitals, if it is not quoted.
    fn word_at(&self, ahead: usize) -> Option<String> {
        bare_word(&self.peek_at(ahead).token)
    }

    fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| {
            matches!(&self.peek_at(ahead).token,
                Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(word))
        })
    }

    /// Consumes these words, or nothing.
    fn eat(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        if seen {
            words.iter().for_each(|_| self.advance());
        }
        seen
    }

    fn eat_token(&mut self, token: &Token) -> bool {
        let seen = self.peek().token == *token;
        if seen {
            self.advance();
        }
        seen
    }

    fn expect(&mut self, words: &[&str]) -> Parsed<()> {
        if self.eat(words) { Ok(()) } else { Err(self.unexpected(&words.join(" "))) }
    }

    fn expect_token(&mut self, token: &Token) -> Parsed<Span> {
        let span = self.next_span();
        if self.eat_token(token) { Ok(span) } else { Err(self.unexpected(&token.to_string())) }
    }

    /// `expected …, found …` at the next token.
    fn unexpected(&self, expected: &str) -> Problem {
        let found = self.peek();
        Problem::new(found.span, format!("expected {expected}, found {}", describe(&found.token)))
    }

    /// A name, quoted or not. `what` is for the message: "a table name".
    fn name(&mut self, what: &str) -> Parsed<Ident> {
        let TokenWithSpan { token: Token::Word(word), span } = self.peek() else {
            return Err(self.unexpected(what));
        };
        if word.quote_style.is_none() && crate::reserved::is_reserved(&word.value) {
            let (span, value) = (*span, word.value.clone());
            return Err(Problem::new(span, format!("expected {what}, found the reserved word {value}"))
                .hint(format!("write it in backticks: `{value}`")));
        }
        if word.value.is_empty() {
            return Err(Problem::new(*span, format!("expected {what}, found an empty name")));
        }
        let name = word.clone().into_ident(*span);
        self.advance();
        Ok(name)
    }

    /// `'…'`: the text without quotes, and its place.
    fn text(&mut self, what: &str) -> Parsed<(String, Span)> {
        match self.peek() {
            TokenWithSpan { token: Token::SingleQuotedString(text), span } => {
                let taken = (text.clone(), *span);
                self.advance();
                Ok(taken)
            }
            TokenWithSpan { token: Token::Word(word), span } => {
                Err(Problem::new(*span, format!("expected {what} in single quotes, found {}", word.value))
                    .hint(format!("write '{}'", word.value)))
            }
            _ => Err(self.unexpected(&format!("{what} in single quotes"))),
        }
    }
}

impl<T: TokenStream + ?Sized> Steps for T {}

/// A word in capitals, if it is not quoted.
pub(crate) fn bare_word(token: &Token) -> Option<String> {
    match token {
        Token::Word(Word { value, quote_style: None, .. }) => Some(value.to_ascii_uppercase()),
        _ => None,
    }
}

/// A token as a message names it.
pub(crate) fn describe(token: &Token) -> String {
    match token {
        Token::EOF => "the end".to_owned(),
        token => {
            let text = token.to_string();
            if text.chars().count() > 40 { format!("{}…", text.chars().take(40).collect::<String>()) } else { text }
        }
    }
}

/// The smallest span with both in it.
pub(crate) fn joined(first: Span, last: Span) -> Span {
    Span::new(first.start, last.end)
}

/// A place without width, where something is missing.
pub(crate) fn point(place: Location) -> Span {
    Span::new(place, place)
}
