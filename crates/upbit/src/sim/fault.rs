//! The faults the simulated exchange can be told to have: how they are written, and when each of them is due. Pure.
//!
//! Not here: what a damaged frame looks like ([`frames`]), who is told (`hub`), what REST answers (`rest`).
//! Whatever is sent, the truth file is the truth: no fault adds a trade or takes one away.

use super::rng::Rng;
use std::str::FromStr;
use std::time::Duration;

pub mod frames;
mod oddities;
mod schedule;
mod streams;

pub use oddities::Oddities;
pub use schedule::Schedule;
pub use streams::Streams;

/// A lasting fault without `:EVERY` comes back after so much time without it.
pub const EVERY_DEFAULT: Duration = Duration::from_secs(10);
/// How many times the rate a surge has.
pub const SURGE_FACTOR: f64 = 20.0;

/// Seconds in a fault are at most these: an hour.
const SECONDS_MAX: f64 = 3_600.0;

/// What happens at a moment, or from a moment on for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timed {
    /// Every socket ends without a close frame (1006 for the client).
    Disconnect,
    /// The socket that has stood longest ends so.
    Single,
    /// Every socket is closed with code 1000.
    Close,
    /// Every socket gets an error frame, and is closed with 1000 a little later.
    Error,
    /// A market leaves the list and falls silent, or the one that left comes back.
    Listing,
    /// The exchange's clock jumps ahead, and back the next time. Published times never go back: they stand still until the clock has caught up.
    Clock { by_ms: i64 },
    /// The exchange stands still: no event, no pong, no snapshot.
    Silence,
    /// The exchange goes on and answers pings, but sends no event; those are never sent.
    Stall,
    /// REST answers 503.
    Outage,
    /// REST and handshakes answer 418.
    Block,
    /// [`SURGE_FACTOR`] times the rate.
    Surge,
}

/// What happens to a share of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Share {
    /// Followed by a frame that nobody can read.
    Malformed,
    /// Cut off inside: the event is lost.
    Truncated,
    /// Bytes that are no UTF-8 in its place: the event is lost.
    Garbled,
    /// Not sent.
    Lost,
    /// Sent twice; trades only.
    Duplicate,
    /// Sent after the frame that follows it.
    Reorder,
    /// A trade that is published up to 5 s after its execution.
    Late,
    /// Has a field nobody knows, or is followed by a frame of a type nobody knows.
    Unknown,
    /// Its times are in microseconds.
    Microseconds,
    /// Its numbers are spelled in any way that JSON allows.
    Spelling,
    /// Its numbers are strings.
    Text,
    /// REST calls, not frames: answered 429.
    Limit,
}

/// One part of `--fault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimFault {
    Share {
        share: Share,
        ppm: u32,
    },
    Timed {
        what: Timed,
        lasts: Duration,
        every: Duration,
    },
    /// Every so often one of [`ANY`], as the seed has it.
    Any {
        every: Duration,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a fault; write one of {expected}", expected = SimFault::HELP.map(|(usage, _)| usage).join(", "))]
pub struct InvalidFault(pub String);

/// What `any` chooses from.
pub const ANY: [(Timed, Duration); 8] = [
    (Timed::Disconnect, Duration::ZERO),
    (Timed::Close, Duration::ZERO),
    (Timed::Error, Duration::ZERO),
    (Timed::Clock { by_ms: 2_000 }, Duration::ZERO),
    (Timed::Silence, Duration::from_secs(2)),
    (Timed::Stall, Duration::from_secs(3)),
    (Timed::Outage, Duration::from_secs(4)),
    (Timed::Block, Duration::from_secs(2)),
];

impl SimFault {
    /// (how to write it, what it does), for the command line's help.
    pub const HELP: [(&'static str, &'static str); 24] = [
        ("disconnect=EVERY", "drop every socket without a close frame (1006), every EVERY seconds"),
        ("close=EVERY", "close every socket with code 1000, every EVERY seconds"),
        ("error=EVERY", "send every socket an error frame and close it, every EVERY seconds"),
        ("single=EVERY", "drop the socket that has stood longest, and no other, every EVERY seconds"),
        ("silence=SECONDS[:EVERY]", "stand still for SECONDS: no event happens, nothing is sent, not even a pong"),
        ("stall=SECONDS[:EVERY]", "go on trading and answering pings, but send no event for SECONDS"),
        ("outage=SECONDS[:EVERY]", "REST answers 503 for SECONDS"),
        ("block=SECONDS[:EVERY]", "REST and handshakes answer 418 for SECONDS"),
        ("surge=SECONDS[:EVERY]", "20 times the rate for SECONDS"),
        ("clock=SECONDS[:EVERY]", "the exchange's clock jumps SECONDS ahead, and back the next time"),
        ("listing=EVERY", "delist a market, or list it again, every EVERY seconds"),
        ("any=EVERY", "one of the above but single, surge and listing, chosen by the seed, every EVERY seconds"),
        ("lost=RATIO", "do not send this share of the frames (0.01 = 1 %)"),
        ("truncated=RATIO", "cut this share of the frames off inside"),
        ("garbled=RATIO", "replace this share of the frames with bytes that are not UTF-8"),
        ("malformed=RATIO", "send an extra frame that cannot be read after this share of the frames"),
        ("duplicate=RATIO", "send this share of the trades twice"),
        ("reorder=RATIO", "send this share of the frames after the one that follows"),
        ("late=RATIO", "publish this share of the trades 1 to 5 seconds after their execution"),
        ("unknown=RATIO", "give this share of the frames an unknown field, or a neighbour of an unknown type"),
        ("microseconds=RATIO", "write the times of this share of the frames in microseconds"),
        ("spelling=RATIO", "spell the numbers of this share of the frames in any way JSON allows"),
        ("text=RATIO", "write the numbers of this share of the frames as strings"),
        ("limit=RATIO", "answer this share of the REST calls with 429"),
    ];

    /// A list with commas, as it is typed.
    pub fn parse_list(text: &str) -> Result<Vec<SimFault>, InvalidFault> {
        text.split(',').map(str::parse).collect()
    }

    /// The help's text, a fault a line.
    pub fn help() -> String {
        let width = Self::HELP.iter().map(|(usage, _)| usage.len()).max().unwrap_or(0);
        let line = |(usage, what): &(&str, &str)| format!("  {usage:width$}  {what}\n");
        let lines: String = Self::HELP.iter().map(line).collect();
        format!(
            "Faults (--fault, repeated or with commas; seconds may have a fraction):\n{lines}\
             What lasts SECONDS comes back EVERY seconds after its end (10 if EVERY is not given). The same seed has the same faults. \
             The truth file is always the truth: every trade made, whatever was sent."
        )
    }
}

impl FromStr for SimFault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<SimFault, InvalidFault> {
        let invalid = || InvalidFault(text.to_owned());
        let (name, value) = text.trim().split_once('=').ok_or_else(invalid)?;
        let (value, every) = match value.split_once(':') {
            Some((value, every)) => (value, Some(every)),
            None => (value, None),
        };
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| invalid());
        let seconds = |text: &str| {
            let seconds = number(text)?;
            let is_usable = seconds > 0.0 && seconds <= SECONDS_MAX;
            is_usable.then(|| Duration::from_secs_f64(seconds)).ok_or_else(invalid)
        };
        // at a moment: the value is how often
        let moment = |what| match every {
            Some(_) => Err(invalid()),
            None => Ok(SimFault::Timed { what, lasts: Duration::ZERO, every: seconds(value)? }),
        };
        let lasting = |what| {
            let every = every.map_or(Ok(EVERY_DEFAULT), seconds)?;
            Ok(SimFault::Timed { what, lasts: seconds(value)?, every })
        };
        let share = |share| match every {
            Some(_) => Err(invalid()),
            None => {
                let ratio = number(value)?;
                let ppm = (0.0..=1.0).contains(&ratio).then(|| (ratio * 1e6).round() as u32).ok_or_else(invalid)?;
                Ok(SimFault::Share { share, ppm })
            }
        };
        match name.trim() {
            "disconnect" => moment(Timed::Disconnect),
            "single" => moment(Timed::Single),
            "close" => moment(Timed::Close),
            "error" => moment(Timed::Error),
            "listing" => moment(Timed::Listing),
            "silence" => lasting(Timed::Silence),
            "stall" => lasting(Timed::Stall),
            "outage" => lasting(Timed::Outage),
            "block" => lasting(Timed::Block),
            "surge" => lasting(Timed::Surge),
            "clock" => {
                let what = Timed::Clock { by_ms: seconds(value)?.as_millis() as i64 };
                let every = every.map_or(Ok(EVERY_DEFAULT), seconds)?;
                Ok(SimFault::Timed { what, lasts: Duration::ZERO, every })
            }
            "any" if every.is_none() => Ok(SimFault::Any { every: seconds(value)? }),
            "malformed" => share(Share::Malformed),
            "truncated" => share(Share::Truncated),
            "garbled" => share(Share::Garbled),
            "lost" => share(Share::Lost),
            "duplicate" => share(Share::Duplicate),
            "reorder" => share(Share::Reorder),
            "late" => share(Share::Late),
            "unknown" => share(Share::Unknown),
            "microseconds" => share(Share::Microseconds),
            "spelling" => share(Share::Spelling),
            "text" => share(Share::Text),
            "limit" => share(Share::Limit),
            _ => Err(invalid()),
        }
    }
}

/// How often each share's fault strikes; the last of a kind wins.
#[derive(Debug, Clone, Default)]
pub struct Shares(std::collections::BTreeMap<Share, u32>);

impl Shares {
    pub fn new(faults: &[SimFault]) -> Shares {
        let shares = faults.iter().filter_map(|fault| match fault {
            SimFault::Share { share, ppm } => Some((*share, *ppm)),
            _ => None,
        });
        Shares(shares.collect())
    }

    pub fn ppm(&self, share: Share) -> u32 {
        self.0.get(&share).copied().unwrap_or(0)
    }

    /// Whether it strikes now. Draws nothing for a fault that was not asked for.
    pub fn strikes(&self, share: Share, rng: &mut Rng) -> bool {
        let ppm = self.ppm(share);
        ppm > 0 && rng.chance(ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_from_text() {
        let timed = |what, lasts_ms, every_s| {
            let (lasts, every) = (Duration::from_millis(lasts_ms), Duration::from_secs(every_s));
            Ok(SimFault::Timed { what, lasts, every })
        };
        assert_eq!("disconnect=20".parse(), timed(Timed::Disconnect, 0, 20));
        assert_eq!("malformed=0.01".parse(), Ok(SimFault::Share { share: Share::Malformed, ppm: 10_000 }));
        assert_eq!("silence=2.5".parse(), timed(Timed::Silence, 2_500, 10));
        assert_eq!("stall=3:60".parse(), timed(Timed::Stall, 3_000, 60));
        assert_eq!("clock=5:30".parse(), timed(Timed::Clock { by_ms: 5_000 }, 0, 30));
        assert_eq!(SimFault::parse_list("any=10, lost=0.1").map(|list| list.len()), Ok(2));
        let bad = [
            "",
            "late",
            "late=2",
            "late=-0.1",
            "late=x",
            "late=0.1:3",
            "disconnect=0",
            "disconnect=NaN",
            "close=3:4",
            "fire=1",
        ];
        for bad in bad {
            let error = bad.parse::<SimFault>().expect_err(bad);
            assert!(error.to_string().contains("disconnect=EVERY, close=EVERY"), "{error}");
        }
    }

    #[test]
    fn every_fault_of_the_help_can_be_written_and_no_other() {
        let mut names = std::collections::HashSet::new();
        for (usage, _) in SimFault::HELP {
            let (name, rest) = usage.split_once('=').expect("a name");
            assert!(names.insert(name), "{name} twice");
            let value =
                rest.replace("RATIO", "0.5").replace("SECONDS", "2").replace("EVERY", "7").replace(['[', ']'], "");
            assert!(format!("{name}={value}").parse::<SimFault>().is_ok(), "{usage}");
        }
        let help = SimFault::help();
        assert!(
            help.lines().count() > SimFault::HELP.len() && help.contains("stall=SECONDS[:EVERY]    go on"),
            "{help}"
        );
    }
}
