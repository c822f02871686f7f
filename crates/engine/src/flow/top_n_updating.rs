//! The first rows of each partition of a query that updates its rows. All rows are kept, not the first alone: when one of
//! those is taken back, the next moves up.

use super::groups::{GroupTable, KeyCodec};
use super::ranking::{Changes, Kept, KeptRow, OrderKey, Ranking};
use super::rows::Rows;
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use crate::graph::{ColumnId, TopN};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Partitions without rows stay until they are so many, and more than those with rows.
const EMPTY_PARTITIONS_MAX: usize = 1_024;
/// Of a row beside its bytes.
const ROW_BYTES: usize = size_of::<(Place, Arc<[u8]>)>() * 3 / 2 + 4 * size_of::<usize>();

/// Where a row stands: by its order, and among equals by arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    order: OrderKey,
    id: u64,
}

type List = BTreeMap<Place, Arc<[u8]>>;

#[derive(Debug)]
pub(crate) struct UpdatingTopNStage {
    partition: Vec<ColumnId>,
    ranking: Ranking,
    input: SchemaRef,
    keys: KeyCodec,
    table: GroupTable,
    /// By partition.
    lists: Vec<List>,
    next_id: u64,
    rows: usize,
    row_bytes: usize,
    /// Lists that have no rows any more.
    empty_lists: usize,
}

impl UpdatingTopNStage {
    pub(crate) fn new(
        node: &TopN,
        input: &SchemaRef,
        schema: &SchemaRef,
        tells_before: bool,
    ) -> Result<UpdatingTopNStage, ArrowError> {
        let type_of = |column: &ColumnId| input.field(*column).data_type().clone();
        let partition_types: Vec<_> = node.partition.iter().map(type_of).collect();
        Ok(UpdatingTopNStage {
            partition: node.partition.clone(),
            ranking: Ranking::new(node, input, schema, tells_before)?,
            input: Arc::clone(input),
            keys: KeyCodec::new(&partition_types)?,
            table: GroupTable::default(),
            lists: Vec::new(),
            next_id: 0,
            rows: 0,
            row_bytes: 0,
            empty_lists: 0,
        })
    }

    /// Puts rows into the lists and takes others out. Returns the first rows of each list that it touched, as they were.
    fn put(&mut self, rows: &Rows) -> Result<BTreeMap<u32, Vec<Kept>>, ArrowError> {
        let partition: Vec<ArrayRef> =
            self.partition.iter().map(|column| Arc::clone(rows.batch.column(*column))).collect();
        let keys = self.keys.encode(&partition)?;
        let order = self.ranking.order_of(&rows.batch)?;
        let source = self.ranking.rows.source(rows.batch.columns())?;
        let mut whole = Vec::new();
        let mut before = BTreeMap::new();
        for row in 0..rows.len() {
            let list = self.table.intern(keys.key(row));
            if self.lists.len() <= list as usize {
                self.lists.push(List::new());
                self.empty_lists += 1;
            }
            before.entry(list).or_insert_with(|| self.first_rows(list));
            whole.clear();
            source.put(row, &mut whole);
            let adds = rows.kinds.as_ref().is_none_or(|kinds| kinds[row].leaves_a_row());
            let order = OrderKey::of(order.row(row).data());
            match adds {
                true => self.add(list, order, &whole),
                false => self.take_out(list, order, &whole)?,
            }
        }
        Ok(before)
    }

    fn add(&mut self, list: u32, order: OrderKey, row: &[u8]) {
        self.rows += 1;
        self.row_bytes += order.bytes() + row.len() + ROW_BYTES;
        let place = Place { order, id: self.next_id };
        self.next_id += 1;
        let rows = &mut self.lists[list as usize];
        self.empty_lists -= usize::from(rows.is_empty());
        rows.insert(place, row.into());
    }

    fn take_out(&mut self, list: u32, order: OrderKey, row: &[u8]) -> Result<(), ArrowError> {
        let rows = &mut self.lists[list as usize];
        let mut place = Place { order, id: 0 };
        let mut equals = rows.range::<Place, _>(&place..);
        let found = equals.find(|(other, held)| other.order != place.order || ***held == *row);
        let Some(id) = found.filter(|(other, _)| other.order == place.order).map(|(other, _)| other.id) else {
            return Err(ArrowError::InvalidArgumentError("a row is taken back that was not given".into()));
        };
        place.id = id;
        rows.remove(&place);
        self.empty_lists += usize::from(rows.is_empty());
        self.rows -= 1;
        self.row_bytes -= place.order.bytes() + row.len() + ROW_BYTES;
        Ok(())
    }

    fn first_rows(&self, list: u32) -> Vec<Kept> {
        let rows = self.lists[list as usize].iter().take(self.ranking.end);
        let kept = rows.map(|(place, row)| Kept {
            id: place.id,
            order: place.order.clone(),
            row: KeptRow::Stored(row.clone()),
        });
        kept.collect()
    }

    /// Partitions come and go: those that have gone must not fill the memory.
    fn forget_empty_partitions(&mut self) {
        if self.empty_lists < EMPTY_PARTITIONS_MAX || self.empty_lists * 2 < self.lists.len() {
            return;
        }
        let mut table = GroupTable::default();
        let mut lists = Vec::with_capacity(self.lists.len() - self.empty_lists);
        for (partition, list) in std::mem::take(&mut self.lists).into_iter().enumerate() {
            if !list.is_empty() {
                table.intern(self.table.key(partition as u32));
                lists.push(list);
            }
        }
        (self.table, self.lists, self.empty_lists) = (table, lists, 0);
    }
}

impl Stage for UpdatingTopNStage {
    fn rows(&mut self, rows: &Rows, _: i64, _: &mut Late) -> Result<Option<Rows>, ArrowError> {
        let before = self.put(rows)?;
        let mut changes = Changes::default();
        for (list, old) in before {
            self.ranking.changes(&old, &self.first_rows(list), &mut changes);
        }
        self.forget_empty_partitions();
        self.ranking.rows_of(changes)
    }

    fn advance(&mut self, _: i64) -> Result<Vec<Rows>, ArrowError> {
        Ok(Vec::new())
    }

    fn watermark(&self) -> i64 {
        WATERMARK_MIN
    }

    fn usage(&self) -> Usage {
        let lists = self.lists.capacity() * size_of::<List>();
        Usage { groups: self.rows, bytes: self.table.bytes() + lists + self.row_bytes }
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        // equals in the order of their arrival, so that they come back in it
        let columns = self.ranking.columns_of(self.lists.iter().flat_map(List::values).map(|row| &**row))?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        Ok(vec![RecordBatch::try_new_with_options(Arc::clone(&self.input), columns, &options)?])
    }

    fn restore(&mut self, _: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        snapshot.iter().try_for_each(|batch| self.put(&Rows::inserts(batch.clone())).map(drop))
    }
}
