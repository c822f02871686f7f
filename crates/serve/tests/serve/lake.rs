//! Tables in memory in the place of the lake's: catalog `hoga`, schema `upbit`, pinned at each session.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use hoga_serve::SessionFactory;

/// A growing trade table.
#[derive(Clone, Default)]
pub(crate) struct TradeTable(Arc<Mutex<Vec<RecordBatch>>>);

impl TradeTable {
    pub(crate) fn push(&self, batch: RecordBatch) {
        self.0.lock().expect("no test panicked here").push(batch);
    }

    pub(crate) fn sessions(&self) -> SessionFactory {
        let table = self.clone();
        Arc::new(move || table.session())
    }

    fn session(&self) -> Result<SessionContext, DataFusionError> {
        let batches = self.0.lock().expect("no test panicked here").clone();
        let schema = MemorySchemaProvider::new();
        if let Some(first) = batches.first() {
            let trade = MemTable::try_new(first.schema(), vec![batches])?;
            schema.register_table("trade".to_owned(), Arc::new(trade))?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema("upbit", Arc::new(schema))?;
        let config =
            SessionConfig::new().with_default_catalog_and_schema("hoga", "upbit").with_information_schema(true);
        let session = SessionContext::new_with_config(config);
        session.register_catalog("hoga", Arc::new(catalog));
        Ok(session)
    }
}
