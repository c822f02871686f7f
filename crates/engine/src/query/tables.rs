//! The tables of one database, each pinned to this moment; beside each, found by name and never listed, its system tables and
//! its past: `trade`, `trade$files`, `trade@scan.snapshot-id=3`, `trade$files@scan.tag-name=month-end`.

use super::lake_error;
use super::provider::PinnedTable;
use super::system::SystemRows;
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result, plan_err};
use hoga_lake::{LiveTable, Moment, SystemTable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Between a table's name and that of its system table, as in Paimon.
const SYSTEM_SEPARATOR: char = '$';
/// Before the option that says which moment; statements get there by Flink's hints.
const MOMENT_SEPARATOR: char = '@';

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
        let Name { base, system, moment } = Name::of(name);
        let Some((live, pinned)) = self.tables.get(base) else { return Ok(None) };
        let moment = moment.map(moment_of).transpose()?;
        let Some(system) = system else {
            return Ok(Some(match moment {
                None => Arc::clone(pinned) as Arc<dyn TableProvider>,
                Some(moment) => {
                    let view = Box::pin(live.view_at(&moment)).await.map_err(lake_error)?;
                    Arc::new(PinnedTable::new(view))
                }
            }));
        };
        match SystemTable::of_name(system) {
            Some(system) => Ok(Some(Arc::new(SystemRows::new(Arc::clone(live), system, moment)))),
            None => {
                let known = SystemTable::ALL.map(|system| format!("\"{base}{SYSTEM_SEPARATOR}{}\"", system.name()));
                plan_err!("table \"{base}\" has no system table \"{system}\"; there are {}", known.join(", "))
            }
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        let Name { base, system, .. } = Name::of(name);
        self.tables.contains_key(name)
            || (self.tables.contains_key(base) && system.is_none_or(|name| SystemTable::of_name(name).is_some()))
    }
}

/// The parts of `trade$files@scan.snapshot-id=3`.
struct Name<'a> {
    base: &'a str,
    system: Option<&'a str>,
    moment: Option<&'a str>,
}

impl Name<'_> {
    fn of(name: &str) -> Name<'_> {
        let (table, moment) = match name.split_once(MOMENT_SEPARATOR) {
            Some((table, moment)) => (table, Some(moment)),
            None => (name, None),
        };
        match table.split_once(SYSTEM_SEPARATOR) {
            Some((base, system)) => Name { base, system: Some(system), moment },
            None => Name { base: table, system: None, moment },
        }
    }
}

fn moment_of(option: &str) -> Result<Moment> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    Moment::of_option(name, value).map_err(DataFusionError::Plan)
}
