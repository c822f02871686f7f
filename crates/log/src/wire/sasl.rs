//! Who may use the listener, and how a client proves who it is: PLAIN and SCRAM-SHA-256. Pure but for the salts and nonces, which are random.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hoga_model::scram::{self, Exchange, Verifier};

use super::error_code::ErrorCode;

pub(crate) const MECHANISMS: [&str; 2] = ["PLAIN", scram::MECHANISM];
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 18;

/// The users of a listener, with what is kept of their passwords.
#[derive(Debug, Clone, Default)]
pub struct Users(BTreeMap<String, Verifier>);

/// Why a text does not name users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    #[error("line {line} is not \"user:password\" or \"user:SCRAM-SHA-256$…\"")]
    Line { line: usize },
    #[error("line {line} names user \"{user}\" again")]
    Twice { line: usize, user: String },
    #[error("it names no user")]
    Empty,
}

impl Users {
    /// One user a line: `user:password`, or `user:SCRAM-SHA-256$…` as PostgreSQL keeps it. Empty lines and those that begin with `#` say nothing.
    pub fn parse(text: &str) -> Result<Users, UsersError> {
        let mut users = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let (user, password) = text.split_once(':').ok_or(UsersError::Line { line })?;
            let verifier = if password.starts_with(scram::MECHANISM) {
                Verifier::parse(password.trim_end())
            } else {
                Verifier::derive(password.as_bytes(), &rand::random::<[u8; SALT_BYTES]>())
            };
            let verifier = verifier.filter(|_| !user.is_empty() && !password.is_empty());
            if users.insert(user.to_owned(), verifier.ok_or(UsersError::Line { line })?).is_some() {
                return Err(UsersError::Twice { line, user: user.to_owned() });
            }
        }
        if users.is_empty() { Err(UsersError::Empty) } else { Ok(Users(users)) }
    }
}

/// How far a connection has come with proving who it is.
#[derive(Debug)]
pub(crate) enum Sasl {
    /// Nothing was said yet.
    Start,
    Plain,
    ScramFirst,
    ScramFinal {
        exchange: Exchange,
        verifier: Verifier,
    },
    Done,
    /// Nothing more is listened to.
    Failed,
}

/// The server's part of one step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Continue(Vec<u8>),
    Done(Vec<u8>),
    Refused(ErrorCode),
}

impl Sasl {
    /// For a listener with or without users.
    pub(crate) fn new(users: Option<&Users>) -> Sasl {
        if users.is_some() { Sasl::Start } else { Sasl::Done }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Sasl::Done)
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self, Sasl::Failed)
    }

    /// A listener without users takes nobody's word for anything, as Kafka's PLAINTEXT listener.
    pub(crate) fn handshake(&mut self, mechanism: &str, users: Option<&Users>) -> ErrorCode {
        if users.is_none() || self.is_done() || self.has_failed() {
            return ErrorCode::IllegalSaslState;
        }
        *self = match mechanism {
            "PLAIN" => Sasl::Plain,
            scram::MECHANISM => Sasl::ScramFirst,
            _ => return ErrorCode::UnsupportedSaslMechanism,
        };
        ErrorCode::None
    }

    pub(crate) fn step(&mut self, message: &[u8], users: Option<&Users>) -> Step {
        let Some(Users(users)) = users else { return Step::Refused(ErrorCode::IllegalSaslState) };
        let refused = Step::Refused(ErrorCode::SaslAuthenticationFailed);
        match std::mem::replace(self, Sasl::Failed) {
            Sasl::Plain if plain(message, users) => {
                *self = Sasl::Done;
                Step::Done(Vec::new())
            }
            Sasl::ScramFirst => {
                let Some(name) = scram::user(message) else { return refused };
                let decoy = || Verifier::decoy(&rand::random::<[u8; SALT_BYTES]>());
                let verifier = users.get(&name).cloned().unwrap_or_else(decoy);
                let nonce = STANDARD.encode(rand::random::<[u8; NONCE_BYTES]>());
                let Some((exchange, answer)) = Exchange::start(message, &nonce, &verifier) else { return refused };
                *self = Sasl::ScramFinal { exchange, verifier };
                Step::Continue(answer.into_bytes())
            }
            Sasl::ScramFinal { exchange, verifier } => match exchange.finish(message, &verifier) {
                Some(answer) => {
                    *self = Sasl::Done;
                    Step::Done(answer.into_bytes())
                }
                None => refused,
            },
            Sasl::Start | Sasl::Done => Step::Refused(ErrorCode::IllegalSaslState),
            Sasl::Plain | Sasl::Failed => refused,
        }
    }
}

/// RFC 4616: authorization identity, user and password, divided by NUL. The first may be empty or the user.
fn plain(message: &[u8], users: &BTreeMap<String, Verifier>) -> bool {
    let mut parts = message.split(|byte| *byte == 0);
    let (Some(identity), Some(user), Some(password), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Ok(name) = std::str::from_utf8(user) else { return false };
    let known = users.get(name);
    // an unknown user takes as long as a wrong password
    let decoy = Verifier::decoy(&[0; SALT_BYTES]);
    known.unwrap_or(&decoy).matches(password) && known.is_some() && (identity.is_empty() || identity == user)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn users() -> Users {
        Users::parse("# who may\nann:secret\n\nbob:with:colon\n").unwrap()
    }

    fn plain_attempt(message: &[u8]) -> bool {
        let users = users();
        let mut sasl = Sasl::new(Some(&users));
        assert_eq!(sasl.handshake("PLAIN", Some(&users)), ErrorCode::None);
        let step = sasl.step(message, Some(&users));
        assert_eq!(sasl.is_done(), step == Step::Done(Vec::new()));
        assert_eq!(sasl.has_failed(), !sasl.is_done());
        sasl.is_done()
    }

    #[test]
    fn plain_passwords() {
        for good in ["\0ann\0secret", "ann\0ann\0secret", "\0bob\0with:colon"] {
            assert!(plain_attempt(good.as_bytes()), "{good:?}");
        }
        for bad in
            ["", "\0ann\0", "\0ann\0Secret", "\0eve\0secret", "bob\0ann\0secret", "ann\0secret", "\0ann\0secret\0"]
        {
            assert!(!plain_attempt(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn steps_out_of_turn_are_refused() {
        let users = users();
        let mut sasl = Sasl::new(Some(&users));
        assert_eq!(sasl.step(b"x", Some(&users)), Step::Refused(ErrorCode::IllegalSaslState));
        let mut sasl = Sasl::new(Some(&users));
        assert_eq!(sasl.handshake("GSSAPI", Some(&users)), ErrorCode::UnsupportedSaslMechanism);
        assert!(!sasl.is_done());
        assert_eq!(Sasl::new(None).handshake("PLAIN", None), ErrorCode::IllegalSaslState);
        assert!(Sasl::new(None).is_done());
    }

    #[test]
    fn an_unknown_user_looks_like_a_wrong_password() {
        let users = users();
        for name in ["ann", "eve"] {
            let mut sasl = Sasl::new(Some(&users));
            sasl.handshake(scram::MECHANISM, Some(&users));
            let first = sasl.step(format!("n,,n={name},r=abc").as_bytes(), Some(&users));
            let Step::Continue(answer) = first else { panic!("{first:?}") };
            let nonce = String::from_utf8(answer).unwrap().split(',').next().unwrap().to_owned();
            let last = format!("c=biws,{nonce},p={}", STANDARD.encode([0; 32]));
            assert_eq!(sasl.step(last.as_bytes(), Some(&users)), Step::Refused(ErrorCode::SaslAuthenticationFailed));
            assert!(sasl.has_failed());
        }
    }

    #[test]
    fn files_that_name_nobody_are_refused() {
        assert_eq!(Users::parse("# nobody\n").unwrap_err(), UsersError::Empty);
        for bad in ["ann", ":secret", "ann:", "ann:SCRAM-SHA-256$x"] {
            assert_eq!(Users::parse(bad).unwrap_err(), UsersError::Line { line: 1 }, "{bad}");
        }
        assert!(matches!(Users::parse("ann:a\nann:b").unwrap_err(), UsersError::Twice { line: 2, .. }));
    }
}
