//! The tables of one database, each pinned to this moment; beside each, found by name and never listed, its system tables and
//! its past: `trade`, `trade$files`, `trade@scan.snapshot-id=3`, `trade$files@scan.tag-name=month-end`.

use super::audit::ChangesTable;
use super::lake_error;
use super::provider::PinnedTable;
use super::system::SystemRows;
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result, plan_err};
use hoga_lake::{Between, LiveTable, Moment, Span, SystemTable, View};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Between a table's name and that of its system table, as in Paimon.
const SYSTEM_SEPARATOR: char = '$';
/// Before the option that says which moment; statements get there by Flink's hints.
const MOMENT_SEPARATOR: char = '@';

/// The changes of a table: not made from its metadata, as the others are.
const AUDIT_LOG: &str = "audit_log";

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
        let Name { base, system, option } = Name::of(name);
        let Some((live, pinned)) = self.tables.get(base) else { return Ok(None) };
        let asked = Asked::of(option)?;
        let rows_of = |system, moment| Arc::new(SystemRows::new(Arc::clone(live), system, moment));
        Ok(Some(match (system, asked) {
            (None, Asked::Now) => Arc::clone(pinned) as Arc<dyn TableProvider>,
            (None, Asked::Then(moment)) => Arc::new(PinnedTable::new(view_at(live, &moment).await?)),
            (Some(AUDIT_LOG), asked) => {
                let (view, between) = match asked {
                    Asked::Now => (pinned.view().clone(), None),
                    Asked::Then(moment) => (view_at(live, &moment).await?, None),
                    Asked::Changes(span) => (pinned.view().clone(), Some(between(live, &span).await?)),
                };
                let log = Box::pin(live.audit_log(view, between)).await.map_err(lake_error)?;
                Arc::new(ChangesTable::Log(log))
            }
            (Some(system), asked) => match (SystemTable::of_name(system), asked) {
                (None, _) => return plan_err!("{}", unknown(base, system)),
                (Some(_), Asked::Changes(_)) => return no_changes(base, system),
                (Some(system), Asked::Now) => rows_of(system, None),
                (Some(system), Asked::Then(moment)) => rows_of(system, Some(moment)),
            },
            (None, Asked::Changes(span)) => {
                let between = between(live, &span).await?;
                let rows = Box::pin(live.changed_rows(pinned.view().clone(), between)).await.map_err(lake_error)?;
                Arc::new(ChangesTable::Rows(rows))
            }
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        let Name { base, system, .. } = Name::of(name);
        self.tables.contains_key(name)
            || (self.tables.contains_key(base)
                && system.is_none_or(|name| name == AUDIT_LOG || SystemTable::of_name(name).is_some()))
    }
}

/// The parts of `trade$files@scan.snapshot-id=3`.
struct Name<'a> {
    base: &'a str,
    system: Option<&'a str>,
    option: Option<&'a str>,
}

impl Name<'_> {
    fn of(name: &str) -> Name<'_> {
        let (table, option) = match name.split_once(MOMENT_SEPARATOR) {
            Some((table, option)) => (table, Some(option)),
            None => (name, None),
        };
        match table.split_once(SYSTEM_SEPARATOR) {
            Some((base, system)) => Name { base, system: Some(system), option },
            None => Name { base: table, system: None, option },
        }
    }
}

/// What of a table is to be read.
enum Asked {
    Now,
    Then(Moment),
    Changes(Span),
}

impl Asked {
    fn of(option: Option<&str>) -> Result<Asked> {
        let Some(option) = option else { return Ok(Asked::Now) };
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let asked = match name {
            name if Span::OPTIONS.contains(&name) => Span::of_option(name, value).map(Asked::Changes),
            name => Moment::of_option(name, value).map(Asked::Then),
        };
        asked.map_err(DataFusionError::Execution)
    }
}

async fn view_at(live: &LiveTable, moment: &Moment) -> Result<View> {
    Box::pin(live.view_at(moment)).await.map_err(lake_error)
}

async fn between(live: &LiveTable, span: &Span) -> Result<Between> {
    Box::pin(live.between(span)).await.map_err(lake_error)
}

fn unknown(base: &str, system: &str) -> String {
    let known = SystemTable::ALL.iter().map(|system| system.name()).chain([AUDIT_LOG]);
    let known: Vec<String> = known.map(|name| format!("\"{base}{SYSTEM_SEPARATOR}{name}\"")).collect();
    format!("table \"{base}\" has no system table \"{system}\"; there are {}", known.join(", "))
}

fn no_changes<T>(base: &str, system: &str) -> Result<T> {
    let [option, _] = Span::OPTIONS;
    plan_err!(
        "\"{base}{SYSTEM_SEPARATOR}{system}\" has no changes: '{option}' reads \"{base}\" or \"{base}{SYSTEM_SEPARATOR}{AUDIT_LOG}\""
    )
}
