//! `information_schema` in PostgreSQL's words: `numeric` and not `Decimal128(20, 8)`. Grafana chooses by them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::catalog::{CatalogProvider, MemTable, SchemaProvider, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use pgwire::api::Type;

use super::super::DATABASE;
use super::super::types::{pg_type, type_name};
use super::table_list::{ListedTable, list};
use super::{INFORMATION_SCHEMA, OWNER, PG_CATALOG};

const TABLES: &str = "tables";
const COLUMNS: &str = "columns";
const SCHEMATA: &str = "schemata";
/// Without rows: there are none of these. Their first columns are enough for the joins of tools.
const EMPTY: &[(&str, &[&str])] = &[
    ("views", &["table_catalog", "table_schema", "table_name", "view_definition"]),
    ("routines", &["specific_catalog", "specific_schema", "specific_name", "routine_name", "routine_type"]),
    (
        "table_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_schema",
            "table_name",
            "constraint_type",
        ],
    ),
    (
        "key_column_usage",
        &["constraint_catalog", "constraint_schema", "constraint_name", "table_schema", "table_name", "column_name"],
    ),
    ("referential_constraints", &["constraint_schema", "constraint_name", "unique_constraint_name"]),
    ("constraint_column_usage", &["table_schema", "table_name", "column_name", "constraint_name"]),
];

#[derive(Debug)]
pub(super) struct InformationSchema {
    catalog: Arc<dyn CatalogProvider>,
}

impl InformationSchema {
    pub(super) fn new(catalog: Arc<dyn CatalogProvider>) -> InformationSchema {
        InformationSchema { catalog }
    }
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        let empty = EMPTY.iter().map(|(name, _)| *name);
        [TABLES, COLUMNS, SCHEMATA].into_iter().chain(empty).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let batch = match name {
            TABLES => tables(&list(self.catalog.as_ref()).await?)?,
            COLUMNS => columns(&list(self.catalog.as_ref()).await?)?,
            SCHEMATA => schemata(self.catalog.as_ref())?,
            _ => match EMPTY.iter().find(|(empty, _)| *empty == name) {
                Some((_, columns)) => strings(columns.iter().map(|name| (*name, Vec::new())).collect())?,
                None => return Ok(None),
            },
        };
        Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

type Texts = Vec<Option<String>>;

fn strings(columns: Vec<(&str, Texts)>) -> Result<RecordBatch> {
    let columns =
        columns.into_iter().map(|(name, values)| (name, Arc::new(StringArray::from(values)) as ArrayRef, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

fn tables(tables: &[ListedTable]) -> Result<RecordBatch> {
    let each = |value: &dyn Fn(&ListedTable) -> String| -> Texts { tables.iter().map(|t| Some(value(t))).collect() };
    let kind = |table: &ListedTable| match table.table_type {
        TableType::View => "VIEW",
        _ => "BASE TABLE",
    };
    strings(vec![
        ("table_catalog", each(&|_| DATABASE.to_owned())),
        ("table_schema", each(&|table| table.schema.clone())),
        ("table_name", each(&|table| table.name.clone())),
        ("table_type", each(&|table| kind(table).to_owned())),
        ("is_insertable_into", each(&|_| "NO".to_owned())),
        ("is_typed", each(&|_| "NO".to_owned())),
    ])
}

fn schemata(catalog: &dyn CatalogProvider) -> Result<RecordBatch> {
    let mut names = catalog.schema_names();
    names.sort();
    names.extend([INFORMATION_SCHEMA.to_owned(), PG_CATALOG.to_owned()]);
    let all = |value: &str| -> Texts { names.iter().map(|_| Some(value.to_owned())).collect() };
    strings(vec![
        ("catalog_name", all(DATABASE)),
        ("schema_name", names.iter().cloned().map(Some).collect()),
        ("schema_owner", all(OWNER)),
        ("default_character_set_catalog", names.iter().map(|_| None).collect()),
        ("default_character_set_schema", names.iter().map(|_| None).collect()),
        ("default_character_set_name", names.iter().map(|_| None).collect()),
        ("sql_path", names.iter().map(|_| None).collect()),
    ])
}

fn columns(tables: &[ListedTable]) -> Result<RecordBatch> {
    struct Row<'a> {
        table: &'a ListedTable,
        field: &'a Field,
        position: i32,
        pg_type: Type,
    }
    let mut rows = Vec::new();
    for table in tables {
        for (index, field) in table.columns.fields().iter().enumerate() {
            let pg_type = pg_type(field.data_type()).unwrap_or(Type::TEXT);
            rows.push(Row { table, field, position: index as i32 + 1, pg_type });
        }
    }
    let text = |value: &dyn Fn(&Row<'_>) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from(rows.iter().map(value).collect::<Texts>()))
    };
    let number = |value: &dyn Fn(&Row<'_>) -> Option<i32>| -> ArrayRef {
        Arc::new(Int32Array::from(rows.iter().map(value).collect::<Vec<_>>()))
    };
    let columns = vec![
        ("table_catalog", text(&|_| Some(DATABASE.to_owned()))),
        ("table_schema", text(&|row| Some(row.table.schema.clone()))),
        ("table_name", text(&|row| Some(row.table.name.clone()))),
        ("column_name", text(&|row| Some(row.field.name().clone()))),
        ("ordinal_position", number(&|row| Some(row.position))),
        ("column_default", text(&|_| None)),
        ("is_nullable", text(&|row| Some(if row.field.is_nullable() { "YES" } else { "NO" }.to_owned()))),
        ("data_type", text(&|row| Some(type_name(&row.pg_type).to_owned()))),
        ("character_maximum_length", number(&|_| None)),
        ("character_octet_length", number(&|_| None)),
        ("numeric_precision", number(&|row| decimal(row.field.data_type()).map(|(precision, _)| precision))),
        ("numeric_precision_radix", number(&|row| decimal(row.field.data_type()).map(|_| 10))),
        ("numeric_scale", number(&|row| decimal(row.field.data_type()).map(|(_, scale)| scale))),
        ("datetime_precision", number(&|row| second_digits(row.field.data_type()))),
        ("interval_type", text(&|_| None)),
        ("udt_catalog", text(&|_| Some(DATABASE.to_owned()))),
        ("udt_schema", text(&|_| Some(PG_CATALOG.to_owned()))),
        ("udt_name", text(&|row| Some(row.pg_type.name().to_owned()))),
        ("is_identity", text(&|_| Some("NO".to_owned()))),
        ("is_generated", text(&|_| Some("NEVER".to_owned()))),
        ("is_updatable", text(&|_| Some("NO".to_owned()))),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true)))?)
}

fn decimal(data_type: &DataType) -> Option<(i32, i32)> {
    match data_type {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            Some((i32::from(*precision), i32::from(*scale)))
        }
        _ => None,
    }
}

fn second_digits(data_type: &DataType) -> Option<i32> {
    use datafusion::arrow::datatypes::TimeUnit;
    match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => Some(0),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some(3),
        DataType::Timestamp(..) => Some(6),
        _ => None,
    }
}
