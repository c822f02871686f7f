//! The scanner agrees with serde_json about what is JSON, and never panics.

use super::*;
use proptest::prelude::*;

fn scan(text: &str) -> Result<&str, JsonError> {
    let mut scanner = Scanner::new(text);
    let value = scanner.skip()?;
    scanner.end()?;
    Ok(value)
}

#[test]
fn walks_a_frame() -> Result<(), JsonError> {
    let mut json =
        Scanner::new(r#" {"code":"KRW-BTC", "p":1.16539E8,"obu":[{"ap":1},{"ap":2.0}] ,"x":null,"b":true} "#);
    let mut seen = Vec::new();
    json.begin_object()?;
    while let Some(key) = json.next_key()? {
        seen.push(format!("{key}={}", json.skip()?));
    }
    json.end()?;
    assert_eq!(seen, [r#"code="KRW-BTC""#, "p=1.16539E8", r#"obu=[{"ap":1},{"ap":2.0}]"#, "x=null", "b=true"]);
    Ok(())
}

#[test]
fn names_the_place_of_a_mistake() {
    let offsets =
        [("", 0), ("{", 1), ("{\"a\" 1}", 5), ("[1,]", 3), ("[1 2]", 3), ("01", 0), ("1.", 0), ("nul", 0), ("1 2", 2)];
    for (text, offset) in offsets {
        assert_eq!(scan(text).map_err(|e| e.offset), Err(offset), "{text}");
    }
}

#[test]
fn escapes_and_limits() {
    assert_eq!(Scanner::new(r#""\ud83d\ude00\n\"""#).string().as_deref(), Ok("😀\n\""));
    assert!(scan(r#""\ud83d""#).is_err());
    assert!(scan(&"[".repeat(DEPTH_MAX + 1)).is_err());
    let deep = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert_eq!(scan(&deep), Ok(deep.as_str()));
    assert_eq!(Scanner::from_bytes(b"{\"a\":\"\xff\"}").map_err(|e| e.offset).err(), Some(6));
}

#[test]
fn strings_of_any_length_end_where_they_end() {
    let read = |text: String| Scanner::new(&text).string().map(|content| content.into_owned()).map_err(|e| e.offset);
    for length in 0..70 {
        let plain = "aé".chars().cycle().take(length).collect::<String>();
        assert_eq!(read(format!("\"{plain}\",\"{plain}")), Ok(plain.clone()));
        assert_eq!(read(format!("\"{plain}\\n\"")), Ok(format!("{plain}\n")));
        assert_eq!(read(format!("\"{plain}\u{1f} and what stands behind it\"")), Err(1 + plain.len()));
    }
}

#[test]
fn keys_of_any_length_are_compared_to_the_last_byte() {
    let key: Vec<u8> = (0..40).map(|n| b'a' + n % 26).collect();
    for length in 0..=key.len() {
        let key = &key[..length];
        assert!(begins_with(&[key, b"and more"].concat(), key) && begins_with(key, key));
        assert!(length == 0 || !begins_with(&key[1..], key));
        for at in 0..length {
            let mut other = key.to_vec();
            other[at] ^= 1;
            assert!(!begins_with(&other, key), "byte {at} of {length}");
        }
    }
}

#[test]
fn writes_strings_that_read_back() -> Result<(), JsonError> {
    let mut out = Vec::new();
    push_string(&mut out, "a\"b\\c\n비트코인\u{1}");
    assert_eq!(Scanner::from_bytes(&out)?.string()?, "a\"b\\c\n비트코인\u{1}");
    Ok(())
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |x| x.is_finite().then(|| Value::from(x))),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn accepts_all_that_is_json(value in any_json()) {
        let text = value.to_string();
        prop_assert_eq!(scan(&text), Ok(text.as_str()));
        let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
        prop_assert!(scan(&pretty).is_ok());
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_text(value in any_json(), at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(text) = String::from_utf8(text) {
            prop_assert_eq!(scan(&text).is_ok(), serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn any_bytes_are_an_answer_not_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(mut scanner) = Scanner::from_bytes(&bytes) {
            let _ = scanner.skip();
        }
    }
}

/// What stands where a number may stand: every spelling, and what is none.
fn any_token() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?",
        "-?[0-9]{0,3}\\.?[0-9]{0,3}[,}x\"]?",
        any::<i64>().prop_map(|value| value.to_string()),
    ]
}

proptest! {
    /// The quick way gives what the slow way gives, or leaves the token to it.
    #[test]
    fn plain_numbers_are_the_numbers(token in any_token(), precision in 1_u8..=38, scale in 0_u8..=38) {
        for end in ["", ",", "}", " "] {
            let text = format!("{token}{end}");
            let number = Scanner::new(&text).number().unwrap_or_default();
            let mut json = Scanner::new(&text);
            match json.plain_decimal(precision, scale) {
                Some(units) => {
                    prop_assert_eq!(crate::number::parse_decimal(number, precision, scale), Ok(units));
                    prop_assert_eq!(json.position(), number.len());
                }
                None => prop_assert_eq!(json.position(), 0),
            }
            let mut json = Scanner::new(&text);
            match json.plain_integer() {
                Some(value) => {
                    prop_assert_eq!(crate::number::parse_bigint(number), Ok(value));
                    prop_assert_eq!(json.position(), number.len());
                }
                None => prop_assert_eq!(json.position(), 0),
            }
        }
    }

    /// Strings of any length end where they end, whatever stands at the edge of a word.
    #[test]
    fn strings_end_at_their_quote(content in "[ -~가-힣]{0,40}", rest in "[ -~]{0,9}") {
        let mut out = Vec::new();
        push_string(&mut out, &content);
        let length = out.len();
        out.extend_from_slice(rest.as_bytes());
        let text = String::from_utf8(out).expect("UTF-8");
        let mut json = Scanner::new(&text);
        let found = json.string();
        prop_assert_eq!(found.as_deref(), Ok(&*content));
        prop_assert_eq!(json.position(), length);
    }

    #[test]
    fn control_characters_are_refused_wherever_they_stand(before in 0_usize..20, control in 0_u8..0x20) {
        let text = format!("\"{}{}\"", "a".repeat(before), char::from(control));
        prop_assert_eq!(Scanner::new(&text).string().map_err(|error| error.offset), Err(before + 1));
    }
}

#[test]
fn upbits_usual_numbers_are_plain() {
    for token in
        ["93332000", "109950000.0", "106691000.00000000", "0.00079276", "-1386929.25", "440660684062.676560000000"]
    {
        assert!(Scanner::new(token).plain_decimal(38, 16).is_some(), "{token}");
    }
    for token in ["17853950437790001", "1785395043831", "-5", "0"] {
        assert!(Scanner::new(token).plain_integer().is_some(), "{token}");
    }
}

#[test]
fn a_known_key_is_taken_only_as_it_is() -> Result<(), JsonError> {
    let mut json = Scanner::new(r#"{"a":1,"ab":2, "c":3}"#);
    assert!(!json.next_key_is(b"\"a\":"), "no object is open");
    json.begin_object()?;
    assert!(!json.next_key_is(b"\"ab\":"));
    assert!(json.next_key_is(b"\"a\":"));
    assert_eq!(json.plain_integer(), Some(1));
    assert!(!json.next_key_is(b"\"a\":"));
    assert_eq!(json.next_key()?.as_deref(), Some("ab"));
    json.skip()?;
    assert!(!json.next_key_is(b"\"c\":"), "white space is for next_key");
    assert_eq!(json.next_key()?.as_deref(), Some("c"));
    json.skip()?;
    assert!(!json.next_key_is(b"\"c\":"));
    assert_eq!(json.next_key()?, None);
    json.end()
}
