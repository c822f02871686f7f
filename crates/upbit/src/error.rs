//! What can go wrong between hoga and the exchange, whose fault it is, and whether trying again can help.

use std::path::PathBuf;

use hoga_model::{Fault, Faulty};

/// What a [`Handler`](crate::session::Handler) may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpbitError {
    #[error("url \"{url}\" cannot be used: {reason}")]
    Url { url: String, reason: String },
    #[error("invalid subscription: {0}")]
    Subscription(String),
    #[error(
        "the exchange refused the subscription: {name} ({message}); the same request would be refused again, \
         so check the markets and streams"
    )]
    Refused { name: String, message: String },
    #[error("{}", unlisted_in_words(.0))]
    UnknownMarkets(Vec<Unlisted>),
    #[error("no market is chosen; write KRW (all of one quote currency), all, or a list like KRW-BTC,KRW-ETH")]
    NoMarkets,
    #[error("cannot reach {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// 429: too many requests. 418: so many that the address is blocked for a while.
    #[error("{url} answers HTTP {status}: too many requests from this address; wait {}", in_words(*wait_ms))]
    TooManyRequests { url: String, status: u16, wait_ms: u64 },
    #[error("{url} answers HTTP {status}: {message}")]
    Answer { url: String, status: u16, message: String },
    #[error("cannot read {} at line {line}: {source}", file.display())]
    ReplayRead { file: PathBuf, line: u64, source: std::io::Error },
    #[error("cannot open {}: {source}; give the path of a file with one frame per line", file.display())]
    ReplayOpen { file: PathBuf, source: std::io::Error },
    #[error("{}:{line}: {reason}", file.display())]
    ReplayTimes { file: PathBuf, line: u64, reason: String },
    #[error("a received frame could not be taken: {0}")]
    Handler(#[source] BoxError),
}

/// A name somebody chose that the exchange does not list, and listed ones that look like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    pub name: String,
    pub near: Vec<String>,
}

impl Faulty for UpbitError {
    fn fault(&self) -> Fault {
        match self {
            UpbitError::Url { .. }
            | UpbitError::Subscription(_)
            | UpbitError::Refused { .. }
            | UpbitError::UnknownMarkets(_)
            | UpbitError::NoMarkets
            | UpbitError::ReplayOpen { .. }
            | UpbitError::ReplayTimes { .. } => Fault::User,
            UpbitError::Unreachable { .. }
            | UpbitError::TooManyRequests { .. }
            | UpbitError::Answer { .. }
            | UpbitError::ReplayRead { .. }
            | UpbitError::Handler(_) => Fault::External,
        }
    }

    fn retry(&self) -> bool {
        match self {
            UpbitError::Unreachable { .. } | UpbitError::TooManyRequests { .. } => true,
            // a mistake in the request stays one; the server's own faults pass
            UpbitError::Answer { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn cause_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // many errors repeat their cause in their own text
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// `400 ms`, `2.5 s`, `120 s`.
pub(crate) fn in_words(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} s", ms / 1_000),
    }
}

fn unlisted_in_words(unlisted: &[Unlisted]) -> String {
    let sentences = unlisted.iter().map(|Unlisted { name, near }| match near.as_slice() {
        [] => format!("market \"{name}\" is not listed; the exchange lists its markets at /v1/market/all"),
        near => format!("market \"{name}\" is not listed; did you mean {}?", near.join(" or ")),
    });
    sentences.collect::<Vec<_>>().join("\n")
}
