//! Times on the command line: an instant, or how long ago.

use crate::cli::SpanArgs;
use crate::config::parse_duration;
use crate::failure::Failure;
use hoga_model::time::parse_utc;

/// `2026-01-31`, `2026-01-31T13:00:00Z`, `2026-01-31 13:00:00+09:00` (UTC without a zone), `now`, or a time before now such as `30m` or `7d`; as
/// milliseconds since the epoch.
pub fn instant(option: &str, text: &str, now_ms: i64) -> Result<i64, Failure> {
    if text == "now" {
        return Ok(now_ms);
    }
    let ago = || parse_duration(text).ok().map(|ago| now_ms - ago.as_millis() as i64);
    parse_utc(text).or_else(ago).ok_or_else(|| {
        Failure::user(format!(
            "{option}: \"{text}\" is not a time; write 2026-01-31, 2026-01-31T13:00:00Z (UTC), or how long ago: 30m, 12h, 7d"
        ))
    })
}

/// Both ends as they were given, in the right order.
pub fn span(args: &SpanArgs, now_ms: i64) -> Result<(Option<i64>, Option<i64>), Failure> {
    let at = |option, text: &Option<String>| text.as_deref().map(|text| instant(option, text, now_ms)).transpose();
    let (from_ms, to_ms) = (at("--from", &args.from)?, at("--to", &args.to)?);
    match from_ms.zip(to_ms) {
        Some((from_ms, to_ms)) if from_ms >= to_ms => Err(Failure::user("--from has to be before --to")),
        _ => Ok((from_ms, to_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_times_ago() {
        let at = |text| instant("--from", text, 10_000_000).map_err(|failure| failure.exit_code());
        assert_eq!(at("1970-01-01T00:00:05Z"), Ok(5_000));
        assert_eq!(at("now"), Ok(10_000_000));
        assert_eq!(at("10s"), Ok(9_990_000));
        assert_eq!(at("soon"), Err(2));
        assert_eq!(at("1970-01-01T09:00:05.250+09:00"), Ok(5_250));
        assert_eq!(at("1970-01-01"), Ok(0));
    }

    #[test]
    fn a_span_has_its_ends_in_order() {
        let between = |from: Option<&str>, to: Option<&str>| {
            let args = SpanArgs { from: from.map(str::to_owned), to: to.map(str::to_owned) };
            span(&args, 10_000_000).map_err(|failure| failure.exit_code())
        };
        assert_eq!(between(Some("10s"), Some("now")), Ok((Some(9_990_000), Some(10_000_000))));
        assert_eq!(between(None, Some("10s")), Ok((None, Some(9_990_000))));
        assert_eq!(between(Some("10s"), Some("20s")), Err(2));
        assert_eq!(between(Some("noon"), None), Err(2));
    }
}
