//! `hoga run`: a pipeline on recorded records, without an exchange and without listeners, to the end of the input.
//!
//! In: a pipeline and a file of records. Out: its tables, committed. What a killed run has left is gone on with by the next one on
//! the same data folder: records that are in its log are not appended again.

mod records;

use crate::cli::RunArgs;
use crate::commands::check;
use crate::config::{Warehouse, absolute, parse_duration, variable_of};
use crate::failure::Failure;
use crate::output;
use hoga_engine::graph::Graph;
use hoga_engine::{Engine, EngineOptions, FlowOptions};
use hoga_log::{DiskLog, DiskOptions, Log, Retention, TopicSpec};
use hoga_model::market::DEAD_LETTER_TOPIC;
use hoga_model::time::SystemClock;
use records::Input;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const WORKER_THREADS: usize = 2;
const CHECKPOINT_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Uncommitted rows of a table beyond this are committed early, as `hoga up` does by default.
const LIVE_TAIL_BYTES: u64 = 48 << 20;
/// Records are appended in batches of at most this many, and with `--rate` at least this often.
const BATCH_RECORDS: usize = 1_000;
const FEED_INTERVAL: Duration = Duration::from_millis(10);

pub fn run(args: &RunArgs) -> Result<(), Failure> {
    crate::up::start_tracing(&args.log_level)?;
    let checkpoint_interval = match parse_duration(&args.checkpoint_interval) {
        Ok(interval) if interval >= CHECKPOINT_INTERVAL_MIN => interval,
        Ok(_) => return Err(Failure::user("--checkpoint-interval: the shortest is 10ms")),
        Err(hint) => return Err(Failure::user(format!("--checkpoint-interval: {hint}"))),
    };
    if args.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return Err(Failure::user("--rate: write records a second, more than 0"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(run_to_the_end(args, checkpoint_interval))
}

async fn run_to_the_end(args: &RunArgs, checkpoint_interval: Duration) -> Result<(), Failure> {
    let cancel = CancellationToken::new();
    crate::up::topology::stop_on_signals(&cancel)?;
    let mut graph = check::plan(Some(&args.pipeline))?.graph;
    graph.bound_sources();
    let input = records::read(&args.input)?;
    let (data, warehouse) = folders(args)?;
    let log = open_log(&data, &graph, &input)?;
    let lake = Box::pin(warehouse.open(&data)).await?;
    let options = EngineOptions {
        checkpoint_folder: data.join("checkpoints"),
        checkpoint_interval,
        live_tail_bytes_max: LIVE_TAIL_BYTES,
        resets_changed_queries: false,
        // the input ends with the file, whatever is in the topics when the engine starts
        flow: FlowOptions { input_ends: input.ends(), ..FlowOptions::default() },
    };
    if graph.source_topics().next().is_none() {
        // nothing reads: the end of the input is the end
        feed(&log, &input, args.rate, &cancel).await?;
        return log.sync().map_err(|error| Failure::of(&error));
    }
    if args.rate.is_none() {
        feed(&log, &input, None, &cancel).await?;
    }
    let as_log: Arc<dyn Log> = log.clone();
    let opened = Engine::open(graph, as_log, &lake, Arc::new(SystemClock), options).await;
    let engine = Arc::new(opened.map_err(|error| Failure::of(&error))?.0);
    let running = tokio::spawn({
        let (engine, cancel) = (engine.clone(), cancel.clone());
        async move { engine.run(cancel).await }
    });
    if args.rate.is_some() {
        feed(&log, &input, args.rate, &cancel).await?;
    }
    match running.await {
        Ok(result) => result.map_err(|error| Failure::of(&error))?,
        Err(error) => return Err(Failure::external(format!("the engine ended badly: {error}"))),
    }
    log.sync().map_err(|error| Failure::of(&error))?;
    report(&engine)?;
    match engine.checkpoints().last().error {
        Some(error) => Err(Failure::external(format!("the last rows are not committed: {error}; run it again"))),
        None if cancel.is_cancelled() => Err(Failure::external("stopped before the end; run it again to go on")),
        None => Ok(()),
    }
}

/// The data folder and the warehouse, absolute as Paimon wants them.
fn folders(args: &RunArgs) -> Result<(PathBuf, Warehouse), Failure> {
    let data = absolute(&args.data);
    std::fs::create_dir_all(&data)
        .map_err(|error| Failure::external(format!("cannot create the data folder \"{}\": {error}", data.display())))?;
    let variable = |name: &str| std::env::var(variable_of(name)).ok();
    let warehouse = Warehouse::resolve(args.warehouse.as_deref(), &data, variable).map_err(Failure::user)?;
    Ok((data, warehouse))
}

/// The log with every topic that the input or the pipeline names. Recorded records may be old: they are kept.
fn open_log(data: &Path, graph: &Graph, input: &Input) -> Result<Arc<DiskLog>, Failure> {
    let (log, _) = DiskLog::open(DiskOptions::new(data.join("log"))).map_err(|error| Failure::of(&error))?;
    let mut topics = input.partitions();
    let named = graph.topics().chain([DEAD_LETTER_TOPIC]);
    let present: Vec<String> = log.topics().into_iter().map(|topic| topic.name).collect();
    for name in named.filter(|name| !present.iter().any(|topic| topic == name)) {
        topics.entry(name.to_owned()).or_insert(1);
    }
    for (name, partitions) in topics {
        let mut spec = TopicSpec::new(&name, partitions);
        spec.retention = Retention { max_age_ms: None, max_bytes: None };
        log.create_topic(&spec).map_err(|error| Failure::of(&error))?;
    }
    Ok(Arc::new(log))
}

/// Appends what the log does not have yet, as fast as it takes it or `rate` records a second.
async fn feed(log: &DiskLog, input: &Input, rate: Option<f64>, cancel: &CancellationToken) -> Result<(), Failure> {
    let pending = input.missing_in(log)?;
    let started = Instant::now();
    let mut fed = 0;
    while fed < pending.len() && !cancel.is_cancelled() {
        let due = rate.map_or(pending.len(), |rate| (started.elapsed().as_secs_f64() * rate) as usize);
        let until = due.min(pending.len()).min(fed + BATCH_RECORDS);
        for (topic, partition, records) in records::batches(&pending[fed..until]) {
            log.append(topic, partition, &records).map_err(|error| Failure::of(&error))?;
        }
        fed = until;
        if rate.is_some() {
            tokio::time::sleep(FEED_INTERVAL).await;
        }
    }
    Ok(())
}

fn report(engine: &Engine) -> Result<(), Failure> {
    for (index, sink) in engine.flow.sinks.iter().enumerate() {
        output::line!("{}: {} rows, {} dead letters", sink.name, sink.rows(), engine.flow.dead_letters_of(index))?;
    }
    Ok(())
}
