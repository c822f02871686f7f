//! What the exchange makes in some time, made at once and told to nobody: the same seed and times give the same bytes. Pure.

use super::error::SimError;
use super::exchange::{Event, Exchange};
use super::hub::SimStats;
use super::render::{StreamType, push_event};
use super::{SimConfig, book, catalog};
use hoga_model::StreamKind;

/// An event as a subscriber in the DEFAULT format gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded<'a> {
    pub kind: StreamKind,
    pub market: &'a str,
    pub at_ms: i64,
    pub value: &'a [u8],
}

/// Makes `config.rate` events a second from `from_ms` on for `config.duration`, evenly, and tells of each. Faults, and what
/// serving needs, are left out.
pub fn record<E: From<SimError>>(
    config: &SimConfig,
    from_ms: i64,
    mut tell: impl FnMut(Recorded<'_>) -> Result<(), E>,
) -> Result<SimStats, E> {
    config.validate()?;
    let duration = config.duration.unwrap_or_default();
    let count = (config.rate * duration.as_secs_f64()) as u64;
    let listings = catalog::listings(config.markets, &config.quotes);
    let mut exchange = Exchange::open(listings.clone(), config.seed, from_ms, 1);
    let mut stats = SimStats::default();
    let mut value = Vec::new();
    for index in 0..count {
        let at_ms = from_ms + (index as f64 * 1_000.0 / config.rate) as i64;
        let Some(event) = exchange.next(at_ms, None, || false) else { continue };
        match &event {
            Event::Trade(_) => stats.trades += 1,
            Event::Ticker(_) => stats.tickers += 1,
            Event::Orderbook(_) => stats.orderbooks += 1,
        }
        let market = listings[event.market()].info.market.as_str();
        value.clear();
        push_event(&mut value, &event, market, StreamType::Realtime, false, book::LEVELS);
        tell(Recorded { kind: event.kind(), market, at_ms, value: &value })?;
    }
    Ok(stats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let config = SimConfig {
            markets: 5,
            rate: 10.0,
            seed: 3,
            duration: Some(Duration::from_secs(60)),
            ..SimConfig::default()
        };
        let recorded = |config: &SimConfig| {
            let mut lines = Vec::new();
            let stats = record::<SimError>(config, 1_773_014_400_000, |event| {
                let text = String::from_utf8_lossy(event.value).into_owned();
                lines.push((event.kind, event.market.to_owned(), event.at_ms, text));
                Ok(())
            });
            (stats.expect("events"), lines)
        };
        let (stats, lines) = recorded(&config);
        assert_eq!((stats.events(), lines.len()), (600, 600));
        assert_eq!(recorded(&config).1, lines);
        assert_ne!(recorded(&SimConfig { seed: 4, ..config.clone() }).1, lines);
        assert!(lines.is_sorted_by_key(|(_, _, at_ms, _)| *at_ms) && lines[599].2 == 1_773_014_400_000 + 59_900);
        for (kind, market, _, text) in &lines {
            let event: serde_json::Value = serde_json::from_str(text).expect("JSON");
            assert_eq!((event["type"].as_str(), event["code"].as_str()), (Some(kind.as_str()), Some(market.as_str())));
        }
    }
}
