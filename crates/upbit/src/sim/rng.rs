//! The simulator's own random numbers: xoshiro256** seeded by splitmix64. The same seed gives the same numbers for ever.
//!
//! No dependency and no floating point, so that a new version of a crate or another processor cannot change a run.

#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// `stream` keeps generators of one seed apart: one per market, one for the faults, …
    pub fn new(seed: u64, stream: u64) -> Rng {
        let mut mix = seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        Rng { state: std::array::from_fn(|_| splitmix64(&mut mix)) }
    }

    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number in `0..bound`; 0 if the bound is 0. Its bias is below bound / 2^64, which no market notices.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.saturating_sub(low).max(0) as u64 + 1) as i64
    }

    /// True in `ppm` of a million draws.
    pub fn chance(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < u64::from(ppm)
    }

    /// `base` × 2^k × a uniform factor in [1, 2), where k is reached with probability 2^-k, up to `doublings_max`: a
    /// Pareto tail of exponent 1, as sizes on an exchange have.
    pub fn heavy_tailed(&mut self, base: u64, doublings_max: u32) -> u64 {
        let doublings = self.next_u64().trailing_zeros().min(doublings_max);
        (base << doublings) + self.below(base << doublings)
    }
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        // splitmix64's published first output for seed 0; the rest follows from it
        let mut zero = 0;
        assert_eq!(splitmix64(&mut zero), 0xe220_a839_7b1d_cdaf);
        let mut rng = Rng::new(7, 0);
        let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(first, FIRST_OF_SEED_7);
        assert_ne!(Rng::new(7, 1).next_u64(), first[0]);
    }

    /// As the reference implementation (prng.di.unimi.it) computes them, redone in Python.
    const FIRST_OF_SEED_7: [u64; 3] =
        [12_923_355_070_828_475_994, 5_142_052_590_334_782_674, 15_488_392_906_492_639_638];

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut rng = Rng::new(1, 2);
        let mut hits = 0;
        for _ in 0..10_000 {
            assert!(rng.below(3) < 3);
            assert!((-5..=5).contains(&rng.range(-5, 5)));
            let size = rng.heavy_tailed(10, 4);
            assert!((10..320).contains(&size), "{size}");
            hits += u32::from(rng.chance(250_000));
        }
        assert!((2_200..2_800).contains(&hits), "{hits}");
        assert_eq!(rng.below(0), 0);
    }
}
