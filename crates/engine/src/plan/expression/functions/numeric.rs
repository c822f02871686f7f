//! Functions of numbers.

use super::super::types::{decimal, decimal_of, describe, is_decimal, is_float, is_integer, is_numeric, physical_type};
use super::super::{Bound, arithmetic, cast};
use super::{Bind, Call, Found};
use crate::functions::math::{self, Rounding};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use hoga_sql::{DECIMAL_PRECISION_MAX, DataType, Mistake};

pub(super) fn find(call: &mut Call<'_>) -> Found {
    Some(match call.name {
        "ABS" => same(call, |arguments| math::abs(&arguments[0])),
        "SIGN" => same(call, |arguments| math::sign(&arguments[0])),
        "MOD" => remainder(call),
        "FLOOR" => edge(call, Rounding::Floor, f64::floor),
        "CEIL" | "CEILING" => edge(call, Rounding::Ceiling, f64::ceil),
        "ROUND" => rounded(call, Rounding::HalfUp),
        "TRUNCATE" => rounded(call, Rounding::Down),
        "SQRT" => double(call, f64::sqrt),
        "EXP" => double(call, f64::exp),
        "LN" => double(call, f64::ln),
        "LOG10" => double(call, f64::log10),
        "LOG2" => double(call, |value| value.ln() / 2f64.ln()),
        "LOG" if call.arguments.len() == 1 => double(call, f64::ln),
        "LOG" => two_doubles(call, |base, value| value.ln() / base.ln()),
        "POWER" => two_doubles(call, f64::powf),
        "ATAN2" => two_doubles(call, f64::atan2),
        "SIN" => double(call, f64::sin),
        "COS" => double(call, f64::cos),
        "TAN" => double(call, f64::tan),
        "ASIN" => double(call, f64::asin),
        "ACOS" => double(call, f64::acos),
        "ATAN" => double(call, f64::atan),
        "SINH" => double(call, f64::sinh),
        "COSH" => double(call, f64::cosh),
        "TANH" => double(call, f64::tanh),
        "DEGREES" => double(call, f64::to_degrees),
        "RADIANS" => double(call, f64::to_radians),
        "PI" => constant(call, std::f64::consts::PI),
        "E" => constant(call, std::f64::consts::E),
        _ => return None,
    })
}

fn constant(call: &Call<'_>, value: f64) -> Bind {
    call.count(0, 0)?;
    Ok(Bound::literal(ScalarValue::Float64(Some(value)), DataType::Double))
}

fn double(call: &Call<'_>, function: fn(f64) -> f64) -> Bind {
    call.count(1, 1)?;
    call.result(vec![call.double(0)?], DataType::Double, move |arguments| math::double(&arguments[0], function))
}

fn two_doubles(call: &Call<'_>, function: fn(f64, f64) -> f64) -> Bind {
    call.count(2, 2)?;
    let arguments = vec![call.double(0)?, call.double(1)?];
    call.result(arguments, DataType::Double, move |arguments| math::two_doubles(&arguments[0], &arguments[1], function))
}

/// A number of the same type; NULL without one is an INT.
fn number(call: &Call<'_>) -> Result<DataType, Mistake> {
    let bound = &call.arguments[0].0;
    if bound.is_null {
        return Ok(DataType::Int);
    }
    if is_numeric(&bound.data_type) { Ok(bound.data_type.clone()) } else { Err(call.wrong(0, "a number")) }
}

fn same(call: &Call<'_>, function: fn(&[super::ArrayRef]) -> super::ComputeResult<super::ArrayRef>) -> Bind {
    call.count(1, 1)?;
    let data_type = match number(call)? {
        DataType::Float if call.name == "SIGN" => DataType::Double,
        other => other,
    };
    call.result(vec![call.cast(0, &data_type)?], data_type, function)
}

fn remainder(call: &Call<'_>) -> Bind {
    call.count(2, 2)?;
    let (a, b) = (call.arguments[0].0.clone(), call.arguments[1].0.clone());
    arithmetic::of_bound((call.session, call.span), a, &BinaryOperator::Modulo, b)
}

fn edge(call: &Call<'_>, how: Rounding, of_double: fn(f64) -> f64) -> Bind {
    call.count(1, 1)?;
    let data_type = number(call)?;
    let argument = call.cast(0, &data_type)?;
    if is_integer(&data_type) {
        return Ok(Bound::new(argument, data_type, call.nullable()));
    }
    if is_float(&data_type) {
        let argument = call.double(0)?;
        let result =
            call.result(vec![argument], DataType::Double, move |arguments| math::double(&arguments[0], of_double))?;
        return cast::cast(result, &data_type, call.session, call.span);
    }
    let (precision, _) = decimal_of(&data_type).unwrap_or((DECIMAL_PRECISION_MAX, 0));
    let output = decimal(precision, 0);
    let physical = physical_type(&output);
    call.result(vec![argument], output, move |arguments| math::round_decimal(&arguments[0], &physical, 0, how))
}

fn rounded(call: &Call<'_>, how: Rounding) -> Bind {
    call.count(1, 2)?;
    let data_type = number(call)?;
    let argument = call.cast(0, &data_type)?;
    let digits = match call.arguments.get(1) {
        None => 0,
        Some((bound, span)) => bound.constant_integer().ok_or_else(|| {
            Mistake::new(*span, format!("the digits of {} that are not written out run on Flink only", call.name))
        })?,
    };
    let name = format!("{} {digits}", call.name);
    if is_decimal(&data_type) {
        let (precision, scale) = decimal_of(&data_type).unwrap_or((DECIMAL_PRECISION_MAX, 0));
        let output = rounded_type(precision, scale, digits);
        let physical = physical_type(&output);
        return call.named(&name, vec![argument], output, move |arguments| {
            math::round_decimal(&arguments[0], &physical, digits, how)
        });
    }
    if is_integer(&data_type) {
        let wide = call.cast(0, &DataType::BigInt)?;
        let result = call.named(&name, vec![wide], DataType::BigInt, move |arguments| {
            math::round_integer(&arguments[0], digits, how)
        })?;
        return cast::cast(result, &data_type, call.session, call.span);
    }
    if !is_float(&data_type) {
        return Err(Mistake::new(call.span, format!("{} takes a number, not {}", call.name, describe(&data_type))));
    }
    let wide = call.double(0)?;
    let result = call
        .named(&name, vec![wide], DataType::Double, move |arguments| math::round_double(&arguments[0], digits, how))?;
    cast::cast(result, &data_type, call.session, call.span)
}

/// Rounding may need one digit more before the point.
fn rounded_type(precision: u32, scale: u32, digits: i64) -> DataType {
    match u32::try_from(digits) {
        Ok(digits) if digits >= scale => decimal(precision, scale),
        Ok(digits) => decimal((1 + precision - scale + digits).min(DECIMAL_PRECISION_MAX), digits),
        Err(_) => decimal((1 + precision - scale).min(DECIMAL_PRECISION_MAX), 0),
    }
}
