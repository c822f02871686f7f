//! What the commits between two snapshots have left of a table's rows: of an append table all that came, of a primary-key table the
//! last state of every key that changed, if it was not deleted. The changes themselves, deletions too, are the audit log's.

use crate::audit::AuditLog;
use crate::between::Between;
use crate::changes::{Changes, KeyCodec, RowKind, last_changes};
use crate::error::{LakeError, Result};
use crate::live::LiveTable;
use crate::scan::{BatchStream, View};
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use futures::{StreamExt, stream};

/// Of a primary-key table all changes are held until the last one of each key is known.
const HELD_BYTES_MAX: usize = 256 << 20;
/// Where the audit log has the kind of a change; the table's columns come after it.
const KIND: usize = 0;

#[derive(Debug, Clone)]
pub struct ChangedRows {
    log: AuditLog,
}

impl LiveTable {
    /// # Errors
    /// As [`audit_log`](Self::audit_log).
    pub async fn changed_rows(&self, view: View, between: Between) -> Result<ChangedRows> {
        Ok(ChangedRows { log: self.audit_log(view, Some(between)).await? })
    }
}

impl ChangedRows {
    pub fn schema(&self) -> &SchemaRef {
        self.log.view().schema()
    }

    /// Plans and starts reading; `projection` are places in the schema, None is all of it.
    pub async fn open(&self, projection: Option<&[usize]>) -> Result<BatchStream> {
        let all: Vec<usize> = (0..self.schema().fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        match &self.log.view().identity.key {
            None => self.log.open(Some(&wanted.iter().map(|column| column + 1).collect::<Vec<_>>())).await,
            Some(codec) => self.last_states(codec, wanted).await,
        }
    }

    async fn last_states(&self, codec: &KeyCodec, wanted: &[usize]) -> Result<BatchStream> {
        let name = self.log.view().identity.name.clone();
        let failed = || LakeError::arrow(&name, "read changes");
        let mut read: Vec<usize> = wanted.iter().chain(&codec.columns).copied().collect();
        read.sort_unstable();
        read.dedup();
        let place = |column: &usize| read.iter().position(|one| one == column).map_or(0, |place| place + 1);
        let keys: Vec<usize> = codec.columns.iter().map(place).collect();
        let shown: Vec<usize> = wanted.iter().map(place).collect();
        let places: Vec<usize> = std::iter::once(KIND).chain(read.iter().map(|column| column + 1)).collect();

        let (mut batches, mut changes, mut held_bytes) = (Vec::new(), Vec::new(), 0);
        let mut rows = self.log.open(Some(&places)).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let of_batch = Changes { keys: codec.keys_at(&batch, &keys).map_err(failed())?, kinds: kinds_of(&batch) };
            held_bytes += batch.get_array_memory_size() + of_batch.bytes();
            if held_bytes > HELD_BYTES_MAX {
                let reason = format!(
                    "the changes are more than {} MiB; ask for fewer snapshots, or read them one by one from \"$audit_log\"",
                    HELD_BYTES_MAX >> 20
                );
                return Err(LakeError::Moment { table: name, reason });
            }
            batches.push(batch);
            changes.push(of_batch);
        }
        let is_last = last_changes(changes.iter()).is_last;
        let kept = batches.into_iter().zip(&changes).zip(is_last).map(|((batch, changes), is_last)| {
            let is_shown = is_last.iter().zip(&changes.kinds).map(|(last, kind)| *last && kind.leaves_a_row());
            filter_record_batch(&batch.project(&shown)?, &BooleanArray::from(is_shown.collect::<Vec<_>>()))
        });
        let kept = kept.collect::<Result<Vec<RecordBatch>, ArrowError>>().map_err(failed())?;
        Ok(stream::iter(kept.into_iter().map(Ok)).boxed())
    }
}

/// What the audit log says that happened.
fn kinds_of(batch: &RecordBatch) -> Vec<RowKind> {
    let known = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let kind = |name: &str| known.into_iter().find(|kind| kind.short_name() == name).unwrap_or(RowKind::Insert);
    batch.column(KIND).as_string::<i32>().iter().map(|name| kind(name.unwrap_or_default())).collect()
}
