//! What this process has used, from /proc: CPU seconds of all its threads, memory now and at most.

use std::fs;
use std::io;

/// Clock ticks a second in /proc/self/stat: fixed on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub struct Usage {
    pub cpu_seconds: f64,
    pub resident_mb: f64,
    pub peak_mb: f64,
}

impl Usage {
    pub fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        // the name in brackets may hold spaces; user and system time are the 12th and 13th word behind it
        let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = words[11..13].iter().filter_map(|word| word.parse::<f64>().ok()).sum();
        let status = fs::read_to_string("/proc/self/status")?;
        let mb = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default() / 1024.0
        };
        Ok(Self { cpu_seconds: ticks / TICKS_PER_SECOND, resident_mb: mb("VmRSS:"), peak_mb: mb("VmHWM:") })
    }
}

/// The most memory is counted from here on.
pub fn forget_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}
