//! A table gains the columns that the pipeline has come to declare: a new version of its schema. A pure decision and the act.
//!
//! Nothing is written again: files of the older version give NULL for what they do not have, and who reads the older version
//! goes on. Columns are only added; one that is dropped, retyped or made NOT NULL is refused by `check_same`.

use crate::error::{LakeError, Result};
use crate::files::Files;
use crate::paimon_schema::{check_same, column_type};
use crate::spec::TableSpec;
use paimon::spec::{ColumnMove, SchemaChange, TableSchema};

/// The next version of the schema, if the declaration has columns that the table has not, and is otherwise the same. None: it
/// has none, or lacks some itself, which is for `check_same` to tell.
pub(crate) fn evolved(spec: &TableSpec, existing: &TableSchema) -> Result<Option<TableSchema>> {
    let table = spec.full_name();
    let declared = spec.schema.fields();
    let is_there = |name: &str| existing.fields().iter().any(|field| field.name() == name);
    let is_declared = |name: &str| declared.iter().any(|field| field.name() == name);
    if declared.iter().all(|field| is_there(field.name()))
        || !existing.fields().iter().all(|field| is_declared(field.name()))
    {
        return Ok(None);
    }
    let mut changes = Vec::new();
    for (index, field) in declared.iter().enumerate().filter(|(_, field)| !is_there(field.name())) {
        let name = field.name().clone();
        if !field.is_nullable() {
            let reason = format!(
                "column \"{name}\" is new, and rows that are there have no value for it; declare it without NOT NULL"
            );
            return Err(LakeError::InvalidSpec { table, reason });
        }
        let place = match index.checked_sub(1) {
            None => ColumnMove::move_first(name.clone()),
            Some(before) => ColumnMove::move_after(name.clone(), declared[before].name().clone()),
        };
        changes.push(SchemaChange::AddColumn {
            data_type: column_type(&table, &name, field)?,
            field_names: vec![name],
            comment: None,
            column_move: Some(place),
        });
    }
    let next = existing.apply_changes(changes).map_err(LakeError::paimon(&table, "add columns"))?;
    check_same(spec, &next)?;
    Ok(Some(next))
}

/// Writes the new version, on a blocking thread. Durable on return; if the process dies earlier, it is there as a whole or not
/// at all, and the next start decides again. A version that somebody else has written in between stays.
pub(crate) async fn publish_schema(table: &str, files: &Files, schema: &TableSchema) -> Result<()> {
    let json = serde_json::to_vec(schema).map_err(|error| LakeError::Encoding {
        table: table.to_owned(),
        what: "a schema",
        reason: error.to_string(),
    })?;
    if files.publish_schema(table, schema.id(), json).await? {
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
        tracing::info!(table, version = schema.id(), columns = columns.join(", "), "the table has new columns");
    }
    Ok(())
}
