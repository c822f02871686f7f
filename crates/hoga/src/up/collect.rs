//! The collection task: one source of frames, the collector, and what to do when either fails.

use crate::collector::{CollectError, TradeSaver};
use crate::config::{Source, UpConfig};
use crate::failure::Failure;
use crate::repair::{SharedCollector, lock};
use crate::up::exchange::Exchange;
use bytes::Bytes;
use hoga_log::LogError;
use hoga_model::time::{Clock, SystemClock};
use hoga_model::{Faulty, Market, MarketInfo};
use hoga_upbit::error::{BoxError, UpbitError};
use hoga_upbit::gap::Cause;
use hoga_upbit::session::{self, Handler, Loss, SessionConfig, SessionState};
use hoga_upbit::subscription::Subscription;
use hoga_upbit::{replay, rest, selection};
use std::sync::Arc;
use std::time::Duration;
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
    /// When the markets were asked for.
    pub asked_ms: i64,
}

impl Intake {
    /// The ledger has a hole before the session goes on; if the log cannot be written, it waits with the events.
    fn lost(&mut self, cause: Cause) {
        if let Err(error) = lock(&self.collector).lost(cause, self.clock.now_ms()) {
            tracing::error!(%error, "a gap waits for the log");
        }
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
        match state {
            SessionState::Subscribed => self.asked_ms = self.clock.now_ms(),
            SessionState::Disconnected { loss, .. } => self.lost(match loss {
                Loss::Disconnect => Cause::Disconnect,
                Loss::Silence => Cause::Silence,
                Loss::Stall => Cause::Stall,
                Loss::Error => Cause::Error,
            }),
            SessionState::SilentMarkets(markets) => {
                let noted = lock(&self.collector).unanswered(&markets, self.asked_ms, self.clock.now_ms());
                if let Err(error) = noted {
                    tracing::error!(%error, "a gap waits for the log");
                }
            }
            _ => {}
        }
    }
}

impl Sink for Intake {
    fn listen(&mut self, markets: &[Market]) {
        lock(&self.collector).ledger.listen(markets);
    }

    fn overflowed(&mut self) {
        self.lost(Cause::Overflow);
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
    on_markets: impl FnOnce(Vec<MarketInfo>),
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
    on_markets: impl FnOnce(Vec<MarketInfo>),
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut on_state = |state: SessionState| exchange.note(&state);
    let listed = rest::markets_when_reachable(&addresses.rest_url, clock(), cancel.clone(), &mut on_state).await;
    let Some(listed) = listed.map_err(|error| Failure::of(&error))? else { return Ok(()) };
    let chosen = selection::select_markets(&listed, &config.markets).map_err(|error| Failure::of(&error))?;
    tracing::info!(markets = chosen.len(), "subscribing to ticker, trade and orderbook");
    sink.listen(&chosen);
    on_markets(listed.into_iter().filter(|info| chosen.contains(&info.market)).collect());
    let mut session = SessionConfig::new(Subscription::all_streams(chosen));
    session.url = addresses.ws_url.clone();
    loop {
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
