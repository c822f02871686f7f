//! Plans a whole pipeline: one draft for what several statements share, and every mistake of all of them.

use super::column::Column;
use super::draft::{Draft, DraftId, DraftKind, Drafts};
use super::expression::{Scope, ScopeColumn, Session, column};
use super::source::{source_of, topic_of};
use crate::graph::Changes;
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{Mistake, Pipeline, Settings, Table, TablePath, View};
use std::collections::HashMap;

/// The mistake is among the planner's problems.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told;

pub(super) type Planned<T> = Result<T, Told>;

pub(super) struct Planner<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) drafts: Drafts,
    pub(super) problems: Vec<Mistake>,
    /// Topics that were read, by what their columns depend on. None: the table has a mistake, which is told.
    sources: HashMap<(TablePath, String, Option<u64>), Option<DraftId>>,
    /// Views that keep state, planned once. None: the view has a mistake, which is told.
    views: HashMap<(TablePath, String, Option<u64>), Option<DraftId>>,
    /// Where the ROW_NUMBER() of a draft is written.
    pub(super) ranks: HashMap<DraftId, Span>,
}

/// The statement that is being planned.
#[derive(Clone)]
pub(super) struct Context<'a> {
    pub(super) session: Session,
    pub(super) zone_name: String,
    pub(super) idle_timeout_ms: Option<u64>,
    /// Names of its nodes begin with it.
    pub(super) prefix: String,
    pub(super) statement: Span,
    pub(super) with: Vec<With<'a>>,
}

/// A query of WITH.
#[derive(Clone)]
pub(super) struct With<'a> {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) query: &'a Query,
    /// If it keeps state: planned once.
    pub(super) planned: std::rc::Rc<std::cell::Cell<Option<DraftId>>>,
}

/// A draft with the names that an expression may call its columns by.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) id: DraftId,
    pub(super) scope: Scope,
}

impl<'a> Context<'a> {
    pub(super) fn of_settings(settings: &Settings, prefix: String, statement: Span) -> Result<Context<'a>, Mistake> {
        let zone_name = settings.local_time_zone().unwrap_or(crate::types::UTC).to_owned();
        // Java also writes offsets as GMT+09:00
        let written =
            zone_name.strip_prefix("GMT").filter(|offset| offset.starts_with(['+', '-'])).unwrap_or(&zone_name);
        let zone = written.parse().map_err(|_| {
            Mistake::new(statement, format!("'table.local-time-zone' = '{zone_name}' is not a time zone"))
                .hint("write a name such as Asia/Seoul, or UTC")
        })?;
        let idle_timeout_ms = settings.idle_timeout_ms();
        Ok(Context { session: Session { zone }, zone_name, idle_timeout_ms, prefix, statement, with: Vec::new() })
    }

    pub(super) fn name(&self, what: &str) -> String {
        format!("{}: {what}", self.prefix)
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(pipeline: &'a Pipeline) -> Planner<'a> {
        Planner {
            pipeline,
            drafts: Drafts::default(),
            problems: Vec::new(),
            sources: HashMap::new(),
            views: HashMap::new(),
            ranks: HashMap::new(),
        }
    }

    pub(super) fn tell<T>(&mut self, mistake: Mistake) -> Planned<T> {
        self.problems.push(mistake);
        Err(Told)
    }

    /// The value, or the mistake told.
    pub(super) fn keep<T>(&mut self, found: Result<T, Mistake>) -> Planned<T> {
        found.or_else(|mistake| self.tell(mistake))
    }

    /// A table or view by its full path.
    pub(super) fn table(&mut self, path: &TablePath, context: &Context<'a>, span: Span) -> Planned<DraftId> {
        let pipeline = self.pipeline;
        if let Some(table) = pipeline.table(path) {
            return self.source(table, context, span);
        }
        match pipeline.view(path) {
            Some(view) => self.view(view, context),
            None => self.tell(Mistake::new(span, format!("table {path} does not exist"))),
        }
    }

    pub(super) fn source(&mut self, table: &'a Table, context: &Context<'a>, span: Span) -> Planned<DraftId> {
        let Some(kafka) = topic_of(table) else {
            return self.tell(
                Mistake::new(span, format!("table {} is not a topic", table.path))
                    .hint("reading a lake table as a stream runs on Flink only"),
            );
        };
        let key = (table.path.clone(), context.zone_name.clone(), context.idle_timeout_ms);
        if let Some(known) = self.sources.get(&key) {
            return known.ok_or(Told);
        }
        let id = match source_of(table, kafka, context.session, context.idle_timeout_ms) {
            Ok((source, columns)) => Some(self.drafts.push(Draft {
                name: format!("source {}", kafka.topic),
                kind: DraftKind::Source(Box::new(source)),
                inputs: Vec::new(),
                columns,
                changes: Changes::Append,
                windowed: None,
                is_shared: true,
            })),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        };
        self.sources.insert(key, id);
        id.ok_or(Told)
    }

    fn view(&mut self, view: &'a View, context: &Context<'a>) -> Planned<DraftId> {
        let key = (view.path.clone(), context.zone_name.clone(), context.idle_timeout_ms);
        if let Some(known) = self.views.get(&key) {
            return known.ok_or(Told);
        }
        let inner = Context {
            prefix: format!("view {}", view.path.table),
            statement: view.span,
            with: Vec::new(),
            ..context.clone()
        };
        let before = self.drafts.0.len();
        let planned = self.query(&view.query, &inner).and_then(|id| self.renamed(id, &view.columns, &inner, view.span));
        match planned {
            Ok(id) if self.drafts.keeps_state_since(before) => {
                self.drafts.share(id);
                self.views.insert(key, Some(id));
            }
            Ok(_) => {}
            Err(Told) => {
                self.views.insert(key, None);
            }
        }
        planned
    }

    /// The same columns under other names, if there are any.
    pub(super) fn renamed(
        &mut self,
        id: DraftId,
        names: &[String],
        context: &Context<'a>,
        span: Span,
    ) -> Planned<DraftId> {
        if names.is_empty() {
            return Ok(id);
        }
        let columns = &self.drafts[id].columns;
        if names.len() != columns.len() {
            let message = format!("{} names for {} columns", names.len(), columns.len());
            return self.tell(Mistake::new(span, message));
        }
        let items = columns
            .iter()
            .zip(names)
            .enumerate()
            .map(|(index, (found, name))| (column(name, index), Column { name: name.clone(), ..found.clone() }));
        let items = items.collect();
        Ok(self.drafts.project(id, &context.name("calc"), items))
    }

    /// The draft's columns under one table's name.
    pub(super) fn relation(&self, id: DraftId, qualifier: Option<&str>) -> Relation {
        let columns = self.drafts[id]
            .columns
            .iter()
            .map(|column| ScopeColumn { qualifier: qualifier.map(str::to_owned), column: column.clone() });
        Relation { id, scope: Scope { columns: columns.collect() } }
    }

    /// Tables that no INSERT uses are checked too: a mistake in them is a mistake in the file.
    pub(super) fn check_unused(&mut self) {
        let pipeline = self.pipeline;
        for table in &pipeline.tables {
            let is_read = self.sources.keys().any(|(path, _, _)| *path == table.path);
            if is_read || pipeline.jobs.iter().any(|job| job.sink == table.path) {
                continue;
            }
            match Context::of_settings(&pipeline.settings, String::new(), table.span) {
                Ok(context) if topic_of(table).is_some() => {
                    // its mistakes are told
                    let _ = self.source(table, &context, table.span);
                }
                Ok(_) => self.problems.extend(super::sink::lake_spec(table, table.span).err()),
                Err(problem) => self.problems.push(problem),
            }
        }
    }
}
