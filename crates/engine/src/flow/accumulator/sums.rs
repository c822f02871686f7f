//! SUM. Whole numbers wrap around as Flink's do; a DECIMAL that outgrows 38 digits is NULL from then on. A sum that takes
//! values back also counts them: of none it is NULL.

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
pub(super) fn sum(argument: &DataType, retracts: bool) -> Option<Box<dyn Accumulator>> {
    Some(match argument {
        DataType::Int8 => Box::new(Sum::<Int8Type>::new(argument, retracts)),
        DataType::Int16 => Box::new(Sum::<Int16Type>::new(argument, retracts)),
        DataType::Int32 => Box::new(Sum::<Int32Type>::new(argument, retracts)),
        DataType::Int64 => Box::new(Sum::<Int64Type>::new(argument, retracts)),
        DataType::Float32 => Box::new(Sum::<Float32Type>::new(argument, retracts)),
        DataType::Float64 => Box::new(Sum::<Float64Type>::new(argument, retracts)),
        DataType::Decimal128(_, scale) => {
            Box::new(Sum::<Decimal128Type>::new(&DataType::Decimal128(38, *scale), retracts))
        }
        _ => return None,
    })
}

#[derive(Debug)]
struct Sum<T: ArrowPrimitiveType> {
    data_type: DataType,
    sums: Vec<T::Native>,
    standing: Vec<Standing>,
    /// How many values are in each sum, if it can give them back.
    counts: Option<Vec<i64>>,
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
    fn new(data_type: &DataType, retracts: bool) -> Sum<T> {
        let counts = retracts.then(Vec::new);
        Sum { data_type: data_type.clone(), sums: Vec::new(), standing: Vec::new(), counts }
    }

    #[inline]
    fn add(&mut self, group: usize, value: T::Native) {
        self.set(group, self.sums[group].add_wrapping(value));
    }

    #[inline]
    fn set(&mut self, group: usize, sum: T::Native) {
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
        if let Some(counts) = &mut self.counts {
            counts.resize(groups, 0);
        }
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let values = values.as_primitive::<T>().values();
        input.for_each(|row, group| self.add(group, values[row]));
        if let Some(counts) = &mut self.counts {
            input.for_each(|_, group| counts[group] += 1);
        }
        Ok(())
    }

    fn retract(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let (Some(values), true) = (input.values, self.counts.is_some()) else { return Err(wrong_state()) };
        let values = values.as_primitive::<T>().values();
        input.for_each(|row, group| self.set(group, self.sums[group].sub_wrapping(values[row])));
        let Some(counts) = &mut self.counts else { return Ok(()) };
        input.for_each(|_, group| {
            counts[group] -= 1;
            if counts[group] == 0 {
                // what rounding left of a DOUBLE goes with its last value
                (self.sums[group], self.standing[group]) = (T::Native::ZERO, Standing::Empty);
            }
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let (sums, overflowed) = match (state, &mut self.counts) {
            ([sums, overflowed], None) => (sums, overflowed),
            ([sums, overflowed, counts], Some(held)) => {
                let counts = counts.as_primitive::<Int64Type>().values();
                groups.iter().zip(counts).for_each(|(group, count)| held[*group as usize] += count);
                (sums, overflowed)
            }
            _ => return Err(wrong_state()),
        };
        let sums = sums.as_primitive::<T>();
        let overflowed = overflowed.as_boolean();
        for (row, group) in groups.iter().enumerate() {
            let group = *group as usize;
            if overflowed.value(row) {
                self.standing[group] = Standing::Overflowed;
            } else if sums.is_valid(row) && self.standing[group] == Standing::Empty {
                // as it is: -0.0 must stay what readers were told
                self.set(group, sums.value(row));
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
        let mut state = vec![self.evaluate(groups)?, Arc::new(overflowed.collect::<BooleanArray>())];
        if let Some(counts) = &self.counts {
            let counts = groups.iter().map(|group| counts[*group as usize]);
            state.push(Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(counts)));
        }
        Ok(state)
    }

    fn state_types(&self) -> Vec<DataType> {
        let types = [self.data_type.clone(), DataType::Boolean];
        types.into_iter().chain(self.counts.is_some().then_some(DataType::Int64)).collect()
    }

    fn clear(&mut self, group: usize) {
        self.sums[group] = T::Native::ZERO;
        self.standing[group] = Standing::Empty;
        if let Some(counts) = &mut self.counts {
            counts[group] = 0;
        }
    }

    fn bytes(&self) -> usize {
        let counts = self.counts.as_ref().map_or(0, |counts| counts.capacity() * size_of::<i64>());
        self.sums.capacity() * size_of::<T::Native>() + self.standing.capacity() + counts
    }
}
