//! Spellings seen in recordings, rounding, limits, and the round trip as a property.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(token: &str, precision: u8, scale: u8, expected: &str) {
    let got = match parse_decimal(token, precision, scale) {
        Ok(units) => format_decimal(units, scale),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(got, expected, "{token} as DECIMAL({precision}, {scale})");
}

#[test]
fn every_spelling_of_upbit() {
    check("93332000", 20, 8, "93332000");
    check("109950000.0", 20, 8, "109950000");
    check("1.16539E8", 20, 8, "116539000");
    check("106691000.00000000", 20, 8, "106691000");
    check("0E-8", 20, 8, "0");
    check("7.9276E-4", 24, 8, "0.00079276");
    check("6E-8", 24, 8, "0.00000006");
    check("5.485e-05", 24, 8, "0.00005485");
    check("-224000.0", 20, 8, "-224000");
    check("660440684062.676560000", 38, 16, "660440684062.67656");
    check("95078733694.3792000000000000", 38, 16, "95078733694.3792");
    check("1386929.37231066771348207123", 38, 16, "1386929.3723106677134821");
    check("-0.0", 20, 8, "0");
}

#[test]
fn rounds_half_up_away_from_zero() {
    check("0.5", 3, 0, "1");
    check("-0.5", 3, 0, "-1");
    check("0.49", 3, 0, "0");
    check("0.000000015", 20, 8, "0.00000002");
    check("6E-10", 20, 8, "0");
    check("9.99", 2, 1, "error: 9.99 does not fit DECIMAL(2, 1)");
}

#[test]
fn refuses_what_is_not_a_number_or_does_not_fit() {
    check("", 20, 8, "error: \"\" is not a number");
    check("1.", 20, 8, "error: \"1.\" is not a number");
    check(".5", 20, 8, "error: \".5\" is not a number");
    check("1e", 20, 8, "error: \"1e\" is not a number");
    check("NaN", 20, 8, "error: \"NaN\" is not a number");
    check("1e999999999999999999", 20, 8, "error: 1e999999999999999999 does not fit DECIMAL(20, 8)");
    check("0e999999999999999999", 20, 8, "0");
    check("1e-999999999999999999", 20, 8, "0");
    check("1000000000000", 20, 8, "error: 1000000000000 does not fit DECIMAL(20, 8)");
}

#[test]
fn bigints_are_exact() {
    assert_eq!(parse_bigint("17853950437790001"), Ok(17_853_950_437_790_001));
    assert_eq!(parse_bigint("9223372036854775807"), Ok(i64::MAX));
    assert_eq!(parse_bigint("-9223372036854775808"), Ok(i64::MIN));
    assert_eq!(parse_bigint("1.5E3"), Ok(1_500));
    assert_eq!(parse_bigint("12.0"), Ok(12));
    assert!(parse_bigint("9223372036854775808").is_err());
    assert!(parse_bigint("12.5").is_err());
    assert!(parse_bigint("1e400").is_err());
}

proptest! {
    #[test]
    fn any_text_is_an_answer_not_a_panic(text in ".{0,40}", precision in 1_u8..=38, scale in 0_u8..=38) {
        let _ = parse_decimal(&text, precision, scale);
        let _ = parse_bigint(&text);
    }

    #[test]
    fn what_is_written_reads_back(units in -(10_i128.pow(37))..10_i128.pow(37), scale in 0_u8..=30) {
        prop_assert_eq!(parse_decimal(&format_decimal(units, scale), 38, scale), Ok(units));
    }

    #[test]
    fn an_exponent_only_moves_the_point(units in 0_i128..10_i128.pow(15), exponent in 0_u32..8) {
        let token = format!("{units}E-{exponent}");
        prop_assert_eq!(parse_decimal(&token, 38, 8), Ok(units * 10_i128.pow(8 - exponent)));
    }
}
