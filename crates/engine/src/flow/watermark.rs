//! Watermarks of several inputs as one, and partitions that hold nothing back. Pure.

/// The watermark before the first row.
pub(crate) const WATERMARK_MIN: i64 = i64::MIN;
/// The watermark after the last row of a bounded input.
pub(crate) const WATERMARK_MAX: i64 = i64::MAX;

/// What a node tells the nodes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Watermark(i64),
    /// Nothing comes for now: the other inputs alone decide.
    Idle,
}

/// The least watermark of those inputs that are not idle. It never goes back.
#[derive(Debug, Clone)]
pub(crate) struct Combined {
    inputs: Vec<Input>,
    current: i64,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    watermark: i64,
    is_idle: bool,
}

impl Combined {
    pub(crate) fn new(inputs: usize) -> Combined {
        Combined { inputs: vec![Input { watermark: WATERMARK_MIN, is_idle: false }; inputs], current: WATERMARK_MIN }
    }

    pub(crate) fn current(&self) -> i64 {
        self.current
    }

    /// Goes on from a watermark that was told before: it is not told again.
    pub(crate) fn restore(&mut self, watermark: i64) {
        self.current = self.current.max(watermark);
    }

    pub(crate) fn watermark(&self, input: usize) -> i64 {
        self.inputs[input].watermark
    }

    pub(crate) fn is_idle(&self, input: usize) -> bool {
        self.inputs[input].is_idle
    }

    /// True if all inputs are idle.
    pub(crate) fn is_all_idle(&self) -> bool {
        self.inputs.iter().all(|input| input.is_idle)
    }

    /// Raises an input's watermark; it is not idle any more.
    pub(crate) fn raise(&mut self, input: usize, watermark: i64) {
        let input = &mut self.inputs[input];
        input.watermark = input.watermark.max(watermark);
        input.is_idle = false;
    }

    pub(crate) fn set_idle(&mut self, input: usize, is_idle: bool) {
        self.inputs[input].is_idle = is_idle;
    }

    /// The new watermark, if it has risen since it was last asked for.
    pub(crate) fn advance(&mut self) -> Option<i64> {
        let active = self.inputs.iter().filter(|input| !input.is_idle);
        let least = active.map(|input| input.watermark).min()?;
        if least <= self.current {
            return None;
        }
        self.current = least;
        Some(least)
    }

    /// The input that holds the watermark back: the least of those that are not idle.
    pub(crate) fn holder(&self) -> Option<usize> {
        let active = self.inputs.iter().enumerate().filter(|(_, input)| !input.is_idle);
        active.min_by_key(|(_, input)| input.watermark).map(|(index, _)| index)
    }
}

/// Whether a partition holds nothing back: it has been read to its end, and nothing came for the time-out.
pub(crate) fn is_idle(idle_timeout_ms: Option<u64>, is_at_end: bool, silent_ms: i64) -> bool {
    idle_timeout_ms.is_some_and(|timeout| is_at_end && u64::try_from(silent_ms).unwrap_or(0) >= timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_counts_and_it_never_falls() {
        let mut combined = Combined::new(3);
        combined.raise(0, 10);
        combined.raise(1, 20);
        assert_eq!(combined.advance(), None, "the third has said nothing");
        assert_eq!(combined.holder(), Some(2));
        combined.raise(2, 5);
        assert_eq!(combined.advance(), Some(5));
        assert_eq!(combined.advance(), None, "told once");
        combined.raise(2, 3);
        assert_eq!((combined.advance(), combined.watermark(2)), (None, 5));
        combined.raise(2, 100);
        assert_eq!(combined.advance(), Some(10));
    }

    #[test]
    fn idle_inputs_hold_nothing_back_and_come_again() {
        let mut combined = Combined::new(2);
        combined.raise(0, 10);
        combined.set_idle(1, true);
        assert_eq!(combined.advance(), Some(10));
        combined.raise(1, 4);
        assert_eq!(combined.advance(), None, "what it says now is late, and the watermark stays");
        combined.raise(0, 50);
        assert_eq!(combined.advance(), None);
        combined.raise(1, 30);
        assert_eq!(combined.advance(), Some(30));
        combined.set_idle(0, true);
        combined.set_idle(1, true);
        assert!(combined.is_all_idle());
        assert_eq!((combined.advance(), combined.current()), (None, 30), "all idle: it stays");
    }

    #[test]
    fn idle_only_at_the_end_and_after_its_time() {
        assert!(is_idle(Some(1_000), true, 1_000));
        assert!(!is_idle(Some(1_000), true, 999));
        assert!(!is_idle(Some(1_000), false, 5_000), "unread records hold the watermark");
        assert!(!is_idle(None, true, i64::MAX), "without a time-out it holds for ever");
        assert!(!is_idle(Some(1_000), true, -5), "the clock was set back");
    }
}
