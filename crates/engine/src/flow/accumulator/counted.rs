//! DISTINCT over rows that can be taken back: how often each value of a group is there. The function behind it gets a value
//! when its first row comes, and gives it back with its last.

use super::{Accumulator, Input, lists, wrong_state};
use crate::flow::groups::KeyCodec;
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use std::collections::HashMap;

/// `inner` takes values back.
pub(super) fn distinct(inner: Box<dyn Accumulator>, argument: &DataType) -> Result<Box<dyn Accumulator>, ArrowError> {
    let codec = KeyCodec::new(std::slice::from_ref(argument))?;
    Ok(Box::new(Counted { inner, argument: argument.clone(), codec, groups: Vec::new(), next: 0, held_bytes: 0 }))
}

/// Of a value beside its bytes.
const VALUE_BYTES: usize = size_of::<(Box<[u8]>, Value)>() * 2;

#[derive(Debug)]
struct Counted {
    inner: Box<dyn Accumulator>,
    argument: DataType,
    codec: KeyCodec,
    groups: Vec<HashMap<Box<[u8]>, Value>>,
    /// Values that came first have smaller numbers.
    next: u64,
    held_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Value {
    count: i64,
    arrival: u64,
}

/// Rows of a column and the groups they belong to.
#[derive(Default)]
struct Changed {
    rows: Vec<u32>,
    groups: Vec<u32>,
}

impl Changed {
    fn push(&mut self, row: usize, group: usize) {
        self.rows.push(row as u32);
        self.groups.push(group as u32);
    }

    fn input<'a>(&'a self, values: &'a ArrayRef) -> Input<'a> {
        Input { values: Some(values), filter: None, rows: Some(&self.rows), groups: &self.groups }
    }
}

impl Counted {
    /// True if the value is new to its group.
    fn add(&mut self, group: usize, value: &[u8], count: i64) -> bool {
        let values = &mut self.groups[group];
        if let Some(known) = values.get_mut(value) {
            known.count += count;
            return false;
        }
        values.insert(value.into(), Value { count, arrival: self.next });
        self.next += 1;
        self.held_bytes += value.len() + VALUE_BYTES;
        true
    }

    /// True if the value is gone from its group.
    fn remove(&mut self, group: usize, value: &[u8]) -> bool {
        let values = &mut self.groups[group];
        let Some(known) = values.get_mut(value) else { return false };
        known.count -= 1;
        if known.count > 0 {
            return false;
        }
        values.remove(value);
        self.held_bytes -= value.len() + VALUE_BYTES;
        true
    }

    /// By arrival.
    fn sorted(&self, group: u32) -> Vec<(&[u8], Value)> {
        let mut values: Vec<_> = self.groups[group as usize].iter().map(|(value, known)| (&**value, *known)).collect();
        values.sort_unstable_by_key(|(_, known)| known.arrival);
        values
    }
}

impl Accumulator for Counted {
    fn resize(&mut self, groups: usize) {
        self.inner.resize(groups);
        self.groups.resize_with(groups.max(self.groups.len()), HashMap::new);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let keys = self.codec.encode(std::slice::from_ref(values))?;
        let mut new = Changed::default();
        input.for_each(|row, group| {
            if self.add(group, keys.key(row).unwrap_or_default(), 1) {
                new.push(row, group);
            }
        });
        self.inner.update(new.input(values))
    }

    fn retract(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let keys = self.codec.encode(std::slice::from_ref(values))?;
        let mut gone = Changed::default();
        input.for_each(|row, group| {
            if self.remove(group, keys.key(row).unwrap_or_default()) {
                gone.push(row, group);
            }
        });
        self.inner.retract(gone.input(values))
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let [values, counts] = state else { return Err(wrong_state()) };
        let (values, rows) = lists::values_and_rows(values, groups);
        let (counts, _) = lists::values_and_rows(counts, &[]);
        let (keys, counts) = (self.codec.encode(std::slice::from_ref(values))?, counts.as_primitive::<Int64Type>());
        let mut new = Changed::default();
        for (row, group) in rows {
            let (row, group) = (row as usize, group as usize);
            if self.add(group, keys.key(row).unwrap_or_default(), counts.value(row)) {
                new.push(row, group);
            }
        }
        self.inner.update(new.input(values))
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        self.inner.evaluate(groups)
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let sorted: Vec<Vec<(&[u8], Value)>> = groups.iter().map(|group| self.sorted(*group)).collect();
        let values = sorted.iter().map(|values| values.iter().map(|(value, _)| *value).collect());
        let counts = sorted.iter().map(|values| values.iter().map(|(_, known)| known.count).collect::<Vec<i64>>());
        Ok(vec![lists::of_values(&self.codec, &self.argument, values)?, lists::of_numbers(counts)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![lists::list_type(&self.argument), lists::list_type(&DataType::Int64)]
    }

    fn clear(&mut self, group: usize) {
        self.inner.clear(group);
        let values = std::mem::take(&mut self.groups[group]);
        self.held_bytes -= values.keys().map(|value| value.len() + VALUE_BYTES).sum::<usize>();
    }

    fn bytes(&self) -> usize {
        self.inner.bytes() + self.groups.capacity() * size_of::<HashMap<Box<[u8]>, Value>>() + self.held_bytes
    }
}
