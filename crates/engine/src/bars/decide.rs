//! What a bar must be, from its minutes, and whether the table has it so. Pure.

use super::bits::Size;
use std::collections::BTreeMap;

/// A bar's numbers: prices and volumes in units of 10^-8, turnover in 10^-16. None where its trades have NULL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) open: Option<i128>,
    pub(crate) high: Option<i128>,
    pub(crate) low: Option<i128>,
    pub(crate) close: Option<i128>,
    pub(crate) volume: Option<i128>,
    pub(crate) turnover: Option<i128>,
    pub(crate) trade_count: i64,
    pub(crate) buy_volume: Option<i128>,
}

impl Values {
    /// With a bar that comes after it.
    fn followed_by(self, later: Values) -> Values {
        let sum = |one: Option<i128>, other: Option<i128>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            _ => one.or(other),
        };
        Values {
            open: self.open.or(later.open),
            high: self.high.max(later.high),
            low: [self.low, later.low].into_iter().flatten().min(),
            close: later.close.or(self.close),
            volume: sum(self.volume, later.volume),
            turnover: sum(self.turnover, later.turnover),
            trade_count: self.trade_count.saturating_add(later.trade_count),
            buy_volume: sum(self.buy_volume, later.buy_volume),
        }
    }
}

/// A bar as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) values: Values,
    pub(crate) state: Option<String>,
}

/// A market's minutes of a day, by their number.
pub(crate) type Minutes = BTreeMap<usize, Values>;

/// A longer bar of its minutes: exact, for minutes follow one another and sums are of integers. None without a trade.
pub(crate) fn bar_of(minutes: &Minutes, size: Size, bar: usize) -> Option<Values> {
    let first = bar * size.minutes();
    let within = minutes.range(first..first + size.minutes()).map(|(_, values)| *values);
    within.reduce(Values::followed_by)
}

/// A time in which trades of a market may be missing; both inclusive, None: it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: Option<i64>,
}

pub(crate) fn overlaps(holes: &[Hole], start_ms: i64, end_ms: i64) -> bool {
    holes.iter().any(|hole| hole.from_ms < end_ms && hole.to_ms.is_none_or(|to_ms| to_ms >= start_ms))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The table has it as its trades want it.
    Right,
    /// It must be written with this state.
    Write(State),
    /// The table has a bar of which there is no trade. Nothing here makes one, and nothing deletes it; an audit shows it.
    Unexplained,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Repaired,
    Incomplete,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Repaired => "repaired",
            State::Incomplete => "incomplete",
        }
    }
}

/// `wanted` is what its trades say, None without one; `has_hole`: some of its trades may be missing.
pub(crate) fn decide(wanted: Option<Values>, found: Option<&Found>, has_hole: bool) -> Decision {
    let state = if has_hole { State::Incomplete } else { State::Repaired };
    match (wanted, found) {
        (None, None) => Decision::Right,
        (None, Some(_)) => Decision::Unexplained,
        (Some(_), None) => Decision::Write(state),
        (Some(wanted), Some(found)) => {
            let is_marked = found.state.as_deref() == Some(State::Incomplete.as_str());
            // one that closed with all its trades stays closed
            if wanted == found.values && is_marked == has_hole { Decision::Right } else { Decision::Write(state) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(open: i128, high: i128, low: i128, close: i128) -> Values {
        let sum = Some(high - low);
        Values {
            open: Some(open),
            high: Some(high),
            low: Some(low),
            close: Some(close),
            volume: sum,
            turnover: sum,
            trade_count: 2,
            buy_volume: None,
        }
    }

    #[test]
    fn a_longer_bar_is_its_minutes_in_their_order() {
        let minutes: Minutes = [(4, minute(1, 2, 1, 2)), (5, minute(5, 9, 3, 4)), (9, minute(4, 7, 2, 6))].into();
        assert_eq!(bar_of(&minutes, Size::M5, 0), Some(minute(1, 2, 1, 2)));
        let expected = Values { trade_count: 4, volume: Some(11), turnover: Some(11), ..minute(5, 9, 2, 6) };
        assert_eq!(bar_of(&minutes, Size::M5, 1), Some(expected));
        assert_eq!(bar_of(&minutes, Size::M5, 2), None);
        assert_eq!(bar_of(&minutes, Size::D1, 0).map(|bar| bar.trade_count), Some(6));
        let nulls: Minutes = [(0, Values { trade_count: 1, ..Values::default() }), (1, minute(3, 4, 2, 3))].into();
        let with_null = bar_of(&nulls, Size::M5, 0);
        assert_eq!(with_null, Some(Values { trade_count: 3, ..minute(3, 4, 2, 3) }), "NULL is in no sum");
    }

    #[test]
    fn holes() {
        let hole = |from_ms, to_ms| [Hole { from_ms, to_ms }];
        assert!(overlaps(&hole(99, Some(99)), 0, 100));
        assert!(!overlaps(&hole(100, Some(200)), 0, 100), "a bar's end is not in it");
        assert!(overlaps(&hole(100, Some(200)), 200, 300));
        assert!(!overlaps(&hole(100, Some(199)), 200, 300));
        assert!(overlaps(&hole(100, None), 5_000, 6_000));
    }

    #[test]
    fn only_a_difference_is_written() {
        let (good, bad) = (minute(1, 2, 1, 2), minute(1, 3, 1, 2));
        let found = |values, state: &str| Found { values, state: Some(state.to_owned()) };
        let cases = [
            (Some(good), Some(found(good, "closed")), false, Decision::Right),
            (Some(good), Some(found(good, "repaired")), false, Decision::Right),
            (Some(good), Some(found(bad, "closed")), false, Decision::Write(State::Repaired)),
            (Some(good), None, false, Decision::Write(State::Repaired)),
            (Some(good), None, true, Decision::Write(State::Incomplete)),
            (Some(good), Some(found(good, "closed")), true, Decision::Write(State::Incomplete)),
            (Some(good), Some(found(good, "incomplete")), true, Decision::Right),
            (Some(good), Some(found(bad, "incomplete")), true, Decision::Write(State::Incomplete)),
            (Some(good), Some(found(good, "incomplete")), false, Decision::Write(State::Repaired)),
            (Some(good), Some(Found { values: good, state: None }), false, Decision::Right),
            (None, None, true, Decision::Right),
            (None, Some(found(good, "closed")), false, Decision::Unexplained),
        ];
        for (wanted, found, has_hole, expected) in cases {
            assert_eq!(decide(wanted, found.as_ref(), has_hole), expected, "{found:?} {has_hole}");
        }
    }
}
