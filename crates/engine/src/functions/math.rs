//! Functions of numbers, as Java computes them.

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::binary;
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use datafusion::common::{Result, internal_err};
use std::sync::Arc;

pub(crate) fn double(array: &ArrayRef, function: fn(f64) -> f64) -> Result<ArrayRef> {
    Ok(Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(function)))
}

pub(crate) fn two_doubles(a: &ArrayRef, b: &ArrayRef, function: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (a, b) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
    Ok(Arc::new(binary::<_, _, _, Float64Type>(a, b, function)?))
}

/// Without the sign; the smallest integer stays, as in Java.
pub(crate) fn abs(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Int8 => Arc::new(array.as_primitive::<Int8Type>().unary::<_, Int8Type>(i8::wrapping_abs)),
        DataType::Int16 => Arc::new(array.as_primitive::<Int16Type>().unary::<_, Int16Type>(i16::wrapping_abs)),
        DataType::Int32 => Arc::new(array.as_primitive::<Int32Type>().unary::<_, Int32Type>(i32::wrapping_abs)),
        DataType::Int64 => Arc::new(array.as_primitive::<Int64Type>().unary::<_, Int64Type>(i64::wrapping_abs)),
        DataType::Float32 => Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::abs)),
        DataType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::abs)),
        DataType::Decimal128(..) => decimals(array, array.data_type(), |value| Some(value.abs()))?,
        other => return internal_err!("ABS of {other}"),
    })
}

/// -1, 0 or 1 of the same type.
pub(crate) fn sign(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Int8 => Arc::new(array.as_primitive::<Int8Type>().unary::<_, Int8Type>(i8::signum)),
        DataType::Int16 => Arc::new(array.as_primitive::<Int16Type>().unary::<_, Int16Type>(i16::signum)),
        DataType::Int32 => Arc::new(array.as_primitive::<Int32Type>().unary::<_, Int32Type>(i32::signum)),
        DataType::Int64 => Arc::new(array.as_primitive::<Int64Type>().unary::<_, Int64Type>(i64::signum)),
        DataType::Float64 => {
            let sign = |value: f64| if value == 0.0 || value.is_nan() { value } else { value.signum() };
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(sign))
        }
        DataType::Decimal128(_, scale) => {
            let one = 10i128.pow(u32::from(scale.unsigned_abs()));
            decimals(array, array.data_type(), move |value| Some(value.signum() * one))?
        }
        other => return internal_err!("SIGN of {other}"),
    })
}

fn decimals(array: &ArrayRef, output: &DataType, one: impl Fn(i128) -> Option<i128>) -> Result<ArrayRef> {
    let values: Decimal128Array = array.as_primitive::<Decimal128Type>().unary_opt(one);
    let DataType::Decimal128(precision, scale) = output else { return internal_err!("a decimal of {output}") };
    Ok(Arc::new(values.with_precision_and_scale(*precision, *scale)?))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    HalfUp,
    Down,
    Floor,
    Ceiling,
}

/// A decimal with `digits` behind the point, in the output's type; negative digits are zeros before the point.
pub(crate) fn round_decimal(array: &ArrayRef, output: &DataType, digits: i64, how: Rounding) -> Result<ArrayRef> {
    let (DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) = (array.data_type(), output) else {
        return internal_err!("a decimal of {output}");
    };
    let (from, to) = (i64::from(*from), i64::from(*to));
    let limit = 10i128.pow(u32::from(*precision));
    let unit = u32::try_from(from - digits).ok().filter(|fewer| *fewer <= 38).map(|fewer| 10i128.pow(fewer));
    let rounded = move |value: i128| {
        let Some(unit) = unit else { return if digits > from { Some(value) } else { Some(0) } };
        let cut = match how {
            Rounding::Down => value / unit,
            Rounding::Floor => value.div_euclid(unit),
            Rounding::Ceiling => -(-value).div_euclid(unit),
            Rounding::HalfUp => (value + if value < 0 { -(unit / 2) } else { unit / 2 }) / unit,
        };
        cut.checked_mul(unit)
    };
    let shift = move |value: i128| match u32::try_from(to - from) {
        Ok(more) => value.checked_mul(10i128.checked_pow(more)?),
        Err(_) => Some(value / 10i128.checked_pow(u32::try_from(from - to).ok()?)?),
    };
    let fits = move |value: &i128| -limit < *value && *value < limit;
    decimals(array, output, move |value| rounded(value).and_then(shift).filter(fits))
}

/// As Flink rounds a DOUBLE: through its decimal text, half up.
pub(crate) fn round_double(array: &ArrayRef, digits: i64, how: Rounding) -> Result<ArrayRef> {
    let digits = digits.clamp(-400, 400) as i32;
    let round = move |value: f64| {
        if !value.is_finite() || value == 0.0 {
            return value;
        }
        rounded_text(value, digits, how).unwrap_or(value)
    };
    Ok(Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(round)))
}

fn rounded_text(value: f64, digits: i32, how: Rounding) -> Option<f64> {
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let all: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    // so many of the digits stay
    let kept = exponent + 1 + digits;
    if kept >= i32::try_from(all.len()).ok()? {
        return Some(value);
    }
    let up = how == Rounding::HalfUp && kept >= 0 && all[usize::try_from(kept).ok()?] >= 5;
    let mut units: u128 = 0;
    for digit in all.iter().take(usize::try_from(kept).unwrap_or(0)) {
        units = units * 10 + u128::from(*digit);
    }
    units += u128::from(up);
    let magnitude: f64 = format!("{units}e{}", -digits).parse().ok()?;
    Some(if value < 0.0 { -magnitude } else { magnitude })
}

/// An integer with its last digits zero.
pub(crate) fn round_integer(array: &ArrayRef, digits: i64, how: Rounding) -> Result<ArrayRef> {
    let round = move |value: i64| {
        let Some(unit) = u32::try_from(-digits).ok().and_then(|zeros| 10i64.checked_pow(zeros)) else { return 0 };
        let half = if how == Rounding::HalfUp { unit / 2 } else { 0 };
        value.saturating_add(if value < 0 { -half } else { half }) / unit * unit
    };
    if digits >= 0 {
        return Ok(Arc::clone(array));
    }
    Ok(Arc::new(array.as_primitive::<Int64Type>().unary::<_, Int64Type>(round)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_round_by_their_text() {
        let cases = [
            (2.5, 0, 3.0),
            (-2.5, 0, -3.0),
            (1.005, 2, 1.01),
            (0.15, 1, 0.2),
            (1234.5, -2, 1200.0),
            (0.04, 1, 0.0),
            (9.99, 1, 10.0),
        ];
        for (value, digits, expected) in cases {
            assert_eq!(rounded_text(value, digits, Rounding::HalfUp), Some(expected), "ROUND({value}, {digits})");
        }
        assert_eq!(rounded_text(-1.789, 1, Rounding::Down), Some(-1.7));
    }

    #[test]
    fn decimals_round_half_up_and_overflow_to_null() {
        let array = |value: i128| -> ArrayRef {
            Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(10, 4).expect("a decimal"))
        };
        let round = |value, output: &DataType, digits, how| {
            let rounded = round_decimal(&array(value), output, digits, how).expect("computed");
            rounded.is_valid(0).then(|| rounded.as_primitive::<Decimal128Type>().value(0))
        };
        assert_eq!(round(12_345, &DataType::Decimal128(9, 2), 2, Rounding::HalfUp), Some(123));
        assert_eq!(round(-12_350, &DataType::Decimal128(9, 2), 2, Rounding::HalfUp), Some(-124));
        assert_eq!(round(-12_345, &DataType::Decimal128(7, 0), 0, Rounding::Floor), Some(-2));
        assert_eq!(round(12_345, &DataType::Decimal128(7, 0), 0, Rounding::Ceiling), Some(2));
        assert_eq!(round(9_999_999_999, &DataType::Decimal128(2, 0), 0, Rounding::HalfUp), None);
    }
}
