//! A consistent view of a table, and reading it: files of the pinned snapshot and batches of the tail.

use crate::changes::{KeyCodec, kept};
use crate::error::{LakeError, Result};
use crate::filter::{Filter, to_predicate};
use crate::known_files::{KnownFiles, chosen};
use crate::live::{State, TableIdentity};
use crate::met::met_by;
use crate::narrowing::Narrowed;
use crate::passing::TailFilter;
use crate::pins::{Pin, Pins};
use crate::spread::{is_first_part, newest_first, spread};
use crate::tail::{BATCH_ROWS_MAX, TailBatch};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{and, cast, filter_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use paimon::spec::{Predicate, Snapshot};
use paimon::table::ArrowRecordBatchStream;
use paimon::{DataSplit, Table};
use std::collections::HashMap;
use std::sync::Arc;

/// A split larger than this is read by one task alone; files are packed into splits up to it.
const SPLIT_BYTES_TARGET: &str = "32 mb";
/// What opening one more file is taken to cost when files are packed into splits.
const SPLIT_OPEN_FILE_COST: &str = "1 mb";
/// Of a primary-key table no two ranges of keys share a split: where a range has one file, Paimon does not merge it row by row.
const KEYED_SPLIT_BYTES: &str = "1 b";

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
    pub(crate) table: Table,
    /// None if a tag keeps it, or nobody.
    pin: Option<Pin>,
    known: KnownFiles,
}

impl Pinned {
    pub(crate) fn new(table: &Table, snapshot: Snapshot, pins: &Arc<Pins>) -> Pinned {
        let pin = pins.pin(snapshot.id());
        let mut options = HashMap::new();
        let is_keyed = !table.schema().primary_keys().is_empty();
        for (key, value) in [
            ("source.split.target-size", if is_keyed { KEYED_SPLIT_BYTES } else { SPLIT_BYTES_TARGET }),
            ("source.split.open-file-cost", SPLIT_OPEN_FILE_COST),
            ("read.batch-size", "8192"),
        ] {
            if !table.schema().options().contains_key(key) {
                options.insert(key.to_owned(), value.to_owned());
            }
        }
        let table = table.copy_with_options(options).copy_with_pinned_snapshot(&snapshot);
        Pinned { snapshot, table, pin, known: KnownFiles::default() }
    }

    /// Reads its manifests now, so that no query waits for that, if queries asked for those of the one `before`.
    pub(crate) async fn prepare_after(&self, before: Option<&Pinned>, name: &str) {
        if before.is_some_and(|before| before.known.are_wanted())
            && let Err(error) = self.known.splits(name, &self.table).await
        {
            tracing::debug!(table = name, %error, "the first query will read the manifests");
        }
    }

    /// False if the snapshot has expired: then only a tag can keep its files.
    pub(crate) fn is_kept(&self) -> bool {
        self.pin.is_some()
    }
}

/// A table at one moment: every row appended before it, exactly once, whatever is committed or appended later; of a
/// primary-key table each key at most once, as its last change left it. Cheap to clone; it keeps the tail batches it sees
/// in memory.
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

    /// Rows in the snapshot, from its metadata; None if the snapshot does not say, as with a primary-key table: its files
    /// hold several versions of a row.
    pub fn row_count_committed(&self) -> Option<u64> {
        match &self.state.pinned {
            None => Some(0),
            Some(_) if self.identity.key.is_some() => None,
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
            has_predicate: false,
            limit: request.limit.filter(|_| request.filter.is_empty()),
            filter: request.filter,
            committed: Vec::new(),
            has_tail: self.state.tail_rows() > 0,
        };
        let Some(pinned) = &self.state.pinned else { return Ok(plan) };
        // Conditions are safe below the overlay and the merge of versions, both of which go by key: Paimon applies those
        // on other columns after its merge, and the overlay hides a row whether or not the newer one passes them.
        let definition = pinned.table.schema();
        let predicate = to_predicate(&plan.filter, schema, definition.fields());
        plan.has_predicate = predicate.is_some();
        let splits = match pinned.known.splits(&self.identity.name, &pinned.table).await? {
            Some(splits) => chosen(splits, &plan.filter, plan.limit, schema, definition),
            None => {
                let mut builder = pinned.table.new_read_builder();
                if let Some(predicate) = predicate {
                    builder.with_filter(predicate);
                } else if let (Some(limit), None) = (plan.limit, &self.identity.key) {
                    builder.with_limit(limit); // of a primary-key table it would count rows that the tail hides
                }
                let planned = builder.new_scan().plan().await;
                planned.map_err(LakeError::paimon(&self.identity.name, "plan a scan"))?.into_splits()
            }
        };
        plan.committed = spread(splits, request.target_partitions.max(1));
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
    filter: Vec<Filter>,
    /// Whether Paimon can be told any of it.
    has_predicate: bool,
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

    /// Rows in the chosen files and the tail, from metadata: an upper bound; see [`counts_exactly`](Self::counts_exactly).
    pub fn rows_upper_bound(&self) -> u64 {
        let committed = self.committed.iter().flatten().map(|split| split.row_count().max(0) as u64).sum::<u64>();
        committed + self.state.tail_rows()
    }

    /// Whether the bound above is the number of rows, if there is no filter and no limit. Not so for a primary-key table,
    /// whose files hold several versions of a row.
    pub fn counts_exactly(&self) -> bool {
        self.identity.key.is_none()
    }

    /// Bytes of the chosen data files on disk.
    pub fn file_bytes(&self) -> u64 {
        self.splits().flat_map(DataSplit::data_files).map(|file| file.file_size.max(0) as u64).sum()
    }

    /// Number of data files that will be opened.
    pub fn file_count(&self) -> usize {
        self.splits().map(|split| split.data_files().len()).sum()
    }

    /// Those that several partitions read once.
    fn splits(&self) -> impl Iterator<Item = &DataSplit> {
        self.committed.iter().flatten().filter(|split| is_first_part(split))
    }

    /// How many files are read with conditions, and how many without any.
    #[cfg(test)]
    pub(crate) fn files_by_conditions(&self) -> (usize, usize) {
        let Some(pinned) = &self.state.pinned else { return (0, 0) };
        let splits: Vec<DataSplit> = self.splits().cloned().collect();
        let mut files = (0, 0);
        for (splits, left) in self.by_what_is_left(&splits, &pinned.table) {
            let count = splits.iter().map(|split| split.data_files().len()).sum::<usize>();
            *if left.is_empty() { &mut files.1 } else { &mut files.0 } += count;
        }
        files
    }

    /// Starts reading a partition; one that does not exist is empty.
    pub fn open(&self, partition: usize) -> BatchStream {
        match self.committed.get(partition) {
            Some(splits) => self.open_committed(splits).unwrap_or_else(failed_stream),
            None if self.has_tail && partition == self.committed.len() => self.open_tail(),
            None => stream::empty().boxed(),
        }
    }

    /// The same, reading the newest files first and leaving out those whose rows cannot pass any more when their turn comes.
    pub fn open_narrowed(&self, partition: usize, narrowed: &Narrowed) -> BatchStream {
        let (Some(splits), Some(pinned), None) =
            (self.committed.get(partition), self.state.pinned.clone(), &self.identity.key)
        else {
            return self.open(partition);
        };
        let (plan, narrowed) = (self.clone(), narrowed.clone());
        let rows = stream::iter(newest_first(splits)).flat_map(move |split| {
            let (now, table) = (narrowed.now(), pinned.table.schema());
            let may_pass = |file| now.may_pass(file, &plan.identity.schema, table);
            match split.data_files().iter().any(may_pass) {
                true => plan.open_committed(&[split]).unwrap_or_else(failed_stream),
                false => stream::empty().boxed(),
            }
        });
        rows.boxed()
    }

    fn open_committed(&self, splits: &[DataSplit]) -> Result<BatchStream> {
        let Some(pinned) = &self.state.pinned else { return Ok(stream::empty().boxed()) };
        let hiding = match &self.identity.key {
            Some(codec) if !self.state.overlay().hides_nothing() => Some(Hiding::new(self, codec)?),
            _ => None,
        };
        if self.output.fields().is_empty() && !self.has_predicate && hiding.is_none() {
            let counts: Option<Vec<i64>> = splits.iter().map(DataSplit::merged_row_count).collect();
            if let Some(rows) = counts.and_then(|counts| u64::try_from(counts.iter().sum::<i64>()).ok()) {
                return Ok(self.row_counts(rows));
            }
        }
        let read = hiding.as_ref().map_or(&self.output, |hiding| &hiding.read).clone();
        let mut streams = Vec::new();
        for (splits, filter) in self.by_what_is_left(splits, &pinned.table) {
            let predicate = to_predicate(&filter, &self.identity.schema, pinned.table.schema().fields());
            streams.push(self.read(&pinned.table, &splits, &read, predicate)?);
        }
        let batches = stream::iter(streams).flatten();
        let (identity, output) = (self.identity.clone(), self.output.clone());
        Ok(batches
            .map(move |batch| {
                let batch = batch.map_err(LakeError::paimon(&identity.name, "read data files"))?;
                let batch = align(&identity.name, &batch, &read)?;
                match &hiding {
                    None => Ok(batch),
                    Some(hiding) => hiding.apply(&identity.name, batch, &output),
                }
            })
            .boxed())
    }

    /// The splits by the conditions that not all of their rows are known to meet: those on times are known of whole files.
    fn by_what_is_left(&self, splits: &[DataSplit], table: &Table) -> Vec<(Vec<DataSplit>, Vec<Filter>)> {
        if !self.has_predicate {
            return vec![(splits.to_vec(), self.filter.clone())];
        }
        let mut groups: Vec<(Vec<bool>, Vec<DataSplit>)> = Vec::new();
        for split in splits {
            let met = met_by(split, &self.filter, &self.identity.schema, table.schema());
            match groups.iter_mut().find(|(known, _)| *known == met) {
                Some((_, splits)) => splits.push(split.clone()),
                None => groups.push((met, vec![split.clone()])),
            }
        }
        let left = |met: &[bool]| {
            let filters = self.filter.iter().zip(met).filter(|(_, met)| !**met);
            filters.map(|(filter, _)| filter.clone()).collect()
        };
        groups.into_iter().map(|(met, splits)| (splits, left(&met))).collect()
    }

    fn read(
        &self,
        table: &Table,
        splits: &[DataSplit],
        columns: &Schema,
        predicate: Option<Predicate>,
    ) -> Result<ArrowRecordBatchStream> {
        let failed = || LakeError::paimon(&self.identity.name, "read data files");
        let mut builder = table.new_read_builder();
        if self.projection.is_some() {
            let names: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
            builder.with_projection(&names).map_err(failed())?;
        }
        if let Some(predicate) = predicate {
            builder.with_filter(predicate);
        }
        builder.new_read().and_then(|read| read.to_arrow(splits)).map_err(failed())
    }

    fn open_tail(&self) -> BatchStream {
        let (identity, output) = (self.identity.clone(), self.output.clone());
        let columns = self.projection.clone().unwrap_or_else(|| (0..identity.schema.fields().len()).collect());
        let asked = TailFilter::new(&self.filter, &identity.schema);
        let overlay = self.identity.key.as_ref().map(|_| self.state.overlay());
        let mut left = self.limit.unwrap_or(usize::MAX);
        let batches: Vec<_> = self
            .state
            .tail()
            .enumerate()
            .map(|(index, batch)| (batch.clone(), overlay.and_then(|overlay| overlay.shown(index)).cloned()))
            .take_while(|(batch, shown)| {
                let wanted = left > 0;
                left = left.saturating_sub(kept(shown.as_ref(), batch.batch.num_rows()));
                wanted
            })
            .collect();
        let read = move |(tail, shown): (Arc<TailBatch>, Option<BooleanArray>)| {
            let mask = match (shown, asked.passing(&tail.batch)?) {
                (Some(shown), Some(passing)) => Some(and(&shown, &passing)?),
                (mask, None) | (None, mask) => mask,
            };
            let batch = tail.batch.project(&columns);
            match mask {
                None => batch.unpacked(&output).map(Some),
                Some(mask) if mask.true_count() == 0 => Ok(None),
                Some(mask) => batch.filter(&mask)?.unpacked(&output).map(Some),
            }
        };
        let rows = batches.into_iter().filter_map(move |batch| {
            read(batch).map_err(LakeError::arrow(&identity.name, "read the tail")).transpose()
        });
        stream::iter(rows).boxed()
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

/// Committed rows without those whose key the tail has a change of.
struct Hiding {
    state: Arc<State>,
    codec: Arc<KeyCodec>,
    /// The output's columns, then the columns of the key that are not among them.
    read: SchemaRef,
    /// Where the key's columns are in `read`.
    key_columns: Vec<usize>,
}

impl Hiding {
    fn new(plan: &ScanPlan, codec: &Arc<KeyCodec>) -> Result<Hiding> {
        let schema = &plan.identity.schema;
        let mut columns = plan.projection.clone().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let key_columns = codec
            .columns
            .iter()
            .map(|key| {
                columns.iter().position(|column| column == key).unwrap_or_else(|| {
                    columns.push(*key);
                    columns.len() - 1
                })
            })
            .collect();
        let read = schema.project(&columns).map_err(LakeError::arrow(&plan.identity.name, "project"))?;
        Ok(Hiding { state: plan.state.clone(), codec: codec.clone(), read: Arc::new(read), key_columns })
    }

    /// `batch` has the columns of `read`.
    fn apply(&self, table: &str, batch: RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
        let failed = || LakeError::arrow(table, "hide rows that changed since the snapshot");
        let keys = self.codec.keys_at(&batch, &self.key_columns).map_err(failed())?;
        let remaining = self.state.overlay().remaining(&keys);
        let (rows, mut columns) = (batch.num_rows(), batch.columns().to_vec());
        columns.truncate(output.fields().len());
        let batch = build(table, output, columns, rows)?;
        match remaining {
            None => Ok(batch),
            Some(remaining) => filter_record_batch(&batch, &remaining).map_err(failed()),
        }
    }
}

fn failed_stream(error: LakeError) -> BatchStream {
    stream::once(async { Err(error) }).boxed()
}

/// What the reader gives, in exactly the table's types: strings come as Utf8View and nested fields with other names.
pub(crate) fn align(table: &str, batch: &RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
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
