//! Watches the exchange's list of markets: what changes is noted, and what is collected follows it without a restart.
//!
//! In: `/v1/market/all`, once in an interval. Out: changes to whoever keeps them, the markets to collect, another subscription for the session. State:
//! the list as last seen. Not here: what a change is (`hoga_upbit::listing`).

use crate::config::UpConfig;
use crate::up::collect::Addresses;
use hoga_model::time::Clock;
use hoga_model::{Faulty, Market, MarketInfo};
use hoga_serve::board::ListedMarket;
use hoga_upbit::backoff::Backoff;
use hoga_upbit::error::UpbitError;
use hoga_upbit::listing::{Event, Listing, Listings};
use hoga_upbit::subscription::Subscription;
use hoga_upbit::{rest, selection};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Who keeps what is known of the list.
pub trait ListKeeper: Send + Sync {
    /// These changed.
    fn changed(&self, changes: &[Listing], now_ms: i64);

    /// These are collected from now on, too; at `since_ms` they were not on the list yet.
    fn joined(&self, markets: &[Market], since_ms: i64, now_ms: i64);
}

pub struct MarketList {
    pub listings: Listings,
    pub keeper: Arc<dyn ListKeeper>,
}

impl MarketList {
    /// The list was read for the first time in this run.
    pub fn begin(&mut self, listed: &[MarketInfo], now_ms: i64) {
        self.note(listed, now_ms);
    }

    /// Those of the list that are chosen, and since when each is listed.
    pub fn shown(&self, listed: Vec<MarketInfo>, chosen: &[Market]) -> Vec<ListedMarket> {
        let is_chosen: HashSet<&Market> = chosen.iter().collect();
        let chosen = listed.into_iter().filter(|info| is_chosen.contains(&info.market));
        chosen.map(|info| ListedMarket { listed_at: self.listings.listed_at(&info.market), info }).collect()
    }

    fn note(&mut self, listed: &[MarketInfo], now_ms: i64) -> bool {
        let changes = self.listings.update(listed, now_ms);
        for change in changes.iter().filter(|change| change.event != Event::First) {
            tracing::info!(market = change.market, event = ?change.event, "the exchange's list of markets has changed");
        }
        self.keeper.changed(&changes, now_ms);
        !changes.is_empty()
    }
}

/// What the watch works with.
pub struct Watching<'a> {
    pub config: &'a UpConfig,
    pub addresses: &'a Addresses,
    pub clock: Arc<dyn Clock>,
    /// What is collected, and asked for.
    pub chosen: Vec<Market>,
    pub subscription: watch::Sender<Subscription>,
    /// Told the chosen markets' names, warnings, and since when they are listed.
    pub on_markets: &'a (dyn Fn(Vec<ListedMarket>) + Send + Sync),
    /// When the list was read last.
    pub read_ms: i64,
}

impl Watching<'_> {
    /// Never ends.
    pub async fn run(mut self, mut list: MarketList) {
        let Some(interval) = self.config.market_list_interval else { return std::future::pending().await };
        let mut backoff = Backoff::new(self.clock.now_ms() as u64);
        let mut wait = interval;
        loop {
            tokio::time::sleep(wait).await;
            wait = match rest::markets(&self.addresses.rest_url).await {
                Ok(listed) => {
                    backoff.reset();
                    self.take(&mut list, listed);
                    interval
                }
                Err(error) => {
                    let limited = match &error {
                        UpbitError::TooManyRequests { status, .. } => backoff.after_status_ms(*status),
                        _ => None,
                    };
                    let wait = Duration::from_millis(limited.unwrap_or_else(|| backoff.next_ms())).max(interval);
                    let retry = error.retry();
                    tracing::warn!(%error, retry, "the list of markets was not read; it is asked for again");
                    wait
                }
            };
        }
    }

    fn take(&mut self, list: &mut MarketList, listed: Vec<MarketInfo>) {
        let now_ms = self.clock.now_ms();
        let has_changed = list.note(&listed, now_ms);
        // one that was missing once may be a slip: it stays
        let is_listed: HashSet<&Market> = list.listings.listed().collect();
        let matching = selection::matching_markets(&listed, &self.config.markets);
        let is_chosen: HashSet<&Market> = matching.iter().collect();
        let joined: Vec<Market> = matching.iter().filter(|market| !self.chosen.contains(*market)).cloned().collect();
        let before = self.chosen.len();
        self.chosen.retain(|market| is_chosen.contains(market) || is_listed.contains(market));
        if self.chosen.len() != before || !joined.is_empty() {
            list.keeper.joined(&joined, self.read_ms, now_ms);
            self.chosen.extend(joined);
            tracing::info!(markets = self.chosen.len(), "subscribing anew");
            if !self.chosen.is_empty() {
                self.subscription.send_replace(Subscription::all_streams(self.chosen.clone()));
            }
        }
        self.read_ms = now_ms;
        if has_changed {
            (self.on_markets)(list.shown(listed, &self.chosen));
        }
    }
}
