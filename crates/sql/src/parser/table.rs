//! CREATE TABLE. Each column is read on its own, so that one bad column does not hide the next.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::Token;

use super::{Report, data_type, end_of_statement, list_items, query, refused, simple};
use crate::diagnostic::Problem;
use crate::options::Options;
use crate::statement::{
    ColumnDefinition, ColumnDefinitionKind, CreateTable, ObjectKind, Statement, WatermarkDefinition,
};
use crate::tokens::{Cursor, Parsed, Steps, joined};

pub(super) fn table(cursor: &mut Cursor<'_>, temporary: bool, report: &mut Report<'_>) -> Parsed<Statement> {
    cursor.expect(&["TABLE"])?;
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let path = simple::path(cursor, ObjectKind::Table, 3)?;
    let options = Options::new(path.span);
    let mut table = CreateTable {
        path,
        temporary,
        if_not_exists,
        columns: Vec::new(),
        watermark: None,
        primary_key: None,
        partition_keys: Vec::new(),
        comment: None,
        options,
        incomplete: false,
    };
    let before = report.count();
    let parsed = body(cursor, &mut table, report);
    report.keep(parsed);
    table.incomplete = report.count() > before;
    Ok(Statement::CreateTable(Box::new(table)))
}

fn body(cursor: &mut Cursor<'_>, table: &mut CreateTable, report: &mut Report<'_>) -> Parsed<()> {
    refuse_derived(cursor)?;
    for item in list_items(cursor)? {
        let parsed = element(item, table);
        report.keep(parsed);
    }
    table.comment = simple::comment(cursor)?;
    if cursor.sees(&["DISTRIBUTED"]) {
        return Err(refused::by_name(cursor, 1).hint("the bucket of a Paimon table is its option 'bucket'"));
    }
    if cursor.eat(&["PARTITIONED"]) {
        cursor.expect(&["BY"])?;
        table.partition_keys = simple::names(cursor)?;
    }
    if cursor.sees(&["WITH"]) {
        table.options = simple::options(cursor, report)?;
    }
    refuse_derived(cursor)?;
    end_of_statement(cursor)
}

fn refuse_derived(cursor: &Cursor<'_>) -> Parsed<()> {
    for (word, name) in [("LIKE", "CREATE TABLE … LIKE"), ("AS", "CREATE TABLE … AS SELECT")] {
        if cursor.sees(&[word]) {
            return Err(
                Problem::new(cursor.next_span(), format!("{name} runs on Flink only")).hint("write the columns out")
            );
        }
    }
    Ok(())
}

/// A column, the watermark or a key: one item of the list in parentheses.
fn element(mut item: Cursor<'_>, table: &mut CreateTable) -> Parsed<()> {
    if item.rest().is_empty() {
        return Err(item.unexpected("a column"));
    }
    if item.sees(&["WATERMARK"]) {
        let start = item.next_span();
        let watermark = watermark(&mut item)?;
        end_of_element(&item)?;
        if table.watermark.is_some() {
            return Err(Problem::new(start, "a table has one watermark, this is the second"));
        }
        table.watermark = Some(watermark);
        return Ok(());
    }
    if item.sees(&["CONSTRAINT"]) || item.sees(&["PRIMARY"]) || item.sees(&["UNIQUE"]) {
        let start = item.next_span();
        let key = constraint(&mut item)?;
        end_of_element(&item)?;
        return set_primary_key(table, key, start);
    }
    let start = item.next_span();
    let column = column(&mut item)?;
    end_of_element(&item)?;
    if table.columns.iter().any(|other| other.name.value == column.name.value) {
        return Err(Problem::new(column.name.span, format!("column {} stands twice", column.name)));
    }
    let key = column.primary_key.then(|| vec![column.name.clone()]);
    table.columns.push(column);
    match key {
        Some(key) => set_primary_key(table, key, start),
        None => Ok(()),
    }
}

fn set_primary_key(table: &mut CreateTable, key: Vec<Ident>, span: sqlparser::tokenizer::Span) -> Parsed<()> {
    if table.primary_key.is_some() {
        return Err(Problem::new(span, "a table has one primary key, this is the second"));
    }
    table.primary_key = Some(key);
    Ok(())
}

fn end_of_element(item: &Cursor<'_>) -> Parsed<()> {
    if item.rest().is_empty() { Ok(()) } else { Err(item.unexpected(", or )")) }
}

fn column(item: &mut Cursor<'_>) -> Parsed<ColumnDefinition> {
    let start = item.next_span().start;
    let name = item.name("a column name")?;
    let (kind, primary_key) = if item.eat(&["AS"]) {
        (ColumnDefinitionKind::Computed(Box::new(query::expression(item)?)), false)
    } else {
        typed(item)?
    };
    let comment = simple::comment(item)?;
    Ok(ColumnDefinition { name, kind, primary_key, comment, span: item.span_since(start) })
}

fn typed(item: &mut Cursor<'_>) -> Parsed<(ColumnDefinitionKind, bool)> {
    let sql_type = data_type::parse_sql_type(item)?;
    if item.eat(&["METADATA"]) {
        let key = if item.eat(&["FROM"]) { Some(item.text("a metadata key")?) } else { None };
        let is_virtual = item.eat(&["VIRTUAL"]);
        return Ok((ColumnDefinitionKind::Metadata { sql_type, key, is_virtual }, false));
    }
    let primary_key = item.sees(&["PRIMARY"]) || item.sees(&["CONSTRAINT"]);
    if primary_key {
        constraint_name(item)?;
        item.expect(&["PRIMARY", "KEY"])?;
        not_enforced(item)?;
    } else if item.sees(&["UNIQUE"]) || item.sees(&["DEFAULT"]) || item.sees(&["CHECK"]) {
        return Err(item
            .unexpected("COMMENT, PRIMARY KEY or the end of the column")
            .hint("Flink SQL has no such clause"));
    }
    Ok((ColumnDefinitionKind::Physical(sql_type), primary_key))
}

fn watermark(item: &mut Cursor<'_>) -> Parsed<WatermarkDefinition> {
    item.expect(&["WATERMARK", "FOR"])?;
    let column = item.name("a column name")?;
    if item.peek().token == Token::Period {
        return Err(Problem::new(item.next_span(), "a watermark on a field of a ROW runs on Flink only")
            .hint("make it a column of its own: ts AS event.ts"));
    }
    item.expect(&["AS"])?;
    let start = item.next_span().start;
    let expr = query::expression(item)?;
    Ok(WatermarkDefinition { column, expr, expr_span: item.span_since(start) })
}

fn constraint_name(item: &mut Cursor<'_>) -> Parsed<()> {
    if item.eat(&["CONSTRAINT"]) {
        item.name("a constraint name")?;
    }
    Ok(())
}

fn constraint(item: &mut Cursor<'_>) -> Parsed<Vec<Ident>> {
    constraint_name(item)?;
    if item.sees(&["UNIQUE"]) {
        return Err(
            Problem::new(item.next_span(), "Flink SQL has no UNIQUE").hint("write PRIMARY KEY (…) NOT ENFORCED")
        );
    }
    let start = item.next_span();
    item.expect(&["PRIMARY", "KEY"])?;
    let key = simple::names(item)?;
    if item.rest().is_empty() {
        let last = item.span_since(start.start);
        return Err(Problem::new(joined(start, last), "a primary key in Flink is NOT ENFORCED, and says so")
            .hint("write PRIMARY KEY (…) NOT ENFORCED"));
    }
    not_enforced(item)?;
    Ok(key)
}

fn not_enforced(item: &mut Cursor<'_>) -> Parsed<()> {
    if item.eat(&["NOT", "ENFORCED"]) {
        return Ok(());
    }
    Err(item.unexpected("NOT ENFORCED").hint("a primary key in Flink is NOT ENFORCED, and says so"))
}
