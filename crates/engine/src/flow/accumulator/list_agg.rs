//! LISTAGG: strings in the order of their arrival, a separator between them.

use super::{Accumulator, Input, one, wrong_state};
use arrow::array::{ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::sync::Arc;

pub(super) fn list_agg(separator: &str) -> Box<dyn Accumulator> {
    Box::new(ListAgg { separator: separator.to_owned(), lists: Vec::new() })
}

#[derive(Debug)]
struct ListAgg {
    separator: String,
    lists: Vec<Option<String>>,
}

impl Accumulator for ListAgg {
    fn resize(&mut self, groups: usize) {
        self.lists.resize(groups.max(self.lists.len()), None);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let texts = values.as_string::<i32>();
        input.for_each(|row, group| match &mut self.lists[group] {
            Some(list) => {
                list.push_str(&self.separator);
                list.push_str(texts.value(row));
            }
            empty => *empty = Some(texts.value(row).to_owned()),
        });
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        self.update(Input { values: Some(one(state)?), filter: None, rows: None, groups })
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let mut texts = StringBuilder::new();
        groups.iter().for_each(|group| texts.append_option(self.lists[*group as usize].as_deref()));
        Ok(Arc::new(texts.finish()))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Utf8]
    }

    fn clear(&mut self, group: usize) {
        self.lists[group] = None;
    }

    fn bytes(&self) -> usize {
        let lists = self.lists.iter().flatten().map(String::capacity).sum::<usize>();
        lists + self.lists.capacity() * size_of::<Option<String>>()
    }
}
