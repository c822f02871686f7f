//! The current catalog and database, and what a name of one, two or three parts means in them.

use sqlparser::ast::Ident;

use crate::name::TablePath;

#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) catalog: String,
    pub(super) database: String,
}

impl Scope {
    /// `table`, `database.table` or `catalog.database.table`.
    pub(super) fn table_path(&self, parts: &[Ident]) -> TablePath {
        let part = |from_end: usize| parts.len().checked_sub(from_end).and_then(|index| parts.get(index));
        let value = |ident: Option<&Ident>, otherwise: &str| ident.map_or(otherwise, |ident| &ident.value).to_owned();
        TablePath {
            catalog: value(part(3), &self.catalog),
            database: value(part(2), &self.database),
            table: value(part(1), ""),
        }
    }

    /// `database` or `catalog.database`.
    pub(super) fn database_path(&self, parts: &[Ident]) -> (String, String) {
        match parts {
            [catalog, database, ..] => (catalog.value.clone(), database.value.clone()),
            [database] => (self.catalog.clone(), database.value.clone()),
            [] => (self.catalog.clone(), self.database.clone()),
        }
    }
}
