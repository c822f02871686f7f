//! Which fields of a topic's ROW columns somebody reads: the others are not decoded. Pure.

use super::draft::{DraftId, DraftKind, Drafts, Step};
use super::expression::read_field;
use super::lower::{Needed, wanted_of_steps};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is read of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    All,
    /// Of a ROW.
    Fields(BTreeSet<String>),
}

/// By column; one that nobody reads is not in it.
pub(crate) type Reads = BTreeMap<usize, Read>;

/// What an expression reads.
pub(crate) fn reads_of(expression: &Arc<dyn PhysicalExpr>) -> Reads {
    let mut reads = Reads::new();
    // the walk itself cannot fail
    let _ = expression.apply(|expression| {
        if let Some((column, field)) = read_field(expression) {
            add(&mut reads, column, &Read::Fields([field.to_owned()].into()));
            return Ok(TreeNodeRecursion::Jump);
        }
        if let Some(column) = expression.downcast_ref::<Column>() {
            add(&mut reads, column.index(), &Read::All);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    reads
}

pub(super) fn add(reads: &mut Reads, column: usize, read: &Read) {
    match (reads.get_mut(&column), read) {
        (None, read) => drop(reads.insert(column, read.clone())),
        (Some(Read::All), _) => {}
        (Some(held), Read::All) => *held = Read::All,
        (Some(Read::Fields(held)), Read::Fields(more)) => held.extend(more.iter().cloned()),
    }
}

/// Takes the fields that nobody reads out of the sources. `needed`: of each draft, what it has to give.
pub(super) fn keep_read_fields(drafts: &mut Drafts, needed: &[Option<Needed>]) {
    let mut reads: BTreeMap<DraftId, Reads> = BTreeMap::new();
    for (draft, own) in drafts.0.iter().zip(needed) {
        let Some(own) = own else { continue };
        for input in &draft.inputs {
            let DraftKind::Source(_) = drafts[*input].kind else { continue };
            let held = reads.entry(*input).or_default();
            match &draft.kind {
                DraftKind::Calc(steps) => {
                    reads_of_steps(steps, own).iter().for_each(|(column, read)| add(held, *column, read));
                }
                // nothing is known of what stands behind it
                _ => (0..drafts[*input].columns.len()).for_each(|column| add(held, column, &Read::All)),
            }
        }
    }
    for (id, reads) in reads {
        let draft = &mut drafts.0[id];
        if let DraftKind::Source(source) = &mut draft.kind {
            source.keep_fields(&mut draft.columns, &reads);
        }
    }
}

/// What a calc reads of its input, to give those columns.
fn reads_of_steps(steps: &[Step], own: &Needed) -> Reads {
    let mut wanted = wanted_of_steps(steps, own);
    wanted.reverse();
    let mut reads = Reads::new();
    for (step, after) in steps.iter().zip(wanted.iter().skip(1)) {
        match step {
            Step::Filter(predicate) => {
                reads_of(predicate).iter().for_each(|(column, read)| add(&mut reads, *column, read));
            }
            Step::Project(items) => {
                for (expression, _) in after.iter().filter_map(|index| items.get(*index)) {
                    reads_of(expression).iter().for_each(|(column, read)| add(&mut reads, *column, read));
                }
                // what stands behind reads these
                return reads;
            }
        }
    }
    own.iter().for_each(|column| add(&mut reads, *column, &Read::All));
    reads
}
