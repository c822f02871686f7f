//! The graph in the making: nodes with all their columns, before it is known which of them are needed.
//!
//! A draft stands after its inputs, as a node does. What a query adds to its own filters and projections goes into the
//! same draft; what others read too is left alone.

use super::column::Column;
use super::expression::{column_indices, with_columns};
use super::source::SourceDraft;
use crate::graph::{Aggregate, Changes, Sink, TopN, WindowAggregate, Windows};
use arrow::array::timezone::Tz;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions;
use std::sync::Arc;

pub(super) type DraftId = usize;

/// Expressions and the columns that they become.
pub(super) type Items = Vec<(Arc<dyn PhysicalExpr>, Column)>;

#[derive(Debug)]
pub(super) struct Draft {
    /// Not yet unique.
    pub(super) name: String,
    pub(super) kind: DraftKind,
    pub(super) inputs: Vec<DraftId>,
    pub(super) columns: Vec<Column>,
    pub(super) changes: Changes,
    /// The windows that its rows belong to, if its columns say which.
    pub(super) windowed: Option<Windowed>,
    /// Several read it: nobody may add to it.
    pub(super) is_shared: bool,
}

/// Rows that belong to windows.
#[derive(Debug, Clone)]
pub(super) struct Windowed {
    pub(super) zone: Option<Tz>,
    /// False for windows of processing time.
    pub(super) is_rowtime: bool,
}

#[derive(Debug)]
pub(super) enum DraftKind {
    Source(Box<SourceDraft>),
    Calc(Vec<Step>),
    Unnest {
        array: usize,
        with_ordinality: bool,
        keeps_empty: bool,
    },
    /// SESSION also says whose sessions: the columns of its PARTITION BY.
    AssignWindows(Windows, Vec<usize>),
    WindowAggregate(WindowAggregate),
    Aggregate(Aggregate),
    TopN(TopN),
    Union,
    Sink(Box<Sink>, SchemaRef),
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Filter(Arc<dyn PhysicalExpr>),
    Project(Vec<(Arc<dyn PhysicalExpr>, Column)>),
}

impl DraftKind {
    /// True for what remembers rows: it must not be computed twice.
    pub(super) fn keeps_state(&self) -> bool {
        matches!(self, DraftKind::WindowAggregate(_) | DraftKind::Aggregate(_) | DraftKind::TopN(_))
    }
}

#[derive(Debug, Default)]
pub(super) struct Drafts(pub(super) Vec<Draft>);

impl std::ops::Index<DraftId> for Drafts {
    type Output = Draft;

    fn index(&self, id: DraftId) -> &Draft {
        &self.0[id]
    }
}

impl Drafts {
    pub(super) fn push(&mut self, draft: Draft) -> DraftId {
        self.0.push(draft);
        self.0.len() - 1
    }

    pub(super) fn share(&mut self, id: DraftId) {
        self.0[id].is_shared = true;
    }

    /// True if something between two moments was added that keeps state.
    pub(super) fn keeps_state_since(&self, from: usize) -> bool {
        self.0[from..].iter().any(|draft| draft.kind.keeps_state())
    }

    /// Keeps the rows for which the predicate is true.
    pub(super) fn filter(&mut self, id: DraftId, name: &str, predicate: Arc<dyn PhysicalExpr>) -> DraftId {
        let id = self.calc_on(id, name);
        let DraftKind::Calc(steps) = &mut self.0[id].kind else { return id };
        // a filter over columns that a projection only passes on is cheaper below it, and spares the rows it drops
        if let Some(Step::Project(items)) = steps.last()
            && let Some(below) = below_projection(&predicate, items)
        {
            steps.insert(steps.len() - 1, Step::Filter(below));
        } else {
            steps.push(Step::Filter(predicate));
        }
        id
    }

    /// Computes new columns of the old ones.
    pub(super) fn project(&mut self, id: DraftId, name: &str, items: Vec<(Arc<dyn PhysicalExpr>, Column)>) -> DraftId {
        let id = self.calc_on(id, name);
        let draft = &mut self.0[id];
        draft.columns = items.iter().map(|(_, column)| column.clone()).collect();
        if let Changes::Updating { key: Some(key) } = &draft.changes {
            let position = |column: &usize| items.iter().position(|(expr, _)| passes(expr) == Some(*column));
            draft.changes = Changes::Updating { key: key.iter().map(position).collect() };
        }
        if let DraftKind::Calc(steps) = &mut draft.kind {
            match steps.last_mut() {
                Some(Step::Project(below)) => match merged(&items, below) {
                    Some(merged) => *below = merged,
                    None => steps.push(Step::Project(items)),
                },
                _ => steps.push(Step::Project(items)),
            }
        }
        id
    }

    /// All columns as they are, to project them with others.
    pub(super) fn all_columns(&self, id: DraftId) -> Vec<(Arc<dyn PhysicalExpr>, Column)> {
        let columns = self.0[id].columns.iter().enumerate();
        columns.map(|(index, found)| (super::expression::column(&found.name, index), found.clone())).collect()
    }

    /// A calc that this query may add to.
    fn calc_on(&mut self, id: DraftId, name: &str) -> DraftId {
        let below = &self.0[id];
        if matches!(below.kind, DraftKind::Calc(_)) && !below.is_shared {
            return id;
        }
        let (columns, changes, windowed) = (below.columns.clone(), below.changes.clone(), below.windowed.clone());
        let kind = DraftKind::Calc(Vec::new());
        self.push(Draft { name: name.to_owned(), kind, inputs: vec![id], columns, changes, windowed, is_shared: false })
    }
}

/// One projection in place of two. None if something would be computed twice.
fn merged(above: &Items, below: &Items) -> Option<Items> {
    let mut uses = vec![0; below.len()];
    for (expr, _) in above {
        for index in column_indices(expr) {
            // an expression that reads a column twice counts it once: it is not merged either
            uses[index] += 1;
        }
    }
    let is_plain = |index: usize| {
        let expr = &below[index].0;
        passes(expr).is_some() || expr.is::<expressions::Literal>()
    };
    if (0..below.len()).any(|index| uses[index] > 1 && !is_plain(index)) {
        return None;
    }
    let replaced = |(expr, column): &(Arc<dyn PhysicalExpr>, Column)| {
        let reads_computed = column_indices(expr).into_iter().any(|index| !is_plain(index));
        if reads_computed && passes(expr).is_none() && reads_twice(expr) {
            return None;
        }
        let swap = |expr: Arc<dyn PhysicalExpr>| {
            let found = expr.downcast_ref::<expressions::Column>().and_then(|column| below.get(column.index()));
            match found {
                // what was put in its place is not looked into again
                Some((inner, _)) => Ok(Transformed::new(Arc::clone(inner), true, TreeNodeRecursion::Jump)),
                None => Ok(Transformed::no(expr)),
            }
        };
        let expr = Arc::clone(expr).transform_down(swap).data().ok()?;
        Some((expr, column.clone()))
    };
    above.iter().map(replaced).collect()
}

/// True if some column stands in an expression more than once.
fn reads_twice(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let mut seen = Vec::new();
    let mut twice = false;
    // the walk itself cannot fail
    let _ = expr.apply(|expr| {
        if let Some(column) = expr.downcast_ref::<expressions::Column>() {
            twice |= seen.contains(&column.index());
            seen.push(column.index());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    twice
}

/// The column that an expression only passes on.
pub(super) fn passes(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<expressions::Column>().map(expressions::Column::index)
}

fn below_projection(
    predicate: &Arc<dyn PhysicalExpr>,
    items: &[(Arc<dyn PhysicalExpr>, Column)],
) -> Option<Arc<dyn PhysicalExpr>> {
    let below = |index: usize| items.get(index).and_then(|(expr, _)| passes(expr));
    if column_indices(predicate).into_iter().any(|index| below(index).is_none()) {
        return None;
    }
    with_columns(predicate, &|index| below(index).unwrap_or(index)).ok()
}
