//! INSERT INTO: its sink, the columns it writes, and the tables it reads.

use sqlparser::ast::{Ident, Query, SelectItem, SetExpr, Spanned};
use sqlparser::tokenizer::Span;

use super::relations::resolve_relations;
use super::resolve::{Found, Resolver};
use super::{Job, Table};
use crate::diagnostic::Problem;
use crate::name::{TablePath, did_you_mean};
use crate::statement::{Insert, ObjectKind};
use crate::tokens::Parsed;

impl Resolver<'_> {
    pub(super) fn insert(&mut self, insert: Insert, statement_set: Option<usize>) -> Parsed<()> {
        let Insert { sink: written, columns, mut query, span } = insert;
        let sink = self.scope.table_path(&written.parts);
        let inputs = self.resolve_relations(&mut query);
        let table = match self.find(&sink) {
            Some(Found::Table) => self.pipeline.table(&sink),
            Some(Found::Broken) => return Ok(()),
            Some(Found::View) => {
                return Err(Problem::new(
                    written.span,
                    format!("\"{}\" is a view: nothing can be inserted into it", self.shown(&sink)),
                ));
            }
            None => return Err(self.missing(ObjectKind::Table, &sink, written.span)),
        };
        let Some(table) = table else { return Ok(()) };
        let columns = target_columns(table, columns.as_deref(), written.span)?;
        if let Some(problem) = arity_problem(&query, columns.len(), &format!("\"{}\" takes", self.shown(&sink))) {
            return Err(problem.hint(format!("its columns are {}", columns.join(", "))));
        }
        let Some(inputs) = inputs else { return Ok(()) };
        let sql = self.source.original_text(span).to_owned();
        let name = format!("insert-into_{}.{}.{}", sink.catalog, sink.database, sink.table);
        let settings = self.pipeline.settings.clone();
        self.pipeline.jobs.push(Job { name, sink, columns, query, inputs, sql, span, settings, statement_set });
        Ok(())
    }

    /// Replaces table names by full paths. None if the query reads something that is not there, or broken; then it is reported.
    pub(super) fn resolve_relations(&mut self, query: &mut Query) -> Option<Vec<TablePath>> {
        let (inputs, problems) = resolve_relations(self, query);
        let broken = inputs.iter().any(|path| self.find(path) == Some(Found::Broken));
        let usable = problems.is_empty() && !broken;
        self.add_all(problems);
        usable.then_some(inputs)
    }
}

/// The columns an INSERT writes, in its order.
fn target_columns(table: &Table, listed: Option<&[Ident]>, sink_span: Span) -> Parsed<Vec<String>> {
    let Some(listed) = listed else {
        return Ok(table.writable_columns().map(|column| column.name.clone()).collect());
    };
    for name in listed {
        match table.column(&name.value) {
            Some(column) if column.kind.is_writable() => {}
            Some(_) => {
                let message = format!("column {name} is computed or virtual: nothing can be inserted into it");
                return Err(Problem::new(name.span, message));
            }
            None => {
                let known = table.writable_columns().map(|column| column.name.as_str());
                return Err(Problem::new(
                    name.span,
                    format!("column \"{}\" does not exist in {}", name.value, table.path),
                )
                .maybe_hint(did_you_mean(&name.value, known)));
            }
        }
    }
    let left_out = |name: &str| !listed.iter().any(|listed| listed.value == name);
    let required = |sql_type: &crate::types::SqlType| !sql_type.nullable;
    let missing =
        table.writable_columns().find(|column| column.kind.sql_type().is_some_and(required) && left_out(&column.name));
    if let Some(column) = missing {
        let span = listed
            .first()
            .zip(listed.last())
            .map_or(sink_span, |(first, last)| crate::tokens::joined(first.span, last.span));
        return Err(Problem::new(
            span,
            format!("column {} is NOT NULL and is not in this list", crate::name::quoted(&column.name)),
        ));
    }
    Ok(listed.iter().map(|name| name.value.clone()).collect())
}

/// The first SELECT of a query that has another number of columns, if they can be counted without planning.
pub(super) fn arity_problem(query: &Query, expected: usize, who: &str) -> Option<Problem> {
    let (count, span) = first_wrong(&query.body, expected)?;
    let columns = |count: usize| format!("{count} column{}", if count == 1 { "" } else { "s" });
    Some(Problem::new(span, format!("{who} {}, and this query has {}", columns(expected), count)))
}

fn first_wrong(body: &SetExpr, expected: usize) -> Option<(usize, Span)> {
    match body {
        SetExpr::Select(select) => {
            let countable = select
                .projection
                .iter()
                .all(|item| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
            let span = select.projection.first().map_or(select.select_token.0.span, |_| select.select_token.0.span);
            (countable && select.projection.len() != expected).then_some((select.projection.len(), span))
        }
        SetExpr::Query(query) => first_wrong(&query.body, expected),
        SetExpr::SetOperation { left, right, .. } => {
            first_wrong(left, expected).or_else(|| first_wrong(right, expected))
        }
        SetExpr::Values(values) => {
            let row = values.rows.iter().find(|row| row.content.len() != expected)?;
            Some((row.content.len(), values.span()))
        }
        _ => None,
    }
}
