//! Texts as numbers, in Java's spelling.

/// A whole number; what follows a point must be digits and is cut. Blanks around do not count.
pub(crate) fn parse_long(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole {
        "" | "+" | "-" => (!fraction.is_empty()).then_some(0),
        whole => whole.parse().ok(),
    }
}

/// As Java's Double.parseDouble, blanks around allowed.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim();
    match text {
        "NaN" | "+NaN" | "-NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust also reads inf, nan and infinity, which Java does not
        _ if text
            .bytes()
            .any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E' | b'd' | b'D' | b'f' | b'F')) =>
        {
            None
        }
        _ => text.trim_end_matches(['d', 'D', 'f', 'F']).parse().ok(),
    }
}

/// The units of a decimal of this scale, rounded half up. None: no number. Some(None): it fits nowhere.
pub(crate) fn parse_decimal_half_up(text: &str, scale: u32) -> Option<Option<i128>> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    // how many of the digits, read as one number, stand before the wanted end
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut units: i128 = 0;
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte - b'0'));
    let mut at = 0;
    while at < kept {
        let Some(next) = units.checked_mul(10).and_then(|units| units.checked_add(digits.next().unwrap_or(0))) else {
            return Some(None);
        };
        units = next;
        at += 1;
        if units == 0 && at > 4_096 {
            break;
        }
    }
    if kept >= 0 && digits.next().is_some_and(|digit| digit >= 5) {
        units += 1;
    }
    Some(Some(if negative { -units } else { units }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_as_numbers() {
        assert_eq!(parse_long(" 12.9 "), Some(12));
        assert_eq!(parse_long("12.x"), None);
        assert_eq!(parse_long(""), None);
        assert_eq!(parse_double("1e3"), Some(1000.0));
        assert_eq!(parse_double("inf"), None);
        assert_eq!(parse_decimal_half_up("1.005", 2), Some(Some(101)));
        assert_eq!(parse_decimal_half_up("-1.005", 2), Some(Some(-101)));
        assert_eq!(parse_decimal_half_up("1.16539E8", 2), Some(Some(11_653_900_000)));
        assert_eq!(parse_decimal_half_up("5e-3", 2), Some(Some(1)));
        assert_eq!(parse_decimal_half_up("5e-4", 2), Some(Some(0)));
        assert_eq!(parse_decimal_half_up("0E-8", 8), Some(Some(0)));
        assert_eq!(parse_decimal_half_up("1e99", 2), Some(None));
        assert_eq!(parse_decimal_half_up("NaN", 2), None);
    }
}
