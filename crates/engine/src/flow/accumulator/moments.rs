//! STDDEV and VARIANCE from the sums of the values and of their squares, as Flink computes them.

use super::{Accumulator, Input, wrong_state};
use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use std::sync::Arc;

pub(super) fn moments(is_root: bool, is_sample: bool, result: &DataType) -> Box<dyn Accumulator> {
    Box::new(Moments { is_root, is_sample, result: result.clone(), groups: Vec::new() })
}

#[derive(Debug)]
struct Moments {
    /// The root of the variance: a deviation.
    is_root: bool,
    /// Divided by one less than there are values.
    is_sample: bool,
    result: DataType,
    groups: Vec<Moment>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    count: i64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn result(&self, moment: Moment) -> Option<f64> {
        let divisor = if self.is_sample { moment.count - 1 } else { moment.count };
        if divisor <= 0 {
            return None;
        }
        let variance = (moment.squares - moment.sum * moment.sum / moment.count as f64) / divisor as f64;
        // rounding can leave a little less than nothing
        let variance = variance.max(0.0);
        Some(if self.is_root { variance.sqrt() } else { variance })
    }
}

impl Accumulator for Moments {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups.max(self.groups.len()), Moment::default());
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let values = cast(values, &DataType::Float64)?;
        let numbers = values.as_primitive::<Float64Type>().values();
        Input { values: Some(&values), ..input }.for_each(|row, group| {
            let (moment, value) = (&mut self.groups[group], numbers[row]);
            moment.count += 1;
            moment.sum += value;
            moment.squares += value * value;
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let [counts, sums, squares] = state else { return Err(wrong_state()) };
        let (counts, sums) = (counts.as_primitive::<Int64Type>(), sums.as_primitive::<Float64Type>());
        let squares = squares.as_primitive::<Float64Type>();
        for (row, group) in groups.iter().enumerate() {
            let moment = &mut self.groups[*group as usize];
            moment.count += counts.value(row);
            moment.sum += sums.value(row);
            moment.squares += squares.value(row);
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let results = groups.iter().map(|group| self.result(self.groups[*group as usize]));
        let results: ArrayRef = Arc::new(results.collect::<Float64Array>());
        cast(&results, &self.result)
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let moments = || groups.iter().map(|group| self.groups[*group as usize]);
        Ok(vec![
            Arc::new(Int64Array::from_iter_values(moments().map(|moment| moment.count))),
            Arc::new(Float64Array::from_iter_values(moments().map(|moment| moment.sum))),
            Arc::new(Float64Array::from_iter_values(moments().map(|moment| moment.squares))),
        ])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64, DataType::Float64, DataType::Float64]
    }

    fn clear(&mut self, group: usize) {
        self.groups[group] = Moment::default();
    }

    fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Moment>()
    }
}
