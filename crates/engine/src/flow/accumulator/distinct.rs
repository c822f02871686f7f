//! DISTINCT: each value of a group is given to the function behind it once. The state is the values themselves.

use super::{Accumulator, Input, lists, one, wrong_state};
use crate::flow::groups::{EncodedKeys, GroupTable, KeyCodec};
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

pub(super) fn distinct(inner: Box<dyn Accumulator>, argument: &DataType) -> Result<Box<dyn Accumulator>, ArrowError> {
    let codec = KeyCodec::new(std::slice::from_ref(argument))?;
    Ok(Box::new(Distinct { inner, argument: argument.clone(), codec, sets: Vec::new() }))
}

#[derive(Debug)]
struct Distinct {
    inner: Box<dyn Accumulator>,
    argument: DataType,
    codec: KeyCodec,
    sets: Vec<GroupTable>,
}

impl Distinct {
    /// Keeps those of the rows whose value is new to their group.
    fn add(&mut self, values: &ArrayRef, rows: &[(u32, u32)]) -> Result<(), ArrowError> {
        let keys: EncodedKeys = self.codec.encode(std::slice::from_ref(values))?;
        let mut new_rows = Vec::new();
        let mut new_groups = Vec::new();
        for (row, group) in rows {
            let set = &mut self.sets[*group as usize];
            let known = set.len();
            set.intern(keys.key(*row as usize));
            if set.len() > known {
                new_rows.push(*row);
                new_groups.push(*group);
            }
        }
        self.inner.update(Input { values: Some(values), filter: None, rows: Some(&new_rows), groups: &new_groups })
    }
}

impl Accumulator for Distinct {
    fn resize(&mut self, groups: usize) {
        self.inner.resize(groups);
        self.sets.resize_with(groups.max(self.sets.len()), GroupTable::default);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let mut rows = Vec::with_capacity(input.groups.len());
        input.for_each(|row, group| rows.push((row as u32, group as u32)));
        self.add(values, &rows)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let (values, rows) = lists::values_and_rows(one(state)?, groups);
        self.add(values, &rows)
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        self.inner.evaluate(groups)
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let values = groups.iter().map(|group| {
            let set = &self.sets[*group as usize];
            (0..set.len() as u32).map(|value| set.key(value).unwrap_or_default()).collect()
        });
        Ok(vec![lists::of_values(&self.codec, &self.argument, values)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![lists::list_type(&self.argument)]
    }

    fn clear(&mut self, group: usize) {
        self.inner.clear(group);
        self.sets[group] = GroupTable::default();
    }

    fn bytes(&self) -> usize {
        let sets = self.sets.iter().map(GroupTable::bytes).sum::<usize>();
        self.inner.bytes() + sets + self.sets.capacity() * size_of::<GroupTable>()
    }
}
