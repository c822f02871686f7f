//! Columns, keys and the watermark of a table: that they name each other rightly.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, DateTimeField, Expr, Ident, Interval, Value, Visit, Visitor};
use sqlparser::tokenizer::Span;

use super::relations::words_of;
use super::{Column, ColumnKind, Watermark};
use crate::connector::{Connector, METADATA_KEYS};
use crate::diagnostic::Problem;
use crate::name::did_you_mean;
use crate::statement::{ColumnDefinition, ColumnDefinitionKind, CreateTable};
use crate::tokens::Parsed;

/// Event time with more digits than milliseconds is not event time in Flink.
const WATERMARK_PRECISION_MAX: u32 = 3;

pub(super) fn values(names: &[Ident]) -> Vec<String> {
    names.iter().map(|name| name.value.clone()).collect()
}

/// The columns, and what is wrong with them and with the keys.
pub(super) fn resolve_columns(create: &CreateTable) -> (Vec<Column>, Vec<Problem>) {
    let primary_key = create.primary_key.as_deref().unwrap_or_default();
    let in_key = |name: &Ident| primary_key.iter().any(|key| key.value == name.value);
    let columns: Vec<Column> =
        create.columns.iter().map(|definition| column(definition, in_key(&definition.name))).collect();
    let mut problems = Vec::new();
    for definition in &create.columns {
        if let ColumnDefinitionKind::Computed(expr) = &definition.kind {
            problems.extend(computed_problems(expr, definition, create));
        }
    }
    // a column whose own definition has a mistake is missing here and present in the file
    if !create.incomplete {
        problems.extend(primary_key.iter().filter_map(|key| key_problem(key, &columns, "PRIMARY KEY")));
        problems.extend(create.partition_keys.iter().filter_map(|key| key_problem(key, &columns, "PARTITIONED BY")));
        if columns.is_empty() {
            problems.push(Problem::new(create.path.span, "a table has at least one column"));
        }
    }
    (columns, problems)
}

fn column(definition: &ColumnDefinition, in_key: bool) -> Column {
    let kind = match &definition.kind {
        ColumnDefinitionKind::Physical(sql_type) => {
            let mut sql_type = sql_type.clone();
            // Flink makes key columns NOT NULL whatever they say
            sql_type.nullable &= !in_key;
            ColumnKind::Physical(sql_type)
        }
        ColumnDefinitionKind::Metadata { sql_type, key, is_virtual } => ColumnKind::Metadata {
            sql_type: sql_type.clone(),
            key: key.as_ref().map_or(&definition.name.value, |(key, _)| key).clone(),
            is_virtual: *is_virtual,
        },
        ColumnDefinitionKind::Computed(expr) => ColumnKind::Computed(expr.clone()),
    };
    Column { name: definition.name.value.clone(), kind, comment: definition.comment.clone(), span: definition.span }
}

fn key_problem(key: &Ident, columns: &[Column], clause: &str) -> Option<Problem> {
    match columns.iter().find(|column| column.name == key.value) {
        None => Some(missing_column(key, columns, clause)),
        Some(Column { kind: ColumnKind::Physical(_), .. }) => None,
        Some(_) => Some(Problem::new(key.span, format!("{clause} takes columns that are stored, and {key} is not"))),
    }
}

fn missing_column(name: &Ident, columns: &[Column], place: &str) -> Problem {
    Problem::new(name.span, format!("column \"{}\" of {place} does not exist", name.value))
        .maybe_hint(did_you_mean(&name.value, columns.iter().map(|column| column.name.as_str())))
}

/// A computed column reads the table's other columns, but no computed ones, and no other table.
fn computed_problems(expr: &Expr, definition: &ColumnDefinition, create: &CreateTable) -> Vec<Problem> {
    struct Names<'a> {
        definition: &'a ColumnDefinition,
        create: &'a CreateTable,
        problems: Vec<Problem>,
        /// Words that stand where a column could and are none.
        words: Vec<Span>,
    }
    impl Visitor for Names<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &sqlparser::ast::Query) -> ControlFlow<()> {
            self.problems.push(Problem::new(self.definition.span, "a computed column cannot hold a query"));
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.words.extend(words_of(expr));
            let name = match expr {
                Expr::Identifier(name) if self.words.contains(&name.span) => return ControlFlow::Continue(()),
                Expr::Identifier(name) => name,
                Expr::CompoundIdentifier(parts) => match parts.first() {
                    Some(first) => first,
                    None => return ControlFlow::Continue(()),
                },
                _ => return ControlFlow::Continue(()),
            };
            let target = self.create.columns.iter().find(|column| column.name.value == name.value);
            match target.map(|column| &column.kind) {
                Some(ColumnDefinitionKind::Computed(_)) => self.problems.push(Problem::new(
                    name.span,
                    format!("column {name} is computed itself: a computed column reads stored columns and METADATA"),
                )),
                None if !self.create.incomplete => {
                    let known = self.create.columns.iter().map(|column| column.name.value.as_str());
                    let problem =
                        Problem::new(name.span, format!("column \"{}\" does not exist in this table", name.value));
                    self.problems.push(problem.maybe_hint(did_you_mean(&name.value, known)));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names { definition, create, problems: Vec::new(), words: Vec::new() };
    let _ = expr.visit(&mut names);
    names.problems
}

pub(super) fn watermark(create: &CreateTable, columns: &[Column]) -> Parsed<Option<Watermark>> {
    let Some(watermark) = &create.watermark else { return Ok(None) };
    let name = &watermark.column;
    let Some(column) = columns.iter().find(|column| column.name == name.value) else {
        return if create.incomplete { Ok(None) } else { Err(missing_column(name, columns, "WATERMARK")) };
    };
    if let Some(sql_type) = column.kind.sql_type() {
        let precision = sql_type.data_type.timestamp_precision();
        if precision.is_none_or(|precision| precision > WATERMARK_PRECISION_MAX) {
            let message =
                format!("a watermark column is TIMESTAMP(3) or TIMESTAMP_LTZ(3), and {name} is {}", sql_type.data_type);
            let hint = "from milliseconds since 1970: ts AS TO_TIMESTAMP_LTZ(column, 3)";
            return Err(Problem::new(name.span, message).hint(hint));
        }
    }
    let delay_ms =
        delay_ms(&watermark.expr, &name.value).ok_or_else(|| watermark_refusal(watermark.expr_span, name))?;
    let expr = watermark.expr.clone();
    Ok(Some(Watermark { column: name.value.clone(), delay_ms, expr, span: watermark.expr_span }))
}

fn watermark_refusal(span: Span, column: &Ident) -> Problem {
    Problem::new(span, "this watermark runs on Flink only")
        .hint(format!("write {column} or {column} - INTERVAL '5' SECOND"))
}

/// `column` or `column - INTERVAL 'n' unit`.
fn delay_ms(expr: &Expr, column: &str) -> Option<u64> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(name) if name.value == column);
    match expr {
        Expr::Nested(inner) => delay_ms(inner, column),
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if is_column(left) => match right.as_ref() {
            Expr::Interval(interval) => interval_ms(interval),
            _ => None,
        },
        expr => is_column(expr).then_some(0),
    }
}

/// An interval of one unit from days down; a second may have three digits after the point.
fn interval_ms(interval: &Interval) -> Option<u64> {
    let Expr::Value(value) = interval.value.as_ref() else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    if interval.last_field.is_some() {
        return None;
    }
    let unit_ms: u64 = match interval.leading_field.as_ref()? {
        DateTimeField::Day | DateTimeField::Days => 86_400_000,
        DateTimeField::Hour | DateTimeField::Hours => 3_600_000,
        DateTimeField::Minute | DateTimeField::Minutes => 60_000,
        DateTimeField::Second | DateTimeField::Seconds => 1_000,
        _ => return None,
    };
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (!fraction.is_empty() && unit_ms != 1_000) || fraction.len() > 3 {
        return None;
    }
    let fraction_ms: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(unit_ms)?.checked_add(fraction_ms)
}

/// What a topic or a lake table cannot have.
pub(super) fn unfit_for_connector(create: &CreateTable, columns: &[Column], connector: &Connector) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (column, definition) in columns.iter().zip(&create.columns) {
        let ColumnKind::Metadata { key, .. } = &column.kind else { continue };
        let span = match &definition.kind {
            ColumnDefinitionKind::Metadata { key: Some((_, span)), .. } => *span,
            _ => definition.name.span,
        };
        match connector {
            Connector::Paimon(_) => problems.push(Problem::new(span, "a lake table has no METADATA columns")),
            Connector::Kafka(_) if !METADATA_KEYS.contains(&key.as_str()) => problems.push(
                Problem::new(span, format!("a topic has no metadata '{key}'"))
                    .maybe_hint(did_you_mean(key, METADATA_KEYS.iter().copied()))
                    .or_hint(format!("it has {}", METADATA_KEYS.join(", "))),
            ),
            Connector::Kafka(_) => {}
        }
    }
    if let Connector::Kafka(_) = connector {
        if let Some(first) = create.primary_key.as_deref().unwrap_or_default().first() {
            problems.push(Problem::new(
                first.span,
                "a topic of plain JSON has no PRIMARY KEY: nothing there replaces a record",
            ));
        }
        if let Some(first) = create.partition_keys.first() {
            problems.push(Problem::new(first.span, "a topic is not PARTITIONED BY columns"));
        }
    }
    problems
}
