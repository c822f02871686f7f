//! Prices on ticks, books sorted, sums equal to their trades.

use super::*;
use crate::sim::catalog::listings;
use crate::sim::tick::Quote;
use std::collections::HashSet;

/// 2026-07-30 12:00 UTC.
const NOON_MS: i64 = 1_785_412_800_000;

/// All markets of a small exchange, each driven for some minutes at a pace of its own.
fn run(mut check: impl FnMut(&mut MarketState, &mut Rng, i64)) {
    let mut pace = Rng::new(99, 0);
    for (index, listing) in listings(60, &[Quote::Krw, Quote::Btc, Quote::Usdt]).into_iter().enumerate() {
        let mut market = MarketState::new(index, listing, 1, NOON_MS);
        let mut now_ms = NOON_MS;
        for step in 0..300 {
            now_ms += pace.range(0, 900);
            if step == 100 {
                market.start_burst(now_ms, if index % 2 == 0 { 90_000 } else { -90_000 }, 20_000);
            }
            check(&mut market, &mut pace, now_ms);
        }
    }
}

fn assert_book(market: &MarketState, book: &Book) {
    let quote = market.listing.quote;
    let code = &market.listing.info.market;
    assert!(book.asks[0].price > book.bids[0].price, "{code} is crossed");
    for (levels, is_ask) in [(&book.asks, true), (&book.bids, false)] {
        assert_eq!(levels.len(), 30);
        let shown: Vec<Level> = levels.iter().copied().take_while(|level| level.price > 0).collect();
        assert!(!shown.is_empty(), "{code} has an empty side");
        assert!(levels[shown.len()..].iter().all(|level| *level == Level::default()), "{code}: padding is zero");
        assert!(
            shown.is_sorted_by(|a, b| if is_ask { a.price < b.price } else { a.price > b.price }),
            "{code}: {shown:?}"
        );
        for level in shown {
            assert_eq!(tick::floor(quote, level.price), level.price, "{code} off tick");
            assert!(level.size > 0, "{code} has an empty level");
        }
    }
}

#[test]
fn books_are_sorted_uncrossed_and_on_ticks() {
    let mut full = 0;
    let mut thin = 0;
    run(|market, pace, now_ms| {
        let book = if pace.below(2) == 0 {
            let event = market.trade(now_ms, false);
            assert_eq!((event.best_ask, event.best_bid), (market.book.asks[0], market.book.bids[0]));
            market.orderbook(now_ms).book
        } else {
            market.stir(now_ms).book
        };
        assert_book(market, &book);
        if book.asks[LEVELS - 1].price > 0 { full += 1 } else { thin += 1 }
    });
    assert!(full > thin && thin > 0, "{full} full books, {thin} thin ones");
}

#[test]
fn prices_move_on_ticks_and_trades_happen_at_the_best_price() {
    let mut prices = HashSet::new();
    run(|market, _, now_ms| {
        market.advance(now_ms);
        let (ask, bid) = (market.book.asks[0].price, market.book.bids[0].price);
        let trade = market.trade(now_ms, false).trade;
        assert_eq!(trade.price, if trade.side == Side::Bid { ask } else { bid });
        assert_eq!(tick::floor(market.listing.quote, trade.price), trade.price);
        assert!(trade.volume > 0);
        let start = market.listing.start_price;
        assert!(
            trade.price > start / 2 && trade.price < start * 2,
            "{} at {}",
            market.listing.info.market,
            trade.price
        );
        prices.insert((market.index, trade.price));
    });
    assert!(prices.len() > 60 * 10, "prices hardly move: {} different ones", prices.len());
}

#[test]
fn ids_are_unique_and_tell_the_time_of_execution() {
    let mut seen = HashSet::new();
    let mut unordered = 0_u32;
    let mut newest = 0;
    let listing = listings(1, &[Quote::Krw]).remove(0);
    let mut market = MarketState::new(0, listing, 5, NOON_MS);
    let mut pace = Rng::new(3, 3);
    let mut now_ms = NOON_MS;
    for index in 0..20_000 {
        now_ms += pace.range(0, 12);
        let trade = market.trade(now_ms, index % 50 == 0).trade;
        assert!(seen.insert(trade.sequential_id), "{} twice", trade.sequential_id);
        assert_eq!(trade.sequential_id / 10_000, trade.executed_ms as u64);
        let delay_ms = trade.published_ms - trade.executed_ms;
        assert!(delay_ms <= LATE && trade.executed_ms >= NOON_MS, "{delay_ms} ms late");
        unordered += u32::from(trade.sequential_id < newest);
        newest = newest.max(trade.sequential_id);
    }
    assert!((4_800..6_400).contains(&unordered), "{unordered} of 20,000 below the newest id");

    const LATE: i64 = crate::sim::ids::LATE_MS_MAX + 1_000;
}

#[test]
fn many_trades_in_one_millisecond_spill_over_into_the_next() {
    let mut market = MarketState::new(0, listings(1, &[Quote::Krw]).remove(0), 5, NOON_MS);
    let ids: HashSet<u64> = (0..25_000).map(|_| market.trade(NOON_MS, false).trade.sequential_id).collect();
    assert_eq!(ids.len(), 25_000);
}

#[test]
fn a_ticker_is_the_sum_of_the_trades() {
    let mut market = MarketState::new(0, listings(1, &[Quote::Krw]).remove(0), 8, NOON_MS);
    let mut trades: Vec<Trade> = Vec::new();
    let mut now_ms = NOON_MS;
    let before = market.ticker(now_ms);
    assert_eq!((before.turnover, before.ask_volume, before.volume_24h), (0, 0, 0));
    for _ in 0..3_000 {
        now_ms += 7;
        trades.push(market.trade(now_ms, false).trade);
    }
    let ticker = market.ticker(now_ms);
    let sum = |side: Side| -> i128 { trades.iter().filter(|t| t.side == side).map(|t| i128::from(t.volume)).sum() };
    assert_eq!((ticker.ask_volume, ticker.bid_volume), (sum(Side::Ask), sum(Side::Bid)));
    assert_eq!(ticker.turnover, trades.iter().map(Trade::turnover).sum::<i128>());
    assert_eq!((ticker.volume_24h, ticker.turnover_24h), (ticker.ask_volume + ticker.bid_volume, ticker.turnover));
    trades.sort_by_key(|trade| trade.sequential_id);
    assert_eq!(ticker.open, trades[0].price);
    assert_eq!(ticker.last.price, trades[trades.len() - 1].price);
    assert_eq!(Some(ticker.high), trades.iter().map(|t| t.price).max());
    assert_eq!(Some(ticker.low), trades.iter().map(|t| t.price).min());
}

#[test]
fn a_day_ends_at_midnight_utc_and_leaves_its_close() {
    let midnight_ms = NOON_MS + MS_PER_DAY / 2;
    let mut market = MarketState::new(0, listings(1, &[Quote::Krw]).remove(0), 8, NOON_MS);
    let mut now_ms = midnight_ms - 60_000;
    while now_ms < midnight_ms - 100 {
        now_ms += 40;
        market.trade(now_ms, false);
    }
    let close = market.ticker(midnight_ms - 1).last.price;
    let rolled = market.ticker(midnight_ms);
    assert_eq!((rolled.prev_close, rolled.open, rolled.high, rolled.low), (close, close, close, close));
    assert_eq!((rolled.turnover, rolled.ask_volume + rolled.bid_volume), (0, 0));
    assert!(rolled.volume_24h > 0, "the last 24 hours go on");
    // trades of yesterday that come after midnight change the last 24 hours, but not today
    let mut today = 0;
    let mut yesterday = 0;
    for step in 0..400 {
        let trade = market.trade(midnight_ms + step, false).trade;
        *(if trade.executed_ms < midnight_ms { &mut yesterday } else { &mut today }) += i128::from(trade.volume);
    }
    assert!(yesterday > 0 && today > 0);
    let ticker = market.ticker(midnight_ms + 400);
    assert_eq!(ticker.ask_volume + ticker.bid_volume, today);
    assert_eq!(ticker.volume_24h, rolled.volume_24h + today + yesterday);
    // and a day later, nothing of it is left
    assert_eq!(market.ticker(midnight_ms + MS_PER_DAY + 60_000).volume_24h, 0);
}

#[test]
fn a_burst_moves_the_price_as_far_as_it_was_told() {
    for change_ppm in [80_000, -80_000] {
        let mut market = MarketState::new(0, listings(1, &[Quote::Krw]).remove(0), 11, NOON_MS);
        let start = market.trade(NOON_MS, false).trade.price;
        market.start_burst(NOON_MS, change_ppm, 30_000);
        let end = (1..=300).map(|step| market.trade(NOON_MS + step * 100, false).trade.price).last().unwrap_or(0);
        let moved_ppm = (end - start) * 1_000 / (start / 1_000);
        assert!((moved_ppm - change_ppm).abs() < 20_000, "{moved_ppm} instead of {change_ppm}");
    }
}
