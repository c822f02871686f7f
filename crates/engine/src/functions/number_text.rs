//! Numbers as text and back, in Java's spelling.

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

/// As Java's Double.toString.
pub(crate) fn double_text(value: f64) -> String {
    java_text(value.is_nan(), value.is_infinite(), value.is_sign_negative(), value.abs(), || {
        format!("{:e}", value.abs())
    })
}

/// As Java's Float.toString.
pub(crate) fn float_text(value: f32) -> String {
    java_text(value.is_nan(), value.is_infinite(), value.is_sign_negative(), f64::from(value.abs()), || {
        format!("{:e}", value.abs())
    })
}

/// Plain between a thousandth and ten millions, scientific else; always with a digit behind the point.
fn java_text(nan: bool, infinite: bool, negative: bool, magnitude: f64, shortest: impl Fn() -> String) -> String {
    if nan {
        return "NaN".to_owned();
    }
    let sign = if negative { "-" } else { "" };
    if infinite {
        return format!("{sign}Infinity");
    }
    if magnitude == 0.0 {
        return format!("{sign}0.0");
    }
    let text = shortest();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if (-3..7).contains(&exponent) {
        let point = usize::try_from(exponent + 1).unwrap_or(0);
        let whole =
            if exponent < 0 { "0".to_owned() } else { format!("{:0<point$}", &digits[..digits.len().min(point)]) };
        let fraction = if exponent < 0 {
            format!("{}{digits}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0)))
        } else {
            digits.get(point..).unwrap_or_default().to_owned()
        };
        return format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { &fraction });
    }
    let (first, rest) = digits.split_at(1);
    format!("{sign}{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_java_writes_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (10_000_000.0, "1.0E7"),
            (1.234e10, "1.234E10"),
            (123.456, "123.456"),
            (f64::INFINITY, "Infinity"),
            (-0.0, "-0.0"),
        ];
        for (value, expected) in cases {
            assert_eq!(double_text(value), expected);
        }
        assert_eq!(float_text(0.1), "0.1");
    }

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
