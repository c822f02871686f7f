//! The `WITH ('key' = 'value', …)` list of a statement.

use std::fmt;

use sqlparser::tokenizer::Span;

/// Words in an option's key that make its value a secret in logs.
const SECRET_WORDS: &[&str] = &["password", "secret", "token", "access-key", "accesskey", "jaas", "credential"];

/// Options in the order of the file, each with its place. Keys are unique and case-sensitive.
#[derive(Clone)]
pub struct Options {
    entries: Vec<OptionEntry>,
    /// The whole list, or where it would stand.
    pub(crate) span: Span,
}

/// One `'key' = 'value'`. Spans are of the original file.
#[derive(Clone)]
pub struct OptionEntry {
    pub key: String,
    pub value: String,
    pub key_span: Span,
    pub value_span: Span,
}

impl Options {
    pub(crate) fn new(span: Span) -> Options {
        Options { entries: Vec::new(), span }
    }

    /// An option's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// An option with its places.
    pub fn entry(&self, key: &str) -> Option<&OptionEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub fn iter(&self) -> impl Iterator<Item = &OptionEntry> {
        self.entries.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, entry: OptionEntry) {
        self.entries.push(entry);
    }
}

/// A log line must not carry a password.
impl fmt::Debug for OptionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.to_ascii_lowercase();
        let secret = SECRET_WORDS.iter().any(|word| key.contains(word));
        write!(f, "'{}' = '{}'", self.key, if secret { "***" } else { &self.value })
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}
