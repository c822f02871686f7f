//! `hoga collect`: the collector alone, into a Kafka cluster.

use crate::cli::CollectArgs;
use crate::cluster::{Cluster, Relay, RelayParts};
use crate::collector::CollectorStats;
use crate::config::{Source, UpConfig};
use crate::failure::Failure;
use crate::output;
use crate::repair::RepairStatus;
use crate::up::collect::{self, Addresses};
use crate::up::exchange::Exchange;
use crate::up::health::{self, CollectorSource};
use crate::up::process::{self, CpuMeter};
use crate::up::sampler::{Sample, Samples};
use crate::up::topology;
use hoga_model::time::{Clock, SystemClock};
use hoga_serve::Secret;
use hoga_serve::health::{Health, ProcessHealth};
use hoga_serve::http::{self, HttpConfig};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

pub fn run(args: Box<CollectArgs>) -> Result<(), Failure> {
    let config = UpConfig::load(&(*args).into())?;
    crate::up::start_tracing(&config.log_level)?;
    crate::up::in_runtime(collect(config))
}

async fn collect(config: UpConfig) -> Result<(), Failure> {
    let cancel = CancellationToken::new();
    topology::stop_on_signals(&cancel)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stats = Arc::new(CollectorStats::default());
    let exchange =
        Arc::new(Exchange::new(config.source.to_string(), config.source != Source::Upbit, config.connections));
    let cluster = Cluster::open(&config).await?;
    let parts = RelayParts {
        stats: stats.clone(),
        clock: clock.clone(),
        is_recording: matches!(config.source, Source::Replay(_)),
        verify_interval: config.verify_interval,
        cancel: cancel.clone(),
    };
    let relay = Relay::start(&cluster, parts).await?;
    let report = Arc::new(Report {
        started: Instant::now(),
        exchange: exchange.clone(),
        stats,
        election: relay.health(),
        repair: relay.repair_status(),
        clock: clock.clone(),
        samples: Mutex::new((Samples::default(), CpuMeter::start())),
    });
    let serving = serve(&config, &report, &cancel).await?;
    announce(&config, serving.local_addr)?;
    let sampling = tokio::spawn(sample(report, cancel.clone()));
    let simulator = topology::start_simulator(&config, &clock, &cancel).await?;
    let addresses = simulator
        .unwrap_or_else(|| Addresses { ws_url: config.upbit_ws_url.clone(), rest_url: config.upbit_rest_url.clone() });
    relay.begin_repair(&addresses.rest_url);
    let mut sink = relay.sink(exchange.clone());
    let collected = collect::run(&config, &addresses, &mut *sink, &exchange, &|_| {}, &cancel).await;
    // a replay ends by itself; everything else when it is told to
    let relayed = relay.finish().await;
    cancel.cancel();
    serving.stopped().await;
    if let Err(error) = sampling.await {
        tracing::error!(%error, "the task that samples rates ended badly");
    }
    relayed?;
    collected?;
    tracing::info!("stopped: what this collector had to write is in the cluster");
    Ok(())
}

async fn serve(
    config: &UpConfig,
    report: &Arc<Report>,
    cancel: &CancellationToken,
) -> Result<http::RunningHttp, Failure> {
    let token = config.http_token.clone().map(Secret::new);
    let http_config = HttpConfig { listen: config.http, token, host_names: Vec::new() };
    let report = report.clone();
    // it takes events from now on, whether it leads or not
    let (_, ready) = watch::channel(true);
    let serving = http::serve_health(http_config, Arc::new(move || report.health()), ready, cancel.clone()).await;
    serving.map_err(|error| Failure::of(&error))
}

fn announce(config: &UpConfig, http: std::net::SocketAddr) -> Result<(), Failure> {
    output::line!("health    http://{http}/healthz")?;
    output::line!("cluster   {}", config.brokers.as_deref().unwrap_or_default())?;
    output::line!("source    {}{}", config.source, topology::source_note(&config.source))
}

async fn sample(report: Arc<Report>, cancel: CancellationToken) {
    let mut interval = tokio::time::interval(SAMPLE_INTERVAL);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = interval.tick() => report.sample(),
        }
    }
}

/// Every number there is of a collector.
struct Report {
    started: Instant,
    exchange: Arc<Exchange>,
    stats: Arc<CollectorStats>,
    election: CollectorSource,
    repair: Arc<RepairStatus>,
    clock: Arc<dyn Clock>,
    samples: Mutex<(Samples, CpuMeter)>,
}

impl Report {
    fn sample(&self) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu_cores = samples.1.cores();
        samples.0.push(Sample {
            time_ms: self.clock.now_ms(),
            streams: std::array::from_fn(|index| self.stats.streams[index].received.get()),
            jobs: Vec::new(),
            visible_after: Vec::new(),
            cpu_cores,
        });
    }

    fn health(&self) -> Health {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let (election, now_ms) = ((self.election)(), self.clock.now_ms());
        // whoever leads keeps the ledger
        let gaps = election.leading.then(|| health::gaps(&self.repair, now_ms));
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: self.started.elapsed().as_millis() as u64,
            source: self.exchange.health(),
            streams: health::streams(&self.stats, &samples.0, now_ms),
            collector: Some(election),
            gaps,
            process: ProcessHealth {
                resident_bytes: process::resident_bytes(),
                cpu_seconds_total: process::cpu_seconds(),
                cpu_cores: samples.0.cpu_cores(),
            },
            dead_letters_total: self.stats.dead_letters.get(),
            ..Health::default()
        }
    }
}
