//! A consistent view of a table, and reading it: files of the pinned snapshot and batches of the tail.

use crate::error::{LakeError, Result};
use crate::filter::{Filter, to_predicate};
use crate::live::{State, TableIdentity};
use crate::tail::BATCH_ROWS_MAX;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use paimon::spec::{Predicate, Snapshot};
use paimon::{DataSplit, Table};
use std::collections::HashMap;
use std::sync::Arc;

/// A split larger than this is read by one task alone; files are packed into splits up to it.
const SPLIT_BYTES_TARGET: &str = "32 mb";
/// What opening one more file is taken to cost when files are packed into splits.
const SPLIT_OPEN_FILE_COST: &str = "1 mb";

pub type BatchStream = BoxStream<'static, Result<RecordBatch>>;

/// What to read. The result may have more rows than `filter` and `limit` ask for, never fewer.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    /// Indices into the table's schema, in the order wanted; None is all columns, an empty list only counts rows.
    pub projection: Option<Vec<usize>>,
    /// Conditions that all must hold: used to skip files and row groups, so apply them again to the result.
    pub filter: Vec<Filter>,
    /// At least this many rows are enough (after `filter`).
    pub limit: Option<usize>,
    /// Committed files are spread over at most this many partitions (0 means 1); the tail is one more.
    pub target_partitions: usize,
}

/// A snapshot and the table that reads exactly it.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) snapshot: Snapshot,
    table: Table,
}

impl Pinned {
    pub(crate) fn new(table: &Table, snapshot: Snapshot) -> Pinned {
        let mut options = HashMap::new();
        for (key, value) in [
            ("source.split.target-size", SPLIT_BYTES_TARGET),
            ("source.split.open-file-cost", SPLIT_OPEN_FILE_COST),
            ("read.batch-size", "8192"),
        ] {
            if !table.schema().options().contains_key(key) {
                options.insert(key.to_owned(), value.to_owned());
            }
        }
        let table = table.copy_with_options(options).copy_with_pinned_snapshot(&snapshot);
        Pinned { snapshot, table }
    }
}

/// A table at one moment: every row appended before it, exactly once, whatever is committed or appended later. Cheap to
/// clone; it keeps the tail batches it sees in memory.
#[derive(Debug, Clone)]
pub struct View {
    pub(crate) identity: Arc<TableIdentity>,
    pub(crate) state: Arc<State>,
}

impl View {
    pub fn schema(&self) -> &SchemaRef {
        &self.identity.schema
    }

    /// The snapshot this view reads; None before the first commit.
    pub fn snapshot_id(&self) -> Option<i64> {
        self.state.pinned.as_ref().map(|pinned| pinned.snapshot.id())
    }

    /// Rows in the snapshot, from its metadata; None if the snapshot does not say.
    pub fn row_count_committed(&self) -> Option<u64> {
        match &self.state.pinned {
            None => Some(0),
            Some(pinned) => pinned.snapshot.total_record_count().and_then(|count| u64::try_from(count).ok()),
        }
    }

    pub fn row_count_tail(&self) -> u64 {
        self.state.tail_rows()
    }

    /// Chooses the files to read. Reads manifests, no data.
    pub async fn scan(&self, request: ScanRequest) -> Result<ScanPlan> {
        let schema = &self.identity.schema;
        let output = match &request.projection {
            None => schema.clone(),
            Some(columns) => {
                Arc::new(schema.project(columns).map_err(LakeError::arrow(&self.identity.name, "project"))?)
            }
        };
        let mut plan = ScanPlan {
            identity: self.identity.clone(),
            state: self.state.clone(),
            output,
            projection: request.projection,
            predicate: None,
            limit: request.limit,
            committed: Vec::new(),
            has_tail: self.state.tail_rows() > 0,
        };
        let Some(pinned) = &self.state.pinned else { return Ok(plan) };
        plan.predicate = to_predicate(&request.filter, schema, pinned.table.schema().fields());
        let mut builder = pinned.table.new_read_builder();
        if let Some(predicate) = &plan.predicate {
            builder.with_filter(predicate.clone());
        } else if let (Some(limit), true) = (request.limit, request.filter.is_empty()) {
            builder.with_limit(limit);
        }
        let planned = builder.new_scan().plan().await.map_err(LakeError::paimon(&self.identity.name, "plan a scan"))?;
        plan.committed = spread(planned.into_splits(), request.target_partitions.max(1));
        Ok(plan)
    }
}

/// What a scan will read, in independent partitions.
#[derive(Debug, Clone)]
pub struct ScanPlan {
    identity: Arc<TableIdentity>,
    state: Arc<State>,
    output: SchemaRef,
    projection: Option<Vec<usize>>,
    predicate: Option<Predicate>,
    limit: Option<usize>,
    committed: Vec<Vec<DataSplit>>,
    has_tail: bool,
}

impl ScanPlan {
    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.output
    }

    /// May be 0: then there is nothing to read.
    pub fn partitions(&self) -> usize {
        self.committed.len() + usize::from(self.has_tail)
    }

    /// Rows in the chosen files and the tail, from metadata: exact without a filter, an upper bound with one.
    pub fn rows_upper_bound(&self) -> u64 {
        let committed = self.committed.iter().flatten().map(|split| split.row_count().max(0) as u64).sum::<u64>();
        committed + self.state.tail_rows()
    }

    /// Bytes of the chosen data files on disk.
    pub fn file_bytes(&self) -> u64 {
        self.committed.iter().flatten().flat_map(DataSplit::data_files).map(|file| file.file_size.max(0) as u64).sum()
    }

    /// Number of data files that will be opened.
    pub fn file_count(&self) -> usize {
        self.committed.iter().flatten().map(|split| split.data_files().len()).sum()
    }

    /// Starts reading a partition; one that does not exist is empty.
    pub fn open(&self, partition: usize) -> BatchStream {
        match self.committed.get(partition) {
            Some(splits) => match self.open_committed(splits) {
                Ok(stream) => stream,
                Err(error) => stream::once(async { Err(error) }).boxed(),
            },
            None if self.has_tail && partition == self.committed.len() => self.open_tail(),
            None => stream::empty().boxed(),
        }
    }

    fn open_committed(&self, splits: &[DataSplit]) -> Result<BatchStream> {
        let name = &self.identity.name;
        let Some(pinned) = &self.state.pinned else { return Ok(stream::empty().boxed()) };
        if self.output.fields().is_empty() && self.predicate.is_none() {
            let counts: Option<Vec<i64>> = splits.iter().map(DataSplit::merged_row_count).collect();
            if let Some(rows) = counts.and_then(|counts| u64::try_from(counts.iter().sum::<i64>()).ok()) {
                return Ok(self.row_counts(rows));
            }
        }
        let failed = || LakeError::paimon(name, "read data files");
        let mut builder = pinned.table.new_read_builder();
        if let Some(columns) = &self.projection {
            let names: Vec<&str> =
                columns.iter().map(|column| self.identity.schema.field(*column).name().as_str()).collect();
            builder.with_projection(&names).map_err(failed())?;
        }
        if let Some(predicate) = &self.predicate {
            builder.with_filter(predicate.clone());
        }
        let batches = builder.new_read().and_then(|read| read.to_arrow(splits)).map_err(failed())?;
        let (identity, output) = (self.identity.clone(), self.output.clone());
        Ok(batches
            .map(move |batch| {
                let batch = batch.map_err(LakeError::paimon(&identity.name, "read data files"))?;
                align(&identity.name, &batch, &output)
            })
            .boxed())
    }

    fn open_tail(&self) -> BatchStream {
        let (identity, output, projection) = (self.identity.clone(), self.output.clone(), self.projection.clone());
        let mut left = self.limit.unwrap_or(usize::MAX);
        let batches: Vec<_> = self
            .state
            .tail()
            .take_while(|batch| {
                let wanted = left > 0;
                left = left.saturating_sub(batch.batch.num_rows());
                wanted
            })
            .cloned()
            .collect();
        stream::iter(batches)
            .map(move |batch| {
                let Some(columns) = &projection else { return Ok(batch.batch.clone()) };
                let columns: Vec<ArrayRef> = columns.iter().map(|column| batch.batch.column(*column).clone()).collect();
                build(&identity.name, &output, columns, batch.batch.num_rows())
            })
            .boxed()
    }

    fn row_counts(&self, rows: u64) -> BatchStream {
        let (identity, output) = (self.identity.clone(), self.output.clone());
        let step = BATCH_ROWS_MAX as u64;
        stream::iter(
            (0..rows.div_ceil(step))
                .map(move |index| build(&identity.name, &output, Vec::new(), (rows - index * step).min(step) as usize)),
        )
        .boxed()
    }
}

/// Largest first, each to the partition that has the fewest bytes yet; no partition is empty.
fn spread(mut splits: Vec<DataSplit>, partitions: usize) -> Vec<Vec<DataSplit>> {
    let bytes = |split: &DataSplit| split.data_files().iter().map(|file| file.file_size).sum::<i64>();
    splits.sort_by_key(|split| std::cmp::Reverse(bytes(split)));
    let mut out: Vec<(i64, Vec<DataSplit>)> = (0..partitions.min(splits.len())).map(|_| (0, Vec::new())).collect();
    for split in splits {
        if let Some((total, least)) = out.iter_mut().min_by_key(|(total, _)| *total) {
            *total += bytes(&split).max(1);
            least.push(split);
        }
    }
    out.into_iter().map(|(_, splits)| splits).collect()
}

/// What the reader gives, in exactly the table's types: strings come as Utf8View and nested fields with other names.
fn align(table: &str, batch: &RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
    let columns = output
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let column = batch.columns().get(index).ok_or_else(|| LakeError::BatchSchema {
                table: table.to_owned(),
                reason: format!("column \"{}\" is missing from what was read", field.name()),
            })?;
            if column.data_type() == field.data_type() {
                return Ok(column.clone());
            }
            cast(column, field.data_type()).map_err(LakeError::arrow(table, "convert what was read"))
        })
        .collect::<Result<Vec<_>>>()?;
    build(table, output, columns, batch.num_rows())
}

fn build(table: &str, schema: &Arc<Schema>, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(LakeError::arrow(table, "build a batch"))
}
