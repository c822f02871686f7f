//! Which rooms there are and how they are connected. The only place that knows all of them, and the only one that decides
//! what stops the process.

use crate::cluster::{Cluster, PipelineLog, Relay};
use crate::collector::CollectorStats;
use crate::config::{Source, UpConfig};
use crate::failure::Failure;
use crate::output;
use crate::up::PARTITIONS;
use crate::up::backfill;
use crate::up::bars;
use crate::up::care::Care;
use crate::up::collect::{self, Addresses};
use crate::up::collecting::{self, Collecting};
use crate::up::exchange::Exchange;
use crate::up::health::{HealthReport, ReportParts};
use crate::up::kafka::Kafka;
use crate::up::log_place;
use crate::up::playback::Playback;
use crate::up::procedures::TableProcedures;
use crate::up::topics::LogTopics;
use hoga_engine::flow::sink_topic_meanings;
use hoga_engine::graph::Graph;
use hoga_engine::{Engine, EngineOptions, FlowOptions, QueryLimits, QueryService, Recovery};
use hoga_log::{Compression, DiskLog, DiskOptions, Log, LogError, Retention, TopicSpec};
use hoga_model::StreamKind;
use hoga_model::market::{DEAD_LETTER_TOPIC, GAP_TOPIC, MARKET_TOPIC};
use hoga_model::time::{Clock, SystemClock};
use hoga_serve::board::{ListedMarket, SharedBoard};
use hoga_serve::http::backfill::Backfills;
use hoga_serve::http::{self, Feed, HttpConfig, HttpState};
use hoga_serve::postgres::{self, PostgresConfig};
use hoga_serve::{Secret, SessionFactory};
use hoga_upbit::frame::known_fields;
use hoga_upbit::sim::{self, SimConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The pipeline that runs unless `--pipeline` names another.
pub const BUILT_IN_PIPELINE: &str = include_str!("../../../../pipeline/upbit.sql");
pub const BUILT_IN_PIPELINE_NAME: &str = "pipeline/upbit.sql";
/// Splits of a query; the worker threads they run on are as many.
pub const QUERY_PARTITIONS: usize = 2;

/// Everything that is open before the first event comes.
pub(super) struct Rooms {
    pub(super) log: Arc<dyn Log>,
    /// Where the log is: the data folder, or a cluster.
    pub(super) place: Place,
    /// The log as the engine sees it, in a cluster.
    pipeline: Option<Arc<PipelineLog>>,
    pub(super) engine: Arc<Engine>,
    pub(super) queries: Arc<QueryService>,
    pub(super) clock: Arc<dyn Clock>,
    /// What the pipeline reads and writes.
    topics: Vec<String>,
    /// Bars that had closed before a trade came are computed again.
    pub(super) corrects_bars: bool,
}

pub(super) enum Place {
    Disk(Arc<DiskLog>),
    Cluster(Cluster),
}

impl Place {
    fn disk(&self) -> Option<&Arc<DiskLog>> {
        match self {
            Place::Disk(disk) => Some(disk),
            Place::Cluster(_) => None,
        }
    }
}

/// Runs until it is told to stop. `playback`: records to take in the place of an exchange's frames.
pub async fn run(config: UpConfig, mut playback: Option<Playback>) -> Result<(), Failure> {
    let cancel = CancellationToken::new();
    stop_on_signals(&cancel)?;
    let rooms = open_rooms(&config, playback.as_mut(), &cancel).await?;
    let stats = Arc::new(CollectorStats::default());
    let exchange =
        Arc::new(Exchange::new(config.source.to_string(), config.source != Source::Upbit, config.connections));
    let kafka = match &rooms.place {
        // before any client can create another: these are the program's own
        Place::Disk(disk) => {
            let own_topics = own_topics(&rooms.topics);
            Kafka::start(&config.kafka, disk.clone(), rooms.clock.clone(), own_topics, cancel.clone()).await?
        }
        // its clients connect to the cluster itself
        Place::Cluster(_) => None,
    };
    let broker = kafka.as_ref().map(|kafka| kafka.broker.clone());
    let Collecting { mut sink, relay, repairer, backfiller } =
        collecting::start(&config, &rooms, &stats, &exchange, &cancel).await?;
    let care = Care::new(rooms.engine.tables(), rooms.clock.clone());
    let corrector = bars::corrector(&rooms, relay.as_ref())?;
    let report = HealthReport::new(ReportParts {
        exchange: exchange.clone(),
        collector: stats,
        engine: rooms.engine.clone(),
        log: rooms.log.clone(),
        disk: rooms.place.disk().cloned(),
        election: relay.as_ref().map(Relay::health),
        repair: match &relay {
            Some(relay) => Some(relay.repair_status()),
            None => repairer.as_ref().map(|repairer| repairer.status.clone()),
        },
        bars: corrector.as_ref().map(|corrector| corrector.status.clone()),
        clock: rooms.clock.clone(),
        kafka: broker.clone(),
        care: care.clone(),
    });
    let disk = rooms.place.disk().cloned();
    let topics = LogTopics::new(rooms.log.clone(), disk, rooms.engine.clone(), broker, rooms.clock.clone());
    let board = Arc::new(SharedBoard::default());
    let (ready, serving) = start_listeners(
        &config,
        &rooms,
        &report,
        topics.clone(),
        board.clone(),
        backfill::shown(backfiller.as_ref()),
        kafka,
        &cancel,
    )
    .await?;
    let caring = care.start(cancel.clone());
    // jobs go on until the collector is done: they are stopped after it
    let engine_cancel = CancellationToken::new();
    let engine = tokio::spawn({
        let (engine, cancel) = (rooms.engine.clone(), engine_cancel.clone());
        async move { engine.run(cancel).await }
    });
    let sample = move || {
        report.sample();
        topics.sample();
    };
    let background =
        tokio::spawn(super::background::run(rooms.place.disk().cloned(), rooms.clock.clone(), sample, cancel.clone()));
    let simulator = start_simulator(&config, &rooms.clock, &cancel).await?;
    let addresses = simulator
        .unwrap_or_else(|| Addresses { ws_url: config.upbit_ws_url.clone(), rest_url: config.upbit_rest_url.clone() });
    if rooms.engine.caught_up(&cancel).await.map_err(|error| Failure::of(&error))? {
        if let Err(failure) = serving.announce(&config) {
            tracing::warn!(reason = failure.message(), "the addresses were not printed");
        }
        // nobody listening any more means that the process is stopping
        let _ = ready.send(true);
    }

    if let Some(backfiller) = &backfiller {
        backfiller.begin(&addresses.rest_url);
    }
    if let Some(relay) = &relay {
        relay.begin_repair(&addresses.rest_url);
    }
    let on_markets = |markets: Vec<ListedMarket>| board.lock().set_markets(markets);
    let repairing = repairer.map(|repairer| tokio::spawn(repairer.run(addresses.rest_url.clone())));
    let correcting = corrector.and_then(|corrector| corrector.start(cancel.clone()));
    let collected = match playback {
        Some(playback) => playback.run(rooms.log.clone(), &rooms.engine, &exchange, &cancel).await,
        None => collect::run(&config, &addresses, &mut *sink, &exchange, &on_markets, &cancel).await,
    };
    if collected.is_ok() {
        // a replay has ended: its rows stay to be asked for
        cancel.cancelled().await;
    }
    cancel.cancel();
    if let Some(repairing) = repairing
        && let Err(error) = repairing.await
    {
        tracing::error!(%error, "the task that repairs gaps ended badly");
    }
    if let Some(correcting) = correcting
        && let Err(error) = correcting.await
    {
        tracing::error!(%error, "the task that computes bars again ended badly");
    }
    let relayed = match relay {
        Some(relay) => relay.finish().await,
        None => Ok(()),
    };
    engine_cancel.cancel();
    let engine_result = engine.await;
    let told = match &rooms.pipeline {
        Some(pipeline) => pipeline.finish().await,
        None => Ok(()),
    };
    if let Err(error) = caring.await {
        tracing::error!(%error, "the task that cares for tables ended badly");
    }
    if let Err(error) = background.await {
        tracing::error!(%error, "the retention task ended badly");
    }
    serving.stopped().await;
    let synced = rooms.log.sync();
    collected?;
    relayed?;
    told?;
    match engine_result {
        Ok(result) => result.map_err(|error| Failure::of(&error))?,
        Err(error) => return Err(Failure::external(format!("the engine ended badly: {error}"))),
    }
    synced.map_err(|error| Failure::of(&error))?;
    tracing::info!("stopped: everything received is in the log, and its rows are in the lake");
    Ok(())
}

/// Opens the data folder: log, lake, engine. What a crash left is mended and told.
async fn open_rooms(
    config: &UpConfig,
    playback: Option<&mut Playback>,
    cancel: &CancellationToken,
) -> Result<Rooms, Failure> {
    let plan = crate::commands::check::plan(config.pipeline.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    std::fs::create_dir_all(&config.data).map_err(|error| {
        Failure::external(format!(
            "cannot create the data folder \"{}\": {error}; choose another with --data",
            config.data.display()
        ))
    })?;
    let graph = plan.graph;
    let topics: Vec<String> = graph.topics().map(str::to_owned).collect();
    let place = match &config.brokers {
        Some(_) => Place::Cluster(Cluster::open(config).await?),
        None => Place::Disk(open_log(config, &clock)?),
    };
    let cluster_id = match &place {
        Place::Disk(_) => None,
        Place::Cluster(cluster) => Some(cluster.id().await?),
    };
    log_place::claim(&config.data, cluster_id.as_deref())?;
    let log: Arc<dyn Log> = match &place {
        Place::Disk(disk) => {
            for topic in &topics {
                create_topic(config, disk, topic, PARTITIONS)?;
            }
            disk.clone()
        }
        Place::Cluster(cluster) => {
            find_topics(config, cluster.as_log(), &graph).await?;
            cluster.as_log()
        }
    };
    let silent = match playback {
        Some(playback) => {
            let written: BTreeSet<&str> = graph.sink_topics().collect();
            let read = graph.source_topics().filter(|topic| !written.contains(topic));
            playback.silent(read).map_err(|error| Failure::of(&error))?
        }
        None => BTreeMap::new(),
    };
    let pipeline = match &place {
        Place::Disk(_) => None,
        Place::Cluster(cluster) => {
            Some(cluster.pipeline_log(sink_topic_meanings(&graph), clock.clone(), cancel.clone()).await?)
        }
    };
    let of_engine = pipeline.clone().map_or_else(|| log.clone(), PipelineLog::as_log);
    let lake = Box::pin(config.warehouse.open(&config.data)).await?;
    let corrects_bars = place.disk().is_some() || config.pipeline.is_none();
    let options = EngineOptions {
        checkpoint_folder: config.data.join("checkpoints"),
        checkpoint_interval: config.checkpoint_interval,
        live_tail_bytes_max: config.live_tail_bytes as u64,
        resets_changed_queries: config.reset_changed_queries,
        flow: FlowOptions {
            parallelism: config.parallelism,
            state_bytes_max: config.state_memory,
            corrects_bars,
            known_fields: Some(StreamKind::ALL.map(|kind| (kind.topic().to_owned(), known_fields(kind))).into()),
            silent,
            ..FlowOptions::default()
        },
    };
    let opened = Engine::open(graph, of_engine, &lake, clock.clone(), options).await;
    let (engine, recovery) = opened.map_err(|error| Failure::of(&error))?;
    tell_recovery(&recovery);
    let limits = QueryLimits {
        memory_bytes: config.query_memory,
        partitions: QUERY_PARTITIONS,
        spill_folder: config.data.join("spill"),
    };
    let queries = QueryService::new(engine.tables(), &limits)
        .map_err(|error| Failure::external(format!("cannot prepare the query service: {error}")))?;
    let (engine, queries) = (Arc::new(engine), Arc::new(queries));
    Ok(Rooms { log, place, pipeline, engine, queries, clock, topics, corrects_bars })
}

fn open_log(config: &UpConfig, clock: &Arc<dyn Clock>) -> Result<Arc<DiskLog>, Failure> {
    let mut options = DiskOptions::new(config.data.join("log"));
    options.compression = if config.log_compressed { Compression::Lz4 } else { Compression::None };
    options.fsync_interval_ms = config.log_fsync_interval.as_millis() as u64;
    options.clock = clock.clone();
    let (log, _) = DiskLog::open(options).map_err(|error| Failure::of(&error))?;
    let log = Arc::new(log);
    for kind in StreamKind::ALL {
        create_topic(config, &log, kind.topic(), PARTITIONS)?;
    }
    create_topic(config, &log, DEAD_LETTER_TOPIC, 1)?;
    create_topic(config, &log, GAP_TOPIC, PARTITIONS)?;
    create_topic(config, &log, MARKET_TOPIC, PARTITIONS)?;
    Ok(log)
}

/// What the collector writes and the pipeline reads and writes: clients of the Kafka listener cannot delete it.
fn own_topics(of_the_pipeline: &[String]) -> Vec<String> {
    let collected = StreamKind::ALL.iter().map(|kind| kind.topic().to_owned());
    let others = [DEAD_LETTER_TOPIC.to_owned(), GAP_TOPIC.to_owned(), MARKET_TOPIC.to_owned()];
    of_the_pipeline.iter().cloned().chain(collected).chain(others).collect()
}

/// The pipeline's topics in a cluster. One that it writes is made if it is missing; those that it reads, but for the collector's, are somebody
/// else's to create.
async fn find_topics(config: &UpConfig, log: Arc<dyn Log>, graph: &Graph) -> Result<(), Failure> {
    let read: Vec<String> = graph.source_topics().map(str::to_owned).collect();
    let written = graph.sink_topics().map(|topic| topic_spec(config, topic, PARTITIONS)).collect::<Vec<_>>();
    let found = tokio::task::spawn_blocking(move || {
        for spec in &written {
            match log.offsets(&spec.name, 0) {
                Err(LogError::UnknownTopic { .. }) => log.create_topic(spec)?,
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        read.iter().try_for_each(|topic| log.offsets(topic, 0).map(|_| ()))
    });
    let found = found.await.map_err(|error| Failure::external(format!("looking up topics ended badly: {error}")))?;
    found.map_err(|error| Failure::of(&error))
}

fn create_topic(config: &UpConfig, log: &DiskLog, name: &str, partitions: u32) -> Result<(), Failure> {
    log.create_topic(&topic_spec(config, name, partitions)).map_err(|error| Failure::of(&error))
}

fn topic_spec(config: &UpConfig, name: &str, partitions: u32) -> TopicSpec {
    let retention = Retention {
        max_age_ms: Some(config.log_retention.as_millis() as i64),
        max_bytes: Some(config.log_retention_bytes),
    };
    // the ledger of gaps and the list of markets are read whole at start, and what they say is for ever
    let is_for_ever = name == GAP_TOPIC || name == MARKET_TOPIC;
    let retention = if is_for_ever { Retention { max_age_ms: None, max_bytes: None } } else { retention };
    TopicSpec { retention, ..TopicSpec::new(name, partitions) }
}

fn tell_recovery(recovery: &Recovery) {
    let Some(checkpoint) = recovery.checkpoint else { return };
    let replayed: u64 = recovery.records_to_replay.values().sum();
    tracing::info!(
        checkpoint,
        rows_recommitted = recovery.rows_recommitted,
        records_to_replay = replayed,
        "went on from the last checkpoint"
    );
}

/// The listeners, and how to tell them that the process is ready.
#[expect(clippy::too_many_arguments, reason = "one place calls it, with what there is to be shown")]
async fn start_listeners(
    config: &UpConfig,
    rooms: &Rooms,
    report: &Arc<HealthReport>,
    topics: Arc<LogTopics>,
    board: Arc<SharedBoard>,
    backfills: Arc<dyn Backfills>,
    kafka: Option<Kafka>,
    cancel: &CancellationToken,
) -> Result<(watch::Sender<bool>, Serving), Failure> {
    let queries = rooms.queries.clone();
    let sessions: SessionFactory = Arc::new(move || queries.session());
    let (ready, is_ready) = watch::channel(false);
    let token = config.http_token.clone().map(Secret::new);
    let http_config = HttpConfig { listen: config.http, token, host_names: Vec::new() };
    let tables = rooms.engine.tables();
    let feeds = tables.iter().map(|table| Feed { table: table.table().to_owned(), batches: table.subscribe() });
    let report = report.clone();
    let state = HttpState {
        sessions: sessions.clone(),
        board,
        health: Arc::new(move || report.health()),
        ready: is_ready,
        feeds: feeds.collect(),
        topics,
        backfills,
        statement_timeout: config.statement_timeout,
    };
    let http = http::serve(http_config, state, cancel.clone()).await.map_err(|error| Failure::of(&error))?;
    let mut postgres_config = PostgresConfig::new(config.postgres);
    postgres_config.statement_timeout = config.statement_timeout;
    postgres_config.procedures = Some(TableProcedures::online(rooms.engine.tables(), rooms.clock.clone()));
    postgres_config.password = config.postgres_password.clone().map(Secret::new);
    let postgres =
        postgres::serve(postgres_config, sessions, cancel.clone()).await.map_err(|error| Failure::of(&error))?;
    Ok((ready, Serving { http, postgres, kafka }))
}

struct Serving {
    http: http::RunningHttp,
    postgres: postgres::RunningPostgres,
    kafka: Option<Kafka>,
}

impl Serving {
    /// One line for each listener: scripts wait for them, people click on them.
    fn announce(&self, config: &UpConfig) -> Result<(), Failure> {
        output::line!("page      http://{}", self.http.local_addr)?;
        output::line!(
            "postgres  psql -h {} -p {} hoga",
            self.postgres.local_addr().ip(),
            self.postgres.local_addr().port()
        )?;
        if let Some(kafka) = &self.kafka {
            output::line!("{}", kafka.line())?;
        }
        output::line!("source    {}{}", config.source, source_note(&config.source))?;
        output::line!("data      {}", config.data.display())?;
        if let Some(brokers) = &config.brokers {
            output::line!("cluster   {brokers}")?;
            if config.kafka.is_asked {
                output::line!("kafka     nothing listens here: Kafka clients connect to the cluster")?;
            }
        }
        Ok(())
    }

    async fn stopped(self) {
        self.http.stopped().await;
        self.postgres.stopped().await;
        if let Some(kafka) = self.kafka {
            kafka.stopped().await;
        }
    }
}

/// What people must not overlook.
pub fn source_note(source: &Source) -> &'static str {
    match source {
        Source::Upbit => "",
        Source::Sim => "   SIMULATED: not the exchange",
        Source::Replay(_) | Source::Log(_) => "   RECORDED: not the exchange",
    }
}

/// The simulated exchange inside the process, if it was chosen by name.
pub async fn start_simulator(
    config: &UpConfig,
    clock: &Arc<dyn Clock>,
    cancel: &CancellationToken,
) -> Result<Option<Addresses>, Failure> {
    if config.source != Source::Sim {
        return Ok(None);
    }
    let sim_config =
        SimConfig { markets: config.sim_markets, rate: config.sim_rate, seed: config.sim_seed, ..SimConfig::default() };
    let running = sim::serve(sim_config, clock.clone(), cancel.clone()).await.map_err(|error| Failure::of(&error))?;
    Ok(Some(Addresses { ws_url: running.ws_url(), rest_url: running.rest_url() }))
}

/// Ctrl-C and SIGTERM stop cleanly; a second one does not wait.
pub fn stop_on_signals(cancel: &CancellationToken) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| Failure::external(format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let cancel = cancel.clone();
    tokio::spawn(async move {
        for is_second in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_second {
                tracing::warn!("stopped at once; what is not committed is in the log");
                #[expect(clippy::exit, reason = "the user asked twice")]
                std::process::exit(3);
            }
            tracing::info!("stopping: flushing and committing (again to stop at once)");
            cancel.cancel();
        }
    });
    Ok(())
}
