//! Parameters in both formats, and bytes that are none.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn from_text(value: &str, parameter: &Type) -> Option<ScalarValue> {
    read(1, Some(value.as_bytes()), false, parameter).ok()
}

#[test]
fn text_values_of_every_type() {
    assert_eq!(from_text("t", &Type::BOOL), Some(ScalarValue::Boolean(Some(true))));
    assert_eq!(from_text("-7", &Type::INT4), Some(ScalarValue::Int32(Some(-7))));
    assert_eq!(
        from_text("99999999999999999999.000000000000000001", &Type::NUMERIC),
        Some(ScalarValue::Decimal128(Some(99_999_999_999_999_999_999_000_000_000_000_000_001), 38, 18))
    );
    let at = ScalarValue::TimestampMillisecond(Some(1_785_395_043_831), Some("UTC".into()));
    assert_eq!(from_text("2026-07-30 16:04:03.831+09", &Type::TIMESTAMPTZ), Some(at.clone()));
    assert_eq!(from_text("2026-07-30T07:04:03.831Z", &Type::TIMESTAMPTZ), Some(at));
    assert_eq!(from_text("2026-07-30", &Type::DATE), Some(ScalarValue::Date32(Some(20_664))));
    assert_eq!(from_text("\\x00ff", &Type::BYTEA), Some(ScalarValue::Binary(Some(vec![0, 255]))));
    for (value, parameter) in
        [("x", Type::INT8), ("soon", Type::TIMESTAMPTZ), ("NaN", Type::NUMERIC), ("2", Type::BOOL)]
    {
        let failure = read(3, Some(value.as_bytes()), false, &parameter).unwrap_err();
        assert_eq!((failure.code, failure.message.contains("$3")), ("22P02", true), "{value}");
    }
}

#[test]
fn binary_values() {
    let binary = |bytes: &[u8], parameter: &Type| read(1, Some(bytes), true, parameter).ok();
    let us = 1_785_395_043_831_000_i64 - PG_EPOCH_US;
    assert_eq!(
        binary(&us.to_be_bytes(), &Type::TIMESTAMPTZ),
        Some(ScalarValue::TimestampMillisecond(Some(1_785_395_043_831), Some("UTC".into())))
    );
    assert_eq!(binary(&[1], &Type::BOOL), Some(ScalarValue::Boolean(Some(true))));
    assert_eq!(binary(b"KRW-BTC", &Type::VARCHAR), Some(ScalarValue::Utf8(Some("KRW-BTC".to_owned()))));
    assert_eq!(binary(&[1, 2, 3], &Type::INT8), None);
    assert_eq!(binary(&[2, b'{'], &Type::JSONB), None);
}

#[test]
fn arrays() {
    let strings =
        |text: &str| split_array(text).map(|items| items.into_iter().map(|i| i.unwrap_or("∅".into())).collect());
    let expected = |items: &[&str]| Some(items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>());
    assert_eq!(strings("{}"), expected(&[]));
    assert_eq!(strings("{KRW-BTC, \"a,\\\"b\" ,NULL,\"NULL\",\"\"}"), expected(&["KRW-BTC", "a,\"b", "∅", "NULL", ""]));
    for bad in ["", "{", "{a", "{a,}", "{,}", "{{a}}", "{\"a}", "{a\"b\"}"] {
        assert_eq!(split_array(bad), None, "{bad}");
    }
    let list = from_text("{1.5,NULL,2.25}", &Type::NUMERIC_ARRAY).unwrap();
    assert_eq!(list.to_string(), "[1.50, , 2.25]");
}

proptest! {
    #[test]
    fn hostile_values_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        for parameter in [Type::NUMERIC, Type::TEXT_ARRAY, Type::NUMERIC_ARRAY, Type::INTERVAL, Type::UUID, Type::JSONB,
                          Type::TIMESTAMPTZ, Type::BYTEA, Type::DATE, Type::TIME, Type::POINT] {
            let _ = read(1, Some(&bytes), true, &parameter);
            let _ = read(1, Some(&bytes), false, &parameter);
        }
    }
}
