//! `hoga up`: the whole pipeline in one process.

pub mod backfill;
mod background;
pub mod bars;
pub mod care;
pub mod collect;
mod collecting;
pub mod exchange;
pub mod health;
mod kafka;
mod log_place;
pub mod market_list;
mod new_fields;
pub mod playback;
pub mod procedures;
pub mod process;
mod program_pages;
pub mod sampler;
mod shared_bars;
mod topics;
pub mod topology;

use crate::cli::UpArgs;
use crate::config::UpConfig;
use crate::failure::Failure;
use tracing_subscriber::EnvFilter;

/// Partitions of each stream's topic, here and in a cluster.
pub const PARTITIONS: u32 = 3;

/// Work of the network, of queries and of commits. Jobs have threads of their own.
const WORKER_THREADS: usize = 2;

pub fn run(args: Box<UpArgs>) -> Result<(), Failure> {
    let config = UpConfig::load(&args)?;
    start_tracing(&config.log_level)?;
    in_runtime(topology::run(config, None))
}

/// Runs a command's future; what it left behind is not waited for.
pub fn in_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::external(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(command);
    // a query that still runs is not worth waiting for
    runtime.shutdown_background();
    result
}

/// Events of the program go to standard error; standard output is for results.
pub fn start_tracing(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::user(format!("log-level \"{filter}\" is not valid: {error}; write error, warn, info or debug"))
    })?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    Ok(())
}
