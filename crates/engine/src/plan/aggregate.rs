//! GROUP BY: over windows, where each group is given once, or over the whole stream, where it is updated. DISTINCT is one too.

use super::column::{Column, WindowRole};
use super::draft::{Draft, DraftId, DraftKind, Windowed};
use super::expression::{Aggregates, Binder, Bound, Scope, column, flink_only, place};
use super::grouping::{Grouping, first_call, function_name, key_name, name_of, result_type, same};
use super::planner::{Context, Planned, Planner, Relation, Told};
use super::select::{Item, named};
use super::window::window_columns;
use super::windowing::{self, Windowing};
use crate::graph::{self, AggregateCall, AggregateFunction, AttachedWindow, Changes, WindowAggregate, WindowSource};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake, quoted};
use std::sync::Arc;

impl<'a> Planner<'a> {
    pub(super) fn group(
        &mut self,
        relation: Relation,
        items: &[Item<'a>],
        groups: &[&Expr],
        having: Option<&Expr>,
        context: &Context<'a>,
        span: Span,
    ) -> Planned<DraftId> {
        let mut keys = Vec::new();
        let mut told = false;
        for group in groups {
            if let Some(call) = first_call(group) {
                told = self.tell::<()>(Mistake::new(call, "an aggregate cannot stand in GROUP BY")).is_err();
                continue;
            }
            let mut binder = Binder::new(&relation.scope, context.session, context.statement);
            let bound = binder.bind(group).and_then(|bound| match bound.window {
                Some(_) => Ok(bound),
                None => binder.value(group),
            });
            match self.keep(bound) {
                Ok(bound) => keys.push(bound),
                Err(Told) => told = true,
            }
        }
        if told {
            return Err(Told);
        }
        let is_windowed = self.is_windowed(relation.id, &keys);
        let mut grouping = Grouping {
            scope: &relation.scope,
            session: context.session,
            statement: span,
            input: Vec::new(),
            keys: Vec::new(),
            is_windowed,
            calls: Vec::new(),
        };
        for key in keys {
            let is_edge = is_windowed && key.window.is_some();
            if !is_edge && !grouping.keys.iter().any(|known| same(&known.expr, &key.expr)) {
                grouping.input_of(&key, "key");
                grouping.keys.push(key);
            }
        }
        let key_positions: Vec<usize> = (0..grouping.keys.len()).collect();
        let names: Vec<String> = grouping.keys.iter().map(|key| key_name(key, &relation.scope)).collect();
        let mut output = Vec::new();
        for item in items {
            let bound = grouped_item(item, &mut grouping, &relation.scope, context);
            match self.keep(bound) {
                Ok(bound) => output.push(bound),
                Err(Told) => told = true,
            }
        }
        let having = having.map(|having| {
            let mut binder = Binder {
                scope: &relation.scope,
                session: context.session,
                aggregates: Some(&mut grouping),
                statement: context.statement,
            };
            binder.condition(having, "HAVING")
        });
        let having = match having {
            Some(bound) => self.keep(bound).map(Some),
            None => Ok(None),
        };
        if told {
            return Err(Told);
        }
        let having = having?;
        let Grouping { input, keys, calls, .. } = grouping;
        let mut parts = Parts { input, key_positions, calls, keys, names };
        let id = if is_windowed {
            self.window_aggregate(relation.id, &mut parts, context, span)?
        } else {
            self.aggregate(relation.id, parts, context)?
        };
        let id = match having {
            Some(having) => self.drafts.filter(id, &context.name("calc"), having.expr),
            None => id,
        };
        Ok(self.drafts.project(id, &context.name("calc"), output))
    }

    /// True if both edges of the rows' windows are among the keys.
    fn is_windowed(&self, id: DraftId, keys: &[Bound]) -> bool {
        let has = |role| keys.iter().any(|key| key.window == Some(role));
        self.drafts[id].windowed.is_some() && has(WindowRole::Start) && has(WindowRole::End)
    }

    /// All different rows: grouped by all columns.
    pub(super) fn distinct(&mut self, id: DraftId, context: &Context<'a>, span: Span) -> Planned<DraftId> {
        let columns = self.drafts[id].columns.clone();
        let all: Vec<Bound> =
            columns.iter().enumerate().map(|(index, column)| Bound::of_column(column, index)).collect();
        if let Some(column) = columns.iter().find(|column| column.time == Some(super::column::TimeAttribute::Proctime))
        {
            let message = format!("DISTINCT over {}, which is PROCTIME() and has no value", quoted(&column.name));
            return self.tell(Mistake::new(span, message));
        }
        let is_windowed = self.is_windowed(id, &all);
        let is_edge = |bound: &Bound| is_windowed && bound.window.is_some();
        let keys: Vec<Bound> = all.iter().filter(|bound| !is_edge(bound)).cloned().collect();
        let input = keys.iter().map(|key| (Arc::clone(&key.expr), key.column(name_of(key, &columns)))).collect();
        let names = keys.iter().map(|key| name_of(key, &columns)).collect();
        let mut parts = Parts { input, key_positions: (0..keys.len()).collect(), calls: Vec::new(), keys, names };
        if !is_windowed {
            return self.aggregate(id, parts, context);
        }
        let count = parts.keys.len();
        let grouped = self.window_aggregate(id, &mut parts, context, span)?;
        let mut key = 0;
        let items = columns.iter().map(|wanted| {
            let index = match wanted.window {
                Some(WindowRole::Start) => count,
                Some(WindowRole::End) => count + 1,
                Some(WindowRole::Time) => count + 2,
                None => {
                    key += 1;
                    key - 1
                }
            };
            (column(&wanted.name, index), wanted.clone())
        });
        let items = items.collect();
        Ok(self.drafts.project(grouped, &context.name("calc"), items))
    }

    fn aggregate(&mut self, id: DraftId, parts: Parts, context: &Context<'a>) -> Planned<DraftId> {
        let input = self.drafts.project(id, &context.name("calc"), parts.input.clone());
        let columns = parts.output_columns(None);
        let key = Some((0..parts.keys.len()).collect());
        let kind = DraftKind::Aggregate(graph::Aggregate { keys: parts.key_positions, calls: parts.calls });
        Ok(self.drafts.push(Draft {
            name: context.name("aggregate"),
            kind,
            inputs: vec![input],
            columns,
            changes: Changes::Updating { key },
            windowed: None,
            is_shared: false,
        }))
    }

    fn window_aggregate(
        &mut self,
        id: DraftId,
        parts: &mut Parts,
        context: &Context<'a>,
        span: Span,
    ) -> Planned<DraftId> {
        if self.drafts[id].changes != Changes::Append {
            return self.tell(flink_only("a window over an updating query", span));
        }
        let Some(windowed) = self.drafts[id].windowed.clone() else { return Err(Told) };
        let windowing = windowing::windowing(&mut self.drafts, id, &parts.input, &context.name("calc"));
        let (input, windows) = match windowing {
            Windowing::Assigned { input, windows, positions, partition } => {
                if let Some(partition) = partition {
                    let mut keys: Vec<usize> = parts.key_positions.iter().map(|key| positions[*key]).collect();
                    keys.sort_unstable();
                    let mut wanted = partition.clone();
                    wanted.sort_unstable();
                    if keys != wanted {
                        let problem = flink_only("SESSION whose PARTITION BY is not the GROUP BY", span);
                        return self
                            .tell(problem.hint("write the same columns in both, besides window_start and window_end"));
                    }
                }
                parts.key_positions.iter_mut().for_each(|key| *key = positions[*key]);
                for call in &mut parts.calls {
                    call.argument = call.argument.map(|argument| positions[argument]);
                    call.filter = call.filter.map(|filter| positions[filter]);
                }
                (input, WindowSource::Assigned(windows))
            }
            Windowing::Attached { input, start, end } => {
                let Windowed { zone, is_rowtime } = windowed;
                (input, WindowSource::Attached(AttachedWindow { start, end, zone, is_rowtime }))
            }
            Windowing::Session => {
                let problem = flink_only("a condition or expression on the edges of a SESSION", span);
                return self.tell(problem.hint("group by window_start and window_end first, then use them"));
            }
            Windowing::Lost => {
                let message = "window_start or window_end is not one of the rows' own";
                return self.tell(Mistake::new(span, message));
            }
        };
        let columns = parts.output_columns(Some(window_columns(&windowed)));
        let keys = parts.key_positions.clone();
        let calls = parts.calls.clone();
        Ok(self.drafts.push(Draft {
            name: context.name("window aggregate"),
            kind: DraftKind::WindowAggregate(WindowAggregate { windows, keys, calls }),
            inputs: vec![input],
            columns,
            changes: Changes::Append,
            windowed: Some(windowed),
            is_shared: false,
        }))
    }
}

/// A grouping, read to the end.
struct Parts {
    input: Vec<(Arc<dyn PhysicalExpr>, Column)>,
    key_positions: Vec<usize>,
    calls: Vec<AggregateCall>,
    keys: Vec<Bound>,
    names: Vec<String>,
}

impl Parts {
    fn output_columns(&self, window: Option<[Column; 3]>) -> Vec<Column> {
        let keys = self.keys.iter().zip(&self.names).map(|(key, name)| {
            let mut column = Column::new(name, key.data_type.clone(), key.nullable);
            column.window = None;
            column
        });
        let calls = self.calls.iter().map(|call| {
            let argument = call.argument.and_then(|index| self.input.get(index)).map(|(_, column)| &column.data_type);
            let data_type =
                argument.and_then(|argument| result_type(&call.function, argument)).unwrap_or(DataType::BigInt);
            let name = function_name(&call.function);
            Column::new(name, data_type, call.function != AggregateFunction::Count)
        });
        keys.chain(window.into_iter().flatten()).chain(calls).collect()
    }
}

type OutputItem = (Arc<dyn PhysicalExpr>, Column);

fn grouped_item(
    item: &Item<'_>,
    grouping: &mut Grouping<'_>,
    scope: &Scope,
    context: &Context<'_>,
) -> Result<OutputItem, Mistake> {
    match item {
        Item::Column(index) => {
            let found = &scope.columns[*index].column;
            let bound = Bound::of_column(found, *index);
            let position = grouping.keys.iter().position(|key| same(&key.expr, &bound.expr));
            match (position, bound.window.filter(|_| grouping.is_windowed)) {
                (Some(position), _) => Ok((column(&found.name, position), found.clone())),
                (None, Some(role)) => {
                    let offset = match role {
                        WindowRole::Start => 0,
                        WindowRole::End => 1,
                        WindowRole::Time => 2,
                    };
                    Ok((column(&found.name, grouping.keys.len() + offset), found.clone()))
                }
                (None, None) => Err(grouping.not_grouped(&found.name, grouping.statement)),
            }
        }
        Item::Expr(expr, name) => {
            let span = place(expr, context.statement);
            let mut binder = Binder { scope, session: context.session, aggregates: Some(grouping), statement: span };
            named(binder.bind(expr)?, name)
        }
    }
}
