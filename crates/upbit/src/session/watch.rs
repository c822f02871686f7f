//! Which of the markets that were asked for have sent nothing yet. Pure.
//!
//! The exchange accepts unknown codes in silence; the only sign is that their first data never comes.

use std::collections::HashSet;

use hoga_model::Market;

pub(super) struct Watch {
    silent: HashSet<Market>,
}

impl Watch {
    pub(super) fn new(markets: &[Market]) -> Watch {
        Watch { silent: markets.iter().cloned().collect() }
    }

    /// True as long as somebody is waited for.
    pub(super) fn is_open(&self) -> bool {
        !self.silent.is_empty()
    }

    pub(super) fn heard(&mut self, market: &Market) {
        self.silent.remove(market);
    }

    /// The time is up: who is still silent, sorted. Nobody is waited for any more.
    pub(super) fn close(&mut self) -> Vec<Market> {
        let mut silent: Vec<Market> = self.silent.drain().collect();
        silent.sort();
        silent
    }
}
