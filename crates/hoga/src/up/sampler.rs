//! Rates and quantiles over the last while, from counters that only grow.

use std::collections::VecDeque;

/// Samples are taken once a second; rates are over the last few, quantiles over the last minute.
pub const SAMPLES_MAX: usize = 61;
const RATE_SAMPLES: usize = 5;

/// The counters at one moment.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    pub time_ms: i64,
    pub streams: [u64; 3],
    /// Rows out, by job.
    pub jobs: Vec<u64>,
    /// Event → visible, summed over the jobs: counts by bucket.
    pub visible_after: Vec<u64>,
    pub cpu_cores: f64,
}

#[derive(Debug, Default)]
pub struct Samples(VecDeque<Sample>);

impl Samples {
    pub fn push(&mut self, sample: Sample) {
        self.0.push_back(sample);
        if self.0.len() > SAMPLES_MAX {
            self.0.pop_front();
        }
    }

    /// Growth a second of a counter, over the last few samples.
    pub fn rate_per_s(&self, counter: impl Fn(&Sample) -> u64) -> f64 {
        let Some(newest) = self.0.back() else { return 0.0 };
        let oldest = &self.0[self.0.len().saturating_sub(RATE_SAMPLES + 1)];
        let elapsed_ms = newest.time_ms - oldest.time_ms;
        if elapsed_ms <= 0 {
            return 0.0;
        }
        counter(newest).saturating_sub(counter(oldest)) as f64 * 1_000.0 / elapsed_ms as f64
    }

    /// Counts of the last minute, by bucket.
    pub fn visible_after(&self) -> Vec<u64> {
        let (Some(oldest), Some(newest)) = (self.0.front(), self.0.back()) else { return Vec::new() };
        if self.0.len() == 1 {
            return newest.visible_after.clone();
        }
        let pairs = newest.visible_after.iter().zip(&oldest.visible_after);
        pairs.map(|(new, old)| new.saturating_sub(*old)).collect()
    }

    pub fn cpu_cores(&self) -> f64 {
        self.0.back().map_or(0.0, |sample| sample.cpu_cores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_windows() {
        let mut samples = Samples::default();
        assert_eq!(samples.rate_per_s(|sample| sample.streams[0]), 0.0);
        for second in 0..100_u64 {
            let streams = [second * 20, 0, 0];
            samples.push(Sample {
                time_ms: second as i64 * 1_000,
                streams,
                visible_after: vec![second],
                ..Sample::default()
            });
        }
        assert_eq!(samples.rate_per_s(|sample| sample.streams[0]), 20.0);
        assert_eq!(samples.visible_after(), [60]);
    }
}
