//! Where the windows of a GROUP BY come from: made in the aggregate itself, or already there.
//!
//! Rows that only pass the edges of their windows on to a GROUP BY need not have them: the aggregate puts each row into its
//! windows, and a HOP does not multiply rows before they are added up. So the window function below is taken out of the plan if
//! nothing between reads an edge.

use super::column::WindowRole;
use super::draft::{Draft, DraftId, DraftKind, Drafts, Items, Step, passes};
use super::expression::{column, column_indices, with_columns};
use crate::graph::{WindowShape, WindowTime, Windows};
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

pub(super) enum Windowing {
    /// `positions`: where the wanted columns are in the input. `partition`: of a SESSION.
    Assigned {
        input: DraftId,
        windows: Windows,
        positions: Vec<usize>,
        partition: Option<Vec<usize>>,
    },
    /// The wanted columns are the input's first ones.
    Attached {
        input: DraftId,
        start: usize,
        end: usize,
    },
    /// A SESSION whose edges are read before they are known.
    Session,
    Lost,
}

/// Puts `wanted` (over the draft's columns) before a window aggregate.
pub(super) fn windowing(drafts: &mut Drafts, id: DraftId, wanted: &Items, name: &str) -> Windowing {
    let edge = |drafts: &Drafts, role: WindowRole| {
        drafts[id].columns.iter().position(|column| column.window == Some(role)).map(|index| {
            let found = drafts[id].columns[index].clone();
            (column(&found.name, index), found)
        })
    };
    let (Some(start), Some(end)) = (edge(drafts, WindowRole::Start), edge(drafts, WindowRole::End)) else {
        return Windowing::Lost;
    };
    let (mut steps, below) = match &drafts[id].kind {
        DraftKind::Calc(steps) if !drafts[id].is_shared => (steps.clone(), drafts[id].inputs[0]),
        _ => (Vec::new(), id),
    };
    if let DraftKind::AssignWindows(windows, partition) = &drafts[below].kind {
        let (windows, partition) = (windows.clone(), partition.clone());
        let is_session = matches!(windows.shape, WindowShape::Session { .. });
        steps.push(Step::Project(wanted.clone()));
        let input = drafts[below].inputs[0];
        if let Some(rewritten) = without_windows(drafts, input, &steps, &windows, &partition, name) {
            return rewritten;
        }
        if is_session {
            return Windowing::Session;
        }
    }
    let count = wanted.len();
    let mut items = wanted.clone();
    items.extend([start, end]);
    let input = drafts.project(id, name, items);
    Windowing::Attached { input, start: count, end: count + 1 }
}

/// The steps over the window function's input. None if one of them reads an edge.
fn without_windows(
    drafts: &mut Drafts,
    input: DraftId,
    steps: &[Step],
    windows: &Windows,
    partition: &[usize],
    name: &str,
) -> Option<Windowing> {
    let width = drafts[input].columns.len();
    // where the columns of the old plan are in the new one; None: an edge
    let mut places: Vec<Option<usize>> = (0..width).map(Some).chain([None; 3]).collect();
    // what must come through, whether the query names it or not: the time, and whose session it is
    let mut carried: Vec<usize> = match windows.time {
        WindowTime::Rowtime(column) => vec![column],
        WindowTime::ProcessingTime => Vec::new(),
    };
    carried.extend(partition);
    let mut columns = drafts[input].columns.clone();
    let mut rewritten = Vec::new();
    for step in steps {
        match step {
            Step::Filter(predicate) => {
                if column_indices(predicate).iter().any(|index| places[*index].is_none()) {
                    return None;
                }
                rewritten.push(Step::Filter(moved(predicate, &places)?));
            }
            Step::Project(items) => {
                let mut next_places = Vec::with_capacity(items.len());
                let mut next: Items = Vec::new();
                for (expr, column) in items {
                    if passes(expr).is_some_and(|index| places[index].is_none()) {
                        next_places.push(None);
                        continue;
                    }
                    if column_indices(expr).iter().any(|index| places[*index].is_none()) {
                        return None;
                    }
                    next_places.push(Some(next.len()));
                    next.push((moved(expr, &places)?, column.clone()));
                }
                for at in &mut carried {
                    let known = next.iter().position(|(expr, _)| passes(expr) == Some(*at));
                    let found = columns[*at].clone();
                    *at = known.unwrap_or_else(|| {
                        next.push((column(&found.name, *at), found.clone()));
                        next.len() - 1
                    });
                    next[*at].1.time = found.time;
                }
                columns = next.iter().map(|(_, column)| column.clone()).collect();
                places = next_places;
                rewritten.push(Step::Project(next));
            }
        }
    }
    let below = &drafts[input];
    let draft = Draft {
        name: name.to_owned(),
        kind: DraftKind::Calc(rewritten),
        inputs: vec![input],
        columns,
        changes: below.changes.clone(),
        windowed: None,
        is_shared: false,
    };
    let positions = places.into_iter().map(|place| place.unwrap_or(usize::MAX)).collect();
    let input = drafts.push(draft);
    let (time, partition) = match windows.time {
        WindowTime::Rowtime(_) => (WindowTime::Rowtime(carried[0]), carried[1..].to_vec()),
        WindowTime::ProcessingTime => (WindowTime::ProcessingTime, carried),
    };
    let is_session = matches!(windows.shape, WindowShape::Session { .. });
    let windows = Windows { time, ..windows.clone() };
    Some(Windowing::Assigned { input, windows, positions, partition: is_session.then_some(partition) })
}

fn moved(expr: &Arc<dyn PhysicalExpr>, places: &[Option<usize>]) -> Option<Arc<dyn PhysicalExpr>> {
    with_columns(expr, &|index| places.get(index).copied().flatten().unwrap_or(usize::MAX)).ok()
}
