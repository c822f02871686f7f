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
