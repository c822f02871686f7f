//! A warehouse, in a directory or in an object store: its databases, its tables, and the lock that makes us its only committer.

use crate::error::{LakeError, Result};
use crate::evolve::{evolved, publish_schema};
use crate::files::Files;
use crate::live::{LiveTable, LiveTableOptions, TableIdentity};
use crate::local_files;
use crate::lock::WarehouseLock;
use crate::paimon_schema::{arrow_schema, check_same, creation_schema};
use crate::primary_key::check_writable;
use crate::spec::TableSpec;
use crate::store::{Store, StoreOptions};
use arrow::datatypes::SchemaRef;
use paimon::catalog::Identifier;
use paimon::io::{FileIO, FileIOBuilder};
use paimon::{Catalog, CatalogOptions, FileSystemCatalog, Options, Table};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Footers of data files that Paimon's reader keeps in memory, the newest ones: some kilobytes each, a few hundred of a large file. Every
/// file that is ever read puts its own there, those of files that were merged long ago too.
const FOOTERS_MAX: &str = "16 mb";

#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// Absolute; created if absent.
    pub warehouse: PathBuf,
    /// Names our commits in every snapshot, and must stay the same across restarts: it is how a commit is recognised.
    pub commit_user: String,
}

/// An open warehouse. While it, or a table of it, is alive, no other process can open it for commits.
#[derive(Debug)]
pub struct Lake {
    catalog: FileSystemCatalog,
    options: LakeOptions,
    /// How Paimon reads and writes the tables' files.
    file_io: FileIO,
    /// None: the warehouse is on the local disk.
    store: Option<Store>,
    /// Of a warehouse on the local disk.
    lock: Option<Arc<WarehouseLock>>,
    /// One [`LiveTable`] for a table: two would each hold half of its tail.
    tables: tokio::sync::Mutex<HashMap<String, Arc<LiveTable>>>,
}

fn catalog(options: impl IntoIterator<Item = (&'static str, String)>) -> Result<FileSystemCatalog> {
    let mut all = Options::new();
    all.set(CatalogOptions::FILE_FORMAT_METADATA_CACHE_MAX_SIZE, FOOTERS_MAX);
    for (key, value) in options {
        all.set(key, value);
    }
    FileSystemCatalog::new(all).map_err(LakeError::paimon("*", "open the warehouse"))
}

impl Lake {
    /// Creates the directory if need be and locks it. Fails at once if another process has it.
    pub fn open(options: LakeOptions) -> Result<Lake> {
        let invalid =
            |reason: &str| LakeError::Warehouse { path: options.warehouse.clone(), reason: reason.to_owned() };
        let Some(warehouse) = options.warehouse.to_str() else {
            return Err(invalid("is not a path in UTF-8; choose another directory"));
        };
        if !options.warehouse.is_absolute() {
            return Err(invalid("is not an absolute path"));
        }
        check_commit_user(&options)?;
        std::fs::create_dir_all(&options.warehouse)
            .map_err(LakeError::io("create the warehouse", &options.warehouse))?;
        let lock = Arc::new(WarehouseLock::acquire(&options.warehouse)?);
        let catalog = catalog([(CatalogOptions::WAREHOUSE, warehouse.to_owned())])?;
        let operator = local_files::operator().map_err(|error| invalid(&error.to_string()))?;
        let file_io = FileIOBuilder::new("file")
            .with_fs_operator(operator)
            .with_prop(CatalogOptions::FILE_FORMAT_METADATA_CACHE_MAX_SIZE, FOOTERS_MAX)
            .build()
            .map_err(LakeError::paimon("*", "open the warehouse"))?;
        Ok(Lake { catalog, options, file_io, store: None, lock: Some(lock), tables: tokio::sync::Mutex::default() })
    }

    /// Opens a warehouse in a store, after it was seen that the store can be one. To be called on the process's runtime.
    ///
    /// Nothing is locked: any number of processes may commit to its tables, each under a commit user of its own.
    pub async fn open_store(store: StoreOptions, commit_user: String) -> Result<Lake> {
        let options = LakeOptions { warehouse: PathBuf::from(&store.location), commit_user };
        check_commit_user(&options)?;
        let bucket = Store::new(&store)?;
        Box::pin(bucket.folder(&store.location).check()).await?;
        let catalog = catalog(store.catalog_options())?;
        let file_io = bucket.file_io(FOOTERS_MAX).map_err(LakeError::paimon("*", "open the warehouse"))?;
        Ok(Lake { catalog, options, file_io, store: Some(bucket), lock: None, tables: tokio::sync::Mutex::default() })
    }

    pub fn warehouse(&self) -> &Path {
        &self.options.warehouse
    }

    /// Creates the database if it does not exist.
    pub async fn ensure_database(&self, database: &str) -> Result<()> {
        self.catalog
            .create_database(database, true, HashMap::new())
            .await
            .map_err(LakeError::paimon(database, "create the database"))
    }

    /// The table, created if it does not exist, and otherwise compared with what is declared: columns that are declared anew
    /// and may be NULL are added to it, a column that differs is an error that names it with both types. A primary-key table
    /// that cannot be written here is refused, and not created. Opened at its latest snapshot, with an empty tail. Asking
    /// again for a table that is open gives the same one.
    pub async fn ensure_table(&self, spec: &TableSpec, settings: LiveTableOptions) -> Result<Arc<LiveTable>> {
        spec.validate()?;
        let spec = &spec.normalized();
        let name = spec.full_name();
        let mut tables = self.tables.lock().await;
        if let Some(open) = tables.get(&name) {
            if open.schema() != &spec.schema {
                return Err(LakeError::InvalidSpec { table: name, reason: "it is open with other columns".to_owned() });
            }
            return Ok(open.clone());
        }
        let creation = creation_schema(spec)?;
        let (keys, partition_keys) = (&spec.primary_keys, &spec.partition_keys);
        check_writable(&name, creation.fields(), keys, partition_keys, creation.options())?;
        self.ensure_database(&spec.database).await?;
        if self.store.is_none() {
            drop_torn_creation(&self.options.warehouse.join(format!("{}.db", spec.database)).join(&spec.table))?;
        }
        let identifier = Identifier::new(&spec.database, &spec.table);
        self.catalog
            .create_table(&identifier, creation, true)
            .await
            .map_err(LakeError::paimon(&name, "create the table"))?;
        let mut table =
            self.catalog.get_table(&identifier).await.map_err(LakeError::paimon(&name, "open the table"))?;
        let schema = table.schema_manager().latest().await.map_err(LakeError::paimon(&name, "read the schema"))?;
        if let Some(next) = schema.as_ref().map_or(Ok(None), |schema| evolved(spec, schema))? {
            publish_schema(&name, &self.files_of(&table), &next).await?;
            table = self.catalog.get_table(&identifier).await.map_err(LakeError::paimon(&name, "open the table"))?;
        }
        check_same(spec, table.schema())?;
        // It keeps its own options, which may not be those declared.
        let existing = table.schema();
        check_writable(
            &name,
            existing.fields(),
            existing.primary_keys(),
            existing.partition_keys(),
            existing.options(),
        )?;
        let live = self.open_live(name.clone(), table, spec.schema.clone(), settings).await?;
        tables.insert(name, live.clone());
        Ok(live)
    }

    /// A table that exists, with the columns it has: for reading a folder whose pipeline is not at hand.
    pub async fn open_table(&self, database: &str, table: &str) -> Result<Arc<LiveTable>> {
        let name = format!("{database}.{table}");
        let mut tables = self.tables.lock().await;
        if let Some(open) = tables.get(&name) {
            return Ok(open.clone());
        }
        let identifier = Identifier::new(database, table);
        let found = self.catalog.get_table(&identifier).await.map_err(LakeError::paimon(&name, "open the table"))?;
        let schema = arrow_schema(&name, found.schema())?;
        let live = self.open_live(name.clone(), found, schema, LiveTableOptions::default()).await?;
        tables.insert(name, live.clone());
        Ok(live)
    }

    /// At its latest snapshot, with an empty tail.
    async fn open_live(
        &self,
        name: String,
        table: Table,
        schema: SchemaRef,
        settings: LiveTableOptions,
    ) -> Result<Arc<LiveTable>> {
        let files = self.files_of(&table);
        if self.store.is_none() {
            drop_stale_hint(files.place())?;
        }
        // the catalog's own way to the files is not the one that was chosen above
        let (identifier, location) = (table.identifier().clone(), table.location().to_owned());
        let table = Table::new(self.file_io.clone(), identifier, location, table.schema().clone(), None);
        let latest = table
            .snapshot_manager()
            .get_latest_snapshot()
            .await
            .map_err(LakeError::paimon(&name, "read the latest snapshot"))?;
        let identity = TableIdentity::new(name, schema, &table)?;
        let user = &self.options.commit_user;
        LiveTable::new(identity, table, files, latest, settings, user, self.lock.clone()).map(Arc::new)
    }

    /// Names of the databases.
    pub async fn list_databases(&self) -> Result<Vec<String>> {
        self.catalog.list_databases().await.map_err(LakeError::paimon("*", "list databases"))
    }

    /// Names of the tables in a database, whoever made them.
    pub async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        self.catalog.list_tables(database).await.map_err(LakeError::paimon(database, "list tables"))
    }

    fn files_of(&self, table: &Table) -> Files {
        let location = table.location();
        match &self.store {
            Some(store) => Files::Store(store.folder(location)),
            None => Files::Disk(PathBuf::from(location.strip_prefix("file:").unwrap_or(location))),
        }
    }
}

fn check_commit_user(options: &LakeOptions) -> Result<()> {
    let user = options.commit_user.as_str();
    if user.is_empty() || !user.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        let reason = "needs a commit user of letters, digits, '-' and '_'".to_owned();
        return Err(LakeError::Warehouse { path: options.warehouse.clone(), reason });
    }
    Ok(())
}

/// A process that was killed while it created a table leaves a schema file that ends early, and nobody can open the table.
/// Nothing can have been committed to it: its empty folder is removed, and the table is created again.
fn drop_torn_creation(directory: &Path) -> Result<()> {
    let schemas = directory.join("schema");
    let first = schemas.join("schema-0");
    let text = match std::fs::read(&first) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LakeError::io("read the schema", &first)(error)),
    };
    if text.trim_ascii_end().ends_with(b"}") || directory.join("snapshot").exists() {
        return Ok(());
    }
    tracing::warn!(table = %directory.display(), "the table was only half created; creating it again");
    std::fs::remove_file(&first).map_err(LakeError::io("remove the torn schema", &first))?;
    // fails if anything else is in them, and then nothing is lost
    std::fs::remove_dir(&schemas).map_err(LakeError::io("remove the schema folder", &schemas))?;
    std::fs::remove_dir(directory).map_err(LakeError::io("remove the table folder", directory))
}

/// `LATEST` names the newest snapshot and is written after it. A power cut can keep the one and lose the other, and the
/// reader would then look for a snapshot that is not there; without the hint it lists the directory.
fn drop_stale_hint(directory: &Path) -> Result<()> {
    let snapshots = directory.join("snapshot");
    let hint = snapshots.join("LATEST");
    let text = match std::fs::read_to_string(&hint) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LakeError::io("read the snapshot hint", &hint)(error)),
    };
    let Ok(id) = text.trim().parse::<i64>() else { return Ok(()) }; // unreadable hints are ignored by the reader
    if snapshots.join(format!("snapshot-{id}")).exists() {
        return Ok(());
    }
    tracing::warn!(hint = %hint.display(), snapshot = id, "the snapshot hint names a snapshot that does not exist; removing the hint");
    std::fs::remove_file(&hint).map_err(LakeError::io("remove the snapshot hint", &hint))
}
