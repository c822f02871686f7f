//! The ways in which Upbit's servers spell one number. All exact; only the look differs. Pure.
//!
//! Seen: `93332000`, `109950000.0`, `1.16539E8`, `106691000.00000000`, `0E-8` on the WebSocket, `5.485e-05` over REST.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `93332000`, `0.0070459`: no exponent, no trailing zeros.
    Plain,
    /// `91361000.0`, `0.0070459`: as `Plain`, with a fraction always.
    Point,
    /// `91361000.00000000`, `1.2E-7`, `0E-8`: Java's `BigDecimal.toString`, all digits of the scale.
    Full,
    /// `1.16539E8`, `7.9276E-4`: Java's `Double.toString`.
    Double,
    /// `91200000.0`, `5.485e-05`: Python's `repr(float)`.
    Python,
}

/// A double holds this many decimal digits of any number; one with more is spelled without exponent instead.
const DOUBLE_DIGITS_MAX: usize = 15;

/// Appends `units` × 10^-`scale`.
pub fn push_number(out: &mut Vec<u8>, units: i128, scale: u8, spelling: Spelling) {
    if units < 0 {
        out.push(b'-');
    }
    let magnitude = units.unsigned_abs();
    let scale = usize::from(scale);
    match spelling {
        Spelling::Plain => push_fixed(out, magnitude, scale, Fraction::Trimmed),
        Spelling::Point => push_fixed(out, magnitude, scale, Fraction::AtLeastOne),
        Spelling::Full => push_full(out, magnitude, scale),
        Spelling::Double => {
            push_shortest(
                out,
                magnitude,
                scale,
                |exponent| (-3..7).contains(&exponent),
                |out, exponent| {
                    out.push(b'E');
                    push_exponent(out, exponent, 1);
                },
            );
        }
        Spelling::Python => {
            push_shortest(
                out,
                magnitude,
                scale,
                |exponent| (-4..16).contains(&exponent),
                |out, exponent| {
                    out.push(b'e');
                    push_exponent(out, exponent, 2);
                },
            );
        }
    }
}

/// Appends a whole number.
pub fn push_integer(out: &mut Vec<u8>, value: u64) {
    push_digits(out, u128::from(value), 1);
}

#[derive(Clone, Copy, PartialEq)]
enum Fraction {
    Trimmed,
    AtLeastOne,
    All,
}

fn push_fixed(out: &mut Vec<u8>, magnitude: u128, scale: usize, fraction: Fraction) {
    let (whole, rest) = match u64::try_from(magnitude) {
        // nearly every price and size: 64-bit division is several times faster
        Ok(small) if scale <= 18 => {
            let one = 10_u64.pow(scale as u32);
            (u128::from(small / one), u128::from(small % one))
        }
        _ => {
            let one = 10_u128.pow(scale as u32);
            (magnitude / one, magnitude % one)
        }
    };
    push_digits(out, whole, 1);
    if fraction != Fraction::All && rest == 0 {
        if fraction == Fraction::AtLeastOne {
            out.extend_from_slice(b".0");
        }
        return;
    }
    if scale > 0 {
        out.push(b'.');
        push_digits(out, rest, scale);
    }
    if fraction != Fraction::All {
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// `BigDecimal.toString`: an exponent if the first digit is more than six places behind the point.
fn push_full(out: &mut Vec<u8>, magnitude: u128, scale: usize) {
    let number = Digits::of(magnitude, 1);
    let digits = number.as_slice();
    let exponent = digits.len() as i64 - 1 - scale as i64;
    if exponent >= -6 {
        return push_fixed(out, magnitude, scale, Fraction::All);
    }
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.push(b'E');
    push_exponent(out, exponent, 1);
}

fn push_shortest(
    out: &mut Vec<u8>,
    magnitude: u128,
    scale: usize,
    is_plain: impl Fn(i64) -> bool,
    push_suffix: impl Fn(&mut Vec<u8>, i64),
) {
    let number = Digits::of(magnitude, 1);
    let digits = number.as_slice();
    let exponent = digits.len() as i64 - 1 - scale as i64;
    let zeros = digits[1..].iter().rev().take_while(|digit| **digit == b'0').count();
    let digits = &digits[..digits.len() - zeros];
    if magnitude == 0 || digits.len() > DOUBLE_DIGITS_MAX || is_plain(exponent) {
        return push_fixed(out, magnitude, scale, Fraction::AtLeastOne);
    }
    out.push(digits[0]);
    out.push(b'.');
    out.extend_from_slice(if digits.len() > 1 { &digits[1..] } else { b"0" });
    push_suffix(out, exponent);
}

fn push_exponent(out: &mut Vec<u8>, exponent: i64, width: usize) {
    if exponent < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(Digits::of(u128::from(exponent.unsigned_abs()), width).as_slice());
}

fn push_digits(out: &mut Vec<u8>, value: u128, width: usize) {
    out.extend_from_slice(Digits::of(value, width).as_slice());
}

/// The decimal digits of a number, without a detour over the heap: a book has 120 of them.
struct Digits {
    buffer: [u8; 40],
    start: usize,
}

impl Digits {
    /// At least `width` digits, with leading zeros.
    fn of(value: u128, width: usize) -> Digits {
        let mut digits = Digits { buffer: [b'0'; 40], start: 40 };
        let mut high = value;
        while high > u128::from(u64::MAX) {
            digits.prepend((high % 10) as u8);
            high /= 10;
        }
        let mut low = high as u64;
        while low > 0 {
            digits.prepend((low % 10) as u8);
            low /= 10;
        }
        digits.start = digits.start.min(digits.buffer.len().saturating_sub(width));
        digits
    }

    fn prepend(&mut self, digit: u8) {
        self.start -= 1;
        self.buffer[self.start] = b'0' + digit;
    }

    fn as_slice(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Rng;
    use hoga_model::number::parse_decimal;

    fn spell(units: i128, scale: u8, spelling: Spelling) -> String {
        let mut out = Vec::new();
        push_number(&mut out, units, scale, spelling);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn every_spelling_that_was_recorded() {
        assert_eq!(spell(93_332_000 * 100_000_000, 8, Spelling::Plain), "93332000");
        assert_eq!(spell(704_590, 8, Spelling::Plain), "0.0070459");
        assert_eq!(spell(0, 8, Spelling::Plain), "0");
        assert_eq!(spell(109_950_000 * 100_000_000, 8, Spelling::Point), "109950000.0");
        assert_eq!(spell(116_539_000 * 100_000_000, 8, Spelling::Double), "1.16539E8");
        assert_eq!(spell(79_276, 8, Spelling::Double), "7.9276E-4");
        assert_eq!(spell(100_000_000 * 10_000_000, 8, Spelling::Double), "1.0E7");
        assert_eq!(spell(1_275_549, 8, Spelling::Double), "0.01275549");
        assert_eq!(spell(106_691_000 * 100_000_000, 8, Spelling::Full), "106691000.00000000");
        assert_eq!(spell(0, 8, Spelling::Full), "0E-8");
        assert_eq!(spell(6, 8, Spelling::Full), "6E-8");
        assert_eq!(spell(12, 8, Spelling::Full), "1.2E-7");
        assert_eq!(spell(-123, 8, Spelling::Full), "-0.00000123");
        assert_eq!(spell(950_787_336_943_792 * 10_i128.pow(12), 16, Spelling::Full), "95078733694.3792000000000000");
        assert_eq!(spell(5_485, 8, Spelling::Python), "5.485e-05");
        assert_eq!(spell(10_971, 8, Spelling::Python), "0.00010971");
        assert_eq!(spell(-224_000 * 100_000_000, 8, Spelling::Python), "-224000.0");
    }

    #[test]
    fn every_spelling_is_exact() {
        let mut rng = Rng::new(3, 0);
        for _ in 0..2_000 {
            let digits = rng.below(61) as u32;
            let units = i128::from(rng.next_u64() >> digits) * i128::from(rng.next_u64() >> 63 | 1);
            let units = if rng.below(2) == 0 { -units } else { units };
            for scale in [0, 8, 10, 16] {
                for spelling in [Spelling::Plain, Spelling::Point, Spelling::Full, Spelling::Double, Spelling::Python] {
                    let text = spell(units, scale, spelling);
                    assert_eq!(parse_decimal(&text, 38, scale), Ok(units), "{text} as {spelling:?}");
                }
            }
        }
    }
}
