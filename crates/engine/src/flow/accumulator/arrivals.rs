//! FIRST_VALUE, LAST_VALUE and LISTAGG of what can be taken back: every value is kept, in the order of arrival. Of equal
//! values the one that came first is taken back first, as in Flink.

use super::{Accumulator, Input, lists, one, wrong_state};
use crate::flow::groups::KeyCodec;
use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// What is made of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    First,
    Last,
    List { separator: String },
}

pub(super) fn arrivals(argument: &DataType, wanted: Wanted) -> Result<Box<dyn Accumulator>, ArrowError> {
    let codec = KeyCodec::new(std::slice::from_ref(argument))?;
    Ok(Box::new(Arrivals { argument: argument.clone(), codec, wanted, groups: Vec::new(), held_bytes: 0 }))
}

/// Of a value beside its bytes: its places in the tree, the map and the queue.
const VALUE_BYTES: usize = 96;

#[derive(Debug)]
struct Arrivals {
    argument: DataType,
    codec: KeyCodec,
    wanted: Wanted,
    groups: Vec<Group>,
    held_bytes: usize,
}

#[derive(Debug, Default)]
struct Group {
    next: u64,
    by_arrival: BTreeMap<u64, Arc<[u8]>>,
    /// When each value came, the oldest first.
    places: HashMap<Arc<[u8]>, VecDeque<u64>>,
}

impl Group {
    fn push(&mut self, value: &[u8]) {
        let value = self.places.get_key_value(value).map_or_else(|| value.into(), |(known, _)| Arc::clone(known));
        self.places.entry(Arc::clone(&value)).or_default().push_back(self.next);
        self.by_arrival.insert(self.next, value);
        self.next += 1;
    }

    /// False if it is not there.
    fn remove(&mut self, value: &[u8]) -> bool {
        let Some(places) = self.places.get_mut(value) else { return false };
        if let Some(first) = places.pop_front() {
            self.by_arrival.remove(&first);
        }
        if places.is_empty() {
            self.places.remove(value);
        }
        true
    }

    fn values(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.by_arrival.values().map(|value| &**value)
    }
}

impl Arrivals {
    fn list(&self, separator: &str, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let mut texts = StringBuilder::new();
        for group in groups {
            let mut list: Option<String> = None;
            for value in self.groups[*group as usize].values() {
                let text = std::str::from_utf8(value).map_err(|_| wrong_state())?;
                match &mut list {
                    Some(list) => {
                        list.push_str(separator);
                        list.push_str(text);
                    }
                    empty => *empty = Some(text.to_owned()),
                }
            }
            texts.append_option(list);
        }
        Ok(Arc::new(texts.finish()))
    }
}

impl Accumulator for Arrivals {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups.max(self.groups.len()), Group::default);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let keys = self.codec.encode(std::slice::from_ref(values))?;
        input.for_each(|row, group| {
            let value = keys.key(row).unwrap_or_default();
            self.groups[group].push(value);
            self.held_bytes += value.len() + VALUE_BYTES;
        });
        Ok(())
    }

    fn retract(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let keys = self.codec.encode(std::slice::from_ref(values))?;
        input.for_each(|row, group| {
            let value = keys.key(row).unwrap_or_default();
            if self.groups[group].remove(value) {
                self.held_bytes -= value.len() + VALUE_BYTES;
            }
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let (values, rows) = lists::values_and_rows(one(state)?, groups);
        let (rows, groups): (Vec<u32>, Vec<u32>) = rows.into_iter().unzip();
        self.update(Input { values: Some(values), filter: None, rows: Some(&rows), groups: &groups })
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let all = || groups.iter().map(|group| &self.groups[*group as usize]);
        match &self.wanted {
            Wanted::First => lists::nullable(&self.codec, &self.argument, all().map(|group| group.values().next())),
            Wanted::Last => lists::nullable(&self.codec, &self.argument, all().map(|group| group.values().next_back())),
            Wanted::List { separator } => self.list(separator, groups),
        }
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let values = groups.iter().map(|group| self.groups[*group as usize].values().collect());
        Ok(vec![lists::of_values(&self.codec, &self.argument, values)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![lists::list_type(&self.argument)]
    }

    fn clear(&mut self, group: usize) {
        let values = std::mem::take(&mut self.groups[group]);
        self.held_bytes -= values.values().map(|value| value.len() + VALUE_BYTES).sum::<usize>();
    }

    fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.held_bytes
    }
}
