//! Whether overlapping connections leave a hole when one of them ends. Pure.
//!
//! In: from when on a connection brings everything, up to when one that ended is known to have brought it. Out: what its end means. State: the
//! times of those that are open, and of those that ended and matter still.
//!
//! A connection that ended covers the time up to its last frame (or answer to a ping: nothing that was sent before it was lost), not up to its
//! end: it may have been dead for long. Another one that stood already, and is not known to be dead, covers the rest; if it turns out dead later,
//! its own end is judged with the same times. One that began after the last frame leaves a hole between the two.

/// What the end of a connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Another connection has brought everything.
    Covered,
    /// Nobody brought anything between these times.
    Hole { from_ms: i64, to_ms: i64 },
    /// Nobody brings anything any more. What was published up to this time was brought; None: nothing ever was.
    Dark { from_ms: Option<i64> },
}

#[derive(Debug, Default)]
pub struct Coverage {
    /// The open connections that bring everything, and since when.
    open: Vec<(usize, i64)>,
    /// From when to when those brought it that are over.
    ended: Vec<(i64, i64)>,
    /// Everything up to this time was brought, or is in a hole that was told.
    covered_ms: Option<i64>,
}

impl Coverage {
    /// A connection has brought the first of every market: from now on it brings everything.
    pub fn settled(&mut self, lane: usize, at_ms: i64) {
        if !self.is_settled(lane) {
            self.open.push((lane, at_ms));
            self.covered_ms.get_or_insert(at_ms);
        }
    }

    pub fn is_settled(&self, lane: usize) -> bool {
        self.open.iter().any(|(open, _)| *open == lane)
    }

    /// Whether no connection brings everything.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// A connection has ended. `heard_ms`: up to when each open one, and this one, is known to have brought everything.
    pub fn ended(&mut self, lane: usize, heard_ms: impl Fn(usize) -> i64) -> Ending {
        if let Some(index) = self.open.iter().position(|(open, _)| *open == lane) {
            let (_, from_ms) = self.open.swap_remove(index);
            self.ended.push((from_ms, heard_ms(lane)));
        }
        let Some(mut covered_ms) = self.covered_ms else { return Ending::Dark { from_ms: None } };
        let open = self.open.iter().map(|(open, from_ms)| (*from_ms, heard_ms(*open)));
        let mut spans: Vec<(i64, i64)> = self.ended.iter().copied().chain(open).collect();
        spans.sort_unstable();
        for (from_ms, to_ms) in spans {
            if from_ms <= covered_ms {
                covered_ms = covered_ms.max(to_ms);
            }
        }
        self.ended.retain(|(_, to_ms)| *to_ms > covered_ms);
        self.covered_ms = Some(covered_ms);
        match self.open.iter().map(|(_, from_ms)| *from_ms).min() {
            None => {
                self.ended.clear();
                self.covered_ms = None;
                Ending::Dark { from_ms: Some(covered_ms) }
            }
            Some(to_ms) if to_ms > covered_ms => {
                self.ended.retain(|(_, ended_ms)| *ended_ms > to_ms);
                self.covered_ms = Some(to_ms);
                Ending::Hole { from_ms: covered_ms, to_ms }
            }
            Some(_) => Ending::Covered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lanes and up to when each was heard.
    fn ended(coverage: &mut Coverage, lane: usize, heard_ms: &[i64]) -> Ending {
        coverage.ended(lane, |lane| heard_ms[lane])
    }

    #[test]
    fn a_single_connection_is_a_hole_from_its_last_frame_on() {
        let mut coverage = Coverage::default();
        assert_eq!(ended(&mut coverage, 0, &[5]), Ending::Dark { from_ms: None }, "it never brought everything");
        coverage.settled(0, 10);
        assert_eq!(ended(&mut coverage, 0, &[90]), Ending::Dark { from_ms: Some(90) });
        coverage.settled(0, 200);
        assert_eq!(ended(&mut coverage, 0, &[300]), Ending::Dark { from_ms: Some(300) });
    }

    #[test]
    fn one_of_two_costs_nothing_again_and_again() {
        let mut coverage = Coverage::default();
        coverage.settled(0, 10);
        coverage.settled(1, 20);
        for at in (100..1_000).step_by(100) {
            assert_eq!(ended(&mut coverage, 1, &[at, at]), Ending::Covered);
            coverage.settled(1, at + 50);
            assert_eq!(ended(&mut coverage, 0, &[at + 60, at + 60]), Ending::Covered);
            coverage.settled(0, at + 70);
        }
        assert!(coverage.ended.is_empty());
        assert_eq!(ended(&mut coverage, 0, &[1_000, 1_000]), Ending::Covered);
        assert_eq!(ended(&mut coverage, 1, &[1_000, 1_005]), Ending::Dark { from_ms: Some(1_005) });
    }

    #[test]
    fn one_that_began_after_the_last_frame_of_the_other_leaves_a_hole() {
        let mut coverage = Coverage::default();
        coverage.settled(0, 10);
        coverage.settled(1, 20);
        assert_eq!(ended(&mut coverage, 1, &[100, 100]), Ending::Covered);
        // 0 is dead since 120, and nobody knows; 1 comes back
        coverage.settled(1, 150);
        assert_eq!(ended(&mut coverage, 0, &[120, 300]), Ending::Hole { from_ms: 120, to_ms: 150 });
        assert_eq!(ended(&mut coverage, 1, &[0, 300]), Ending::Dark { from_ms: Some(300) }, "the hole is told once");
    }

    #[test]
    fn one_that_is_thought_alive_is_judged_when_it_is_known_dead() {
        let mut coverage = Coverage::default();
        coverage.settled(0, 10);
        coverage.settled(1, 10);
        // 1 is dead since 50; 0 is lost at 80, comes back at 100, and 1 is known dead at 130
        assert_eq!(ended(&mut coverage, 0, &[80, 50]), Ending::Covered);
        coverage.settled(0, 100);
        assert_eq!(ended(&mut coverage, 1, &[130, 50]), Ending::Hole { from_ms: 80, to_ms: 100 });
    }
}
