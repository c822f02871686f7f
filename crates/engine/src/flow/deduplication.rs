//! The first row of each partition, for readers that replace rows by their keys: of a row only its place in the order is kept.
//!
//! What the reader has is replaced and never taken back, so nobody asks for the row again. A Top-N of one row whose rows before
//! updates somebody needs, or one of windows, keeps its rows (`top_n.rs`).

use super::groups::{GroupTable, KeyCodec};
use super::rows::{RowKind, Rows};
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use crate::graph::{ColumnId, TopN};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{SortOptions, take_arrays};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct DeduplicationStage {
    partition: Vec<ColumnId>,
    order: Vec<ColumnId>,
    last_wins: bool,
    with_number: bool,
    schema: SchemaRef,
    /// Of a snapshot: the partition's columns and those of the order.
    state_schema: SchemaRef,
    keys: KeyCodec,
    order_rows: RowConverter,
    table: GroupTable,
    /// By partition.
    places: Places,
}

/// Places in the order as bytes: those of a row that stands before are less.
#[derive(Debug)]
enum Places {
    /// All of one length, one after the other.
    Fixed {
        length: usize,
        bytes: Vec<u8>,
    },
    Any {
        places: Vec<Box<[u8]>>,
        bytes: usize,
    },
}

impl Places {
    fn get(&self, partition: usize) -> Option<&[u8]> {
        match self {
            Places::Fixed { length, bytes } => bytes.get(partition * length..(partition + 1) * length),
            Places::Any { places, .. } => places.get(partition).map(|place| &**place),
        }
    }

    /// Of a new partition, if it is the one behind the last.
    fn set(&mut self, partition: usize, place: &[u8]) {
        match self {
            Places::Fixed { length, bytes } => match bytes.get_mut(partition * *length..(partition + 1) * *length) {
                Some(held) => held.copy_from_slice(place),
                None => bytes.extend_from_slice(place),
            },
            Places::Any { places, bytes } => {
                *bytes += place.len();
                match places.get_mut(partition) {
                    Some(held) => *bytes -= std::mem::replace(held, place.into()).len(),
                    None => places.push(place.into()),
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Places::Fixed { bytes, .. } => bytes.capacity(),
            Places::Any { places, bytes } => bytes + places.capacity() * size_of::<Box<[u8]>>(),
        }
    }
}

/// Behind the fingerprint of a node whose state is this: a Top-N cannot go on from it, since it has no rows.
const PLACES_ONLY: &str = "-places";

impl DeduplicationStage {
    pub(crate) fn fingerprint(of_node: &str) -> String {
        format!("{of_node}{PLACES_ONLY}")
    }

    /// True of a Top-N that it can do. `tells_before`: whether somebody needs the rows before updates.
    pub(crate) fn does(node: &TopN, tells_before: bool) -> bool {
        (node.offset, node.limit) == (1, 1) && node.window.is_none() && !tells_before
    }

    pub(crate) fn new(node: &TopN, input: &Schema, schema: &SchemaRef) -> Result<DeduplicationStage, ArrowError> {
        let type_of = |column: &ColumnId| input.field(*column).data_type().clone();
        let partition_types: Vec<_> = node.partition.iter().map(type_of).collect();
        let order_fields = node.order.iter().map(|order| {
            let options = SortOptions { descending: order.is_descending, nulls_first: order.nulls_first };
            SortField::new_with_options(type_of(&order.column), options)
        });
        let order: Vec<ColumnId> = node.order.iter().map(|order| order.column).collect();
        let named =
            |what: &'static str| move |(n, data_type): (usize, _)| Field::new(format!("{what}_{n}"), data_type, true);
        let fields = partition_types.iter().cloned().enumerate().map(named("key"));
        let fields = fields.chain(order.iter().map(type_of).enumerate().map(named("order")));
        let has_one_length = order.iter().all(|column| type_of(column).is_primitive());
        Ok(DeduplicationStage {
            state_schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            partition: node.partition.clone(),
            order,
            last_wins: node.last_wins,
            with_number: node.with_number,
            schema: Arc::clone(schema),
            keys: KeyCodec::new(&partition_types)?,
            order_rows: RowConverter::new(order_fields.collect())?,
            table: GroupTable::default(),
            places: match has_one_length {
                true => Places::Fixed { length: 0, bytes: Vec::new() },
                false => Places::Any { places: Vec::new(), bytes: 0 },
            },
        })
    }

    /// Puts rows in. Returns for each partition that has another first row now that row, and whether it had one before; in the
    /// order in which they came.
    fn put(&mut self, partition: &[ArrayRef], order: &[ArrayRef]) -> Result<(Vec<u32>, Vec<RowKind>), ArrowError> {
        let keys = self.keys.encode(partition)?;
        let order = self.order_rows.convert_columns(order)?;
        if let (Places::Fixed { length, .. }, true) = (&mut self.places, order.num_rows() > 0) {
            *length = order.row(0).data().len();
        }
        let known = self.table.len() as u32;
        let mut firsts: HashMap<u32, u32> = HashMap::with_capacity(order.num_rows());
        for row in 0..order.num_rows() {
            let partition = self.table.intern(keys.key(row));
            let place = order.row(row).data();
            let wins = match self.places.get(partition as usize) {
                None => true,
                Some(held) => place < held || (place == held && self.last_wins),
            };
            if wins {
                self.places.set(partition as usize, place);
                firsts.insert(partition, row as u32);
            }
        }
        let mut firsts: Vec<(u32, u32)> = firsts.into_iter().map(|(partition, row)| (row, partition)).collect();
        firsts.sort_unstable();
        let kind = |partition: u32| if partition < known { RowKind::UpdateAfter } else { RowKind::Insert };
        Ok(firsts.into_iter().map(|(row, partition)| (row, kind(partition))).unzip())
    }

    fn all(&self) -> Vec<u32> {
        (0..self.table.len() as u32).collect()
    }
}

impl Stage for DeduplicationStage {
    fn rows(&mut self, rows: &Rows, _: i64, _: &mut Late) -> Result<Option<Rows>, ArrowError> {
        let of = |columns: &[ColumnId]| -> Vec<ArrayRef> {
            columns.iter().map(|column| Arc::clone(rows.batch.column(*column))).collect()
        };
        let (firsts, kinds) = self.put(&of(&self.partition), &of(&self.order))?;
        if firsts.is_empty() {
            return Ok(None);
        }
        let count = firsts.len();
        let mut columns = take_arrays(rows.batch.columns(), &UInt32Array::from(firsts), None)?;
        if self.with_number {
            columns.push(Arc::new(Int64Array::from_value(1, count)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Some(Rows::changes(batch, kinds)))
    }

    fn advance(&mut self, _: i64) -> Result<Vec<Rows>, ArrowError> {
        Ok(Vec::new())
    }

    fn watermark(&self) -> i64 {
        WATERMARK_MIN
    }

    fn usage(&self) -> Usage {
        Usage { groups: self.table.len(), bytes: self.table.bytes() + self.places.bytes() }
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut columns = self.keys.decode(&self.table, &self.all())?;
        let parser = self.order_rows.parser();
        let places = (0..self.table.len()).filter_map(|partition| self.places.get(partition));
        columns.extend(self.order_rows.convert_rows(places.map(|place| parser.parse(place)))?);
        let options = RecordBatchOptions::new().with_row_count(Some(self.table.len()));
        Ok(vec![RecordBatch::try_new_with_options(Arc::clone(&self.state_schema), columns, &options)?])
    }

    /// Also from one that has whole rows: a Top-N's, whose rows before updates nobody needs any more.
    fn restore(&mut self, _: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in snapshot {
            let (partition, order) = match batch.schema_ref().fields() == self.state_schema.fields() {
                true => {
                    let (partition, order) = batch.columns().split_at(self.partition.len());
                    (partition.to_vec(), order.to_vec())
                }
                false => {
                    let of = |columns: &[ColumnId]| -> Vec<ArrayRef> {
                        columns.iter().map(|column| Arc::clone(batch.column(*column))).collect()
                    };
                    (of(&self.partition), of(&self.order))
                }
            };
            self.put(&partition, &order)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::top_n::TopNStage;
    use crate::graph::Order;
    use arrow::array::{AsArray, StringArray};
    use arrow::datatypes::{DataType, Int64Type};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// (partition, place in the order)
    type TestRow = (i64, Option<i64>);

    /// With the number of each row behind it.
    fn batch(rows: &[TestRow], first: i64, is_text: bool) -> RecordBatch {
        let orders = || rows.iter().map(|row| row.1);
        let order: ArrayRef = match is_text {
            true => {
                Arc::new(orders().map(|order| order.map(|n| "x".repeat((n + 3) as usize))).collect::<StringArray>())
            }
            false => Arc::new(orders().collect::<Int64Array>()),
        };
        let columns: [(&str, ArrayRef); 3] = [
            ("k", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
            ("o", order),
            ("id", Arc::new(Int64Array::from_iter_values(first..first + rows.len() as i64))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).expect("a batch")
    }

    /// What a table with the partition as its key has after these rows.
    fn replace(table: &mut BTreeMap<i64, i64>, rows: Option<Rows>) {
        let Some(rows) = rows else { return };
        let column = |index: usize| rows.batch.column(index).as_primitive::<Int64Type>().values();
        for (row, (key, id)) in column(0).iter().zip(column(2)).enumerate() {
            let kind = rows.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            let was_there = table.insert(*key, *id).is_some();
            assert_eq!(kind, if was_there { RowKind::UpdateAfter } else { RowKind::Insert });
        }
    }

    proptest! {
        /// As the Top-N of one row, also from its own snapshot or from that one's.
        #[test]
        fn as_the_top_one(
            batches in prop::collection::vec(prop::collection::vec((0_i64..6, prop::option::of(-3_i64..4)), 0..12), 1..8),
            flags in prop::array::uniform5(any::<bool>()),
            restored_before in 0_usize..8,
        ) {
            let [is_descending, nulls_first, last_wins, is_text, from_rows] = flags;
            let node = TopN {
                partition: vec![0],
                order: vec![Order { column: 1, is_descending, nulls_first }],
                offset: 1,
                limit: 1,
                with_number: false,
                last_wins,
                window: None,
            };
            prop_assert!(DeduplicationStage::does(&node, false) && !DeduplicationStage::does(&node, true));
            let schema = batch(&[], 0, is_text).schema();
            let new = || DeduplicationStage::new(&node, &schema, &schema).expect("a stage");
            let (mut stage, mut top) = (new(), TopNStage::new(&node, &schema, &schema, false).expect("a stage"));
            let (mut table, mut expected) = (BTreeMap::new(), BTreeMap::new());
            for (number, rows) in batches.iter().enumerate() {
                if number == restored_before {
                    let snapshot = if from_rows { top.snapshot() } else { stage.snapshot() };
                    let groups = stage.usage().groups;
                    stage = new();
                    stage.restore(WATERMARK_MIN, &snapshot.expect("a snapshot")).expect("restored");
                    prop_assert_eq!(stage.usage().groups, groups);
                }
                let rows = Rows::inserts(batch(rows, number as i64 * 100, is_text));
                replace(&mut table, stage.rows(&rows, 0, &mut Late::default()).expect("rows"));
                replace(&mut expected, top.rows(&rows, 0, &mut Late::default()).expect("rows"));
                prop_assert_eq!(&table, &expected);
            }
        }
    }

    #[test]
    fn a_number_behind_the_rows() {
        let input = batch(&[(7, Some(1))], 5, false);
        let fields = input.schema().fields().iter().map(|field| field.as_ref().clone()).collect::<Vec<_>>();
        let number = Field::new("n", DataType::Int64, true);
        let schema: SchemaRef = Arc::new(Schema::new(fields.into_iter().chain([number]).collect::<Vec<_>>()));
        let node = TopN {
            partition: vec![0],
            order: vec![Order { column: 1, is_descending: false, nulls_first: false }],
            offset: 1,
            limit: 1,
            with_number: true,
            last_wins: false,
            window: None,
        };
        let mut stage = DeduplicationStage::new(&node, &input.schema(), &schema).expect("a stage");
        let rows = stage.rows(&Rows::inserts(input.clone()), 0, &mut Late::default()).expect("rows").expect("a row");
        assert_eq!(rows.batch.column(3).as_primitive::<Int64Type>().values(), &[1]);
        assert!(stage.rows(&Rows::inserts(input), 0, &mut Late::default()).expect("rows").is_none(), "it is there");
    }
}
