//! Changes of a primary-key table: rows with their kinds, and their keys as bytes. Pure.

use crate::error::{LakeError, Result};
use arrow::array::{ArrayRef, BooleanArray, Int8Array, RecordBatch};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use hashbrown::HashSet;
use std::sync::Arc;

/// What a row does to its table: Flink's row kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// `+I`
    Insert,
    /// `-U`: the row that the next one of its key replaces.
    UpdateBefore,
    /// `+U`
    UpdateAfter,
    /// `-D`
    Delete,
}

impl RowKind {
    /// As Flink and Paimon print it.
    pub fn short_name(self) -> &'static str {
        match self {
            RowKind::Insert => "+I",
            RowKind::UpdateBefore => "-U",
            RowKind::UpdateAfter => "+U",
            RowKind::Delete => "-D",
        }
    }

    /// Whether the key has a row after this change, if it is the last one.
    pub fn leaves_a_row(self) -> bool {
        matches!(self, RowKind::Insert | RowKind::UpdateAfter)
    }

    /// Paimon's `_VALUE_KIND`.
    pub(crate) fn code(self) -> i8 {
        match self {
            RowKind::Insert => 0,
            RowKind::UpdateBefore => 1,
            RowKind::UpdateAfter => 2,
            RowKind::Delete => 3,
        }
    }
}

/// Changes in the order they happened: the last change of a key wins. Inside one batch an [`RowKind::UpdateBefore`]
/// matters only if it is the last change of its key, and then it is a deletion; so keep both halves of an update in one
/// batch, else a query between them sees no row. A deletion needs the key's columns; what the others hold is never read,
/// but must be valid where nulls are not allowed.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    /// The table's columns, in its order and types.
    pub rows: RecordBatch,
    /// One for each row; None means that all are [`RowKind::Insert`] (on a primary-key table: insert or replace).
    pub kinds: Option<Vec<RowKind>>,
}

/// Turns the key columns of a batch into bytes: equal keys and only they have equal bytes.
#[derive(Debug)]
pub(crate) struct KeyCodec {
    /// Indices into the table's schema, in the order of the declared key.
    pub(crate) columns: Vec<usize>,
    converter: RowConverter,
    /// True if the table's changelog must hold every change (`changelog-producer = input`), not just the last of a key.
    pub(crate) keeps_every_change: bool,
}

impl KeyCodec {
    pub(crate) fn new(
        table: &str,
        schema: &Schema,
        primary_keys: &[String],
        keeps_every_change: bool,
    ) -> Result<KeyCodec> {
        let failed = || LakeError::arrow(table, "use the primary key");
        let columns: Vec<usize> =
            primary_keys.iter().map(|key| schema.index_of(key)).collect::<Result<_, _>>().map_err(failed())?;
        let fields = columns.iter().map(|column| SortField::new(schema.field(*column).data_type().clone()));
        Ok(KeyCodec { converter: RowConverter::new(fields.collect()).map_err(failed())?, columns, keeps_every_change })
    }

    /// The keys of these key columns, in the order of the declared key.
    pub(crate) fn keys_of(&self, columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
        self.converter.convert_columns(columns)
    }

    /// The keys of a batch that has the key columns elsewhere, `positions` in the order of the declared key.
    pub(crate) fn keys_at(&self, batch: &RecordBatch, positions: &[usize]) -> Result<Rows, ArrowError> {
        self.keys_of(&positions.iter().map(|column| batch.column(*column).clone()).collect::<Vec<_>>())
    }
}

/// What a batch of a primary-key table has beside its rows.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) keys: Rows,
    pub(crate) kinds: Vec<RowKind>,
}

impl Changes {
    pub(crate) fn bytes(&self) -> usize {
        self.keys.size() + self.kinds.capacity()
    }
}

/// For each batch, oldest first, which rows are the last change of their key; and how many keys there are.
pub(crate) struct LastChanges<'a> {
    pub(crate) keys: HashSet<&'a [u8]>,
    pub(crate) is_last: Vec<Vec<bool>>,
}

/// Looks from the newest change backwards.
pub(crate) fn last_changes<'a>(
    batches: impl DoubleEndedIterator<Item = &'a Changes> + ExactSizeIterator,
) -> LastChanges<'a> {
    let mut keys: HashSet<&[u8]> = HashSet::new();
    let mut is_last: Vec<Vec<bool>> = Vec::with_capacity(batches.len());
    for changes in batches.rev() {
        let mut last = vec![false; changes.kinds.len()];
        for row in (0..last.len()).rev() {
            last[row] = keys.insert(changes.keys.row(row).data());
        }
        is_last.push(last);
    }
    is_last.reverse();
    LastChanges { keys, is_last }
}

/// The last change of each key, as (batch, row), in the order of the keys; batches come oldest first. It sorts instead of hashing:
/// who writes the changes wants them sorted anyway.
pub(crate) fn last_in_order(batches: &[&Changes]) -> Vec<(usize, usize)> {
    let mut all: Vec<(u128, u32, u32)> = Vec::with_capacity(batches.iter().map(|changes| changes.kinds.len()).sum());
    for (batch, changes) in batches.iter().enumerate() {
        all.extend(changes.keys.iter().enumerate().map(|(row, key)| (beginning(key.data()), batch as u32, row as u32)));
    }
    let key = |place: &(u128, u32, u32)| batches[place.1 as usize].keys.row(place.2 as usize).data();
    // of one key the newest first
    let newest_first = |left: &(u128, u32, u32), right: &(u128, u32, u32)| (right.1, right.2).cmp(&(left.1, left.2));
    all.sort_unstable_by(|left, right| {
        let order = left.0.cmp(&right.0).then_with(|| key(left).cmp(key(right)));
        order.then_with(|| newest_first(left, right))
    });
    all.dedup_by(|older, newest| older.0 == newest.0 && key(older) == key(newest));
    all.into_iter().map(|(_, batch, row)| (batch as usize, row as usize)).collect()
}

/// A key's first bytes as a number: numbers compare as the keys do, unless they are equal.
fn beginning(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    let length = key.len().min(first.len());
    first[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(first)
}

/// `_VALUE_KIND` of the given rows, as Paimon's writer takes it.
pub(crate) fn value_kinds(kinds: impl Iterator<Item = RowKind>) -> ArrayRef {
    Arc::new(Int8Array::from_iter_values(kinds.map(RowKind::code)))
}

/// What the tail does to the committed rows below it, for one view: made once, then only read.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// Every key the tail has a change of, deletions included: the committed row of such a key is hidden.
    hidden: HashSet<Box<[u8]>>,
    /// For each batch of the tail, the rows that are shown; None if all of them are.
    shown: Vec<Option<BooleanArray>>,
}

impl Overlay {
    pub(crate) fn new<'a>(
        batches: impl DoubleEndedIterator<Item = &'a Changes> + ExactSizeIterator + Clone,
    ) -> Overlay {
        let LastChanges { keys, mut is_last } = last_changes(batches.clone());
        let shown = batches
            .zip(&mut is_last)
            .map(|(changes, is_last)| {
                for (last, kind) in is_last.iter_mut().zip(&changes.kinds) {
                    *last &= kind.leaves_a_row();
                }
                let count = is_last.iter().filter(|shown| **shown).count();
                (count < is_last.len()).then(|| BooleanArray::from(std::mem::take(is_last)))
            })
            .collect();
        Overlay { hidden: keys.into_iter().map(Box::from).collect(), shown }
    }

    /// The rows of the tail's `index`th batch that are shown; None if all are.
    pub(crate) fn shown(&self, index: usize) -> Option<&BooleanArray> {
        self.shown.get(index).and_then(Option::as_ref)
    }

    pub(crate) fn hides_nothing(&self) -> bool {
        self.hidden.is_empty()
    }

    /// Which committed rows remain, by their keys; None if all do.
    pub(crate) fn remaining(&self, keys: &Rows) -> Option<BooleanArray> {
        let remaining: Vec<bool> = keys.iter().map(|key| !self.hidden.contains(key.data())).collect();
        remaining.contains(&false).then(|| BooleanArray::from(remaining))
    }
}

/// How many rows a mask keeps.
pub(crate) fn kept(mask: Option<&BooleanArray>, rows: usize) -> usize {
    mask.map_or(rows, BooleanArray::true_count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use arrow::array::{Array, AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};
    use proptest::prelude::*;

    proptest! {
        /// The same changes as those that hashing finds, sorted.
        #[test]
        fn sorted_is_hashed(batches in prop::collection::vec(prop::collection::vec((0_i64..6, "[a-c]{0,20}"), 0..30), 0..6)) {
            let schema = Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("t", DataType::Utf8, false)]);
            let codec = KeyCodec::new("t", &schema, &["t".into(), "n".into()], false).unwrap();
            let columns = |rows: &[(i64, String)]| -> Vec<ArrayRef> {
                let texts = StringArray::from_iter_values(rows.iter().map(|row| &row.1));
                vec![Arc::new(texts), Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))]
            };
            let changes = batches.iter().map(|rows| {
                Changes { keys: codec.keys_of(&columns(rows)).unwrap(), kinds: vec![RowKind::Insert; rows.len()] }
            });
            let changes: Vec<Changes> = changes.collect();
            let changes: Vec<&Changes> = changes.iter().collect();
            let found = last_in_order(&changes);
            let key = |place: &(usize, usize)| (batches[place.0][place.1].1.clone(), batches[place.0][place.1].0);
            prop_assert!(found.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
            let is_last = last_changes(changes.iter().copied()).is_last;
            prop_assert_eq!(found.len(), is_last.iter().flatten().filter(|last| **last).count());
            prop_assert!(found.iter().all(|(batch, row)| is_last[*batch][*row]));
        }
    }

    #[test]
    fn beginnings_compare_as_keys() {
        assert!(beginning(b"") < beginning(b"a") && beginning(b"ab") < beginning(b"b"));
        assert_eq!(beginning(&[7; 16]), beginning(&[7; 20]), "what comes behind is not looked at");
        let kinds = value_kinds([RowKind::Insert, RowKind::Delete].into_iter());
        assert_eq!(kinds.as_primitive::<arrow::datatypes::Int8Type>().values(), &[0, 3]);
        assert_eq!(kinds.null_count(), 0);
    }
}
