//! Simple conditions a scan may use to skip files and row groups. Pure.
//!
//! They only ever prune: a condition that cannot be told to Paimon exactly is left out, and the caller must still apply
//! every filter to what comes back. What the tail's rows are asked is in `passing.rs`.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};
use paimon::spec::{DataField, Datum, Predicate, PredicateBuilder};

/// More values than this in one IN list prune little and cost much.
const IN_VALUES_MAX: usize = 256;

/// `column operator values`. A list of these is their conjunction.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Index into the table's schema.
    pub column: usize,
    pub operator: FilterOperator,
    /// The literal (one element), the list of `In`, or nothing for the null tests. Any Arrow type: it is cast to the
    /// column's, and the condition is ignored if that would lose anything.
    pub values: Option<ArrayRef>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterOperator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    IsNull,
    IsNotNull,
}

/// The conjunction of those filters that Paimon can be told exactly; none means "read everything".
pub(crate) fn to_predicate(filters: &[Filter], schema: &Schema, fields: &[DataField]) -> Option<Predicate> {
    let builder = PredicateBuilder::new(fields);
    let known: Vec<Predicate> = filters.iter().filter_map(|filter| leaf(filter, schema, &builder)).collect();
    (!known.is_empty()).then(|| Predicate::and(known))
}

fn leaf(filter: &Filter, schema: &Schema, builder: &PredicateBuilder) -> Option<Predicate> {
    let field = schema.fields().get(filter.column)?;
    let name = field.name();
    let one = || match data(filter.values.as_ref()?, field.data_type())?.as_slice() {
        [value] => Some(value.clone()),
        _ => None,
    };
    match filter.operator {
        FilterOperator::IsNull => builder.is_null(name),
        FilterOperator::IsNotNull => builder.is_not_null(name),
        FilterOperator::In => {
            let values = data(filter.values.as_ref()?, field.data_type())?;
            if values.is_empty() || values.len() > IN_VALUES_MAX {
                return None;
            }
            builder.is_in(name, values)
        }
        FilterOperator::Equal => builder.equal(name, one()?),
        FilterOperator::Less => builder.less_than(name, one()?),
        FilterOperator::LessOrEqual => builder.less_or_equal(name, one()?),
        FilterOperator::Greater => builder.greater_than(name, one()?),
        FilterOperator::GreaterOrEqual => builder.greater_or_equal(name, one()?),
    }
    .ok()
}

/// The values in the column's type, or None if one is null, does not survive the cast, or has no order that Paimon's
/// statistics share (NaN).
pub(crate) fn data(values: &ArrayRef, column: &DataType) -> Option<Vec<Datum>> {
    let cast = exact(values, column)?;
    (0..cast.len()).map(|row| datum(&cast, row)).collect()
}

/// The values in the column's type, or None if one is null or does not survive the cast.
pub(crate) fn exact(values: &ArrayRef, column: &DataType) -> Option<ArrayRef> {
    if values.null_count() > 0 || zoned(values.data_type()) != zoned(column) {
        return None;
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(values, column, &strict).ok()?;
    let back = cast_with_options(&cast, values.data_type(), &strict).ok()?;
    (back.to_data() == values.to_data()).then_some(cast)
}

/// Whether a type is an instant: a cast between instants and wall-clock times is not an identity.
fn zoned(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(_)))
}

fn datum(array: &ArrayRef, row: usize) -> Option<Datum> {
    Some(match array.data_type() {
        DataType::Boolean => Datum::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Datum::TinyInt(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Datum::SmallInt(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Datum::Int(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Datum::Long(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            return comparable(f64::from(value)).then_some(Datum::Float(value));
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            return comparable(value).then_some(Datum::Double(value));
        }
        DataType::Utf8 => Datum::String(array.as_string::<i32>().value(row).to_owned()),
        DataType::Date32 => Datum::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Decimal128(precision, scale) => Datum::Decimal {
            unscaled: array.as_primitive::<Decimal128Type>().value(row),
            precision: u32::from(*precision),
            scale: u32::try_from(*scale).ok()?,
        },
        DataType::Timestamp(unit, zone) => {
            let (millis, nanos) = match unit {
                TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 0),
                TimeUnit::Microsecond => {
                    let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                    (micros.div_euclid(1_000), micros.rem_euclid(1_000) as i32 * 1_000)
                }
                TimeUnit::Second | TimeUnit::Nanosecond => return None,
            };
            match zone {
                Some(_) => Datum::LocalZonedTimestamp { millis, nanos },
                None => Datum::Timestamp { millis, nanos },
            }
        }
        _ => return None,
    })
}

/// False for NaN and for zero, of which there are two that SQL calls equal and an order by bits does not.
fn comparable(value: f64) -> bool {
    !value.is_nan() && value != 0.0
}
