//! DISTINCT: each value of a group is given to the function behind it once. The state is the values themselves.

use super::numbers::NumberSet;
use super::{Accumulator, Input, lists, one, wrong_state};
use crate::flow::groups::{GroupTable, KeyCodec};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

pub(super) fn distinct(inner: Box<dyn Accumulator>, argument: &DataType) -> Result<Box<dyn Accumulator>, ArrowError> {
    let sets = match argument {
        DataType::Int64 => Sets::Numbers(Vec::new()),
        _ => Sets::Keys(KeyCodec::new(std::slice::from_ref(argument))?, Vec::new()),
    };
    Ok(Box::new(Distinct { inner, argument: argument.clone(), sets, held_bytes: 0 }))
}

#[derive(Debug)]
struct Distinct {
    inner: Box<dyn Accumulator>,
    argument: DataType,
    sets: Sets,
    /// Of all sets: counted, since thousands of them are slow to walk over.
    held_bytes: usize,
}

/// The values of each group.
#[derive(Debug)]
enum Sets {
    Numbers(Vec<NumberSet>),
    Keys(KeyCodec, Vec<GroupTable>),
}

impl Distinct {
    /// Keeps those of the rows whose value is new to their group.
    fn add(&mut self, values: &ArrayRef, rows: impl Iterator<Item = (u32, u32)>) -> Result<(), ArrowError> {
        let mut new_rows = Vec::new();
        let mut new_groups = Vec::new();
        let mut add = |row: u32, group: u32| {
            new_rows.push(row);
            new_groups.push(group);
        };
        match &mut self.sets {
            Sets::Numbers(sets) => {
                let numbers = values.as_primitive::<Int64Type>().values();
                for (row, group) in rows {
                    let set = &mut sets[group as usize];
                    let bytes = set.bytes();
                    if set.insert(numbers[row as usize]) {
                        self.held_bytes += set.bytes() - bytes;
                        add(row, group);
                    }
                }
            }
            Sets::Keys(codec, sets) => {
                let keys = codec.encode(std::slice::from_ref(values))?;
                for (row, group) in rows {
                    let set = &mut sets[group as usize];
                    let (known, bytes) = (set.len(), set.bytes());
                    set.intern(keys.key(row as usize));
                    if set.len() > known {
                        self.held_bytes += set.bytes() - bytes;
                        add(row, group);
                    }
                }
            }
        }
        if new_rows.is_empty() {
            return Ok(());
        }
        self.inner.update(Input { values: Some(values), filter: None, rows: Some(&new_rows), groups: &new_groups })
    }
}

impl Accumulator for Distinct {
    fn resize(&mut self, groups: usize) {
        self.inner.resize(groups);
        match &mut self.sets {
            Sets::Numbers(sets) => sets.resize_with(groups.max(sets.len()), NumberSet::default),
            Sets::Keys(_, sets) => sets.resize_with(groups.max(sets.len()), GroupTable::default),
        }
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let mut rows = Vec::with_capacity(input.groups.len());
        input.for_each(|row, group| rows.push((row as u32, group as u32)));
        self.add(values, rows.into_iter())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let (values, rows) = lists::values_and_rows(one(state)?, groups);
        self.add(values, rows.into_iter())
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        self.inner.evaluate(groups)
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let list = match &self.sets {
            Sets::Numbers(sets) => lists::of_numbers(groups.iter().map(|group| sets[*group as usize].values()))?,
            Sets::Keys(codec, sets) => {
                let values = groups.iter().map(|group| {
                    let set = &sets[*group as usize];
                    (0..set.len() as u32).map(|value| set.key(value).unwrap_or_default()).collect()
                });
                lists::of_values(codec, &self.argument, values)?
            }
        };
        Ok(vec![list])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![lists::list_type(&self.argument)]
    }

    fn clear(&mut self, group: usize) {
        self.inner.clear(group);
        self.held_bytes -= match &mut self.sets {
            Sets::Numbers(sets) => std::mem::take(&mut sets[group]).bytes(),
            Sets::Keys(_, sets) => std::mem::take(&mut sets[group]).bytes(),
        };
    }

    fn bytes(&self) -> usize {
        let sets = match &self.sets {
            Sets::Numbers(sets) => sets.capacity() * size_of::<NumberSet>(),
            Sets::Keys(_, sets) => sets.capacity() * size_of::<GroupTable>(),
        };
        self.inner.bytes() + sets + self.held_bytes
    }
}
