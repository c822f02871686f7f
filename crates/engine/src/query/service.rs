//! The query service: one runtime and one set of functions for all, one pinned catalog for each statement.

use super::doubles::FastDoubles;
use super::early_rows::EarlyRows;
use super::tables::PinnedTables;
use arrow::array::AsArray;
use arrow::array::timezone::Tz;
use arrow::datatypes::Int64Type;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::{SessionConfig, SessionContext};
use hoga_lake::LiveTable;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The database of the PostgreSQL wire.
const CATALOG: &str = "hoga";
/// The schema that unqualified names are looked up in.
const SCHEMA: &str = "upbit";

#[derive(Debug, Clone)]
pub struct QueryLimits {
    /// All queries together; what needs more spills to disk.
    pub memory_bytes: usize,
    /// Threads' worth of work a query is split into.
    pub partitions: usize,
    /// Where sorts and aggregates spill.
    pub spill_folder: PathBuf,
}

/// Makes sessions. Cheap to share.
pub struct QueryService {
    tables: Vec<Arc<LiveTable>>,
    state: SessionState,
}

impl QueryService {
    pub fn new(tables: Vec<Arc<LiveTable>>, limits: &QueryLimits) -> Result<QueryService> {
        let disk =
            DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![limits.spill_folder.clone()]));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_information_schema(true)
            .with_target_partitions(limits.partitions);
        // strings are Utf8 in the lake tables; a literal should not turn them into views and back
        config.options_mut().sql_parser.map_string_types_to_utf8view = false;
        let mut state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_optimizer_rule(Arc::new(FastDoubles::new()))
            .with_physical_optimizer_rule(Arc::new(EarlyRows))
            .build();
        let utc: Tz = crate::types::UTC.parse().map_err(DataFusionError::from)?;
        for function in crate::functions::flink_functions(utc) {
            datafusion::execution::FunctionRegistry::register_udf(&mut state, Arc::new(function))?;
        }
        super::first_last::register(&mut state)?;
        Ok(QueryService { tables, state })
    }

    /// A session for one statement: all its tables show this moment, however long the statement runs.
    pub fn session(&self) -> Result<SessionContext> {
        let mut state = self.state.clone();
        state.register_catalog_list(self.pinned_catalogs()?);
        Ok(SessionContext::new_with_state(state))
    }

    /// The first column of a statement's answer, which has to be BIGINT; NULLs are left out. For what the program itself asks: all of it is kept
    /// in memory.
    pub async fn bigints(&self, sql: &str) -> Result<Vec<i64>> {
        let batches = self.session()?.sql(sql).await?.collect().await?;
        let mut values = Vec::new();
        for batch in &batches {
            let column = batch.column(0).as_primitive_opt::<Int64Type>().ok_or_else(|| {
                DataFusionError::Plan(format!("a BIGINT is expected, not {}", batch.column(0).data_type()))
            })?;
            values.extend(column.iter().flatten());
        }
        Ok(values)
    }

    fn pinned_catalogs(&self) -> Result<Arc<dyn CatalogProviderList>> {
        let mut databases: BTreeMap<&str, PinnedTables> = BTreeMap::new();
        for table in &self.tables {
            databases.entry(table.database()).or_default().add(table);
        }
        let catalog = MemoryCatalogProvider::new();
        for (database, tables) in databases {
            catalog.register_schema(database, Arc::new(tables))?;
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        Ok(Arc::new(catalogs))
    }
}
