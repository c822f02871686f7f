//! The first half of a commit: sealed rows written as data files that no snapshot names yet.

use crate::error::{LakeError, Result};
use crate::sync::sync_data_directories;
use crate::tail::{BATCH_ROWS_MAX, TailBatch};
use arrow::array::{Array, RecordBatch};
use arrow::compute::{SortColumn, SortOptions, concat, interleave_record_batch, lexsort_to_indices};
use paimon::table::COMMIT_MESSAGE_SERIALIZER_VERSION;
use paimon::{CommitMessage, Table};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// Data files that wait to be committed. It goes into the checkpoint file before the commit; after a crash the same
/// value, read back, is committed again, which is a no-op if it had happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// `database.table`.
    pub table: String,
    /// The checkpoint's number: rises with every commit to this table by this commit user.
    pub identifier: i64,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    /// Version of the encoding of `messages` (Java's `CommitMessageSerializer`).
    pub version: i32,
    /// Serialized Paimon commit messages, one for each partition; none if there were no rows.
    #[serde(with = "hex_list")]
    pub messages: Vec<Vec<u8>>,
    /// False once it has been through a checkpoint file: then the files may be gone, and the commit looks first.
    #[serde(skip)]
    pub(crate) written_here: bool,
}

impl Prepared {
    /// The messages, decoded.
    pub(crate) fn decode(&self) -> Result<Vec<CommitMessage>> {
        self.messages
            .iter()
            .map(|message| CommitMessage::deserialize(self.version, message))
            .collect::<paimon::Result<_>>()
            .map_err(|error| LakeError::Prepared {
                table: self.table.clone(),
                identifier: self.identifier,
                reason: error.to_string(),
            })
    }
}

/// What writing needs to know of its table.
#[derive(Debug, Clone)]
pub(crate) struct FileWriter {
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) directory: PathBuf,
    pub(crate) commit_user: String,
    /// Indices of the columns to sort by, most significant first.
    pub(crate) sort_columns: Vec<usize>,
}

impl FileWriter {
    /// Writes the batches, sorted, and returns when the files and their names would survive a power cut. If the process
    /// dies before that, files remain that nobody names; the log still has the rows.
    ///
    /// Encoding is CPU work of a second or so: it runs on a blocking thread with a small runtime of its own, so that
    /// the workers that answer queries and append rows never wait for it.
    pub(crate) async fn prepare(self, batches: Vec<Arc<TailBatch>>, identifier: i64) -> Result<Prepared> {
        let name = self.name.clone();
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(LakeError::io("start the writer's runtime for", &self.directory))?;
            let messages = runtime.block_on(Box::pin(self.write(&batches)))?;
            self.describe(messages, identifier)
        })
        .await
        .map_err(LakeError::worker(&name, "write data files"))?
    }

    async fn write(&self, batches: &[Arc<TailBatch>]) -> Result<Vec<CommitMessage>> {
        let failed = || LakeError::paimon(&self.name, "write data files");
        let builder = self.table.new_write_builder().with_commit_user(&self.commit_user).map_err(failed())?;
        let mut write = builder.new_write().map_err(failed())?;
        let batches: Vec<&RecordBatch> = batches.iter().map(|batch| &batch.batch).collect();
        let written: Result<()> = async {
            if self.sort_columns.is_empty() {
                for batch in &batches {
                    write.write_arrow_batch(batch).await.map_err(failed())?;
                }
                return Ok(());
            }
            let sort_failed = || LakeError::arrow(&self.name, "sort rows");
            let order = sorted_order(&batches, &self.sort_columns).map_err(sort_failed())?;
            for chunk in order.chunks(BATCH_ROWS_MAX) {
                let sorted = interleave_record_batch(&batches, chunk).map_err(sort_failed())?;
                write.write_arrow_batch(&sorted).await.map_err(failed())?;
            }
            Ok(())
        }
        .await;
        if let Err(error) = written {
            write.close().await; // drops only what this call wrote and nobody was told of
            return Err(error);
        }
        write.prepare_commit().await.map_err(failed())
    }

    fn describe(&self, messages: Vec<CommitMessage>, identifier: i64) -> Result<Prepared> {
        let files: Vec<(i32, String)> = data_files(&messages);
        let partition_depth = self.table.schema().partition_keys().len();
        if !files.is_empty() {
            sync_data_directories(&self.directory, partition_depth, &files)?;
        }
        let metas = || messages.iter().flat_map(|message| &message.new_files);
        Ok(Prepared {
            table: self.name.clone(),
            identifier,
            rows: metas().map(|file| file.row_count.max(0) as u64).sum(),
            files: files.len() as u64,
            bytes: metas().map(|file| file.file_size.max(0) as u64).sum(),
            version: COMMIT_MESSAGE_SERIALIZER_VERSION,
            messages: messages
                .iter()
                .map(CommitMessage::serialize)
                .collect::<paimon::Result<_>>()
                .map_err(LakeError::paimon(&self.name, "encode commit messages"))?,
            written_here: true,
        })
    }
}

/// Bucket and name of every data file in the messages.
pub(crate) fn data_files(messages: &[CommitMessage]) -> Vec<(i32, String)> {
    messages
        .iter()
        .flat_map(|message| message.new_files.iter().map(|file| (message.bucket, file.file_name.clone())))
        .collect()
}

/// The rows of all batches in sorted order, as (batch, row). Only the sort columns are copied to find it.
fn sorted_order(
    batches: &[&RecordBatch],
    sort_columns: &[usize],
) -> Result<Vec<(usize, usize)>, arrow::error::ArrowError> {
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let keys = sort_columns
        .iter()
        .map(|column| {
            let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(*column).as_ref()).collect();
            Ok(SortColumn { values: concat(&parts)?, options: Some(SortOptions::default()) })
        })
        .collect::<Result<Vec<_>, arrow::error::ArrowError>>()?;
    let ends: Vec<usize> = batches
        .iter()
        .scan(0, |end, batch| {
            *end += batch.num_rows();
            Some(*end)
        })
        .collect();
    let order = lexsort_to_indices(&keys, None)?;
    Ok(order
        .values()
        .iter()
        .map(|&row| {
            let row = row as usize;
            let batch = ends.partition_point(|&end| end <= row);
            (batch, row + batches[batch].num_rows() - ends[batch])
        })
        .collect())
}

/// Bytes as hexadecimal text: a checkpoint file is JSON, where a list of numbers would take twice as much.
mod hex_list {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            values
                .iter()
                .map(|bytes| bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect::<String>()),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| decode(text).ok_or_else(|| D::Error::custom("a commit message is not hexadecimal")))
            .collect()
    }

    fn hex_digit(value: u8) -> char {
        char::from_digit(u32::from(value), 16).unwrap_or('0')
    }

    fn decode(text: &str) -> Option<Vec<u8>> {
        let digits: Vec<u8> =
            text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
    }
}
