//! Which primary-key tables can be written here, and the reason and the fix for each that cannot. Pure.

use crate::error::{LakeError, Result};
use paimon::spec::{DataField, DataType};
use std::collections::HashMap;

/// An option that changes which change of a key wins or what a reader sees, so that the live tail would disagree with
/// the committed rows: the values that are honoured, and what to do about any other.
struct Rule {
    option: &'static str,
    /// Lower case. The first is Paimon's default.
    honoured: &'static [&'static str],
    reason: &'static str,
}

const RULES: [Rule; 8] = [
    Rule {
        option: "merge-engine",
        honoured: &["deduplicate"],
        reason: "only deduplicate is supported: the last row of a key replaces the ones before",
    },
    Rule {
        option: "changelog-producer",
        honoured: &["none", "input"],
        reason: "lookup and full-compaction make the changelog while compacting, and nothing compacts here; use none or input",
    },
    Rule {
        option: "deletion-vectors.enabled",
        honoured: &["false"],
        reason: "readers of such tables skip files that were not compacted, and nothing compacts here; remove it",
    },
    Rule {
        option: "sequence.field",
        honoured: &[],
        reason: "the last change of a key wins in the order of the log, not in the order of a column; remove it",
    },
    Rule { option: "rowkind.field", honoured: &[], reason: "row kinds come from the query; remove it" },
    Rule { option: "ignore-delete", honoured: &["false"], reason: "deletions are never ignored here; remove it" },
    Rule {
        option: "ignore-update-before",
        honoured: &["false"],
        reason: "an update-before that stands alone is a deletion here; remove it",
    },
    Rule {
        option: "record-level.expire-time",
        honoured: &[],
        reason: "rows are not expired one by one here; remove it and expire partitions",
    },
];

/// Whether changes are written out one by one, for readers of the changelog.
pub(crate) fn keeps_every_change(options: &HashMap<String, String>) -> bool {
    options.get("changelog-producer").is_some_and(|value| value.eq_ignore_ascii_case("input"))
}

/// Says whether a table with this key and these options can be written; nothing to say about an append table.
pub(crate) fn check_writable(
    table: &str,
    fields: &[DataField],
    primary_keys: &[String],
    partition_keys: &[String],
    options: &HashMap<String, String>,
) -> Result<()> {
    if primary_keys.is_empty() {
        return Ok(());
    }
    let refuse = |reason: String| Err(LakeError::PrimaryKey { table: table.to_owned(), reason });
    if let Some(outside) = partition_keys.iter().find(|key| !primary_keys.contains(key)) {
        return refuse(format!(
            "partition key \"{outside}\" is not part of the primary key, so a key could move between partitions; add it"
        ));
    }
    if primary_keys.iter().all(|key| partition_keys.contains(key)) {
        return refuse("the primary key is the partition key; a partition would be a single row".to_owned());
    }
    match options.get("bucket").map(|text| (text, text.trim().parse::<i32>())) {
        Some((_, Ok(1..))) => {}
        Some((text, _)) => {
            return refuse(format!("'bucket' = '{text}' is not supported, only a fixed number; set 'bucket' = '1'"));
        }
        None => {
            let reason = "the number of buckets is not given, and Paimon's default of dynamic buckets is not supported; \
                          add 'bucket' = '1' to its options";
            return refuse(reason.to_owned());
        }
    }
    for rule in &RULES {
        if let Some(value) = options.get(rule.option)
            && !rule.honoured.contains(&value.trim().to_ascii_lowercase().as_str())
        {
            return refuse(format!("'{}' = '{value}' is not supported: {}", rule.option, rule.reason));
        }
    }
    for field in fields.iter().filter(|field| primary_keys.iter().any(|key| key == field.name())) {
        if !can_be_key(field.data_type()) {
            return refuse(format!(
                "column \"{}\" cannot be part of a primary key: use STRING, BOOLEAN, an integer, DECIMAL, DATE or a timestamp",
                field.name()
            ));
        }
    }
    Ok(())
}

/// Types whose order and equality are the same here, in Paimon's files and in its statistics: not floating point (two
/// zeros, many NaNs) and nothing nested.
fn can_be_key(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::VarChar(_)
            | DataType::Char(_)
            | DataType::Boolean(_)
            | DataType::TinyInt(_)
            | DataType::SmallInt(_)
            | DataType::Int(_)
            | DataType::BigInt(_)
            | DataType::Decimal(_)
            | DataType::Date(_)
            | DataType::Timestamp(_)
            | DataType::LocalZonedTimestamp(_)
    )
}
