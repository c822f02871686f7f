//! Window arithmetic: which slice a time is in, which windows a slice is part of, and when they close. Pure.
//!
//! Windows lie on the wall clock of a zone, as in Flink: a time is first read off that clock, windows are cut there, and a
//! window closes at the instant at which the clock shows its end. A slice is the piece that all its rows share windows:
//! the window itself (TUMBLE), a slide (HOP), a step (CUMULATE). So a row is aggregated once, however many windows it is in.

use crate::graph::WindowShape;
use arrow::array::timezone::Tz;
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone};

const HOUR_MS: i64 = 3_600_000;
/// Times further from 1970 than this (some two million years) have no place in a window: the arithmetic stays exact below it.
pub(crate) const TIME_MAX_MS: i64 = 1 << 56;

/// The wall clock that windows lie on. Without a zone, times are the clock's already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock(pub(crate) Option<Tz>);

impl WallClock {
    /// What the clock shows at an instant, as milliseconds without a zone.
    pub(crate) fn local_ms(self, instant_ms: i64) -> i64 {
        instant_ms + self.offset_ms(instant_ms)
    }

    /// The clock's times of many instants. Their offset is looked up once if they are near one another.
    pub(crate) fn local_all(self, instants_ms: &[i64]) -> Vec<i64> {
        if self.0.is_none() {
            return instants_ms.to_vec();
        }
        let (Some(least), Some(most)) = (instants_ms.iter().min(), instants_ms.iter().max()) else { return Vec::new() };
        let offset_ms = self.offset_ms(*least);
        // a zone changes its offset and changes it back within no single day
        if most - least < 24 * HOUR_MS && self.offset_ms(*most) == offset_ms {
            return instants_ms.iter().map(|instant| instant + offset_ms).collect();
        }
        instants_ms.iter().map(|instant| self.local_ms(*instant)).collect()
    }

    /// The instant at which the clock shows this time: the later one if it does so twice, the moment of the jump if never
    /// (Flink's `TimeWindowUtil.toEpochMillsForTimer`).
    pub(crate) fn instant_ms(self, local_ms: i64) -> i64 {
        let Some(zone) = self.0 else { return local_ms };
        let Some(local) = naive(local_ms) else { return local_ms };
        match zone.offset_from_local_datetime(&local) {
            MappedLocalTime::Single(offset) => local_ms - seconds(&offset) * 1_000,
            MappedLocalTime::Ambiguous(one, other) => local_ms - seconds(&one).min(seconds(&other)) * 1_000,
            MappedLocalTime::None => {
                // a day earlier, whatever the offset, the clock had not jumped yet
                let shifted = local_ms - self.offset_ms(local_ms - 24 * HOUR_MS);
                shifted - shifted.rem_euclid(HOUR_MS)
            }
        }
    }

    fn offset_ms(self, instant_ms: i64) -> i64 {
        match (self.0, naive(instant_ms)) {
            (Some(zone), Some(instant)) => seconds(&zone.offset_from_utc_datetime(&instant)) * 1_000,
            _ => 0,
        }
    }
}

fn naive(ms: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_millis(ms).map(|time| time.naive_utc())
}

fn seconds(offset: &impl Offset) -> i64 {
    i64::from(offset.fix().local_minus_utc())
}

/// A piece of the wall clock: a slice or a window. Ordered by its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) end: i64,
    pub(crate) start: i64,
}

/// How the wall clock is cut. Never of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slicing {
    slice_ms: i64,
    offset_ms: i64,
    size_ms: i64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tumble,
    Hop,
    Cumulate,
}

impl Slicing {
    /// None for SESSION, whose windows follow the rows.
    pub(crate) fn of(shape: WindowShape) -> Option<Slicing> {
        let (slice_ms, size_ms, offset_ms, kind) = match shape {
            WindowShape::Tumble { size_ms, offset_ms } => (size_ms, size_ms, offset_ms, Kind::Tumble),
            WindowShape::Hop { size_ms, slide_ms, offset_ms } => (slide_ms, size_ms, offset_ms, Kind::Hop),
            WindowShape::Cumulate { max_size_ms, step_ms, offset_ms } => {
                (step_ms, max_size_ms, offset_ms, Kind::Cumulate)
            }
            WindowShape::Session { .. } => return None,
        };
        Some(Slicing { slice_ms, offset_ms, size_ms, kind })
    }

    /// The start of the slice that a time of the clock is in.
    pub(crate) fn slice_start(self, local_ms: i64) -> i64 {
        floor(local_ms, self.slice_ms, self.offset_ms)
    }

    pub(crate) fn slice_at(self, start: i64) -> Span {
        Span { start, end: start + self.slice_ms }
    }

    /// The windows that a slice is part of, first to close first.
    pub(crate) fn windows_of(self, slice: Span) -> impl Iterator<Item = Span> {
        let last_end = self.last_end(slice);
        let ends = (0..).map(move |n| slice.end + n * self.slice_ms).take_while(move |end| *end <= last_end);
        ends.map(move |end| self.window_to(end))
    }

    /// The window with this end, which is the end of a slice.
    pub(crate) fn window_to(self, end: i64) -> Span {
        let start = match self.kind {
            Kind::Tumble | Kind::Hop => end - self.size_ms,
            Kind::Cumulate => floor(end - 1, self.size_ms, self.offset_ms),
        };
        Span { start, end }
    }

    /// The end of the slice after the one that ends here.
    pub(crate) fn next_end(self, end: i64) -> i64 {
        end + self.slice_ms
    }

    /// The end of the last window that a slice is part of: the slice is not needed after it.
    pub(crate) fn last_end(self, slice: Span) -> i64 {
        match self.kind {
            Kind::Tumble => slice.end,
            Kind::Hop => slice.start + self.size_ms,
            Kind::Cumulate => floor(slice.start, self.size_ms, self.offset_ms) + self.size_ms,
        }
    }
}

fn floor(time: i64, step: i64, offset: i64) -> i64 {
    time - (time - offset).rem_euclid(step)
}

#[cfg(test)]
mod tests;
