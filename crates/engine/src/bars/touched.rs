//! The register of bars that must be looked at: by market and UTC day a set of bars of all sizes. Pure, but for its lock.
//!
//! A bar that was touched stays until it was seen right after that, so what is touched while somebody looks stays too. It is part of
//! every checkpoint, taken at the same moment as the rows: a start from it looks at all that was not right then.

use super::bits::{BYTES, Bits, Size};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use hoga_model::time::MS_PER_DAY;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A hole of more days than this touches its last ones: nothing was collected for so long before them.
const DAYS_MAX: i64 = 400;
/// What an entry takes beside its market's name, about.
const ENTRY_BYTES: usize = 2 * BYTES + 64;

type Key = (i64, Box<str>);

#[derive(Debug, Default)]
pub struct Touched(Mutex<BTreeMap<Key, Day>>);

#[derive(Debug)]
struct Day {
    due: Bits,
    /// What was touched since it was taken; None if nobody has it.
    since: Option<Bits>,
}

/// Bars of one market's day that somebody looks at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Days since the epoch.
    pub day: i64,
    pub market: String,
    /// Those that are over.
    pub due: Bits,
}

impl Touched {
    /// Touches the bars of all sizes between two times in milliseconds, both inclusive, of each market.
    pub fn mark<'a>(&self, touched: impl Iterator<Item = (&'a str, i64, i64)>) {
        let mut days = self.lock();
        for (market, from_ms, to_ms) in touched {
            let last_day = to_ms.div_euclid(MS_PER_DAY);
            let first_day = from_ms.div_euclid(MS_PER_DAY);
            for day in first_day.max(last_day - DAYS_MAX + 1)..=last_day {
                let minute = |ms: i64| (ms - day * MS_PER_DAY).clamp(0, MS_PER_DAY - 1) / Size::M1.ms();
                let mut bits = Bits::NONE;
                bits.add_minutes(minute(from_ms) as usize, minute(to_ms) as usize);
                let held = days.entry((day, market.into())).or_insert(Day { due: Bits::NONE, since: None });
                held.due = held.due.or(bits);
                held.since = held.since.map(|since| since.or(bits));
            }
        }
    }

    /// Up to `markets_max` markets of one day that have bars which are touched and over, behind the day and market of `after`, or from
    /// the first on if there are none. Whoever takes them says what is right with [`settle`](Touched::settle).
    pub fn take(
        &self,
        closed_ms: &[i64; Size::ALL.len()],
        after: Option<&(i64, String)>,
        markets_max: usize,
    ) -> Vec<Taken> {
        let mut days = self.lock();
        let after = after.map(|(day, market)| (*day, market.as_str().into()));
        let found = after.map(|after: Key| take_from(&mut days, Bound::Excluded(after), closed_ms, markets_max));
        match found {
            Some(found) if !found.is_empty() => found,
            _ => take_from(&mut days, Bound::Unbounded, closed_ms, markets_max),
        }
    }

    /// Of what was taken these bars are right, unless they were touched since; the others stay.
    pub fn settle(&self, taken: &Taken, right: Bits) {
        let mut days = self.lock();
        let key: Key = (taken.day, taken.market.as_str().into());
        let Some(held) = days.get_mut(&key) else { return };
        let since = held.since.take().unwrap_or(Bits::NONE);
        held.due = held.due.without(right.and(taken.due).without(since));
        if held.due.is_empty() {
            days.remove(&key);
        }
    }

    /// Bars that are to be looked at, those that are not over yet included.
    pub fn count(&self) -> usize {
        self.lock().values().map(|day| day.due.count()).sum()
    }

    /// Markets' days, and the memory that they take, about.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let days = self.lock();
        let bytes = days.keys().map(|(_, market)| market.len() + ENTRY_BYTES).sum();
        (days.len(), bytes)
    }

    pub(crate) fn snapshot(&self) -> Result<Option<RecordBatch>, ArrowError> {
        let days = self.lock();
        if days.is_empty() {
            return Ok(None);
        }
        let day: ArrayRef = Arc::new(Int64Array::from_iter_values(days.keys().map(|(day, _)| *day)));
        let market: ArrayRef = Arc::new(StringArray::from_iter_values(days.keys().map(|(_, market)| market)));
        let due: ArrayRef = Arc::new(BinaryArray::from_iter_values(days.values().map(|day| day.due.to_bytes())));
        RecordBatch::try_from_iter([("day", day), ("market", market), ("due", due)]).map(Some)
    }

    /// Takes in a snapshot; false if it is not one.
    #[must_use]
    pub(crate) fn restore(&self, snapshot: &RecordBatch) -> bool {
        let column = |name: &str| snapshot.column_by_name(name);
        let day = column("day").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let market = column("market").and_then(|column| column.as_string_opt::<i32>());
        let due = column("due").and_then(|column| column.as_binary_opt::<i32>());
        let (Some(day), Some(market), Some(due)) = (day, market, due) else { return false };
        let mut days = self.lock();
        for row in 0..snapshot.num_rows() {
            let Some(bits) = Bits::from_bytes(due.value(row)).filter(|_| market.is_valid(row)) else { return false };
            days.insert((day.value(row), market.value(row).into()), Day { due: bits, since: None });
        }
        true
    }

    /// Every change under the lock is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Day>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_from(
    days: &mut BTreeMap<Key, Day>,
    from: Bound<Key>,
    closed_ms: &[i64; Size::ALL.len()],
    markets_max: usize,
) -> Vec<Taken> {
    let mut taken: Vec<Taken> = Vec::new();
    let mut closed: Option<(i64, Bits)> = None;
    for ((day, market), held) in days.range_mut((from, Bound::Unbounded)) {
        if taken.len() == markets_max || taken.first().is_some_and(|first| first.day != *day) {
            break;
        }
        let over = match closed {
            Some((of_day, over)) if of_day == *day => over,
            _ => Bits::closed(*day * MS_PER_DAY, closed_ms),
        };
        closed = Some((*day, over));
        let due = held.due.and(over);
        if !due.is_empty() {
            held.since = Some(Bits::NONE);
            taken.push(Taken { day: *day, market: market.to_string(), due });
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = MS_PER_DAY;
    const ALL_CLOSED: [i64; 5] = [i64::MAX; 5];

    fn names(taken: &[Taken]) -> Vec<(i64, &str)> {
        taken.iter().map(|one| (one.day, one.market.as_str())).collect()
    }

    #[test]
    fn a_bar_is_due_when_it_is_over_and_until_it_was_seen_right() {
        let touched = Touched::default();
        let ms = 20 * DAY + 61 * 60_000;
        touched.mark([("KRW-BTC", ms, ms)].into_iter());
        assert_eq!(touched.count(), 5);
        let hour_open = [ms + 60_000, ms + 60_000, 20 * DAY, 20 * DAY, 20 * DAY];
        let taken = touched.take(&hour_open, None, 9);
        assert_eq!(taken[0].due.count(), 1, "of five sizes the minute alone is over");
        touched.settle(&taken[0], Bits::NONE);
        let again = touched.take(&hour_open, None, 9);
        assert_eq!(again, taken, "it was not right");
        touched.settle(&again[0], again[0].due);
        assert!(touched.take(&hour_open, None, 9).is_empty());
        assert_eq!(touched.count(), 4, "the longer ones wait for their end");
        let rest = touched.take(&ALL_CLOSED, None, 9);
        assert_eq!(rest[0].due.count(), 4);
        touched.settle(&rest[0], rest[0].due);
        assert_eq!((touched.count(), touched.usage().0), (0, 0));
    }

    #[test]
    fn what_is_touched_while_somebody_looks_stays() {
        let touched = Touched::default();
        touched.mark([("KRW-BTC", 0, 59_999)].into_iter());
        let taken = touched.take(&ALL_CLOSED, None, 9);
        touched.mark([("KRW-BTC", 30_000, 30_000)].into_iter());
        touched.settle(&taken[0], taken[0].due);
        assert_eq!(touched.take(&ALL_CLOSED, None, 9), taken);
    }

    #[test]
    fn one_day_at_a_time_and_everybody_in_turn() {
        let touched = Touched::default();
        touched.mark([("B", DAY, 2 * DAY), ("A", DAY, DAY), ("C", DAY, DAY)].into_iter());
        let first = touched.take(&ALL_CLOSED, None, 2);
        assert_eq!(names(&first), [(1, "A"), (1, "B")]);
        let next = touched.take(&ALL_CLOSED, Some(&(1, "B".into())), 2);
        assert_eq!(names(&next), [(1, "C")]);
        let next = touched.take(&ALL_CLOSED, Some(&(1, "C".into())), 2);
        assert_eq!(names(&next), [(2, "B")]);
        let next = touched.take(&ALL_CLOSED, Some(&(2, "B".into())), 2);
        assert_eq!(names(&next), [(1, "A"), (1, "B")], "from the first on again");
        assert_eq!(first[1].due.bars(Size::M1).count(), 1_440, "a whole day");
    }

    #[test]
    fn a_snapshot_has_all_of_it() {
        let touched = Touched::default();
        assert_eq!(touched.snapshot().expect("a batch"), None);
        touched.mark([("KRW-BTC", 5, 7 * DAY), ("KRW-ETH", 5, 5)].into_iter());
        // what somebody looks at is not settled yet
        let taken = touched.take(&ALL_CLOSED, None, 9);
        let snapshot = touched.snapshot().expect("a batch").expect("rows");
        let other = Touched::default();
        assert!(other.restore(&snapshot));
        assert_eq!((other.count(), other.take(&ALL_CLOSED, None, 9)), (touched.count(), taken));
        assert!(!other.restore(&snapshot.project(&[0, 1]).expect("two columns")));
        touched.mark([("X", 0, 1_000 * DAY)].into_iter());
        assert_eq!(touched.usage().0, 9 + DAYS_MAX as usize);
    }
}
