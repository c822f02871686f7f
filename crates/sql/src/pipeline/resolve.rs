//! Walks the statements in order, as Flink would run them, and keeps what they define.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlparser::ast::Ident;
use sqlparser::tokenizer::Span;

use super::scope::Scope;
use super::{CatalogKind, DEFAULT_CATALOG, DEFAULT_DATABASE, Pipeline};
use crate::diagnostic::{Diagnostics, Problem};
use crate::name::{TablePath, did_you_mean, quoted};
use crate::settings::Settings;
use crate::source::Source;
use crate::statement::{ObjectKind, ObjectPath, Statement};
use crate::tokens::Parsed;

/// The database that a new catalog has from the start, in Flink and in Paimon.
const CATALOG_DEFAULT_DATABASE: &str = "default";

pub(super) struct Resolver<'a> {
    pub(super) source: &'a Source,
    diagnostics: &'a mut Diagnostics,
    pub(super) pipeline: Pipeline,
    pub(super) scope: Scope,
    /// Catalogs with a mistake of their own: they exist, and nothing more is known.
    pub(super) broken_catalogs: BTreeSet<String>,
    /// Tables and views with a mistake of their own.
    pub(super) broken_tables: BTreeSet<TablePath>,
    pub(super) statement_sets: usize,
}

/// What a table name in a query leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Table,
    View,
    /// Its definition has a mistake, which is reported there.
    Broken,
}

pub(super) fn resolve(source: &Arc<Source>, statements: Vec<Statement>, diagnostics: &mut Diagnostics) -> Pipeline {
    let pipeline = Pipeline {
        settings: Settings::default(),
        catalogs: Vec::new(),
        databases: Vec::new(),
        tables: Vec::new(),
        views: Vec::new(),
        jobs: Vec::new(),
        source: Arc::clone(source),
    };
    let scope = Scope { catalog: DEFAULT_CATALOG.to_owned(), database: DEFAULT_DATABASE.to_owned() };
    let mut resolver = Resolver {
        source,
        diagnostics,
        pipeline,
        scope,
        broken_catalogs: BTreeSet::new(),
        broken_tables: BTreeSet::new(),
        statement_sets: 0,
    };
    for statement in statements {
        if let Err(problem) = resolver.statement(statement) {
            resolver.add(problem);
        }
    }
    resolver.pipeline
}

impl Resolver<'_> {
    fn statement(&mut self, statement: Statement) -> Parsed<()> {
        match statement {
            Statement::CreateCatalog(catalog) => self.create_catalog(catalog),
            Statement::CreateDatabase(database) => self.create_database(database),
            Statement::CreateTable(table) => self.create_table(*table),
            Statement::CreateView(view) => self.create_view(*view),
            Statement::Drop(drop) => self.drop_object(&drop),
            Statement::UseCatalog(name) => self.use_catalog(&name),
            Statement::UseDatabase(path) => self.use_database(&path),
            Statement::Set { key, value, value_span } => self.pipeline.settings.set(key, value, value_span),
            Statement::Reset { key } => {
                self.pipeline.settings.reset(key.as_deref());
                Ok(())
            }
            Statement::Insert(insert) => self.insert(*insert, None),
            Statement::Inserts(inserts) => {
                let number = self.statement_sets;
                self.statement_sets += 1;
                for insert in inserts {
                    if let Err(problem) = self.insert(insert, Some(number)) {
                        self.add(problem);
                    }
                }
                Ok(())
            }
        }
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.source.report(problem, self.diagnostics);
    }

    pub(super) fn add_all(&mut self, problems: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.add(problem));
    }

    fn use_catalog(&mut self, name: &Ident) -> Parsed<()> {
        self.check_catalog(&name.value, name.span)?;
        let database = if name.value == DEFAULT_CATALOG { DEFAULT_DATABASE } else { CATALOG_DEFAULT_DATABASE };
        self.scope = Scope { catalog: name.value.clone(), database: database.to_owned() };
        Ok(())
    }

    fn use_database(&mut self, path: &ObjectPath) -> Parsed<()> {
        let (catalog, database) = self.scope.database_path(&path.parts);
        self.check_database(&catalog, &database, path.span)?;
        self.scope = Scope { catalog, database };
        Ok(())
    }

    pub(super) fn catalog_kind(&self, name: &str) -> Option<CatalogKind> {
        if name == DEFAULT_CATALOG {
            return Some(CatalogKind::InMemory);
        }
        self.pipeline.catalog(name).map(|catalog| catalog.kind.clone())
    }

    pub(super) fn check_catalog(&self, name: &str, span: Span) -> Parsed<()> {
        if self.catalog_kind(name).is_some() || self.broken_catalogs.contains(name) {
            return Ok(());
        }
        let known = self.pipeline.catalogs.iter().map(|catalog| catalog.name.as_str()).chain([DEFAULT_CATALOG]);
        Err(Problem::new(span, format!("catalog \"{name}\" does not exist")).maybe_hint(
            did_you_mean(name, known).or_else(|| Some(format!("create it with CREATE CATALOG {name} WITH (…)"))),
        ))
    }

    pub(super) fn database_exists(&self, catalog: &str, database: &str) -> bool {
        let built_in = if catalog == DEFAULT_CATALOG { DEFAULT_DATABASE } else { CATALOG_DEFAULT_DATABASE };
        let created = |known: &super::Database| known.catalog == catalog && known.name == database;
        database == built_in || self.pipeline.databases.iter().any(created)
    }

    pub(super) fn check_database(&self, catalog: &str, database: &str, span: Span) -> Parsed<()> {
        self.check_catalog(catalog, span)?;
        if self.database_exists(catalog, database) || self.broken_catalogs.contains(catalog) {
            return Ok(());
        }
        let known =
            self.pipeline.databases.iter().filter(|known| known.catalog == catalog).map(|known| known.name.as_str());
        let hint = did_you_mean(database, known)
            .unwrap_or_else(|| format!("create it with CREATE DATABASE IF NOT EXISTS {catalog}.{database}"));
        Err(Problem::new(span, format!("database \"{catalog}.{database}\" does not exist")).hint(hint))
    }

    pub(super) fn find(&self, path: &TablePath) -> Option<Found> {
        if self.broken_tables.contains(path) || self.broken_catalogs.contains(&path.catalog) {
            Some(Found::Broken)
        } else if self.pipeline.table(path).is_some() {
            Some(Found::Table)
        } else if self.pipeline.view(path).is_some() {
            Some(Found::View)
        } else {
            None
        }
    }

    /// Why a table is not there: its catalog, its database, or itself; with the name that was most likely meant.
    pub(super) fn missing(&self, kind: ObjectKind, path: &TablePath, span: Span) -> Problem {
        if let Err(problem) = self.check_database(&path.catalog, &path.database, span) {
            return problem;
        }
        let tables = self.pipeline.tables.iter().map(|table| &table.path);
        let views = self.pipeline.views.iter().map(|view| &view.path);
        let known: Vec<&TablePath> = tables.chain(views).chain(&self.broken_tables).collect();
        let beside = known.iter().filter(|known| (&known.catalog, &known.database) == (&path.catalog, &path.database));
        let elsewhere = known.iter().find(|known| known.table == path.table);
        let hint = elsewhere
            .map(|known| format!("did you mean {known}?"))
            .or_else(|| did_you_mean(&path.table, beside.map(|known| known.table.as_str())));
        Problem::new(span, format!("{} \"{}\" does not exist", kind.word(), self.shown(path))).maybe_hint(hint)
    }

    /// A path as messages name it: without the catalog and database that are current.
    pub(super) fn shown(&self, path: &TablePath) -> String {
        let current = (&path.catalog, &path.database) == (&self.scope.catalog, &self.scope.database);
        if current { quoted(&path.table) } else { path.to_string() }
    }
}
