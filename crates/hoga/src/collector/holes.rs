//! What a session tells beside its frames, and what follows from it for the ledger of gaps. Pure.
//!
//! In: notes and events, in the order in which they came. Out: the gaps that changed, for whoever writes them. State: the ledger, and what the
//! newest events say of the time.

use hoga_model::Market;
use hoga_upbit::frame::Event;
use hoga_upbit::gap::{Cause, Gap, Ledger, Lost};
use hoga_upbit::listing::{Event as ListEvent, Listing};
use hoga_upbit::session::{Loss, SessionState};

/// A clock that is further off than this is a fault of the event.
const AHEAD_MS_MAX: i64 = 86_400_000;

/// What a session, or the watch of the list of markets, has to say.
#[derive(Debug, Clone)]
pub enum Note {
    /// These markets are asked for from now on.
    Listening(Vec<Market>),
    /// What connections bring is lost from the newest event on, or from `covered_ms` if that is earlier.
    Lost { cause: Cause, covered_ms: Option<i64> },
    /// Between these times nothing came, though some connection stood all the time.
    Hole { cause: Cause, from_ms: i64, to_ms: i64 },
    /// These markets were asked for at `asked_ms` and are silent.
    Unanswered { markets: Vec<Market>, asked_ms: i64 },
    /// The exchange's list of markets has changed. Nothing is expected of what is delisted.
    ListChanged(Vec<Listing>),
    /// These are collected, too; at `since_ms` they were not on the list yet.
    Joined { markets: Vec<Market>, since_ms: i64 },
}

/// Makes notes of a session's states.
#[derive(Debug)]
pub struct Listener {
    /// When the markets were asked for, and whether a connection still has to do so.
    asked_ms: i64,
    is_dark: bool,
}

impl Listener {
    pub fn new(now_ms: i64) -> Listener {
        Listener { asked_ms: now_ms, is_dark: true }
    }

    pub fn note_of(&mut self, state: &SessionState, now_ms: i64) -> Option<Note> {
        match state {
            SessionState::Subscribed if self.is_dark => {
                self.asked_ms = now_ms;
                self.is_dark = false;
                None
            }
            SessionState::Disconnected { loss, covered_ms, .. } => Some(self.lost(cause_of(*loss), *covered_ms)),
            SessionState::Thinned { loss: Some(loss), hole_ms: Some((from_ms, to_ms)), .. } => {
                Some(Note::Hole { cause: cause_of(*loss), from_ms: *from_ms, to_ms: *to_ms })
            }
            SessionState::SilentMarkets(markets) => {
                Some(Note::Unanswered { markets: markets.clone(), asked_ms: self.asked_ms })
            }
            _ => None,
        }
    }

    /// There was no room for what came.
    pub fn overflowed(&mut self) -> Note {
        self.lost(Cause::Overflow, None)
    }

    fn lost(&mut self, cause: Cause, covered_ms: Option<i64>) -> Note {
        self.is_dark = true;
        Note::Lost { cause, covered_ms }
    }
}

fn cause_of(loss: Loss) -> Cause {
    match loss {
        Loss::Disconnect => Cause::Disconnect,
        Loss::Silence => Cause::Silence,
        Loss::Stall => Cause::Stall,
        Loss::Error => Cause::Error,
    }
}

/// What the newest events say of the time.
#[derive(Debug, Default, Clone, Copy)]
pub struct ExchangeClock {
    /// When the newest event was received.
    pub recv_ms: Option<i64>,
    /// By how much its time of publication was ahead of our clock; usually less than nothing.
    pub ahead_ms: i64,
}

impl ExchangeClock {
    pub fn note(&mut self, event: &Event, recv_ms: i64) {
        self.recv_ms = Some(recv_ms);
        let ahead_ms = event.timestamp_ms - recv_ms;
        // a snapshot may have been published hours ago
        if !event.is_snapshot && ahead_ms.abs() <= AHEAD_MS_MAX {
            self.ahead_ms = ahead_ms;
        }
    }

    /// Up to when everything was received, when connections are lost: the newest event, or `covered_ms` if that is earlier.
    pub fn heard_until(&self, covered_ms: Option<i64>, now_ms: i64) -> i64 {
        let newest_ms = self.recv_ms.unwrap_or(now_ms);
        covered_ms.map_or(newest_ms, |covered_ms| covered_ms.min(newest_ms))
    }

    /// A time of ours that no later time of the exchange's is before.
    pub fn earliest(&self, our_ms: i64) -> i64 {
        our_ms + self.ahead_ms.min(0)
    }

    /// A time of ours that no earlier time of the exchange's is after.
    pub fn latest(&self, our_ms: i64) -> i64 {
        our_ms + self.ahead_ms.max(0)
    }
}

#[derive(Debug, Default)]
pub struct Holes {
    pub ledger: Ledger,
    pub clock: ExchangeClock,
}

impl Holes {
    pub fn new(ledger: Ledger) -> Holes {
        Holes { ledger, clock: ExchangeClock::default() }
    }

    /// Nobody has listened since `from_ms`.
    pub fn restart(&mut self, from_ms: i64, is_over: impl Fn(&Market) -> bool) -> Vec<Gap> {
        let opened = self.ledger.restart(from_ms, is_over);
        if !opened.is_empty() {
            tracing::info!(
                gaps = opened.len(),
                from_ms,
                "what was not collected since the last run is in the ledger of gaps"
            );
        }
        opened
    }

    /// An event came.
    pub fn heard(&mut self, event: &Event, recv_ms: i64) -> Vec<Gap> {
        self.clock.note(event, recv_ms);
        if !self.ledger.is_waiting() {
            return Vec::new();
        }
        self.ledger.heard(&event.market, self.clock.latest(recv_ms))
    }

    pub fn take(&mut self, note: &Note, now_ms: i64) -> Vec<Gap> {
        let clock = self.clock;
        match note {
            Note::Listening(markets) => {
                self.ledger.listen(markets);
                Vec::new()
            }
            Note::Lost { cause, covered_ms } => {
                let from_ms = clock.earliest(clock.heard_until(*covered_ms, now_ms));
                self.ledger.lost(Lost { cause: *cause, from_ms })
            }
            Note::Hole { cause, from_ms, to_ms } => {
                let lost = Lost { cause: *cause, from_ms: clock.earliest(*from_ms) };
                self.ledger.hole(lost, clock.latest(*to_ms))
            }
            Note::Unanswered { markets, asked_ms } => self.ledger.unanswered(markets, *asked_ms),
            Note::ListChanged(changes) => {
                let delisted = changes.iter().filter(|change| change.event == ListEvent::Delisting);
                let markets: Vec<Market> = delisted.filter_map(|change| Market::parse(&change.market).ok()).collect();
                markets.iter().flat_map(|market| self.ledger.leave(market, clock.latest(now_ms))).collect()
            }
            Note::Joined { markets, since_ms } => {
                markets.iter().flat_map(|market| self.ledger.join(market, clock.earliest(*since_ms))).collect()
            }
        }
    }
}
