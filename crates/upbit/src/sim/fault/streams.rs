//! The faults' random numbers, apart from the trades' and from one another: a fault that is drawn for one thing never
//! changes another, so a seed has the same faults whatever its clients do.

use crate::sim::rng::Rng;

/// The stream of a run's seed that the faults have: with or without them, the trades are the same.
const FAULT_STREAM: u64 = u64::MAX;
/// Streams below are the schedule's entries.
const LATE: u64 = 1 << 32;
const LISTING: u64 = LATE + 1;
const CALLS: u64 = LATE + 2;
const CLIENTS: u64 = LATE + 3;
/// From here on, one for each event.
const EVENTS: u64 = 1 << 33;

#[derive(Debug)]
pub struct Streams {
    seed: u64,
    /// Which trades are late: as many draws as there are trades.
    pub late: Rng,
    /// Which market leaves the list.
    pub listing: Rng,
    /// Which REST calls are refused: depends on how many there are.
    pub calls: Rng,
    /// What one client loses, or gets out of turn: depends on who listens to what.
    pub clients: Rng,
}

impl Streams {
    pub fn new(seed: u64) -> Streams {
        let seed = Rng::new(seed, FAULT_STREAM).next_u64();
        let stream = |number| Rng::new(seed, number);
        Streams { seed, late: stream(LATE), listing: stream(LISTING), calls: stream(CALLS), clients: stream(CLIENTS) }
    }

    /// For the schedule's entry of this number.
    pub fn entry(&self, number: usize) -> Rng {
        Rng::new(self.seed, number as u64)
    }

    /// For the event of this number since the opening.
    pub fn event(&self, number: u64) -> Rng {
        Rng::new(self.seed, EVENTS + number)
    }
}
