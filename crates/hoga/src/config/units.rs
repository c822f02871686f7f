//! Durations and sizes as people write them: `500ms`, `30s`, `7d`; `64MiB`, `10GB`.

use std::time::Duration;

pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let ms_per_unit = match unit {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" | "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return Err("write a time such as 500ms, 30s, 5m, 12h or 7d".into()),
    };
    match number.parse::<f64>() {
        Ok(number) if number >= 0.0 && number * ms_per_unit < 1e15 => {
            Ok(Duration::from_millis((number * ms_per_unit).round() as u64))
        }
        _ => Err("write a time such as 500ms, 30s, 5m, 12h or 7d".into()),
    }
}

pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let bytes_per_unit: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err("write a size such as 64MiB or 10GB".into()),
    };
    match number.parse::<f64>() {
        Ok(number) if number >= 0.0 && number * bytes_per_unit < 1e18 => Ok((number * bytes_per_unit).round() as u64),
        _ => Err("write a size such as 64MiB or 10GB".into()),
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    (text[..at].trim(), &text[at..])
}
