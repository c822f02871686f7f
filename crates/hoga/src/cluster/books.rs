//! What the leader has admitted, and what it knows of holes: kept beside the writer, so that repair need not wait for the cluster.

use super::hearing::{Hearing, Missed};
use super::intake;
use crate::collector::{CollectError, CollectorStats, Holes, Note, event_log, gap_log, listing_log};
use crate::repair::Repairable;
use hoga_log::Record;
use hoga_model::Market;
use hoga_model::market::{DEAD_LETTER_TOPIC, GAP_TOPIC, MARKET_TOPIC};
use hoga_upbit::gap::{Cause, Gap};
use hoga_upbit::listing::{Listing, Listings};
use hoga_upbit::rest::ticks::PastTrade;
use hoga_upbit::standby::{Received, TradeIndex, Verdict, What, Written};
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Repair waits while so many events do.
const REPAIR_WAITING_MAX: usize = 100_000;

/// What the leader has admitted, and what it knows of holes; repair works with it, too, but never while the cluster is waited for.
#[derive(Default)]
pub struct Books {
    pub(super) written: Written,
    pub(super) holes: Holes,
    /// Admitted, oldest first.
    pub(super) waiting: VecDeque<Waiting>,
    /// Markets of which the memory that was saved last is old.
    pub(super) changed: HashSet<Market>,
}

pub enum Waiting {
    Event(Received),
    /// Of gaps and of the list of markets.
    Record {
        topic: &'static str,
        partition: u32,
        record: Record,
    },
}

impl Books {
    /// Opens and ends gaps as a leader that begins has to: `missed` is what nobody heard, and what is in the window was heard.
    pub(super) fn account(
        &mut self,
        hearing: &Hearing,
        window: &[Received],
        missed: Option<Missed>,
        listings: &Listings,
        now_ms: i64,
    ) {
        self.holes.clock = hearing.clock;
        let mut changed = self.holes.take(&Note::Listening(hearing.listening.clone()), now_ms);
        if let Some(Missed { cause, from_ms }) = missed {
            changed.extend(match cause {
                Cause::Restart => self.holes.restart(from_ms, |market| listings.is_delisted(market)),
                _ => self.holes.take(&Note::Lost { cause, covered_ms: Some(from_ms) }, now_ms),
            });
        }
        let since_ms = hearing.since_ms().unwrap_or(i64::MAX);
        for received in window.iter().filter(|received| received.recv_ms >= since_ms) {
            if let What::Event(event) = &received.what {
                changed.extend(self.holes.heard(event, received.recv_ms));
            }
        }
        if let Some(note) = hearing.unanswered() {
            changed.extend(self.holes.take(&note, now_ms));
        }
        self.note_listings(hearing.unwritten(listings), now_ms);
        self.note_gaps(&changed, now_ms);
    }

    pub(super) fn accept(&mut self, received: Received, stats: &CollectorStats) {
        if let What::Event(event) = &received.what {
            let changed = self.holes.heard(event, received.recv_ms);
            self.note_gaps(&changed, received.recv_ms);
        }
        match self.written.admit_live(&received.what) {
            Verdict::Write => {
                self.note_market(&received.what);
                self.waiting.push_back(Waiting::Event(received));
            }
            Verdict::Known => {
                if let What::Event(event) = &received.what {
                    stats.streams[event.kind as usize].duplicates.add(1);
                }
            }
        }
    }

    pub(super) fn take_note(&mut self, note: &Note, now_ms: i64) {
        if let Note::ListChanged(changes) = note {
            self.note_listings(changes.iter(), now_ms);
        }
        let changed = self.holes.take(note, now_ms);
        self.note_gaps(&changed, now_ms);
    }

    fn note_listings<'a>(&mut self, changes: impl Iterator<Item = &'a Listing>, now_ms: i64) {
        for change in changes {
            let (partition, record) = listing_log::record(change, now_ms);
            self.waiting.push_back(Waiting::Record { topic: MARKET_TOPIC, partition, record });
        }
    }

    fn note_market(&mut self, what: &What) {
        if let What::Event(event) = what
            && !self.changed.contains(&event.market)
        {
            self.changed.insert(event.market.clone());
        }
    }
}

impl Repairable for Books {
    fn holes(&self) -> &Holes {
        &self.holes
    }

    fn holes_mut(&mut self) -> &mut Holes {
        &mut self.holes
    }

    fn trades(&self) -> &TradeIndex {
        &self.written.trades
    }

    fn repair(&mut self, trades: Vec<PastTrade>, recv_ms: i64) -> Result<Vec<i64>, CollectError> {
        if self.waiting.len() > REPAIR_WAITING_MAX {
            let waiting_bytes = self.waiting.iter().map(Waiting::bytes).sum();
            return Err(CollectError::Full { waiting_bytes, source: intake::full(waiting_bytes) });
        }
        let mut repaired = Vec::new();
        for trade in trades {
            let received = Received { recv_ms, what: What::Event(trade.event) };
            if self.written.admit_live(&received.what) == Verdict::Write {
                repaired.push(trade.executed_ms);
                self.note_market(&received.what);
                self.waiting.push_back(Waiting::Event(received));
            }
        }
        Ok(repaired)
    }

    fn note_gaps(&mut self, changed: &[Gap], now_ms: i64) {
        for gap in changed {
            let (partition, record) = gap_log::record(gap, now_ms);
            self.waiting.push_back(Waiting::Record { topic: GAP_TOPIC, partition, record });
        }
    }

    /// Whoever holds the writer sees to it.
    fn flush(&mut self) -> Result<(), CollectError> {
        Ok(())
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        match self {
            Waiting::Event(Received { what: What::Event(event), .. }) => event.value.len(),
            Waiting::Event(Received { what: What::Dead { value, .. }, .. }) => value.len(),
            Waiting::Record { record, .. } => record.value.len(),
        }
    }
}

/// Records by topic and partition, each in the order of receipt.
pub fn batches(waiting: &[Waiting]) -> BTreeMap<(&'static str, u32), Vec<Record>> {
    let mut batches: BTreeMap<(&'static str, u32), Vec<Record>> = BTreeMap::new();
    for waiting in waiting {
        let (place, record) = match waiting {
            Waiting::Record { topic, partition, record } => ((*topic, *partition), record.clone()),
            Waiting::Event(Received { recv_ms, what: What::Event(event) }) => {
                let (partition, record) = event_log::record(event, *recv_ms);
                ((event.kind.topic(), partition), record)
            }
            Waiting::Event(Received { recv_ms, what: What::Dead { value, reason } }) => {
                ((DEAD_LETTER_TOPIC, 0), event_log::dead_letter(value.clone(), reason.clone(), *recv_ms))
            }
        };
        batches.entry(place).or_default().push(record);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::PARTITIONS;
    use bytes::Bytes;
    use hoga_log::partition_for_key;
    use hoga_upbit::frame::{Message, read_frame};

    #[test]
    fn records_go_where_their_key_belongs_in_the_order_of_receipt() {
        let mut waiting = Vec::new();
        for (at, code) in ["KRW-BTC", "KRW-ETH", "KRW-BTC"].iter().enumerate() {
            let text = format!(r#"{{"type":"ticker","code":"{code}","trade_price":1.0,"timestamp":{at}}}"#);
            let mut messages = Vec::new();
            read_frame(&Bytes::from(text), &mut messages);
            let Some(Message::Event(event)) = messages.pop() else { unreachable!("an event") };
            waiting.push(Waiting::Event(Received { recv_ms: at as i64, what: What::Event(event) }));
        }
        let dead = What::Dead { value: Bytes::from("{"), reason: "cut".into() };
        waiting.push(Waiting::Event(Received { recv_ms: 9, what: dead }));
        let batches = batches(&waiting);
        let btc = &batches[&("upbit-ticker", partition_for_key(b"KRW-BTC", PARTITIONS))];
        let times: Vec<i64> = btc
            .iter()
            .filter(|record| record.key.as_deref() == Some(b"KRW-BTC"))
            .map(|record| record.timestamp_ms)
            .collect();
        assert_eq!(times, [0, 2]);
        assert_eq!(batches[&(DEAD_LETTER_TOPIC, 0)][0].value, "{");
        assert_eq!(batches.values().map(Vec::len).sum::<usize>(), 4);
    }
}
