//! Clients, their queues, and who is sent what.

use super::*;
use crate::sim::SimFault;
use crate::sim::request::{Request, parse};
use serde_json::Value;

const NOON_MS: i64 = 1_785_412_800_000;

fn hub(faults: &[&str]) -> Hub {
    let faults = faults.iter().map(|text| text.parse::<SimFault>().expect("a fault")).collect();
    let config = SimConfig { markets: 10, rate: 1_000.0, faults, ..SimConfig::default() };
    Hub::new(&config, NOON_MS).expect("a hub without a truth file")
}

fn subscribe(hub: &mut Hub, client: u64, parts: &str) {
    let text = format!("[{{\"ticket\":\"t\"}},{parts}]");
    let Ok(Request::Subscribe(subscription)) = parse(text.as_bytes()) else { panic!("{text} is no subscription") };
    hub.subscribe(client, subscription, NOON_MS);
}

fn tick_for(hub: &mut Hub, from_ms: i64, to_ms: i64) {
    for at_ms in (from_ms..=to_ms).step_by(100) {
        while hub.tick(NOON_MS + at_ms).expect("no truth file to fail").is_behind {}
    }
}

fn frames(inbox: &mut Inbox) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while let Ok(Out::Frame(frame)) = inbox.receiver.try_recv() {
        inbox.queued_bytes.fetch_sub(frame.len(), Ordering::AcqRel);
        frames.push(frame);
    }
    frames
}

fn values(inbox: &mut Inbox) -> Vec<Value> {
    frames(inbox).iter().filter_map(|frame| serde_json::from_slice(frame).ok()).collect()
}

#[test]
fn the_exchange_opens_with_the_first_known_code() {
    let mut hub = hub(&[]);
    let mut inbox = hub.join().expect("room");
    tick_for(&mut hub, 0, 1_000);
    subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["krw-btc","KRW-NOPE"]}"#);
    tick_for(&mut hub, 1_100, 2_000);
    assert_eq!(hub.stats().events(), 0);
    subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]},{"type":"ticker","codes":["KRW-BTC"]}"#);
    // no trade yet: the ticker alone has a snapshot
    let snapshots = values(&mut inbox);
    assert_eq!(snapshots.iter().map(|v| &v["type"]).collect::<Vec<_>>(), ["ticker"]);
    assert_eq!(snapshots[0]["stream_type"], "SNAPSHOT");
    tick_for(&mut hub, 0, 2_000);
    assert_eq!(hub.stats().events(), 2_000);
    let live = values(&mut inbox);
    assert!(live.iter().all(|v| v["code"] == "KRW-BTC" && v["stream_type"] == "REALTIME"));
    assert!(live.iter().any(|v| v["type"] == "trade") && live.iter().all(|v| v["type"] != "orderbook"));
}

#[test]
fn a_later_subscription_replaces_the_first_and_begins_with_snapshots() {
    let mut hub = hub(&[]);
    let mut inbox = hub.join().expect("room");
    subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC","KRW-ETH"]}"#);
    tick_for(&mut hub, 0, 3_000);
    frames(&mut inbox);
    let parts = r#"{"type":"trade","codes":["KRW-ETH"],"is_only_snapshot":true},
        {"type":"orderbook","codes":["KRW-XRP.5"],"isOnlyRealtime":true},{"format":"SIMPLE_LIST"}"#;
    subscribe(&mut hub, inbox.client, parts);
    let snapshots = values(&mut inbox);
    assert_eq!(snapshots.len(), 1);
    assert_eq!((&snapshots[0][0]["cd"], &snapshots[0][0]["st"]), (&"KRW-ETH".into(), &"SNAPSHOT".into()));
    tick_for(&mut hub, 3_100, 5_000);
    let live = values(&mut inbox);
    assert!(!live.is_empty());
    for frame in live {
        assert_eq!((&frame[0]["ty"], &frame[0]["cd"]), (&"orderbook".into(), &"KRW-XRP".into()));
        assert_eq!(frame[0]["obu"].as_array().map(Vec::len), Some(5));
    }
    hub.list_subscriptions(inbox.client, "mine");
    let answer = &values(&mut inbox)[0];
    assert_eq!((&answer["mthd"], &answer["rslt"][1]["cds"][0]), (&"LIST_SUBSCRIPTIONS".into(), &"KRW-XRP.5".into()));
}

#[test]
fn many_snapshots_share_the_frames_of_a_list_format() {
    let mut hub = hub(&[]);
    let mut inbox = hub.join().expect("room");
    let codes: Vec<String> = hub.listings.iter().map(|listing| listing.info.market.to_string()).collect();
    let parts = format!("{{\"type\":\"ticker\",\"codes\":{}}},{{\"format\":\"JSON_LIST\"}}", serde_json::json!(codes));
    subscribe(&mut hub, inbox.client, &parts);
    let frames = values(&mut inbox);
    assert_eq!(frames.iter().map(|frame| frame.as_array().map(Vec::len)).collect::<Vec<_>>(), [Some(10)]);
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_nobody_else() {
    let mut hub = hub(&[]);
    hub.queue_bytes_max = 1_500_000;
    let (slow, mut fast) = (hub.join().expect("room"), hub.join().expect("room"));
    for client in [slow.client, fast.client] {
        subscribe(&mut hub, client, r#"{"type":"orderbook","codes":["KRW-BTC","KRW-ETH"]}"#);
    }
    for second in 0..10 {
        tick_for(&mut hub, second * 1_000, second * 1_000 + 900);
        frames(&mut fast);
    }
    assert!(slow.dropped.is_cancelled() && !fast.dropped.is_cancelled());
    assert_eq!((hub.stats().clients, hub.stats().clients_overflowed), (1, 1));
}

#[test]
fn faults_add_frames_and_never_take_one() {
    let mut counts = Vec::new();
    for faults in [&[][..], &["malformed=0.1", "duplicate=0.1", "unknown=0.2"]] {
        let mut hub = hub(faults);
        let mut inbox = hub.join().expect("room");
        subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC","KRW-ETH"]}"#);
        tick_for(&mut hub, 0, 20_000);
        let frames = frames(&mut inbox);
        let values: Vec<Value> = frames.iter().filter_map(|frame| serde_json::from_slice(frame).ok()).collect();
        let trades = values.iter().filter_map(|v| Some((v["code"].to_string(), v["sequential_id"].as_u64()?)));
        let mut ids: Vec<(String, u64)> = trades.collect();
        let trade_frames = ids.len();
        ids.sort_unstable();
        ids.dedup();
        counts.push((ids, trade_frames, frames.len()));
        let has_new_field = values.iter().any(|v| v.get("sim_new_field").is_some());
        let has_new_type = values.iter().any(|v| v["type"] == "indicator");
        assert_eq!((has_new_field, has_new_type), (!faults.is_empty(), !faults.is_empty()));
    }
    assert_eq!(counts[0].0, counts[1].0, "the same trades with and without faults");
    assert_eq!(counts[0].0.len(), counts[0].1);
    assert!(counts[1].1 > counts[1].0.len() && counts[1].2 > counts[1].1);
}

#[test]
fn sockets_are_dropped_on_time_and_silence_stops_everything() {
    let mut dropping = hub(&["disconnect=2"]);
    let inbox = dropping.join().expect("room");
    subscribe(&mut dropping, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
    tick_for(&mut dropping, 0, 1_900);
    assert!(!inbox.dropped.is_cancelled());
    tick_for(&mut dropping, 2_000, 2_000);
    assert!(inbox.dropped.is_cancelled() && dropping.stats().clients == 0);

    let mut silent = hub(&["silence=3"]);
    let inbox = silent.join().expect("room");
    subscribe(&mut silent, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
    tick_for(&mut silent, 0, 10_000);
    let before = silent.stats().events();
    tick_for(&mut silent, 10_100, 12_900);
    assert_eq!(silent.stats().events(), before);
    assert!(silent.tick(NOON_MS + 12_950).expect("no truth file").is_silent);
    tick_for(&mut silent, 13_000, 14_000);
    assert!(silent.stats().events() > before);
}

#[test]
fn late_trades_are_late_and_in_order_of_publication_all_the_same() {
    let mut hub = hub(&["late=0.2"]);
    let mut inbox = hub.join().expect("room");
    subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
    tick_for(&mut hub, 0, 30_000);
    let trades = values(&mut inbox);
    let number = |value: &Value, name: &str| value[name].as_i64().unwrap_or(0);
    let lates = trades.iter().filter(|v| number(v, "timestamp") - number(v, "trade_timestamp") > 1_100).count();
    assert!(lates * 10 > trades.len() && lates * 3 < trades.len(), "{lates} of {}", trades.len());
    assert!(trades.windows(2).all(|pair| number(&pair[0], "timestamp") <= number(&pair[1], "timestamp")));
}

#[test]
fn the_duration_ends_the_events_at_their_exact_number() {
    let mut hub = hub(&[]);
    hub.duration_ms = Some(2_500);
    let inbox = hub.join().expect("room");
    subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
    tick_for(&mut hub, 0, 9_000);
    assert_eq!((hub.stats().events(), hub.stats().is_over), (2_500, true));
}

/// Frames of 20 s, one market, with these faults; and the hub.
fn heard(faults: &[&str]) -> (Vec<Value>, Hub) {
    let mut hub = hub(faults);
    let mut inbox = hub.join().expect("room");
    subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
    tick_for(&mut hub, 0, 20_000);
    hub.release_held(i64::MAX);
    (values(&mut inbox), hub)
}

fn ids(values: &[Value]) -> Vec<u64> {
    values.iter().filter_map(|value| value["sequential_id"].as_u64()).collect()
}

#[test]
fn frames_are_lost_cut_held_back_and_written_oddly_while_the_trades_stay_the_same() {
    let (all, _) = heard(&[]);
    let all = ids(&all);
    assert!(all.len() > 300);
    for fault in ["lost=0.1", "truncated=0.1", "garbled=0.1", "stall=2:4"] {
        let (values, hub) = heard(&[fault]);
        let some = ids(&values);
        assert!(
            some.len() < all.len() && some.iter().all(|id| all.contains(id)),
            "{fault}: {} of {}",
            some.len(),
            all.len()
        );
        let history: Vec<u64> =
            hub.exchange.history(0).into_iter().flat_map(|h| h.trades(0, u64::MAX)).map(|t| t.sequential_id).collect();
        assert!(all.iter().all(|id| history.contains(id)), "{fault}: REST has them all");
    }
    let (values, _) = heard(&["reorder=0.3"]);
    let mut reordered = ids(&values);
    assert_ne!(reordered, all);
    reordered.sort_unstable();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(reordered, sorted, "held back, never lost");
    let (values, _) = heard(&["microseconds=0.5", "spelling=0.5"]);
    assert_eq!(ids(&values), all);
    let (values, _) = heard(&["text=1"]);
    assert!(values.iter().all(|value| value["trade_price"].is_string() && value["sequential_id"].is_string()));
}

#[test]
fn sockets_are_closed_or_told_of_an_error() {
    for (fault, is_error) in [("close=2", false), ("error=2", true)] {
        let mut hub = hub(&[fault]);
        let mut inbox = hub.join().expect("room");
        subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
        tick_for(&mut hub, 0, 2_500);
        let mut last = None;
        while let Ok(out) = inbox.receiver.try_recv() {
            last = Some(out);
        }
        match last {
            Some(Out::Fail(frame)) => assert!(is_error && frame.starts_with(b"{\"error\":"), "{frame:?}"),
            other => assert!(!is_error && matches!(other, Some(Out::Close)), "{other:?}"),
        }
        assert_eq!(hub.stats().clients, 0);
    }
}

#[test]
fn a_surge_has_twenty_times_the_rate_a_delisted_market_none_and_the_clock_jumps() {
    let (_, surging) = heard(&["surge=5:5"]);
    let (_, plain) = heard(&[]);
    let factor = surging.stats().events() as f64 / plain.stats().events() as f64;
    assert!((8.0..12.0).contains(&factor), "half of the time twenty times the rate: {factor}");

    let mut hub = hub(&["listing=1"]);
    let inbox = hub.join().expect("room");
    subscribe(&mut hub, inbox.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
    tick_for(&mut hub, 0, 1_100);
    let gone = hub.delisted.expect("a market has left");
    let code = hub.listings[gone].info.market.to_string();
    assert_eq!((hub.index_of(&code), hub.is_listed(gone), hub.index_of("KRW-BTC")), (None, false, Some(0)));
    tick_for(&mut hub, 1_200, 2_100);
    assert_eq!(hub.index_of(&code), Some(gone));

    let (values, hub) = heard(&["clock=5:4"]);
    let published = |value: &Value| value["timestamp"].as_i64().unwrap_or(0);
    let steps: Vec<i64> = values.windows(2).map(|pair| published(&pair[1]) - published(&pair[0])).collect();
    assert!(steps.iter().all(|step| *step >= 0) && steps.iter().any(|step| *step > 4_500), "{steps:?}");
    assert_eq!(hub.clock_ahead_ms, 5_000, "ahead at 4, back at 8, ahead at 12, back at 16, ahead at 20");
}

/// What the schedule chose in ten minutes, with so many clients that listen and REST calls beside them.
fn chosen(faults: &[&str], clients: usize, calls: usize) -> Vec<(i64, Vec<Timed>, Option<usize>, i64)> {
    let mut hub = hub(faults);
    hub.rate = 20.0;
    let first = hub.join().expect("room");
    subscribe(&mut hub, first.client, r#"{"type":"trade","codes":["KRW-BTC"]}"#);
    let mut moments = Vec::new();
    for at_ms in (0..600_000).step_by(500) {
        for _ in 0..clients {
            if let Some(inbox) = hub.join() {
                subscribe(
                    &mut hub,
                    inbox.client,
                    r#"{"type":"ticker","codes":["KRW-BTC","KRW-ETH"]},{"type":"trade","codes":["KRW-BTC"]}"#,
                );
            }
        }
        for _ in 0..calls {
            hub.limits_call();
        }
        while hub.tick(NOON_MS + at_ms).expect("no truth file to fail").is_behind {}
        let all = [Timed::Silence, Timed::Stall, Timed::Outage, Timed::Block, Timed::Surge];
        let lasting = all.into_iter().filter(|what| hub.schedule.has(*what)).collect();
        moments.push((at_ms, lasting, hub.delisted, hub.clock_ahead_ms));
    }
    moments
}

#[test]
fn a_seed_has_the_same_faults_whoever_listens_and_asks() {
    let faults =
        ["any=7", "any=11", "listing=13", "late=0.01", "lost=0.05", "malformed=0.05", "garbled=0.05", "limit=0.2"];
    let alone = chosen(&faults, 0, 0);
    assert!(
        alone.iter().any(|(_, lasting, ..)| !lasting.is_empty())
            && alone.iter().any(|(_, _, delisted, _)| delisted.is_some())
    );
    assert_eq!(alone, chosen(&faults, 1, 3));
}
