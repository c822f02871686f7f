//! GROUP BY: over windows, where each group is given once, or over the whole stream, where it is updated. DISTINCT is one too.

use super::column::{Column, WindowRole};
use super::draft::{Draft, DraftId, DraftKind, Windowed};
use super::expression::{Aggregates, Binder, Bound, Scope, Session, column, describe, flink_only, place};
use super::planner::{Context, Planned, Planner, Relation, Told};
use super::select::{Item, named};
use super::window::window_columns;
use super::windowing::{self, Windowing};
use crate::graph::{self, AggregateCall, AggregateFunction, AttachedWindow, Changes, WindowAggregate, WindowSource};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake, quoted};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Aggregates that Flink has and the engine has not.
const FLINK_ONLY: &[&str] =
    &["APPROX_COUNT_DISTINCT", "ARRAY_AGG", "COLLECT", "CUME_DIST", "JSON_ARRAYAGG", "JSON_OBJECTAGG", "PERCENTILE"];

/// True for the name of an aggregate, in capitals.
pub(super) fn is_aggregate(name: &str) -> bool {
    name == "LISTAGG" || FLINK_ONLY.contains(&name) || simple_function(name).is_some()
}

fn simple_function(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "COUNT" => AggregateFunction::Count,
        "SUM" => AggregateFunction::Sum,
        "MIN" => AggregateFunction::Min,
        "MAX" => AggregateFunction::Max,
        "AVG" => AggregateFunction::Avg,
        "FIRST_VALUE" => AggregateFunction::FirstValue,
        "LAST_VALUE" => AggregateFunction::LastValue,
        "STDDEV_POP" => AggregateFunction::StddevPop,
        "STDDEV_SAMP" | "STDDEV" => AggregateFunction::StddevSamp,
        "VAR_POP" => AggregateFunction::VarPop,
        "VAR_SAMP" | "VARIANCE" => AggregateFunction::VarSamp,
        _ => return None,
    })
}

fn call_of(expr: &Expr) -> Option<(&Function, String)> {
    let Expr::Function(function) = expr else { return None };
    let name = function.name.to_string().to_ascii_uppercase();
    (function.over.is_none() && is_aggregate(&name)).then_some((function, name))
}

pub(super) fn has_calls(expr: &Expr) -> bool {
    first_call(expr).is_some()
}

/// Where the first aggregate call of an expression stands; those of subqueries are theirs.
pub(super) fn first_call(expr: &Expr) -> Option<Span> {
    struct Calls {
        depth: usize,
    }
    impl Visitor for Calls {
        type Break = Span;

        fn pre_visit_query(&mut self, _: &datafusion::sql::sqlparser::ast::Query) -> ControlFlow<Span> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &datafusion::sql::sqlparser::ast::Query) -> ControlFlow<Span> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
            if self.depth == 0 && call_of(expr).is_some() {
                return ControlFlow::Break(place(expr, Span::empty()));
            }
            ControlFlow::Continue(())
        }
    }
    match expr.visit(&mut Calls { depth: 0 }) {
        ControlFlow::Break(span) => Some(span),
        ControlFlow::Continue(()) => None,
    }
}

/// What a grouping is made of while the query's expressions are read.
struct Grouping<'a> {
    scope: &'a Scope,
    session: Session,
    statement: Span,
    /// What is computed before grouping: keys, arguments, conditions.
    input: Vec<(Arc<dyn PhysicalExpr>, Column)>,
    /// The keys that are no window's edges, over the scope.
    keys: Vec<Bound>,
    is_windowed: bool,
    calls: Vec<AggregateCall>,
}

impl Grouping<'_> {
    /// The position of an expression before grouping.
    fn input_of(&mut self, bound: &Bound, name: &str) -> usize {
        if let Some(known) = self.input.iter().position(|(expr, _)| expr == &bound.expr) {
            return known;
        }
        let passed = super::draft::passes(&bound.expr).and_then(|index| self.scope.columns.get(index));
        let name = passed.map_or(name, |passed| &passed.column.name);
        self.input.push((Arc::clone(&bound.expr), bound.column(name)));
        self.input.len() - 1
    }

    fn binder(&self) -> Binder<'_> {
        Binder::new(self.scope, self.session, self.statement)
    }

    fn key_columns(&self) -> usize {
        self.keys.len() + if self.is_windowed { 3 } else { 0 }
    }

    fn call(&mut self, function: &Function, name: &str, span: Span) -> Result<Bound, Mistake> {
        let (call, nullable) = self.aggregate_call(function, name, span)?;
        let position = match self.calls.iter().position(|known| *known == call) {
            Some(position) => position,
            None => {
                self.calls.push(call.clone());
                self.calls.len() - 1
            }
        };
        let index = self.key_columns() + position;
        let data_type = call_type(&call, self);
        Ok(Bound::new(column(function_name(&call.function), index), data_type, nullable))
    }

    fn aggregate_call(
        &mut self,
        function: &Function,
        name: &str,
        span: Span,
    ) -> Result<(AggregateCall, bool), Mistake> {
        if FLINK_ONLY.contains(&name) {
            return Err(flink_only(&format!("aggregate {name}"), span));
        }
        if function.null_treatment.is_some() || !function.within_group.is_empty() {
            return Err(flink_only(&format!("{name} with these words behind it"), span));
        }
        let FunctionArguments::List(list) = &function.args else {
            return Err(Mistake::new(span, format!("{name} takes an argument")));
        };
        if !list.clauses.is_empty() {
            return Err(flink_only(&format!("{name} with these words inside"), span));
        }
        let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let filter = match &function.filter {
            None => None,
            Some(condition) => {
                let bound = self.binder().condition(condition, "a FILTER")?;
                Some(self.input_of(&bound, "filter"))
            }
        };
        let (argument, separator) = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_))]
                if name == "COUNT" && !is_distinct =>
            {
                (None, None)
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => (Some(expr), None),
            [
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(separator)),
            ] if name == "LISTAGG" => (Some(expr), Some(separator)),
            other => {
                return Err(Mistake::new(span, format!("{name} takes one argument, and this has {}", other.len())));
            }
        };
        let Some(written) = argument else {
            let call = AggregateCall {
                function: AggregateFunction::Count,
                argument: None,
                filter,
                is_distinct: false,
                data_type: super::expression::physical_type(&DataType::BigInt),
            };
            return Ok((call, false));
        };
        if let Some(inner) = first_call(written) {
            return Err(Mistake::new(inner, "an aggregate cannot stand inside another one")
                .hint("aggregate in a subquery first"));
        }
        let bound = self.binder().value(written)?;
        if bound.is_null {
            return Err(Mistake::new(place(written, span), format!("{name} of NULL has no type")));
        }
        let function = match name {
            "LISTAGG" => AggregateFunction::ListAgg { separator: self.separator(separator, span)? },
            _ => simple_function(name).ok_or_else(|| flink_only(&format!("aggregate {name}"), span))?,
        };
        let output = result_type(&function, &bound.data_type).ok_or_else(|| {
            let message = format!("{name} takes no {}", describe(&bound.data_type));
            Mistake::new(place(written, span), message)
        })?;
        // a column that is never NULL is counted as rows are
        let is_rows = function == AggregateFunction::Count && !is_distinct && !bound.nullable;
        let nullable = function != AggregateFunction::Count;
        let argument = if is_rows { None } else { Some(self.input_of(&bound, "argument")) };
        let data_type = super::expression::physical_type(&output);
        // the smallest, the largest and the first of different values are those of all
        let is_distinct = is_distinct && !matches!(function, AggregateFunction::Min | AggregateFunction::Max);
        Ok((AggregateCall { function, argument, filter, is_distinct, data_type }, nullable))
    }

    fn separator(&self, written: Option<&Expr>, span: Span) -> Result<String, Mistake> {
        let Some(written) = written else { return Ok(",".to_owned()) };
        let bound = self.binder().value(written)?;
        let text = bound.constant_text().map(str::to_owned);
        text.ok_or_else(|| Mistake::new(place(written, span), "the separator of LISTAGG is a text written out"))
    }
}

/// Flink's type of a call, of which the graph knows only how it lies in memory.
fn call_type(call: &AggregateCall, grouping: &Grouping<'_>) -> DataType {
    let argument = call.argument.and_then(|index| grouping.input.get(index)).map(|(_, column)| &column.data_type);
    argument.and_then(|argument| result_type(&call.function, argument)).unwrap_or(DataType::BigInt)
}

/// None: there is no such aggregate of this type.
fn result_type(function: &AggregateFunction, argument: &DataType) -> Option<DataType> {
    use super::expression::{average_type, is_numeric, is_string, sum_type};
    Some(match function {
        AggregateFunction::Count => DataType::BigInt,
        AggregateFunction::Sum if is_numeric(argument) => sum_type(argument),
        AggregateFunction::Avg
        | AggregateFunction::StddevPop
        | AggregateFunction::StddevSamp
        | AggregateFunction::VarPop
        | AggregateFunction::VarSamp
            if is_numeric(argument) =>
        {
            average_type(argument)
        }
        AggregateFunction::Min | AggregateFunction::Max
            if !matches!(argument, DataType::Array(_) | DataType::Row(_) | DataType::Map(..)) =>
        {
            argument.clone()
        }
        AggregateFunction::FirstValue | AggregateFunction::LastValue => argument.clone(),
        AggregateFunction::ListAgg { .. } if is_string(argument) => DataType::String,
        _ => return None,
    })
}

impl Aggregates for Grouping<'_> {
    fn resolve(&mut self, expr: &Expr) -> Result<Option<Bound>, Mistake> {
        if let Some((function, name)) = call_of(expr) {
            return self.call(function, &name, place(expr, self.statement)).map(Some);
        }
        // what is no key may still hold one
        let Ok(bound) = self.binder().bind(expr) else { return Ok(None) };
        if let Some(role) = bound.window.filter(|_| self.is_windowed) {
            let offset = match role {
                WindowRole::Start => 0,
                WindowRole::End => 1,
                WindowRole::Time => 2,
            };
            let name = ["window_start", "window_end", "window_time"][offset];
            let mut key = Bound::new(column(name, self.keys.len() + offset), bound.data_type, false);
            (key.time, key.window) = (bound.time, bound.window);
            return Ok(Some(key));
        }
        let position = self.keys.iter().position(|key| same(&key.expr, &bound.expr));
        Ok(position.map(|position| {
            let key = &self.keys[position];
            let name = key_name(key, self.scope);
            let mut bound = Bound::new(column(&name, position), key.data_type.clone(), key.nullable);
            bound.window = key.window;
            bound
        }))
    }

    fn not_grouped(&self, name: &str, span: Span) -> Mistake {
        Mistake::new(span, format!("column {} is neither in GROUP BY nor in an aggregate", quoted(name)))
    }
}

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
            self.aggregate(relation.id, parts, context)
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
            return Ok(self.aggregate(id, parts, context));
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

    fn aggregate(&mut self, id: DraftId, parts: Parts, context: &Context<'a>) -> DraftId {
        let input = self.drafts.project(id, &context.name("calc"), parts.input.clone());
        let columns = parts.output_columns(None);
        let key = Some((0..parts.keys.len()).collect());
        let kind = DraftKind::Aggregate(graph::Aggregate { keys: parts.key_positions, calls: parts.calls });
        self.drafts.push(Draft {
            name: context.name("aggregate"),
            kind,
            inputs: vec![input],
            columns,
            changes: Changes::Updating { key },
            windowed: None,
            is_shared: false,
        })
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

/// A call's column, for whoever reads the plan.
pub(super) fn function_name(function: &AggregateFunction) -> &'static str {
    match function {
        AggregateFunction::Count => "count",
        AggregateFunction::Sum => "sum",
        AggregateFunction::Min => "min",
        AggregateFunction::Max => "max",
        AggregateFunction::Avg => "avg",
        AggregateFunction::FirstValue => "first_value",
        AggregateFunction::LastValue => "last_value",
        AggregateFunction::StddevPop => "stddev_pop",
        AggregateFunction::StddevSamp => "stddev_samp",
        AggregateFunction::VarPop => "var_pop",
        AggregateFunction::VarSamp => "var_samp",
        AggregateFunction::ListAgg { .. } => "listagg",
    }
}

fn key_name(key: &Bound, scope: &Scope) -> String {
    let columns: Vec<Column> = scope.columns.iter().map(|column| column.column.clone()).collect();
    name_of(key, &columns)
}

fn name_of(key: &Bound, columns: &[Column]) -> String {
    let passed = super::draft::passes(&key.expr).and_then(|index| columns.get(index));
    passed.map_or_else(|| "key".to_owned(), |column| column.name.clone())
}

/// Two expressions that compute the same.
fn same(one: &Arc<dyn PhysicalExpr>, other: &Arc<dyn PhysicalExpr>) -> bool {
    one == other
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
