//! The first half of a commit: sealed rows written as data files that no snapshot names yet.

mod keyed;

pub(crate) use keyed::KeyedWriter;

use crate::data_file::DataFileWriter;
use crate::dictionary::without_dictionary;
use crate::error::{LakeError, Result};
use crate::files::Files;
use crate::order::sorted_order;
use crate::pack::PackedBatch;
use crate::tail::{BATCH_ROWS_MAX, TailBatch};
use arrow::datatypes::SchemaRef;
use paimon::table::COMMIT_MESSAGE_SERIALIZER_VERSION;
use paimon::{CommitMessage, Table};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// How much of a tail is sorted and encoded at a time. The rows are in memory anyway, since queries see them until they
/// are published: this is what writing them costs on top (of 20,000 order books, 39 MB: 20 MB, and 48 MB in chunks of
/// 8,192 rows; most of the rest is what the encoder holds).
const CHUNK_BYTES_TARGET: usize = 1024 * 1024;
/// Smaller chunks cost more than they save.
const CHUNK_ROWS_MIN: usize = 256;

/// A part of at least so many bytes for each is written by several threads, a file each: what one writes takes longer than computing
/// it did, and the sources would wait. The part of a live table, sealed after seconds, is written by one.
const WRITER_BYTES_MIN: usize = 8 * 1024 * 1024;
const WRITERS_MAX: usize = 2;

/// Encoded rows that wait to become a row group; without this the writer keeps 256 MiB of them.
const ROW_GROUP_BYTES_MAX: (&str, &str) = ("write.parquet-buffer-size", "16 mb");

/// Whether columns get dictionaries; with `#` and a name behind it, whether one column does.
const DICTIONARY: &str = "parquet.enable.dictionary";

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
    /// Goes into the snapshot: where the rows come from, so that offsets and rows are committed as one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Goes into the snapshot: no row before this event time comes any more, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<i64>,
    /// False once it has been through a checkpoint file: then the files may be gone, and the commit looks first.
    #[serde(skip)]
    pub(crate) written_here: bool,
    /// How many keys the part has, if they were counted while it was written.
    #[serde(skip)]
    pub(crate) keys: Option<u64>,
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
    pub(crate) schema: SchemaRef,
    pub(crate) table: Table,
    pub(crate) files: Files,
    pub(crate) commit_user: String,
    /// Indices of the columns to sort by, most significant first. Files of a primary-key table are sorted by the key.
    pub(crate) sort_columns: Vec<usize>,
    /// Present for a primary-key table.
    pub(crate) keyed: Option<KeyedWriter>,
    /// Absent for a table that Paimon's own writer writes.
    pub(crate) direct: Option<DataFileWriter>,
}

/// A sealed part, for writing.
#[derive(Debug, Clone)]
pub(crate) struct PartToWrite {
    pub(crate) batches: Vec<Arc<TailBatch>>,
    /// Its place among all that were sealed.
    pub(crate) number: u64,
    /// The snapshot that the table is known to have.
    pub(crate) known_snapshot: Option<i64>,
}

impl FileWriter {
    /// Writes the batches, sorted, and returns when the files and their names would survive a power cut. If the process
    /// dies before that, files remain that nobody names; the log still has the rows.
    ///
    /// Encoding is CPU work of a second or so: it runs on a blocking thread with a small runtime of its own, so that
    /// the workers that answer queries and append rows never wait for it.
    pub(crate) async fn prepare(self, part: PartToWrite, identifier: i64) -> Result<Prepared> {
        let name = self.name.clone();
        // Held until the part is written: parts of a primary-key table are written one after the other.
        let mut keyed = match &self.keyed {
            None => None,
            Some(writer) => Some(writer.turn().await),
        };
        tokio::task::spawn_blocking(move || {
            let runtime = writer_runtime(self.files.place())?;
            let (messages, keys) = match (&self.keyed, keyed.as_deref_mut()) {
                (Some(writer), Some(state)) => self.write_keyed(writer, state, &part, identifier, &runtime)?,
                _ => (self.write(&part.batches, &runtime)?, None),
            };
            self.describe(messages, identifier, keys)
        })
        .await
        .map_err(LakeError::worker(&name, "write data files"))?
    }

    /// The rows in their order, a stretch of it for each thread. If one fails, the files of the others are nobody's.
    fn write(&self, batches: &[Arc<TailBatch>], runtime: &Runtime) -> Result<Vec<CommitMessage>> {
        let bytes: usize = batches.iter().map(|batch| batch.bytes).sum();
        let batches: Vec<&PackedBatch> = batches.iter().map(|batch| &batch.batch).collect();
        let order = sorted_order(&self.schema, &batches, &self.sort_columns);
        let order = order.map_err(LakeError::arrow(&self.name, "sort rows"))?;
        self.write_order(&self.schema, &batches, &order, bytes, runtime)
    }

    /// Rows of these columns that take `bytes` in the tail, in this order.
    fn write_order(
        &self,
        schema: &SchemaRef,
        batches: &[&PackedBatch],
        order: &[(usize, usize)],
        bytes: usize,
        runtime: &Runtime,
    ) -> Result<Vec<CommitMessage>> {
        let plain = without_dictionary(schema, batches, order);
        let plain = plain.map_err(LakeError::arrow(&self.name, "sample rows"))?;
        let chunk = chunk_rows(bytes, order.len());
        let row_bytes = bytes / order.len().max(1);
        let mut stretches = order.chunks(order.len().div_ceil(writers(bytes)).max(1));
        let plain = plain.as_slice();
        let first = stretches.next().unwrap_or_default();
        std::thread::scope(|scope| {
            let rest: Vec<_> = stretches
                .map(|stretch| {
                    scope.spawn(move || {
                        let runtime = writer_runtime(self.files.place())?;
                        runtime.block_on(Box::pin(self.write_stretch(batches, stretch, row_bytes, chunk, plain)))
                    })
                })
                .collect();
            let mut messages =
                runtime.block_on(Box::pin(self.write_stretch(batches, first, row_bytes, chunk, plain)))?;
            for thread in rest {
                messages.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(messages)
        })
    }

    pub(crate) async fn write_stretch(
        &self,
        batches: &[&PackedBatch],
        order: &[(usize, usize)],
        row_bytes: usize,
        chunk: usize,
        plain: &[String],
    ) -> Result<Vec<CommitMessage>> {
        if let Some(direct) = &self.direct
            && let Some(messages) = direct.write(batches, order, row_bytes, chunk, plain).await?
        {
            return Ok(messages);
        }
        if self.keyed.is_some() {
            let reason = "the name of a partition is no folder's".to_owned();
            return Err(LakeError::Encoding { table: self.name.clone(), what: "a data file", reason });
        }
        let failed = || LakeError::paimon(&self.name, "write data files");
        let table = self.table.copy_with_options(self.write_options(plain.to_vec()));
        let builder = table.new_write_builder().with_commit_user(&self.commit_user).map_err(failed())?;
        let mut write = builder.new_write().map_err(failed())?;
        let written: Result<()> = async {
            for chunk in order.chunks(chunk) {
                let sorted = PackedBatch::interleave(&self.schema, batches, chunk);
                let sorted = sorted.and_then(|chunk| chunk.unpacked(&self.schema));
                let sorted = sorted.map_err(LakeError::arrow(&self.name, "sort rows"))?;
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

    /// What this crate prefers where the table's own options say nothing.
    pub(crate) fn write_options(&self, without_dictionary: Vec<String>) -> HashMap<String, String> {
        let own = self.table.schema().options();
        let (key, value) = ROW_GROUP_BYTES_MAX;
        let mut options = HashMap::from([(key.to_owned(), value.to_owned())]);
        if !own.contains_key(DICTIONARY) {
            // a point would lead into a nested column
            let flat = without_dictionary.into_iter().filter(|column| !column.contains('.'));
            options.extend(flat.map(|column| (format!("{DICTIONARY}#{column}"), "false".to_owned())));
        }
        options.retain(|key, _| !own.contains_key(key));
        options
    }

    fn describe(&self, messages: Vec<CommitMessage>, identifier: i64, keys: Option<u64>) -> Result<Prepared> {
        let files: Vec<(i32, String)> = data_files(&messages);
        let partition_depth = self.table.schema().partition_keys().len();
        if !files.is_empty() {
            self.files.sync_data(partition_depth, &files)?;
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
            properties: BTreeMap::new(),
            watermark: None,
            written_here: true,
            keys,
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

/// A small one, for a thread that does nothing but write files of the table in `directory`.
pub(crate) fn writer_runtime(directory: &Path) -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(LakeError::io("start the writer's runtime for", directory))
}

/// How many threads write a part of so many bytes.
fn writers(bytes: usize) -> usize {
    (bytes / WRITER_BYTES_MIN).clamp(1, WRITERS_MAX)
}

/// How many rows of `rows`, which hold `bytes` together, make a chunk.
fn chunk_rows(bytes: usize, rows: usize) -> usize {
    (CHUNK_BYTES_TARGET / (bytes / rows.max(1)).max(1)).clamp(CHUNK_ROWS_MIN, BATCH_ROWS_MAX)
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
