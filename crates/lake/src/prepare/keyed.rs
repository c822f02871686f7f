//! The last changes of a primary-key table as data files: who writes them, and with what sequence numbers.
//!
//! By our own hand where the table is one that [`DataFileWriter`] knows, else by Paimon's writer.

use super::{FileWriter, PartToWrite};
use crate::changes::{Changes, KeyCodec, RowKind, kept, last_changes, last_in_order, value_kinds};
use crate::data_file::{DataFileWriter, file_batch};
use crate::error::{LakeError, Result};
use crate::pack::PackedBatch;
use crate::tail::TailBatch;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use paimon::CommitMessage;
use paimon::spec::{Snapshot, VALUE_KIND_FIELD_NAME};
use paimon::table::TableWrite;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;
use tokio::sync::OwnedMutexGuard;

/// What the files of a primary-key table need beside the rows: their order.
///
/// A reader finds the last change of a key by the sequence numbers in the files. The first one follows from the latest
/// snapshot, and then they are counted on; so what counts (we, or Paimon's writer) is kept, or a part prepared while an
/// earlier one is not committed yet would get numbers that are in use.
#[derive(Debug, Clone)]
pub(crate) struct KeyedWriter {
    pub(crate) codec: Arc<KeyCodec>,
    state: Arc<tokio::sync::Mutex<KeyedState>>,
    resets: Arc<AtomicU64>,
}

#[derive(Default)]
pub(super) struct KeyedState {
    /// Paimon's writer, if it is the one that counts; None before the first part and after a failure.
    write: Option<TableWrite>,
    /// What the next row gets, if we count; None as above.
    next_sequence: Option<i64>,
    /// Place of the last prepared part among all that were sealed.
    last_part: u64,
    /// Prepared, and not known to be committed.
    uncommitted: BTreeSet<i64>,
    /// How many resets it has heard of.
    resets: u64,
}

impl std::fmt::Debug for KeyedState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedState")
            .field("last_part", &self.last_part)
            .field("uncommitted", &self.uncommitted)
            .finish()
    }
}

impl KeyedWriter {
    pub(crate) fn new(codec: Arc<KeyCodec>) -> KeyedWriter {
        KeyedWriter { codec, state: Arc::default(), resets: Arc::default() }
    }

    /// Parts are written one after the other.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<KeyedState> {
        self.state.clone().lock_owned().await
    }

    /// What was prepared and not committed is given up, or is committed before anything else is prepared.
    pub(crate) fn reset(&self) {
        self.resets.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) async fn committed(&self, identifier: i64) {
        self.state.lock().await.uncommitted.retain(|earlier| *earlier > identifier);
    }
}

impl FileWriter {
    /// The last changes of a part; and how many they are, if we have written them.
    pub(super) fn write_keyed(
        &self,
        writer: &KeyedWriter,
        state: &mut KeyedState,
        part: &PartToWrite,
        identifier: i64,
        runtime: &Runtime,
    ) -> Result<(Vec<CommitMessage>, Option<u64>)> {
        let refused = |reason: String| LakeError::Prepared { table: self.name.clone(), identifier, reason };
        let codec = &writer.codec;
        let resets = writer.resets.load(Ordering::SeqCst);
        if std::mem::replace(&mut state.resets, resets) != resets {
            state.uncommitted.clear();
        }
        if part.batches.is_empty() {
            return Ok((Vec::new(), None));
        }
        if part.number < state.last_part {
            return Err(refused("a part sealed later was prepared before it".to_owned()));
        }
        // A folder that cannot be read would be taken for one without snapshots, and changes be numbered from the beginning: the
        // old row of a key would win
        let latest = runtime.block_on(self.table.snapshot_manager().get_latest_snapshot());
        let latest = latest.map_err(LakeError::paimon(&self.name, "write data files"))?;
        if latest.as_ref().map(Snapshot::id) < part.known_snapshot {
            let known = part.known_snapshot.unwrap_or_default();
            return Err(refused(format!("snapshot {known} of the table cannot be read")));
        }
        let is_counted = state.write.is_some() || state.next_sequence.is_some();
        // The same identifier again is the retry of a part whose files nobody commits.
        let earlier = state.uncommitted.iter().find(|earlier| **earlier != identifier);
        if let (false, Some(earlier)) = (is_counted, earlier) {
            return Err(refused(format!("commit {earlier} was prepared before and has to be committed first")));
        }
        let ours = match (&self.direct, &state.write) {
            (Some(direct), None) if !codec.keeps_every_change => {
                self.write_last_changes(direct, state, part, latest.as_ref(), runtime)?
            }
            _ => None,
        };
        let (messages, keys) = match ours {
            Some((messages, keys)) => (messages, Some(keys)),
            None => (runtime.block_on(Box::pin(self.write_changes(codec, state, part, identifier)))?, None),
        };
        state.last_part = part.number;
        state.uncommitted.insert(identifier);
        Ok((messages, keys))
    }

    /// By our own hand: sorted by the key, with numbers of our own. None, having written nothing, if Paimon's writer has to.
    fn write_last_changes(
        &self,
        direct: &DataFileWriter,
        state: &mut KeyedState,
        part: &PartToWrite,
        latest: Option<&Snapshot>,
        runtime: &Runtime,
    ) -> Result<Option<(Vec<CommitMessage>, u64)>> {
        // whatever fails, the next part begins from the snapshot
        let next = match (state.next_sequence.take(), latest) {
            (Some(next), _) => next,
            (None, None) => 0,
            (None, Some(latest)) => runtime.block_on(Box::pin(self.sequence_after(latest)))?,
        };
        let changes: Vec<&Changes> = part.batches.iter().filter_map(|batch| batch.changes.as_ref()).collect();
        let order = last_in_order(&changes);
        let after = next + order.len() as i64;
        let batches = part.batches.iter().zip(&changes);
        let batches: Vec<PackedBatch> =
            batches.map(|(batch, changes)| file_batch(&batch.batch, changes, after - 1)).collect();
        let batches: Vec<&PackedBatch> = batches.iter().collect();
        if !direct.knows_partitions(&batches, &order)? {
            return Ok(None);
        }
        let bytes: usize = part.batches.iter().map(|batch| batch.bytes).sum();
        let rows: usize = changes.iter().map(|changes| changes.kinds.len()).sum();
        let bytes = bytes / rows.max(1) * order.len();
        let messages = self.write_order(direct.schema(), &batches, &order, bytes, runtime)?;
        state.next_sequence = Some(after);
        Ok(Some((messages, order.len() as u64)))
    }

    /// Above all that the snapshot's files have.
    async fn sequence_after(&self, snapshot: &Snapshot) -> Result<i64> {
        let pinned = self.table.copy_with_pinned_snapshot(snapshot);
        let plan = pinned.new_read_builder().new_scan().plan().await;
        let splits = plan.map_err(LakeError::paimon(&self.name, "list files"))?.into_splits();
        let numbers = splits.iter().flat_map(|split| split.data_files()).map(|file| file.max_sequence_number + 1);
        Ok(numbers.max().unwrap_or(0))
    }

    async fn write_changes(
        &self,
        codec: &KeyCodec,
        state: &mut KeyedState,
        part: &PartToWrite,
        identifier: i64,
    ) -> Result<Vec<CommitMessage>> {
        let failed = || LakeError::paimon(&self.name, "write data files");
        let mut write = match state.write.take() {
            Some(write) => write,
            None => {
                // of those no file is in the snapshot that it begins to count from
                if let Some(earlier) = state.uncommitted.iter().find(|earlier| **earlier != identifier) {
                    let reason = format!("commit {earlier} was prepared before and has to be committed first");
                    return Err(LakeError::Prepared { table: self.name.clone(), identifier, reason });
                }
                let builder = self.table.new_write_builder().with_commit_user(&self.commit_user).map_err(failed())?;
                builder.new_write().map_err(failed())?
            }
        };
        let written: Result<Vec<CommitMessage>> = async {
            for batch in changes_to_write(&self.name, &self.schema, codec, &part.batches) {
                write.write_arrow_batch(&batch?).await.map_err(failed())?;
            }
            write.prepare_commit().await.map_err(failed())
        }
        .await;
        match written {
            Ok(messages) => {
                state.write = Some(write);
                Ok(messages)
            }
            Err(error) => {
                write.close().await; // drops only what this call wrote and nobody was told of
                Err(error)
            }
        }
    }
}

/// The batches as Paimon's writer takes them, with a column for the kinds: the last change of each key, or all of them.
fn changes_to_write<'a>(
    table: &'a str,
    schema: &'a SchemaRef,
    codec: &'a KeyCodec,
    batches: &'a [Arc<TailBatch>],
) -> impl Iterator<Item = Result<RecordBatch>> + 'a {
    let changes: Vec<&Changes> = batches.iter().filter_map(|batch| batch.changes.as_ref()).collect();
    let wanted: Vec<Option<BooleanArray>> = match codec.keeps_every_change {
        true => vec![None; batches.len()],
        false => last_changes(changes.iter().copied()).is_last.into_iter().map(|rows| Some(rows.into())).collect(),
    };
    batches
        .iter()
        .zip(changes)
        .zip(wanted)
        .filter(|((batch, _), wanted)| kept(wanted.as_ref(), batch.batch.num_rows()) > 0)
        .map(move |((batch, changes), wanted)| {
            let mut fields = schema.fields().to_vec();
            fields.push(Arc::new(Field::new(VALUE_KIND_FIELD_NAME, DataType::Int8, false)));
            let rows = batch.batch.unpacked(schema).map_err(LakeError::arrow(table, "choose the last changes"))?;
            let mut columns = rows.columns().to_vec();
            columns.push(value_kinds(changes.kinds.iter().map(|kind| match (kind, codec.keeps_every_change) {
                (RowKind::UpdateBefore, false) => RowKind::Delete, // nothing comes after it
                (kind, _) => *kind,
            })));
            let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
            match &wanted {
                None => all,
                Some(wanted) => all.and_then(|all| filter_record_batch(&all, wanted)),
            }
            .map_err(LakeError::arrow(table, "choose the last changes"))
        })
}
