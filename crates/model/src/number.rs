//! Decimal numbers from their JSON tokens: exact, whatever the spelling, and never through a double.
//!
//! Upbit writes one value in at least five ways (`93332000`, `109950000.0`, `1.16539E8`, `106691000.00000000`, `0E-8`),
//! with up to 27 significant digits seen. A decimal here is an `i128` of units of 10^-scale, as Arrow stores it.

pub mod java;

/// The most digits a DECIMAL can have, here, in Flink and in Paimon.
pub const PRECISION_MAX: u8 = 38;

/// Digits beyond this in one token are refused: no real number has them, and a limit keeps the work bounded.
const TOKEN_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("\"{0}\" is not a number")]
    NotANumber(String),
    #[error("{token} does not fit DECIMAL({precision}, {scale})")]
    DecimalOverflow { token: String, precision: u8, scale: u8 },
    #[error("{0} is not a whole number that fits BIGINT")]
    NotABigint(String),
}

/// Parses a number token into units of 10^-`scale`. Digits beyond the scale are rounded half up (away from zero), as
/// Flink does when it reads a JSON number into a DECIMAL.
pub fn parse_decimal(token: &str, precision: u8, scale: u8) -> Result<i128, NumberError> {
    let overflow = || NumberError::DecimalOverflow { token: clip(token), precision, scale };
    let parts = Parts::split(token)?;
    // value = digits × 10^exponent; we want digits × 10^(exponent + scale), rounded
    let shift = parts.exponent.saturating_add(i64::from(scale));
    let mut units: i128 = 0;
    let digits_kept = (parts.digit_count() as i64).saturating_add(shift.min(0));
    let mut rounds_up = false;
    for (index, digit) in parts.digits().enumerate() {
        if (index as i64) < digits_kept {
            units = units.checked_mul(10).and_then(|u| u.checked_add(i128::from(digit))).ok_or_else(overflow)?;
        } else {
            rounds_up = index as i64 == digits_kept && digit >= 5;
            break;
        }
    }
    if rounds_up {
        units += 1;
    }
    if units != 0 {
        for _ in 0..shift.clamp(0, i64::from(PRECISION_MAX) + 1) {
            units = units.checked_mul(10).ok_or_else(overflow)?;
        }
    }
    if units >= 10_i128.pow(u32::from(precision.min(PRECISION_MAX))) {
        return Err(overflow());
    }
    Ok(if parts.negative { -units } else { units })
}

/// Parses a token that must be a whole number (`17853950437790001`, but also `1.5E3`), exactly.
pub fn parse_bigint(token: &str) -> Result<i64, NumberError> {
    if let Ok(value) = token.parse::<i64>() {
        return Ok(value);
    }
    let not_bigint = || NumberError::NotABigint(clip(token));
    let parts = Parts::split(token)?;
    if parts.exponent < 0 {
        let fraction_digits = parts.exponent.unsigned_abs() as usize;
        let whole_digits = parts.digit_count().saturating_sub(fraction_digits);
        if parts.digits().skip(whole_digits).any(|digit| digit != 0) {
            return Err(not_bigint());
        }
    }
    parse_decimal(token, PRECISION_MAX, 0).ok().and_then(|units| i64::try_from(units).ok()).ok_or_else(not_bigint)
}

/// Writes units of 10^-`scale` the way a person does: no exponent, no trailing zeros after the point.
pub fn format_decimal(units: i128, scale: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = units.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A token taken apart: sign, digits (whole then fraction) and the power of ten they are multiplied by.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Parts<'a>, NumberError> {
        let invalid = || NumberError::NotANumber(clip(token));
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid());
        }
        let (negative, rest) = match token.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (mantissa, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&rest[..at], parse_exponent(&rest[at + 1..]).ok_or_else(invalid)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
            Some(at) if at + 1 < mantissa.len() => (&mantissa[..at], &mantissa[at + 1..]),
            Some(_) => return Err(invalid()),
            None => (mantissa, &[][..]),
        };
        let all_digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(invalid());
        }
        Ok(Parts { negative, whole, fraction, exponent: exponent.saturating_sub(fraction.len() as i64) })
    }

    fn digit_count(&self) -> usize {
        self.whole.len() + self.fraction.len()
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).map(|b| b - b'0')
    }
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, b| value.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    let value = value.min(1_000_000);
    Some(if negative { -value } else { value })
}

/// What of a bad token goes into an error message.
fn clip(token: &str) -> String {
    token.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
