//! What a partition remembers of idempotent producers: enough to append each of their batches once. Pure.
//!
//! Source: Kafka's `ProducerStateManager` and KIP-98: a batch follows its producer's last one without a gap, one of the last five again is a
//! duplicate, and an epoch never falls. The state is a function of the batches in the log, so a killed process has it back; sealed segments
//! keep it in their sidecar so that they need not be read.

use std::collections::{BTreeMap, VecDeque};

use crate::batch::BatchHeader;

/// How many batches a producer may have in flight, and so how many can come twice.
const WINDOW: usize = 5;
/// Beyond this the producer that has been quiet longest is forgotten; if it comes back, any sequence of it is taken, as by Kafka.
const MAX_PRODUCERS: usize = 5_000;
const FIXED_BYTES: usize = 8 + 2 + 1;
const RECENT_BYTES: usize = 4 + 4 + 8;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers(BTreeMap<i64, Producer>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    /// Oldest first, never empty.
    recent: VecDeque<Recent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recent {
    base_sequence: i32,
    last_sequence: i32,
    first_offset: i64,
}

/// What to do with a producer's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already, from this offset on.
    Duplicate {
        first_offset: i64,
    },
    OldEpoch {
        current: i16,
    },
    OutOfOrder {
        expected: i32,
    },
}

impl Producers {
    /// Judges a batch before it is appended. Batches without a producer id are always appended.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Verdict {
        let Some(producer) = self.0.get(&header.producer_id).filter(|_| header.producer_id >= 0) else {
            return Verdict::Append;
        };
        let Some(last) = producer.recent.back() else { return Verdict::Append };
        if header.producer_epoch < producer.epoch {
            return Verdict::OldEpoch { current: producer.epoch };
        }
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 { Verdict::Append } else { Verdict::OutOfOrder { expected: 0 } };
        }
        let same = |recent: &&Recent| {
            (recent.base_sequence, recent.last_sequence) == (header.base_sequence, last_sequence(header))
        };
        if let Some(found) = producer.recent.iter().find(same) {
            return Verdict::Duplicate { first_offset: found.first_offset };
        }
        let expected = last.last_sequence.checked_add(1).unwrap_or(0);
        if header.base_sequence == expected { Verdict::Append } else { Verdict::OutOfOrder { expected } }
    }

    /// Takes in a batch that is in the log, with its offset there.
    pub(crate) fn note(&mut self, header: &BatchHeader) {
        if header.producer_id < 0 {
            return;
        }
        let recent = Recent {
            base_sequence: header.base_sequence,
            last_sequence: last_sequence(header),
            first_offset: header.base_offset,
        };
        let producer = self
            .0
            .entry(header.producer_id)
            .or_insert_with(|| Producer { epoch: header.producer_epoch, recent: VecDeque::with_capacity(WINDOW) });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.recent.clear();
        }
        if producer.recent.len() == WINDOW {
            producer.recent.pop_front();
        }
        producer.recent.push_back(recent);
        if self.0.len() > MAX_PRODUCERS {
            let quiet = self.0.iter().min_by_key(|(_, producer)| producer.recent.back().map(|last| last.first_offset));
            if let Some(id) = quiet.map(|(id, _)| *id) {
                self.0.remove(&id);
            }
        }
    }

    /// Big endian: count u32 | id i64, epoch i16, batches u8 | first and last sequence i32, first offset i64 each.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.0.len() as u32).to_be_bytes());
        for (id, producer) in &self.0 {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&producer.epoch.to_be_bytes());
            out.push(producer.recent.len() as u8);
            for recent in &producer.recent {
                out.extend_from_slice(&recent.base_sequence.to_be_bytes());
                out.extend_from_slice(&recent.last_sequence.to_be_bytes());
                out.extend_from_slice(&recent.first_offset.to_be_bytes());
            }
        }
    }

    /// What `encode` wrote, all of it, or `None`.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Producers> {
        let (count, mut rest) = bytes.split_first_chunk::<4>()?;
        let mut all = BTreeMap::new();
        for _ in 0..u32::from_be_bytes(*count) {
            let (fixed, after) = rest.split_first_chunk::<FIXED_BYTES>()?;
            let (id, epoch) = (i64::from_be_bytes(*fixed.first_chunk()?), i16::from_be_bytes([fixed[8], fixed[9]]));
            let batches = usize::from(fixed[10]);
            if batches == 0 || batches > WINDOW {
                return None;
            }
            let (recents, after) = after.split_at_checked(batches * RECENT_BYTES)?;
            let recent = |bytes: &[u8; RECENT_BYTES]| {
                let number = |at: usize| i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
                let first_offset = i64::from_be_bytes(*bytes.last_chunk()?);
                Some(Recent { base_sequence: number(0), last_sequence: number(4), first_offset })
            };
            let recent = recents.as_chunks().0.iter().map(recent).collect::<Option<_>>()?;
            all.insert(id, Producer { epoch, recent });
            rest = after;
        }
        rest.is_empty().then_some(Producers(all))
    }
}

/// Sequences count records and begin again at 0 after the largest i32.
fn last_sequence(header: &BatchHeader) -> i32 {
    let last = i64::from(header.base_sequence) + i64::from(header.last_offset_delta);
    (last % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn batch(id: i64, epoch: i16, base_sequence: i32, count: i32, offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset: offset,
            size_bytes: 100,
            leader_epoch: 0,
            crc: 0,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp_ms: 0,
            max_timestamp_ms: 0,
            producer_id: id,
            producer_epoch: epoch,
            base_sequence,
            record_count: count as usize,
        }
    }

    #[test]
    fn each_batch_once_and_in_order() {
        let mut producers = Producers::default();
        assert_eq!(producers.judge(&batch(7, 0, 40, 2, 0)), Verdict::Append, "an unknown producer begins anywhere");
        for i in 0..6 {
            let next = batch(7, 0, i * 10, 10, i64::from(i) * 10 + 100);
            assert_eq!(producers.judge(&next), Verdict::Append);
            producers.note(&next);
        }
        for i in 1..6 {
            let again = batch(7, 0, i * 10, 10, 0);
            assert_eq!(
                producers.judge(&again),
                Verdict::Duplicate { first_offset: i64::from(i) * 10 + 100 },
                "one of the last five"
            );
        }
        assert_eq!(producers.judge(&batch(7, 0, 0, 10, 0)), Verdict::OutOfOrder { expected: 60 }, "older than five");
        assert_eq!(producers.judge(&batch(7, 0, 61, 1, 0)), Verdict::OutOfOrder { expected: 60 }, "a gap");
        assert_eq!(producers.judge(&batch(7, 0, 50, 9, 0)), Verdict::OutOfOrder { expected: 60 }, "another batch");
        assert_eq!(producers.judge(&batch(-1, -1, -1, 1, 0)), Verdict::Append, "not idempotent");
    }

    #[test]
    fn epochs_never_fall() {
        let mut producers = Producers::default();
        producers.note(&batch(7, 3, 0, 5, 0));
        assert_eq!(producers.judge(&batch(7, 2, 5, 1, 0)), Verdict::OldEpoch { current: 3 });
        assert_eq!(producers.judge(&batch(7, 4, 5, 1, 0)), Verdict::OutOfOrder { expected: 0 });
        assert_eq!(producers.judge(&batch(7, 4, 0, 1, 0)), Verdict::Append);
        producers.note(&batch(7, 4, 0, 1, 5));
        assert_eq!(producers.judge(&batch(7, 4, 1, 1, 0)), Verdict::Append);
    }

    #[test]
    fn sequences_wrap() {
        let mut producers = Producers::default();
        producers.note(&batch(7, 0, i32::MAX - 1, 4, 0));
        assert_eq!(producers.judge(&batch(7, 0, 2, 1, 0)), Verdict::Append);
        producers.note(&batch(7, 0, i32::MAX, 1, 10));
        assert_eq!(producers.judge(&batch(7, 0, 0, 1, 0)), Verdict::Append);
    }

    #[test]
    fn the_quietest_is_forgotten_first() {
        let mut producers = Producers::default();
        for id in 0..=MAX_PRODUCERS as i64 {
            producers.note(&batch(id, 0, 0, 1, if id == 3 { -1 } else { id }));
        }
        assert_eq!(producers.0.len(), MAX_PRODUCERS);
        assert!(!producers.0.contains_key(&3));
    }

    #[test]
    fn the_bytes_come_back_and_others_do_not() {
        let mut producers = Producers::default();
        for i in 0..40 {
            producers.note(&batch(i % 7, (i % 7) as i16, i as i32, 1, i));
        }
        for state in [Producers::default(), producers] {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            assert_eq!(Producers::decode(&bytes), Some(state));
            for cut in 0..bytes.len() {
                assert_eq!(Producers::decode(&bytes[..cut]), None, "cut at {cut}");
            }
            bytes.push(0);
            assert_eq!(Producers::decode(&bytes), None);
        }
    }
}
