//! Rows that are merged, cut into stretches that are sorted in memory. Pure.
//!
//! What is merged comes as runs that are sorted already: what one commit wrote, or a stretch of an earlier merge. A stretch is as many whole runs as
//! fit into memory, so that it holds one span of time and, of that, each market's rows side by side.

use crate::pack::PackedBatch;
use arrow::array::{Array, ArrayRef, RecordBatch, make_comparator};
use arrow::compute::SortOptions;
use arrow::error::ArrowError;

/// Rows in memory, of one stretch.
pub(super) struct Stretches {
    bytes_max: usize,
    /// The column by which runs are sorted first; without one nothing is.
    sorted_by: Option<usize>,
    open: Vec<PackedBatch>,
    open_bytes: usize,
    /// Of the run that is not complete yet, also what was given back of it.
    run_bytes: usize,
    /// The first sort column of the last row.
    last: Option<ArrayRef>,
}

impl Stretches {
    pub(super) fn new(bytes_max: usize, sorted_by: Option<usize>) -> Stretches {
        Stretches { bytes_max, sorted_by, open: Vec::new(), open_bytes: 0, run_bytes: 0, last: None }
    }

    /// Adds rows behind those before; gives back the stretches that are complete with them.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<Vec<Vec<PackedBatch>>, ArrowError> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(Vec::new());
        }
        let whole = PackedBatch::of(batch)?;
        let row_bytes = whole.bytes().div_ceil(rows);
        let mut complete = Vec::new();
        let (mut begin, mut run_begin) = (0, 0);
        for start in self.run_starts(batch)? {
            self.run_bytes += (start - run_begin) * row_bytes;
            run_begin = start;
            let held = self.open_bytes + (start - begin) * row_bytes;
            if held > 0 && held + self.run_bytes > self.bytes_max {
                self.put(PackedBatch::of(&batch.slice(begin, start - begin))?, (start - begin) * row_bytes);
                complete.push(self.close());
                begin = start;
            }
            self.run_bytes = 0;
        }
        self.run_bytes += (rows - run_begin) * row_bytes;
        let rest = if begin == 0 { whole } else { PackedBatch::of(&batch.slice(begin, rows - begin))? };
        self.put(rest, (rows - begin) * row_bytes);
        if self.open_bytes >= self.bytes_max {
            complete.push(self.close());
        }
        if let Some(column) = self.sorted_by {
            self.last = Some(batch.column(column).slice(rows - 1, 1));
        }
        Ok(complete)
    }

    /// The rows that are left.
    pub(super) fn finish(mut self) -> Option<Vec<PackedBatch>> {
        let rest = self.close();
        (!rest.is_empty()).then_some(rest)
    }

    fn put(&mut self, batch: PackedBatch, bytes: usize) {
        if batch.num_rows() > 0 {
            self.open.push(batch);
            self.open_bytes += bytes;
        }
    }

    fn close(&mut self) -> Vec<PackedBatch> {
        self.open_bytes = 0;
        std::mem::take(&mut self.open)
    }

    /// The rows that come before the row in front of them, in the order of the first sort column.
    fn run_starts(&self, batch: &RecordBatch) -> Result<Vec<usize>, ArrowError> {
        let Some(column) = self.sorted_by else { return Ok(Vec::new()) };
        let values = batch.column(column);
        let comparator = |left: &ArrayRef| make_comparator(left, values, SortOptions::default());
        let mut starts = Vec::new();
        if let Some(last) = &self.last
            && comparator(last)?(0, 0).is_gt()
        {
            starts.push(0);
        }
        let compare = comparator(values)?;
        starts.extend((1..values.len()).filter(|row| compare(row - 1, *row).is_gt()));
        Ok(starts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn batch(values: &[i64]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
    }

    /// The values of each stretch, of batches of at most so many rows.
    fn cut(values: &[i64], batch_rows: usize, rows_max: usize, is_sorted: bool) -> Vec<Vec<i64>> {
        // an array takes some bytes beside its values
        let row_bytes = PackedBatch::of(&batch(&vec![0; batch_rows])).unwrap().bytes().div_ceil(batch_rows);
        let mut stretches = Stretches::new(rows_max * row_bytes, is_sorted.then_some(0));
        let mut all = Vec::new();
        for values in values.chunks(batch_rows) {
            all.extend(stretches.add(&batch(values)).unwrap());
        }
        all.extend(stretches.finish());
        let values = |batch: &PackedBatch| {
            let column = batch.column(0, &DataType::Int64).unwrap();
            column.as_primitive::<Int64Type>().values().to_vec()
        };
        all.iter().map(|stretch| stretch.iter().flat_map(values).collect()).collect()
    }

    #[test]
    fn whole_runs_as_long_as_they_fit() {
        let runs: Vec<i64> = (0..6).flat_map(|_| 0..100).collect();
        let lengths = |values: &[i64], rows_max, is_sorted| -> Vec<usize> {
            cut(values, 50, rows_max, is_sorted).iter().map(Vec::len).collect()
        };
        assert_eq!(lengths(&runs, 350, true), [300, 300]);
        assert_eq!(lengths(&runs, 250, true), [200, 200, 200]);
        assert_eq!(lengths(&runs, 10_000, true), [600]);
        assert_eq!(lengths(&runs, 250, false), [250, 250, 100], "nothing is sorted");
        let long: Vec<i64> = (0..500).collect();
        assert_eq!(lengths(&long, 200, true), [200, 200, 100], "a run that does not fit");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(values in prop::collection::vec(0_i64..9, 0..200), batch_rows in 1_usize..20, rows_max in 1_usize..60, is_sorted: bool) {
            let stretches = cut(&values, batch_rows, rows_max, is_sorted);
            prop_assert_eq!(stretches.concat(), values);
            // one batch too many
            prop_assert!(stretches.iter().all(|stretch| !stretch.is_empty() && stretch.len() <= rows_max + batch_rows));
        }
    }
}
