//! Each hole is opened once, ended once and settled once, whenever the process dies.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn market(code: &str) -> Market {
    Market::parse(code).unwrap()
}

/// `KRW-BTC trade 10..20 disconnect pending 0`, a gap a line.
fn lines(gaps: &[Gap]) -> Vec<String> {
    let line = |gap: &Gap| {
        let to = gap.to_ms.map_or(String::new(), |to_ms| to_ms.to_string());
        let state = format!("{:?}", gap.state).to_lowercase();
        format!(
            "{} {} {}..{to} {} {state} {}",
            gap.market,
            gap.channel.as_str(),
            gap.from_ms,
            gap.cause,
            gap.trades_repaired
        )
    };
    gaps.iter().map(line).collect()
}

fn lost(from_ms: i64) -> Lost {
    Lost { cause: Cause::Disconnect, from_ms }
}

#[test]
fn a_gap_from_its_opening_to_its_end() {
    let btc = market("KRW-BTC");
    let mut ledger = Ledger::default();
    ledger.listen(std::slice::from_ref(&btc));
    assert_eq!(
        lines(&ledger.heard(&btc, 5)),
        [
            "KRW-BTC ticker 5..5 begin begin 0",
            "KRW-BTC trade 5..5 begin pending 0",
            "KRW-BTC orderbook 5..5 begin begin 0"
        ]
    );
    assert!(!ledger.is_waiting() && ledger.heard(&btc, 6).is_empty());
    assert_eq!(ledger.settle(&btc, 5, State::Repaired, 1).unwrap().trades_repaired, 1);
    assert_eq!(
        lines(&ledger.lost(lost(10))),
        [
            "KRW-BTC ticker 10.. disconnect open 0",
            "KRW-BTC trade 10.. disconnect open 0",
            "KRW-BTC orderbook 10.. disconnect open 0"
        ]
    );
    assert!(ledger.lost(lost(11)).is_empty(), "a second failure within the hole is the same hole");
    assert_eq!((ledger.counts(), ledger.is_waiting()), ((3, 0), true));
    assert_eq!(
        lines(&ledger.heard(&btc, 20)),
        [
            "KRW-BTC ticker 10..20 disconnect lost 0",
            "KRW-BTC trade 10..20 disconnect pending 0",
            "KRW-BTC orderbook 10..20 disconnect lost 0"
        ]
    );
    assert_eq!(ledger.counts(), (0, 1));
    assert_eq!(
        ledger.pending().map(|(market, gaps)| (market.clone(), gaps.count())).collect::<Vec<_>>(),
        [(btc.clone(), 1)]
    );
    let settled = ledger.settle(&btc, 10, State::Repaired, 7).unwrap();
    assert_eq!(lines(&[settled]), ["KRW-BTC trade 10..20 disconnect repaired 7"]);
    assert_eq!(ledger.settle(&btc, 10, State::Repaired, 7), None);
    assert_eq!(lines(&[ledger.missed(&btc, 30, 33, 2)]), ["KRW-BTC trade 30..33 missed repaired 2"]);
}

#[test]
fn markets_that_do_not_answer_are_gaps_until_they_do() {
    let (btc, old) = (market("KRW-BTC"), market("KRW-OLD"));
    let mut ledger = Ledger::default();
    ledger.listen(&[btc.clone(), old.clone()]);
    ledger.heard(&btc, 5);
    assert_eq!(lines(&ledger.unanswered(std::slice::from_ref(&old), 3))[1], "KRW-OLD trade 3.. unanswered open 0");
    assert!(ledger.unanswered(std::slice::from_ref(&old), 4).is_empty());
    // of a connection that breaks, a market that was silent on it has its gap already
    assert_eq!(ledger.lost(lost(10)).len(), 3);
    assert_eq!(lines(&ledger.heard(&old, 50))[1], "KRW-OLD trade 3..50 unanswered pending 0");
}

#[test]
fn a_process_that_died_anywhere_opens_the_same_gaps() {
    let (btc, eth) = (market("KRW-BTC"), market("KRW-ETH"));
    let mut ledger = Ledger::default();
    let mut written = Vec::new();
    ledger.listen(&[btc.clone(), eth.clone()]);
    written.extend(ledger.heard(&btc, 5));
    written.extend(ledger.heard(&eth, 6));
    written.extend(ledger.lost(lost(10)));
    written.extend(ledger.heard(&btc, 20));
    // killed after any number of records; `restart` is again what it was, and one gap of a channel is open at a time
    for count in 0..=written.len() {
        let mut once = Ledger::load(written[..count].iter().cloned());
        let opened = once.restart(40, |_| false);
        let (open, _) = once.counts();
        let known = [&btc, &eth].into_iter().filter(|market| once.knows(market)).count();
        assert_eq!(open, known * 3);
        let mut keys: Vec<_> = written[..count].iter().chain(&opened).filter(|gap| gap.state == State::Open).collect();
        keys.sort_by_key(|gap| (gap.market.clone(), gap.channel, gap.from_ms));
        keys.dedup_by_key(|gap| (gap.market.clone(), gap.channel, gap.from_ms));
        // killed in the middle of this opening, too
        for half in 0..=opened.len() {
            let mut again = Ledger::load(written[..count].iter().chain(&opened[..half]).cloned());
            let rest = again.restart(40, |_| false);
            assert_eq!(rest.len(), opened.len() - half);
            assert!(rest.iter().all(|gap| opened.contains(gap)));
        }
    }
    let mut ledger = Ledger::load(written);
    assert_eq!(
        ledger.counts(),
        (3, 3),
        "KRW-ETH is not back; KRW-BTC waits for repair, and both for that of their beginnings"
    );
    assert_eq!(ledger.begun_ms(&btc), Some(5));
    ledger.listen(&[btc.clone(), eth.clone()]);
    assert_eq!(lines(&ledger.heard(&eth, 60))[1], "KRW-ETH trade 10..60 disconnect pending 0");
    assert!(ledger.heard(&btc, 61).is_empty(), "it has no open gap, and began before");
}

#[test]
fn two_gaps_never_share_their_key() {
    let btc = market("KRW-BTC");
    let mut ledger = Ledger::default();
    ledger.listen(std::slice::from_ref(&btc));
    ledger.heard(&btc, 5);
    assert_eq!(ledger.lost(lost(5))[0].from_ms, 6);
    assert_eq!(ledger.heard(&btc, 5)[0].to_ms, Some(6), "a clock that goes back makes no gap of negative length");
    assert_eq!(ledger.lost(lost(6))[1].from_ms, 7);
}

#[test]
fn records_are_read_as_they_were_written() {
    let gap = Gap {
        market: market("KRW-BTC"),
        channel: StreamKind::Trade,
        from_ms: 1_785_395_043_779,
        to_ms: None,
        cause: Cause::Unanswered,
        state: State::Open,
        trades_repaired: 0,
    };
    let json = gap.to_json();
    assert_eq!(
        String::from_utf8(json.clone()).unwrap(),
        r#"{"market":"KRW-BTC","channel":"trade","gap_from":1785395043779,"gap_to":null,"cause":"unanswered","state":"open","trades_repaired":0}"#
    );
    assert_eq!(Gap::from_json(&json).unwrap(), gap);
    for bad in [&b"{}"[..], b"", br#"{"market":"x","channel":"trade","gap_from":1,"gap_to":1,"cause":"begin","state":"open","trades_repaired":0}"#] {
        assert!(Gap::from_json(bad).is_err());
    }
}

#[test]
fn a_market_that_is_listed_while_we_listen_begins_with_its_listing() {
    let (btc, new) = (market("KRW-BTC"), market("KRW-NEW"));
    let mut ledger = Ledger::default();
    ledger.listen(std::slice::from_ref(&btc));
    ledger.heard(&btc, 5);
    assert!(ledger.join(&new, 100).is_empty() && ledger.join(&btc, 100).is_empty());
    assert!(ledger.is_waiting() && !ledger.is_received(&new));
    assert_eq!(
        lines(&ledger.heard(&new, 160)),
        [
            "KRW-NEW ticker 160..160 begin begin 0",
            "KRW-NEW trade 100..160 begin pending 0",
            "KRW-NEW orderbook 160..160 begin begin 0"
        ]
    );
    assert_eq!(ledger.begun_ms(&new), Some(100));
    assert!(ledger.settle(&new, 100, State::Repaired, 3).is_some());
}

#[test]
fn a_market_that_is_delisted_is_not_expected_and_its_gaps_end() {
    let (btc, old) = (market("KRW-BTC"), market("KRW-OLD"));
    let mut ledger = Ledger::default();
    ledger.listen(&[btc.clone(), old.clone()]);
    ledger.heard(&btc, 5);
    ledger.heard(&old, 5);
    ledger.lost(lost(10));
    assert_eq!(
        lines(&ledger.leave(&old, 40)),
        [
            "KRW-OLD ticker 10..40 disconnect lost 0",
            "KRW-OLD trade 10..40 disconnect pending 0",
            "KRW-OLD orderbook 10..40 disconnect lost 0"
        ]
    );
    ledger.heard(&btc, 50);
    assert!(!ledger.is_waiting() && !ledger.is_listening(&old));
    assert!(ledger.lost(lost(60)).iter().all(|gap| gap.market == btc));
    // it comes back: what was between two looks at the list is a gap
    assert_eq!(lines(&ledger.join(&old, 90))[1], "KRW-OLD trade 90.. unanswered open 0");
    assert_eq!(lines(&ledger.heard(&old, 95))[1], "KRW-OLD trade 90..95 unanswered pending 0");
    assert!(ledger.leave(&market("KRW-NIL"), 99).is_empty());
}
