//! How soon the next call of one group of calls may be made. Each group (trades, candles) has a limit of its own.

use std::time::Duration;

use tokio::time::Instant;

/// Ten calls a second are allowed; nine leave one to others at this address.
const CALL_INTERVAL: Duration = Duration::from_millis(111);

/// When the next call may be made.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
}

impl Pace {
    pub(super) async fn ready(&mut self) {
        if let Some(next) = self.next {
            tokio::time::sleep_until(next).await;
        }
        self.next = Some(Instant::now() + CALL_INTERVAL);
    }

    /// What the answer's `Remaining-Req` says of this second.
    pub(super) fn note(&mut self, calls_left: Option<u32>) {
        if calls_left == Some(0) {
            self.next = Some(Instant::now() + Duration::from_secs(1));
        }
    }
}
