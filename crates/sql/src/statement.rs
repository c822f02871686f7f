//! The statements as written: parsed, but no name looked up yet. [`crate::pipeline`] makes sense of them.

use sqlparser::ast::{Expr, Ident, Query};
use sqlparser::tokenizer::Span;

use crate::options::Options;
use crate::types::SqlType;

#[derive(Debug)]
pub(crate) enum Statement {
    CreateCatalog(CreateCatalog),
    CreateDatabase(CreateDatabase),
    CreateTable(Box<CreateTable>),
    CreateView(Box<CreateView>),
    Drop(Drop),
    UseCatalog(Ident),
    UseDatabase(ObjectPath),
    Set {
        key: String,
        value: String,
        value_span: Span,
    },
    /// Without a key: every setting.
    Reset {
        key: Option<String>,
    },
    Insert(Box<Insert>),
    /// The inserts of one EXECUTE STATEMENT SET: one Flink job.
    Inserts(Vec<Insert>),
}

/// A name of one to three parts, as written.
#[derive(Debug, Clone)]
pub(crate) struct ObjectPath {
    pub(crate) parts: Vec<Ident>,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Catalog,
    Database,
    Table,
    View,
}

impl ObjectKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            ObjectKind::Catalog => "catalog",
            ObjectKind::Database => "database",
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
        }
    }
}

#[derive(Debug)]
pub(crate) struct CreateCatalog {
    pub(crate) name: Ident,
    pub(crate) if_not_exists: bool,
    pub(crate) options: Options,
    /// A mistake inside was reported.
    pub(crate) incomplete: bool,
}

#[derive(Debug)]
pub(crate) struct CreateDatabase {
    pub(crate) path: ObjectPath,
    pub(crate) if_not_exists: bool,
    pub(crate) comment: Option<String>,
    pub(crate) options: Options,
}

#[derive(Debug)]
pub(crate) struct CreateTable {
    pub(crate) path: ObjectPath,
    pub(crate) temporary: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) watermark: Option<WatermarkDefinition>,
    pub(crate) primary_key: Option<Vec<Ident>>,
    pub(crate) partition_keys: Vec<Ident>,
    pub(crate) comment: Option<String>,
    pub(crate) options: Options,
    /// A mistake inside was reported: what is missing here may be in the file.
    pub(crate) incomplete: bool,
}

#[derive(Debug)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Ident,
    pub(crate) kind: ColumnDefinitionKind,
    pub(crate) primary_key: bool,
    pub(crate) comment: Option<String>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum ColumnDefinitionKind {
    Physical(SqlType),
    Metadata { sql_type: SqlType, key: Option<(String, Span)>, is_virtual: bool },
    Computed(Box<Expr>),
}

#[derive(Debug)]
pub(crate) struct WatermarkDefinition {
    pub(crate) column: Ident,
    pub(crate) expr: Expr,
    pub(crate) expr_span: Span,
}

#[derive(Debug)]
pub(crate) struct CreateView {
    pub(crate) path: ObjectPath,
    pub(crate) temporary: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<Ident>,
    pub(crate) comment: Option<String>,
    /// None if its text has a mistake, which is reported.
    pub(crate) query: Option<Box<Query>>,
}

#[derive(Debug)]
pub(crate) struct Drop {
    pub(crate) kind: ObjectKind,
    pub(crate) if_exists: bool,
    pub(crate) path: ObjectPath,
}

#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) sink: ObjectPath,
    /// None: all columns that can be written, in the table's order.
    pub(crate) columns: Option<Vec<Ident>>,
    pub(crate) query: Box<Query>,
    pub(crate) span: Span,
}
