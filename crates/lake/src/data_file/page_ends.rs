//! Where the pages of a row group end. Pure.
//!
//! A page is decompressed as a whole. In rows that are sorted by a text, the market's name, a market with many rows has pages of its own: who asks for
//! it does not pay for its neighbours.

use crate::pack::PackedBatch;
use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::DataType;

/// Row numbers, the last one that of all rows. Pages have at most `rows_max` rows, and those that several texts share at least half of that.
pub(super) fn page_ends(
    batches: &[&PackedBatch],
    rows: &[(usize, usize)],
    sorted_by: Option<usize>,
    rows_max: usize,
) -> Vec<usize> {
    let parts: Vec<&StringArray> = sorted_by.map_or(Vec::new(), |column| {
        let parts = batches.iter().filter_map(|batch| batch.packed_column(column));
        parts.filter(|part| part.data_type() == &DataType::Utf8).map(|part| part.as_string()).collect()
    });
    if sorted_by.is_none() || parts.len() < batches.len() {
        return cut(std::iter::once(rows.len()), rows_max);
    }
    let text = |(batch, row): (usize, usize)| parts[batch].is_valid(row).then(|| parts[batch].value(row));
    let run_ends = rows.windows(2).enumerate().filter(|(_, pair)| text(pair[0]) != text(pair[1]));
    cut(run_ends.map(|(row, _)| row + 1).chain(std::iter::once(rows.len())), rows_max)
}

/// The ends of pages, given those of runs of equals.
fn cut(run_ends: impl Iterator<Item = usize>, rows_max: usize) -> Vec<usize> {
    let rows_min = (rows_max / 2).max(1);
    let mut ends = Vec::new();
    let (mut page_start, mut run_start) = (0, 0);
    for run_end in run_ends {
        if run_end - run_start >= rows_min {
            if page_start < run_start {
                ends.push(run_start);
            }
            let rows = run_end - run_start;
            let page_rows = rows.div_ceil(rows.div_ceil(rows_max.max(1)));
            ends.extend((run_start..run_end).step_by(page_rows).map(|start| run_end.min(start + page_rows)));
            page_start = run_end;
        } else if run_end - page_start >= rows_min {
            ends.push(run_end);
            page_start = run_end;
        }
        run_start = run_end;
    }
    if page_start < run_start {
        ends.push(run_start);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut_runs(lengths: &[usize], rows_max: usize) -> Vec<usize> {
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        cut(ends, rows_max)
    }

    #[test]
    fn a_long_run_has_its_own_pages_and_short_ones_share() {
        assert_eq!(cut_runs(&[9, 1, 2, 3, 30], 8), [5, 9, 15, 23, 31, 39, 45]);
        assert_eq!(cut_runs(&[1, 1, 20, 1], 8), [2, 9, 16, 22, 23], "what is in front of a long run ends there");
        assert_eq!(cut_runs(&[20], 8), [7, 14, 20], "rows that are not sorted are one run");
        assert_eq!(cut_runs(&[0], 8), [] as [usize; 0]);
    }

    proptest! {
        #[test]
        fn pages_hold_all_rows_and_are_neither_large_nor_many(lengths in prop::collection::vec(1_usize..50, 1..60), rows_max in 1_usize..40) {
            let ends = cut_runs(&lengths, rows_max);
            let rows: usize = lengths.iter().sum();
            prop_assert_eq!(ends.last(), Some(&rows));
            let starts = std::iter::once(&0).chain(&ends);
            let pages: Vec<usize> = starts.zip(&ends).map(|(start, end)| end - start).collect();
            prop_assert!(pages.iter().all(|page| (1..=rows_max).contains(page)), "{pages:?}");
            prop_assert!(pages.len() <= 1 + 4 * rows.div_ceil(rows_max), "{pages:?}");
        }
    }
}
