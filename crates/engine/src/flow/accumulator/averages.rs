//! AVG: of whole numbers a whole number, cut towards zero; of a DECIMAL a DECIMAL, rounded half up; as Flink's.

use super::{Accumulator, Input, sums, wrong_state};
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use arrow::error::ArrowError;
use std::sync::Arc;

/// None for a type that has no average.
pub(super) fn average(argument: &DataType, result: &DataType, retracts: bool) -> Option<Box<dyn Accumulator>> {
    let wide = match argument {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal128(..) => argument.clone(),
        _ => return None,
    };
    let sum = sums::sum(&wide, retracts)?;
    Some(Box::new(Average { sum, count: super::Count::default(), wide, result: result.clone() }))
}

#[derive(Debug)]
struct Average {
    sum: Box<dyn Accumulator>,
    count: super::Count,
    /// What is added up.
    wide: DataType,
    result: DataType,
}

impl Average {
    fn widened(&self, input: Input<'_>) -> Result<ArrayRef, ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        if *values.data_type() == self.wide { Ok(Arc::clone(values)) } else { cast(values, &self.wide) }
    }
}

impl Accumulator for Average {
    fn resize(&mut self, groups: usize) {
        self.sum.resize(groups);
        self.count.resize(groups);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let wide = self.widened(input)?;
        self.sum.update(Input { values: Some(&wide), ..input })?;
        self.count.update(input)
    }

    fn retract(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let wide = self.widened(input)?;
        self.sum.retract(Input { values: Some(&wide), ..input })?;
        self.count.retract(input)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let Some((count, sum)) = state.split_last() else { return Err(wrong_state()) };
        self.sum.merge(sum, groups)?;
        self.count.merge(std::slice::from_ref(count), groups)
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let sums = self.sum.evaluate(groups)?;
        let counts = self.count.evaluate(groups)?;
        let counts = counts.as_primitive::<Int64Type>();
        let pairs = counts.values().iter().enumerate().map(|(row, count)| (row, *count));
        let averages: ArrayRef = match (sums.data_type(), &self.result) {
            (DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) => {
                let sums = sums.as_primitive::<Decimal128Type>();
                let average = |(row, count)| {
                    let sum = (count > 0 && sums.is_valid(row)).then(|| sums.value(row))?;
                    divide(sum, i128::from(count), i32::from(*to) - i32::from(*from))
                };
                Arc::new(pairs.map(average).collect::<Decimal128Array>().with_precision_and_scale(*precision, *to)?)
            }
            (DataType::Int64, _) => {
                let sums = sums.as_primitive::<Int64Type>();
                Arc::new(pairs.map(|(row, count)| (count > 0).then(|| sums.value(row) / count)).collect::<Int64Array>())
            }
            _ => {
                let sums = sums.as_primitive::<Float64Type>();
                let average = |(row, count)| (count > 0).then(|| sums.value(row) / count as f64);
                Arc::new(pairs.map(average).collect::<arrow::array::Float64Array>())
            }
        };
        cast(&averages, &self.result)
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut state = self.sum.state(groups)?;
        state.extend(self.count.state(groups)?);
        Ok(state)
    }

    fn state_types(&self) -> Vec<DataType> {
        self.sum.state_types().into_iter().chain([DataType::Int64]).collect()
    }

    fn clear(&mut self, group: usize) {
        self.sum.clear(group);
        self.count.clear(group);
    }

    fn bytes(&self) -> usize {
        self.sum.bytes() + self.count.bytes()
    }
}

/// `sum / count` with so many more digits after the point, rounded half away from zero; None if it does not fit.
fn divide(sum: i128, count: i128, more_digits: i32) -> Option<i128> {
    let mut quotient = sum.unsigned_abs() / count.unsigned_abs();
    let mut rest = sum.unsigned_abs() % count.unsigned_abs();
    for _ in 0..more_digits {
        rest *= 10;
        quotient = quotient.checked_mul(10)?.checked_add(rest / count.unsigned_abs())?;
        rest %= count.unsigned_abs();
    }
    for _ in more_digits..0 {
        rest = u128::from(quotient % 10 >= 5) * count.unsigned_abs();
        quotient /= 10;
    }
    if rest * 2 >= count.unsigned_abs() {
        quotient += 1;
    }
    let quotient = i128::try_from(quotient).ok()?;
    Some(if sum < 0 { -quotient } else { quotient })
}
