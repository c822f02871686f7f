//! Tables and catalogs of `'type' = 'paimon'`. Source: Paimon 1.4, "Configurations", and SchemaValidation for what it refuses.

use super::{Bucket, OptionReader, PaimonTable};
use crate::diagnostic::Problem;
use crate::options::Options;

/// What Paimon's own checks look at, besides the options.
pub(crate) struct PaimonShape<'a> {
    pub(crate) primary_key: &'a [String],
    pub(crate) partition_keys: &'a [String],
}

/// Checks a catalog's options; the warehouse is None if something is wrong.
pub(crate) fn paimon_catalog(options: &Options) -> Result<String, Vec<Problem>> {
    let mut reader = OptionReader::new(options);
    let warehouse = reader.required("warehouse", "name the folder or bucket: 'warehouse' = 's3://bucket/path'");
    reader.choice("metastore", &[("filesystem", ())]);
    match warehouse {
        Some(warehouse) if reader.problems.is_empty() => Ok(warehouse.to_owned()),
        _ => Err(reader.problems),
    }
}

/// The typed table, or everything that is wrong: what Paimon refuses when the table is created is refused here, with a place.
pub(crate) fn paimon_table(options: &Options, shape: &PaimonShape<'_>) -> Result<PaimonTable, Vec<Problem>> {
    let mut reader = OptionReader::new(options);
    let bucket = bucket(&mut reader);
    let keyed = !shape.primary_key.is_empty();
    if let (Some(entry), false) = (options.entry("changelog-producer"), keyed)
        && entry.value != "none"
    {
        let message = format!("'changelog-producer' = '{}' needs a PRIMARY KEY", entry.value);
        reader.wrong(entry, message, Some("Paimon refuses it for an append table".to_owned()));
    }
    if let (Bucket::Fixed(_), Some(entry)) = (bucket, options.entry("bucket")) {
        if !keyed && options.entry("bucket-key").is_none() {
            let hint = "write 'bucket' = '-1', or name its 'bucket-key'".to_owned();
            reader.wrong(entry, "a fixed 'bucket' on an append table needs a 'bucket-key'".to_owned(), Some(hint));
        }
        let outside = shape.partition_keys.iter().find(|key| !shape.primary_key.contains(key));
        if let (true, Some(column)) = (keyed, outside) {
            let message = format!("a fixed 'bucket' needs partition column {column} in the PRIMARY KEY");
            reader.wrong(entry, message, Some("a key must not move between partitions".to_owned()));
        }
    }
    if let Some(entry) = options.entry("primary-key").or_else(|| options.entry("partition")) {
        let clause = if entry.key == "partition" { "PARTITIONED BY (…)" } else { "PRIMARY KEY (…) NOT ENFORCED" };
        reader.problems.push(Problem::new(entry.key_span, format!("write {clause} instead of option '{}'", entry.key)));
    }
    if reader.problems.is_empty() { Ok(PaimonTable { options: options.clone(), bucket }) } else { Err(reader.problems) }
}

fn bucket(reader: &mut OptionReader<'_>) -> Bucket {
    let Some(entry) = reader.options.entry("bucket") else { return Bucket::Dynamic };
    match entry.value.trim().parse::<i64>().ok() {
        Some(-1) => Bucket::Dynamic,
        Some(-2) => Bucket::Postponed,
        Some(count) if (1..=i64::from(i32::MAX)).contains(&count) => Bucket::Fixed(count as u32),
        _ => {
            let hint = "write '-1', or a number of buckets from 1".to_owned();
            reader.wrong(entry, format!("'bucket' cannot be '{}'", entry.value), Some(hint));
            Bucket::Dynamic
        }
    }
}
