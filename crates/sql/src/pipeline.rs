//! What a pipeline file defines, with every name looked up: catalogs, databases, tables, views and jobs.
//!
//! In: the statements in their order. Out: a [`Pipeline`], or everything that is wrong with the file.
//! Not here: the types of expressions and whether a query can run; the engine plans it and knows.

use std::sync::Arc;

use sqlparser::ast::{Expr, Query};
use sqlparser::tokenizer::Span;

use crate::connector::Connector;
use crate::diagnostic::{Diagnostic, Diagnostics, Problem};
use crate::name::TablePath;
use crate::options::Options;
use crate::settings::Settings;
use crate::source::{SOURCE_BYTES_MAX, Source};
use crate::types::SqlType;

mod column;
mod ddl;
mod job;
mod relations;
mod resolve;
mod scope;

/// The catalog and database that are current before any USE, as in Flink.
pub const DEFAULT_CATALOG: &str = "default_catalog";
/// See [`DEFAULT_CATALOG`].
pub const DEFAULT_DATABASE: &str = "default_database";

/// A whole file, resolved. Lists are in the order of the file; what was dropped again is not in them.
#[derive(Debug)]
pub struct Pipeline {
    /// The settings after the last statement; each job has its own.
    pub settings: Settings,
    pub catalogs: Vec<Catalog>,
    pub databases: Vec<Database>,
    pub tables: Vec<Table>,
    pub views: Vec<View>,
    pub jobs: Vec<Job>,
    source: Arc<Source>,
}

/// Something wrong with a pipeline that only planning finds. The span is one of the original file, as all spans here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub span: Span,
    /// Lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistake {
    pub fn new(span: Span, message: impl Into<String>) -> Mistake {
        Mistake { span, message: message.into(), hint: None }
    }

    pub fn hint(self, hint: impl Into<String>) -> Mistake {
        Mistake { hint: Some(hint.into()), ..self }
    }
}

/// A catalog that the file creates; the default catalog is not among them.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub name: String,
    pub kind: CatalogKind,
    pub options: Options,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogKind {
    /// `'type' = 'paimon'`: its tables are lake tables under this warehouse (a folder or an object-store URI).
    Paimon { warehouse: String },
    /// `'type' = 'generic_in_memory'`, and Flink's default catalog: definitions only.
    InMemory,
}

/// A database that the file creates.
#[derive(Debug, Clone)]
pub struct Database {
    pub catalog: String,
    pub name: String,
    pub comment: Option<String>,
    pub options: Options,
    pub span: Span,
}

/// A table that the file creates.
#[derive(Debug, Clone)]
pub struct Table {
    pub path: TablePath,
    /// True for CREATE TEMPORARY TABLE: no catalog keeps it.
    pub temporary: bool,
    pub columns: Vec<Column>,
    pub watermark: Option<Watermark>,
    /// Names of columns; empty without a PRIMARY KEY. Its columns are NOT NULL, as in Flink.
    pub primary_key: Vec<String>,
    pub partition_keys: Vec<String>,
    pub comment: Option<String>,
    pub options: Options,
    /// The path in the CREATE TABLE.
    pub span: Span,
    connector: Connector,
}

/// One column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub comment: Option<String>,
    pub span: Span,
}

/// Where a column's value comes from.
#[derive(Debug, Clone)]
pub enum ColumnKind {
    /// It is in the record.
    Physical(SqlType),
    /// It is about the record: its time, its offset. `key` is the connector's name for it. Virtual ones cannot be written.
    Metadata { sql_type: SqlType, key: String, is_virtual: bool },
    /// It is computed when the table is read, and cannot be written. Its type comes from planning.
    Computed(Box<Expr>),
}

/// Event time: `WATERMARK FOR column AS expr`.
#[derive(Debug, Clone)]
pub struct Watermark {
    pub column: String,
    /// How far the watermark stays behind the largest time seen, in milliseconds.
    pub delay_ms: u64,
    pub expr: Expr,
    pub span: Span,
}

/// A named query. Names in it are full paths, like those of a [`Job`].
#[derive(Debug, Clone)]
pub struct View {
    pub path: TablePath,
    pub temporary: bool,
    /// New names for the query's columns; empty: the query's own.
    pub columns: Vec<String>,
    pub comment: Option<String>,
    pub query: Box<Query>,
    /// Tables and views it reads.
    pub inputs: Vec<TablePath>,
    pub span: Span,
}

/// One INSERT INTO.
#[derive(Debug, Clone)]
pub struct Job {
    /// Flink's default name: `insert-into_lake.upbit.trade`.
    pub name: String,
    pub sink: TablePath,
    /// The sink's columns that the query's columns go to, one each, in the query's order. The others become NULL.
    pub columns: Vec<String>,
    /// Every table name in it is replaced by its full path of three parts (names of WITH queries stay); UNNEST is
    /// `TableFactor::UNNEST`; `TABLE t` as an argument is the subquery `(SELECT * FROM t)`. Spans are of the original file.
    pub query: Box<Query>,
    /// Tables and views it reads, each once, in the order of the text.
    pub inputs: Vec<TablePath>,
    /// The statement as the user wrote it, variables not substituted.
    pub sql: String,
    pub span: Span,
    /// What SET said before it.
    pub settings: Settings,
    /// Jobs of one EXECUTE STATEMENT SET share a number, and are one job in Flink.
    pub statement_set: Option<usize>,
}

impl Table {
    /// Where its rows are.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that INSERT INTO can write, in order.
    pub fn writable_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.kind.is_writable())
    }
}

impl ColumnKind {
    /// The declared type; a computed column has none.
    pub fn sql_type(&self) -> Option<&SqlType> {
        match self {
            ColumnKind::Physical(sql_type) | ColumnKind::Metadata { sql_type, .. } => Some(sql_type),
            ColumnKind::Computed(_) => None,
        }
    }

    /// True for what INSERT INTO can write.
    pub fn is_writable(&self) -> bool {
        match self {
            ColumnKind::Physical(_) => true,
            ColumnKind::Metadata { is_virtual, .. } => !is_virtual,
            ColumnKind::Computed(_) => false,
        }
    }
}

impl Pipeline {
    pub fn table(&self, path: &TablePath) -> Option<&Table> {
        self.tables.iter().find(|table| table.path == *path)
    }

    pub fn view(&self, path: &TablePath) -> Option<&View> {
        self.views.iter().find(|view| view.path == *path)
    }

    pub fn catalog(&self, name: &str) -> Option<&Catalog> {
        self.catalogs.iter().find(|catalog| catalog.name == name)
    }

    /// Mistakes as diagnostics of this file, in the order of their places.
    pub fn diagnostics(&self, mistakes: impl IntoIterator<Item = Mistake>) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        for Mistake { span, message, hint } in mistakes {
            self.source.report(Problem { span, message, hint }, &mut diagnostics);
        }
        diagnostics.sort();
        diagnostics
    }
}

/// Reads a pipeline file: substitutes variables, parses, looks up every name. On a mistake everything that is wrong is
/// returned, in the order of the file.
///
/// `file_name` is what the diagnostics call it; `variable` gives the value of `${NAME}`.
pub fn parse_pipeline(
    file_name: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Pipeline, Diagnostics> {
    match read_pipeline(file_name, text, variable) {
        (Some(pipeline), diagnostics) if diagnostics.is_empty() => Ok(pipeline),
        (_, diagnostics) => Err(diagnostics),
    }
}

/// As [`parse_pipeline`], and with the mistakes also what could be read: a planner finds more in it. What follows from a
/// broken definition is not in it.
pub fn read_pipeline(
    file_name: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> (Option<Pipeline>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    if text.len() > SOURCE_BYTES_MAX {
        diagnostics.push(too_long(file_name, text.len()));
        return (None, diagnostics);
    }
    let source = Arc::new(Source::new(file_name, text, variable, &mut diagnostics));
    let statements = crate::parser::parse(&source, &mut diagnostics);
    let pipeline = resolve::resolve(&source, statements, &mut diagnostics);
    diagnostics.sort();
    (Some(pipeline), diagnostics)
}

/// The text that real Flink is given: variables substituted, nothing else changed.
pub fn substitute_variables(
    file_name: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    if text.len() > SOURCE_BYTES_MAX {
        diagnostics.push(too_long(file_name, text.len()));
        return Err(diagnostics);
    }
    let source = Source::new(file_name, text, variable, &mut diagnostics);
    if diagnostics.is_empty() { Ok(source.expanded().to_owned()) } else { Err(diagnostics) }
}

fn too_long(file_name: &str, bytes: usize) -> Diagnostic {
    Diagnostic {
        file: file_name.to_owned(),
        line: 1,
        column: 1,
        length: 1,
        message: format!("the file has {bytes} bytes; a pipeline has at most {SOURCE_BYTES_MAX}"),
        hint: None,
        source_line: String::new(),
    }
}

#[cfg(test)]
mod tests;
