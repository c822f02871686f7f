//! SELECT: FROM, WHERE, then projection, grouping or ranking.

use super::column::Column;
use super::draft::{DraftId, DraftKind};
use super::expression::{Binder, Bound, Scope, flink_only};
use super::planner::{Context, Planned, Planner, Relation, Told};
use super::{grouping, topn};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, Select, SelectItem, SelectItemQualifiedWildcardKind, Spanned,
    WildcardAdditionalOptions,
};
use hoga_sql::{DataType, Mistake, did_you_mean, quoted};
use std::sync::Arc;

/// One column of the SELECT list.
pub(super) enum Item<'a> {
    /// An expression and what its column is called.
    Expr(&'a Expr, String),
    /// A column of the input, from `*`.
    Column(usize),
}

impl<'a> Planner<'a> {
    pub(super) fn select(&mut self, select: &'a Select, context: &Context<'a>) -> Planned<DraftId> {
        let span = select.select_token.0.span;
        let span = if span.start.line > 0 { span } else { context.statement };
        let mut refused = false;
        if !select.named_window.is_empty() {
            refused = self.tell::<()>(flink_only("a WINDOW clause", span)).is_err();
        }
        let relation = self.from(&select.from, context, span)?;
        let relation = match self.filter_where(relation.clone(), select.selection.as_ref(), context) {
            Ok(filtered) => filtered,
            // the SELECT list may have its own mistakes
            Err(Told) => {
                refused = true;
                relation
            }
        };
        let items = self.items(&select.projection, &relation.scope, context)?;
        let groups = group_expressions(&select.group_by);
        let groups = self.keep(groups)?;
        let has_calls = items.iter().any(|item| matches!(item, Item::Expr(expr, _) if grouping::has_calls(expr)));
        let ranked = items.iter().any(|item| matches!(item, Item::Expr(expr, _) if topn::is_ranking(expr)));
        let grouped = groups.is_some() || has_calls || select.having.is_some();
        if ranked && grouped {
            return self.tell(flink_only("ROW_NUMBER() OVER beside GROUP BY", span).hint("group in a subquery"));
        }
        let planned = if ranked {
            self.rank(relation, &items, context, span)?
        } else if grouped {
            self.group(relation, &items, &groups.unwrap_or_default(), select.having.as_ref(), context, span)?
        } else {
            self.project_items(relation, &items, context)?
        };
        if refused {
            return Err(Told);
        }
        match &select.distinct {
            None | Some(Distinct::All) => Ok(planned),
            Some(Distinct::Distinct) => self.distinct(planned, context, span),
            Some(Distinct::On(_)) => self.tell(flink_only("DISTINCT ON", span)),
        }
    }

    fn project_items(&mut self, relation: Relation, items: &[Item<'a>], context: &Context<'a>) -> Planned<DraftId> {
        let mut bound = Vec::new();
        let mut told = false;
        for item in items {
            let one = bind_item(item, &relation.scope, context);
            match self.keep(one) {
                Ok(item) => bound.push(item),
                Err(Told) => told = true,
            }
        }
        if told {
            return Err(Told);
        }
        Ok(self.drafts.project(relation.id, &context.name("calc"), bound))
    }

    /// WHERE, without the conditions on a ROW_NUMBER(): those say how many rows it keeps.
    fn filter_where(
        &mut self,
        relation: Relation,
        selection: Option<&Expr>,
        context: &Context<'a>,
    ) -> Planned<Relation> {
        let Some(selection) = selection else { return Ok(relation) };
        let mut conditions = Vec::new();
        conjuncts(selection, &mut conditions);
        let conditions = self.rank_conditions(&relation, conditions, context)?;
        let mut id = relation.id;
        let mut told = false;
        for condition in conditions {
            if let Some(call) = grouping::first_call(condition) {
                let problem = Mistake::new(call, "an aggregate cannot stand in WHERE")
                    .hint("a condition on an aggregate stands in HAVING");
                told |= self.tell::<()>(problem).is_err();
                continue;
            }
            let bound = Binder::new(&relation.scope, context.session, context.statement)
                .condition(condition, "a condition of WHERE");
            match self.keep(bound) {
                Ok(bound) => id = self.drafts.filter(id, &context.name("calc"), bound.expr),
                Err(Told) => told = true,
            }
        }
        if told { Err(Told) } else { Ok(Relation { id, ..relation }) }
    }

    /// The SELECT list with `*` spelled out.
    fn items(&mut self, projection: &'a [SelectItem], scope: &Scope, context: &Context<'a>) -> Planned<Vec<Item<'a>>> {
        let mut items = Vec::new();
        let mut told = false;
        for (position, item) in projection.iter().enumerate() {
            match item {
                SelectItem::UnnamedExpr(expr) => items.push(Item::Expr(expr, output_name(expr, position))),
                SelectItem::ExprWithAlias { expr, alias } => items.push(Item::Expr(expr, alias.value.clone())),
                SelectItem::Wildcard(options) if is_plain(options) => {
                    items.extend((0..scope.columns.len()).map(Item::Column));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                    if is_plain(options) =>
                {
                    let last = name.0.last().and_then(|part| part.as_ident());
                    let table = last.map(|ident| ident.value.clone()).unwrap_or_default();
                    let columns = scope.columns.iter().enumerate();
                    let of_table: Vec<_> = columns
                        .filter(|(_, column)| column.qualifier.as_deref() == Some(table.as_str()))
                        .map(|(index, _)| Item::Column(index))
                        .collect();
                    if of_table.is_empty() {
                        let span = last.map_or(context.statement, |ident| ident.span);
                        let known = scope.columns.iter().filter_map(|column| column.qualifier.as_deref());
                        let message = format!("no table here is called {}", quoted(&table));
                        let hint = did_you_mean(&table, known);
                        told = self.tell::<()>(Mistake { hint, ..Mistake::new(span, message) }).is_err();
                    }
                    items.extend(of_table);
                }
                other => {
                    let span = super::query::span_or(other.span(), context.statement);
                    told = self.tell::<()>(flink_only(&format!("{other}"), span)).is_err();
                }
            }
        }
        if told { Err(Told) } else { Ok(items) }
    }
}

type Bind = Result<(Arc<dyn PhysicalExpr>, Column), Mistake>;

/// One column of a plain SELECT list.
pub(super) fn bind_item(item: &Item<'_>, scope: &Scope, context: &Context<'_>) -> Bind {
    match item {
        Item::Column(index) => {
            let found = &scope.columns[*index].column;
            Ok((super::expression::column(&found.name, *index), found.clone()))
        }
        Item::Expr(expr, name) => {
            let mut binder = Binder::new(scope, context.session, context.statement);
            named(binder.bind(expr)?, name)
        }
    }
}

/// A bound item as a column. NULL alone is a text until a table says what it is.
pub(super) fn named(bound: Bound, name: &str) -> Bind {
    if bound.is_null {
        let mut column = Column::new(name, DataType::String, true);
        column.is_null = true;
        return Ok((super::expression::typed_null(&DataType::String), column));
    }
    Ok((Arc::clone(&bound.expr), bound.column(name)))
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

/// What Flink calls a column that has no name of its own.
fn output_name(expr: &Expr, position: usize) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()).unwrap_or_default(),
        Expr::Nested(inner) => output_name(inner, position),
        _ => format!("EXPR${position}"),
    }
}

/// The conditions that AND joins.
pub(super) fn conjuncts<'e>(expr: &'e Expr, found: &mut Vec<&'e Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, found);
            conjuncts(right, found);
        }
        Expr::Nested(inner) if matches!(inner.as_ref(), Expr::BinaryOp { op: BinaryOperator::And, .. }) => {
            conjuncts(inner, found);
        }
        other => found.push(other),
    }
}

/// The expressions of GROUP BY; None without one.
fn group_expressions(group_by: &GroupByExpr) -> Result<Option<Vec<&Expr>>, Mistake> {
    match group_by {
        GroupByExpr::Expressions(expressions, modifiers) if modifiers.is_empty() => {
            if expressions.is_empty() {
                return Ok(None);
            }
            for expr in expressions {
                let what = match expr {
                    Expr::GroupingSets(_) => "GROUPING SETS",
                    Expr::Cube(_) => "CUBE",
                    Expr::Rollup(_) => "ROLLUP",
                    _ => continue,
                };
                return Err(flink_only(what, expr.span()).hint("write one GROUP BY for each and UNION ALL"));
            }
            Ok(Some(expressions.iter().collect()))
        }
        other => Err(flink_only(&other.to_string(), other.span())),
    }
}

/// True if the draft ranks its rows and nobody has said how many are wanted.
pub(super) fn is_pending(kind: &DraftKind) -> bool {
    matches!(kind, DraftKind::TopN(top) if top.limit == topn::UNLIMITED)
}
