//! The exchange's list of markets over time: what is listed, and when it was first seen to change. Pure.
//!
//! Each change of a market is one record of the topic `upbit-market`, and says all that is true of the market after it; the table `upbit.market` is the last
//! record of each. The list itself has no dates and no status: a listing is a row that appears, a delisting one that is gone. In: the list as it was
//! read, and when. Out: records. State: a function of the topic ([`Listings::load`]).
//!
//! A row that is missing once may be a slip of the exchange; missing twice, it is delisted, at the time when it was missing first.

use std::collections::BTreeMap;

use hoga_model::{Market, MarketInfo};
use serde::{Deserialize, Serialize};

/// What is true of a market, and the change that made it so. Times are milliseconds since the epoch, and ours: the exchange tells none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    pub market: String,
    pub korean_name: String,
    pub english_name: String,
    pub state: State,
    /// 유의, and since when.
    pub warning: bool,
    pub warning_since: Option<i64>,
    /// 주의: Upbit's names of those that are set, with commas; None if none is. `caution_since` is the last change of them.
    pub caution: Option<String>,
    pub caution_since: Option<i64>,
    /// When it was on the list for the first time that we know of.
    pub first_seen: i64,
    /// When it was listed last; None: it was there when we looked first.
    pub listed_at: Option<i64>,
    pub delisted_at: Option<i64>,
    pub event: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Listed,
    Delisted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It was there when we looked first.
    First,
    Listing,
    Delisting,
    Warning,
    WarningReleased,
    /// A caution that was not there before.
    Caution,
    /// A caution is gone, and none came.
    CautionReleased,
    Renamed,
}

/// The list as it was last seen.
#[derive(Debug, Default, Clone)]
pub struct Listings {
    markets: BTreeMap<Market, Listing>,
    /// Not on the list when we looked last, and when that was.
    missing: BTreeMap<Market, i64>,
}

impl Listing {
    /// The record's value.
    pub fn to_json(&self) -> Vec<u8> {
        // numbers, names and texts: it cannot fail
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether both say the same is true of the market now, whenever each was noted.
    pub fn is_as(&self, other: &Listing) -> bool {
        let truth = |listing: &Listing| {
            let names = (listing.market.clone(), listing.korean_name.clone(), listing.english_name.clone());
            (names, listing.state, listing.warning, listing.caution.clone())
        };
        truth(self) == truth(other)
    }

    fn new(info: &MarketInfo, event: Event, now_ms: i64) -> Listing {
        Listing {
            market: info.market.as_str().to_owned(),
            korean_name: info.korean_name.clone(),
            english_name: info.english_name.clone(),
            state: State::Listed,
            warning: info.warning,
            warning_since: info.warning.then_some(now_ms),
            caution: cautions_of(info),
            caution_since: (!info.cautions.is_empty()).then_some(now_ms),
            first_seen: now_ms,
            listed_at: (event == Event::Listing).then_some(now_ms),
            delisted_at: None,
            event,
        }
    }
}

impl Listings {
    /// From the records' values, in their order; what cannot be read is handed to `on_error`.
    pub fn load<'a>(
        values: impl Iterator<Item = &'a [u8]>,
        mut on_error: impl FnMut(&dyn std::error::Error),
    ) -> Listings {
        let mut listings = Listings::default();
        for value in values {
            let read = serde_json::from_slice::<Listing>(value);
            match read.map(|listing| (Market::parse(&listing.market), listing)) {
                Ok((Ok(market), listing)) => {
                    listings.markets.insert(market, listing);
                }
                Ok((Err(error), _)) => on_error(&error),
                Err(error) => on_error(&error),
            }
        }
        listings
    }

    pub fn is_empty(&self) -> bool {
        self.markets.is_empty()
    }

    /// The list was read: what has changed, each change a record of its own.
    pub fn update(&mut self, listed: &[MarketInfo], now_ms: i64) -> Vec<Listing> {
        let is_first = self.markets.is_empty();
        let mut changes = Vec::new();
        for info in listed {
            self.missing.remove(&info.market);
            match self.markets.get_mut(&info.market) {
                None => {
                    let event = if is_first { Event::First } else { Event::Listing };
                    let listing = Listing::new(info, event, now_ms);
                    self.markets.insert(info.market.clone(), listing.clone());
                    changes.push(listing);
                }
                Some(known) => compare(known, info, now_ms, &mut changes),
            }
        }
        let is_listed: std::collections::HashSet<&Market> = listed.iter().map(|info| &info.market).collect();
        for (market, known) in &mut self.markets {
            if known.state == State::Delisted || is_listed.contains(market) {
                continue;
            }
            match self.missing.remove(market) {
                None => {
                    self.missing.insert(market.clone(), now_ms);
                }
                Some(since_ms) => {
                    known.state = State::Delisted;
                    known.delisted_at = Some(since_ms);
                    known.event = Event::Delisting;
                    changes.push(known.clone());
                }
            }
        }
        changes
    }

    /// The last record of a market.
    pub fn get(&self, market: &str) -> Option<&Listing> {
        self.markets.get(&Market::parse(market).ok()?)
    }

    /// Whether it was listed once and is not any more.
    pub fn is_delisted(&self, market: &Market) -> bool {
        self.markets.get(market).is_some_and(|known| known.state == State::Delisted)
    }

    /// When it came onto the list; None: it was there when we looked first, or is not known.
    pub fn listed_at(&self, market: &Market) -> Option<i64> {
        self.markets.get(market).and_then(|known| known.listed_at)
    }

    /// What is listed, as last seen, with what was missing only once.
    pub fn listed(&self) -> impl Iterator<Item = &Market> {
        self.markets.iter().filter(|(_, known)| known.state == State::Listed).map(|(market, _)| market)
    }
}

fn compare(known: &mut Listing, info: &MarketInfo, now_ms: i64, changes: &mut Vec<Listing>) {
    let mut change = |known: &mut Listing, event| {
        known.event = event;
        changes.push(known.clone());
    };
    if known.state == State::Delisted {
        let first_seen = known.first_seen;
        *known = Listing { first_seen, ..Listing::new(info, Event::Listing, now_ms) };
        change(known, Event::Listing);
        return;
    }
    if (&known.korean_name, &known.english_name) != (&info.korean_name, &info.english_name) {
        known.korean_name.clone_from(&info.korean_name);
        known.english_name.clone_from(&info.english_name);
        change(known, Event::Renamed);
    }
    if known.warning != info.warning {
        known.warning = info.warning;
        known.warning_since = info.warning.then_some(now_ms);
        change(known, if info.warning { Event::Warning } else { Event::WarningReleased });
    }
    let caution = cautions_of(info);
    if known.caution != caution {
        let before: Vec<&str> = known.caution.iter().flat_map(|names| names.split(',')).collect();
        let is_new = info.cautions.iter().any(|name| !before.contains(&name.as_str()));
        known.caution_since = caution.is_some().then_some(now_ms);
        known.caution = caution;
        change(known, if is_new { Event::Caution } else { Event::CautionReleased });
    }
}

fn cautions_of(info: &MarketInfo) -> Option<String> {
    (!info.cautions.is_empty()).then(|| info.cautions.join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn info(code: &str, warning: bool, cautions: &[&str]) -> MarketInfo {
        MarketInfo {
            market: Market::parse(code).unwrap(),
            korean_name: "한".to_owned(),
            english_name: code.to_owned(),
            warning,
            cautions: cautions.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// `KRW-BTC warning`, a change a line.
    fn lines(changes: &[Listing]) -> Vec<String> {
        changes.iter().map(|change| format!("{} {:?}", change.market, change.event)).collect()
    }

    #[test]
    fn the_first_list_is_no_news_and_every_change_after_it_is() {
        let mut listings = Listings::default();
        let mut list = vec![info("KRW-BTC", false, &[]), info("KRW-ETH", true, &["PRICE"])];
        assert_eq!(lines(&listings.update(&list, 10)), ["KRW-BTC First", "KRW-ETH First"]);
        assert_eq!(lines(&listings.update(&list, 20)), [] as [&str; 0]);
        list.push(info("KRW-NEW", false, &[]));
        list[0].warning = true;
        list[1] = info("KRW-ETH", false, &["PRICE", "VOLUME"]);
        let changes = listings.update(&list, 30);
        assert_eq!(
            lines(&changes),
            ["KRW-BTC Warning", "KRW-ETH WarningReleased", "KRW-ETH Caution", "KRW-NEW Listing"]
        );
        assert_eq!((changes[0].warning_since, changes[1].warning_since), (Some(30), None));
        let eth = &changes[2];
        assert_eq!((eth.caution.as_deref(), eth.caution_since, eth.first_seen), (Some("PRICE,VOLUME"), Some(30), 10));
        assert_eq!((changes[3].first_seen, changes[3].listed_at), (30, Some(30)));
        list[1].cautions.remove(0);
        list[2].korean_name = "새".to_owned();
        assert_eq!(lines(&listings.update(&list, 40)), ["KRW-ETH CautionReleased", "KRW-NEW Renamed"]);
    }

    #[test]
    fn a_market_is_delisted_when_it_is_missing_twice_and_may_come_back() {
        let mut listings = Listings::default();
        let both = [info("KRW-BTC", false, &[]), info("KRW-OLD", true, &[])];
        listings.update(&both, 10);
        assert!(listings.update(&both[..1], 20).is_empty());
        assert!(listings.update(&both, 30).is_empty(), "a slip");
        assert!(listings.update(&both[..1], 40).is_empty());
        assert_eq!(listings.listed().count(), 2);
        let changes = listings.update(&both[..1], 50);
        assert_eq!(lines(&changes), ["KRW-OLD Delisting"]);
        assert_eq!((changes[0].delisted_at, changes[0].state, changes[0].warning), (Some(40), State::Delisted, true));
        assert_eq!(listings.listed().count(), 1);
        assert!(listings.update(&both[..1], 60).is_empty());
        let changes = listings.update(&both, 70);
        assert_eq!(lines(&changes), ["KRW-OLD Listing"]);
        assert_eq!((changes[0].first_seen, changes[0].listed_at, changes[0].delisted_at), (10, Some(70), None));
    }

    #[test]
    fn a_restart_knows_the_list_from_its_records() {
        let mut first = Listings::default();
        let mut records: Vec<Vec<u8>> = Vec::new();
        let list = [info("KRW-BTC", false, &[]), info("KRW-OLD", false, &["PRICE"])];
        records.extend(first.update(&list, 10).iter().map(Listing::to_json));
        assert_eq!(
            String::from_utf8(records[1].clone()).unwrap(),
            r#"{"market":"KRW-OLD","korean_name":"한","english_name":"KRW-OLD","state":"listed","warning":false,"warning_since":null,"caution":"PRICE","caution_since":10,"first_seen":10,"listed_at":null,"delisted_at":null,"event":"first"}"#
        );
        records.push(b"{".to_vec());
        let mut errors = 0;
        let mut second = Listings::load(records.iter().map(Vec::as_slice), |_| errors += 1);
        assert_eq!(errors, 1);
        let now = [info("KRW-BTC", true, &[]), info("KRW-NEW", false, &[])];
        assert_eq!(lines(&second.update(&now, 90)), ["KRW-BTC Warning", "KRW-NEW Listing"]);
        assert_eq!(lines(&second.update(&now, 91)), ["KRW-OLD Delisting"]);
    }
}
