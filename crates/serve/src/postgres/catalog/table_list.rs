//! Names and columns of the user's tables, in a fixed order, without the tables: nothing stays pinned by it.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::CatalogProvider;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;

use super::super::DATABASE;
use super::{INFORMATION_SCHEMA, PG_CATALOG};

#[derive(Debug, Clone)]
pub(super) struct ListedTable {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: SchemaRef,
    pub(super) table_type: TableType,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TableList(Arc<RwLock<Arc<Vec<ListedTable>>>>);

impl TableList {
    pub(super) async fn refresh(&self, catalog: &dyn CatalogProvider) -> Result<()> {
        let tables = Arc::new(list(catalog).await?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tables;
        Ok(())
    }

    pub(super) fn get(&self) -> Arc<Vec<ListedTable>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, schema: &str, name: &str) -> Option<ListedTable> {
        self.get().iter().find(|table| table.schema == schema && table.name == name).cloned()
    }
}

/// All tables of a pinned catalog, by schema and name.
pub(super) async fn list(catalog: &dyn CatalogProvider) -> Result<Vec<ListedTable>> {
    let mut tables = Vec::new();
    let mut schemas = catalog.schema_names();
    schemas.sort();
    for schema_name in schemas {
        let Some(schema) = catalog.schema(&schema_name) else { continue };
        let mut names = schema.table_names();
        names.sort();
        for name in names {
            if let Some(table) = schema.table(&name).await? {
                let (columns, table_type) = (table.schema(), table.table_type());
                tables.push(ListedTable { schema: schema_name.clone(), name, columns, table_type });
            }
        }
    }
    Ok(tables)
}

/// What `pg_class` and its like are made from. The system's own tables are not listed in them.
#[async_trait]
impl CatalogInfo for TableList {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(vec![DATABASE.to_owned()])
    }

    async fn schema_names(&self, _catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        let mut names: Vec<String> = self.get().iter().map(|table| table.schema.clone()).collect();
        names.dedup();
        names.extend([PG_CATALOG.to_owned(), INFORMATION_SCHEMA.to_owned()]);
        Ok(Some(names))
    }

    async fn table_names(&self, _catalog: &str, schema: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok(Some(self.get().iter().filter(|table| table.schema == schema).map(|table| table.name.clone()).collect()))
    }

    async fn table_schema(&self, _: &str, schema: &str, table: &str) -> Result<Option<SchemaRef>, DataFusionError> {
        Ok(self.find(schema, table).map(|table| table.columns))
    }

    async fn table_type(&self, _: &str, schema: &str, table: &str) -> Result<Option<TableType>, DataFusionError> {
        Ok(self.find(schema, table).map(|table| table.table_type))
    }
}
