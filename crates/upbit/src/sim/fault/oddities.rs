//! What is odd about the frames of one event: drawn once, the same for everybody who gets it. Pure.

use super::{Share, Shares, frames};
use crate::sim::rng::Rng;
use bytes::Bytes;

#[derive(Debug)]
pub struct Oddities {
    /// Trades only.
    pub is_doubled: bool,
    /// Followed by a frame that nobody can read.
    pub is_malformed: bool,
    /// Followed by a frame of a type that nobody knows.
    pub has_unknown_frame: bool,
    has_unknown_field: bool,
    has_microseconds: bool,
    is_respelled: bool,
    is_text: bool,
    is_truncated: bool,
    is_garbled: bool,
    damage: Rng,
}

impl Oddities {
    /// `rng` is this event's own.
    pub fn draw(shares: &Shares, is_trade: bool, mut rng: Rng) -> Oddities {
        let mut strikes = |share| shares.strikes(share, &mut rng);
        let (is_malformed, is_doubled) = (strikes(Share::Malformed), strikes(Share::Duplicate));
        let (has_microseconds, is_respelled, is_text) =
            (strikes(Share::Microseconds), strikes(Share::Spelling), strikes(Share::Text));
        let (is_truncated, is_garbled) = (strikes(Share::Truncated), strikes(Share::Garbled));
        let is_unknown = strikes(Share::Unknown);
        let has_unknown_field = is_unknown && rng.below(2) == 0;
        Oddities {
            is_doubled: is_doubled && is_trade,
            is_malformed,
            has_unknown_frame: is_unknown && !has_unknown_field,
            has_unknown_field,
            has_microseconds,
            is_respelled,
            is_text,
            is_truncated,
            is_garbled,
            damage: rng,
        }
    }

    /// The frame that follows a malformed event.
    pub fn malformed(&self, frame: &Bytes) -> Bytes {
        frames::malformed(frame, &mut self.damage.clone())
    }

    pub fn apply(&self, mut frame: Bytes) -> Bytes {
        let rng = &mut self.damage.clone();
        if self.has_microseconds {
            frame = frames::in_microseconds(&frame);
        }
        if self.is_respelled {
            frame = frames::respelled(&frame, rng);
        }
        if self.is_text {
            frame = frames::as_text(&frame);
        }
        if self.has_unknown_field {
            frame = frames::with_unknown_field(&frame);
        }
        if self.is_truncated {
            frame = frames::truncated(&frame, rng);
        }
        if self.is_garbled {
            frame = frames::garbled(&frame, rng);
        }
        frame
    }
}
