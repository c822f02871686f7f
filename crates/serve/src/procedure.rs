//! `CALL sys.name(…)`: Paimon's procedures, as Flink and Spark call them. The text is understood here; what is done about
//! it is the binary's, which implements [`Procedures`].

use std::fmt::Debug;
use std::pin::Pin;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The schema that procedures are in.
const SCHEMA: &str = "sys";

/// One call, not yet matched with a procedure's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Without its schema, in small letters.
    pub name: String,
    /// Those without a name come first.
    pub arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// In small letters; None: by its place.
    pub name: Option<String>,
    /// None: NULL.
    pub value: Option<String>,
}

/// Why a call was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The caller's mistake; otherwise something here or outside failed.
    pub is_mistake: bool,
    pub message: String,
}

impl CallError {
    pub fn mistake(message: impl Into<String>) -> CallError {
        CallError { is_mistake: true, message: message.into() }
    }
}

/// The lines that a call answers.
pub type Answer = Pin<Box<dyn Future<Output = Result<Vec<String>, CallError>> + Send>>;

/// Performs calls.
pub trait Procedures: Debug + Send + Sync {
    /// The lines of the answer. The implementation sees to it that it goes on if its caller leaves and drops the answer.
    fn call(&self, call: Call) -> Answer;
}

impl Call {
    /// None if the text is no call at all. Names may be in double quotes or backticks, as in Spark and Flink:
    /// ``CALL sys.compact(`table` => 'db.t')``.
    pub fn parse(text: &str) -> Option<Result<Call, CallError>> {
        let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize();
        let Ok(tokens) = tokens else { return None };
        let mut tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).peekable();
        match tokens.next() {
            Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("call") => {}
            _ => return None,
        }
        let mut rest: Vec<Token> = tokens.collect();
        while rest.last() == Some(&Token::SemiColon) {
            rest.pop();
        }
        Some(parse_call(&rest))
    }

    /// The values in the order of `parameters`; the first `required` of them must be there and not NULL.
    pub fn bind<const N: usize>(
        &self,
        parameters: [&str; N],
        required: usize,
    ) -> Result<[Option<String>; N], CallError> {
        let signature = || format!("sys.{}({})", self.name, parameters.join(", "));
        let mut values = [const { None }; N];
        let mut is_given = [false; N];
        for (place, argument) in self.arguments.iter().enumerate() {
            let index = match &argument.name {
                None => Some(place).filter(|place| *place < N),
                Some(name) => parameters.iter().position(|parameter| parameter == name),
            };
            let Some(index) = index else {
                let wrong =
                    argument.name.as_ref().map_or_else(|| "so many arguments".to_owned(), |n| format!("\"{n}\""));
                return Err(CallError::mistake(format!("{} does not take {wrong}", signature())));
            };
            if std::mem::replace(&mut is_given[index], true) {
                let twice = parameters[index];
                return Err(CallError::mistake(format!("\"{twice}\" is given twice to {}", signature())));
            }
            values[index].clone_from(&argument.value);
        }
        match values.iter().take(required).position(Option::is_none) {
            Some(missing) => Err(CallError::mistake(format!("{} needs \"{}\"", signature(), parameters[missing]))),
            None => Ok(values),
        }
    }
}

fn parse_call(tokens: &[Token]) -> Result<Call, CallError> {
    let usage = || {
        CallError::mistake("a call is CALL sys.procedure('argument', …) or CALL sys.procedure(name => 'argument', …)")
    };
    let [Token::Word(schema), Token::Period, Token::Word(name), Token::LParen, arguments @ .., Token::RParen] = tokens
    else {
        return Err(usage());
    };
    if !schema.value.eq_ignore_ascii_case(SCHEMA) {
        return Err(CallError::mistake(format!("schema \"{}\" has no procedures; they are in sys", schema.value)));
    }
    let mut call = Call { name: name.value.to_ascii_lowercase(), arguments: Vec::new() };
    if arguments.is_empty() {
        return Ok(call);
    }
    for argument in arguments.split(|token| *token == Token::Comma) {
        let (name, value) = match argument {
            [Token::Word(name), Token::RArrow, value @ ..] => (Some(name.value.to_ascii_lowercase()), value),
            value => (None, value),
        };
        if name.is_none() && call.arguments.iter().any(|before| before.name.is_some()) {
            return Err(CallError::mistake("an argument without a name cannot come after one with a name"));
        }
        call.arguments.push(Argument { name, value: literal(value).ok_or_else(usage)? });
    }
    Ok(call)
}

/// A text, a number, TRUE, FALSE, NULL, or TIMESTAMP 'text'.
fn literal(tokens: &[Token]) -> Option<Option<String>> {
    match tokens {
        [Token::SingleQuotedString(text)] => Some(Some(text.clone())),
        [Token::Number(number, false)] => Some(Some(number.clone())),
        [Token::Minus, Token::Number(number, false)] => Some(Some(format!("-{number}"))),
        [Token::Word(word)] if word.quote_style.is_none() => match word.value.to_ascii_lowercase().as_str() {
            "null" => Some(None),
            value @ ("true" | "false") => Some(Some(value.to_owned())),
            _ => None,
        },
        [Token::Word(word), Token::SingleQuotedString(text)] if word.value.eq_ignore_ascii_case("timestamp") => {
            Some(Some(text.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shown(text: &str) -> String {
        match Call::parse(text) {
            None => "no call".to_owned(),
            Some(Err(error)) => format!("refused: {}", error.message),
            Some(Ok(call)) => {
                let arguments = call.arguments.iter().map(|argument| {
                    let value = argument.value.as_deref().unwrap_or("NULL");
                    argument.name.as_ref().map_or_else(|| value.to_owned(), |name| format!("{name}={value}"))
                });
                format!("{}({})", call.name, arguments.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn calls() {
        for (text, expected) in [
            ("SELECT 1", "no call"),
            ("call sys.compact('upbit.trade');", "compact(upbit.trade)"),
            ("CALL sys.compact(table => 'upbit.trade')", "compact(table=upbit.trade)"),
            (
                "CALL sys.compact(`table` => 'upbit.trade', order_by => NULL)",
                "compact(table=upbit.trade order_by=NULL)",
            ),
            ("CALL SYS.Expire_Snapshots('a.b', 10, -1, true)", "expire_snapshots(a.b 10 -1 true)"),
            (
                "CALL sys.x('it''s, (one)', older_than => TIMESTAMP '2026-01-01 00:00:00')",
                "x(it's, (one) older_than=2026-01-01 00:00:00)",
            ),
            ("CALL sys.x()", "x()"),
            ("CALL sys.x(a => 1, 2)", "refused: an argument without a name cannot come after one with a name"),
            ("CALL other.x()", "refused: schema \"other\" has no procedures; they are in sys"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        for text in ["CALL sys.x", "CALL x()", "CALL sys.x(1 + 1)", "CALL sys.x(now())", "CALL sys.x(); SELECT 1"] {
            assert!(shown(text).starts_with("refused: a call is"), "{text}: {}", shown(text));
        }
    }

    #[test]
    fn arguments_find_their_parameters() {
        let bind = |text: &str| Call::parse(text).unwrap().unwrap().bind(["table", "tag", "snapshot_id"], 2);
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(bind("CALL sys.t('a', snapshot_id => 3, tag => 'b')").unwrap(), [text("a"), text("b"), text("3")]);
        assert_eq!(bind("CALL sys.t('a', 'b')").unwrap(), [text("a"), text("b"), None]);
        for (call, why) in [
            ("CALL sys.t('a')", "sys.t(table, tag, snapshot_id) needs \"tag\""),
            ("CALL sys.t('a', NULL)", "sys.t(table, tag, snapshot_id) needs \"tag\""),
            ("CALL sys.t('a', 'b', 1, 2)", "sys.t(table, tag, snapshot_id) does not take so many arguments"),
            ("CALL sys.t('a', tga => 'b')", "sys.t(table, tag, snapshot_id) does not take \"tga\""),
            ("CALL sys.t('a', 'b', table => 'c')", "\"table\" is given twice to sys.t(table, tag, snapshot_id)"),
        ] {
            assert_eq!(bind(call).unwrap_err().message, why);
        }
    }
}
