//! MIN, MAX, FIRST_VALUE and LAST_VALUE: one value of each group, chosen. NULLs are never chosen.
//!
//! First and last are by arrival, as in Flink: of states that are merged, by the order of the merges.

use super::{Accumulator, Input, one, wrong_state};
use arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringBuilder, downcast_primitive, new_null_array,
};
use arrow::datatypes::{ArrowNativeTypeOp, DataType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Least,
    Greatest,
    First,
    Last,
}

pub(super) fn extreme(argument: &DataType, choice: Choice) -> Result<Box<dyn Accumulator>, ArrowError> {
    macro_rules! numbers {
        ($t:ty) => {
            Ok(Box::new(Numbers::<$t> { data_type: argument.clone(), choice, values: Vec::new(), is_set: Vec::new() }))
        };
    }
    downcast_primitive! {
        argument => (numbers),
        DataType::Utf8 => Ok(Box::new(Texts { codec: Codec::Text, choice, values: Vec::new(), held_bytes: 0 })),
        other => {
            let converter = RowConverter::new(vec![SortField::new(other.clone())])?;
            let codec = Codec::Rows { data_type: other.clone(), converter };
            Ok(Box::new(Texts { codec, choice, values: Vec::new(), held_bytes: 0 }))
        }
    }
}

#[derive(Debug)]
struct Numbers<T: ArrowPrimitiveType> {
    data_type: DataType,
    choice: Choice,
    values: Vec<T::Native>,
    is_set: Vec<bool>,
}

impl<T: ArrowPrimitiveType> Numbers<T>
where
    T::Native: ArrowNativeTypeOp,
{
    /// A loop of its own for each choice.
    #[inline]
    fn choose(&mut self, values: &[T::Native], input: Input<'_>, wins: impl Fn(T::Native, T::Native) -> bool) {
        let (held, is_set) = (&mut self.values, &mut self.is_set);
        input.for_each(|row, group| {
            if !is_set[group] || wins(values[row], held[group]) {
                is_set[group] = true;
                held[group] = values[row];
            }
        });
    }
}

impl<T: ArrowPrimitiveType + std::fmt::Debug> Accumulator for Numbers<T>
where
    T::Native: ArrowNativeTypeOp,
{
    fn resize(&mut self, groups: usize) {
        let groups = groups.max(self.values.len());
        self.values.resize(groups, T::Native::ZERO);
        self.is_set.resize(groups, false);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        let values = values.as_primitive::<T>().values();
        match self.choice {
            // a NaN is neither less nor greater: the first value stays, as in Flink
            Choice::Least => self.choose(values, input, |new, old| new < old),
            Choice::Greatest => self.choose(values, input, |new, old| new > old),
            Choice::First => self.choose(values, input, |_, _| false),
            Choice::Last => self.choose(values, input, |_, _| true),
        }
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        self.update(Input { values: Some(one(state)?), filter: None, rows: None, groups })
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let value = |group: &u32| self.is_set[*group as usize].then(|| self.values[*group as usize]);
        let values: PrimitiveArray<T> = groups.iter().map(value).collect();
        Ok(Arc::new(values.with_data_type(self.data_type.clone())))
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.data_type.clone()]
    }

    fn clear(&mut self, group: usize) {
        self.is_set[group] = false;
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.is_set.capacity()
    }
}

/// Strings as their bytes, anything else as Arrow's rows: both compare as their values do.
#[derive(Debug)]
struct Texts {
    codec: Codec,
    choice: Choice,
    values: Vec<Option<Box<[u8]>>>,
    held_bytes: usize,
}

#[derive(Debug)]
enum Codec {
    Text,
    Rows { data_type: DataType, converter: RowConverter },
}

impl Texts {
    fn offer(&mut self, group: usize, new: &[u8]) {
        let wins = match (&self.values[group], self.choice) {
            (None, _) | (_, Choice::Last) => true,
            (_, Choice::First) => false,
            (Some(old), Choice::Least) => new < &**old,
            (Some(old), Choice::Greatest) => new > &**old,
        };
        if !wins {
            return;
        }
        match &mut self.values[group] {
            // texts of one width, as prices behind their times are: no allocation for each that wins
            Some(held) if held.len() == new.len() => held.copy_from_slice(new),
            held => {
                self.held_bytes += new.len();
                let old = held.replace(new.into());
                self.held_bytes -= old.map_or(0, |old| old.len());
            }
        }
    }
}

impl Accumulator for Texts {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups.max(self.values.len()), None);
    }

    fn update(&mut self, input: Input<'_>) -> Result<(), ArrowError> {
        let Some(values) = input.values else { return Err(wrong_state()) };
        match &self.codec {
            Codec::Text => {
                let texts = values.as_string::<i32>();
                input.for_each(|row, group| self.offer(group, texts.value(row).as_bytes()));
            }
            Codec::Rows { converter, .. } => {
                let rows = converter.convert_columns(std::slice::from_ref(values))?;
                input.for_each(|row, group| self.offer(group, rows.row(row).data()));
            }
        }
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        self.update(Input { values: Some(one(state)?), filter: None, rows: None, groups })
    }

    fn evaluate(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        match &self.codec {
            Codec::Text => {
                let mut texts = StringBuilder::new();
                for group in groups {
                    match &self.values[*group as usize] {
                        Some(text) => texts.append_value(std::str::from_utf8(text).map_err(|_| wrong_state())?),
                        None => texts.append_null(),
                    }
                }
                Ok(Arc::new(texts.finish()))
            }
            Codec::Rows { data_type, converter } => {
                let null = converter.convert_columns(&[new_null_array(data_type, 1)])?;
                let parser = converter.parser();
                let row = |group: &u32| self.values[*group as usize].as_ref().map(|bytes| parser.parse(bytes));
                let rows = groups.iter().map(|group| row(group).unwrap_or_else(|| null.row(0)));
                converter.convert_rows(rows)?.pop().ok_or_else(wrong_state)
            }
        }
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![self.evaluate(groups)?])
    }

    fn state_types(&self) -> Vec<DataType> {
        match &self.codec {
            Codec::Text => vec![DataType::Utf8],
            Codec::Rows { data_type, .. } => vec![data_type.clone()],
        }
    }

    fn clear(&mut self, group: usize) {
        let old = self.values[group].take();
        self.held_bytes -= old.map_or(0, |old| old.len());
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<Option<Box<[u8]>>>() + self.held_bytes
    }
}
