//! How long to wait before the next attempt: exponential, jittered, capped. Pure: a seed in, milliseconds out.

/// The exchange allows five connects a second; no wait is shorter than a fifth of one.
pub const WAIT_MS_MIN: u64 = 200;
pub const WAIT_MS_MAX: u64 = 30_000;

/// After HTTP 429 (too many requests).
pub const TOO_MANY_REQUESTS_WAIT_MS: u64 = 10_000;
/// After HTTP 418 (the address is blocked, for longer each time it goes on). No `Retry-After` was ever seen.
pub const BLOCKED_WAIT_MS: u64 = 120_000;

/// The waits of one series of attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    random: u64,
    failures: u32,
}

impl Backoff {
    /// Two processes should have two seeds, or they come back in step.
    pub fn new(seed: u64) -> Backoff {
        Backoff { random: seed, failures: 0 }
    }

    /// The wait before the next attempt: between half of and the whole of a ceiling that doubles up to [`WAIT_MS_MAX`].
    pub fn next_ms(&mut self) -> u64 {
        let ceiling = (WAIT_MS_MIN * 2).saturating_mul(1 << self.failures.min(16)).min(WAIT_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        ceiling / 2 + self.below(ceiling / 2 + 1)
    }

    /// The wait after the exchange said how angry it is (429 or 418); jittered upwards by up to a quarter.
    pub fn after_status_ms(&mut self, status: u16) -> Option<u64> {
        let wait = rate_limit_wait_ms(status)?;
        Some(wait + self.below(wait / 4))
    }

    /// Things work again: the next wait is a short one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many waits were handed out since the last reset.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A number below `limit`, from splitmix64.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

/// The wait that a status asks for, if it is one of the two that limit the rate.
pub fn rate_limit_wait_ms(status: u16) -> Option<u64> {
    match status {
        429 => Some(TOO_MANY_REQUESTS_WAIT_MS),
        418 => Some(BLOCKED_WAIT_MS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds_and_start_again_after_a_reset() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for ceiling in [400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
                let wait = backoff.next_ms();
                assert!((ceiling / 2..=ceiling).contains(&wait), "seed {seed}: {wait} for a ceiling of {ceiling}");
                assert!(wait >= WAIT_MS_MIN);
            }
            backoff.reset();
            assert!(backoff.next_ms() <= 400);
        }
    }

    #[test]
    fn seeds_make_waits_differ_and_the_same_seed_repeats_them() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..8).map(|_| backoff.next_ms()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn a_rate_limit_asks_for_a_long_wait() {
        let mut backoff = Backoff::new(1);
        assert!(backoff.after_status_ms(429).is_some_and(|wait| (10_000..12_500).contains(&wait)));
        assert!(backoff.after_status_ms(418).is_some_and(|wait| (120_000..150_000).contains(&wait)));
        assert_eq!(backoff.after_status_ms(404), None);
    }
}
