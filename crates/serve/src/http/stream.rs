//! `/api/stream`: the page's one connection, as server-sent events.
//!
//! Nothing is queued for a reader: each beat sends what changed since its own last beat, so a slow reader gets fewer
//! and larger events and costs no memory. A new connection gets the whole board first, so a reconnect needs no memory
//! of ours either.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use futures::{Stream, stream};
use hoga_model::Market;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::answer::{Refusal, to_json};
use super::routes::{MarketQuery, names_json, parse_market};
use super::{STREAMS_MAX, Shared};
use crate::board::{Board, Trade};

/// How often changes are sent at most.
pub const BOARD_INTERVAL: Duration = Duration::from_millis(200);
/// How often the health is sent; also what tells the page that the connection lives.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<MarketQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let market = query.market.as_deref().map(parse_market).transpose()?;
    let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
        shared.streams_refused.fetch_add(1, Ordering::Relaxed);
        Refusal::unavailable(format!("{STREAMS_MAX} pages are open already; close one"))
    })?;
    let mut beats = interval(BOARD_INTERVAL);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader {
        shared,
        market,
        beats,
        seen: None,
        health_due: Instant::now(),
        events: VecDeque::new(),
        _permit: permit,
    };
    Ok(Sse::new(stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })))
}

struct Reader {
    shared: Arc<Shared>,
    market: Option<Market>,
    beats: Interval,
    /// The version of the board that this reader knows; none before the first beat.
    seen: Option<u64>,
    health_due: Instant,
    /// Of one beat.
    events: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Serialize)]
struct Trades<'a> {
    market: &'a str,
    /// These are all trades known of the market, not more of them.
    reset: bool,
    trades: Vec<&'a Trade>,
}

impl Reader {
    /// `None` once the listener stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            tokio::select! {
                biased;
                () = self.shared.cancel.cancelled() => return None,
                now = self.beats.tick() => self.beat(now),
            }
        }
    }

    fn beat(&mut self, now: Instant) {
        let shared = self.shared.clone();
        {
            let board = shared.board.lock();
            self.collect(&board);
            self.seen = Some(board.version());
        }
        if now >= self.health_due {
            self.health_due = now + HEALTH_INTERVAL;
            self.send("health", to_json(&*shared.health_now()));
        }
    }

    fn collect(&mut self, board: &Board) {
        let is_first = self.seen.is_none();
        let seen = self.seen.unwrap_or(0);
        if let Some(names) = board.names_since(seen) {
            self.send("markets", names_json(names));
        }
        let tickers = board.tickers_since(seen);
        if is_first || !tickers.is_empty() {
            self.send("board", to_json(&tickers));
        }
        let Some(market) = self.market.clone() else { return };
        let trades = board.trades_since(market.as_str(), seen);
        if is_first || !trades.is_empty() {
            self.send("trades", to_json(&Trades { market: market.as_str(), reset: is_first, trades }));
        }
        if let Some(book) = board.book_since(market.as_str(), seen) {
            self.send("book", to_json(book));
        }
    }

    fn send(&mut self, name: &str, data: String) {
        self.events.push_back(Event::default().event(name).data(data));
    }
}
