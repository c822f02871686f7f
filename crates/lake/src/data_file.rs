//! Data files written without Paimon's writer: the same files with less work (decision 16).
//!
//! In: sorted rows of the tail. Out: commit messages, as Paimon's writer gives them. Effect: files that no snapshot names yet.
//! Not here: tables with options or columns that this writer does not know: Paimon's own writes those.

mod chunk;
mod distinct;
mod encoding;
mod file;
mod gather;
mod growing;
mod keyed;
mod page_ends;
mod statistics;
mod value;

use crate::error::{LakeError, Result};
use crate::pack::PackedBatch;
use crate::publish::unique_name;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, SchemaRef};
use file::FileLayout;
pub(crate) use growing::{GrowingFile, GrowingLayout};
pub(crate) use keyed::file_batch;
use keyed::{COLUMNS_IN_FRONT, FileKeys, KeyColumns};
use paimon::arrow::build_target_arrow_schema;
use paimon::spec::{DataFileMeta, Datum, EMPTY_SERIALIZED_ROW, TableSchema, datums_to_binary_row};
use paimon::{CommitMessage, Table};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use serde_json::json;
use statistics::ValueStats;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Options whose values this writer obeys, and those that say nothing about how a data file is written.
const OPTIONS_KNOWN: [(&str, Option<&str>); 5] = [
    ("file.format", Some("parquet")),
    ("file.compression", Some("zstd")),
    ("merge-engine", Some("deduplicate")),
    ("changelog-producer", Some("none")),
    ("path", None),
];
const BUCKETS: &str = "bucket";
/// Of a primary-key table; an append table has none.
const ONE_BUCKET: &str = "1";
const NO_BUCKETS: &str = "-1";
/// Prefixes of options about snapshots, which a data file knows nothing of.
const OPTIONS_ELSEWHERE: [&str; 3] = ["snapshot.", "partition.expiration-", "partition.timestamp-"];
/// The only one.
const BUCKET: i32 = 0;
/// Paimon's for rows that were appended, not merged.
const SOURCE_APPEND: i32 = 0;

/// Rows of the tail that go into one file, in memory: a file is put together before it is written.
const FILE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Rows of the tail that become a row group, in memory.
const ROW_GROUP_BYTES_TARGET: usize = 64 * 1024 * 1024;
const ROW_GROUP_ROWS_MAX: usize = 128 * 1024;

/// Writes the data files of one table.
#[derive(Debug, Clone)]
pub(crate) struct DataFileWriter {
    name: String,
    /// Of a primary-key table with what its files have in front.
    schema: SchemaRef,
    table: Table,
    file_schema: SchemaRef,
    /// Indices of the partition columns, which are texts.
    partition_columns: Vec<usize>,
    /// Of a primary-key table.
    key: Option<KeyColumns>,
}

impl DataFileWriter {
    /// None for a table that Paimon's writer writes.
    pub(crate) fn of(name: &str, schema: &SchemaRef, table: &Table) -> Option<DataFileWriter> {
        let definition = table.schema();
        let is_keyed = !definition.primary_keys().is_empty();
        let (schema, fields) = match is_keyed {
            true => (keyed::file_columns(schema), keyed::file_fields(definition.fields())),
            false => (schema.clone(), definition.fields().to_vec()),
        };
        let file_schema = build_target_arrow_schema(&fields).ok()?;
        let columns =
            |names: &[String]| names.iter().map(|name| schema.index_of(name).ok()).collect::<Option<Vec<_>>>();
        let partition_columns = columns(definition.partition_keys())?;
        let is_text = |column: &usize| schema.field(*column).data_type() == &DataType::Utf8;
        let has_same_columns = schema.fields().len() == file_schema.fields().len()
            && schema.fields().iter().zip(file_schema.fields()).all(|(ours, theirs)| {
                ours.name() == theirs.name() && ours.data_type().equals_datatype(theirs.data_type())
            });
        let key = match is_keyed {
            false => None,
            true => {
                let columns = columns(&definition.trimmed_primary_keys())?;
                let fields: Vec<_> = columns.iter().map(|column| fields[*column].clone()).collect();
                fields.iter().all(|field| keyed::has_bounds(field.data_type())).then_some(())?;
                Some(KeyColumns { fields, columns })
            }
        };
        let is_known = knows_options(definition, is_keyed) && has_same_columns && partition_columns.iter().all(is_text);
        is_known.then(|| DataFileWriter {
            name: name.to_owned(),
            schema,
            table: table.clone(),
            file_schema,
            partition_columns,
            key,
        })
    }

    /// The columns of the batches that it writes.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether each partition's value is a folder's name as it is.
    pub(crate) fn knows_partitions(&self, batches: &[&PackedBatch], rows: &[(usize, usize)]) -> Result<bool> {
        Ok(self.partition_columns.is_empty() || self.partitions(batches, rows)?.is_some())
    }

    /// Files with these rows, each as (batch, row), in their order, of `row_bytes` each in memory; a file for each partition. None,
    /// having written nothing, if a partition's value is not a folder's name as it is. Rows of a primary-key table come in the order of
    /// their keys, each key once, as [`file_batch`] makes them.
    pub(crate) async fn write(
        &self,
        batches: &[&PackedBatch],
        rows: &[(usize, usize)],
        row_bytes: usize,
        chunk_rows: usize,
        without_dictionary: &[String],
    ) -> Result<Option<Vec<CommitMessage>>> {
        let Some(partitions) = self.partitions(batches, rows)? else { return Ok(None) };
        let row_bytes = row_bytes.max(1);
        let layout = FileLayout {
            schema: &self.schema,
            file_schema: &self.file_schema,
            without_dictionary,
            row_bytes,
            row_group_rows: (ROW_GROUP_BYTES_TARGET / row_bytes).clamp(1, ROW_GROUP_ROWS_MAX),
            chunk_rows,
            page_rows: file::PAGE_ROWS,
            sorted_by: None,
            zstd_level: file::ZSTD_LEVEL,
        };
        let mut messages = Vec::new();
        for partition in partitions {
            let directory = self.directory(&partition.values);
            let rows = partition.rows.as_deref().unwrap_or(rows);
            let mut files = Vec::new();
            for rows in rows.chunks((FILE_BYTES_MAX / row_bytes).max(1)) {
                let (file, metadata) = file::encode(&layout, batches, rows).map_err(self.cannot_encode())?;
                let keys = self.key.as_ref().map(|key| key.describe(&self.schema, batches, rows, &metadata));
                let keys = keys.transpose().map_err(self.cannot_encode())?;
                files.push(self.put(&directory, file, &metadata, keys).await?);
            }
            messages.push(CommitMessage::new(self.partition_row(&partition.values), BUCKET, files));
        }
        Ok(Some(messages))
    }

    /// Durable on return, but for the names of its folders.
    async fn put(
        &self,
        directory: &str,
        file: Vec<u8>,
        metadata: &ParquetMetaData,
        keys: Option<FileKeys>,
    ) -> Result<DataFileMeta> {
        let failed = || LakeError::paimon(&self.name, "write data files");
        let (name, size) = (DataFileWriter::new_name(), file.len());
        let path = format!("{directory}/{name}");
        let files = self.table.file_io();
        files.mkdirs(&format!("{directory}/")).await.map_err(failed())?;
        let output = files.new_output(&path).map_err(failed())?;
        if let Err(error) = output.write(file.into()).await {
            // nobody was told of it; if it stays, it is an orphan
            drop(files.delete_file(&path).await);
            return Err(failed()(error));
        }
        self.describe(&name, size, metadata, keys)
    }

    fn describe(
        &self,
        name: &str,
        size: usize,
        metadata: &ParquetMetaData,
        keys: Option<FileKeys>,
    ) -> Result<DataFileMeta> {
        let empty = || EMPTY_SERIALIZED_ROW.clone();
        let keys = keys.unwrap_or_else(|| FileKeys {
            min: empty(),
            max: empty(),
            stats: ValueStats { min: empty(), max: empty(), nulls: Vec::new(), columns: None },
            sequence: 0,
            deletes: 0,
        });
        let stats = statistics::value_stats(self.table.schema().fields(), metadata);
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        // through its fields' names: the type of its statistics is private
        let fields = json!({
            "_FILE_NAME": name,
            "_FILE_SIZE": size,
            "_ROW_COUNT": metadata.file_metadata().num_rows(),
            "_MIN_KEY": keys.min,
            "_MAX_KEY": keys.max,
            "_KEY_STATS": { "_MIN_VALUES": keys.stats.min, "_MAX_VALUES": keys.stats.max, "_NULL_COUNTS": keys.stats.nulls },
            "_VALUE_STATS": { "_MIN_VALUES": stats.min, "_MAX_VALUES": stats.max, "_NULL_COUNTS": stats.nulls },
            "_MIN_SEQUENCE_NUMBER": keys.sequence,
            "_MAX_SEQUENCE_NUMBER": keys.sequence,
            "_SCHEMA_ID": self.table.schema().id(),
            "_LEVEL": 0,
            "_EXTRA_FILES": [],
            "_CREATION_TIME": now_ms,
            "_DELETE_ROW_COUNT": keys.deletes,
            "_EMBEDDED_FILE_INDEX": null,
            "_FILE_SOURCE": SOURCE_APPEND,
            "_VALUE_STATS_COLS": stats.columns,
        });
        serde_json::from_value(fields).map_err(|error| LakeError::Encoding {
            table: self.name.clone(),
            what: "a data file's description",
            reason: error.to_string(),
        })
    }

    fn new_name() -> String {
        format!("data-{}-0.parquet", unique_name())
    }

    fn cannot_encode(&self) -> impl Fn(ParquetError) -> LakeError {
        let table = self.name.clone();
        move |error| LakeError::Encoding { table: table.clone(), what: "a data file", reason: error.to_string() }
    }

    fn directory(&self, partition: &[String]) -> String {
        let mut directory = self.table.location().trim_end_matches('/').to_owned();
        for (column, value) in self.partition_columns.iter().zip(partition) {
            directory.push_str(&format!("/{}={value}", self.schema.field(*column).name()));
        }
        directory + &format!("/bucket-{BUCKET}")
    }

    fn partition_row(&self, partition: &[String]) -> Vec<u8> {
        if partition.is_empty() {
            return EMPTY_SERIALIZED_ROW.clone();
        }
        let fields = self.table.schema().fields();
        let values: Vec<Option<Datum>> = partition.iter().map(|value| Some(Datum::String(value.clone()))).collect();
        let in_front = if self.key.is_some() { COLUMNS_IN_FRONT } else { 0 };
        let types = self.partition_columns.iter().map(|column| fields[*column - in_front].data_type());
        datums_to_binary_row(&values.iter().zip(types).collect::<Vec<_>>())
    }

    /// The rows of each partition, in their order; None if a value is not a folder's name as it is.
    fn partitions(&self, batches: &[&PackedBatch], rows: &[(usize, usize)]) -> Result<Option<Vec<Partition>>> {
        let arrow = || LakeError::arrow(&self.name, "sort rows");
        let column = |column: &usize| {
            let texts = batches.iter().map(|batch| batch.column(*column, &DataType::Utf8));
            texts.collect::<Result<Vec<_>, _>>()
        };
        let columns = self.partition_columns.iter().map(column).collect::<Result<Vec<_>, _>>().map_err(arrow())?;
        let texts: Vec<Vec<_>> =
            columns.iter().map(|parts| parts.iter().map(|part| part.as_string::<i32>()).collect()).collect();
        let mut numbers: HashMap<Vec<&str>, usize> = HashMap::new();
        let mut numbered = Vec::with_capacity(rows.len());
        let mut last: Option<(Vec<&str>, usize)> = None;
        for (batch, row) in rows {
            let is_same = last.as_ref().is_some_and(|(values, _)| {
                texts
                    .iter()
                    .zip(values)
                    .all(|(parts, value)| parts[*batch].is_valid(*row) && parts[*batch].value(*row) == *value)
            });
            if !is_same {
                if texts.iter().any(|parts| parts[*batch].is_null(*row)) {
                    return Ok(None);
                }
                let values: Vec<&str> = texts.iter().map(|parts| parts[*batch].value(*row)).collect();
                if !values.iter().all(|value| is_folder_name(value)) {
                    return Ok(None);
                }
                let next = numbers.len();
                let number = *numbers.entry(values.clone()).or_insert(next);
                last = Some((values, number));
            }
            numbered.extend(last.as_ref().map(|(_, number)| *number));
        }
        let mut partitions: Vec<Partition> = Vec::new();
        let mut values: Vec<_> = numbers.into_iter().collect();
        values.sort_by_key(|(_, number)| *number);
        let is_one = values.len() == 1;
        for (values, _) in values {
            let values = values.into_iter().map(str::to_owned).collect();
            partitions.push(Partition { values, rows: (!is_one).then(Vec::new) });
        }
        if !is_one {
            for (row, number) in rows.iter().zip(numbered) {
                partitions[number].rows.get_or_insert_default().push(*row);
            }
        }
        Ok(Some(partitions))
    }
}

struct Partition {
    values: Vec<String>,
    /// None if it is all rows.
    rows: Option<Vec<(usize, usize)>>,
}

fn knows_options(definition: &TableSchema, is_keyed: bool) -> bool {
    let buckets = definition.options().get(BUCKETS).map(|value| value.trim());
    let has_our_buckets = match is_keyed {
        true => buckets == Some(ONE_BUCKET),
        false => buckets.is_none_or(|value| value == NO_BUCKETS),
    };
    let mut others = definition.options().iter().filter(|(key, _)| *key != BUCKETS);
    has_our_buckets
        && others.all(|(key, value)| {
            let is_known = |(known, wanted): &(&str, Option<&str>)| {
                key == known && wanted.is_none_or(|wanted| value.trim().eq_ignore_ascii_case(wanted))
            };
            OPTIONS_KNOWN.iter().any(is_known) || OPTIONS_ELSEWHERE.iter().any(|prefix| key.starts_with(prefix))
        })
}

/// Paimon writes other characters as escapes, and a blank value under another name.
fn is_folder_name(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !value.is_empty() && value.bytes().all(is_plain)
}

#[cfg(test)]
mod tests;
