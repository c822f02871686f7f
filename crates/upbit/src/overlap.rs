//! Which frames of overlapping connections are the same: each is taken once, from whichever connection brings it first. Pure.
//!
//! In: frames, the connection of each, the time. Out: whether it is a repetition. State: what some connection has brought and another one is still
//! to bring. Not here: whether a snapshot tells anything new (`session::group`).
//!
//! The exchange sends the same bytes on every connection, except that what is REALTIME on one may be the SNAPSHOT of another: a frame is its
//! bytes without what they say of `stream_type`. Market and time of publication are among them, so two books of one millisecond are two frames.
//! A frame that one connection brings twice is two frames, as it is on a single connection: of each the number of times is counted, by
//! connection, and what counts is the largest of these numbers.
//!
//! A frame is forgotten when every connection has brought it, so what is kept is what they are apart by; at the latest after [`KEPT_MS`], or when
//! there are too many. One that comes later than that is taken again: a ticker or order book is then there twice, a trade never, since the index
//! of trades knows it. Two frames of 64 equal bits within what is kept would be taken for one: at 2,000 frames a second and a connection that is
//! a second behind, once in a hundred million years.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use crate::standby::around_stream_type;

/// Connections at once, and one that is taking another's place.
pub const LANES: usize = 7;
/// A frame that another connection has not brought after so long is not waited for; a connection on which nothing comes is given up earlier. Between
/// half of it and all of it.
pub const KEPT_MS: i64 = 60_000;
/// And at most so many frames are kept: about 5 MB; six seconds of 40,000 a second.
const FRAMES_MAX: usize = 1 << 18;

#[derive(Debug, Default)]
pub struct Overlap {
    hasher: RandomState,
    is_open: [bool; LANES],
    open: usize,
    /// What came since `since_ms`, and what came in the time before that.
    young: HashMap<u64, Brought, BuildIdentity>,
    old: HashMap<u64, Brought, BuildIdentity>,
    since_ms: i64,
}

/// How often a frame was brought.
#[derive(Debug, Default, Clone, Copy)]
struct Brought {
    /// How often it was taken.
    taken: u8,
    by: [u8; LANES],
}

impl Overlap {
    /// A connection begins: before it asks for anything, for from then on it may bring what others bring.
    pub fn open(&mut self, lane: usize) {
        self.close(lane);
        for brought in self.young.values_mut().chain(self.old.values_mut()) {
            brought.by[lane] = 0;
        }
        self.is_open[lane] = true;
        self.open += 1;
    }

    /// It brings nothing any more.
    pub fn close(&mut self, lane: usize) {
        self.open -= usize::from(std::mem::take(&mut self.is_open[lane]));
    }

    /// Whether there is anything to compare with. `is_alone`: the only connection will stay the only one.
    pub fn is_idle(&self, is_alone: bool) -> bool {
        self.open <= 1 && is_alone && self.young.is_empty() && self.old.is_empty()
    }

    /// True for what another connection has brought. `is_kept`: another connection may bring it yet, though none is open.
    pub fn repeats(&mut self, lane: usize, frame: &[u8], recv_ms: i64, is_kept: bool) -> bool {
        self.forget_old(recv_ms);
        let print = self.print(frame);
        let is_old = !self.young.contains_key(&print) && self.old.contains_key(&print);
        let map = if is_old { &mut self.old } else { &mut self.young };
        let mut brought = map.get(&print).copied().unwrap_or_default();
        brought.by[lane] = brought.by[lane].saturating_add(1);
        let is_repeated = brought.by[lane] <= brought.taken;
        brought.taken = brought.taken.max(brought.by[lane]);
        let is_behind = |(lane, is_open): (usize, &bool)| *is_open && brought.by[lane] < brought.taken;
        let is_awaited = self.is_open.iter().enumerate().any(is_behind) || (self.open <= 1 && is_kept);
        if is_awaited {
            map.insert(print, brought);
        } else {
            map.remove(&print);
        }
        is_repeated
    }

    /// How many frames some connection is still to bring.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn print(&self, frame: &[u8]) -> u64 {
        let (before, after) = around_stream_type(frame);
        let mut hasher = self.hasher.build_hasher();
        hasher.write(before);
        hasher.write(after);
        hasher.finish()
    }

    fn forget_old(&mut self, recv_ms: i64) {
        let age_ms = recv_ms - self.since_ms;
        // a clock that went back does not keep frames for longer
        if (0..KEPT_MS / 2).contains(&age_ms) && self.young.len() < FRAMES_MAX / 2 {
            return;
        }
        self.since_ms = recv_ms;
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.young.shrink_to(self.old.len());
    }
}

/// The keys are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct BuildIdentity;

struct Identity(u64);

impl BuildHasher for BuildIdentity {
    type Hasher = Identity;

    fn build_hasher(&self) -> Identity {
        Identity(0)
    }
}

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames that are taken of `lane frame` pairs.
    fn taken<'a>(overlap: &mut Overlap, brought: &[(usize, &'a str)]) -> Vec<&'a str> {
        let is_new = |(lane, frame): &&(usize, &'a str)| !overlap.repeats(*lane, frame.as_bytes(), 0, false);
        brought.iter().filter(is_new).map(|(_, frame)| *frame).collect()
    }

    fn of(lanes: &[usize]) -> Overlap {
        let mut overlap = Overlap::default();
        lanes.iter().for_each(|lane| overlap.open(*lane));
        overlap
    }

    #[test]
    fn each_frame_is_taken_once_from_whichever_connection_is_first() {
        let mut overlap = of(&[0, 1]);
        assert_eq!(taken(&mut overlap, &[(0, "a"), (1, "a"), (1, "b"), (1, "c"), (0, "b"), (0, "c")]), ["a", "b", "c"]);
        assert!(overlap.is_empty(), "nothing is waited for");
        // lost on one
        assert_eq!(taken(&mut overlap, &[(0, "d"), (1, "e"), (0, "e")]), ["d", "e"]);
        assert_eq!(overlap.len(), 1);
    }

    #[test]
    fn what_one_connection_brings_twice_is_two_frames_whatever_the_order() {
        for order in [[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]] {
            let mut overlap = of(&[0, 1]);
            assert_eq!(taken(&mut overlap, &order.map(|lane| (lane, "x"))).len(), 2, "{order:?}");
            assert!(overlap.is_empty(), "{order:?}");
        }
        let mut overlap = of(&[0, 1, 2]);
        assert_eq!(taken(&mut overlap, &[(2, "x"), (0, "x"), (0, "x"), (1, "x"), (2, "x")]).len(), 2);
    }

    #[test]
    fn a_snapshot_is_the_frame_that_another_connection_had_as_it_happened() {
        let frame = |price: u32, stream_type: &str| {
            format!(
                r#"{{"type":"ticker","code":"KRW-BTC","timestamp":7,"trade_price":{price},"stream_type":"{stream_type}"}}"#
            )
        };
        let mut overlap = of(&[0, 1]);
        assert!(!overlap.repeats(0, frame(1, "REALTIME").as_bytes(), 0, false));
        assert!(overlap.repeats(1, frame(1, "SNAPSHOT").as_bytes(), 0, false));
        assert!(!overlap.repeats(1, frame(2, "REALTIME").as_bytes(), 0, false), "the same millisecond, another price");
    }

    #[test]
    fn a_connection_that_is_gone_is_not_waited_for_and_one_that_lags_behind_it_repeats_what_it_brought() {
        let mut overlap = of(&[0, 1]);
        assert_eq!(taken(&mut overlap, &[(0, "a"), (0, "b")]), ["a", "b"]);
        overlap.close(0);
        assert!(!overlap.is_idle(true), "the other one may still bring them");
        assert_eq!(taken(&mut overlap, &[(1, "a"), (1, "c"), (1, "b")]), ["c"]);
        assert!(overlap.is_idle(true) && !overlap.is_idle(false));
        // a new connection of the same lane has brought nothing yet
        overlap.open(0);
        assert_eq!(taken(&mut overlap, &[(1, "d")]), ["d"]);
        overlap.open(0);
        assert_eq!(taken(&mut overlap, &[(0, "d"), (0, "d")]), ["d"], "the second one is another frame");
    }

    #[test]
    fn frames_are_kept_for_a_connection_that_is_to_come() {
        let mut overlap = of(&[0]);
        assert!(!overlap.repeats(0, b"a", 0, true) && !overlap.repeats(0, b"b", 0, false));
        overlap.open(1);
        assert_eq!(taken(&mut overlap, &[(1, "a"), (1, "b")]), ["b"]);
    }

    #[test]
    fn what_is_kept_has_a_limit_in_time_and_in_number() {
        let mut overlap = of(&[0, 1]);
        overlap.repeats(0, b"a", 1_000, false);
        overlap.repeats(0, b"b", 1_000 + KEPT_MS / 2, false);
        assert!(overlap.repeats(1, b"a", 900 + KEPT_MS, false));
        assert!(!overlap.repeats(0, b"c", 1_000 + KEPT_MS, false) && overlap.len() == 2);
        overlap.repeats(0, b"d", 1_000 + 2 * KEPT_MS, false);
        assert!(!overlap.repeats(1, b"b", 1_000 + 2 * KEPT_MS, false), "it comes two minutes late");
        let mut overlap = of(&[0, 1]);
        for number in 0..600_000_u64 {
            overlap.repeats(0, &number.to_le_bytes(), 5, false);
        }
        assert!(overlap.len() <= FRAMES_MAX && overlap.len() > FRAMES_MAX / 4, "{}", overlap.len());
        assert!(overlap.repeats(1, &599_999_u64.to_le_bytes(), 5, false));
    }
}
