//! ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) with a condition on the number: the first rows of each partition.

use super::column::{Column, WindowRole};
use super::draft::{Draft, DraftId, DraftKind, Drafts, Windowed, passes};
use super::expression::{Binder, Bound, column, flink_only, place};
use super::planner::{Context, Planned, Planner, Relation, Told};
use super::select::{Item, bind_item, is_pending};
use crate::graph::{AttachedWindow, Changes, Order, TopN};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, OrderByExpr, UnaryOperator, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use hoga_sql::{DataType, Mistake};
use std::sync::Arc;

/// Nobody has said yet how many rows are wanted.
pub(super) const UNLIMITED: u64 = u64::MAX;

const HINT: &str = "what runs here: SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x) AS rn FROM t) WHERE rn <= 10";

/// True for `ROW_NUMBER() OVER (…)`, and for every other call with OVER, which is refused with it.
pub(super) fn is_ranking(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => function.over.is_some() && name_of(function) == "ROW_NUMBER",
        Expr::Nested(inner) => is_ranking(inner),
        _ => false,
    }
}

fn name_of(function: &Function) -> String {
    function.name.to_string().to_ascii_uppercase()
}

impl<'a> Planner<'a> {
    /// A SELECT list with a ROW_NUMBER() in it.
    pub(super) fn rank(
        &mut self,
        relation: Relation,
        items: &[Item<'a>],
        context: &Context<'a>,
        span: Span,
    ) -> Planned<DraftId> {
        let mut below: Vec<(Arc<dyn PhysicalExpr>, Column)> = Vec::new();
        // for each item its position below, or None for the number
        let mut positions: Vec<(Option<usize>, String)> = Vec::new();
        let mut ranking: Option<(&Function, Span)> = None;
        let mut told = false;
        for item in items {
            if let Item::Expr(expr, name) = item
                && is_ranking(expr)
                && let Some(function) = function_of(expr)
            {
                let at = place(expr, span);
                if ranking.is_some() {
                    told = self.tell::<()>(flink_only("a second ROW_NUMBER() in one SELECT", at)).is_err();
                }
                ranking = Some((function, at));
                positions.push((None, name.clone()));
                continue;
            }
            let bound = bind_item(item, &relation.scope, context);
            match self.keep(bound) {
                Ok((expr, column)) => {
                    positions.push((Some(below.len()), column.name.clone()));
                    below.push((expr, column));
                }
                Err(Told) => told = true,
            }
        }
        let Some((function, at)) = ranking else { return Err(Told) };
        let windowed = self.drafts[relation.id].windowed.clone();
        let top = top_of(function, at, &relation, windowed, &mut below, context);
        let top = self.keep(top)?;
        if told {
            return Err(Told);
        }
        if top.order.is_empty() && self.drafts[relation.id].changes != Changes::Append {
            return self.tell(flink_only("ROW_NUMBER() in the order of arrival, over an updating query", at));
        }
        let input = self.drafts.project(relation.id, &context.name("calc"), below);
        let id = self.push_top(input, top, at, context);
        let number = self.drafts[id].columns.len() - 1;
        let columns = &self.drafts[id].columns;
        let output = positions.into_iter().map(|(position, name)| {
            let index = position.unwrap_or(number);
            let mut found = columns[index].clone();
            found.name = name;
            (column(&found.name, index), found)
        });
        let output = output.collect();
        Ok(self.drafts.project(id, &context.name("calc"), output))
    }

    fn push_top(&mut self, input: DraftId, top: TopN, at: Span, context: &Context<'a>) -> DraftId {
        let below = &self.drafts[input];
        let mut number = Column::new("row_number", DataType::BigInt, false);
        number.is_rank = true;
        let mut columns = below.columns.clone();
        if top.window.is_none() {
            // rows come when the rank changes, not by their time
            columns.iter_mut().for_each(|column| (column.time, column.is_windowed_rowtime) = (None, false));
        }
        let windowed = if top.window.is_some() { below.windowed.clone() } else { None };
        columns.push(number);
        let id = self.drafts.push(Draft {
            name: context.name("top n"),
            kind: DraftKind::TopN(top),
            inputs: vec![input],
            columns,
            changes: Changes::Append,
            windowed,
            is_shared: false,
        });
        self.ranks.insert(id, at);
        id
    }

    /// Takes the conditions on a ROW_NUMBER() below out of a WHERE and gives them to it. Returns the others.
    pub(super) fn rank_conditions<'e>(
        &mut self,
        relation: &Relation,
        conditions: Vec<&'e Expr>,
        context: &Context<'a>,
    ) -> Planned<Vec<&'e Expr>> {
        let ranks: Vec<usize> =
            (0..relation.scope.columns.len()).filter(|index| relation.scope.columns[*index].column.is_rank).collect();
        let Some(top) = ranks.first().and_then(|rank| top_below(&self.drafts, relation.id, *rank)) else {
            return Ok(conditions);
        };
        let mut rest = Vec::new();
        let (mut first, mut last) = (1, UNLIMITED);
        for condition in conditions {
            match range_of(condition, relation, context) {
                Some((low, high)) => (first, last) = (first.max(low), last.min(high)),
                None => rest.push(condition),
            }
        }
        if last == UNLIMITED {
            // told when nobody limits it
            return Ok(rest);
        }
        let at = self.ranks.get(&top).copied().unwrap_or(context.statement);
        if last < first {
            let message = format!("no row has a number of at least {first} and at most {last}");
            return self.tell(Mistake::new(at, message));
        }
        self.limit(top, first, last);
        Ok(rest)
    }

    fn limit(&mut self, id: DraftId, first: u64, last: u64) {
        let input = self.drafts[id].inputs[0];
        let is_append = self.drafts[input].changes == Changes::Append;
        let number = self.drafts[id].columns.len() - 1;
        let draft = &mut self.drafts.0[id];
        let DraftKind::TopN(top) = &mut draft.kind else { return };
        (top.offset, top.limit) = (first, last);
        let arrives_first = top.order.is_empty() && (first, last) == (1, 1);
        let key =
            if first == last { top.partition.clone() } else { top.partition.iter().copied().chain([number]).collect() };
        draft.changes = if top.window.is_some() || (arrives_first && is_append) {
            Changes::Append
        } else {
            Changes::Updating { key: Some(key) }
        };
        let changes = draft.changes.clone();
        self.key_above(id, &changes);
    }

    /// The projections above a ranking were planned before its key was known.
    fn key_above(&mut self, id: DraftId, changes: &Changes) {
        let mut changes = changes.clone();
        let mut below = id;
        for at in id + 1..self.drafts.0.len() {
            let draft = &mut self.drafts.0[at];
            let DraftKind::Calc(steps) = &draft.kind else { continue };
            if draft.inputs != [below] {
                continue;
            }
            for step in steps {
                if let (super::draft::Step::Project(items), Changes::Updating { key: Some(key) }) = (step, &changes) {
                    let position = |column: &usize| items.iter().position(|(expr, _)| passes(expr) == Some(*column));
                    changes = Changes::Updating { key: key.iter().map(position).collect() };
                }
            }
            draft.changes = changes.clone();
            below = at;
        }
    }

    /// Every ROW_NUMBER() that a sink can see has a condition.
    pub(super) fn check_ranks(&mut self, sink: DraftId) -> Planned<()> {
        let mut open = vec![sink];
        let mut told = false;
        while let Some(id) = open.pop() {
            open.extend(&self.drafts[id].inputs);
            if is_pending(&self.drafts[id].kind)
                && let Some(at) = self.ranks.remove(&id)
            {
                let problem =
                    flink_only("ROW_NUMBER() OVER without a condition such as rn <= 10 in the query around it", at);
                told = self.tell::<()>(problem.hint(HINT)).is_err();
            }
        }
        if told { Err(Told) } else { Ok(()) }
    }
}

fn function_of(expr: &Expr) -> Option<&Function> {
    match expr {
        Expr::Function(function) => Some(function),
        Expr::Nested(inner) => function_of(inner),
        _ => None,
    }
}

/// The ranking that a column comes from, through projections only.
fn top_below(drafts: &Drafts, id: DraftId, _rank: usize) -> Option<DraftId> {
    let mut at = id;
    loop {
        match &drafts[at].kind {
            DraftKind::TopN(_) => return is_pending(&drafts[at].kind).then_some(at),
            DraftKind::Calc(_) => at = *drafts[at].inputs.first()?,
            _ => return None,
        }
    }
}

/// What the OVER clause says, its expressions added to those below if they are not among them.
fn top_of(
    function: &Function,
    at: Span,
    relation: &Relation,
    windowed: Option<Windowed>,
    below: &mut Vec<(Arc<dyn PhysicalExpr>, Column)>,
    context: &Context<'_>,
) -> Result<TopN, Mistake> {
    let Some(WindowType::WindowSpec(over)) = &function.over else {
        return Err(flink_only("OVER with the name of a window", at));
    };
    let has_arguments = matches!(&function.args, FunctionArguments::List(list) if !list.args.is_empty());
    if has_arguments || over.window_frame.is_some() || over.window_name.is_some() {
        return Err(flink_only("ROW_NUMBER() with arguments or a frame", at));
    }
    let mut position = |bound: &Bound, name: &str| {
        below.iter().position(|(expr, _)| expr == &bound.expr).unwrap_or_else(|| {
            below.push((Arc::clone(&bound.expr), bound.column(name)));
            below.len() - 1
        })
    };
    let mut binder = Binder::new(&relation.scope, context.session, context.statement);
    let mut partition = Vec::new();
    let (mut start, mut end) = (None, None);
    for key in &over.partition_by {
        let bound = binder.bind(key)?;
        match bound.window {
            Some(WindowRole::Start) => start = Some(position(&bound, "window_start")),
            Some(WindowRole::End) => end = Some(position(&bound, "window_end")),
            _ => {
                let bound = binder.value(key)?;
                partition.push(position(&bound, "key"));
            }
        }
    }
    let window = match (start, end, windowed) {
        (Some(start), Some(end), Some(Windowed { zone, is_rowtime })) => {
            Some(AttachedWindow { start, end, zone, is_rowtime })
        }
        (one, other, _) => {
            partition.extend(one.or(other));
            None
        }
    };
    if over.order_by.is_empty() {
        return Err(Mistake::new(at, "ROW_NUMBER() OVER needs an ORDER BY"));
    }
    let mut order = Vec::new();
    let mut by_time = false;
    for written in &over.order_by {
        let bound = binder.bind(&written.expr)?;
        if bound.time == Some(super::column::TimeAttribute::Proctime) {
            if written.options.asc == Some(false) || over.order_by.len() > 1 {
                let problem = flink_only("ORDER BY PROCTIME() DESC", place(&written.expr, at));
                return Err(problem.hint("order by event time; what came first: ORDER BY PROCTIME()"));
            }
            continue;
        }
        by_time |= bound.time.is_some() || bound.is_windowed_rowtime;
        let bound = binder.value(&written.expr)?;
        order.push(order_of(position(&bound, "order"), written));
    }
    let last_wins = by_time && matches!(order.as_slice(), [one] if one.is_descending);
    Ok(TopN { partition, order, offset: 1, limit: UNLIMITED, with_number: true, last_wins, window })
}

/// NULL is the smallest value, as in Flink.
fn order_of(column: usize, written: &OrderByExpr) -> Order {
    let is_descending = written.options.asc == Some(false);
    let nulls_first = written.options.nulls_first.unwrap_or(!is_descending);
    Order { column, is_descending, nulls_first }
}

/// The numbers that a condition on a ROW_NUMBER() lets through; None if it is no such condition.
fn range_of(condition: &Expr, relation: &Relation, context: &Context<'_>) -> Option<(u64, u64)> {
    let is_rank = |expr: &Expr| {
        Binder::new(&relation.scope, context.session, context.statement).bind(expr).is_ok_and(|bound| bound.is_rank)
    };
    match condition {
        Expr::Nested(inner) => range_of(inner, relation, context),
        Expr::Between { expr, negated: false, low, high } if is_rank(expr) => {
            Some((number(low)?.max(1), number(high)?))
        }
        Expr::BinaryOp { left, op, right } => {
            let (op, written) = if is_rank(left) {
                (op.clone(), right)
            } else if is_rank(right) {
                (mirrored(op)?, left)
            } else {
                return None;
            };
            let number = number(written)?;
            match op {
                BinaryOperator::Eq => Some((number, number)),
                BinaryOperator::LtEq => Some((1, number)),
                BinaryOperator::Lt => Some((1, number.saturating_sub(1))),
                BinaryOperator::GtEq => Some((number.max(1), UNLIMITED)),
                BinaryOperator::Gt => Some((number.saturating_add(1), UNLIMITED)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn mirrored(op: &BinaryOperator) -> Option<BinaryOperator> {
    Some(match op {
        BinaryOperator::Eq => BinaryOperator::Eq,
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        _ => return None,
    })
}

fn number(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Nested(inner) => number(inner),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => number(expr),
        Expr::Value(value) => match &value.value {
            datafusion::sql::sqlparser::ast::Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
