//! Queries: WITH, UNION ALL, and the way to SELECT.

use super::column::Column;
use super::draft::{Draft, DraftId, DraftKind};
use super::expression::{Bound, cast, column, common_type, describe, flink_only};
use super::planner::{Context, Planned, Planner, Told, With};
use crate::graph::Changes;
use datafusion::sql::sqlparser::ast::{LimitClause, Query, SetExpr, SetOperator, SetQuantifier, Spanned};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::Mistake;

impl<'a> Planner<'a> {
    pub(super) fn query(&mut self, query: &'a Query, context: &Context<'a>) -> Planned<DraftId> {
        let mut context = context.clone();
        let mut told = false;
        if let Some(with) = &query.with {
            if with.recursive {
                told = self.tell::<()>(flink_only("WITH RECURSIVE", with.with_token.0.span)).is_err();
            }
            for table in &with.cte_tables {
                context.with.push(With {
                    name: table.alias.name.value.clone(),
                    columns: table.alias.columns.iter().map(|column| column.name.value.clone()).collect(),
                    query: &table.query,
                    planned: Default::default(),
                });
            }
        }
        if let Some(order) = &query.order_by {
            let problem = flink_only("ORDER BY", span_or(order.span(), context.statement));
            told |= self.tell::<()>(problem.hint("a stream has no end to sort; the first rows of each key: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)")).is_err();
        }
        if query.limit_clause.is_some() || query.fetch.is_some() {
            let written = match &query.limit_clause {
                Some(LimitClause::LimitOffset { limit: Some(limit), .. }) => limit.span(),
                _ => Span::empty(),
            };
            let problem = flink_only("LIMIT", span_or(written, context.statement));
            told |= self
                .tell::<()>(problem.hint("the first rows of each key: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)"))
                .is_err();
        }
        let planned = self.body(&query.body, &context)?;
        if told { Err(Told) } else { Ok(planned) }
    }

    fn body(&mut self, body: &'a SetExpr, context: &Context<'a>) -> Planned<DraftId> {
        match body {
            SetExpr::Select(select) => self.select(select, context),
            SetExpr::Query(query) => self.query(query, context),
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } => {
                let (l, r) = (self.body(left, context), self.body(right, context));
                let (l, r) = (l?, r?);
                self.union(l, r, span_or(right.span(), context.statement), context)
            }
            SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::None | SetQuantifier::Distinct,
                left,
                right,
            } => {
                let span = span_or(right.span(), context.statement);
                let (l, r) = (self.body(left, context), self.body(right, context));
                let (l, r) = (l?, r?);
                let all = self.union(l, r, span, context)?;
                self.distinct(all, context, span)
            }
            SetExpr::SetOperation { op, left, right, .. } => {
                let span = span_or(right.span(), context.statement);
                // what else is wrong in them is told too
                let _ = (self.body(left, context), self.body(right, context));
                self.tell(flink_only(&op.to_string(), span))
            }
            SetExpr::Values(_) => self.tell(flink_only("VALUES", span_or(body.span(), context.statement))),
            _ => self.tell(flink_only("this kind of query", span_or(body.span(), context.statement))),
        }
    }

    /// Rows of both, in the types that both have in common; named as the first names them.
    pub(super) fn union(
        &mut self,
        left: DraftId,
        right: DraftId,
        span: Span,
        context: &Context<'a>,
    ) -> Planned<DraftId> {
        let (l, r) = (self.drafts[left].columns.clone(), self.drafts[right].columns.clone());
        if l.len() != r.len() {
            let message = format!("UNION ALL of {} columns and {}", l.len(), r.len());
            return self.tell(Mistake::new(span, message));
        }
        let mut columns = Vec::new();
        for (position, (one, other)) in l.iter().zip(&r).enumerate() {
            let Some(target) = common_type(&one.data_type, &other.data_type) else {
                let (a, b) = (describe(&other.data_type), describe(&one.data_type));
                let message = format!("column {} of UNION ALL is {a} here and {b} before", position + 1);
                return self.tell(Mistake::new(span, message).hint(format!("write CAST(… AS {b})")));
            };
            let mut column = Column::new(&one.name, target, one.nullable || other.nullable);
            column.time = one.time.filter(|time| other.time == Some(*time));
            columns.push(column);
        }
        let left = self.in_types(left, &columns, span, context)?;
        let right = self.in_types(right, &columns, span, context)?;
        let is_append = |id: DraftId| self.drafts[id].changes == Changes::Append;
        let changes =
            if is_append(left) && is_append(right) { Changes::Append } else { Changes::Updating { key: None } };
        let mut inputs = Vec::new();
        for id in [left, right] {
            let flat = matches!(self.drafts[id].kind, DraftKind::Union) && !self.drafts[id].is_shared;
            if flat { inputs.extend(self.drafts[id].inputs.clone()) } else { inputs.push(id) }
        }
        let name = context.name("union");
        Ok(self.drafts.push(Draft {
            name,
            kind: DraftKind::Union,
            inputs,
            columns,
            changes,
            windowed: None,
            is_shared: false,
        }))
    }

    fn in_types(&mut self, id: DraftId, columns: &[Column], span: Span, context: &Context<'a>) -> Planned<DraftId> {
        let given = self.drafts[id].columns.clone();
        if given.iter().zip(columns).all(|(given, wanted)| given.data_type == wanted.data_type) {
            return Ok(id);
        }
        let mut items = Vec::new();
        for (index, (given, wanted)) in given.iter().zip(columns).enumerate() {
            let bound =
                Bound { time: None, ..Bound::new(column(&given.name, index), given.data_type.clone(), given.nullable) };
            let bound = cast(bound, &wanted.data_type, context.session, span);
            let bound = self.keep(bound)?;
            let column = Column { data_type: wanted.data_type.clone(), ..given.clone() };
            items.push((bound.expr, column));
        }
        Ok(self.drafts.project(id, &context.name("calc"), items))
    }
}

/// A place, if it is one.
pub(super) fn span_or(span: Span, fallback: Span) -> Span {
    if span.start.line > 0 { span } else { fallback }
}
