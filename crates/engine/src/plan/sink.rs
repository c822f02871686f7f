//! The lake table that a CREATE TABLE declares.

use super::{field_of, schema_from};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_lake::TableSpec;
use hoga_sql::{Connector, Mistake, Table};

pub(super) fn lake_spec(table: &Table, span: Span) -> Result<TableSpec, Mistake> {
    let Connector::Paimon(paimon) = table.connector() else {
        return Err(Mistake::new(span, format!("table {} is a topic", table.path)));
    };
    let fields = table.columns.iter().map(|column| field_of(&column.name, &column.kind, column.span));
    Ok(TableSpec {
        database: table.path.database.clone(),
        table: table.path.table.clone(),
        schema: schema_from(fields.collect::<Result<_, _>>()?),
        partition_keys: table.partition_keys.clone(),
        primary_keys: table.primary_key.clone(),
        options: paimon.options.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect(),
        comment: table.comment.clone(),
    })
}
