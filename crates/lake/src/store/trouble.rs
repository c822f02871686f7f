//! What an answer of the store means, and what its user can do about it. Pure.

use crate::error::LakeError;
use opendal_core::{Error, ErrorKind};

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreTrouble {
    /// It does not answer, or says that it cannot now: it will heal by itself.
    Away,
    /// It does not take the credentials, or they may not do this.
    Denied,
    NoBucket,
    WrongRegion,
    /// The object exists.
    Conflict,
    /// The object does not exist.
    Missing,
    Other,
}

impl StoreTrouble {
    /// What to do about it.
    fn hint(self) -> &'static str {
        match self {
            StoreTrouble::Away => "; it is away or has too much to do",
            StoreTrouble::Denied => {
                "; give credentials that may list, read, write and delete there (HOGA_S3_ACCESS_KEY and HOGA_S3_SECRET_KEY, \
                 or AWS's own variables or profile)"
            }
            StoreTrouble::NoBucket => "; create the bucket, or correct --warehouse",
            StoreTrouble::WrongRegion => {
                "; set HOGA_S3_REGION to the bucket's region, and HOGA_S3_ENDPOINT if there is one"
            }
            StoreTrouble::Conflict | StoreTrouble::Missing | StoreTrouble::Other => "",
        }
    }

    pub(crate) fn is_the_users(self) -> bool {
        matches!(self, StoreTrouble::Denied | StoreTrouble::NoBucket | StoreTrouble::WrongRegion)
    }
}

/// For `map_err`: `cannot {action} "{place}": …`.
pub(crate) fn failed(action: &'static str, place: &str) -> impl FnOnce(Error) -> LakeError + use<> {
    let place = place.to_owned();
    move |error| {
        let (trouble, reason) = explain(&error);
        LakeError::Store { action, place, trouble, reason }
    }
}

/// The store's error among the causes of another one. None if it comes from somewhere else, as the local disk.
pub(crate) fn of_store(error: &(dyn std::error::Error + 'static)) -> Option<(StoreTrouble, String)> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // Paimon's own error gives the box that it keeps
        let boxed = || error.downcast_ref::<Box<Error>>().map(Box::as_ref);
        if let Some(error) = error.downcast_ref::<Error>().or_else(boxed)
            && error.to_string().contains("service: s3")
        {
            return Some(explain(error));
        }
        cause = error.source();
    }
    None
}

/// The trouble, and one line about it with what to do. Nothing of the request but its path is in it: no header, no key.
pub(crate) fn explain(error: &Error) -> (StoreTrouble, String) {
    let text = error.message();
    let code = field(text, "code: \"");
    let trouble = match code {
        Some("NoSuchBucket") => StoreTrouble::NoBucket,
        Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
            StoreTrouble::WrongRegion
        }
        Some(
            "AccessDenied"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "RequestTimeTooSkewed"
            | "AccountProblem",
        ) => StoreTrouble::Denied,
        _ => match error.kind() {
            ErrorKind::PermissionDenied => StoreTrouble::Denied,
            ErrorKind::NotFound => StoreTrouble::Missing,
            ErrorKind::ConditionNotMatch if !error.is_temporary() => StoreTrouble::Conflict,
            ErrorKind::RateLimited => StoreTrouble::Away,
            _ if error.is_temporary() => StoreTrouble::Away,
            _ if text.contains("credential") => StoreTrouble::Denied,
            _ => StoreTrouble::Other,
        },
    };
    let said = match (code, field(text, "message: \"")) {
        (Some(code), Some(message)) if !message.is_empty() => format!("the store says {code}: {message}"),
        (Some(code), _) => format!("the store says {code}"),
        (None, _) => {
            let first = text.lines().next().unwrap_or_default().trim();
            let causes = causes(error);
            match (first.is_empty(), trouble) {
                (false, _) => format!("{first}{causes}"),
                (true, StoreTrouble::Denied) => "the store denies it (403)".to_owned(),
                (true, StoreTrouble::Missing) => "it does not exist".to_owned(),
                (true, _) => format!("the store answers {}{causes}", error.kind()),
            }
        }
    };
    (trouble, format!("{said}{}", trouble.hint()))
}

/// What follows `key` up to the closing quote.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    rest.split_once('"').map(|(value, _)| value)
}

fn causes(error: &Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: ErrorKind, code: &str, message: &str) -> Error {
        Error::new(
            kind,
            format!(r#"S3Error {{ code: "{code}", message: "{message}", resource: "", request_id: "1" }}"#),
        )
    }

    #[test]
    fn answers() {
        for (error, trouble, text) in [
            (
                answer(ErrorKind::ConfigInvalid, "NoSuchBucket", "The specified bucket does not exist"),
                StoreTrouble::NoBucket,
                "the store says NoSuchBucket: The specified bucket does not exist; create the bucket, or correct --warehouse",
            ),
            (
                answer(ErrorKind::Unexpected, "AuthorizationHeaderMalformed", "expecting 'eu-west-1'"),
                StoreTrouble::WrongRegion,
                "expecting 'eu-west-1'; set HOGA_S3_REGION",
            ),
            (answer(ErrorKind::PermissionDenied, "ExpiredToken", "old"), StoreTrouble::Denied, "give credentials"),
            (answer(ErrorKind::Unexpected, "ExpiredToken", "old"), StoreTrouble::Denied, "give credentials"),
            (Error::new(ErrorKind::PermissionDenied, ""), StoreTrouble::Denied, "the store denies it (403); give"),
            (
                answer(ErrorKind::Unexpected, "SlowDown", "Reduce").set_temporary(),
                StoreTrouble::Away,
                "the store says SlowDown: Reduce; it is away",
            ),
            (
                Error::new(ErrorKind::Unexpected, "send http request")
                    .set_temporary()
                    .set_source(std::io::Error::other("connection refused")),
                StoreTrouble::Away,
                "send http request: connection refused; it is away",
            ),
            (Error::new(ErrorKind::ConditionNotMatch, ""), StoreTrouble::Conflict, "ConditionNotMatch"),
            (Error::new(ErrorKind::NotFound, ""), StoreTrouble::Missing, "it does not exist"),
        ] {
            let (found, reason) = explain(&error);
            assert_eq!(found, trouble, "{reason}");
            assert!(reason.contains(text), "{reason}");
        }
    }

    #[test]
    fn only_the_stores_errors_are_explained() {
        let of = |service: &str| Error::new(ErrorKind::NotFound, "").with_context("service", service);
        assert_eq!(of_store(&of("s3")).map(|(trouble, _)| trouble), Some(StoreTrouble::Missing));
        assert_eq!(of_store(&of("fs")), None);
    }
}
