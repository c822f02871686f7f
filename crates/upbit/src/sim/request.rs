//! What a client's text message asks for: the subscription frame of Upbit's WebSocket, or why it is refused. Pure.

use super::render::Format;
use hoga_model::StreamKind;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The text `PING`.
    Ping,
    ListSubscriptions {
        ticket: String,
    },
    Subscribe(Subscription),
}

/// Replaces whatever the socket was subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub ticket: String,
    pub format: Format,
    pub streams: Vec<Stream>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    pub kind: StreamKind,
    /// As written: the unknown and the lower-case ones are in here too.
    pub codes: Vec<String>,
    pub wants_snapshot: bool,
    pub wants_realtime: bool,
    /// Grouping of order book prices; only 0 (none) is simulated, another one gets silence as an unsupported one does.
    pub is_grouped: bool,
}

/// The body of an error frame; the server closes the socket after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub name: &'static str,
    pub message: String,
}

/// Reads one message of a client.
pub fn parse(message: &[u8]) -> Result<Request, Refusal> {
    if message == b"PING" {
        return Ok(Request::Ping);
    }
    let wrong_format = || refusal("WRONG_FORMAT", "Format 이 맞지 않습니다.");
    let parts: Vec<Value> = serde_json::from_slice(message).map_err(|_| wrong_format())?;
    if parts.iter().any(|part| !part.is_object()) {
        return Err(wrong_format());
    }
    let ticket = parts.iter().find_map(|part| part.get("ticket")?.as_str());
    let ticket = ticket.filter(|ticket| !ticket.is_empty());
    let ticket = ticket.ok_or_else(|| refusal("NO_TICKET", "티켓이 존재하지 않거나, 유효하지 않습니다."))?.to_owned();
    if let Some(method) = parts.iter().find_map(|part| part.get("method")) {
        return match method.as_str() {
            Some("LIST_SUBSCRIPTIONS") => Ok(Request::ListSubscriptions { ticket }),
            _ => Err(wrong_format()),
        };
    }
    let format = match parts.iter().find_map(|part| part.get("format")) {
        None => Format::Default,
        Some(format) => format.as_str().and_then(Format::parse).ok_or_else(wrong_format)?,
    };
    let streams = parts.iter().filter(|part| part.get("type").is_some()).map(parse_stream);
    let streams: Vec<Stream> = streams.collect::<Result<_, _>>()?;
    if streams.is_empty() {
        return Err(refusal("NO_TYPE", "타입이 존재하지 않거나, 유효하지 않습니다."));
    }
    Ok(Request::Subscribe(Subscription { ticket, format, streams }))
}

fn parse_stream(part: &Value) -> Result<Stream, Refusal> {
    let name = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let kind = StreamKind::ALL.into_iter().find(|kind| kind.as_str() == name);
    let kind = kind.ok_or_else(|| refusal("INVALID_PARAM", &format!("{name} 은 지원하지 않는 타입입니다.")))?;
    let codes = part.get("codes").and_then(Value::as_array).filter(|codes| !codes.is_empty());
    let codes = codes.ok_or_else(|| refusal("NO_CODES", "codes 필드가 존재하지 않습니다."))?;
    let codes = codes.iter().filter_map(|code| code.as_str().map(str::to_owned)).collect();
    let flag = |new: &str, old: &str| part.get(new).or(part.get(old)).and_then(Value::as_bool).unwrap_or(false);
    Ok(Stream {
        kind,
        codes,
        wants_snapshot: !flag("is_only_realtime", "isOnlyRealtime"),
        wants_realtime: !flag("is_only_snapshot", "isOnlySnapshot"),
        is_grouped: part.get("level").is_some_and(|level| level.as_f64() != Some(0.0)),
    })
}

/// A code and its order book depth: `KRW-BTC.5`. Depths that Upbit does not have mean all 30 levels.
pub fn split_depth(code: &str) -> (&str, usize) {
    match code.split_once('.') {
        None => (code, 30),
        Some((code, depth)) => (code, depth.parse().ok().filter(|depth| DEPTHS.contains(depth)).unwrap_or(30)),
    }
}

/// The depths an order book can be asked in.
pub const DEPTHS: [usize; 4] = [1, 5, 15, 30];

fn refusal(name: &'static str, message: &str) -> Refusal {
    Refusal { name, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_request() {
        let text = r#"[{"ticket":"t"},{"type":"trade","codes":["KRW-BTC","krw-eth"]},
            {"type":"orderbook","codes":["KRW-BTC.5"],"is_only_realtime":true},
            {"type":"ticker","codes":["KRW-BTC"],"isOnlySnapshot":true},{"format":"SIMPLE_LIST"}]"#;
        let Ok(Request::Subscribe(subscription)) = parse(text.as_bytes()) else { panic!("not a subscription") };
        assert_eq!(subscription.format, Format::SimpleList);
        let flags: Vec<_> = subscription.streams.iter().map(|s| (s.kind, s.wants_snapshot, s.wants_realtime)).collect();
        let (trade, book, ticker) = (StreamKind::Trade, StreamKind::Orderbook, StreamKind::Ticker);
        assert_eq!(flags, [(trade, true, true), (book, false, true), (ticker, true, false)]);
        assert_eq!(subscription.streams[0].codes, ["KRW-BTC", "krw-eth"]);
    }

    #[test]
    fn the_format_may_come_second() {
        let text = r#"[{"ticket":"t"},{"format":"SIMPLE"},{"type":"trade","codes":["KRW-BTC"]}]"#;
        assert!(matches!(parse(text.as_bytes()), Ok(Request::Subscribe(s)) if s.format == Format::Simple));
    }

    #[test]
    fn refusals_by_name() {
        for (text, name) in [
            ("hello", "WRONG_FORMAT"),
            ("{}", "WRONG_FORMAT"),
            ("[1]", "WRONG_FORMAT"),
            ("[]", "NO_TICKET"),
            (r#"[{"type":"trade","codes":["KRW-BTC"]}]"#, "NO_TICKET"),
            (r#"[{"ticket":"t"}]"#, "NO_TYPE"),
            (r#"[{"ticket":"t"},{"type":"nope","codes":["KRW-BTC"]}]"#, "INVALID_PARAM"),
            (r#"[{"ticket":"t"},{"type":"trade"}]"#, "NO_CODES"),
            (r#"[{"ticket":"t"},{"type":"trade","codes":["KRW-BTC"]},{"format":"XML"}]"#, "WRONG_FORMAT"),
        ] {
            assert_eq!(parse(text.as_bytes()).map_err(|refusal| refusal.name), Err(name), "{text}");
        }
        assert_eq!(parse(b"PING"), Ok(Request::Ping));
        let list = br#"[{"ticket":"t"},{"method":"LIST_SUBSCRIPTIONS"}]"#;
        assert_eq!(parse(list), Ok(Request::ListSubscriptions { ticket: "t".into() }));
    }

    #[test]
    fn depths() {
        assert_eq!(split_depth("KRW-BTC"), ("KRW-BTC", 30));
        assert_eq!(split_depth("KRW-BTC.5"), ("KRW-BTC", 5));
        assert_eq!(split_depth("KRW-BTC.7"), ("KRW-BTC", 30));
        assert_eq!(split_depth("KRW-BTC.x"), ("KRW-BTC", 30));
    }
}
