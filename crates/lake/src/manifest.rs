//! Manifests and manifest lists, as Java Paimon writes them: what a snapshot's files are. Encoding and decisions; pure.
//!
//! The crate writes the same fields, but as records that may be null, which Java has not done since apache/paimon#3962 and
//! which the ClickHouse engine cannot read.

use crate::error::{LakeError, Result};
use paimon::spec::{BinaryRow, DataType, Datum, FileKind, ManifestEntry, ManifestFileMeta};
use paimon::spec::{DataField, datums_to_binary_row, to_avro_bytes};
use serde_json::json;
use std::collections::HashMap;
use std::ops::Range;

/// Of manifest entries; the crate and Java write it since 0.8.
pub(crate) const ENTRY_VERSION: i32 = 2;
/// How many manifests of one size become one of the next size; so a row of a list is copied once a size.
const MERGE_FACTOR: usize = 8;
/// Manifests of this size (4,096 entries and up) are not merged for their size any more.
const MERGED_TIERS: u32 = 4;
/// All manifests are written again when more than this part of what they say is taken back in them…
const WASTE_FACTOR: i64 = 2;
/// …and it is more than a few.
const WASTED_ENTRIES_MIN: i64 = 512;

const ENTRY_SCHEMA: &str = r#"{
  "type": "record", "name": "record", "namespace": "org.apache.paimon.avro.generated", "fields": [
    {"name": "_VERSION", "type": "int"},
    {"name": "_KIND", "type": "int"},
    {"name": "_PARTITION", "type": "bytes"},
    {"name": "_BUCKET", "type": "int"},
    {"name": "_TOTAL_BUCKETS", "type": "int"},
    {"name": "_FILE", "type": {"type": "record", "name": "record__FILE", "fields": [
      {"name": "_FILE_NAME", "type": "string"},
      {"name": "_FILE_SIZE", "type": "long"},
      {"name": "_ROW_COUNT", "type": "long"},
      {"name": "_MIN_KEY", "type": "bytes"},
      {"name": "_MAX_KEY", "type": "bytes"},
      {"name": "_KEY_STATS", "type": {"type": "record", "name": "record__FILE__KEY_STATS", "fields": [
        {"name": "_MIN_VALUES", "type": "bytes"},
        {"name": "_MAX_VALUES", "type": "bytes"},
        {"name": "_NULL_COUNTS", "type": ["null", {"type": "array", "items": ["null", "long"]}], "default": null}
      ]}},
      {"name": "_VALUE_STATS", "type": {"type": "record", "name": "record__FILE__VALUE_STATS", "fields": [
        {"name": "_MIN_VALUES", "type": "bytes"},
        {"name": "_MAX_VALUES", "type": "bytes"},
        {"name": "_NULL_COUNTS", "type": ["null", {"type": "array", "items": ["null", "long"]}], "default": null}
      ]}},
      {"name": "_MIN_SEQUENCE_NUMBER", "type": "long"},
      {"name": "_MAX_SEQUENCE_NUMBER", "type": "long"},
      {"name": "_SCHEMA_ID", "type": "long"},
      {"name": "_LEVEL", "type": "int"},
      {"name": "_EXTRA_FILES", "type": {"type": "array", "items": "string"}},
      {"name": "_CREATION_TIME", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": null},
      {"name": "_DELETE_ROW_COUNT", "type": ["null", "long"], "default": null},
      {"name": "_EMBEDDED_FILE_INDEX", "type": ["null", "bytes"], "default": null},
      {"name": "_FILE_SOURCE", "type": ["null", "int"], "default": null},
      {"name": "_VALUE_STATS_COLS", "type": ["null", {"type": "array", "items": "string"}], "default": null},
      {"name": "_EXTERNAL_PATH", "type": ["null", "string"], "default": null},
      {"name": "_FIRST_ROW_ID", "type": ["null", "long"], "default": null},
      {"name": "_WRITE_COLS", "type": ["null", {"type": "array", "items": "string"}], "default": null}
    ]}}
  ]
}"#;

const LIST_SCHEMA: &str = r#"{
  "type": "record", "name": "record", "namespace": "org.apache.paimon.avro.generated", "fields": [
    {"name": "_VERSION", "type": "int"},
    {"name": "_FILE_NAME", "type": "string"},
    {"name": "_FILE_SIZE", "type": "long"},
    {"name": "_NUM_ADDED_FILES", "type": "long"},
    {"name": "_NUM_DELETED_FILES", "type": "long"},
    {"name": "_PARTITION_STATS", "type": {"type": "record", "name": "record__PARTITION_STATS", "fields": [
      {"name": "_MIN_VALUES", "type": "bytes"},
      {"name": "_MAX_VALUES", "type": "bytes"},
      {"name": "_NULL_COUNTS", "type": ["null", {"type": "array", "items": ["null", "long"]}], "default": null}
    ]}},
    {"name": "_SCHEMA_ID", "type": "long"},
    {"name": "_MIN_BUCKET", "type": ["null", "int"], "default": null},
    {"name": "_MAX_BUCKET", "type": ["null", "int"], "default": null},
    {"name": "_MIN_LEVEL", "type": ["null", "int"], "default": null},
    {"name": "_MAX_LEVEL", "type": ["null", "int"], "default": null},
    {"name": "_MIN_ROW_ID", "type": ["null", "long"], "default": null},
    {"name": "_MAX_ROW_ID", "type": ["null", "long"], "default": null}
  ]
}"#;

/// A manifest's bytes.
pub(crate) fn encode_manifest(entries: &[ManifestEntry]) -> paimon::Result<Vec<u8>> {
    to_avro_bytes(ENTRY_SCHEMA, entries)
}

/// A manifest list's bytes.
pub(crate) fn encode_list(manifests: &[ManifestFileMeta]) -> paimon::Result<Vec<u8>> {
    to_avro_bytes(LIST_SCHEMA, manifests)
}

/// How a manifest list describes a manifest, for readers that skip by partition and level.
pub(crate) fn describe(
    table: &str,
    partition_fields: &[DataField],
    (name, bytes): (&str, usize),
    entries: &[ManifestEntry],
    buckets: Option<Range<i32>>,
) -> Result<ManifestFileMeta> {
    let levels = || entries.iter().map(|entry| entry.file().level);
    let stats = partition_stats(partition_fields, entries).map_err(LakeError::paimon(table, "describe a manifest"))?;
    let (min, max, nulls) = stats;
    let removed = entries.iter().filter(|entry| is_removal(entry)).count();
    // through its fields' names: the type of its statistics is private
    let fields = json!({
        "_VERSION": ENTRY_VERSION,
        "_FILE_NAME": name,
        "_FILE_SIZE": bytes,
        "_NUM_ADDED_FILES": entries.len() - removed,
        "_NUM_DELETED_FILES": removed,
        "_PARTITION_STATS": { "_MIN_VALUES": min, "_MAX_VALUES": max, "_NULL_COUNTS": nulls },
        "_SCHEMA_ID": entries.iter().map(|entry| entry.file().schema_id).max().unwrap_or(0),
        "_MIN_BUCKET": buckets.as_ref().map(|range| range.start),
        "_MAX_BUCKET": buckets.as_ref().map(|range| range.end - 1),
        "_MIN_LEVEL": levels().min(),
        "_MAX_LEVEL": levels().max(),
    });
    serde_json::from_value(fields).map_err(|error| LakeError::Encoding {
        table: table.to_owned(),
        what: "a manifest's description",
        reason: error.to_string(),
    })
}

/// Whether an entry takes a file out; the crate does not say, but compares.
pub(crate) fn is_removal(entry: &ManifestEntry) -> bool {
    *entry == entry.clone().with_kind(FileKind::Delete)
}

type PartitionStats = (Vec<u8>, Vec<u8>, Vec<i64>);

/// Smallest and largest value of each partition column, and how many are null.
fn partition_stats(fields: &[DataField], entries: &[ManifestEntry]) -> paimon::Result<PartitionStats> {
    let mut smallest: Vec<Option<Datum>> = vec![None; fields.len()];
    let mut largest = smallest.clone();
    let mut nulls = vec![0; fields.len()];
    for entry in entries.iter().filter(|_| !fields.is_empty()) {
        let row = BinaryRow::from_serialized_bytes(entry.partition())?;
        for (index, field) in fields.iter().enumerate() {
            let Some(value) = row.get_datum(index, field.data_type())? else {
                nulls[index] += 1;
                continue;
            };
            if smallest[index].as_ref().is_none_or(|found| value < *found) {
                smallest[index] = Some(value.clone());
            }
            if largest[index].as_ref().is_none_or(|found| value > *found) {
                largest[index] = Some(value);
            }
        }
    }
    let types: Vec<&DataType> = fields.iter().map(DataField::data_type).collect();
    Ok((row_of(&smallest, &types), row_of(&largest, &types), nulls))
}

/// A serialized row.
pub(crate) fn row_of(values: &[Option<Datum>], types: &[&DataType]) -> Vec<u8> {
    if values.iter().any(Option::is_some) {
        let row: Vec<(&Option<Datum>, &DataType)> = values.iter().zip(types.iter().copied()).collect();
        return datums_to_binary_row(&row);
    }
    // which the crate makes no row of: the number of columns, then a bit for each that it is null (after eight others, in
    // whole words), then eight bytes for each
    let words = (values.len() + 8).div_ceil(64);
    let mut row = vec![0; 4 + 8 * words + 8 * values.len()];
    row[..4].copy_from_slice(&(values.len() as u32).to_be_bytes());
    (0..values.len()).map(|index| index + 8).for_each(|bit| row[4 + bit / 8] |= 1 << (bit % 8));
    row
}

/// What of a manifest matters to whether it is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) added: i64,
    pub(crate) removed: i64,
}

impl Weight {
    pub(crate) fn of(manifest: &ManifestFileMeta) -> Weight {
        Weight { added: manifest.num_added_files(), removed: manifest.num_deleted_files() }
    }

    fn entries(self) -> i64 {
        self.added + self.removed
    }
}

/// Which manifests of a list, neighbours, to write again as one before the next commit: those of the end that have become
/// as many as one of the next size, or all of them once much of what they say is taken back.
///
/// So a list of N entries has some 28 manifests and one for each few thousand, an entry is copied once a size, and files that compaction has
/// replaced are forgotten.
pub(crate) fn to_merge(manifests: &[Weight]) -> Option<Range<usize>> {
    let added: i64 = manifests.iter().map(|weight| weight.added).sum();
    let removed: i64 = manifests.iter().map(|weight| weight.removed).sum();
    if removed > WASTED_ENTRIES_MIN && removed * WASTE_FACTOR > added {
        return Some(0..manifests.len());
    }
    let mut start = manifests.len();
    for tier in 0..MERGED_TIERS {
        let merged = &manifests[start..];
        let merged_tier = (!merged.is_empty()).then(|| tier_of(merged.iter().map(|weight| weight.entries()).sum()));
        if merged_tier.is_some_and(|merged| merged > tier) {
            continue;
        }
        let run = manifests[..start].iter().rev().take_while(|weight| tier_of(weight.entries()) <= tier).count();
        let of_tier = manifests[start - run..start].iter().filter(|weight| tier_of(weight.entries()) == tier).count();
        if of_tier + usize::from(merged_tier == Some(tier)) >= MERGE_FACTOR {
            start -= run;
        }
    }
    (start < manifests.len()).then_some(start..manifests.len())
}

/// 0 below [`MERGE_FACTOR`] entries, 1 below its square, …
fn tier_of(entries: i64) -> u32 {
    entries.max(1).ilog(MERGE_FACTOR as i64)
}

/// The entries that are left when those that take back others of the same list are applied. A removal whose file is not
/// among them stays: what it takes back is in an older manifest.
pub(crate) fn settle(entries: Vec<ManifestEntry>) -> Vec<ManifestEntry> {
    type Key = (Vec<u8>, String, i32);
    let key = |entry: &ManifestEntry| -> Key {
        (entry.partition().to_vec(), entry.file().file_name.clone(), entry.file().level)
    };
    let mut order: Vec<Option<ManifestEntry>> = Vec::with_capacity(entries.len());
    let mut places: HashMap<Key, usize> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let key = key(&entry);
        match places.get(&key) {
            Some(place) if is_removal(&entry) => {
                order[*place] = None;
                places.remove(&key);
            }
            _ => {
                places.insert(key, order.len());
                order.push(Some(entry));
            }
        }
    }
    order.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(entries: &[i64]) -> Vec<Weight> {
        entries.iter().map(|added| Weight { added: *added, removed: 0 }).collect()
    }

    #[test]
    fn neighbours_of_one_size_are_merged() {
        assert_eq!(to_merge(&[]), None);
        assert_eq!(to_merge(&weights(&[1; 7])), None);
        assert_eq!(to_merge(&weights(&[1; 8])), Some(0..8));
        assert_eq!(to_merge(&weights(&[100, 1, 1, 1, 1, 1, 1, 1, 1])), Some(1..9), "the large one is left alone");
        let cascade: Vec<i64> = [[8; 7].as_slice(), &[1; 8]].concat();
        assert_eq!(
            to_merge(&weights(&cascade)),
            Some(0..15),
            "what becomes one of the next size takes its neighbours along"
        );
    }

    #[test]
    fn what_is_taken_back_is_forgotten() {
        let much = [Weight { added: 5_000, removed: 0 }, Weight { added: 1, removed: 4_000 }];
        assert_eq!(to_merge(&much), Some(0..2));
        let little = [Weight { added: 5_000, removed: 0 }, Weight { added: 1, removed: 400 }];
        assert_eq!(to_merge(&little), None);
    }

    #[test]
    fn lists_stay_short_and_entries_are_seldom_copied() {
        let (mut list, mut copied, mut longest) = (Vec::new(), 0, 0);
        for _ in 0..30_000 {
            list.push(Weight { added: 1, removed: 0 });
            if let Some(range) = to_merge(&list) {
                let added = list[range.clone()].iter().map(|weight| weight.added).sum();
                copied += added;
                list.splice(range, [Weight { added, removed: 0 }]);
            }
            longest = longest.max(list.len());
        }
        assert!(longest <= 7 * 4 + 8, "{longest} manifests");
        assert!(copied <= 30_000 * 4, "{copied} entries copied");
    }
}
