//! What `POST /api/backfill` asks for, as gaps in the ledger. Repair takes them; this only writes them down and says how far they are.

use crate::repair::{RepairStatus, SharedCollector, lock};
use hoga_model::time::{Clock, MS_PER_DAY, utc_iso};
use hoga_model::{Faulty, Market, MarketInfo};
use hoga_serve::http::backfill::{
    BackfillAnswer, BackfillError, BackfillProgress, BackfillRequest, Backfills, NoBackfills,
};
use hoga_upbit::gap::BACKFILL_CHUNK_MS;
use hoga_upbit::rest;
use hoga_upbit::rest::ticks::DAYS_MAX;
use hoga_upbit::selection::select_markets;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Gaps that one request may open: every market of the exchange for seven days has fewer.
const CHUNKS_MAX: i64 = 200_000;
/// How long the exchange's list of markets is taken to be the same.
const LISTING_AGE_MAX: Duration = Duration::from_secs(600);

/// The exchange's markets, and when it said so.
type Listing = (Instant, Vec<MarketInfo>);

#[derive(Clone)]
pub struct Backfiller {
    collector: SharedCollector,
    status: Arc<RepairStatus>,
    clock: Arc<dyn Clock>,
    /// The exchange's, once it is known where it is.
    rest_url: Arc<OnceLock<String>>,
    listing: Arc<tokio::sync::Mutex<Option<Listing>>>,
}

impl Backfiller {
    pub fn new(collector: SharedCollector, status: Arc<RepairStatus>, clock: Arc<dyn Clock>) -> Backfiller {
        Backfiller { collector, status, clock, rest_url: Arc::default(), listing: Arc::default() }
    }

    /// From now on requests are taken.
    pub fn begin(&self, rest_url: &str) {
        self.rest_url.get_or_init(|| rest_url.to_owned());
    }

    async fn take(self, request: BackfillRequest) -> Result<BackfillProgress, BackfillError> {
        let now_ms = self.clock.now_ms();
        let (from_ms, to_ms) = span(&request, now_ms)?;
        let markets = self.markets(&request.markets).await?;
        if (to_ms - from_ms) / BACKFILL_CHUNK_MS * markets.len() as i64 > CHUNKS_MAX {
            let reason = format!("more than {CHUNKS_MAX} hours of markets; ask for fewer markets at once");
            return Err(BackfillError::Mistake(reason));
        }
        let found = lock(&self.collector).backfill(&markets, (from_ms, to_ms), now_ms);
        let found = found.map_err(|error| BackfillError::Unavailable(error.to_string()))?;
        Ok(BackfillProgress {
            markets: markets.len() as u64,
            chunks: found.chunks,
            waiting: found.waiting,
            lost: found.lost,
            trades_repaired: found.trades_repaired,
            failing: self.status.is_failing.load(Ordering::Relaxed),
        })
    }

    async fn markets(&self, chosen: &str) -> Result<Vec<Market>, BackfillError> {
        let Some(rest_url) = self.rest_url.get() else {
            return Err(BackfillError::Unavailable("hoga is starting; ask again in a moment".to_owned()));
        };
        let mut listing = self.listing.lock().await;
        let is_fresh = listing.as_ref().is_some_and(|(at, _)| at.elapsed() < LISTING_AGE_MAX);
        if !is_fresh {
            let listed =
                rest::markets(rest_url).await.map_err(|error| BackfillError::Unavailable(error.to_string()))?;
            *listing = Some((Instant::now(), listed));
        }
        let listed = listing.as_ref().map(|(_, listed)| listed.as_slice()).unwrap_or_default();
        select_markets(listed, chosen).map_err(|error| match error.fault() {
            hoga_model::Fault::User => BackfillError::Mistake(error.to_string()),
            _ => BackfillError::Unavailable(error.to_string()),
        })
    }
}

impl Backfills for Backfiller {
    fn ask(&self, request: BackfillRequest) -> BackfillAnswer {
        Box::pin(self.clone().take(request))
    }
}

/// Who takes requests on the page's listener.
pub fn shown(backfiller: Option<&Backfiller>) -> Arc<dyn Backfills> {
    match backfiller {
        Some(backfiller) => Arc::new(backfiller.clone()),
        None => {
            Arc::new(NoBackfills("trades of the past are only taken with an exchange, and into a log of hoga's own"))
        }
    }
}

/// From when to when, of what can be asked for.
fn span(request: &BackfillRequest, now_ms: i64) -> Result<(i64, i64), BackfillError> {
    let BackfillRequest { from_ms, to_ms, .. } = *request;
    let oldest_ms = (now_ms.div_euclid(MS_PER_DAY) - DAYS_MAX) * MS_PER_DAY;
    if from_ms < oldest_ms {
        let oldest = utc_iso(oldest_ms);
        let reason =
            format!("the exchange tells trades of the last {DAYS_MAX} days, now from {oldest} on; ask from then on");
        return Err(BackfillError::Mistake(reason));
    }
    let to_ms = to_ms.min(now_ms);
    if from_ms >= to_ms {
        let reason = format!("nothing is asked for: from {} to {}", utc_iso(from_ms), utc_iso(to_ms));
        return Err(BackfillError::Mistake(reason));
    }
    Ok((from_ms, to_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_or_nothing_is_refused_with_what_can_be_asked() {
        let now_ms = 20 * MS_PER_DAY + 5;
        let span = |from_ms, to_ms| span(&BackfillRequest { markets: "all".into(), from_ms, to_ms }, now_ms);
        assert_eq!(span(13 * MS_PER_DAY, i64::MAX), Ok((13 * MS_PER_DAY, now_ms)));
        let refused = span(13 * MS_PER_DAY - 1, now_ms).expect_err("too old").to_string();
        assert!(refused.contains("last 7 days") && refused.contains("1970-01-14T00:00:00.000Z"), "{refused}");
        assert!(span(now_ms, now_ms).is_err() && span(now_ms + 5, now_ms + 9).is_err());
    }
}
