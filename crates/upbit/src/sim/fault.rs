//! The faults the simulated exchange can be told to have, and what their frames look like. Pure.

use super::rng::Rng;
use bytes::Bytes;
use std::str::FromStr;
use std::time::Duration;

/// `--fault NAME=VALUE`, once per fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimFault {
    /// All sockets are dropped, without a close frame, every so often.
    Disconnect { every: Duration },
    /// This share of the frames is followed by one that nobody can read. The good frame still comes.
    Malformed { ppm: u32 },
    /// This share of the trade frames is sent twice.
    Duplicate { ppm: u32 },
    /// This share of the trades is published up to 5 s after its execution.
    Late { ppm: u32 },
    /// Every [`SILENCE_EVERY`] the exchange stands still for so long: no event, no pong, no snapshot.
    Silence { lasts: Duration },
    /// This share of the frames has a field nobody knows, or is followed by a frame of a type nobody knows.
    Unknown { ppm: u32 },
}

/// How long the exchange streams between two silences.
pub const SILENCE_EVERY: Duration = Duration::from_secs(10);

/// Seconds in a fault are at most these: an hour.
const SECONDS_MAX: f64 = 3_600.0;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a fault; write one of {expected}", expected = SimFault::HELP.map(|(usage, _)| usage).join(", "))]
pub struct InvalidFault(pub String);

impl SimFault {
    /// (how to write it, what it does), for the command line's help.
    pub const HELP: [(&'static str, &'static str); 6] = [
        ("disconnect=SECONDS", "drop every socket without a close frame, every SECONDS"),
        ("malformed=RATIO", "send an extra frame that cannot be read after this share of the frames (0.01 = 1 %)"),
        ("duplicate=RATIO", "send this share of the trades twice"),
        ("late=RATIO", "publish this share of the trades 1 to 5 seconds after their execution"),
        ("silence=SECONDS", "after each 10 s of streaming send nothing for SECONDS, not even a pong"),
        ("unknown=RATIO", "give this share of the frames an unknown field, or a neighbour of an unknown type"),
    ];
}

impl FromStr for SimFault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<SimFault, InvalidFault> {
        let invalid = || InvalidFault(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(invalid)?;
        let value: f64 = value.trim().parse().map_err(|_| invalid())?;
        let seconds = || Some(value).filter(|s| *s > 0.0 && *s <= SECONDS_MAX).map(Duration::from_secs_f64);
        let ppm = || Some(value).filter(|r| (0.0..=1.0).contains(r)).map(|r| (r * 1e6).round() as u32);
        let fault = match name.trim() {
            "disconnect" => seconds().map(|every| SimFault::Disconnect { every }),
            "malformed" => ppm().map(|ppm| SimFault::Malformed { ppm }),
            "duplicate" => ppm().map(|ppm| SimFault::Duplicate { ppm }),
            "late" => ppm().map(|ppm| SimFault::Late { ppm }),
            "silence" => seconds().map(|lasts| SimFault::Silence { lasts }),
            "unknown" => ppm().map(|ppm| SimFault::Unknown { ppm }),
            _ => None,
        };
        fault.ok_or_else(invalid)
    }
}

/// All faults of a run in one place; the last of a kind wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultPlan {
    pub disconnect_every_ms: Option<i64>,
    pub silence_ms: Option<i64>,
    pub malformed_ppm: u32,
    pub duplicate_ppm: u32,
    pub late_ppm: u32,
    pub unknown_ppm: u32,
}

impl FaultPlan {
    pub fn new(faults: &[SimFault]) -> FaultPlan {
        let mut plan = FaultPlan::default();
        for fault in faults {
            match *fault {
                SimFault::Disconnect { every } => plan.disconnect_every_ms = Some(every.as_millis() as i64),
                SimFault::Silence { lasts } => plan.silence_ms = Some(lasts.as_millis() as i64),
                SimFault::Malformed { ppm } => plan.malformed_ppm = ppm,
                SimFault::Duplicate { ppm } => plan.duplicate_ppm = ppm,
                SimFault::Late { ppm } => plan.late_ppm = ppm,
                SimFault::Unknown { ppm } => plan.unknown_ppm = ppm,
            }
        }
        plan
    }

    /// True while the exchange stands still, at so much time since its opening.
    pub fn is_silent(&self, since_open_ms: i64) -> bool {
        let every_ms = SILENCE_EVERY.as_millis() as i64;
        self.silence_ms.is_some_and(|silence_ms| since_open_ms % (every_ms + silence_ms) >= every_ms)
    }
}

/// A frame that no reader can make an event of; `good` is the frame it follows.
pub fn malformed_frame(good: &Bytes, rng: &mut Rng) -> Bytes {
    match rng.below(6) {
        // cut off inside
        0 => good.slice(..rng.range(1, good.len() as i64 - 1) as usize),
        1 => Bytes::from_static(b"{\"type\":\"trade\",\"code\":\"KRW-\xff\xfe\",\"trade_price\":1}"),
        2 => Bytes::from_static(b"<html><body>502 Bad Gateway</body></html>"),
        3 => Bytes::new(),
        4 => Bytes::from_static(b"{\"type\":\"trade\",\"trade_price\":1.0,\"trade_volume\":1.0}"),
        _ => Bytes::from_static(
            b"{\"type\":\"orderbook\",\"code\":\"KRW-BTC\",\"orderbook_units\":[{\"ask_price\":1.0.0}]}",
        ),
    }
}

/// The frame with a field at the end of its last object that no documentation knows.
pub fn with_unknown_field(good: &[u8]) -> Bytes {
    let end = good.iter().rposition(|byte| *byte == b'}').unwrap_or(good.len());
    let mut frame = Vec::with_capacity(good.len() + 64);
    frame.extend_from_slice(&good[..end]);
    frame.extend_from_slice(b",\"sim_new_field\":{\"list\":[1,2.5E-3,\"\\u114b\"],\"none\":null}");
    frame.extend_from_slice(&good[end..]);
    frame.into()
}

/// A frame of a type that Upbit may add tomorrow.
pub fn unknown_type_frame() -> Bytes {
    Bytes::from_static(b"{\"type\":\"indicator\",\"code\":\"KRW-BTC\",\"value\":1.25,\"stream_type\":\"REALTIME\"}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoga_model::json::Scanner;

    #[test]
    fn faults_from_text() {
        let disconnect = SimFault::Disconnect { every: Duration::from_secs(20) };
        assert_eq!("disconnect=20".parse(), Ok(disconnect));
        assert_eq!("malformed=0.01".parse(), Ok(SimFault::Malformed { ppm: 10_000 }));
        assert_eq!("silence=2.5".parse(), Ok(SimFault::Silence { lasts: Duration::from_millis(2_500) }));
        for bad in ["", "late", "late=2", "late=-0.1", "late=x", "disconnect=0", "disconnect=NaN", "fire=1"] {
            let error = bad.parse::<SimFault>().expect_err(bad);
            assert!(error.to_string().contains("disconnect=SECONDS, malformed=RATIO"), "{error}");
        }
    }

    #[test]
    fn malformed_frames_are_never_an_event_and_extended_ones_still_are() {
        let good = Bytes::from_static(br#"{"type":"trade","code":"KRW-BTC","trade_price":1.5}"#);
        let mut rng = Rng::new(1, 1);
        for _ in 0..1_000 {
            let frame = malformed_frame(&good, &mut rng);
            let reads = Scanner::from_bytes(&frame).and_then(|mut json| json.skip().map(str::to_owned));
            assert!(reads.is_err() || !reads.is_ok_and(|text| text.contains("\"code\"")), "{frame:?}");
        }
        let frame = with_unknown_field(b"[{\"type\":\"trade\",\"code\":\"KRW-BTC\"}]");
        let mut json = Scanner::from_bytes(&frame).expect("UTF-8");
        json.skip().expect("still JSON");
        json.end().expect("still one value");
    }

    #[test]
    fn silence_comes_and_goes() {
        let plan = FaultPlan::new(&[SimFault::Silence { lasts: Duration::from_secs(3) }]);
        let silent: Vec<i64> = (0..30).filter(|second| plan.is_silent(second * 1_000)).collect();
        assert_eq!(silent, [10, 11, 12, 23, 24, 25]);
    }
}
