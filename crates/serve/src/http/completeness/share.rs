//! How much of a day is promised, and how much of that is missing. Pure.

use hoga_model::time::MS_PER_DAY;
use serde::Serialize;

/// From, to (exclusive), in milliseconds since the epoch.
type Span = (i64, i64);

/// What the ledger says of one market's trades.
#[derive(Debug, Default)]
pub(super) struct Line {
    begun_ms: Option<i64>,
    /// Time of which all trades are promised beside that since the beginning: what was backfilled.
    promised: Vec<Span>,
    /// What is in a gap that is open, pending or lost.
    missing: Vec<Span>,
}

/// One market's one day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Cell {
    /// Of the promised time, what is without a gap: 0 to 1. Less than 1 whenever a millisecond is missing.
    pub(super) share: f64,
    pub(super) promised_ms: i64,
    pub(super) missing_ms: i64,
}

impl Line {
    /// One row of the ledger. A gap without an end goes on.
    pub(super) fn add(&mut self, (from_ms, to_ms): (i64, Option<i64>), cause: &str, state: &str) {
        let span = (from_ms, to_ms.map_or(i64::MAX, |to_ms| to_ms.max(from_ms)));
        match cause {
            "begin" => self.begun_ms = Some(self.begun_ms.map_or(from_ms, |begun_ms| begun_ms.min(from_ms))),
            // both ends of a backfill are inclusive
            "backfill" => self.promised.push((span.0, span.1.saturating_add(1))),
            _ => {}
        }
        // a beginning that waits for its trades has no length
        if matches!(state, "open" | "pending" | "lost") && span.0 < span.1 {
            self.missing.push(span);
        }
    }

    /// All rows are there.
    pub(super) fn finish(&mut self) {
        self.promised.extend(self.begun_ms.map(|begun_ms| (begun_ms, i64::MAX)));
        joined(&mut self.promised);
        joined(&mut self.missing);
    }

    pub(super) fn begun_ms(&self) -> Option<i64> {
        self.begun_ms
    }

    /// The day that begins then, up to now; None if nothing of it is promised.
    pub(super) fn cell(&self, day_ms: i64, now_ms: i64) -> Option<Cell> {
        let day = (day_ms, (day_ms + MS_PER_DAY).min(now_ms));
        let promised: Vec<Span> = self.promised.iter().filter_map(|span| common(*span, day)).collect();
        let promised_ms: i64 = promised.iter().map(length).sum();
        if promised_ms == 0 {
            return None;
        }
        let missing = promised.iter().flat_map(|span| self.missing.iter().filter_map(|gap| common(*gap, *span)));
        let missing_ms: i64 = missing.map(|span| length(&span)).sum();
        let share = 1.0 - missing_ms as f64 / promised_ms as f64;
        Some(Cell { share, promised_ms, missing_ms })
    }
}

fn common(a: Span, b: Span) -> Option<Span> {
    let span = (a.0.max(b.0), a.1.min(b.1));
    (span.0 < span.1).then_some(span)
}

fn length(span: &Span) -> i64 {
    span.1 - span.0
}

/// In order, without overlaps.
fn joined(spans: &mut Vec<Span>) {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans.drain(..) {
        match joined.last_mut() {
            Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
            _ => joined.push(span),
        }
    }
    *spans = joined;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn line(rows: &[(i64, Option<i64>, &str, &str)]) -> Line {
        let mut line = Line::default();
        for (from_ms, to_ms, cause, state) in rows {
            line.add((*from_ms, *to_ms), cause, state);
        }
        line.finish();
        line
    }

    fn hours(line: &Line, day: i64, now_ms: i64) -> Option<(f64, i64, i64)> {
        let cell = line.cell(day * MS_PER_DAY, now_ms)?;
        Some((cell.share, cell.promised_ms / HOUR, cell.missing_ms / HOUR))
    }

    #[test]
    fn a_day_is_what_is_promised_of_it_without_its_holes() {
        let now_ms = 2 * MS_PER_DAY + 6 * HOUR;
        let mut rows = vec![(12 * HOUR, Some(12 * HOUR), "begin", "pending")];
        assert_eq!(hours(&line(&rows), 0, now_ms), Some((1.0, 12, 0)), "from the beginning on");
        assert_eq!(hours(&line(&rows), 2, now_ms), Some((1.0, 6, 0)), "up to now");
        assert_eq!((hours(&line(&rows), -1, now_ms), hours(&line(&rows), 3, now_ms)), (None, None));
        // two that overlap count once, and one goes over midnight
        rows.push((20 * HOUR, Some(22 * HOUR), "stall", "lost"));
        rows.push((21 * HOUR, Some(25 * HOUR), "disconnect", "pending"));
        let found = line(&rows);
        assert_eq!(hours(&found, 0, now_ms), Some((1.0 - 4.0 / 12.0, 12, 4)));
        assert_eq!(hours(&found, 1, now_ms), Some((1.0 - 1.0 / 24.0, 24, 1)));
        // one that goes on
        rows.push((50 * HOUR, None, "disconnect", "open"));
        assert_eq!(hours(&line(&rows), 2, now_ms), Some((1.0 - 4.0 / 6.0, 6, 4)));
    }

    #[test]
    fn what_was_backfilled_is_promised_too() {
        let rows = [
            (2 * HOUR, Some(4 * HOUR - 1), "backfill", "repaired"),
            (4 * HOUR, Some(5 * HOUR - 1), "backfill", "pending"),
            (23 * HOUR, Some(23 * HOUR), "begin", "repaired"),
        ];
        let found = line(&rows);
        let cell = found.cell(0, MS_PER_DAY).expect("promised");
        assert_eq!((cell.promised_ms, cell.missing_ms), (4 * HOUR, HOUR - 1));
        assert_eq!(found.begun_ms(), Some(23 * HOUR));
        assert_eq!(line(&rows[..2]).begun_ms(), None);
    }

    #[test]
    fn a_hole_outside_of_what_is_promised_is_none() {
        let found = line(&[(0, Some(HOUR), "unanswered", "lost"), (2 * HOUR, Some(2 * HOUR), "begin", "repaired")]);
        assert_eq!(found.cell(0, MS_PER_DAY).map(|cell| cell.missing_ms), Some(0));
    }
}
