//! Accumulators: what an aggregate function keeps for each group, in columns.
//!
//! In: columns of a batch and the groups of their rows. Out: results of Flink's types; the state as Arrow columns, which
//! other accumulators of the same call take in: partial results of a worker, slices of a window, a checkpoint.
//! Groups are numbers counted from 0; an accumulator never forgets one by itself.
//! Over a query that updates its rows they also take rows back: sums and counts by subtracting, what is chosen among values
//! by keeping all of them.

mod arrivals;
mod averages;
mod counted;
mod distinct;
mod extremes;
mod list_agg;
mod lists;
mod multisets;
mod numbers;
mod sums;

use crate::graph::{AggregateCall, AggregateFunction};
use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use extremes::Choice;
use std::sync::Arc;

/// Some rows of a batch, and the group of each.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    /// The argument; COUNT(*) has none.
    pub(crate) values: Option<&'a ArrayRef>,
    /// FILTER (WHERE …): NULL is no.
    pub(crate) filter: Option<&'a BooleanArray>,
    /// Which rows, in order; None: all.
    pub(crate) rows: Option<&'a [u32]>,
    /// As many as rows.
    pub(crate) groups: &'a [u32],
}

impl Input<'_> {
    /// Calls with (row, group) for each row that counts: the filter lets it pass and the value is not NULL.
    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        let nulls = self.values.and_then(|values| values.nulls());
        match (self.rows, self.filter, nulls) {
            (None, None, None) => self.groups.iter().enumerate().for_each(|(row, group)| visit(row, *group as usize)),
            (rows, filter, nulls) => {
                for (at, group) in self.groups.iter().enumerate() {
                    let row = rows.map_or(at, |rows| rows[at] as usize);
                    let passes = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
                    if passes && nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                        visit(row, *group as usize);
                    }
                }
            }
        }
    }
}

pub(crate) trait Accumulator: Send + std::fmt::Debug {
    /// Makes room: groups below `groups` exist afterwards, new ones empty.
    fn resize(&mut self, groups: usize);
    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError>;
    /// Takes back rows that it was given before. Only of one that was made for it.
    fn retract(&mut self, _: Input<'_>) -> Result<(), ArrowError> {
        Err(ArrowError::InvalidArgumentError("rows are taken back from what cannot give them".into()))
    }
    /// Takes in a state: its row `n` belongs to `groups[n]`. Later rows are later in time.
    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError>;
    /// The results of these groups.
    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError>;
    /// The states of these groups; nothing changes.
    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError>;
    /// The types of [`state`](Self::state)'s columns.
    fn state_types(&self) -> Vec<DataType>;
    /// Empties a group, so that it can be another's.
    fn clear(&mut self, group: usize);
    fn bytes(&self) -> usize;
}

/// An empty accumulator for a call; `argument` is the type of its argument. One that retracts keeps more.
pub(crate) fn accumulator(
    call: &AggregateCall,
    argument: Option<&DataType>,
    retracts: bool,
) -> Result<Box<dyn Accumulator>, ArrowError> {
    let unsupported = || {
        let argument = argument.map_or("*".to_owned(), crate::types::sql_name);
        ArrowError::NotYetImplemented(format!("{:?}({argument})", call.function))
    };
    let extreme = |argument: &DataType, choice| match (retracts, choice) {
        (false, choice) => extremes::extreme(argument, choice),
        (true, Choice::Least | Choice::Greatest) => multisets::extreme(argument, choice == Choice::Least),
        (true, Choice::First) => arrivals::arrivals(argument, arrivals::Wanted::First),
        (true, Choice::Last) => arrivals::arrivals(argument, arrivals::Wanted::Last),
    };
    let plain = match (&call.function, argument) {
        (AggregateFunction::Count, _) => Box::<Count>::default(),
        (_, None) => return Err(unsupported()),
        (AggregateFunction::Sum, Some(argument)) => sums::sum(argument, retracts).ok_or_else(unsupported)?,
        (AggregateFunction::Avg, Some(argument)) => {
            averages::average(argument, &call.data_type, retracts).ok_or_else(unsupported)?
        }
        (AggregateFunction::Min, Some(argument)) => extreme(argument, Choice::Least)?,
        (AggregateFunction::Max, Some(argument)) => extreme(argument, Choice::Greatest)?,
        (AggregateFunction::FirstValue, Some(argument)) => extreme(argument, Choice::First)?,
        (AggregateFunction::LastValue, Some(argument)) => extreme(argument, Choice::Last)?,
        (AggregateFunction::ListAgg { separator }, Some(argument @ DataType::Utf8)) if retracts => {
            arrivals::arrivals(argument, arrivals::Wanted::List { separator: separator.clone() })?
        }
        (AggregateFunction::ListAgg { separator }, Some(DataType::Utf8)) => list_agg::list_agg(separator),
        (AggregateFunction::ListAgg { .. }, Some(_)) => return Err(unsupported()),
    };
    match (call.is_distinct, &call.function, argument) {
        // the extremes of a set are those of its rows
        (false, _, _) | (_, AggregateFunction::Min | AggregateFunction::Max, _) | (_, _, None) => Ok(plain),
        (true, _, Some(argument)) if retracts => counted::distinct(plain, argument),
        (true, _, Some(argument)) => distinct::distinct(plain, argument),
    }
}

/// A field of a state's column; anything in it can be NULL.
pub(crate) fn state_field(name: String, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// COUNT: rows, or values that are not NULL.
#[derive(Debug, Default)]
struct Count(Vec<i64>);

impl Accumulator for Count {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups.max(self.0.len()), 0);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        input.for_each(|_, group| self.0[group] += 1);
        Ok(())
    }

    fn retract(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        input.for_each(|_, group| self.0[group] -= 1);
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        use arrow::array::AsArray;
        let counts = one(state)?.as_primitive::<arrow::datatypes::Int64Type>();
        for (count, group) in counts.values().iter().zip(groups) {
            self.0[*group as usize] += count;
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| self.0[*group as usize]))))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn clear(&mut self, group: usize) {
        self.0[group] = 0;
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

/// The only column of a state that has one.
fn one(state: &[ArrayRef]) -> Result<&ArrayRef, ArrowError> {
    match state {
        [one] => Ok(one),
        _ => Err(wrong_state()),
    }
}

fn wrong_state() -> ArrowError {
    ArrowError::InvalidArgumentError("a state of other columns than its accumulator has".into())
}

#[cfg(test)]
mod tests;
