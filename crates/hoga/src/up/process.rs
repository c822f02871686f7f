//! What the operating system knows of this process: memory and processor time.

use std::time::Instant;

/// Kernel ticks a second on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4_096;

/// Resident memory; 0 where there is no /proc.
pub fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
    pages.map_or(0, |pages: u64| pages * PAGE_BYTES)
}

/// Processor seconds of all threads; 0 where there is no /proc.
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // the second field, the program's name, may hold spaces: count from behind its parenthesis
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Cores in use since the last look.
#[derive(Debug)]
pub struct CpuMeter {
    at: Instant,
    seconds: f64,
}

impl CpuMeter {
    pub fn start() -> CpuMeter {
        CpuMeter { at: Instant::now(), seconds: cpu_seconds() }
    }

    pub fn cores(&mut self) -> f64 {
        let now = CpuMeter::start();
        let elapsed = now.at.duration_since(self.at).as_secs_f64();
        let cores = if elapsed > 0.0 { (now.seconds - self.seconds) / elapsed } else { 0.0 };
        *self = now;
        cores
    }
}
