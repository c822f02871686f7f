//! MIN and MAX of what can be taken back: every value is kept, with how often it is there.
//!
//! Values are bytes that compare as they do; of DOUBLE a NaN is then the greatest.

use super::{Accumulator, Input, lists, wrong_state};
use crate::flow::groups::KeyCodec;
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use std::collections::BTreeMap;

pub(super) fn extreme(argument: &DataType, is_least: bool) -> Result<Box<dyn Accumulator>, ArrowError> {
    let codec = KeyCodec::new(std::slice::from_ref(argument))?;
    Ok(Box::new(Multisets { argument: argument.clone(), codec, is_least, groups: Vec::new(), held_bytes: 0 }))
}

/// A tree's node holds half as much again as is in it.
const VALUE_BYTES: usize = (size_of::<Box<[u8]>>() + size_of::<i64>()) * 3 / 2;

#[derive(Debug)]
struct Multisets {
    argument: DataType,
    codec: KeyCodec,
    is_least: bool,
    groups: Vec<BTreeMap<Box<[u8]>, i64>>,
    held_bytes: usize,
}

impl Multisets {
    fn change(&mut self, input: Input<'_>, by: i64) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let keys = self.codec.encode(std::slice::from_ref(values))?;
        input.for_each(|row, group| self.count(group, keys.key(row).unwrap_or_default(), by));
        Ok(())
    }

    fn count(&mut self, group: usize, value: &[u8], by: i64) {
        let counts = &mut self.groups[group];
        match counts.get_mut(value) {
            Some(count) if *count + by == 0 => {
                counts.remove(value);
                self.held_bytes -= value.len() + VALUE_BYTES;
            }
            Some(count) => *count += by,
            None => {
                counts.insert(value.into(), by);
                self.held_bytes += value.len() + VALUE_BYTES;
            }
        }
    }
}

impl Accumulator for Multisets {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups.max(self.groups.len()), BTreeMap::new);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        self.change(input, 1)
    }

    fn retract(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        self.change(input, -1)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let [values, counts] = state else { return Err(wrong_state()) };
        let (values, rows) = lists::values_and_rows(values, groups);
        let (counts, _) = lists::values_and_rows(counts, &[]);
        let (keys, counts) = (self.codec.encode(std::slice::from_ref(values))?, counts.as_primitive::<Int64Type>());
        for (row, group) in rows {
            let row = row as usize;
            self.count(group as usize, keys.key(row).unwrap_or_default(), counts.value(row));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let chosen = groups.iter().map(|group| {
            let mut counts = self.groups[*group as usize].iter();
            let found = if self.is_least {
                counts.find(|(_, count)| **count > 0)
            } else {
                counts.rfind(|(_, count)| **count > 0)
            };
            found.map(|(value, _)| &**value)
        });
        lists::nullable(&self.codec, &self.argument, chosen)
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let all = || groups.iter().map(|group| &self.groups[*group as usize]);
        let values = all().map(|counts| counts.keys().map(|value| &**value).collect());
        let counts = all().map(|counts| counts.values().copied().collect::<Vec<i64>>());
        Ok(vec![lists::of_values(&self.codec, &self.argument, values)?, lists::of_numbers(counts)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![lists::list_type(&self.argument), lists::list_type(&DataType::Int64)]
    }

    fn clear(&mut self, group: usize) {
        let values = std::mem::take(&mut self.groups[group]);
        self.held_bytes -= values.keys().map(|value| value.len() + VALUE_BYTES).sum::<usize>();
    }

    fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<BTreeMap<Box<[u8]>, i64>>() + self.held_bytes
    }
}
