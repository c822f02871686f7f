//! Who collects, as it is started: the collector as earlier runs left it, with repair, backfill and the list of markets; or the relay into a cluster.

use crate::cluster::{Relay, RelayParts};
use crate::collector::{Collector, CollectorStats, Listener, TradeSaver, gap_log, listing_log, trade_index};
use crate::config::{Source, UpConfig};
use crate::failure::Failure;
use crate::repair::{RepairStatus, Repairer, SharedCollector, TradeTable};
use crate::up::backfill::Backfiller;
use crate::up::collect::{Intake, Sink};
use crate::up::exchange::Exchange;
use crate::up::topology::{Place, Rooms};
use hoga_log::DiskLog;
use hoga_upbit::gap::Ledger;
use hoga_upbit::listing::Listings;
use hoga_upbit::standby::TradeIndex;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// What collects: where a session's frames go, and who asks for those that were missed.
pub(super) struct Collecting {
    pub sink: Box<dyn Sink>,
    /// Of a cluster.
    pub relay: Option<Relay>,
    /// Of an exchange and a log of this process's own.
    pub repairer: Option<Repairer>,
    /// Likewise.
    pub backfiller: Option<Backfiller>,
}

/// Frames go into this process's own log, or to the thread that writes into a cluster.
pub(super) async fn start(
    config: &UpConfig,
    rooms: &Rooms,
    stats: &Arc<CollectorStats>,
    exchange: &Arc<Exchange>,
    cancel: &CancellationToken,
) -> Result<Collecting, Failure> {
    let is_recording = matches!(config.source, Source::Replay(_) | Source::Log(_));
    match &rooms.place {
        Place::Disk(disk) => {
            let Collected { trades, ledger, last_run_ms, listings } =
                load_collected(&config.data, disk.clone()).await?;
            let mut collector = Collector::new(rooms.log.clone(), trades, ledger, stats.clone());
            let now_ms = rooms.clock.now_ms();
            // a recording says nothing about what the exchange sent since
            if let Some(last_run_ms) = last_run_ms.filter(|_| !is_recording) {
                collector
                    .restart(last_run_ms, &listings, now_ms)
                    .map_err(|error| Failure::external(error.to_string()))?;
            }
            let collector: SharedCollector = Arc::new(Mutex::new(collector));
            let saver = TradeSaver::new(trade_index_path(&config.data), rooms.log.clone());
            let repairer = Repairer {
                collector: collector.clone(),
                log: rooms.log.clone(),
                clock: rooms.clock.clone(),
                status: Arc::new(RepairStatus::default()),
                cancel: cancel.clone(),
                verify_interval: config.verify_interval,
                last_run_ms,
                trade_table: TradeTable::of(rooms.engine.clone(), rooms.queries.clone(), rooms.log.clone()),
            };
            let backfiller = Backfiller::new(collector.clone(), repairer.status.clone(), rooms.clock.clone());
            let (exchange, clock) = (exchange.clone(), rooms.clock.clone());
            let sink =
                Box::new(Intake { collector, exchange, saver, clock, listener: Listener::new(now_ms), listings });
            let (repairer, backfiller) = match is_recording {
                true => (None, None),
                false => (Some(repairer), Some(backfiller)),
            };
            Ok(Collecting { sink, relay: None, repairer, backfiller })
        }
        Place::Cluster(cluster) => {
            let parts = RelayParts {
                stats: stats.clone(),
                clock: rooms.clock.clone(),
                is_recording,
                verify_interval: config.verify_interval,
                cancel: cancel.clone(),
            };
            let relay = Relay::start(cluster, parts).await?;
            let sink = relay.sink(exchange.clone());
            Ok(Collecting { sink, relay: Some(relay), repairer: None, backfiller: None })
        }
    }
}

/// What earlier runs collected.
struct Collected {
    /// The newest of them.
    trades: TradeIndex,
    ledger: Ledger,
    /// When the newest event was received.
    last_run_ms: Option<i64>,
    listings: Listings,
}

/// Reading topics is disk work: off the async workers.
async fn load_collected(data: &Path, log: Arc<DiskLog>) -> Result<Collected, Failure> {
    let path = trade_index_path(data);
    let load = move || {
        let trades = trade_index::load(&path, &*log)?;
        let (ledger, last_run_ms) = gap_log::load(&*log)?;
        let listings = listing_log::load(&*log)?;
        Ok(Collected { trades, ledger, last_run_ms, listings })
    };
    let loaded: Result<Result<_, trade_index::IndexError>, _> = tokio::task::spawn_blocking(load).await;
    loaded
        .map_err(|error| Failure::external(format!("reading the trade topic ended badly: {error}")))?
        .map_err(|error| Failure::of(&error))
}

fn trade_index_path(data: &Path) -> PathBuf {
    data.join("trade-index.json")
}
