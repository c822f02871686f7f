//! SUM. Whole numbers wrap around as Flink's do; a DECIMAL that outgrows 38 digits is NULL from then on.

use super::{Accumulator, Input, wrong_state};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow::error::ArrowError;
use std::sync::Arc;

/// The largest DECIMAL(38, …) by its digits.
const DECIMAL_MAX: i128 = 10_i128.pow(38) - 1;

/// None for a type that has no sum. The result has the argument's type, of a DECIMAL the widest.
pub(super) fn sum(argument: &DataType) -> Option<Box<dyn Accumulator>> {
    Some(match argument {
        DataType::Int8 => Box::new(Sum::<Int8Type>::new(argument)),
        DataType::Int16 => Box::new(Sum::<Int16Type>::new(argument)),
        DataType::Int32 => Box::new(Sum::<Int32Type>::new(argument)),
        DataType::Int64 => Box::new(Sum::<Int64Type>::new(argument)),
        DataType::Float32 => Box::new(Sum::<Float32Type>::new(argument)),
        DataType::Float64 => Box::new(Sum::<Float64Type>::new(argument)),
        DataType::Decimal128(_, scale) => Box::new(Sum::<Decimal128Type>::new(&DataType::Decimal128(38, *scale))),
        _ => return None,
    })
}

#[derive(Debug)]
struct Sum<T: ArrowPrimitiveType> {
    data_type: DataType,
    sums: Vec<T::Native>,
    standing: Vec<Standing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Empty,
    Valid,
    Overflowed,
}

impl<T: ArrowPrimitiveType> Sum<T>
where
    T::Native: ArrowNativeTypeOp,
{
    fn new(data_type: &DataType) -> Sum<T> {
        Sum { data_type: data_type.clone(), sums: Vec::new(), standing: Vec::new() }
    }

    #[inline]
    fn add(&mut self, group: usize, value: T::Native) {
        let sum = self.sums[group].add_wrapping(value);
        self.sums[group] = sum;
        if T::DATA_TYPE.is_decimal() && is_too_large::<T>(sum) {
            self.standing[group] = Standing::Overflowed;
        } else if self.standing[group] == Standing::Empty {
            self.standing[group] = Standing::Valid;
        }
    }
}

/// Two values of 38 digits fit an i128, so one addition cannot wrap past the check.
#[inline]
fn is_too_large<T: ArrowPrimitiveType>(sum: T::Native) -> bool
where
    T::Native: ArrowNativeTypeOp,
{
    let any: &dyn std::any::Any = &sum;
    any.downcast_ref::<i128>().is_some_and(|sum| sum.unsigned_abs() > DECIMAL_MAX.unsigned_abs())
}

impl<T: ArrowPrimitiveType + std::fmt::Debug> Accumulator for Sum<T>
where
    T::Native: ArrowNativeTypeOp,
{
    fn resize(&mut self, groups: usize) {
        let groups = groups.max(self.sums.len());
        self.sums.resize(groups, T::Native::ZERO);
        self.standing.resize(groups, Standing::Empty);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let values = values.as_primitive::<T>().values();
        input.for_each(|row, group| self.add(group, values[row]));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let [sums, overflowed] = state else { return Err(wrong_state()) };
        let sums = sums.as_primitive::<T>();
        let overflowed = overflowed.as_boolean();
        for (row, group) in groups.iter().enumerate() {
            let group = *group as usize;
            if overflowed.value(row) {
                self.standing[group] = Standing::Overflowed;
            } else if sums.is_valid(row) {
                self.add(group, sums.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let sum = |group: &u32| {
            let group = *group as usize;
            (self.standing[group] == Standing::Valid).then(|| self.sums[group])
        };
        let sums: PrimitiveArray<T> = groups.iter().map(sum).collect();
        Ok(Arc::new(sums.with_data_type(self.data_type.clone())))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let overflowed = groups.iter().map(|group| Some(self.standing[*group as usize] == Standing::Overflowed));
        Ok(vec![self.evaluate(groups)?, Arc::new(overflowed.collect::<BooleanArray>())])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.data_type.clone(), DataType::Boolean]
    }

    fn clear(&mut self, group: usize) {
        self.sums[group] = T::Native::ZERO;
        self.standing[group] = Standing::Empty;
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<T::Native>() + self.standing.capacity()
    }
}
