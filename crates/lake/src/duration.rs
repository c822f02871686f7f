//! Durations as Paimon's options write them: `1 h`, `30min`, `7 d`; a bare number is milliseconds. Pure.

/// None if it is not one.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, expected) in [
            ("250", Some(250)),
            ("250 ms", Some(250)),
            (" 10s ", Some(10_000)),
            ("30 min", Some(1_800_000)),
            ("1 h", Some(3_600_000)),
            ("7 d", Some(604_800_000)),
            ("7 weeks", None),
            ("", None),
            ("h", None),
            ("99999999999999 d", None),
        ] {
            assert_eq!(parse_duration_ms(text), expected, "{text}");
        }
    }
}
