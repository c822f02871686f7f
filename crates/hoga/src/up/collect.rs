//! The collection task: one source of frames, the collector, and what to do when either fails.

use crate::collector::{CollectError, Listener, Note, TradeSaver};
use crate::config::{Source, UpConfig};
use crate::failure::Failure;
use crate::repair::{Repairable, SharedCollector, lock};
use crate::up::exchange::Exchange;
use crate::up::market_list::{ListKeeper, MarketList, Watching};
use bytes::Bytes;
use hoga_log::LogError;
use hoga_model::time::{Clock, SystemClock};
use hoga_model::{Faulty, Market};
use hoga_serve::board::ListedMarket;
use hoga_upbit::error::{BoxError, UpbitError};
use hoga_upbit::listing::{Listing, Listings};
use hoga_upbit::session::{self, Handler, SessionConfig, SessionState};
use hoga_upbit::subscription::Subscription;
use hoga_upbit::{replay, rest, selection};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between tries to write the log while it cannot be written.
const LOG_WAIT: Duration = Duration::from_millis(500);

/// Where a session connects to.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub ws_url: String,
    pub rest_url: String,
}

/// Who takes the frames, beyond what a session asks of it.
pub trait Sink: Handler {
    /// The list of markets as it is known, and who keeps it.
    fn market_list(&mut self) -> MarketList;

    /// These markets are asked for from now on.
    fn listen(&mut self, markets: &[Market]);

    /// There was no room for what came; the connection is given up until there is.
    fn overflowed(&mut self);

    /// Tries to write what waits, until there is room again. Called until it succeeds.
    fn drain(&mut self) -> Result<(), LogError>;

    /// The end: what makes the next start quicker is written down.
    fn save(&mut self);
}

/// Frames on their way from a source into the collector of this process's own log.
pub struct Intake {
    pub collector: SharedCollector,
    pub exchange: Arc<Exchange>,
    pub saver: TradeSaver,
    pub clock: Arc<dyn Clock>,
    pub listener: Listener,
    /// As earlier runs left it.
    pub listings: Listings,
}

impl Intake {
    /// The ledger has it before the session goes on.
    fn note(&self, note: &Note) {
        note_in(&self.collector, note, self.clock.now_ms());
    }
}

impl Handler for Intake {
    fn on_frame(&mut self, frame: Bytes, recv_ms: i64) -> Result<(), BoxError> {
        Ok(lock(&self.collector).accept(&frame, recv_ms)?)
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        let mut collector = lock(&self.collector);
        collector.flush()?;
        if let Some(trades) = collector.logged_trades() {
            self.saver.save_if_due(trades);
        }
        Ok(())
    }

    fn on_state(&mut self, state: SessionState) {
        self.exchange.note(&state);
        if let Some(note) = self.listener.note_of(&state, self.clock.now_ms()) {
            self.note(&note);
        }
    }
}

fn note_in(collector: &SharedCollector, note: &Note, now_ms: i64) {
    if let Err(error) = lock(collector).note(note, now_ms) {
        tracing::error!(%error, "what is known of gaps and markets waits for the log");
    }
}

/// Keeps the list of markets in the log.
struct Keeper(SharedCollector);

impl ListKeeper for Keeper {
    fn changed(&self, changes: &[Listing], now_ms: i64) {
        note_in(&self.0, &Note::ListChanged(changes.to_vec()), now_ms);
    }

    fn joined(&self, markets: &[Market], since_ms: i64, now_ms: i64) {
        note_in(&self.0, &Note::Joined { markets: markets.to_vec(), since_ms }, now_ms);
    }
}

impl Sink for Intake {
    fn market_list(&mut self) -> MarketList {
        let keeper = Arc::new(Keeper(self.collector.clone()));
        MarketList { listings: std::mem::take(&mut self.listings), keeper }
    }

    fn listen(&mut self, markets: &[Market]) {
        self.note(&Note::Listening(markets.to_vec()));
    }

    fn overflowed(&mut self) {
        let note = self.listener.overflowed();
        self.note(&note);
    }

    fn drain(&mut self) -> Result<(), LogError> {
        lock(&self.collector).append_waiting()
    }

    fn save(&mut self) {
        if let Some(trades) = lock(&self.collector).logged_trades() {
            self.saver.save(trades);
        }
    }
}

/// Collects until it is cancelled; a replay ends by itself. Fails on what only the user can mend.
pub async fn run(
    config: &UpConfig,
    addresses: &Addresses,
    sink: &mut dyn Sink,
    exchange: &Exchange,
    on_markets: &(dyn Fn(Vec<ListedMarket>) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let result = match &config.source {
        Source::Replay(file) => {
            let played = replay::replay(file, clock(), cancel.clone(), &mut *sink).await;
            played.map(|_| ()).map_err(|error| Failure::of(&error))
        }
        // its records do not come by frames: `up::playback`
        Source::Log(_) => Ok(()),
        Source::Upbit | Source::Sim => live(config, addresses, sink, exchange, on_markets, cancel).await,
    };
    write_rest(sink, exchange, cancel).await;
    sink.save();
    result
}

async fn live(
    config: &UpConfig,
    addresses: &Addresses,
    sink: &mut dyn Sink,
    exchange: &Exchange,
    on_markets: &(dyn Fn(Vec<ListedMarket>) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut on_state = |state: SessionState| exchange.note(&state);
    let listed = rest::markets_when_reachable(&addresses.rest_url, clock(), cancel.clone(), &mut on_state).await;
    let Some(listed) = listed.map_err(|error| Failure::of(&error))? else { return Ok(()) };
    let chosen = selection::select_markets(&listed, &config.markets).map_err(|error| Failure::of(&error))?;
    tracing::info!(markets = chosen.len(), "subscribing to ticker, trade and orderbook");
    let mut list = sink.market_list();
    let read_ms = clock().now_ms();
    list.begin(&listed, read_ms);
    sink.listen(&chosen);
    on_markets(list.shown(listed, &chosen));
    let (subscription, changes) = watch::channel(Subscription::all_streams(chosen.clone()));
    let watching = Watching { config, addresses, clock: clock(), chosen, subscription, on_markets, read_ms };
    tokio::select! {
        ended = hold(config, addresses, sink, exchange, changes, cancel) => ended,
        () = watching.run(list) => Ok(()),
    }
}

/// Keeps the session up.
async fn hold(
    config: &UpConfig,
    addresses: &Addresses,
    sink: &mut dyn Sink,
    exchange: &Exchange,
    mut changes: watch::Receiver<Subscription>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut session = SessionConfig::new(changes.borrow().clone());
    session.url = addresses.ws_url.clone();
    session.connections = config.connections;
    session.age_max = config.connection_age;
    session.stats = exchange.sockets();
    loop {
        session.subscription = changes.borrow_and_update().clone();
        session.changes = Some(changes.clone());
        match session::run(session.clone(), clock(), cancel.clone(), &mut *sink).await {
            Ok(()) => return Ok(()),
            Err(UpbitError::Handler(error)) if is_full_log(&*error) => {
                exchange.note_fault(error.to_string());
                sink.overflowed();
                write_rest(sink, exchange, cancel).await;
            }
            Err(error @ UpbitError::Refused { .. }) => {
                // what is collected stays to be asked for; the page and the log say why nothing comes
                tracing::error!(%error, "collection has stopped");
                exchange.note_fault(error.to_string());
                cancel.cancelled().await;
            }
            Err(error) => return Err(Failure::of(&error)),
        }
        if cancel.is_cancelled() {
            return Ok(());
        }
    }
}

/// Appends what the collector still holds, however long the log takes to be writable again; gives up when cancelled.
async fn write_rest(sink: &mut dyn Sink, exchange: &Exchange, cancel: &CancellationToken) {
    while let Err(error) = sink.drain() {
        tracing::error!(%error, retry = error.retry(), "events wait for the log");
        exchange.note_fault(format!("events wait in memory: {error}"));
        if cancel.is_cancelled() {
            return;
        }
        tokio::time::sleep(LOG_WAIT).await;
    }
}

fn is_full_log(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref::<CollectError>(), Some(CollectError::Full { .. }))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
