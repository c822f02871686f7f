//! Tables of frames, properties, and every recorded line with what must come of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::names::Names;
use super::*;

fn read(frame: &[u8]) -> Vec<Message> {
    let mut out = Vec::new();
    read_frame(&Bytes::copy_from_slice(frame), &mut out);
    out
}

/// One line per message.
fn show(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        let line = match message {
            Message::Event(e) => format!(
                "{} {} id={:?} snapshot={} at {} {}",
                e.kind.as_str(),
                e.market,
                e.sequential_id,
                e.is_snapshot,
                e.timestamp_ms,
                String::from_utf8_lossy(&e.value)
            ),
            Message::Status => "status".to_owned(),
            Message::Error { name, message } => format!("error {name}: {message}"),
            Message::Dead { value, reason } => format!("dead {} <- {}", reason, String::from_utf8_lossy(value)),
        };
        writeln!(text, "{line}").unwrap();
    }
    text
}

fn check(frame: &str, expected: Expect) {
    expected.assert_eq(&show(&read(frame.as_bytes())));
}

#[test]
fn default_frames_keep_their_own_bytes_without_a_copy() {
    let text = br#"  {"type":"trade","code":"KRW-BTC", "timestamp":1785395043831,"trade_price":1.16539E8,"new":{"a":[1]},"sequential_id":17853950437790001,"change":"FALL","stream_type":"REALTIME"} "#;
    let frame = Bytes::from_static(text);
    let mut out = Vec::new();
    read_frame(&frame, &mut out);
    let [Message::Event(event)] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(event.value, text.trim_ascii());
    assert_eq!(event.value.as_ptr(), text[2..].as_ptr(), "it must be a slice of the frame");
    assert_eq!(event.sequential_id, Some(17_853_950_437_790_001));
    assert_eq!(event.timestamp_ms, 1_785_395_043_831);
    assert!(!event.is_snapshot);
}

#[test]
fn elements_of_a_default_list_are_slices_of_it() {
    let text = br#"[{"type":"ticker","code":"KRW-BTC","timestamp":1,"level":0,"stream_type":"SNAPSHOT"} , {"type":"orderbook","code":"KRW-ETH","timestamp":1690848000123456,"orderbook_units":[{"ask_price":0,"bid_price":0,"ask_size":0,"bid_size":0}]}]"#;
    let frame = Bytes::from_static(text);
    let mut out = Vec::new();
    read_frame(&frame, &mut out);
    let [Message::Event(ticker), Message::Event(book)] = out.as_slice() else { panic!("{out:?}") };
    assert!(ticker.is_snapshot);
    assert_eq!(ticker.value.as_ptr(), text[1..].as_ptr());
    // August 2023: microseconds; a table whose days follow from them would have one in the year 55548
    assert_eq!(book.timestamp_ms, 1_690_848_000_123);
    assert!(memchr::memmem::find(&book.value, b"\"timestamp\":1690848000123,").is_some());
    let quoted = Bytes::from_static(br#"{"type":"trade","code":"KRW-BTC","timestamp":"1690848000123456","trade_timestamp":"1690848000100999","sequential_id":"1"}"#);
    let mut out = Vec::new();
    read_frame(&quoted, &mut out);
    let [Message::Event(trade)] = out.as_slice() else { panic!("{out:?}") };
    assert!(
        memchr::memmem::find(&trade.value, br#""timestamp":"1690848000123","trade_timestamp":"1690848000100","#)
            .is_some()
    );
    assert!(book.value.starts_with(b"{\"type\":\"orderbook\"") && book.value.ends_with(b"0}]}"));
}

#[test]
fn simple_frames_get_default_names_and_keep_their_values() {
    check(
        r#"{"ty":"trade","cd":"KRW-LAMB","tms":1618678262712,"td":"2021-04-17","ttm":"16:51:02","ttms":1618678262000,"tp":127.0,"tv":6E-8,"ab":"BID","pcp":"123.00000000","c":"RISE","cp":4.00000000,"sid":1618678262000003,"xy": [ 1,{"tp":2} ],"st":"REALTIME"}"#,
        expect![[r#"
            trade KRW-LAMB id=Some(1618678262000003) snapshot=false at 1618678262712 {"type":"trade","code":"KRW-LAMB","timestamp":1618678262712,"trade_date":"2021-04-17","trade_time":"16:51:02","trade_timestamp":1618678262000,"trade_price":127.0,"trade_volume":6E-8,"ask_bid":"BID","prev_closing_price":"123.00000000","change":"RISE","change_price":4.00000000,"sequential_id":1618678262000003,"xy":[ 1,{"tp":2} ],"stream_type":"REALTIME"}
        "#]],
    );
    check(
        r#"[{"ty":"orderbook","cd":"KRW-BTC","tms":5,"tas":0E-8,"tbs":1,"obu":[{"ap":2,"bp":1,"as":3,"bs":4,"n":5},{"ap":0,"bp":0,"as":0,"bs":0}],"lv":0,"st":"SNAPSHOT"}]"#,
        expect![[r#"
            orderbook KRW-BTC id=None snapshot=true at 5 {"type":"orderbook","code":"KRW-BTC","timestamp":5,"total_ask_size":0E-8,"total_bid_size":1,"orderbook_units":[{"ask_price":2,"bid_price":1,"ask_size":3,"bid_size":4,"n":5},{"ask_price":0,"bid_price":0,"ask_size":0,"bid_size":0}],"level":0,"stream_type":"SNAPSHOT"}
        "#]],
    );
    check(
        r#"{"ty":"ticker","cd":"KRW-BTC","tdt":"20210417","ttm":"165102","td":"other","dd":null,"its":false,"tms":7,"atp24h":1.5,"st":"REALTIME"}"#,
        expect![[r#"
            ticker KRW-BTC id=None snapshot=false at 7 {"type":"ticker","code":"KRW-BTC","trade_date":"20210417","trade_time":"165102","td":"other","delisting_date":null,"is_trading_suspended":false,"timestamp":7,"acc_trade_price_24h":1.5,"stream_type":"REALTIME"}
        "#]],
    );
}

#[test]
fn mixed_and_old_names() {
    // 2018: no type, `mk`
    check(
        r#"{"mk":"BTC-BCH","tms":3,"ttms":2,"tp":0.09601999,"sid":15235317454810000,"st":"SNAPSHOT"}"#,
        expect![[r#"
            trade BTC-BCH id=Some(15235317454810000) snapshot=true at 3 {"type":"trade","code":"BTC-BCH","timestamp":3,"trade_timestamp":2,"trade_price":0.09601999,"sequential_id":15235317454810000,"stream_type":"SNAPSHOT"}
        "#]],
    );
    // a REST row
    check(
        r#"{"market":"KRW-BTC","trade_date_utc":"2021-08-05","timestamp":9,"trade_price":1,"sequential_id":"1628161986000003"}"#,
        expect![[r#"
            trade KRW-BTC id=Some(1628161986000003) snapshot=false at 9 {"type":"trade","code":"KRW-BTC","trade_date_utc":"2021-08-05","timestamp":9,"trade_price":1,"sequential_id":"1628161986000003"}
        "#]],
    );
    check(
        r#"{"type":"orderbook","cd":"KRW-BTC","timestamp":9,"orderbook_units":[{"ask_price":1,"bp":2}]}"#,
        expect![[r#"
            orderbook KRW-BTC id=None snapshot=false at 9 {"type":"orderbook","code":"KRW-BTC","timestamp":9,"orderbook_units":[{"ask_price":1,"bid_price":2}]}
        "#]],
    );
    // a short key that is no abbreviation leaves the bytes alone, spaces and all
    check(
        r#"{"type":"ticker", "code":"KRW-BTC","new":1, "timestamp":9}"#,
        expect![[r#"
            ticker KRW-BTC id=None snapshot=false at 9 {"type":"ticker", "code":"KRW-BTC","new":1, "timestamp":9}
        "#]],
    );
    // the same said twice is said once; two different things are not for us to choose from
    check(
        r#"{"type":"ticker","code":"KRW-BTC","market":"KRW-BTC","timestamp":9}"#,
        expect![[r#"
            ticker KRW-BTC id=None snapshot=false at 9 {"type":"ticker","code":"KRW-BTC","timestamp":9}
        "#]],
    );
    check(
        r#"{"type":"ticker","code":"KRW-BTC","cd":"KRW-ETH","timestamp":9}"#,
        expect![[r#"
            dead "code" has two values <- {"type":"ticker","code":"KRW-BTC","cd":"KRW-ETH","timestamp":9}
        "#]],
    );
    check(
        r#"{"type":"ticker","code":"KRW-BTC","tp":1,"trade_price":2,"timestamp":9}"#,
        expect![[r#"
            dead "trade_price" has two values <- {"type":"ticker","code":"KRW-BTC","tp":1,"trade_price":2,"timestamp":9}
        "#]],
    );
}

#[test]
fn control_frames() {
    check(r#"{"status":"UP"}"#, expect![["status\n"]]);
    check(r#"{"error":{"message":"nope \u00e9","name":"INVALID_PARAM"}}"#, expect![["error INVALID_PARAM: nope é\n"]]);
    check(r#"{"error":{"name":404,"message":"Code not found"}}"#, expect![["error 404: Code not found\n"]]);
    check(r#"{"error":"out of order"}"#, expect![["error : \"out of order\"\n"]]);
    check(r#"[{"error":{"name":"NO_TICKET"}}]"#, expect![["error NO_TICKET: \n"]]);
}

#[test]
fn what_nobody_can_read_is_dead_with_a_reason_that_names_the_place() {
    for (frame, reason) in [
        ("", "invalid JSON at byte 0: the text ends where a value should be"),
        ("PONG", "invalid JSON at byte 0: expected a value"),
        ("42", "not an object but a number"),
        ("[]", "the list is empty"),
        ("{}", "\"type\" is missing, and the fields are not those of one ticker, trade or orderbook"),
        (r#"{"type":"candle.1m","code":"KRW-BTC"}"#, "no topic for type \"candle.1m\""),
        (r#"{"ty":"myOrder"}"#, "no topic for type \"myOrder\""),
        (r#"{"type":7,"code":"KRW-BTC"}"#, "\"type\" is not a string: 7"),
        (r#"{"type":"ticker","timestamp":1}"#, "\"code\" is missing"),
        (r#"{"type":"ticker","code":null,"timestamp":1}"#, "\"code\" is not a string: null"),
        (
            r#"{"type":"ticker","code":"krw-btc","timestamp":1}"#,
            "code: \"krw-btc\" is not a market code; write it like KRW-BTC (quote, hyphen, base, in capitals)",
        ),
        (r#"{"type":"ticker","code":"KRW-BTC"}"#, "\"timestamp\" is missing"),
        (r#"{"type":"ticker","code":"KRW-BTC","timestamp":"soon"}"#, "timestamp: \"soon\" is not a number"),
        (r#"{"type":"trade","code":"KRW-BTC","timestamp":1}"#, "\"sequential_id\" is missing"),
        (
            r#"{"type":"trade","code":"KRW-BTC","timestamp":1,"sequential_id":1.5}"#,
            "sequential_id: 1.5 is not a whole number that fits BIGINT",
        ),
        (
            r#"{"type":"trade","code":"KRW-BTC","timestamp":1,"sequential_id":99999999999999999999}"#,
            "sequential_id: 99999999999999999999 is not a whole number that fits BIGINT",
        ),
        (r#"{"type":"trade","code":"KRW-BTC","timestamp":1,"sequential_id":-1}"#, "sequential_id: -1 is negative"),
        (
            r#"{"type":"ticker","code":"KRW-BTC","timestamp":1}}"#,
            "invalid JSON at byte 48: text after the end of the value",
        ),
        (r#"{"type":"ticker","code":"KRW-BTC","timestamp":01}"#, "invalid JSON at byte 46: expected a number"),
        (r#"{"type":"ticker","code":"KRW-BTC","timestamp":1,}"#, "invalid JSON at byte 48: expected a string"),
        ("{\"type\":\"tick\u{1}er\"}", "invalid JSON at byte 13: control character in a string"),
        (
            r#"[{"type":"ticker","code":"KRW-BTC","timestamp":1},{"#,
            "invalid JSON at byte 51: expected , or } after a value",
        ),
    ] {
        let messages = read(frame.as_bytes());
        let [Message::Dead { value, reason: actual }] = messages.as_slice() else { panic!("{frame}: {messages:?}") };
        assert_eq!(actual, reason, "{frame}");
        assert_eq!(value, frame.as_bytes(), "a dead letter keeps its bytes");
    }
    let broken = read(b"{\"type\":\"\xff\"}");
    assert!(matches!(&broken[..], [Message::Dead { reason, .. }] if reason == "invalid JSON at byte 9: not UTF-8"));
}

#[test]
fn in_a_list_a_bad_element_is_dead_alone() {
    check(
        r#"[{"ty":"ticker","cd":"KRW-BTC","tms":1}, 7 ,{"ty":"trade","cd":"KRW-BTC","tms":1},{"type":"ticker","code":"KRW-ETH","timestamp":2}]"#,
        expect![[r#"
            ticker KRW-BTC id=None snapshot=false at 1 {"type":"ticker","code":"KRW-BTC","timestamp":1}
            dead element 2 of the list: not an object but a number <- 7
            dead element 3 of the list: "sequential_id" is missing <- {"ty":"trade","cd":"KRW-BTC","tms":1}
            ticker KRW-ETH id=None snapshot=false at 2 {"type":"ticker","code":"KRW-ETH","timestamp":2}
        "#]],
    );
}

#[test]
fn a_frame_over_the_limit_is_dead_and_clipped() {
    let messages = read(&vec![b' '; FRAME_BYTES_MAX + 1]);
    let [Message::Dead { value, reason }] = messages.as_slice() else { panic!() };
    assert_eq!(value.len(), DEAD_BYTES_MAX);
    assert_eq!(reason, "frame of 4194305 bytes; the limit is 4194304, the first 65536 are kept");
    // nesting is limited too, long before the stack is
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    assert!(show(&read(&deep)).starts_with("dead invalid JSON at byte"));
}

#[test]
fn the_tables_fit_what_the_scanner_assumes() {
    for table in [names::TICKER, names::TRADE, names::ORDERBOOK, names::ORDERBOOK_UNIT] {
        assert!(table.len() <= names::ROWS_MAX);
        for (index, (short, long)) in table.iter().enumerate() {
            assert!(short.len() <= names::SHORT_BYTES_MAX, "{short}");
            assert!(
                long.len() > names::SHORT_BYTES_MAX || ["type", "code", "change", "level"].contains(long),
                "{long}"
            );
            assert!(table[..index].iter().all(|(s, l)| s != short && l != long), "{short} twice");
        }
    }
}

/// How many of what, and every dead letter's reason, per recorded file.
fn tally(file: &str) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in file.lines() {
        let messages = read(line.as_bytes());
        for message in &messages {
            let what = match message {
                Message::Event(event) => {
                    check_event(line, event);
                    format!("event {}", event.kind.as_str())
                }
                Message::Status => "status".to_owned(),
                Message::Error { name, .. } => format!("error {name}"),
                Message::Dead { value, reason } => {
                    assert_eq!(value, line.as_bytes());
                    format!("dead: {reason}")
                }
            };
            *counts.entry(what).or_default() += 1;
        }
    }
    counts.iter().map(|(what, count)| format!("{count} {what}\n")).collect()
}

/// An event is JSON with `type` and `code` first-hand, and holds exactly the values of its line, each spelled as it was.
fn check_event(line: &str, event: &Event) {
    let value: serde_json::Value = serde_json::from_slice(&event.value).unwrap();
    assert_eq!(value["type"], event.kind.as_str());
    assert_eq!(value["code"], event.market.as_str());
    let id = value.get("sequential_id").map(|id| id.to_string());
    assert_eq!(id, event.sequential_id.map(|id| id.to_string()));
    let original: serde_json::Value = serde_json::from_str(line).unwrap();
    let tokens = |value: &serde_json::Value| {
        let mut tokens = Vec::new();
        leaves(value, &mut tokens);
        tokens
    };
    let (mut tokens, original) = (tokens(&value), tokens(&original));
    if tokens.len() > original.len() {
        tokens.retain(|token| *token != format!("\"{}\"", event.kind.as_str())); // the type that was missing
    }
    tokens.sort();
    let mut sorted = original;
    sorted.sort();
    assert_eq!(tokens, sorted, "{line}");
}

fn leaves(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => members.values().for_each(|member| leaves(member, out)),
        serde_json::Value::Array(elements) => elements.iter().for_each(|element| leaves(element, out)),
        leaf => out.push(leaf.to_string()),
    }
}

#[test]
fn every_recorded_frame() {
    expect![[r#"
        90 event orderbook
        134 event trade
    "#]]
    .assert_eq(&tally(include_str!("../../tests/fixtures/ws_simple_2021-04-17.jsonl")));
    expect![[r#"
        7 dead: no topic for type "candle.1m"
        1 dead: no topic for type "candle.5m"
        1 event trade
    "#]]
    .assert_eq(&tally(include_str!("../../tests/fixtures/ws_default_2026-07-30.jsonl")));
    expect![[r#"
        2 dead: no topic for type "candle.1s"
        2 dead: no topic for type "myAsset"
        1 event orderbook
        5 event ticker
        5 event trade
    "#]]
    .assert_eq(&tally(include_str!("../../tests/fixtures/ws_documentation_2018_2025.jsonl")));
    expect![[r#"
        2 error INVALID_PARAM
        1 error NO_CODES
        2 error NO_TICKET
        2 error WRONG_FORMAT
        1 status
    "#]]
    .assert_eq(&tally(include_str!("../../tests/fixtures/ws_control_frames_2026-09-23.jsonl")));
}

#[test]
fn recorded_rest_rows() {
    expect![[r#"
        dead: element 1 of the list: "type" is missing, and the fields are not those of one ticker, trade or orderbook | dead: element 2 of the list: "type" is missing, and the fields are not those of one ticker, trade or orderbook | dead: element 3 of the list: "type" is missing, and the fields are not those of one ticker, trade or orderbook | dead: element 4 of the list: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: element 1 of the list: "type" is missing, and the fields are not those of one ticker, trade or orderbook | dead: element 2 of the list: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        trade Some(17853972606600000) | trade Some(17853972606520000)
        trade Some(17853950411240001) | trade Some(17853950411240000)
        trade Some(17853950437790001)
        ticker None
        error invalid_access_key
        error 404
    "#]].assert_eq(&tally_rest(include_str!("../../tests/fixtures/rest_2026-07-30.jsonl")));
    expect![[r#"
        trade Some(1628161986000003)
        error 404
        error 400
        error 400
        error not_found
    "#]]
    .assert_eq(&tally_rest(include_str!("../../tests/fixtures/rest_misc.jsonl")));
    expect![[r#"
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
        dead: "type" is missing, and the fields are not those of one ticker, trade or orderbook
    "#]]
    .assert_eq(&tally_rest(include_str!("../../tests/fixtures/rest_candles_minutes_2023-10-30.jsonl")));
}

/// Like [`tally`], for bodies that are lists of rows.
fn tally_rest(file: &str) -> String {
    let mut text = String::new();
    for line in file.lines() {
        let whats = read(line.as_bytes()).into_iter().map(|message| match message {
            Message::Event(event) => format!("{} {:?}", event.kind.as_str(), event.sequential_id),
            Message::Status => "status".to_owned(),
            Message::Error { name, .. } => format!("error {name}"),
            Message::Dead { reason, .. } => format!("dead: {reason}"),
        });
        writeln!(text, "{}", whats.collect::<Vec<_>>().join(" | ")).unwrap();
    }
    text
}

/// DEFAULT → SIMPLE by the tables, through serde_json: the opposite of what is tested, by other means.
fn abbreviate(value: &serde_json::Value, table: &Names) -> serde_json::Value {
    let serde_json::Value::Object(members) = value else { return value.clone() };
    let short = |key: &str| table.iter().find(|(_, long)| *long == key).map_or(key, |(short, _)| short).to_owned();
    let member = |(key, value): (&String, &serde_json::Value)| {
        let value = match value {
            serde_json::Value::Array(units) if key == names::UNITS => {
                units.iter().map(|unit| abbreviate(unit, names::ORDERBOOK_UNIT)).collect()
            }
            other => other.clone(),
        };
        (short(key), value)
    };
    serde_json::Value::Object(members.iter().map(member).collect())
}

#[test]
fn default_to_simple_and_back() {
    let files = [
        include_str!("../../tests/fixtures/ws_documentation_2018_2025.jsonl"),
        include_str!("../../tests/fixtures/ws_default_2026-07-30.jsonl"),
    ];
    let mut seen = 0;
    for line in files.iter().flat_map(|file| file.lines()) {
        for message in read(line.as_bytes()) {
            let Message::Event(event) = message else { continue };
            let long: serde_json::Value = serde_json::from_slice(&event.value).unwrap();
            let short = abbreviate(&long, names::of_kind(event.kind));
            assert!(short.get("cd").is_some() && short.get("code").is_none());
            let answer = read(short.to_string().as_bytes());
            let [Message::Event(again)] = answer.as_slice() else { panic!("{answer:?}") };
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&again.value).unwrap(), long);
            assert_eq!(
                (again.kind, &again.market, again.sequential_id, again.is_snapshot, again.timestamp_ms),
                (event.kind, &event.market, event.sequential_id, event.is_snapshot, event.timestamp_ms)
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
}

/// Objects made of the keys that matter, so that chance reaches the deep branches.
fn any_object() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "type",
        "ty",
        "code",
        "cd",
        "mk",
        "market",
        "timestamp",
        "tms",
        "sequential_id",
        "sid",
        "stream_type",
        "st",
        "obu",
        "orderbook_units",
        "error",
        "status",
        "op",
        "atp",
        "tp",
        "level",
        "zz",
        "a\\u0062",
    ]);
    let value = prop::sample::select(vec![
        "\"trade\"",
        "\"ticker\"",
        "\"orderbook\"",
        "\"candle.1s\"",
        "\"KRW-BTC\"",
        "1",
        "17853950437790001",
        "-1",
        "1E3",
        "null",
        "[]",
        "[{\"ap\":1,\"ap\":1}]",
        "[{\"ap\":1},2]",
        "{}",
        "\"SNAPSHOT\"",
        "tru",
        "\"\\ud800\"",
    ]);
    prop::collection::vec((key, value), 0..7).prop_map(|members| {
        format!("{{{}}}", members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect::<Vec<_>>().join(","))
    })
}

fn check_answer(frame: &[u8]) -> Result<(), TestCaseError> {
    let messages = read(frame);
    prop_assert!(!messages.is_empty());
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(frame).is_ok();
    for message in &messages {
        let Message::Event(event) = message else { continue };
        prop_assert!(is_json, "malformed JSON became an event");
        let value: serde_json::Value =
            serde_json::from_slice(&event.value).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(value["type"].as_str(), Some(event.kind.as_str()));
        prop_assert_eq!(value["code"].as_str(), Some(event.market.as_str()));
        prop_assert_eq!(event.sequential_id.is_some(), event.kind == StreamKind::Trade);
        // what was normalised once stays as it is
        let again = read(&event.value);
        prop_assert_eq!(&again, &vec![Message::Event(event.clone())]);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        check_answer(&frame)?;
    }

    #[test]
    fn any_object_has_a_consistent_answer(object in any_object()) {
        check_answer(object.as_bytes())?;
    }

    #[test]
    fn any_list_has_an_answer_per_element(objects in prop::collection::vec(any_object(), 1..4)) {
        check_answer(format!("[{}]", objects.join(",")).as_bytes())?;
    }

    #[test]
    fn a_damaged_frame_is_never_half_read(at in 0usize..583, byte in any::<u8>()) {
        let line = include_str!("../../tests/fixtures/ws_default_2026-07-30.jsonl").lines().next().unwrap_or_default();
        let mut frame = line.as_bytes().to_vec();
        let at = at % frame.len();
        frame[at] = byte;
        check_answer(&frame)?;
        check_answer(&line.as_bytes()[..at])?;
    }
}
