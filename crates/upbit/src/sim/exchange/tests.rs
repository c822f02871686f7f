//! The same seed makes the same events; rates and kinds come out as asked.

use super::*;
use crate::sim::catalog::listings;
use crate::sim::tick::Quote;
use std::collections::HashMap;

const NOON_MS: i64 = 1_785_412_800_000;

fn events(seed: u64, count: i64, late_every: u64) -> Vec<Event> {
    let mut exchange = Exchange::open(listings(50, &[Quote::Krw]), seed, NOON_MS, 1_000);
    let mut made = 0;
    let next = |index| {
        exchange.next(NOON_MS + index / 2, None, || {
            made += 1;
            late_every > 0 && made % late_every == 0
        })
    };
    (0..count).filter_map(next).collect()
}

#[test]
fn the_same_seed_makes_the_same_events() {
    let first = events(7, 20_000, 0);
    assert!(first == events(7, 20_000, 0));
    assert!(first != events(8, 20_000, 0));
}

#[test]
fn a_third_are_tickers_a_fifth_trades_half_books_and_large_markets_are_busier() {
    let events = events(1, 50_000, 0);
    let share = |kind| events.iter().filter(|event| event.kind() == kind).count() * 100 / events.len();
    assert!((28..=32).contains(&share(StreamKind::Ticker)), "{}", share(StreamKind::Ticker));
    assert!((18..=22).contains(&share(StreamKind::Trade)), "{}", share(StreamKind::Trade));
    let mut by_market: HashMap<usize, usize> = HashMap::new();
    for event in &events {
        *by_market.entry(event.market()).or_default() += 1;
    }
    assert_eq!(by_market.len(), 50, "every market has some events");
    assert!(by_market[&0] > 4 * by_market[&49], "{} and {}", by_market[&0], by_market[&49]);
}

#[test]
fn time_never_goes_back_though_the_clock_does() {
    let mut exchange = Exchange::open(listings(3, &[Quote::Krw]), 1, NOON_MS, 10);
    exchange.next(NOON_MS + 5_000, None, || false);
    for _ in 0..100 {
        let at_ms = match exchange.next(NOON_MS, None, || false).expect("every market is listed") {
            Event::Trade(event) => event.trade.published_ms,
            Event::Ticker(ticker) => ticker.published_ms,
            Event::Orderbook(orderbook) => orderbook.published_ms,
        };
        assert_eq!(at_ms, NOON_MS + 5_000);
    }
}

#[test]
fn history_is_in_order_of_id_bounded_and_its_bars_are_the_trades() {
    let mut exchange = Exchange::open(listings(2, &[Quote::Krw]), 3, NOON_MS, 500);
    let mut trades = Vec::new();
    for index in 0..40_000 {
        if let Some(Event::Trade(event)) = exchange.next(NOON_MS + index * 9, None, || index % 11 == 0)
            && event.trade.market == 0
        {
            trades.push(event.trade);
        }
    }
    trades.sort_by_key(|trade| std::cmp::Reverse(trade.sequential_id));
    let history = exchange.history(0).expect("the first market has a history");
    let kept: Vec<u64> = history.trades(0, u64::MAX).map(|trade| trade.sequential_id).collect();
    let newest: Vec<u64> = trades.iter().take(500).map(|trade| trade.sequential_id).collect();
    assert_eq!(kept, newest);
    let older: Vec<u64> = history.trades(0, newest[10]).map(|trade| trade.sequential_id).collect();
    assert_eq!(older, newest[11..], "below an id, without it");
    for unit in [1, 3, 240] {
        let bars = history.bars(unit, i64::MAX, 1_000);
        assert!(bars.windows(2).all(|pair| pair[0].start_ms > pair[1].start_ms));
        for bar in &bars {
            let end_ms = bar.start_ms + unit * 60_000;
            let inside: Vec<_> = trades.iter().filter(|t| (bar.start_ms..end_ms).contains(&t.executed_ms)).collect();
            let (last, first) = (inside[0], inside[inside.len() - 1]);
            assert_eq!((bar.open, bar.close, bar.last_ms), (first.price, last.price, last.executed_ms));
            assert_eq!(Some(bar.high), inside.iter().map(|t| t.price).max());
            assert_eq!(bar.volume(), inside.iter().map(|t| i128::from(t.volume)).sum::<i128>());
            assert_eq!(bar.turnover, inside.iter().map(|t| t.turnover()).sum::<i128>());
        }
    }
}
