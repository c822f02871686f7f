//! CREATE and DROP: what they add to the pipeline and take from it.

use super::column::{self, resolve_columns};
use super::resolve::{Found, Resolver};
use super::{Catalog, CatalogKind, Database, Table, View};
use crate::connector::{Connector, PaimonShape, kafka_table, paimon_catalog, paimon_table};
use crate::diagnostic::Problem;
use crate::name::{TablePath, did_you_mean};
use crate::statement::{CreateCatalog, CreateDatabase, CreateTable, CreateView, Drop, ObjectKind};
use crate::tokens::Parsed;

impl Resolver<'_> {
    pub(super) fn create_catalog(&mut self, create: CreateCatalog) -> Parsed<()> {
        let (name, span) = (create.name.value, create.name.span);
        if self.catalog_kind(&name).is_some() || self.broken_catalogs.contains(&name) {
            return if create.if_not_exists { Ok(()) } else { Err(exists(ObjectKind::Catalog, &name, span)) };
        }
        let options = create.options;
        let kind = match options.entry("type") {
            _ if create.incomplete => Err(Vec::new()),
            None => Err(vec![Problem::new(options.span, "option 'type' is missing").hint("write 'type' = 'paimon'")]),
            Some(entry) => match entry.value.as_str() {
                "paimon" => paimon_catalog(&options).map(|warehouse| CatalogKind::Paimon { warehouse }),
                "generic_in_memory" => Ok(CatalogKind::InMemory),
                other => Err(vec![
                    Problem::new(entry.value_span, format!("catalog type '{other}' runs on Flink only"))
                        .maybe_hint(did_you_mean(other, ["paimon", "generic_in_memory"])),
                ]),
            },
        };
        match kind {
            Ok(kind) => self.pipeline.catalogs.push(Catalog { name, kind, options, span }),
            Err(problems) => {
                self.broken_catalogs.insert(name);
                self.add_all(problems);
            }
        }
        Ok(())
    }

    pub(super) fn create_database(&mut self, create: CreateDatabase) -> Parsed<()> {
        let span = create.path.span;
        let (catalog, name) = self.scope.database_path(&create.path.parts);
        self.check_catalog(&catalog, span)?;
        if self.database_exists(&catalog, &name) {
            let full = format!("{catalog}.{name}");
            return if create.if_not_exists { Ok(()) } else { Err(exists(ObjectKind::Database, &full, span)) };
        }
        let CreateDatabase { comment, options, .. } = create;
        self.pipeline.databases.push(Database { catalog, name, comment, options, span });
        Ok(())
    }

    pub(super) fn create_table(&mut self, create: CreateTable) -> Parsed<()> {
        let span = create.path.span;
        let path = self.scope.table_path(&create.path.parts);
        if let Err(problem) = self.check_database(&path.catalog, &path.database, span) {
            self.broken_tables.insert(path);
            return Err(problem);
        }
        if self.find(&path).is_some() && !self.broken_catalogs.contains(&path.catalog) {
            return if create.if_not_exists {
                Ok(())
            } else {
                Err(exists(ObjectKind::Table, &self.shown(&path), span))
            };
        }
        let (columns, mut problems) = resolve_columns(&create);
        let connector = match self.connector(&create, &path) {
            Ok(connector) => Some(connector),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        let watermark = match column::watermark(&create, &columns) {
            Ok(watermark) => watermark,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        if let Some(connector) = &connector {
            problems.extend(column::unfit_for_connector(&create, &columns, connector));
        }
        match connector {
            Some(connector) if problems.is_empty() && !create.incomplete => self.pipeline.tables.push(Table {
                path,
                temporary: create.temporary,
                watermark,
                primary_key: column::values(create.primary_key.as_deref().unwrap_or_default()),
                partition_keys: column::values(&create.partition_keys),
                columns,
                comment: create.comment,
                options: create.options,
                span,
                connector,
            }),
            _ => {
                self.broken_tables.insert(path);
                self.add_all(problems);
            }
        }
        Ok(())
    }

    /// What the table's options and its catalog make of it. An empty list of problems: they are reported elsewhere.
    fn connector(&self, create: &CreateTable, path: &TablePath) -> Result<Connector, Vec<Problem>> {
        let options = &create.options;
        let in_lake = match self.catalog_kind(&path.catalog) {
            Some(kind) => matches!(kind, CatalogKind::Paimon { .. }),
            None => return Err(Vec::new()),
        };
        match options.entry("connector") {
            None if in_lake && create.temporary => Err(vec![
                Problem::new(create.path.span, "a temporary table is not kept in the lake, so it needs a 'connector'")
                    .hint("write CREATE TABLE for a lake table"),
            ]),
            None if in_lake => {
                let primary_key = column::values(create.primary_key.as_deref().unwrap_or_default());
                let partition_keys = column::values(&create.partition_keys);
                let shape = PaimonShape { primary_key: &primary_key, partition_keys: &partition_keys };
                paimon_table(options, &shape).map(Connector::Paimon)
            }
            // without WITH, or with a mistake in it, one report is enough
            None if create.incomplete => Err(Vec::new()),
            None => Err(vec![
                Problem::new(
                    if options.is_empty() { create.path.span } else { options.span },
                    "option 'connector' is missing",
                )
                .hint("write WITH ('connector' = 'kafka', …), or create the table in a catalog of 'type' = 'paimon'"),
            ]),
            Some(entry) => match entry.value.as_str() {
                "kafka" if in_lake && !create.temporary => Err(vec![
                    Problem::new(
                        entry.value_span,
                        format!("a topic cannot be kept in Paimon catalog \"{}\"", path.catalog),
                    )
                    .hint("write CREATE TEMPORARY TABLE, or create it in the default catalog"),
                ]),
                "kafka" => kafka_table(options).map(Connector::Kafka),
                "paimon" => Err(vec![
                    Problem::new(entry.value_span, "connector 'paimon' runs on Flink only")
                        .hint("create the table in a catalog of 'type' = 'paimon', without 'connector'"),
                ]),
                other => Err(vec![
                    Problem::new(entry.value_span, format!("connector '{other}' runs on Flink only")).maybe_hint(
                        did_you_mean(other, ["kafka"])
                            .or_else(|| Some("hoga reads 'kafka' and Paimon catalogs".to_owned())),
                    ),
                ]),
            },
        }
    }

    pub(super) fn create_view(&mut self, create: CreateView) -> Parsed<()> {
        let span = create.path.span;
        let path = self.scope.table_path(&create.path.parts);
        if let Err(problem) = self.check_database(&path.catalog, &path.database, span) {
            self.broken_tables.insert(path);
            return Err(problem);
        }
        if self.find(&path).is_some() {
            return if create.if_not_exists { Ok(()) } else { Err(exists(ObjectKind::View, &self.shown(&path), span)) };
        }
        let Some(mut query) = create.query else {
            self.broken_tables.insert(path);
            return Ok(());
        };
        let inputs = self.resolve_relations(&mut query);
        let columns = column::values(&create.columns);
        let arity = super::job::arity_problem(&query, columns.len(), "this view names");
        match (inputs, arity) {
            (Some(inputs), problem) if problem.is_none() || columns.is_empty() => {
                let CreateView { temporary, comment, .. } = create;
                self.pipeline.views.push(View { path, temporary, columns, comment, query, inputs, span });
                Ok(())
            }
            (_, problem) => {
                self.broken_tables.insert(path);
                problem.filter(|_| !columns.is_empty()).map_or(Ok(()), Err)
            }
        }
    }

    pub(super) fn drop_object(&mut self, drop: &Drop) -> Parsed<()> {
        match drop.kind {
            ObjectKind::Catalog => self.drop_catalog(drop),
            ObjectKind::Database => self.drop_database(drop),
            ObjectKind::Table | ObjectKind::View => self.drop_table(drop),
        }
    }

    fn drop_catalog(&mut self, drop: &Drop) -> Parsed<()> {
        let Some(name) = drop.path.parts.first().map(|part| part.value.clone()) else { return Ok(()) };
        if let Err(problem) = self.check_catalog(&name, drop.path.span) {
            return if drop.if_exists { Ok(()) } else { Err(problem) };
        }
        if name == self.scope.catalog {
            return Err(Problem::new(drop.path.span, format!("catalog \"{name}\" is the current one"))
                .hint("USE another one first"));
        }
        self.broken_catalogs.remove(&name);
        let pipeline = &mut self.pipeline;
        pipeline.catalogs.retain(|catalog| catalog.name != name);
        pipeline.databases.retain(|database| database.catalog != name);
        pipeline.tables.retain(|table| table.path.catalog != name);
        pipeline.views.retain(|view| view.path.catalog != name);
        Ok(())
    }

    fn drop_database(&mut self, drop: &Drop) -> Parsed<()> {
        let (catalog, name) = self.scope.database_path(&drop.path.parts);
        self.refuse_dropping_data(drop, &catalog)?;
        if let Err(problem) = self.check_database(&catalog, &name, drop.path.span) {
            return if drop.if_exists { Ok(()) } else { Err(problem) };
        }
        let pipeline = &mut self.pipeline;
        pipeline.databases.retain(|database| (&database.catalog, &database.name) != (&catalog, &name));
        pipeline.tables.retain(|table| (&table.path.catalog, &table.path.database) != (&catalog, &name));
        pipeline.views.retain(|view| (&view.path.catalog, &view.path.database) != (&catalog, &name));
        Ok(())
    }

    fn drop_table(&mut self, drop: &Drop) -> Parsed<()> {
        let path = self.scope.table_path(&drop.path.parts);
        let temporary = self.pipeline.table(&path).is_some_and(|table| table.temporary);
        if drop.kind == ObjectKind::Table && !temporary {
            self.refuse_dropping_data(drop, &path.catalog)?;
        }
        let wanted = if drop.kind == ObjectKind::Table { Found::Table } else { Found::View };
        match self.find(&path) {
            Some(found) if found == wanted => {
                self.pipeline.tables.retain(|table| table.path != path);
                self.pipeline.views.retain(|view| view.path != path);
                Ok(())
            }
            Some(Found::Broken) => {
                self.broken_tables.remove(&path);
                Ok(())
            }
            Some(_) => {
                Err(Problem::new(drop.path.span, format!("\"{}\" is not a {}", self.shown(&path), drop.kind.word())))
            }
            None if drop.if_exists => Ok(()),
            None => Err(self.missing(drop.kind, &path, drop.path.span)),
        }
    }

    /// A pipeline is run at every start: it must not delete what it wrote before.
    fn refuse_dropping_data(&self, drop: &Drop, catalog: &str) -> Parsed<()> {
        if !matches!(self.catalog_kind(catalog), Some(CatalogKind::Paimon { .. })) {
            return Ok(());
        }
        let message =
            format!("DROP {} in the lake would delete its data at every start", drop.kind.word().to_uppercase());
        Err(Problem::new(drop.path.span, message).hint("drop it once, by hand, outside the pipeline"))
    }
}

fn exists(kind: ObjectKind, name: &str, span: sqlparser::tokenizer::Span) -> Problem {
    Problem::new(span, format!("{} \"{name}\" already exists", kind.word()))
        .hint(format!("CREATE {} IF NOT EXISTS keeps the first one", kind.word().to_uppercase()))
}
