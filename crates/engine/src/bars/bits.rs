//! The bars of one market's day as bits: 1,440 minutes, and the longer bars behind them. Pure.

use hoga_model::time::MS_PER_DAY;

/// How long a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    M1,
    M5,
    M15,
    H1,
    D1,
}

impl Size {
    /// Shortest first; the number of each is its index.
    pub const ALL: [Size; 5] = [Size::M1, Size::M5, Size::M15, Size::H1, Size::D1];

    /// As in the tables' names and in the topic.
    pub fn name(self) -> &'static str {
        match self {
            Size::M1 => "1m",
            Size::M5 => "5m",
            Size::M15 => "15m",
            Size::H1 => "1h",
            Size::D1 => "1d",
        }
    }

    /// In database `upbit`.
    pub const fn table(self) -> &'static str {
        match self {
            Size::M1 => "candle_1m",
            Size::M5 => "candle_5m",
            Size::M15 => "candle_15m",
            Size::H1 => "candle_1h",
            Size::D1 => "candle_1d",
        }
    }

    pub const fn ms(self) -> i64 {
        match self {
            Size::M1 => 60_000,
            Size::M5 => 300_000,
            Size::M15 => 900_000,
            Size::H1 => 3_600_000,
            Size::D1 => MS_PER_DAY,
        }
    }

    /// The start of the bar that this instant is in. Days are UTC's, as Upbit's are.
    pub const fn start_ms(self, at_ms: i64) -> i64 {
        at_ms - at_ms.rem_euclid(self.ms())
    }

    /// Bars in a day.
    pub const fn per_day(self) -> usize {
        (MS_PER_DAY / self.ms()) as usize
    }

    pub const fn minutes(self) -> usize {
        (self.ms() / Size::M1.ms()) as usize
    }

    /// Where its bits begin.
    const fn first_bit(self) -> usize {
        let mut first = 0;
        let mut at = 0;
        while at < self as usize {
            first += Size::ALL[at].per_day();
            at += 1;
        }
        first
    }
}

const BITS: usize = Size::D1.first_bit() + Size::D1.per_day();
const WORDS: usize = BITS.div_ceil(64);
/// As [`Bits::to_bytes`] writes them.
pub(super) const BYTES: usize = WORDS * 8;

/// A set of bars of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits([u64; WORDS]);

impl Bits {
    pub const NONE: Bits = Bits([0; WORDS]);

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The bars of all sizes that these minutes are in; both inclusive, counted from the day's start.
    pub fn add_minutes(&mut self, first: usize, last: usize) {
        for size in Size::ALL {
            self.add(size, first / size.minutes(), last / size.minutes());
        }
    }

    /// Bars of one size by their numbers, both inclusive; what is after the day is left out.
    pub fn add(&mut self, size: Size, first: usize, last: usize) {
        for bar in first..=last.min(size.per_day() - 1) {
            let bit = size.first_bit() + bar;
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    pub fn has(&self, size: Size, bar: usize) -> bool {
        let bit = size.first_bit() + bar;
        bar < size.per_day() && self.0[bit / 64] & (1 << (bit % 64)) != 0
    }

    /// The numbers of a size's bars, in their order.
    pub fn bars(&self, size: Size) -> impl Iterator<Item = usize> {
        (0..size.per_day()).filter(move |bar| self.has(size, *bar))
    }

    /// The bars of a day that are over; `closed_ms` is the watermark of each size's window.
    pub fn closed(day_ms: i64, closed_ms: &[i64; Size::ALL.len()]) -> Bits {
        let mut closed = Bits::NONE;
        for (size, watermark) in Size::ALL.into_iter().zip(closed_ms) {
            // a window is over when the watermark has reached its last millisecond
            let over = watermark.saturating_add(1).saturating_sub(day_ms).div_euclid(size.ms());
            if let Some(last) = usize::try_from(over).ok().and_then(|count| count.checked_sub(1)) {
                closed.add(size, 0, last);
            }
        }
        closed
    }

    pub fn or(self, other: Bits) -> Bits {
        self.with(other, |one, other| one | other)
    }

    pub fn and(self, other: Bits) -> Bits {
        self.with(other, |one, other| one & other)
    }

    pub fn without(self, other: Bits) -> Bits {
        self.with(other, |one, other| one & !other)
    }

    fn with(mut self, other: Bits, combine: impl Fn(u64, u64) -> u64) -> Bits {
        self.0.iter_mut().zip(other.0).for_each(|(one, other)| *one = combine(*one, other));
        self
    }

    pub(super) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes.chunks_exact_mut(8).zip(self.0).for_each(|(place, word)| place.copy_from_slice(&word.to_le_bytes()));
        bytes
    }

    /// None if they are not as many as [`Bits::to_bytes`] gives.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Bits> {
        if bytes.len() != BYTES {
            return None;
        }
        let mut bits = Bits::NONE;
        for (word, place) in bits.0.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(place.try_into().ok()?);
        }
        Some(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_in_a_bar_of_each_size() {
        let mut bits = Bits::NONE;
        bits.add_minutes(61, 61);
        let found: Vec<Vec<usize>> = Size::ALL.iter().map(|size| bits.bars(*size).collect()).collect();
        assert_eq!(found, [vec![61], vec![12], vec![4], vec![1], vec![0]]);
        assert_eq!(bits.count(), 5);
        bits.add_minutes(0, 5_000);
        assert_eq!(bits.count(), BITS);
        assert_eq!(Bits::from_bytes(&bits.to_bytes()), Some(bits));
        assert_eq!(Bits::from_bytes(&[0; 3]), None);
    }

    #[test]
    fn a_bar_is_over_when_the_watermark_has_its_last_millisecond() {
        let day_ms = 3 * MS_PER_DAY;
        let over = |watermark: i64| {
            let closed = Bits::closed(day_ms, &[watermark; 5]);
            Size::ALL.map(|size| closed.bars(size).count())
        };
        assert_eq!(over(i64::MIN), [0; 5]);
        assert_eq!(over(day_ms + 59_998), [0; 5]);
        assert_eq!(over(day_ms + 59_999), [1, 0, 0, 0, 0]);
        assert_eq!(over(day_ms + 3_600_000), [60, 12, 4, 1, 0]);
        assert_eq!(over(day_ms + MS_PER_DAY - 2), [1_439, 287, 95, 23, 0]);
        assert_eq!(over(day_ms + MS_PER_DAY - 1), [1_440, 288, 96, 24, 1]);
        assert_eq!(over(i64::MAX), [1_440, 288, 96, 24, 1]);
        let apart = Bits::closed(day_ms, &[i64::MAX, day_ms, day_ms, day_ms, day_ms]);
        assert_eq!(apart.bars(Size::M1).count() + apart.bars(Size::M5).count(), 1_440, "each size has its own");
    }
}
