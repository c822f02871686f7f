//! Walks an expression: names to columns, operators and calls to what computes them. One mistake ends it.

use super::literal::{literal, typed};
use super::types::describe;
use super::{Bound, Session, arithmetic, cast, compare, condition, functions, nested, sql_type, time};
use crate::plan::column::{Column, TimeAttribute};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator, CastKind, Expr, Function, Ident, Spanned, UnaryOperator};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake, did_you_mean, quoted};

pub(super) type Bind = Result<Bound, Mistake>;

/// The columns that an expression may name, in the order of the input's.
#[derive(Debug, Clone, Default)]
pub(in crate::plan) struct Scope {
    pub(in crate::plan) columns: Vec<ScopeColumn>,
}

#[derive(Debug, Clone)]
pub(in crate::plan) struct ScopeColumn {
    /// The table's name or alias; None once nothing can call it by one.
    pub(in crate::plan) qualifier: Option<String>,
    pub(in crate::plan) column: Column,
}

/// What GROUP BY makes of a query's expressions: keys and aggregate calls are columns, all else is a mistake.
pub(in crate::plan) trait Aggregates {
    /// The column after grouping that this expression of the query is, if it is a key or an aggregate call.
    fn resolve(&mut self, expr: &Expr) -> Result<Option<Bound>, Mistake>;
    /// Why a column stands alone that is neither.
    fn not_grouped(&self, name: &str, span: Span) -> Mistake;
}

pub(in crate::plan) struct Binder<'a> {
    pub(in crate::plan) scope: &'a Scope,
    pub(in crate::plan) session: Session,
    pub(in crate::plan) aggregates: Option<&'a mut dyn Aggregates>,
    /// The statement: what has no place of its own is told there.
    pub(in crate::plan) statement: Span,
}

/// Where an expression stands, or `fallback`.
pub(in crate::plan) fn place(expr: &Expr, fallback: Span) -> Span {
    let span = expr.span();
    if span.start.line > 0 { span } else { fallback }
}

impl<'a> Binder<'a> {
    pub(in crate::plan) fn new(scope: &'a Scope, session: Session, statement: Span) -> Binder<'a> {
        Binder { scope, session, aggregates: None, statement }
    }

    /// An expression whose value is used: a column of PROCTIME() has none.
    pub(in crate::plan) fn value(&mut self, expr: &Expr) -> Bind {
        let bound = self.bind(expr)?;
        if bound.time == Some(TimeAttribute::Proctime) {
            return Err(proctime_problem(self.place(expr)));
        }
        Ok(Bound { time: None, window: None, is_windowed_rowtime: false, is_rank: false, ..bound })
    }

    /// A condition: of WHERE, HAVING, FILTER, CASE.
    pub(in crate::plan) fn condition(&mut self, expr: &Expr, what: &str) -> Bind {
        let bound = self.value(expr)?;
        if bound.is_null || bound.data_type == DataType::Boolean {
            return cast::cast(bound, &DataType::Boolean, self.session, self.place(expr));
        }
        let message = format!("{what} is a BOOLEAN, and this is {}", describe(&bound.data_type));
        Err(Mistake::new(self.place(expr), message))
    }

    pub(in crate::plan) fn place(&self, expr: &Expr) -> Span {
        place(expr, self.statement)
    }

    pub(in crate::plan) fn bind(&mut self, expr: &Expr) -> Bind {
        if let Some(aggregates) = &mut self.aggregates
            && let Some(bound) = aggregates.resolve(expr)?
        {
            return Ok(bound);
        }
        let span = |binder: &Self| binder.place(expr);
        match expr {
            Expr::Nested(inner) => self.bind(inner),
            Expr::Identifier(name) => self.identifier(name),
            Expr::CompoundIdentifier(parts) => self.compound(parts),
            Expr::CompoundFieldAccess { root, access_chain } => {
                let mut bound = self.value(root)?;
                for access in access_chain {
                    bound = nested::access(self, bound, access, span(self))?;
                }
                Ok(bound)
            }
            Expr::Value(value) => literal(&value.value, value.span),
            Expr::TypedString(text) => typed(&text.data_type, &text.value.value, text.value.span),
            Expr::UnaryOp { op, expr: inner } => self.unary(*op, inner, expr),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, expr),
            Expr::IsNull(inner) => condition::is_null(self, inner, false),
            Expr::IsNotNull(inner) => condition::is_null(self, inner, true),
            Expr::IsTrue(inner) => condition::is_truth(self, inner, Some(true), false),
            Expr::IsNotTrue(inner) => condition::is_truth(self, inner, Some(true), true),
            Expr::IsFalse(inner) => condition::is_truth(self, inner, Some(false), false),
            Expr::IsNotFalse(inner) => condition::is_truth(self, inner, Some(false), true),
            Expr::IsUnknown(inner) => condition::is_truth(self, inner, None, false),
            Expr::IsNotUnknown(inner) => condition::is_truth(self, inner, None, true),
            Expr::IsDistinctFrom(left, right) => compare::distinct(self, left, right, true),
            Expr::IsNotDistinctFrom(left, right) => compare::distinct(self, left, right, false),
            Expr::Between { expr: value, negated, low, high } => compare::between(self, value, low, high, *negated),
            Expr::InList { expr: value, list, negated } => compare::in_list(self, value, list, *negated),
            Expr::Like { negated, any: false, expr: value, pattern, escape_char } => {
                let escape = escape_char.as_ref().map(|escape| &escape.value);
                functions::like(self, value, pattern, escape, *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                condition::case(self, operand.as_deref(), conditions, else_result.as_deref(), span(self))
            }
            Expr::Cast { kind, expr: value, data_type, .. } => self.cast(kind, value, data_type, expr),
            Expr::Extract { field, expr: value, .. } => {
                let name = field.to_string();
                time::extract(self, &name, value)
            }
            Expr::Floor { expr: value, field } => self.rounded("FLOOR", value, field, expr),
            Expr::Ceil { expr: value, field } => self.rounded("CEIL", value, field, expr),
            Expr::Position { expr: what, r#in } => self.call_on("POSITION", &[what, r#in], expr),
            Expr::Substring { expr: text, substring_from, substring_for, .. } => {
                let arguments = [Some(text), substring_from.as_ref(), substring_for.as_ref()];
                let arguments: Vec<&Expr> = arguments.into_iter().flatten().map(Box::as_ref).collect();
                self.call_on("SUBSTRING", &arguments, expr)
            }
            Expr::Trim { expr: text, trim_where, trim_what, .. } => {
                functions::trim(self, text, trim_where.as_ref(), trim_what.as_deref())
            }
            Expr::Overlay { expr: text, overlay_what, overlay_from, overlay_for } => {
                let arguments = [Some(text), Some(overlay_what), Some(overlay_from), overlay_for.as_ref()];
                let arguments: Vec<&Expr> = arguments.into_iter().flatten().map(Box::as_ref).collect();
                self.call_on("OVERLAY", &arguments, expr)
            }
            Expr::Function(function) => self.function(function, expr),
            Expr::Array(array) => {
                let items = array.elem.iter().map(|item| Ok((self.value(item)?, self.place(item))));
                nested::array(items.collect::<Result<_, Mistake>>()?, self.session, span(self))
            }
            Expr::Tuple(items) => {
                let items = items.iter().map(|item| self.value(item));
                nested::row(items.collect::<Result<_, _>>()?)
            }
            Expr::Interval(_) => Err(Mistake::new(span(self), "an INTERVAL stands here alone")
                .hint("it can be added to a time, or taken from one")),
            Expr::InSubquery { .. } => Err(flink_only("IN (SELECT …)", span(self))),
            Expr::Exists { .. } => Err(flink_only("EXISTS", span(self))),
            Expr::Subquery(_) => Err(flink_only("a subquery as a value", span(self))),
            Expr::SimilarTo { .. } => Err(flink_only("SIMILAR TO", span(self))),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => Err(flink_only("ANY, SOME or ALL", span(self))),
            Expr::GroupingSets(_) => Err(flink_only("GROUPING SETS", span(self))),
            Expr::Cube(_) => Err(flink_only("CUBE", span(self))),
            Expr::Rollup(_) => Err(flink_only("ROLLUP", span(self))),
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                Err(Mistake::new(span(self), format!("{text} runs on Flink only")))
            }
        }
    }

    fn identifier(&mut self, name: &Ident) -> Bind {
        let upper = name.value.to_ascii_uppercase();
        let found = self.find(None, name);
        match found {
            Err(_) if name.quote_style.is_none() && functions::is_bare(&upper) => {
                Err(functions::not_deterministic(&upper, name.span))
            }
            found => self.named_at(found?, name.span),
        }
    }

    fn named(&mut self, index: usize) -> Bind {
        let found = &self.scope.columns[index].column;
        if let Some(aggregates) = &self.aggregates {
            return Err(aggregates.not_grouped(&found.name, self.statement));
        }
        Ok(Bound::of_column(found, index))
    }

    /// `table.column`, `column.field`, `table.column.field`, or with a full path before.
    fn compound(&mut self, parts: &[Ident]) -> Bind {
        let Some((first, rest)) = parts.split_first() else {
            return Err(Mistake::new(self.statement, "an empty name"));
        };
        let is_table = |name: &Ident| {
            self.scope.columns.iter().any(|column| column.qualifier.as_deref() == Some(name.value.as_str()))
        };
        // the longest prefix that is a table: of a path only its last part is a name here
        let table = (0..parts.len() - 1).rev().find(|index| *index < 3 && is_table(&parts[*index]));
        let (found, fields) = match table {
            Some(at) if at == 0 || self.find(None, first).is_err() => {
                (self.find(Some(&parts[at].value), &parts[at + 1]), &parts[at + 2..])
            }
            _ => (self.find(None, first).map_err(|mistake| self.unknown_table(first, &rest[0], mistake)), rest),
        };
        let index = found.map_err(|mistake| Mistake {
            span: if mistake.span.start.line > 0 { mistake.span } else { first.span },
            ..mistake
        })?;
        let mut bound = self.named_at(index, first.span)?;
        for field in fields {
            bound = nested::field(bound, field)?;
        }
        Ok(bound)
    }

    fn named_at(&mut self, index: usize, span: Span) -> Bind {
        self.named(index).map_err(|mistake| Mistake { span, ..mistake })
    }

    fn unknown_table(&self, table: &Ident, column: &Ident, mistake: Mistake) -> Mistake {
        let mut tables: Vec<&str> =
            self.scope.columns.iter().filter_map(|column| column.qualifier.as_deref()).collect();
        tables.dedup();
        let hint = did_you_mean(&table.value, tables.iter().copied());
        if mistake.hint.is_some() && hint.is_none() {
            return mistake;
        }
        let span = Span::new(table.span.start, column.span.end);
        let problem = Mistake::new(span, format!("no table or column here is called {}", quoted(&table.value)));
        Mistake { hint, ..problem }
    }

    /// The one column of this name.
    fn find(&self, qualifier: Option<&str>, name: &Ident) -> Result<usize, Mistake> {
        let is_it = |column: &&ScopeColumn| {
            column.column.name == name.value && qualifier.is_none_or(|table| column.qualifier.as_deref() == Some(table))
        };
        let mut found = self.scope.columns.iter().enumerate().filter(|(_, column)| is_it(column));
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some((_, one)), Some((_, other))) => {
                let message = format!("column {} is ambiguous", quoted(&name.value));
                let hint = match (&one.qualifier, &other.qualifier) {
                    (Some(one), Some(other)) if one != other => {
                        let column = quoted(&name.value);
                        format!("write {}.{column} or {}.{column}", quoted(one), quoted(other))
                    }
                    _ => "give the columns other names with AS".to_owned(),
                };
                Err(Mistake::new(name.span, message).hint(hint))
            }
            (None, _) => {
                let inside =
                    |column: &&ScopeColumn| qualifier.is_none_or(|table| column.qualifier.as_deref() == Some(table));
                let names = self.scope.columns.iter().filter(inside).map(|column| column.column.name.as_str());
                let hint = did_you_mean(&name.value, names);
                let table = qualifier.map(|table| format!(" in {}", quoted(table))).unwrap_or_default();
                let message = format!("column \"{}\" does not exist{table}", name.value);
                Err(Mistake { hint, ..Mistake::new(name.span, message) })
            }
        }
    }

    fn unary(&mut self, op: UnaryOperator, inner: &Expr, whole: &Expr) -> Bind {
        match op {
            UnaryOperator::Not => condition::not(self, inner),
            UnaryOperator::Plus => arithmetic::sign(self, inner, false),
            UnaryOperator::Minus => arithmetic::sign(self, inner, true),
            other => Err(flink_only(&format!("operator {other}"), self.place(whole))),
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, whole: &Expr) -> Bind {
        match op {
            BinaryOperator::And | BinaryOperator::Or => condition::and_or(self, left, op, right),
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => compare::compare(self, left, op, right),
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo => arithmetic::arithmetic(self, left, op, right),
            BinaryOperator::StringConcat => self.call_on("||", &[left, right], whole),
            other => Err(flink_only(&format!("operator {other}"), self.place(whole))),
        }
    }

    fn cast(&mut self, kind: &CastKind, value: &Expr, written: &ast::DataType, whole: &Expr) -> Bind {
        let span = self.place(whole);
        let target = sql_type::sql_type(written).filter(super::types::is_supported);
        let target = target.ok_or_else(|| flink_only(&format!("CAST to {written}"), span))?;
        let bound = self.value(value)?;
        match kind {
            CastKind::Cast | CastKind::DoubleColon => cast::written_cast(bound, &target, self.session, span),
            CastKind::TryCast | CastKind::SafeCast => cast::try_cast(bound, &target, self.session, span),
        }
    }

    fn rounded(&mut self, name: &str, value: &Expr, field: &ast::CeilFloorKind, whole: &Expr) -> Bind {
        match field {
            ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => self.call_on(name, &[value], whole),
            ast::CeilFloorKind::DateTimeField(unit) => time::round_to(self, name == "CEIL", value, &unit.to_string()),
            ast::CeilFloorKind::Scale(_) => Err(flink_only(&format!("{name} with two arguments"), self.place(whole))),
        }
    }

    /// A function written as an operator.
    fn call_on(&mut self, name: &str, arguments: &[&Expr], whole: &Expr) -> Bind {
        let span = self.place(whole);
        let bound = arguments.iter().map(|argument| Ok((self.value(argument)?, self.place(argument))));
        let bound = bound.collect::<Result<Vec<_>, Mistake>>()?;
        functions::call(name, bound, self.session, span)
    }

    fn function(&mut self, function: &Function, whole: &Expr) -> Bind {
        let name = function.name.to_string().to_ascii_uppercase();
        let name_span = function.name.span();
        let span = if name_span.start.line > 0 { name_span } else { self.place(whole) };
        if function.over.is_some() {
            return Err(flink_only(&format!("{name} … OVER"), span)
                .hint("ROW_NUMBER() OVER (…) in a subquery with a condition on it is what runs here"));
        }
        if crate::plan::is_aggregate(&name) {
            return Err(Mistake::new(span, format!("{name} is an aggregate and cannot stand here"))
                .hint("aggregates stand in the SELECT list or HAVING of a query, not inside one another or in WHERE"));
        }
        if name == "PROCTIME" {
            let mut bound = super::literal::null();
            bound.is_null = false;
            bound.data_type = DataType::TimestampLtz(3);
            bound.expr = cast::typed_null(&bound.data_type);
            bound.time = Some(TimeAttribute::Proctime);
            return Ok(bound);
        }
        if ["TUMBLE", "HOP", "SESSION"].contains(&name.as_str()) {
            return Err(flink_only(&format!("{name} in GROUP BY (a legacy group window)"), span).hint(format!(
                "write FROM TABLE({name}(TABLE t, DESCRIPTOR(ts), INTERVAL …)) and GROUP BY window_start, window_end"
            )));
        }
        let arguments = match &function.args {
            ast::FunctionArguments::None => Vec::new(),
            ast::FunctionArguments::Subquery(_) => return Err(flink_only("a subquery as an argument", span)),
            ast::FunctionArguments::List(list) if list.duplicate_treatment.is_some() => {
                return Err(Mistake::new(span, format!("{name} is no aggregate: DISTINCT means nothing here")));
            }
            ast::FunctionArguments::List(list) => list.args.iter().collect(),
        };
        if let Some(bound) = time::with_unit(self, &name, &arguments, span) {
            return bound;
        }
        let mut bound = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(argument)) = argument else {
                return Err(Mistake::new(span, format!("{name} takes expressions")));
            };
            bound.push((self.value(argument)?, self.place(argument)));
        }
        if name == "ROW" {
            return nested::row(bound.into_iter().map(|(bound, _)| bound).collect());
        }
        functions::call(&name, bound, self.session, span)
    }
}

pub(in crate::plan) fn flink_only(what: &str, span: Span) -> Mistake {
    Mistake::new(span, format!("{what} runs on Flink only"))
}

fn proctime_problem(span: Span) -> Mistake {
    Mistake::new(span, "PROCTIME() has no value here: a replay would compute other rows")
        .hint("it can be the time of a window: TABLE(TUMBLE(TABLE t, DESCRIPTOR(…), …))")
}
