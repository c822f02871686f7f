//! The system catalogs, `pg_catalog` and `information_schema`, beside the tables of a pinned session.
//!
//! Their static tables (types, operators, … from `datafusion-pg-catalog`) are read once, when a statement first asks.
//! Attaching them to a session costs some microseconds and is done only for statements that mention them. Object ids
//! stay the same from statement to statement, which psql's `\d` counts on.

mod attributes;
mod functions;
mod information_schema;
mod table_list;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog::context::{PgCatalogContextProvider, Role};
use datafusion_pg_catalog::pg_catalog::generate_series_arg_coercion::CoerceIntArgsToBigInt;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables, PgCatalogTable};
use tokio::sync::OnceCell;

use self::attributes::Corrected;
use self::information_schema::InformationSchema;
use self::table_list::TableList;
use super::session::Session;

pub(super) const PG_CATALOG: &str = "pg_catalog";
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

/// Who owns everything.
pub(super) const OWNER: &str = "hoga";

#[derive(Default)]
pub(super) struct SystemCatalog {
    parts: OnceCell<Arc<Parts>>,
}

/// What is built once.
#[derive(Debug)]
struct Parts {
    /// The user's tables, as of the last statement that asked.
    tables: TableList,
    provider: PgCatalogSchemaProvider<TableList, Roles>,
    keywords: Arc<datafusion_pg_catalog::pg_catalog::ArrowTable>,
    functions: Vec<ScalarUDF>,
}

impl SystemCatalog {
    /// Makes the catalogs and PostgreSQL's own functions known to a session.
    pub(super) async fn attach(&self, context: &SessionContext, session: &Arc<Session>) -> Result<()> {
        let parts = self.parts.get_or_try_init(build).await?;
        let state = context.state_ref();
        let (catalogs, name, schema) = {
            let state = state.read();
            let options = &state.config_options().catalog;
            (Arc::clone(state.catalog_list()), options.default_catalog.clone(), options.default_schema.clone())
        };
        let missing = || DataFusionError::Internal(format!("the session has no catalog \"{name}\""));
        let mut own = catalogs.catalog(&name).ok_or_else(missing)?;
        if let Some(attached) = own.downcast_ref::<WithSystemSchemas>() {
            own = Arc::clone(&attached.own);
        }
        let attached = WithSystemSchemas { own, default_schema: schema, parts: Arc::clone(parts) };
        catalogs.register_catalog(name, Arc::new(attached));
        for function in parts.functions.iter().cloned().chain(functions::of_session(session)) {
            context.register_udf(function);
        }
        context.register_udtf("pg_get_keywords", Arc::clone(&parts.keywords) as _);
        CoerceIntArgsToBigInt::widen(context);
        let mut state = state.write();
        state.config_mut().options_mut().catalog.information_schema = false; // ours speaks PostgreSQL's type names
        let with_types =
            SessionStateBuilder::new_from_existing(state.clone()).with_type_planner(Arc::new(PgOidTypePlanner));
        *state = with_types.build();
        Ok(())
    }
}

async fn build() -> Result<Arc<Parts>> {
    let building = || -> Result<Arc<Parts>> {
        let tables = TableList::default();
        let static_tables = Arc::new(PgCatalogStaticTables::try_new()?);
        let keywords = Arc::clone(&static_tables.pg_get_keywords);
        let provider = PgCatalogSchemaProvider::try_new(tables.clone(), static_tables, Roles)?;
        Ok(Arc::new(Parts { tables, provider, keywords, functions: functions::of_server() }))
    };
    // decoding the static tables takes tens of milliseconds
    tokio::task::spawn_blocking(building).await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
}

/// A pinned catalog with the two system schemas beside its own.
#[derive(Debug)]
struct WithSystemSchemas {
    own: Arc<dyn CatalogProvider>,
    default_schema: String,
    parts: Arc<Parts>,
}

impl CatalogProvider for WithSystemSchemas {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.own.schema_names();
        names.retain(|name| name != PG_CATALOG && name != INFORMATION_SCHEMA);
        names.extend([PG_CATALOG.to_owned(), INFORMATION_SCHEMA.to_owned()]);
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let (own, parts) = (Arc::clone(&self.own), Arc::clone(&self.parts));
        match name {
            PG_CATALOG => Some(Arc::new(PgCatalogSchema { own, parts })),
            INFORMATION_SCHEMA => Some(Arc::new(InformationSchema::new(own))),
            // "$user" and public are what tools put into a search path
            "public" => self.own.schema(name).or_else(|| self.own.schema(&self.default_schema)),
            name => self.own.schema(name),
        }
    }
}

/// `pg_catalog`, with the list of tables brought up to date at each look.
#[derive(Debug)]
struct PgCatalogSchema {
    own: Arc<dyn CatalogProvider>,
    parts: Arc<Parts>,
}

#[async_trait]
impl SchemaProvider for PgCatalogSchema {
    fn table_names(&self) -> Vec<String> {
        self.parts.provider.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.parts.tables.refresh(self.own.as_ref()).await?;
        let Some(table) = self.parts.provider.build_table_by_name(name)? else { return Ok(None) };
        Ok(Some(match table {
            PgCatalogTable::Dynamic(stream) => match Corrected::of(name, Arc::clone(&stream), &self.parts.tables) {
                Some(corrected) => {
                    let schema = Arc::clone(datafusion::physical_plan::streaming::PartitionStream::schema(&corrected));
                    Arc::new(StreamingTable::try_new(schema, vec![Arc::new(corrected)])?)
                }
                None => PgCatalogTable::Dynamic(stream).try_into_table_provider()?,
            },
            table => table.try_into_table_provider()?,
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.parts.provider.table_exist(name)
    }
}

/// One role: users are not told apart.
#[derive(Debug, Clone)]
struct Roles;

#[async_trait]
impl PgCatalogContextProvider for Roles {
    async fn roles(&self) -> Vec<String> {
        vec![OWNER.to_owned()]
    }

    async fn role(&self, name: &str) -> Option<Role> {
        (name == OWNER).then(|| Role {
            name: OWNER.to_owned(),
            is_superuser: false,
            can_login: true,
            can_create_db: false,
            can_create_role: false,
            can_create_user: false,
            can_replication: false,
            grants: Vec::new(),
            inherited_roles: Vec::new(),
        })
    }
}
