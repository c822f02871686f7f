//! The tables inside a query: found, checked, and replaced by their full paths. What no Flink query has is refused on the way.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query,
    Select, SelectFlavor, SelectItem, SetExpr, Spanned, TableFactor, VisitMut, VisitorMut,
};
use sqlparser::tokenizer::Span;

use super::resolve::Resolver;
use crate::diagnostic::Problem;
use crate::name::TablePath;
use crate::reserved::is_reserved;
use crate::statement::ObjectKind;
use crate::tokens::joined;

/// Flink's window functions: `TABLE(TUMBLE(…))`.
const WINDOW_FUNCTIONS: &[&str] = &["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// Resolves every table name of a query in place. Returns what it reads, each once, and what is wrong.
pub(super) fn resolve_relations(resolver: &Resolver<'_>, query: &mut Query) -> (Vec<TablePath>, Vec<Problem>) {
    let mut visitor =
        Relations { resolver, with_names: Vec::new(), inputs: Vec::new(), problems: Vec::new(), words: Vec::new() };
    let _ = query.visit(&mut visitor);
    (visitor.inputs, visitor.problems)
}

struct Relations<'a> {
    resolver: &'a Resolver<'a>,
    /// The names that WITH defines, for each query around the current place.
    with_names: Vec<Vec<String>>,
    inputs: Vec<TablePath>,
    problems: Vec<Problem>,
    /// Words that stand where a column could and are none.
    words: Vec<Span>,
}

impl VisitorMut for Relations<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.with_names.push(with.map(|table| table.alias.name.value.clone()).collect());
        let foreign = [
            (!query.locks.is_empty(), "FOR UPDATE"),
            (query.for_clause.is_some(), "FOR XML"),
            (query.settings.is_some(), "SETTINGS"),
            (query.format_clause.is_some(), "FORMAT"),
            (!query.pipe_operators.is_empty(), "|>"),
            (
                matches!(
                    query.body.as_ref(),
                    SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
                ),
                "a statement inside a query",
            ),
        ];
        // a span is computed by walking the whole tree, level by level of the stack
        if foreign.iter().any(|(present, _)| *present) {
            self.refuse_foreign(&foreign, query.span());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.with_names.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let foreign = [
            (select.top.is_some(), "TOP"),
            (select.into.is_some(), "SELECT INTO"),
            (select.exclude.is_some(), "EXCLUDE"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (!select.cluster_by.is_empty(), "CLUSTER BY"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
            (!select.sort_by.is_empty(), "SORT BY"),
            (select.qualify.is_some(), "QUALIFY"),
            (select.value_table_mode.is_some(), "SELECT AS"),
            (select.flavor != SelectFlavor::Standard, "FROM before SELECT"),
        ];
        self.refuse_foreign(&foreign, select.select_token.0.span);
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item
                && alias.quote_style.is_none()
                && is_reserved(&alias.value)
            {
                self.problems.push(reserved_problem(alias, "a column name"));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let Some(unnest) = as_unnest(factor) {
            *factor = unnest;
        }
        match factor {
            TableFactor::Table {
                name, args, with_hints, version, partitions, json_path, sample, index_hints, ..
            } => {
                let span = name_span(name);
                if args.is_some() {
                    self.problems.push(
                        Problem::new(span, format!("table function {name} runs on Flink only"))
                            .hint("a window function stands in TABLE(…)"),
                    );
                    // its name is no table's
                    return ControlFlow::Break(());
                }
                let plain = with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty();
                let foreign = [
                    (version.is_some(), "AS OF"),
                    (sample.is_some(), "TABLESAMPLE"),
                    (json_path.is_some() || !plain, "this kind of table hint"),
                ];
                self.refuse_foreign(&foreign, span);
            }
            TableFactor::TableFunction { expr, .. } => self.check_window_function(expr),
            TableFactor::Derived { .. } | TableFactor::UNNEST { .. } | TableFactor::NestedJoin { .. } => {}
            other => {
                let span = other.span();
                self.problems.push(Problem::new(span, "this kind of table runs on Flink only"));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        let parts: Vec<Ident> = relation.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
        let (Some(first), span) = (parts.first(), name_span(relation)) else { return ControlFlow::Continue(()) };
        if parts.len() == 1 && self.with_names.iter().flatten().any(|name| *name == first.value) {
            return ControlFlow::Continue(());
        }
        if parts.len() > 3 {
            self.problems.push(Problem::new(span, format!("table name {relation} has more than 3 parts")));
            return ControlFlow::Continue(());
        }
        if let Some(part) = parts.iter().find(|part| part.quote_style.is_none() && is_reserved(&part.value)) {
            self.problems.push(reserved_problem(part, "a table name"));
            return ControlFlow::Continue(());
        }
        let path = self.resolver.scope.table_path(&parts);
        if self.resolver.find(&path).is_none() {
            self.problems.push(self.resolver.missing(ObjectKind::Table, &path, span));
            return ControlFlow::Continue(());
        }
        let part =
            |value: &str| ObjectNamePart::Identifier(Ident { value: value.to_owned(), quote_style: Some('`'), span });
        *relation = ObjectName(vec![part(&path.catalog), part(&path.database), part(&path.table)]);
        if !self.inputs.contains(&path) {
            self.inputs.push(path);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.words.extend(words_of(expr));
        match expr {
            Expr::Identifier(name) if self.words.contains(&name.span) => {}
            Expr::Identifier(name)
                if name.quote_style.is_none() && is_reserved(&name.value) && !is_bare_function(&name.value) =>
            {
                self.problems.push(reserved_problem(name, "a column name"));
            }
            Expr::CompoundIdentifier(parts) => {
                if let Some(part) = parts.iter().find(|part| part.quote_style.is_none() && is_reserved(&part.value)) {
                    self.problems.push(reserved_problem(part, "a column name"));
                }
            }
            Expr::ILike { .. } => {
                let span = expr.span();
                self.problems.push(Problem::new(span, "Flink SQL has no ILIKE").hint("write LOWER(…) LIKE LOWER(…)"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Relations<'_> {
    fn refuse_foreign(&mut self, clauses: &[(bool, &str)], span: Span) {
        let present = clauses.iter().filter(|(present, _)| *present);
        self.problems.extend(
            present.map(|(_, name)| Problem::new(span, format!("{name} is not in the Flink SQL that hoga runs"))),
        );
    }

    fn check_window_function(&mut self, expr: &Expr) {
        let Expr::Function(function) = expr else {
            self.problems
                .push(Problem::new(expr.span(), format!("TABLE(…) takes one of {}", WINDOW_FUNCTIONS.join(", "))));
            return;
        };
        let name = function.name.to_string().to_ascii_uppercase();
        if !WINDOW_FUNCTIONS.contains(&name.as_str()) {
            let problem = Problem::new(name_span(&function.name), format!("table function {name} runs on Flink only"));
            self.problems.push(problem.hint(format!("TABLE(…) takes one of {}", WINDOW_FUNCTIONS.join(", "))));
        }
    }
}

/// sqlparser reads `UNNEST(…)` as a table with arguments in a dialect it does not know: write it as what it is.
fn as_unnest(factor: &TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } = factor else { return None };
    let [ObjectNamePart::Identifier(word)] = name.0.as_slice() else { return None };
    if word.quote_style.is_some() || !word.value.eq_ignore_ascii_case("UNNEST") {
        return None;
    }
    let array = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    Some(TableFactor::UNNEST {
        alias: alias.clone(),
        array_exprs: args.args.iter().map(array).collect::<Option<Vec<_>>>()?,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: *with_ordinality,
    })
}

/// The places of words inside an expression that sqlparser takes for columns: the unit of TIMESTAMPADD and TIMESTAMPDIFF, the
/// field in `a[1].field`.
pub(super) fn words_of(expr: &Expr) -> Vec<Span> {
    match expr {
        Expr::CompoundFieldAccess { access_chain, .. } => {
            let field = |access: &AccessExpr| match access {
                AccessExpr::Dot(Expr::Identifier(name)) => Some(name.span),
                _ => None,
            };
            access_chain.iter().filter_map(field).collect()
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_ascii_uppercase();
            match &function.args {
                FunctionArguments::List(list) if ["TIMESTAMPADD", "TIMESTAMPDIFF"].contains(&name.as_str()) => {
                    match list.args.first() {
                        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(unit)))) => vec![unit.span],
                        _ => Vec::new(),
                    }
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// Functions that are written without parentheses.
fn is_bare_function(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    upper.starts_with("CURRENT_")
        || ["LOCALTIME", "LOCALTIMESTAMP", "SESSION_USER", "SYSTEM_USER", "USER"].contains(&upper.as_str())
}

fn reserved_problem(name: &Ident, what: &str) -> Problem {
    Problem::new(name.span, format!("expected {what}, found the reserved word {name}"))
        .hint(format!("write it in backticks: `{}`", name.value))
}

fn name_span(name: &ObjectName) -> Span {
    let mut spans = name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.span);
    let first = spans.next().unwrap_or(Span::empty());
    joined(first, spans.next_back().unwrap_or(first))
}
