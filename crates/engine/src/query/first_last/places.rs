//! A row's place in the order of one column, as something that compares like the column's ORDER BY. Pure.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMillisecondType};
use std::sync::Arc;

/// Smaller is earlier: NULLs are before or behind all values, and of values that descend the larger is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    NullFirst,
    Value(i64),
    NullLast,
}

/// How a column gives places, and gets its values back from them.
#[derive(Debug)]
pub(super) struct Places {
    data_type: DataType,
    options: SortOptions,
}

impl Places {
    /// None for a column that is neither an integer nor an instant of the tables.
    pub(super) fn of(data_type: DataType, options: SortOptions) -> Option<Places> {
        let is_known = matches!(data_type, DataType::Int64 | DataType::Timestamp(TimeUnit::Millisecond, _));
        is_known.then_some(Places { data_type, options })
    }

    /// None if the column is of another type.
    pub(super) fn read<'a>(&self, column: &'a ArrayRef) -> Option<Reader<'a>> {
        let values: &[i64] = match column.data_type() {
            found if *found != self.data_type => return None,
            DataType::Int64 => column.as_primitive::<Int64Type>().values(),
            _ => column.as_primitive::<TimestampMillisecondType>().values(),
        };
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        Some(Reader { values, nulls, options: self.options })
    }

    /// The column's values; NULL where there is no place.
    pub(super) fn write(&self, places: impl Iterator<Item = Option<Place>>) -> ArrayRef {
        let values: Int64Array = places
            .map(|place| match place {
                Some(Place::Value(value)) => Some(turned(value, self.options)),
                _ => None,
            })
            .collect();
        match &self.data_type {
            DataType::Int64 => Arc::new(values),
            other => Arc::new(values.reinterpret_cast::<TimestampMillisecondType>().with_data_type(other.clone())),
        }
    }
}

pub(super) struct Reader<'a> {
    values: &'a [i64],
    nulls: Option<&'a NullBuffer>,
    options: SortOptions,
}

impl Reader<'_> {
    #[inline]
    pub(super) fn place(&self, row: usize) -> Place {
        match self.nulls {
            Some(nulls) if nulls.is_null(row) => match self.options.nulls_first {
                true => Place::NullFirst,
                false => Place::NullLast,
            },
            _ => Place::Value(turned(self.values[row], self.options)),
        }
    }
}

/// All bits turned is the opposite order, without a value too many.
fn turned(value: i64, options: SortOptions) -> i64 {
    if options.descending { !value } else { value }
}
