//! The rows of files that are merged: read one file after the other, sorted by stretches, and written as one file.
//!
//! A stretch is a row group. In it each market's rows are side by side, in small pages: who asks for one market reads the pages that have it, and equal
//! neighbours compress better. Row groups follow time, so that who asks for an hour reads that hour's. Memory: the rows of a stretch, and a row group.

use super::stretches::Stretches;
use super::{Compactor, FILE_BYTES_TARGET, Group, Pace};
use crate::care::bytes_of;
use crate::data_file::{GrowingFile, GrowingLayout};
use crate::dictionary::without_dictionary;
use crate::error::{LakeError, Result};
use crate::order::sorted_order;
use crate::pack::PackedBatch;
use crate::scan::align;
use crate::spread::with_files;
use futures::TryStreamExt;
use paimon::CommitMessage;
use paimon::spec::DataFileMeta;
use paimon::table::TableWrite;
use std::time::Instant;

/// Rows that are sorted at a time, as the tail would have them: the more, the more of a market's are side by side.
const STRETCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The same with columns of lists, which the crate's writer holds as much of again: an order book is 2 to 4 KB.
const NESTED_STRETCH_BYTES_MAX: usize = STRETCH_BYTES_MAX / 2;
/// Rows that are read at a time: of order books a thousand are a megabyte, and another while they are decoded.
const READ_ROWS: &str = "1024";
/// Of a page of a merged file: a market has some hundreds of a stretch's rows.
const PAGE_ROWS: usize = 4_096;
/// What is merged into a file of this size is there for long: it is worth compressing better. The million ticks of 14 columns of
/// `bench/clickhouse.py`, all files written at one level: at 1 37.7 bytes a tick in 12.2 s, at 6 33.9 in 12.9 s, at 9 32.1 in 15.8 s;
/// ClickHouse 33.2. Reading costs the same.
const DENSE_BYTES_MIN: i64 = 8 * 1024 * 1024;
const DENSE_LEVEL: i32 = 9;
const LEVEL: i32 = 1;
const LEVEL_OPTION: &str = "file.compression.zstd-level";
/// Paimon's mark of a file that a compaction wrote.
const SOURCE_COMPACT: i32 = 1;

/// Where the rows go.
enum Output {
    Ours(Box<GrowingFile>),
    /// Of a table that our writer does not know.
    Paimons(Box<TableWrite>),
}

impl Compactor {
    /// The rows of a group's files in new ones, which no snapshot names yet.
    pub(super) async fn write(&self, table: &paimon::Table, group: &Group, pace: Pace) -> Result<Vec<CommitMessage>> {
        let failed = || self.committer.failed("merge files");
        let table = table.copy_with_options([("read.batch-size".to_owned(), READ_ROWS.to_owned())].into());
        let read = table.new_read_builder().new_read().map_err(failed())?;
        let has_lists = self.writer.schema.fields().iter().any(|field| field.data_type().is_nested());
        let stretch_bytes = if has_lists { NESTED_STRETCH_BYTES_MAX } else { STRETCH_BYTES_MAX };
        let mut stretches = Stretches::new(stretch_bytes, self.writer.sort_columns.first().copied());
        let (mut output, bytes) = (None, bytes_of(&group.files));
        let mut began = Instant::now();
        let mut rest = || {
            std::thread::sleep(pace.rest_after(began.elapsed())); // a thread of our own
            began = Instant::now();
        };
        // one after the other: a stream over all would be free to mix them
        for file in &group.files {
            let split = with_files(&group.split, vec![file.clone()]).map_err(failed())?;
            let mut batches = read.to_arrow(&[split]).map_err(failed())?;
            while let Some(batch) = batches.try_next().await.map_err(failed())? {
                let batch = align(&self.writer.name, &batch, &self.writer.schema)?;
                let complete = stretches.add(&batch).map_err(LakeError::arrow(&self.writer.name, "sort rows"))?;
                for stretch in complete {
                    self.put(&mut output, stretch, bytes, &mut rest).await?;
                }
                rest();
            }
        }
        if let Some(stretch) = stretches.finish() {
            self.put(&mut output, stretch, bytes, &mut rest).await?;
        }
        let mut messages = match output {
            Some(Output::Ours(file)) => vec![file.finish().await?],
            Some(Output::Paimons(mut write)) => write.prepare_commit().await.map_err(failed())?,
            None => Vec::new(),
        };
        self.describe(group, &mut messages)?;
        Ok(messages)
    }

    /// Writes a stretch behind those before; the first one decides how. `bytes`: of all that is merged.
    async fn put(
        &self,
        output: &mut Option<Output>,
        stretch: Vec<PackedBatch>,
        bytes: u64,
        rest: &mut dyn FnMut(),
    ) -> Result<()> {
        let (name, schema) = (&self.writer.name, &self.writer.schema);
        let batches: Vec<&PackedBatch> = stretch.iter().collect();
        let order = sorted_order(schema, &batches, &self.writer.sort_columns);
        let order = order.map_err(LakeError::arrow(name, "sort rows"))?;
        let output = match output {
            Some(output) => output,
            none => none.insert(self.open(&batches, &order, bytes).await?),
        };
        match output {
            Output::Ours(file) => file.put_group(&batches, &order, rest).await,
            Output::Paimons(write) => {
                for batch in &batches {
                    let batch = batch.unpacked(schema).map_err(LakeError::arrow(name, "sort rows"))?;
                    write.write_arrow_batch(&batch).await.map_err(self.committer.failed("merge files"))?;
                    rest();
                }
                Ok(())
            }
        }
    }

    async fn open(&self, batches: &[&PackedBatch], order: &[(usize, usize)], bytes: u64) -> Result<Output> {
        let failed = || self.committer.failed("merge files");
        let plain = without_dictionary(&self.writer.schema, batches, order);
        let plain = plain.map_err(LakeError::arrow(&self.writer.name, "sample rows"))?;
        let is_dense = i64::try_from(bytes).is_ok_and(|bytes| bytes >= DENSE_BYTES_MIN);
        if let Some(direct) = &self.writer.direct {
            let zstd_level = if is_dense { DENSE_LEVEL } else { LEVEL };
            let sorted_by = self.writer.sort_columns.first().copied();
            let layout = GrowingLayout { without_dictionary: &plain, page_rows: PAGE_ROWS, sorted_by, zstd_level };
            if let Some(file) = direct.start(batches, order, layout).await? {
                return Ok(Output::Ours(Box::new(file)));
            }
        }
        let mut options = self.writer.write_options(plain);
        let own = self.writer.table.schema().options();
        if !own.contains_key("target-file-size") {
            options.insert("target-file-size".to_owned(), FILE_BYTES_TARGET.to_string());
        }
        if !own.contains_key(LEVEL_OPTION) && is_dense {
            options.insert(LEVEL_OPTION.to_owned(), DENSE_LEVEL.to_string());
        }
        let table = self.writer.table.copy_with_options(options);
        let builder = table.new_write_builder().with_commit_user(&self.writer.commit_user).map_err(failed())?;
        Ok(Output::Paimons(Box::new(builder.new_write().map_err(failed())?)))
    }

    /// Gives the new files what they have of those that they stand for; fails if a row is missing.
    fn describe(&self, group: &Group, messages: &mut [CommitMessage]) -> Result<()> {
        let rows = |files: &[DataFileMeta]| files.iter().map(|file| file.row_count).sum::<i64>();
        let written: i64 = messages.iter().map(|message| rows(&message.new_files)).sum();
        if written != rows(&group.files) {
            return Err(LakeError::Publish {
                table: self.writer.name.clone(),
                reason: format!("{} rows of small files became {written}", rows(&group.files)),
            });
        }
        let newest = group.files.iter().filter_map(|file| file.creation_time).max();
        for message in messages {
            message.total_buckets = Some(group.split.total_buckets());
            for file in &mut message.new_files {
                file.creation_time = newest.or(file.creation_time);
                file.file_source = Some(SOURCE_COMPACT);
            }
        }
        Ok(())
    }
}
