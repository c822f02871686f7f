//! Casts to DECIMAL, and from it to DOUBLE and text.

use super::{Conversion, each, wide_integers};
use crate::functions::number_text::parse_decimal_half_up;
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Decimal128Type, Float64Type};
use datafusion::common::Result;
use std::fmt::Write;
use std::sync::Arc;

/// DECIMALs of so many digits Flink reads by a parser of its own.
const SHORT_DECIMAL_DIGITS: u32 = 18;

/// One character that that parser takes for 0 (a mistake of Flink's, kept).
fn is_odd_character(text: &str) -> bool {
    matches!(text.as_bytes(), [byte] if byte.is_ascii() && !byte.is_ascii_digit() && !matches!(byte, b'+' | b'-' | b'.'))
}

/// 10 to a power.
fn ten(power: u32) -> i128 {
    10i128.pow(power)
}

/// Rounded half up; what does not fit is NULL.
pub(super) fn to_decimal(array: &ArrayRef, conversion: &Conversion, precision: u32, scale: u32) -> Result<ArrayRef> {
    let limit = ten(precision);
    let fits = |value: &i128| (-limit < *value) && (*value < limit);
    let values: Decimal128Array = match array.data_type() {
        ArrowType::Decimal128(_, from) => {
            let from = u32::from(from.unsigned_abs());
            let values = array.as_primitive::<Decimal128Type>();
            let rescaled = |value: i128| {
                if scale >= from {
                    value.checked_mul(ten(scale - from))
                } else {
                    let unit = ten(from - scale);
                    let half = unit / 2;
                    value.checked_add(if value < 0 { -half } else { half }).map(|value| value / unit)
                }
            };
            each(array, values.iter(), |value| {
                conversion.exact(rescaled(value).filter(fits), || {
                    let mut given = String::new();
                    write_decimal(&mut given, value, from as usize);
                    given
                })
            })?
        }
        ArrowType::Utf8 => {
            each(array, array.as_string::<i32>().iter(), |text| match parse_decimal_half_up(text.trim(), scale) {
                Some(value) => Ok(value.filter(fits)),
                None if precision <= SHORT_DECIMAL_DIGITS && is_odd_character(text.trim()) => Ok(Some(0)),
                None => conversion.failed(text),
            })?
        }
        // by the text of the DOUBLE that it is, as Flink does
        ArrowType::Float32 => return to_decimal(&cast(array, &ArrowType::Float64)?, conversion, precision, scale),
        ArrowType::Float64 => each(array, array.as_primitive::<Float64Type>().iter(), |value| {
            match parse_decimal_half_up(&value.to_string(), scale) {
                Some(value) => Ok(value.filter(fits)),
                None => conversion.failed(&value.to_string()),
            }
        })?,
        _ => {
            let unit = ten(scale);
            let values = wide_integers(array)?;
            each(array, values.iter(), |value| {
                conversion.exact(i128::from(value).checked_mul(unit).filter(fits), || value.to_string())
            })?
        }
    };
    Ok(Arc::new(values.with_precision_and_scale(precision as u8, scale as i8)?))
}

/// The double next to a decimal: exact division while both are exact, through the text else.
pub(super) fn decimal_doubles(array: &ArrayRef, scale: i8) -> PrimitiveArray<Float64Type> {
    const EXACT: i128 = 1 << 53;
    let digits = u32::from(scale.unsigned_abs());
    let unit = 10f64.powi(i32::from(scale));
    array.as_primitive::<Decimal128Type>().unary(|value| {
        if digits <= 22 && (-EXACT..=EXACT).contains(&value) {
            value as f64 / unit
        } else {
            format!("{value}e-{digits}").parse().unwrap_or(f64::NAN)
        }
    })
}

/// With all its digits behind the point, as BigDecimal's plain text.
pub(crate) fn write_decimal(out: &mut String, value: i128, scale: usize) {
    let digits = value.unsigned_abs().to_string();
    if value < 0 {
        out.push('-');
    }
    if scale == 0 {
        out.push_str(&digits);
        return;
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let _ = write!(out, "{whole}.{fraction}");
}
