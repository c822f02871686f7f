//! What a table must be: its columns in Arrow's terms, its keys and its options.

use crate::error::{LakeError, Result};
use arrow::datatypes::{Schema, SchemaRef};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A table as the pipeline's SQL declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    pub database: String,
    pub table: String,
    /// Columns in order. Supported types, at every level with their nullability: Utf8 (STRING), Boolean, Int8 to Int64,
    /// Float32/64, Decimal128(p, s) with s ≥ 0, Date32, Timestamp(ms or µs) without a zone (TIMESTAMP(3|6)) or with zone
    /// `UTC` (TIMESTAMP_LTZ(3|6)), List (ARRAY) and Struct (ROW) of these.
    pub schema: SchemaRef,
    pub partition_keys: Vec<String>,
    /// Empty for an append table. Otherwise it must include the partition keys, its columns are NOT NULL whatever
    /// `schema` says (as in Flink), and the options must name a fixed number of buckets; what else
    /// [`crate::Lake::ensure_table`] refuses, and why, is in `primary_key.rs`.
    pub primary_keys: Vec<String>,
    /// Paimon's table options (`file.compression`, `bucket`, …). Used when the table is created; an existing table
    /// keeps its own.
    pub options: BTreeMap<String, String>,
    pub comment: Option<String>,
}

impl TableSpec {
    /// `database.table`, as messages and checkpoints name it.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.table)
    }

    /// What can be known to be wrong without looking at the lake.
    pub(crate) fn validate(&self) -> Result<()> {
        let invalid = |reason: String| LakeError::InvalidSpec { table: self.full_name(), reason };
        for (kind, name) in [("database", &self.database), ("table", &self.table)] {
            // The name becomes a directory, and `$` starts Paimon's system tables.
            if name.is_empty()
                || name.starts_with('.')
                || name.contains(['/', '\\', '$', '.'])
                || name.contains(char::is_control)
            {
                return Err(invalid(format!("\"{name}\" is not a {kind} name")));
            }
        }
        if self.schema.fields().is_empty() {
            return Err(invalid("it has no columns".to_owned()));
        }
        let mut names = HashSet::new();
        if let Some(twice) = self.schema.fields().iter().find(|field| !names.insert(field.name().as_str())) {
            return Err(invalid(format!("column \"{}\" is declared twice", twice.name())));
        }
        if let Some(unknown) = self.partition_keys.iter().find(|key| !names.contains(key.as_str())) {
            return Err(invalid(format!("partition key \"{unknown}\" is not a column")));
        }
        if let Some(unknown) = self.primary_keys.iter().find(|key| !names.contains(key.as_str())) {
            return Err(invalid(format!("primary key \"{unknown}\" is not a column")));
        }
        Ok(())
    }

    /// The declaration with the primary key's columns NOT NULL, as Flink and Paimon make them.
    pub(crate) fn normalized(&self) -> TableSpec {
        let fields = self.schema.fields().iter().map(|field| {
            let is_key = self.primary_keys.contains(field.name());
            field.as_ref().clone().with_nullable(field.is_nullable() && !is_key)
        });
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), self.schema.metadata().clone());
        TableSpec { schema: Arc::new(schema), ..self.clone() }
    }
}
