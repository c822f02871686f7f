//! Fields of records that the pipeline does not declare, with what to write so that it does.

use hoga_engine::{NewFields, UnknownField};
use hoga_serve::health::{NewFieldHealth, PipelineLine};
use hoga_sql::quoted_always;

/// One after another, as the page and `hoga status` show them.
pub fn health(topics: &[NewFields]) -> Vec<NewFieldHealth> {
    topics.iter().flat_map(|topic| topic.fields.listed().into_iter().map(|field| of_field(topic, field))).collect()
}

fn of_field(topic: &NewFields, field: &UnknownField) -> NewFieldHealth {
    let sql_type = field.column_type().filter(|_| !field.is_nested());
    let name = quoted_always(&field.path);
    let column = sql_type.map(|sql_type| format!("{name} {sql_type}"));
    // a table that has a column of this name has something else in it
    let tables = topic.lake_tables.iter().filter(|(_, columns)| !columns.contains(&field.path)).map(|(table, _)| table);
    let tables: Vec<&String> = if column.is_some() { tables.collect() } else { Vec::new() };
    let mut pipeline = Vec::new();
    if let Some(column) = column.as_ref().filter(|_| !tables.is_empty()) {
        let mut add = |statement: String, line: String| pipeline.push(PipelineLine { statement, line });
        add(format!("CREATE TABLE {}", topic.table), format!("{column},"));
        for table in &tables {
            add(format!("CREATE TABLE {table}"), format!("{column},"));
            add(format!("INSERT INTO {table} SELECT"), format!("{name},  -- where the column stands in the table"));
        }
    }
    let alter = |column: &String| tables.iter().map(|table| format!("ALTER TABLE {table} ADD {column};")).collect();
    NewFieldHealth {
        topic: topic.topic.clone(),
        field: field.path.clone(),
        values_total: field.values,
        example: field.example.clone(),
        alter: column.as_ref().map(alter).unwrap_or_default(),
        column,
        pipeline,
    }
}
