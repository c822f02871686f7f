//! The expressions of a grouped query: which are keys, which are aggregate calls, and what must be computed before.

use super::column::{Column, WindowRole};
use super::expression::{
    Aggregates, Binder, Bound, Scope, Session, average_type, column, describe, flink_only, is_numeric, is_string,
    place, sum_type,
};
use crate::graph::{AggregateCall, AggregateFunction};
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
pub(super) struct Grouping<'a> {
    pub(super) scope: &'a Scope,
    pub(super) session: Session,
    pub(super) statement: Span,
    /// What is computed before grouping: keys, arguments, conditions.
    pub(super) input: Vec<(Arc<dyn PhysicalExpr>, Column)>,
    /// The keys that are no window's edges, over the scope.
    pub(super) keys: Vec<Bound>,
    pub(super) is_windowed: bool,
    pub(super) calls: Vec<AggregateCall>,
}

impl Grouping<'_> {
    /// The position of an expression before grouping.
    pub(super) fn input_of(&mut self, bound: &Bound, name: &str) -> usize {
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
pub(super) fn result_type(function: &AggregateFunction, argument: &DataType) -> Option<DataType> {
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

pub(super) fn key_name(key: &Bound, scope: &Scope) -> String {
    let columns: Vec<Column> = scope.columns.iter().map(|column| column.column.clone()).collect();
    name_of(key, &columns)
}

pub(super) fn name_of(key: &Bound, columns: &[Column]) -> String {
    let passed = super::draft::passes(&key.expr).and_then(|index| columns.get(index));
    passed.map_or_else(|| "key".to_owned(), |column| column.name.clone())
}

/// Two expressions that compute the same.
pub(super) fn same(one: &Arc<dyn PhysicalExpr>, other: &Arc<dyn PhysicalExpr>) -> bool {
    one == other
}
