//! A table whose newest rows are in memory: appended, sealed, prepared, committed, published.
//!
//! One [`State`] holds everything a query can see. It is replaced as a whole under a short lock, so a view is one pointer
//! and the switch from "in the tail" to "in snapshot N" is atomic: no row is missing, none is there twice.

mod state;

use crate::changes::{ChangeBatch, RowKind};
use crate::commit::{Committed, Committer};
use crate::data_file::DataFileWriter;
use crate::error::{LakeError, Result};
use crate::files::Files;
use crate::lock::WarehouseLock;
use crate::pins::Pins;
use crate::prepare::{FileWriter, KeyedWriter, PartToWrite, Prepared};
use crate::rewrite::RewritePolicy;
use crate::scan::{Pinned, View};
use crate::tail::Tail;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use paimon::Table;
use paimon::spec::Snapshot;
use state::SealedPart;
pub(crate) use state::{State, TableIdentity};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::broadcast;

/// Settings of one table's tail.
#[derive(Debug, Clone)]
pub struct LiveTableOptions {
    /// Columns that each commit's rows are sorted by, most significant first (the market, then the time), so that
    /// statistics of files and pages tell queries what to skip. Empty: arrival order. Without effect on a primary-key
    /// table, whose files are sorted by the key.
    pub sort_columns: Vec<String>,
    /// Batches a slow subscriber may lag behind before it loses the oldest (and is told so); they stay in memory until
    /// it has taken them.
    pub subscriber_batches_max: usize,
    /// A partition of a primary-key table with more data files than this is written again as its merged rows by the next
    /// commit that looks, one in `partition_files_max / 2`; so a read merges about one and a half times as many at most.
    pub partition_files_max: usize,
}

/// Reads take some 2 ms a file and hold every one open, with a decompressor for each of its columns (some megabytes a file); a bar's
/// partition, a few megabytes, is written again 180 times a day.
const PARTITION_FILES_MAX: usize = 16;

impl Default for LiveTableOptions {
    fn default() -> Self {
        LiveTableOptions {
            sort_columns: Vec::new(),
            subscriber_batches_max: 128,
            partition_files_max: PARTITION_FILES_MAX,
        }
    }
}

/// The rows of one checkpoint: appended before the seal, visible until published. Hand it back to
/// [`LiveTable::publish`]; if it is dropped instead, its rows stay in the tail.
#[derive(Debug)]
#[must_use = "sealed rows stay in memory until they are published"]
pub struct Sealed(Arc<SealedPart>);

impl Sealed {
    /// Rows that were appended; of a primary-key table, changes that the tail holds.
    pub fn rows(&self) -> u64 {
        self.0.rows
    }
}

/// Figures for metrics and the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStatus {
    pub table: String,
    /// Rows appended, or changes applied, since the table was opened.
    pub appended_rows: u64,
    /// Rows not yet committed; of a primary-key table, changes.
    pub tail_rows: u64,
    pub tail_bytes: u64,
    pub tail_batches: u64,
    /// Rows in the published snapshot; None if the snapshot does not say, as with a primary-key table: its files hold
    /// several versions of a row.
    pub committed_rows: Option<u64>,
    pub snapshot_id: Option<i64>,
    /// When the published snapshot was made, milliseconds since the epoch.
    pub last_commit_ms: Option<i64>,
}

/// See the module. All methods may be called from any task; one engine job drives append, seal, prepare, commit, publish.
#[derive(Debug)]
pub struct LiveTable {
    pub(crate) identity: Arc<TableIdentity>,
    pub(crate) writer: FileWriter,
    pub(crate) committer: Committer,
    pub(crate) pins: Arc<Pins>,
    /// Files of commits that are prepared, by identifier.
    pub(crate) prepared: Mutex<HashMap<i64, Vec<String>>>,
    /// One care at a time.
    pub(crate) care: tokio::sync::Mutex<()>,
    /// Serialises appends, seals and publishes; coalescing happens under it, where no query waits.
    pub(crate) tail: Mutex<Tail>,
    state: Mutex<Arc<State>>,
    subscribers: broadcast::Sender<RecordBatch>,
    appended_rows: AtomicU64,
    sealed_parts: AtomicU64,
    /// The warehouse stays locked for as long as anyone can commit to this table.
    _lock: Option<Arc<WarehouseLock>>,
}

impl LiveTable {
    pub(crate) fn new(
        identity: TableIdentity,
        table: Table,
        files: Files,
        latest: Option<Snapshot>,
        settings: LiveTableOptions,
        commit_user: &str,
        lock: Option<Arc<WarehouseLock>>,
    ) -> Result<LiveTable> {
        let sort_columns = settings
            .sort_columns
            .iter()
            .map(|column| {
                identity.schema.index_of(column).map_err(|_| LakeError::InvalidSpec {
                    table: identity.name.clone(),
                    reason: format!("sort column \"{column}\" is not a column"),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let pins = Arc::new(Pins::default());
        let pinned = latest.map(|snapshot| Arc::new(Pinned::new(&table, snapshot, &pins)));
        let key = identity.key.clone();
        Ok(LiveTable {
            writer: FileWriter {
                direct: DataFileWriter::of(&identity.name, &identity.schema, &table),
                name: identity.name.clone(),
                schema: identity.schema.clone(),
                table: table.clone(),
                files: files.clone(),
                commit_user: commit_user.to_owned(),
                sort_columns,
                keyed: key.clone().map(KeyedWriter::new),
            },
            committer: Committer {
                name: identity.name.clone(),
                table,
                files,
                commit_user: commit_user.to_owned(),
                one_at_a_time: Arc::default(),
                rewrites: identity.key.as_ref().map(|_| Arc::new(RewritePolicy::new(settings.partition_files_max))),
            },
            pins,
            prepared: Mutex::default(),
            care: tokio::sync::Mutex::default(),
            tail: Mutex::new(Tail::new(key)),
            state: Mutex::new(Arc::new(State { pinned, ..State::default() })),
            subscribers: broadcast::Sender::new(settings.subscriber_batches_max.max(1)),
            appended_rows: AtomicU64::new(0),
            sealed_parts: AtomicU64::new(0),
            identity: Arc::new(identity),
            _lock: lock,
        })
    }

    /// `database.table`.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    pub fn database(&self) -> &str {
        self.name().split_once('.').map_or("", |(database, _)| database)
    }

    /// The name without its database.
    pub fn table(&self) -> &str {
        self.name().split_once('.').map_or(self.name(), |(_, table)| table)
    }

    /// The schema of appended batches and of whatever is read.
    pub fn schema(&self) -> &SchemaRef {
        &self.identity.schema
    }

    /// True of a primary-key table whose changelog must hold every change, the rows before updates among them.
    pub fn keeps_every_change(&self) -> bool {
        self.identity.key.as_ref().is_some_and(|key| key.keeps_every_change)
    }

    /// Adds rows at the end of the tail. Every view taken afterwards sees them; they are in memory only, so a process
    /// that dies loses them here and must be able to replay them from the log.
    ///
    /// The batch needs the table's columns in its order and types. On an error nothing was added. On a primary-key table
    /// each row replaces the one of its key, if there is one.
    pub fn append(&self, batch: RecordBatch) -> Result<()> {
        self.apply(ChangeBatch { rows: batch, kinds: None })
    }

    /// Adds changes at the end of the tail, with the same visibility and the same life as [`append`](Self::append). An
    /// append table takes inserts only.
    ///
    /// On a primary-key table every view shows a key at most once: its last change, here or, if the tail has none, in
    /// the snapshot. Fails, adding nothing, on other columns, on a null in the key, or with another number of kinds than
    /// of rows.
    pub fn apply(&self, changes: ChangeBatch) -> Result<()> {
        let ChangeBatch { rows: batch, kinds } = changes;
        let batch = self.conform(batch)?;
        self.check_kinds(&batch, kinds.as_deref())?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let rows = batch.num_rows() as u64;
        let shared = match self.subscribers.receiver_count() {
            0 => None,
            _ => Some(rows_after(&batch, kinds.as_deref()).map_err(LakeError::arrow(self.name(), "append"))?),
        };
        let mut tail = lock(&self.tail);
        tail.push(self.schema(), batch, kinds).map_err(LakeError::arrow(self.name(), "append"))?;
        let open = tail.batches().to_vec();
        self.replace(|state| State {
            pinned: state.pinned.clone(),
            sealed: state.sealed.clone(),
            open_rows: open.iter().map(|batch| batch.batch.num_rows() as u64).sum(),
            open_bytes: open.iter().map(|batch| batch.bytes as u64).sum(),
            open,
            overlay: OnceLock::new(),
        });
        self.appended_rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(batch) = shared {
            // Fails only if the last subscriber left in between. Sent under the tail's lock: order is append order.
            drop(self.subscribers.send(batch));
        }
        Ok(())
    }

    /// Closes what was appended until now into one unit for a checkpoint; later appends belong to the next. The rows stay
    /// visible. Cheap: nothing is copied.
    pub fn seal(&self) -> Sealed {
        let mut tail = lock(&self.tail);
        let batches = tail.take();
        let part = Arc::new(SealedPart {
            rows: batches.iter().map(|batch| batch.batch.num_rows() as u64).sum(),
            bytes: batches.iter().map(|batch| batch.bytes as u64).sum(),
            batches,
            number: self.sealed_parts.fetch_add(1, Ordering::Relaxed), // in the order of seals: the tail is locked
            keys: OnceLock::new(),
        });
        if part.rows == 0 {
            // nothing to publish: the state need not wait for it
            return Sealed(part);
        }
        self.replace(|state| {
            let mut sealed = state.sealed.clone();
            sealed.push(part.clone());
            State { pinned: state.pinned.clone(), sealed, ..State::default() }
        });
        Sealed(part)
    }

    /// Writes the sealed rows to data files that no snapshot names yet, on a blocking thread; see [`Prepared`]. The
    /// files and their names are durable on return. Dying earlier, or an error, leaves at most unreferenced files.
    /// May be called again with the same `sealed` after an error.
    ///
    /// Of a primary-key table's part the last change of each key is written (all of them with `changelog-producer =
    /// input`). Its parts must be prepared in the order they were sealed, and after a failed attempt those prepared
    /// earlier must be committed first; anything else is an error.
    pub async fn prepare(&self, sealed: &Sealed, identifier: i64) -> Result<Prepared> {
        let known_snapshot = lock(&self.state).pinned.as_ref().map(|pinned| pinned.snapshot.id());
        let part = PartToWrite { batches: sealed.0.batches.clone(), number: sealed.0.number, known_snapshot };
        let prepared = self.writer.clone().prepare(part, identifier).await?;
        self.remember_prepared(&prepared)?;
        if let Some(keys) = prepared.keys {
            sealed.0.keys.get_or_init(|| keys);
        }
        if !sealed.0.fits(prepared.rows, self.identity.key.as_ref()) {
            return Err(LakeError::Prepared {
                table: self.name().to_owned(),
                identifier,
                reason: format!("{} rows were sealed, {} were written", sealed.rows(), prepared.rows),
            });
        }
        Ok(prepared)
    }

    /// Makes prepared rows part of the table on disk, exactly once however often it is called with the same `prepared`,
    /// in this process or after a restart. Views do not change until [`publish`](Self::publish).
    ///
    /// Durable on return, also against a power cut. If the process dies one line earlier, the snapshot may or may not
    /// exist; committing the checkpoint's `Prepared` again settles it. Identifiers must rise from commit to commit, and
    /// `prepared` must be in a checkpoint before the first attempt. Nothing is ever deleted on failure. With no rows
    /// there is no snapshot. On a primary-key table it now and then also merges the files of a partition that has too many.
    pub async fn commit(&self, prepared: &Prepared) -> Result<Committed> {
        self.remember_prepared(prepared)?;
        let mut committed = self.committer.commit(prepared).await?;
        lock(&self.prepared).remove(&prepared.identifier);
        if let Some(writer) = &self.writer.keyed {
            writer.committed(prepared.identifier).await;
        }
        if let Some(snapshot) = &committed.snapshot {
            committed.pinned = Some(self.pin_next(snapshot.clone()).await);
        }
        Ok(committed)
    }

    /// The one switch: from here on, views read these rows from the snapshot instead of the tail. Parts are published in
    /// the order they were sealed. In memory only; after a restart a table opens at its latest snapshot.
    pub fn publish(&self, sealed: Sealed, committed: Committed) -> Result<()> {
        let refuse = |reason: &str| Err(self.publish_error(reason));
        if committed.table != self.name() {
            return refuse(&format!("a commit to \"{}\" cannot be published here", committed.table));
        }
        if !sealed.0.fits(committed.rows, self.identity.key.as_ref())
            || (committed.snapshot.is_none() && sealed.rows() > 0)
        {
            return refuse(&format!("commit {} is not of these sealed rows", committed.identifier));
        }
        if sealed.rows() == 0 {
            return Ok(());
        }
        let pinned = committed.pinned;
        let _tail = lock(&self.tail);
        let mut state = lock(&self.state);
        match state.sealed.first() {
            Some(oldest) if Arc::ptr_eq(oldest, &sealed.0) => {}
            Some(_) => return refuse("an earlier sealed part has not been published yet"),
            None => return refuse("these sealed rows were reset"),
        }
        let next = State {
            pinned: newer(state.pinned.clone(), pinned),
            sealed: state.sealed[1..].to_vec(),
            open: state.open.clone(),
            open_rows: state.open_rows,
            open_bytes: state.open_bytes,
            overlay: OnceLock::new(),
        };
        let previous = std::mem::replace(&mut *state, Arc::new(next));
        drop(state);
        drop(previous); // frees the batches outside the lock, if no view has them
        Ok(())
    }

    /// Recovery: reads from the snapshot of a commit out of a checkpoint. The tail must be empty, since the rows that
    /// the commit holds could be in it.
    pub fn publish_recovered(&self, committed: Committed) -> Result<()> {
        if committed.table != self.name() {
            return Err(self.publish_error(&format!("a commit to \"{}\" cannot be published here", committed.table)));
        }
        let pinned = committed.pinned;
        let _tail = lock(&self.tail);
        let mut state = lock(&self.state);
        if state.tail_rows() > 0 {
            return Err(self.publish_error("rows were appended before recovery was done"));
        }
        *state = Arc::new(State { pinned: newer(state.pinned.clone(), pinned), ..State::default() });
        Ok(())
    }

    /// Recovery: forgets everything that was not committed; the log is about to be replayed. Older views keep theirs, and
    /// parts sealed before cannot be published any more.
    pub fn reset_tail(&self) {
        let mut tail = lock(&self.tail);
        tail.take();
        if let Some(writer) = &self.writer.keyed {
            writer.reset();
        }
        self.replace(|state| State { pinned: state.pinned.clone(), ..State::default() });
    }

    /// The table at this moment.
    pub fn view(&self) -> View {
        View { identity: self.identity.clone(), state: lock(&self.state).clone() }
    }

    /// Every batch appended from now on, in order; of a primary-key table the rows after each change, without deletions.
    /// A receiver that lags more than the option allows is told how many
    /// batches it lost; take a view then.
    pub fn subscribe(&self) -> broadcast::Receiver<RecordBatch> {
        self.subscribers.subscribe()
    }

    /// The highest commit identifier our commit user has in the table: checkpoints must be numbered above it.
    pub async fn latest_identifier(&self) -> Result<Option<i64>> {
        self.committer.latest_identifier().await
    }

    pub fn tail_rows(&self) -> u64 {
        lock(&self.state).tail_rows()
    }

    /// Memory the tail's batches hold, views apart.
    pub fn tail_bytes(&self) -> u64 {
        lock(&self.state).tail_bytes()
    }

    pub fn status(&self) -> TableStatus {
        let view = self.view();
        let snapshot = view.state.pinned.as_ref().map(|pinned| &pinned.snapshot);
        TableStatus {
            table: self.name().to_owned(),
            appended_rows: self.appended_rows.load(Ordering::Relaxed),
            tail_rows: view.state.tail_rows(),
            tail_bytes: view.state.tail_bytes(),
            tail_batches: view.state.tail().count() as u64,
            committed_rows: view.row_count_committed(),
            snapshot_id: snapshot.map(Snapshot::id),
            last_commit_ms: snapshot.and_then(|snapshot| i64::try_from(snapshot.time_millis()).ok()),
        }
    }

    fn check_kinds(&self, batch: &RecordBatch, kinds: Option<&[RowKind]>) -> Result<()> {
        let Some(kinds) = kinds else { return Ok(()) };
        if kinds.len() != batch.num_rows() {
            let reason = format!("{} row kinds for {} rows", kinds.len(), batch.num_rows());
            return Err(LakeError::BatchSchema { table: self.name().to_owned(), reason });
        }
        match kinds.iter().position(|kind| *kind != RowKind::Insert) {
            Some(row) if self.identity.key.is_none() => {
                Err(LakeError::InsertOnly { table: self.name().to_owned(), row, kind: kinds[row] })
            }
            _ => Ok(()),
        }
    }

    /// The batch under the table's own schema; fails on other names, types, or nulls where there may be none.
    fn conform(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let wrong = |reason: String| LakeError::BatchSchema { table: self.name().to_owned(), reason };
        let schema = self.schema();
        if Arc::ptr_eq(batch.schema_ref(), schema) {
            return Ok(batch);
        }
        let (wanted, found) = (schema.fields(), batch.schema_ref().fields());
        if wanted.len() != found.len() {
            return Err(wrong(format!("{} columns instead of {}", found.len(), wanted.len())));
        }
        if let Some((wanted, found)) = wanted.iter().zip(found).find(|(wanted, found)| wanted.name() != found.name()) {
            return Err(wrong(format!("\"{}\" where \"{}\" should be", found.name(), wanted.name())));
        }
        RecordBatch::try_new(schema.clone(), batch.columns().to_vec()).map_err(|error| wrong(error.to_string()))
    }

    /// What views will read after what they read now; its manifests are read if theirs were wanted.
    pub(crate) async fn pin_next(&self, snapshot: Snapshot) -> Arc<Pinned> {
        let before = lock(&self.state).pinned.clone();
        let pinned = Arc::new(Pinned::new(&self.committer.table, snapshot, &self.pins));
        pinned.prepare_after(before.as_deref(), self.name()).await;
        pinned
    }

    pub(crate) fn replace(&self, next: impl FnOnce(&State) -> State) {
        let mut state = lock(&self.state);
        let next = Arc::new(next(&state));
        let previous = std::mem::replace(&mut *state, next);
        drop(state);
        drop(previous);
    }

    fn publish_error(&self, reason: &str) -> LakeError {
        LakeError::Publish { table: self.name().to_owned(), reason: reason.to_owned() }
    }
}

/// The rows that are in the table after these changes, for subscribers.
fn rows_after(batch: &RecordBatch, kinds: Option<&[RowKind]>) -> Result<RecordBatch, ArrowError> {
    match kinds {
        None => Ok(batch.clone()),
        Some(kinds) => {
            let left: BooleanArray = kinds.iter().map(|kind| Some(kind.leaves_a_row())).collect();
            filter_record_batch(batch, &left)
        }
    }
}

/// Snapshots only move forward: a table opened at its latest snapshot may already be past a recovered commit.
fn newer(current: Option<Arc<Pinned>>, candidate: Option<Arc<Pinned>>) -> Option<Arc<Pinned>> {
    match (current, candidate) {
        (Some(current), Some(candidate)) if candidate.snapshot.id() < current.snapshot.id() => Some(current),
        (current, None) => current,
        (_, candidate) => candidate,
    }
}

/// Both locked values are replaced as a whole, so they are sound even if a thread panicked while holding the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
