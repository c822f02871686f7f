//! A message as the page shows it: bytes become text, long ones are clipped and say so. Pure.

use bytes::Bytes;
use serde::Serialize;

use super::LogMessage;

/// More of a key, a value or a header than this is not sent.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// What is no text is sent as hexadecimal digits, and of those nobody reads many.
const BINARY_BYTES_MAX: usize = 512;
/// Headers beyond these are not sent; the message says how many there are.
const HEADERS_MAX: usize = 64;
/// What a message costs beside its own bytes: field names and numbers in JSON.
const MESSAGE_OVERHEAD_BYTES: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Message {
    pub(super) partition: u32,
    pub(super) offset: i64,
    /// Milliseconds since the epoch.
    pub(super) timestamp: i64,
    key: Option<Content>,
    headers: Vec<Header>,
    headers_total: usize,
    value: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Header {
    name: String,
    value: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Content {
    text: String,
    /// Of the whole, however much of it `text` holds.
    bytes: usize,
    /// `text` is hexadecimal: the bytes are not UTF-8.
    binary: bool,
    clipped: bool,
}

impl Message {
    pub(super) fn new(partition: u32, message: &LogMessage) -> Message {
        let header = |(name, value): &(String, Bytes)| Header { name: clip(name.as_bytes()).text, value: clip(value) };
        Message {
            partition,
            offset: message.offset,
            timestamp: message.timestamp_ms,
            key: message.key.as_deref().map(clip),
            headers: message.headers.iter().take(HEADERS_MAX).map(header).collect(),
            headers_total: message.headers.len(),
            value: clip(&message.value),
        }
    }

    /// About what it takes in an answer.
    pub(super) fn cost_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|header| header.name.len() + header.value.text.len()).sum();
        let key = self.key.as_ref().map_or(0, |key| key.text.len());
        MESSAGE_OVERHEAD_BYTES + key + headers + self.value.text.len()
    }
}

fn clip(bytes: &[u8]) -> Content {
    let clipped = bytes.len() > TEXT_BYTES_MAX;
    let shown = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // the cut went through a character
        Err(error) if clipped && error.error_len().is_none() => std::str::from_utf8(&shown[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some(text) => Content { text: text.to_owned(), bytes: bytes.len(), binary: false, clipped },
        None => Content {
            text: hexadecimal(&bytes[..bytes.len().min(BINARY_BYTES_MAX)]),
            bytes: bytes.len(),
            binary: true,
            clipped: bytes.len() > BINARY_BYTES_MAX,
        },
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_is_cut_between_characters() {
        assert_eq!(clip("호가".as_bytes()), Content { text: "호가".into(), bytes: 6, binary: false, clipped: false });
        // 3 bytes a character: 65,536 is not a multiple of 3
        let long = clip("가".repeat(30_000).as_bytes());
        assert_eq!((long.text.len(), long.bytes, long.binary, long.clipped), (65_535, 90_000, false, true));
    }

    #[test]
    fn other_bytes_are_hexadecimal() {
        let content = clip(&[0x00, 0xff, 0x1a]);
        assert_eq!((content.text.as_str(), content.binary, content.clipped), ("00ff1a", true, false));
        let long = clip(&[0xff; 4_000]);
        assert_eq!((long.text.len(), long.bytes, long.clipped), (1_024, 4_000, true));
    }
}
