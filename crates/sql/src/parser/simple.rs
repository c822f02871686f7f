//! DROP, USE, SET, RESET, and the pieces that several statements share: paths, comments, options.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::Token;

use super::{Report, end_of_statement, list_items, refused};
use crate::diagnostic::Problem;
use crate::options::{OptionEntry, Options};
use crate::statement::{Drop, ObjectKind, ObjectPath, Statement};
use crate::tokens::{Cursor, Parsed, Steps, TokenStream, joined};

/// The words that start a statement hoga runs.
pub(super) const STARTERS: &[&str] = &["CREATE", "DROP", "USE", "SET", "RESET", "INSERT", "EXECUTE"];

pub(super) fn drop_object(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    let whole = cursor.clone();
    cursor.expect(&["DROP"])?;
    let temporary = cursor.eat(&["TEMPORARY"]);
    let kind = match cursor.word_at(0).as_deref() {
        Some("CATALOG") if !temporary => ObjectKind::Catalog,
        Some("DATABASE") if !temporary => ObjectKind::Database,
        Some("TABLE") => ObjectKind::Table,
        Some("VIEW") => ObjectKind::View,
        Some("FUNCTION" | "MODEL") => return Err(refused::by_name(&whole, if temporary { 3 } else { 2 })),
        Some("MATERIALIZED") => return Err(refused::by_name(&whole, 3)),
        Some("SYSTEM") => return Err(refused::by_name(&whole, 4)),
        _ if temporary => return Err(cursor.unexpected("TABLE or VIEW")),
        _ => return Err(cursor.unexpected("CATALOG, DATABASE, TABLE or VIEW")),
    };
    cursor.advance();
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let parts_max = if kind == ObjectKind::Catalog {
        1
    } else if kind == ObjectKind::Database {
        2
    } else {
        3
    };
    let path = path(cursor, kind, parts_max)?;
    if kind == ObjectKind::Database && !cursor.eat(&["RESTRICT"]) {
        cursor.eat(&["CASCADE"]);
    }
    end_of_statement(cursor)?;
    Ok(Statement::Drop(Drop { kind, if_exists, path }))
}

pub(super) fn use_object(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    if cursor.sees(&["USE", "MODULES"]) {
        return Err(refused::by_name(cursor, 2));
    }
    cursor.expect(&["USE"])?;
    let kind = if cursor.eat(&["CATALOG"]) {
        Statement::UseCatalog(cursor.name("a catalog name")?)
    } else {
        Statement::UseDatabase(path(cursor, ObjectKind::Database, 2)?)
    };
    end_of_statement(cursor)?;
    Ok(kind)
}

pub(super) fn set(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    cursor.expect(&["SET"])?;
    if cursor.rest().is_empty() {
        return Err(cursor.unexpected("'key' = 'value'").hint("SET alone lists settings in Flink's client only"));
    }
    let (key, _) = cursor.text("a key")?;
    cursor.expect_token(&Token::Eq)?;
    let (value, value_span) = cursor.text("a value")?;
    end_of_statement(cursor)?;
    Ok(Statement::Set { key, value, value_span })
}

pub(super) fn reset(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    cursor.expect(&["RESET"])?;
    let key = if cursor.rest().is_empty() { None } else { Some(cursor.text("a key")?.0) };
    end_of_statement(cursor)?;
    Ok(Statement::Reset { key })
}

/// `a`, `a.b` or `a.b.c`.
pub(super) fn path(cursor: &mut Cursor<'_>, kind: ObjectKind, parts_max: usize) -> Parsed<ObjectPath> {
    let what = format!("a {} name", kind.word());
    let first = cursor.name(&what)?;
    let mut parts = vec![first];
    while cursor.eat_token(&Token::Period) {
        parts.push(cursor.name(&what)?);
    }
    let span = joined(parts[0].span, parts[parts.len() - 1].span);
    if parts.len() > parts_max {
        let written = parts.iter().map(Ident::to_string).collect::<Vec<_>>().join(".");
        let message = format!(
            "{} name {written} has more than {parts_max} part{}",
            kind.word(),
            if parts_max == 1 { "" } else { "s" }
        );
        return Err(Problem::new(span, message));
    }
    Ok(ObjectPath { parts, span })
}

/// `COMMENT '…'`, if it is there.
pub(super) fn comment(cursor: &mut Cursor<'_>) -> Parsed<Option<String>> {
    if !cursor.eat(&["COMMENT"]) {
        return Ok(None);
    }
    cursor.text("a comment").map(|(text, _)| Some(text))
}

/// `WITH ('key' = 'value', …)`, if it is there. A mistake in one entry does not hide the others.
pub(super) fn options(cursor: &mut Cursor<'_>, report: &mut Report<'_>) -> Parsed<Options> {
    if !cursor.eat(&["WITH"]) {
        return Ok(Options::new(cursor.next_span()));
    }
    let start = cursor.next_span().start;
    let items = list_items(cursor)?;
    let mut options = Options::new(cursor.span_since(start));
    for item in items {
        if let Some(entry) = report.keep(option(item)) {
            match options.entry(&entry.key) {
                Some(_) => report.add(Problem::new(entry.key_span, format!("option '{}' stands twice", entry.key))),
                None => options.push(entry),
            }
        }
    }
    Ok(options)
}

fn option(mut item: Cursor<'_>) -> Parsed<OptionEntry> {
    let (key, key_span) = item.text("an option")?;
    item.expect_token(&Token::Eq)?;
    let (value, value_span) = item.text("a value")?;
    if !item.rest().is_empty() {
        return Err(item.unexpected(", or )"));
    }
    Ok(OptionEntry { key, value, key_span, value_span })
}

/// `(a, b, …)`.
pub(super) fn names(cursor: &mut Cursor<'_>) -> Parsed<Vec<Ident>> {
    cursor.expect_token(&Token::LParen)?;
    let mut names = vec![cursor.name("a column name")?];
    while cursor.eat_token(&Token::Comma) {
        names.push(cursor.name("a column name")?);
    }
    cursor.expect_token(&Token::RParen)?;
    for (index, name) in names.iter().enumerate() {
        if names[..index].iter().any(|other| other.value == name.value) {
            return Err(Problem::new(name.span, format!("column {name} stands twice")));
        }
    }
    Ok(names)
}
