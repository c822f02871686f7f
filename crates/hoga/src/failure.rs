//! How a command fails: a message for people and an exit code for scripts.

use hoga_model::{Fault, Faulty};
use std::fmt::Write as _;
use std::io::Write as _;

/// 0 done · 1 the check failed · 2 the user's mistake · 3 something outside failed.
#[derive(Debug)]
pub struct Failure {
    message: String,
    exit_code: u8,
}

impl Failure {
    pub fn user(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit_code: Fault::User.exit_code() }
    }

    /// A check that failed; what it found has been said.
    pub fn found(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit_code: 1 }
    }

    pub fn external(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit_code: Fault::External.exit_code() }
    }

    /// An error of a room, with all its causes in one line.
    pub fn of<E: Faulty>(error: &E) -> Failure {
        Failure { message: with_causes(error), exit_code: error.fault().exit_code() }
    }

    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Whether the user can mend it, and nobody else.
    pub fn is_users(&self) -> bool {
        self.exit_code == Fault::User.exit_code()
    }

    /// Something outside failed, and may not at another time.
    pub fn is_external(&self) -> bool {
        self.exit_code == Fault::External.exit_code()
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn print(&self) {
        // diagnostics of a file begin with their place, as editors expect it
        let prefix = if self.message.contains('\n') { "" } else { "error: " };
        // who has closed standard error does not want to be told; the exit code says it too
        let _ = writeln!(std::io::stderr(), "{prefix}{}", self.message);
    }
}

/// The error and its causes, each said once.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            // writing into a String cannot fail
            let _ = write!(text, ": {reason}");
        }
        cause = error.source();
    }
    text
}
