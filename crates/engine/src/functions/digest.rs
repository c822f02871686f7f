//! MD5, SHA256 and Base64 of a text's UTF-8 bytes, as Java computes them.

use arrow::array::{ArrayRef, AsArray, StringArray, StringBuilder};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use datafusion::common::{Result, exec_datafusion_err};
use sha2::Digest;
use std::fmt::Write;
use std::sync::Arc;

/// Java's decoder asks for no padding, and for no zero bits behind the last byte.
const JAVA: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn map(texts: &ArrayRef, function: impl Fn(&str) -> String) -> Result<ArrayRef> {
    Ok(Arc::new(texts.as_string::<i32>().iter().map(|text| text.map(&function)).collect::<StringArray>()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // writing into a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn md5(texts: &ArrayRef) -> Result<ArrayRef> {
    map(texts, |text| hex(&md5::Md5::digest(text)))
}

pub(crate) fn sha256(texts: &ArrayRef) -> Result<ArrayRef> {
    map(texts, |text| hex(&sha2::Sha256::digest(text)))
}

pub(crate) fn to_base64(texts: &ArrayRef) -> Result<ArrayRef> {
    map(texts, |text| STANDARD.encode(text))
}

/// Fails on what is no Base64; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn from_base64(texts: &ArrayRef) -> Result<ArrayRef> {
    let mut result = StringBuilder::new();
    for text in texts.as_string::<i32>() {
        let Some(text) = text else {
            result.append_null();
            continue;
        };
        let is_cut = text.contains('=') && text.len() % 4 != 0;
        let bytes = JAVA.decode(text).ok().filter(|_| !is_cut);
        let bytes = bytes.ok_or_else(|| exec_datafusion_err!("'{text}' is no Base64"))?;
        result.append_value(String::from_utf8_lossy(&bytes));
    }
    Ok(Arc::new(result.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What real Flink answered.
    #[test]
    fn as_flink() {
        let one = |function: fn(&ArrayRef) -> Result<ArrayRef>, text: &str| {
            let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(text), None]));
            let found = function(&texts).ok()?;
            assert!(found.is_null(1));
            Some(found.as_string::<i32>().value(0).to_owned())
        };
        assert_eq!(one(md5, "abc").as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(one(md5, "").as_deref(), Some("d41d8cd98f00b204e9800998ecf8427e"));
        let sha = "bd87f9bb68b67d2fa1cb82b6751820e946d5b1316d25d5fd96512fb4be44a2a8";
        assert_eq!(one(sha256, "한글").as_deref(), Some(sha));
        assert_eq!(one(to_base64, "한글?>").as_deref(), Some("7ZWc6riAPz4="));
        for (text, expected) in [
            ("7ZWc6riAPz4=", Some("한글?>")),
            ("7ZWc6riAPz4", Some("한글?>")),
            ("", Some("")),
            ("/+8=", Some("\u{fffd}\u{fffd}")),
            ("aGVsbG8 gd29ybGQ=", None),
            ("x", None),
            ("***", None),
            ("_-8=", None),
            ("YQ=", None),
        ] {
            assert_eq!(one(from_base64, text).as_deref(), expected, "{text}");
        }
    }
}
