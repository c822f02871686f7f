//! What a collector knows of its own hearing: which markets it asks for, and when nothing came. Pure.
//!
//! While it waits, its holes are the leader's to fill, and nobody's business. When it takes over they are compared with what is written: what came
//! after the newest record in the topics and was not heard here either is a hole in what is collected.

use crate::collector::{ExchangeClock, Note};
use hoga_model::Market;
use hoga_upbit::frame::Event;
use hoga_upbit::gap::Cause;
use hoga_upbit::listing::{Event as ListEvent, Listing, Listings};
use hoga_upbit::standby::WINDOW_MS;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// By how much the clocks of two collectors may differ, and an event be later on one connection than on another.
const SKEW_MS: i64 = 2_000;
/// Of a market's changes on the list so many are kept: more do not happen while nobody leads.
const CHANGES_KEPT: usize = 4;

#[derive(Debug)]
pub struct Hearing {
    /// What is asked for.
    pub listening: Vec<Market>,
    /// Of it, what is silent, and since when.
    unanswered: Option<(Vec<Market>, i64)>,
    /// Oldest first; only the last may go on.
    silences: VecDeque<Silence>,
    /// The last changes of each market on the exchange's list, whoever wrote them.
    changes: BTreeMap<String, VecDeque<Listing>>,
    pub clock: ExchangeClock,
}

/// A time in which nothing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Silence {
    cause: Cause,
    /// None: nothing ever came before.
    from_ms: Option<i64>,
    /// None: it goes on.
    to_ms: Option<i64>,
}

/// Nothing that came since `from_ms` is written, and not all of it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    pub cause: Cause,
    pub from_ms: i64,
}

impl Default for Hearing {
    fn default() -> Hearing {
        let before_all = Silence { cause: Cause::Restart, from_ms: None, to_ms: None };
        Hearing {
            listening: Vec::new(),
            unanswered: None,
            silences: VecDeque::from([before_all]),
            changes: BTreeMap::new(),
            clock: ExchangeClock::default(),
        }
    }
}

impl Hearing {
    /// An event came.
    pub fn heard(&mut self, event: &Event, recv_ms: i64) {
        self.clock.note(event, recv_ms);
        if let Some(silence) = self.silences.back_mut()
            && silence.to_ms.is_none()
        {
            silence.to_ms = Some(recv_ms);
        }
    }

    pub fn take(&mut self, note: &Note, now_ms: i64) {
        match note {
            Note::Listening(markets) => {
                self.listening.clone_from(markets);
                self.unanswered = None;
            }
            Note::Lost { cause, covered_ms } => {
                if self.silences.back().is_none_or(|silence| silence.to_ms.is_some()) {
                    let from_ms = Some(self.clock.heard_until(*covered_ms, now_ms));
                    self.silences.push_back(Silence { cause: *cause, from_ms, to_ms: None });
                }
                self.unanswered = None;
            }
            Note::Hole { cause, from_ms, to_ms } => {
                let hole = Silence { cause: *cause, from_ms: Some(*from_ms), to_ms: Some(*to_ms) };
                // the last stays the last if it goes on
                let at =
                    self.silences.len() - usize::from(self.silences.back().is_some_and(|last| last.to_ms.is_none()));
                self.silences.insert(at, hole);
            }
            Note::Unanswered { markets, asked_ms } => self.unanswered = Some((markets.clone(), *asked_ms)),
            Note::ListChanged(changes) => {
                for change in changes {
                    let of_market = self.changes.entry(change.market.clone()).or_default();
                    of_market.push_back(change.clone());
                    if of_market.len() > CHANGES_KEPT {
                        of_market.pop_front();
                    }
                }
                let delisted = changes.iter().filter(|change| change.event == ListEvent::Delisting);
                let delisted: HashSet<&str> = delisted.map(|change| change.market.as_str()).collect();
                self.listening.retain(|market| !delisted.contains(market.as_str()));
            }
            Note::Joined { markets, .. } => {
                let joined: Vec<Market> =
                    markets.iter().filter(|market| !self.listening.contains(market)).cloned().collect();
                self.listening.extend(joined);
            }
        }
    }

    /// Silences longer ago than a standby keeps what it hears are those of an earlier leader.
    pub fn forget_old(&mut self, now_ms: i64) {
        while self.silences.front().is_some_and(|oldest| oldest.to_ms.is_some_and(|to_ms| to_ms < now_ms - WINDOW_MS)) {
            self.silences.pop_front();
        }
    }

    /// What is missing after a take-over: the topics have everything up to `written_ms`, and what was heard up to `forgotten_ms` is not kept
    /// any more.
    pub fn missed(&self, written_ms: i64, forgotten_ms: Option<i64>) -> Option<Missed> {
        let unwritten = |silence: &&Silence| silence.to_ms.is_none_or(|to_ms| to_ms > written_ms - SKEW_MS);
        let silent = self.silences.iter().filter(unwritten).map(|silence| Missed {
            cause: silence.cause,
            from_ms: silence.from_ms.unwrap_or(written_ms).max(written_ms),
        });
        let forgotten = forgotten_ms.filter(|forgotten_ms| *forgotten_ms > written_ms);
        let forgotten = forgotten.map(|_| Missed { cause: Cause::Overflow, from_ms: written_ms });
        silent.chain(forgotten).min_by_key(|missed| missed.from_ms)
    }

    /// Since when events come without a break; None while none comes.
    pub fn since_ms(&self) -> Option<i64> {
        self.silences.back().map_or(Some(i64::MIN), |last| last.to_ms)
    }

    /// The changes of the list of markets that the topic does not have: those after the one that it says, or all.
    pub fn unwritten<'a>(&'a self, written: &'a Listings) -> impl Iterator<Item = &'a Listing> {
        self.changes.iter().flat_map(|(market, changes)| {
            let is_written = |change: &Listing| written.get(market).is_some_and(|written| written.is_as(change));
            let known = changes.iter().rposition(is_written).map_or(0, |at| at + 1);
            changes.range(known..)
        })
    }

    /// The markets that are silent, and since when they are asked for.
    pub fn unanswered(&self) -> Option<Note> {
        let (markets, asked_ms) = self.unanswered.clone()?;
        Some(Note::Unanswered { markets, asked_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hoga_model::MarketInfo;
    use hoga_upbit::frame::{Message, read_frame};

    fn event() -> Event {
        let text = r#"{"type":"ticker","code":"KRW-BTC","trade_price":1.0,"timestamp":0}"#;
        let mut messages = Vec::new();
        read_frame(&Bytes::from(text), &mut messages);
        match messages.pop() {
            Some(Message::Event(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    fn missed(cause: Cause, from_ms: i64) -> Option<Missed> {
        Some(Missed { cause, from_ms })
    }

    #[test]
    fn who_comes_while_another_leads_misses_nothing_and_who_comes_after_it_misses_all_since_its_last_record() {
        let mut hearing = Hearing::default();
        assert_eq!(hearing.missed(5_000, None), missed(Cause::Restart, 5_000));
        assert_eq!(hearing.since_ms(), None);
        hearing.heard(&event(), 10_000);
        assert_eq!(hearing.since_ms(), Some(10_000));
        assert_eq!(hearing.missed(5_000, None), missed(Cause::Restart, 5_000));
        assert_eq!(hearing.missed(20_000, None), None, "the leader wrote for long after we began to listen");
        assert_eq!(hearing.missed(11_000, None), missed(Cause::Restart, 11_000), "too near to be sure");
    }

    #[test]
    fn a_break_counts_if_the_leader_wrote_nothing_after_it() {
        let mut hearing = Hearing::default();
        hearing.heard(&event(), 10_000);
        hearing.heard(&event(), 30_000);
        hearing.take(&Note::Lost { cause: Cause::Stall, covered_ms: None }, 35_000);
        // the same, told twice
        hearing.take(&Note::Lost { cause: Cause::Disconnect, covered_ms: None }, 36_000);
        assert_eq!(hearing.since_ms(), None);
        assert_eq!(
            hearing.missed(20_000, None),
            missed(Cause::Stall, 30_000),
            "what was heard up to the break is kept"
        );
        assert_eq!(hearing.missed(50_000, None), missed(Cause::Stall, 50_000), "the leader heard what we did not");
        hearing.heard(&event(), 40_000);
        assert_eq!(hearing.missed(50_000, None), None);
        hearing.take(&Note::Hole { cause: Cause::Disconnect, from_ms: 44_000, to_ms: 45_000 }, 45_000);
        assert_eq!(hearing.missed(44_500, None), missed(Cause::Disconnect, 44_500));
        assert_eq!(hearing.since_ms(), Some(45_000));
        hearing.forget_old(45_000 + WINDOW_MS + 1);
        assert_eq!((hearing.since_ms(), hearing.missed(0, None)), (Some(i64::MIN), None));
    }

    #[test]
    fn of_the_list_of_markets_what_the_topic_does_not_say_is_written() {
        let info = |warning: bool| MarketInfo {
            market: Market::parse("KRW-BTC").expect("a code"),
            korean_name: "비트코인".to_owned(),
            english_name: "Bitcoin".to_owned(),
            warning,
            cautions: Vec::new(),
        };
        let (mut hearing, mut list) = (Hearing::default(), Listings::default());
        // what an earlier leader wrote, at times of its own
        let mut written = Listings::default();
        for (at, warning) in [(10, false), (20, true), (30, false)] {
            hearing.take(&Note::ListChanged(list.update(&[info(warning)], at)), at);
        }
        let unwritten = |written: &Listings| hearing.unwritten(written).map(|change| change.event).collect::<Vec<_>>();
        assert_eq!(unwritten(&written), [ListEvent::First, ListEvent::Warning, ListEvent::WarningReleased]);
        written.update(&[info(false)], 5);
        assert_eq!(unwritten(&written), [], "it is as we saw it last");
        written.update(&[info(true)], 25);
        assert_eq!(unwritten(&written), [ListEvent::WarningReleased]);
    }

    #[test]
    fn what_was_heard_and_is_forgotten_before_it_was_written_is_missed() {
        let mut hearing = Hearing::default();
        hearing.heard(&event(), 10_000);
        assert_eq!(hearing.missed(60_000, Some(59_000)), None);
        assert_eq!(hearing.missed(60_000, Some(61_000)), missed(Cause::Overflow, 60_000));
    }
}
