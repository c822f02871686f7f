//! NUMERIC on the wire: exact decimals of any precision, as text and as binary, both ways. Pure.
//!
//! Binary is PostgreSQL's own (`numeric_send` in src/backend/utils/adt/numeric.c): a count of base-10000 digits, the
//! weight of the first, the sign, the display scale, the digits. Nothing here goes through a type with fewer digits.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::datatypes::i256;
use hoga_model::number::{PRECISION_MAX, parse_decimal};

const GROUP_DIGITS: usize = 4;
const SIGN_POSITIVE: u16 = 0x0000;
const SIGN_NEGATIVE: u16 = 0x4000;
const HEADER_BYTES: usize = 8;

/// A decimal taken apart: the digits of its units, without sign, and how many of them stand behind the point.
pub(super) struct Digits {
    negative: bool,
    /// ASCII, at least one digit.
    units: String,
    scale: i32,
}

impl Digits {
    pub(super) fn of_i128(units: i128, scale: i8) -> Digits {
        Digits { negative: units < 0, units: units.unsigned_abs().to_string(), scale: i32::from(scale) }
    }

    pub(super) fn of_i256(units: i256, scale: i8) -> Digits {
        let text = units.to_string();
        let negative = text.starts_with('-');
        Digits { negative, units: text.trim_start_matches('-').to_owned(), scale: i32::from(scale) }
    }

    /// The digits before and after the point. A negative scale means that zeros follow the units.
    fn parts(&self) -> (String, String) {
        let is_zero = self.units.bytes().all(|b| b == b'0');
        if self.scale <= 0 {
            let zeros = if is_zero { 0 } else { self.scale.unsigned_abs() as usize };
            return (format!("{}{}", self.units, "0".repeat(zeros)), String::new());
        }
        let scale = self.scale as usize;
        let padded = format!("{:0>width$}", self.units, width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        (whole.to_owned(), fraction.to_owned())
    }

    /// As PostgreSQL prints it: every digit of the scale, zeros included.
    pub(super) fn write_text(&self, out: &mut BytesMut) {
        let (whole, fraction) = self.parts();
        if self.negative {
            out.put_u8(b'-');
        }
        out.put_slice(whole.as_bytes());
        if !fraction.is_empty() {
            out.put_u8(b'.');
            out.put_slice(fraction.as_bytes());
        }
    }

    /// As a person writes it, and as JSON allows it: no zeros that say nothing.
    pub(super) fn write_shortest(&self, out: &mut BytesMut) {
        let (whole, fraction) = self.parts();
        let fraction = fraction.trim_end_matches('0');
        if self.negative {
            out.put_u8(b'-');
        }
        out.put_slice(whole.as_bytes());
        if !fraction.is_empty() {
            out.put_u8(b'.');
            out.put_slice(fraction.as_bytes());
        }
    }

    pub(super) fn write_binary(&self, out: &mut BytesMut) {
        let (whole, fraction) = self.parts();
        let mut groups: Vec<i16> = Vec::with_capacity(whole.len() / GROUP_DIGITS + fraction.len() / GROUP_DIGITS + 2);
        let first = whole.len() % GROUP_DIGITS;
        if first > 0 {
            groups.push(group(&whole.as_bytes()[..first]));
        }
        groups.extend(whole.as_bytes()[first..].chunks(GROUP_DIGITS).map(group));
        let mut weight = groups.len() as i16 - 1;
        groups.extend(fraction.as_bytes().chunks(GROUP_DIGITS).map(|chunk| {
            let missing = (GROUP_DIGITS - chunk.len()) as u32;
            group(chunk) * 10_i16.pow(missing)
        }));
        let leading = groups.iter().take_while(|g| **g == 0).count();
        groups.drain(..leading);
        weight -= leading as i16;
        while groups.last() == Some(&0) {
            groups.pop();
        }
        let is_zero = groups.is_empty();
        out.put_i16(groups.len() as i16);
        out.put_i16(if is_zero { 0 } else { weight });
        out.put_u16(if self.negative && !is_zero { SIGN_NEGATIVE } else { SIGN_POSITIVE });
        out.put_u16(fraction.len() as u16);
        for digits in groups {
            out.put_i16(digits);
        }
    }
}

fn group(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |value, b| value * 10 + i16::from(b - b'0'))
}

/// A decimal as DataFusion takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) units: i128,
    pub(super) scale: u8,
}

/// Reads a NUMERIC parameter sent as text. `None`: not a number, or more digits than a DECIMAL holds.
pub(super) fn read_text(text: &str) -> Option<Decimal> {
    let token = text.trim();
    let token = token.strip_prefix('+').unwrap_or(token);
    let (mantissa, exponent) = match token.find(['e', 'E']) {
        Some(at) => (&token[..at], token[at + 1..].parse::<i64>().ok()?),
        None => (token, 0),
    };
    // PostgreSQL takes ".5" and "5."; our parser wants digits on both sides of a point
    let mantissa = match mantissa.strip_suffix('.').unwrap_or(mantissa).replacen("-.", "-0.", 1) {
        m if m.starts_with('.') => format!("0{m}"),
        m => m,
    };
    let fraction_digits = mantissa.find('.').map_or(0, |at| mantissa.len() - at - 1) as i64;
    let scale = u8::try_from(fraction_digits.saturating_sub(exponent).max(0)).ok().filter(|s| *s <= PRECISION_MAX)?;
    let units = parse_decimal(&format!("{mantissa}e{exponent}"), PRECISION_MAX, scale).ok()?;
    Some(Decimal { units, scale })
}

/// Reads a NUMERIC parameter sent as binary. `None`: NaN, infinite, malformed, or more digits than a DECIMAL holds.
pub(super) fn read_binary(bytes: &[u8]) -> Option<Decimal> {
    let (header, digits) = bytes.split_at_checked(HEADER_BYTES)?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (count, weight, sign, scale) = (word(0) as usize, word(2) as i16, word(4), word(6));
    let scale = u8::try_from(scale).ok().filter(|s| *s <= PRECISION_MAX)?;
    if digits.len() != count * 2 || !matches!(sign, SIGN_POSITIVE | SIGN_NEGATIVE) {
        return None;
    }
    let mut units: i128 = 0;
    for (index, pair) in digits.chunks_exact(2).enumerate() {
        let digit = i128::from(u16::from_be_bytes([pair[0], pair[1]]));
        if digit >= 10_000 {
            return None;
        }
        if digit == 0 {
            continue;
        }
        let exponent = GROUP_DIGITS as i32 * (i32::from(weight) - index as i32) + i32::from(scale);
        let value = match u32::try_from(exponent) {
            Ok(up) => 10_i128.checked_pow(up).and_then(|power| digit.checked_mul(power))?,
            // the display scale cuts inside this group: what it cuts off is zeros
            Err(_) => digit / 10_i128.pow(exponent.unsigned_abs().min(u32::from(PRECISION_MAX))),
        };
        units = units.checked_add(value)?;
    }
    if units >= 10_i128.pow(u32::from(PRECISION_MAX)) {
        return None;
    }
    Some(Decimal { units: if sign == SIGN_NEGATIVE { -units } else { units }, scale })
}

#[cfg(test)]
mod tests;
