//! CREATE CATALOG, DATABASE and VIEW, and the way to CREATE TABLE.

use super::{Report, end_of_statement, query, refused, simple, table};
use crate::options::Options;
use crate::statement::{CreateCatalog, CreateDatabase, CreateView, ObjectKind, Statement};
use crate::tokens::{Cursor, Parsed, Steps};

pub(super) fn create(cursor: &mut Cursor<'_>, report: &mut Report<'_>) -> Parsed<Statement> {
    let whole = cursor.clone();
    cursor.expect(&["CREATE"])?;
    if cursor.sees(&["OR"]) {
        return Err(refused::by_name(&whole, 4));
    }
    let temporary = cursor.eat(&["TEMPORARY"]);
    match cursor.word_at(0).as_deref() {
        Some("CATALOG") if !temporary => catalog(cursor, report),
        Some("DATABASE") if !temporary => database(cursor, report),
        Some("TABLE") => table::table(cursor, temporary, report),
        Some("VIEW") => view(cursor, temporary, report),
        Some("FUNCTION" | "MODEL") => Err(refused::by_name(&whole, if temporary { 3 } else { 2 })),
        Some("MATERIALIZED") => Err(refused::by_name(&whole, 3)),
        Some("SYSTEM") => Err(refused::by_name(&whole, 4)),
        _ if temporary => Err(cursor.unexpected("TABLE or VIEW")),
        _ => Err(cursor.unexpected("CATALOG, DATABASE, TABLE or VIEW")),
    }
}

fn catalog(cursor: &mut Cursor<'_>, report: &mut Report<'_>) -> Parsed<Statement> {
    cursor.expect(&["CATALOG"])?;
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name("a catalog name")?;
    let before = report.count();
    let options = catalog_rest(cursor, report);
    let options = report.keep(options).unwrap_or_else(|| Options::new(name.span));
    let incomplete = report.count() > before;
    Ok(Statement::CreateCatalog(CreateCatalog { name, if_not_exists, options, incomplete }))
}

fn catalog_rest(cursor: &mut Cursor<'_>, report: &mut Report<'_>) -> Parsed<Options> {
    // Flink keeps a catalog's comment; nothing here shows it
    simple::comment(cursor)?;
    let options = simple::options(cursor, report)?;
    end_of_statement(cursor)?;
    Ok(options)
}

fn database(cursor: &mut Cursor<'_>, report: &mut Report<'_>) -> Parsed<Statement> {
    cursor.expect(&["DATABASE"])?;
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let path = simple::path(cursor, ObjectKind::Database, 2)?;
    let comment = simple::comment(cursor)?;
    let options = simple::options(cursor, report)?;
    end_of_statement(cursor)?;
    Ok(Statement::CreateDatabase(CreateDatabase { path, if_not_exists, comment, options }))
}

fn view(cursor: &mut Cursor<'_>, temporary: bool, report: &mut Report<'_>) -> Parsed<Statement> {
    cursor.expect(&["VIEW"])?;
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let path = simple::path(cursor, ObjectKind::View, 3)?;
    let mut view = CreateView { path, temporary, if_not_exists, columns: Vec::new(), comment: None, query: None };
    let rest = view_rest(cursor, &mut view);
    report.keep(rest);
    Ok(Statement::CreateView(Box::new(view)))
}

fn view_rest(cursor: &mut Cursor<'_>, view: &mut CreateView) -> Parsed<()> {
    if cursor.peek().token == sqlparser::tokenizer::Token::LParen {
        view.columns = simple::names(cursor)?;
    }
    view.comment = simple::comment(cursor)?;
    cursor.expect(&["AS"])?;
    let query = query::query(cursor)?;
    end_of_statement(cursor)?;
    view.query = Some(query);
    Ok(())
}
