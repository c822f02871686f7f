//! The different values of a column, each with a number. Pure.

use super::value::Values;

const EMPTY: u32 = u32::MAX;

/// Numbers in the order in which values first came.
pub(super) struct Distinct<V: Values> {
    values: Vec<V::Value>,
    /// Indices into `values` at the place of the hash or behind it; at most half full.
    places: Vec<u32>,
}

impl<V: Values> Distinct<V> {
    pub(super) fn new() -> Distinct<V> {
        Distinct { values: Vec::new(), places: vec![EMPTY; 256] }
    }

    pub(super) fn values(&self) -> &[V::Value] {
        &self.values
    }

    pub(super) fn number(&mut self, kind: &V, value: V::Value) -> u32 {
        let mask = self.places.len() - 1;
        let mut place = kind.hash(value) as usize & mask;
        loop {
            match self.places[place] {
                EMPTY => break,
                found if self.values[found as usize] == value => return found,
                _ => place = (place + 1) & mask,
            }
        }
        let number = self.values.len() as u32;
        self.places[place] = number;
        self.values.push(value);
        if self.values.len() * 2 > self.places.len() {
            self.grow(kind);
        }
        number
    }

    fn grow(&mut self, kind: &V) {
        let mask = self.places.len() * 4 - 1;
        let mut places = vec![EMPTY; mask + 1];
        for (number, value) in self.values.iter().enumerate() {
            let mut place = kind.hash(*value) as usize & mask;
            while places[place] != EMPTY {
                place = (place + 1) & mask;
            }
            places[place] = number as u32;
        }
        self.places = places;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_file::value::Longs;

    #[test]
    fn each_value_has_one_number() {
        let longs = Longs { as_differences: false };
        let mut distinct = Distinct::new();
        for round in 0..2 {
            for n in 0..10_000_i64 {
                assert_eq!(distinct.number(&longs, n * n * 1_000), n as u32, "round {round}");
            }
        }
        assert_eq!(distinct.values().len(), 10_000);
    }
}
