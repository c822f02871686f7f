//! Splits SQL text into code, comments, strings and quoted names, by Flink's lexical rules, without tokenizing it.
//!
//! Two steps need this before there are tokens: substitution (never inside a comment) and finding the `;` between statements.

use std::ops::Range;

/// What a stretch of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegionKind {
    Code,
    Comment,
    /// `'…'`, quotes included; a doubled quote stays inside.
    Text,
    /// `` `…` ``, backticks included.
    Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) kind: RegionKind,
    pub(crate) range: Range<usize>,
}

/// The regions of a text, in order, without gaps. A string or comment that is never closed reaches to the end.
pub(crate) fn regions(text: &str) -> Vec<Region> {
    let bytes = text.as_bytes();
    let mut regions = Vec::new();
    let (mut at, mut code_from) = (0, 0);
    while at < bytes.len() {
        let Some((kind, end)) = special_at(bytes, at) else {
            at += 1;
            continue;
        };
        if code_from < at {
            regions.push(Region { kind: RegionKind::Code, range: code_from..at });
        }
        regions.push(Region { kind, range: at..end });
        (at, code_from) = (end, end);
    }
    if code_from < bytes.len() {
        regions.push(Region { kind: RegionKind::Code, range: code_from..bytes.len() });
    }
    regions
}

/// A comment, string or quoted name that starts here, and where it ends.
fn special_at(bytes: &[u8], at: usize) -> Option<(RegionKind, usize)> {
    let rest = bytes.get(at..)?;
    match rest {
        [b'-', b'-', ..] => {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length);
            Some((RegionKind::Comment, end))
        }
        [b'/', b'*', body @ ..] => {
            let length = body.windows(2).position(|pair| pair == b"*/");
            Some((RegionKind::Comment, length.map_or(bytes.len(), |length| at + 2 + length + 2)))
        }
        [b'\'', ..] => Some((RegionKind::Text, quoted_end(bytes, at, b'\''))),
        [b'`', ..] => Some((RegionKind::Name, quoted_end(bytes, at, b'`'))),
        // the whole of `${…}` is one piece of code: a quote in its default opens nothing here
        [b'$', b'{', body @ ..] => {
            let length = body.iter().position(|byte| *byte == b'}' || *byte == b'\n')?;
            (body.get(length) == Some(&b'}')).then_some((RegionKind::Code, at + 2 + length + 1))
        }
        _ => None,
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        if *byte != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}
