//! What one WebSocket message of Upbit holds. Pure.
//!
//! In: the bytes of one message (text or binary; DEFAULT, SIMPLE, JSON_LIST or SIMPLE_LIST; of any year since 2018).
//! Out: one [`Message`] per object, in order, at least one per frame. State: none.
//! Not here: numbers as numbers (a value keeps Upbit's spelling), the zero-padding of thin books (it is Upbit's own).
//!
//! Only well-formed JSON becomes an [`Event`]. A frame that is not JSON is dead as a whole, for nothing in it can be
//! trusted; in a well-formed list a bad element is dead alone.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use hoga_model::json::{JsonError, Kind, Scanner};
use hoga_model::number::{NumberError, parse_bigint};
use hoga_model::{Market, StreamKind};

pub(crate) mod names;
mod rewrite;

use rewrite::{RewriteError, rewrite};

/// The longest frame that is read. The longest seen is ~4 KiB; a LIST frame of all 855 books is ~2.3 MiB.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// How much of a frame over the limit is kept as its dead letter.
pub const DEAD_BYTES_MAX: usize = 64 << 10;

/// Larger than any time in milliseconds (year 33658): what is above it is microseconds, as in Upbit's books of August 2023.
const TIMESTAMP_MS_MAX: i64 = 1_000_000_000_000_000;

/// How much of somebody's text goes into a reason.
const QUOTE_CHARS_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Event(Event),
    /// `{"status":"UP"}`, the answer to a text `PING`.
    Status,
    /// The exchange refused the request; it closes the connection next.
    Error {
        name: String,
        message: String,
    },
    /// Nobody can read it, or no topic takes it: the bytes as they came, and why.
    Dead {
        value: Bytes,
        reason: String,
    },
}

/// One ticker, trade or order book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: StreamKind,
    pub market: Market,
    /// A JSON object with DEFAULT field names, `type` and `code` among them, and every value spelled as Upbit spelled it; times in
    /// microseconds, a fault that Upbit has had, are written in milliseconds. It is a slice of the frame if the frame said it so already.
    pub value: Bytes,
    /// Always there in a trade, never in another kind.
    pub sequential_id: Option<u64>,
    pub is_snapshot: bool,
    /// When Upbit published it.
    pub timestamp_ms: i64,
}

/// The fields that events of this kind have had until now, by their paths: `orderbook_units[].ask_price` inside a book's levels.
#[must_use]
pub fn known_fields(kind: StreamKind) -> BTreeSet<String> {
    let mut paths: BTreeSet<String> = names::of_kind(kind).iter().map(|(_, name)| (*name).to_owned()).collect();
    if kind == StreamKind::Orderbook {
        paths.extend(names::ORDERBOOK_UNIT.iter().map(|(_, name)| format!("{}[].{name}", names::UNITS)));
    }
    paths
}

/// Appends what `frame` holds to `out`. Total: any bytes have an answer.
pub fn read_frame(frame: &Bytes, out: &mut Vec<Message>) {
    if frame.len() > FRAME_BYTES_MAX {
        let reason = format!(
            "frame of {} bytes; the limit is {FRAME_BYTES_MAX}, the first {DEAD_BYTES_MAX} are kept",
            frame.len()
        );
        out.push(Message::Dead { value: frame.slice(..DEAD_BYTES_MAX), reason });
        return;
    }
    let first = out.len();
    if let Err(error) = read_values(frame, out) {
        out.truncate(first);
        out.push(Message::Dead { value: frame.clone(), reason: error.to_string() });
    }
}

fn read_values(frame: &Bytes, out: &mut Vec<Message>) -> Result<(), JsonError> {
    let mut json = Scanner::from_bytes(frame)?;
    if json.peek()? != Kind::Array {
        out.push(read_value(&mut json, frame, None)?);
        return json.end();
    }
    json.begin_array()?;
    let mut index = 0;
    while json.next_element()? {
        index += 1;
        out.push(read_value(&mut json, frame, Some(index))?);
    }
    if index == 0 {
        out.push(Message::Dead { value: frame.clone(), reason: "the list is empty".to_owned() });
    }
    json.end()
}

/// `element` counts from 1 in a list.
fn read_value<'a>(json: &mut Scanner<'a>, frame: &'a Bytes, element: Option<usize>) -> Result<Message, JsonError> {
    let kind = json.peek()?;
    let start = json.position();
    let answer = if kind == Kind::Object {
        let fields = Fields::read(json)?;
        interpret(&fields, frame, start, json.position())
    } else {
        json.skip()?;
        Err(format!("not an object but {}", kind_name(kind)))
    };
    Ok(answer.unwrap_or_else(|reason| Message::Dead {
        value: frame.slice(start..json.position()),
        reason: match element {
            Some(index) => format!("element {index} of the list: {reason}"),
            None => reason,
        },
    }))
}

/// The fields that decide where an object goes, as raw JSON text, found in one walk that also checks every byte of it.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    code: Option<&'a str>,
    timestamp: Option<&'a str>,
    sequential_id: Option<&'a str>,
    stream_type: Option<&'a str>,
    error: Option<&'a str>,
    status: Option<&'a str>,
    /// One of the fields above came twice, with different values.
    twice: Option<&'static str>,
    /// A key was met that may be an abbreviation.
    may_be_simple: bool,
}

impl<'a> Fields<'a> {
    fn read(json: &mut Scanner<'a>) -> Result<Fields<'a>, JsonError> {
        let mut fields = Fields::default();
        json.begin_object()?;
        while let Some(key) = json.next_key()? {
            let (slot, name) = match &*key {
                "type" => (&mut fields.kind, "type"),
                "code" => (&mut fields.code, "code"),
                "timestamp" => (&mut fields.timestamp, "timestamp"),
                "sequential_id" => (&mut fields.sequential_id, "sequential_id"),
                "stream_type" => (&mut fields.stream_type, "stream_type"),
                names::UNITS => {
                    fields.may_be_simple |= read_units(json)?;
                    continue;
                }
                "error" => (&mut fields.error, "error"),
                "status" => (&mut fields.status, "status"),
                "change" | "level" => {
                    json.skip()?;
                    continue;
                }
                short if short.len() <= names::SHORT_BYTES_MAX => {
                    fields.may_be_simple = true;
                    match short {
                        "ty" => (&mut fields.kind, "type"),
                        "cd" | "mk" | "market" => (&mut fields.code, "code"),
                        "tms" => (&mut fields.timestamp, "timestamp"),
                        "sid" => (&mut fields.sequential_id, "sequential_id"),
                        "st" => (&mut fields.stream_type, "stream_type"),
                        _ => {
                            json.skip()?;
                            continue;
                        }
                    }
                }
                _ => {
                    json.skip()?;
                    continue;
                }
            };
            let raw = json.skip()?;
            if slot.replace(raw).is_some_and(|first| first != raw) {
                fields.twice = Some(name);
            }
        }
        Ok(fields)
    }
}

/// Walks over the levels of a book; true if one of their keys may be an abbreviation.
fn read_units(json: &mut Scanner<'_>) -> Result<bool, JsonError> {
    let mut may_be_simple = false;
    if json.peek()? != Kind::Array {
        json.skip()?;
        return Ok(false);
    }
    json.begin_array()?;
    while json.next_element()? {
        if json.peek()? != Kind::Object {
            json.skip()?;
            continue;
        }
        json.begin_object()?;
        while let Some(key) = json.next_key()? {
            may_be_simple |= key.len() <= names::SHORT_BYTES_MAX;
            json.skip()?;
        }
    }
    Ok(may_be_simple)
}

/// The meaning of the object at `start..end` of the frame, or why it has none.
fn interpret(fields: &Fields<'_>, frame: &Bytes, start: usize, end: usize) -> Result<Message, String> {
    if let Some(name) = fields.twice {
        return Err(format!("\"{name}\" has two values"));
    }
    if fields.kind.is_none() && fields.code.is_none() {
        if let Some(error) = fields.error {
            return Ok(read_error(error));
        }
        if fields.status.is_some() {
            return Ok(Message::Status);
        }
    }
    let bytes = frame.get(start..end).unwrap_or_default();
    // the scanner has read these bytes from one text, brace to brace
    let object = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let kind = match fields.kind {
        Some(raw) => kind_of_type(raw)?,
        None => infer_kind(object)?,
    };
    let code = text_of("code", fields.code)?;
    let market = Market::parse(&code).map_err(|error| format!("code: {error}"))?;
    let timestamp = whole_number("timestamp", fields.timestamp)?;
    let is_micro = timestamp > TIMESTAMP_MS_MAX;
    let sequential_id = match kind {
        StreamKind::Trade => Some(read_sequential_id(fields.sequential_id)?),
        StreamKind::Ticker | StreamKind::Orderbook => None,
    };
    let mut value = None;
    if fields.may_be_simple || fields.kind.is_none() || is_micro {
        let micro_ms_max = is_micro.then_some(TIMESTAMP_MS_MAX);
        value = rewrite(object, kind, fields.kind.is_none(), micro_ms_max).map_err(|error| match error {
            RewriteError::Json(error) => error.to_string(),
            RewriteError::Twice(name) => format!("\"{name}\" has two values"),
        })?;
    }
    Ok(Message::Event(Event {
        kind,
        market,
        value: value.map_or_else(|| frame.slice(start..end), Bytes::from),
        sequential_id,
        is_snapshot: fields.stream_type == Some("\"SNAPSHOT\""),
        timestamp_ms: if is_micro { timestamp / 1_000 } else { timestamp },
    }))
}

fn kind_of_type(raw: &str) -> Result<StreamKind, String> {
    let name = text_of("type", Some(raw))?;
    let kind = StreamKind::ALL.into_iter().find(|kind| kind.as_str() == name);
    kind.ok_or_else(|| format!("no topic for type \"{}\"", clip(&name)))
}

/// The kind of an object that does not say it: a frame of 2018 or a row of the REST interface.
fn infer_kind(object: &str) -> Result<StreamKind, String> {
    let (mut has_opening, mut has_turnover, mut has_id, mut has_units) = (false, false, false, false);
    let mut walk = || -> Result<(), JsonError> {
        let mut json = Scanner::new(object);
        json.begin_object()?;
        while let Some(key) = json.next_key()? {
            match &*key {
                "opening_price" | "op" => has_opening = true,
                // a candle has an opening price too, but calls its turnover candle_acc_trade_price
                "acc_trade_price" | "atp" => has_turnover = true,
                "sequential_id" | "sid" => has_id = true,
                names::UNITS | "obu" => has_units = true,
                _ => {}
            }
            json.skip()?;
        }
        Ok(())
    };
    walk().map_err(|error| error.to_string())?;
    match (has_units, has_id, has_opening && has_turnover) {
        (true, false, false) => Ok(StreamKind::Orderbook),
        (false, true, false) => Ok(StreamKind::Trade),
        (false, false, true) => Ok(StreamKind::Ticker),
        _ => Err("\"type\" is missing, and the fields are not those of one ticker, trade or orderbook".to_owned()),
    }
}

fn read_sequential_id(raw: Option<&str>) -> Result<u64, String> {
    let id = whole_number("sequential_id", raw)?;
    u64::try_from(id).map_err(|_| format!("sequential_id: {id} is negative"))
}

/// A number that may stand in quotes: some recordings have it so.
fn whole_number(name: &str, raw: Option<&str>) -> Result<i64, String> {
    let raw = raw.ok_or_else(|| format!("\"{name}\" is missing"))?;
    let token = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    parse_bigint(token).map_err(|error: NumberError| format!("{name}: {error}"))
}

fn text_of<'a>(name: &str, raw: Option<&'a str>) -> Result<Cow<'a, str>, String> {
    let raw = raw.ok_or_else(|| format!("\"{name}\" is missing"))?;
    Scanner::new(raw).string().map_err(|_| format!("\"{name}\" is not a string: {}", clip(raw)))
}

/// `{"name":…,"message":…}`: the name is a string on the WebSocket and an integer in most REST answers.
fn read_error(raw: &str) -> Message {
    let (mut name, mut message) = (String::new(), String::new());
    let mut walk = || -> Result<(), JsonError> {
        let mut json = Scanner::new(raw);
        json.begin_object()?;
        while let Some(key) = json.next_key()? {
            let slot = match &*key {
                "name" => &mut name,
                "message" => &mut message,
                _ => {
                    json.skip()?;
                    continue;
                }
            };
            *slot = if json.peek()? == Kind::String { json.string()?.into_owned() } else { json.skip()?.to_owned() };
        }
        Ok(())
    };
    if walk().is_err() || (name.is_empty() && message.is_empty()) {
        // not the documented shape: what it says is still the only explanation there is
        message = raw.to_owned();
    }
    Message::Error { name, message }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "an object",
        Kind::Array => "a list",
        Kind::String => "a string",
        Kind::Number => "a number",
        Kind::Bool => "a boolean",
        Kind::Null => "null",
    }
}

fn clip(text: &str) -> String {
    text.chars().take(QUOTE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
