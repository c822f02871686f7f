//! When each timed fault begins and ends. Pure: time since the opening in, what begins out.

use super::{ANY, SimFault, Streams, Timed};
use crate::sim::rng::Rng;

#[derive(Debug, Default)]
pub struct Schedule {
    entries: Vec<Entry>,
    /// What lasts, and until when.
    lasting: Vec<(Timed, i64)>,
}

#[derive(Debug)]
struct Entry {
    /// None: whatever the generator chooses.
    what: Option<(Timed, i64)>,
    every_ms: i64,
    next_ms: i64,
    /// Nobody else draws from it: what it chooses depends on the seed alone.
    rng: Rng,
}

impl Schedule {
    pub fn new(faults: &[SimFault], streams: &Streams) -> Schedule {
        let entry = |number, what, every: std::time::Duration| {
            let every_ms = every.as_millis().max(1) as i64;
            Entry { what, every_ms, next_ms: every_ms, rng: streams.entry(number) }
        };
        let entries = faults.iter().enumerate().filter_map(|(number, fault)| match *fault {
            SimFault::Timed { what, lasts, every } => {
                Some(entry(number, Some((what, lasts.as_millis() as i64)), every))
            }
            SimFault::Any { every } => Some(entry(number, None, every)),
            SimFault::Share { .. } => None,
        });
        Schedule { entries: entries.collect(), lasting: Vec::new() }
    }

    /// What begins at or before this moment and has not been told yet. Call with times that never go back.
    pub fn begin(&mut self, since_open_ms: i64) -> Vec<Timed> {
        self.lasting.retain(|(_, until_ms)| *until_ms > since_open_ms);
        let mut begun = Vec::new();
        for entry in &mut self.entries {
            while entry.next_ms <= since_open_ms {
                let (what, lasts_ms) = entry.what.unwrap_or_else(|| {
                    let (what, lasts) = ANY[entry.rng.below(ANY.len() as u64) as usize];
                    (what, lasts.as_millis() as i64)
                });
                let until_ms = entry.next_ms + lasts_ms;
                // of one's own choice the next comes on time, whatever this one was
                entry.next_ms += entry.every_ms + if entry.what.is_some() { lasts_ms } else { 0 };
                if lasts_ms > 0 && until_ms > since_open_ms {
                    self.lasting.push((what, until_ms));
                }
                begun.push(what);
            }
        }
        begun
    }

    /// Whether this lasts now.
    pub fn has(&self, what: Timed) -> bool {
        self.lasting.iter().any(|(lasting, _)| *lasting == what)
    }

    /// The exchange has closed for good: nothing lasts, nothing begins.
    pub fn end(&mut self) {
        self.entries.clear();
        self.lasting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_comes_and_goes() {
        let mut schedule = Schedule::new(&["silence=3".parse().expect("a fault")], &Streams::new(1));
        let mut silent = Vec::new();
        for second in 0..30 {
            schedule.begin(second * 1_000);
            silent.extend(schedule.has(Timed::Silence).then_some(second));
        }
        assert_eq!(silent, [10, 11, 12, 23, 24, 25]);
    }

    #[test]
    fn moments_are_told_once_and_a_seed_chooses_the_same_again() {
        let chosen = |seed| {
            let mut schedule = Schedule::new(&["any=10".parse().expect("a fault")], &Streams::new(seed));
            let mut all = Vec::new();
            for at_ms in (0..600_000).step_by(2) {
                all.extend(schedule.begin(at_ms).into_iter().map(|what| (at_ms, what)));
            }
            all
        };
        let first = chosen(1);
        assert_eq!(first.len(), 59);
        assert!(first.iter().all(|(at_ms, _)| at_ms % 10_000 == 0));
        assert_eq!(first, chosen(1));
        assert_ne!(first, chosen(2));
        let kinds: std::collections::HashSet<_> = first.iter().map(|(_, what)| *what).collect();
        assert!(kinds.len() >= ANY.len() - 1, "{kinds:?}");
    }

    #[test]
    fn nothing_lasts_after_the_end() {
        let mut schedule = Schedule::new(&["outage=5:1".parse().expect("a fault")], &Streams::new(1));
        schedule.begin(2_000);
        assert!(schedule.has(Timed::Outage));
        schedule.end();
        assert!(!schedule.has(Timed::Outage) && schedule.begin(90_000).is_empty());
    }
}
