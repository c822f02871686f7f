//! `hoga sim`: the simulated exchange as a process of its own.

use crate::cli::SimArgs;
use crate::config::parse_duration;
use crate::failure::Failure;
use crate::output;
use crate::up::PARTITIONS;
use hoga_log::partition_for_key;
use hoga_model::time::SystemClock;
use hoga_upbit::sim::{self, SimConfig, SimError, SimFault, SimStats};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub fn run(args: SimArgs) -> Result<(), Failure> {
    crate::up::start_tracing("info")?;
    let mut config = SimConfig {
        listen: args.listen,
        markets: args.markets,
        rate: args.rate,
        seed: args.seed,
        truth: args.truth,
        ..SimConfig::default()
    };
    let time = |option, text: &str| {
        parse_duration(text).map_err(|hint| Failure::user(format!("{option}: \"{text}\" is not valid: {hint}")))
    };
    if let Some(text) = args.duration {
        config.duration = Some(time("--duration", &text)?);
    }
    if let Some(text) = args.grace {
        config.grace = time("--grace", &text)?;
    }
    for text in args.fault {
        let faults = SimFault::parse_list(&text).map_err(|error| Failure::user(format!("--fault: {error}")))?;
        config.faults.extend(faults);
    }
    if let Some(path) = &args.record {
        return record(&config, path, args.record_from);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        crate::up::topology::stop_on_signals(&cancel)?;
        let running = sim::serve(config, Arc::new(SystemClock), cancel).await.map_err(|error| Failure::of(&error))?;
        output::line!("simulated exchange: not Upbit")?;
        output::line!("  HOGA_UPBIT_WS_URL={}", running.ws_url())?;
        output::line!("  HOGA_UPBIT_REST_URL={}", running.rest_url())?;
        let stats = running.join().await.map_err(|error| Failure::of(&error))?;
        report(&stats)
    })
}

fn report(stats: &SimStats) -> Result<(), Failure> {
    let SimStats { trades, tickers, orderbooks, .. } = stats;
    output::line!("made {} events: {tickers} tickers, {trades} trades, {orderbooks} order books", stats.events())
}

/// Writes the events as records of the topics that a collector would put them into.
fn record(config: &SimConfig, path: &Path, from_ms: i64) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::external(format!("cannot write \"{}\": {error}", path.display()));
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let stats = sim::record(config, from_ms, |event| {
        let topic = event.kind.topic();
        let partition = partition_for_key(event.market.as_bytes(), PARTITIONS);
        write!(
            file,
            "{{\"topic\": \"{topic}\", \"partition\": {partition}, \"key\": \"{}\", \"timestamp_ms\": {}, \"value\": ",
            event.market, event.at_ms
        )?;
        file.write_all(event.value)?;
        Ok::<(), Unwritten>(file.write_all(b"}\n")?)
    });
    let stats = stats.map_err(|error| match error {
        Unwritten::Sim(error) => Failure::of(&error),
        Unwritten::File(error) => failed(error),
    })?;
    file.flush().map_err(failed)?;
    report(&stats)
}

/// Why a recording is not whole.
enum Unwritten {
    Sim(SimError),
    File(std::io::Error),
}

impl From<SimError> for Unwritten {
    fn from(error: SimError) -> Unwritten {
        Unwritten::Sim(error)
    }
}

impl From<std::io::Error> for Unwritten {
    fn from(error: std::io::Error) -> Unwritten {
        Unwritten::File(error)
    }
}
