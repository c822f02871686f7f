//! The tables of one database, each pinned to this moment; beside each, found by name and never listed, its system tables.

use super::provider::PinnedTable;
use super::system::SystemRows;
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result, plan_err};
use hoga_lake::{LiveTable, SystemTable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Between a table's name and that of its system table, as in Paimon.
const SYSTEM_SEPARATOR: char = '$';

#[derive(Debug, Default)]
pub(super) struct PinnedTables {
    tables: BTreeMap<String, (Arc<LiveTable>, Arc<PinnedTable>)>,
}

impl PinnedTables {
    /// Pins a table to this moment.
    pub(super) fn add(&mut self, table: &Arc<LiveTable>) {
        let pinned = Arc::new(PinnedTable::new(table.view()));
        self.tables.insert(table.table().to_owned(), (Arc::clone(table), pinned));
    }
}

#[async_trait]
impl SchemaProvider for PinnedTables {
    /// Without the system tables: psql's `\d` and completion would drown in them.
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if let Some((_, pinned)) = self.tables.get(name) {
            return Ok(Some(Arc::clone(pinned) as Arc<dyn TableProvider>));
        }
        let Some((base, system)) = name.split_once(SYSTEM_SEPARATOR) else { return Ok(None) };
        let Some((live, _)) = self.tables.get(base) else { return Ok(None) };
        match SystemTable::of_name(system) {
            Some(system) => Ok(Some(Arc::new(SystemRows::new(Arc::clone(live), system)))),
            None => {
                let known = SystemTable::ALL.map(|system| format!("\"{base}{SYSTEM_SEPARATOR}{}\"", system.name()));
                plan_err!("table \"{base}\" has no system table \"{system}\"; there are {}", known.join(", "))
            }
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        let system = || name.split_once(SYSTEM_SEPARATOR);
        self.tables.contains_key(name)
            || system()
                .is_some_and(|(base, system)| self.tables.contains_key(base) && SystemTable::of_name(system).is_some())
    }
}
