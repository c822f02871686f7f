//! Floating-point numbers as Java writes them, and with it Flink and Paimon.

/// As Java's Double.toString.
pub fn double_text(value: f64) -> String {
    java_text(value.is_nan(), value.is_infinite(), value.is_sign_negative(), value.abs(), || {
        format!("{:e}", value.abs())
    })
}

/// As Java's Float.toString.
pub fn float_text(value: f32) -> String {
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
}
