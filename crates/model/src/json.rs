//! A pull scanner over one JSON text: keys and tokens in order, borrowed from the input, numbers as their own spelling.
//!
//! In: a UTF-8 text, at most one value. Out: tokens, or the byte offset of the first mistake. State: a position and a
//! depth. Not here: a tree (nothing is allocated but strings with escapes), any meaning of a token.
//!
//! ```text
//! let mut json = Scanner::new(text);
//! json.begin_object()?;
//! while let Some(key) = json.next_key()? {
//!     match &*key {
//!         "trade_price" => price = json.number()?,
//!         _ => { json.skip()?; }
//!     }
//! }
//! json.end()?;
//! ```

mod words;

use std::borrow::Cow;
use words::{Digits, POWERS_OF_TEN, begins_with, end_of_plain, shift};

/// Upbit nests two deep; whatever nests deeper than this is refused instead of recursed into.
pub const DEPTH_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {offset}: {reason}")]
pub struct JsonError {
    pub offset: usize,
    pub reason: &'static str,
}

/// What kind of value comes next; known from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// Walks over one JSON text from front to back. After an error the scanner's position has no meaning: drop it.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    position: usize,
    /// One entry per open container: false until its first member was read.
    has_members: u64,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, position: 0, has_members: 0, depth: 0 }
    }

    /// Checks that the bytes are UTF-8 first.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Scanner<'a>, JsonError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Scanner::new(text)),
            Err(error) => Err(JsonError { offset: error.valid_up_to(), reason: "not UTF-8" }),
        }
    }

    /// The kind of the value that comes next, which stays to be read.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, JsonError> {
        match self.next_byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value should be")),
        }
    }

    pub fn begin_object(&mut self) -> Result<(), JsonError> {
        self.open(b'{', "expected an object")
    }

    /// The next key of the object, whose value must be read or skipped before the next call; `None` closes the object.
    pub fn next_key(&mut self) -> Result<Option<Cow<'a, str>>, JsonError> {
        if !self.next_member(b'}', "expected , or } after a value")? {
            return Ok(None);
        }
        let key = self.string()?;
        self.expect(b':', "expected : after a key")?;
        Ok(Some(key))
    }

    /// Takes the next key of the object if it is this one, written without white space: `quoted` is `"name":`.
    ///
    /// Machines write the same keys in the same order, and comparing a known key is cheaper than finding where one ends.
    /// False says nothing about what comes next, and nothing was read then: ask [`next_key`](Scanner::next_key).
    #[inline]
    pub fn next_key_is(&mut self, quoted: &[u8]) -> bool {
        let Some(level) = self.depth.checked_sub(1) else { return false };
        let bytes = self.text.as_bytes();
        let mut at = self.position;
        if self.has_members & (1 << level) != 0 {
            if bytes.get(at) != Some(&b',') {
                return false;
            }
            at += 1;
        }
        if !bytes.get(at..).is_some_and(|rest| begins_with(rest, quoted)) {
            return false;
        }
        self.has_members |= 1 << level;
        self.position = at + quoted.len();
        true
    }

    pub fn begin_array(&mut self) -> Result<(), JsonError> {
        self.open(b'[', "expected an array")
    }

    /// True if the array has another element, which must be read or skipped; false closes the array.
    pub fn next_element(&mut self) -> Result<bool, JsonError> {
        self.next_member(b']', "expected , or ] after a value")
    }

    /// The content of a string; borrowed unless it has escapes.
    #[inline]
    pub fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"', "expected a string")?;
        let start = self.position;
        self.position = end_of_plain(self.text.as_bytes(), start);
        match self.text.as_bytes().get(self.position) {
            Some(b'"') => {
                let content = &self.text[start..self.position];
                self.position += 1;
                Ok(Cow::Borrowed(content))
            }
            Some(b'\\') => self.string_with_escapes(start),
            Some(_) => Err(self.error("control character in a string")),
            None => Err(self.error("the text ends inside a string")),
        }
    }

    /// The next value as units of 10^-`scale`, if it is a number in a plain spelling that fits: at most 18 digits before the
    /// point, at most `scale` after it, no exponent. None for anything else, which stays to be read.
    #[inline]
    pub fn plain_decimal(&mut self, precision: u8, scale: u8) -> Option<i128> {
        let mut digits = Digits::after_sign(self.text.as_bytes(), self.position)?;
        let whole = digits.whole()?;
        let scale = usize::from(scale);
        let (fraction, fraction_digits) = match digits.fraction() {
            Some(found) => found?,
            None => (0, 0),
        };
        if fraction_digits > scale || !digits.at_end() {
            return None;
        }
        // a product of two 64-bit numbers is one instruction
        let units = u128::from(whole) * u128::from(shift(scale)?)
            + u128::from(fraction) * u128::from(shift(scale - fraction_digits)?);
        if units >= *POWERS_OF_TEN.get(usize::from(precision))? {
            return None;
        }
        let units = i128::try_from(units).ok()?;
        self.position = digits.at;
        Some(if digits.is_negative { -units } else { units })
    }

    /// The next value, if it is a whole number of at most 18 digits. None for anything else, which stays to be read.
    #[inline]
    pub fn plain_integer(&mut self) -> Option<i64> {
        let mut digits = Digits::after_sign(self.text.as_bytes(), self.position)?;
        let whole = i64::try_from(digits.whole()?).ok()?;
        if !digits.at_end() {
            return None;
        }
        self.position = digits.at;
        Some(if digits.is_negative { -whole } else { whole })
    }

    /// The token of a number, as it is spelled.
    pub fn number(&mut self) -> Result<&'a str, JsonError> {
        self.skip_space();
        let start = self.position;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        if bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        let whole = at;
        at = digits(at);
        if at == whole || (bytes[whole] == b'0' && at > whole + 1) {
            return Err(self.error("expected a number"));
        }
        if bytes.get(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(fraction);
            if at == fraction {
                return Err(self.error("expected digits after the point"));
            }
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let mut exponent = at + 1;
            if matches!(bytes.get(exponent), Some(b'+' | b'-')) {
                exponent += 1;
            }
            at = digits(exponent);
            if at == exponent {
                return Err(self.error("expected digits in the exponent"));
            }
        }
        self.position = at;
        Ok(&self.text[start..at])
    }

    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        match self.next_byte() {
            Some(b't') => self.literal("true").map(|()| true),
            Some(b'f') => self.literal("false").map(|()| false),
            _ => Err(self.error("expected true or false")),
        }
    }

    pub fn null(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        self.literal("null")
    }

    /// Checks the next value, whatever it is, and gives its text.
    pub fn skip(&mut self) -> Result<&'a str, JsonError> {
        self.skip_space();
        let start = self.position;
        match self.peek()? {
            Kind::String => drop(self.string()?),
            Kind::Number => drop(self.number()?),
            Kind::Bool => drop(self.boolean()?),
            Kind::Null => self.null()?,
            Kind::Array => {
                self.begin_array()?;
                while self.next_element()? {
                    self.skip()?;
                }
            }
            Kind::Object => {
                self.begin_object()?;
                while self.next_key()?.is_some() {
                    self.skip()?;
                }
            }
        }
        Ok(&self.text[start..self.position])
    }

    /// Nothing but white space may follow the value.
    pub fn end(&mut self) -> Result<(), JsonError> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.error("text after the end of the value")),
        }
    }

    /// The byte offset of the scanner.
    pub fn position(&self) -> usize {
        self.position
    }

    fn error(&self, reason: &'static str) -> JsonError {
        JsonError { offset: self.position, reason }
    }

    #[inline]
    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.position), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.position).copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), JsonError> {
        if self.next_byte() != Some(byte) {
            return Err(self.error(reason));
        }
        self.position += 1;
        Ok(())
    }

    fn open(&mut self, bracket: u8, reason: &'static str) -> Result<(), JsonError> {
        self.expect(bracket, reason)?;
        if self.depth == DEPTH_MAX {
            return Err(self.error("nested too deep"));
        }
        self.has_members &= !(1 << self.depth);
        self.depth += 1;
        Ok(())
    }

    fn next_member(&mut self, closing: u8, reason: &'static str) -> Result<bool, JsonError> {
        let Some(level) = self.depth.checked_sub(1) else {
            return Err(self.error("no container is open"));
        };
        let has_members = self.has_members & (1 << level) != 0;
        match self.next_byte() {
            Some(byte) if byte == closing => {
                self.position += 1;
                self.depth = level;
                return Ok(false);
            }
            Some(b',') if has_members => self.position += 1,
            Some(_) if !has_members => self.has_members |= 1 << level,
            _ => return Err(self.error(reason)),
        }
        Ok(true)
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        if !self.text[self.position..].starts_with(word) {
            return Err(self.error("expected a value"));
        }
        self.position += word.len();
        Ok(())
    }

    /// The rest of a string from its first backslash on; `start` is the offset of its content.
    fn string_with_escapes(&mut self, start: usize) -> Result<Cow<'a, str>, JsonError> {
        let mut content = self.text[start..self.position].to_owned();
        loop {
            let rest = &self.text[self.position..];
            let Some(next) = rest.chars().next() else {
                return Err(self.error("the text ends inside a string"));
            };
            match next {
                '"' => {
                    self.position += 1;
                    return Ok(Cow::Owned(content));
                }
                '\\' => {
                    self.position += 1;
                    content.push(self.escape()?);
                }
                '\0'..='\x1f' => return Err(self.error("control character in a string")),
                other => {
                    self.position += other.len_utf8();
                    content.push(other);
                }
            }
        }
    }

    /// What an escape stands for; the backslash is already read.
    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(byte) = self.text.as_bytes().get(self.position).copied() else {
            return Err(self.error("the text ends inside a string"));
        };
        self.position += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => {
                self.position -= 1;
                return Err(self.error("unknown escape"));
            }
        })
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let high = self.hex4()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high).ok_or_else(|| self.error("lone surrogate"));
        }
        if !self.text[self.position..].starts_with("\\u") {
            return Err(self.error("lone surrogate"));
        }
        self.position += 2;
        let low = self.hex4()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(self.error("lone surrogate"));
        }
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or_else(|| self.error("lone surrogate"))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.position..self.position + 4);
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0, |value, b| (*b as char).to_digit(16).map(|digit| value << 4 | digit))
        });
        let value = value.ok_or_else(|| self.error("expected four hexadecimal digits"))?;
        self.position += 4;
        Ok(value)
    }
}

/// Appends `text` as a JSON string with its quotes.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0..=0x1f => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
