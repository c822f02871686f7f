//! FROM: topics, views, subqueries, window functions, UNNEST. Joins are refused by name, at their place.

use super::column::Column;
use super::draft::{Draft, DraftKind};
use super::expression::{Binder, ScopeColumn, flink_only};
use super::planner::{Context, Planned, Planner, Relation, Told};
use super::query::span_or;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Spanned, TableAlias, TableFactor, TableWithJoins, Value,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake, TablePath};

impl<'a> Planner<'a> {
    pub(super) fn from(&mut self, from: &'a [TableWithJoins], context: &Context<'a>, span: Span) -> Planned<Relation> {
        let Some((first, rest)) = from.split_first() else {
            return self.tell(Mistake::new(span, "the query reads no table").hint("write FROM and a topic's table"));
        };
        let mut relation = self.table_with_joins(first, context)?;
        for other in rest {
            let TableFactor::UNNEST { .. } = &other.relation else {
                return self.tell(join_problem("JOIN (a comma in FROM)", span_or(other.span(), context.statement)));
            };
            relation = self.unnest(relation, &other.relation, false, context)?;
            relation = self.joins(relation, other, context)?;
        }
        Ok(relation)
    }

    fn table_with_joins(&mut self, table: &'a TableWithJoins, context: &Context<'a>) -> Planned<Relation> {
        let relation = self.factor(&table.relation, context);
        if let Err(Told) = relation {
            return Err(Told);
        }
        self.joins(relation?, table, context)
    }

    fn joins(&mut self, mut relation: Relation, table: &'a TableWithJoins, context: &Context<'a>) -> Planned<Relation> {
        for join in &table.joins {
            let span = span_or(join.relation.span(), context.statement);
            let TableFactor::UNNEST { .. } = &join.relation else {
                let name = match &join.join_operator {
                    JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => "LEFT JOIN",
                    JoinOperator::Right(_) | JoinOperator::RightOuter(_) => "RIGHT JOIN",
                    JoinOperator::FullOuter(_) => "FULL JOIN",
                    JoinOperator::CrossJoin(_) => "CROSS JOIN",
                    _ => "JOIN",
                };
                return self.tell(join_problem(name, span));
            };
            let keeps_empty = match &join.join_operator {
                JoinOperator::CrossJoin(_) => false,
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) if is_true(constraint) => false,
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) if is_true(constraint) => true,
                _ => {
                    let problem = flink_only("UNNEST with another condition than ON TRUE", span);
                    return self
                        .tell(problem.hint("write CROSS JOIN UNNEST(…), or LEFT JOIN UNNEST(…) ON TRUE, and WHERE"));
                }
            };
            relation = self.unnest(relation, &join.relation, keeps_empty, context)?;
        }
        Ok(relation)
    }

    fn factor(&mut self, factor: &'a TableFactor, context: &Context<'a>) -> Planned<Relation> {
        let span = span_or(factor.span(), context.statement);
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let id = self.named_table(name, context, span)?;
                let own = name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.as_str());
                self.aliased(id, alias.as_ref(), own, context, span)
            }
            TableFactor::Derived { lateral: true, .. } => self.tell(flink_only("LATERAL", span)),
            TableFactor::Derived { subquery, alias, .. } => {
                let id = self.query(subquery, context)?;
                self.aliased(id, alias.as_ref(), None, context, span)
            }
            TableFactor::TableFunction { expr, alias } => {
                let id = self.window_function(expr, context)?;
                self.aliased(id, alias.as_ref(), None, context, span)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.table_with_joins(table_with_joins, context)
            }
            TableFactor::UNNEST { .. } => self.tell(
                flink_only("UNNEST without a table before it", span)
                    .hint("write FROM t CROSS JOIN UNNEST(t.a) AS u (x)"),
            ),
            _ => self.tell(flink_only("this kind of table", span)),
        }
    }

    fn named_table(
        &mut self,
        name: &'a ObjectName,
        context: &Context<'a>,
        span: Span,
    ) -> Planned<super::draft::DraftId> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        match parts.as_slice() {
            [one] => {
                let Some(position) = context.with.iter().rposition(|with| with.name == one.value) else {
                    return self.tell(Mistake::new(span, format!("table {} does not exist", one.value)));
                };
                self.with_table(position, context, span)
            }
            [catalog, database, table] => {
                let path = TablePath {
                    catalog: catalog.value.clone(),
                    database: database.value.clone(),
                    table: table.value.clone(),
                };
                self.table(&path, context, span)
            }
            _ => self.tell(Mistake::new(span, format!("table {name} does not exist"))),
        }
    }

    /// A query of WITH: it sees those before it.
    fn with_table(&mut self, position: usize, context: &Context<'a>, span: Span) -> Planned<super::draft::DraftId> {
        let with = context.with[position].clone();
        if let Some(id) = with.planned.get() {
            return Ok(id);
        }
        let inner = Context { with: context.with[..position].to_vec(), ..context.clone() };
        let before = self.drafts.0.len();
        let id = self.query(with.query, &inner)?;
        let id = self.renamed(id, &with.columns, context, span)?;
        if self.drafts.keeps_state_since(before) {
            self.drafts.share(id);
            with.planned.set(Some(id));
        }
        Ok(id)
    }

    /// The relation under its alias, or its own name.
    fn aliased(
        &mut self,
        id: super::draft::DraftId,
        alias: Option<&TableAlias>,
        own: Option<&str>,
        context: &Context<'a>,
        span: Span,
    ) -> Planned<Relation> {
        let Some(alias) = alias else { return Ok(self.relation(id, own)) };
        let names: Vec<String> = alias.columns.iter().map(|column| column.name.value.clone()).collect();
        let id = self.renamed(id, &names, context, span)?;
        Ok(self.relation(id, Some(&alias.name.value)))
    }

    fn unnest(
        &mut self,
        relation: Relation,
        factor: &'a TableFactor,
        keeps_empty: bool,
        context: &Context<'a>,
    ) -> Planned<Relation> {
        let TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } = factor else { return Err(Told) };
        let [written] = array_exprs.as_slice() else {
            return self.tell(flink_only("UNNEST of several arrays", span_or(factor.span(), context.statement)));
        };
        let span = super::expression::place(written, context.statement);
        let bound = Binder::new(&relation.scope, context.session, context.statement).value(written);
        let bound = self.keep(bound)?;
        let DataType::Array(element) = bound.data_type.clone() else {
            let message =
                format!("UNNEST takes an ARRAY, and this is {}", super::expression::describe(&bound.data_type));
            return self.tell(Mistake::new(span, message));
        };
        let Relation { mut id, mut scope } = relation;
        let array = match super::draft::passes(&bound.expr) {
            Some(array) => array,
            None => {
                let mut items = self.drafts.all_columns(id);
                items.push((bound.expr.clone(), bound.column("")));
                let array = items.len() - 1;
                id = self.drafts.project(id, &context.name("calc"), items);
                // nobody can call it by a name
                scope.columns.push(ScopeColumn { qualifier: Some(String::new()), column: bound.column("") });
                array
            }
        };
        let mut elements: Vec<Column> = match &element.data_type {
            DataType::Row(fields) => {
                fields.iter().map(|field| Column::new(&field.name, field.sql_type.data_type.clone(), true)).collect()
            }
            data_type => vec![Column::new("EXPR$0", data_type.clone(), true)],
        };
        if *with_ordinality {
            elements.push(Column::new("ORDINALITY", DataType::Int, keeps_empty));
        }
        if let Some(alias) = alias.as_ref().filter(|alias| !alias.columns.is_empty()) {
            if alias.columns.len() != elements.len() {
                let message = format!("{} names for {} columns", alias.columns.len(), elements.len());
                return self.tell(Mistake::new(span_or(alias.name.span, context.statement), message));
            }
            for (column, name) in elements.iter_mut().zip(&alias.columns) {
                column.name = name.name.value.clone();
            }
        }
        let below = &self.drafts[id];
        let columns = below.columns.iter().cloned().chain(elements.iter().cloned()).collect();
        // one row becomes many: no key is left
        let changes = match &below.changes {
            crate::graph::Changes::Append => crate::graph::Changes::Append,
            crate::graph::Changes::Updating { .. } => crate::graph::Changes::Updating { key: None },
        };
        let draft = Draft {
            name: context.name("unnest"),
            kind: DraftKind::Unnest { array, with_ordinality: *with_ordinality, keeps_empty },
            inputs: vec![id],
            columns,
            changes,
            windowed: below.windowed.clone(),
            is_shared: false,
        };
        let id = self.drafts.push(draft);
        let qualifier = alias.as_ref().map(|alias| alias.name.value.clone());
        let elements = elements.into_iter().map(|column| ScopeColumn { qualifier: qualifier.clone(), column });
        scope.columns.extend(elements);
        Ok(Relation { id, scope })
    }
}

fn is_true(constraint: &JoinConstraint) -> bool {
    matches!(constraint, JoinConstraint::On(Expr::Value(value)) if value.value == Value::Boolean(true))
}

fn join_problem(name: &str, span: Span) -> Mistake {
    flink_only(name, span).hint("an array is flattened with CROSS JOIN UNNEST(…)")
}
