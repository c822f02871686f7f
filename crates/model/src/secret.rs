//! A password or token that cannot be printed by accident.

use std::fmt;

/// Prints as `***`, compares in time that does not depend on where two secrets differ.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The value itself; for sending, never for messages.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if `candidate` is the secret. Takes as long for a near miss as for a far one.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let own = self.0.as_bytes();
        own.len() == candidate.len()
            && own.iter().zip(candidate).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_printed() {
        let secret = Secret::new("hunter2-hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }

    #[test]
    fn matches_itself_only() {
        let secret = Secret::new("abc");
        assert!(secret.matches(b"abc"));
        for other in ["", "ab", "abd", "abcd", "Abc"] {
            assert!(!secret.matches(other.as_bytes()), "{other}");
        }
    }
}
