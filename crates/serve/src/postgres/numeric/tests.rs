//! Exactness of NUMERIC, up to the 38 digits of a DECIMAL and the 76 of a wide one.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn text(units: i128, scale: i8) -> String {
    let mut out = BytesMut::new();
    Digits::of_i128(units, scale).write_text(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn binary(units: i128, scale: i8) -> Vec<u8> {
    let mut out = BytesMut::new();
    Digits::of_i128(units, scale).write_binary(&mut out);
    out.to_vec()
}

#[test]
fn text_keeps_the_scale() {
    assert_eq!(text(10_669_100_000_000_000, 8), "106691000.00000000");
    assert_eq!(text(-1, 8), "-0.00000001");
    assert_eq!(text(0, 2), "0.00");
    assert_eq!(text(7, 0), "7");
    assert_eq!(text(7, -3), "7000");
    assert_eq!(text(0, -3), "0");
    assert_eq!(text(99_999_999_999_999_999_999_999_999_999_999_999_999, 16), "9999999999999999999999.9999999999999999");
}

/// Bytes taken from PostgreSQL 15: `select encode(numeric_send(…), 'hex')`.
#[test]
fn binary_is_what_postgresql_sends() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(hex(binary(0, 2)), "0000000000000002");
    assert_eq!(hex(binary(1, 0)), "00010000000000000001");
    assert_eq!(hex(binary(12_345_678, 4)), "0002000000000004".to_owned() + "04d2162e");
    assert_eq!(hex(binary(-5, 1)), "0001ffff40000001".to_owned() + "1388");
    assert_eq!(hex(binary(1, 8)), "0001fffe00000008".to_owned() + "0001");
    assert_eq!(hex(binary(100_000_000, 0)), "0001000200000000".to_owned() + "0001");
}

#[test]
fn wide_decimals_do_not_lose_digits() {
    let units = i256::from_string(&"9".repeat(76)).unwrap();
    let mut out = BytesMut::new();
    Digits::of_i256(units, 38).write_text(&mut out);
    assert_eq!(String::from_utf8(out.to_vec()).unwrap(), format!("{}.{}", "9".repeat(38), "9".repeat(38)));
}

#[test]
fn parameters_in_every_spelling() {
    for (spelling, units, scale) in [
        ("1", 1, 0),
        ("-1.50", -150, 2),
        ("+.5", 5, 1),
        ("-.5", -5, 1),
        ("5.", 5, 0),
        (" 1e3 ", 1_000, 0),
        ("1.25E1", 125, 1),
        ("1e-8", 1, 8),
    ] {
        assert_eq!(read_text(spelling), Some(Decimal { units, scale }), "{spelling}");
    }
    for bad in ["", "NaN", "1_0", "0x10", "1e99", "1.2.3", &"9".repeat(39)] {
        assert_eq!(read_text(bad), None, "{bad}");
    }
    assert_eq!(read_binary(&[0, 0, 0, 0, 0xC0, 0, 0, 0]), None, "NaN");
    assert_eq!(read_binary(&[0, 1, 0, 0]), None, "cut short");
}

proptest! {
    #[test]
    fn binary_comes_back(units in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_i8..=38) {
        prop_assert_eq!(read_binary(&binary(units, scale)), Some(Decimal { units, scale: scale as u8 }));
    }

    #[test]
    fn text_comes_back(units in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_i8..=38) {
        prop_assert_eq!(read_text(&text(units, scale)), Some(Decimal { units, scale: scale as u8 }));
    }

    #[test]
    fn hostile_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = read_binary(&bytes);
    }
}
