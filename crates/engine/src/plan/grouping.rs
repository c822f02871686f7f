//! The expressions of a grouped query: which are keys, which are aggregate calls, and what must be computed before.

use super::column::{Column, WindowRole};
use super::expression::{
    Aggregates, Binder, Bound, Scope, Session, Spread, Sums, average_type, column, describe, flink_only, is_numeric,
    is_string, place, sum_type,
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
    name == "LISTAGG" || FLINK_ONLY.contains(&name) || simple_function(name).is_some() || spread_of(name).is_some()
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
        _ => return None,
    })
}

/// Whether it is a root, and of a sample.
fn spread_of(name: &str) -> Option<(bool, bool)> {
    Some(match name {
        "STDDEV_POP" => (true, false),
        "STDDEV_SAMP" | "STDDEV" => (true, true),
        "VAR_POP" => (false, false),
        "VAR_SAMP" | "VARIANCE" => (false, true),
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

/// An aggregate call as it is written.
struct WrittenCall<'e> {
    /// With its place; COUNT(*) has none.
    argument: Option<(Bound, Span)>,
    /// LISTAGG's.
    separator: Option<&'e Expr>,
    /// A column of the grouping's input.
    filter: Option<usize>,
    is_distinct: bool,
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
        let written = self.written(function, name, span)?;
        if let Some((is_root, is_sample)) = spread_of(name) {
            return self.spread(written, name, (is_root, is_sample), span);
        }
        let Some((bound, at)) = written.argument else {
            return Ok(self.column_of(AggregateFunction::Count, None, written.filter, false));
        };
        let function = match name {
            "LISTAGG" => AggregateFunction::ListAgg { separator: self.separator(written.separator, span)? },
            _ => simple_function(name).ok_or_else(|| flink_only(&format!("aggregate {name}"), span))?,
        };
        if result_type(&function, &bound.data_type).is_none() {
            return Err(Mistake::new(at, format!("{name} takes no {}", describe(&bound.data_type))));
        }
        // the smallest, the largest and the first of different values are those of all
        let is_distinct = written.is_distinct && !matches!(function, AggregateFunction::Min | AggregateFunction::Max);
        Ok(self.column_of(function, Some(&bound), written.filter, is_distinct))
    }

    /// The column of a call that has its type, made if nobody else asked for the same.
    fn column_of(
        &mut self,
        function: AggregateFunction,
        argument: Option<&Bound>,
        filter: Option<usize>,
        is_distinct: bool,
    ) -> Bound {
        let is_count = function == AggregateFunction::Count;
        // a column that is never NULL is counted as rows are
        let argument = argument.filter(|bound| !is_count || is_distinct || bound.nullable);
        let output = argument.and_then(|bound| result_type(&function, &bound.data_type)).unwrap_or(DataType::BigInt);
        let data_type = super::expression::physical_type(&output);
        let argument = argument.map(|bound| self.input_of(bound, "argument"));
        let name = function_name(&function);
        let call = AggregateCall { function, argument, filter, is_distinct, data_type };
        let position = self.calls.iter().position(|known| *known == call).unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        Bound::new(column(name, self.key_columns() + position), output, !is_count)
    }

    /// STDDEV and VARIANCE: an expression over two sums and a count.
    fn spread(
        &mut self,
        written: WrittenCall<'_>,
        name: &str,
        (is_root, is_sample): (bool, bool),
        span: Span,
    ) -> Result<Bound, Mistake> {
        let Some((bound, at)) = written.argument else {
            return Err(Mistake::new(span, format!("{name} takes an argument")));
        };
        if !is_numeric(&bound.data_type) {
            return Err(Mistake::new(at, format!("{name} takes no {}", describe(&bound.data_type))));
        }
        // Flink 2.0 forgets the FILTER of the squares, and takes different squares for those of different values
        if written.filter.is_some() || written.is_distinct {
            let what = if written.is_distinct { "DISTINCT" } else { "FILTER" };
            return Err(flink_only(&format!("{name} with {what}"), span)
                .hint(format!("what Flink answers is wrong; with a condition: {name}(CASE WHEN … THEN x END)")));
        }
        let spread = Spread { is_root, is_sample, data_type: average_type(&bound.data_type) };
        let square = spread.square(&bound, self.session, at)?;
        let sums = Sums {
            squares: self.column_of(AggregateFunction::Sum, Some(&square), None, false),
            values: self.column_of(AggregateFunction::Sum, Some(&bound), None, false),
            count: self.column_of(AggregateFunction::Count, Some(&bound), None, false),
        };
        spread.of_sums(sums, self.session, span)
    }

    /// What stands in the call, its argument and condition bound.
    fn written<'e>(&mut self, function: &'e Function, name: &str, span: Span) -> Result<WrittenCall<'e>, Mistake> {
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
        let (written, separator) = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_))]
                if name == "COUNT" && !is_distinct =>
            {
                return Ok(WrittenCall { argument: None, separator: None, filter, is_distinct });
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => (expr, None),
            [
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(separator)),
            ] if name == "LISTAGG" => (expr, Some(separator)),
            other => {
                return Err(Mistake::new(span, format!("{name} takes one argument, and this has {}", other.len())));
            }
        };
        if let Some(inner) = first_call(written) {
            return Err(Mistake::new(inner, "an aggregate cannot stand inside another one")
                .hint("aggregate in a subquery first"));
        }
        let bound = self.binder().value(written)?;
        let at = place(written, span);
        if bound.is_null {
            return Err(Mistake::new(at, format!("{name} of NULL has no type")));
        }
        Ok(WrittenCall { argument: Some((bound, at)), separator, filter, is_distinct })
    }

    fn separator(&self, written: Option<&Expr>, span: Span) -> Result<String, Mistake> {
        let Some(written) = written else { return Ok(",".to_owned()) };
        let bound = self.binder().value(written)?;
        let text = bound.constant_text().map(str::to_owned);
        text.ok_or_else(|| Mistake::new(place(written, span), "the separator of LISTAGG is a text written out"))
    }
}

/// None: there is no such aggregate of this type.
pub(super) fn result_type(function: &AggregateFunction, argument: &DataType) -> Option<DataType> {
    Some(match function {
        AggregateFunction::Count => DataType::BigInt,
        AggregateFunction::Sum if is_numeric(argument) => sum_type(argument),
        AggregateFunction::Avg if is_numeric(argument) => average_type(argument),
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
