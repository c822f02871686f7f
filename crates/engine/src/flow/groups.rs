//! Keys of groups as numbers: equal keys have one number, counted from 0 in the order of their first rows.
//!
//! A key of one STRING column is its own bytes; any other key is Arrow's row format, whose bytes are equal if and only if
//! the values are.

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Turns key columns into bytes and back. One for all tables of a node.
#[derive(Debug)]
pub(crate) enum KeyCodec {
    /// No key: one group.
    Nothing,
    Text,
    Rows(RowConverter),
}

/// The keys of a batch.
pub(crate) enum EncodedKeys {
    Nothing,
    Text(StringArray),
    Rows(Rows),
}

impl KeyCodec {
    pub(crate) fn new(types: &[DataType]) -> Result<KeyCodec, ArrowError> {
        Ok(match types {
            [] => KeyCodec::Nothing,
            [DataType::Utf8] => KeyCodec::Text,
            _ => KeyCodec::Rows(RowConverter::new(
                types.iter().map(|data_type| SortField::new(data_type.clone())).collect(),
            )?),
        })
    }

    pub(crate) fn encode(&self, columns: &[ArrayRef]) -> Result<EncodedKeys, ArrowError> {
        Ok(match (self, columns) {
            (KeyCodec::Nothing, _) => EncodedKeys::Nothing,
            (KeyCodec::Text, [text]) => EncodedKeys::Text(text.as_string::<i32>().clone()),
            (KeyCodec::Text, _) => return Err(ArrowError::InvalidArgumentError("a key of one column has more".into())),
            (KeyCodec::Rows(converter), _) => EncodedKeys::Rows(converter.convert_columns(columns)?),
        })
    }

    /// The key columns of some groups.
    pub(crate) fn decode(&self, table: &GroupTable, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.decode_keys(groups.iter().map(|group| table.key(*group)))
    }

    /// The key columns of keys as bytes.
    pub(crate) fn decode_keys<'a>(
        &self,
        keys: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        match self {
            KeyCodec::Nothing => Ok(Vec::new()),
            KeyCodec::Text => {
                let mut text = StringBuilder::with_capacity(keys.len(), keys.len() * 8);
                for key in keys {
                    match key {
                        // the bytes came out of a string array
                        Some(bytes) => text.append_value(std::str::from_utf8(bytes).map_err(|error| {
                            ArrowError::InvalidArgumentError(format!("a key that is no text: {error}"))
                        })?),
                        None => text.append_null(),
                    }
                }
                Ok(vec![Arc::new(text.finish())])
            }
            KeyCodec::Rows(converter) => {
                let parser = converter.parser();
                converter.convert_rows(keys.map(|key| parser.parse(key.unwrap_or_default())))
            }
        }
    }
}

impl EncodedKeys {
    /// None for NULL, which is a key like any other.
    #[inline]
    pub(crate) fn key(&self, row: usize) -> Option<&[u8]> {
        match self {
            EncodedKeys::Nothing => Some(&[]),
            EncodedKeys::Text(text) => text.is_valid(row).then(|| text.value(row).as_bytes()),
            EncodedKeys::Rows(rows) => Some(rows.row(row).data()),
        }
    }
}

/// What holds the groups' numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupTable {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    null: Option<u32>,
    table: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    group: u32,
}

impl GroupTable {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.table.allocation_size()
    }

    pub(crate) fn key(&self, group: u32) -> Option<&[u8]> {
        if self.null == Some(group) {
            return None;
        }
        let group = group as usize;
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        Some(&self.bytes[start..self.ends[group]])
    }

    /// The group's number; a new one if the key is new.
    #[inline]
    pub(crate) fn intern(&mut self, key: Option<&[u8]>) -> u32 {
        let Some(key) = key else { return self.intern_null() };
        let hash = self.hasher.hash_one(key);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let is_equal = |entry: &Entry| {
            let group = entry.group as usize;
            let start = if group == 0 { 0 } else { ends[group - 1] };
            entry.hash == hash && bytes[start..ends[group]] == *key
        };
        if let Some(found) = self.table.find(hash, is_equal) {
            return found.group;
        }
        let group = self.push(key);
        self.table.insert_unique(hash, Entry { hash, group }, |entry| entry.hash);
        group
    }

    /// The groups of some rows (all if None), one each.
    pub(crate) fn intern_rows(&mut self, keys: &EncodedKeys, row_count: usize, rows: Option<&[u32]>) -> Vec<u32> {
        if matches!(keys, EncodedKeys::Nothing) {
            let group = if row_count > 0 { self.intern(Some(&[])) } else { 0 };
            return vec![group; rows.map_or(row_count, <[u32]>::len)];
        }
        match rows {
            None => (0..row_count).map(|row| self.intern(keys.key(row))).collect(),
            Some(rows) => rows.iter().map(|row| self.intern(keys.key(*row as usize))).collect(),
        }
    }

    fn intern_null(&mut self) -> u32 {
        if let Some(group) = self.null {
            return group;
        }
        let group = self.push(&[]);
        self.null = Some(group);
        group
    }

    fn push(&mut self, key: &[u8]) -> u32 {
        let group = self.ends.len() as u32;
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    fn round_trip(columns: Vec<ArrayRef>) -> (Vec<u32>, Vec<ArrayRef>) {
        let types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
        let codec = KeyCodec::new(&types).expect("types of keys");
        let keys = codec.encode(&columns).expect("keys");
        let mut table = GroupTable::default();
        let groups = table.intern_rows(&keys, columns[0].len(), None);
        for (row, group) in groups.iter().enumerate() {
            assert_eq!((table.intern(keys.key(row)), table.key(*group)), (*group, keys.key(row)));
        }
        let all: Vec<u32> = (0..table.len() as u32).collect();
        (groups, codec.decode(&table, &all).expect("columns"))
    }

    #[test]
    fn text_and_nulls() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some(""), Some("b"), None, Some("a")]));
        let (groups, keys) = round_trip(vec![text]);
        assert_eq!(groups, [0, 1, 2, 0, 1, 3]);
        assert_eq!(keys[0].as_string::<i32>(), &StringArray::from(vec![Some("b"), None, Some(""), Some("a")]));
    }

    #[test]
    fn several_columns() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b", "a"]));
        let number: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(1), Some(1)]));
        let (groups, keys) = round_trip(vec![text, number]);
        assert_eq!(groups, [0, 1, 2, 0]);
        assert_eq!(keys[1].as_ref(), &Int64Array::from(vec![Some(1), None, Some(1)]) as &dyn Array);
    }

    #[test]
    fn no_key_is_one_group() {
        let mut table = GroupTable::default();
        assert_eq!(table.intern_rows(&EncodedKeys::Nothing, 3, None), [0, 0, 0]);
        assert_eq!(table.len(), 1);
    }
}
