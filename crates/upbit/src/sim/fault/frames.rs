//! What damaged and odd frames look like. Pure.

use crate::sim::rng::Rng;
use bytes::Bytes;

/// A frame that no reader can make an event of; `good` is the frame it follows.
pub fn malformed(good: &Bytes, rng: &mut Rng) -> Bytes {
    match rng.below(6) {
        0 => truncated(good, rng),
        1 => Bytes::from_static(b"{\"type\":\"trade\",\"code\":\"KRW-\xff\xfe\",\"trade_price\":1}"),
        2 => Bytes::from_static(b"<html><body>502 Bad Gateway</body></html>"),
        3 => Bytes::new(),
        4 => Bytes::from_static(b"{\"type\":\"trade\",\"trade_price\":1.0,\"trade_volume\":1.0}"),
        _ => Bytes::from_static(
            b"{\"type\":\"orderbook\",\"code\":\"KRW-BTC\",\"orderbook_units\":[{\"ask_price\":1.0.0}]}",
        ),
    }
}

/// The frame cut off inside.
pub fn truncated(good: &Bytes, rng: &mut Rng) -> Bytes {
    good.slice(..rng.range(1, good.len() as i64 - 1) as usize)
}

/// The frame with one byte that no UTF-8 text has.
pub fn garbled(good: &Bytes, rng: &mut Rng) -> Bytes {
    let mut bytes = good.to_vec();
    let at = rng.below(bytes.len().max(1) as u64) as usize;
    bytes[at] = 0xff;
    bytes.into()
}

/// The frame with a field at the end of its last object that no documentation knows.
pub fn with_unknown_field(good: &[u8]) -> Bytes {
    let end = good.iter().rposition(|byte| *byte == b'}').unwrap_or(good.len());
    let mut frame = Vec::with_capacity(good.len() + 64);
    frame.extend_from_slice(&good[..end]);
    frame.extend_from_slice(b",\"sim_new_field\":{\"list\":[1,2.5E-3,\"\\u114b\"],\"none\":null}");
    frame.extend_from_slice(&good[end..]);
    frame.into()
}

/// A frame of a type that Upbit may add tomorrow.
pub fn of_unknown_type() -> Bytes {
    Bytes::from_static(b"{\"type\":\"indicator\",\"code\":\"KRW-BTC\",\"value\":1.25,\"stream_type\":\"REALTIME\"}")
}

/// The same frame with its times in microseconds, as Upbit's order books of August 2023.
pub fn in_microseconds(good: &[u8]) -> Bytes {
    with_numbers(good, |key, token, out| {
        out.extend_from_slice(token);
        if matches!(key, b"timestamp" | b"trade_timestamp" | b"tms" | b"ttms") {
            out.extend_from_slice(b"000");
        }
    })
}

/// The same numbers, spelled in any way; ids and times stay whole numbers.
pub fn respelled(good: &[u8], rng: &mut Rng) -> Bytes {
    with_numbers(
        good,
        |key, token, out| {
            if is_whole(key) { out.extend_from_slice(token) } else { respell(token, out, rng) }
        },
    )
}

/// The same numbers as strings.
pub fn as_text(good: &[u8]) -> Bytes {
    with_numbers(good, |_, token, out| {
        out.push(b'"');
        out.extend_from_slice(token);
        out.push(b'"');
    })
}

fn is_whole(key: &[u8]) -> bool {
    matches!(key, b"timestamp" | b"trade_timestamp" | b"sequential_id" | b"tms" | b"ttms" | b"sid")
}

/// Copies the frame, numbers by way of `number(key, token, out)`. The frame is one of ours: no escapes, no white space.
fn with_numbers(good: &[u8], mut number: impl FnMut(&[u8], &[u8], &mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(good.len() * 2);
    let mut key: &[u8] = b"";
    let mut at = 0;
    while at < good.len() {
        let start = at;
        match good[at] {
            b'"' => {
                at += 1 + good[at + 1..].iter().position(|byte| *byte == b'"').unwrap_or(good.len() - at - 2);
                at += 1;
                if good.get(at) == Some(&b':') {
                    key = &good[start + 1..at - 1];
                }
                out.extend_from_slice(&good[start..at]);
            }
            b'-' | b'0'..=b'9' => {
                let is_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                at += good[at..].iter().take_while(|byte| is_number(byte)).count();
                number(key, &good[start..at], &mut out);
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out.into()
}

/// The token's number, exact, in one of five looks.
fn respell(token: &[u8], out: &mut Vec<u8>, rng: &mut Rng) {
    let Some((is_negative, digits, scale)) = parts(token) else { return out.extend_from_slice(token) };
    if is_negative {
        out.push(b'-');
    }
    match rng.below(5) {
        // 1.16539E8, 0E-8
        0 => {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.extend_from_slice(format!("E{}", digits.len() as i64 - 1 - scale).as_bytes());
        }
        // 5.485e-05
        1 => {
            out.extend_from_slice(&digits);
            let exponent = -scale;
            let sign = if exponent < 0 { '-' } else { '+' };
            out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
        }
        // 93332000, 0.0070459; with .0, with eight digits, with sixteen
        look => push_plain(out, &digits, scale, [0, 1, 8][look as usize - 2]),
    }
}

fn push_plain(out: &mut Vec<u8>, digits: &[u8], scale: i64, fraction_min: usize) {
    let mut digits = digits.to_vec();
    let mut scale = scale;
    while scale < 0 {
        digits.push(b'0');
        scale += 1;
    }
    let scale = scale as usize;
    while digits.len() <= scale {
        digits.insert(0, b'0');
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let leading = whole.iter().take_while(|digit| **digit == b'0').count().min(whole.len() - 1);
    out.extend_from_slice(&whole[leading..]);
    if scale.max(fraction_min) > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
        out.resize(out.len() + fraction_min.saturating_sub(scale), b'0');
    }
}

/// Sign, digits without leading zeros, and how many of them are behind the point (negative: so many zeros are missing before it).
fn parts(token: &[u8]) -> Option<(bool, Vec<u8>, i64)> {
    let (is_negative, rest) = match token.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, token),
    };
    let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&rest[..at], std::str::from_utf8(&rest[at + 1..]).ok()?.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let scale = mantissa.len().saturating_sub(point + 1) as i64 - exponent;
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let leading = digits.iter().take_while(|digit| **digit == b'0').count().min(digits.len().checked_sub(1)?);
    Some((is_negative, digits[leading..].to_vec(), scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Message, read_frame};
    use hoga_model::json::Scanner;
    use hoga_model::number::parse_decimal;

    const TRADE: &[u8] = br#"{"type":"trade","code":"KRW-BTC","timestamp":1785395043831,"trade_timestamp":1785395043779,"trade_price":91361000.0,"trade_volume":6E-8,"change_price":-0.00,"sequential_id":17853950437790001,"stream_type":"REALTIME"}"#;

    fn read(frame: &Bytes) -> Vec<Message> {
        let mut messages = Vec::new();
        read_frame(frame, &mut messages);
        messages
    }

    #[test]
    fn malformed_frames_are_never_an_event_and_extended_ones_still_are() {
        let good = Bytes::from_static(TRADE);
        let mut rng = Rng::new(1, 1);
        for _ in 0..1_000 {
            for frame in [malformed(&good, &mut rng), truncated(&good, &mut rng), garbled(&good, &mut rng)] {
                assert!(matches!(&*read(&frame), [Message::Dead { .. }]), "{frame:?}");
            }
        }
        let frame = with_unknown_field(b"[{\"type\":\"trade\",\"code\":\"KRW-BTC\"}]");
        let mut json = Scanner::from_bytes(&frame).expect("UTF-8");
        json.skip().expect("still JSON");
        json.end().expect("still one value");
    }

    #[test]
    fn numbers_stay_the_same_in_every_spelling() {
        let mut rng = Rng::new(1, 1);
        let mut looks = std::collections::HashSet::new();
        for token in ["93332000", "109950000.0", "1.16539E8", "0.0070459", "6E-8", "0E-8", "-12.50", "5.485e-05", "0"] {
            for _ in 0..100 {
                let mut out = Vec::new();
                respell(token.as_bytes(), &mut out, &mut rng);
                let text = String::from_utf8(out).expect("ASCII");
                assert_eq!(Scanner::new(&text).number(), Ok(&*text), "{token}");
                assert_eq!(parse_decimal(&text, 24, 8), parse_decimal(token, 24, 8), "{token} as {text}");
                looks.insert(text);
            }
        }
        assert!(looks.len() > 30, "{looks:?}");
    }

    #[test]
    fn odd_frames_mean_the_same() {
        let good = Bytes::from_static(TRADE);
        let event = |frame: &Bytes| match &*read(frame) {
            [Message::Event(event)] => {
                (event.market.clone(), event.timestamp_ms, event.sequential_id, event.is_snapshot)
            }
            other => panic!("{other:?}"),
        };
        let mut rng = Rng::new(3, 1);
        for frame in [in_microseconds(&good), respelled(&good, &mut rng), as_text(&good)] {
            assert_ne!(frame, good);
            assert_eq!(event(&frame), event(&good));
        }
        let micro = in_microseconds(&good);
        assert!(memchr::memmem::find(&micro, b"\"trade_timestamp\":1785395043779000,").is_some());
    }
}
