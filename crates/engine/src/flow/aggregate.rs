//! GROUP BY without windows: after each batch, the new result of every group that it touched, and the old one before it.

use super::rows::RowKind;
use super::rows::Rows;
use super::slices::{Groups, Layout, spans_and_keys};
use super::stage::{Late, Stage, Usage};
use super::watermark::WATERMARK_MIN;
use super::window::Span;
use crate::graph::Aggregate;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, interleave};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct AggregateStage {
    layout: Layout,
    schema: SchemaRef,
    groups: Groups,
    /// Of the results: to see whether one has changed.
    results: RowConverter,
}

impl AggregateStage {
    pub(crate) fn new(node: &Aggregate, input: &Schema, schema: &SchemaRef) -> Result<AggregateStage, ArrowError> {
        let layout = Layout::new(input, &node.keys, &node.calls)?;
        let fields = schema.fields().iter().skip(node.keys.len());
        let results = RowConverter::new(fields.map(|field| SortField::new(field.data_type().clone())).collect())?;
        Ok(AggregateStage { groups: layout.groups()?, layout, schema: Arc::clone(schema), results })
    }

    /// The results of groups, of the planned types.
    fn evaluate(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let fields = self.schema.fields().iter().skip(self.layout.keys.len());
        let columns = self.groups.evaluate(groups)?.into_iter().zip(fields);
        columns.map(|(column, field)| cast(&column, field.data_type())).collect()
    }

    /// Groups' changes: a new group is an insert, a changed result a pair, an unchanged one nothing.
    fn changes(&self, touched: &[u32], known: u32, old: &[ArrayRef]) -> Result<Option<Rows>, ArrowError> {
        let new = self.evaluate(touched)?;
        let (old_rows, new_rows) = (self.results.convert_columns(old)?, self.results.convert_columns(&new)?);
        // (which of the two, its row)
        let mut sources = Vec::new();
        let mut kinds = Vec::new();
        let mut groups = Vec::new();
        for (row, group) in touched.iter().enumerate() {
            if *group >= known {
                sources.push((1, row));
                kinds.push(RowKind::Insert);
                groups.push(*group);
            } else if old.is_empty() || old_rows.row(row) == new_rows.row(row) {
                continue;
            } else {
                sources.extend([(0, row), (1, row)]);
                kinds.extend([RowKind::UpdateBefore, RowKind::UpdateAfter]);
                groups.extend([*group, *group]);
            }
        }
        if kinds.is_empty() {
            return Ok(None);
        }
        let mut columns = self.layout.codec.decode(&self.groups.table, &groups)?;
        for (old, new) in old.iter().zip(&new) {
            columns.push(interleave(&[old.as_ref(), new.as_ref()], &sources)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(kinds.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let kinds = if kinds.iter().all(|kind| *kind == RowKind::Insert) { None } else { Some(kinds) };
        Ok(Some(Rows { batch, kinds, origins: None }))
    }
}

impl Stage for AggregateStage {
    fn rows(&mut self, rows: &Rows, _: i64, _: &mut Late) -> Result<Option<Rows>, ArrowError> {
        let columns = self.layout.read(&rows.batch)?;
        let known = self.groups.len() as u32;
        let groups = self.groups.table.intern_rows(&columns.keys, rows.len(), None);
        let count = self.groups.len();
        let mut is_touched = vec![false; count];
        let touched: Vec<u32> =
            groups.iter().copied().filter(|group| !std::mem::replace(&mut is_touched[*group as usize], true)).collect();
        self.groups.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(count));
        let old = self.evaluate(&touched)?;
        self.groups.update_groups(&columns, None, &groups, count)?;
        self.changes(&touched, known, &old)
    }

    fn advance(&mut self, _: i64) -> Result<Vec<Rows>, ArrowError> {
        Ok(Vec::new())
    }

    fn watermark(&self) -> i64 {
        WATERMARK_MIN
    }

    fn usage(&self) -> Usage {
        Usage { groups: self.groups.len(), bytes: self.groups.bytes() }
    }

    fn snapshot(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let nowhere = Span { start: 0, end: 0 };
        Ok(vec![self.groups.snapshot(&self.layout, &self.groups.all(), |_| nowhere)?])
    }

    fn restore(&mut self, _: i64, snapshot: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in snapshot {
            let (_, keys) = spans_and_keys(&self.layout, batch)?;
            let groups = self.groups.table.intern_rows(&keys, batch.num_rows(), None);
            let count = self.groups.len();
            self.groups.restore(batch, &groups, count, self.layout.keys.len())?;
        }
        Ok(())
    }
}
