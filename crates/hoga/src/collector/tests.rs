//! Frames in, records out: keys, partitions, each trade once, dead letters, and what a restart remembers.

use super::*;
use hoga_log::{MemoryLog, TopicSpec};
use hoga_upbit::gap::Cause;
use std::collections::HashSet;

const TRADE: &str = r#"{"type":"trade","code":"KRW-BTC","timestamp":1785395043831,"trade_timestamp":1785395043779,"trade_price":91361000.0,"trade_volume":0.01275549,"ask_bid":"ASK","sequential_id":17853950437790001,"stream_type":"REALTIME"}"#;

fn log() -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::default());
    for kind in StreamKind::ALL {
        log.create_topic(&TopicSpec::new(kind.topic(), PARTITIONS)).expect("a new topic");
    }
    log.create_topic(&TopicSpec::new(DEAD_LETTER_TOPIC, 1)).expect("a new topic");
    log.create_topic(&TopicSpec::new(GAP_TOPIC, PARTITIONS)).expect("a new topic");
    log.create_topic(&TopicSpec::new(MARKET_TOPIC, PARTITIONS)).expect("a new topic");
    log
}

fn collector(log: &Arc<MemoryLog>, trades: TradeIndex) -> Collector {
    Collector::new(log.clone(), trades, Ledger::default(), Arc::default())
}

fn records(log: &MemoryLog, topic: &str, partitions: u32) -> Vec<Record> {
    let fetch = |partition| log.fetch(topic, partition, 0, usize::MAX).expect("the topic exists").records;
    (0..partitions).flat_map(fetch).map(|stored| stored.record).collect()
}

fn listen(collector: &mut Collector, markets: &[&str]) {
    let markets = markets.iter().map(|code| Market::parse(code).expect("a code")).collect();
    collector.note(&Note::Listening(markets), 0).expect("the log has room");
}

fn lose(collector: &mut Collector, cause: Cause) {
    collector.note(&Note::Lost { cause, covered_ms: None }, 50).expect("the log has room");
}

fn accept(collector: &mut Collector, frame: &str) {
    collector.accept(&Bytes::copy_from_slice(frame.as_bytes()), 42).expect("the log has room");
    collector.flush().expect("the log has room");
}

#[test]
fn a_trade_is_logged_once_with_its_own_bytes() {
    let log = log();
    let mut collector = collector(&log, TradeIndex::default());
    accept(&mut collector, TRADE);
    accept(&mut collector, &TRADE.replace("REALTIME", "SNAPSHOT"));
    accept(&mut collector, &TRADE.replace("KRW-BTC", "KRW-ETH"));
    let trades = records(&log, "upbit-trade", PARTITIONS);
    let keys: HashSet<_> = trades.iter().filter_map(|record| record.key.clone()).collect();
    assert_eq!(keys, HashSet::from([Bytes::from("KRW-BTC"), Bytes::from("KRW-ETH")]));
    assert_eq!(trades.len(), 2);
    assert!(trades.iter().any(|record| record.value == TRADE && record.timestamp_ms == 42));
    assert_eq!(collector.stats.streams[StreamKind::Trade as usize].duplicates.get(), 1);
}

#[test]
fn what_cannot_be_read_is_a_letter_and_control_frames_are_counted() {
    let log = log();
    let mut collector = collector(&log, TradeIndex::default());
    accept(&mut collector, "{\"type\":\"trade\"");
    accept(&mut collector, "{\"status\":\"UP\"}");
    accept(&mut collector, "{\"error\":{\"name\":\"NO_TICKET\",\"message\":\"x\"}}");
    let letters = records(&log, DEAD_LETTER_TOPIC, 1);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value, "{\"type\":\"trade\"");
    assert_eq!(collector.stats.control.get(), 2);
}

#[test]
fn a_restart_remembers_trades_with_the_file_and_without() {
    let log = log();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trade-index.json");
    let mut first = collector(&log, trade_index::load(&path, &*log).expect("an empty log"));
    accept(&mut first, TRADE);
    TradeSaver::new(path.clone(), log.clone()).save(first.logged_trades().expect("nothing waits"));
    accept(&mut first, &TRADE.replace("17853950437790001", "17853950437790002"));

    for file in [Some(&path), None] {
        if file.is_none() {
            std::fs::remove_file(&path).expect("the saver wrote it");
        }
        let mut second = collector(&log, trade_index::load(&path, &*log).expect("a readable log"));
        accept(&mut second, TRADE);
        accept(&mut second, &TRADE.replace("17853950437790001", "17853950437790002"));
        assert_eq!(records(&log, "upbit-trade", PARTITIONS).len(), 2, "with file: {}", file.is_some());
    }
}

/// `trade 10.. disconnect Open`, the trade channel's changes in the topic.
fn trade_gaps(log: &MemoryLog) -> Vec<String> {
    let gaps = records(log, GAP_TOPIC, PARTITIONS);
    let gaps = gaps.iter().map(|record| Gap::from_json(&record.value).expect("a gap"));
    let trade = gaps.filter(|gap| gap.channel == StreamKind::Trade);
    let line = |gap: Gap| {
        format!(
            "{}..{} {} {:?}",
            gap.from_ms,
            gap.to_ms.map_or(String::new(), |ms| ms.to_string()),
            gap.cause,
            gap.state
        )
    };
    trade.map(line).collect()
}

#[test]
fn holes_are_in_the_topic_before_anything_else_and_a_restart_knows_them() {
    let log = log();
    let mut first = collector(&log, TradeIndex::default());
    listen(&mut first, &["KRW-BTC"]);
    accept(&mut first, TRADE);
    lose(&mut first, Cause::Stall);
    let gaps = trade_gaps(&log);
    assert!(gaps.len() == 2 && gaps[0].ends_with(" begin Pending") && gaps[1].ends_with(".. stall Open"), "{gaps:?}");
    drop(first);

    // killed: the gap is open, and the newest event was received at 42
    let (ledger, newest_ms) = gap_log::load(&*log).expect("a readable log");
    assert_eq!((newest_ms, ledger.counts()), (Some(42), (3, 1)));
    let mut second = Collector::new(log.clone(), TradeIndex::default(), ledger, Arc::default());
    second.restart(42, &Listings::default(), 60).expect("the log has room");
    assert_eq!(trade_gaps(&log).len(), 2, "the hole goes on");
    listen(&mut second, &["KRW-BTC"]);
    second.accept(&Bytes::from(TRADE.replace("790001", "790009")), 70).expect("the log has room");
    second.flush().expect("the log has room");
    assert!(trade_gaps(&log)[2].ends_with(" stall Pending"), "{:?}", trade_gaps(&log));
}

#[test]
fn repaired_trades_go_to_the_same_topic_once_and_ids_that_were_forgotten_are_found_there() {
    let log = log();
    let mut collector = collector(&log, TradeIndex::default());
    accept(&mut collector, TRADE);
    let past = |id: u64| {
        let mut messages = Vec::new();
        read_frame(
            &Bytes::from(TRADE.replace("17853950437790001", &id.to_string()).replace("REALTIME", "REST")),
            &mut messages,
        );
        let Some(Message::Event(event)) = messages.pop() else { panic!("an event") };
        PastTrade { sequential_id: id, executed_ms: id as i64, event }
    };
    let repaired = collector.repair(vec![past(17853950437790001), past(17853950437790002), past(7)], 99);
    assert_eq!(repaired.expect("the log has room"), [17853950437790002, 7]);
    let trades = records(&log, "upbit-trade", PARTITIONS);
    assert_eq!(trades.iter().map(|record| record.timestamp_ms).collect::<Vec<_>>(), [42, 99, 99]);
    accept(&mut collector, &TRADE.replace("17853950437790001", "17853950437790002"));
    assert_eq!(records(&log, "upbit-trade", PARTITIONS).len(), 3, "it came live after it was repaired");
    let market = Market::parse("KRW-BTC").expect("a code");
    let ids = |from_ms, id_max| gap_log::trade_ids(&*log, &market, from_ms, id_max).expect("a readable log");
    assert_eq!(ids(0, u64::MAX).len(), 3);
    assert_eq!(ids(50, u64::MAX), HashSet::from([17853950437790002, 7]));
    assert_eq!(ids(0, 100), HashSet::from([7]));
}

#[test]
fn the_list_of_markets_is_in_its_topic_and_a_delisting_ends_gaps() {
    let log = log();
    let mut collector = collector(&log, TradeIndex::default());
    let info = |code: &str| hoga_model::MarketInfo {
        market: Market::parse(code).expect("a code"),
        korean_name: "한".to_owned(),
        english_name: String::new(),
        warning: false,
        cautions: Vec::new(),
    };
    let both = [info("KRW-BTC"), info("KRW-ETH")];
    listen(&mut collector, &["KRW-BTC", "KRW-ETH"]);
    accept(&mut collector, TRADE);
    lose(&mut collector, Cause::Disconnect);
    let mut listings = listing_log::load(&*log).expect("an empty topic");
    for (list, now_ms) in [(&both[..], 60), (&both[1..], 70), (&both[1..], 80)] {
        let changes = listings.update(list, now_ms);
        collector.note(&Note::ListChanged(changes), now_ms).expect("the log has room");
    }
    assert_eq!(records(&log, MARKET_TOPIC, PARTITIONS).len(), 3);
    assert_eq!(listing_log::load(&*log).expect("a readable topic").listed().count(), 1);
    assert!(trade_gaps(&log)[2].ends_with(" disconnect Pending"), "{:?}", trade_gaps(&log));
}
