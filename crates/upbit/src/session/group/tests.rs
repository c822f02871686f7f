//! What a group makes of frames, losses and ages, in paused time and without a socket.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// What the handler was told, in order.
#[derive(Default)]
struct Notes(Vec<String>);

impl Handler for Notes {
    fn on_frame(&mut self, frame: Bytes, _recv_ms: i64) -> Result<(), BoxError> {
        self.0.push(String::from_utf8_lossy(&frame).into_owned());
        Ok(())
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn on_state(&mut self, state: SessionState) {
        self.0.push(state.to_string());
    }
}

fn subscription(codes: &[&str]) -> Subscription {
    Subscription::all_streams(codes.iter().map(|code| Market::parse(code).unwrap()).collect())
}

fn group(notes: &mut Notes, connections: usize, age_max_s: Option<u64>) -> Group<'_> {
    let asked = Arc::new(subscription(&["KRW-BTC", "KRW-ETH"]));
    Group::new(notes, Arc::default(), connections, age_max_s.map(Duration::from_secs), asked)
}

/// The lane's connection stands and has brought the first of every market.
fn settle(group: &mut Group<'_>, lane: usize, at_ms: i64) {
    let asked = group.subscription();
    group.opened(lane, &asked);
    hear(group, lane, at_ms);
    group.lanes[lane].line.note_settled(at_ms, true);
    group.look_at(lane);
}

fn hear(group: &Group<'_>, lane: usize, at_ms: i64) {
    group.lanes[lane].line.note_heard(at_ms);
    group.lanes[lane].line.note_data(at_ms);
}

fn frame(kind: &str, code: &str, timestamp: i64, stream_type: &str) -> Bytes {
    let id = if kind == "trade" { format!(",\"sequential_id\":{timestamp}") } else { String::new() };
    format!(r#"{{"type":"{kind}","code":"{code}","timestamp":{timestamp}{id},"stream_type":"{stream_type}"}}"#).into()
}

#[tokio::test(start_paused = true)]
async fn a_single_connection_hands_over_whatever_comes() {
    let mut notes = Notes::default();
    let mut group = group(&mut notes, 1, None);
    group.start(&CancellationToken::new());
    settle(&mut group, 0, 10);
    for _ in 0..2 {
        assert!(group.is_new(0, &frame("ticker", "KRW-BTC", 5, "SNAPSHOT"), 10));
    }
    assert!(group.overlap.is_empty(), "nothing is kept");
    group.lost(0, Loss::Disconnect, "gone".to_owned(), 200);
    assert_eq!(notes.0, ["the connection was lost: gone; next try in 200 ms"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_connections_one_may_be_lost() {
    let mut notes = Notes::default();
    let mut group = group(&mut notes, 2, None);
    assert_eq!(group.start(&CancellationToken::new()).len(), 2);
    settle(&mut group, 0, 10);
    settle(&mut group, 1, 20);
    assert!(group.is_new(0, &frame("ticker", "KRW-BTC", 30, "REALTIME"), 30));
    assert!(!group.is_new(1, &frame("ticker", "KRW-BTC", 30, "REALTIME"), 30));
    hear(&group, 0, 90);
    group.lost(1, Loss::Stall, "stalled".to_owned(), 200);
    // what the other one brings while this one comes back is not brought again
    assert!(group.is_new(0, &frame("orderbook", "KRW-ETH", 95, "REALTIME"), 95));
    let asked = group.subscription();
    group.opened(1, &asked);
    assert!(!group.is_new(1, &frame("orderbook", "KRW-ETH", 95, "SNAPSHOT"), 100), "the other one has brought it");
    assert!(group.is_new(1, &frame("trade", "KRW-ETH", 7, "SNAPSHOT"), 100), "trades are known by their ids");
    settle(&mut group, 1, 100);
    // nothing came on the first since 95: between 95 and 100 there is a hole
    hear(&group, 0, 95);
    group.lost(0, Loss::Silence, "dead".to_owned(), 300);
    hear(&group, 1, 400);
    group.lost(1, Loss::Disconnect, "gone".to_owned(), 300);
    assert_eq!(
        notes.0,
        [
            "one of the connections is lost: stalled; others go on: 1; next try in 200 ms",
            "one of the connections is lost: dead; others go on: 1, but nothing came for 5 ms; next try in 300 ms",
            "the connection was lost: gone; next try in 300 ms"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn connections_are_renewed_in_turn_the_new_one_first() {
    let mut notes = Notes::default();
    let mut group = group(&mut notes, 2, Some(100));
    let cancel = CancellationToken::new();
    let retire: Vec<_> = group.start(&cancel).into_iter().map(|start| start.retire).collect();
    settle(&mut group, 0, 1);
    settle(&mut group, 1, 1);
    tokio::time::advance(Duration::from_secs(49)).await;
    assert!(group.step(&cancel).is_none());
    tokio::time::advance(Duration::from_secs(2)).await;
    let new = group.step(&cancel).expect("half of the age of the first is over").lane;
    assert_eq!(new, 2);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(group.step(&cancel).is_none(), "one at a time");
    settle(&mut group, new, 60_000);
    assert!(!group.is_new(new, &frame("ticker", "KRW-BTC", 5, "SNAPSHOT"), 60_000));
    hear(&group, 0, 60_000 + OVERLAP_MS - 1);
    assert!(group.step(&cancel).is_none() && !retire[0].is_cancelled());
    hear(&group, 0, 60_000 + OVERLAP_MS);
    assert!(group.step(&cancel).is_none() && retire[0].is_cancelled() && !retire[1].is_cancelled());
    group.released(0);
    assert_eq!(group.stats.settled.load(Ordering::Relaxed), 2);
    let next = group.step(&cancel).expect("the second one's turn");
    assert_eq!((next.lane, group.renewal), (0, Some((1, 0))));
    assert!(notes.0.is_empty(), "nobody hears of it: {:?}", notes.0);
}

#[tokio::test(start_paused = true)]
async fn the_only_connection_is_renewed_too_and_repeats_nothing() {
    let mut notes = Notes::default();
    let mut group = group(&mut notes, 1, Some(10));
    let cancel = CancellationToken::new();
    group.start(&cancel);
    settle(&mut group, 0, 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    let new = group.step(&cancel).unwrap().lane;
    assert!(group.is_new(0, &frame("ticker", "KRW-BTC", 1, "REALTIME"), 1));
    let asked = group.subscription();
    group.opened(new, &asked);
    for lane in [0, new] {
        assert_eq!(group.is_new(lane, &frame("ticker", "KRW-BTC", 2, "REALTIME"), 2), lane == 0);
    }
    // the old one is ahead when it ends
    assert!(group.is_new(0, &frame("ticker", "KRW-BTC", 3, "REALTIME"), 3));
    settle(&mut group, new, 5);
    hear(&group, 0, 5 + OVERLAP_MS);
    assert!(group.step(&cancel).is_none());
    group.released(0);
    assert!(!group.is_new(new, &frame("ticker", "KRW-BTC", 3, "REALTIME"), 6));
    assert!(group.is_new(new, &frame("ticker", "KRW-BTC", 4, "REALTIME"), 6));
    assert!(group.overlap.is_idle(true), "alone again");
    assert!(notes.0.is_empty(), "{:?}", notes.0);
}

#[tokio::test(start_paused = true)]
async fn another_subscription_renews_every_connection_and_its_new_market_is_heard() {
    let mut notes = Notes::default();
    let mut group = group(&mut notes, 1, None);
    let cancel = CancellationToken::new();
    group.start(&cancel);
    settle(&mut group, 0, 1);
    assert!(group.step(&cancel).is_none());
    group.resubscribe(subscription(&["KRW-BTC", "KRW-NEW"]));
    let new = group.step(&cancel).unwrap().lane;
    let asked = group.subscription();
    group.opened(new, &asked);
    assert!(group.is_new(new, &frame("ticker", "KRW-NEW", 1, "SNAPSHOT"), 2));
    assert!(!group.is_new(new, &frame("ticker", "KRW-BTC", 1, "SNAPSHOT"), 2));
    settle(&mut group, new, 2);
    hear(&group, 0, 2 + OVERLAP_MS);
    assert!(group.step(&cancel).is_none());
    group.released(0);
    assert!(group.step(&cancel).is_none(), "it asks for what it should");
}

#[tokio::test(start_paused = true)]
async fn a_market_is_silent_when_it_is_on_every_connection() {
    let mut notes = Notes::default();
    let mut group = group(&mut notes, 2, None);
    group.start(&CancellationToken::new());
    settle(&mut group, 0, 1);
    settle(&mut group, 1, 1);
    let eth = vec![Market::parse("KRW-ETH").unwrap()];
    group.silent(1, eth.clone());
    assert!(group.told_silent.is_empty());
    assert!(group.is_new(0, &frame("orderbook", "KRW-ETH", 1, "SNAPSHOT"), 2), "the other one does not have it");
    group.silent(0, eth.clone());
    assert_eq!(group.told_silent, eth);
    group.silent(0, eth);
    assert_eq!(notes.0.len(), 1, "once: {:?}", notes.0);
}

#[tokio::test(start_paused = true)]
async fn connects_are_spread_and_an_angry_exchange_is_left_alone() {
    let mut notes = Notes::default();
    let mut group = group(&mut notes, 5, None);
    let waits: Vec<u128> = (0..5).map(|_| group.connect_wait().as_millis()).collect();
    assert_eq!(waits, [0, 200, 400, 600, 800]);
    group.limited(Duration::from_secs(60));
    assert_eq!(group.connect_wait(), Duration::from_secs(60));
}
