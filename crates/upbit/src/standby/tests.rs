//! What counts as the same, what a window forgets, and take-overs at random moments: nothing lost, nothing twice.

use super::*;
use crate::frame::{Message, read_frame};
use crate::sim::rng::Rng;
use std::collections::BTreeMap;

const SKEW_MAX_MS: i64 = 8_000;

fn what(text: &str) -> What {
    let mut messages = Vec::new();
    read_frame(&Bytes::copy_from_slice(text.as_bytes()), &mut messages);
    match messages.pop() {
        Some(Message::Event(event)) => What::Event(event),
        Some(Message::Dead { value, reason }) => What::Dead { value, reason },
        other => unreachable!("{other:?}"),
    }
}

fn trade(market: usize, id: u64, at_ms: i64, stream: &str) -> What {
    what(&format!(
        r#"{{"type":"trade","code":"KRW-M{market}","timestamp":{at_ms},"trade_timestamp":{at_ms},"trade_price":1.0,"trade_volume":1.0,"ask_bid":"ASK","sequential_id":{id},"stream_type":"{stream}"}}"#
    ))
}

fn ticker(market: usize, price: u64, at_ms: i64, stream: &str) -> What {
    what(&format!(
        r#"{{"type":"ticker","code":"KRW-M{market}","trade_price":{price}.0,"timestamp":{at_ms},"stream_type":"{stream}"}}"#
    ))
}

fn received(recv_ms: i64, what: What) -> Received {
    Received { recv_ms, what }
}

#[test]
fn the_same_is_known_whatever_connection_it_came_by() {
    let mut written = Written::since(0);
    for known in [trade(1, 7, 10, "REALTIME"), ticker(1, 5, 10, "REALTIME"), what("{\"type\":")] {
        written.note(&known);
    }
    for (candidate, want) in [
        (trade(1, 7, 10, "SNAPSHOT"), Verdict::Known),
        (trade(2, 7, 10, "REALTIME"), Verdict::Write),
        (trade(2, 7, 10, "REALTIME"), Verdict::Known),
        (ticker(1, 5, 10, "SNAPSHOT"), Verdict::Known),
        (ticker(1, 6, 10, "REALTIME"), Verdict::Write),
        (ticker(1, 5, 11, "REALTIME"), Verdict::Write),
        (ticker(2, 5, 10, "REALTIME"), Verdict::Write),
        (what("{\"type\":"), Verdict::Known),
        (what("{\"typ\":"), Verdict::Write),
    ] {
        assert_eq!(written.admit(&candidate), want, "{candidate:?}");
    }
}

#[test]
fn an_old_snapshot_is_known_if_the_market_went_on_since() {
    let mut written = Written::since(1_000);
    written.note(&ticker(1, 5, 400, "REALTIME"));
    let market = Market::parse("KRW-M2").expect("a code");
    written.note_newest(StreamKind::Ticker, &market, 300);
    assert_eq!(written.admit(&ticker(1, 9, 400, "SNAPSHOT")), Verdict::Known);
    assert_eq!(written.admit(&ticker(2, 9, 300, "SNAPSHOT")), Verdict::Known);
    assert_eq!(written.admit(&ticker(2, 9, 301, "SNAPSHOT")), Verdict::Write);
    assert_eq!(written.admit(&ticker(3, 9, 10, "SNAPSHOT")), Verdict::Write, "nobody ever wrote that market");
    written.forget_tail();
    assert_eq!(written.admit_live(&ticker(3, 9, 10, "SNAPSHOT")), Verdict::Known);
    assert_eq!(written.admit_live(&ticker(3, 9, 10, "REALTIME")), Verdict::Write);
}

#[test]
fn a_busy_market_has_more_trades_in_the_window_than_the_index_keeps() {
    let mut written = Written::since(0);
    let trades: Vec<What> = (0..3_000).map(|id| trade(1, id, 10, "REALTIME")).collect();
    trades.iter().for_each(|known| written.note(known));
    assert!(trades.iter().all(|known| written.admit(known) == Verdict::Known));
}

#[test]
fn a_window_has_a_length_a_size_and_an_order() {
    let mut window = Window::default();
    for second in 0..100 {
        window.push(received(second * 1_000, ticker(1, 1, second, "REALTIME")));
    }
    window.forget_old(100_000);
    assert_eq!(window.iter().next().map(|oldest| oldest.recv_ms), Some(40_000));
    assert_eq!(window.overflowed(), 0);
    let taken = window.take();
    assert_eq!((taken.len(), window.len(), window.bytes), (60, 0, 0));
    window.push(received(101_000, ticker(1, 1, 0, "REALTIME")));
    window.push_front_all(taken);
    let times: Vec<i64> = window.iter().map(|received| received.recv_ms).collect();
    assert!(times.is_sorted() && times.len() == 61);

    let mut window = Window::default();
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    for at in 0..70 {
        window.push(received(at, What::Dead { value: large.clone(), reason: String::new() }));
    }
    assert!(window.bytes <= WINDOW_BYTES_MAX && window.len() == 63 && window.overflowed() == 7);
}

#[test]
fn the_topics_are_read_as_far_back_as_something_was_published() {
    let mut window = Window::default();
    assert_eq!(window.published_from_ms(1_000), None);
    window.push(received(50_000, ticker(1, 1, 5, "SNAPSHOT")));
    window.push(received(50_001, ticker(1, 1, 49_500, "REALTIME")));
    assert_eq!(window.published_from_ms(1_000), Some(49_500));
    window.push(received(50_002, ticker(1, 1, 7, "REALTIME")));
    assert_eq!(
        window.published_from_ms(1_000),
        Some(49_000),
        "one that came very late does not make it read for hours"
    );
}

/// Leaders die at random moments, having written any prefix of what they received; connections deliver with delays of their own, come and
/// go with snapshots. After each take-over the topics hold everything that was made, once.
#[test]
fn take_overs_at_random_moments_lose_nothing_and_repeat_nothing() {
    for seed in 0..200 {
        simulate(seed);
    }
}

fn simulate(seed: u64) {
    let mut random = Rng::new(seed, 0);
    let mut topics: Vec<Received> = Vec::new();
    let mut made: Vec<What> = Vec::new();
    let mut newest: BTreeMap<usize, What> = BTreeMap::new();
    // who leads has written `topics`; the other has this
    let mut window = Window::default();
    let mut leader = Written::since(0);
    leader.forget_tail();
    let mut unwritten: VecDeque<Received> = VecDeque::new();
    let mut now_ms = 1_000_000;
    // by which the leader's clock is wrong
    let mut skew_ms = 0;
    for step in 0..400_u64 {
        now_ms += random.below(200) as i64;
        let market = random.below(4) as usize;
        let event = match random.below(3) {
            0 => trade(market, step, now_ms, "REALTIME"),
            _ => ticker(market, random.below(3), now_ms, "REALTIME"),
        };
        // what was made is what a reader of the topics should find
        let is_again = made.iter().rev().take(8).any(|known| *known == event);
        if is_again {
            continue;
        }
        if matches!(&event, What::Event(event) if event.sequential_id.is_none()) {
            newest.insert(market, event.clone());
        }
        made.push(event.clone());
        window.push(received(now_ms + random.below(50) as i64, event.clone()));
        unwritten.push_back(received(now_ms + random.below(50) as i64 + skew_ms, event));
        // the leader writes some of what waits, in order
        for _ in 0..random.below(3) {
            let Some(next) = unwritten.pop_front() else { break };
            if leader.admit_live(&next.what) == Verdict::Write {
                topics.push(next);
            }
        }
        window.forget_old(now_ms);
        if random.below(40) == 0 {
            // the standby connects anew: it hears each market's last ticker again
            for snapshot in newest.values() {
                window.push(received(now_ms, as_snapshot(snapshot)));
            }
        }
        if random.below(60) == 0 {
            take_over(&mut topics, &mut window, &mut leader, &mut unwritten);
            skew_ms = random.range(-SKEW_MAX_MS, SKEW_MAX_MS);
        }
    }
    take_over(&mut topics, &mut window, &mut leader, &mut unwritten);
    let mut found: Vec<u64> = topics.iter().map(|received| key(&received.what)).collect();
    let mut want: Vec<u64> = made.iter().map(key).collect();
    found.sort_unstable();
    want.sort_unstable();
    assert_eq!(found.len(), want.len(), "seed {seed}");
    assert_eq!(found, want, "seed {seed}");
}

/// The leader dies with what it had not written; the standby compares and leads. A new standby hears everything from now on.
fn take_over(
    topics: &mut Vec<Received>,
    window: &mut Window,
    leader: &mut Written,
    unwritten: &mut VecDeque<Received>,
) {
    let from_ms = window.published_from_ms(300_000).unwrap_or(0);
    let mut written = Written::since(from_ms);
    for known in topics.iter() {
        match &known.what {
            What::Event(event) if event.sequential_id.is_none() && known.recv_ms < from_ms - SKEW_MAX_MS => {
                written.note_newest(event.kind, &event.market, event.timestamp_ms);
            }
            what => written.note(what),
        }
    }
    let taken = window.take();
    for candidate in &taken {
        if written.admit(&candidate.what) == Verdict::Write {
            topics.push(candidate.clone());
        }
    }
    written.forget_tail();
    *leader = written;
    unwritten.clear();
}

fn as_snapshot(what: &What) -> What {
    match what {
        What::Event(event) => {
            let text = String::from_utf8_lossy(&event.value).replace("REALTIME", "SNAPSHOT");
            super::tests::what(&text)
        }
        other => other.clone(),
    }
}

fn key(what: &What) -> u64 {
    match what {
        What::Event(event) => match event.sequential_id {
            Some(id) => (id << 8) ^ 1,
            None => fingerprint(what),
        },
        What::Dead { .. } => fingerprint(what),
    }
}
