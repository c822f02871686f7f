//! Which gaps there are, and what opens, ends and settles them. Pure: every method gives the gaps that changed, for the log.
//!
//! State: per market and channel the open gap, if there is one, and the trade gaps that wait for repair. It is a function of the topic:
//! [`Ledger::load`] makes it again from the records. So a gap is opened once (never while one is open), and a process that dies between
//! the record and its effect opens the same gap again: its start is a function of the log too.

use std::collections::{BTreeMap, HashMap, HashSet};

use hoga_model::{Market, StreamKind};

use super::backfill::Done;
use super::{Cause, Gap, State};

/// How a connection, or the room for what it brings, was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    pub cause: Cause,
    /// Everything published before was received.
    pub from_ms: i64,
}

#[derive(Debug, Default)]
pub struct Ledger {
    lines: HashMap<Market, [Line; StreamKind::ALL.len()]>,
    /// What the connection asked for, and those of it that have not answered on it yet.
    listening: Vec<Market>,
    unheard: HashSet<Market>,
    /// Of markets that were listed while we listened: when they were not on the list yet.
    unlisted_ms: HashMap<Market, i64>,
}

/// One market's one channel.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) open: Option<Gap>,
    /// Over, to be repaired; by their start.
    pub(super) pending: BTreeMap<i64, Gap>,
    /// The start of the newest gap, so that no two have the same key.
    pub(super) newest_from_ms: Option<i64>,
    /// When collection began.
    pub(super) begun_ms: Option<i64>,
    /// Whether collection began or was tried: a market may be known for its past alone.
    is_collected: bool,
    /// Backfills that are settled, by their start.
    pub(super) backfilled: BTreeMap<i64, Done>,
}

impl Ledger {
    /// The ledger that wrote these records, in their order.
    pub fn load(records: impl IntoIterator<Item = Gap>) -> Ledger {
        let mut ledger = Ledger::default();
        records.into_iter().for_each(|gap| ledger.replay(gap));
        ledger
    }

    /// Takes the next of the records that were written.
    pub fn replay(&mut self, gap: Gap) {
        let line = self.line(&gap.market.clone(), gap.channel);
        if gap.cause == Cause::Backfill {
            line.load_backfill(gap);
            return;
        }
        line.is_collected = true;
        line.newest_from_ms = line.newest_from_ms.max(Some(gap.from_ms));
        if line.open.as_ref().is_some_and(|open| open.from_ms == gap.from_ms) {
            line.open = None;
        }
        line.pending.remove(&gap.from_ms);
        if gap.cause == Cause::Begin {
            line.begun_ms = Some(gap.from_ms);
        }
        match gap.state {
            State::Open => line.open = Some(gap),
            State::Pending => {
                line.pending.insert(gap.from_ms, gap);
            }
            State::Begin | State::Repaired | State::Lost => {}
        }
    }

    /// Nobody listened since `from_ms`: every channel of which collection ever began is open from then, unless it was already, or is over for good.
    pub fn restart(&mut self, from_ms: i64, is_over: impl Fn(&Market) -> bool) -> Vec<Gap> {
        let markets: Vec<Market> =
            self.lines.keys().filter(|market| self.knows(market) && !is_over(market)).cloned().collect();
        self.open_all(&markets, Lost { cause: Cause::Restart, from_ms })
    }

    /// These markets are asked for from now on.
    pub fn listen(&mut self, markets: &[Market]) {
        self.listening = markets.to_vec();
        self.unheard = markets.iter().cloned().collect();
    }

    /// This one is asked for, too; at `unlisted_ms` it was not on the exchange's list yet.
    pub fn join(&mut self, market: &Market, unlisted_ms: i64) -> Vec<Gap> {
        if self.is_listening(market) {
            return Vec::new();
        }
        self.listening.push(market.clone());
        self.unheard.insert(market.clone());
        if self.knows(market) {
            let lost = Lost { cause: Cause::Unanswered, from_ms: unlisted_ms };
            return self.open_all(std::slice::from_ref(market), lost);
        }
        self.unlisted_ms.insert(market.clone(), unlisted_ms);
        Vec::new()
    }

    /// This one is not on the exchange's list any more: nothing is expected of it.
    pub fn leave(&mut self, market: &Market, at_ms: i64) -> Vec<Gap> {
        self.listening.retain(|listening| listening != market);
        self.unheard.remove(market);
        self.unlisted_ms.remove(market);
        if !self.knows(market) {
            return Vec::new();
        }
        StreamKind::ALL.into_iter().filter_map(|channel| self.end(market, channel, at_ms)).collect()
    }

    /// True as long as [`heard`](Ledger::heard) has something to do with some market.
    pub fn is_waiting(&self) -> bool {
        !self.unheard.is_empty()
    }

    /// The market's first event on this connection came: its open gaps are over, or its collection begins.
    pub fn heard(&mut self, market: &Market, at_ms: i64) -> Vec<Gap> {
        if !self.unheard.remove(market) {
            return Vec::new();
        }
        let mut changed = Vec::new();
        let unlisted_ms = self.unlisted_ms.remove(market);
        for channel in StreamKind::ALL {
            if let Some(gap) = self.end(market, channel, at_ms) {
                changed.push(gap);
                continue;
            }
            let line = self.line(market, channel);
            if !line.is_collected {
                line.is_collected = true;
                // the trades since the listing can be asked for, the rest cannot
                let from_ms = unlisted_ms.filter(|_| channel == StreamKind::Trade).map_or(at_ms, |ms| ms.min(at_ms));
                line.newest_from_ms = Some(from_ms);
                line.begun_ms = Some(from_ms);
                let mut gap = Gap {
                    market: market.clone(),
                    channel,
                    from_ms,
                    to_ms: Some(at_ms),
                    cause: Cause::Begin,
                    state: State::Begin,
                    trades_repaired: 0,
                };
                // of the seconds around it some trades were published before, and some come late
                if channel == StreamKind::Trade {
                    gap.state = State::Pending;
                    line.pending.insert(from_ms, gap.clone());
                }
                changed.push(gap);
            }
        }
        changed
    }

    /// Whatever the connection asked for does not come any more.
    pub fn lost(&mut self, lost: Lost) -> Vec<Gap> {
        self.unheard = self.listening.iter().cloned().collect();
        let known: Vec<Market> = self.listening.iter().filter(|market| self.knows(market)).cloned().collect();
        self.open_all(&known, lost)
    }

    /// Nothing came between these times, and everything comes again.
    pub fn hole(&mut self, lost: Lost, to_ms: i64) -> Vec<Gap> {
        let is_received = |market: &&Market| self.knows(market) && !self.unheard.contains(*market);
        let received: Vec<Market> = self.listening.iter().filter(is_received).cloned().collect();
        let opened = self.open_all(&received, lost);
        opened.into_iter().filter_map(|gap| self.end(&gap.market, gap.channel, to_ms)).collect()
    }

    /// These were asked for at `asked_ms` and have not answered.
    pub fn unanswered(&mut self, markets: &[Market], asked_ms: i64) -> Vec<Gap> {
        self.unheard.extend(markets.iter().cloned());
        self.open_all(markets, Lost { cause: Cause::Unanswered, from_ms: asked_ms })
    }

    /// Trades between these times were never received, though the connection stood; they are in the log now.
    pub fn missed(&mut self, market: &Market, from_ms: i64, to_ms: i64, trades_repaired: u64) -> Gap {
        let line = self.line(market, StreamKind::Trade);
        let from_ms = line.free_key(from_ms);
        let (cause, state) = (Cause::Missed, State::Repaired);
        let to_ms = Some(to_ms.max(from_ms));
        Gap { market: market.clone(), channel: StreamKind::Trade, from_ms, to_ms, cause, state, trades_repaired }
    }

    /// The trade gaps that wait for repair, by market, each market's in order of time.
    pub fn pending(&self) -> impl Iterator<Item = (&Market, impl Iterator<Item = &Gap>)> {
        let waiting = self.lines.iter().filter(|(_, lines)| !pending_trades(lines).is_empty());
        waiting.map(|(market, lines)| (market, pending_trades(lines).values()))
    }

    /// Repair of a pending gap is done; None if it is not pending any more.
    pub fn settle(&mut self, market: &Market, from_ms: i64, state: State, trades_repaired: u64) -> Option<Gap> {
        let line = self.line(market, StreamKind::Trade);
        let mut gap = line.pending.remove(&from_ms)?;
        gap.state = state;
        gap.trades_repaired = trades_repaired;
        if gap.cause == Cause::Backfill {
            line.load_backfill(gap.clone());
        }
        Some(gap)
    }

    /// (open, pending) gaps of all channels.
    pub fn counts(&self) -> (usize, usize) {
        let lines = || self.lines.values().flatten();
        (lines().filter(|line| line.open.is_some()).count(), lines().map(|line| line.pending.len()).sum())
    }

    pub fn listening(&self) -> &[Market] {
        &self.listening
    }

    /// Whether it is asked for.
    pub fn is_listening(&self, market: &Market) -> bool {
        self.listening.contains(market)
    }

    /// Whether collection of the market ever began, or was tried.
    pub fn knows(&self, market: &Market) -> bool {
        self.lines.get(market).is_some_and(|lines| lines.iter().any(|line| line.is_collected))
    }

    /// Since when its trades are promised, but for the gaps.
    pub fn begun_ms(&self, market: &Market) -> Option<i64> {
        self.lines.get(market)?[StreamKind::Trade as usize].begun_ms
    }

    /// Whether its trades are received now, as far as is known.
    pub fn is_received(&self, market: &Market) -> bool {
        let line = self.lines.get(market).map(|lines| &lines[StreamKind::Trade as usize]);
        line.is_some_and(|line| line.open.is_none()) && !self.unheard.contains(market)
    }

    /// The open gap of a channel is over, if there is one.
    fn end(&mut self, market: &Market, channel: StreamKind, at_ms: i64) -> Option<Gap> {
        let line = self.line(market, channel);
        let mut gap = line.open.take()?;
        gap.to_ms = Some(at_ms.max(gap.from_ms));
        gap.state = if channel == StreamKind::Trade { State::Pending } else { State::Lost };
        if gap.state == State::Pending {
            line.pending.insert(gap.from_ms, gap.clone());
        }
        Some(gap)
    }

    fn open_all(&mut self, markets: &[Market], lost: Lost) -> Vec<Gap> {
        let mut opened = Vec::new();
        for market in markets {
            for channel in StreamKind::ALL {
                let line = self.line(market, channel);
                if line.open.is_some() {
                    continue;
                }
                let gap = Gap {
                    market: market.clone(),
                    channel,
                    from_ms: line.free_key(lost.from_ms),
                    to_ms: None,
                    cause: lost.cause,
                    state: State::Open,
                    trades_repaired: 0,
                };
                line.open = Some(gap.clone());
                line.is_collected = true;
                opened.push(gap);
            }
        }
        opened
    }

    pub(super) fn line(&mut self, market: &Market, channel: StreamKind) -> &mut Line {
        if !self.lines.contains_key(market) {
            self.lines.insert(market.clone(), Default::default());
        }
        match self.lines.get_mut(market) {
            Some(lines) => &mut lines[channel as usize],
            None => unreachable!("it was put there"),
        }
    }
}

fn pending_trades(lines: &[Line; StreamKind::ALL.len()]) -> &BTreeMap<i64, Gap> {
    &lines[StreamKind::Trade as usize].pending
}

impl Line {
    /// The start of a new gap: no other has it, though a clock may have gone back.
    fn free_key(&mut self, from_ms: i64) -> i64 {
        let is_taken = self.newest_from_ms == Some(from_ms) || self.pending.contains_key(&from_ms);
        let from_ms = if is_taken { from_ms + 1 } else { from_ms };
        self.newest_from_ms = self.newest_from_ms.max(Some(from_ms));
        from_ms
    }
}
