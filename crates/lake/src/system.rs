//! Paimon's system tables: what a table's metadata says of its snapshots, files, schemas, as rows.
//!
//! Names and types of the columns are those that Flink 2.0.2 with Paimon 1.4.2 gives to `DESCRIBE t$snapshots`; times are UTC.

mod files;
mod metadata;
mod values;

use crate::error::{LakeError, Result};
use crate::live::LiveTable;
use crate::moment::Moment;
use crate::scan::Pinned;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use paimon::Table;
use paimon::spec::Snapshot;
use std::sync::Arc;

/// What comes after the `$` in `trade$snapshots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemTable {
    Snapshots,
    Schemas,
    Options,
    Tags,
    Consumers,
    Files,
    Partitions,
    Buckets,
    Manifests,
}

const TEXT: DataType = DataType::Utf8;
const LONG: DataType = DataType::Int64;
const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

impl SystemTable {
    pub const ALL: [SystemTable; 9] = [
        SystemTable::Snapshots,
        SystemTable::Schemas,
        SystemTable::Options,
        SystemTable::Tags,
        SystemTable::Consumers,
        SystemTable::Files,
        SystemTable::Partitions,
        SystemTable::Buckets,
        SystemTable::Manifests,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SystemTable::Snapshots => "snapshots",
            SystemTable::Schemas => "schemas",
            SystemTable::Options => "options",
            SystemTable::Tags => "tags",
            SystemTable::Consumers => "consumers",
            SystemTable::Files => "files",
            SystemTable::Partitions => "partitions",
            SystemTable::Buckets => "buckets",
            SystemTable::Manifests => "manifests",
        }
    }

    pub fn of_name(name: &str) -> Option<SystemTable> {
        SystemTable::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Whether its rows are those of one snapshot.
    fn is_of_a_snapshot(self) -> bool {
        use SystemTable::{Buckets, Files, Manifests, Partitions};
        matches!(self, Files | Partitions | Buckets | Manifests)
    }

    pub fn schema(self) -> SchemaRef {
        let columns: Vec<(&str, DataType, bool)> = match self {
            SystemTable::Snapshots => vec![
                ("snapshot_id", LONG, false),
                ("schema_id", LONG, false),
                ("commit_user", TEXT, false),
                ("commit_identifier", LONG, false),
                ("commit_kind", TEXT, false),
                ("commit_time", TIME, false),
                ("base_manifest_list", TEXT, false),
                ("delta_manifest_list", TEXT, false),
                ("changelog_manifest_list", TEXT, true),
                ("total_record_count", LONG, true),
                ("delta_record_count", LONG, true),
                ("changelog_record_count", LONG, true),
                ("watermark", LONG, true),
                ("next_row_id", LONG, true),
            ],
            SystemTable::Schemas => vec![
                ("schema_id", LONG, false),
                ("fields", TEXT, false),
                ("partition_keys", TEXT, false),
                ("primary_keys", TEXT, false),
                ("options", TEXT, false),
                ("comment", TEXT, true),
                ("update_time", TIME, false),
            ],
            SystemTable::Options => vec![("key", TEXT, false), ("value", TEXT, false)],
            SystemTable::Tags => vec![
                ("tag_name", TEXT, false),
                ("snapshot_id", LONG, false),
                ("schema_id", LONG, false),
                ("commit_time", TIME, false),
                ("record_count", LONG, true),
                ("create_time", TIME, true),
                ("time_retained", TEXT, true),
            ],
            SystemTable::Consumers => vec![("consumer_id", TEXT, false), ("next_snapshot_id", LONG, false)],
            SystemTable::Files => vec![
                ("partition", TEXT, true),
                ("bucket", DataType::Int32, false),
                ("file_path", TEXT, false),
                ("file_format", TEXT, false),
                ("schema_id", LONG, false),
                ("level", DataType::Int32, false),
                ("record_count", LONG, false),
                ("file_size_in_bytes", LONG, false),
                ("min_key", TEXT, true),
                ("max_key", TEXT, true),
                ("null_value_counts", TEXT, false),
                ("min_value_stats", TEXT, false),
                ("max_value_stats", TEXT, false),
                ("min_sequence_number", LONG, true),
                ("max_sequence_number", LONG, true),
                ("creation_time", TIME, true),
                ("deleteRowCount", LONG, true),
                ("file_source", TEXT, true),
                ("first_row_id", LONG, true),
                ("write_cols", DataType::List(Arc::new(Field::new_list_field(TEXT, true))), true),
            ],
            SystemTable::Partitions => vec![
                ("partition", TEXT, true),
                ("record_count", LONG, false),
                ("file_size_in_bytes", LONG, false),
                ("file_count", LONG, false),
                ("last_update_time", TIME, true),
                ("created_at", TIME, true),
                ("created_by", TEXT, true),
                ("updated_by", TEXT, true),
                ("options", TEXT, true),
            ],
            SystemTable::Buckets => vec![
                ("partition", TEXT, true),
                ("bucket", DataType::Int32, false),
                ("record_count", LONG, false),
                ("file_size_in_bytes", LONG, false),
                ("file_count", LONG, false),
                ("last_update_time", TIME, true),
            ],
            SystemTable::Manifests => vec![
                ("file_name", TEXT, false),
                ("file_size", LONG, false),
                ("num_added_files", LONG, false),
                ("num_deleted_files", LONG, false),
                ("schema_id", LONG, false),
                ("min_partition_stats", TEXT, true),
                ("max_partition_stats", TEXT, true),
                ("min_row_id", LONG, true),
                ("max_row_id", LONG, true),
            ],
        };
        let field = |(name, data_type, nullable)| Field::new(name, data_type, nullable);
        Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>()))
    }
}

/// What the rows of a system table are made from.
struct Source<'a> {
    live: &'a LiveTable,
    table: &'a Table,
    /// Of a table as it was; kept while its rows are made.
    past: Option<&'a Pinned>,
}

impl LiveTable {
    /// The rows of a system table as the metadata is now, or was at a moment: what is committed, not what is in the tail. All
    /// of it is in memory: some hundred bytes a snapshot, file or manifest.
    ///
    /// # Errors
    /// As [`view_at`](Self::view_at); and what is no snapshot's, like options, has no past.
    pub async fn system_rows(&self, system: SystemTable, moment: Option<&Moment>) -> Result<RecordBatch> {
        let past = match moment {
            None => None,
            Some(moment) if system.is_of_a_snapshot() => Some(self.pinned_at(moment).await?),
            Some(_) => {
                return Err(self.no_moment(format!("\"${}\" is not of one snapshot and has no past", system.name())));
            }
        };
        let table = past.as_ref().map_or(&self.committer.table, |past| &past.table);
        let source = Source { live: self, table, past: past.as_ref() };
        let columns = match system {
            SystemTable::Snapshots => source.snapshots().await?,
            SystemTable::Schemas => source.schemas().await?,
            SystemTable::Options => source.options(),
            SystemTable::Tags => source.tags().await?,
            SystemTable::Consumers => source.consumers().await?,
            SystemTable::Files => source.files().await?,
            SystemTable::Partitions => source.partitions().await?,
            SystemTable::Buckets => source.buckets().await?,
            SystemTable::Manifests => source.manifests().await?,
        };
        let rows = columns.first().map_or(0, |column| column.len());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(system.schema(), columns, &options)
            .map_err(LakeError::arrow(self.name(), "read a system table"))
    }
}

impl Source<'_> {
    /// For errors of the crate.
    fn failed(&self) -> impl FnOnce(paimon::Error) -> LakeError {
        LakeError::paimon(self.live.name(), "read a system table")
    }

    /// What the table is now, or was; None before its first commit.
    async fn snapshot(&self) -> Result<Option<Snapshot>> {
        if let Some(past) = self.past {
            return Ok(Some(past.snapshot.clone()));
        }
        self.table.snapshot_manager().get_latest_snapshot().await.map_err(self.failed())
    }
}

/// A column of texts, some of them absent.
fn texts(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<arrow::array::StringArray>())
}

fn longs(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<arrow::array::Int64Array>())
}

/// Milliseconds since the epoch.
fn times(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<arrow::array::TimestampMillisecondArray>())
}
