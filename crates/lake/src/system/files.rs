//! System tables whose rows are files of one snapshot: data files, their partitions, manifests.

use super::values::{key_text, map_text, row_text, value_text};
use super::{Source, longs, texts, times};
use crate::error::Result;
use arrow::array::{ArrayRef, Int32Array, ListBuilder, StringBuilder};
use paimon::DataSplit;
use paimon::spec::{BinaryRow, DataField, DataFileMeta, ManifestFileMeta, TableSchema};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Of a partition column that is NULL.
const DEFAULT_PARTITION: &str = "__DEFAULT_PARTITION__";

type Schemas = HashMap<i64, Arc<TableSchema>>;

/// The columns of a file whose values have to be made.
#[derive(Default)]
struct FileTexts {
    partition: String,
    path: String,
    min_key: Option<String>,
    max_key: Option<String>,
    nulls: String,
    min: String,
    max: String,
}

/// Of some files.
#[derive(Default)]
struct Sums {
    rows: i64,
    bytes: i64,
    files: i64,
    updated_ms: Option<i64>,
}

/// Rows, bytes, files, when the newest was made.
fn columns_of<'a>(sums: impl Iterator<Item = &'a Sums> + Clone) -> [ArrayRef; 4] {
    let long = |value: fn(&Sums) -> i64| longs(sums.clone().map(|sums| Some(value(sums))));
    [
        long(|sums| sums.rows),
        long(|sums| sums.bytes),
        long(|sums| sums.files),
        times(sums.clone().map(|sums| sums.updated_ms)),
    ]
}

impl Source<'_> {
    /// By partition and bucket, in the order of the scan.
    pub(super) async fn files(&self) -> Result<Vec<ArrayRef>> {
        let splits = self.splits().await?;
        let mut schemas = Schemas::from([(self.table.schema().id(), Arc::new(self.table.schema().clone()))]);
        let files: Vec<(&DataSplit, &DataFileMeta)> =
            splits.iter().flat_map(|split| split.data_files().iter().map(move |file| (split, file))).collect();
        let mut made = Vec::with_capacity(files.len());
        for (split, file) in &files {
            if let Entry::Vacant(missing) = schemas.entry(file.schema_id) {
                let schema = self.table.schema_manager().schema(file.schema_id).await.map_err(self.failed())?;
                missing.insert(schema);
            }
            made.push(self.file_texts(split, file, &schemas).map_err(self.failed())?);
        }
        let long = |value: fn(&DataFileMeta) -> Option<i64>| longs(files.iter().map(|(_, file)| value(file)));
        let text = |value: fn(&FileTexts) -> Option<String>| texts(made.iter().map(value));
        let mut write_columns = ListBuilder::new(StringBuilder::new());
        for (_, file) in &files {
            write_columns.append_option(file.write_cols.as_ref().map(|columns| columns.iter().map(Some)));
        }
        Ok(vec![
            text(|made| Some(made.partition.clone())),
            Arc::new(files.iter().map(|(split, _)| Some(split.bucket())).collect::<Int32Array>()),
            text(|made| Some(made.path.clone())),
            texts(files.iter().map(|(_, file)| Some(format_of(&file.file_name)))),
            long(|file| Some(file.schema_id)),
            Arc::new(files.iter().map(|(_, file)| Some(file.level)).collect::<Int32Array>()),
            long(|file| Some(file.row_count)),
            long(|file| Some(file.file_size)),
            text(|made| made.min_key.clone()),
            text(|made| made.max_key.clone()),
            text(|made| Some(made.nulls.clone())),
            text(|made| Some(made.min.clone())),
            text(|made| Some(made.max.clone())),
            long(|file| Some(file.min_sequence_number)),
            long(|file| Some(file.max_sequence_number)),
            times(files.iter().map(|(_, file)| created_ms(file))),
            long(|file| file.delete_row_count),
            texts(files.iter().map(|(_, file)| file.file_source.map(source_name))),
            long(|file| file.first_row_id),
            Arc::new(write_columns.finish()),
        ])
    }

    /// In the order of their names.
    pub(super) async fn partitions(&self) -> Result<Vec<ArrayRef>> {
        let fields = self.table.schema().partition_fields();
        let found = self.sums_by(|split| partition_name(split.partition(), &fields)).await?;
        let nothing = || texts(found.iter().map(|_| None)); // only a catalog service knows them
        let names = texts(found.keys().map(|name| Some(name.clone())));
        let mut columns = vec![names];
        columns.extend(columns_of(found.values()));
        columns.extend([times(found.iter().map(|_| None)), nothing(), nothing(), nothing()]);
        Ok(columns)
    }

    /// In the order of their partitions and numbers.
    pub(super) async fn buckets(&self) -> Result<Vec<ArrayRef>> {
        let fields = self.table.schema().partition_fields();
        let found = self.sums_by(|split| Ok((row_text(split.partition(), &fields)?, split.bucket()))).await?;
        let mut columns: Vec<ArrayRef> = vec![
            texts(found.keys().map(|(partition, _)| Some(partition.clone()))),
            Arc::new(found.keys().map(|(_, bucket)| Some(*bucket)).collect::<Int32Array>()),
        ];
        columns.extend(columns_of(found.values()));
        Ok(columns)
    }

    async fn sums_by<K: Ord>(&self, key_of: impl Fn(&DataSplit) -> paimon::Result<K>) -> Result<BTreeMap<K, Sums>> {
        let mut found: BTreeMap<K, Sums> = BTreeMap::new();
        for split in self.splits().await? {
            let sums = found.entry(key_of(&split).map_err(self.failed())?).or_default();
            for file in split.data_files() {
                sums.rows += file.row_count;
                sums.bytes += file.file_size;
                sums.files += 1;
                sums.updated_ms = sums.updated_ms.max(created_ms(file));
            }
        }
        Ok(found)
    }

    /// Base, delta, changelog, in the order of their lists.
    pub(super) async fn manifests(&self) -> Result<Vec<ArrayRef>> {
        let mut found: Vec<ManifestFileMeta> = Vec::new();
        if let Some(snapshot) = self.snapshot().await? {
            let lists = [snapshot.base_manifest_list(), snapshot.delta_manifest_list()];
            for list in lists.into_iter().chain(snapshot.changelog_manifest_list()) {
                found.extend(self.live.committer.read_list(list).await?);
            }
        }
        let fields = self.table.schema().partition_fields();
        let bound = |bytes: &[u8]| match bytes {
            [] => Ok(None),
            bytes => BinaryRow::from_serialized_bytes(bytes).and_then(|row| row_text(&row, &fields)).map(Some),
        };
        let bounds = |value: fn(&ManifestFileMeta) -> &[u8]| -> Result<ArrayRef> {
            let made: paimon::Result<Vec<Option<String>>> =
                found.iter().map(|manifest| bound(value(manifest))).collect();
            Ok(texts(made.map_err(self.failed())?))
        };
        let long = |value: fn(&ManifestFileMeta) -> Option<i64>| longs(found.iter().map(value));
        Ok(vec![
            texts(found.iter().map(|manifest| Some(manifest.file_name().to_owned()))),
            long(|manifest| Some(manifest.file_size())),
            long(|manifest| Some(manifest.num_added_files())),
            long(|manifest| Some(manifest.num_deleted_files())),
            long(|manifest| Some(manifest.schema_id())),
            bounds(|manifest| manifest.partition_stats().min_values())?,
            bounds(|manifest| manifest.partition_stats().max_values())?,
            long(ManifestFileMeta::min_row_id),
            long(ManifestFileMeta::max_row_id),
        ])
    }

    /// All files of the snapshot, those of level 0 too.
    async fn splits(&self) -> Result<Vec<DataSplit>> {
        match self.snapshot().await? {
            None => Ok(Vec::new()),
            Some(snapshot) => {
                let pinned = self.table.copy_with_pinned_snapshot(&snapshot);
                self.live.committer.splits(&pinned, "list files").await
            }
        }
    }

    fn file_texts(&self, split: &DataSplit, file: &DataFileMeta, schemas: &Schemas) -> paimon::Result<FileTexts> {
        let table = self.table.schema();
        let schema = schemas.get(&file.schema_id).map_or(table, |schema| &**schema);
        let keys = schema.trimmed_primary_keys();
        let named = |name: &String| schema.fields().iter().find(|field| field.name() == name).cloned();
        let key_fields: Vec<DataField> = keys.iter().filter_map(named).collect();
        let mut made = FileTexts {
            partition: row_text(split.partition(), &table.partition_fields())?,
            path: file.external_path.clone().unwrap_or_else(|| split.data_file_path(file)),
            min_key: key_text(&file.min_key, &key_fields)?,
            max_key: key_text(&file.max_key, &key_fields)?,
            ..FileTexts::default()
        };
        let row = |bytes: &[u8]| match bytes {
            [] => Ok(None),
            bytes => BinaryRow::from_serialized_bytes(bytes).map(Some),
        };
        let (min, max) = (row(file.value_stats.min_values())?, row(file.value_stats.max_values())?);
        let (mut nulls, mut lowest, mut highest) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for field in table.fields() {
            // by its id: an older file may call it otherwise, or not have it
            let found = schema.fields().iter().enumerate().find(|(_, written)| written.id() == field.id());
            let place = found.and_then(|(index, written)| match &file.value_stats_cols {
                None => Some(index),
                Some(columns) => columns.iter().position(|column| column == written.name()),
            });
            let count = match (found, place) {
                (None, _) => Some(file.row_count),
                (Some(_), Some(place)) => file.value_stats.null_counts().get(place).copied().flatten(),
                (Some(_), None) => None,
            };
            let data_type = found.map_or_else(|| field.data_type(), |(_, written)| written.data_type());
            let bound = |row: &Option<BinaryRow>| match (row, place) {
                (Some(row), Some(place)) => value_text(row, place, data_type),
                _ => Ok(None),
            };
            nulls.insert(field.name(), count.map(|count| count.to_string()));
            lowest.insert(field.name(), bound(&min)?);
            highest.insert(field.name(), bound(&max)?);
        }
        (made.nulls, made.min, made.max) = (map_text(&nulls), map_text(&lowest), map_text(&highest));
        Ok(made)
    }
}

/// `dt=2026-11-26`.
fn partition_name(partition: &BinaryRow, fields: &[DataField]) -> paimon::Result<String> {
    let mut parts = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let value = value_text(partition, index, field.data_type())?;
        parts.push(format!("{}={}", field.name(), value.as_deref().unwrap_or(DEFAULT_PARTITION)));
    }
    Ok(parts.join("/"))
}

fn created_ms(file: &DataFileMeta) -> Option<i64> {
    file.creation_time.map(|time| time.timestamp_millis())
}

fn format_of(file_name: &str) -> String {
    Path::new(file_name).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_owned()
}

fn source_name(source: i32) -> String {
    match source {
        0 => "APPEND".to_owned(),
        1 => "COMPACT".to_owned(),
        other => other.to_string(),
    }
}
